//! What two runs differ in: hosts with another result, errors that are new or gone, steps that became slower.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::event::Failure;
use crate::model::id::{HostName, RunId, StepId};
use crate::model::outcome::HostOutcome;
use crate::state::run::RunState;
use crate::state::summary::{Flags, conclude, outcome};
use crate::state::words;
use crate::tui::model::Watched;
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, paint};

/// A step became slower where its median grew by more than this factor.
const SLOWER: u32 = 2;
/// And by more than this: what takes no time at all is never slower.
const AT_LEAST: Duration = Duration::from_secs(1);
/// The most columns that the hosts of one line take.
const HOSTS: usize = 60;

/// What two runs differ in, as lines.
#[derive(Debug)]
pub(super) struct Comparison {
    lines: Vec<(Tone, String)>,
}

impl Comparison {
    /// What the runs of this pair differ in, the older one first; none where other runs were read.
    pub(super) fn of(both: &(Watched, Watched), pair: &(RunId, RunId)) -> Option<Self> {
        let (one, other) = (&both.0.run, &both.1.run);
        let (older, newer) = match (one.run.as_ref()?, other.run.as_ref()?) {
            (a, b) if (a, b) == (&pair.0, &pair.1) => (one, other),
            (a, b) if (b, a) == (&pair.0, &pair.1) => (other, one),
            _ => return None,
        };
        let mut lines = vec![heading("older", older), heading("newer", newer)];
        lines.extend(results(older, newer));
        lines.extend(errors(older, newer));
        lines.extend(slower(older, newer));
        Some(Self { lines })
    }

    /// How many rows it has.
    pub(super) fn rows(&self) -> usize {
        self.lines.len()
    }

    /// All of it as text.
    pub(super) fn text(&self) -> String {
        self.lines.iter().map(|(_, line)| format!("{line}\n")).collect()
    }
}

fn heading(which: &str, run: &RunState) -> (Tone, String) {
    let id = run.run.as_ref().map_or("-", RunId::as_str);
    let book = run.runbook.as_ref().map_or("-", |book| book.name.as_str());
    let when = run.started.map_or_else(String::new, |at| format!("{} {}Z", at.date(), at.clock()));
    let dry = if run.dry_run { ", dry run" } else { "" };
    let sim = words::sim(run.sim);
    (Tone::Strong, format!("{which}  {sim}{id}  {book} on {}  {when} by {}{dry}", run.selector, run.by))
}

fn title(text: String) -> [(Tone, String); 2] {
    [(Tone::Plain, String::new()), (Tone::Strong, text)]
}

/// Hosts that took part in both and came to something else.
fn results(older: &RunState, newer: &RunState) -> Vec<(Tone, String)> {
    let mut changed: BTreeMap<(HostOutcome, HostOutcome), Vec<HostName>> = BTreeMap::new();
    let (mut both, mut only_new) = (0, Vec::new());
    for name in &newer.order {
        let Some(after) = newer.hosts.get(name) else { continue };
        let Some(before) = older.hosts.get(name) else {
            only_new.push(name.clone());
            continue;
        };
        both += 1;
        let results = (outcome(before, older.dry_run), outcome(after, newer.dry_run));
        if results.0 != results.1 {
            changed.entry(results).or_default().push(name.clone());
        }
    }
    let only_old: Vec<HostName> = older.order.iter().filter(|name| !newer.hosts.contains_key(*name)).cloned().collect();
    let count: usize = changed.values().map(Vec::len).sum();
    let mut lines = title(format!("another result: {count} of the {} in both", words::count(both, "host"))).to_vec();
    let row = |((before, after), hosts): (&(HostOutcome, HostOutcome), &Vec<HostName>)| {
        let tone = if *after == HostOutcome::Ok { Tone::Plain } else { Tone::Bad };
        (tone, format!("  {}: was {}, is {}", words::hosts(hosts, HOSTS), words::outcome(*before), words::outcome(*after)))
    };
    lines.extend(changed.iter().map(row));
    let only = [("only in the older run", only_old), ("only in the newer run", only_new)];
    let only = only.iter().filter(|(_, hosts)| !hosts.is_empty());
    lines.extend(only.map(|(what, hosts)| (Tone::Dim, format!("  {what}: {}", words::hosts(hosts, HOSTS)))));
    lines
}

/// Errors that only one of both has.
fn errors(older: &RunState, newer: &RunState) -> Vec<(Tone, String)> {
    let failures = |run: &RunState| match &run.finished {
        Some(finished) => finished.failures.clone(),
        None => conclude(run, &[], &Flags::default()).failures,
    };
    let (before, after) = (failures(older), failures(newer));
    let only = |these: &[Failure], others: &[Failure]| -> Vec<Failure> {
        let known: BTreeSet<&str> = others.iter().map(|failure| failure.fold_key.as_str()).collect();
        these.iter().filter(|failure| !known.contains(failure.fold_key.as_str())).cloned().collect()
    };
    let (new, gone) = (only(&after, &before), only(&before, &after));
    let mut lines = title(format!("errors: {} new, {} gone", new.len(), gone.len())).to_vec();
    lines.extend(new.iter().map(|failure| (Tone::Bad, format!("  new   {}", told(failure)))));
    lines.extend(gone.iter().map(|failure| (Tone::Plain, format!("  gone  {}", told(failure)))));
    lines
}

fn told(failure: &Failure) -> String {
    let step = failure.step.as_ref().map_or_else(String::new, |step| format!("{step} "));
    format!("{step}on {}: {}", words::hosts(&failure.hosts, HOSTS), failure.message)
}

/// Steps whose median duration has more than doubled.
fn slower(older: &RunState, newer: &RunState) -> Vec<(Tone, String)> {
    let (before, after) = (medians(older), medians(newer));
    let slower = newer.steps.iter().filter_map(|step| {
        let (was, is) = (before.get(&step.id)?, after.get(&step.id)?);
        (*is > *was * SLOWER && is.saturating_sub(*was) > AT_LEAST).then_some((step, *was, *is))
    });
    let slower: Vec<_> = slower.collect();
    let mut lines = title(format!("steps that take more than {SLOWER} times as long: {}", slower.len())).to_vec();
    lines.extend(slower.iter().map(|(step, was, is)| {
        (Tone::Warn, format!("  {} {}: {}, was {}", step.n, step.id, words::took(*is), words::took(*was)))
    }));
    if older.dry_run || newer.dry_run {
        lines.push((Tone::Dim, "  a dry run takes no steps".to_owned()));
    }
    lines
}

/// The median time of each step over the hosts on which it ended well.
fn medians(run: &RunState) -> BTreeMap<&StepId, Duration> {
    let mut times: BTreeMap<&StepId, Vec<Duration>> = BTreeMap::new();
    for (step, unit) in run.hosts.values().flat_map(|host| &host.units) {
        if let (Some(started), Some(finished), Some(outcome)) = (unit.started, unit.finished, unit.outcome)
            && outcome.is_fine()
        {
            times.entry(step).or_default().push(finished.since(started));
        }
    }
    let median = |(step, mut times): (_, Vec<Duration>)| {
        times.sort();
        Some((step, *times.get(times.len() / 2)?))
    };
    times.into_iter().filter_map(median).collect()
}

/// Paints it.
pub(super) fn draw(buf: &mut Buffer, area: Rect, ui: &Ui) {
    let theme = ui.theme;
    let Some(compared) = &ui.history.compared else {
        return paint(buf, area, [Cells::of(theme, Tone::Dim, &format!("  reading the two records{}", theme.more()))]);
    };
    let lines = compared.lines.iter().skip(ui.history.scroll);
    paint(buf, area, lines.map(|(tone, line)| Cells::of(theme, *tone, &format!(" {line}").replace('…', theme.more()))));
}
