//! A cursor that is bound to an item, not to a row, and the part of a list that is on the screen.

/// Where the cursor is in a list, and what of the list is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor<T> {
    /// The item under the cursor.
    pub at: Option<T>,
    /// The row of the list that the cursor is on, as last seen.
    pub row: usize,
    /// The first row of the list that is on the screen.
    pub top: usize,
}

impl<T> Default for Cursor<T> {
    fn default() -> Self {
        Self { at: None, row: 0, top: 0 }
    }
}

impl<T: Clone + PartialEq> Cursor<T> {
    /// Follows its item to where it is now among `count` items; one that is gone leaves the cursor where it was. The
    /// selected row keeps its place on a screen of `height` rows while others move.
    pub fn follow(
        &mut self,
        count: usize,
        height: usize,
        place: impl Fn(&T) -> Option<usize>,
        item: impl Fn(usize) -> Option<T>,
    ) {
        let on_screen = self.row.saturating_sub(self.top);
        match self.at.as_ref().and_then(&place) {
            Some(row) => {
                self.row = row;
                self.top = row.saturating_sub(on_screen);
            }
            None => {
                self.row = self.row.min(count.saturating_sub(1));
                self.at = item(self.row);
            }
        }
        self.scroll(count, height);
    }

    /// To another row.
    pub fn to(&mut self, row: usize, count: usize, height: usize, item: impl Fn(usize) -> Option<T>) {
        self.row = row.min(count.saturating_sub(1));
        self.at = item(self.row);
        self.scroll(count, height);
    }

    /// By so many rows, negative is up.
    pub fn by(&mut self, rows: isize, count: usize, height: usize, item: impl Fn(usize) -> Option<T>) {
        self.to(self.row.saturating_add_signed(rows), count, height, item);
    }

    fn scroll(&mut self, count: usize, height: usize) {
        let height = height.max(1);
        self.top = self.top.min(self.row).max((self.row + 1).saturating_sub(height)).min(count.saturating_sub(height.min(count)));
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn the_cursor_stays_with_its_item_and_the_item_keeps_its_place_on_the_screen() {
        let before = ["a", "b", "c", "d", "e", "f"];
        let mut cursor = Cursor::default();
        cursor.to(3, before.len(), 3, |row| before.get(row).copied());
        assert_eq!((cursor.at, cursor.row, cursor.top), (Some("d"), 3, 1));
        let after = ["x", "y", "a", "b", "c", "d", "e", "f"];
        let place = |item: &&str| after.iter().position(|other| other == item);
        cursor.follow(after.len(), 3, place, |row| after.get(row).copied());
        assert_eq!((cursor.at, cursor.row, cursor.top), (Some("d"), 5, 3));
    }

    #[test]
    fn an_item_that_is_gone_leaves_the_cursor_on_its_row() {
        let after = ["a", "b"];
        let mut cursor = Cursor { at: Some("z"), row: 5, top: 4 };
        cursor.follow(after.len(), 3, |_| None, |row| after.get(row).copied());
        assert_eq!((cursor.at, cursor.row, cursor.top), (Some("b"), 1, 0));
        cursor.follow(0, 3, |_| None, |_| None);
        assert_eq!((cursor.at, cursor.row, cursor.top), (None, 0, 0));
    }

    #[test]
    fn moving_stops_at_the_ends() {
        let items = ["a", "b", "c"];
        let mut cursor = Cursor::default();
        for (rows, want) in [(-1, "a"), (1, "b"), (9, "c"), (-isize::MAX, "a")] {
            cursor.by(rows, items.len(), 2, |row| items.get(row).copied());
            assert_eq!(cursor.at, Some(want));
        }
    }
}
