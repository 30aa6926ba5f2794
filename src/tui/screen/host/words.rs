//! What a row of the steps is said to be.

use std::time::Duration;

use crate::model::id::StepId;
use crate::model::outcome::Outcome;
use crate::model::step::ClosePolicy;
use crate::state::class::Class;
use crate::state::foreseen::{self, Stands};
use crate::state::run::UnitState;
use crate::state::words::count;
use crate::tui::model::Model;
use crate::tui::screen::host::Subject;
use crate::tui::screen::host::steps::{Item, asked, class, open_of};
use crate::tui::screen::preview::closes;

/// A row in words.
pub(super) struct Said {
    pub(super) class: Class,
    /// Such as `FAILED: exit 1: pm2 restart api`.
    pub(super) text: String,
    /// How long it has been at it, or took.
    pub(super) time: Option<Duration>,
    /// Whether it has changed the host, once that is known; in a preview what the claim rests on.
    pub(super) last: &'static str,
    /// Whether what it has opened is still open.
    pub(super) open: bool,
}

/// A row in words.
pub(super) fn of_item(model: &Model, subject: Subject<'_>, item: &Item) -> Said {
    let class = class(subject, item);
    match item {
        Item::Step(id) if subject.is_preview() => of_preview(subject, id, class),
        Item::Step(id) => of_step(model, subject, id, class),
        Item::Close(id) => {
            let text = of_close(model, subject, id);
            Said { class, text, time: None, last: "", open: false }
        }
    }
}

fn of_preview(subject: Subject<'_>, id: &StepId, class: Class) -> Said {
    let Some(preview) = subject.host.preview.get(id) else {
        let text = if subject.host.unreachable.is_some() { "not looked at" } else { "not looked at yet" };
        return Said { class, text: text.to_owned(), time: None, last: "", open: false };
    };
    let what = if preview.effects.is_empty() { preview.summary.clone() } else { several(&preview.effects) };
    let destroys = if preview.destroys { ", DESTROYS" } else { "" };
    let text = format!("{}{destroys}: {what}", class.word());
    Said { class, text, time: None, last: preview.basis.word(), open: false }
}

/// The first of some effects, and how many more there are.
pub(super) fn several(effects: &[String]) -> String {
    let first = effects.first().cloned().unwrap_or_default();
    if effects.len() > 1 { format!("{first} (+{})", effects.len() - 1) } else { first }
}

fn of_step(model: &Model, subject: Subject<'_>, id: &StepId, class: Class) -> Said {
    let open = open_of(subject, id).is_some();
    let Some(unit) = subject.host.units.get(id).filter(|unit| unit.started.is_some() || unit.outcome.is_some()) else {
        return Said { class, text: unbegun(subject), time: None, last: "", open };
    };
    let until = unit.finished.or(subject.watched.run.finished.as_ref().map(|finished| finished.at)).unwrap_or(model.now);
    let time = unit.started.map(|started| until.since(started));
    let last = match unit.outcome {
        Some(Outcome::Unknown) => "unknown",
        // a change that is on its way
        None if unit.changed => "yes",
        None => "",
        Some(_) if unit.changed => "yes",
        Some(_) => "no",
    };
    Said { class, text: of_unit(subject, id, unit, class), time, last, open }
}

fn unbegun(subject: Subject<'_>) -> String {
    let run = &subject.watched.run;
    match () {
        () if subject.host.excluded.is_some() => "left out".to_owned(),
        () if subject.has_ended() => "not begun".to_owned(),
        () if run.stopping.is_some() => "waiting, will not start".to_owned(),
        () => "waiting".to_owned(),
    }
}

fn of_unit(subject: Subject<'_>, id: &StepId, unit: &UnitState, class: Class) -> String {
    let nth = if unit.attempt > 1 { format!(", attempt {}", unit.attempt) } else { String::new() };
    let seen = unit.note.as_ref().map_or_else(String::new, |note| note.summary.clone());
    match unit.outcome {
        Some(Outcome::Changed) if !unit.effects.is_empty() => format!("{}{nth}", several(&unit.effects)),
        Some(outcome) if outcome.is_fine() => joined(&format!("{}{nth}", class.word()), &seen),
        Some(_) => {
            // the mark says that it waits for a person; the words say why
            let word = if class == Class::Held { Class::Failed.word() } else { class.word() };
            let why = unit.finding.as_ref().map_or(seen, |finding| finding.summary.clone());
            let code = unit.exit_code.filter(|code| !why.starts_with(&format!("exit {code}")));
            let code = code.map_or_else(String::new, |code| format!(", exit {code}"));
            joined(&format!("{word}{code}{nth}"), &why)
        }
        None if class == Class::Held => joined(class.word(), asked(subject, id).map_or("", |asked| asked.question.as_str())),
        None => joined(&format!("{}{nth}", class.word()), &seen),
    }
}

fn joined(word: &str, why: &str) -> String {
    if why.is_empty() { word.to_owned() } else { format!("{word}: {why}") }
}

/// How the close of what a step opens stands.
fn of_close(model: &Model, subject: Subject<'_>, id: &StepId) -> String {
    if let Some(open) = open_of(subject, id) {
        if let Some(finding) = &open.failed {
            return format!("NOT CLOSED: {}", finding.summary);
        }
        if subject.has_ended() {
            return format!("LEFT OPEN: {} was {}", open.obligation.title, open.obligation.was);
        }
        return policy(Some(open.obligation.close)).to_owned();
    }
    match subject.host.closed.get(id).map(String::as_str) {
        Some("restored") => "put back".to_owned(),
        Some("already") => "it was back already".to_owned(),
        Some("theirs") => "somebody else has changed it since; left as it is".to_owned(),
        Some("not-sent") => "nothing was opened".to_owned(),
        Some(how) => how.to_owned(),
        None => {
            let run = &subject.watched.run;
            let step = run.steps.iter().find(|step| step.id == *id);
            policy(step.and_then(|step| closes::policy(model, run, step))).to_owned()
        }
    }
}

/// When something that is open is closed.
pub(super) fn policy(policy: Option<ClosePolicy>) -> &'static str {
    match policy {
        Some(ClosePolicy::Always) => "always runs",
        Some(ClosePolicy::WhenVerified) => "runs once it is verified",
        Some(ClosePolicy::Never) => "not by this run",
        None => "runs if something is open",
    }
}

/// How the host stands, on one line.
pub(super) fn status(subject: Subject<'_>) -> (Class, String) {
    let Subject { watched, host, .. } = subject;
    let (run, fleet) = (&watched.run, &watched.fleet);
    let place = fleet.place(subject.name);
    let class = place.and_then(|place| fleet.classes().get(place)).copied().unwrap_or(Class::Waiting);
    let (class, word) = foreseen(subject).unwrap_or_else(|| (class, word(subject, class)));
    let mut parts = vec![word];
    if let Some(n) = place.and_then(|place| fleet.batch_of(place)).filter(|_| run.batches.len() > 1) {
        parts.push(format!("batch {n} of {}", run.batches.len()));
    }
    if let Some(by) = &host.excluded {
        parts.push(format!("left out by {by}"));
    }
    let why = place.and_then(|place| fleet.words(run, place)).filter(|_| class.is_problem());
    let open = match host.open.len() {
        0 => String::new(),
        n if subject.has_ended() => format!(", {} LEFT OPEN", count(n, "thing")),
        n => format!(", {} open", count(n, "thing")),
    };
    (class, joined(&format!("{}{open}", parts.join(", ")), &why.unwrap_or_default()))
}

/// What the plan of the host comes to, while that is all there is.
fn foreseen(subject: Subject<'_>) -> Option<(Class, String)> {
    let Subject { watched, host, .. } = subject;
    if !subject.is_preview() || host.preview.is_empty() {
        return None;
    }
    let (class, word) = match foreseen::stands(&watched.run, host) {
        Stands::Destroys => (Class::WouldChange, "would change, DESTROYS"),
        Stands::Changes => (Class::WouldChange, "would change"),
        Stands::MayChange => (Class::NotKnown, "may change"),
        Stands::SaysNo => (Class::Refused, "a step says no"),
        Stands::Unreachable => (Class::Unreachable, Class::Unreachable.word()),
        Stands::Nothing => (Class::Ok, "nothing to change"),
    };
    Some((class, word.to_owned()))
}

fn word(subject: Subject<'_>, class: Class) -> String {
    match class {
        Class::Waiting if subject.has_ended() => "not started".to_owned(),
        Class::Ok if subject.host.changed => "ok, changed".to_owned(),
        class => class.word().to_owned(),
    }
}
