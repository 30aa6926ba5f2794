//! Orders of hosts that the fleet does not keep by itself: by name, by time, and as they stood when the list was frozen.

use crate::model::time::Timestamp;
use crate::tui::model::Watched;
use crate::tui::screen::run::Sort;

/// The order of hosts, fixed until it is made anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Order {
    places: Vec<usize>,
    rows: Vec<usize>,
}

impl Order {
    /// The order in which these places come.
    pub(super) fn of(places: Vec<usize>) -> Self {
        let mut rows = vec![0; places.len()];
        for (row, place) in places.iter().enumerate() {
            if let Some(slot) = rows.get_mut(*place) {
                *slot = row;
            }
        }
        Self { places, rows }
    }

    /// How many hosts it is of.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The places on some rows.
    pub(super) fn places(&self, from: usize, count: usize) -> Vec<usize> {
        self.places.iter().skip(from).take(count).copied().collect()
    }

    /// The row of a place.
    pub(super) fn row_of(&self, place: usize) -> Option<usize> {
        self.rows.get(place).copied()
    }
}

/// The order of hosts of a list that is not sorted by problems, which the fleet knows by itself.
pub(super) fn order(watched: &Watched, sort: Sort, now: Timestamp) -> Option<(Order, Timestamp)> {
    match sort {
        Sort::Problems => None,
        Sort::Name => {
            let mut places: Vec<usize> = (0..watched.fleet.len()).collect();
            places.sort_by_key(|place| watched.fleet.name(*place));
            Some((Order::of(places), now))
        }
        Sort::Time => Some((by_time(watched, now), now)),
    }
}

/// The longest first; those that have not begun last.
pub(super) fn by_time(watched: &Watched, now: Timestamp) -> Order {
    let run = &watched.run;
    let end = run.finished.as_ref().map_or(now, |finished| finished.at);
    let time = |place: usize| {
        let host = run.hosts.get(watched.fleet.name(place)?)?;
        Some(host.finished.unwrap_or(end).since(host.started?))
    };
    let mut places: Vec<usize> = (0..watched.fleet.len()).collect();
    places.sort_by_cached_key(|place| (std::cmp::Reverse(time(*place)), *place));
    Order::of(places)
}
