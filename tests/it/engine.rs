//! The engine over a scripted world: what is sent, in which order, and what is said of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use runbook::engine::run::{EngineError, Setup, run};
use runbook::model::control::Control;
use runbook::model::event::{Event, EventKind};
use runbook::model::host::Host;
use runbook::model::id::{HostName, RunId, RunbookName, StepId};
use runbook::model::op::Exit;
use runbook::model::outcome::{HostOutcome, Outcome, Risk};
use runbook::model::plan::{Confirmation, Lane, OnFailure, Plan, Rollout, RunbookRef, Section, UnitSpec};
use runbook::state::run::RunState;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::world::{Machine, ScriptedWorld};

fn unit(n: u32, step: &str, section: Section, kind: &str, fields: Value) -> UnitSpec {
    UnitSpec {
        step: StepId::parse(step).expect("a step id"),
        n,
        section,
        name: None,
        phase: None,
        kind: kind.to_owned(),
        when: None,
        observe: false,
        optional: false,
        timeout: None,
        on_failure: OnFailure::StopHost,
        fields: fields.as_object().expect("a table").clone(),
    }
}

fn switch_off(n: u32) -> UnitSpec {
    let fields = json!({
        "url": "http://127.0.0.1:3000/status", "field": "enabled", "to": false, "close": "always", "reads": 2,
        "set": { "method": "POST", "url": "http://127.0.0.1:3000/toggle?enabled={{ value }}" },
    });
    unit(n, "switch-off", Section::Step, "kill-switch", fields)
}

/// Pre-check, switch, work, verification: one of each.
fn units() -> Vec<UnitSpec> {
    vec![
        unit(1, "fit", Section::Precheck, "require", json!({ "run": "fit" })),
        switch_off(2),
        unit(3, "work", Section::Step, "exec", json!({ "run": "work" })),
        unit(4, "proof", Section::Verify, "require", json!({ "run": "proof" })),
    ]
}

fn plan(hosts: &[&str], batches: &[&[usize]], units: Vec<UnitSpec>) -> Plan {
    let lane = |name: &&str| Lane {
        host: Host {
            name: HostName::parse(name).expect("a host name"),
            address: "127.0.0.1".to_owned(),
            port: 22,
            user: "app".to_owned(),
            identity: None,
            known_hosts: Vec::new(),
            host_key_alias: None,
            instance_id: None,
            tags: Vec::new(),
            groups: Vec::new(),
            protected: false,
            vars: BTreeMap::new(),
        },
        vars: BTreeMap::new(),
        units: (0..units.len()).collect(),
    };
    Plan {
        runbook: RunbookRef {
            name: RunbookName::parse("scripted").expect("a runbook name"),
            title: "scripted".to_owned(),
            path: PathBuf::from("scripted.toml"),
            sha256: String::new(),
        },
        selector: "all".to_owned(),
        risk: Risk::Restarts,
        phases: Vec::new(),
        rollout: Rollout::default(),
        lanes: hosts.iter().map(lane).collect(),
        units,
        batches: batches.iter().map(|batch| batch.to_vec()).collect(),
        confirmation: Confirmation::Yes,
        digest: String::new(),
    }
}

struct Run {
    world: ScriptedWorld,
    plan: Plan,
    dry_run: bool,
    orders: Vec<Control>,
}

impl Run {
    fn new(machines: Vec<(&'static str, Machine)>, units: Vec<UnitSpec>) -> Self {
        let names: Vec<&str> = machines.iter().map(|(name, _)| *name).collect();
        let all: Vec<usize> = (0..names.len()).collect();
        let plan = plan(&names, &[&all], units);
        let confirm = Control::Confirm { by: "test".to_owned(), via: "flag".to_owned() };
        Self { world: ScriptedWorld::new(machines), plan, dry_run: false, orders: vec![confirm] }
    }

    async fn go(&self) -> Result<RunState, EngineError> {
        let (to, control) = mpsc::channel(8);
        for order in &self.orders {
            to.send(order.clone()).await.expect("room for orders");
        }
        let setup = Setup {
            run: RunId::parse("abcdef").expect("a run id"),
            plan: Arc::new(self.plan.clone()),
            dry_run: self.dry_run,
            pending: false,
            by: "test".to_owned(),
            ticket: None,
            forks: 8,
            world: Arc::new(self.world.clone()),
            log: self.world.log(),
            control,
            reporters: Vec::new(),
        };
        let result = run(setup).await;
        drop(to);
        assert_eq!(self.world.unrecorded(), Vec::<String>::new(), "an effect without a durable intent");
        result
    }

    async fn ends(&self) -> RunState {
        self.go().await.expect("the record holds")
    }
}

fn code(state: &RunState) -> u8 {
    state.finished.as_ref().expect("a finished run").exit_code
}

fn host<'s>(state: &'s RunState, name: &str) -> &'s runbook::state::run::HostState {
    state.hosts.iter().find(|(host, _)| host.as_str() == name).map(|(_, host)| host).expect("a host of the run")
}

fn outcome(state: &RunState, name: &str) -> Option<HostOutcome> {
    host(state, name).outcome
}

fn unit_outcome(state: &RunState, name: &str, step: &str) -> Option<Outcome> {
    let units = &host(state, name).units;
    units.iter().find(|(id, _)| id.as_str() == step).and_then(|(_, unit)| unit.outcome)
}

fn last(events: &[Event]) -> &'static str {
    match events.last().map(|event| &event.kind) {
        Some(EventKind::RunFinished { .. }) => "run.finished",
        _ => "something else",
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_looks_switches_works_verifies_and_closes() {
    let run = Run::new(vec![("a", Machine::default())], units());
    let state = run.ends().await;
    assert_eq!(code(&state), 0);
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!(state.open(), []);
    assert_eq!(outcome(&state, "a"), Some(HostOutcome::Ok));
    assert_eq!(last(&run.world.events()), "run.finished");
    assert_eq!(RunState::replay(&run.world.events()), state, "the record folds to the live state");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_says_what_it_would_do() {
    let mut run = Run::new(vec![("a", Machine::default())], units());
    run.dry_run = true;
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(code(&state), 0);
    let preview: Vec<String> =
        host(&state, "a").preview.iter().map(|(step, p)| format!("{step} {} {}", p.outcome, p.basis.word())).collect();
    let want =
        ["fit ok seen, own command", "proof not-known not known", "switch-off would-change seen", "work would-change declared"];
    assert_eq!(preview, want);
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_ends_the_lane_and_still_closes() {
    let machine = Machine::default().ending("work", &[Exit::Code { code: 7 }]);
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!((code(&state), outcome(&state, "a")), (1, Some(HostOutcome::Failed)));
    assert_eq!(unit_outcome(&state, "a", "proof"), None, "a stopped lane is not touched again");
    assert_eq!(state.open(), []);
}

#[tokio::test(start_paused = true)]
async fn no_status_is_unknown_and_is_never_sent_again() {
    let machine =
        Machine::default().ending("work", &[Exit::Unknown { why: "connection-lost".to_owned() }, Exit::Code { code: 0 }]);
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!((code(&state), outcome(&state, "a")), (8, Some(HostOutcome::Unknown)));
    assert_eq!(unit_outcome(&state, "a", "work"), Some(Outcome::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_refusing_precheck_leaves_the_host_untouched() {
    let machine = Machine::default().ending("fit", &[Exit::Code { code: 1 }]);
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!((code(&state), outcome(&state, "a")), (6, Some(HostOutcome::Refused)));
}

#[tokio::test(start_paused = true)]
async fn a_failing_canary_stops_the_other_batches() {
    let bad = Machine::default().ending("work", &[Exit::Code { code: 1 }]);
    let mut run = Run::new(vec![("a", bad), ("b", Machine::default()), ("c", Machine::default())], units());
    run.plan.batches = vec![vec![0], vec![1, 2]];
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!(outcome(&state, "b"), None);
    assert_eq!(code(&state), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_host_is_left_out_and_the_others_go_on() {
    let dead = Machine { reachable: false, ..Machine::default() };
    let run = Run::new(vec![("a", Machine::default()), ("b", dead)], units());
    let state = run.ends().await;
    assert_eq!(outcome(&state, "a"), Some(HostOutcome::Ok));
    assert_eq!(outcome(&state, "b"), Some(HostOutcome::Unreachable));
    assert_eq!(code(&state), 3);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_saw_and_confirmed_is_not_done() {
    // the preview reads the switch twice and sees it off; then somebody turns it on
    let machine = Machine { switch: false, flip: Some((2, true)), ..Machine::default() };
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(unit_outcome(&state, "a", "switch-off"), Some(Outcome::Refused));
    assert_eq!(host(&state, "a").finding.as_ref().map(|finding| finding.code.as_str()), Some("drifted"));
    assert_eq!(code(&state), 6);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_somebody_else_changed_is_left_alone() {
    // switch on -> we set it off -> somebody turns it on while we work: closing finds it back already
    let machine = Machine { meddle: Some((2, true)), ..Machine::default() };
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work"]);
    assert_eq!(state.open(), []);
    let how: Vec<String> = run
        .world
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::ObligationClosed { how, .. } => Some(how.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(how, ["already"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_the_record_is_lost() {
    for limit in 0..30 {
        let run = Run::new(vec![("a", Machine::default())], units());
        run.world.shared.lock().expect("not poisoned").log_limit = Some(limit);
        match run.go().await {
            Err(EngineError::Log(_)) => {}
            Ok(state) => {
                let reached = state.finished.is_some();
                assert!(!reached || run.world.events().len() <= limit, "limit {limit}: a run ended well without its record");
            }
            Err(error) => panic!("limit {limit}: {error}"),
        }
        // `unrecorded` is asserted in go(): no effect without a durable intent, wherever the record broke
    }
}

#[tokio::test(start_paused = true)]
async fn declined_is_aborted_and_nothing_is_sent() {
    let mut run = Run::new(vec![("a", Machine::default())], units());
    run.orders = vec![Control::Decline { reason: "no".to_owned() }];
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(code(&state), 4);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_nothing_new_start_and_closes_what_is_open() {
    let mut run = Run::new(vec![("a", Machine::default()), ("b", Machine::default())], units());
    run.plan.batches = vec![vec![0], vec![1]];
    run.orders.push(Control::Stop { by: "test".to_owned() });
    let state = run.ends().await;
    assert!(run.world.ledger().iter().all(|line| line.starts_with("a:")), "{:?}", run.world.ledger());
    assert_eq!(state.open(), []);
    assert_eq!(code(&state), 4);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_host_ends_without_a_change_and_without_a_question() {
    let machine = Machine { switch: false, ..Machine::default() };
    let mut run = Run::new(vec![("a", machine)], vec![units()[0].clone(), switch_off(2), units()[3].clone()]);
    run.orders = Vec::new();
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!((code(&state), state.changed_hosts()), (0, 0));
    assert_eq!(unit_outcome(&state, "a", "switch-off"), Some(Outcome::Already));
}
