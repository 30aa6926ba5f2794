//! The live part: two lines on standard error, always two, whatever the size of the fleet.
//!
//! First drawn after half a second, then at most ten times a second; taken away while a final line is written.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::model::outcome::HostOutcome;
use crate::model::time::Timestamp;
use crate::model::visible::{clip, visible, width};
use crate::report::signs::Signs;
use crate::state::run::RunState;
use crate::state::words;

/// Nothing is drawn before.
const FIRST: Duration = Duration::from_millis(500);
/// Nor more often.
const EVERY: Duration = Duration::from_millis(100);
/// The most columns of the bar.
const BAR: usize = 32;
/// With fewer it is left out.
const SMALLEST: usize = 4;

/// Two lines that change.
#[derive(Debug)]
pub struct Live {
    screen: MultiProgress,
    bar: ProgressBar,
    running: ProgressBar,
    began: Instant,
    drawn: Option<Instant>,
    shown: [String; 2],
    columns: usize,
    signs: Signs,
}

impl Live {
    /// Two lines on standard error, each at most `columns` wide, for a reader who can take these signs.
    pub fn new(columns: usize, signs: Signs) -> Self {
        // drawing is paced here, so that the final lines between need not wait
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(20));
        let plain = || ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        let line = |screen: &MultiProgress| screen.add(ProgressBar::new_spinner().with_style(plain()));
        let (bar, running) = (line(&screen), line(&screen));
        Self { screen, bar, running, began: Instant::now(), drawn: None, shown: Default::default(), columns, signs }
    }

    /// Draws, if it is time.
    pub fn draw(&mut self, state: &RunState) {
        let now = Instant::now();
        let due = match self.drawn {
            None => now.duration_since(self.began) >= FIRST,
            Some(drawn) => now.duration_since(drawn) >= EVERY,
        };
        if !due {
            return;
        }
        self.drawn = Some(now);
        let lines = two_lines(state, wall_clock(), self.columns).map(|line| fit(&line, self.columns, self.signs));
        if lines == self.shown {
            return;
        }
        let [bar, running] = lines.clone();
        self.bar.set_message(bar);
        self.running.set_message(running);
        self.shown = lines;
    }

    /// Writes final lines with the live ones out of the way.
    pub fn suspend(&self, write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.screen.suspend(write)
    }

    /// Takes the live lines away.
    pub fn clear(&mut self) -> io::Result<()> {
        self.bar.finish_and_clear();
        self.running.finish_and_clear();
        self.screen.clear()
    }
}

fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    Timestamp::from_millis(i64::try_from(since).unwrap_or(i64::MAX))
}

/// The bar with its numbers, and up to three of the slowest running hosts. The bar gives way to the words.
pub fn two_lines(state: &RunState, now: Timestamp, columns: usize) -> [String; 2] {
    let elapsed = words::clock(state.started.map_or(Duration::ZERO, |start| now.since(start)));
    let all = state.hosts.len();
    let (head, done, numbers) = match state.batch {
        None => checking(state),
        Some(batch) => working(state, batch),
    };
    let head = format!("{}{head}", words::sim(state.sim));
    let open = state.open().len();
    let open = if open == 0 { String::new() } else { format!("OPEN {open}  ") };
    let words = format!("{open}{numbers}  {elapsed}");
    let room = columns.saturating_sub(width(&head) + width(&words) + 5);
    let bar = if room < SMALLEST { String::new() } else { bar(done, all, room.min(BAR)) };
    let mut running = words::running(state, now);
    running.truncate(3);
    let line = |text: &str| clip(&visible(text), columns).into_owned();
    [line(&format!("{head} {bar}{words}")), line(&running.join("   "))]
}

/// A line for a reader who can take these signs; a sign may become wider than it was.
fn fit(line: &str, columns: usize, signs: Signs) -> String {
    let line = signs.of(line);
    if width(&line) <= columns {
        return line.into_owned();
    }
    signs.of(&clip(&line, columns.saturating_sub(2))).into_owned()
}

fn checking(state: &RunState) -> (String, usize, String) {
    let answered = state.hosts.values().filter(|host| host.facts.is_some() || host.unreachable.is_some()).count();
    let looked = state.hosts.values().filter(|host| !host.preview.is_empty() || host.unreachable.is_some()).count();
    let all = words::count(state.hosts.len(), "host");
    ("Checking".to_owned(), looked, format!("{answered} of {all} answered"))
}

fn working(state: &RunState, (n, of): (usize, usize)) -> (String, usize, String) {
    let all = state.hosts.len();
    let done = state.hosts.values().filter(|host| host.outcome.is_some()).count();
    let running = state.hosts.values().filter(|host| host.running.is_some()).count();
    let mut counts: BTreeMap<HostOutcome, usize> = BTreeMap::new();
    for outcome in state.hosts.values().filter_map(|host| host.outcome) {
        *counts.entry(outcome).or_default() += 1;
    }
    let mut parts: Vec<String> = counts.iter().map(|(outcome, n)| format!("{n} {}", words::verb(*outcome))).collect();
    if running > 0 {
        parts.push(format!("{running} running"));
    }
    let waiting = all.saturating_sub(done + running);
    if waiting > 0 {
        parts.push(format!("{waiting} waiting"));
    }
    (format!("Batch {n}/{of}"), done, parts.join("  "))
}

fn bar(done: usize, all: usize, columns: usize) -> String {
    let full = (columns * done).checked_div(all).unwrap_or(0).min(columns);
    let tip = if full < columns { ">" } else { "" };
    format!("[{}{tip}{}]  ", "#".repeat(full), "-".repeat((columns - full).saturating_sub(1)))
}
