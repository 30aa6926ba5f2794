//! The hosts of `failed:RUN` and its like, from the record.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::Range;

use crate::cli::failure::Failure;
use crate::cli::open;
use crate::cli::output::counted;
use crate::cli::settings::Settings;
use crate::journal::store::{Journal, JournalError};
use crate::model::hostset::fold;
use crate::model::id::{HostName, RunId};
use crate::model::inventory::Inventory;
use crate::model::selector::{Recorded, RunAtom, Selector, SelectorError};
use crate::report::signs::Signs;
use crate::report::sink;
use crate::state::run::RunState;
use crate::state::summary::outcome;

/// How many runs are offered where the one that was named is unknown.
const OFFERED: usize = 3;

/// What the record says of the runs that a selector names.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The hosts of each run atom, also those that the inventory does not have any more.
    pub hosts: Recorded,
    /// The runs as typed, with their ids.
    pub runs: BTreeMap<String, RunId>,
}

/// The record does not say what a selector asks.
#[derive(Debug)]
pub enum RecordError {
    /// It has no such run.
    Selector(SelectorError),
    /// It cannot be read.
    Journal(Failure),
}

/// Reads what the run atoms of a selector need; without any the record is left alone.
pub fn record(settings: &Settings, selector: &Selector) -> Result<Record, RecordError> {
    let mut record = Record::default();
    let atoms = selector.run_atoms();
    let Some((_, first)) = atoms.first() else { return Ok(record) };
    // where there is no record none is made by asking for it
    if !settings.state_dir.join("journal.db").exists() {
        let message = format!("no run is recorded in {}", settings.state_dir.display());
        return Err(RecordError::Selector(SelectorError::new(first.clone(), message).hint("--state-dir DIR")));
    }
    let journal = open::journal(settings).map_err(RecordError::Journal)?;
    let mut states: BTreeMap<RunId, RunState> = BTreeMap::new();
    for (atom, at) in atoms {
        let run = find(&journal, atom, at)?;
        if !states.contains_key(&run) {
            let events = journal.events(&run).map_err(|error| RecordError::Journal(open::failed(error)))?;
            states.insert(run.clone(), RunState::replay(&events));
        }
        let hosts = states.get(&run).map(|state| hosts(state, atom)).unwrap_or_default();
        record.hosts.insert(atom.clone(), hosts);
        record.runs.insert(atom.run.clone(), run);
    }
    Ok(record)
}

fn hosts(state: &RunState, atom: &RunAtom) -> BTreeSet<HostName> {
    let became = state.hosts.iter().filter(|(_, host)| atom.became.holds(outcome(host, state.dry_run), host.changed));
    became.map(|(name, _)| name.clone()).collect()
}

fn find(journal: &Journal, atom: &RunAtom, at: Range<usize>) -> Result<RunId, RecordError> {
    match journal.find_run(&atom.run) {
        Ok(run) => Ok(run),
        Err(error @ JournalError::Ambiguous { .. }) => {
            Err(RecordError::Selector(SelectorError::new(at, error.to_string()).hint("write more digits of the run's id")))
        }
        Err(error @ JournalError::NoRun(_)) => {
            let error = SelectorError::new(at, error.to_string());
            let newest = journal.runs(OFFERED).map_err(|error| RecordError::Journal(open::failed(error)))?;
            let newest: Vec<&str> = newest.iter().map(|row| row.run.as_str()).collect();
            let hint = match newest.as_slice() {
                [] => "no run is recorded yet".to_owned(),
                ids => format!("the newest runs are {}; runbook history lists them", ids.join(", ")),
            };
            Err(RecordError::Selector(error.hint(hint)))
        }
        Err(other) => Err(RecordError::Journal(open::failed(other))),
    }
}

impl Record {
    /// Says on standard error which run was meant by `last`, and which hosts of runs the inventory does not have any more.
    pub fn tell(&self, inventory: &Inventory) {
        // nobody is left to tell when standard error is closed
        let mut out = sink::err(Signs::default(), false);
        if let Some(run) = self.runs.get("last") {
            let _ = writeln!(out, "note: the last run is {run}");
        }
        for (atom, hosts) in &self.hosts {
            let gone: Vec<HostName> = hosts.iter().filter(|name| inventory.host(name).is_none()).cloned().collect();
            if !gone.is_empty() {
                let count = counted(gone.len(), "host");
                let _ = writeln!(out, "note: {count} of {atom} not in the inventory, left out: {}", fold(&gone));
            }
        }
    }
}
