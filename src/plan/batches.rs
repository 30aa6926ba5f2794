//! How hosts are sorted and cut into batches, and how many can be left broken at worst.

use std::collections::{BTreeMap, VecDeque};

use sha2::{Digest, Sha256};

use crate::model::host::Host;
use crate::model::plan::{BatchSize, Order, Rollout};

/// How a tag begins that names an availability zone.
const ZONE: &str = "az-";

/// Sorts hosts, given as in the file. `salt` mixes [`Order::Random`]: the same one always gives the same order, so that
/// a preview and its run agree.
pub fn sort<'h>(order: Order, hosts: Vec<&'h Host>, salt: &str) -> Vec<&'h Host> {
    match order {
        Order::Inventory => hosts,
        Order::Random => {
            let mut hosts = hosts;
            hosts.sort_by_cached_key(|host| Sha256::digest(format!("{salt}\0{}", host.name)).to_vec());
            hosts
        }
        Order::AzSpread => spread(hosts),
    }
}

/// The next host is always of the zone with the most hosts left that is not the zone of the one before, so that two
/// neighbours share a zone only where nothing else is left.
fn spread(hosts: Vec<&Host>) -> Vec<&Host> {
    let mut zones: Vec<(&str, VecDeque<&Host>)> = Vec::new();
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    for host in hosts {
        let zone = host.tags.iter().find(|tag| tag.starts_with(ZONE)).map_or("", String::as_str);
        let at = *index.entry(zone).or_insert_with(|| {
            zones.push((zone, VecDeque::new()));
            zones.len() - 1
        });
        zones[at].1.push_back(host);
    }
    let mut sorted = Vec::new();
    let mut before = None;
    loop {
        let fullest = |not: Option<usize>| {
            let open = zones.iter().enumerate().filter(|(at, (_, left))| Some(*at) != not && !left.is_empty());
            // of equal ones the first in the file
            open.max_by_key(|(at, (_, left))| (left.len(), std::cmp::Reverse(*at))).map(|(at, _)| at)
        };
        let Some(at) = fullest(before).or_else(|| fullest(None)) else { return sorted };
        sorted.extend(zones[at].1.pop_front());
        before = Some(at);
    }
}

/// Cuts so many lanes into batches; the last size repeats.
pub fn cut(sizes: &[BatchSize], total: usize) -> Vec<Vec<usize>> {
    let mut batches = Vec::new();
    let mut from = 0;
    let mut size = sizes.iter();
    let mut last = BatchSize::Percent(100);
    while from < total {
        last = size.next().copied().unwrap_or(last);
        let to = from.saturating_add(last.of(total).max(1)).min(total);
        batches.push((from..to).collect());
        from = to;
    }
    batches
}

/// The most hosts whose steps can fail before the run stops by itself. The canary must end well as a whole; a later
/// batch starts while fewer than `max_failures` hosts have failed, and may then fail as a whole. What is broken is out
/// of service, so that `max_out` bounds it too.
pub fn at_worst(batches: &[Vec<usize>], rollout: &Rollout) -> usize {
    let total: usize = batches.iter().map(Vec::len).sum();
    let before = rollout.max_failures.of(total).saturating_sub(1);
    // hosts of earlier batches can only have failed if there are so many, and not in the canary
    let mut earlier = 0;
    let mut worst = 0;
    for (n, batch) in batches.iter().enumerate() {
        let failed_before = before.min(earlier);
        worst = worst.max(failed_before + batch.len());
        if n > 0 {
            earlier += batch.len();
        }
    }
    rollout.max_out.map_or(worst, |out| worst.min(out.of(total)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::{at_worst, cut, sort};
    use crate::model::host::Host;
    use crate::model::id::HostName;
    use crate::model::plan::{BatchSize, Order, Rollout};

    const SIZES: [BatchSize; 9] = [
        BatchSize::Count(1),
        BatchSize::Count(2),
        BatchSize::Count(5),
        BatchSize::Count(12),
        BatchSize::Count(100),
        BatchSize::Percent(1),
        BatchSize::Percent(25),
        BatchSize::Percent(50),
        BatchSize::Percent(100),
    ];

    fn host(name: usize, zone: Option<&str>) -> Host {
        Host {
            name: HostName::parse(&format!("h{name}")).expect("a name"),
            address: "x".to_owned(),
            port: 22,
            user: "u".to_owned(),
            identity: None,
            known_hosts: Vec::new(),
            host_key_alias: None,
            instance_id: None,
            tags: zone.map(|zone| vec!["blue".to_owned(), zone.to_owned()]).unwrap_or_default(),
            groups: Vec::new(),
            protected: false,
            vars: BTreeMap::new(),
        }
    }

    /// Every list of up to three sizes.
    fn lists() -> Vec<Vec<BatchSize>> {
        let mut lists = Vec::new();
        for a in SIZES {
            lists.push(vec![a]);
            for b in SIZES {
                lists.push(vec![a, b]);
                lists.extend(SIZES.iter().map(|c| vec![a, b, *c]));
            }
        }
        lists
    }

    #[test]
    fn every_list_cuts_every_fleet_up_to_twelve_into_all_of_its_hosts_in_order() {
        for sizes in lists() {
            for total in 1..=12_usize {
                let batches = cut(&sizes, total);
                let flat: Vec<usize> = batches.iter().flatten().copied().collect();
                assert_eq!(flat, (0..total).collect::<Vec<_>>(), "{sizes:?} of {total}");
                for (n, batch) in batches.iter().enumerate() {
                    let wanted = sizes.get(n).or(sizes.last()).map_or(total, |size| size.of(total));
                    let is_last = n + 1 == batches.len();
                    let fits = if is_last { !batch.is_empty() && batch.len() <= wanted } else { batch.len() == wanted };
                    assert!(fits, "{sizes:?} of {total}: batch {n} has {}", batch.len());
                }
            }
        }
        assert_eq!(cut(&[BatchSize::Count(1)], 0), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn the_example_of_the_contract() {
        let sizes = [BatchSize::Count(1), BatchSize::Percent(50), BatchSize::Percent(100)];
        assert_eq!(cut(&sizes, 6).iter().map(Vec::len).collect::<Vec<_>>(), [1, 3, 2]);
    }

    /// Plays every way in which the hosts of a fleet can fail, by the rules of the gates.
    fn played(batches: &[Vec<usize>], max_failures: usize, total: usize) -> usize {
        let mut worst = 0;
        for fails in 0..(1_u32 << total) {
            let mut failed = 0;
            for (n, batch) in batches.iter().enumerate() {
                let here = batch.iter().filter(|host| fails & (1 << **host) != 0).count();
                failed += here;
                worst = worst.max(failed);
                if (n == 0 && here > 0) || failed >= max_failures {
                    break;
                }
            }
        }
        worst
    }

    #[test]
    fn the_worst_case_is_the_worst_of_all_cases() {
        for sizes in lists().into_iter().filter(|sizes| sizes.len() < 3) {
            for total in [1, 2, 3, 5, 6, 9, 12] {
                for max in [1, 2, 3, 12] {
                    let batches = cut(&sizes, total);
                    let rollout = Rollout { max_failures: BatchSize::Count(max), soak: Duration::ZERO, ..Rollout::default() };
                    assert_eq!(at_worst(&batches, &rollout), played(&batches, max, total), "{sizes:?} of {total}, max {max}");
                }
            }
        }
    }

    #[test]
    fn neighbours_are_in_different_zones_wherever_they_can_be() {
        let zones = [Some("az-a"), Some("az-b"), Some("az-c"), None];
        for total in 1..=8_u32 {
            for mix in 0..4_u32.pow(total) {
                let of = |n: u32| (mix / 4_u32.pow(n) % 4) as usize;
                let hosts: Vec<Host> = (0..total).map(|n| host(n as usize, zones[of(n)])).collect();
                let sorted = sort(Order::AzSpread, hosts.iter().collect(), "x");
                let mut counts = [0_usize; 4];
                (0..total).for_each(|n| counts[of(n)] += 1);
                let zone = |h: &&Host| h.tags.get(1).cloned();
                let clashes = sorted.windows(2).filter(|pair| zone(&pair[0]) == zone(&pair[1])).count();
                let most = counts.iter().max().copied().unwrap_or(0);
                let unavoidable = (2 * most).saturating_sub(total as usize + 1);
                assert_eq!(clashes, unavoidable, "{counts:?}");
                let mut names: Vec<&str> = sorted.iter().map(|h| h.name.as_str()).collect();
                names.sort_unstable();
                assert_eq!(names.len(), hosts.len());
                names.dedup();
                assert_eq!(names.len(), hosts.len());
            }
        }
    }

    #[test]
    fn a_random_order_is_the_same_each_time() {
        let hosts: Vec<Host> = (0..12).map(|n| host(n, None)).collect();
        let names =
            |salt| sort(Order::Random, hosts.iter().collect(), salt).iter().map(|h| h.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names("a"), names("a"));
        assert_ne!(names("a"), names("b"));
        assert_ne!(names("a"), hosts.iter().map(|h| h.name.to_string()).collect::<Vec<_>>());
    }
}
