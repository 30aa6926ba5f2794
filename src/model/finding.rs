//! Why: what was found, in words that say what to do next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The reason for an outcome that is not simply fine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// A stable word, such as `wrong-holder`, `unreadable`, `timeout`, `exit`.
    pub code: String,
    /// One line: what was seen.
    pub summary: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Lines that show it, as seen on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// What findings of one cause have in common over hosts and runs; on the finding of an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold_key: Option<String>,
}

impl Finding {
    /// A finding without hint and evidence.
    pub fn new(code: &str, summary: impl Into<String>) -> Self {
        Self { code: code.to_owned(), summary: summary.into(), hint: None, evidence: Vec::new(), fold_key: None }
    }

    /// Whether both say the same, keyed or not.
    pub fn says_as(&self, other: &Self) -> bool {
        (&self.code, &self.summary) == (&other.code, &other.summary)
            && (&self.hint, &self.evidence) == (&other.hint, &other.evidence)
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
