//! `runbook journal verify`: whether the record is as it was written.

use crate::cli::failure::Failure;
use crate::cli::history::print;
use crate::cli::open;
use crate::cli::settings::Settings;

/// Arguments of `runbook journal`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check the hash chain of one run, or of all
    Verify {
        /// The run, or the beginning of its id
        #[arg(value_name = "RUN")]
        run: Option<String>,
    },
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let Command::Verify { run } = &args.command;
    let journal = open::journal(settings)?;
    let runs = match run {
        Some(text) => vec![open::run(&journal, text)?],
        None => journal.run_ids().map_err(open::failed)?,
    };
    let mut broken = 0;
    let mut out = String::new();
    for run in &runs {
        let chain = journal.verify(run).map_err(open::failed)?;
        let line = match chain.broken {
            Some(seq) => {
                broken += 1;
                format!("{run}  BROKEN at event {seq}; {} events before it hold\n", chain.events)
            }
            None => {
                let end = if chain.finished { "" } else { "  (did not end)" };
                format!("{run}  ok  {} events  head {}{end}\n", chain.events, chain.head)
            }
        };
        out.push_str(&line);
    }
    print(settings.out(), out.as_bytes());
    match broken {
        0 => Ok(0),
        n => Err(Failure::new(9, format!("{n} of {} runs are not as they were written", runs.len()))
            .detail("rows before the broken one can be trusted, the others cannot")),
    }
}
