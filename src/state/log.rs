//! What was seen and done on each host, as lines that can be shown as they are: bounded per host and in all, and what is
//! gone is counted. A line is known by its number on its host, from 0, which it keeps while older ones go.

mod chunk;
mod compare;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::event::{Event, EventKind};
use crate::model::finding::Finding;
use crate::model::id::{HostName, StepId};
use crate::model::step::Note;
use crate::model::time::Timestamp;
use crate::model::visible::visible;
use crate::state::log::chunk::{Chunk, cut};
use crate::state::words;

pub use crate::state::log::compare::{Common, Only, compare};

/// The most that is kept of one host, in bytes.
pub const PER_HOST: usize = 16 * 1024;
/// The most that is kept of all hosts, in bytes.
pub const IN_ALL: usize = 64 * 1024 * 1024;
/// What a line counts besides its text, so that empty ones are bounded too.
const LINE: usize = 16;

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// What this program did or found.
    Run,
    /// What a look came to.
    Seen,
    /// A command's standard output.
    Stdout,
    /// A command's standard error.
    Stderr,
    /// What shows a finding, as seen on the host.
    Evidence,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When.
    pub at: Timestamp,
    /// At which step, where at one.
    pub step: Option<StepId>,
    /// Where it comes from.
    pub from: Origin,
    /// The line; it can only be read.
    pub text: String,
}

/// The lines of one host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostLog {
    lines: VecDeque<LogLine>,
    bytes: usize,
    dropped: usize,
    dropped_bytes: usize,
    starts: BTreeMap<StepId, usize>,
    said: BTreeMap<StepId, String>,
    open: BTreeMap<Origin, Chunk>,
}

/// Which way to look for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards newer lines.
    Down,
    /// Towards older lines.
    Up,
}

/// The lines of all hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct Logs {
    hosts: BTreeMap<HostName, HostLog>,
    sizes: BTreeSet<(usize, HostName)>,
    bytes: usize,
    per_host: usize,
    in_all: usize,
    none: HostLog,
}

impl Default for Logs {
    fn default() -> Self {
        Self::within(PER_HOST, IN_ALL)
    }
}

impl HostLog {
    /// The number of its oldest line that is kept: how many are gone.
    pub fn first(&self) -> usize {
        self.dropped
    }

    /// The number that its next line gets: how many there ever were.
    pub fn end(&self) -> usize {
        self.dropped + self.lines.len()
    }

    /// How many lines are kept.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether no line is kept.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many bytes are kept; each line counts 16 besides its text.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes of text are gone.
    pub fn dropped_bytes(&self) -> usize {
        self.dropped_bytes
    }

    /// The lines from number `from` on, with their numbers; where that one is gone, from the oldest on.
    pub fn lines(&self, from: usize) -> impl DoubleEndedIterator<Item = (usize, &LogLine)> + ExactSizeIterator {
        let skip = from.saturating_sub(self.dropped).min(self.lines.len());
        let first = self.dropped + skip;
        self.lines.range(skip..).enumerate().map(move |(n, line)| (first + n, line))
    }

    /// The number of the first line of the latest attempt at a step; it may be gone.
    pub fn start_of(&self, step: &StepId) -> Option<usize> {
        self.starts.get(step).copied()
    }

    /// The lines of the latest attempt at a step, with their numbers.
    pub fn of_step<'l>(&'l self, step: &'l StepId) -> impl Iterator<Item = (usize, &'l LogLine)> {
        let from = self.start_of(step).unwrap_or(self.end());
        self.lines(from).filter(move |(_, line)| line.step.as_ref() == Some(step))
    }

    fn push(&mut self, line: LogLine) {
        self.bytes += line.text.len() + LINE;
        self.lines.push_back(line);
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(line) = self.lines.pop_front() else { return false };
        self.bytes -= line.text.len() + LINE;
        self.dropped_bytes += line.text.len();
        self.dropped += 1;
        true
    }

    /// Puts another text in the place of a line that is still kept.
    fn rewrite(&mut self, number: usize, text: String) -> bool {
        let Some(line) = number.checked_sub(self.dropped).and_then(|at| self.lines.get_mut(at)) else { return false };
        self.bytes = self.bytes - line.text.len() + text.len();
        line.text = text;
        true
    }
}

impl Logs {
    /// Nothing yet, and later at most so many bytes per host and in all.
    pub fn within(per_host: usize, in_all: usize) -> Self {
        let (hosts, sizes, none) = (BTreeMap::new(), BTreeSet::new(), HostLog::default());
        Self { hosts, sizes, bytes: 0, per_host, in_all, none }
    }

    /// The lines of a host; none where nothing was told of it.
    pub fn of(&self, host: &HostName) -> &HostLog {
        self.hosts.get(host).unwrap_or(&self.none)
    }

    /// How many bytes are kept of all hosts.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next line of a host in which `pattern` stands, from line `from` on, itself included. A pattern without capitals
    /// is found in any case.
    pub fn search(&self, host: &HostName, pattern: &str, from: usize, direction: Direction) -> Option<usize> {
        let log = self.of(host);
        let hit = |(number, line): (usize, &LogLine)| stands_in(pattern, &line.text).then_some(number);
        match direction {
            Direction::Down => log.lines(from).find_map(hit),
            Direction::Up => log.lines(0).rev().skip_while(|(number, _)| *number > from).find_map(hit),
        }
    }

    /// The numbers of all lines of a host in which `pattern` stands.
    pub fn hits(&self, host: &HostName, pattern: &str) -> Vec<usize> {
        let hits = self.of(host).lines(0).filter(|(_, line)| stands_in(pattern, &line.text));
        hits.map(|(number, _)| number).collect()
    }

    /// Takes one more event in.
    pub fn apply(&mut self, event: &Event) {
        use EventKind as E;
        let at = event.ts;
        match &event.kind {
            E::StepStarted { host, step, attempt } => {
                let text = if *attempt > 1 { format!("attempt {attempt}") } else { "started".to_owned() };
                self.change(host, |log| {
                    log.open.clear();
                    log.said.remove(step);
                    log.starts.insert(step.clone(), log.end());
                    log.push(line(at, Some(step), Origin::Run, &text));
                });
            }
            E::StepJudged { host, step, note, .. } => self.change(host, |log| log.judged(at, step, note)),
            E::StepIntent { host, step, change, .. } => self.change(host, |log| {
                for effect in &change.effects {
                    log.push(line(at, Some(step), Origin::Run, effect));
                }
            }),
            E::StepOutput { host, step, stream, text, .. } => {
                let from = if stream == "stderr" { Origin::Stderr } else { Origin::Stdout };
                self.change(host, |log| log.output(at, step, from, text));
            }
            E::StepFinished { host, .. } => self.change(host, |log| log.finished(event)),
            E::HostReach { host, finding: Some(finding), .. } => self.change(host, |log| log.found(at, None, finding)),
            E::HostLost { host, class, message } => {
                let text = format!("connection lost ({class}): {message}");
                self.change(host, |log| log.push(line(at, None, Origin::Run, &text)));
            }
            E::ObligationOpened { host, step, obligation } => {
                let text = format!("open: {} was {}, is set to {}", obligation.title, obligation.was, obligation.set);
                self.change(host, |log| log.push(line(at, Some(step), Origin::Run, &text)));
            }
            E::ObligationClosed { host, how, summary, .. } => {
                let text = format!("closed, {how}: {summary}");
                self.change(host, |log| log.push(line(at, None, Origin::Run, &text)));
            }
            E::ObligationFailed { host, key, finding } => self.change(host, |log| {
                log.push(line(at, None, Origin::Run, &format!("{key} could not be closed")));
                log.found(at, None, finding);
            }),
            _ => {}
        }
    }

    /// Changes the lines of a host, and lets old ones go where there are too many.
    fn change(&mut self, host: &HostName, change: impl FnOnce(&mut HostLog)) {
        let log = self.hosts.entry(host.clone()).or_default();
        let before = log.bytes;
        change(log);
        while log.bytes > self.per_host && log.drop_oldest() {}
        if log.bytes != before {
            self.sizes.remove(&(before, host.clone()));
            self.sizes.insert((log.bytes, host.clone()));
            self.bytes = self.bytes - before + log.bytes;
        }
        while self.bytes > self.in_all {
            let Some((size, largest)) = self.sizes.pop_last() else { return };
            let Some(log) = self.hosts.get_mut(&largest) else { continue };
            while log.bytes == size && log.drop_oldest() {}
            self.bytes = self.bytes - size + log.bytes;
            self.sizes.insert((log.bytes, largest));
        }
    }
}

impl HostLog {
    /// What a look came to, where it came to something else than before.
    fn judged(&mut self, at: Timestamp, step: &StepId, note: &Note) {
        if self.said.get(step) != Some(&note.summary) {
            self.push(line(at, Some(step), Origin::Seen, &format!("[{}] {}", note.word, note.summary)));
            self.said.insert(step.clone(), note.summary.clone());
        }
    }

    /// What a command printed: whole lines as such, the rest as a line that the next piece goes on with.
    fn output(&mut self, at: Timestamp, step: &StepId, from: Origin, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after, whole) = match rest.split_once('\n') {
                Some((piece, after)) => (piece, after, true),
                None => (rest, "", false),
            };
            let open = self.open.remove(&from).filter(|open| open.step == *step);
            let mut chunk = open.unwrap_or_else(|| Chunk::new(step.clone()));
            chunk.add(piece);
            let shown = chunk.shown();
            let number = chunk.number.filter(|number| self.rewrite(*number, shown.clone()));
            if number.is_none() {
                chunk.number = Some(self.end());
                self.push(LogLine { at, step: Some(step.clone()), from, text: shown });
            }
            if !whole {
                self.open.insert(from, chunk);
            }
            rest = after;
        }
    }

    fn finished(&mut self, event: &Event) {
        let EventKind::StepFinished { step, attempt, outcome, exit_code, note, finding, effects, changed, duration_ms, .. } =
            &event.kind
        else {
            return;
        };
        self.open.clear();
        let done = if *changed && outcome.is_fine() { effects.as_slice() } else { &[] };
        for effect in done {
            self.push(line(event.ts, Some(step), Origin::Run, &format!("done: {effect}")));
        }
        if let (Some(note), None) = (note, finding) {
            self.judged(event.ts, step, note);
        }
        let exit = exit_code.map_or_else(String::new, |code| format!(", exit {code}"));
        let nth = if *attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
        let took = words::took(words::millis(*duration_ms));
        self.push(line(event.ts, Some(step), Origin::Run, &format!("{outcome}{exit} after {took}{nth}")));
        if let Some(finding) = finding {
            self.found(event.ts, Some(step), finding);
        }
    }

    fn found(&mut self, at: Timestamp, step: Option<&StepId>, finding: &Finding) {
        self.push(line(at, step, Origin::Run, &finding.summary));
        for shown in finding.evidence.iter().flat_map(|shown| shown.lines()) {
            self.push(line(at, step, Origin::Evidence, shown));
        }
        if let Some(hint) = &finding.hint {
            self.push(line(at, step, Origin::Run, &format!("hint: {hint}")));
        }
    }
}

fn line(at: Timestamp, step: Option<&StepId>, from: Origin, text: &str) -> LogLine {
    LogLine { at, step: step.cloned(), from, text: cut(&visible(text), 0) }
}

/// Whether a line has the pattern; one without capitals in any case. An empty one stands nowhere.
fn stands_in(pattern: &str, text: &str) -> bool {
    if pattern.is_empty() {
        return false;
    }
    if pattern.chars().any(char::is_uppercase) { text.contains(pattern) } else { text.to_lowercase().contains(pattern) }
}

#[cfg(test)]
mod tests;
