//! `inventory.toml`: hosts, groups, defaults and target groups, resolved: host over group over defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::load::diagnostic::{Diagnostic, Diagnostics};
use crate::load::document::{Entry, Node, Table, inside, parse, wrong_type};
use crate::load::source::{Source, read};
use crate::model::host::Host;
use crate::model::id::{HostName, VarName};
use crate::model::inventory::{Group, GroupError, Inventory, resolve_groups};
use crate::model::selector::Selector;
use crate::model::visible::literal;

/// The most hosts and groups of an inventory.
const MAX_ENTRIES: usize = 20_000;

/// Reads an inventory. `home` is what `~/` stands for in the paths of this machine; none leaves it as it is.
pub fn load(path: &Path, home: Option<&Path>) -> Result<Inventory, Diagnostics> {
    let source = read(path)?;
    from_source(&source, home)
}

/// Takes a text for an inventory.
pub fn from_source(source: &Source, home: Option<&Path>) -> Result<Inventory, Diagnostics> {
    let root = parse(source)?;
    let mut found = Vec::new();
    let inventory = Loader { source, home, found: &mut found }.inventory(&root);
    match inventory {
        Some(inventory) if found.is_empty() => Ok(inventory),
        _ => Err(Diagnostics::new(&source.path, source.text.clone(), found)),
    }
}

/// What a table of defaults, a group or a host may say about connecting.
#[derive(Debug, Clone, Default)]
struct Access {
    user: Option<String>,
    port: Option<u16>,
    identity: Option<PathBuf>,
    known_hosts: Option<Vec<PathBuf>>,
    vars: BTreeMap<String, Value>,
}

struct RawHost {
    name: HostName,
    at: std::ops::Range<usize>,
    address: String,
    host_key_alias: Option<String>,
    tags: Vec<String>,
    targets: BTreeMap<String, String>,
    access: Access,
}

struct RawGroup<'n> {
    name: String,
    selectors: Vec<(Option<Selector>, &'n Node)>,
    protected: bool,
    access: Access,
}

struct Loader<'l> {
    source: &'l Source,
    home: Option<&'l Path>,
    found: &'l mut Vec<Diagnostic>,
}

impl Loader<'_> {
    fn inventory(&mut self, root: &Node) -> Option<Inventory> {
        let mut table = Table::of(root, "the file", 0..0, self.found)?;
        let defaults = match table.entry("defaults") {
            Some(entry) => self.defaults(entry),
            None => Access::default(),
        };
        let entries = table.entries("hosts", self.found).unwrap_or_default();
        let hosts = self.hosts(entries);
        let entries = table.entries("groups", self.found).unwrap_or_default();
        let groups = self.groups(entries);
        let entries = table.entries("target_groups", self.found).unwrap_or_default();
        let target_groups = self.target_groups(entries);
        for host in &hosts {
            for id in host.targets.keys().filter(|id| !target_groups.contains_key(*id)) {
                let message = format!("host `{}` has a target in `{id}`, and there is no [target_groups.{id}]", host.name);
                self.found.push(Diagnostic::error("E403", message).at(host.at.clone(), ""));
            }
        }
        table.unbuilt(&["sources"], self.found);
        table.finish(self.found);
        if hosts.is_empty() && self.found.is_empty() {
            self.found.push(Diagnostic::error("E401", "the inventory has no hosts").help("add [hosts.NAME] with an address"));
        }
        let members = self.members(&hosts, &groups)?;
        self.resolve(defaults, hosts, groups, &members, target_groups)
    }

    fn defaults(&mut self, entry: &Entry) -> Access {
        let Some(mut table) = Table::of(&entry.node, "defaults", entry.key_span.clone(), self.found) else {
            return Access::default();
        };
        let access = self.access(&mut table);
        table.unbuilt(&["jump"], self.found);
        table.finish(self.found);
        access
    }

    fn access(&mut self, table: &mut Table<'_>) -> Access {
        let user = table.string("user", self.found).map(str::to_owned);
        if let Some(user) = &user {
            let bad = user.starts_with('-') || user.len() > 64 || user.contains(|c: char| c.is_whitespace() || c.is_control());
            if bad {
                self.found.push(Diagnostic::error("E204", "this is no user name").at(table.find("user"), ""));
            }
        }
        let port = table.number("port", 1, 65535, self.found).and_then(|n| u16::try_from(n).ok());
        let identity = table.string("identity", self.found).map(|text| self.path(text));
        let known_hosts =
            table.strings("known_hosts", self.found).map(|list| list.iter().map(|(text, _)| self.path(text)).collect());
        let vars = table.entries("vars", self.found).map(|entries| self.vars(entries)).unwrap_or_default();
        Access { user, port, identity, known_hosts, vars }
    }

    fn path(&self, text: &str) -> PathBuf {
        match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            (Some(_), None) => PathBuf::from(text),
            (None, _) => match self.source.path.parent() {
                Some(dir) => dir.join(text),
                None => PathBuf::from(text),
            },
        }
    }

    fn vars(&mut self, entries: &[Entry]) -> BTreeMap<String, Value> {
        let mut vars = BTreeMap::new();
        for entry in entries {
            if let Err(error) = VarName::parse(&entry.key) {
                self.found.push(Diagnostic::error("E204", error.to_string()).at(entry.key_span.clone(), ""));
            }
            let value = entry.node.value();
            if value.is_object() {
                self.found.push(wrong_type(&entry.key, "a text, number, truth value or list", &entry.node));
            }
            vars.insert(entry.key.clone(), value);
        }
        vars
    }

    fn hosts(&mut self, entries: &[Entry]) -> Vec<RawHost> {
        if let Some(entry) = entries.get(MAX_ENTRIES) {
            let message = format!("there are more than {MAX_ENTRIES} hosts");
            self.found.push(Diagnostic::error("E401", message).at(entry.key_span.clone(), ""));
            return Vec::new();
        }
        entries.iter().filter_map(|entry| self.host(entry)).collect()
    }

    fn host(&mut self, entry: &Entry) -> Option<RawHost> {
        let at = entry.key_span.clone();
        let name = match HostName::parse(&entry.key) {
            Ok(name) if name.as_str() != "all" => Some(name),
            Ok(_) => {
                let message = "no host can be named `all`: it selects every host";
                self.found.push(Diagnostic::error("E204", message).at(at.clone(), ""));
                None
            }
            Err(error) => {
                self.found.push(Diagnostic::error("E204", error.to_string()).at(at.clone(), ""));
                None
            }
        };
        let mut table = Table::of(&entry.node, &entry.key, at.clone(), self.found)?;
        let access = self.access(&mut table);
        let address = table.string("address", self.found);
        if let Some(address) = address
            && !is_address(address)
        {
            let found = Diagnostic::error("E204", "this is neither an address nor a DNS name").at(table.find("address"), "");
            self.found.push(found.help_if(address.contains(':').then(|| "the port has a key of its own: port = 22".to_owned())));
        }
        let host_key_alias = table.string("host_key_alias", self.found).map(str::to_owned);
        let mut tags = Vec::new();
        for (tag, node) in table.strings("tags", self.found).unwrap_or_default() {
            let selectable = Selector::parse(&format!("tag:{tag}")).is_ok_and(|s| !s.text().contains(',') && !tag.contains(' '));
            if !selectable {
                self.found.push(Diagnostic::error("E204", "no selector could name this tag").at(node.span.clone(), ""));
            }
            if !tags.iter().any(|t| t == tag) {
                tags.push(tag.to_owned());
            }
        }
        let mut targets = BTreeMap::new();
        for target in table.entries("targets", self.found).unwrap_or_default() {
            match target.node.value() {
                Value::String(id) if !id.is_empty() => drop(targets.insert(target.key.clone(), id)),
                _ => self.found.push(wrong_type(&target.key, "the id of a target, a text", &target.node)),
            }
        }
        // a guard that is written down and does not guard would be worse than none
        table.unbuilt(&["jump", "instance_id"], self.found);
        table.finish(self.found);
        let name = name?;
        let address = address.map_or_else(|| name.to_string(), str::to_owned);
        Some(RawHost { name, at, address, host_key_alias, tags, targets, access })
    }

    fn groups<'n>(&mut self, entries: &'n [Entry]) -> Vec<RawGroup<'n>> {
        if let Some(entry) = entries.get(MAX_ENTRIES) {
            let message = format!("there are more than {MAX_ENTRIES} groups");
            self.found.push(Diagnostic::error("E401", message).at(entry.key_span.clone(), ""));
            return Vec::new();
        }
        entries.iter().filter_map(|entry| self.group(entry)).collect()
    }

    fn group<'n>(&mut self, entry: &'n Entry) -> Option<RawGroup<'n>> {
        // a group is named by `@NAME`, so its name follows the grammar of host names
        if HostName::parse(&entry.key).is_err() {
            let message = format!("`{}` is not a group name: letters, digits and . _ -", literal(&entry.key));
            self.found.push(Diagnostic::error("E204", message).at(entry.key_span.clone(), ""));
        }
        let mut table = Table::of(&entry.node, &entry.key, entry.key_span.clone(), self.found)?;
        let access = self.access(&mut table);
        let protected = table.bool("protected", self.found).unwrap_or(false);
        let hosts = table.strings("hosts", self.found);
        let hosts = table.need("hosts", hosts, "[\"web-*\"]", self.found).unwrap_or_default();
        let mut selectors = Vec::new();
        for (text, node) in hosts {
            let parsed = match Selector::parse(text) {
                Ok(selector) => Some(selector),
                Err(error) => {
                    let at = inside(&self.source.text, node, &error.at);
                    self.found.push(Diagnostic::error("E402", error.message).at(at, "").help_if(error.hint));
                    None
                }
            };
            selectors.push((parsed, node));
        }
        table.unbuilt(&["jump"], self.found);
        table.finish(self.found);
        Some(RawGroup { name: entry.key.clone(), selectors, protected, access })
    }

    fn target_groups(&mut self, entries: &[Entry]) -> BTreeMap<String, Map<String, Value>> {
        let mut groups = BTreeMap::new();
        for entry in entries {
            let Some(mut table) = Table::of(&entry.node, &entry.key, entry.key_span.clone(), self.found) else { continue };
            for key in ["arn", "region", "account"] {
                table.string(key, self.found);
            }
            table.number("min_healthy", 0, 100_000, self.found);
            table.finish(self.found);
            if let Value::Object(map) = entry.node.value() {
                groups.insert(entry.key.clone(), map);
            }
        }
        groups
    }

    /// The members of each group, as indexes of hosts.
    fn members(&mut self, hosts: &[RawHost], groups: &[RawGroup<'_>]) -> Option<Vec<Vec<usize>>> {
        let fleet: Vec<(&str, &[String])> = hosts.iter().map(|h| (h.name.as_str(), h.tags.as_slice())).collect();
        let parsed: Vec<(&str, Vec<Option<Selector>>)> =
            groups.iter().map(|g| (g.name.as_str(), g.selectors.iter().map(|(s, _)| s.clone()).collect())).collect();
        let errors = match resolve_groups(&fleet, &parsed) {
            Ok(members) => return Some(members),
            Err(errors) => errors,
        };
        for error in errors {
            let found = match error {
                GroupError::Selector { group, selector, error } => {
                    let node = groups[group].selectors[selector].1;
                    let at = inside(&self.source.text, node, &error.at);
                    Diagnostic::error("E402", error.message).at(at, "").help_if(error.hint)
                }
                GroupError::Cycle { group, selector, path } => {
                    let message = format!("group `{}` contains itself: {}", path[0], path.join(" > "));
                    let node = groups[group].selectors[selector].1;
                    Diagnostic::error("E404", message).at(node.span.clone(), "leads back")
                }
            };
            self.found.push(found);
        }
        None
    }

    fn resolve(
        &mut self,
        defaults: Access,
        hosts: Vec<RawHost>,
        groups: Vec<RawGroup<'_>>,
        members: &[Vec<usize>],
        target_groups: BTreeMap<String, Map<String, Value>>,
    ) -> Option<Inventory> {
        let mut belongs: Vec<Vec<usize>> = vec![Vec::new(); hosts.len()];
        for (group, members) in members.iter().enumerate() {
            for host in members {
                belongs[*host].push(group);
            }
        }
        let names: Vec<HostName> = hosts.iter().map(|host| host.name.clone()).collect();
        let (mut resolved, mut own_vars, mut targets) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut no_user = Vec::new();
        for (host, belongs) in hosts.into_iter().zip(belongs) {
            let levels: Vec<&Access> =
                [&host.access].into_iter().chain(belongs.iter().map(|g| &groups[*g].access)).chain([&defaults]).collect();
            let user = levels.iter().find_map(|level| level.user.clone());
            if user.is_none() {
                no_user.push((host.name.clone(), host.at.clone()));
            }
            let mut vars = BTreeMap::new();
            for level in levels.iter().rev() {
                vars.extend(level.vars.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
            let own: BTreeSet<String> = host.access.vars.keys().cloned().collect();
            if !own.is_empty() {
                own_vars.insert(host.name.clone(), own);
            }
            if !host.targets.is_empty() {
                targets.insert(host.name.clone(), host.targets);
            }
            resolved.push(Host {
                port: levels.iter().find_map(|level| level.port).unwrap_or(22),
                identity: levels.iter().find_map(|level| level.identity.clone()),
                known_hosts: levels.iter().find_map(|level| level.known_hosts.clone()).unwrap_or_default(),
                user: user.unwrap_or_default(),
                name: host.name,
                address: host.address,
                host_key_alias: host.host_key_alias,
                instance_id: None,
                tags: host.tags,
                groups: belongs.iter().map(|g| groups[*g].name.clone()).collect(),
                protected: belongs.iter().any(|g| groups[*g].protected),
                vars,
            });
        }
        if let Some((name, at)) = no_user.first() {
            let message = match no_user.len() {
                1 => format!("no user to log in as is set for host `{name}`"),
                n => format!("no user to log in as is set for host `{name}` and {} more", n - 1),
            };
            let found = Diagnostic::error("E405", message).at(at.clone(), "");
            self.found.push(found.help("add user = \"…\" to [defaults], to a group or to the host"));
        }
        let member = |members: &Vec<usize>| members.iter().map(|host| names[*host].clone()).collect();
        let groups = groups.into_iter().zip(members).map(|(group, members)| Group {
            name: group.name,
            hosts: member(members),
            protected: group.protected,
            vars: group.access.vars,
        });
        Some(Inventory {
            hosts: resolved,
            groups: groups.collect(),
            default_vars: defaults.vars,
            own_vars,
            targets,
            target_groups,
            path: self.source.path.clone(),
            sha256: self.source.sha256.clone(),
        })
    }
}

/// An IP address or a DNS name: nothing that could be taken for an option, a port or a user.
fn is_address(text: &str) -> bool {
    if text.parse::<core::net::IpAddr>().is_ok() {
        return true;
    }
    let (address, zone) = text.split_once('%').unwrap_or((text, "x"));
    if !zone.is_empty() && text.contains('%') {
        return address.parse::<core::net::Ipv6Addr>().is_ok()
            && zone.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    }
    text.len() <= 253
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
