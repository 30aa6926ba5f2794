//! Selectors: expressions that name hosts of an inventory. Text in, hosts of a fleet out; nothing is ever contacted.
//!
//! `expr = and {("," | "|") and}; and = not {"&" not}; not = "!" not | "(" expr ")" | atom`
//!
//! `!x` alone is `all & !x`. A `pick:N` chooses from what the other terms of its `&` chain leave, alone from all hosts; the
//! same hosts always give the same choice.

mod judge;
mod pick;
mod read;
mod set;
#[cfg(test)]
mod tests;
mod write;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use crate::model::id::{HostName, RunId};
use crate::model::outcome::HostOutcome;
use crate::model::pattern::Pattern;
use crate::model::selector::judge::Judge;
use crate::model::selector::pick::Pick;
use crate::model::selector::set::HostSet;

/// The most names that globs and sets are compared with: a hundred globs over the largest inventory.
const MAX_COMPARED: usize = 500_000;

/// A selector that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Selector {
    text: String,
    expr: Expr,
}

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Atom(Atom, Range<usize>),
    Not(Box<Expr>),
    All(Vec<Expr>),
    Any(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
enum Atom {
    Everything,
    Host(String),
    Pattern(Pattern),
    Group(String),
    Tag(String),
    Run(RunAtom),
    Pick(Pick),
}

/// What became of a host in a recorded run, as a selector asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Became {
    /// It began and did not end well: failed, rolled back, rollback failed, unknown, cancelled.
    Failed,
    /// It could not be reached.
    Unreachable,
    /// Its turn never came.
    NotStarted,
    /// A change was sent to it, whatever became of it.
    Changed,
}

impl Became {
    /// Every one, in the order of the contract.
    pub const ALL: [Became; 4] = [Became::Failed, Became::Unreachable, Became::NotStarted, Became::Changed];

    /// The word before the colon.
    pub fn word(self) -> &'static str {
        match self {
            Became::Failed => "failed",
            Became::Unreachable => "unreachable",
            Became::NotStarted => "not-started",
            Became::Changed => "changed",
        }
    }

    /// Whether it is true of a host with this outcome; `changed` says whether a change was sent to it.
    pub fn holds(self, outcome: HostOutcome, changed: bool) -> bool {
        use HostOutcome as H;
        match self {
            Became::Failed => {
                matches!(outcome, H::Failed | H::Unknown | H::RolledBack | H::RollbackFailed | H::Cancelled)
            }
            Became::Unreachable => outcome == H::Unreachable,
            Became::NotStarted => outcome == H::NotStarted,
            Became::Changed => changed,
        }
    }

    /// What it says of hosts: `… in run 7f3a9c`.
    pub fn says(self) -> &'static str {
        match self {
            Became::Failed => "failed",
            Became::Unreachable => "was unreachable",
            Became::NotStarted => "was not started",
            Became::Changed => "was changed",
        }
    }
}

/// `failed:7f3a9c`: hosts by what became of them in a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunAtom {
    /// What became of them.
    pub became: Became,
    /// The run as typed: an id, at least four of its first digits, or `last`.
    pub run: String,
}

impl fmt::Display for RunAtom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.became.word(), self.run)
    }
}

/// The hosts that each run atom of a selector names, also those that the inventory does not have any more.
pub type Recorded = BTreeMap<RunAtom, BTreeSet<HostName>>;

/// A selector that cannot be read, or that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SelectorError {
    /// What is wrong.
    pub message: String,
    /// Where in the text, in bytes.
    pub at: Range<usize>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl SelectorError {
    /// Something wrong at a place of the text.
    pub fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), at, hint: None }
    }

    /// Says what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The column, from 1, in characters.
    pub fn column(&self, text: &str) -> usize {
        text.get(..self.at.start).map_or(1, |before| before.chars().count() + 1)
    }
}

/// What selectors are judged against.
#[derive(Debug, Clone, Default)]
pub struct Fleet<'a> {
    /// Every host with its tags, in file order.
    hosts: Vec<(&'a str, &'a [String])>,
    /// Their places in it.
    index: BTreeMap<&'a str, usize>,
    /// Every group with the indexes of its hosts.
    groups: BTreeMap<&'a str, Vec<usize>>,
    /// Words that stand for hosts as they are now, such as `up`; a host of that name comes first.
    states: BTreeMap<&'a str, Vec<usize>>,
    /// What runs became; none where selectors cannot ask for it.
    recorded: Option<&'a Recorded>,
    /// Whether near names are left out of errors: to look for them costs more than all the rest.
    terse: bool,
    /// How many names globs and sets were compared with so far.
    compared: Cell<usize>,
}

impl<'a> Fleet<'a> {
    /// Hosts with their tags, in file order; of equal names the first counts.
    pub fn new(hosts: Vec<(&'a str, &'a [String])>) -> Self {
        let index = hosts.iter().enumerate().rev().map(|(at, (name, _))| (*name, at)).collect();
        Self { hosts, index, ..Self::default() }
    }

    /// Adds a group with the indexes of its hosts.
    pub fn group(&mut self, name: &'a str, hosts: Vec<usize>) {
        self.groups.insert(name, hosts);
    }

    /// Adds a word for what hosts are now, such as `up`, with their indexes; a host of that name comes first.
    pub fn state(&mut self, word: &'a str, hosts: Vec<usize>) {
        self.states.insert(word, hosts);
    }

    /// Says what runs became.
    #[must_use]
    pub fn recorded(mut self, recorded: &'a Recorded) -> Self {
        self.recorded = Some(recorded);
        self
    }

    /// Counts `names` more comparisons; false when there were enough.
    fn compare(&self, names: usize) -> bool {
        self.compared.set(self.compared.get().saturating_add(names));
        self.compared.get() <= MAX_COMPARED
    }

    pub(super) fn has_group(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// From now on errors name no near names.
    pub(super) fn terse(&mut self) {
        self.terse = true;
    }
}

impl Selector {
    /// Reads a selector.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        read::expression(text).map(|expr| Self { text: text.to_owned(), expr })
    }

    /// As typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The groups it names, in the order in which they stand.
    pub fn groups(&self) -> Vec<&str> {
        let groups = self.atoms().into_iter();
        groups.filter_map(|(atom, _)| if let Atom::Group(name) = atom { Some(name.as_str()) } else { None }).collect()
    }

    /// The run atoms with their places, in the order in which they stand.
    pub fn run_atoms(&self) -> Vec<(&RunAtom, Range<usize>)> {
        let atoms = self.atoms().into_iter();
        atoms.filter_map(|(atom, at)| if let Atom::Run(run) = atom { Some((run, at)) } else { None }).collect()
    }

    /// Its text with the ids of runs as they were found, so that it means the same tomorrow: `last` is another run by then.
    pub fn pinned(&self, found: &BTreeMap<String, RunId>) -> String {
        let mut text = self.text.clone();
        for (atom, at) in self.run_atoms().into_iter().rev() {
            if let Some(run) = found.get(&atom.run) {
                text.replace_range(at, &RunAtom { became: atom.became, run: run.to_string() }.to_string());
            }
        }
        text
    }

    /// Whether it is made of the inventory alone; what else it names is an error with its place.
    pub(super) fn only_inventory(&self) -> Result<(), SelectorError> {
        let other = self.atoms().into_iter().find(|(atom, _)| matches!(atom, Atom::Run(_) | Atom::Pick(_)));
        match other {
            None => Ok(()),
            Some((_, at)) => {
                let word = self.text.get(at.clone()).unwrap_or_default();
                Err(SelectorError::new(at, format!("`{word}` cannot make a group: which hosts it names changes by itself"))
                    .hint("name hosts, globs, sets, @group or tag:NAME"))
            }
        }
    }

    fn atoms(&self) -> Vec<(&Atom, Range<usize>)> {
        let mut found = Vec::new();
        self.expr.atoms(&mut found);
        found
    }

    /// The hosts it names, as indexes in file order. Whatever is unknown or matches nothing is an error.
    pub fn select(&self, fleet: &Fleet<'_>) -> Result<Vec<usize>, SelectorError> {
        let chosen: HostSet = Judge { fleet }.judge(&self.expr)?;
        let hosts: Vec<usize> = chosen.iter().collect();
        if hosts.is_empty() {
            let message = format!("no host is selected: 0 of {}", fleet.hosts.len());
            return Err(SelectorError::new(0..self.text.len(), message));
        }
        Ok(hosts)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Expr {
    fn atoms<'e>(&'e self, found: &mut Vec<(&'e Atom, Range<usize>)>) {
        match self {
            Expr::Atom(atom, at) => found.push((atom, at.clone())),
            Expr::Not(inner) => inner.atoms(found),
            Expr::All(parts) | Expr::Any(parts) => parts.iter().for_each(|part| part.atoms(found)),
        }
    }
}
