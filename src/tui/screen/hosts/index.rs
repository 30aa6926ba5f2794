//! The rows of the tree and the numbers of its groups: made anew when the inventory, the filter, the folding, the selection
//! or who answers has changed, never to paint.

use std::collections::BTreeMap;

use crate::model::id::HostName;
use crate::model::inventory::Inventory;
use crate::model::time::Timestamp;
use crate::tui::model::{Model, Reach};
use crate::tui::screen::hosts::filter::Filter;
use crate::tui::screen::hosts::marks::Marks;

/// A group with more hosts than this is folded at first.
const LARGE: usize = 50;
/// Under this heading stand the hosts that are in no group.
pub(super) const UNGROUPED: &str = "ungrouped";

/// What the cursor is on, whatever row that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// A group, or with none the hosts of no group.
    Group(Option<String>),
    /// A host.
    Host(HostName),
}

impl Default for Item {
    fn default() -> Self {
        Self::Group(None)
    }
}

/// A row of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    /// By its place among the sections.
    Section(usize),
    /// By its place in the inventory.
    Host(usize),
}

/// How many hosts of a set answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Answers {
    pub(super) up: usize,
    /// Those with a changed key not counted.
    pub(super) down: usize,
    /// Whose host key is not the recorded one.
    pub(super) keys: usize,
    pub(super) asked: usize,
}

impl Answers {
    pub(super) fn add(&mut self, reach: Option<&Reach>) {
        match reach {
            Some(Reach::Up { .. }) => self.up += 1,
            Some(Reach::Down { class, .. }) if is_key(class) => self.keys += 1,
            Some(Reach::Down { .. }) => self.down += 1,
            Some(Reach::Asked) => self.asked += 1,
            None => {}
        }
    }

    pub(super) fn known(&self) -> usize {
        self.up + self.down + self.keys
    }
}

/// Whether a class of fault says that the host's key is not to be trusted.
pub(super) fn is_key(class: &str) -> bool {
    matches!(class, "host-key-changed" | "host-key-revoked")
}

/// A group of the tree.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Its name; none for the hosts of no group.
    pub(super) group: Option<String>,
    pub(super) protected: bool,
    /// Its hosts.
    pub(super) members: Vec<usize>,
    /// Those that stand under it: a host of several groups stands under the first.
    pub(super) listed: Vec<usize>,
    pub(super) folded: bool,
    pub(super) shown: usize,
    pub(super) marked: usize,
    pub(super) answers: Answers,
}

impl Section {
    pub(super) fn title(&self) -> &str {
        self.group.as_deref().unwrap_or(UNGROUPED)
    }

    fn item(&self) -> Item {
        Item::Group(self.group.clone())
    }
}

/// The tree.
#[derive(Debug, Default)]
pub(super) struct Index {
    read: Option<Timestamp>,
    sha256: String,
    /// The hosts, in the order of the inventory.
    pub(super) names: Vec<HostName>,
    places: BTreeMap<HostName, usize>,
    pub(super) sections: Vec<Section>,
    section_of: Vec<usize>,
    pub(super) rows: Vec<Row>,
    row_of_host: Vec<Option<usize>>,
    row_of_section: Vec<Option<usize>>,
    /// The columns of the longest name.
    pub(super) longest: usize,
}

/// What a person folded and unfolded, by group.
pub(super) type Folds = BTreeMap<Option<String>, bool>;

impl Index {
    /// Whether it was made of this inventory.
    pub(super) fn is_of(&self, model: &Model, inventory: &Inventory) -> bool {
        self.read == model.shelf.read && self.sha256 == inventory.sha256 && self.names.len() == inventory.hosts.len()
    }

    /// The groups and hosts of an inventory; rows and numbers come later.
    pub(super) fn new(model: &Model, inventory: &Inventory) -> Self {
        let names: Vec<HostName> = inventory.hosts.iter().map(|host| host.name.clone()).collect();
        let places: BTreeMap<HostName, usize> = names.iter().cloned().zip(0..).collect();
        let mut section_of = vec![usize::MAX; names.len()];
        let mut sections: Vec<Section> = Vec::new();
        for group in &inventory.groups {
            let members: Vec<usize> = group.hosts.iter().filter_map(|name| places.get(name).copied()).collect();
            let listed: Vec<usize> = members.iter().copied().filter(|at| section_of[*at] == usize::MAX).collect();
            listed.iter().for_each(|at| section_of[*at] = sections.len());
            let group_name = Some(group.name.clone());
            sections.push(Section { group: group_name, protected: group.protected, members, listed, ..Section::default() });
        }
        let rest: Vec<usize> = (0..names.len()).filter(|at| section_of[*at] == usize::MAX).collect();
        if !rest.is_empty() {
            rest.iter().for_each(|at| section_of[*at] = sections.len());
            sections.push(Section { members: rest.clone(), listed: rest, ..Section::default() });
        }
        let titles = sections.iter().map(|s| s.title().chars().count() + s.members.len().to_string().len() + 1);
        let longest = names.iter().map(|name| name.as_str().len()).chain(titles).max().unwrap_or(0);
        let sha256 = inventory.sha256.clone();
        Self { read: model.shelf.read, sha256, names, places, sections, section_of, longest, ..Self::default() }
    }

    /// Makes the rows anew.
    pub(super) fn lay_out(&mut self, filter: &Filter, folds: &Folds) {
        self.rows.clear();
        self.row_of_host = vec![None; self.names.len()];
        self.row_of_section = vec![None; self.sections.len()];
        for (at, section) in self.sections.iter_mut().enumerate() {
            section.shown = section.members.iter().filter(|host| filter.shows(**host)).count();
            let listed: Vec<usize> = section.listed.iter().copied().filter(|host| filter.shows(*host)).collect();
            section.folded = folds.get(&section.group).copied().unwrap_or(listed.len() > LARGE);
            if section.shown == 0 {
                continue;
            }
            self.row_of_section[at] = Some(self.rows.len());
            self.rows.push(Row::Section(at));
            for host in listed.into_iter().filter(|_| !section.folded) {
                self.row_of_host[host] = Some(self.rows.len());
                self.rows.push(Row::Host(host));
            }
        }
    }

    /// Counts who of each group is selected.
    pub(super) fn count_marks(&mut self, marks: &Marks) {
        for section in &mut self.sections {
            section.marked = section.members.iter().filter(|host| marks.has(**host)).count();
        }
    }

    /// Counts who of each group answers.
    pub(super) fn count_answers(&mut self, model: &Model) {
        let mut reach: Vec<Option<&Reach>> = vec![None; self.names.len()];
        for (name, is) in model.reach.iter() {
            if let Some(at) = self.places.get(name) {
                reach[*at] = Some(is);
            }
        }
        for section in &mut self.sections {
            section.answers = Answers::default();
            section.members.iter().for_each(|host| section.answers.add(reach[*host]));
        }
    }

    pub(super) fn place(&self, name: &HostName) -> Option<usize> {
        self.places.get(name).copied()
    }

    pub(super) fn section(&self, host: usize) -> Option<(usize, &Section)> {
        let at = *self.section_of.get(host)?;
        Some((at, self.sections.get(at)?))
    }

    /// The row that an item is on; that of its group where a host is folded away.
    pub(super) fn row_of(&self, item: &Item) -> Option<usize> {
        match item {
            Item::Group(group) => {
                let at = self.sections.iter().position(|section| section.group == *group)?;
                *self.row_of_section.get(at)?
            }
            Item::Host(name) => self.row_of_place(self.place(name)?),
        }
    }

    /// The row that a host is on, or that of its group where it is folded away.
    pub(super) fn row_of_place(&self, host: usize) -> Option<usize> {
        let own = self.row_of_host.get(host).copied().flatten();
        own.or_else(|| *self.row_of_section.get(*self.section_of.get(host)?)?)
    }

    pub(super) fn item(&self, row: usize) -> Option<Item> {
        match *self.rows.get(row)? {
            Row::Section(at) => self.sections.get(at).map(Section::item),
            Row::Host(at) => self.names.get(at).cloned().map(Item::Host),
        }
    }

    /// The hosts of a row that the filter shows.
    pub(super) fn hosts_of(&self, row: Row, filter: &Filter) -> Vec<usize> {
        match row {
            Row::Host(host) => vec![host],
            Row::Section(at) => {
                let members = self.sections.get(at).map(|section| section.members.as_slice()).unwrap_or_default();
                members.iter().copied().filter(|host| filter.shows(*host)).collect()
            }
        }
    }
}
