//! An inventory with everything resolved: hosts in file order, groups with their members.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::model::host::Host;
use crate::model::id::HostName;
use crate::model::selector::{Fleet, Recorded, Selector, SelectorError};

/// A checked inventory.
#[derive(Debug, Clone, PartialEq)]
pub struct Inventory {
    /// Every host, resolved, in file order.
    pub hosts: Vec<Host>,
    /// Every group, in file order.
    pub groups: Vec<Group>,
    /// The variables of `[defaults]`.
    pub default_vars: BTreeMap<String, Value>,
    /// The names of the variables that a host sets itself.
    pub own_vars: BTreeMap<HostName, BTreeSet<String>>,
    /// The ids of a host in target groups, by group.
    pub targets: BTreeMap<HostName, BTreeMap<String, String>>,
    /// Target groups as written.
    pub target_groups: BTreeMap<String, Map<String, Value>>,
    /// Where it was read from.
    pub path: PathBuf,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
}

/// A group of hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its hosts, in file order.
    pub hosts: Vec<HostName>,
    /// Whether it is production.
    pub protected: bool,
    /// Its variables.
    pub vars: BTreeMap<String, Value>,
}

impl Inventory {
    /// The host of that name.
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == *name)
    }

    /// The hosts that a selector without run atoms names, in file order.
    pub fn select(&self, selector: &Selector) -> Result<Vec<HostName>, SelectorError> {
        self.select_of(selector, &Recorded::new())
    }

    /// The hosts that a selector names, in file order; `recorded` has the hosts of its run atoms.
    pub fn select_of(&self, selector: &Selector, recorded: &Recorded) -> Result<Vec<HostName>, SelectorError> {
        let chosen = selector.select(&self.fleet().recorded(recorded))?;
        Ok(chosen.into_iter().filter_map(|index| self.hosts.get(index)).map(|host| host.name.clone()).collect())
    }

    /// The places in [`Inventory::hosts`] of the hosts that a selector without run atoms names, where it may also use words
    /// for what hosts are now, such as `up`.
    pub fn select_now(&self, selector: &Selector, states: &[(&str, Vec<usize>)]) -> Result<Vec<usize>, SelectorError> {
        let mut fleet = self.fleet();
        for (word, hosts) in states {
            fleet.state(word, hosts.clone());
        }
        selector.select(&fleet)
    }

    /// Where a variable of a host comes from, in words.
    pub fn var_source(&self, host: &Host, name: &str) -> String {
        if self.own_vars.get(&host.name).is_some_and(|own| own.contains(name)) {
            return format!("[hosts.{}].vars", host.name);
        }
        match self.groups.iter().find(|group| host.groups.contains(&group.name) && group.vars.contains_key(name)) {
            Some(group) => format!("[groups.{}].vars", group.name),
            None => "[defaults].vars".to_owned(),
        }
    }

    fn fleet(&self) -> Fleet<'_> {
        let index: BTreeMap<&HostName, usize> = self.hosts.iter().enumerate().map(|(i, host)| (&host.name, i)).collect();
        let members = |group: &Group| group.hosts.iter().filter_map(|name| index.get(name).copied()).collect();
        let mut fleet = Fleet::new(self.hosts.iter().map(|host| (host.name.as_str(), host.tags.as_slice())).collect());
        for group in &self.groups {
            fleet.group(&group.name, members(group));
        }
        fleet
    }
}

/// A group that cannot be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupError {
    /// One of its selectors is wrong.
    Selector {
        /// The group.
        group: usize,
        /// Which of its selectors.
        selector: usize,
        /// What is wrong.
        error: SelectorError,
    },
    /// It contains itself.
    Cycle {
        /// The group.
        group: usize,
        /// Which of its selectors leads back.
        selector: usize,
        /// The way around, from the group back to it.
        path: Vec<String>,
    },
}

/// So many errors are told with the names that were perhaps meant.
const ENOUGH: usize = 50;

/// Resolves groups, nested ones first: for each its hosts as indexes in file order.
pub fn resolve_groups(
    hosts: &[(&str, &[String])],
    groups: &[(&str, Vec<Option<Selector>>)],
) -> Result<Vec<Vec<usize>>, Vec<GroupError>> {
    let index: BTreeMap<&str, usize> = groups.iter().enumerate().map(|(i, (name, _))| (*name, i)).collect();
    let (order, mut errors) = nested_first(groups, &index);
    let mut fleet = Fleet::new(hosts.to_vec());
    let mut resolved = vec![Vec::new(); groups.len()];
    let mut cyclic = vec![true; groups.len()];
    order.iter().for_each(|group| cyclic[*group] = false);
    // what lies on a cycle comes last: it has no hosts, and its other selectors may be wrong all the same
    let last = (0..groups.len()).filter(|group| cyclic[*group]);
    for group in order.iter().copied().chain(last) {
        let (name, selectors) = &groups[group];
        let mut members = BTreeSet::new();
        let mut sound = !cyclic[group];
        for (selector, parsed) in selectors.iter().enumerate() {
            // one error is enough: what names a group that is wrong is not wrong for that
            let known = |name: &&str| fleet.has_group(name) || !index.contains_key(*name);
            let Some(parsed) = parsed.as_ref().filter(|parsed| parsed.groups().iter().all(known)) else {
                sound = false;
                continue;
            };
            match parsed.only_inventory().and_then(|()| parsed.select(&fleet)) {
                Ok(found) => members.extend(found),
                Err(error) => {
                    sound = false;
                    errors.push(GroupError::Selector { group, selector, error });
                }
            }
            if errors.len() >= ENOUGH {
                fleet.terse();
            }
        }
        resolved[group] = members.into_iter().collect();
        if sound {
            fleet.group(name, resolved[group].clone());
        }
    }
    if errors.is_empty() { Ok(resolved) } else { Err(errors) }
}

/// The groups in an order in which each comes after those it names, by a walk with a stack of its own: how deep groups
/// nest is the file's choice. What lies on a cycle or leads into one is left out, and each cycle is an error.
fn nested_first(groups: &[(&str, Vec<Option<Selector>>)], index: &BTreeMap<&str, usize>) -> (Vec<usize>, Vec<GroupError>) {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
        Broken,
    }
    let named: Vec<Vec<(usize, usize)>> = groups
        .iter()
        .map(|(_, selectors)| {
            let each = selectors.iter().enumerate().filter_map(|(i, s)| s.as_ref().map(|s| (i, s)));
            each.flat_map(|(i, s)| s.groups().into_iter().filter_map(move |name| Some((i, *index.get(name)?)))).collect()
        })
        .collect();
    let mut marks = vec![Mark::New; groups.len()];
    let (mut order, mut errors) = (Vec::new(), Vec::new());
    for start in 0..groups.len() {
        let mut stack = if marks[start] == Mark::New { vec![(start, 0, false)] } else { Vec::new() };
        while let Some((group, next, broken)) = stack.last_mut() {
            let group = *group;
            marks[group] = Mark::Open;
            if let Some((selector, inner)) = named[group].get(*next).copied() {
                *next += 1;
                match marks[inner] {
                    Mark::New => stack.push((inner, 0, false)),
                    Mark::Done => {}
                    Mark::Broken => *broken = true,
                    Mark::Open => {
                        *broken = true;
                        let from = stack.iter().position(|(g, ..)| *g == inner).unwrap_or(0);
                        let round = stack[from..].iter().map(|(g, ..)| *g).chain([inner]);
                        let path = round.map(|g| groups[g].0.to_owned()).collect();
                        errors.push(GroupError::Cycle { group, selector, path });
                    }
                }
                continue;
            }
            let broken = *broken;
            marks[group] = if broken { Mark::Broken } else { Mark::Done };
            if !broken {
                order.push(group);
            }
            stack.pop();
            if let Some((_, _, outer)) = stack.last_mut() {
                *outer |= broken;
            }
        }
    }
    (order, errors)
}

#[cfg(test)]
mod tests {
    use super::{GroupError, resolve_groups};
    use crate::model::selector::Selector;

    fn resolve(groups: &[(&str, &[&str])]) -> Result<Vec<Vec<usize>>, Vec<String>> {
        let hosts: [(&str, &[String]); 3] = [("a", &[]), ("b", &[]), ("c", &[])];
        let parsed: Vec<_> =
            groups.iter().map(|(name, list)| (*name, list.iter().map(|s| Selector::parse(s).ok()).collect())).collect();
        resolve_groups(&hosts, &parsed).map_err(|errors| {
            let show = |e: &GroupError| match e {
                GroupError::Cycle { path, .. } => path.join(" > "),
                GroupError::Selector { group, error, .. } => format!("{group}: {error}"),
            };
            errors.iter().map(show).collect()
        })
    }

    #[test]
    fn groups_nest_in_any_order() {
        assert_eq!(resolve(&[("x", &["@y", "a"]), ("y", &["c"])]), Ok(vec![vec![0, 2], vec![2]]));
        assert_eq!(resolve(&[("x", &["all & !@y"]), ("y", &["c"])]), Ok(vec![vec![0, 1], vec![2]]));
    }

    #[test]
    fn cycles_are_errors_with_the_way_around() {
        assert_eq!(resolve(&[("x", &["@x"])]), Err(vec!["x > x".to_owned()]));
        let groups: [(&str, &[&str]); 4] = [("w", &["@x"]), ("x", &["@y"]), ("y", &["@z"]), ("z", &["@x", "a"])];
        assert_eq!(resolve(&groups), Err(vec!["x > y > z > x".to_owned()]));
        assert_eq!(resolve(&[("x", &["@q"])]), Err(vec!["0: no group `q` in the inventory".to_owned()]));
        let groups: [(&str, &[&str]); 3] = [("x", &["@y", "q"]), ("y", &["@x & @z", "a"]), ("z", &["r"])];
        let all = ["x > y > x", "2: no host `r` in the inventory", "0: no host `q` in the inventory"];
        assert_eq!(resolve(&groups), Err(all.map(str::to_owned).to_vec()), "all that is wrong, and nothing twice");
    }

    #[test]
    fn groups_are_made_of_the_inventory_alone() {
        for atom in ["failed:7f3a9c", "changed:last", "pick:1"] {
            let why = format!("0: `{atom}` cannot make a group: which hosts it names changes by itself");
            assert_eq!(resolve(&[("x", &[&format!("all & !{atom}")])]), Err(vec![why]));
        }
    }

    #[test]
    fn a_long_chain_of_groups_does_not_overflow_the_stack() {
        let names: Vec<String> = (0..5_000).map(|i| format!("g{i}")).collect();
        let chain: Vec<(&str, Vec<Option<Selector>>)> = names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let inner = if i + 1 < names.len() { format!("@g{}", i + 1) } else { "a".to_owned() };
                (name.as_str(), vec![Selector::parse(&inner).ok()])
            })
            .collect();
        let resolved = resolve_groups(&[("a", &[])], &chain).expect("resolves");
        assert!(resolved.iter().all(|members| members == &[0]));
    }
}
