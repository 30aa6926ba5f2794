//! What is told of the run under the cursor, and of the runs of its runbook.

use crate::model::hostset;
use crate::model::id::{HostName, RunId};
use crate::model::outcome::{HostOutcome, RunState as EndState};
use crate::state::summary::{outcome, quoted};
use crate::state::{series, words};
use crate::tui::model::{Model, Opened, Ran};
use crate::tui::screen::history::{current, left, retry_is_off};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::sides::Row;
use crate::tui::view::wrap::wrap;

/// Columns of a label.
const LABEL: usize = 13;
/// The most characters of a runbook's hash.
const HASH: usize = 8;
/// The most runs of a sparkline.
const SPARK: usize = 30;
/// The most decisions and open things that are named.
const NAMED: usize = 4;

/// What a record says that the list of runs does not.
#[derive(Debug)]
pub(super) struct Known {
    run: RunId,
    seq: u64,
    changed: String,
    by_outcome: Vec<(HostOutcome, String)>,
    decided: Vec<String>,
}

impl Known {
    /// What this record says.
    pub(super) fn of(opened: &Opened) -> Self {
        let run = &opened.watched.run;
        let hosts = |wanted: &dyn Fn(&HostName) -> bool| {
            let names: Vec<HostName> = run.order.iter().filter(|name| wanted(name)).cloned().collect();
            hostset::fold(&names)
        };
        let came_to = |name: &HostName| run.hosts.get(name).map(|host| outcome(host, run.dry_run));
        let by_outcome = HostOutcome::ALL.iter().filter(|outcome| **outcome != HostOutcome::Ok);
        let by_outcome = by_outcome.map(|outcome| (*outcome, hosts(&|name| came_to(name) == Some(*outcome))));
        let decided = run.decided.iter().map(|decided| {
            let after = words::clock(decided.at.since(decided.asked.since));
            format!("after {after}: {}", words::decided(decided))
        });
        Self {
            run: opened.run.clone(),
            seq: run.seq,
            changed: hosts(&|name| run.hosts.get(name).is_some_and(|host| host.changed)),
            by_outcome: by_outcome.filter(|(_, hosts)| !hosts.is_empty()).collect(),
            decided: decided.collect(),
        }
    }

    /// Whether this is what it says now.
    pub(super) fn is_of(&self, opened: &Opened) -> bool {
        self.run == opened.run && self.seq == opened.watched.run.seq
    }
}

/// `7f3a9c restart-loop on web-[01-06]`.
pub(super) fn title(ran: &Ran) -> String {
    format!("{}{} {} on {}", words::sim(ran.sim), ran.run, ran.runbook, ran.selector)
}

/// A label and what belongs to it, in as many rows as that takes but at most three.
fn told(theme: Theme, label: &str, tone: Tone, text: &str, columns: usize) -> Vec<Cells> {
    let rows = wrap(theme, text, columns.saturating_sub(LABEL), 3);
    let label = |at: usize| Cells::new(theme).cell(Tone::Dim, if at == 0 { label } else { "" }, LABEL);
    rows.iter().enumerate().map(|(at, row)| label(at).put(tone, row)).collect()
}

/// The run and what to type next.
pub(super) fn lines(model: &Model, ui: &Ui, ran: &Ran, columns: usize) -> Vec<Cells> {
    let mut lines = about(model, ui, ran, columns);
    for (at, command) in again(model, ran).iter().enumerate() {
        lines.extend(told(ui.theme, if at == 0 { "again" } else { "" }, Tone::Plain, command, columns));
    }
    lines
}

fn about(model: &Model, ui: &Ui, ran: &Ran, columns: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let mut lines = Vec::new();
    let mut tell = |label: &str, tone: Tone, text: &str| lines.extend(told(theme, label, tone, text, columns));
    for item in ran.open.iter().take(NAMED) {
        let text = format!("{} {}, since {} {}Z", item.host, item.title, item.since.date(), item.since.clock());
        tell("OPEN", Tone::Warn, &text);
    }
    if ran.open.len() > NAMED {
        tell("", Tone::Warn, &format!("and {} more", ran.open.len() - NAMED));
    }
    if ran.running {
        tell("now", Tone::Running, "a process works on it");
    }
    match ui.history.known.as_ref().filter(|known| known.run == ran.run) {
        Some(known) => {
            tell("changed", Tone::Plain, if known.changed.is_empty() { "no host" } else { &known.changed });
            for (outcome, hosts) in &known.by_outcome {
                tell(words::outcome(*outcome), tone(*outcome), hosts);
            }
            for decided in known.decided.iter().take(NAMED) {
                tell("decided", Tone::Plain, decided);
            }
        }
        None if !ran.hosts.is_empty() => tell("hosts", Tone::Plain, &words::tally(&ran.hosts)),
        None => {}
    }
    if let Some(why) = &ran.why {
        tell("why", Tone::Bad, why);
    }
    if let Some(sha256) = &ran.sha256 {
        tell("runbook", Tone::Plain, &version(model, ran, sha256));
    }
    tell("began", Tone::Plain, &format!("{} {}Z by {}", ran.started.date(), ran.started.clock(), ran.by));
    lines
}

fn tone(outcome: HostOutcome) -> Tone {
    match outcome {
        HostOutcome::Ok | HostOutcome::NotStarted => Tone::Plain,
        HostOutcome::Unreachable => Tone::Far,
        HostOutcome::RolledBack | HostOutcome::Refused | HostOutcome::Cancelled => Tone::Warn,
        _ => Tone::Bad,
    }
}

/// Whether the runbook is still what it was.
fn version(model: &Model, ran: &Ran, sha256: &str) -> String {
    let short: String = sha256.chars().take(HASH).collect();
    let since = match model.book(&ran.runbook).map(|book| book.is.as_ref()) {
        None => "is not here any more",
        Some(Err(_)) => "cannot be read now",
        Some(Ok(book)) if book.sha256 == sha256 => "unchanged since",
        Some(Ok(_)) => "CHANGED since",
    };
    format!("{} {short}, {since}", ran.runbook)
}

/// Commands to type next; only such as exist.
fn again(model: &Model, ran: &Ran) -> Vec<String> {
    let (record, further) = (&model.shelf.record_flags, &model.shelf.run_flags);
    let mut commands = Vec::new();
    if !ran.open.is_empty() && !ran.running {
        commands.push(format!("runbook close {}{record}", ran.run));
    }
    if let (None, Ok(hosts)) = (retry_is_off(ran, model).filter(|_| !model.is_live()), left(ran)) {
        commands.push(format!("runbook run {} --hosts {}{further}", ran.runbook, quoted(&hosts)));
    }
    commands.push(format!("runbook show {}{record}", ran.run));
    commands.push(format!("runbook timeline {} --export md{record}", ran.run));
    commands
}

/// The right column of a wide screen.
pub(super) fn column(model: &Model, ui: &Ui, columns: usize, rows: usize) -> Vec<Row> {
    let Some(ran) = current(model, ui) else { return vec![Row::Rule(String::new())] };
    let mut column = vec![Row::Rule(title(ran))];
    column.extend(about(model, ui, ran, columns).into_iter().map(Row::Text));
    column.push(Row::Text(Cells::new(ui.theme)));
    column.push(Row::Rule("again".to_owned()));
    let again = again(model, ran);
    let wrapped = again.iter().flat_map(|command| wrap(ui.theme, command, columns, 2));
    column.extend(wrapped.map(|row| Row::Text(Cells::of(ui.theme, Tone::Plain, &row))));
    column.push(Row::Text(Cells::new(ui.theme)));
    let of_book: Vec<&Ran> = model.shelf.runs.iter().filter(|other| counts(other, ran)).collect();
    if of_book.len() > 1 && column.len() + 6 <= rows {
        column.push(Row::Rule(format!("{} over its {} newest runs", ran.runbook, of_book.len())));
        column.extend(over(ui.theme, &of_book, columns).into_iter().map(Row::Text));
    }
    column
}

/// Whether a run counts among those of the runbook of another: it ended, and was meant.
fn counts(other: &Ran, ran: &Ran) -> bool {
    other.runbook == ran.runbook && other.sim == ran.sim && !other.dry_run && !other.unconfirmed && other.state.is_some()
}

/// What several runs of a runbook come to; they are newest first.
fn over(theme: Theme, runs: &[&Ran], columns: usize) -> Vec<Cells> {
    let not_ok =
        |ran: &&Ran| ran.hosts.iter().filter(|(outcome, _)| **outcome != HostOutcome::Ok).map(|(_, n)| *n).sum::<usize>();
    let bad: Vec<u64> = runs.iter().rev().map(|ran| u64::try_from(not_ok(ran)).unwrap_or(u64::MAX)).collect();
    let newest = bad.get(bad.len().saturating_sub(SPARK)..).unwrap_or_default();
    let levels = series::levels(newest, SPARK.min(columns.saturating_sub(26)));
    let spark: String = levels.into_iter().map(|level| theme.spark(level)).collect();
    let most = newest.iter().max().copied().unwrap_or(0);
    let ok = runs.iter().filter(|ran| ran.state == Some(EndState::Ok)).count();
    let mut times: Vec<_> = runs.iter().filter(|ran| ran.state == Some(EndState::Ok)).filter_map(|ran| ran.took).collect();
    times.sort();
    let row = |label: &str, text: &str| Cells::new(theme).cell(Tone::Dim, label, 24).put(Tone::Plain, text);
    let mut rows = vec![
        row("ended ok", &format!("{ok} of {}", runs.len())),
        row("hosts not ok per run", &format!("{spark} at most {most}")),
    ];
    if let (Some(median), Some(longest)) = (times.get(times.len() / 2), times.last()) {
        let most = if times.len() > 1 { format!(", at most {}", words::clock(*longest)) } else { String::new() };
        rows.push(row("an ok run took", &format!("{}{most}", words::clock(*median))));
    }
    if let Some(last) = runs.iter().find(|ran| ran.state != Some(EndState::Ok)) {
        rows.push(row("last one that was not", &format!("{} on {}", last.run, last.started.date())));
    }
    rows
}
