//! A runbook as it was written and checked: names and templates still in place, nothing resolved for a host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::id::{RunbookName, StepId, VarName};
use crate::model::outcome::Risk;
use crate::model::plan::{OnFailure, Phase, Retry, Rollout, Scope, SecretSource, Section};
use crate::model::time::millis;

/// A checked runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Runbook {
    /// Its name; the file is `NAME.toml`.
    pub name: RunbookName,
    /// One line.
    pub title: String,
    /// A few sentences.
    #[serde(default)]
    pub about: String,
    /// The author's claim; lower than what is computed is an error.
    pub risk: Risk,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// A link shown beside a failure.
    #[serde(default)]
    pub docs: Option<String>,
    /// Its variables, in file order.
    pub vars: Vec<VarDecl>,
    /// How the hosts are worked through.
    pub rollout: Rollout,
    /// Labels with a time budget.
    pub phases: Vec<Phase>,
    /// Pre-checks, steps and verification, in the order of a lane: all pre-checks, all steps, all of verify.
    pub steps: Vec<StepDecl>,
    /// Where the secrets are that its steps name.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
    /// Evidence that this runbook is the one to use.
    #[serde(default)]
    pub signatures: Vec<SignatureDecl>,
    /// Where it was read from.
    pub path: PathBuf,
    /// SHA-256 of the file and of those it takes in, in hex.
    pub sha256: String,
}

/// A declared variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VarDecl {
    /// Its name.
    pub name: VarName,
    /// What values it takes.
    pub ty: VarType,
    /// Its value where nothing else sets it.
    pub default: Option<Value>,
    /// A regular expression that a text must match as a whole.
    pub pattern: Option<String>,
    /// For [`VarType::Enum`]: the words.
    #[serde(default)]
    pub values: Vec<String>,
    /// Whether an empty text is fine.
    #[serde(default)]
    pub allow_empty: bool,
    /// One line for people.
    pub about: Option<String>,
}

/// The types of variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VarType {
    /// Any text.
    String,
    /// A whole number.
    Int,
    /// 1 to 65535.
    Port,
    /// True or false.
    Bool,
    /// Such as `20s`.
    Duration,
    /// Such as `100MiB`.
    Size,
    /// A path on the host.
    Path,
    /// `http://…` or `https://…`.
    Url,
    /// One of `values`.
    Enum,
    /// A list of texts.
    List,
}

/// A variable of a group of steps that was taken in by `use`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnVar {
    /// As the group declares it.
    pub decl: VarDecl,
    /// Its value for this use, with placeholders of the variables of whoever uses it; none: the default.
    pub with: Option<Value>,
}

/// A `[[signature]]`: evidence that this runbook is the one to use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignatureDecl {
    /// A few words for people.
    pub name: Option<String>,
    /// Its kind.
    pub kind: String,
    /// The keys of its kind, with templates still in them.
    pub fields: Map<String, Value>,
}

/// One `[[precheck]]`, `[[step]]` or `[[verify]]` entry as written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepDecl {
    /// Unique in the runbook.
    pub id: StepId,
    /// Which section it stands in.
    pub section: Section,
    /// A few words for people.
    pub name: Option<String>,
    /// What it does and why, for people.
    pub about: Option<String>,
    /// The phase it belongs to.
    pub phase: Option<String>,
    /// Its kind.
    pub kind: String,
    /// The condition under which it runs, as written.
    pub when: Option<String>,
    /// Look and record only: the outcome is ok whatever the verdict.
    pub observe: bool,
    /// A failure is kept as a finding and does not make the host failed.
    pub optional: bool,
    /// Its deadline, where set.
    #[serde(with = "opt_millis")]
    pub timeout: Option<Duration>,
    /// What a failure does, where set.
    pub on_failure: Option<OnFailure>,
    /// Where and how often it runs.
    pub scope: Scope,
    /// How often a known failure is tried again.
    pub retry: Option<Retry>,
    /// The user to become on the host.
    pub acts_as: Option<String>,
    /// The names of the secrets that its commands get as environment variables.
    pub secrets: Vec<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// The variables of the groups of steps that it was taken from by `use`, the outermost first: those of the last stand
    /// in its fields and conditions, in place of the runbook's. [`own_values`] has their values.
    ///
    /// [`own_values`]: crate::model::own_vars::own_values
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_vars: Vec<Vec<OwnVar>>,
    /// The keys of its kind, with templates still in them.
    pub fields: Map<String, Value>,
}

impl StepDecl {
    /// What it captures from the output of its command, by name, with the type of each.
    pub fn captured(&self) -> Vec<(String, VarType)> {
        captured(&self.fields)
    }
}

/// What a step with these fields captures from the output of its command, by name, with the type of each.
pub fn captured(fields: &Map<String, Value>) -> Vec<(String, VarType)> {
    let entries = fields.get("capture").and_then(Value::as_object).into_iter().flatten();
    let of = |entry: &Value| {
        let word = entry.get("type").and_then(Value::as_str);
        VarType::WORDS.iter().find(|(name, _)| Some(*name) == word).map_or(VarType::String, |(_, ty)| *ty)
    };
    entries.map(|(name, entry)| (name.clone(), of(entry))).collect()
}

/// An optional duration in milliseconds.
pub mod opt_millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::millis;

    #[derive(Serialize, Deserialize)]
    struct Millis(#[serde(with = "millis")] Duration);

    /// Writes whole milliseconds or null.
    pub fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Millis).serialize(to)
    }

    /// Reads whole milliseconds or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Option::<Millis>::deserialize(from).map(|m| m.map(|m| m.0))
    }
}

/// The variables of a runbook with their values for one host.
pub type Vars = BTreeMap<String, Value>;
