//! The columns of the matrix, one a step and one a close, and the marks of a host in them.

use crate::model::event::PlannedStep;
use crate::model::id::{HostName, StepId};
use crate::model::plan::Section;
use crate::state::class::{Class, of_preview, of_unit};
use crate::state::fleet::{Fleet, GroupKey};
use crate::state::run::{HostState, RunState};
use crate::tui::model::Watched;
use crate::tui::theme::{Theme, Tone};
use crate::tui::view::cells::Cells;
use crate::tui::view::heads::heads;

/// The columns of a cell with its head.
const CELL: usize = 4;
/// So many hosts of a folded row are looked at for its marks.
const LOOKED_AT: usize = 20;

/// A column: a step, or the close of what a step has opened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Column<'r> {
    pub(super) step: &'r PlannedStep,
    pub(super) close: bool,
}

/// The columns that fit, in the order in which a host goes through them.
#[derive(Debug)]
pub(super) struct Matrix<'r> {
    pub(super) columns: Vec<Column<'r>>,
    heads: Vec<String>,
    cell: usize,
    cut: bool,
}

impl<'r> Matrix<'r> {
    /// The matrix of a run in so many columns of the screen; where there is little room, marks without heads.
    pub(super) fn new(run: &'r RunState, room: usize) -> Self {
        let step_heads = heads(run.steps.iter().map(|step| step.id.as_str()));
        let steps = || run.steps.iter().zip(&step_heads);
        let after = |step: &PlannedStep| step.section == Section::VerifyAfterClose;
        let told = |(step, head): (&'r PlannedStep, &String)| (Column { step, close: false }, head.clone());
        let close = |(step, _): (&'r PlannedStep, &String)| (Column { step, close: true }, format!("{}+", step.n));
        let mut all: Vec<(Column<'r>, String)> = steps().filter(|(step, _)| !after(step)).map(told).collect();
        // what was opened last is closed first
        all.extend(steps().rev().filter(|(step, _)| run.openers.contains(&step.id)).map(close));
        all.extend(steps().filter(|(step, _)| after(step)).map(told));
        let (mut columns, mut heads): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let cell = [CELL, 2, 1].into_iter().find(|cell| columns.len() * cell <= room).unwrap_or(1);
        let cut = columns.len() * cell > room;
        if cut {
            columns.truncate(room.saturating_sub(1));
            heads.truncate(room.saturating_sub(1));
        }
        Self { columns, heads, cell, cut }
    }

    /// How many columns of the screen it takes.
    pub(super) fn width(&self) -> usize {
        self.columns.len() * self.cell + usize::from(self.cut)
    }

    /// Whether there is room for a number in a cell.
    pub(super) fn has_numbers(&self) -> bool {
        self.cell == CELL
    }

    /// The heads; where there is no room for them, the last digit of each step's number.
    pub(super) fn put_heads(&self, mut line: Cells) -> Cells {
        for (column, head) in self.columns.iter().zip(&self.heads) {
            let short = (column.step.n % 10).to_string();
            line = line.cell(Tone::Dim, if self.cell == CELL { head } else { &short }, self.cell);
        }
        line
    }

    /// One mark a column; none leaves it blank.
    pub(super) fn put_marks(&self, mut line: Cells, theme: Theme, marks: &[Option<Class>]) -> Cells {
        for mark in marks.iter().take(self.columns.len()) {
            let before = if self.cell == CELL { 1 } else { 0 };
            let (tone, text) = mark.map_or((Tone::Plain, " "), |class| (Theme::tone(class), theme.mark(class)));
            line = line.put(Tone::Plain, &" ".repeat(before)).put(tone, text);
            line = line.put(Tone::Plain, &" ".repeat(self.cell - before - 1));
        }
        if self.cut { line.put(Tone::Dim, if theme.ascii { ">" } else { theme.more() }) } else { line }
    }

    /// A number a column; a column without one stays blank.
    pub(super) fn put_numbers(&self, mut line: Cells, numbers: &[Option<usize>]) -> Cells {
        for number in numbers.iter().take(self.columns.len()) {
            let text = number.map_or_else(String::new, |n| n.to_string());
            let tone = if number.is_some_and(|n| n > 0) { Tone::Running } else { Tone::Dim };
            let text = if text.len() < 3 { format!(" {text}") } else { text };
            line = line.cell(tone, &text, self.cell);
        }
        line
    }

    /// What a host stands as in each column.
    pub(super) fn marks(&self, watched: &Watched, place: usize) -> Vec<Option<Class>> {
        let run = &watched.run;
        let Some(name) = watched.fleet.name(place) else { return Vec::new() };
        let Some(host) = run.hosts.get(name) else { return Vec::new() };
        let mut marks: Vec<Option<Class>> = self.columns.iter().map(|column| Some(mark(run, name, host, *column))).collect();
        // a host that was never reached has no unit that could show it
        let class = watched.fleet.classes().get(place).copied();
        if let (Some(class @ (Class::Unreachable | Class::Connecting)), Some(Some(first))) = (class, marks.first_mut())
            && *first == Class::Waiting
        {
            *first = class;
        }
        marks
    }

    /// What the hosts of a folded row stand as: the worst of its first ones, which are alike where it matters.
    pub(super) fn marks_of(&self, watched: &Watched, key: &GroupKey) -> Vec<Option<Class>> {
        let mut worst: Vec<Option<Class>> = vec![None; self.columns.len()];
        for place in watched.fleet.hosts_of(key, 0, LOOKED_AT) {
            for (worst, mark) in worst.iter_mut().zip(self.marks(watched, place)) {
                *worst = match (*worst, mark) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                };
            }
        }
        worst
    }

    /// How many hosts are in each step.
    pub(super) fn running(&self, fleet: &Fleet) -> Vec<Option<usize>> {
        let running: Vec<(u32, usize)> = fleet.running().collect();
        let of = |column: &Column<'_>| running.iter().find(|(n, _)| *n == column.step.n).map_or(0, |(_, hosts)| *hosts);
        self.columns.iter().map(|column| (!column.close).then(|| of(column))).collect()
    }
}

fn mark(run: &RunState, name: &HostName, host: &HostState, column: Column<'_>) -> Class {
    let _ = name;
    let id = &column.step.id;
    if column.close {
        return closed(host, id);
    }
    let unit = host.units.get(id);
    let preview = host.preview.get(id).filter(|_| unit.is_none() && run.begun.is_empty());
    if let Some(preview) = preview {
        return of_preview(preview);
    }
    let running = host.running.as_ref().is_some_and(|(step, _)| step == id);
    of_unit(unit, running)
}

/// How the close of what a step has opened stands.
fn closed(host: &HostState, step: &StepId) -> Class {
    if let Some(open) = host.open.values().find(|open| open.step == *step) {
        return if open.failed.is_some() { Class::RollbackFailed } else { Class::Waiting };
    }
    match host.closed.get(step).map(String::as_str) {
        None => Class::Waiting,
        Some("restored") => Class::Changed,
        Some("already") => Class::Ok,
        // somebody else has moved it since: a person should know
        Some("theirs") => Class::Drifted,
        Some(_) => Class::Skipped,
    }
}
