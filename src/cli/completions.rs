//! `runbook completions SHELL`: what a shell needs to complete this program's arguments.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::args::Cli;
use crate::cli::failure::Failure;
use crate::cli::output::print;

/// Arguments of `runbook completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Does it.
pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "runbook", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
