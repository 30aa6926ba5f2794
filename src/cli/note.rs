//! `runbook note`: a line for the timeline of a recorded run.

use std::env;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::history::print;
use crate::cli::open;
use crate::cli::output;
use crate::cli::settings::Settings;
use crate::model::event::{Event, EventKind};
use crate::model::id::RunId;
use crate::model::time::Timestamp;

/// A longer note is a document.
const LONGEST: usize = 4096;

/// Arguments of `runbook note`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the beginning of its id; `last` is the newest
    #[arg(value_name = "RUN")]
    pub run: String,
    /// What to remember
    #[arg(value_name = "TEXT", required = true)]
    pub text: Vec<String>,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let (run, events) = append(settings, &args.run, &args.text.join(" "))?;
    match settings.output {
        // the event as it was recorded
        Form::Json => events.iter().try_for_each(output::json)?,
        Form::Quiet => {}
        Form::Human => {
            let seq = events.first().map_or(0, |event| event.seq);
            print(settings.out(), format!("noted as event {seq} of run {run}\n").as_bytes());
        }
    }
    Ok(0)
}

/// Adds a note to a recorded run: which one it was.
pub fn add(settings: &Settings, run: &str, text: &str) -> Result<RunId, Failure> {
    append(settings, run, text).map(|(run, _)| run)
}

fn append(settings: &Settings, run: &str, text: &str) -> Result<(RunId, Vec<Event>), Failure> {
    if text.trim().is_empty() {
        return Err(Failure::invalid("the note is empty"));
    }
    if text.len() > LONGEST {
        return Err(Failure::invalid(format!("the note is {} bytes long, at most {LONGEST} are kept", text.len())));
    }
    let journal = open::journal(settings)?;
    let run = open::run(&journal, run)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let at = Timestamp::from_millis(i64::try_from(now).unwrap_or(i64::MAX));
    let kind = EventKind::Note { by: who(), text: text.to_owned() };
    let events = journal.append_after(&run, at, vec![kind]).map_err(open::failed)?;
    Ok((run, events))
}

/// Who types here: `ana@ops-1`.
pub fn who() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|key| env::var(key).ok().filter(|name| !name.is_empty()));
    let name = name.unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()));
    let here = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{name}@{here}")
}
