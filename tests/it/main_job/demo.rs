//! `runbook demo`, as it is shipped.
