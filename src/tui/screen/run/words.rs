//! What a host, or a folded row, is said to be doing.

use std::time::Duration;

use crate::model::hostset;
use crate::model::id::{HostName, StepId};
use crate::model::time::Timestamp;
use crate::model::visible::width;
use crate::state::class::Class;
use crate::state::fleet::{Fleet, GroupKey};
use crate::state::run::{HostState, RunState, Waiting};
use crate::state::words::{count, took};
use crate::tui::model::Watched;
use crate::tui::theme::Theme;

/// A set of more hosts than this is told by its first one.
const NAMED: usize = 64;

/// A host in words.
pub(super) struct Said {
    pub(super) class: Class,
    /// Such as `FAILED restart: exit 1`.
    pub(super) text: String,
    /// How long it has been at it, or took.
    pub(super) time: Option<Duration>,
    /// Whether its lane has ended and something is still open on it.
    pub(super) left_open: bool,
}

/// The host at a place in words.
pub(super) fn of_host(watched: &Watched, place: usize, now: Timestamp) -> Option<Said> {
    let (run, fleet) = (&watched.run, &watched.fleet);
    let (name, class) = (fleet.name(place)?, *fleet.classes().get(place)?);
    let host = run.hosts.get(name)?;
    let text = match class {
        Class::Held => held(watched, place, name, host),
        class if class.is_problem() => problem(watched, place, class),
        Class::Waiting => match host.excluded.as_ref().filter(|_| !run.is_over()) {
            Some(by) => format!("left out by {by}"),
            None => waits(run, fleet.batch_of(place)),
        },
        Class::Running | Class::Retrying => running(host),
        Class::RollingBack => "rolling back".to_owned(),
        Class::Ok if run.begun.is_empty() && !run.dry_run => "nothing to change".to_owned(),
        Class::Ok if host.changed => "ok, changed".to_owned(),
        class => class.word().to_owned(),
    };
    let ended = host.finished.or(run.finished.as_ref().map(|finished| finished.at));
    let time = host.started.map(|started| ended.unwrap_or(now).since(started));
    Some(Said { class, text, time, left_open: host.outcome.is_some() && !host.open.is_empty() })
}

/// The question that holds a host.
pub(super) fn question<'r>(run: &'r RunState, name: &HostName) -> Option<&'r Waiting> {
    run.waiting.iter().find(|asked| asked.step.is_some() && asked.hosts.contains(name))
}

fn held(watched: &Watched, place: usize, name: &HostName, host: &HostState) -> String {
    let Some(asked) = question(&watched.run, name) else { return Class::Held.word().to_owned() };
    let failed = asked.step.as_ref().and_then(|step| host.units.get(step)).and_then(|unit| unit.outcome);
    match (failed.filter(|outcome| !outcome.is_fine()), &asked.step) {
        (Some(_), _) => problem(watched, place, Class::Failed),
        (None, Some(step)) => format!("{step}: {}", asked.question),
        (None, None) => asked.question.clone(),
    }
}

fn problem(watched: &Watched, place: usize, class: Class) -> String {
    let why = watched.fleet.words(&watched.run, place);
    let at = step_of(watched, place).map_or_else(String::new, |step| format!(" {step}"));
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    format!("{}{at}{why}", class.word())
}

/// The step of the folded row of a host: the one that went wrong, or the one that asks.
fn step_of(watched: &Watched, place: usize) -> Option<&StepId> {
    let n = watched.fleet.group_of(place)?.step?;
    watched.run.steps.iter().find(|step| step.n == n).map(|step| &step.id)
}

fn waits(run: &RunState, batch: Option<usize>) -> String {
    let word = match () {
        () if run.is_over() => return "not started".to_owned(),
        () if run.stopping.is_some() => return "waiting, will not start".to_owned(),
        () if run.paused.is_some() || !run.waiting.is_empty() => " (held)",
        () => "",
    };
    batch.map_or_else(|| format!("waiting{word}"), |batch| format!("waiting, batch {batch}{word}"))
}

fn running(host: &HostState) -> String {
    let Some((step, _)) = &host.running else { return "between two steps".to_owned() };
    let unit = host.units.get(step);
    let nth = unit.map(|unit| unit.attempt).filter(|attempt| *attempt > 1);
    let nth = nth.map_or_else(String::new, |attempt| format!(", attempt {attempt}"));
    let note = unit.and_then(|unit| unit.note.as_ref()).map_or_else(String::new, |note| format!(": {}", note.summary));
    format!("{step}{nth}{note}")
}

/// The step of a host that is worth looking at: the one that runs or asks, else the one that went wrong, else the last one.
pub(super) fn step_to_show(watched: &Watched, name: &HostName) -> Option<StepId> {
    let run = &watched.run;
    let host = run.hosts.get(name)?;
    if let Some((step, _)) = &host.running {
        return Some(step.clone());
    }
    if let Some(step) = question(run, name).and_then(|asked| asked.step.clone()) {
        return Some(step);
    }
    let place = watched.fleet.place(name)?;
    let wrong = step_of(watched, place).filter(|step| host.units.contains_key(step)).cloned();
    let last = || host.units.iter().filter_map(|(id, unit)| Some((unit.started?, id))).max().map(|(_, id)| id.clone());
    wrong.or_else(last)
}

/// Why the hosts of a folded row are not ok. An exit status says nothing of it: then the line that is shown of the output.
pub(super) fn cause(watched: &Watched, place: usize) -> Option<String> {
    let words = watched.fleet.words(&watched.run, place)?;
    let host = watched.run.hosts.get(watched.fleet.name(place)?)?;
    let unit = step_of(watched, place).and_then(|step| host.units.get(step));
    let finding = unit.and_then(|unit| unit.finding.as_ref()).filter(|finding| finding.summary.starts_with("exit "));
    Some(finding.and_then(|finding| finding.evidence.first()).cloned().unwrap_or(words))
}

/// How many hosts are at work on their steps.
pub(super) fn running_hosts(watched: &Watched) -> usize {
    [Class::Running, Class::Retrying].map(|class| watched.fleet.counts().of(class)).iter().sum()
}

/// The first column of a folded row.
pub(super) fn name_of_group(watched: &Watched, key: &GroupKey, hosts: usize, columns: usize, theme: Theme) -> String {
    let run = &watched.run;
    match key.class {
        Class::Running => match (run.batch, run.is_over()) {
            (Some((n, _)), false) => format!("running, batch {n}"),
            _ => "running".to_owned(),
        },
        Class::Waiting if run.is_over() => "not started".to_owned(),
        Class::Waiting => "waiting".to_owned(),
        Class::Ok if run.begun.is_empty() => "nothing to change".to_owned(),
        Class::Ok => "done".to_owned(),
        class if class.is_problem() || class == Class::Held => some(&watched.fleet, key, hosts, columns, theme),
        class => class.word().to_owned(),
    }
}

/// The hosts of a folded row in so many columns: all of them, or the first one and how many more.
fn some(fleet: &Fleet, key: &GroupKey, hosts: usize, columns: usize, theme: Theme) -> String {
    let places = fleet.hosts_of(key, 0, NAMED);
    let names: Vec<HostName> = places.into_iter().filter_map(|place| fleet.name(place).cloned()).collect();
    set(&names, hosts, columns, theme)
}

/// So many hosts, of which these are the first, in so many columns.
pub(super) fn set(names: &[HostName], hosts: usize, columns: usize, theme: Theme) -> String {
    let all = hostset::fold(names);
    if names.len() == hosts && width(&all) <= columns {
        return all;
    }
    let Some(first) = names.first() else { return String::new() };
    let more = hosts.saturating_sub(1);
    let long = format!("{first} {} and {}", theme.more(), count(more, "more host"));
    if width(&long) <= columns { long } else { format!("{first} +{more}") }
}

/// The last column of a folded row.
pub(super) fn state_of_group(watched: &Watched, key: &GroupKey, first: usize, columns: usize) -> String {
    let (run, fleet) = (&watched.run, &watched.fleet);
    match key.class {
        Class::Running => "hosts in each step".to_owned(),
        Class::Waiting if !run.is_over() => {
            let begun = run.begun.len();
            count(run.batches.len().saturating_sub(begun), "batch").replace("batchs", "batches")
        }
        Class::Ok if !run.begun.is_empty() => done(fleet, columns),
        Class::Held => cause(watched, first).unwrap_or_else(|| words_held(watched, first)),
        class if class.is_problem() => {
            let why = cause(watched, first).unwrap_or_default();
            if class == Class::Failed || why.is_empty() { why } else { format!("{}: {why}", class.word()) }
        }
        _ => String::new(),
    }
}

fn words_held(watched: &Watched, place: usize) -> String {
    let Some((name, host)) = watched.fleet.name(place).and_then(|name| Some((name, watched.run.hosts.get(name)?))) else {
        return String::new();
    };
    held(watched, place, name, host)
}

fn done(fleet: &Fleet, columns: usize) -> String {
    let (Some(median), Some(slow)) = (fleet.took(50), fleet.took(95)) else { return String::new() };
    let short = format!("median {}", took(median));
    let long = format!("{short}, p95 {}", took(slow));
    if width(&long) <= columns { long } else { short }
}
