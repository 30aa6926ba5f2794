//! Restart counters over time, and numbers as the levels of a sparkline.

use std::collections::BTreeMap;

use crate::model::event::{Event, EventKind};
use crate::model::id::HostName;
use crate::model::time::Timestamp;
use crate::state::timeline::restarts;

/// The most points that are kept of one counter.
pub const POINTS: usize = 120;
/// The most apps of one host that are followed.
const APPS: usize = 32;
/// The highest level.
const TOP: u64 = 7;

/// The restart counters of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    counters: BTreeMap<HostName, BTreeMap<String, Counter>>,
}

/// One counter over time: readings at even distances, and the last one.
#[derive(Debug, Clone, PartialEq)]
pub struct Counter {
    points: Vec<(Timestamp, u64)>,
    last: (Timestamp, u64),
    read: usize,
    every: usize,
}

impl Series {
    /// Takes one more event in.
    pub fn apply(&mut self, event: &Event) {
        let EventKind::StepJudged { host, step, note, .. } = &event.kind else { return };
        for (app, value) in restarts(note) {
            let apps = self.counters.entry(host.clone()).or_default();
            let app = app.unwrap_or_else(|| step.to_string());
            if let Some(counter) = apps.get_mut(&app) {
                counter.add(event.ts, value);
            } else if apps.len() < APPS {
                apps.insert(app, Counter::new(event.ts, value));
            }
        }
    }

    /// The counters of a host with the names of their apps, as the host says them.
    pub fn of(&self, host: &HostName) -> impl Iterator<Item = (&str, &Counter)> {
        self.counters.get(host).into_iter().flatten().map(|(app, counter)| (app.as_str(), counter))
    }

    /// The counter of a host that has moved most, of equals the first by name.
    pub fn liveliest(&self, host: &HostName) -> Option<(&str, &Counter)> {
        self.of(host).min_by_key(|(_, counter)| std::cmp::Reverse(counter.delta().unsigned_abs()))
    }
}

impl Counter {
    fn new(at: Timestamp, value: u64) -> Self {
        Self { points: vec![(at, value)], last: (at, value), read: 1, every: 1 }
    }

    fn add(&mut self, at: Timestamp, value: u64) {
        self.last = (at, value);
        if self.read.is_multiple_of(self.every) {
            if self.points.len() == POINTS {
                let mut kept = 0..;
                self.points.retain(|_| kept.next().is_some_and(|n: usize| n.is_multiple_of(2)));
                self.every = self.every.saturating_mul(2);
            }
            if self.read.is_multiple_of(self.every) {
                self.points.push((at, value));
            }
        }
        self.read = self.read.saturating_add(1);
    }

    /// When it was read and what it said, oldest first: at most [`POINTS`] readings at even distances.
    pub fn points(&self) -> &[(Timestamp, u64)] {
        &self.points
    }

    /// The first reading.
    pub fn first(&self) -> (Timestamp, u64) {
        self.points.first().copied().unwrap_or(self.last)
    }

    /// The last reading.
    pub fn last(&self) -> (Timestamp, u64) {
        self.last
    }

    /// By how much it has moved since the first reading; less than nothing where it was reset.
    pub fn delta(&self) -> i64 {
        let (first, last) = (self.first().1, self.last.1);
        i64::try_from(i128::from(last) - i128::from(first)).unwrap_or(if last > first { i64::MAX } else { i64::MIN })
    }

    /// The counter as at most `width` levels of a sparkline, from 0 to 7; the last one is the last reading.
    pub fn levels(&self, width: usize) -> Vec<u8> {
        let mut values: Vec<u64> = self.points.iter().map(|(_, value)| *value).collect();
        if self.points.last() != Some(&self.last) {
            values.push(self.last.1);
        }
        levels(&values, width)
    }
}

/// Numbers as at most `width` levels of a sparkline, the least as 0 and the greatest as 7; where there are more numbers
/// than columns, each column is the last number of its part.
pub fn levels(values: &[u64], width: usize) -> Vec<u8> {
    let columns = width.min(values.len());
    let (Some(low), Some(high)) = (values.iter().min(), values.iter().max()) else { return Vec::new() };
    let level = |value: u64| {
        let part = u128::from(value - low) * u128::from(TOP);
        // where nothing moves, nothing is high
        u8::try_from(part.div_ceil(u128::from(high - low).max(1)).min(u128::from(TOP))).unwrap_or(0)
    };
    (1..=columns).filter_map(|column| values.get(column * values.len() / columns - 1)).map(|value| level(*value)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Counter, POINTS, Series, levels};
    use crate::model::event::{Event, EventKind};
    use crate::model::id::{HostName, RunId, StepId};
    use crate::model::step::Note;
    use crate::model::time::Timestamp;
    use serde_json::json;

    fn at(n: i64) -> Timestamp {
        Timestamp::from_millis(n * 1_000)
    }

    fn judged(n: i64, note: Note) -> Event {
        let kind = EventKind::StepJudged {
            host: HostName::parse("web-1").expect("a name"),
            step: StepId::parse("watch").expect("an id"),
            look: 1,
            note,
        };
        Event { seq: n.unsigned_abs(), ts: at(n), run: RunId::parse("7f3a9c").expect("an id"), kind }
    }

    #[test]
    fn levels_span_the_numbers_and_keep_the_last_one() {
        assert_eq!(levels(&[], 9), Vec::<u8>::new());
        assert_eq!(levels(&[5, 5, 5], 9), [0, 0, 0], "what does not move is not high");
        assert_eq!(levels(&[0, 1, 2, 3, 4, 5, 6, 7], 8), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(levels(&[0, 9, 0, 7, 0, 14], 3), [5, 4, 7]);
        assert_eq!(levels(&[0, u64::MAX], 2), [0, 7]);
        assert_eq!(levels(&[1, 2], 0), Vec::<u8>::new());
        assert_eq!(levels(&[0, 1, 1_000], 3), [0, 1, 7], "what has moved is seen to have moved");
    }

    #[test]
    fn many_readings_are_thinned_evenly_and_the_ends_stay() {
        let mut counter = Counter::new(at(0), 0);
        for n in 1..10_000_i64 {
            counter.add(at(n), n.unsigned_abs());
            assert!(counter.points().len() <= POINTS);
        }
        let gaps: Vec<u64> = counter.points().windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
        assert!(gaps.iter().all(|gap| *gap == gaps[0]), "{gaps:?}");
        assert!(counter.points().len() > POINTS / 3);
        assert_eq!((counter.first(), counter.last()), ((at(0), 0), (at(9_999), 9_999)));
        assert_eq!(counter.delta(), 9_999);
        assert_eq!(counter.levels(10).last(), Some(&7));
    }

    #[test]
    fn counters_are_told_apart_by_host_and_app() {
        let mut series = Series::default();
        series.apply(&judged(1, Note::new("looping", "x").value("app", "api").value("restarts", 41)));
        let both = json!([{"name": "api", "before": 43, "after": 44}, {"name": "proxy", "restarts": 3}]);
        series.apply(&judged(2, Note::new("looping", "x").value("entries", both)));
        series.apply(&judged(3, Note::new("ok", "x").value("restarts", 7)));
        let host = HostName::parse("web-1").expect("a name");
        let told: Vec<(&str, u64, i64)> = series.of(&host).map(|(app, c)| (app, c.last().1, c.delta())).collect();
        assert_eq!(told, [("api", 44, 3), ("proxy", 3, 0), ("watch", 7, 0)]);
        assert_eq!(series.liveliest(&host).map(|(app, _)| app), Some("api"));
        assert_eq!(series.of(&HostName::parse("web-2").expect("a name")).count(), 0);
    }

    #[test]
    fn a_host_does_not_fill_the_memory_with_apps() {
        let mut series = Series::default();
        for n in 0..100 {
            series.apply(&judged(n, Note::new("x", "x").value("app", format!("app-{n}")).value("restarts", 1)));
        }
        assert_eq!(series.of(&HostName::parse("web-1").expect("a name")).count(), 32);
    }
}
