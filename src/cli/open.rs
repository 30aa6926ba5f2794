//! Opening the journal for a command, and saying at every start what earlier runs have left open.

use std::io::{self, Write};

use crate::cli::failure::Failure;
use crate::cli::settings::Settings;
use crate::journal::lock::LockError;
use crate::journal::place::PlaceError;
use crate::journal::store::{Journal, JournalError};
use crate::model::id::RunId;
use crate::report::end;
use crate::report::paint::{Paint, Tone};
use crate::state::run::RunState;
use crate::state::words;

/// The most items that are listed per run.
const ITEMS: usize = 5;

/// Opens the journal of these settings.
pub fn journal(settings: &Settings) -> Result<Journal, Failure> {
    Journal::open(&settings.state_dir).map_err(failed)
}

/// The run that was meant; `last` is the newest.
pub fn run(journal: &Journal, text: &str) -> Result<RunId, Failure> {
    journal.find_run(text).map_err(failed)
}

/// What a journal's error means to whoever typed the command.
pub fn failed(error: JournalError) -> Failure {
    let message = error.to_string();
    match error {
        JournalError::NoRun(_) | JournalError::Ambiguous { .. } => Failure::invalid(message).hint("runbook history"),
        JournalError::Lock(LockError::Held { .. }) => Failure::new(6, message),
        JournalError::Place(PlaceError::Unsafe { hint: Some(hint), .. })
        | JournalError::Lock(LockError::Place(PlaceError::Unsafe { hint: Some(hint), .. })) => {
            Failure::new(9, message).hint(hint)
        }
        _ => Failure::new(9, message),
    }
}

/// Names everything that earlier runs have left open, with the command that closes it.
pub fn warn_open(journal: &Journal, settings: &Settings, to: &mut dyn Write) -> Result<(), Failure> {
    let paint = Paint { color: settings.color };
    let open = journal.open_obligations().map_err(failed)?;
    let tell = |to: &mut dyn Write| -> io::Result<()> {
        for left in &open {
            if let Some(holder) = journal.holder(&left.run) {
                let text = format!(
                    "{}run {} ({}) is running now, {holder}, and has {} open",
                    words::sim(left.sim),
                    left.run,
                    left.runbook,
                    left.items.len()
                );
                paint.line(to, "note", Tone::Dim, &text)?;
                continue;
            }
            paint.line(
                to,
                "LEFT OPEN",
                Tone::Warn,
                &format!("{}by run {} ({})", words::sim(left.sim), left.run, left.runbook),
            )?;
            for item in left.items.iter().take(ITEMS) {
                paint.under(to, &end::open_item(item))?;
            }
            let more = left.items.len().saturating_sub(ITEMS);
            if more > 0 {
                paint.under(to, &format!("and {more} more"))?;
            }
            paint.under(to, &closes(settings, &left.run))?;
        }
        Ok(())
    };
    // a warning that nobody can read is no reason not to work
    let _ = tell(to);
    Ok(())
}

/// The same for commands that have no other business with the journal: where there is none yet none is made, and where it
/// cannot be read the command goes on. `run` and `history` are stricter.
pub fn remind(settings: &Settings) {
    if settings.state_dir.join("journal.db").exists()
        && let Ok(journal) = journal(settings)
    {
        // a reminder that cannot be had is no reason not to work
        let _ = warn_open(&journal, settings, &mut settings.err());
    }
}

/// Names everything that one run has left open, with the command that closes it.
pub fn tell(state: &RunState, run: &RunId, settings: &Settings, to: &mut dyn Write) {
    let paint = Paint { color: settings.color };
    let open = state.open();
    if open.is_empty() {
        return;
    }
    let written = paint.line(to, "LEFT OPEN", Tone::Warn, &format!("{}by run {run}", words::sim(state.sim))).and_then(|()| {
        open.iter().take(ITEMS).try_for_each(|item| paint.under(to, &end::open_item(item)))?;
        paint.under(to, &closes(settings, run))
    });
    // nobody is left to tell where standard error is closed
    let _ = written;
}

fn closes(settings: &Settings, run: &RunId) -> String {
    format!("close it: {}", settings.flags.of_record(&format!("runbook close {run}")))
}
