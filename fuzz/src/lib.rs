//! Fuzz targets of runbook, for the fuzzer (`src/main.rs`).

pub mod targets;
