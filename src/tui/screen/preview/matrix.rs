//! The matrix: a column a step, a mark a host or group.

use crate::model::event::PlannedStep;
use crate::model::id::StepId;
use crate::model::outcome::Outcome;
use crate::model::plan::Section;
use crate::model::step::ClosePolicy;
use crate::state::class::{self, Class};
use crate::state::run::{HostState, RunState};
use crate::tui::model::Model;
use crate::tui::screen::preview::closes;
use crate::tui::view::heads::{HEAD, heads};

/// The columns that one mark takes, with what stands between.
pub(super) const COLUMN: usize = HEAD + 1;

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// What stands over it.
    pub head: String,
    /// Its step.
    pub step: StepId,
    /// Whether it is the close of what its step opens, and when that is done, where it is known.
    pub closes: Option<Option<ClosePolicy>>,
}

/// The columns for which there is room, and how many more there are; where not all fit, those come first on which
/// something would happen.
pub(super) fn columns(model: &Model, run: &RunState, telling: &[StepId], room: usize) -> (Vec<Column>, usize) {
    let mut all = every(model, run);
    let fits = room / COLUMN;
    if all.len() <= fits {
        return (all, 0);
    }
    // the last one says how many are missing
    let fits = fits.saturating_sub(1);
    let mut missing = 0;
    while all.len() > fits {
        let quiet = |column: &Column| column.closes.is_none() && !telling.contains(&column.step);
        let out = all.iter().rposition(quiet).unwrap_or(all.len() - 1);
        all.remove(out);
        missing += 1;
    }
    (all, missing)
}

fn every(model: &Model, run: &RunState) -> Vec<Column> {
    let names = heads(run.steps.iter().map(|step| step.id.as_str()));
    let steps: Vec<(&PlannedStep, String)> = run.steps.iter().zip(names).collect();
    let mut all = Vec::with_capacity(steps.len() + 1);
    let after_close = |step: &PlannedStep| step.section == Section::VerifyAfterClose;
    let column = |(step, head): &(&PlannedStep, String)| Column { head: head.clone(), step: step.id.clone(), closes: None };
    all.extend(steps.iter().filter(|(step, _)| !after_close(step)).map(column));
    // what was opened last is closed first
    for (step, _) in steps.iter().rev().filter(|(step, _)| closes::opens(step)) {
        let policy = closes::policy(model, run, step);
        if policy != Some(ClosePolicy::Never) {
            all.push(Column { head: format!("{}+", step.n), step: step.id.clone(), closes: Some(policy) });
        }
    }
    all.extend(steps.iter().filter(|(step, _)| after_close(step)).map(column));
    all
}

/// What stands in a column for a host. Of one that cannot be reached nothing is known.
pub(super) fn mark(host: &HostState, column: &Column, first: bool) -> Class {
    if host.unreachable.is_some() && first {
        return Class::Unreachable;
    }
    let Some(preview) = host.preview.get(&column.step) else { return Class::NotKnown };
    match (column.closes, preview.outcome) {
        (None, _) => class::of_preview(preview),
        (Some(Some(ClosePolicy::Always)), Outcome::WouldChange) => Class::WouldChange,
        // it holds already: nothing is opened
        (Some(_), Outcome::Already | Outcome::Ok) => Class::Ok,
        (Some(_), Outcome::Skipped) => Class::Skipped,
        (Some(_), _) => Class::NotKnown,
    }
}
