//! The command line: arguments in, an exit code out. One file per command.

pub mod args;
pub mod close;
pub mod demo;
pub mod exec;
pub mod failure;
pub mod fleet;
pub mod fold;
pub mod history;
pub mod hosts;
pub mod journal;
pub mod lab;
pub mod lint;
pub mod list;
pub mod logging;
pub mod note;
pub mod open;
pub mod operator;
pub mod output;
pub mod probe;
pub mod run;
pub mod runs;
pub mod settings;
pub mod steps;
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
    // the lab's own processes have no use for settings, and none of the environment they come from
    #[cfg(target_os = "linux")]
    match &cli.command {
        Command::LabSupervisor { .. } => return lab::supervisor(),
        Command::LabInit { .. } => return lab::init(),
        _ => {}
    }
    let settings = Settings::new(&cli.global)?;
    if matches!(cli.command, Command::Run(_) | Command::Close(_) | Command::Exec(_)) {
        logging::start(&settings);
    }
    // `run` and `history` say it themselves; a timeline shows it in its place
    let reminds = matches!(cli.command, Command::Exec(_) | Command::Hosts(_) | Command::List(_) | Command::Lint(_));
    if reminds {
        open::remind(&settings);
    }
    match cli.command {
        Command::Run(args) => run::run(&args, &settings),
        Command::Close(args) => close::run(&args, &settings),
        Command::Demo(args) => demo::run(&args, &settings),
        Command::Exec(args) => exec::run(&args, &settings),
        Command::List(args) => list::run(&args, &settings),
        Command::Lint(args) => lint::run(&args, &settings),
        Command::Hosts(args) => hosts::run(&args, &settings),
        Command::History(args) => history::run(&args, &settings),
        Command::Timeline(args) => timeline::run(&args, &settings),
        Command::Steps(args) => steps::run(&args),
        Command::Note(args) => note::run(&args, &settings),
        Command::Journal(args) => journal::run(&args, &settings),
        Command::Lab(args) => lab::run(&args, &settings),
        #[cfg(target_os = "linux")]
        Command::LabSupervisor { .. } | Command::LabInit { .. } => Err(Failure::new(70, "dispatched above")),
    }
}
