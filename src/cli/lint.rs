//! `runbook lint`: everything wrong with runbooks and inventory, each with its place.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::output::{counted, json, present};
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

/// A line of `runbook lint --output json`: something wrong with a file.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Found {
    /// A stable code, such as `E201`.
    pub code: &'static str,
    /// `error`: the file cannot be used; `warning`: it can, but it should not be as it is.
    pub severity: &'static str,
    /// The file.
    pub file: PathBuf,
    /// From 1; none: the file as a whole.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub col: Option<usize>,
    /// The line of the first character after it.
    pub end_line: Option<usize>,
    /// The column of the first character after it.
    pub end_col: Option<usize>,
    /// One line.
    pub message: String,
    /// What to write instead.
    pub help: Vec<String>,
}

fn found(list: &Diagnostics) -> impl Iterator<Item = Found> {
    list.list.iter().map(|one| {
        let (from, to) =
            (one.span.as_ref().map(|span| list.place(span.start)), one.span.as_ref().map(|span| list.place(span.end)));
        Found {
            code: one.code,
            severity: one.severity.word(),
            file: list.file(one).to_owned(),
            line: from.map(|place| place.line),
            col: from.map(|place| place.column),
            end_line: to.map(|place| place.line),
            end_col: to.map(|place| place.column),
            message: one.message.clone(),
            help: one.help.clone(),
        }
    })
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
            if settings.output == Form::Json {
                found(&list).try_for_each(|one| json(&one))?;
                continue;
            }
            if settings.output == Form::Quiet && list.count(Severity::Error) == 0 {
                continue;
            }
            present(settings, &if settings.stdout_terminal { list.drawn(settings.color) } else { list.lines() })?;
        }
    }
    let fine = files.len() - bad - shaky;
    let found = format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"));
    // a summary on the pipe would be one more line to match
    if settings.stdout_terminal && settings.output == Form::Human {
        let files = counted(files.len(), "file");
        present(settings, &format!("{files}: {fine} ok, {shaky} with warnings, {bad} with errors ({found})\n"))?;
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
        let (inventory, warnings) = inventory::check(file, None);
        return inventory.err().into_iter().chain([warnings]).filter(|list| !list.list.is_empty()).collect();
    }
    let (runbook, warnings) = runbook::check(file, KINDS);
    runbook.err().into_iter().chain([warnings]).filter(|list| !list.list.is_empty()).collect()
}
