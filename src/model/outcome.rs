//! What became of units, hosts and runs: the words and exit codes of the contract.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }
        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];
            /// The word used in every output.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    };
}

words! {
    /// What became of a unit: a step on a host.
    Outcome {
        /// A check or wait that holds.
        Ok = "ok",
        /// It held before; nothing was done.
        Already = "already",
        /// It acted, and was then seen to hold.
        Changed = "changed",
        /// Dry run: it would act.
        WouldChange = "would-change",
        /// Dry run: it would wait.
        WouldWait = "would-wait",
        /// Dry run: it depends on something that has not happened.
        NotKnown = "not-known",
        /// A guard or pre-check said no; nothing was changed by it.
        Refused = "refused",
        /// It failed; known.
        Failed = "failed",
        /// It was or may have been sent, and nothing is known about the end.
        Unknown = "unknown",
        /// Its condition was false, or it was left out.
        Skipped = "skipped",
        /// Stopped before it began or ended on request.
        Cancelled = "cancelled",
    }
}

impl Outcome {
    /// Whether the lane may go on after it.
    pub fn is_fine(self) -> bool {
        !matches!(self, Outcome::Refused | Outcome::Failed | Outcome::Unknown | Outcome::Cancelled)
    }
}

words! {
    /// What became of a host.
    HostOutcome {
        /// Everything held or was brought to hold.
        Ok = "ok",
        /// At least one unit failed.
        Failed = "failed",
        /// At least one outcome is unknown.
        Unknown = "unknown",
        /// A pre-check or guard said no; nothing was changed.
        Refused = "refused",
        /// It could not be reached.
        Unreachable = "unreachable",
        /// It failed and its changes were undone.
        RolledBack = "rolled-back",
        /// It failed and undoing failed as well.
        RollbackFailed = "rollback-failed",
        /// Stopped on request.
        Cancelled = "cancelled",
        /// Its turn never came.
        NotStarted = "not-started",
    }
}

words! {
    /// How a run ended: the name of its exit code.
    RunState {
        /// Every host is ok and nothing is left open.
        Ok = "ok",
        /// At least one host failed.
        Failed = "failed",
        /// Some hosts could not be reached.
        Unreachable = "unreachable",
        /// Declined or stopped.
        Aborted = "aborted",
        /// A dry run that found changes to make.
        Pending = "pending",
        /// A guard said no.
        Refused = "refused",
        /// An obligation is open.
        LeftOpen = "left-open",
        /// At least one outcome is unknown.
        Unknown = "unknown",
        /// The journal cannot be written.
        RecordLost = "record-lost",
        /// A bug.
        Internal = "internal",
    }
}

impl RunState {
    /// The exit code of the contract.
    pub fn code(self) -> u8 {
        match self {
            RunState::Ok => 0,
            RunState::Failed => 1,
            RunState::Unreachable => 3,
            RunState::Aborted => 4,
            RunState::Pending => 5,
            RunState::Refused => 6,
            RunState::LeftOpen => 7,
            RunState::Unknown => 8,
            RunState::RecordLost => 9,
            RunState::Internal => 70,
        }
    }

    /// Of several that are true, the one that decides: the first of 70, 7, 8, 9, 4, 1, 3, 6, 5, 0.
    pub fn worst(all: impl IntoIterator<Item = RunState>) -> RunState {
        const ORDER: [RunState; 10] = [
            RunState::Internal,
            RunState::LeftOpen,
            RunState::Unknown,
            RunState::RecordLost,
            RunState::Aborted,
            RunState::Failed,
            RunState::Unreachable,
            RunState::Refused,
            RunState::Pending,
            RunState::Ok,
        ];
        let rank = |state: RunState| ORDER.iter().position(|s| *s == state).unwrap_or(0);
        all.into_iter().min_by_key(|s| rank(*s)).unwrap_or(RunState::Ok)
    }
}

words! {
    /// How much a runbook can do to a host, computed from its steps.
    Risk {
        /// Only looks.
        ReadOnly = "read-only",
        /// Moves a switch.
        Toggles = "toggles",
        /// Restarts or removes processes.
        Restarts = "restarts",
        /// Can lose data.
        Destructive = "destructive",
    }
}

#[cfg(test)]
mod tests {
    use super::RunState;

    #[test]
    fn the_worst_state_decides() {
        assert_eq!(RunState::worst([]), RunState::Ok);
        assert_eq!(RunState::worst([RunState::Failed, RunState::LeftOpen, RunState::Ok]), RunState::LeftOpen);
        assert_eq!(RunState::worst([RunState::Refused, RunState::Unreachable]), RunState::Unreachable);
        assert_eq!(RunState::worst([RunState::Aborted, RunState::Failed]), RunState::Aborted);
        assert_eq!(RunState::worst([RunState::RecordLost, RunState::Unknown]), RunState::Unknown);
    }
}
