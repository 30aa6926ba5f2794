//! A simulated fleet as it is typed, `sim:N?name=value&name=value`, and the inventory that it comes to. What its hosts
//! do is not known here.
//!
//! An amount is `12` or `20%`. What strikes hosts is given as an amount, spread evenly over its words; as a word, which
//! strikes all; or as `WORD:AMOUNT,WORD:AMOUNT`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::model::fields::nearest;
use crate::model::host::Host;
use crate::model::id::HostName;
use crate::model::inventory::{Group, Inventory};
use crate::model::visible::literal;

/// What a simulated fleet is typed as begins with this.
pub const PREFIX: &str = "sim:";
/// The most hosts of a fleet.
pub const MOST: usize = 100_000;

const NAMES: [&str; 7] = ["seed", "fail", "unreach", "slow", "speed", "rate", "incident"];
const MOST_SPEED: f64 = 100.0;
const MOST_RATE: u32 = 100_000;
const ZONES: [&str; 3] = ["az-a", "az-b", "az-c"];

/// Why changes and commands go wrong on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// An address is in use: nothing can be started, and the service goes on writing so to its log.
    Eaddrinuse,
    /// No space is left: the disk says so before anything is changed, and PM2's list cannot be saved.
    Disk,
    /// They do not end in time.
    Timeout,
    /// They end with another status than 0.
    Exit,
}

/// Why a host cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nothing listens there.
    Refused,
    /// Nothing answers.
    Timeout,
    /// Its key is not the recorded one.
    HostKey,
    /// It lets nobody in.
    Auth,
}

/// What is wrong with a host from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incident {
    /// A second entry of PM2 fights for the port, and is restarted for ever.
    RestartLoop,
    /// A process that PM2 has lost holds the port.
    OrphanPort,
    /// A second entry fights for the port, and the service says that the kill switch is moved, and does not move it.
    KillSwitchStuck,
    /// Nothing.
    Healthy,
}

const CAUSES: [(&str, Cause); 4] =
    [("eaddrinuse", Cause::Eaddrinuse), ("disk", Cause::Disk), ("timeout", Cause::Timeout), ("exit", Cause::Exit)];
const REACHES: [(&str, Reach); 4] =
    [("refused", Reach::Refused), ("timeout", Reach::Timeout), ("host-key", Reach::HostKey), ("auth", Reach::Auth)];
const INCIDENTS: [(&str, Incident); 4] = [
    ("restart-loop", Incident::RestartLoop),
    ("orphan-port", Incident::OrphanPort),
    ("kill-switch-stuck", Incident::KillSwitchStuck),
    ("healthy", Incident::Healthy),
];

/// How fast time passes in a simulated fleet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// So many times as fast as here.
    Times(f64),
    /// It stands still while anything is being done, and jumps to the next thing that is waited for.
    Max,
}

/// A simulated fleet as it was typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Sim {
    /// What was typed.
    pub text: String,
    /// How many hosts it has.
    pub hosts: usize,
    /// What chance is made of: the same seed makes the same fleet.
    pub seed: u64,
    /// On how many hosts changes and commands go wrong, by cause.
    pub fail: Vec<(Cause, usize)>,
    /// How many hosts cannot be reached, by class.
    pub unreach: Vec<(Reach, usize)>,
    /// How many hosts answer slowly.
    pub slow: usize,
    /// How fast time passes.
    pub speed: Speed,
    /// How many lines a second a command prints; 0: a single one.
    pub rate: u32,
    /// What is wrong with how many hosts.
    pub incident: Vec<(Incident, usize)>,
}

/// What befalls one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fate {
    /// Why it cannot be reached.
    pub unreach: Option<Reach>,
    /// Why changes and commands go wrong on it.
    pub fail: Option<Cause>,
    /// Whether it answers slowly.
    pub slow: bool,
    /// What is wrong with it from the beginning.
    pub incident: Option<Incident>,
}

/// A text that names no simulated fleet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SimError {
    /// What is wrong.
    pub message: String,
    /// Where in the text, in bytes.
    pub at: Range<usize>,
    /// What to write instead.
    pub hint: Option<String>,
}

impl SimError {
    fn new(part: &Part<'_>, message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self { message: message.into(), at: part.at..part.at + part.text.len(), hint: hint.into() }
    }
}

/// A piece of what was typed, with its place.
#[derive(Debug, Clone, Copy)]
struct Part<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Part<'t> {
    fn split_once(self, by: char) -> Option<(Self, Self)> {
        let (front, back) = self.text.split_once(by)?;
        Some((Self { text: front, ..self }, Self { text: back, at: self.at + front.len() + by.len_utf8() }))
    }

    fn split(self, by: char) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut rest = self;
        while let Some((front, back)) = rest.split_once(by) {
            parts.push(front);
            rest = back;
        }
        parts.push(rest);
        parts
    }

    fn shown(&self) -> std::borrow::Cow<'t, str> {
        literal(self.text)
    }
}

impl Sim {
    /// Reads what was typed, with the prefix.
    pub fn parse(text: &str) -> Result<Self, SimError> {
        let whole = Part { text, at: 0 };
        let Some(rest) = text.strip_prefix(PREFIX) else {
            return Err(SimError::new(&whole, "a simulated fleet begins with `sim:`", "sim:6".to_owned()));
        };
        let rest = Part { text: rest, at: PREFIX.len() };
        let (count, given) = rest.split_once('?').map_or((rest, Vec::new()), |(count, given)| (count, given.split('&')));
        let hosts = whole_number(&count).filter(|n| (1..=MOST).contains(n));
        let hosts = hosts.ok_or_else(|| {
            let message = format!("`{}` is no number of hosts from 1 to {MOST}", count.shown());
            SimError::new(&count, message, "sim:6?incident=restart-loop".to_owned())
        })?;
        let mut sim = Self { text: text.to_owned(), ..Self::healthy(hosts) };
        let mut met: Vec<&str> = Vec::new();
        for part in given {
            let Some((name, value)) = part.split_once('=') else {
                return Err(SimError::new(&part, format!("`{}` is not NAME=VALUE", part.shown()), known()));
            };
            if met.contains(&name.text) {
                return Err(SimError::new(&name, format!("`{}` is given twice", name.shown()), None));
            }
            sim.take(&name, &value)?;
            met.push(name.text);
        }
        let struck = total(&sim.fail) + total(&sim.unreach);
        if struck > hosts {
            let message = format!("`fail` and `unreach` are {struck} hosts of {hosts}");
            return Err(SimError::new(&whole, message, "a host that cannot be reached fails at nothing else".to_owned()));
        }
        Ok(sim)
    }

    /// Hosts with which nothing is wrong.
    pub fn healthy(hosts: usize) -> Self {
        let text = format!("{PREFIX}{hosts}");
        let (fail, unreach, incident) = (Vec::new(), Vec::new(), Vec::new());
        Self { text, hosts, seed: 1, fail, unreach, slow: 0, speed: Speed::Times(1.0), rate: 0, incident }
    }

    /// The fleet of which these hosts are some, with nothing wrong and no waiting.
    pub fn again(hosts: &[Host]) -> Self {
        let names = || hosts.iter().map(|host| host.name.as_str());
        // the width of a name tells how many there are at least
        let width = names().filter_map(|name| name.strip_prefix("sim-")).map(str::len).max().unwrap_or(1);
        let last = names().filter_map(|name| name.strip_prefix("sim-")?.parse::<usize>().ok()).max().unwrap_or(1);
        let least = u32::try_from(width - 1).ok().and_then(|power| 10_usize.checked_pow(power)).unwrap_or(MOST);
        Self { speed: Speed::Max, ..Self::healthy(last.max(least).min(MOST)) }
    }

    fn take(&mut self, name: &Part<'_>, value: &Part<'_>) -> Result<(), SimError> {
        match name.text {
            "seed" => self.seed = value.text.parse().map_err(|_| number(value, "a number from 0 to 2^64-1", "seed=7"))?,
            "slow" => self.slow = amount(value, self.hosts)?,
            "rate" => {
                let read = value
                    .text
                    .parse()
                    .ok()
                    .filter(|rate| *rate <= MOST_RATE && value.text.starts_with(|c: char| c.is_ascii_digit()));
                let what = format!("a number of lines a second, at most {MOST_RATE}");
                self.rate = read.ok_or_else(|| number(value, &what, "rate=200"))?;
            }
            "speed" => self.speed = speed(value)?,
            "fail" => self.fail = shares(value, self.hosts, &CAUSES, true)?,
            "unreach" => self.unreach = shares(value, self.hosts, &REACHES, true)?,
            "incident" => self.incident = shares(value, self.hosts, &INCIDENTS, false)?,
            other => {
                let hint = match nearest(other, NAMES) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => known(),
                };
                return Err(SimError::new(name, format!("a simulated fleet has no `{}`", name.shown()), hint));
            }
        }
        Ok(())
    }

    /// What befalls each host, in their order: exactly so many as were asked for, chosen by the seed.
    pub fn fates(&self) -> Vec<Fate> {
        let mut fates = vec![Fate::default(); self.hosts];
        let mut order = self.shuffled(1).into_iter();
        for (why, count) in &self.unreach {
            order.by_ref().take(*count).for_each(|host| fates[host].unreach = Some(*why));
        }
        for (why, count) in &self.fail {
            order.by_ref().take(*count).for_each(|host| fates[host].fail = Some(*why));
        }
        self.shuffled(2).into_iter().take(self.slow).for_each(|host| fates[host].slow = true);
        let mut order = self.shuffled(3).into_iter();
        for (what, count) in &self.incident {
            order.by_ref().take(*count).for_each(|host| fates[host].incident = Some(*what));
        }
        fates
    }

    fn shuffled(&self, salt: u64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.hosts).collect();
        order.sort_by_cached_key(|host| (chance(self.seed, *host, salt), *host));
        order
    }

    /// The name of a host, counted from 0: padded to the width of the last one's number.
    pub fn name(&self, host: usize) -> String {
        format!("sim-{:0width$}", host + 1, width = self.hosts.to_string().len())
    }

    /// The number of a host, counted from 0, by its name.
    pub fn index(&self, name: &str) -> Option<usize> {
        let number: usize = name.strip_prefix("sim-")?.parse().ok()?;
        number.checked_sub(1).filter(|host| *host < self.hosts && self.name(*host) == name)
    }

    /// The fleet as an inventory. The addresses lead nowhere, should anything ever try them.
    pub fn inventory(&self) -> Inventory {
        let names: Vec<HostName> = (0..self.hosts).filter_map(|host| HostName::parse(&self.name(host)).ok()).collect();
        let host = |(index, name): (usize, &HostName)| Host {
            name: name.clone(),
            address: format!("{name}.invalid"),
            port: 22,
            user: "app".to_owned(),
            identity: None,
            known_hosts: Vec::new(),
            host_key_alias: None,
            instance_id: None,
            tags: vec!["sim".to_owned(), ZONES[index % ZONES.len()].to_owned()],
            groups: ["sim", "canary"].iter().take(if index == 0 { 2 } else { 1 }).map(|&name| name.to_owned()).collect(),
            protected: false,
            vars: BTreeMap::new(),
        };
        let group = |name: &str, hosts: &[HostName]| Group {
            name: name.to_owned(),
            hosts: hosts.to_vec(),
            protected: false,
            vars: BTreeMap::new(),
        };
        Inventory {
            hosts: names.iter().enumerate().map(host).collect(),
            groups: vec![group("sim", &names), group("canary", names.get(..1).unwrap_or_default())],
            default_vars: BTreeMap::new(),
            own_vars: BTreeMap::new(),
            targets: BTreeMap::new(),
            target_groups: BTreeMap::new(),
            path: PathBuf::from(&self.text),
            sha256: format!("{:x}", Sha256::digest(self.text.as_bytes())),
        }
    }
}

/// A number that looks like chance and is always the same for the same three.
pub fn chance(seed: u64, host: usize, salt: u64) -> u64 {
    let mut x = seed ^ (host as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.rotate_left(32);
    for _ in 0..2 {
        x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
    }
    x
}

fn known() -> String {
    format!("it has {}", NAMES.join(", "))
}

fn total<T>(shares: &[(T, usize)]) -> usize {
    shares.iter().map(|(_, count)| count).sum()
}

fn number(value: &Part<'_>, what: &str, example: &str) -> SimError {
    SimError::new(value, format!("`{}` is not {what}", value.shown()), example.to_owned())
}

/// Digits only: no sign, no blank.
fn whole_number(part: &Part<'_>) -> Option<usize> {
    part.text.bytes().all(|b| b.is_ascii_digit()).then(|| part.text.parse().ok())?
}

/// `12` or `20%` of the hosts; a part of a host counts from a half on.
fn amount(part: &Part<'_>, hosts: usize) -> Result<usize, SimError> {
    let bad = || number(part, &format!("an amount of these hosts: 0 to {hosts}, or 0% to 100%"), "12 or 20%");
    match part.text.strip_suffix('%') {
        None => whole_number(part).filter(|n| *n <= hosts).ok_or_else(bad),
        Some(percent) => {
            let percent = whole_number(&Part { text: percent, ..*part }).filter(|p| *p <= 100).ok_or_else(bad)?;
            Ok((hosts * percent + 50) / 100)
        }
    }
}

fn speed(value: &Part<'_>) -> Result<Speed, SimError> {
    if value.text == "max" {
        return Ok(Speed::Max);
    }
    let plain = value.text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let times = value.text.parse::<f64>().ok().filter(|times| plain && (0.1..=MOST_SPEED).contains(times));
    let what = format!("a speed from 0.1 to {MOST_SPEED}, or max");
    times.map(Speed::Times).ok_or_else(|| number(value, &what, "speed=60: a minute in a second; speed=max: no waiting at all"))
}

/// Which of the words strike how many hosts.
fn shares<T: Copy>(value: &Part<'_>, hosts: usize, words: &[(&str, T)], spread: bool) -> Result<Vec<(T, usize)>, SimError> {
    let names = || words.iter().map(|(name, _)| *name);
    let word = |part: &Part<'_>| {
        let found = words.iter().find(|(name, _)| *name == part.text).map(|(_, word)| *word);
        found.ok_or_else(|| {
            let all = names().collect::<Vec<_>>().join(", ");
            let hint =
                nearest(part.text, names()).map_or_else(|| format!("one of {all}"), |near| format!("did you mean `{near}`?"));
            SimError::new(part, format!("`{}` is none of {all}", part.shown()), hint)
        })
    };
    let parts = value.split(',');
    let mut found = Vec::new();
    for part in &parts {
        let share = match part.split_once(':') {
            Some((name, count)) => (word(&name)?, amount(&count, hosts)?),
            None if spread && parts.len() == 1 && part.text.starts_with(|c: char| c.is_ascii_digit()) => {
                let all = amount(part, hosts)?;
                let each = |n: usize| all / words.len() + usize::from(n < all % words.len());
                return Ok(words.iter().enumerate().map(|(n, (_, word))| (*word, each(n))).collect());
            }
            None if parts.len() == 1 => (word(part)?, hosts),
            None => {
                let hint = format!("{}:2,{}:10%", words[0].0, words[1].0);
                return Err(SimError::new(part, format!("`{}` does not say how many hosts", part.shown()), hint));
            }
        };
        found.push(share);
    }
    if total(&found) > hosts {
        return Err(SimError::new(value, format!("these are {} hosts of {hosts}", total(&found)), None));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::{Cause, Incident, MOST, Reach, Sim, Speed};

    #[test]
    fn a_fleet_is_read() {
        let sim = Sim::parse("sim:200?seed=7&fail=disk:3,exit:5%&unreach=6&slow=10%&speed=60&rate=9&incident=restart-loop")
            .expect("read");
        assert_eq!((sim.hosts, sim.seed, sim.slow, sim.rate, sim.speed), (200, 7, 20, 9, Speed::Times(60.0)));
        assert_eq!(sim.fail, [(Cause::Disk, 3), (Cause::Exit, 10)]);
        let spread = [(Reach::Refused, 2), (Reach::Timeout, 2), (Reach::HostKey, 1), (Reach::Auth, 1)];
        assert_eq!(sim.unreach, spread);
        assert_eq!(sim.incident, [(Incident::RestartLoop, 200)]);
        assert_eq!(Sim::parse("sim:6"), Ok(Sim::healthy(6)));
    }

    #[test]
    fn what_is_wrong_has_a_place_and_a_way_out() {
        let told = |text: &str| {
            let error = Sim::parse(text).expect_err(text);
            (text[error.at.clone()].to_owned(), error.message, error.hint.unwrap_or_default())
        };
        let of = |text: &str| told(text).0;
        assert_eq!(told("sim:0").1, format!("`0` is no number of hosts from 1 to {MOST}"));
        assert_eq!(of("sim:100001?seed=1"), "100001");
        assert_eq!(of("sim:+6"), "+6");
        assert_eq!(of("sim:"), "");
        let misspelled =
            ("incidnet".to_owned(), "a simulated fleet has no `incidnet`".to_owned(), "did you mean `incident`?".to_owned());
        assert_eq!(told("sim:6?incidnet=x"), misspelled);
        assert_eq!(told("sim:6?incident=restart-lop").2, "did you mean `restart-loop`?");
        assert_eq!(of("sim:6?seed=1&seed=2"), "seed");
        assert_eq!(of("sim:6?seed=-1"), "-1");
        assert_eq!(of("sim:6?slow=7"), "7");
        assert_eq!(of("sim:6?slow=101%"), "101%");
        assert_eq!(of("sim:6?slow"), "slow");
        assert_eq!(of("sim:6?"), "");
        assert_eq!(of("sim:6?speed=inf"), "inf");
        assert_eq!(of("sim:6?speed=101"), "101");
        assert_eq!(of("sim:6?rate=+1"), "+1");
        assert_eq!(of("sim:6?fail=disk,exit:1"), "disk");
        assert_eq!(of("sim:6?fail=disk:4,exit:50%"), "disk:4,exit:50%");
        assert_eq!(of("sim:6?incident=3"), "3");
        assert_eq!(told("sim:6?fail=4&unreach=50%").1, "`fail` and `unreach` are 7 hosts of 6");
    }

    #[test]
    fn fates_are_exact_and_the_seeds_own() {
        let sim = Sim::parse("sim:1000?fail=10%&unreach=17&slow=5&incident=orphan-port:30%").expect("read");
        let fates = sim.fates();
        let count = |what: &dyn Fn(&super::Fate) -> bool| fates.iter().filter(|fate| what(fate)).count();
        assert_eq!(count(&|fate| fate.fail.is_some()), 100);
        assert_eq!(count(&|fate| fate.unreach.is_some()), 17);
        assert_eq!(count(&|fate| fate.fail.is_some() && fate.unreach.is_some()), 0);
        assert_eq!(count(&|fate| fate.slow), 5);
        assert_eq!(count(&|fate| fate.incident == Some(Incident::OrphanPort)), 300);
        assert_eq!(fates, sim.fates());
        assert_ne!(fates, Sim { seed: 2, ..sim }.fates());
    }

    #[test]
    fn hosts_have_names_zones_and_no_address() {
        let sim = Sim::healthy(12);
        let inventory = sim.inventory();
        assert_eq!((inventory.hosts.len(), inventory.groups.len()), (12, 2));
        let host = &inventory.hosts[4];
        assert_eq!((host.name.as_str(), host.address.as_str()), ("sim-05", "sim-05.invalid"));
        assert_eq!(host.tags, ["sim", "az-b"]);
        assert_eq!(inventory.groups[1].hosts, [inventory.hosts[0].name.clone()]);
        assert_eq!(
            (sim.index("sim-05"), sim.index("sim-5"), sim.index("sim-13"), sim.index("web-1")),
            (Some(4), None, None, None)
        );
    }
}
