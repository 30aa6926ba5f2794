//! Beside the list, where there is room: the step under inspection, counters, failures by cause, batches, speed, events.

use std::time::Duration;

use crate::model::id::HostName;
use crate::model::outcome::HostOutcome;
use crate::model::visible::width;
use crate::state::class::{Class, of_unit};
use crate::state::fleet::Counts;
use crate::state::run::{BatchState, RunState, UnitState};
use crate::state::series::levels;
use crate::state::words::{clock, count, step, took, verb};
use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::rows::Item;
use crate::tui::screen::run::words::{cause, set, step_to_show};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::now;

/// The columns of a label.
const LABEL: usize = 10;
/// The most causes that are listed.
const CAUSES: usize = 6;
/// From so many rows on there is room for what is not about the host under the cursor.
const ROOMY: usize = 32;
/// The most rows of batches.
const BATCHES: usize = 8;
/// The last batches that are looked at.
const LAST: usize = 200;
/// Minutes of the speed.
const MINUTES: usize = 12;
/// Where the time of a batch begins, and its hosts.
const TIME_AT: usize = 25;
const HOSTS_AT: usize = 37;
/// Columns of the counter in one line.
const COUNTER: usize = 24;

/// A line, and whether it is a rule.
type Line = (bool, Cells);

/// The lines of the side; the first is a rule.
pub(super) fn lines(model: &Model, ui: &Ui, watched: &Watched, columns: usize, rows: usize) -> Vec<Line> {
    let theme = ui.theme;
    let mut lines: Vec<Line> = Vec::new();
    let mut section = |title: &str, body: Vec<Cells>| {
        if body.is_empty() {
            return;
        }
        if !lines.is_empty() {
            lines.push((false, Cells::new(theme)));
        }
        lines.push((true, heading(theme, title, columns)));
        lines.extend(body.into_iter().map(|line| (false, line)));
    };
    if let Some(Item::Host(name)) = &ui.run.cursor.at {
        let id = step_to_show(watched, name);
        let title = id.as_ref().map(|id| format!("step {} on {name}", step(&watched.run, id)));
        section(&title.unwrap_or_else(|| name.to_string()), of_step(model, ui, watched, name));
        section(&format!("{name} restarts"), counters(model, ui, watched, name, columns));
    }
    let on_host = matches!(ui.run.cursor.at, Some(Item::Host(_)));
    if !on_host || rows >= ROOMY {
        section("failures by cause", failures(ui, watched, columns));
    }
    section(&format!("batches ({})", watched.run.batches.len()), batches(model, ui, watched, columns));
    if !on_host || rows >= ROOMY {
        section("speed", speed(model, ui, watched));
    }
    let room = rows.saturating_sub(lines.len() + 2);
    lines.push((false, Cells::new(theme)));
    lines.push((true, heading(theme, "events", columns)));
    lines.extend(events(model, ui, watched, room).into_iter().map(|line| (false, line)));
    lines.truncate(rows);
    lines
}

/// A rule with a title; the bar on its left ends in a piece of it.
fn heading(theme: Theme, title: &str, columns: usize) -> Cells {
    let line = Cells::of(theme, Tone::Dim, theme.rule()).put(Tone::Strong, &format!(" {title} "));
    let fill = columns.saturating_sub(line.used());
    line.put(Tone::Dim, &theme.rule().repeat(fill))
}

fn labelled(theme: Theme, label: &str) -> Cells {
    Cells::of(theme, Tone::Dim, label).to(LABEL)
}

/// What is known of the step of a host that is worth looking at.
fn of_step(model: &Model, ui: &Ui, watched: &Watched, name: &HostName) -> Vec<Cells> {
    let (theme, run) = (ui.theme, &watched.run);
    let Some(host) = run.hosts.get(name) else { return Vec::new() };
    let line = |label: &str, tone: Tone, text: &str| labelled(theme, label).put(tone, text);
    let Some(id) = step_to_show(watched, name) else {
        let why = host.unreachable.as_ref().or(host.finding.as_ref());
        let Some(why) = why else { return vec![line("state", Tone::Dim, "nothing has been done on it in this run")] };
        let mut lines = vec![line("why", Tone::Bad, &why.summary)];
        lines.extend(why.hint.iter().map(|hint| line("hint", Tone::Plain, hint)));
        return lines;
    };
    let Some(unit) = host.units.get(&id) else { return Vec::new() };
    let running = host.running.as_ref().is_some_and(|(running, _)| *running == id);
    let class = of_unit(Some(unit), running);
    let code = unit.exit_code.map_or_else(String::new, |code| format!(", exit {code}"));
    let nth = if unit.attempt > 1 { format!(", attempt {}", unit.attempt) } else { String::new() };
    let mut lines = vec![line("state", Theme::tone(class), &format!("{}{code}{nth}", class.word()))];
    if let Some(started) = unit.started {
        let time = took(unit.finished.unwrap_or(model.now).since(started));
        let label = if unit.finished.is_some() { "took" } else { "for" };
        lines.push(line(label, Tone::Plain, &format!("{time}, since {}", now::at(model, ui, started))));
    }
    if let Some(planned) = run.steps.iter().find(|step| step.id == id) {
        lines.push(line("kind", Tone::Plain, &format!("{} ({})", planned.kind, planned.section.word())));
    }
    lines.extend(of_unit_words(theme, unit));
    lines
}

fn of_unit_words(theme: Theme, unit: &UnitState) -> Vec<Cells> {
    let line = |label: &str, tone: Tone, text: &str| labelled(theme, label).put(tone, text);
    let mut lines = Vec::new();
    for (n, effect) in unit.effects.iter().enumerate() {
        lines.push(line(if n == 0 { "did" } else { "" }, Tone::Plain, effect));
    }
    if let Some(finding) = &unit.finding {
        lines.push(line("why", Tone::Bad, &finding.summary));
        lines.extend(finding.evidence.iter().take(2).map(|shown| line("", Tone::Plain, shown)));
        lines.extend(finding.hint.iter().map(|hint| line("hint", Tone::Plain, hint)));
    } else if let Some(note) = &unit.note {
        lines.push(line("seen", Tone::Plain, &note.summary));
    }
    lines
}

/// `restarts ▁▁▂▄ 1191 (+4)` of the counter of the host under the cursor that has moved most.
pub(super) fn restarts_line(watched: &Watched, ui: &Ui) -> Option<Cells> {
    let Some(Item::Host(name)) = &ui.run.cursor.at else { return None };
    let (app, counter) = watched.series.liveliest(name)?;
    let spark: String = counter.levels(COUNTER).into_iter().map(|level| ui.theme.spark(level)).collect();
    let (last, delta) = (counter.last().1, counter.delta());
    let line = Cells::of(ui.theme, Tone::Dim, &format!(" restarts of {app} ")).put(Tone::Plain, &spark);
    let tone = if delta == 0 { Tone::Plain } else { Tone::Warn };
    Some(line.put(tone, &format!(" {last} ({delta:+})")))
}

fn counters(model: &Model, ui: &Ui, watched: &Watched, name: &HostName, columns: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let mut lines = Vec::new();
    for (app, counter) in watched.series.of(name).take(4) {
        let ((from, first), (to, last)) = (counter.first(), counter.last());
        let numbers = format!(" {app}  {first} {} {last} ({:+})", theme.arrow(), counter.delta());
        let room = columns.saturating_sub(width(&numbers) + 1).min(48);
        let spark: String = counter.levels(room).into_iter().map(|level| theme.spark(level)).collect();
        lines.push(Cells::of(theme, Tone::Plain, &spark).put(Tone::Plain, &numbers));
        let (from, to) = (now::at(model, ui, from), now::at(model, ui, to));
        lines.push(Cells::of(theme, Tone::Dim, &format!("{from} to {to}")));
    }
    lines
}

/// Hosts that have ended.
fn ended(watched: &Watched) -> usize {
    let counts = watched.fleet.counts();
    counts.problems() + counts.of(Class::Ok) + counts.of(Class::Cancelled)
}

fn failures(ui: &Ui, watched: &Watched, columns: usize) -> Vec<Cells> {
    let (theme, run, fleet) = (ui.theme, &watched.run, &watched.fleet);
    let ended = ended(watched);
    let groups = fleet.group_rows(0, CAUSES + 1);
    let mut lines: Vec<Cells> = Vec::new();
    for group in groups.iter().filter(|group| group.key.class.is_problem()).take(CAUSES) {
        let why = cause(watched, group.first).unwrap_or_else(|| group.key.class.word().to_owned());
        let at = run.steps.iter().find(|step| Some(step.n) == group.key.step);
        let at = at.map_or_else(String::new, |at| format!("{} {}", at.n, at.id));
        #[expect(clippy::cast_precision_loss, reason = "a share of hosts is shown with two digits")]
        let share = group.hosts as f64 * 100.0 / ended.max(1) as f64;
        let end = format!("{at}  {share:.2}% of {ended}");
        let line = Cells::of(theme, Theme::tone(group.key.class), &format!("{:>3}", group.hosts)).put(Tone::Plain, "  ");
        let room = columns.saturating_sub(line.used() + width(&end) + 3).max(8);
        lines.push(line.cell(Tone::Plain, &why, room).right(Tone::Dim, &end, columns.saturating_sub(1)));
    }
    if !lines.is_empty() && !run.is_over() && run.max_failures > 0 {
        let failed: usize = run.begun.iter().filter_map(|batch| fleet.batch(batch.n)).map(counted).sum();
        let limit = format!("no further batch from {} on; {failed} so far", count(run.max_failures, "failure"));
        lines.push(Cells::of(theme, Tone::Dim, &limit));
    }
    lines
}

/// How many hosts of a batch count against the limit.
fn counted(counts: &Counts) -> usize {
    [Class::Failed, Class::TimedOut, Class::Unreachable, Class::Unknown].map(|class| counts.of(class)).iter().sum()
}

fn speed(model: &Model, ui: &Ui, watched: &Watched) -> Vec<Cells> {
    let at = watched.run.finished.as_ref().map_or(model.now, |finished| finished.at);
    let ends = watched.fleet.finishes(at, MINUTES);
    if ends.iter().all(|hosts| *hosts == 0) {
        return Vec::new();
    }
    let spark: String = levels(&ends, MINUTES).into_iter().map(|level| ui.theme.spark(level)).collect();
    let full = ends.len().checked_sub(2).and_then(|at| ends.get(at)).copied().unwrap_or_default();
    let words = format!("  {full} last minute");
    let line = Cells::of(ui.theme, Tone::Plain, "hosts per minute  ").put(Tone::Plain, &spark).put(Tone::Plain, &words);
    let per_host = watched.fleet.took(50).zip(watched.fleet.took(95));
    let times = per_host.map(|(half, most)| format!("a host took      {} median, {} p95", took(half), took(most)));
    std::iter::once(line).chain(times.map(|text| Cells::of(ui.theme, Tone::Plain, &text))).collect()
}

/// What is told of some batches on one row.
struct Told {
    first: usize,
    last: usize,
    canary: bool,
    tally: Vec<(HostOutcome, usize)>,
    times: Vec<Duration>,
}

impl Told {
    /// Whether another batch that has ended well is told with it.
    fn takes(&self, batch: &BatchState, tally: &[(HostOutcome, usize)]) -> bool {
        let well = |tally: &[(HostOutcome, usize)]| tally.iter().all(|(outcome, _)| *outcome == HostOutcome::Ok);
        !self.canary && !batch.canary && well(tally) && well(&self.tally)
    }
}

fn batches(model: &Model, ui: &Ui, watched: &Watched, columns: usize) -> Vec<Cells> {
    let (theme, run) = (ui.theme, &watched.run);
    let mut lines: Vec<Cells> = Vec::new();
    let skipped = run.begun.len().saturating_sub(LAST);
    if skipped > 0 {
        lines.push(Cells::of(theme, Tone::Dim, &format!("1 to {skipped}")).to(11).put(Tone::Dim, "earlier"));
    }
    let told = told(&run.begun[skipped..]);
    let room = BATCHES.saturating_sub(2);
    for told in &told[told.len().saturating_sub(room)..] {
        lines.push(of_batches(theme, run, told, columns));
    }
    for batch in run.begun.iter().rev().take(1).filter(|batch| batch.ended.is_none()) {
        lines.push(now_running(model, ui, watched, batch));
    }
    let begun = run.begun.len();
    if begun < run.batches.len() {
        let name = if begun + 1 == run.batches.len() {
            format!("{}", begun + 1)
        } else {
            format!("{} to {}", begun + 1, run.batches.len())
        };
        let hosts: usize = run.batches.iter().skip(begun).take(LAST).map(Vec::len).sum();
        let more = if run.batches.len() - begun > LAST { "more than " } else { "" };
        let word = if run.is_over() { "not started" } else { "waiting" };
        let line = Cells::of(theme, Tone::Plain, &name).to(11).put(Tone::Dim, theme.mark(Class::Waiting));
        lines.push(line.put(Tone::Dim, &format!(" {more}{hosts} {word}")));
    }
    lines
}

/// Batches that have ended, those that went well together.
fn told(begun: &[BatchState]) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    for batch in begun {
        let Some((ended, tally)) = &batch.ended else { continue };
        let tally: Vec<(HostOutcome, usize)> = tally.iter().filter(|(_, n)| **n > 0).map(|(o, n)| (*o, *n)).collect();
        let time = ended.since(batch.started);
        match told.last_mut().filter(|last| last.takes(batch, &tally)) {
            Some(last) => {
                last.last = batch.n;
                last.times.push(time);
                for (mine, other) in last.tally.iter_mut().zip(&tally) {
                    mine.1 += other.1;
                }
            }
            None => told.push(Told { first: batch.n, last: batch.n, canary: batch.canary, tally, times: vec![time] }),
        }
    }
    told
}

fn of_batches(theme: Theme, run: &RunState, told: &Told, columns: usize) -> Cells {
    let name = match (told.first == told.last, told.canary) {
        (true, true) => format!("{} canary", told.first),
        (true, false) => told.first.to_string(),
        (false, _) => format!("{} to {}", told.first, told.last),
    };
    let line = Cells::of(theme, Tone::Plain, &name).to(11);
    let well = told.tally.iter().all(|(outcome, _)| *outcome == HostOutcome::Ok);
    let class = if well { Class::Ok } else { Class::Failed };
    let tally: Vec<String> = told.tally.iter().map(|(outcome, n)| format!("{n} {}", verb(*outcome))).collect();
    let line = line.put(Theme::tone(class), theme.mark(class)).put(Tone::Plain, &format!(" {}", tally.join("  ")));
    let mut times = told.times.clone();
    times.sort();
    let half = times.get(times.len() / 2).copied().unwrap_or_default();
    let each = if told.times.len() > 1 { " median" } else { "" };
    let hosts = run.batches.get(told.first.saturating_sub(1)).filter(|_| told.first == told.last);
    let hosts =
        hosts.filter(|hosts| hosts.len() <= 4).map(|hosts| set(hosts, hosts.len(), columns.saturating_sub(HOSTS_AT), theme));
    line.to(TIME_AT).put(Tone::Plain, &format!("{}{each}", clock(half))).to(HOSTS_AT).put(Tone::Dim, &hosts.unwrap_or_default())
}

fn now_running(model: &Model, ui: &Ui, watched: &Watched, batch: &BatchState) -> Cells {
    let theme = ui.theme;
    let name = if batch.canary { format!("{} canary", batch.n) } else { batch.n.to_string() };
    let mut line = Cells::of(theme, Tone::Plain, &name).to(10);
    for (class, hosts) in watched.fleet.batch(batch.n).into_iter().flat_map(|counts| counts.listed()) {
        let tone = Theme::tone(class);
        line = line.put(Tone::Plain, " ").put(tone, theme.mark(class)).put(Tone::Plain, &format!(" {hosts}"));
    }
    let until = watched.run.finished.as_ref().map_or(model.now, |finished| finished.at);
    let time = clock(until.since(batch.started));
    let word = if watched.is_live() { " so far" } else { "" };
    line.to(TIME_AT).put(Tone::Plain, &format!("{time}{word}"))
}

/// The last events, newest first.
fn events(model: &Model, ui: &Ui, watched: &Watched, room: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let only = match &ui.run.only {
        Some(Item::Host(name)) => Some(name),
        _ => None,
    };
    let lines = watched.trail.lines().rev().filter(|line| only.is_none_or(|only| line.host.as_ref() == Some(only)));
    let told = lines.skip(ui.run.events).take(room).map(|line| {
        let host = line.host.as_ref().map_or_else(String::new, |host| format!("  {host}"));
        let at = now::at(model, ui, line.at);
        let head = Cells::of(theme, Tone::Dim, at.trim_end_matches('Z')).put(Tone::Plain, &format!("{host}  "));
        let text = line.text.replace('→', theme.arrow());
        head.put(line.class.map_or(Tone::Plain, Theme::tone), &text)
    });
    told.collect()
}
