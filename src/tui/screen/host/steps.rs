//! The rows of the steps: a step each, and the close of what a step opens, in the order in which a host goes through them.

use crate::model::event::PlannedStep;
use crate::model::id::StepId;
use crate::model::plan::Section;
use crate::model::step::ClosePolicy;
use crate::state::class::{Class, of_preview, of_unit};
use crate::state::run::{OpenObligation, Waiting};
use crate::tui::model::Model;
use crate::tui::screen::host::Subject;
use crate::tui::screen::preview::closes;

/// What a row is about; the cursor is bound to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A step.
    Step(StepId),
    /// The close of what this step opens.
    Close(StepId),
}

impl Item {
    /// The step, or the one that opens what is closed.
    pub(super) fn step(&self) -> &StepId {
        match self {
            Item::Step(step) | Item::Close(step) => step,
        }
    }
}

/// The rows of a host.
pub(super) fn items(model: &Model, subject: Subject<'_>) -> Vec<Item> {
    let steps = &subject.watched.run.steps;
    let after = |step: &&PlannedStep| step.section == Section::VerifyAfterClose;
    let mut items: Vec<Item> = steps.iter().filter(|step| !after(step)).map(|step| Item::Step(step.id.clone())).collect();
    // what was opened last is closed first
    let closes = steps.iter().rev().filter(|step| has_close(model, subject, step));
    items.extend(closes.map(|step| Item::Close(step.id.clone())));
    items.extend(steps.iter().filter(after).map(|step| Item::Step(step.id.clone())));
    items
}

/// Whether there is something to close after a step, or may be.
fn has_close(model: &Model, subject: Subject<'_>, step: &PlannedStep) -> bool {
    let Subject { watched, host, .. } = subject;
    if host.closed.contains_key(&step.id) || open_of(subject, &step.id).is_some() {
        return true;
    }
    // what went by without opening anything, or never came to it, has nothing to close
    let over = host.units.get(&step.id).is_some_and(|unit| unit.outcome.is_some()) || subject.has_ended();
    let may = closes::opens(step) && closes::policy(model, &watched.run, step) != Some(ClosePolicy::Never);
    may && !(over && watched.is_past_preview())
}

/// What a step has opened and is still open.
pub(super) fn open_of<'m>(subject: Subject<'m>, step: &StepId) -> Option<&'m OpenObligation> {
    subject.host.open.values().find(|open| open.step == *step)
}

/// What a row stands as.
pub(super) fn class(subject: Subject<'_>, item: &Item) -> Class {
    let Subject { watched, host, .. } = subject;
    match item {
        Item::Step(id) if subject.is_preview() => host.preview.get(id).map_or(Class::Waiting, of_preview),
        Item::Step(id) if asked(subject, id).is_some() => Class::Held,
        Item::Step(id) => {
            let running = watched.is_live() && host.running.as_ref().is_some_and(|(running, _)| running == id);
            of_unit(host.units.get(id), running)
        }
        Item::Close(id) => closed(subject, id),
    }
}

/// What a step of the host waits for a person to say.
pub(super) fn asked<'m>(subject: Subject<'m>, step: &StepId) -> Option<&'m Waiting> {
    let waiting = &subject.watched.run.waiting;
    waiting.iter().find(|asked| asked.step.as_ref() == Some(step) && asked.hosts.contains(subject.name))
}

fn closed(subject: Subject<'_>, step: &StepId) -> Class {
    if let Some(open) = open_of(subject, step) {
        return match &open.failed {
            Some(_) => Class::RollbackFailed,
            // its lane has ended, nobody closes it any more
            None if subject.has_ended() => Class::Drifted,
            None => Class::Waiting,
        };
    }
    match subject.host.closed.get(step).map(String::as_str) {
        None => Class::Waiting,
        Some("restored") => Class::Changed,
        Some("already") => Class::Ok,
        // somebody else has moved it since: a person should know
        Some("theirs") => Class::Drifted,
        Some(_) => Class::Skipped,
    }
}

/// Whether a row needs a person.
pub(super) fn is_problem(subject: Subject<'_>, item: &Item) -> bool {
    let class = class(subject, item);
    class.is_problem() || class == Class::Held
}

/// Where the cursor is until it is moved: on the step that runs or asks, else on the first that went wrong, else on the last
/// that was begun.
pub(super) fn most_urgent(subject: Subject<'_>, items: &[Item]) -> usize {
    let Subject { watched, host, .. } = subject;
    let of = |wanted: &dyn Fn(&Item) -> bool| items.iter().position(wanted);
    let running = host.running.as_ref().filter(|_| watched.is_live());
    let runs = |item: &Item| running.is_some_and(|(step, _)| *item == Item::Step(step.clone()));
    let held = |item: &Item| class(subject, item) == Class::Held;
    let wrong = |item: &Item| is_problem(subject, item);
    let last = || {
        let begun = |item: &Item| match item {
            Item::Step(id) => host.units.get(id)?.started,
            Item::Close(_) => None,
        };
        let begun = items.iter().enumerate().filter_map(|(row, item)| Some((begun(item)?, row)));
        begun.max().map(|(_, row)| row)
    };
    of(&runs).or_else(|| of(&held)).or_else(|| of(&wrong)).or_else(last).unwrap_or_default()
}
