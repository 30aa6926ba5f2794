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
    first.into_iter().chain(rest).map(|(class, hosts)| (class, format!("{hosts} {}", class.word()))).collect()
}

/// How long the batches that are left will take, from the median of those that have ended after the canary. None while it
/// is not known, and while the run is held.
pub fn left(watched: &Watched, now: Timestamp) -> Option<Duration> {
    let run = &watched.run;
    if run.finished.is_some() || run.paused.is_some() || !run.waiting.is_empty() || run.stopping.is_some() {
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
    let mut counted = Cells::new(theme);
    for (n, (class, text)) in counts(&watched.fleet).into_iter().enumerate() {
        let text = if class == Class::Waiting && run.finished.is_some() { text.replace("waiting", "not started") } else { text };
        counted = counted.put(Tone::Plain, if n > 0 { "  " } else { "" }).put(quiet(class), &text);
    }
    let lead = match run.batch {
        Some((n, of)) if !shape.narrow && run.finished.is_none() => format!("batch {n} of {of}  "),
        _ => String::new(),
    };
    let line = Cells::of(theme, Tone::Strong, &lead);
    let line = if shape.narrow { line.to(6) } else { line };
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
    let short = format!("1 mark = {per}");
    match columns.saturating_sub(line.used() + 2) {
        room if room >= width(&long) => line.right(Tone::Dim, &long, columns),
        room if room >= width(&short) => line.right(Tone::Dim, &short, columns),
        _ => line,
    }
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
    if run.finished.is_some() {
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
    let labelled = |label: &str| Cells::of(theme, Tone::Strong, label).to(11);
    let failures: Vec<&Failure> = finished.failures.iter().take(LINES).collect();
    for failure in failures {
        lines.push(failed(labelled("failed"), failure, columns, theme));
    }
    if finished.failures.len() > LINES {
        let more = finished.failures.len() - LINES;
        lines.push(labelled("").put(Tone::Dim, &format!("and {}", count(more, "more cause"))));
    }
    for open in watched.fleet.open().take(LINES) {
        let Some(name) = watched.fleet.name(open.place) else { continue };
        let title = run.hosts.get(name).and_then(|host| host.open.get(open.key)).map_or(open.key, |o| &o.obligation.title);
        let since = now::at(model, ui, open.since);
        lines.push(
            labelled("LEFT OPEN").put(Tone::Held, &format!("{title} on {name}")).put(Tone::Plain, &format!(" since {since}")),
        );
    }
    if watched.fleet.open().len() > LINES {
        lines.push(labelled("").put(Tone::Warn, &format!("and {} more", watched.fleet.open().len() - LINES)));
    }
    for (n, next) in finished.next.iter().take(LINES).enumerate() {
        lines.push(labelled(if n == 0 { "next" } else { "" }).put(Tone::Plain, next));
    }
    lines.truncate(most.max(1));
    lines
}

fn failed(line: Cells, failure: &Failure, columns: usize, theme: Theme) -> Cells {
    let step = failure.step.as_ref().map_or_else(String::new, |step| format!("{step}: "));
    let first: Vec<_> = failure.hosts.iter().take(64).cloned().collect();
    let hosts = set(&first, failure.hosts.len(), (columns / 3).max(12), theme);
    line.put(Tone::Bad, &hosts).put(Tone::Plain, &format!("  {step}{}", failure.message))
}
