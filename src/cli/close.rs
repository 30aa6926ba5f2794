//! `runbook close RUN`: closes what a run left open.

use std::sync::Arc;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::fleet;
use crate::cli::open;
use crate::cli::output::{self, present};
use crate::cli::run::runtime;
use crate::cli::settings::Settings;
use crate::engine::close::{LeftOpen, close_all};
use crate::model::host::Host;
use crate::state::run::RunState;

/// Arguments of `runbook close`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the beginning of its id
    pub run: String,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let journal = open::journal(settings)?;
    let run = open::run(&journal, &args.run)?;
    // taken before the state is read: whoever else works on this run has ended, or this is refused
    let log = journal.writer(&run).map_err(open::failed)?;
    let state = RunState::replay(&journal.events(&run).map_err(open::failed)?);
    if state.open().is_empty() {
        say(settings, &format!("nothing is open in run {run}\n"))?;
        return Ok(0);
    }
    let plan = journal.plan(&run).map_err(open::failed)?;
    let reporters = vec![settings.reporter_of(state.clone())];
    let hosts: Vec<Host> = plan.lanes.into_iter().map(|lane| lane.host).collect();
    let world = Arc::new(fleet::world_of(state.sim, &hosts, plan.secrets));
    let left = LeftOpen { run: run.clone(), world, hosts, log, reporters, state };
    let runtime = runtime()?;
    let state = runtime.block_on(close_all(left)).ok_or_else(|| Failure::new(70, "a part of this program failed"))?;
    if state.open().is_empty() {
        say(settings, &format!("nothing is open in run {run} any more\n"))?;
        return Ok(0);
    }
    open::tell(&state, &run, settings, &mut settings.err());
    Ok(7)
}

/// Standard output is for events alone where a program reads it.
fn say(settings: &Settings, line: &str) -> Result<(), Failure> {
    match settings.output {
        Form::Human => present(settings, line),
        Form::Json => {
            output::say(settings.signs, line);
            Ok(())
        }
        Form::Quiet => Ok(()),
    }
}
