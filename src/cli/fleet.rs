//! From the inventory file and a selector to hosts.
//!
//! STAND-IN: reads only the keys that connecting needs, and selectors of names and globs. The inventory loader takes
//! the place of everything below [`hosts`].

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use globset::Glob;
use toml::{Table, Value};

use crate::cli::failure::Failure;
use crate::cli::settings::Settings;
use crate::model::host::Host;
use crate::model::id::HostName;

/// The hosts that a selector names, in the order of the file.
pub fn hosts(settings: &Settings, selector: &str) -> Result<Vec<Host>, Failure> {
    let path = &settings.inventory;
    let shown = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::invalid(format!("the inventory `{shown}` cannot be read: {error}")).hint("-i FILE names another one")
    })?;
    let bad = |why: String| Failure::invalid(format!("`{shown}`: {why}"));
    let table: Table = text.parse().map_err(|error: toml::de::Error| bad(error.message().to_owned()))?;
    let empty = Table::new();
    let section = |name: &str| table.get(name).and_then(Value::as_table).unwrap_or(&empty);
    let base = path.parent().unwrap_or(Path::new("."));
    let mut all = Vec::new();
    for (name, value) in section("hosts") {
        let own = value.as_table().ok_or_else(|| bad(format!("`hosts.{name}` is no table")))?;
        all.push(host(name, own, section("defaults"), base).map_err(bad)?);
    }
    select(all, selector)
}

fn select(all: Vec<Host>, selector: &str) -> Result<Vec<Host>, Failure> {
    let mut wanted = vec![false; all.len()];
    for word in selector.split(',').map(str::trim) {
        let glob = Glob::new(if word == "all" { "*" } else { word });
        let glob = glob.map_err(|_| Failure::invalid(format!("`{}` is no selector", word.escape_debug())))?;
        let glob = glob.compile_matcher();
        let mut matched = false;
        for (index, _) in all.iter().enumerate().filter(|(_, host)| glob.is_match(host.name.as_str())) {
            wanted[index] = true;
            matched = true;
        }
        if !matched {
            let known: Vec<&str> = all.iter().map(|host| host.name.as_str()).take(8).collect();
            return Err(Failure::invalid(format!("`{}` matches no host", word.escape_debug()))
                .detail(format!("hosts: {}", known.join(", "))));
        }
    }
    Ok(all.into_iter().zip(wanted).filter_map(|(host, wanted)| wanted.then_some(host)).collect())
}

fn host(name: &str, own: &Table, defaults: &Table, base: &Path) -> Result<Host, String> {
    let value = |key: &str| own.get(key).or_else(|| defaults.get(key));
    let text = |key: &str| match value(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{key}` of `{name}` must be a text")),
    };
    let path = |text: &str| if text.starts_with("~/") { PathBuf::from(text) } else { base.join(text) };
    let port = match value("port") {
        None => 22,
        Some(Value::Integer(port)) => u16::try_from(*port).map_err(|_| format!("`port` of `{name}` is no port"))?,
        Some(_) => return Err(format!("`port` of `{name}` must be a number")),
    };
    let known_hosts = match value("known_hosts") {
        None => Vec::new(),
        Some(Value::Array(files)) => files.iter().filter_map(Value::as_str).map(path).collect(),
        Some(_) => return Err(format!("`known_hosts` of `{name}` must be a list")),
    };
    let user = text("user")?.or_else(|| env::var("USER").or_else(|_| env::var("LOGNAME")).ok());
    Ok(Host {
        name: HostName::parse(name).map_err(|error| error.to_string())?,
        address: text("address")?.unwrap_or_else(|| name.to_owned()),
        port,
        user: user.ok_or_else(|| format!("`{name}` has no `user`"))?,
        identity: text("identity")?.as_deref().map(path),
        known_hosts,
        host_key_alias: text("host_key_alias")?,
        instance_id: None,
        tags: Vec::new(),
        groups: Vec::new(),
        protected: false,
        vars: std::collections::BTreeMap::new(),
    })
}
