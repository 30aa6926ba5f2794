//! The other way round: hosts into a short selector that names exactly them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::hostset::fold;
use crate::model::id::HostName;
use crate::model::inventory::{Group, Inventory};
use crate::model::selector::Selector;

/// The longest term that is written; what is read may be a little longer.
const LONGEST: usize = 400;
/// More names than this never make one term: a set of numbers has a bound too.
const MOST: usize = 5_000;

impl Inventory {
    /// A short selector of exactly these hosts: `all`, `@group`, groups and names joined by commas, or names alone. Empty
    /// where there are none.
    pub fn selector_of(&self, hosts: &[HostName]) -> String {
        let wanted: BTreeSet<&HostName> = hosts.iter().collect();
        if wanted.is_empty() {
            return String::new();
        }
        let place: BTreeMap<&HostName, usize> = self.hosts.iter().enumerate().map(|(at, host)| (&host.name, at)).collect();
        if !wanted.iter().all(|host| place.contains_key(*host)) {
            return names(hosts);
        }
        if wanted.len() == self.hosts.len() {
            return "all".to_owned();
        }
        let plain = names(hosts);
        let grouped = self.in_groups(hosts, &wanted);
        // what was written is read again: a host may be called like a word of the language
        let exact = |text: &str| {
            let read = Selector::parse(text).and_then(|selector| self.select(&selector));
            read.is_ok_and(|found| found.len() == wanted.len() && found.iter().all(|host| wanted.contains(host)))
        };
        match grouped.filter(|text| text.len() < plain.len() && exact(text)) {
            Some(text) => text,
            None => plain,
        }
    }

    /// The groups that lie wholly in it, the largest taken first, and the names of the rest; none where no group does.
    fn in_groups(&self, hosts: &[HostName], wanted: &BTreeSet<&HostName>) -> Option<String> {
        let mut whole: Vec<(usize, &Group)> = self
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| !group.hosts.is_empty() && group.hosts.len() <= wanted.len())
            .filter(|(_, group)| group.hosts.iter().all(|host| wanted.contains(host)))
            .collect();
        whole.sort_by_key(|(_, group)| std::cmp::Reverse(group.hosts.len()));
        let mut left = wanted.clone();
        let mut taken = Vec::new();
        for (at, group) in whole {
            let new = group.hosts.iter().filter(|host| left.contains(host)).count();
            if new > 1 || new == left.len() && new > 0 {
                group.hosts.iter().for_each(|host| {
                    left.remove(host);
                });
                taken.push((at, group));
            }
        }
        if taken.is_empty() {
            return None;
        }
        taken.sort_by_key(|(at, _)| *at);
        let mut terms: Vec<String> = taken.iter().map(|(_, group)| format!("@{}", group.name)).collect();
        let rest: Vec<HostName> = hosts.iter().filter(|host| left.contains(host)).cloned().collect();
        terms.extend((!rest.is_empty()).then(|| names(&rest)));
        Some(terms.join(","))
    }
}

/// The names folded, in terms that are short enough to be read.
fn names(hosts: &[HostName]) -> String {
    let text = fold(hosts);
    if hosts.len() <= 1 || hosts.len() <= MOST && terms(&text).all(|term| term.len() <= LONGEST) {
        return text;
    }
    // pieces about as long as a term may be; one that is longer all the same is cut again
    let piece = (hosts.len() * LONGEST / text.len().max(1) / 2).clamp(1, hosts.len().div_ceil(2).min(MOST));
    hosts.chunks(piece).map(names).collect::<Vec<_>>().join(",")
}

/// The terms between the commas that are not within brackets.
fn terms(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.split(move |c: char| {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        c == ',' && !inside
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use proptest::prelude::{Just, Strategy, any, prop, proptest};

    use crate::model::host::Host;
    use crate::model::id::HostName;
    use crate::model::inventory::{Group, Inventory};
    use crate::model::selector::Selector;

    fn name(text: &str) -> HostName {
        HostName::parse(text).expect("a name")
    }

    fn host(name: &HostName) -> Host {
        Host {
            name: name.clone(),
            address: "10.0.0.1".to_owned(),
            port: 22,
            user: "deploy".to_owned(),
            identity: None,
            known_hosts: Vec::new(),
            host_key_alias: None,
            instance_id: None,
            tags: Vec::new(),
            groups: Vec::new(),
            protected: false,
            vars: BTreeMap::new(),
        }
    }

    fn inventory(hosts: &[HostName], groups: &[(&str, Vec<HostName>)]) -> Inventory {
        let group = |(name, hosts): &(&str, Vec<HostName>)| Group {
            name: (*name).to_owned(),
            hosts: hosts.clone(),
            protected: false,
            vars: BTreeMap::new(),
        };
        Inventory {
            hosts: hosts.iter().map(host).collect(),
            groups: groups.iter().map(group).collect(),
            default_vars: BTreeMap::new(),
            own_vars: BTreeMap::new(),
            targets: BTreeMap::new(),
            target_groups: BTreeMap::new(),
            path: PathBuf::from("inventory.toml"),
            sha256: String::new(),
        }
    }

    fn machines(prefix: &str, count: usize) -> Vec<HostName> {
        (1..=count).map(|n| name(&format!("{prefix}-{n:02}"))).collect()
    }

    #[test]
    fn the_shortest_name_of_hosts_is_all_a_group_groups_and_names_or_names() {
        let (web, api, db) = (machines("web", 8), machines("api", 3), machines("db", 2));
        let front = [web.clone(), api.clone()].concat();
        let all = [front.clone(), db.clone()].concat();
        let groups = [("web", web.clone()), ("api", api.clone()), ("none", Vec::new()), ("front", front.clone())];
        let fleet = inventory(&all, &groups);
        assert_eq!(fleet.selector_of(&[]), "");
        assert_eq!(fleet.selector_of(&all), "all");
        assert_eq!(fleet.selector_of(&web), "@web");
        assert_eq!(fleet.selector_of(&front), "@front", "one group before two");
        assert_eq!(fleet.selector_of(&[web.clone(), db.clone()].concat()), "@web,db-[01-02]");
        assert_eq!(fleet.selector_of(&web[..6]), "web-[01-06]");
        assert_eq!(fleet.selector_of(&web[2..3]), "web-03");
        assert_eq!(
            fleet.selector_of(&[web[0].clone(), name("gone-1")]),
            "web-01,gone-1",
            "what is not there is named all the same"
        );
    }

    #[test]
    fn a_selector_that_would_be_too_long_to_be_read_is_cut_into_terms() {
        let all: Vec<HostName> = (1..=10_000).map(|n| name(&format!("edge-{n:05}"))).collect();
        let odd: Vec<HostName> = all.iter().step_by(2).cloned().collect();
        let fleet = inventory(&all, &[]);
        let text = fleet.selector_of(&odd);
        let read = Selector::parse(&text).and_then(|selector| fleet.select(&selector));
        assert_eq!(read, Ok(odd));
    }

    proptest! {
        #[test]
        fn it_names_exactly_these_hosts(
            (marks, members) in (1_usize..60).prop_flat_map(|count| {
                let bits = || prop::collection::vec(any::<bool>(), count);
                (bits(), (bits(), bits(), Just(())))
            })
        ) {
            let all: Vec<HostName> = (0..marks.len()).map(|n| name(&format!("h{}-{}", n % 3, n / 3))).collect();
            let of = |bits: &[bool]| -> Vec<HostName> {
                all.iter().zip(bits).filter(|(_, on)| **on).map(|(host, _)| host.clone()).collect()
            };
            // one group lies wholly in it, one somewhere
            let inner: Vec<bool> = marks.iter().zip(&members.0).map(|(a, b)| *a && *b).collect();
            let fleet = inventory(&all, &[("inner", of(&inner)), ("any", of(&members.1))]);
            let wanted = of(&marks);
            if !wanted.is_empty() {
                let text = fleet.selector_of(&wanted);
                let read = Selector::parse(&text).and_then(|selector| fleet.select(&selector));
                assert_eq!(read, Ok(wanted), "{text}");
            }
        }
    }
}
