//! What people and signals ask of a running engine.

use serde::{Deserialize, Serialize};

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
    /// The answer to a question that a step asks.
    Answer {
        /// The question's id, as in `decision.asked`.
        id: String,
        /// Whether it is a yes.
        yes: bool,
        /// Who.
        by: String,
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
