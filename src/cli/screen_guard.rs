//! `runbook screen-guard`: the process that gives the terminal back when the session is killed.

use crate::cli::failure::Failure;
use crate::tui::guard;

/// Watches until the session or the terminal ends. Whatever goes wrong, there is nobody to be told.
pub fn run() -> Result<u8, Failure> {
    Ok(u8::from(guard::watch().is_err()))
}
