//! A simulated host: PM2 with its apps, a service with its switch, what listens. Everything that chance decides comes
//! from the seed and the host's number, everything that changes by itself from the time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::host::Facts;
use crate::model::sim::{Cause, Fate, Incident, chance};
use crate::model::time::Timestamp;

/// The acting user's home.
pub(crate) const HOME: &str = "/home/app";
/// Its PM2_HOME.
pub(crate) const PM2_HOME: &str = "/home/app/.pm2";
/// PM2's version.
pub(crate) const PM2_VERSION: &str = "7.0.4";
/// The acting user's number.
pub(crate) const UID: u32 = 1000;
/// The directory of the sample service.
pub(crate) const SERVICE_DIR: &str = "/home/app/proxy-service";
/// Its file for PM2.
pub(crate) const SERVICE_CONFIG: &str = "ecosystem.config.js";
/// Its port.
pub(crate) const SERVICE_PORT: u16 = 3000;
/// The daemon's process.
pub(crate) const DAEMON: u32 = 812;

/// The process that PM2 has lost.
const ORPHAN: u32 = 701;
/// From boot to its start, in milliseconds.
pub(crate) const ORPHAN_SINCE: i64 = 9_000;
/// How often PM2 starts an app that dies at once, before it gives up.
const TRIES: u64 = 16;
/// How often a service that cannot have an address tries again, in milliseconds.
const RETRY: i64 = 1_500;
/// From boot to the first process of PM2.
const BOOT: i64 = 20_000;

/// How a process of PM2 runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Run {
    /// One process since then.
    Steady { pid: u32, since: i64 },
    /// It dies and is started again, each time after so many milliseconds.
    Loop { from: i64, every: i64 },
    /// Stopped by somebody.
    Stopped,
    /// Given up by PM2.
    Errored,
}

/// An entry of PM2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) port: u16,
    pub(crate) cwd: &'static str,
    pub(crate) script: &'static str,
    /// What its log files are called by.
    pub(crate) log: String,
    pub(crate) created: i64,
    pub(crate) restarts: u64,
    pub(crate) unique: u64,
    pub(crate) run: Run,
}

/// An entry at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    pub(crate) status: &'static str,
    pub(crate) pid: Option<u32>,
    pub(crate) since: i64,
    pub(crate) restarts: u64,
}

impl Entry {
    /// How it stands at a moment of the host's clock.
    pub(crate) fn at(&self, now: i64) -> Now {
        let still = |status| Now { status, pid: None, since: self.created, restarts: self.restarts };
        match self.run {
            Run::Steady { pid, since } => Now { status: "online", pid: Some(pid), since, restarts: self.restarts },
            Run::Loop { from, every } => {
                let rounds = rounds(from, every, now);
                let count = u64::try_from(rounds).unwrap_or_default();
                // far from every pid that stays
                let pid = u32::try_from(10_000 + rounds * 11 % 20_000).ok();
                Now { status: "online", pid, since: from + rounds * every, restarts: self.restarts + count }
            }
            Run::Stopped => still("stopped"),
            Run::Errored => still("errored"),
        }
    }

    /// As PM2 makes it, from the host's own chance.
    pub(crate) fn unique_id(&self) -> String {
        let x = self.unique;
        let y = x.rotate_left(29) ^ 0x5bd1_e995_9d1b_54a5;
        format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", x >> 32, x >> 16 & 0xffff, x & 0xfff, y >> 52, y & 0xffff_ffff_ffff)
    }
}

/// How many times something that repeats has come about.
fn rounds(from: i64, every: i64, now: i64) -> i64 {
    now.saturating_sub(from).max(0) / every.max(1)
}

/// How often something was written to the two log files of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Written {
    /// To the one of its output: that it listens.
    pub(crate) starts: u64,
    /// To the one of its errors: that it cannot.
    pub(crate) faults: u64,
}

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) pid: u32,
    pub(crate) port: u16,
}

/// A simulated host.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) fail: Option<Cause>,
    /// When it booted, by its own clock, in milliseconds.
    pub(crate) boot: i64,
    pub(crate) entries: Vec<Entry>,
    /// The names and places of the saved list.
    pub(crate) saved: Vec<Entry>,
    /// A process that PM2 has lost, with the entry that it once was.
    pub(crate) orphan: Option<(u32, Entry)>,
    /// The service's switch; in memory, on again after a restart.
    pub(crate) enabled: bool,
    /// Whether the switch only says that it is moved.
    pub(crate) stuck: bool,
    /// What was written by what has come to its end, by what log files are called by.
    past: BTreeMap<String, Written>,
    /// Since when the service writes that an address is in use, whatever becomes of its entry.
    noisy: Option<i64>,
    skew: i64,
    round: Duration,
    machine_id: String,
    boot_id: String,
    next: u32,
}

impl Machine {
    /// The host with this number, as it is when the fleet begins.
    pub(crate) fn new(seed: u64, index: usize, name: String, fate: Fate, began: Timestamp) -> Self {
        let of = |salt: u64, below: u64| i64::try_from(chance(seed, index, salt) % below.max(1)).unwrap_or_default();
        let skew = of(10, 81) - 40;
        let now = began.as_millis() + skew;
        let boot = now - 86_400_000 - of(11, 30 * 86_400_000);
        let round = Duration::from_millis(3 + chance(seed, index, 12) % 7);
        let entry = |id: u32, name: &str, port, cwd, script, run: Run| {
            let created = if let Run::Steady { since, .. } | Run::Loop { from: since, .. } = run { since } else { boot + BOOT };
            let unique = chance(seed, index, 100 + u64::from(id));
            let log = name.to_owned();
            Entry { id, name: name.to_owned(), port, cwd, script, log, created, restarts: 0, unique, run }
        };
        let steady = |id: u32| Run::Steady { pid: 1_000 + id * 22, since: boot + BOOT + i64::from(id) * 340 };
        let service = entry(0, "proxy-service", SERVICE_PORT, SERVICE_DIR, "/home/app/proxy-service/server.js", steady(0));
        let backend = entry(1, "backend", 3001, "/home/app/backend", "/home/app/backend/server.js", steady(1));
        let mut machine = Self {
            fail: fate.fail,
            boot,
            entries: vec![service, backend],
            saved: Vec::new(),
            orphan: None,
            enabled: true,
            stuck: false,
            past: ["proxy-service", "backend"].map(|log| (log.to_owned(), Written { starts: 1, faults: 0 })).into(),
            noisy: (fate.fail == Some(Cause::Eaddrinuse)).then(|| now - of(17, 60_000)),
            skew,
            round: if fate.slow { round * 20 } else { round },
            // the same machine whatever the seed: another run may come back to it
            machine_id: format!("{:032x}", chance(0, index, 13)),
            boot_id: format!("{:032x}", chance(seed, index, 14)),
            next: 2,
            name,
        };
        match fate.incident {
            None | Some(Incident::Healthy) => {}
            Some(what @ (Incident::RestartLoop | Incident::KillSwitchStuck)) => {
                machine.stuck = what == Incident::KillSwitchStuck;
                let run = Run::Loop { from: now - 300_000 - of(15, 600_000), every: 1_900 + of(16, 600) };
                let script = "/home/app/proxy-service/server.js";
                let twin = entry(2, "proxy-server", SERVICE_PORT, SERVICE_DIR, script, run);
                // started from the file of the service under another name, it has the log files that stand in there
                machine.entries.push(Entry { log: "proxy-service".to_owned(), ..twin });
                machine.next = 3;
            }
            Some(Incident::OrphanPort) => {
                let service = &mut machine.entries[0];
                machine.orphan = Some((ORPHAN, service.clone()));
                service.unique ^= 1;
                service.restarts = 15;
                service.run = Run::Errored;
                machine.write("proxy-service", Written { starts: 0, faults: TRIES });
            }
        }
        machine.saved = machine.entries.clone();
        machine
    }

    /// Its own clock, in milliseconds.
    pub(crate) fn clock(&self, now: Timestamp) -> i64 {
        now.as_millis() + self.skew
    }

    /// What one exchange with it takes.
    pub(crate) fn round(&self) -> Duration {
        self.round
    }

    /// What it says of itself.
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            os: "Linux".to_owned(),
            arch: "x86_64".to_owned(),
            user: "app".to_owned(),
            uid: UID,
            home: HOME.to_owned(),
            hostname: self.name.clone(),
            boot_id: Some(self.boot_id.clone()),
            machine_id: Some(self.machine_id.clone()),
            instance_id: None,
            skew_ms: self.skew,
            skew_err_ms: u64::try_from(self.round.as_millis() / 2).unwrap_or(u64::MAX),
        }
    }

    /// Everything that listens.
    pub(crate) fn listening(&self) -> Vec<Listening> {
        let of = |entry: &Entry| match entry.run {
            Run::Steady { pid, .. } => Some(Listening { pid, port: entry.port }),
            _ => None,
        };
        let orphan = self.orphan.iter().map(|(pid, entry)| Listening { pid: *pid, port: entry.port });
        self.entries.iter().filter_map(of).chain(orphan).collect()
    }

    /// Who has a port.
    pub(crate) fn holder(&self, port: u16) -> Option<u32> {
        self.listening().into_iter().find(|listening| listening.port == port).map(|listening| listening.pid)
    }

    fn write(&mut self, log: &str, more: Written) {
        let past = self.past.entry(log.to_owned()).or_default();
        past.starts += more.starts;
        past.faults += more.faults;
    }

    /// What stands in the log files that are called so; none where there are none.
    pub(crate) fn written(&self, log: &str, now: i64) -> Option<Written> {
        let mut written = *self.past.get(log)?;
        let loops = self.entries.iter().filter(|entry| entry.log == log).filter_map(|entry| match entry.run {
            Run::Loop { from, every } => Some(rounds(from, every, now)),
            _ => None,
        });
        let tries = self.noisy.filter(|_| log == "proxy-service").map(|from| rounds(from, RETRY, now));
        written.faults += loops.chain(tries).filter_map(|count| u64::try_from(count).ok()).sum::<u64>();
        Some(written)
    }

    /// Stops an entry's process: what a loop has counted and written stays.
    pub(crate) fn stop(&mut self, id: u32, now: i64) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == id) else { return };
        let restarts = entry.at(now).restarts;
        let (log, faults) = (entry.log.clone(), restarts - entry.restarts);
        entry.restarts = restarts;
        entry.run = Run::Stopped;
        self.write(&log, Written { starts: 0, faults });
    }

    /// Starts an entry's process: it listens, unless its port is taken.
    pub(crate) fn start(&mut self, id: u32, now: i64) {
        let Some(at) = self.entries.iter().position(|entry| entry.id == id) else { return };
        self.entries[at].run = Run::Stopped;
        let port = self.entries[at].port;
        let taken = self.holder(port).is_some();
        let pid = 40_000 + u32::try_from(self.entries[at].restarts % 20_000).unwrap_or_default() + id * 7;
        let entry = &mut self.entries[at];
        entry.run = if taken { Run::Errored } else { Run::Steady { pid, since: now } };
        let log = entry.log.clone();
        self.write(&log, if taken { Written { starts: 0, faults: TRIES } } else { Written { starts: 1, faults: 0 } });
        if port == SERVICE_PORT && !taken {
            self.enabled = true;
        }
    }

    /// Starts an entry that was stopped, and counts it.
    pub(crate) fn restart(&mut self, id: u32, now: i64) {
        self.entries.iter_mut().filter(|entry| entry.id == id).for_each(|entry| entry.restarts += 1);
        self.start(id, now);
    }

    /// Gives PM2 the service anew.
    pub(crate) fn add_service(&mut self, name: &str, now: i64) -> u32 {
        let id = if self.entries.is_empty() { 0 } else { self.next };
        self.next = id + 1;
        let entry = Entry {
            id,
            name: name.to_owned(),
            port: SERVICE_PORT,
            cwd: SERVICE_DIR,
            script: "/home/app/proxy-service/server.js",
            log: name.to_owned(),
            created: now,
            restarts: 0,
            unique: chance(now.unsigned_abs(), 0, u64::from(id)),
            run: Run::Stopped,
        };
        self.entries.push(entry);
        self.start(id, now);
        id
    }

    /// A path with `~/` as the host has it.
    pub(crate) fn path(text: &str) -> String {
        let path = match text.strip_prefix('~') {
            Some("") => HOME.to_owned(),
            Some(rest) if rest.starts_with('/') => [HOME, rest].concat(),
            _ => text.to_owned(),
        };
        path.trim_end_matches('/').to_owned()
    }
}
