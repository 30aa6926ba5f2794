//! The state of one run, as a fold over its events. Applying never fails: what does not fit is kept as it came.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::event::{Event, EventKind, Failure, OpenItem, PlannedStep, PreviewGroup};
use crate::model::finding::Finding;
use crate::model::host::Facts;
use crate::model::id::{HostName, RunId, StepId};
use crate::model::outcome::{HostOutcome, Outcome, Risk, RunState as EndState};
use crate::model::plan::{Phase, RunbookRef};
use crate::model::step::{Basis, Note, Obligation};
use crate::model::time::Timestamp;

/// Who pauses a run between two batches; no person is called so: they have a host.
const GATE: &str = "gate";

/// A run as far as its events tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunState {
    /// The run.
    pub run: Option<RunId>,
    /// Which runbook.
    pub runbook: Option<RunbookRef>,
    /// The selector as typed.
    pub selector: String,
    /// Who started it.
    pub by: String,
    /// The ticket, where given.
    pub ticket: Option<String>,
    /// Whether its hosts were simulated.
    pub sim: bool,
    /// Whether it is a dry run.
    pub dry_run: bool,
    /// When it was planned.
    pub started: Option<Timestamp>,
    /// When its last event happened.
    pub last: Option<Timestamp>,
    /// The number of its last event.
    pub seq: u64,
    /// The steps as planned.
    pub steps: Vec<PlannedStep>,
    /// Labels with a budget.
    pub phases: Vec<Phase>,
    /// The batches as planned.
    pub batches: Vec<Vec<HostName>>,
    /// The batch that is running: number and count.
    pub batch: Option<(usize, usize)>,
    /// Hosts in run order.
    pub order: Vec<HostName>,
    /// Hosts.
    pub hosts: BTreeMap<HostName, HostState>,
    /// Groups of equal previews.
    pub groups: Vec<PreviewGroup>,
    /// What it can do to a host, as planned.
    pub risk: Option<Risk>,
    /// A later batch starts only while fewer hosts than this have failed.
    pub max_failures: usize,
    /// How many hosts may be out of service at a time, where that is bounded.
    pub max_out: Option<usize>,
    /// The preview as a whole, once it is complete.
    pub summary: Option<PlanSummary>,
    /// What somebody was asked to confirm, and when.
    pub asked: Option<Asked>,
    /// Whether it was confirmed, and by whom.
    pub confirmed: Option<String>,
    /// When it was confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// Why it was declined.
    pub declined: Option<String>,
    /// Every batch that has begun, in order.
    pub begun: Vec<BatchState>,
    /// Since when finished hosts are being watched, for how long, and how many; none while they are not.
    pub soaking: Option<(Timestamp, Duration, usize)>,
    /// What waits for a person, oldest first.
    pub waiting: Vec<Waiting>,
    /// What was decided, in order.
    pub decided: Vec<Decided>,
    /// Why nothing new starts for now; what a person has said stands before a gate.
    pub paused: Option<Paused>,
    /// The gate's pause while a person's stands before it.
    pub gate: Option<Paused>,
    /// Why it is stopping.
    pub stopping: Option<String>,
    /// Whether running units are being ended on their hosts.
    pub aborting: bool,
    /// Notes, in order.
    pub notes: Vec<(Timestamp, String, String)>,
    /// How it ended.
    pub finished: Option<Finished>,
    /// Whether nobody works on it any more though its end is not in the record.
    pub abandoned: bool,
    /// The steps that have opened something on some host.
    pub openers: BTreeSet<StepId>,
}

/// The numbers of a complete preview.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSummary {
    /// When it was complete.
    pub at: Timestamp,
    /// Hosts on which something would change.
    pub change_hosts: usize,
    /// Hosts that cannot be reached.
    pub unreachable_hosts: usize,
    /// Hosts that refused.
    pub refused_hosts: usize,
    /// Units that would change something.
    pub changes: usize,
    /// Of these, those that cannot be undone.
    pub destroy: usize,
    /// The most hosts whose steps can fail before the run stops by itself.
    pub at_worst: usize,
    /// How many claims rest on what: `seen`, `declared`, `not-known`.
    pub basis: BTreeMap<String, usize>,
}

/// What somebody was asked to confirm.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// What must be typed; none: `y`.
    pub phrase: Option<String>,
    /// Why it is asked, in words.
    pub why: String,
    /// When.
    pub at: Timestamp,
}

/// A batch as far as its events tell.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchState {
    /// From 1.
    pub n: usize,
    /// Whether it is the canary.
    pub canary: bool,
    /// How many hosts it has; their names are in [`RunState::batches`].
    pub size: usize,
    /// When it began.
    pub started: Timestamp,
    /// When it ended, and its hosts by outcome.
    pub ended: Option<(Timestamp, BTreeMap<HostOutcome, usize>)>,
}

/// A question that nobody has answered yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its id.
    pub id: String,
    /// The step that asks or has failed; none: the gate between two batches.
    pub step: Option<StepId>,
    /// The hosts that it is about.
    pub hosts: Vec<HostName>,
    /// What is asked.
    pub question: String,
    /// What can be said.
    pub options: Vec<String>,
    /// Why it is asked, where a unit did not end well.
    pub finding: Option<Finding>,
    /// Since when.
    pub since: Timestamp,
}

/// A question that was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The question.
    pub asked: Waiting,
    /// What was said.
    pub option: String,
    /// Who.
    pub by: String,
    /// Why, in their words.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// A run in which nothing new starts until it is told to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Why.
    pub reason: String,
    /// Who or what.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// The state that decides.
    pub state: EndState,
    /// Its exit code.
    pub exit_code: u8,
    /// When.
    pub at: Timestamp,
    /// Failures folded by cause, the worst and the most frequent first.
    pub failures: Vec<Failure>,
    /// Commands to type next.
    pub next: Vec<String>,
}

/// A host as far as its events tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostState {
    /// What it said of itself.
    pub facts: Option<Facts>,
    /// Why it could not be reached.
    pub unreachable: Option<Finding>,
    /// What its preview said, per step.
    pub preview: BTreeMap<StepId, Preview>,
    /// Its units, by step.
    pub units: BTreeMap<StepId, UnitState>,
    /// The unit that is running.
    pub running: Option<(StepId, Timestamp)>,
    /// Since when its changes are being undone; none while they are not.
    pub undoing: Option<Timestamp>,
    /// What is open on it, by key.
    pub open: BTreeMap<String, OpenObligation>,
    /// How what a step had opened was closed, as in `obligation.closed`.
    pub closed: BTreeMap<StepId, String>,
    /// What became of it.
    pub outcome: Option<HostOutcome>,
    /// Why, where it is not ok.
    pub finding: Option<Finding>,
    /// Whether a change was sent to it.
    pub changed: bool,
    /// When its batch began.
    pub started: Option<Timestamp>,
    /// When its lane ended.
    pub finished: Option<Timestamp>,
    /// Who has it left out, where somebody has.
    pub excluded: Option<String>,
}

/// What a unit would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// When it was looked at.
    pub at: Timestamp,
    /// The outcome in the preview.
    pub outcome: Outcome,
    /// What the claim rests on.
    pub basis: Basis,
    /// One line.
    pub summary: String,
    /// What would be done.
    pub effects: Vec<String>,
    /// Whether something would be lost for good.
    pub destroys: bool,
}

/// A unit as far as its events tell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnitState {
    /// When it began.
    pub started: Option<Timestamp>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// The exit status of its last command, where one was received.
    pub exit_code: Option<u32>,
    /// What it ended by; until then, the last thing a look came to.
    pub note: Option<Note>,
    /// What it came to at first.
    pub first_note: Option<Note>,
    /// Whether a change is in flight: an intent without an end.
    pub intent: bool,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// Whether a change was sent.
    pub changed: bool,
    /// What was done.
    pub effects: Vec<String>,
    /// Why, where it is not fine.
    pub finding: Option<Finding>,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

/// Something that is open.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenObligation {
    /// The step that opened it.
    pub step: StepId,
    /// What.
    pub obligation: Obligation,
    /// Since when.
    pub since: Timestamp,
    /// The number of the event that opened it: what was opened last is closed first.
    pub seq: u64,
    /// Why the last try to close it failed.
    pub failed: Option<Finding>,
}

impl RunState {
    /// The state after all of `events`.
    pub fn replay<'e>(events: impl IntoIterator<Item = &'e Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes one more event in.
    pub fn apply(&mut self, event: &Event) {
        use EventKind as E;
        self.run.get_or_insert_with(|| event.run.clone());
        self.seq = event.seq;
        self.last = Some(event.ts);
        match &event.kind {
            E::StreamStart { sim, .. } => self.sim = *sim,
            E::RunPlanned {
                runbook,
                selector,
                hosts,
                batches,
                steps,
                phases,
                risk,
                max_failures,
                max_out,
                dry_run,
                by,
                ticket,
                ..
            } => {
                self.risk = Some(*risk);
                (self.max_failures, self.max_out) = (*max_failures, *max_out);
                self.runbook = Some(runbook.clone());
                self.selector.clone_from(selector);
                self.order.clone_from(hosts);
                self.batches.clone_from(batches);
                self.steps.clone_from(steps);
                self.phases.clone_from(phases);
                self.dry_run = *dry_run;
                self.by.clone_from(by);
                self.ticket.clone_from(ticket);
                self.started = Some(event.ts);
                for host in hosts {
                    self.hosts.entry(host.clone()).or_default();
                }
            }
            E::PlanSummary { .. } => self.previewed(event),
            E::ConfirmAsked { phrase, why } => {
                self.asked = Some(Asked { phrase: phrase.clone(), why: why.clone(), at: event.ts });
            }
            E::ConfirmGiven { by, .. } => (self.confirmed, self.confirmed_at) = (Some(by.clone()), Some(event.ts)),
            E::ConfirmDeclined { reason } => self.declined = Some(reason.clone()),
            E::BatchStarted { .. } | E::BatchFinished { .. } | E::SoakStarted { .. } => self.batch(event),
            E::DecisionAsked { .. } | E::DecisionMade { .. } => self.decision(event),
            E::RunPaused { .. } | E::RunResumed { .. } => self.pause(event),
            E::RunStopping { reason, .. } => self.stop(reason),
            E::RunAborting { reason, .. } => {
                self.stop(reason);
                self.aborting = true;
            }
            E::Note { by, text } => self.notes.push((event.ts, by.clone(), text.clone())),
            E::RunFinished { state, exit_code, failures, next, .. } => {
                let (failures, next) = (failures.clone(), next.clone());
                self.finished = Some(Finished { state: *state, exit_code: *exit_code, at: event.ts, failures, next });
                // what nobody has answered by now asks nobody any more
                self.waiting.clear();
                (self.paused, self.gate, self.soaking) = (None, None, None);
            }
            E::Heartbeat { .. } => {}
            _ => {
                if let E::ObligationOpened { step, .. } = &event.kind
                    && !self.openers.contains(step)
                {
                    self.openers.insert(step.clone());
                }
                if let Some(host) = event.kind.host() {
                    self.hosts.entry(host.clone()).or_default().apply(event);
                    self.unasked(event, host);
                }
            }
        }
    }

    fn previewed(&mut self, event: &Event) {
        let EventKind::PlanSummary { change_hosts, unreachable_hosts, refused_hosts, changes, destroy, at_worst, basis, groups } =
            &event.kind
        else {
            return;
        };
        self.groups.clone_from(groups);
        self.summary = Some(PlanSummary {
            at: event.ts,
            change_hosts: *change_hosts,
            unreachable_hosts: *unreachable_hosts,
            refused_hosts: *refused_hosts,
            changes: *changes,
            destroy: *destroy,
            at_worst: *at_worst,
            basis: basis.clone(),
        });
    }

    fn batch(&mut self, event: &Event) {
        match &event.kind {
            EventKind::BatchStarted { n, of, canary, hosts } => {
                self.batch = Some((*n, *of));
                for host in hosts {
                    let host = self.hosts.entry(host.clone()).or_default();
                    host.started = Some(event.ts);
                    // its turn has come: it is tried again, whatever the preview found
                    host.unreachable = None;
                }
                let (n, canary, size) = (*n, *canary, hosts.len());
                self.begun.push(BatchState { n, canary, size, started: event.ts, ended: None });
            }
            EventKind::SoakStarted { for_ms, hosts } => {
                self.soaking = Some((event.ts, Duration::from_millis(*for_ms), hosts.len()));
            }
            EventKind::BatchFinished { n, hosts } => {
                self.soaking = None;
                if let Some(batch) = self.begun.iter_mut().rfind(|batch| batch.n == *n) {
                    batch.ended = Some((event.ts, hosts.clone()));
                }
            }
            _ => {}
        }
    }

    fn decision(&mut self, event: &Event) {
        match &event.kind {
            EventKind::DecisionAsked { id, step, hosts, question, options, finding } => self.waiting.push(Waiting {
                id: id.clone(),
                step: step.clone(),
                hosts: hosts.clone(),
                question: question.clone(),
                options: options.clone(),
                finding: finding.clone(),
                since: event.ts,
            }),
            EventKind::DecisionMade { id, option, by, note, .. } => {
                if let Some(at) = self.waiting.iter().position(|asked| asked.id == *id) {
                    let asked = self.waiting.remove(at);
                    if asked.step.is_none() {
                        self.gate_passed();
                    }
                    let (option, by, note) = (option.clone(), by.clone(), note.clone());
                    self.decided.push(Decided { asked, option, by, note, at: event.ts });
                }
            }
            _ => {}
        }
    }

    /// A gate and a person may hold a run at the same time: it goes on when neither does.
    fn pause(&mut self, event: &Event) {
        let by_gate = self.paused.as_ref().is_some_and(|paused| paused.by == GATE);
        match &event.kind {
            EventKind::RunPaused { reason, by } => {
                let paused = Some(Paused { reason: reason.clone(), by: by.clone(), since: event.ts });
                match (by == GATE, self.paused.is_some()) {
                    (true, true) if !by_gate => self.gate = paused,
                    (false, true) if by_gate => self.gate = std::mem::replace(&mut self.paused, paused),
                    _ => self.paused = paused,
                }
            }
            EventKind::RunResumed { .. } if !by_gate => self.paused = self.gate.take(),
            // while its question is open a gate holds, whoever else goes on
            EventKind::RunResumed { .. } if !self.waiting.iter().any(|asked| asked.step.is_none()) => self.paused = None,
            _ => {}
        }
    }

    fn gate_passed(&mut self) {
        self.gate = None;
        self.paused.take_if(|paused| paused.by == GATE);
    }

    /// Whoever stops a run ends its pause, and the question of a gate is none any more.
    fn stop(&mut self, reason: &str) {
        self.stopping = Some(reason.to_owned());
        (self.paused, self.gate) = (None, None);
        self.waiting.retain(|asked| asked.step.is_some());
    }

    /// A step that has ended asks no more, answered or not.
    fn unasked(&mut self, event: &Event, host: &HostName) {
        let ended = match &event.kind {
            EventKind::StepFinished { step, .. } => Some(step),
            EventKind::HostFinished { .. } => None,
            _ => return,
        };
        self.waiting.retain_mut(|asked| {
            let concerns = asked.step.as_ref().is_some_and(|step| ended.is_none_or(|ended| ended == step));
            if concerns {
                asked.hosts.retain(|other| other != host);
            }
            !concerns || !asked.hosts.is_empty()
        });
    }

    /// Nobody works on it any more: nothing runs, waits or is held, whatever its last events said. What was sent and has
    /// no end stays unknown.
    pub fn abandon(&mut self) {
        self.abandoned = self.finished.is_none();
        self.waiting.clear();
        (self.paused, self.gate, self.soaking) = (None, None, None);
        for host in self.hosts.values_mut() {
            (host.running, host.undoing) = (None, None);
        }
    }

    /// Whether it has come to its end, or will never come to one.
    pub fn is_over(&self) -> bool {
        self.finished.is_some() || self.abandoned
    }

    /// Everything that is open now, oldest first.
    pub fn open(&self) -> Vec<OpenItem> {
        let mut open: Vec<OpenItem> = self
            .hosts
            .iter()
            .flat_map(|(host, state)| state.open.iter().map(move |(key, o)| (host, key, o)))
            .map(|(host, key, o)| OpenItem {
                host: host.clone(),
                key: key.clone(),
                title: o.obligation.title.clone(),
                since: o.since,
            })
            .collect();
        open.sort_by_key(|item| item.since);
        open
    }

    /// How many hosts a change was sent to.
    pub fn changed_hosts(&self) -> usize {
        self.hosts.values().filter(|host| host.changed).count()
    }
}

impl HostState {
    fn apply(&mut self, event: &Event) {
        use EventKind as E;
        match &event.kind {
            E::HostConnected { facts, .. } => {
                self.facts = Some(facts.clone());
                self.unreachable = None;
            }
            E::HostReach { finding, .. } => self.unreachable.clone_from(finding),
            E::PreviewStep { step, outcome, basis, summary, effects, destroys, .. } => {
                let preview = Preview {
                    at: event.ts,
                    outcome: *outcome,
                    basis: *basis,
                    summary: summary.clone(),
                    effects: effects.clone(),
                    destroys: *destroys,
                };
                self.preview.insert(step.clone(), preview);
            }
            E::StepStarted { step, attempt, .. } => {
                self.running = Some((step.clone(), event.ts));
                let unit = self.units.entry(step.clone()).or_default();
                // what an earlier attempt has sent stays sent
                let changed = *attempt > 1 && unit.changed;
                *unit = UnitState { started: Some(event.ts), attempt: *attempt, changed, ..UnitState::default() };
            }
            E::StepJudged { step, note, .. } => {
                let unit = self.units.entry(step.clone()).or_default();
                unit.first_note.get_or_insert_with(|| note.clone());
                // a later look at a finished unit, while its host soaks, does not take its end back
                if unit.outcome.is_none() {
                    unit.note = Some(note.clone());
                }
            }
            E::StepIntent { step, .. } => {
                self.changed = true;
                let unit = self.units.entry(step.clone()).or_default();
                unit.intent = true;
                unit.changed = true;
            }
            E::ObligationOpened { step, obligation, .. } => {
                let (step, obligation) = (step.clone(), obligation.clone());
                let open = OpenObligation { step, obligation, since: event.ts, seq: event.seq, failed: None };
                // what was found first is what is owed
                self.open.entry(open.obligation.key.clone()).or_insert(open);
            }
            E::ObligationClosed { key, how, .. } => {
                if let Some(open) = self.open.remove(key) {
                    self.closed.insert(open.step, how.clone());
                }
            }
            E::ObligationFailed { key, finding, .. } => {
                if let Some(open) = self.open.get_mut(key) {
                    open.failed = Some(finding.clone());
                }
            }
            E::StepFinished { step, outcome, changed, exit_code, note, finding, effects, .. } => {
                self.running = None;
                let unit = self.units.entry(step.clone()).or_default();
                unit.intent = false;
                unit.outcome = Some(*outcome);
                unit.changed = *changed;
                unit.exit_code = *exit_code;
                unit.finding.clone_from(finding);
                unit.effects.clone_from(effects);
                unit.finished = Some(event.ts);
                if note.is_some() {
                    unit.note.clone_from(note);
                }
                // an intent that a guard stopped was none
                self.changed = self.units.values().any(|unit| unit.changed);
            }
            E::RollbackStarted { .. } => self.undoing = Some(event.ts),
            E::RollbackFinished { outcome, .. } => {
                self.undoing = None;
                self.outcome = Some(*outcome);
            }
            E::HostExcluded { by, .. } => self.excluded = Some(by.clone()),
            E::HostFinished { outcome, changed, finding, .. } => {
                (self.running, self.undoing) = (None, None);
                self.outcome = Some(*outcome);
                self.changed |= *changed;
                self.finding.clone_from(finding);
                self.finished = Some(event.ts);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RunState;
    use crate::model::event::{Event, EventKind};
    use crate::model::outcome::Outcome;
    use crate::model::time::Timestamp;
    use crate::state::generated::{host, plan_of, step};

    #[test]
    fn a_step_that_has_ended_asks_no_more_and_the_gate_still_does() {
        let mut events = plan_of(2);
        let ask = |id: &str, step, hosts| EventKind::DecisionAsked {
            id: id.to_owned(),
            step,
            hosts,
            question: "go on?".to_owned(),
            options: Vec::new(),
            finding: None,
        };
        let finished = EventKind::StepFinished {
            host: host(0),
            step: step(1),
            attempt: 1,
            outcome: Outcome::Failed,
            changed: false,
            exit_code: None,
            note: None,
            finding: None,
            effects: Vec::new(),
            duration_ms: 1,
        };
        let kinds = [
            ask("batch:2", None, vec![host(0), host(1)]),
            ask("late", Some(step(1)), vec![host(0)]),
            ask("both", Some(step(1)), vec![host(0), host(1)]),
            ask("other", Some(step(2)), vec![host(0)]),
            finished,
        ];
        for (kind, seq) in kinds.into_iter().zip(2..) {
            let run = events[0].run.clone();
            events.push(Event { seq, ts: Timestamp::from_millis(2_000_000), run, kind });
        }
        let run = RunState::replay(&events);
        let left: Vec<(&str, usize)> = run.waiting.iter().map(|asked| (asked.id.as_str(), asked.hosts.len())).collect();
        assert_eq!(left, [("batch:2", 2), ("both", 1), ("other", 1)]);
    }
}
