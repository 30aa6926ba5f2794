//! `resources`: whether a host has enough memory, space, inodes and time left for what comes.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::model::fields::Fields;
use crate::model::op::Op;
use crate::model::outcome::Risk;
use crate::model::step::{Evidence, Note, Step, Target, Unreadable, Verdict};
use crate::model::vars::parse_size;
use crate::model::visible::literal;
use crate::read::answer::line;
use crate::read::room::{Disk, Free, Room, probe};
use crate::read::size::size;
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// The most paths of one step.
const MAX_PATHS: usize = 32;

/// The kind.
pub(crate) const KIND: Kind = Kind {
    name: "resources",
    class: Class::Check,
    risk: Risk::ReadOnly,
    scopes: ON_HOSTS,
    acts_as: true,
    runs: true,
    touches: Touches::Nothing,
    title: "enough memory, disk, inodes and time",
    about: "\
Looks at: /proc/meminfo, the memory limits of the session's own control group and of those above it, /proc/loadavg, and `df` for \
each path. Processes that were ended for want of memory since the host was started are told as the value `oom_kills`.
Follows: memory is what can be had without swapping (MemAvailable, not MemFree), or what the tightest limit leaves, if that is \
less. The session's group is not the service's: a limit of the service alone is not seen here. Space and inodes are what is free \
for everybody, not what root has kept; a file system that makes inodes as it needs them has enough. Of several shortages the one \
that lacks the largest part of what is wanted is the verdict; the summary has all of them. A path that is not there, and whatever \
the host does not tell, is unreadable, never enough.
Would change: nothing.
Undone: nothing to undo.",
    verdicts: &[
        ("enough", "all that is asked for is there"),
        ("low-memory", "less memory can be had than `memory_free`"),
        ("low-disk", "less space is free than `disk_free`"),
        ("low-inodes", "fewer inodes are free than `inodes_free`"),
        ("high-load", "the load is above `load_max`"),
        ("high-swap", "more swap is used than `swap_max`"),
    ],
    keys: &[
        Key { name: "memory_free", required: false, about: "how much memory must be there for the taking, such as \"100MiB\"" },
        Key {
            name: "disk_free",
            required: false,
            about: "table of paths and how much must be free: { \"/\" = \"200MiB\", \"~/.pm2\" = \"5%\" }",
        },
        Key {
            name: "inodes_free",
            required: false,
            about: "table of paths and how many must be free: { \"/\" = 10000 } or \"5%\"; a number alone is for the paths of disk_free, else for /",
        },
        Key { name: "load_max", required: false, about: "the highest load of the last minute, of the whole host: 4 or 4.5" },
        Key { name: "swap_max", required: false, about: "how much swap may be in use, such as \"512MiB\"" },
    ],
    parse,
};

const KEYS: [&str; 5] = ["memory_free", "disk_free", "inodes_free", "load_max", "swap_max"];

fn parse(mut fields: Fields<'_>) -> Parsed {
    let memory = read_size(&mut fields, "memory_free");
    let space = read_paths(&mut fields, "disk_free", Least::of_size);
    let inodes = read_inodes(&mut fields, &space);
    let load = read_load(&mut fields);
    let swap = read_size(&mut fields, "swap_max");
    if KEYS.iter().all(|key| fields.value(key).is_none()) {
        let hint = format!("at least one of: {}", KEYS.join(", "));
        fields.error("memory_free", "nothing is asked for", Some(hint));
    }
    let mut paths: Vec<String> = space.iter().chain(&inodes).map(|(path, _)| path.clone()).collect();
    paths.sort();
    paths.dedup();
    fields.finish(Some(Arc::new(Resources { memory, space, inodes, load, swap, paths }) as Arc<dyn Step>))
}

fn read_size(fields: &mut Fields<'_>, key: &'static str) -> Option<u64> {
    match parse_size(&fields.string(key)?) {
        Ok(bytes) => Some(bytes),
        Err(message) => {
            fields.error(key, message, None);
            None
        }
    }
}

fn read_load(fields: &mut Fields<'_>) -> Option<f64> {
    let value = fields.value("load_max")?;
    let load = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let load = load.filter(|load| load.is_finite() && *load > 0.0);
    if load.is_none() {
        fields.error("load_max", "`load_max` must be a number above 0, such as 4 or 4.5", None);
    }
    load
}

type Wanted = Vec<(String, Least)>;

/// A table of paths, each with what must be free there.
fn read_paths(fields: &mut Fields<'_>, key: &'static str, read: fn(&Value) -> Result<Least, String>) -> Wanted {
    let Some(entries) = fields.entries(key) else { return Vec::new() };
    if entries.is_empty() || entries.len() > MAX_PATHS {
        fields.error(key, format!("`{key}` must name 1 to {MAX_PATHS} paths"), None);
    }
    let mut wanted = Vec::new();
    for (path, value) in entries {
        let shown = literal(path);
        if !(path.starts_with('/') || path == "~" || path.starts_with("~/")) || path.contains(char::is_control) {
            fields.error(key, format!("`{shown}` must be an absolute path, or begin with ~/"), None);
            continue;
        }
        match read(value) {
            Ok(least) => wanted.push((path.clone(), least)),
            Err(message) => fields.error(key, format!("`{shown}`: {message}"), None),
        }
    }
    wanted
}

fn read_inodes(fields: &mut Fields<'_>, space: &Wanted) -> Wanted {
    match fields.value("inodes_free") {
        None => Vec::new(),
        Some(Value::Object(_)) => read_paths(fields, "inodes_free", Least::of_number),
        Some(value) => match Least::of_number(value) {
            Ok(least) if space.is_empty() => vec![("/".to_owned(), least)],
            Ok(least) => space.iter().map(|(path, _)| (path.clone(), least)).collect(),
            Err(message) => {
                fields.error("inodes_free", message, None);
                Vec::new()
            }
        },
    }
}

/// The least that must be free.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Least {
    /// So many bytes or inodes.
    Amount(u64),
    /// So many hundredths.
    Percent(u64),
}

impl Least {
    fn of_size(value: &Value) -> Result<Self, String> {
        match value {
            Value::String(text) if text.ends_with('%') => Self::percent(text),
            Value::String(text) => parse_size(text).map(Least::Amount),
            _ => Err("must be a size such as \"200MiB\", or a part such as \"5%\"".to_owned()),
        }
    }

    fn of_number(value: &Value) -> Result<Self, String> {
        let number = match value {
            Value::String(text) if text.ends_with('%') => return Self::percent(text),
            Value::String(text) => text.parse().ok(),
            _ => value.as_u64(),
        };
        number.map(Least::Amount).ok_or_else(|| "must be a whole number, or a part such as \"5%\"".to_owned())
    }

    fn percent(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('%').and_then(|number| number.parse::<u64>().ok()).filter(|number| *number <= 100);
        number.map(Least::Percent).ok_or_else(|| format!("`{}` is not a part from 0% to 100%", literal(text)))
    }

    /// How much that is of what is there, and in words.
    fn of(self, there: Free, shown: fn(u64) -> String) -> (u64, String) {
        match self {
            Least::Amount(amount) => (amount, shown(amount)),
            Least::Percent(percent) => {
                // rounded up: a part of an odd number is not met by less than it
                let amount = (u128::from(there.total) * u128::from(percent)).div_ceil(100);
                let amount = u64::try_from(amount).unwrap_or(u64::MAX);
                (amount, format!("{percent}% ({})", shown(amount)))
            }
        }
    }
}

#[derive(Debug)]
struct Resources {
    memory: Option<u64>,
    space: Wanted,
    inodes: Wanted,
    load: Option<f64>,
    swap: Option<u64>,
    paths: Vec<String>,
}

/// Something that was looked at.
struct Found {
    /// The word, where it does not suffice.
    word: &'static str,
    /// In words, without what is wanted.
    line: String,
    /// What is wanted, in words.
    wanted: String,
    /// Which part of what is wanted is there: below 1 it does not suffice.
    part: f64,
}

impl Step for Resources {
    fn probes(&self, _: &Target) -> Vec<Op> {
        let paths: Vec<&str> = self.paths.iter().map(String::as_str).collect();
        vec![probe(&paths)]
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let [reply] = seen.last()?.replies.as_slice() else {
            return Err(Unreadable::new("the look at memory and disks lacks a reply"));
        };
        let room = Room::read(reply)?;
        let mut found = self.found(&room)?;
        // stable: of two that lack the same the first in the order of the keys is the worse
        found.sort_by(|a, b| a.part.total_cmp(&b.part));
        let (short, fine): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|found| found.part < 1.0);
        let mut note = match short.first() {
            None => Note::new("enough", fine.iter().map(|found| found.line.as_str()).collect::<Vec<_>>().join(", ")),
            Some(worst) => {
                let lines: Vec<String> = short.iter().map(|found| format!("{}, {}", found.line, found.wanted)).collect();
                Note::new(worst.word, lines.join("; "))
            }
        };
        if !short.is_empty() {
            for found in &fine {
                note = note.evidence(found.line.clone());
            }
        }
        let note = self.values(note, &room);
        Ok(if short.is_empty() { Verdict::Holds(note) } else { Verdict::NotYet(note) })
    }
}

impl Resources {
    /// All that is asked for, in the order of the keys.
    fn found(&self, room: &Room) -> Result<Vec<Found>, Unreadable> {
        let mut found = Vec::new();
        if let Some(least) = self.memory {
            let (free, limited) = room.memory()?;
            let limit = if limited { " under the limit of the session's group" } else { "" };
            let line = format!("{} of memory free{limit}", size(free));
            found.push(Found { word: "low-memory", line, wanted: format!("{} wanted", size(least)), part: part(free, least) });
        }
        for (path, least) in &self.space {
            let disk = self.disk(room, path)?;
            let there = disk.space()?;
            let (amount, shown) = least.of(there, size);
            let line = format!("{} free on {}", size(there.free), line(&disk.path, 120));
            found.push(Found { word: "low-disk", line, wanted: format!("{shown} wanted"), part: part(there.free, amount) });
        }
        for (path, least) in &self.inodes {
            let disk = self.disk(room, path)?;
            let path = line(&disk.path, 120);
            let Some(there) = disk.inodes()? else {
                let line = format!("inodes on {path} as they are needed");
                found.push(Found { word: "low-inodes", line, wanted: String::new(), part: f64::INFINITY });
                continue;
            };
            let (amount, shown) = least.of(there, |number| number.to_string());
            let line = format!("{} inodes free on {path}", there.free);
            found.push(Found { word: "low-inodes", line, wanted: format!("{shown} wanted"), part: part(there.free, amount) });
        }
        if let Some(most) = self.load {
            let load = room.load()?;
            let cpus = room.cpus.map_or_else(String::new, |cpus| format!(" on {cpus} processors"));
            let part = if load > most { most / load } else { 1.0 };
            found.push(Found {
                word: "high-load",
                line: format!("load {load:.2}{cpus}"),
                wanted: format!("at most {most}"),
                part,
            });
        }
        if let Some(most) = self.swap {
            let used = room.swap_used()?;
            let line = format!("{} of swap used", size(used));
            found.push(Found { word: "high-swap", line, wanted: format!("at most {}", size(most)), part: part(most, used) });
        }
        Ok(found)
    }

    /// The path as it was asked for; the host answers in the same order.
    fn disk<'r>(&self, room: &'r Room, path: &str) -> Result<&'r Disk, Unreadable> {
        let at = self.paths.iter().position(|one| one == path).filter(|_| room.disks.len() == self.paths.len());
        let is_it = |disk: &&Disk| disk.path == path || path.strip_prefix('~').is_some_and(|rest| disk.path.ends_with(rest));
        let disk = at.and_then(|at| room.disks.get(at)).filter(is_it);
        disk.ok_or_else(|| Unreadable::new(format!("the host does not tell of {}", line(path, 200))))
    }

    /// What is known besides what was asked for.
    fn values(&self, mut note: Note, room: &Room) -> Note {
        if let Ok((free, _)) = room.memory() {
            note = note.value("memory_free", free);
        }
        if let Ok(used) = room.swap_used() {
            note = note.value("swap_used", used);
        }
        if let Ok(load) = room.load() {
            note = note.value("load", load);
        }
        if let Some(cpus) = room.cpus {
            note = note.value("cpus", cpus);
        }
        if let Some(kills) = room.oom_kills {
            note = note.value("oom_kills", kills);
            if kills > 0 {
                note = note.evidence(format!("{kills} processes were ended for want of memory since the host was started"));
            }
        }
        let about = |disk: &Disk| {
            let free = disk.space().ok().map(|free| free.free);
            let inodes = disk.inodes().ok().flatten().map(|free| free.free);
            json!({ "path": line(&disk.path, 300), "free": free, "inodes_free": inodes })
        };
        let disks: Vec<Value> = room.disks.iter().map(about).collect();
        if disks.is_empty() { note } else { note.value("disks", disks) }
    }
}

/// Which part of what is wanted is there.
fn part(there: u64, wanted: u64) -> f64 {
    if there >= wanted { 1.0 } else { there as f64 / wanted as f64 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{KIND, Least};
    use crate::model::fields::{Context, Fields};
    use crate::model::plan::Section;
    use crate::read::room::Free;

    fn errors(value: &Value) -> String {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        let parsed = (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Precheck }));
        let all: Vec<String> =
            parsed.err().unwrap_or_default().iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect();
        all.join("; ")
    }

    #[test]
    fn every_wrong_key_is_named() {
        for (value, want) in [
            (
                json!({"memory_free": "100MiB", "disk_free": {"/": "200MiB", "~/x": "5%"}, "inodes_free": "5%", "load_max": 4.5}),
                "",
            ),
            (json!({"inodes_free": {"/": 1000, "/srv": "2%"}, "swap_max": "0B", "load_max": "4"}), ""),
            (json!({}), "memory_free: nothing is asked for"),
            (json!({"memory_free": "100"}), "memory_free: `100` is not a size: write it as 64KiB, 100MiB or 2GiB"),
            (json!({"disk_free": {}}), "disk_free: `disk_free` must name 1 to 32 paths"),
            (json!({"disk_free": {"x": "1MiB"}}), "disk_free: `x` must be an absolute path, or begin with ~/"),
            (json!({"disk_free": {"/a\n/b": "1MiB"}}), "disk_free: `/a\\x0a/b` must be an absolute path, or begin with ~/"),
            (json!({"disk_free": {"/": 5}}), "disk_free: `/`: must be a size such as \"200MiB\", or a part such as \"5%\""),
            (json!({"disk_free": {"/": "101%"}}), "disk_free: `/`: `101%` is not a part from 0% to 100%"),
            (json!({"inodes_free": "many"}), "inodes_free: must be a whole number, or a part such as \"5%\""),
            (json!({"load_max": 0}), "load_max: `load_max` must be a number above 0, such as 4 or 4.5"),
        ] {
            assert_eq!(errors(&value), want, "{value}");
        }
    }

    #[test]
    fn a_part_is_of_what_is_free_and_used_and_is_rounded_up() {
        let there = Free { free: 5, total: 101 };
        assert_eq!(Least::Percent(5).of(there, |n| n.to_string()), (6, "5% (6)".to_owned()));
        let all = Free { free: u64::MAX, total: u64::MAX };
        assert_eq!(Least::Percent(100).of(all, |n| n.to_string()).0, u64::MAX);
    }
}
