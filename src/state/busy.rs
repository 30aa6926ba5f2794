//! Whether a run is at something that time matters to, such as a step or a close.

use crate::model::event::PlannedStep;
use crate::model::id::HostName;
use crate::model::plan::Section;
use crate::model::step::ClosePolicy;
use crate::state::run::{HostState, OpenObligation, RunState};

impl RunState {
    /// On how many hosts a step runs, or what is owed is being put back, so that time matters. Not where a person or the
    /// end of a pause is waited for.
    pub fn at_work(&self) -> usize {
        let about = |name: &HostName| self.waiting.iter().any(|asked| asked.step.is_some() && asked.hosts.contains(name));
        // who stops a run waits for no answer
        let held = |name: &HostName| self.stopping.is_none() && about(name);
        let works = |host: &HostState| host.outcome.is_none() && (host.running.is_some() || self.closes(host));
        self.hosts.iter().filter(|(name, host)| works(host) && !held(name)).count()
    }

    /// Whether the next thing on a host is to close what is open: its steps have ended, or one of them not well.
    fn closes(&self, host: &HostState) -> bool {
        let ended = |step: &PlannedStep| host.units.get(&step.id).is_some_and(|unit| unit.outcome.is_some());
        let works = |step: &&PlannedStep| matches!(step.section, Section::Step | Section::Verify);
        let bad = host.units.values().any(|unit| unit.outcome.is_some_and(|outcome| !outcome.is_fine()));
        let due = |open: &OpenObligation| open.obligation.close != ClosePolicy::Never && open.failed.is_none();
        host.open.values().any(due) && (bad || self.stopping.is_some() || self.steps.iter().filter(works).all(ended))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use crate::model::event::{Event, EventKind};
    use crate::model::outcome::{HostOutcome, Outcome};
    use crate::model::plan::{Section, UnitSpec};
    use crate::model::step::{ClosePolicy, Obligation};
    use crate::state::generated::{host, plan_of, step};
    use crate::state::run::RunState;

    fn started(n: usize) -> EventKind {
        EventKind::StepStarted { host: host(0), step: step(n), attempt: 1 }
    }

    fn finished(n: usize, outcome: Outcome) -> EventKind {
        EventKind::StepFinished {
            host: host(0),
            step: step(n),
            attempt: 1,
            outcome,
            changed: true,
            exit_code: None,
            note: None,
            finding: None,
            effects: Vec::new(),
            duration_ms: 1,
        }
    }

    fn opened() -> EventKind {
        let obligation = Obligation {
            key: "switch".to_owned(),
            title: "kill switch".to_owned(),
            was: json!(true),
            set: json!(false),
            close: ClosePolicy::Always,
            closer: Box::new(UnitSpec::new(step(0), Section::Close, "kill-switch", Map::new())),
        };
        EventKind::ObligationOpened { host: host(0), step: step(0), obligation }
    }

    fn asked() -> EventKind {
        let (question, options) = ("failed".to_owned(), vec!["skip".to_owned()]);
        let (id, step, hosts) = ("failed".to_owned(), Some(step(1)), vec![host(0)]);
        EventKind::DecisionAsked { id, step, hosts, question, options, finding: None }
    }

    #[test]
    fn a_host_is_at_work_while_a_step_runs_and_until_what_it_owes_is_closed_and_never_while_somebody_is_waited_for() {
        let closed = EventKind::ObligationClosed {
            host: host(0),
            key: "switch".to_owned(),
            how: "restored".to_owned(),
            summary: "on again".to_owned(),
        };
        let (changed, finding, duration_ms) = (true, None, 1);
        let ended = EventKind::HostFinished { host: host(0), outcome: HostOutcome::Failed, changed, finding, duration_ms };
        let script = [
            (started(0), 1),
            (opened(), 1),
            // between two steps it may be held by a pause for as long as that takes
            (finished(0, Outcome::Changed), 0),
            (started(1), 1),
            // it failed: what is open is closed next
            (finished(1, Outcome::Failed), 1),
            (asked(), 0),
            (EventKind::RunStopping { reason: "as asked".to_owned(), by: "ana".to_owned() }, 1),
            (closed, 0),
            (ended, 0),
        ];
        let mut run = RunState::replay(&plan_of(2));
        let first = plan_of(2).remove(0);
        for (at, (kind, working)) in script.into_iter().enumerate() {
            run.apply(&Event { seq: run.seq + 1, kind, ..first.clone() });
            assert_eq!(run.at_work(), working, "after {at}");
        }
    }
}
