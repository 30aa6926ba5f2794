//! The worst class of any range of places: a tree over the places, in which each node is the worse of the two below it.

use crate::state::class::Class;

/// What each place stands as; node 1 is the root, the children of `n` are `2n` and `2n + 1`, and the places are the
/// second half.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Worst(Vec<Class>);

impl Worst {
    /// So many places, all alike.
    pub(super) fn new(places: usize, class: Class) -> Self {
        Self(vec![class; places * 2])
    }

    /// What each place stands as.
    pub(super) fn all(&self) -> &[Class] {
        &self.0[self.0.len() / 2..]
    }

    /// What a place stands as; it must be one.
    pub(super) fn get(&self, place: usize) -> Class {
        self.all()[place]
    }

    /// Sets what a place stands as.
    pub(super) fn set(&mut self, place: usize, class: Class) {
        let mut node = self.0.len() / 2 + place;
        self.0[node] = class;
        while node > 1 {
            node /= 2;
            self.0[node] = self.0[2 * node].min(self.0[2 * node + 1]);
        }
    }

    /// The worst of the places from `from` to before `to`.
    pub(super) fn between(&self, from: usize, to: usize) -> Option<Class> {
        let places = self.0.len() / 2;
        let (mut low, mut high) = (from + places, to.min(places) + places);
        let mut worst: Option<Class> = None;
        let mut take = |class: Class| worst = Some(worst.map_or(class, |other| other.min(class)));
        while low < high {
            if low % 2 == 1 {
                take(self.0[low]);
                low += 1;
            }
            if high % 2 == 1 {
                high -= 1;
                take(self.0[high]);
            }
            (low, high) = (low / 2, high / 2);
        }
        worst
    }
}
