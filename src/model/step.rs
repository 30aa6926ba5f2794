//! What a step is to the engine: what to look at, and what follows from what was seen. Pure; data in, data out.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::finding::Finding;
use crate::model::host::{Facts, Host};
use crate::model::op::{Op, Reply};
use crate::model::plan::UnitSpec;
use crate::model::time::Timestamp;

/// One step of a runbook, resolved for one host.
pub trait Step: fmt::Debug + Send + Sync {
    /// What to look at before deciding. Every op must be read-only.
    fn probes(&self, target: &Target) -> Vec<Op>;

    /// What to look at again, when something was seen before. Every op must be read-only; `looks` is never empty.
    fn probes_again(&self, target: &Target, looks: &[Look]) -> Vec<Op> {
        let _ = looks;
        self.probes(target)
    }

    /// What follows from what was seen. Called after each look; `seen` holds all of them.
    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable>;

    /// How long it waits by its own keys, such as `stable_for`; its deadline is that much later.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }

    /// What a claim about a change rests on in a preview.
    fn basis(&self) -> Basis {
        Basis::Seen
    }

    /// Whether the looks are repeated, and must lead to the same change, right before it is made.
    fn recheck(&self) -> bool {
        false
    }
}

/// The host a step works on.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// As the inventory has it.
    pub host: Host,
    /// As it says itself.
    pub facts: Facts,
}

/// One look: the replies to the probes, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// When the replies were complete, on our clock.
    pub at: Timestamp,
    /// One reply per probe.
    pub replies: Vec<Reply>,
}

/// The change that was made, if any.
#[derive(Debug, Clone, PartialEq)]
pub struct Acted {
    /// The change as it was decided.
    pub change: Change,
    /// One reply per op that was performed.
    pub replies: Vec<Reply>,
    /// How many looks had been taken before it.
    pub looks_before: usize,
    /// When the last reply came.
    pub at: Timestamp,
}

/// Everything seen for a unit so far.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The host.
    pub target: &'a Target,
    /// All looks, oldest first; never empty when `judge` is called. In a long wait the middle ones may be gone.
    pub looks: &'a [Look],
    /// What was done, if something was.
    pub acted: Option<&'a Acted>,
}

impl<'a> Evidence<'a> {
    /// The newest look.
    pub fn last(&self) -> Result<&'a Look, Unreadable> {
        self.looks.last().ok_or_else(|| Unreadable::new("nothing was looked at"))
    }

    /// The looks taken after the change, or all of them when nothing was changed.
    pub fn since_change(&self) -> &'a [Look] {
        let from = self.acted.map_or(0, |acted| acted.looks_before.min(self.looks.len()));
        &self.looks[from..]
    }
}

/// Evidence that cannot be read is never taken for "fine".
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what}")]
pub struct Unreadable {
    /// What could not be read, and why.
    pub what: String,
    /// What would make it readable.
    pub hint: Option<String>,
}

impl Unreadable {
    /// Evidence that cannot be read, in words.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None }
    }

    /// Adds what would make it readable.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What follows from the evidence.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is as the step describes.
    Holds(Note),
    /// One look is not enough: look again after this long, in every mode.
    Again {
        /// How long to wait before the next look.
        after: Duration,
    },
    /// It is not so, or not for long enough; the world may still get there. A pre-check says no to it at once, a
    /// verify looks again until it is late.
    NotYet(Note),
    /// An action: this would make it so.
    Change(Box<Change>),
    /// It is not so and waiting does not help.
    Refuse(Finding),
    /// Somebody has to say yes; the answer is the reply of the next look. A preview does not ask.
    Ask(Question),
}

/// What somebody is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// In words, without the question mark's options.
    pub text: String,
}

/// What a look came to: a word of the kind's vocabulary and a line for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// One of the verdict words of the kind; `steps.ID.verdict` in conditions.
    pub word: String,
    /// One line: what was seen.
    pub summary: String,
    /// Values worth keeping, such as pid or counter; `steps.ID.NAME` in conditions, and material of the timeline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, Value>,
    /// What to do about it, when it is not good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Lines that show it, as seen on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

impl Note {
    /// A word and a line.
    pub fn new(word: &str, summary: impl Into<String>) -> Self {
        Self { word: word.to_owned(), summary: summary.into(), values: BTreeMap::new(), hint: None, evidence: Vec::new() }
    }

    /// Adds a value.
    #[must_use]
    pub fn value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a line of evidence.
    #[must_use]
    pub fn evidence(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }
}

impl From<Note> for Finding {
    fn from(note: Note) -> Finding {
        Finding { code: note.word, summary: note.summary, hint: note.hint, evidence: note.evidence, fold_key: None }
    }
}

/// A change that would make it so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// What was seen that makes it necessary.
    pub why: Note,
    /// One line per effect, imperative: `delete pm2 entry 2 proxy-server (errored, does not hold :3000)`.
    pub effects: Vec<String>,
    /// Whether an effect cannot be undone.
    #[serde(default)]
    pub destroys: bool,
    /// What is done, in order. Must be the same for the same decision: no pids that change by themselves, no times.
    pub ops: Vec<Op>,
    /// What would undo it, in order; recorded before the change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Op>,
    /// What is opened by it and must be closed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obligation: Option<Obligation>,
}

/// Something opened that must be closed again, recorded before the change that opens it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Obligation {
    /// Which one, unique on a host, such as `kill-switch http://127.0.0.1:3000/api/status#enabled`.
    pub key: String,
    /// A few words that name it: `kill switch enabled`.
    pub title: String,
    /// The value read before: what closing restores.
    pub was: Value,
    /// The value that the change sets: closing acts only where this is still there.
    pub set: Value,
    /// When it is closed.
    pub close: ClosePolicy,
    /// The unit that closes it; closing converges this by the same loop.
    pub closer: Box<UnitSpec>,
}

/// When an obligation is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClosePolicy {
    /// On every way out: success, failure, Ctrl-C, signal.
    Always,
    /// Only after this host was verified.
    WhenVerified,
    /// Not by this run; needs a reason in the runbook.
    Never,
}

/// What a claim in a preview rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A check looked.
    Seen,
    /// A command of the runbook's author looked.
    OwnCommand,
    /// The step says so; nothing was looked at.
    Declared,
    /// It needs a change that has not happened.
    NotKnown,
}

impl Basis {
    /// The words of the preview.
    pub fn word(self) -> &'static str {
        match self {
            Basis::Seen => "seen",
            Basis::OwnCommand => "seen, own command",
            Basis::Declared => "declared",
            Basis::NotKnown => "not known",
        }
    }
}
