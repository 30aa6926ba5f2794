//! What can be done about a failure, and what follows from it, as it is asked on a terminal.

use std::fmt::Write;

use crate::model::visible::{pad, visible};
use crate::state::choices::{Choice, choices};
use crate::state::run::{RunState, Waiting};

/// The choices about one failure, computed from the run as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choices {
    question: String,
    /// Letter, option, what follows.
    lines: Vec<(char, String, String)>,
    evidence: Vec<String>,
}

impl Choices {
    pub(super) fn of(state: &RunState, asked: &Waiting) -> Self {
        let line = |choice: Choice| {
            let follows = if choice.leaves.is_empty() { choice.does } else { format!("{}; {}", choice.does, choice.leaves) };
            Some((letter(&choice.option)?, choice.option, follows))
        };
        let finding = asked.finding.as_ref();
        let mut evidence: Vec<String> = finding.map(|finding| finding.evidence.clone()).unwrap_or_default();
        evidence.extend(finding.and_then(|finding| finding.hint.clone()));
        Self {
            question: asked.question.clone(),
            lines: choices(state, &[asked]).into_iter().filter_map(line).collect(),
            evidence,
        }
    }

    /// The question with its choices.
    pub(super) fn text(&self) -> String {
        let mut text = format!("      Decide {}\n", visible(&self.question));
        for (letter, option, follows) in &self.lines {
            // writing to a String cannot fail
            let _ = writeln!(text, "             {letter} {} {}", pad(option, 9), visible(follows));
        }
        text + &self.ask()
    }

    /// The line that waits for a letter.
    pub(super) fn ask(&self) -> String {
        let letters: Vec<String> = self.lines.iter().map(|(letter, ..)| letter.to_string()).collect();
        format!("             [{}, l = log]: ", letters.join("/"))
    }

    /// What shows the failure.
    pub(super) fn log(&self) -> String {
        let mut text = String::new();
        for line in &self.evidence {
            let _ = writeln!(text, "             | {}", visible(line));
        }
        if text.is_empty() { "             | nothing more is known of it\n".to_owned() } else { text }
    }

    /// The option of a letter or a word, in either case.
    pub(super) fn picked(&self, line: &str) -> Option<&str> {
        let said = line.trim().to_lowercase();
        let is = |(letter, option, _): &&(char, String, String)| said == letter.to_string() || said == *option;
        self.lines.iter().find(is).map(|(_, option, _)| option.as_str())
    }
}

fn letter(option: &str) -> Option<char> {
    match option {
        "retry" => Some('r'),
        "skip" => Some('s'),
        "exclude" => Some('x'),
        "abort" => Some('a'),
        _ => None,
    }
}
