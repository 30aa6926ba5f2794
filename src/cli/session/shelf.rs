//! What the session has to choose from: runbooks, inventory, recorded runs, what is left open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cli::fleet;
use crate::cli::history;
use crate::cli::list::RUNS;
use crate::cli::open;
use crate::cli::settings::Settings;
use crate::journal::query::RunRow;
use crate::journal::store::{Journal, JournalError};
use crate::load::diagnostic::{Diagnostics, Severity};
use crate::load::{inventory, runbook, source};
use crate::model::event::EventKind;
use crate::model::outcome::RunState as EndState;
use crate::model::plan::SecretSource;
use crate::model::time::Timestamp;
use crate::state::summary::quoted;
use crate::steps::KINDS;
use crate::tui::model::{Book, Broken, Last, LeftOpen, Problem, Ran, Shelf};
use crate::tui::withhold;

/// Of so many of the newest runs it is read what became of each host.
const LAST: usize = 20;

/// The files that were read, with when each was changed last.
pub type Seen = HashMap<PathBuf, Option<SystemTime>>;

/// Reads everything; what cannot be read is told in its place.
pub fn read(settings: &Settings, now: Timestamp) -> (Shelf, Seen) {
    let mut shelf = Shelf { read: Some(now), ..Shelf::default() };
    shelf.inventory_name = settings.inventory.display().to_string();
    shelf.run_flags = flags(&settings.flags.run);
    shelf.record_flags = flags(&settings.flags.record);
    // where there is no record yet, looking around makes none
    if settings.state_dir.join("journal.db").exists() {
        match open::journal(settings) {
            Ok(journal) => {
                if let Err(error) = recorded(&mut shelf, &journal, settings) {
                    shelf.trouble = Some(error.to_string());
                }
            }
            Err(failure) => shelf.trouble = Some(failure.message),
        }
    }
    let files = match source::list(&settings.runbooks) {
        Ok(files) => files,
        Err(message) => {
            shelf.trouble.get_or_insert(message);
            Vec::new()
        }
    };
    shelf.books = files.iter().map(|file| book(file, &shelf.runs)).collect();
    let used = |book: &Book| book.last.as_ref().map(|ran| ran.started);
    shelf.books.sort_by(|a, b| (used(b), &a.name).cmp(&(used(a), &b.name)));
    shelf.inventory = Some(of_hosts(settings));
    let seen = files.into_iter().chain([settings.inventory.clone(), settings.runbooks.clone()]);
    (shelf, seen.map(|path| (path.clone(), changed(&path))).collect())
}

/// Whether a file was changed since it was read.
pub fn has_changed(seen: &Seen) -> bool {
    seen.iter().any(|(path, then)| changed(path) != *then)
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|meta| meta.modified()).ok()
}

fn flags(words: &[String]) -> String {
    words.iter().map(|word| format!(" {}", quoted(word))).collect()
}

fn of_hosts(settings: &Settings) -> Result<crate::model::inventory::Inventory, Broken> {
    if fleet::is_sim(settings) {
        return fleet::inventory(settings).map_err(|failure| Broken {
            path: settings.inventory.clone(),
            problems: vec![Problem { line: 1, column: 1, text: failure.to_string() }],
            errors: 1,
            warnings: 0,
        });
    }
    inventory::load(&settings.inventory, fleet::home().as_deref()).map_err(|errors| broken(&errors))
}

fn book(file: &Path, runs: &[Ran]) -> Book {
    let stem = file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let (found, warnings) = runbook::check(file, KINDS);
    if let Ok(runbook) = &found {
        let variable = |source: &SecretSource| if let SecretSource::Env(name) = source { Some(name.clone()) } else { None };
        withhold::add(runbook.secrets.values().filter_map(variable));
    }
    let name = found.as_ref().map_or(stem, |runbook| runbook.name.to_string());
    let mine = || runs.iter().filter(|ran| ran.runbook == name && !ran.dry_run && !ran.unconfirmed);
    let mut times: Vec<Duration> = mine().filter(|ran| ran.state == Some(EndState::Ok)).filter_map(|ran| ran.took).collect();
    times.sort();
    Book {
        path: file.to_owned(),
        is: found.map(Box::new).map_err(|errors| broken(&errors)),
        warnings: warnings.lines().lines().map(str::to_owned).collect(),
        last: mine().next().cloned(),
        typical: times.get(times.len() / 2).copied(),
        name,
    }
}

fn broken(errors: &Diagnostics) -> Broken {
    let problem = |found: &crate::load::diagnostic::Diagnostic| {
        let place = found.span.as_ref().map(|span| errors.place(span.start));
        Problem {
            line: place.map_or(1, |place| place.line),
            column: place.map_or(1, |place| place.column),
            text: errors.drawn_one(found, false),
        }
    };
    Broken {
        path: errors.path.clone(),
        problems: errors.list.iter().map(problem).collect(),
        errors: errors.count(Severity::Error) + errors.more,
        warnings: errors.count(Severity::Warning),
    }
}

fn recorded(shelf: &mut Shelf, journal: &Journal, settings: &Settings) -> Result<(), JournalError> {
    let rows = journal.runs(RUNS)?;
    shelf.runs_recorded = journal.run_ids()?.len();
    for row in rows.iter().take(LAST) {
        for (host, outcome) in journal.host_ends(&row.run)? {
            shelf.last.entry(host).or_insert(Last { at: row.started, run: row.run.clone(), outcome });
        }
    }
    shelf.runs = rows.iter().map(|row| ran(journal, row)).collect();
    for left in journal.open_obligations()? {
        let holder = journal.holder(&left.run);
        let closes = settings.flags.of_record(&format!("runbook close {}", left.run));
        let (run, runbook, sim, items) = (left.run, left.runbook, left.sim, left.items);
        shelf.open.push(LeftOpen { run, runbook, sim, holder, items, closes });
    }
    Ok(())
}

/// A recorded run in short.
fn ran(journal: &Journal, row: &RunRow) -> Ran {
    let short = history::ran(journal, row);
    let mut ran = Ran {
        run: short.run,
        started: short.started,
        runbook: short.runbook,
        selector: short.selector,
        by: short.by,
        dry_run: short.dry_run,
        sim: short.sim,
        unconfirmed: false,
        planned: short.planned,
        running: short.running,
        state: short.state,
        hosts: short.hosts.unwrap_or_default(),
        why: None,
        took: short.duration_ms.map(Duration::from_millis),
        open: short.open,
        sha256: None,
    };
    if let Some(EventKind::RunPlanned { runbook, .. }) = row.planned.as_ref().map(|event| &event.kind) {
        ran.sha256 = Some(runbook.sha256.clone());
    }
    if let Some(EventKind::RunFinished { failures, .. }) = row.finished.as_ref().map(|event| &event.kind) {
        ran.why = failures.first().map(|failure| failure.message.clone());
    }
    // asked of the record only where it can be so
    let ended = ran.state == Some(EndState::Aborted);
    let has = |kind: &str| journal.has(&ran.run, kind).unwrap_or(true);
    ran.unconfirmed = ended && !has("confirm.given") && !has("batch.started");
    ran
}
