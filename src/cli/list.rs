//! `runbook list`: the runbooks there are, and how each one ended last.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::history::{Ran, ran};
use crate::cli::open;
use crate::cli::output::{json, present, print, table};
use crate::cli::settings::Settings;
use crate::load::runbook::load;
use crate::load::source;
use crate::model::outcome::Risk;

/// The newest runs among which a runbook's last one is looked for.
pub(super) const RUNS: usize = 200;

/// Arguments of `runbook list`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// A line of `runbook list --output json`: a runbook.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Listed {
    /// Its name; of a broken one the name of its file, without `.toml`.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// One line; none where it is broken.
    pub title: Option<String>,
    /// What it can do to a host; none where it is broken.
    pub risk: Option<Risk>,
    /// How many steps it has, pre-checks and verification counted; none where it is broken.
    pub steps: Option<usize>,
    /// Where its first error is, where it is broken: `file:line:col`.
    pub broken: Option<String>,
    /// Its newest run that was no dry run, where one of the newest 200 runs was.
    pub last_run: Option<Ran>,
}

/// Does it.
pub fn run(_args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let listed = all(settings)?;
    match settings.output {
        Form::Json => listed.iter().try_for_each(json)?,
        Form::Quiet => print(&listed.iter().map(|one| format!("{}\n", one.name)).collect::<String>())?,
        Form::Human => {
            let rows: Vec<Vec<String>> = listed.into_iter().map(row).collect();
            present(
                settings,
                &table(&["NAME", "RISK", "STEPS", "LAST RUN", "RESULT", "TITLE"], &rows, settings.stdout_terminal),
            )?;
        }
    }
    Ok(0)
}

/// The runbooks there are; where only names are asked for, without their runs.
pub(super) fn all(settings: &Settings) -> Result<Vec<Listed>, Failure> {
    let files = source::list(&settings.runbooks).map_err(|message| Failure::invalid(message).hint("--runbooks DIR"))?;
    let mut last = if settings.output == Form::Quiet { BTreeMap::new() } else { last_runs(settings) };
    Ok(files.iter().map(|file| listed(file, &mut last)).collect())
}

/// The newest run of each runbook; none where there is no record, or none that can be read: what there is does not depend
/// on what was done.
fn last_runs(settings: &Settings) -> BTreeMap<String, Ran> {
    let mut last = BTreeMap::new();
    if !settings.state_dir.join("journal.db").exists() {
        return last;
    }
    let Ok(journal) = open::journal(settings) else { return last };
    for row in journal.runs(RUNS).unwrap_or_default() {
        let ran = ran(&journal, &row);
        if !ran.dry_run {
            last.entry(ran.runbook.clone()).or_insert(ran);
        }
    }
    last
}

fn listed(file: &Path, last: &mut BTreeMap<String, Ran>) -> Listed {
    let stem = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let (name, broken, found) = match load(file) {
        Ok(runbook) => (runbook.name.to_string(), None, Some(runbook)),
        Err(errors) => (stem, Some(errors.first()), None),
    };
    Listed {
        last_run: last.remove(&name),
        name,
        file: file.to_owned(),
        risk: found.as_ref().map(|runbook| runbook.risk),
        steps: found.as_ref().map(|runbook| runbook.steps.len()),
        title: found.map(|runbook| runbook.title),
        broken,
    }
}

fn row(listed: Listed) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let (when, result) = match &listed.last_run {
        Some(ran) => (format!("{} {}", ran.when(), ran.by), ran.result()),
        None => ("-".to_owned(), "-".to_owned()),
    };
    vec![
        listed.name,
        listed.risk.map_or("BROKEN", Risk::word).to_owned(),
        or_dash(listed.steps.map(|n| n.to_string())),
        when,
        result,
        or_dash(listed.title.or(listed.broken)),
    ]
}
