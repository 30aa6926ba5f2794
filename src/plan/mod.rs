//! Plans: runbook, hosts and variables resolved into inert data.

pub mod build;
pub mod digest;
