//! The arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::{
    close, completions, demo, exec, history, hosts, journal, lab, lint, list, note, run, schema, show, steps, timeline,
};

/// Looks at a fleet over SSH, says what is wrong and what it would change, changes it batch by batch, proves it, and
/// leaves an incident timeline.
#[derive(Debug, Parser)]
#[command(name = "runbook", version, propagate_version = true, subcommand_required = false, after_help = BEGIN)]
pub struct Cli {
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
    /// The command; without one the terminal session.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The exit codes of the contract, as help tells them.
pub const EXIT_CODES: &str = "\
Exit codes; when several are true the first of 70, 7, 8, 9, 4, 1, 3, 6, 5, 0 wins, and --output json tells all:
  0    ok           every host is ok and nothing is left open; a dry run done
  1    failed       at least one host failed or was rolled back; outcomes known
  2    invalid      usage, file, selection or confirmation; nothing was contacted
  3    unreachable  no host failed, but some could not be reached
  4    aborted      declined or stopped; ended in order
  5    pending      with --dry-run --detailed-exitcode: there are changes to make
  6    refused      a guard said no
  7    left open    something is open or could not be undone: somebody must act
  8    unknown      at least one outcome is unknown
  9    record lost  the journal cannot be written or trusted
  70   internal     a bug
  130  killed       by a third Ctrl-C; 143 by a third SIGTERM";

/// How to begin, at the end of the help.
const BEGIN: &str = "\
Without a command it opens a full-screen session on this terminal: ? there is help, q or Ctrl-C leaves, and nothing is changed \
on a host before a panel that names the hosts was answered. --accessible asks on the line instead. Without a terminal a \
command is needed.

  runbook                                   the session: look around, preview, run
  runbook -i 'sim:6?incident=restart-loop'  the same over six simulated hosts, nothing real
  runbook run NAME --hosts SEL --dry-run    what a run would change, without changing it
  runbook help COMMAND                      more about a command
  runbook help exit-codes                   what the exit codes mean";

/// The inventory where none is named.
pub const INVENTORY: &str = "inventory.toml";
/// The runbooks' directory where none is named.
pub const RUNBOOKS: &str = "runbooks";

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The inventory
    #[arg(short, long, global = true, env = "RUNBOOK_INVENTORY", value_name = "FILE", default_value = INVENTORY)]
    pub inventory: PathBuf,
    /// Where runbooks are looked for
    #[arg(long, global = true, env = "RUNBOOK_RUNBOOKS", value_name = "DIR", default_value = RUNBOOKS)]
    pub runbooks: PathBuf,
    /// Where the journal is kept [default: ${XDG_STATE_HOME:-~/.local/state}/runbook]
    #[arg(long, global = true, env = "RUNBOOK_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How results are told
    #[arg(short, long, global = true, value_name = "FORM", default_value = "human")]
    pub output: Form,
    /// How progress is shown
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub progress: Progress,
    /// When colours are used
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// The signs that are written: marks, arrows, rules
    #[arg(long, global = true, value_name = "SET", default_value = "auto")]
    pub glyphs: Glyphs,
    /// No screen: numbered questions, one after the other, words instead of marks; also ACCESSIBLE=1
    #[arg(long, global = true)]
    pub accessible: bool,
    /// More detail; twice for output
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// How results are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// In words.
    Human,
    /// One JSON object a line, and nothing else on standard output; `runbook schema` has its form.
    Json,
    /// Only what went wrong, or bare names, one a line.
    Quiet,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// A bar on a terminal, lines elsewhere.
    Auto,
    /// Two live lines.
    Bar,
    /// One line an event.
    Lines,
    /// Nothing but the result.
    None,
}

/// The signs that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Glyphs {
    /// As the locale and the terminal allow.
    Auto,
    /// Unicode.
    Unicode,
    /// ASCII only; any other character of a host's text is shown by its number
    Ascii,
}

/// When something is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Preview, confirm and run a runbook on hosts
    Run(Box<run::Args>),
    /// Close what a run left open
    Close(close::Args),
    /// The main job on a practice fleet: break it, preview, run, prove, tell
    Demo(demo::Args),
    /// Run one command on many hosts
    Exec(exec::Args),
    /// List the runbooks
    List(list::Args),
    /// Find what is wrong with runbooks and inventory
    Lint(lint::Args),
    /// List the hosts of the inventory
    Hosts(hosts::Args),
    /// List the runs
    History(history::Args),
    /// Explain a runbook, or show a run, a host of it, a step on a host
    Show(show::Args),
    /// Tell a run's timeline
    Timeline(timeline::Args),
    /// The reference of the kinds of steps
    Steps(steps::Args),
    /// The JSON Schema of what is printed for programs
    Schema(schema::Args),
    /// What a shell needs to complete arguments
    Completions(completions::Args),
    /// Add a note to a run's timeline
    Note(note::Args),
    /// Check the record
    Journal(journal::Args),
    /// The practice fleet: real sshd, real PM2, on this machine
    Lab(lab::Args),
    /// What the exit codes mean
    #[command(hide = true, override_help = EXIT_CODES)]
    ExitCodes,
    /// What gives the terminal back when the screen's process is killed
    #[command(hide = true)]
    ScreenGuard,
    /// The first process of a lab
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    LabSupervisor {
        /// The lab's label, for people who read process lists
        label: String,
    },
    /// The first process of a host of a lab
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    LabInit {
        /// The lab's label, for people who read process lists
        label: String,
        /// The host, for the same
        host: String,
    },
}
