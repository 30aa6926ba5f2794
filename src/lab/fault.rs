//! `lab fault`: incidents to practise on, injected into running hosts and taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::lab::error::LabError;
use crate::lab::facts::name;
use crate::lab::inside;
use crate::lab::label;
use crate::lab::order::State;
use crate::lab::place::Place;
use crate::lab::status::known;
use crate::lab::up::{FAULTS, alive, wait_for_health};
use crate::model::visible::literal;

const SECONDS: u32 = 120;

/// What is injected: the script that makes it and the one that takes it back, run on the host as its user.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What the host is like then.
    pub about: &'static str,
    /// Whether something is wrong then, or only looks so.
    pub nature: Nature,
    inject: &'static str,
    undo: &'static str,
}

/// Whether an injected fault is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// Something is wrong.
    Incident,
    /// Nothing is wrong, and a hasty eye says otherwise: whatever is run there must change nothing.
    LookAlike,
}

/// A script after the part that those about the service share.
macro_rules! on_service {
    ($file:literal) => {
        concat!(include_str!("../../lab/faults/service.sh"), include_str!(concat!("../../lab/faults/", $file)))
    };
}

/// Every fault there is.
pub const ALL: [Fault; 8] = [
    Fault {
        name: "restart-loop",
        about: "a second PM2 app on the service's port: it fails and is restarted for ever",
        nature: Nature::Incident,
        inject: include_str!("../../lab/faults/restart-loop.sh"),
        undo: include_str!("../../lab/faults/restart-loop.undo.sh"),
    },
    Fault {
        name: "orphan-port",
        about: "npm was killed, its node keeps the port, no new one can bind",
        nature: Nature::Incident,
        inject: on_service!("orphan-port.sh"),
        undo: on_service!("service.undo.sh"),
    },
    Fault {
        name: "kill-switch-stuck",
        about: "the emergency toggle answers 200 and changes nothing",
        nature: Nature::Incident,
        inject: on_service!("kill-switch-stuck.sh"),
        undo: on_service!("service.undo.sh"),
    },
    Fault {
        name: "no-daemon",
        about: "PM2 was killed: no daemon, no app",
        nature: Nature::Incident,
        inject: include_str!("../../lab/faults/no-daemon.sh"),
        undo: include_str!("../../lab/faults/no-daemon.undo.sh"),
    },
    Fault {
        name: "lookalike-cluster",
        about: "two cluster workers: PM2's daemon itself listens for both",
        nature: Nature::LookAlike,
        inject: on_service!("lookalike-cluster.sh"),
        undo: on_service!("service.undo.sh"),
    },
    Fault {
        name: "lookalike-npm",
        about: "the service run by `npm start`: the listener is a grandchild of PM2's entry",
        nature: Nature::LookAlike,
        inject: on_service!("lookalike-npm.sh"),
        undo: on_service!("service.undo.sh"),
    },
    Fault {
        name: "lookalike-reuseport",
        about: "two processes of the service share the port by SO_REUSEPORT",
        nature: Nature::LookAlike,
        inject: on_service!("lookalike-reuseport.sh"),
        undo: on_service!("service.undo.sh"),
    },
    Fault {
        name: "lookalike-time-wait",
        about: "hundreds of closed connections in TIME_WAIT on the port",
        nature: Nature::LookAlike,
        inject: on_service!("lookalike-time-wait.sh"),
        undo: on_service!("lookalike-time-wait.undo.sh"),
    },
];

/// What can be injected, a line each, incidents apart from what only looks like one.
pub fn list() -> String {
    let mut text = String::new();
    for (nature, title) in [(Nature::Incident, "Incidents:"), (Nature::LookAlike, "Look-alikes, where nothing is wrong:")] {
        let _ = writeln!(text, "{title}");
        for fault in ALL.iter().filter(|fault| fault.nature == nature) {
            let _ = writeln!(text, "  {:<20} {}", fault.name, fault.about);
        }
    }
    text
}

/// Which hosts have which faults.
pub(crate) type Active = BTreeMap<String, BTreeSet<String>>;

/// Injects a fault on the hosts, or takes it back. `say` hears a line for each host.
pub fn fault(dir: &Path, wanted: &str, hosts: &str, undo: bool, say: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    let fault = ALL.into_iter().find(|fault| fault.name == wanted).ok_or_else(|| LabError::Invalid {
        what: format!("there is no fault `{}`", literal(wanted)),
        hint: "runbook lab fault --help".to_owned(),
    })?;
    let place = Place::new(dir)?;
    let down = || LabError::Down(place.dir().to_path_buf());
    if !place.dir().is_dir() {
        return Err(down());
    }
    let _lock = place.lock()?;
    let state = alive(&place)?.ok_or_else(down)?;
    let numbers = select(&state, hosts)?;
    let text = if undo { fault.undo } else { fault.inject };
    // named before it is made: what is half made must be found too
    let mut faults = active(&place)?;
    let affected: BTreeSet<String> = numbers.iter().copied().map(name).collect();
    if !undo {
        faults.entry(fault.name.to_owned()).or_default().extend(affected.iter().cloned());
        place.write_json(FAULTS, &faults)?;
    }
    let mut failed = None;
    for (number, outcome) in on_each(&place, &state, &numbers, text) {
        let host = name(number);
        match outcome {
            Ok(said) => {
                say(&format!("{host}: {said}"));
                if undo && let Some(hosts) = faults.get_mut(fault.name) {
                    hosts.remove(&host);
                }
            }
            Err(error) => {
                say(&format!("{host}: {error}"));
                failed = failed.or(Some(error));
            }
        }
    }
    faults.retain(|_, hosts| !hosts.is_empty());
    place.write_json(FAULTS, &faults)?;
    if let Some(error) = failed {
        return Err(error);
    }
    // a look-alike is well while it is in, and so is whoever has nothing else
    let is_well = |active: &str| ALL.iter().any(|fault| fault.name == active && fault.nature == Nature::LookAlike);
    let ill = |host: &str| faults.iter().any(|(active, hosts)| hosts.contains(host) && !is_well(active));
    let clear = |number: &u16| (undo || fault.nature == Nature::LookAlike) && !ill(&name(*number));
    wait_for_health(&place, state.network, numbers.into_iter().filter(clear))
}

/// The faults that were injected and not taken back.
pub(crate) fn active(place: &Place) -> Result<Active, LabError> {
    Ok(place.read_json(FAULTS)?.unwrap_or_default())
}

/// Which hosts are meant: `all`, or names with commas between.
fn select(state: &State, hosts: &str) -> Result<Vec<u16>, LabError> {
    if hosts == "all" {
        return Ok(state.hosts.iter().map(|host| host.number).collect());
    }
    let chosen: Result<BTreeSet<u16>, LabError> = hosts.split(',').map(|host| known(state, host.trim())).collect();
    Ok(chosen?.into_iter().collect())
}

/// Runs the script on every host, a few at a time, because PM2's commands starve the machine; in the order of the hosts.
fn on_each(place: &Place, state: &State, numbers: &[u16], text: &str) -> Vec<(u16, Result<String, LabError>)> {
    let living = label::find(place.id());
    let workers = 2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..workers.min(numbers.len()) {
            scope.spawn(|| {
                while let Some(number) = numbers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = on_one(place, state, &living, *number, text);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(*number, outcome);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect()
}

fn on_one(place: &Place, state: &State, living: &[label::Labelled], number: u16, text: &str) -> Result<String, LabError> {
    let out = inside::script(place, state, living, number, text, SECONDS)?;
    let last = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().lines().last().unwrap_or("").to_owned();
    if out.status.success() {
        return Ok(last(&out.stdout));
    }
    let said = Some(last(&out.stderr)).filter(|said| !said.is_empty()).unwrap_or_else(|| out.status.to_string());
    Err(LabError::Program { doing: format!("the script on {}", name(number)), said })
}
