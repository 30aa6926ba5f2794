//! A person at a running run: decides about failures, pauses, leaves hosts out.

mod decisions;
mod exclusions;
mod pauses;
mod terminal;

use runbook::model::event::EventKind;
use runbook::model::op::Exit;
use runbook::model::plan::{BatchSize, OnFailure, Scope, Section, UnitSpec};
use runbook::state::run::RunState;
use serde_json::json;

use crate::harness::script::{Cue, Run, units};
use crate::harness::world::Machine;

/// Pre-check, switch, work, verification, and whoever fails is asked about.
fn asking() -> Vec<UnitSpec> {
    units().into_iter().map(|unit| UnitSpec { on_failure: OnFailure::Ask, ..unit }).collect()
}

/// A host that fails at its work so many times.
fn failing(times: usize) -> Machine {
    let mut ends = vec![Exit::Code { code: 1 }; times];
    ends.push(Exit::Code { code: 0 });
    Machine::default().ending("work", &ends)
}

/// Somebody can be asked, and one batch after the other has one host.
fn one_by_one(machines: Vec<(&'static str, Machine)>, units: Vec<UnitSpec>) -> Run {
    let mut run = asked(machines, units);
    run.plan.batches = (0..run.plan.lanes.len()).map(|lane| vec![lane]).collect();
    run
}

/// Somebody can be asked, and all hosts are in one batch.
fn asked(machines: Vec<(&'static str, Machine)>, units: Vec<UnitSpec>) -> Run {
    let mut run = Run::new(machines, units);
    run.asking.can_ask = true;
    run.plan.rollout.max_failures = BatchSize::Count(1);
    run
}

fn once(n: u32) -> UnitSpec {
    let mut unit = crate::harness::script::unit(n, "once", Section::Step, "exec", json!({ "run": "once" }));
    (unit.scope, unit.on_failure) = (Scope::Once, OnFailure::Ask);
    unit
}

/// Once a step has begun on a host.
fn begins(host: &'static str, step: &'static str) -> Cue {
    Box::new(
        move |kind| matches!(kind, EventKind::StepStarted { host: on, step: of, .. } if on.as_str() == host && of.as_str() == step),
    )
}

/// Once this is asked.
fn asks(id: &'static str) -> Cue {
    Box::new(move |kind| matches!(kind, EventKind::DecisionAsked { id: asked, .. } if asked == id))
}

/// Half a minute later.
fn later() -> Cue {
    Box::new(|kind| matches!(kind, EventKind::Heartbeat { .. }))
}

/// Questions with their options, answers with who gave them, pauses: in the order of the record.
fn told(run: &Run) -> Vec<String> {
    let line = |kind: &EventKind| match kind {
        EventKind::DecisionAsked { id, options, .. } => Some(format!("ask {id} {}", options.join("/"))),
        EventKind::DecisionMade { id, option, by, note, .. } => {
            let note = note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
            Some(format!("{option} {id} by {by}{note}"))
        }
        EventKind::RunPaused { by, .. } => Some(format!("paused by {by}")),
        EventKind::RunResumed { by } => Some(format!("resumed by {by}")),
        EventKind::RunStopping { by, .. } => Some(format!("stopping by {by}")),
        EventKind::HostExcluded { host, by } => Some(format!("{host} excluded by {by}")),
        _ => None,
    };
    run.world.events().iter().filter_map(|event| line(&event.kind)).collect()
}

/// What was done on one host.
fn done(run: &Run, host: &str) -> Vec<String> {
    let of = |line: String| line.strip_prefix(host)?.strip_prefix(": ").map(str::to_owned);
    run.world.ledger().into_iter().filter_map(of).collect()
}

fn why(state: &RunState, host: &str) -> Option<String> {
    crate::harness::script::host(state, host).finding.as_ref().map(|finding| format!("{}: {}", finding.code, finding.summary))
}

/// The fold of the record is the state of the run.
fn replayed(run: &Run, state: &RunState) {
    assert_eq!(&RunState::replay(&run.world.events()), state);
    assert_eq!(state.waiting, []);
    assert_eq!((&state.paused, &state.gate), (&None, &None));
}
