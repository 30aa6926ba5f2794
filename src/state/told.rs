//! Entries of a story that say the same of several hosts at the same time: a batch of hosts goes through the same steps
//! side by side, and what is the same is told once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::id::HostName;
use crate::state::timeline::{Entry, Mark, Source};

/// What is said within this time is said at the same time.
pub const SAME_TIME: Duration = Duration::from_secs(2);

/// Entries that are told as one, by their places in the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The first of them.
    pub first: usize,
    /// All of them, in order; where there are several, each is about another host.
    pub all: Vec<usize>,
}

/// What entries that are told as one have in common.
type Same<'e> = (&'e str, Source, bool, Option<(bool, u64)>);

/// The entries that are shown, each with those that say the same of other hosts within a time. No time: each by itself.
pub fn told(entries: &[Entry], within: Duration, shown: impl Fn(&Entry) -> bool) -> Vec<Told> {
    let mut lines: Vec<Told> = Vec::new();
    let mut alike: BTreeMap<Same<'_>, Vec<usize>> = BTreeMap::new();
    let mut hosts: BTreeSet<(usize, &HostName)> = BTreeSet::new();
    for (place, entry) in entries.iter().enumerate().filter(|(_, entry)| shown(entry)) {
        let Some(host) = entry.host.as_ref().filter(|_| !within.is_zero()) else {
            lines.push(Told { first: place, all: vec![place] });
            continue;
        };
        let known = alike.entry(same(entry)).or_default();
        let near = known.iter().rev().take_while(|line| entry.at.since(entries[lines[**line].first].at) <= within);
        let line = near.copied().find(|line| !hosts.contains(&(*line, host))).unwrap_or(lines.len());
        if let Some(line) = lines.get_mut(line) {
            line.all.push(place);
        } else {
            known.push(line);
            lines.push(Told { first: place, all: vec![place] });
        }
        hosts.insert((line, host));
    }
    lines
}

fn same(entry: &Entry) -> Same<'_> {
    let mark = entry.mark.map(|mark| match mark {
        Mark::Open => (true, 0),
        Mark::Closed(open) => (false, open.as_secs()),
    });
    (&entry.text, entry.who, entry.bad, mark)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{SAME_TIME, told};
    use crate::model::id::HostName;
    use crate::model::time::Timestamp;
    use crate::state::timeline::{Entry, Source};

    fn entry(ms: i64, host: Option<&str>, text: &str) -> Entry {
        let host = host.map(|host| HostName::parse(host).expect("a name"));
        let (at, text) = (Timestamp::from_millis(ms), text.to_owned());
        Entry { at, since_start: None, host, who: Source::Run, text, mark: None, bad: false, step: None, evidence: Vec::new() }
    }

    #[test]
    fn hosts_that_do_the_same_at_the_same_time_are_told_once() {
        let entries = [
            entry(0, Some("a"), "ok"),
            entry(500, Some("b"), "ok"),
            entry(900, Some("a"), "ok"),
            entry(1_000, None, "ok"),
            entry(1_900, Some("c"), "other"),
            entry(9_000, Some("c"), "ok"),
        ];
        let all = |within| told(&entries, within, |_| true).into_iter().map(|line| line.all).collect::<Vec<_>>();
        assert_eq!(all(SAME_TIME), [vec![0, 1], vec![2], vec![3], vec![4], vec![5]]);
        assert_eq!(all(Duration::from_secs(60)), [vec![0, 1], vec![2, 5], vec![3], vec![4]]);
        assert_eq!(all(Duration::ZERO).len(), 6);
        assert_eq!(told(&entries, SAME_TIME, |entry| entry.text == "other").len(), 1);
    }
}
