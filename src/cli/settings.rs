//! What the flags and the environment come to, decided once.

use std::env;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use crate::cli::args::{self, Form, Global, Progress, When};
use crate::cli::failure::Failure;
use crate::cli::operator::UntilAnswered;
use crate::engine::report::Reporter;
use crate::report::human::{Human, Options};
use crate::report::json::Json;
use crate::report::lines::Lines;
use crate::report::paint::Paint;
use crate::report::quiet::Quiet;
use crate::state::run::RunState;
use crate::state::summary::Flags;

/// Decided once, at the start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The inventory file.
    pub inventory: PathBuf,
    /// Where runbooks are looked for.
    pub runbooks: PathBuf,
    /// Where the journal is kept.
    pub state_dir: PathBuf,
    /// How results are told.
    pub output: Form,
    /// What was said about files, to be repeated in the commands to type next.
    pub flags: Flags,
    /// Whether standard output may show colours.
    pub color: bool,
    /// Whether two live lines are drawn on standard error.
    pub live: bool,
    /// Whether progress is shown at all.
    pub progress: bool,
    /// 0 to 2.
    pub verbose: u8,
    /// Whether results are told to a person at a terminal rather than one line an event.
    pub person: bool,
    /// The columns of the terminal, where there is one.
    pub columns: Option<usize>,
    /// Whether there is a terminal to ask on.
    pub can_ask: bool,
    /// Whether standard output is a terminal.
    pub stdout_terminal: bool,
}

impl Settings {
    /// From the global flags.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let quiet_place = dumb || env::var_os("CI").is_some();
        let stdout_terminal = std::io::stdout().is_terminal();
        let color = match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto if env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) => false,
            When::Auto if env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0") => true,
            When::Auto => stdout_terminal && !dumb,
        };
        let live = match global.progress {
            _ if global.output != Form::Human => false,
            Progress::Bar => true,
            Progress::Lines | Progress::None => false,
            Progress::Auto => std::io::stderr().is_terminal() && stdout_terminal && !quiet_place,
        };
        Ok(Self {
            inventory: global.inventory.clone(),
            runbooks: global.runbooks.clone(),
            state_dir: global.state_dir.clone().map_or_else(default_state_dir, Ok)?,
            output: global.output,
            flags: flags(&global.inventory, &global.runbooks, global.state_dir.as_deref()),
            color,
            live,
            progress: global.progress != Progress::None,
            verbose: global.verbose,
            person: matches!(global.progress, Progress::Bar)
                || (stdout_terminal && !quiet_place && global.progress != Progress::Lines),
            // asked where there is none, the library would start `tput` to find out
            columns: stdout_terminal
                .then(crossterm::terminal::size)
                .and_then(Result::ok)
                .map(|(columns, _)| usize::from(columns)),
            can_ask: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            stdout_terminal,
        })
    }
}

impl Settings {
    /// The same for another fleet with a record of its own.
    #[must_use]
    pub fn of_fleet(&self, inventory: PathBuf, state_dir: PathBuf) -> Self {
        let flags = flags(&inventory, &self.runbooks, Some(&state_dir));
        Self { inventory, state_dir, flags, ..self.clone() }
    }

    /// Who tells a run to the one who started it: in words with two live lines on a terminal, one line an event elsewhere.
    pub fn reporter(&self) -> Box<dyn Reporter> {
        self.reporter_of(RunState::default())
    }

    /// The same for a run that another process has begun.
    pub fn reporter_of(&self, begun: RunState) -> Box<dyn Reporter> {
        let out = std::io::stdout();
        match self.output {
            Form::Json => return Box::new(Json::new(out)),
            Form::Quiet => return Box::new(Quiet::new(out, Paint { color: self.color }).knowing(begun)),
            Form::Human => {}
        }
        if self.person {
            let options = Options { color: self.color, verbose: self.verbose, columns: self.columns, live: self.live };
            Box::new(Human::new(out, options).knowing(begun))
        } else {
            Box::new(Lines::new(out, self.verbose).knowing(begun))
        }
    }

    /// Whoever is asked must see what about, also where standard output is for a program: told on standard error until
    /// they have answered.
    pub fn asking(&self) -> Option<Box<dyn Reporter>> {
        let options = Options { color: false, verbose: self.verbose, columns: self.columns, live: false };
        (self.output != Form::Human)
            .then(|| -> Box<dyn Reporter> { Box::new(UntilAnswered::new(Human::new(std::io::stderr(), options))) })
    }
}

/// As words; what is as it is by default is left out.
fn flags(inventory: &Path, runbooks: &Path, state_dir: Option<&Path>) -> Flags {
    let word = |path: &Path| path.to_string_lossy().into_owned();
    let mut flags = Flags::default();
    if let Some(dir) = state_dir {
        flags.record = vec!["--state-dir".to_owned(), word(dir)];
    }
    if inventory != Path::new(args::INVENTORY) {
        flags.run.extend(["-i".to_owned(), word(inventory)]);
    }
    if runbooks != Path::new(args::RUNBOOKS) {
        flags.run.extend(["--runbooks".to_owned(), word(runbooks)]);
    }
    flags.run.extend(flags.record.clone());
    flags
}

fn default_state_dir() -> Result<PathBuf, Failure> {
    let base = match env::var_os("XDG_STATE_HOME").filter(|v| !v.is_empty()) {
        Some(base) => PathBuf::from(base),
        None => match env::var_os("HOME").filter(|v| !v.is_empty()) {
            Some(home) => PathBuf::from(home).join(".local/state"),
            None => return Err(Failure::invalid("there is no HOME to keep the journal in").hint("--state-dir DIR")),
        },
    };
    Ok(base.join("runbook"))
}
