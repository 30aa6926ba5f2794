//! The live part: two lines on standard error, always two, whatever the size of the fleet.
//!
//! First drawn after half a second, then at most ten times a second; taken away while a final line is written.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use rustix::termios::isatty;

use crate::model::outcome::HostOutcome;
use crate::model::time::Timestamp;
use crate::model::visible::{clip, visible, width};
use crate::report::signs::Signs;
use crate::report::sink;
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

/// The terminal that they are drawn on: what it is told is text, and the few moves of the cursor are made here.
#[derive(Debug)]
struct Canvas<W> {
    to: Mutex<(W, String)>,
    columns: usize,
}

impl<W: Write> Canvas<W> {
    fn new(to: W, columns: usize) -> Self {
        Self { to: Mutex::new((to, String::new())), columns }
    }

    fn say(&self, text: &str) -> io::Result<()> {
        self.lock().1.push_str(text);
        Ok(())
    }

    fn turn(&self, n: usize, letter: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.say(&format!("\x1b[{n}{letter}")) }
    }

    fn lock(&self) -> MutexGuard<'_, (W, String)> {
        self.to.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + fmt::Debug + Send> TermLike for Canvas<W> {
    fn width(&self) -> u16 {
        u16::try_from(sink::columns(io::stderr()).unwrap_or(self.columns)).unwrap_or(u16::MAX)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.turn(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.turn(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.turn(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.turn(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.say(&format!("{}\n", visible(text)))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        match text {
            "\r" => self.say(text),
            _ => self.say(&visible(text)),
        }
    }

    fn clear_line(&self) -> io::Result<()> {
        self.say("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let mut lock = self.lock();
        let text = std::mem::take(&mut lock.1);
        lock.0.write_all(text.as_bytes())?;
        lock.0.flush()
    }
}

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
        let target = match isatty(io::stderr()) {
            true => ProgressDrawTarget::term_like_with_hz(Box::new(Canvas::new(io::stderr(), columns)), 20),
            false => ProgressDrawTarget::hidden(),
        };
        let screen = MultiProgress::with_draw_target(target);
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

#[cfg(test)]
mod tests {
    use indicatif::TermLike;
    use proptest::prelude::{any, proptest};

    use super::Canvas;

    proptest! {
        #[test]
        fn a_live_line_moves_nothing_but_its_own_row(text in any::<String>()) {
            let canvas = Canvas::new(Vec::new(), 80);
            canvas.clear_line().expect("drawn");
            canvas.write_str(&format!("{text}.")).expect("drawn");
            canvas.move_cursor_up(1).expect("drawn");
            canvas.flush().expect("drawn");
            let bytes = canvas.lock().0.clone();
            let drawn = String::from_utf8(bytes).expect("text");
            let inner = drawn.strip_prefix("\r\x1b[2K").and_then(|rest| rest.strip_suffix("\x1b[1A")).expect("our moves");
            assert!(!inner.contains(crate::model::visible::is_hidden), "{inner:?}");
        }
    }
}
