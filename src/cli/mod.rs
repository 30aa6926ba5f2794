//! The command line: arguments in, an exit code out. One file per command.

pub mod args;
pub mod close;
pub mod completions;
pub mod demo;
pub mod exec;
pub mod failure;
pub mod fleet;
pub mod fold;
pub mod history;
pub mod hosts;
mod identities;
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
pub mod questions;
pub mod run;
pub mod runs;
pub mod schema;
pub mod screen_guard;
pub mod session;
pub mod settings;
pub mod show;
pub mod steps;
pub mod timeline;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal, Write};

use clap::Parser;

use crate::cli::args::{Cli, Command, EXIT_CODES, Form, Global, When};
use crate::cli::failure::Failure;
use crate::cli::settings::Settings;
use crate::model::visible::{Newline, visible_bytes};
use crate::report::signs::Signs;
use crate::report::sink;

/// Parses the arguments of this process, does what they say, and returns the exit code.
pub fn main() -> u8 {
    std::panic::set_hook(Box::new(|panic| output::say(Signs::default(), &panicked(panic))));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let error = readable(error);
            told(&error);
            if !error.use_stderr() {
                return 0;
            }
            if asks_for_json(std::env::args()) {
                told_in_json(&usage(&error));
            }
            return 2;
        }
    };
    let form = cli.global.output;
    let signs = settings::signs(&cli.global);
    match dispatch(cli) {
        Ok(code) => code,
        Err(failure) => {
            failure.print(signs);
            if form == Form::Json {
                told_in_json(&failure);
            }
            failure.code
        }
    }
}

/// What a panic says on standard error where there is no screen.
fn panicked(panic: &std::panic::PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("without a name");
    let trace = Backtrace::capture();
    let trace = if trace.status() == BacktraceStatus::Captured { format!("{trace}\n") } else { String::new() };
    format!("\nthread {name} {panic}\n{trace}")
}

/// The same mistake in arguments that can only be read: the message repeats them.
fn readable(error: clap::Error) -> clap::Error {
    let clean = std::env::args_os().map(|arg| visible_bytes(arg.as_encoded_bytes(), Newline::Show));
    Cli::try_parse_from(clean).err().unwrap_or(error)
}

/// Help on standard output, mistakes on standard error.
fn told(error: &clap::Error) {
    let text = error.render();
    let write = |mut to: Box<dyn Write>, color| {
        let text = if color { text.ansi().to_string() } else { text.to_string() };
        to.write_all(text.as_bytes()).and_then(|()| to.flush())
    };
    // a closed pipe (`--help | head`) is no failure of ours
    let _ = if error.use_stderr() {
        let color = settings::is_colored(When::Auto, std::io::stderr().is_terminal());
        write(Box::new(sink::err(Signs::default(), color)), color)
    } else {
        let color = settings::is_colored(When::Auto, std::io::stdout().is_terminal());
        write(Box::new(sink::out(Signs::default(), color)), color)
    };
}

/// A program that reads standard output must find there why there is nothing else.
fn told_in_json(failure: &Failure) {
    // that it cannot be written is no second failure
    let _ = output::json(failure);
}

/// What is wrong with the arguments, without their usage.
fn usage(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or("the arguments cannot be understood");
    let failure = Failure::invalid(first.strip_prefix("error: ").unwrap_or(first));
    lines.fold(failure, |failure, line| match line.strip_prefix("tip: ") {
        Some(tip) => failure.hint(tip),
        None => failure.detail(line),
    })
}

/// Whether arguments that cannot be understood as a whole ask for JSON all the same.
fn asks_for_json(args: impl Iterator<Item = String>) -> bool {
    let mut before = String::new();
    for arg in args.take_while(|arg| arg != "--") {
        let whole = matches!(arg.as_str(), "--output=json" | "-ojson" | "-o=json");
        if whole || (arg == "json" && matches!(before.as_str(), "--output" | "-o")) {
            return true;
        }
        before = arg;
    }
    false
}

fn dispatch(cli: Cli) -> Result<u8, Failure> {
    // the lab's own processes have no use for settings, and none of the environment they come from
    let Some(command) = cli.command else { return without_command(&cli.global) };
    #[cfg(target_os = "linux")]
    match &command {
        Command::LabSupervisor { .. } => return lab::supervisor(),
        Command::LabInit { .. } => return lab::init(),
        _ => {}
    }
    match &command {
        Command::Schema(args) => return schema::run(args),
        Command::Completions(args) => return completions::run(args),
        Command::ExitCodes => return output::print(&format!("{EXIT_CODES}\n")).map(|()| 0),
        Command::ScreenGuard => return screen_guard::run(),
        _ => {}
    }
    let settings = Settings::new(&cli.global)?;
    if matches!(command, Command::Run(_) | Command::Close(_) | Command::Exec(_)) {
        logging::start(&settings);
    }
    // `run` and `history` say it themselves; a timeline shows it in its place
    let reminds =
        matches!(command, Command::Exec(_) | Command::Hosts(_) | Command::List(_) | Command::Show(_) | Command::Lint(_));
    if reminds {
        open::remind(&settings);
    }
    match command {
        Command::Run(args) => run::run(&args, &settings),
        Command::Close(args) => close::run(&args, &settings),
        Command::Demo(args) => demo::run(&args, &settings),
        Command::Exec(args) => exec::run(&args, &settings),
        Command::List(args) => list::run(&args, &settings),
        Command::Lint(args) => lint::run(&args, &settings),
        Command::Hosts(args) => hosts::run(&args, &settings),
        Command::History(args) => history::run(&args, &settings),
        Command::Show(args) => show::run(&args, &settings),
        Command::Timeline(args) => timeline::run(&args, &settings),
        Command::Steps(args) => steps::run(&args, &settings),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Note(args) => note::run(&args, &settings),
        Command::Journal(args) => journal::run(&args, &settings),
        Command::Lab(args) => lab::run(&args, &settings),
        Command::ExitCodes => output::print(&format!("{EXIT_CODES}\n")).map(|()| 0),
        Command::ScreenGuard => screen_guard::run(),
        #[cfg(target_os = "linux")]
        Command::LabSupervisor { .. } | Command::LabInit { .. } => Err(Failure::new(70, "dispatched above")),
    }
}

/// The session; without a screen, numbered questions.
fn without_command(global: &Global) -> Result<u8, Failure> {
    let settings = Settings::new(global)?;
    logging::start(&settings);
    if settings.signs.words { questions::run(&settings) } else { session::run(&settings) }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{asks_for_json, usage};
    use crate::cli::args::Cli;

    fn words(line: &str) -> impl Iterator<Item = String> {
        line.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_arguments_are_told_as_json_where_json_is_asked_for() {
        for line in ["runbook run x -o json", "runbook --output json run", "runbook run --output=json", "runbook -ojson x"] {
            assert!(asks_for_json(words(line)), "{line}");
        }
        for line in ["runbook run json", "runbook run -o human json", "runbook exec all -- x -o json"] {
            assert!(!asks_for_json(words(line)), "{line}");
        }
        let failure = usage(&Cli::try_parse_from(["runbook", "timelin"]).expect_err("no such command"));
        assert_eq!((failure.code, failure.message.as_str()), (2, "unrecognized subcommand 'timelin'"));
        assert_eq!(failure.hints, ["a similar subcommand exists: 'timeline'"]);
    }
}
