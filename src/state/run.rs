//! The state of one run, as a fold over its events. Applying never fails: what does not fit is kept as it came.

use std::collections::BTreeMap;

use crate::model::event::{Event, EventKind, OpenItem, PlannedStep, PreviewGroup};
use crate::model::finding::Finding;
use crate::model::host::Facts;
use crate::model::id::{HostName, RunId, StepId};
use crate::model::outcome::{HostOutcome, Outcome, RunState as EndState};
use crate::model::plan::{Phase, RunbookRef};
use crate::model::step::{Basis, Note, Obligation};
use crate::model::time::Timestamp;

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
    /// Whether it was confirmed, and by whom.
    pub confirmed: Option<String>,
    /// Why it is stopping.
    pub stopping: Option<String>,
    /// Notes, in order.
    pub notes: Vec<(Timestamp, String, String)>,
    /// How it ended.
    pub finished: Option<Finished>,
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
    /// What is open on it, by key.
    pub open: BTreeMap<String, OpenObligation>,
    /// What became of it.
    pub outcome: Option<HostOutcome>,
    /// Why, where it is not ok.
    pub finding: Option<Finding>,
    /// Whether a change was sent to it.
    pub changed: bool,
    /// When its lane ended.
    pub finished: Option<Timestamp>,
}

/// What a unit would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
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
            E::RunPlanned { runbook, selector, hosts, batches, steps, phases, dry_run, by, ticket, .. } => {
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
            E::PlanSummary { groups, .. } => self.groups.clone_from(groups),
            E::ConfirmGiven { by, .. } => self.confirmed = Some(by.clone()),
            E::BatchStarted { n, of, .. } => self.batch = Some((*n, *of)),
            E::RunStopping { reason, .. } | E::RunAborting { reason, .. } => self.stopping = Some(reason.clone()),
            E::Note { by, text } => self.notes.push((event.ts, by.clone(), text.clone())),
            E::RunFinished { state, exit_code, .. } => {
                self.finished = Some(Finished { state: *state, exit_code: *exit_code, at: event.ts });
            }
            E::ConfirmAsked { .. }
            | E::ConfirmDeclined { .. }
            | E::BatchFinished { .. }
            | E::SoakStarted { .. }
            | E::Heartbeat { .. } => {}
            _ => {
                if let Some(host) = event.kind.host() {
                    self.hosts.entry(host.clone()).or_default().apply(event);
                }
            }
        }
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
                *unit = UnitState { started: Some(event.ts), changed, ..UnitState::default() };
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
            E::ObligationClosed { key, .. } => {
                self.open.remove(key);
            }
            E::ObligationFailed { key, finding, .. } => {
                if let Some(open) = self.open.get_mut(key) {
                    open.failed = Some(finding.clone());
                }
            }
            E::StepFinished { step, outcome, changed, note, finding, effects, .. } => {
                self.running = None;
                let unit = self.units.entry(step.clone()).or_default();
                unit.intent = false;
                unit.outcome = Some(*outcome);
                unit.changed = *changed;
                unit.finding.clone_from(finding);
                unit.effects.clone_from(effects);
                unit.finished = Some(event.ts);
                if note.is_some() {
                    unit.note.clone_from(note);
                }
                // an intent that a guard stopped was none
                self.changed = self.units.values().any(|unit| unit.changed);
            }
            E::HostFinished { outcome, changed, finding, .. } => {
                self.running = None;
                self.outcome = Some(*outcome);
                self.changed |= *changed;
                self.finding.clone_from(finding);
                self.finished = Some(event.ts);
            }
            _ => {}
        }
    }
}
