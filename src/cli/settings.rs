//! What the flags and the environment come to, decided once.

use std::env;
use std::io::{IsTerminal, Stderr, Stdout};
use std::path::{Path, PathBuf};

use crate::cli::args::{self, Form, Global, Glyphs, Progress, When};
use crate::cli::failure::Failure;
use crate::cli::operator::UntilAnswered;
use crate::engine::report::Reporter;
use crate::report::human::{Human, Options};
use crate::report::json::Json;
use crate::report::lines::Lines;
use crate::report::paint::Paint;
use crate::report::quiet::Quiet;
use crate::report::signs::Signs;
use crate::report::sink::{self, Sink};
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
    /// What the one who reads can take.
    pub signs: Signs,
}

impl Settings {
    /// From the global flags.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let quiet_place = dumb || env::var_os("CI").is_some();
        let stdout_terminal = std::io::stdout().is_terminal();
        let color = is_colored(global.color, stdout_terminal);
        let signs = signs(global);
        let live = match global.progress {
            _ if global.output != Form::Human => false,
            Progress::Bar => true,
            Progress::Lines | Progress::None => false,
            Progress::Auto if signs.words => false,
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
                .map(|(columns, _)| usize::from(columns))
                // a terminal that does not know its size says 0
                .filter(|columns| *columns > 0),
            can_ask: std::io::stdin().is_terminal() && std::io::stderr().is_terminal(),
            stdout_terminal,
            signs,
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

    /// Standard output, for what a person reads.
    pub fn out(&self) -> Sink<Stdout> {
        sink::out(self.signs, self.color).within(self.columns)
    }

    /// Standard error, likewise.
    pub fn err(&self) -> Sink<Stderr> {
        sink::err(self.signs, self.color)
    }

    /// How a run is told to a person.
    fn options(&self) -> Options {
        let Self { color, verbose, columns, live, signs, progress, .. } = *self;
        Options { color, verbose, columns, live, still: signs.words && progress, signs }
    }

    /// Who tells a run to the one who started it: in words with two live lines on a terminal, one line an event elsewhere.
    pub fn reporter(&self) -> Box<dyn Reporter> {
        self.reporter_of(RunState::default())
    }

    /// The same for a run that another process has begun.
    pub fn reporter_of(&self, begun: RunState) -> Box<dyn Reporter> {
        let out = self.out();
        match self.output {
            Form::Json => return Box::new(Json::new(std::io::stdout())),
            Form::Quiet => return Box::new(Quiet::new(out, Paint { color: self.color }).knowing(begun)),
            Form::Human => {}
        }
        if self.person {
            Box::new(Human::new(out, self.options()).knowing(begun))
        } else {
            Box::new(Lines::new(out, self.verbose).knowing(begun))
        }
    }

    /// Whoever is asked must see what about, also where standard output is for a program: told on standard error until
    /// they have answered.
    pub fn asking(&self) -> Option<Box<dyn Reporter>> {
        let options = Options { color: false, live: false, still: false, ..self.options() };
        (self.output != Form::Human)
            .then(|| -> Box<dyn Reporter> { Box::new(UntilAnswered::new(Human::new(self.err(), options))) })
    }
}

/// What the one who reads can take.
pub fn signs(global: &Global) -> Signs {
    Signs { ascii: is_ascii(global.glyphs, std::io::stdout().is_terminal(), var), words: is_accessible(global) }
}

/// Whether what is written to a terminal, or to something else, is coloured.
pub fn is_colored(when: When, terminal: bool) -> bool {
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty()) => false,
        When::Auto if env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0") => true,
        When::Auto => terminal && !dumb,
    }
}

/// Whether questions on the line stand in for the screen, and words for marks.
pub fn is_accessible(global: &Global) -> bool {
    global.accessible || var("ACCESSIBLE").is_some_and(|value| value != "0")
}

fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether only ASCII is written: where the locale's character set is not UTF-8, and on terminals that know little else.
/// Where there is neither a locale nor a terminal nothing says who will read it, and it stays as it is.
fn is_ascii(glyphs: Glyphs, terminal: bool, var: impl Fn(&str) -> Option<String>) -> bool {
    match glyphs {
        Glyphs::Unicode => false,
        Glyphs::Ascii => true,
        Glyphs::Auto => {
            let locale = var("LC_ALL").or_else(|| var("LC_CTYPE")).or_else(|| var("LANG")).map(|locale| locale.to_lowercase());
            let utf8 = locale.map_or(!terminal, |locale| locale.contains("utf-8") || locale.contains("utf8"));
            let simple = terminal && var("TERM").is_some_and(|term| term == "linux" || term.starts_with("vt"));
            !utf8 || simple
        }
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

#[cfg(test)]
mod tests {
    use super::is_ascii;
    use crate::cli::args::Glyphs;

    #[test]
    fn only_ascii_is_written_where_the_locale_or_the_terminal_knows_no_more() {
        let auto = |terminal, set: &[(&str, &str)]| {
            is_ascii(Glyphs::Auto, terminal, |name| set.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned()))
        };
        for set in [&[("LANG", "en_GB.UTF-8")][..], &[("LC_ALL", "C.utf8"), ("LANG", "C")], &[("LC_CTYPE", "C.UTF-8")]] {
            assert!(!auto(true, set) && !auto(false, set), "{set:?}");
        }
        for set in [&[("LANG", "C")][..], &[("LC_ALL", "POSIX"), ("LANG", "C.UTF-8")], &[("LC_CTYPE", "de_DE.ISO-8859-1")]] {
            assert!(auto(true, set) && auto(false, set), "{set:?}");
        }
        assert!(auto(true, &[]) && !auto(false, &[]), "nothing says who will read what no terminal shows");
        for term in ["linux", "vt220"] {
            let set = [("LANG", "C.UTF-8"), ("TERM", term)];
            assert!(auto(true, &set) && !auto(false, &set), "{term}");
        }
        assert!(!is_ascii(Glyphs::Unicode, true, |_| None) && is_ascii(Glyphs::Ascii, false, |_| None));
    }
}
