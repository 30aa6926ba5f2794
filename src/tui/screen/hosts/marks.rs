//! Which hosts are selected, by their places in the inventory, and the way back.

use std::collections::VecDeque;

/// So many markings can be taken back.
const STEPS: usize = 100;

/// The selection.
#[derive(Debug, Default)]
pub(super) struct Marks {
    on: Vec<bool>,
    count: usize,
    undo: VecDeque<Vec<usize>>,
    changes: u64,
}

impl Marks {
    /// Of an inventory of so many hosts, these.
    pub(super) fn new(count: usize, marked: impl IntoIterator<Item = usize>) -> Self {
        let mut marks = Self { on: vec![false; count], ..Self::default() };
        marks.flip(marked.into_iter().collect());
        marks.undo.clear();
        marks
    }

    pub(super) fn has(&self, host: usize) -> bool {
        self.on.get(host).copied().unwrap_or(false)
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many times it has changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The selected hosts in the order of the inventory.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.on.iter().enumerate().filter(|(_, on)| **on).map(|(host, _)| host)
    }

    /// Marks or unmarks hosts; how many that changes.
    pub(super) fn set(&mut self, hosts: impl IntoIterator<Item = usize>, on: bool) -> usize {
        let mut changed: Vec<usize> = hosts.into_iter().filter(|host| self.has(*host) != on).collect();
        changed.sort_unstable();
        changed.dedup();
        self.flip(changed)
    }

    /// Marks those that are not and unmarks those that are; each host stands once in the list.
    pub(super) fn flip(&mut self, hosts: Vec<usize>) -> usize {
        if hosts.is_empty() {
            return 0;
        }
        self.turn(&hosts);
        let changed = hosts.len();
        if self.undo.len() == STEPS {
            self.undo.pop_front();
        }
        self.undo.push_back(hosts);
        changed
    }

    /// Takes the last marking back; how many hosts that was, none where there is nothing to take back.
    pub(super) fn undo(&mut self) -> Option<usize> {
        let hosts = self.undo.pop_back()?;
        self.turn(&hosts);
        Some(hosts.len())
    }

    fn turn(&mut self, hosts: &[usize]) {
        self.changes += 1;
        for host in hosts {
            let Some(on) = self.on.get_mut(*host) else { continue };
            *on = !*on;
            self.count = if *on { self.count + 1 } else { self.count - 1 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Marks, STEPS};

    #[test]
    fn markings_are_taken_back_one_by_one_and_not_without_end() {
        let mut marks = Marks::new(5, [4]);
        assert_eq!(marks.undo(), None, "what was there at first is no marking");
        assert_eq!((marks.set([0, 1, 1], true), marks.set([1, 4], false), marks.count()), (2, 2, 1));
        assert_eq!((marks.undo(), marks.iter().collect::<Vec<_>>()), (Some(2), vec![0, 1, 4]));
        assert_eq!((marks.undo(), marks.iter().collect::<Vec<_>>()), (Some(2), vec![4]));
        (0..STEPS + 1).for_each(|_| _ = marks.flip(vec![0]));
        assert_eq!((0..=STEPS).filter_map(|_| marks.undo()).count(), STEPS);
    }
}
