//! Plans: runbook, hosts and variables resolved into inert data.
