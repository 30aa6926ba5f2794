//! Why a command could not do its job: what, where, what to type next, and the exit code.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::output;
use crate::model::visible::visible;
use crate::report::signs::Signs;

/// A command that could not do its job. What happened on hosts is no failure but data. With `--output json` it is also an
/// object on standard output: the only line, or the last one after the events of a run that could not be recorded to its
/// end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "type", rename = "error")]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// One line, lower case, no full stop.
    pub message: String,
    /// Further lines: where, why.
    pub details: Vec<String>,
    /// What to type next.
    pub hints: Vec<String>,
}

impl Failure {
    /// Usage, file or selection: exit 2, and nothing was contacted.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(2, message)
    }

    /// A failure with an exit code of the contract.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), hints: Vec::new() }
    }

    /// Adds a line.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }

    /// Adds what to type next.
    #[must_use]
    pub fn hint(mut self, line: impl Into<String>) -> Self {
        self.hints.push(line.into());
        self
    }

    /// Writes it to standard error, in signs that its reader can take.
    pub fn print(&self, signs: Signs) {
        output::say(signs, &self.to_string());
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {}", visible(&self.message))?;
        for line in &self.details {
            writeln!(f, "  {}", visible(line))?;
        }
        for line in &self.hints {
            writeln!(f, "  try: {}", visible(line))?;
        }
        Ok(())
    }
}
