//! The pure parts at 10 to 10,000 hosts: folding a record, building a plan. `cargo bench --bench engine`.
//!
//! What matters is the growth from one size to the next: ten times the hosts should cost ten times the time.

use std::path::{Path, PathBuf};

use divan::Bencher;
use runbook::load::kinds::KINDS;
use runbook::load::runbook as loader;
use runbook::load::{inventory, source};
use runbook::model::event::{Event, EventKind, PlannedStep};
use runbook::model::host::Facts;
use runbook::model::id::{HostName, RunId, RunbookName, StepId};
use runbook::model::inventory::Inventory;
use runbook::model::outcome::{HostOutcome, Outcome, Risk};
use runbook::model::plan::{RunbookRef, Section};
use runbook::model::runbook::Runbook;
use runbook::model::step::Note;
use runbook::model::time::Timestamp;
use runbook::plan::build::{Request, build};
use runbook::plan::select::Selection;
use runbook::state::run::RunState;

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
        skew_ms: 0,
        skew_err_ms: 1,
    }
}

fn restart_loop() -> Runbook {
    loader::load(Path::new("runbooks/restart-loop.toml")).expect("the shipped runbook")
}

fn fleet(hosts: usize) -> Inventory {
    let mut text = String::from("[defaults]\nuser = \"app\"\n");
    for n in 0..hosts {
        let zone = ["a", "b", "c"][n % 3];
        text.push_str(&format!("[hosts.{}]\naddress = \"127.0.0.1\"\ntags = [\"az-{zone}\"]\n", name(n)));
    }
    let source = source::decode(Path::new("inventory.toml"), text.into_bytes()).expect("text");
    inventory::from_source(&source, None).expect("an inventory")
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
