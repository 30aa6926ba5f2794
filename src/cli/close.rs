//! `runbook close RUN`: closes what a run left open.

use std::sync::Arc;

use crate::cli::failure::Failure;
use crate::cli::open;
use crate::cli::settings::Settings;
use crate::engine::close::{LeftOpen, close_all};
use crate::journal::Journal;
use crate::report;
use crate::state::run::RunState;
use crate::world::{Fleet, FleetOptions};

/// Arguments of `runbook close`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the beginning of its id
    pub run: String,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let journal = Journal::open(&settings.state_dir)?;
    let run = journal.find_run(&args.run)?;
    let state = RunState::replay(&journal.events(&run)?);
    if state.open().is_empty() {
        println!("nothing is open in run {run}");
        return Ok(0);
    }
    let plan = journal.plan(&run)?;
    let left = LeftOpen {
        run: run.clone(),
        state,
        hosts: plan.lanes.into_iter().map(|lane| lane.host).collect(),
        world: Arc::new(Fleet::new(FleetOptions::default())),
        log: journal.writer(&run)?,
        reporters: report::for_close(&settings.reporting()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(70, format!("no runtime: {error}")))?;
    let state = runtime.block_on(close_all(left)).ok_or_else(|| Failure::new(70, "a part of this program failed"))?;
    if state.open().is_empty() {
        println!("nothing is open in run {run} any more");
        return Ok(0);
    }
    open::print(&state, &run);
    Ok(7)
}
