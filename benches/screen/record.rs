//! The record of a plausible run on so many hosts: a preview, batches of 50, five steps a host, switches that open and
//! close, output, and some failures.

use std::collections::BTreeMap;
use std::path::PathBuf;

use runbook::model::event::{Event, EventKind, PlannedStep, PreviewGroup};
use runbook::model::finding::Finding;
use runbook::model::host::Facts;
use runbook::model::id::{HostName, RunId, RunbookName, StepId};
use runbook::model::outcome::{HostOutcome, Outcome, Risk};
use runbook::model::plan::{RunbookRef, Section, UnitSpec};
use runbook::model::step::{Basis, Change, ClosePolicy, Note, Obligation};
use runbook::model::time::Timestamp;
use serde_json::{Map, json};

const BATCH: usize = 50;
/// One host in so many cannot be reached.
const DOWN: usize = 211;
/// One host in so many fails at its restart.
const FAILS: usize = 97;
/// One host in so many is left with its switch open.
const LEFT_OPEN: usize = 401;
const SWITCH: &str = "kill-switch http://127.0.0.1:3000/api/status#enabled";
const STEPS: [(&str, &str, Section); 5] = [
    ("precheck", "require", Section::Precheck),
    ("switch-off", "kill-switch", Section::Step),
    ("build", "exec", Section::Step),
    ("restart", "pm2", Section::Step),
    ("one-process", "single-process", Section::Verify),
];

/// How far a run is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// It waits to be confirmed.
    Asked,
    /// Somewhat more than half of the batches have ended, and one is running.
    Running,
    /// It has ended.
    Ended,
}

/// The hosts of a fleet.
pub(crate) fn names(hosts: usize) -> Vec<HostName> {
    (0..hosts).map(|n| HostName::parse(&format!("web-{n:05}")).expect("a name")).collect()
}

/// The record.
pub(crate) fn record(hosts: usize, until: Until) -> Vec<Event> {
    let names = names(hosts);
    let mut teller = Teller { events: Vec::new(), run: RunId::parse("7f3a9c").expect("a run id"), now: 1_795_230_780_000 };
    teller.planned(&names);
    teller.previewed(&names);
    if until == Until::Asked {
        return teller.events;
    }
    teller.tell(EventKind::ConfirmGiven { by: "ana".to_owned(), via: "tty".to_owned() });
    let batches: Vec<&[HostName]> = names.chunks(BATCH).collect();
    let whole = if until == Until::Running { batches.len() * 3 / 5 } else { batches.len() };
    for (at, batch) in batches.iter().enumerate().take(whole) {
        teller.batch(at, batches.len(), batch, false);
    }
    match batches.get(whole) {
        Some(batch) => teller.batch(whole, batches.len(), batch, true),
        None => teller.ended(),
    }
    teller.events
}

fn step(at: usize) -> StepId {
    StepId::parse(STEPS[at].0).expect("a step id")
}

fn is_down(n: usize) -> bool {
    n % DOWN == DOWN - 1
}

fn fails(n: usize) -> bool {
    n % FAILS == FAILS - 1
}

fn number(host: &HostName) -> usize {
    host.as_str().trim_start_matches("web-").parse().expect("a number")
}

struct Teller {
    events: Vec<Event>,
    run: RunId,
    now: i64,
}

impl Teller {
    fn tell(&mut self, kind: EventKind) {
        let seq = self.events.len() as u64 + 1;
        self.events.push(Event { seq, ts: Timestamp::from_millis(self.now), run: self.run.clone(), kind });
    }

    fn planned(&mut self, names: &[HostName]) {
        let planned = (1..).zip(STEPS).map(|(n, (id, kind, section))| PlannedStep {
            n,
            id: StepId::parse(id).expect("a step id"),
            kind: kind.to_owned(),
            section,
            phase: None,
        });
        self.tell(EventKind::RunPlanned {
            runbook: RunbookRef {
                name: RunbookName::parse("bench").expect("a name"),
                title: "bench".to_owned(),
                path: PathBuf::from("runbooks/bench.toml"),
                sha256: "9be1f02c".repeat(8),
            },
            digest: "d".repeat(64),
            selector: "all".to_owned(),
            hosts: names.to_vec(),
            batches: names.chunks(BATCH).map(<[HostName]>::to_vec).collect(),
            steps: planned.collect(),
            phases: Vec::new(),
            risk: Risk::Restarts,
            max_failures: names.len(),
            max_out: None,
            dry_run: false,
            by: "ana".to_owned(),
            ticket: None,
        });
    }

    fn previewed(&mut self, names: &[HostName]) {
        let mut groups: BTreeMap<String, Vec<HostName>> = BTreeMap::new();
        for (n, host) in names.iter().enumerate() {
            self.now += i64::from(n % 10 == 0);
            if is_down(n) {
                let finding = Some(Finding::new("connect-timeout", "connect timeout after 2.0 s"));
                self.tell(EventKind::HostReach { host: host.clone(), state: "down".to_owned(), finding });
                groups.entry("down".to_owned()).or_default().push(host.clone());
                continue;
            }
            self.connected(host);
            // some hundred plans at most, however many hosts: the odd ones have another size of disk
            let plan = if n % 31 == 30 { format!("build release {}", n % 113) } else { "build release".to_owned() };
            self.preview(host, 0, Outcome::Ok, Basis::Seen, "load 1.2, disk 61%");
            self.preview(host, 1, Outcome::WouldChange, Basis::Seen, "set enabled to false (now true)");
            self.preview(host, 2, Outcome::WouldChange, Basis::Declared, &plan);
            self.preview(host, 3, Outcome::WouldChange, Basis::Declared, "restart api (id 3)");
            self.preview(host, 4, Outcome::NotKnown, Basis::NotKnown, "needs a change that has not happened");
            groups.entry(plan).or_default().push(host.clone());
        }
        let down = groups.get("down").map_or(0, Vec::len);
        let groups = groups.into_iter().map(|(signature, hosts)| PreviewGroup { hosts, signature }).collect();
        self.tell(EventKind::PlanSummary {
            change_hosts: names.len() - down,
            unreachable_hosts: down,
            refused_hosts: 0,
            changes: (names.len() - down) * 3,
            destroy: 0,
            at_worst: names.len(),
            basis: [("seen".to_owned(), names.len() * 2), ("declared".to_owned(), names.len() * 2)].into(),
            groups,
        });
        let phrase = Some(format!("bench {}", names.len()));
        self.tell(EventKind::ConfirmAsked { phrase, why: "all hosts of group `web` are selected".to_owned() });
    }

    fn connected(&mut self, host: &HostName) {
        let facts = Facts {
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
        };
        let (key_type, fingerprint) = ("ssh-ed25519".to_owned(), "SHA256:bench".to_owned());
        self.tell(EventKind::HostConnected { host: host.clone(), key_type, fingerprint, facts, took_ms: 3, algorithms: None });
    }

    fn preview(&mut self, host: &HostName, at: usize, outcome: Outcome, basis: Basis, summary: &str) {
        let effects = if outcome == Outcome::WouldChange { vec![summary.to_owned()] } else { Vec::new() };
        let (host, step, summary) = (host.clone(), step(at), summary.to_owned());
        self.tell(EventKind::PreviewStep { host, step, outcome, basis, word: None, summary, effects, destroys: false });
    }

    /// A batch; one that is still running stops in the midst of its third step.
    fn batch(&mut self, at: usize, of: usize, hosts: &[HostName], running: bool) {
        self.tell(EventKind::BatchStarted { n: at + 1, of, canary: at == 0, hosts: hosts.to_vec() });
        let up: Vec<&HostName> = hosts.iter().filter(|host| !is_down(number(host))).collect();
        let steps = if running { 3 } else { STEPS.len() };
        for step in 0..steps {
            for host in &up {
                self.now += 2;
                if !(fails(number(host)) && step == STEPS.len() - 1) {
                    self.unit(host, step, running && step == 2);
                }
            }
        }
        if running {
            return;
        }
        let mut outcomes = BTreeMap::new();
        for host in hosts {
            self.now += 1;
            *outcomes.entry(self.host_ended(host)).or_default() += 1;
        }
        self.tell(EventKind::BatchFinished { n: at + 1, hosts: outcomes });
    }

    fn unit(&mut self, host: &HostName, at: usize, running: bool) {
        self.tell(EventKind::StepStarted { host: host.clone(), step: step(at), attempt: 1 });
        let changes = (1..=3).contains(&at);
        if changes {
            self.intent(host, at);
        }
        if at == 1 {
            self.opened(host);
        }
        if at == 2 {
            self.output(host);
        }
        if running {
            return;
        }
        if at == 4 {
            let note = Note::new("single", "steady").value("restarts", 1_187).value("app", "api");
            self.tell(EventKind::StepJudged { host: host.clone(), step: step(at), look: 1, note });
        }
        let failed = at == 3 && fails(number(host));
        let why = "exit 1: pm2 restart api";
        let finding = failed.then(|| Finding {
            fold_key: Some(why.to_owned()),
            ..Finding::new("exit", why).evidence("Error: listen EADDRINUSE: address already in use :::3000")
        });
        let outcome = match changes {
            _ if failed => Outcome::Failed,
            true => Outcome::Changed,
            false => Outcome::Ok,
        };
        self.tell(EventKind::StepFinished {
            host: host.clone(),
            step: step(at),
            attempt: 1,
            outcome,
            changed: changes,
            exit_code: Some(u32::from(failed)),
            note: Some(Note::new("ran", "exit 0")),
            finding,
            effects: if changes && !failed { vec![format!("{} done", STEPS[at].0)] } else { Vec::new() },
            duration_ms: 900,
        });
    }

    fn intent(&mut self, host: &HostName, at: usize) {
        let change = Change {
            why: Note::new("differs", "not as wanted"),
            effects: vec![format!("do {}", STEPS[at].0)],
            destroys: false,
            ops: Vec::new(),
            undo: Vec::new(),
            obligation: None,
        };
        self.tell(EventKind::StepIntent { host: host.clone(), step: step(at), attempt: 1, change });
    }

    fn opened(&mut self, host: &HostName) {
        let closer = UnitSpec::new(StepId::parse("close-switch").expect("a step id"), Section::Close, "kill-switch", Map::new());
        let obligation = Obligation {
            key: SWITCH.to_owned(),
            title: "kill switch enabled".to_owned(),
            was: json!(true),
            set: json!(false),
            close: ClosePolicy::Always,
            closer: Box::new(closer),
        };
        self.tell(EventKind::ObligationOpened { host: host.clone(), step: step(1), obligation });
    }

    fn output(&mut self, host: &HostName) {
        let text: String = (1..=40).map(|n| format!("[{n}/40] npm run build: chunk {n} of {host} written\n")).collect();
        let (host, stream) = (host.clone(), "stdout".to_owned());
        self.tell(EventKind::StepOutput { host, step: step(2), attempt: 1, stream, text, lossy: false });
    }

    fn host_ended(&mut self, host: &HostName) -> HostOutcome {
        let n = number(host);
        let outcome = match () {
            () if is_down(n) => HostOutcome::Unreachable,
            () if fails(n) => HostOutcome::Failed,
            () => HostOutcome::Ok,
        };
        if n % LEFT_OPEN == LEFT_OPEN - 1 && !is_down(n) {
            let finding = Finding::new("http", "503 from the status page");
            self.tell(EventKind::ObligationFailed { host: host.clone(), key: SWITCH.to_owned(), finding });
        } else if !is_down(n) {
            let (how, summary) = ("restored".to_owned(), "enabled is true".to_owned());
            self.tell(EventKind::ObligationClosed { host: host.clone(), key: SWITCH.to_owned(), how, summary });
        }
        let changed = outcome != HostOutcome::Unreachable;
        self.tell(EventKind::HostFinished { host: host.clone(), outcome, changed, finding: None, duration_ms: 9_000 });
        outcome
    }

    fn ended(&mut self) {
        self.tell(EventKind::RunFinished {
            state: runbook::model::outcome::RunState::LeftOpen,
            exit_code: 7,
            hosts: BTreeMap::new(),
            changed: 0,
            failures: Vec::new(),
            open: Vec::new(),
            next: vec!["runbook close 7f3a9c".to_owned()],
            duration_ms: 100_000,
        });
    }
}
