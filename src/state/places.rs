//! A set of places in a list, in order, that tells its n-th member without walking to it.

/// The most places in one piece.
const PIECE: usize = 512;

/// Places in ascending order, in pieces so that adding one to many moves little.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    pieces: Vec<Vec<u32>>,
    len: usize,
}

impl Places {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a place; whether it was not there.
    pub fn add(&mut self, place: usize) -> bool {
        let Ok(place) = u32::try_from(place) else { return false };
        let at = self.piece(place);
        let Some(piece) = self.pieces.get_mut(at) else {
            self.pieces.push(vec![place]);
            self.len += 1;
            return true;
        };
        let Err(inside) = piece.binary_search(&place) else { return false };
        piece.insert(inside, place);
        if piece.len() > PIECE {
            let rest = piece.split_off(PIECE / 2);
            self.pieces.insert(at + 1, rest);
        }
        self.len += 1;
        true
    }

    /// Takes a place out; whether it was there.
    pub fn remove(&mut self, place: usize) -> bool {
        let Ok(place) = u32::try_from(place) else { return false };
        let at = self.piece(place);
        let Some(piece) = self.pieces.get_mut(at) else { return false };
        let Ok(inside) = piece.binary_search(&place) else { return false };
        piece.remove(inside);
        if piece.is_empty() {
            self.pieces.remove(at);
        }
        self.len -= 1;
        true
    }

    /// How many come before `place`.
    pub fn before(&self, place: usize) -> usize {
        let Ok(place) = u32::try_from(place) else { return self.len };
        let at = self.piece(place);
        let whole: usize = self.pieces.iter().take(at).map(Vec::len).sum();
        let part = self.pieces.get(at).map_or(0, |piece| piece.partition_point(|other| *other < place));
        whole + part
    }

    /// Whether `place` is among them.
    pub fn has(&self, place: usize) -> bool {
        let Ok(place) = u32::try_from(place) else { return false };
        self.pieces.get(self.piece(place)).is_some_and(|piece| piece.binary_search(&place).is_ok())
    }

    /// The places from the `from`-th on, in order.
    pub fn from(&self, from: usize) -> impl Iterator<Item = usize> + '_ {
        let (mut skip, mut at) = (from, 0);
        while let Some(piece) = self.pieces.get(at).filter(|piece| piece.len() <= skip) {
            skip -= piece.len();
            at += 1;
        }
        self.pieces.iter().skip(at).flatten().skip(skip).filter_map(|place| usize::try_from(*place).ok())
    }

    /// The first one.
    pub fn first(&self) -> Option<usize> {
        self.from(0).next()
    }

    /// The piece in which `place` is or belongs: the first one that does not end before it, else the last.
    fn piece(&self, place: u32) -> usize {
        let at = self.pieces.partition_point(|piece| piece.last().is_some_and(|last| *last < place));
        at.min(self.pieces.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Places;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_sorted_set_of_what_was_added(moves in prop::collection::vec((any::<bool>(), 0usize..3_000), 0..2_500)) {
            let (mut places, mut plain) = (Places::default(), BTreeSet::new());
            for (add, place) in moves {
                if add || place % 3 == 0 {
                    prop_assert_eq!(places.add(place), plain.insert(place));
                } else {
                    prop_assert_eq!(places.remove(place), plain.remove(&place));
                }
            }
            prop_assert_eq!(places.len(), plain.len());
            prop_assert_eq!(places.from(0).collect::<Vec<_>>(), plain.iter().copied().collect::<Vec<_>>());
            for from in [0, 1, 511, 512, 700, plain.len()] {
                prop_assert_eq!(places.from(from).next(), plain.iter().nth(from).copied());
            }
            for place in [0, 7, 1_500, 2_999, 3_500] {
                prop_assert_eq!(places.before(place), plain.range(..place).count());
                prop_assert_eq!(places.has(place), plain.contains(&place));
            }
        }
    }

    #[test]
    fn many_places_split_into_pieces_and_keep_their_order() {
        let mut places = Places::default();
        for place in (0..5_000).rev() {
            assert!(places.add(place));
        }
        assert_eq!(places.from(4_321).take(2).collect::<Vec<_>>(), [4_321, 4_322]);
        assert_eq!(places.before(777), 777);
    }
}
