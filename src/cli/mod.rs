//! The command line: arguments in, an exit code out. One file per command.

pub mod args;
pub mod exec;
pub mod failure;
pub mod fleet;
pub mod fold;
pub mod history;
pub mod lab;
pub mod settings;
pub mod timeline;

use clap::Parser;

use crate::cli::args::{Cli, Command};
use crate::cli::failure::Failure;
use crate::cli::settings::Settings;

/// Parses the arguments of this process, does what they say, and returns the exit code.
pub fn main() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // a closed pipe (`--help | head`) is no failure of ours
            let _ = error.print();
            return code;
        }
    };
    match dispatch(cli) {
        Ok(code) => code,
        Err(failure) => {
            failure.print();
            failure.code
        }
    }
}

fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let settings = Settings::new(&cli.global)?;
    match cli.command {
        Command::Exec(args) => exec::run(&args, &settings),
        Command::History(args) => history::run(&args, &settings),
        Command::Timeline(args) => timeline::run(&args, &settings),
        Command::Lab(args) => lab::run(&args, &settings),
    }
}
