//! The rows of the list: a host each, or folded with what is unfolded between them. Only rows that are asked for are made.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::id::HostName;
use crate::state::class::Class;
use crate::state::fleet::{Fleet, GroupKey};
use crate::tui::screen::run::order::Order;

/// The most hosts that a step of the running ones is unfolded to, the longest first.
const LONGEST: usize = 20;

/// What a row is about; the cursor is bound to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// A host.
    Host(HostName),
    /// Hosts that stand as the same for the same cause.
    Group(GroupKey),
    /// The hosts on which the step of this number runs.
    Step(u32),
    /// The running hosts between two steps.
    Between,
}

/// A folded row with what is unfolded under it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    key: GroupKey,
    hosts: usize,
    under: Under,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Under {
    Nothing,
    Hosts,
    /// Few: a row a step, and the longest of steps that are unfolded.
    Rows(Vec<Item>),
}

impl Block {
    fn rows(&self) -> usize {
        match &self.under {
            Under::Nothing => 1,
            Under::Hosts => 1 + self.hosts,
            Under::Rows(rows) => 1 + rows.len(),
        }
    }
}

/// What decides which rows there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape<'s> {
    /// Whether rows are folded.
    pub(super) folded: bool,
    /// What is unfolded.
    pub(super) unfolded: &'s BTreeSet<Item>,
    /// The order of hosts, where it is not that of the fleet.
    pub(super) order: Option<&'s Order>,
    /// The order of folded rows, where they are frozen.
    pub(super) frozen: Option<&'s BTreeMap<GroupKey, usize>>,
    /// The only one that is shown.
    pub(super) only: Option<&'s Item>,
}

/// The rows of the list.
#[derive(Debug)]
pub(super) struct Rows<'f> {
    fleet: &'f Fleet,
    order: Option<&'f Order>,
    only: Option<HostName>,
    blocks: Option<Vec<Block>>,
}

impl<'f> Rows<'f> {
    pub(super) fn new(fleet: &'f Fleet, shape: Shape<'f>) -> Self {
        let order = shape.order.filter(|order| order.len() == fleet.len());
        let only = match shape.only {
            Some(Item::Host(name)) => Some(name.clone()).filter(|name| fleet.place(name).is_some()),
            _ => None,
        };
        let blocks = (shape.folded && only.is_none()).then(|| blocks(fleet, shape));
        Self { fleet, order, only, blocks }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match (&self.blocks, &self.only) {
            (Some(blocks), _) => blocks.iter().map(Block::rows).sum(),
            (None, Some(_)) => 1,
            (None, None) => self.fleet.len(),
        }
    }

    /// What stands on a row.
    pub(super) fn item(&self, row: usize) -> Option<Item> {
        self.items(row, 1).pop()
    }

    /// What stands on some rows.
    pub(super) fn items(&self, from: usize, count: usize) -> Vec<Item> {
        if let Some(blocks) = &self.blocks {
            return self.folded(blocks, from, count);
        }
        if let Some(name) = &self.only {
            return if from == 0 && count > 0 { vec![Item::Host(name.clone())] } else { Vec::new() };
        }
        let places = match self.order {
            Some(order) => order.places(from, count),
            None => self.fleet.rows(from, count),
        };
        places.into_iter().filter_map(|place| self.host(place)).collect()
    }

    fn host(&self, place: usize) -> Option<Item> {
        self.fleet.name(place).cloned().map(Item::Host)
    }

    fn folded(&self, blocks: &[Block], from: usize, count: usize) -> Vec<Item> {
        let mut items = Vec::with_capacity(count);
        let mut skip = from;
        for block in blocks {
            if items.len() == count {
                break;
            }
            let rows = block.rows();
            if skip >= rows {
                skip -= rows;
                continue;
            }
            if skip == 0 {
                items.push(Item::Group(block.key.clone()));
            }
            let (under, room) = (skip.saturating_sub(1), count - items.len());
            match &block.under {
                Under::Nothing => {}
                Under::Hosts => {
                    let hosts = self.fleet.hosts_of(&block.key, under, room);
                    items.extend(hosts.into_iter().filter_map(|place| self.host(place)));
                }
                Under::Rows(rows) => items.extend(rows.iter().skip(under).take(room).cloned()),
            }
            skip = 0;
        }
        items
    }

    /// Where the cursor is before it is moved: on what waits for a person, else on the first row.
    pub(super) fn most_urgent(&self) -> usize {
        let held = match &self.blocks {
            Some(blocks) => {
                blocks.iter().find(|block| block.key.class == Class::Held).map(|block| Item::Group(block.key.clone()))
            }
            None if self.fleet.counts().of(Class::Held) > 0 => {
                self.fleet.rows(self.fleet.counts().problems(), 1).first().and_then(|place| self.host(*place))
            }
            None => None,
        };
        held.and_then(|item| self.row_of(&item)).unwrap_or_default()
    }

    /// On which row something stands.
    pub(super) fn row_of(&self, item: &Item) -> Option<usize> {
        let Some(blocks) = &self.blocks else {
            let Item::Host(name) = item else { return None };
            let place = self.fleet.place(name)?;
            return match (&self.only, self.order) {
                (Some(only), _) => (only == name).then_some(0),
                (None, Some(order)) => order.row_of(place),
                (None, None) => self.fleet.row_of(place),
            };
        };
        let mut above = 0;
        for block in blocks {
            if let Some(row) = self.row_in(block, item) {
                return Some(above + row);
            }
            above += block.rows();
        }
        None
    }

    fn row_in(&self, block: &Block, item: &Item) -> Option<usize> {
        match (item, &block.under) {
            (Item::Group(key), _) => (*key == block.key).then_some(0),
            (Item::Host(name), Under::Hosts) => {
                let place = self.fleet.place(name)?;
                let here = self.fleet.group_of(place)? == &block.key;
                here.then(|| 1 + self.fleet.before_in(&block.key, place))
            }
            (item, Under::Rows(rows)) => rows.iter().position(|other| other == item).map(|row| 1 + row),
            _ => None,
        }
    }

    /// How far the row is indented: whether it stands under another one.
    pub(super) fn is_under(&self, item: &Item) -> bool {
        self.blocks.is_some() && !matches!(item, Item::Group(_))
    }
}

fn blocks(fleet: &Fleet, shape: Shape<'_>) -> Vec<Block> {
    let only = match shape.only {
        Some(Item::Group(key)) => Some(key),
        _ => None,
    };
    let mut blocks: Vec<Block> = Vec::with_capacity(fleet.groups());
    for group in fleet.group_rows(0, fleet.groups()) {
        if only.is_some_and(|only| only != group.key) {
            continue;
        }
        let under = match shape.unfolded.contains(&Item::Group(group.key.clone())) {
            false => Under::Nothing,
            true if group.key.class == Class::Running => Under::Rows(steps(fleet, shape.unfolded, group.hosts)),
            true => Under::Hosts,
        };
        blocks.push(Block { key: group.key.clone(), hosts: group.hosts, under });
    }
    if let Some(frozen) = shape.frozen {
        // what is new comes last, so that nothing moves
        blocks.sort_by_key(|block| frozen.get(&block.key).copied().unwrap_or(usize::MAX));
    }
    blocks
}

/// What stands under the running hosts: a row a step.
fn steps(fleet: &Fleet, unfolded: &BTreeSet<Item>, hosts: usize) -> Vec<Item> {
    let mut rows = Vec::new();
    let mut in_steps = 0;
    for (n, hosts) in fleet.running() {
        in_steps += hosts;
        rows.push(Item::Step(n));
        if unfolded.contains(&Item::Step(n)) {
            let longest = fleet.longest(Some(n), LONGEST);
            rows.extend(longest.into_iter().filter_map(|host| fleet.name(host.place).cloned().map(Item::Host)));
        }
    }
    if in_steps < hosts {
        rows.push(Item::Between);
    }
    rows
}
