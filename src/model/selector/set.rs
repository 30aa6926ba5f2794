//! A set of hosts by their places in the inventory: a bit each, since one selector may name thousands.

/// Which hosts of a fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostSet {
    words: Vec<u64>,
    count: usize,
}

impl HostSet {
    /// None of `count` hosts.
    pub(super) fn none(count: usize) -> Self {
        Self { words: vec![0; count.div_ceil(64)], count }
    }

    /// All of `count` hosts.
    pub(super) fn all(count: usize) -> Self {
        Self::none(count).not()
    }

    pub(super) fn insert(&mut self, at: usize) {
        if let Some(word) = self.words.get_mut(at / 64).filter(|_| at < self.count) {
            *word |= 1 << (at % 64);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// Those that are not in it.
    pub(super) fn not(mut self) -> Self {
        self.words.iter_mut().for_each(|word| *word = !*word);
        if let Some(last) = self.words.last_mut().filter(|_| !self.count.is_multiple_of(64)) {
            *last &= (1 << (self.count % 64)) - 1;
        }
        self
    }

    /// Keeps those that are in `other` too.
    pub(super) fn and(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word &= other);
    }

    /// Adds those of `other`.
    pub(super) fn or(&mut self, other: &Self) {
        self.words.iter_mut().zip(&other.words).for_each(|(word, other)| *word |= other);
    }

    /// The places, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().filter(|(_, word)| **word != 0).flat_map(|(at, word)| {
            let bit = move |bit: &usize| word & (1 << bit) != 0;
            (0..64).filter(bit).map(move |bit| at * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::HostSet;

    #[test]
    fn a_set_knows_only_its_hosts() {
        for count in [0, 1, 63, 64, 65, 128, 200] {
            let all: Vec<usize> = HostSet::all(count).iter().collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            assert_eq!(HostSet::all(count).not(), HostSet::none(count));
            let mut one = HostSet::none(count);
            one.insert(count);
            assert!(one.is_empty(), "there is no host {count} of {count}");
        }
    }
}
