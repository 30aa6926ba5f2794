//! The words that all reporters share: counted nouns, durations, tallies, verbs.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::hostset;
use crate::model::id::{HostName, StepId};
use crate::model::outcome::HostOutcome;
use crate::model::time::Timestamp;
use crate::model::visible::width;
use crate::state::run::{Decided, RunState};

/// What is said of a simulated fleet where there is a line for it.
pub const SIMULATED: &str = "simulated hosts; no real one is contacted or changed";

/// Before what is told of simulated hosts; nothing before what is told of real ones.
pub fn sim(sim: bool) -> &'static str {
    if sim { "SIM " } else { "" }
}

/// `1 host`, `2 hosts`.
pub fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// `1:49`, `1:16:20`.
pub fn clock(time: Duration) -> String {
    let all = time.as_secs();
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `0.4 s`, `45 s`, `1:49`: for what is mostly short.
pub fn took(time: Duration) -> String {
    match time.as_millis() {
        0..10_000 => format!("{:.1} s", time.as_secs_f64()),
        10_000..60_000 => format!("{} s", time.as_secs()),
        _ => clock(time),
    }
}

/// `just now`, `3h ago`, `2d ago`.
pub fn ago(time: Duration) -> String {
    match time.as_secs() {
        0..60 => "just now".to_owned(),
        secs @ 60..3_600 => format!("{}min ago", secs / 60),
        secs @ 3_600..86_400 => format!("{}h ago", secs / 3_600),
        secs => format!("{}d ago", secs / 86_400),
    }
}

/// A duration from the milliseconds of an event.
pub fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// An outcome as people read it.
pub fn outcome(outcome: HostOutcome) -> &'static str {
    match outcome {
        HostOutcome::RolledBack => "rolled back",
        HostOutcome::RollbackFailed => "rollback failed",
        HostOutcome::NotStarted => "not started",
        _ => outcome.word(),
    }
}

/// An outcome as the verb of a line: capitals mean that a person should look.
pub fn verb(outcome: HostOutcome) -> &'static str {
    match outcome {
        HostOutcome::Ok => "ok",
        HostOutcome::Failed => "FAILED",
        HostOutcome::Unknown => "UNKNOWN",
        HostOutcome::Refused => "REFUSED",
        HostOutcome::Unreachable => "UNREACHABLE",
        HostOutcome::RolledBack => "ROLLED BACK",
        HostOutcome::RollbackFailed => "UNDO FAILED",
        HostOutcome::Cancelled => "cancelled",
        HostOutcome::NotStarted => "not started",
    }
}

/// `3 ok  1 failed  1 not started`, in the order of the contract.
pub fn tally(hosts: &BTreeMap<HostOutcome, usize>) -> String {
    let parts: Vec<String> = hosts.iter().filter(|(_, n)| **n > 0).map(|(o, n)| format!("{n} {}", outcome(*o))).collect();
    parts.join("  ")
}

/// `5 restart`: a step's number and id.
pub fn step(state: &RunState, id: &StepId) -> String {
    match state.steps.iter().find(|step| step.id == *id) {
        Some(step) => format!("{} {id}", step.n),
        None => id.to_string(),
    }
}

/// `retry by ana@ops-1: web-04 failed at 5 restart: exit 1`, with the note where there is one.
pub fn decided(decided: &Decided) -> String {
    let note = decided.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
    format!("{} by {}{note}: {}", decided.option, decided.by, decided.asked.question)
}

/// What runs at `now`, `web-04 5 restart 0:19` each, the longest first.
pub fn running(state: &RunState, now: Timestamp) -> Vec<String> {
    let mut running: Vec<(Timestamp, &HostName, &StepId)> =
        state.hosts.iter().filter_map(|(name, host)| host.running.as_ref().map(|(id, since)| (*since, name, id))).collect();
    running.sort();
    running.iter().map(|(since, name, id)| format!("{name} {} {}", step(state, id), clock(now.since(*since)))).collect()
}

/// The title of what is open under `key`, and since when; asked before it is closed.
pub fn open_title(state: &RunState, host: &HostName, key: &str) -> (String, Option<Timestamp>) {
    match state.hosts.get(host).and_then(|host| host.open.get(key)) {
        Some(open) => (open.obligation.title.clone(), Some(open.since)),
        None => (key.to_owned(), None),
    }
}

/// Hosts as one short text; where it gets long, the first ones and how many more.
pub fn hosts(names: &[HostName], columns: usize) -> String {
    let all = hostset::fold(names);
    if width(&all) <= columns {
        return all;
    }
    let cut = |n: usize| format!("{} … and {} more {}", hostset::fold(&names[..n]), names.len() - n, plural(names.len() - n));
    let (mut fits, mut too_many) = (1, names.len());
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        if width(&cut(middle)) <= columns { fits = middle } else { too_many = middle }
    }
    if fits < names.len() { cut(fits) } else { all }
}

fn plural(n: usize) -> &'static str {
    if n == 1 { "host" } else { "hosts" }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{clock, count, hosts, took};
    use crate::model::id::HostName;

    #[test]
    fn long_sets_say_how_many_more_there_are() {
        let names = |from: usize, step: usize| -> Vec<HostName> {
            (0..100).map(|n| HostName::parse(&format!("web-{:03}", from + n * step)).expect("a name")).collect()
        };
        assert_eq!(hosts(&names(1, 1), 20), "web-[001-100]");
        assert_eq!(hosts(&names(1, 2), 40), "web-[001,003,005] … and 97 more hosts");
        assert_eq!(hosts(&names(1, 2)[..2], 3), "web-001 … and 1 more host");
        assert_eq!(hosts(&names(1, 2)[..1], 3), "web-001");
    }

    #[test]
    fn counted_and_timed() {
        assert_eq!([count(0, "host"), count(1, "host"), count(2, "host")], ["0 hosts", "1 host", "2 hosts"]);
        assert_eq!(clock(Duration::from_secs(109)), "1:49");
        assert_eq!(clock(Duration::from_secs(4_580)), "1:16:20");
        assert_eq!(clock(Duration::from_millis(900)), "0:00");
        assert_eq!(took(Duration::from_millis(2_040)), "2.0 s");
        assert_eq!(took(Duration::from_millis(45_900)), "45 s");
        assert_eq!(took(Duration::from_secs(61)), "1:01");
    }
}
