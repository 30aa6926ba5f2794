//! `runbook lint`: everything wrong with runbooks and inventory, each with its place.

use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::cli::output::{counted, print};
use crate::cli::settings::Settings;
use crate::load::diagnostic::{Diagnostics, Severity};
use crate::load::{inventory, runbook, source};
use crate::steps::KINDS;

/// Arguments of `runbook lint`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Runbooks and inventories; without any: the inventory and everything in the runbooks' directory
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What makes the exit code 2 besides errors
    #[arg(long, value_name = "WHAT")]
    deny: Option<Deny>,
}

/// What is denied besides errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Deny {
    /// Warnings.
    Warnings,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let files = if args.files.is_empty() { all(settings)? } else { args.files.clone() };
    let (mut errors, mut warnings, mut bad, mut shaky) = (0, 0, 0, 0);
    for file in &files {
        let lists = check(file, settings);
        let count = |severity| lists.iter().map(|list| list.count(severity)).sum::<usize>();
        let (more_errors, more_warnings) = (count(Severity::Error), count(Severity::Warning));
        bad += usize::from(more_errors > 0);
        shaky += usize::from(more_errors == 0 && more_warnings > 0);
        errors += more_errors;
        warnings += more_warnings;
        for list in lists {
            print(&if settings.stdout_terminal { list.drawn(settings.color) } else { list.lines() })?;
        }
    }
    let fine = files.len() - bad - shaky;
    let found = format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"));
    // a summary on the pipe would be one more line to match
    if settings.stdout_terminal {
        let files = counted(files.len(), "file");
        print(&format!("{files}: {fine} ok, {shaky} with warnings, {bad} with errors ({found})\n"))?;
    }
    Ok(if errors > 0 || (warnings > 0 && args.deny == Some(Deny::Warnings)) { 2 } else { 0 })
}

fn all(settings: &Settings) -> Result<Vec<PathBuf>, Failure> {
    let mut files = source::list(&settings.runbooks)
        .map_err(|message| Failure::invalid(message).hint("runbook lint FILE").hint("--runbooks DIR"))?;
    if settings.inventory.exists() {
        files.insert(0, settings.inventory.clone());
    }
    Ok(files)
}

fn check(file: &Path, settings: &Settings) -> Vec<Diagnostics> {
    let is_inventory =
        *file == settings.inventory || file.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("inventory"));
    if is_inventory {
        return inventory::load(file, None).err().into_iter().collect();
    }
    let (runbook, warnings) = runbook::check(file, KINDS);
    runbook.err().into_iter().chain([warnings]).filter(|list| !list.list.is_empty()).collect()
}
