//! Lines with a right-aligned verb, clean whatever they say, coloured only where that was asked for.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use crate::model::outcome::HostOutcome;
use crate::model::visible::{self, visible};

/// The columns of the verb.
pub const VERB: usize = 12;

/// What a verb's colour says; the word itself says it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to look at.
    Plain,
    /// A heading.
    Strong,
    /// It failed or may have.
    Bad,
    /// It could not be reached.
    Far,
    /// Something is open, or was stopped.
    Warn,
    /// Of little weight.
    Dim,
}

impl Tone {
    /// The tone of an outcome.
    pub fn of(outcome: HostOutcome) -> Self {
        match outcome {
            HostOutcome::Ok => Tone::Plain,
            HostOutcome::Failed | HostOutcome::Unknown | HostOutcome::RollbackFailed => Tone::Bad,
            HostOutcome::Unreachable => Tone::Far,
            HostOutcome::Refused | HostOutcome::RolledBack | HostOutcome::Cancelled => Tone::Warn,
            HostOutcome::NotStarted => Tone::Dim,
        }
    }

    fn style(self) -> Style {
        match self {
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().bold(),
            Tone::Bad => AnsiColor::Red.on_default().bold(),
            Tone::Far => AnsiColor::Magenta.on_default().bold(),
            Tone::Warn => AnsiColor::Yellow.on_default().bold(),
            Tone::Dim => Style::new().dimmed(),
        }
    }
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paint {
    /// Whether colours are used.
    pub color: bool,
}

impl Paint {
    /// A word in a tone.
    pub fn word(self, word: &str, tone: Tone) -> String {
        let word = visible(word);
        if !self.color || tone == Tone::Plain {
            return word.into_owned();
        }
        let style = tone.style();
        format!("{style}{word}{style:#}")
    }

    /// `        verb rest`.
    pub fn line(self, out: &mut dyn Write, verb: &str, tone: Tone, rest: &str) -> io::Result<()> {
        let space = " ".repeat(VERB.saturating_sub(visible::width(verb)));
        writeln!(out, "{space}{} {}", self.word(verb, tone), visible(rest).trim_end())
    }

    /// A line under the last verb.
    pub fn under(self, out: &mut dyn Write, rest: &str) -> io::Result<()> {
        writeln!(out, "{}{}", " ".repeat(VERB + 1), visible(rest).trim_end())
    }
}
