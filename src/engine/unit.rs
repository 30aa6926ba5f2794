//! A unit ready to run: the plan's data with its step made from it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::model::fields::{Context, FieldError};
use crate::model::finding::Finding;
use crate::model::id::HostName;
use crate::model::outcome::Outcome;
use crate::model::plan::{Section, UnitSpec};
use crate::model::step::{Note, Obligation, Step};
use crate::model::when::When;
use crate::steps;
use crate::steps::{Class, Touches};

/// A unit of one lane.
#[derive(Debug, Clone)]
pub struct Unit {
    /// As planned.
    pub spec: UnitSpec,
    /// Whether it only looks or may act.
    pub class: Class,
    /// What its changes are about.
    pub touches: Touches,
    /// What it means.
    pub step: Arc<dyn Step>,
    /// Its condition.
    pub when: Option<When>,
}

impl Unit {
    /// Makes the step of a planned unit. Plans were checked when they were built, so an error means that the plan and
    /// this program do not fit together.
    pub fn new(spec: &UnitSpec, vars: &BTreeMap<String, Value>, host_vars: &BTreeMap<String, Value>) -> Result<Self, Finding> {
        let misfit = |text: String| Finding::new("plan", format!("step `{}`: {text}", spec.step));
        let kind = steps::kind(&spec.kind).ok_or_else(|| misfit(format!("there is no kind `{}`", spec.kind)))?;
        let vars = spec.own_vars.as_ref().unwrap_or(vars);
        let context = Context { vars, host_vars, section: spec.section };
        let step = steps::instantiate(&spec.kind, &spec.fields, context)
            .ok_or_else(|| misfit(format!("there is no kind `{}`", spec.kind)))?
            .map_err(|errors| misfit(errors.iter().map(FieldError::to_string).collect::<Vec<_>>().join("; ")))?;
        let when = spec.when.as_deref().map(When::parse).transpose().map_err(|error| misfit(error.to_string()))?;
        Ok(Self { spec: spec.clone(), class: kind.class, touches: kind.touches, step, when })
    }

    /// How long it may take in all, waits included.
    pub fn timeout(&self) -> Duration {
        self.spec.timeout.unwrap_or_else(|| match (self.spec.section, self.class) {
            (Section::Verify | Section::VerifyAfterClose, _) => Duration::from_secs(60) + self.step.patience(),
            (_, Class::Check) => Duration::from_secs(30) + self.step.patience(),
            (_, Class::Action | Class::Wait) => Duration::from_secs(60) + self.step.patience(),
        })
    }

    /// Whether its "no" is waited out rather than taken at once. So is a closer's: what it restores may be starting.
    pub fn polls(&self) -> bool {
        self.class == Class::Wait || matches!(self.spec.section, Section::Verify | Section::VerifyAfterClose | Section::Close)
    }
}

/// How a unit ended.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitEnd {
    /// What became of it.
    pub outcome: Outcome,
    /// Whether a change was sent.
    pub changed: bool,
    /// The last word and line.
    pub note: Option<Note>,
    /// Why, where it is not fine.
    pub finding: Option<Finding>,
    /// What was done, or would be.
    pub effects: Vec<String>,
    /// Whether something would be lost for good.
    pub destroys: bool,
    /// The last exit status that was received for a change.
    pub exit_code: Option<u32>,
    /// What was opened and must be closed.
    pub opened: Option<Obligation>,
    /// Why the host cannot be reached any more, where that ended it.
    pub unreachable: Option<Finding>,
    /// Where another host's lane did the work: that host, and what became of the unit there.
    pub done_by: Option<(HostName, Outcome)>,
    /// Whether somebody said to go on without it.
    pub waived: bool,
}

impl UnitEnd {
    /// An end without a change.
    pub fn plain(outcome: Outcome, note: Option<Note>) -> Self {
        Self {
            outcome,
            changed: false,
            note,
            finding: None,
            effects: Vec::new(),
            destroys: false,
            exit_code: None,
            opened: None,
            unreachable: None,
            done_by: None,
            waived: false,
        }
    }

    /// What the work of another host's lane comes to for this one: nothing was changed here.
    pub fn shared(self, leader: HostName) -> Self {
        let on = |text: &str| format!("once, on {leader}: {text}");
        let outcome = match self.outcome {
            Outcome::Changed => Outcome::Already,
            Outcome::Failed | Outcome::Unknown | Outcome::Cancelled => Outcome::Refused,
            other => other,
        };
        let note = self.note.map(|note| Note { summary: on(&note.summary), ..note });
        let finding = self.finding.map(|finding| Finding { summary: on(&finding.summary), ..finding });
        let waived = self.waived;
        Self { finding, waived, done_by: Some((leader, self.outcome)), ..Self::plain(outcome, note) }
    }

    /// A "no" without a change.
    pub fn no(outcome: Outcome, finding: Finding) -> Self {
        Self { finding: Some(finding), ..Self::plain(outcome, None) }
    }
}
