//! A plan: runbook, hosts and variables resolved into inert data. What is confirmed is what is executed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::host::Host;
use crate::model::id::{HostName, RunbookName, StepId};
use crate::model::outcome::Risk;
use crate::model::runbook::opt_millis;
use crate::model::time::millis;

/// Everything a run needs, and nothing that has to be looked up again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The runbook it was made from.
    pub runbook: RunbookRef,
    /// The selector as typed.
    pub selector: String,
    /// What it can do to a host, computed.
    pub risk: Risk,
    /// Labels with a time budget.
    pub phases: Vec<Phase>,
    /// How the hosts are worked through.
    pub rollout: Rollout,
    /// The distinct units; lanes name them by index, so that a thousand equal hosts share them.
    pub units: Vec<UnitSpec>,
    /// One lane per host, in run order.
    pub lanes: Vec<Lane>,
    /// Indexes into `lanes`; the first batch is the canary.
    pub batches: Vec<Vec<usize>>,
    /// What must be typed before anything is changed.
    pub confirmation: Confirmation,
    /// SHA-256 over all of the above, in hex.
    pub digest: String,
}

impl Plan {
    /// The names of all hosts, in run order.
    pub fn hosts(&self) -> Vec<HostName> {
        self.lanes.iter().map(|lane| lane.host.name.clone()).collect()
    }
}

/// Which runbook, and which version of its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunbookRef {
    /// Its name.
    pub name: RunbookName,
    /// Its title.
    pub title: String,
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// The units of one host, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The host.
    pub host: Host,
    /// The runbook's variables with their values here.
    pub vars: BTreeMap<String, Value>,
    /// Indexes into [`Plan::units`].
    pub units: Vec<usize>,
}

/// A step with every template resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitSpec {
    /// The step's id.
    pub step: StepId,
    /// Its number in the runbook, from 1.
    pub n: u32,
    /// Which section it stands in.
    pub section: Section,
    /// A few words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The phase it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Its kind.
    pub kind: String,
    /// The condition under which it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Look and record only.
    #[serde(default)]
    pub observe: bool,
    /// A failure is kept as a finding only.
    #[serde(default)]
    pub optional: bool,
    /// How long it may take, waits included; none: the default of its section and kind.
    #[serde(default, with = "opt_millis", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What a failure does.
    pub on_failure: OnFailure,
    /// The keys of its kind, resolved.
    pub fields: Map<String, Value>,
}

/// Where a step stands; this decides what its "no" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// Before anything changes: its "no" is `refused`.
    Precheck,
    /// Actions and checks between them: a check's "no" is `failed`.
    Step,
    /// Polled until it holds or is late.
    Verify,
    /// Verification after the obligations are closed.
    VerifyAfterClose,
    /// Closing an obligation.
    Close,
}

impl Section {
    /// The word of the runbook language.
    pub fn word(self) -> &'static str {
        match self {
            Section::Precheck => "precheck",
            Section::Step => "step",
            Section::Verify | Section::VerifyAfterClose => "verify",
            Section::Close => "close",
        }
    }
}

/// What a failed unit does to the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// This host's lane ends; its obligations are closed.
    #[default]
    StopHost,
    /// No new unit starts anywhere but closes.
    StopRun,
    /// The lane goes on; the host is failed all the same.
    Continue,
}

/// A label with a time budget: shown and told, nothing is stopped by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it should take.
    #[serde(with = "opt_millis", default)]
    pub budget: Option<Duration>,
}

/// How the hosts are worked through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The sizes of the batches; the last one repeats.
    pub batches: Vec<BatchSize>,
    /// A later batch starts only while fewer hosts than this have failed.
    pub max_failures: usize,
    /// How long finished hosts are watched after each batch.
    #[serde(with = "millis")]
    pub soak: Duration,
}

impl Default for Rollout {
    fn default() -> Self {
        let batches = vec![BatchSize::Count(1), BatchSize::Percent(50), BatchSize::Percent(100)];
        Self { batches, max_failures: 1, soak: Duration::ZERO }
    }
}

/// The size of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchSize {
    /// So many hosts.
    Count(usize),
    /// So many of a hundred of all hosts of the run, rounded down, at least one.
    Percent(u8),
}

impl BatchSize {
    /// Reads `1` or `50%`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is not a batch size: a count such as 2, or a percentage such as 50%", text.escape_debug());
        match text.trim().strip_suffix('%') {
            Some(percent) => {
                let percent: u8 = percent.trim().parse().map_err(|_| bad())?;
                if (1..=100).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(bad()) }
            }
            None => match text.trim().parse() {
                Ok(0) | Err(_) => Err(bad()),
                Ok(count) => Ok(Self::Count(count)),
            },
        }
    }

    /// How many hosts of a run of `total` this is.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (total * usize::from(percent) / 100).max(1),
        }
    }
}

/// What must be given before the first change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Confirmation {
    /// Nothing changes; nothing is asked.
    None,
    /// `y` is enough.
    Yes,
    /// This phrase must be typed.
    Phrase {
        /// `NAME N`: the runbook and the number of hosts.
        phrase: String,
        /// Why, in words.
        why: String,
    },
}
