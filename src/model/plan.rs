//! A plan: runbook, hosts and variables resolved into inert data. What is confirmed is what is executed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::host::Host;
use crate::model::id::{HostName, RunbookName, StepId};
use crate::model::outcome::Risk;
use crate::model::runbook::opt_millis;
use crate::model::time::millis;
use crate::model::visible::literal;

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
    /// Where the secrets are that its steps name; never the values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretSource>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunbookRef {
    /// Its name.
    pub name: RunbookName,
    /// Its title.
    pub title: String,
    /// The file.
    pub path: PathBuf,
    /// SHA-256 of the file and of those it takes in, in hex.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(with = "Option<u64>")]
    pub timeout: Option<Duration>,
    /// What a failure does.
    pub on_failure: OnFailure,
    /// Where and how often it runs.
    #[serde(default)]
    pub scope: Scope,
    /// How often a known failure is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// The user to become on the host by `sudo -n -u`, for looks too.
    #[serde(default, rename = "become", skip_serializing_if = "Option::is_none")]
    pub acts_as: Option<String>,
    /// The names of the secrets that its commands get as environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// The variables of the group of steps that it was taken from by `use`, in place of the runbook's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_vars: Option<BTreeMap<String, Value>>,
    /// Whether its fields have placeholders of the form `{{ steps.ID.NAME }}`: these are filled in when it is reached.
    #[serde(default)]
    pub late: bool,
    /// The keys of its kind, resolved.
    pub fields: Map<String, Value>,
}

impl UnitSpec {
    /// A unit with nothing but its fields; everything else as it is by default.
    pub fn new(step: StepId, section: Section, kind: &str, fields: Map<String, Value>) -> Self {
        Self {
            step,
            n: 0,
            section,
            name: None,
            phase: None,
            kind: kind.to_owned(),
            when: None,
            observe: false,
            optional: false,
            timeout: None,
            on_failure: OnFailure::default(),
            scope: Scope::default(),
            retry: None,
            acts_as: None,
            secrets: Vec::new(),
            own_vars: None,
            late: false,
            fields,
        }
    }
}

/// Where a step stands; this decides what its "no" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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

/// Where and how often a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// On each host.
    #[default]
    EachHost,
    /// Once a run, on the first host in run order that passed its pre-checks; the others share what it came to.
    Once,
    /// Once a run, from the machine that runs runbook; the others share what it came to.
    Controller,
}

impl Scope {
    /// Every scope with its word.
    pub const WORDS: &'static [(&'static str, Scope)] =
        &[("each-host", Scope::EachHost), ("once", Scope::Once), ("controller", Scope::Controller)];

    /// Whether the lanes share what it comes to.
    pub fn is_shared(self) -> bool {
        self != Scope::EachHost
    }
}

/// How often a known failure is tried again; what is unknown never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    /// Further attempts after the first.
    pub times: u32,
    /// Before the second attempt.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub delay: Duration,
    /// How the delay grows from one attempt to the next.
    pub backoff: Backoff,
}

/// How a delay grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backoff {
    /// It stays.
    #[default]
    Fixed,
    /// It doubles each time, up to five minutes.
    Double,
}

/// Where a secret is; the value is resolved when it is used and stored nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// An environment variable here.
    Env(String),
    /// A file here; a line break at its end does not count.
    File(PathBuf),
    /// The standard output of a program here; a line break at its end does not count.
    Command(Vec<String>),
}

/// What a failed unit does to the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// This host's lane ends; its obligations are closed.
    #[default]
    StopHost,
    /// No new unit starts anywhere but closes.
    StopRun,
    /// The lane goes on; the host is failed all the same.
    Continue,
    /// Somebody is asked, and the lane waits; where nobody can be asked this host's lane ends.
    Ask,
}

/// A label with a time budget: shown and told, nothing is stopped by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// Its name.
    pub name: String,
    /// How long it should take.
    #[serde(with = "opt_millis", default)]
    #[schemars(with = "Option<u64>")]
    pub budget: Option<Duration>,
}

/// How the hosts are worked through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The sizes of the batches; the last one repeats.
    pub batches: Vec<BatchSize>,
    /// A later batch starts only while fewer hosts than this have failed; a percentage is of all hosts of the run.
    pub max_failures: BatchSize,
    /// How many hosts may be out of service at a time; none: as many as a batch has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_out: Option<BatchSize>,
    /// How the hosts are sorted before they are cut into batches.
    #[serde(default)]
    pub order: Order,
    /// How long finished hosts are watched after each batch.
    #[serde(with = "millis")]
    pub soak: Duration,
}

impl Default for Rollout {
    fn default() -> Self {
        let batches = vec![BatchSize::Count(1), BatchSize::Percent(50), BatchSize::Percent(100)];
        Self { batches, max_failures: BatchSize::Count(1), max_out: None, order: Order::Inventory, soak: Duration::ZERO }
    }
}

/// How hosts are sorted before they are cut into batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// As in the file.
    #[default]
    Inventory,
    /// Mixed, the same way each time for the same hosts and runbook.
    Random,
    /// Neighbours in the order are in different availability zones: tags `az-…`, as far as there are any.
    AzSpread,
}

impl Order {
    /// Every order with its word.
    pub const WORDS: &'static [(&'static str, Order)] =
        &[("inventory", Order::Inventory), ("random", Order::Random), ("az-spread", Order::AzSpread)];
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
        let bad = || format!("`{}` is not a batch size: a count such as 2, or a percentage such as 50%", literal(text));
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

impl fmt::Display for BatchSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
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
