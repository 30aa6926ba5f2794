//! What there is to know before a run is confirmed, computed from its preview.

use std::time::Duration;

use crate::model::plan::OnFailure;
use crate::state::foreseen::{Foreseen, Would};
use crate::state::run::{PlanSummary, RunState};
use crate::state::words;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::preview::{age, closes, side};
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;

/// A plan that is older is told so.
const OLD: Duration = Duration::from_secs(600);
/// The most changes that are named.
const NAMED: usize = 4;
/// The most columns of a set of hosts.
const HOSTS: usize = 40;

/// A fact: its label and its texts, a row or more each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fact {
    /// Of a word or two.
    pub label: &'static str,
    /// How the texts look.
    pub tone: Tone,
    /// The texts.
    pub texts: Vec<String>,
}

fn fact(label: &'static str, tone: Tone, text: String) -> Fact {
    Fact { label, tone, texts: vec![text] }
}

/// The facts, most important first.
pub(super) fn facts(model: &Model, ui: &Ui, live: &Watched) -> Vec<Fact> {
    let (run, seen) = (&live.run, &ui.preview.seen);
    let Some(summary) = &run.summary else { return Vec::new() };
    let more = ui.theme.more();
    let mut all = vec![will_do(seen, more)];
    let old = model.now.since(summary.at) > OLD;
    let age = Fact {
        label: "Plan age",
        tone: if old { Tone::Warn } else { Tone::Plain },
        texts: vec![format!("{}; each host is checked again before it changes", age(model.now, summary.at))],
    };
    if old {
        // what is old is said before it is cut away
        all.insert(0, age.clone());
    }
    all.extend(cannot_undo(summary, seen, more));
    all.extend(will_not_touch(seen, more));
    all.extend(opens(model, run, seen));
    all.push(first_failure(model, run));
    if let Some(worst) = side::at_worst(summary) {
        all.push(fact("At worst", Tone::Plain, side::worst_words(worst)));
    }
    all.extend(batches(run, more));
    if let Some(asked) = run.asked.as_ref().filter(|asked| asked.phrase.is_some() && !asked.why.is_empty()) {
        all.push(fact("Asked because", Tone::Plain, asked.why.clone()));
    }
    if !old {
        all.push(age);
    }
    all
}

fn will_do(seen: &Foreseen, more: &str) -> Fact {
    let mut texts: Vec<String> = seen.would.iter().take(NAMED).map(told).collect();
    let left = seen.would.len().saturating_sub(NAMED);
    if left > 0 {
        texts.push(format!("{more} and {} more", words::count(left, "change")));
    }
    if texts.is_empty() {
        texts.push("what is known only after an earlier step".to_owned());
    }
    Fact { label: "Will do", tone: Tone::Plain, texts }
}

fn told(would: &Would) -> String {
    let on = if would.hosts == 1 { would.first.to_string() } else { words::count(would.hosts, "host") };
    format!("{} on {on}", would.what)
}

fn cannot_undo(summary: &PlanSummary, seen: &Foreseen, more: &str) -> Option<Fact> {
    if summary.destroy == 0 {
        return None;
    }
    let destroys: Vec<&Would> = seen.would.iter().filter(|would| would.destroys).collect();
    let named = destroys.iter().take(NAMED).map(|would| {
        let count = if would.hosts == 1 { String::new() } else { format!("{} ", would.hosts) };
        format!("{count}{}", would.step)
    });
    let mut which = named.collect::<Vec<_>>().join(", ");
    if destroys.len() > NAMED {
        which = format!("{which} {more}");
    }
    let which = if which.is_empty() { which } else { format!(": {which}") };
    Some(fact("Cannot undo", Tone::Bad, format!("{} of {}{which}", summary.destroy, words::count(summary.changes, "change"))))
}

fn will_not_touch(seen: &Foreseen, more: &str) -> Option<Fact> {
    let mut texts = Vec::new();
    for (hosts, why) in [(&seen.unreachable, "unreachable"), (&seen.refused, "a step says no there")] {
        if !hosts.is_empty() {
            let names = words::hosts(hosts, HOSTS).replace('…', more);
            texts.push(format!("{names}: {why}"));
        }
    }
    (!texts.is_empty()).then_some(Fact { label: "Will not touch", tone: Tone::Plain, texts })
}

/// What is switched off or taken out per host, and when it is closed.
fn opens(model: &Model, run: &RunState, seen: &Foreseen) -> Option<Fact> {
    let steps = run.steps.iter().filter(|step| closes::opens(step));
    let told = steps.filter_map(|step| {
        let hosts = seen.hosts_of(&step.id);
        let when = closes::words(closes::policy(model, run, step));
        (hosts > 0).then(|| format!("{} on {}, {when}", step.id, words::count(hosts, "host")))
    });
    let texts: Vec<String> = told.collect();
    (!texts.is_empty()).then_some(Fact { label: "Opens", tone: Tone::Plain, texts })
}

/// What the first failure does, as far as it is known here.
fn first_failure(model: &Model, run: &RunState) -> Fact {
    let mut texts = vec![side::stop_rule(run)];
    let planned = run.runbook.as_ref();
    let book = planned.and_then(|planned| model.book(planned.name.as_str()).filter(|_| !planned.sha256.is_empty()));
    let book = book.and_then(|book| book.is.as_ref().ok()).filter(|book| planned.is_some_and(|p| p.sha256 == book.sha256));
    let stops = book.into_iter().flat_map(|book| &book.steps).filter(|step| step.on_failure == Some(OnFailure::StopRun));
    let stops: Vec<&str> = stops.map(|step| step.id.as_str()).collect();
    if !stops.is_empty() {
        texts.push(format!("where {} fails, no new step starts on any host", stops.join(" or ")));
    }
    Fact { label: "First failure", tone: Tone::Plain, texts }
}

fn batches(run: &RunState, more: &str) -> Option<Fact> {
    const SIZES: usize = 8;
    let [first, _, ..] = run.batches.as_slice() else { return None };
    let mut sizes: Vec<String> = run.batches.iter().take(SIZES).map(|batch| batch.len().to_string()).collect();
    if run.batches.len() > SIZES {
        sizes.push(more.to_owned());
    }
    let canary = words::hosts(first, HOSTS).replace('…', more);
    Some(fact("Batches", Tone::Plain, format!("{}; canary {canary} first", sizes.join(", "))))
}
