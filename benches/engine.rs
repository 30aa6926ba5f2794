//! 10 to 10,000 hosts: folding a record, building a plan, running one on a simulated fleet. `cargo bench --bench engine`.
//!
//! What matters is the growth from one size to the next: ten times the hosts should cost ten times the time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use divan::Bencher;
use runbook::engine::link::Asking;
use runbook::engine::log::{Log, LogError};
use runbook::engine::run::{Setup, run};
use runbook::load::kinds::KINDS;
use runbook::load::runbook as loader;
use runbook::load::{inventory, source};
use runbook::model::event::{Event, EventKind, PlannedStep};
use runbook::model::host::Facts;
use runbook::model::id::{HostName, RunId, RunbookName, StepId};
use runbook::model::inventory::Inventory;
use runbook::model::outcome::{HostOutcome, Outcome, Risk};
use runbook::model::plan::{Plan, RunbookRef, Section};
use runbook::model::runbook::Runbook;
use runbook::model::sim::Sim;
use runbook::model::step::Note;
use runbook::model::time::Timestamp;
use runbook::plan::build::{Request, build};
use runbook::plan::select::Selection;
use runbook::state::run::RunState;
use runbook::state::summary::Flags;
use runbook::steps::KINDS as KINDS_OF_STEPS;
use runbook::world::sim::SimFleet;
use tokio::sync::mpsc;

const FLEETS: [usize; 4] = [10, 100, 1_000, 10_000];
const STEPS: usize = 10;

fn main() {
    divan::main();
}

/// Folding the record of a run: live screens, history and resume all do it.
#[divan::bench(args = FLEETS, sample_count = 10)]
fn fold(bencher: Bencher<'_, '_>, hosts: usize) {
    let events = record(hosts);
    bencher.counter(divan::counter::ItemsCount::new(events.len())).bench_local(|| RunState::replay(divan::black_box(&events)));
}

/// A plan of the shipped restart-loop for so many hosts.
#[divan::bench(args = FLEETS, sample_count = 10)]
fn plan(bencher: Bencher<'_, '_>, hosts: usize) {
    let (runbook, inventory) = (restart_loop(), fleet(hosts));
    bencher.bench_local(|| {
        let request = request(&runbook, &inventory);
        build(divan::black_box(&request), &KINDS).expect("a plan")
    });
}

/// Ten read-only steps on a simulated fleet, through the real engine, kinds and parsers; the record is thrown away.
#[divan::bench(args = FLEETS, sample_count = 3, sample_size = 1)]
fn converge(bencher: Bencher<'_, '_>, hosts: usize) {
    let sim = Sim::parse(&format!("sim:{hosts}?speed=max")).expect("a fleet");
    let runbook = source::decode(Path::new("ten-looks.toml"), TEN_LOOKS.as_bytes().to_vec()).expect("text");
    let runbook = loader::from_source(&runbook, KINDS_OF_STEPS).0.expect("a runbook");
    let inventory = sim.inventory();
    let plan = Arc::new(build(&request(&runbook, &inventory), &KINDS).expect("a plan"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads");
    bencher.with_inputs(|| (Arc::clone(&plan), SimFleet::new(sim.clone()))).bench_local_values(|(plan, world)| {
        let state = runtime.block_on(one_run(plan, world));
        assert_eq!(state.finished.map(|finished| finished.exit_code), Some(0));
    });
}

const TEN_LOOKS: &str = r#"
name = "ten-looks"
title = "ten looks"
[rollout]
batches = ["100%"]
[[precheck]]
id = "daemon"
kind = "pm2-daemon"
[[precheck]]
id = "held"
kind = "port"
port = 3000
app = "proxy-service"
[[precheck]]
id = "answers"
kind = "http"
url = "http://127.0.0.1:3000/api/trackier-status"
from = "host"
[[precheck]]
id = "own-1"
kind = "require"
run = "true"
[[precheck]]
id = "own-2"
kind = "require"
run = "true"
[[precheck]]
id = "own-3"
kind = "require"
run = "true"
[[precheck]]
id = "own-4"
kind = "require"
run = "true"
[[precheck]]
id = "own-5"
kind = "require"
run = "true"
[[precheck]]
id = "own-6"
kind = "require"
run = "true"
[[precheck]]
id = "own-7"
kind = "require"
run = "true"
"#;

/// A record that keeps nothing.
struct Nowhere;

impl Log for Nowhere {
    async fn append(&mut self, _events: &[Event]) -> Result<(), LogError> {
        Ok(())
    }
}

async fn one_run(plan: Arc<Plan>, world: SimFleet) -> RunState {
    // read-only: nobody is asked anything
    let (_orders, control) = mpsc::channel(1);
    let setup = Setup {
        run: RunId::parse("abcdef").expect("a run id"),
        plan,
        dry_run: false,
        pending: false,
        by: "bench".to_owned(),
        ticket: None,
        forks: 50,
        argv: Vec::new(),
        sim: true,
        flags: Flags::default(),
        with_output: false,
        asking: Asking::default(),
        world: Arc::new(world),
        log: Nowhere,
        control,
        reporters: Vec::new(),
    };
    run(setup).await.expect("a run")
}

fn name(n: usize) -> HostName {
    HostName::parse(&format!("web-{n:05}")).expect("a name")
}

fn record(hosts: usize) -> Vec<Event> {
    let run = RunId::parse("abcdef").expect("a run id");
    let steps: Vec<StepId> = (0..STEPS).map(|n| StepId::parse(&format!("step-{n}")).expect("a step id")).collect();
    let names: Vec<HostName> = (0..hosts).map(name).collect();
    let planned =
        |(n, id): (u32, &StepId)| PlannedStep { n, id: id.clone(), kind: "exec".to_owned(), section: Section::Step, phase: None };
    let mut kinds = vec![EventKind::RunPlanned {
        runbook: RunbookRef {
            name: RunbookName::parse("bench").expect("a name"),
            title: "bench".to_owned(),
            path: PathBuf::from("bench.toml"),
            sha256: String::new(),
        },
        digest: String::new(),
        selector: "all".to_owned(),
        hosts: names.clone(),
        batches: vec![names.clone()],
        steps: (1..).zip(&steps).map(planned).collect(),
        phases: Vec::new(),
        risk: Risk::Restarts,
        max_failures: 1,
        max_out: None,
        dry_run: false,
        by: "bench".to_owned(),
        ticket: None,
    }];
    for host in names {
        kinds.push(EventKind::HostConnected {
            host: host.clone(),
            key_type: "ssh-ed25519".to_owned(),
            fingerprint: "SHA256:bench".to_owned(),
            facts: facts(&host),
            took_ms: 3,
            algorithms: None,
        });
        for step in &steps {
            kinds.push(EventKind::StepStarted { host: host.clone(), step: step.clone(), attempt: 1 });
            kinds.push(EventKind::StepFinished {
                host: host.clone(),
                step: step.clone(),
                attempt: 1,
                outcome: Outcome::Changed,
                changed: true,
                exit_code: Some(0),
                note: Some(Note::new("ran", "exit 0").value("exit", 0)),
                finding: None,
                effects: vec!["npm ci".to_owned()],
                duration_ms: 12,
            });
        }
        kinds.push(EventKind::HostFinished { host, outcome: HostOutcome::Ok, changed: true, finding: None, duration_ms: 99 });
    }
    let event = |(seq, kind)| Event { seq, ts: Timestamp::from_millis(1_795_000_000_000), run: run.clone(), kind };
    (1..).zip(kinds).map(event).collect()
}

fn facts(host: &HostName) -> Facts {
    Facts {
        os: "Linux".to_owned(),
        arch: "x86_64".to_owned(),
        user: "app".to_owned(),
        uid: 1001,
        home: "/home/app".to_owned(),
        hostname: host.to_string(),
        boot_id: None,
        machine_id: None,
        instance_id: None,
        skew_ms: 0,
        skew_err_ms: 1,
    }
}

fn restart_loop() -> Runbook {
    loader::load(Path::new("runbooks/restart-loop.toml")).expect("the shipped runbook")
}

fn fleet(hosts: usize) -> Inventory {
    let mut whole: Option<Inventory> = None;
    // a file has at most 5,000
    for from in (0..hosts).step_by(5_000) {
        let mut text = String::from("[defaults]\nuser = \"app\"\n");
        for n in from..hosts.min(from + 5_000) {
            let zone = ["a", "b", "c"][n % 3];
            text.push_str(&format!("[hosts.{}]\ntags = [\"az-{zone}\"]\n", name(n)));
        }
        let source = source::decode(Path::new("inventory.toml"), text.into_bytes()).expect("text");
        let part = inventory::from_source(&source, None).expect("an inventory");
        match &mut whole {
            Some(whole) => whole.hosts.extend(part.hosts),
            None => whole = Some(part),
        }
    }
    whole.expect("a host")
}

fn request<'r>(runbook: &'r Runbook, inventory: &'r Inventory) -> Request<'r> {
    Request {
        runbook,
        inventory,
        hosts: inventory.hosts.iter().map(|host| host.name.clone()).collect(),
        selector: "all".to_owned(),
        sets: Vec::new(),
        batches: None,
        max_failures: None,
        on_failure: None,
        selection: Selection::default(),
    }
}
