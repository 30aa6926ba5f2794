//! Why the lab could not do what it was told: what, why, and what to type next.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// The lab could not do its job.
#[derive(Debug, Error)]
pub enum LabError {
    /// A call of the system failed.
    #[error("cannot {doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program that is needed is not there.
    #[error("`{program}` is not on this machine; {wanted}")]
    Missing {
        /// Its name.
        program: String,
        /// What for.
        wanted: &'static str,
        /// How to get it.
        hint: &'static str,
    },
    /// A program ended with an error.
    #[error("{doing} failed: {said}")]
    Program {
        /// What it was to do.
        doing: String,
        /// The last of what it wrote.
        said: String,
    },
    /// A host did not come up.
    #[error("{host} did not come up: {why}")]
    Host {
        /// Its name.
        host: String,
        /// What it said.
        why: String,
        /// Where it wrote more.
        log: PathBuf,
    },
    /// Something took longer than it may.
    #[error("{what} took longer than {seconds} s")]
    Late {
        /// What.
        what: String,
        /// The limit.
        seconds: u64,
    },
    /// What was read is not what we write.
    #[error("{what} is unreadable: {why}")]
    Unreadable {
        /// Which file or answer.
        what: String,
        /// Why.
        why: String,
    },
    /// The lab is not up.
    #[error("the lab in {} is not up", .0.display())]
    Down(PathBuf),
    /// What was asked for does not fit.
    #[error("{what}")]
    Invalid {
        /// What is wrong.
        what: String,
        /// What to type instead.
        hint: String,
    },
    /// The one who started us is gone.
    #[error("nobody is left to build for")]
    Abandoned,
}

impl LabError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { hint, .. } => Some((*hint).to_owned()),
            Self::Invalid { hint, .. } => Some(hint.clone()),
            Self::Host { log, .. } => Some(format!("cat {}", log.display())),
            Self::Down(_) => Some("runbook lab up".to_owned()),
            Self::Io { .. } | Self::Program { .. } | Self::Late { .. } | Self::Unreadable { .. } | Self::Abandoned => None,
        }
    }
}

/// Names what was being done when the system said no.
pub(crate) trait Doing<T> {
    /// `doing` completes the sentence "cannot …".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, LabError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, LabError> {
        self.map_err(|error| LabError::Io { doing: doing(), source: error.into() })
    }
}
