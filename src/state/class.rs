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
    /// A step, or its failure, waits for a person's answer.
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

/// What a host stands as. `held`: it waits for a person, see [`is_held`]. A host that ended well is
/// [`Class::Ok`] whether it was changed or not.
pub fn of_host(run: &RunState, host: &HostState, held: bool) -> Class {
    if let Some(outcome) = host.outcome.filter(|_| host.undoing.is_none()) {
        return of_outcome(outcome, host.finding.as_ref());
    }
    if !run.is_over() {
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
        HostOutcome::NotStarted if host.started.is_some() && !run.is_over() => Class::Connecting,
        outcome => of_outcome(outcome, host.finding.as_ref()),
    }
}

/// Whether a step that runs on a host waits for a person, or a failure that nobody has decided about yet. A question about all hosts that are left, between two
/// batches, holds the run and none of them.
pub fn is_held(run: &RunState, name: &HostName, host: &HostState) -> bool {
    let running = host.running.as_ref().map(|(step, _)| step);
    let by = |step: &StepId| running.is_none_or(|running| running == step);
    run.waiting.iter().any(|asked| asked.step.as_ref().is_some_and(by) && asked.hosts.contains(name))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Class, is_held, of_host, of_outcome, of_preview, of_unit, of_unit_outcome};
    use crate::model::finding::Finding;
    use crate::model::outcome::{HostOutcome, Outcome};
    use crate::model::step::Basis;
    use crate::model::time::Timestamp;
    use crate::state::generated::runs;
    use crate::state::run::{Preview, RunState, UnitState};
    use crate::state::summary;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    proptest! {
        #[test]
        fn a_finished_host_stands_as_its_outcome(events in runs()) {
            let mut run = RunState::default();
            for event in &events {
                run.apply(event);
                for (name, host) in &run.hosts {
                    let class = of_host(&run, host, is_held(&run, name, host));
                    if let (Some(outcome), None) = (host.outcome, host.undoing) {
                        prop_assert_eq!(class.outcome(), Some(outcome));
                        let code = host.finding.as_ref().map(|finding| finding.code.as_str());
                        prop_assert_eq!(class == Class::TimedOut, outcome == HostOutcome::Failed && code == Some("timeout"));
                        prop_assert_eq!(class == Class::Drifted, outcome == HostOutcome::Refused && code == Some("drifted"));
                    } else if let Some(outcome) = class.outcome() {
                        prop_assert_eq!(outcome, summary::outcome(host, run.dry_run));
                    }
                }
            }
        }

        #[test]
        fn a_run_that_nobody_works_on_any_more_is_told_as_its_record_is(events in runs()) {
            let mut run = RunState::replay(&events);
            run.abandon();
            for (name, host) in &run.hosts {
                let class = of_host(&run, host, is_held(&run, name, host));
                prop_assert!(!class.is_active(), "{name} {class:?}");
                let said = summary::outcome(host, run.dry_run);
                prop_assert!(class.outcome().is_none_or(|outcome| outcome == said), "{name} {class:?} {said}");
                for unit in host.units.values() {
                    prop_assert!(!of_unit(Some(unit), false).is_active());
                }
            }
        }

        #[test]
        fn when_the_run_has_ended_nothing_is_being_done(events in runs()) {
            let run = RunState::replay(&events);
            for (name, host) in run.hosts.iter().filter(|_| run.finished.is_some()) {
                let class = of_host(&run, host, is_held(&run, name, host));
                prop_assert!(!class.is_active(), "{name} {class:?}");
            }
        }
    }

    #[test]
    fn what_is_generated_comes_by_every_class_of_a_host() {
        let mut runner = TestRunner::deterministic();
        let mut seen = BTreeSet::new();
        for _ in 0..400 {
            let events = runs().new_tree(&mut runner).expect("a run").current();
            let mut run = RunState::default();
            for event in &events {
                run.apply(event);
                seen.extend(run.hosts.iter().map(|(name, host)| of_host(&run, host, is_held(&run, name, host))));
            }
        }
        let of_units = [Class::Skipped, Class::Changed];
        let missing: Vec<Class> = Class::ALL.into_iter().filter(|class| !seen.contains(class)).collect();
        assert_eq!(missing, of_units);
    }

    #[test]
    fn every_class_is_listed_once_and_problems_come_first() {
        assert!(Class::ALL.is_sorted());
        assert_eq!(BTreeSet::from(Class::LISTED), BTreeSet::from(Class::ALL));
        let problems = Class::ALL.into_iter().filter(|class| class.is_problem());
        assert!(Class::LISTED.into_iter().take_while(|class| class.is_problem()).eq(problems), "in order of severity");
        assert_eq!(Class::LISTED.map(|class| class.is_problem()).iter().filter(|problem| **problem).count(), 8);
    }

    #[test]
    fn capitals_mean_that_a_person_should_look() {
        for class in Class::ALL {
            let capitals = class.word().chars().all(|c| !c.is_lowercase());
            assert_eq!(capitals, class.is_problem() || class == Class::Held, "{}", class.word());
        }
    }

    #[test]
    fn every_outcome_stands_as_a_class_that_says_it() {
        for outcome in HostOutcome::ALL {
            assert_eq!(of_outcome(*outcome, None).outcome(), Some(*outcome));
        }
    }

    #[test]
    fn a_unit_stands_as_what_is_known_of_it() {
        let unit = |attempt, intent, outcome| UnitState { attempt, intent, outcome, ..UnitState::default() };
        assert_eq!(of_unit(None, false), Class::Waiting);
        assert_eq!(of_unit(Some(&unit(1, true, None)), true), Class::Running);
        assert_eq!(of_unit(Some(&unit(2, false, None)), true), Class::Retrying);
        assert_eq!(of_unit(Some(&unit(1, true, None)), false), Class::Unknown, "a change without an end");
        assert_eq!(of_unit(Some(&unit(1, false, Some(Outcome::Already))), false), Class::Ok);
        let late = Finding::new("timeout", "x");
        assert_eq!(of_unit_outcome(Outcome::Failed, Some(&late)), Class::TimedOut);
        assert_eq!(of_unit_outcome(Outcome::Refused, Some(&late)), Class::Refused);
        assert_eq!(of_unit_outcome(Outcome::Refused, Some(&Finding::new("drifted", "x"))), Class::Drifted);
    }

    #[test]
    fn a_preview_says_what_would_be() {
        let preview = |outcome| {
            let (summary, effects) = (String::new(), Vec::new());
            of_preview(&Preview { outcome, basis: Basis::Seen, summary, effects, destroys: false, at: Timestamp::from_millis(0) })
        };
        let said = [Outcome::Already, Outcome::WouldChange, Outcome::WouldWait, Outcome::NotKnown, Outcome::Refused].map(preview);
        assert_eq!(said, [Class::Ok, Class::WouldChange, Class::WouldWait, Class::NotKnown, Class::Refused]);
    }
}
