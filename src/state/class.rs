//! What a host, or a unit of a host, stands as on a screen: one word for what is known of it now, the worst first.

use crate::model::finding::Finding;
use crate::model::id::{HostName, StepId};
use crate::model::outcome::{HostOutcome, Outcome};
use crate::state::run::{HostState, Preview, RunState, UnitState};
use crate::state::summary;

/// What something stands as, the worst first: of several hosts in one place the least of these is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Undoing its changes failed as well.
    RollbackFailed,
    /// Something was or may have been sent, and nothing is known about the end.
    Unknown,
    /// It failed.
    Failed,
    /// It failed because it took too long.
    TimedOut,
    /// A step waits for a person's answer.
    Held,
    /// It was no longer as the preview saw it; nothing was changed.
    Drifted,
    /// A guard or check said no.
    Refused,
    /// No connection can be made.
    Unreachable,
    /// Its changes are being undone.
    RollingBack,
    /// It failed and its changes were undone.
    RolledBack,
    /// Stopped on request.
    Cancelled,
    /// Another attempt of a step is running.
    Retrying,
    /// A step is running, or the next one is about to.
    Running,
    /// Its turn has come and nothing runs on it yet.
    Connecting,
    /// Its turn has not come.
    Waiting,
    /// In a preview: it depends on something that has not happened.
    NotKnown,
    /// Its condition was false, or it was left out.
    Skipped,
    /// In a preview: it would wait.
    WouldWait,
    /// In a preview: it would change something.
    WouldChange,
    /// It acted, and was then seen to hold.
    Changed,
    /// It holds, or everything held or was brought to hold.
    Ok,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = 21;

    /// Every class, the worst first.
    pub const ALL: [Class; Class::COUNT] = [
        Class::RollbackFailed,
        Class::Unknown,
        Class::Failed,
        Class::TimedOut,
        Class::Held,
        Class::Drifted,
        Class::Refused,
        Class::Unreachable,
        Class::RollingBack,
        Class::RolledBack,
        Class::Cancelled,
        Class::Retrying,
        Class::Running,
        Class::Connecting,
        Class::Waiting,
        Class::NotKnown,
        Class::Skipped,
        Class::WouldWait,
        Class::WouldChange,
        Class::Changed,
        Class::Ok,
    ];

    /// Every class in the order of a list of hosts: problems, what waits for a person, what is being worked on, what
    /// waits, what is done.
    pub const LISTED: [Class; Class::COUNT] = [
        Class::RollbackFailed,
        Class::Unknown,
        Class::Failed,
        Class::TimedOut,
        Class::Drifted,
        Class::Refused,
        Class::Unreachable,
        Class::RolledBack,
        Class::Held,
        Class::RollingBack,
        Class::Connecting,
        Class::Retrying,
        Class::Running,
        Class::Waiting,
        Class::Cancelled,
        Class::NotKnown,
        Class::WouldWait,
        Class::WouldChange,
        Class::Skipped,
        Class::Changed,
        Class::Ok,
    ];

    /// The word of the screens; capitals mean that a person should look.
    pub fn word(self) -> &'static str {
        match self {
            Class::RollbackFailed => "UNDO FAILED",
            Class::Unknown => "UNKNOWN",
            Class::Failed => "FAILED",
            Class::TimedOut => "TIMED OUT",
            Class::Held => "WAITS FOR YOU",
            Class::Drifted => "DRIFTED",
            Class::Refused => "REFUSED",
            Class::Unreachable => "UNREACHABLE",
            Class::RollingBack => "rolling back",
            Class::RolledBack => "ROLLED BACK",
            Class::Cancelled => "cancelled",
            Class::Retrying => "retrying",
            Class::Running => "running",
            Class::Connecting => "connecting",
            Class::Waiting => "waiting",
            Class::NotKnown => "not known",
            Class::Skipped => "skipped",
            Class::WouldWait => "would wait",
            Class::WouldChange => "would change",
            Class::Changed => "changed",
            Class::Ok => "ok",
        }
    }

    /// Whether it did not end well: a person should look. What waits for a person is none by itself.
    pub fn is_problem(self) -> bool {
        matches!(
            self,
            Class::RollbackFailed
                | Class::Unknown
                | Class::Failed
                | Class::TimedOut
                | Class::Drifted
                | Class::Refused
                | Class::Unreachable
                | Class::RolledBack
        )
    }

    /// Whether something is being done there now, or a person is asked about what is.
    pub fn is_active(self) -> bool {
        matches!(self, Class::Held | Class::RollingBack | Class::Retrying | Class::Running | Class::Connecting)
    }

    /// The outcome of a host that stands as this; none while it is being worked on and in a preview.
    pub fn outcome(self) -> Option<HostOutcome> {
        match self {
            Class::RollbackFailed => Some(HostOutcome::RollbackFailed),
            Class::Unknown => Some(HostOutcome::Unknown),
            Class::Failed | Class::TimedOut => Some(HostOutcome::Failed),
            Class::Drifted | Class::Refused => Some(HostOutcome::Refused),
            Class::Unreachable => Some(HostOutcome::Unreachable),
            Class::RolledBack => Some(HostOutcome::RolledBack),
            Class::Cancelled => Some(HostOutcome::Cancelled),
            Class::Waiting => Some(HostOutcome::NotStarted),
            Class::Ok => Some(HostOutcome::Ok),
            _ => None,
        }
    }
}

/// What a host stands as. `held`: a step that runs on it, or has failed there, waits for a person, see [`is_held`]. A host that ended well is
/// [`Class::Ok`] whether it was changed or not.
pub fn of_host(run: &RunState, host: &HostState, held: bool) -> Class {
    if let Some(outcome) = host.outcome.filter(|_| host.undoing.is_none()) {
        return of_outcome(outcome, host.finding.as_ref());
    }
    if run.finished.is_none() {
        match &host.running {
            _ if host.undoing.is_some() => return Class::RollingBack,
            _ if held => return Class::Held,
            Some((step, _)) if host.units.get(step).is_some_and(|unit| unit.attempt > 1) => return Class::Retrying,
            Some(_) => return Class::Running,
            None if host.units.values().any(|unit| unit.started.is_some()) => return Class::Running,
            None => {}
        }
    }
    match summary::outcome(host, run.dry_run) {
        HostOutcome::Ok => of_previews(host),
        HostOutcome::NotStarted if host.started.is_some() && run.finished.is_none() => Class::Connecting,
        outcome => of_outcome(outcome, host.finding.as_ref()),
    }
}

/// Whether a step that runs on a host waits for a person. A question about all hosts that are left, between two
/// batches, holds the run and none of them.
pub fn is_held(run: &RunState, name: &HostName, host: &HostState) -> bool {
    let at = |step: &StepId| match &host.running {
        Some((running, _)) => running == step,
        // it has failed, and somebody is asked what to do about it
        None => host.units.get(step).and_then(|unit| unit.outcome).is_some_and(|outcome| !outcome.is_fine()),
    };
    run.waiting.iter().any(|asked| asked.step.as_ref().is_some_and(&at) && asked.hosts.contains(name))
}

/// What a unit stands as; `running`: it is the one that runs on its host.
pub fn of_unit(unit: Option<&UnitState>, running: bool) -> Class {
    let Some(unit) = unit else { return Class::Waiting };
    match unit.outcome {
        Some(outcome) => of_unit_outcome(outcome, unit.finding.as_ref()),
        None if running && unit.attempt > 1 => Class::Retrying,
        None if running => Class::Running,
        None if unit.intent => Class::Unknown,
        None if unit.started.is_some() => Class::Cancelled,
        None => Class::Waiting,
    }
}

/// What a previewed unit stands as.
pub fn of_preview(preview: &Preview) -> Class {
    of_unit_outcome(preview.outcome, None)
}

pub(super) fn of_outcome(outcome: HostOutcome, finding: Option<&Finding>) -> Class {
    let code = finding.map(|finding| finding.code.as_str());
    match outcome {
        HostOutcome::Ok => Class::Ok,
        HostOutcome::Failed if code == Some("timeout") => Class::TimedOut,
        HostOutcome::Failed => Class::Failed,
        HostOutcome::Unknown => Class::Unknown,
        HostOutcome::Refused if code == Some("drifted") => Class::Drifted,
        HostOutcome::Refused => Class::Refused,
        HostOutcome::Unreachable => Class::Unreachable,
        HostOutcome::RolledBack => Class::RolledBack,
        HostOutcome::RollbackFailed => Class::RollbackFailed,
        HostOutcome::Cancelled => Class::Cancelled,
        HostOutcome::NotStarted => Class::Waiting,
    }
}

pub(super) fn of_unit_outcome(outcome: Outcome, finding: Option<&Finding>) -> Class {
    let code = finding.map(|finding| finding.code.as_str());
    match outcome {
        Outcome::Ok | Outcome::Already => Class::Ok,
        Outcome::Changed => Class::Changed,
        Outcome::WouldChange => Class::WouldChange,
        Outcome::WouldWait => Class::WouldWait,
        Outcome::NotKnown => Class::NotKnown,
        Outcome::Refused if code == Some("drifted") => Class::Drifted,
        Outcome::Refused => Class::Refused,
        Outcome::Failed if code == Some("timeout") => Class::TimedOut,
        Outcome::Failed => Class::Failed,
        Outcome::Unknown => Class::Unknown,
        Outcome::Skipped => Class::Skipped,
        Outcome::Cancelled => Class::Cancelled,
    }
}

/// What a host stands as by its previews alone, none of which is bad: that it would change something says more than that
/// what comes after is not known.
fn of_previews(host: &HostState) -> Class {
    let any = |outcome: Outcome| host.preview.values().any(|preview| preview.outcome == outcome);
    match () {
        () if any(Outcome::WouldChange) => Class::WouldChange,
        () if any(Outcome::WouldWait) => Class::WouldWait,
        () if any(Outcome::NotKnown) => Class::NotKnown,
        () => Class::Ok,
    }
}
