//! Above the list: how many hosts stand as what, the whole fleet on one line, and how the run ended.

use std::time::Duration;

use crate::model::event::Failure;
use crate::model::time::Timestamp;
use crate::model::visible::width;
use crate::state::class::Class;
use crate::state::fleet::Fleet;
use crate::state::run::{BatchState, Finished};
use crate::state::words::{clock, count, took};
use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::words::set;
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::now;

/// The least and the most columns of the bar.
const BAR: [usize; 2] = [8, 60];
/// So many batches, the last ones, tell how long one takes.
const TIMED: usize = 200;
/// The most lines of one kind in the conclusion.
const LINES: usize = 3;

/// How many hosts stand as what, what is done first: `3 ok`, `1 FAILED`, `2 waiting`.
pub fn counts(fleet: &Fleet) -> Vec<(Class, String)> {
    let done = |class: Class| matches!(class, Class::Ok | Class::Changed | Class::WouldChange);
    let listed: Vec<(Class, usize)> = fleet.counts().listed().collect();
    let (first, rest): (Vec<_>, Vec<_>) = listed.into_iter().partition(|(class, _)| done(*class));
    let word = |class: Class, hosts: usize| match class {
        Class::Held if hosts > 1 => "WAIT FOR YOU",
        class => class.word(),
    };
    first.into_iter().chain(rest).map(|(class, hosts)| (class, format!("{hosts} {}", word(class, hosts)))).collect()
}

/// How long the batches that are left will take, from the median of those that have ended after the canary. None while it
/// is not known, and while the run is held.
pub fn left(watched: &Watched, now: Timestamp) -> Option<Duration> {
    let run = &watched.run;
    if run.is_over() || run.paused.is_some() || !run.waiting.is_empty() || run.stopping.is_some() {
        return None;
    }
    let mut times: Vec<Duration> = run.begun.iter().rev().take(TIMED).filter(|batch| !batch.canary).filter_map(time_of).collect();
    times.sort();
    let median = *times.get(times.len() / 2)?;
    let (_, of) = run.batch?;
    let waiting = u32::try_from(of.saturating_sub(run.begun.len())).ok()?;
    let running = run.begun.last().filter(|batch| batch.ended.is_none());
    let rest = running.map_or(Duration::ZERO, |batch| median.saturating_sub(now.since(batch.started)));
    Some(median * waiting + rest)
}

fn time_of(batch: &BatchState) -> Option<Duration> {
    batch.ended.as_ref().map(|(ended, _)| ended.since(batch.started))
}

/// `about 4:30`, from ten minutes on rounded to a minute: `about 63 min`.
pub fn about(time: Duration) -> String {
    let minutes = (time.as_secs() + 30) / 60;
    if minutes < 10 { format!("about {}", clock(time)) } else { format!("about {minutes} min") }
}

/// The lines above the list.
pub(super) fn lines(model: &Model, ui: &Ui, watched: &Watched, columns: usize, shape: Above) -> Vec<Cells> {
    let mut lines = Vec::new();
    if let Some(finished) = &watched.run.finished {
        lines.extend(conclusion(model, ui, watched, finished, columns, shape.most));
    }
    lines.push(counted(model, ui, watched, columns, shape));
    if shape.strip {
        let fleet = &watched.fleet;
        let per = per_mark(fleet, columns);
        let marks = fleet.strip(fleet.len().div_ceil(per));
        let mark = |line: Cells, class: Class| line.put(Theme::tone(class), ui.theme.mark(class));
        lines.push(marks.into_iter().fold(Cells::of(ui.theme, Tone::Plain, " "), mark));
    }
    lines
}

/// What stands above the list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Above {
    /// Whether the whole fleet is shown on one line.
    pub(super) strip: bool,
    /// Whether there is little room.
    pub(super) narrow: bool,
    /// The most lines of the conclusion.
    pub(super) most: usize,
}

/// How many hosts one mark of the strip stands for.
fn per_mark(fleet: &Fleet, columns: usize) -> usize {
    fleet.len().div_ceil(columns.saturating_sub(2).max(1)).max(1)
}

fn counted(model: &Model, ui: &Ui, watched: &Watched, columns: usize, shape: Above) -> Cells {
    let (theme, run) = (ui.theme, &watched.run);
    let tail = tail(model, watched);
    let lead = match run.batch {
        Some((n, of)) if !shape.narrow && !run.is_over() => format!("batch {n} of {of}  "),
        _ => String::new(),
    };
    let label = if shape.narrow { 6 } else { 0 };
    let words = tallied(theme, watched, true);
    // every number is there: where room is short, first the batch goes, then the words
    let (lead, counted) = match columns.saturating_sub(label + words.used()) {
        room if room >= width(&lead) && label + words.used() <= columns => (lead, words),
        _ if label + words.used() <= columns => (String::new(), words),
        _ => (String::new(), tallied(theme, watched, false)),
    };
    let line = Cells::of(theme, Tone::Strong, &lead).to(label.max(width(&lead)));
    let wanted = line.used() + counted.used() + if tail.is_empty() { 0 } else { width(&tail) + 2 };
    let room = columns.saturating_sub(wanted + 2).min(BAR[1]);
    let with_bar = !shape.narrow && !shape.strip && room >= BAR[0] && !run.begun.is_empty();
    let line = if with_bar { bar(line, theme, &watched.fleet, room).put(Tone::Plain, "  ") } else { line };
    let line = line.join(counted);
    let fits = !tail.is_empty() && line.used() + 2 + width(&tail) <= columns;
    let line = if fits { line.put(Tone::Plain, "  ").put(Tone::Strong, &tail) } else { line };
    if !shape.strip {
        return line;
    }
    let per = per_mark(&watched.fleet, columns);
    let long = format!("one mark below = {}, the worst of them", count(per, "host"));
    let short = format!("1 mark = {}", count(per, "host"));
    match columns.saturating_sub(line.used() + 2) {
        room if room >= width(&long) => line.right(Tone::Dim, &long, columns),
        room if room >= width(&short) => line.right(Tone::Dim, &short, columns),
        _ => line,
    }
}

/// How many hosts stand as what, in words or by their marks.
fn tallied(theme: Theme, watched: &Watched, words: bool) -> Cells {
    let mut line = Cells::new(theme);
    for (n, (class, text)) in counts(&watched.fleet).into_iter().enumerate() {
        let text = match words {
            true if class == Class::Waiting && watched.run.is_over() => text.replace("waiting", "not started"),
            true => text,
            false => format!("{} {}", theme.mark(class), watched.fleet.counts().of(class)),
        };
        line = line.put(Tone::Plain, if n > 0 { "  " } else { "" }).put(quiet(class), &text);
    }
    line
}

/// Success is quiet, and so is what only waits.
fn quiet(class: Class) -> Tone {
    match Theme::tone(class) {
        Tone::Dim => Tone::Plain,
        tone => tone,
    }
}

/// `held for 0:09`, `watching 3 hosts, 8 s left`, `about 12 min left`.
fn tail(model: &Model, watched: &Watched) -> String {
    let run = &watched.run;
    if run.is_over() {
        return String::new();
    }
    if let Some(paused) = &run.paused {
        return format!("paused for {}", clock(model.now.since(paused.since)));
    }
    if let Some(asked) = run.waiting.first() {
        return format!("held for {}", clock(model.now.since(asked.since)));
    }
    if let Some((since, time, hosts)) = run.soaking {
        let left = time.saturating_sub(model.now.since(since));
        return format!("watching {}, {} s left", count(hosts, "host"), left.as_secs());
    }
    left(watched, model.now).map(|time| format!("{} left", about(time))).unwrap_or_default()
}

fn bar(line: Cells, theme: Theme, fleet: &Fleet, columns: usize) -> Cells {
    let counts = fleet.counts();
    let done: usize = counts.problems() + [Class::Ok, Class::Cancelled].map(|class| counts.of(class)).iter().sum::<usize>();
    let [full, empty] = theme.progress();
    let (open, close) = if theme.ascii { ("[", "]") } else { ("", "") };
    let columns = columns - open.len() - close.len();
    let filled = done * columns / counts.all().max(1);
    line.put(Tone::Plain, open)
        .put(Tone::Active, &full.repeat(filled))
        .put(Tone::Dim, &empty.repeat(columns - filled))
        .put(Tone::Plain, close)
}

/// How the run ended, and what to type next.
pub(super) fn conclusion(
    model: &Model,
    ui: &Ui,
    watched: &Watched,
    finished: &Finished,
    columns: usize,
    most: usize,
) -> Vec<Cells> {
    let (theme, run) = (ui.theme, &watched.run);
    let tone = if finished.exit_code == 0 { Tone::Strong } else { Tone::Bad };
    let state = finished.state.word().to_uppercase();
    let line = Cells::of(theme, tone, &state).put(Tone::Plain, &format!("  exit code {}", finished.exit_code));
    let all = run.started.map_or_else(String::new, |started| format!(", after {}", took(finished.at.since(started))));
    let line = line.put(Tone::Plain, &all);
    let mut lines = vec![line];
    lines.extend(left_open(model, ui, watched));
    let next: Vec<Cells> = finished
        .next
        .iter()
        .take(LINES)
        .enumerate()
        .map(|(n, next)| labelled(theme, if n == 0 { "next" } else { "" }).put(Tone::Plain, next))
        .collect();
    let failed = finished.failures.iter().take(LINES).map(|failure| failed(labelled(theme, "failed"), failure, columns, theme));
    let more = finished.failures.len().saturating_sub(LINES);
    let more = (more > 0).then(|| labelled(theme, "").put(Tone::Dim, &format!("and {}", count(more, "more cause"))));
    // where room is short the rows tell what has failed
    let room = most.saturating_sub(lines.len() + next.len());
    lines.extend(failed.chain(more).take(room));
    lines.extend(next);
    lines.truncate(most.max(1));
    lines
}

fn labelled(theme: Theme, label: &str) -> Cells {
    Cells::of(theme, Tone::Strong, label).to(11)
}

/// What the run has left open.
fn left_open(model: &Model, ui: &Ui, watched: &Watched) -> Vec<Cells> {
    let (theme, fleet) = (ui.theme, &watched.fleet);
    let mut lines = Vec::new();
    for open in fleet.open().take(LINES) {
        let Some(name) = fleet.name(open.place) else { continue };
        let held = watched.run.hosts.get(name).and_then(|host| host.open.get(open.key));
        let title = held.map_or(open.key, |held| &held.obligation.title);
        let line = labelled(theme, "LEFT OPEN").put(Tone::Held, &format!("{title} on {name}"));
        lines.push(line.put(Tone::Plain, &format!(" since {}", now::at(model, ui, open.since))));
    }
    let more = fleet.open().len().saturating_sub(LINES);
    if more > 0 {
        lines.push(labelled(theme, "").put(Tone::Warn, &format!("and {more} more")));
    }
    lines
}

fn failed(line: Cells, failure: &Failure, columns: usize, theme: Theme) -> Cells {
    let step = failure.step.as_ref().map_or_else(String::new, |step| format!("{step}: "));
    let first: Vec<_> = failure.hosts.iter().take(64).cloned().collect();
    let hosts = set(&first, failure.hosts.len(), (columns / 3).max(12), theme);
    line.put(Tone::Bad, &hosts).put(Tone::Plain, &format!("  {step}{}", failure.message))
}
