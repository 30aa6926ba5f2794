//! How long hosts took, and how many ended per minute; both in bounded room.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use crate::model::time::Timestamp;

/// Parts of each power of two.
const PARTS: usize = 32;
/// Powers of two of a number of milliseconds, those below [`PARTS`] in one.
const POWERS: usize = 60;
/// The minutes that are kept.
const MINUTES: i64 = 60;

/// Durations, counted in parts that are the finer the shorter they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Times {
    parts: Vec<u32>,
    all: usize,
}

impl Default for Times {
    fn default() -> Self {
        Self { parts: vec![0; PARTS * POWERS], all: 0 }
    }
}

impl Times {
    /// Counts `now` in place of `before`.
    pub(super) fn replace(&mut self, before: Option<Duration>, now: Option<Duration>) {
        if let Some(part) = before.and_then(|time| self.parts.get_mut(part(time))) {
            *part = part.saturating_sub(1);
            self.all = self.all.saturating_sub(1);
        }
        if let Some(part) = now.and_then(|time| self.parts.get_mut(part(time))) {
            *part = part.saturating_add(1);
            self.all += 1;
        }
    }

    /// The duration that `percent` of all are not longer than.
    pub(super) fn quantile(&self, percent: u8) -> Option<Duration> {
        let wanted = (self.all * usize::from(percent.min(100))).div_ceil(100).max(1);
        let mut seen = 0;
        let part = self.parts.iter().position(|hosts| {
            seen += usize::try_from(*hosts).unwrap_or(usize::MAX);
            seen >= wanted
        });
        part.map(middle)
    }
}

fn part(time: Duration) -> usize {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let power = usize::try_from(ms.max(1).ilog2()).unwrap_or(63);
    let low = usize::try_from(PARTS.ilog2()).unwrap_or(5);
    if power < low {
        return usize::try_from(ms).unwrap_or(0);
    }
    let inside = usize::try_from(ms >> (power - low)).unwrap_or(PARTS) - PARTS;
    (power - low + 1) * PARTS + inside
}

fn middle(part: usize) -> Duration {
    let (power, inside) = (part / PARTS, part % PARTS);
    if power == 0 {
        return Duration::from_millis(inside as u64);
    }
    let width = 1u64 << (power - 1);
    Duration::from_millis(((PARTS + inside) as u64).saturating_mul(width).saturating_add(width / 2))
}

/// How many hosts ended in each minute of the last hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pace(BTreeMap<i64, u64>);

impl Pace {
    /// Counts `now` in place of `before`.
    pub(super) fn replace(&mut self, before: Option<Timestamp>, now: Option<Timestamp>) {
        if let Some(Entry::Occupied(mut hosts)) = before.map(|at| self.0.entry(minute(at))) {
            *hosts.get_mut() -= 1;
            if *hosts.get() == 0 {
                hosts.remove();
            }
        }
        if let Some(at) = now {
            *self.0.entry(minute(at)).or_default() += 1;
        }
        while let (Some((first, _)), Some((last, _))) = (self.0.first_key_value(), self.0.last_key_value())
            && last - first >= MINUTES
        {
            self.0.pop_first();
        }
    }

    /// The last minutes, that of `now` last.
    pub(super) fn last(&self, now: Timestamp, minutes: usize) -> Vec<u64> {
        let count = i64::try_from(minutes).unwrap_or(MINUTES).min(MINUTES);
        let last = minute(now);
        (last - count + 1..=last).map(|minute| self.0.get(&minute).copied().unwrap_or_default()).collect()
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(60_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Pace, Times, middle, part};
    use crate::model::time::Timestamp;

    #[test]
    fn a_duration_is_known_within_two_percent() {
        for ms in (0..5_000).chain([60_000, 111_000, 3_600_000, 86_400_000, u64::MAX]) {
            let told = middle(part(Duration::from_millis(ms))).as_millis();
            assert!(told.abs_diff(u128::from(ms)) * 50 <= u128::from(ms).max(1) + 1, "{ms}: {told}");
        }
    }

    #[test]
    fn the_median_and_the_slow_end_are_told_and_taken_back() {
        let mut times = Times::default();
        assert_eq!(times.quantile(50), None);
        for seconds in 1..=100 {
            times.replace(None, Some(Duration::from_secs(seconds)));
        }
        let about = |percent: u8| times.quantile(percent).map(|time| (time.as_secs_f64() / 2.0).round() * 2.0);
        assert_eq!((about(50), about(95), about(100)), (Some(50.0), Some(96.0), Some(100.0)));
        for seconds in 51..=100 {
            times.replace(Some(Duration::from_secs(seconds)), None);
        }
        assert_eq!(times.quantile(100).map(|time| time.as_secs_f64().round()), Some(50.0));
    }

    #[test]
    fn ends_are_counted_by_the_minute_for_an_hour() {
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000 + 59_999);
        let mut pace = Pace::default();
        for minute in [0, 8, 9, 9, 10] {
            pace.replace(None, Some(at(minute)));
        }
        assert_eq!(pace.last(at(10), 3), [1, 2, 1]);
        assert_eq!(pace.last(at(11), 3), [2, 1, 0]);
        pace.replace(Some(at(9)), Some(at(70)));
        assert_eq!(pace.last(at(70), 3), [0, 0, 1]);
        assert_eq!(pace.0.len(), 1, "what is an hour old is forgotten");
        assert_eq!(pace.last(at(70), 1_000).len(), 60);
    }
}
