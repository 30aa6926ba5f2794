//! The one event type: the journal row, the JSON line, and what every screen folds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::finding::Finding;
use crate::model::host::Facts;
use crate::model::id::{HostName, RunId, StepId};
use crate::model::outcome::{HostOutcome, Outcome, Risk, RunState};
use crate::model::plan::{Phase, RunbookRef, Section};
use crate::model::step::{Basis, Change, Note, Obligation};
use crate::model::time::Timestamp;

/// The name and version of what events look like: within a major version types and fields are only added.
pub const SCHEMA: &str = "runbook.events/1.0";

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// From 1, without gaps within a run.
    #[schemars(range(min = 1))]
    pub seq: u64,
    /// When, on our clock.
    pub ts: Timestamp,
    /// The run.
    pub run: RunId,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// One step as it stands in `run.planned`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStep {
    /// From 1.
    pub n: u32,
    /// Its id.
    pub id: StepId,
    /// Its kind.
    pub kind: String,
    /// Where it stands.
    pub section: Section,
    /// The phase it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
}

/// Hosts whose previews are the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PreviewGroup {
    /// The hosts.
    pub hosts: Vec<HostName>,
    /// What they have in common, as a hash.
    pub signature: String,
}

/// What both sides of a connection agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Algorithms {
    /// Of the key exchange.
    pub kex: String,
    /// Of what is sent.
    pub cipher: String,
    /// What authenticates it, where the cipher does not do so by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Whether the key exchange was strict, so that nothing could be left out of it unseen.
    pub strict_kex: bool,
}

/// A folded failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// What equal failures have in common.
    pub fold_key: String,
    /// The step, where one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepId>,
    /// The hosts.
    pub hosts: Vec<HostName>,
    /// The first one's words.
    pub message: String,
    /// The first line of its evidence, where there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

/// An obligation that is still open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenItem {
    /// The host.
    pub host: HostName,
    /// Which one.
    pub key: String,
    /// In a few words.
    pub title: String,
    /// Since when.
    pub since: Timestamp,
}

/// What happened. Every field is owned, so that the same value is stored, printed and folded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum EventKind {
    /// The first line of every stream.
    #[serde(rename = "stream.start")]
    StreamStart {
        /// `runbook.events/1.0`.
        schema: String,
        /// `runbook` and its version.
        tool: String,
        /// The command line, without the program.
        argv: Vec<String>,
        /// Whether the hosts are simulated.
        #[serde(default)]
        sim: bool,
    },
    /// The run was planned; nothing was contacted yet.
    #[serde(rename = "run.planned")]
    RunPlanned {
        /// Which runbook.
        runbook: RunbookRef,
        /// The plan's digest.
        digest: String,
        /// The selector as typed.
        selector: String,
        /// All hosts, in run order.
        hosts: Vec<HostName>,
        /// The batches.
        batches: Vec<Vec<HostName>>,
        /// The steps.
        steps: Vec<PlannedStep>,
        /// Labels with a budget.
        phases: Vec<Phase>,
        /// Computed.
        risk: Risk,
        /// A later batch starts only while fewer hosts than this have failed.
        #[serde(default)]
        max_failures: usize,
        /// How many hosts may be out of service at a time, where that is bounded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_out: Option<usize>,
        /// Whether this is a dry run.
        dry_run: bool,
        /// Who started it.
        by: String,
        /// The ticket, where given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ticket: Option<String>,
    },
    /// A connection was made.
    #[serde(rename = "host.connected")]
    HostConnected {
        /// The host.
        host: HostName,
        /// The type of its key.
        key_type: String,
        /// The key's fingerprint.
        fingerprint: String,
        /// What it says of itself.
        facts: Facts,
        /// From the first packet to the first reply, in milliseconds.
        took_ms: u64,
        /// What was agreed on for the connection, where it is a real one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        algorithms: Option<Algorithms>,
    },
    /// No connection could be made.
    #[serde(rename = "host.reach")]
    HostReach {
        /// The host.
        host: HostName,
        /// `up` or `down`.
        #[schemars(extend("enum" = ["up", "down"]))]
        state: String,
        /// Why not: the connect fault's class.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
    },
    /// A connection was lost.
    #[serde(rename = "host.lost")]
    HostLost {
        /// The host.
        host: HostName,
        /// The class of the fault.
        class: String,
        /// In words.
        message: String,
    },
    /// What a unit would do.
    #[serde(rename = "preview.step")]
    PreviewStep {
        /// The host.
        host: HostName,
        /// The step.
        step: StepId,
        /// `ok`, `already`, `would-change`, `would-wait`, `not-known`, `refused`, `failed`, `skipped`.
        outcome: Outcome,
        /// What the claim rests on.
        basis: Basis,
        /// The kind's verdict word, where it judged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        word: Option<String>,
        /// One line.
        summary: String,
        /// What would be done.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        effects: Vec<String>,
        /// Whether something would be lost for good.
        #[serde(default)]
        destroys: bool,
    },
    /// The preview as a whole.
    #[serde(rename = "plan.summary")]
    PlanSummary {
        /// Hosts on which something would change.
        change_hosts: usize,
        /// Hosts that cannot be reached.
        unreachable_hosts: usize,
        /// Hosts that refused.
        refused_hosts: usize,
        /// Units that would change something.
        changes: usize,
        /// Of these, those that cannot be undone.
        destroy: usize,
        /// The most hosts whose steps can fail before the run stops by itself; what breaks later, while it soaks, is not
        /// counted.
        #[serde(default)]
        at_worst: usize,
        /// How many claims rest on what.
        basis: BTreeMap<String, usize>,
        /// Hosts whose previews are the same.
        groups: Vec<PreviewGroup>,
    },
    /// Somebody is asked to confirm.
    #[serde(rename = "confirm.asked")]
    ConfirmAsked {
        /// What must be typed; none: `y`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phrase: Option<String>,
        /// What it would do, in words.
        why: String,
    },
    /// It was confirmed.
    #[serde(rename = "confirm.given")]
    ConfirmGiven {
        /// Who.
        by: String,
        /// `tty` or `flag`.
        via: String,
    },
    /// It was declined.
    #[serde(rename = "confirm.declined")]
    ConfirmDeclined {
        /// Why.
        reason: String,
    },
    /// A batch begins.
    #[serde(rename = "batch.started")]
    BatchStarted {
        /// From 1.
        n: usize,
        /// Of how many.
        of: usize,
        /// Whether it is the canary.
        canary: bool,
        /// Its hosts.
        hosts: Vec<HostName>,
    },
    /// A batch ended.
    #[serde(rename = "batch.finished")]
    BatchFinished {
        /// From 1.
        n: usize,
        /// Hosts by outcome.
        hosts: BTreeMap<HostOutcome, usize>,
    },
    /// A unit begins.
    #[serde(rename = "step.started")]
    StepStarted {
        /// The host.
        host: HostName,
        /// The step.
        step: StepId,
        /// From 1.
        attempt: u32,
    },
    /// Something was looked at.
    #[serde(rename = "step.seen")]
    StepSeen {
        /// The host.
        host: HostName,
        /// The step.
        step: StepId,
        /// Which look, from 1.
        look: usize,
        /// What was looked at, one label per op.
        ops: Vec<String>,
        /// What came back: the replies. A stream is a text, or, where it is long or no UTF-8, an object of `bytes`, `head`
        /// and `tail` (or `head_base64` and `tail_base64`), and `sha256` of all of it where something is left out; `held`
        /// names the streams that a process keeps open after its end. What is told while a run goes on is shorter than
        /// what is recorded.
        replies: Vec<Value>,
    },
    /// What a look came to.
    #[serde(rename = "step.judged")]
    StepJudged {
        /// The host.
        host: HostName,
        /// The step.
        step: StepId,
        /// Which look, from 1.
        look: usize,
        /// The word, the line, the values.
        note: Note,
    },
    /// What a command printed, as it came; only with `--with-output`.
    #[serde(rename = "step.output")]
    StepOutput {
        /// The host.
        host: HostName,
        /// The step.
        step: StepId,
        /// From 1.
        attempt: u32,
        /// `stdout` or `stderr`.
        #[schemars(extend("enum" = ["stdout", "stderr"]))]
        stream: String,
        /// What it printed.
        text: String,
        /// Whether bytes were left out or were no UTF-8.
        lossy: bool,
    },
    /// A change is about to be made; durable before the first byte leaves.
    #[serde(rename = "step.intent")]
    StepIntent {
        /// The host.
        host: HostName,
        /// The step.
        step: StepId,
        /// From 1.
        attempt: u32,
        /// The change, with its undo.
        change: Change,
    },
    /// Something was opened that must be closed; durable before the change.
    #[serde(rename = "obligation.opened")]
    ObligationOpened {
        /// The host.
        host: HostName,
        /// The step that opens it.
        step: StepId,
        /// What.
        obligation: Obligation,
    },
    /// It was closed.
    #[serde(rename = "obligation.closed")]
    ObligationClosed {
        /// The host.
        host: HostName,
        /// Which one.
        key: String,
        /// `restored`, `already` (it was back), `theirs` (somebody else has changed it since), `not-sent` (the change
        /// was never sent).
        how: String,
        /// One line.
        summary: String,
    },
    /// It could not be closed.
    #[serde(rename = "obligation.failed")]
    ObligationFailed {
        /// The host.
        host: HostName,
        /// Which one.
        key: String,
        /// Why.
        finding: Finding,
    },
    /// A unit ended.
    #[serde(rename = "step.finished")]
    StepFinished {
        /// The host.
        host: HostName,
        /// The step.
        step: StepId,
        /// From 1.
        attempt: u32,
        /// What became of it.
        outcome: Outcome,
        /// Whether a change was sent.
        changed: bool,
        /// The exit status of its last command, where one was received.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<u32>,
        /// The last word and line.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Note>,
        /// Why, where it is not fine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
        /// What was done, where something was.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        effects: Vec<String>,
        /// From its start.
        duration_ms: u64,
    },
    /// A host's lane ended.
    #[serde(rename = "host.finished")]
    HostFinished {
        /// The host.
        host: HostName,
        /// What became of it.
        outcome: HostOutcome,
        /// Whether something was changed on it.
        changed: bool,
        /// Why, where it is not ok.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
        /// From the start of its batch.
        duration_ms: u64,
    },
    /// A step, a failure, or the gate between two batches, asks.
    #[serde(rename = "decision.asked")]
    DecisionAsked {
        /// Names the question within the run.
        id: String,
        /// The step that asks or has failed; none: the gate between two batches.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
        /// The hosts that it is about.
        hosts: Vec<HostName>,
        /// What is asked.
        question: String,
        /// What can be said.
        options: Vec<String>,
        /// Why it is asked, where a unit did not end well.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finding: Option<Finding>,
    },
    /// It was answered.
    #[serde(rename = "decision.made")]
    DecisionMade {
        /// Which question.
        id: String,
        /// What was said.
        option: String,
        /// Who.
        by: String,
        /// `tty` or `flag`.
        via: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Somebody has a host left out from here on.
    #[serde(rename = "host.excluded")]
    HostExcluded {
        /// The host.
        host: HostName,
        /// Who.
        by: String,
    },
    /// The changes of a host are being undone.
    #[serde(rename = "rollback.started")]
    RollbackStarted {
        /// The host.
        host: HostName,
        /// The steps whose changes are undone, in this order.
        steps: Vec<StepId>,
    },
    /// The changes of a host were undone, as far as they could be.
    #[serde(rename = "rollback.finished")]
    RollbackFinished {
        /// The host.
        host: HostName,
        /// `rolled-back` or `rollback-failed`.
        outcome: HostOutcome,
    },
    /// The run waits.
    #[serde(rename = "run.paused")]
    RunPaused {
        /// Why.
        reason: String,
        /// Who or what.
        by: String,
    },
    /// It goes on.
    #[serde(rename = "run.resumed")]
    RunResumed {
        /// Who or what.
        by: String,
    },
    /// Finished hosts are being watched.
    #[serde(rename = "soak.started")]
    SoakStarted {
        /// How long.
        for_ms: u64,
        /// The hosts.
        hosts: Vec<HostName>,
    },
    /// Somebody wrote a note.
    #[serde(rename = "note")]
    Note {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// Still alive.
    #[serde(rename = "heartbeat")]
    Heartbeat {
        /// `host step` of what is running.
        running: Vec<String>,
    },
    /// Nothing new starts from here on, but closes.
    #[serde(rename = "run.stopping")]
    RunStopping {
        /// Why.
        reason: String,
        /// Who or what.
        by: String,
    },
    /// Running units are being ended on the hosts.
    #[serde(rename = "run.aborting")]
    RunAborting {
        /// Why.
        reason: String,
        /// Who or what.
        by: String,
    },
    /// The run ended.
    #[serde(rename = "run.finished")]
    RunFinished {
        /// The state that decides.
        state: RunState,
        /// Its exit code.
        exit_code: u8,
        /// Hosts by outcome.
        hosts: BTreeMap<HostOutcome, usize>,
        /// Hosts on which something was changed.
        changed: usize,
        /// What is left open.
        open: Vec<OpenItem>,
        /// Failures folded by cause.
        failures: Vec<Failure>,
        /// Commands to type next.
        next: Vec<String>,
        /// From `run.planned`.
        duration_ms: u64,
    },
}

impl EventKind {
    /// The host it is about, if it is about one.
    pub fn host(&self) -> Option<&HostName> {
        use EventKind as E;
        match self {
            E::HostConnected { host, .. }
            | E::HostReach { host, .. }
            | E::HostLost { host, .. }
            | E::PreviewStep { host, .. }
            | E::StepStarted { host, .. }
            | E::StepSeen { host, .. }
            | E::StepJudged { host, .. }
            | E::StepIntent { host, .. }
            | E::ObligationOpened { host, .. }
            | E::ObligationClosed { host, .. }
            | E::ObligationFailed { host, .. }
            | E::StepFinished { host, .. }
            | E::StepOutput { host, .. }
            | E::HostExcluded { host, .. }
            | E::RollbackStarted { host, .. }
            | E::RollbackFinished { host, .. }
            | E::HostFinished { host, .. } => Some(host),
            E::StreamStart { .. }
            | E::DecisionAsked { .. }
            | E::DecisionMade { .. }
            | E::RunPaused { .. }
            | E::RunResumed { .. }
            | E::RunPlanned { .. }
            | E::PlanSummary { .. }
            | E::ConfirmAsked { .. }
            | E::ConfirmGiven { .. }
            | E::ConfirmDeclined { .. }
            | E::BatchStarted { .. }
            | E::BatchFinished { .. }
            | E::SoakStarted { .. }
            | E::Note { .. }
            | E::Heartbeat { .. }
            | E::RunStopping { .. }
            | E::RunAborting { .. }
            | E::RunFinished { .. } => None,
        }
    }
}
