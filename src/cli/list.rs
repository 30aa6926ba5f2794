//! `runbook list`: the runbooks there are.

use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::output::{print, table};
use crate::cli::settings::Settings;
use crate::load::runbook::load;
use crate::load::source;

/// Arguments of `runbook list`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Does it.
pub fn run(_args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let files = source::list(&settings.runbooks).map_err(|message| Failure::invalid(message).hint("--runbooks DIR"))?;
    let rows: Vec<Vec<String>> = files.iter().map(|file| row(file)).collect();
    print(&table(&["NAME", "RISK", "STEPS", "TITLE"], &rows, settings.stdout_terminal))?;
    Ok(0)
}

fn row(file: &Path) -> Vec<String> {
    match load(file) {
        Ok(runbook) => {
            vec![runbook.name.to_string(), runbook.risk.word().to_owned(), runbook.steps.len().to_string(), runbook.title]
        }
        Err(errors) => {
            let name = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
            vec![name, "BROKEN".to_owned(), "-".to_owned(), errors.first()]
        }
    }
}
