//! The format of a case.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

/// A step, what was seen, what must follow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// One line: what this case is about.
    pub(super) about: String,
    /// The kind of the step.
    pub(super) kind: String,
    /// The keys of the kind.
    pub(super) step: Map<String, Value>,
    /// The runbook's variables.
    #[serde(default)]
    pub(super) vars: BTreeMap<String, Value>,
    /// What the host says of itself, where it matters.
    #[serde(default)]
    pub(super) facts: Facts,
    /// Where the step stands.
    #[serde(default)]
    pub(super) section: Section,
    /// Every look, oldest first.
    pub(super) look: Vec<Look>,
    /// The change, at most one.
    #[serde(default)]
    pub(super) acted: Vec<Acted>,
    /// What must follow.
    pub(super) expect: Expect,
}

/// What the host says of itself.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Facts {
    pub(super) user: String,
    pub(super) uid: u32,
    pub(super) home: String,
}

impl Default for Facts {
    fn default() -> Self {
        Self { user: "ec2-user".to_owned(), uid: 1000, home: "/home/ec2-user".to_owned() }
    }
}

/// Where the step stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Section {
    /// `precheck`, `step`, `verify` or `close`.
    pub(super) name: String,
}

impl Default for Section {
    fn default() -> Self {
        Self { name: "step".to_owned() }
    }
}

/// One look.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    /// When it was complete.
    pub(super) at_ms: i64,
    /// One reply per probe, or the answer to the question that the looks before it led to.
    pub(super) replies: Vec<Reply>,
}

/// The change as it was made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Acted {
    /// How many looks came before it; they must lead to a change.
    pub(super) looks_before: usize,
    /// When the last reply came; not said: with the last look before it.
    pub(super) at_ms: Option<i64>,
    /// One reply per op.
    pub(super) replies: Vec<Reply>,
}

/// A reply; which keys it has depends on `to`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reply {
    /// `shell`, `pm2`, `pm2-fault`, `http`, `http-fault` or `answer`.
    pub(super) to: String,
    /// The file with standard output or PM2's answer, under `tests/cases`.
    pub(super) file: Option<String>,
    /// Standard output or PM2's answer itself.
    pub(super) text: Option<String>,
    /// The exit status of a script.
    pub(super) exit: Option<u32>,
    /// What a script complained of.
    pub(super) stderr: Option<String>,
    /// The class of a fault.
    pub(super) class: Option<String>,
    /// The words of a fault.
    pub(super) message: Option<String>,
    /// Whether a request was or may have been sent.
    pub(super) sent: Option<bool>,
    /// The status of an answer.
    pub(super) status: Option<u16>,
    /// The body of an answer.
    pub(super) body: Option<String>,
    /// The headers of an answer.
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// How long it took.
    pub(super) took_ms: Option<u64>,
    /// Whether somebody said yes.
    pub(super) yes: Option<bool>,
    /// Who.
    pub(super) by: Option<String>,
    /// `tty` or `flag`.
    pub(super) via: Option<String>,
}

/// What must follow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    /// `holds`, `again`, `not-yet`, `change`, `refuse`, `ask` or `unreadable`.
    pub(super) verdict: String,
    /// The word; none for `again`, `ask` and `unreadable`.
    pub(super) word: Option<String>,
    /// The exact line.
    pub(super) summary: Option<String>,
    /// The exact effects of a change.
    pub(super) effects: Option<Vec<String>>,
    /// The exact values that are kept.
    pub(super) values: Option<Map<String, Value>>,
}
