//! `runbook show`: a runbook explained, or a recorded run, a host of it, a step on a host.

mod book;
mod recorded;
mod unit;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::open;
use crate::cli::output::{json, present, print};
use crate::cli::settings::Settings;
use crate::journal::store::Journal;
use crate::load::source;
use crate::model::id::{HostName, RunId};
use crate::model::visible::literal;
use crate::report::paint::Paint;
use crate::state::run::RunState;

pub use book::Book;
pub use recorded::{ShownHost, ShownRun};
pub use unit::ShownUnit;

/// A shorter text is no beginning of a run's id.
const SHORTEST: usize = 4;
/// A longer one can be no runbook's name.
const CERTAIN: usize = 6;

/// Arguments of `runbook show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A runbook; or a run: its id, at least four of its first digits, or `last`
    #[arg(value_name = "NAME|RUN")]
    pub what: String,
    /// Of a run, this host
    #[arg(value_name = "HOST")]
    pub host: Option<String>,
    /// On this host, this step: its id or its number
    #[arg(value_name = "STEP", requires = "host")]
    pub step: Option<String>,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    if args.host.is_none() && !is_run(&args.what, settings) {
        return book::show(&args.what, settings);
    }
    let journal = open::journal(settings)?;
    let run = open::run(&journal, &args.what)?;
    match &args.host {
        None => whole(&journal, &run, settings),
        Some(host) => part(&journal, &run, host, args.step.as_deref(), settings),
    }
}

/// Whether a text names a run: no runbook may have a name that long of such letters, but it may have a short one.
fn is_run(text: &str, settings: &Settings) -> bool {
    let digits = text.len() <= 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_runbook = || {
        let files = source::list(&settings.runbooks).unwrap_or_default();
        files.iter().any(|file| file.file_stem().is_some_and(|stem| stem == text))
    };
    match text.len() {
        _ if text == "last" => !is_runbook(),
        SHORTEST..CERTAIN => digits && !is_runbook(),
        CERTAIN.. => digits,
        _ => false,
    }
}

fn whole(journal: &Journal, run: &RunId, settings: &Settings) -> Result<u8, Failure> {
    let state = RunState::replay(&journal.events(run).map_err(open::failed)?);
    let shown = ShownRun::of(run, &state);
    match settings.output {
        Form::Json => json(&shown)?,
        Form::Quiet => print(&shown.state.map_or_else(String::new, |state| format!("{state}\n")))?,
        Form::Human => {
            let mut out = Vec::new();
            told(recorded::tell_run(&mut out, Paint { color: settings.color }, &state, &shown, &settings.flags))?;
            present(settings, &String::from_utf8_lossy(&out))?;
        }
    }
    Ok(0)
}

fn part(journal: &Journal, run: &RunId, host: &str, step: Option<&str>, settings: &Settings) -> Result<u8, Failure> {
    let events = journal.events(run).map_err(open::failed)?;
    let state = RunState::replay(&events);
    let host = HostName::parse(host).map_err(|error| Failure::invalid(error.to_string()))?;
    let Some(of) = state.hosts.get(&host) else {
        return Err(Failure::invalid(format!("host `{host}` is not part of run {run}"))
            .hint(settings.flags.of_record(&format!("runbook show {run}"))));
    };
    let paint = Paint { color: settings.color };
    let mut out = Vec::new();
    let Some(step) = step else {
        let shown = ShownHost::of(run, &state, &host, of);
        match settings.output {
            Form::Json => json(&shown)?,
            Form::Quiet => print(&format!("{}\n", shown.outcome))?,
            Form::Human => {
                told(recorded::tell_host(&mut out, paint, &shown, &settings.flags))?;
                present(settings, &String::from_utf8_lossy(&out))?;
            }
        }
        return Ok(0);
    };
    let number: Option<u32> = step.parse().ok();
    let Some(planned) = state.steps.iter().find(|planned| planned.id.as_str() == step || Some(planned.n) == number) else {
        let steps: Vec<String> = state.steps.iter().map(|step| format!("{} {}", step.n, step.id)).collect();
        return Err(Failure::invalid(format!("run {run} has no step `{}`", literal(step)))
            .detail(format!("its steps are: {}", steps.join(", "))));
    };
    let events = journal.events_of(run, &host).map_err(open::failed)?;
    let shown = ShownUnit::of(run, &host, planned, &events);
    match settings.output {
        Form::Json => json(&shown)?,
        Form::Quiet => print(&shown.outcome.map_or_else(String::new, |outcome| format!("{outcome}\n")))?,
        Form::Human => {
            told(unit::tell(&mut out, paint, &shown, settings.verbose))?;
            present(settings, &String::from_utf8_lossy(&out))?;
        }
    }
    Ok(0)
}

fn told(written: std::io::Result<()>) -> Result<(), Failure> {
    written.map_err(|error| Failure::new(70, format!("it could not be told: {error}")))
}
