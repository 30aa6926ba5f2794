//! What can be done about a failure, and what follows from it, as it is asked on a terminal.

use std::fmt::Write;

use crate::model::id::HostName;
use crate::model::step::ClosePolicy;
use crate::model::visible::{pad, visible};
use crate::state::run::{RunState, Waiting};
use crate::state::words;

/// The columns of the hosts that still wait.
const HOSTS: usize = 40;

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
        let facts = Facts::of(state, asked);
        let line = |option: &String| Some((letter(option)?, option.clone(), facts.follows(option)));
        let finding = asked.finding.as_ref();
        let mut evidence: Vec<String> = finding.map(|finding| finding.evidence.clone()).unwrap_or_default();
        evidence.extend(finding.and_then(|finding| finding.hint.clone()));
        Self { question: asked.question.clone(), lines: asked.options.iter().filter_map(line).collect(), evidence }
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

/// What the consequences are made of.
struct Facts {
    /// The step, and the one after it.
    step: String,
    next: Option<String>,
    attempt: u32,
    /// What is open on the host and is closed when its lane ends.
    closes: String,
    /// Hosts whose turn has not come.
    waiting: Vec<HostName>,
    why: Option<String>,
}

impl Facts {
    fn of(state: &RunState, asked: &Waiting) -> Self {
        let id = asked.step.as_ref();
        let host = asked.hosts.first().and_then(|name| state.hosts.get(name));
        let unit = id.and_then(|id| host?.units.get(id));
        let closes: Vec<String> = host
            .into_iter()
            .flat_map(|host| host.open.values())
            .filter(|open| open.obligation.close == ClosePolicy::Always)
            .map(|open| format!("{} → {} now", open.obligation.title, open.obligation.was))
            .collect();
        let at = state.steps.iter().position(|step| Some(&step.id) == id);
        let next = at.and_then(|at| state.steps.get(at + 1)).map(|step| format!("{} {}", step.n, step.id));
        let waits = |name: &&HostName| {
            state.hosts.get(*name).is_some_and(|host| host.started.is_none() && host.outcome.is_none() && host.excluded.is_none())
        };
        Self {
            step: id.map_or_else(String::new, |id| words::step(state, id)),
            next,
            attempt: unit.map_or(1, |unit| unit.attempt),
            closes: if closes.is_empty() { "nothing is open here".to_owned() } else { closes.join(", ") },
            waiting: state.order.iter().filter(waits).cloned().collect(),
            why: asked.finding.as_ref().map(|finding| finding.summary.clone()),
        }
    }

    fn follows(&self, option: &str) -> String {
        let (closes, hosts) = (&self.closes, words::hosts(&self.waiting, HOSTS));
        let none = self.waiting.is_empty();
        match option {
            "retry" => {
                let why = self.why.as_ref().map_or_else(String::new, |why| format!("; fails again while: {why}"));
                format!("{} once more, attempt {}{why}", self.step, self.attempt + 1)
            }
            "skip" => match &self.next {
                Some(next) => format!("go on to {next}; {} stays failed", self.step),
                None => format!("{} stays failed; nothing comes after it", self.step),
            },
            "exclude" if none => format!("{closes}; no host waits"),
            "exclude" => format!("{closes}; then the rest of the run ({hosts})"),
            "abort" if none => format!("{closes}; the run stops"),
            "abort" => format!("{closes}; the run stops, untouched: {hosts}"),
            _ => String::new(),
        }
    }
}
