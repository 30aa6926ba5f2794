//! `inventory.toml`: hosts, groups, defaults and target groups, resolved: host over group over defaults.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::load::diagnostic::{Diagnostic, Diagnostics};
use crate::load::document::{self, Node, Table, inside, parse, wrong_type};
use crate::load::source::{Source, foreign, read};
use crate::model::grammar::{self, GROUP, INSTANCE, KEY_ALIAS, TAG, TARGET, USER, canonical_address, code_point, is_seen, shown};
use crate::model::host::Host;
use crate::model::id::{HostName, IdError, VarName};
use crate::model::inventory::{Group, GroupError, Inventory, resolve_groups};
use crate::model::selector::Selector;
use crate::model::vars::fits_command;

/// The most hosts and groups of an inventory.
const MAX_ENTRIES: usize = 5_000;
/// The most tags, and the most targets, of a host.
const MAX_LABELS: usize = 64;

/// Reads an inventory. `home` is what `~/` stands for in the paths of this machine; none leaves it as it is.
pub fn load(path: &Path, home: Option<&Path>) -> Result<Inventory, Diagnostics> {
    let source = read(path)?;
    from_source(&source, home)
}

/// Reads an inventory, and says as well what should not be as it is.
pub fn check(path: &Path, home: Option<&Path>) -> (Result<Inventory, Diagnostics>, Diagnostics) {
    let warnings = |list| Diagnostics::new(path, "".into(), list);
    match read(path) {
        Ok(source) => (from_source(&source, home), warnings(foreign(&source).into_iter().collect())),
        Err(errors) => (Err(errors), warnings(Vec::new())),
    }
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
    at: Range<usize>,
    address: String,
    address_at: Range<usize>,
    host_key_alias: Option<String>,
    instance_id: Option<String>,
    tags: Vec<String>,
    targets: BTreeMap<String, (String, Range<usize>)>,
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

    fn defaults(&mut self, entry: &document::Entry) -> Access {
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
            self.named(USER.check(user), table.find("user"));
        }
        let port = table.number("port", 1, 65535, self.found).and_then(|n| u16::try_from(n).ok());
        let identity = table.string("identity", self.found).map(|text| {
            self.path_text(text, table.find("identity"));
            self.path(text)
        });
        let known_hosts = table.strings("known_hosts", self.found).map(|list| {
            list.into_iter()
                .map(|(text, node)| {
                    self.path_text(text, node.span.clone());
                    self.path(text)
                })
                .collect()
        });
        let vars = table.entries("vars", self.found).map(|entries| self.vars(entries)).unwrap_or_default();
        Access { user, port, identity, known_hosts, vars }
    }

    /// Tells what is wrong with a name.
    fn named(&mut self, checked: Result<(), IdError>, at: Range<usize>) {
        if let Err(error) = checked {
            self.found.push(Diagnostic::error("E204", error.to_string()).at(at, ""));
        }
    }

    /// Tells what is wrong with a path of this machine.
    fn path_text(&mut self, text: &str, at: Range<usize>) {
        let message = match text.chars().find(|c| !is_seen(*c)) {
            Some(c) => format!("`{}` is no path: it has {}", shown(text), code_point(c)),
            None if text.is_empty() => "the path is empty".to_owned(),
            None => return,
        };
        self.found.push(Diagnostic::error("E204", message).at(at, ""));
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

    fn vars(&mut self, entries: &[document::Entry]) -> BTreeMap<String, Value> {
        let mut vars = BTreeMap::new();
        for entry in entries {
            if let Err(error) = VarName::parse(&entry.key) {
                self.found.push(Diagnostic::error("E204", error.to_string()).at(entry.key_span.clone(), ""));
            }
            let value = entry.node.value();
            if value.is_object() {
                self.found.push(wrong_type(&entry.key, "a text, number, truth value or list", &entry.node));
            }
            if let Err(message) = fits_command(&value) {
                let message = format!("`{}` {message}", shown(&entry.key));
                self.found.push(Diagnostic::error("E204", message).at(entry.node.span.clone(), ""));
            }
            vars.insert(entry.key.clone(), value);
        }
        vars
    }

    fn hosts(&mut self, entries: &[document::Entry]) -> Vec<RawHost> {
        if let Some(entry) = entries.get(MAX_ENTRIES) {
            let message = format!("there are more than {MAX_ENTRIES} hosts");
            self.found.push(Diagnostic::error("E401", message).at(entry.key_span.clone(), ""));
            return Vec::new();
        }
        entries.iter().filter_map(|entry| self.host(entry)).collect()
    }

    fn host(&mut self, entry: &document::Entry) -> Option<RawHost> {
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
        let address = self.address(&mut table, name.as_ref(), &at);
        let host_key_alias = table.string("host_key_alias", self.found).map(str::to_owned);
        if let Some(alias) = &host_key_alias {
            self.named(KEY_ALIAS.check(alias), table.find("host_key_alias"));
        }
        let instance_id = table.string("instance_id", self.found).map(str::to_owned);
        if let Some(id) = &instance_id {
            self.named(INSTANCE.check(id), table.find("instance_id"));
        }
        let tags = self.tags(&mut table);
        let targets = self.targets(&mut table);
        // a way that is written down and not gone would lead somewhere else
        table.unbuilt(&["jump"], self.found);
        let address_at = if table.has("address") { table.find("address") } else { at.clone() };
        table.finish(self.found);
        let name = name?;
        Some(RawHost { name, at, address, address_at, host_key_alias, instance_id, tags, targets, access })
    }

    /// Where a host is reached: its own key, else its name.
    fn address(&mut self, table: &mut Table<'_>, name: Option<&HostName>, at: &Range<usize>) -> String {
        if let Some(text) = table.string("address", self.found) {
            if let Err(error) = grammar::address(text) {
                let found = Diagnostic::error("E204", error.to_string()).at(table.find("address"), "");
                let has_port = text.contains(':') && text.parse::<core::net::IpAddr>().is_err();
                self.found.push(found.help_if(has_port.then(|| "the port has a key of its own: port = 22".to_owned())));
            }
            return text.to_owned();
        }
        let name = name.map(ToString::to_string).unwrap_or_default();
        if !table.has("address") && !name.is_empty() && grammar::address(&name).is_err() {
            let message = format!("`{name}` has no address, and its name is none");
            self.found.push(Diagnostic::error("E204", message).at(at.clone(), "").help("add address = \"…\""));
        }
        name
    }

    fn tags(&mut self, table: &mut Table<'_>) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        let list = table.strings("tags", self.found).unwrap_or_default();
        if list.len() > MAX_LABELS {
            let message = format!("there are more than {MAX_LABELS} tags");
            self.found.push(Diagnostic::error("E401", message).at(table.find("tags"), ""));
        }
        for (tag, node) in list.into_iter().take(MAX_LABELS) {
            self.named(TAG.check(tag), node.span.clone());
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }

    /// The ids of the host in target groups, with their places.
    fn targets(&mut self, table: &mut Table<'_>) -> BTreeMap<String, (String, Range<usize>)> {
        let mut targets = BTreeMap::new();
        let entries = table.entries("targets", self.found).unwrap_or_default();
        if entries.len() > MAX_LABELS {
            let message = format!("there are more than {MAX_LABELS} targets");
            self.found.push(Diagnostic::error("E401", message).at(table.find("targets"), ""));
        }
        for target in entries.iter().take(MAX_LABELS) {
            let at = target.node.span.clone();
            match target.node.value() {
                Value::String(id) if !id.is_empty() => {
                    self.named(TARGET.check(&id), at.clone());
                    targets.insert(target.key.clone(), (id, at));
                }
                _ => self.found.push(wrong_type(&target.key, "the id of a target, a text", &target.node)),
            }
        }
        targets
    }

    fn groups<'n>(&mut self, entries: &'n [document::Entry]) -> Vec<RawGroup<'n>> {
        if let Some(entry) = entries.get(MAX_ENTRIES) {
            let message = format!("there are more than {MAX_ENTRIES} groups");
            self.found.push(Diagnostic::error("E401", message).at(entry.key_span.clone(), ""));
            return Vec::new();
        }
        entries.iter().filter_map(|entry| self.group(entry)).collect()
    }

    fn group<'n>(&mut self, entry: &'n document::Entry) -> Option<RawGroup<'n>> {
        // a group is named by `@NAME`, so its name follows the grammar of host names
        self.named(GROUP.check(&entry.key), entry.key_span.clone());
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

    fn target_groups(&mut self, entries: &[document::Entry]) -> BTreeMap<String, Map<String, Value>> {
        let mut groups = BTreeMap::new();
        for entry in entries {
            self.named(TARGET.check(&entry.key), entry.key_span.clone());
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

    /// Tells of targets that two hosts have.
    fn one_target_each(&mut self, hosts: &[RawHost]) {
        let mut known: BTreeMap<(&str, &str), (&HostName, &Range<usize>)> = BTreeMap::new();
        for host in hosts {
            for (group, (id, at)) in &host.targets {
                match known.get(&(group.as_str(), id.as_str())) {
                    None => drop(known.insert((group, id), (&host.name, at))),
                    Some((first, first_at)) => {
                        let message =
                            format!("hosts `{first}` and `{}` are both `{}` in `{}`", host.name, shown(id), shown(group));
                        let found = Diagnostic::error("E406", message).at(at.clone(), "again");
                        self.found.push(found.also((*first_at).clone(), "first"));
                    }
                }
            }
        }
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
        self.one_target_each(&hosts);
        let (mut places, mut instances) = (Places::default(), BTreeMap::new());
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
                let ids = host.targets.into_iter().map(|(group, (id, _))| (group, id));
                targets.insert(host.name.clone(), ids.collect());
            }
            let port = levels.iter().find_map(|level| level.port).unwrap_or(22);
            if let Some(same) = places.take(&host.name, (&host.address, port), &host.address_at) {
                self.found.push(same);
            }
            if let Some(id) = &host.instance_id
                && let Some(first) = instances.insert(id.clone(), host.name.clone())
            {
                let message = format!("hosts `{first}` and `{}` are one: both are instance {id}", host.name);
                self.found.push(Diagnostic::error("E406", message).at(host.at.clone(), "again"));
            }
            resolved.push(Host {
                port,
                identity: levels.iter().find_map(|level| level.identity.clone()),
                known_hosts: levels.iter().find_map(|level| level.known_hosts.clone()).unwrap_or_default(),
                user: user.unwrap_or_default(),
                name: host.name,
                address: host.address,
                host_key_alias: host.host_key_alias,
                instance_id: host.instance_id,
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

/// The places where hosts are reached, each with who has it.
#[derive(Default)]
struct Places {
    known: BTreeMap<(String, u16), (HostName, Range<usize>)>,
}

impl Places {
    /// Gives a place to a host, or says who has it: two names of one machine would be changed at the same time.
    fn take(&mut self, name: &HostName, (address, port): (&str, u16), at: &Range<usize>) -> Option<Diagnostic> {
        match self.known.entry((canonical_address(address), port)) {
            Entry::Vacant(free) => {
                free.insert((name.clone(), at.clone()));
                None
            }
            Entry::Occupied(taken) => {
                let (first, first_at) = taken.get();
                let message = format!("hosts `{first}` and `{name}` are one: both are port {port} of {}", taken.key().0);
                let found = Diagnostic::error("E406", message).at(at.clone(), "again").also(first_at.clone(), "first");
                Some(found.help("keep one of them, with the tags and groups of both"))
            }
        }
    }
}
