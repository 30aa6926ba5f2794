//! The steps of a runbook, a row each: what kind, and whether it can change a host.

use crate::model::plan::Section;
use crate::model::runbook::{Runbook, StepDecl};
use crate::steps::{Class, kind};
use crate::tui::model::Book;
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;

/// Rows of the table without its heads.
pub(super) fn count(book: &Book) -> usize {
    book.is.as_ref().map_or(0, |runbook| runbook.steps.len() + usize::from(!owed(runbook).is_empty()))
}

/// Steps that can open an obligation: what they move is put back on every way out.
pub(super) fn owed(runbook: &Runbook) -> Vec<&StepDecl> {
    let stays = |step: &StepDecl| step.fields.get("close").and_then(serde_json::Value::as_str) == Some("never");
    runbook.steps.iter().filter(|step| step.kind == "kill-switch" && !stays(step)).collect()
}

/// Steps that can change a host.
pub(super) fn changing(runbook: &Runbook) -> Vec<&StepDecl> {
    runbook.steps.iter().filter(|step| kind(&step.kind).is_some_and(|kind| kind.class == Class::Action)).collect()
}

/// Heads and rows, from the `top`th on.
pub(super) fn lines(ui: &Ui, book: &Book, rows: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let Ok(runbook) = &book.is else { return vec![Cells::of(theme, Tone::Dim, " It cannot be read: Enter tells why.")] };
    let ids = runbook.steps.iter().map(|step| step.id.as_str().len() + 1).max().unwrap_or(0).clamp(5, 24);
    let head = Cells::of(theme, Tone::Dim, "   # ")
        .cell(Tone::Dim, "STEP", ids)
        .cell(Tone::Dim, "KIND", 15)
        .cell(Tone::Dim, "SECTION", 9)
        .cell(Tone::Dim, "CHANGES", 12);
    let mut table: Vec<Cells> = (1..).zip(&runbook.steps).map(|(n, step)| row(ui, n, step, ids)).collect();
    let owed = owed(runbook);
    if let Some(last) = owed.last() {
        let n = runbook.steps.iter().position(|step| step.id == last.id).map_or(0, |at| at + 1);
        let line = Cells::of(theme, Tone::Plain, &format!("{n:>4}+")).cell(Tone::Plain, last.id.as_str(), ids);
        table.push(line.cell(Tone::Plain, &last.kind, 15).cell(Tone::Plain, "close", 9).put(Tone::Plain, "put back, always"));
    }
    let left = table.len().saturating_sub(ui.runbooks.top + rows);
    let mut shown: Vec<Cells> = table.into_iter().skip(ui.runbooks.top).take(rows).collect();
    if left > 0 && rows > 1 {
        shown.truncate(rows - 1);
        let more = format!("     {} {} more", theme.more(), left + 1);
        shown.push(Cells::of(theme, Tone::Dim, &more));
    }
    let mut lines = vec![head];
    lines.extend(shown);
    lines
}

fn row(ui: &Ui, n: usize, step: &StepDecl, ids: usize) -> Cells {
    let class = kind(&step.kind).map(|kind| (kind.class, kind.risk));
    let (tone, changes) = match class {
        Some((Class::Action, risk)) => (Tone::Strong, risk.word()),
        Some((Class::Wait, _)) => (Tone::Dim, "waits"),
        Some((Class::Check, _)) if step.observe => (Tone::Dim, "no, records"),
        Some((Class::Check, _)) => (Tone::Dim, "no"),
        None => (Tone::Dim, "?"),
    };
    let section = match step.section {
        Section::VerifyAfterClose => "after",
        section => section.word(),
    };
    let line = Cells::of(ui.theme, Tone::Plain, &format!("{n:>4} ")).cell(Tone::Plain, step.id.as_str(), ids);
    let line = line.cell(Tone::Plain, &step.kind, 15).cell(Tone::Plain, section, 9).cell(tone, changes, 12);
    match &step.when {
        Some(when) => line.put(Tone::Dim, &format!("if {when}")),
        None => line,
    }
}
