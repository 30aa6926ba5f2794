//! What people and signals ask of a running engine.

use serde::{Deserialize, Serialize};

use crate::model::id::HostName;

/// An order to a running run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Control {
    /// The plan was confirmed.
    Confirm {
        /// Who.
        by: String,
        /// `tty` or `flag`.
        via: String,
    },
    /// The plan was declined, or nobody could be asked.
    Decline {
        /// Why.
        reason: String,
    },
    /// The answer to an open question; what it does not offer is ignored.
    Answer {
        /// The question's id, as in `decision.asked`.
        id: String,
        /// One of its options.
        option: String,
        /// Who.
        by: String,
        /// Why, for the record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Start nothing new for now; what runs ends, what is open is closed.
    Pause {
        /// Who.
        by: String,
    },
    /// Go on after a pause.
    Resume {
        /// Who.
        by: String,
    },
    /// Leave these hosts out from here on; those that have ended stay as they are.
    Exclude {
        /// The hosts.
        hosts: Vec<HostName>,
        /// Who.
        by: String,
    },
    /// A line for the timeline.
    Note {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// First Ctrl-C, SIGTERM or SIGHUP: start nothing new, let running units end, close what is open.
    Stop {
        /// Who or what.
        by: String,
    },
    /// Second: end running units on the hosts, then close.
    Cancel {
        /// Who or what.
        by: String,
    },
}
