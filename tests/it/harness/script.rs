//! Runs of small plans in the scripted world.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use runbook::engine::close::LeftOpen;
use runbook::engine::link::Asking;
use runbook::engine::run::{EngineError, Setup, run};
use runbook::model::control::Control;
use runbook::model::event::{Event, EventKind};
use runbook::model::host::Host;
use runbook::model::id::{HostName, RunId, RunbookName, StepId};
use runbook::model::outcome::{HostOutcome, Outcome, Risk};
use runbook::model::plan::{Confirmation, Lane, Plan, Rollout, RunbookRef, Section, UnitSpec};
use runbook::state::run::RunState;
use runbook::state::summary::Flags;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::world::{Machine, ScriptedLog, ScriptedWorld};

pub fn unit(n: u32, step: &str, section: Section, kind: &str, fields: Value) -> UnitSpec {
    let fields = fields.as_object().expect("a table").clone();
    UnitSpec { n, ..UnitSpec::new(StepId::parse(step).expect("a step id"), section, kind, fields) }
}

pub fn switch_off(n: u32) -> UnitSpec {
    let fields = json!({
        "url": "http://127.0.0.1:3000/status", "field": "enabled", "to": false, "close": "always", "reads": 2,
        "set": { "method": "POST", "url": "http://127.0.0.1:3000/toggle?enabled={{ value }}" },
    });
    unit(n, "switch-off", Section::Step, "kill-switch", fields)
}

/// Pre-check, switch, work, verification: one of each.
pub fn units() -> Vec<UnitSpec> {
    vec![
        unit(1, "fit", Section::Precheck, "require", json!({ "run": "fit" })),
        switch_off(2),
        unit(3, "work", Section::Step, "exec", json!({ "run": "work" })),
        unit(4, "proof", Section::Verify, "require", json!({ "run": "proof" })),
    ]
}

pub fn plan(hosts: &[&str], batches: &[&[usize]], units: Vec<UnitSpec>) -> Plan {
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
        secrets: BTreeMap::new(),
        digest: String::new(),
    }
}

/// Whether something in the record is what a person waits for.
pub type Cue = Box<dyn Fn(&EventKind) -> bool>;

pub struct Run {
    pub world: ScriptedWorld,
    pub plan: Plan,
    pub dry_run: bool,
    /// Given before the start; an answer when its question is asked.
    pub orders: Vec<Control>,
    /// Given one after the other, each once its cue has come after the one before.
    pub script: Vec<(Cue, Control)>,
    pub forks: usize,
    pub asking: Asking,
    pub with_output: bool,
}

impl Run {
    pub fn new(machines: Vec<(&'static str, Machine)>, units: Vec<UnitSpec>) -> Self {
        let names: Vec<&str> = machines.iter().map(|(name, _)| *name).collect();
        let all: Vec<usize> = (0..names.len()).collect();
        let plan = plan(&names, &[&all], units);
        let confirm = Control::Confirm { by: "test".to_owned(), via: "flag".to_owned() };
        Self {
            world: ScriptedWorld::new(machines),
            plan,
            dry_run: false,
            orders: vec![confirm],
            script: Vec::new(),
            forks: 8,
            asking: Asking::default(),
            with_output: false,
        }
    }

    pub fn setup(&self, control: mpsc::Receiver<Control>) -> Setup<ScriptedWorld, ScriptedLog> {
        Setup {
            run: RunId::parse("abcdef").expect("a run id"),
            plan: Arc::new(self.plan.clone()),
            dry_run: self.dry_run,
            pending: false,
            by: "test".to_owned(),
            ticket: None,
            forks: self.forks,
            argv: vec!["run".to_owned()],
            sim: false,
            with_output: self.with_output,
            asking: self.asking.clone(),
            world: Arc::new(self.world.clone()),
            log: self.world.log(),
            control,
            flags: Flags::default(),
            reporters: Vec::new(),
        }
    }

    pub fn left(&self, state: &RunState) -> LeftOpen<ScriptedWorld, ScriptedLog> {
        LeftOpen {
            run: RunId::parse("abcdef").expect("a run id"),
            state: state.clone(),
            hosts: self.plan.lanes.iter().map(|lane| lane.host.clone()).collect(),
            world: Arc::new(self.world.clone()),
            log: self.world.log(),
            reporters: Vec::new(),
        }
    }

    pub async fn go(&self) -> Result<RunState, EngineError> {
        let (to, control) = mpsc::channel(8);
        let (answers, orders): (Vec<Control>, _) =
            self.orders.iter().cloned().partition(|order| matches!(order, Control::Answer { .. }));
        for order in orders {
            to.send(order).await.expect("room for orders");
        }
        let result = tokio::select! {
            result = run(self.setup(control)) => result,
            () = self.play(&to, answers) => unreachable!("it plays for ever"),
        };
        assert_eq!(self.world.unrecorded(), Vec::<String>::new(), "an effect without a durable intent");
        result
    }

    /// Gives the orders that wait for something in the record.
    async fn play(&self, to: &mpsc::Sender<Control>, mut answers: Vec<Control>) {
        let mut script = self.script.iter();
        let (mut next, mut read) = (script.next(), 0);
        while next.is_some() || !answers.is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            let news: Vec<Event> = self.world.shared.lock().expect("not poisoned").events.iter().skip(read).cloned().collect();
            read += news.len();
            for event in news {
                let asked = |order: &Control| match (order, &event.kind) {
                    (Control::Answer { id, .. }, EventKind::DecisionAsked { id: asked, .. }) => id == asked,
                    _ => false,
                };
                let mut due: Vec<Control> = answers.extract_if(.., |order| asked(order)).collect();
                if let Some((_, order)) = next.filter(|(cue, _)| cue(&event.kind)) {
                    due.push(order.clone());
                    next = script.next();
                }
                for order in due {
                    // the run may have ended
                    let _ = to.send(order).await;
                }
            }
        }
        std::future::pending().await
    }

    /// Cancelled while it runs.
    pub async fn cancelled_after(&self, time: std::time::Duration) -> RunState {
        let (to, control) = mpsc::channel(8);
        for order in &self.orders {
            to.send(order.clone()).await.expect("room for orders");
        }
        let cancel = async {
            tokio::time::sleep(time).await;
            to.send(Control::Cancel { by: "test".to_owned() }).await.expect("it runs");
            to.closed().await;
        };
        let (result, ()) = tokio::join!(run(self.setup(control)), cancel);
        result.expect("the record holds")
    }

    pub async fn ends(&self) -> RunState {
        self.go().await.expect("the record holds")
    }
}

pub fn answer(id: &str, option: &str) -> Control {
    Control::Answer { id: id.to_owned(), option: option.to_owned(), by: "kai".to_owned(), note: None }
}

pub fn code(state: &RunState) -> u8 {
    state.finished.as_ref().expect("a finished run").exit_code
}

pub fn host<'s>(state: &'s RunState, name: &str) -> &'s runbook::state::run::HostState {
    state.hosts.iter().find(|(host, _)| host.as_str() == name).map(|(_, host)| host).expect("a host of the run")
}

pub fn outcome(state: &RunState, name: &str) -> Option<HostOutcome> {
    host(state, name).outcome
}

pub fn unit_outcome(state: &RunState, name: &str, step: &str) -> Option<Outcome> {
    let units = &host(state, name).units;
    units.iter().find(|(id, _)| id.as_str() == step).and_then(|(_, unit)| unit.outcome)
}

pub fn last(events: &[Event]) -> &'static str {
    match events.last().map(|event| &event.kind) {
        Some(EventKind::RunFinished { .. }) => "run.finished",
        _ => "something else",
    }
}
