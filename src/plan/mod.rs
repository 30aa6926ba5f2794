//! Plans: runbook, hosts and variables resolved into inert data.

pub mod batches;
pub mod build;
pub mod digest;
pub mod select;
