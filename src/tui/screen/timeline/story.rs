//! What is shown of a story: its lines, and what they come to as a whole. Made anew only where the record or the filter
//! changes, so that a draw costs what is on the screen.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::id::{HostName, RunId};
use crate::model::time::Timestamp;
use crate::state::timeline::{Counter, Entry, Mark, Source};
use crate::state::told::{SAME_TIME, Told, told};
use crate::tui::model::Opened;

/// How many lines back the line that an entry is told in is looked for.
const NEAR: usize = 4_000;

/// The least severity that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Level {
    /// Everything.
    #[default]
    All,
    /// What was done and decided, and what is bad.
    Info,
    /// Only what is bad.
    Bad,
}

impl Level {
    pub(super) fn less(self) -> Self {
        if self == Level::Bad { Level::Info } else { Level::All }
    }

    pub(super) fn more(self) -> Self {
        if self == Level::All { Level::Info } else { Level::Bad }
    }
}

/// Whose words are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum From {
    /// Everybody's.
    #[default]
    All,
    /// This program's.
    Run,
    /// What was seen on hosts.
    Evidence,
    /// People's.
    People,
}

impl From {
    pub(super) fn next(self) -> Self {
        match self {
            From::All => From::Run,
            From::Run => From::Evidence,
            From::Evidence => From::People,
            From::People => From::All,
        }
    }
}

/// What is shown of a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    /// Only this host, and the run as a whole.
    pub(super) only: Option<HostName>,
    /// From this severity on.
    pub(super) level: Level,
    /// Whose words.
    pub(super) from: From,
    /// What is the same within this time is told once.
    pub(super) same: Duration,
}

impl Default for Filter {
    fn default() -> Self {
        Self { only: None, level: Level::All, from: From::All, same: SAME_TIME }
    }
}

impl Filter {
    fn shows(&self, entry: &Entry) -> bool {
        let host = self.only.is_none() || entry.host.is_none() || entry.host == self.only;
        let ours = matches!(entry.who, Source::Run | Source::You | Source::Ssh) || entry.mark.is_some();
        let level = match self.level {
            Level::All => true,
            Level::Info => entry.bad || ours,
            Level::Bad => entry.bad,
        };
        let from = match self.from {
            From::All => true,
            From::Run => entry.who == Source::Run,
            From::People => entry.who == Source::You,
            From::Evidence => !matches!(entry.who, Source::Run | Source::You),
        };
        host && level && from
    }
}

/// The lines that are shown, and what the whole story comes to.
#[derive(Debug, Default)]
pub(super) struct Story {
    made_of: Option<(RunId, u64, usize, Filter)>,
    searched: Option<String>,
    /// How many lines have what is searched for.
    pub(super) found: usize,
    /// The lines.
    pub(super) lines: Vec<Told>,
    /// How many entries are told in them.
    pub(super) shown: usize,
    /// Restart counters by their places in the timeline, the liveliest first.
    pub(super) counters: Vec<usize>,
    /// How many of them have moved.
    pub(super) moved: usize,
    /// When something was open and was closed again, merged and in order.
    pub(super) open: Vec<(Timestamp, Timestamp)>,
    /// How long things were open until they were closed, the longest first, and on which host.
    pub(super) closed: Vec<(Duration, HostName)>,
    /// Since when hosts are known not to be reached.
    pub(super) down: BTreeMap<HostName, Timestamp>,
}

impl Story {
    /// Makes it anew where that is needed.
    pub(super) fn keep(&mut self, opened: &Opened, filter: &Filter) {
        let of = (opened.run.clone(), opened.watched.run.seq, opened.timeline.entries.len(), filter.clone());
        if self.made_of.as_ref() == Some(&of) {
            return;
        }
        let entries = &opened.timeline.entries;
        let mut counters: Vec<usize> = (0..opened.timeline.counters.len()).collect();
        let moves = |at: &usize| opened.timeline.counters.get(*at).map_or(0, moved);
        counters.sort_by_key(|at| Reverse(moves(at)));
        let moved = counters.iter().take_while(|at| moves(at) > 0).count();
        let lines = told(entries, filter.same, |entry| filter.shows(entry));
        *self = Self {
            made_of: Some(of),
            searched: None,
            found: 0,
            shown: lines.iter().map(|line| line.all.len()).sum(),
            lines,
            counters,
            moved,
            open: merged(entries),
            closed: closed(entries),
            down: BTreeMap::new(),
        };
        for entry in entries.iter().filter(|entry| entry.who == Source::Ssh && entry.bad) {
            if let Some(host) = &entry.host {
                self.down.entry(host.clone()).or_insert(entry.at);
            }
        }
    }

    /// Counts the lines with what is searched for, where that was not done.
    pub(super) fn count(&mut self, opened: &Opened, query: &str) {
        if self.searched.as_deref() != Some(query) {
            let low = query.to_lowercase();
            self.found = self.lines.iter().filter(|line| !low.is_empty() && has(opened, line, &low)).count();
            self.searched = Some(query.to_owned());
        }
    }

    /// The row of an entry: the line that it is told in, else the line before it.
    pub(super) fn row_of(&self, place: usize) -> Option<usize> {
        let after = self.lines.partition_point(|line| line.first <= place);
        let near = self.lines.get(..after)?.iter().enumerate().rev().take(NEAR);
        let told = near.into_iter().find(|(_, line)| line.all.binary_search(&place).is_ok()).map(|(row, _)| row);
        told.or_else(|| after.checked_sub(1)).or(if self.lines.is_empty() { None } else { Some(0) })
    }
}

/// By how much a counter has moved between its least and its greatest reading.
pub(super) fn moved(counter: &Counter) -> u64 {
    let values = || counter.points.iter().map(|(_, value)| *value);
    values().max().zip(values().min()).map_or(0, |(most, least)| most - least)
}

fn closed(entries: &[Entry]) -> Vec<(Duration, HostName)> {
    let closed = entries.iter().filter_map(|entry| match (entry.mark, &entry.host) {
        (Some(Mark::Closed(open)), Some(host)) => Some((open, host.clone())),
        _ => None,
    });
    let mut closed: Vec<(Duration, HostName)> = closed.collect();
    closed.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
    closed
}

fn merged(entries: &[Entry]) -> Vec<(Timestamp, Timestamp)> {
    let spans = entries.iter().filter_map(|entry| match entry.mark {
        Some(Mark::Closed(open)) => {
            let ms = i64::try_from(open.as_millis()).unwrap_or(i64::MAX);
            Some((Timestamp::from_millis(entry.at.as_millis().saturating_sub(ms)), entry.at))
        }
        _ => None,
    });
    let mut spans: Vec<(Timestamp, Timestamp)> = spans.collect();
    spans.sort();
    let mut merged: Vec<(Timestamp, Timestamp)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// Whether a line has a text in it; the text is in lower case.
pub(super) fn has(opened: &Opened, line: &Told, low: &str) -> bool {
    let mut entries = line.all.iter().filter_map(|place| opened.timeline.entries.get(*place));
    entries.clone().next().is_some_and(|entry| entry.text.to_lowercase().contains(low) || entry.who.word().contains(low))
        || entries.any(|entry| entry.host.as_ref().is_some_and(|host| host.as_str().to_lowercase().contains(low)))
}
