//! The other way round: hosts into a short selector that names exactly them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::hostset::fold;
use crate::model::id::HostName;
use crate::model::inventory::Inventory;
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

    /// The groups that lie wholly in it, the largest first, and the names of the rest; none where no group does.
    fn in_groups(&self, hosts: &[HostName], wanted: &BTreeSet<&HostName>) -> Option<String> {
        let mut whole: Vec<_> = self
            .groups
            .iter()
            .filter(|group| !group.hosts.is_empty() && group.hosts.len() <= wanted.len())
            .filter(|group| group.hosts.iter().all(|host| wanted.contains(host)))
            .collect();
        whole.sort_by_key(|group| std::cmp::Reverse(group.hosts.len()));
        let mut left = wanted.clone();
        let mut terms = Vec::new();
        for group in whole {
            let new = group.hosts.iter().filter(|host| left.contains(host)).count();
            if new > 1 || new == left.len() && new > 0 {
                group.hosts.iter().for_each(|host| {
                    left.remove(host);
                });
                terms.push(format!("@{}", group.name));
            }
        }
        if terms.is_empty() {
            return None;
        }
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
    let (first, second) = hosts.split_at(hosts.len() / 2);
    format!("{},{}", names(first), names(second))
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
