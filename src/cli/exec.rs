//! `runbook exec`.

use crate::cli::failure::Failure;
use crate::cli::settings::Settings;

/// Arguments of `runbook exec`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Does it.
pub fn run(_args: &Args, _settings: &Settings) -> Result<u8, Failure> {
    Err(Failure::new(70, "not built yet"))
}
