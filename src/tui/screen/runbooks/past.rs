//! How a runbook went: its last runs, a row each, and why it failed last time.

use crate::model::outcome::{HostOutcome, RunState as EndState};
use crate::state::class::Class;
use crate::state::words;
use crate::tui::model::{Book, Model, Ran};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::wrap::wrap;

/// How a run ended, for one cell.
pub(super) struct Said {
    mark: &'static str,
    tone: Tone,
    text: String,
}

impl Said {
    /// Adds it as a cell of so many columns.
    pub(super) fn cell(&self, line: Cells, columns: usize) -> Cells {
        let text = if self.mark.is_empty() { self.text.clone() } else { format!("{} {}", self.mark, self.text) };
        line.cell(self.tone, &text, columns)
    }

    /// It as text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// `2d ago`.
pub(super) fn when(model: &Model, ran: &Ran) -> String {
    words::ago(model.now.since(ran.started))
}

/// Who started it: `you` for whoever sits here.
pub(super) fn who(model: &Model, ran: &Ran) -> String {
    if ran.by == model.operator { "you".to_owned() } else { ran.by.clone() }
}

/// How it ended: the worst that became of a host, and of how many.
pub(super) fn result(theme: Theme, ran: &Ran) -> Said {
    let of = |class: Class, text: String| Said { mark: theme.mark(class), tone: Theme::tone(class), text };
    let sim = words::sim(ran.sim);
    let dry = if ran.dry_run { "dry run: " } else { "" };
    if ran.unconfirmed {
        return of(Class::Skipped, format!("{sim}not confirmed"));
    }
    let Some(state) = ran.state else {
        return match ran.running {
            true => of(Class::Running, format!("{sim}running")),
            false => Said { mark: "", tone: Tone::Warn, text: format!("{sim}NOT FINISHED") },
        };
    };
    if state == EndState::LeftOpen || !ran.open.is_empty() {
        let text = format!("{sim}{} OPEN", ran.open.len());
        return if ran.open.is_empty() { closed(theme, ran, sim) } else { Said { mark: "", tone: Tone::Held, text } };
    }
    match worst(ran) {
        Some((outcome, n)) => {
            let of_all = ran.hosts.values().sum::<usize>();
            let text = if n == of_all { n.to_string() } else { format!("{n} of {of_all}") };
            // that a dry run went well is no success
            let class = if ran.dry_run && outcome == HostOutcome::Ok { Class::Skipped } else { class(outcome) };
            of(class, format!("{sim}{dry}{text} {}", words::outcome(outcome)))
        }
        None => of(Class::Skipped, format!("{sim}{dry}{state}")),
    }
}

/// Something was left open, and is open no more.
fn closed(theme: Theme, ran: &Ran, sim: &str) -> Said {
    let failed = worst(ran).filter(|(outcome, _)| *outcome != HostOutcome::Ok);
    let class = failed.map_or(Class::Ok, |(outcome, _)| class(outcome));
    let words = failed.map_or_else(String::new, |(outcome, n)| format!("{n} {}, ", words::outcome(outcome)));
    Said { mark: theme.mark(class), tone: Theme::tone(class), text: format!("{sim}{words}closed later") }
}

/// The worst that became of hosts, and of how many; hosts that are ok count where all are.
fn worst(ran: &Ran) -> Option<(HostOutcome, usize)> {
    let some = ran.hosts.iter().filter(|(_, n)| **n > 0).map(|(outcome, n)| (*outcome, *n));
    some.min_by_key(|(outcome, _)| class(*outcome))
}

/// What a host of this outcome stands as.
fn class(outcome: HostOutcome) -> Class {
    match outcome {
        HostOutcome::Ok => Class::Ok,
        HostOutcome::Failed => Class::Failed,
        HostOutcome::Unknown => Class::Unknown,
        HostOutcome::Refused => Class::Refused,
        HostOutcome::Unreachable => Class::Unreachable,
        HostOutcome::RolledBack => Class::RolledBack,
        HostOutcome::RollbackFailed => Class::RollbackFailed,
        HostOutcome::Cancelled => Class::Cancelled,
        HostOutcome::NotStarted => Class::Waiting,
    }
}

/// The newest runs of a runbook.
pub(super) fn runs<'m>(model: &'m Model, book: &Book) -> Vec<&'m Ran> {
    model.shelf.runs.iter().filter(|ran| ran.runbook == book.name).collect()
}

/// The columns of the last runs for a width: heading and width each.
fn table(columns: usize) -> Vec<(&'static str, usize)> {
    let mut table = vec![("RUN", 8), ("WHEN", 10), ("BY", 7), ("HOSTS", if columns >= 100 { 20 } else { 12 }), ("RESULT", 0)];
    if columns >= 56 {
        table.push(("TOOK", 8));
    }
    if columns >= 70 {
        table.push(("OPEN", 5));
    }
    let fixed: usize = table.iter().map(|(_, wide)| wide).sum();
    table[4].1 = columns.saturating_sub(fixed + 2).max(8);
    table
}

/// The last runs: heads and the rows that are on the screen. `focused`: the cursor is here.
pub(super) fn lines(model: &Model, ui: &Ui, book: &Book, columns: usize, focused: bool) -> Vec<Cells> {
    let all = runs(model, book);
    if all.is_empty() {
        return vec![Cells::of(ui.theme, Tone::Dim, &format!(" {}", never(model)))];
    }
    let table = table(columns);
    let mut head = Cells::of(ui.theme, Tone::Plain, "  ");
    for (title, wide) in &table {
        head = head.cell(Tone::Dim, title, *wide);
    }
    let cursor = &ui.runbooks.past;
    let mut lines = vec![head];
    lines.extend(all.iter().skip(if focused { cursor.top } else { 0 }).map(|ran| {
        let here = focused && cursor.at.as_deref() == Some(ran.run.as_str());
        row(model, ui.theme, ran, &table, here)
    }));
    lines
}

fn row(model: &Model, theme: Theme, ran: &Ran, table: &[(&'static str, usize)], here: bool) -> Cells {
    let mark = if here { theme.cursor() } else { " " };
    let mut line = Cells::of(theme, Tone::Strong, &format!("{mark} "));
    for (title, wide) in table {
        // one column stays free before the next cell
        let cell = |line: Cells, text: &str| line.cell(Tone::Plain, text, wide - 1).put(Tone::Plain, " ");
        line = match *title {
            "RUN" => cell(line, ran.run.as_str()),
            "WHEN" => cell(line, &when(model, ran)),
            "BY" => cell(line, &who(model, ran)),
            "HOSTS" => {
                let n = ran.planned.map_or_else(String::new, |n| format!(" ({n})"));
                cell(line, &format!("{}{n}", ran.selector))
            }
            "RESULT" => told(theme, ran).cell(line, wide - 1).put(Tone::Plain, " "),
            "TOOK" => cell(line, &ran.took.map_or_else(|| "-".to_owned(), words::clock)),
            _ if ran.open.is_empty() => line.put(Tone::Plain, "-"),
            _ => line.put(Tone::Held, &ran.open.len().to_string()),
        };
    }
    line.reversed(here)
}

/// How it ended, and the first failure's words.
fn told(theme: Theme, ran: &Ran) -> Said {
    let said = result(theme, ran);
    match &ran.why {
        Some(why) => Said { text: format!("{}: {why}", said.text), ..said },
        None => said,
    }
}

fn never(model: &Model) -> String {
    let shelf = &model.shelf;
    if let Some(trouble) = &shelf.trouble {
        return format!("The record cannot be read: {trouble}");
    }
    if shelf.runs_recorded > shelf.runs.len() {
        return format!("None of the newest {} runs is of this runbook.", shelf.runs.len());
    }
    "It has never run.".to_owned()
}

/// Why it failed last time, in rows; empty where it is not known to have.
pub(super) fn why(model: &Model, ui: &Ui, book: &Book, columns: usize) -> Vec<Cells> {
    let failed = runs(model, book).into_iter().find_map(|ran| ran.why.as_ref().map(|why| (ran, why)));
    let Some((ran, why)) = failed.or_else(|| book.last.as_ref().and_then(|ran| ran.why.as_ref().map(|why| (ran, why)))) else {
        return Vec::new();
    };
    let theme = ui.theme;
    let head = format!("run {}, {}, by {}: {}", ran.run, when(model, ran), who(model, ran), result(theme, ran).text());
    let rows = |tone: Tone, text: &str| -> Vec<Cells> {
        let room = columns.saturating_sub(2);
        wrap(theme, text, room, 4).into_iter().map(|row| Cells::of(theme, tone, &format!(" {row}"))).collect()
    };
    let mut lines = rows(Tone::Plain, &head);
    lines.extend(rows(Tone::Strong, why));
    lines
}
