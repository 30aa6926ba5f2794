//! The incident that all screens are looked at with: run 7f3a9c of restart-loop on six hosts.

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

/// 2026-11-21T03:13:00Z.
pub const START: i64 = 1_795_230_780_000;

pub fn host(name: &str) -> HostName {
    HostName::parse(name).expect("a host name")
}

pub fn step(id: &str) -> StepId {
    StepId::parse(id).expect("a step id")
}

/// Events in the making.
pub struct Story {
    pub events: Vec<Event>,
    run: RunId,
    now: i64,
}

pub const STEPS: [(&str, &str, Section); 6] = [
    ("precheck", "require", Section::Precheck),
    ("port-conflict", "free-port", Section::Step),
    ("switch-off", "kill-switch", Section::Step),
    ("restart", "pm2", Section::Step),
    ("one-process", "single-process", Section::Verify),
    ("answers", "http", Section::Verify),
];

impl Story {
    pub fn new(run: &str) -> Self {
        Self { events: Vec::new(), run: RunId::parse(run).expect("a run id"), now: START }
    }

    /// Seconds pass.
    pub fn later(&mut self, seconds: f64) -> &mut Self {
        self.now += (seconds * 1000.0) as i64;
        self
    }

    pub fn tell(&mut self, kind: EventKind) -> &mut Self {
        let seq = self.events.len() as u64 + 1;
        self.events.push(Event { seq, ts: Timestamp::from_millis(self.now), run: self.run.clone(), kind });
        self
    }

    pub fn planned(&mut self, hosts: &[HostName], batches: &[usize]) -> &mut Self {
        self.tell(EventKind::StreamStart {
            schema: "runbook.events/1.0".to_owned(),
            tool: "runbook 0.1.0".to_owned(),
            argv: Vec::new(),
            sim: false,
        });
        let mut rest = hosts;
        let mut cut = Vec::new();
        for size in batches {
            let (batch, after) = rest.split_at((*size).min(rest.len()));
            cut.push(batch.to_vec());
            rest = after;
        }
        let planned = STEPS.iter().enumerate().map(|(at, (id, kind, section))| PlannedStep {
            n: at as u32 + 1,
            id: step(id),
            kind: (*kind).to_owned(),
            section: *section,
            phase: None,
        });
        self.tell(EventKind::RunPlanned {
            runbook: RunbookRef {
                name: RunbookName::parse("restart-loop").expect("a name"),
                title: "Stop a PM2 restart loop".to_owned(),
                path: PathBuf::from("runbooks/restart-loop.toml"),
                sha256: "9be1f02c".repeat(8),
            },
            digest: "d".repeat(64),
            selector: "web-[01-06]".to_owned(),
            hosts: hosts.to_vec(),
            batches: cut,
            steps: planned.collect(),
            phases: Vec::new(),
            risk: Risk::Restarts,
            max_failures: 1,
            max_out: None,
            dry_run: false,
            by: "ana".to_owned(),
            ticket: None,
        })
    }

    pub fn connected(&mut self, name: &HostName, skew_ms: i64) -> &mut Self {
        self.tell(EventKind::HostConnected {
            host: name.clone(),
            key_type: "ssh-ed25519".to_owned(),
            fingerprint: "SHA256:m3f".to_owned(),
            facts: Facts {
                os: "Linux".to_owned(),
                arch: "x86_64".to_owned(),
                user: "deploy".to_owned(),
                uid: 1000,
                home: "/home/deploy".to_owned(),
                hostname: name.to_string(),
                boot_id: None,
                machine_id: None,
                instance_id: None,
                skew_ms,
                skew_err_ms: 20,
            },
            took_ms: 13,
            algorithms: None,
        })
    }

    pub fn down(&mut self, name: &HostName, code: &str, why: &str) -> &mut Self {
        let finding = Some(Finding::new(code, why));
        self.tell(EventKind::HostReach { host: name.clone(), state: "down".to_owned(), finding })
    }

    pub fn preview(&mut self, name: &HostName, id: &str, outcome: Outcome, basis: Basis, summary: &str) -> &mut Self {
        let effects = if outcome == Outcome::WouldChange { vec![summary.to_owned()] } else { Vec::new() };
        self.tell(EventKind::PreviewStep {
            host: name.clone(),
            step: step(id),
            outcome,
            basis,
            word: None,
            summary: summary.to_owned(),
            effects,
            destroys: summary.starts_with("end pid"),
        })
    }

    pub fn summary(&mut self, groups: &[&[HostName]]) -> &mut Self {
        let basis = [("seen", 21), ("declared", 10), ("not-known", 17)];
        let group = |(n, hosts): (usize, &&[HostName])| PreviewGroup { hosts: hosts.to_vec(), signature: format!("g{n}") };
        self.tell(EventKind::PlanSummary {
            change_hosts: 5,
            unreachable_hosts: 1,
            refused_hosts: 0,
            changes: 11,
            destroy: 1,
            at_worst: 3,
            basis: basis.into_iter().map(|(word, n)| (word.to_owned(), n)).collect(),
            groups: groups.iter().enumerate().map(group).collect(),
        })
    }

    pub fn asked(&mut self, phrase: Option<&str>) -> &mut Self {
        let why = "6 of the 8 hosts of group `web` are selected".to_owned();
        self.tell(EventKind::ConfirmAsked { phrase: phrase.map(str::to_owned), why })
    }

    pub fn confirmed(&mut self) -> &mut Self {
        self.tell(EventKind::ConfirmGiven { by: "ana".to_owned(), via: "tty".to_owned() })
    }

    pub fn batch(&mut self, n: usize, of: usize, hosts: &[HostName]) -> &mut Self {
        self.tell(EventKind::BatchStarted { n, of, canary: n == 1, hosts: hosts.to_vec() })
    }

    pub fn batch_ended(&mut self, n: usize, hosts: &[(HostOutcome, usize)]) -> &mut Self {
        self.tell(EventKind::BatchFinished { n, hosts: hosts.iter().copied().collect() })
    }

    pub fn started(&mut self, name: &HostName, id: &str) -> &mut Self {
        self.tell(EventKind::StepStarted { host: name.clone(), step: step(id), attempt: 1 })
    }

    pub fn judged(&mut self, name: &HostName, id: &str, note: Note) -> &mut Self {
        self.tell(EventKind::StepJudged { host: name.clone(), step: step(id), look: 1, note })
    }

    pub fn intent(&mut self, name: &HostName, id: &str, effect: &str) -> &mut Self {
        let change = Change {
            why: Note::new("x", effect),
            effects: vec![effect.to_owned()],
            destroys: false,
            ops: Vec::new(),
            undo: Vec::new(),
            obligation: None,
        };
        self.tell(EventKind::StepIntent { host: name.clone(), step: step(id), attempt: 1, change })
    }

    pub fn opened(&mut self, name: &HostName) -> &mut Self {
        self.tell(EventKind::ObligationOpened {
            host: name.clone(),
            step: step("switch-off"),
            obligation: Obligation {
                key: "kill-switch http://127.0.0.1:3000/api/status#enabled".to_owned(),
                title: "kill switch enabled".to_owned(),
                was: json!(true),
                set: json!(false),
                close: ClosePolicy::Always,
                closer: Box::new(UnitSpec::new(step("close-switch"), Section::Close, "kill-switch", Map::new())),
            },
        })
    }

    pub fn closed(&mut self, name: &HostName) -> &mut Self {
        self.tell(EventKind::ObligationClosed {
            host: name.clone(),
            key: "kill-switch http://127.0.0.1:3000/api/status#enabled".to_owned(),
            how: "restored".to_owned(),
            summary: "enabled is true (3 equal reads)".to_owned(),
        })
    }

    pub fn finished(&mut self, name: &HostName, id: &str, outcome: Outcome, did: &str) -> &mut Self {
        let changed = outcome == Outcome::Changed;
        let bad = !outcome.is_fine();
        let finding = bad.then(|| {
            Finding::new("exit", did)
                .evidence("[PM2][ERROR] Process api errored")
                .evidence("Error: listen EADDRINUSE: address already in use :::3000")
                .hint("ss -ltnp 'sport = :3000'")
        });
        self.tell(EventKind::StepFinished {
            host: name.clone(),
            step: step(id),
            attempt: 1,
            outcome,
            changed,
            exit_code: bad.then_some(1),
            note: Some(Note::new("seen", did)),
            finding,
            effects: if changed { vec![did.to_owned()] } else { Vec::new() },
            duration_ms: 1_800,
        })
    }

    pub fn output(&mut self, name: &HostName, id: &str, text: &str) -> &mut Self {
        self.tell(EventKind::StepOutput {
            host: name.clone(),
            step: step(id),
            attempt: 1,
            stream: "stderr".to_owned(),
            text: text.to_owned(),
            lossy: false,
        })
    }

    pub fn decision(&mut self, name: &HostName, id: &str) -> &mut Self {
        self.tell(EventKind::DecisionAsked {
            id: format!("failed:{name}:{id}:1"),
            step: Some(step(id)),
            hosts: vec![name.clone()],
            question: format!("{id} failed on {name}: exit 1"),
            options: ["retry", "skip", "exclude", "abort"].map(str::to_owned).to_vec(),
            finding: Some(
                Finding::new("exit", "exit 1: pm2 restart api")
                    .evidence("[PM2][ERROR] Process api errored")
                    .evidence("Error: listen EADDRINUSE: address already in use :::3000"),
            ),
        })
    }

    pub fn host_ended(&mut self, name: &HostName, outcome: HostOutcome, seconds: u64) -> &mut Self {
        self.tell(EventKind::HostFinished {
            host: name.clone(),
            outcome,
            changed: outcome == HostOutcome::Ok,
            finding: None,
            duration_ms: seconds * 1000,
        })
    }

    /// A host that goes through all of it and ends ok.
    pub fn all_well(&mut self, name: &HostName) -> &mut Self {
        self.started(name, "precheck").later(3.0).finished(name, "precheck", Outcome::Ok, "load 1.2, disk 61%");
        self.started(name, "port-conflict").later(1.0).finished(name, "port-conflict", Outcome::Already, ":3000 is held by api");
        self.started(name, "switch-off").intent(name, "switch-off", "set enabled to false (now true)").opened(name);
        self.later(1.0).finished(name, "switch-off", Outcome::Changed, "set enabled to false (now true)");
        self.started(name, "restart").intent(name, "restart", "restart api (id 3)");
        self.later(6.0).finished(name, "restart", Outcome::Changed, "restart api (id 3)");
        for (restarts, after) in [(1187, 10.0), (1187, 10.0), (1187, 10.0)] {
            let note = Note::new("single", "steady").value("restarts", restarts).value("app", "api");
            self.later(after).judged(name, "one-process", note);
        }
        self.started(name, "one-process").finished(name, "one-process", Outcome::Ok, "steady for 30 s");
        self.started(name, "answers").later(2.0).finished(name, "answers", Outcome::Ok, "200, 3 times in a row");
        self.closed(name).host_ended(name, HostOutcome::Ok, 109)
    }
}

pub fn hosts() -> Vec<HostName> {
    (1..=6).map(|n| host(&format!("web-{n:02}"))).collect()
}

/// Up to the question whether to go on: web-04 has a stray process, web-05 is down.
pub fn previewed() -> Story {
    let all = hosts();
    let mut story = Story::new("7f3a9c");
    story.planned(&all, &[1, 2, 2, 1]).later(1.0);
    for name in &all {
        if name.as_str() == "web-05" {
            story.down(name, "timeout", "connect timeout after 2.0 s");
            continue;
        }
        let skew = if name.as_str() == "web-04" { 2310 } else { 10 };
        story.connected(name, skew);
        story.preview(name, "precheck", Outcome::Ok, Basis::Seen, "load 1.2, disk 61%");
        if name.as_str() == "web-04" {
            let what = "end pid 18422 (node /srv/api/old.js), which holds :3000 and is not in PM2";
            story.preview(name, "port-conflict", Outcome::WouldChange, Basis::Seen, what);
        } else {
            story.preview(name, "port-conflict", Outcome::Already, Basis::Seen, ":3000 is held by api");
        }
        story.preview(name, "switch-off", Outcome::WouldChange, Basis::Seen, "set enabled to false (now true)");
        story.preview(name, "restart", Outcome::WouldChange, Basis::Declared, "restart api (id 3)");
        story.preview(name, "one-process", Outcome::NotKnown, Basis::NotKnown, "needs a change that has not happened");
        story.preview(name, "answers", Outcome::NotKnown, Basis::NotKnown, "needs a change that has not happened");
    }
    story.later(3.0);
    let same: Vec<HostName> = ["web-01", "web-02", "web-03", "web-06"].map(host).to_vec();
    story.summary(&[&[host("web-04")], &same, &[host("web-05")]]);
    story.asked(Some("restart-loop 6"));
    story
}

/// Batch 3 of 4: three hosts are done, web-04 has failed and waits for a decision, web-05 is being tried.
pub fn failed() -> Story {
    let all = hosts();
    let mut story = previewed();
    story.later(20.0).confirmed();
    story.batch(1, 4, &all[..1]).all_well(&all[0]).batch_ended(1, &[(HostOutcome::Ok, 1)]);
    story.batch(2, 4, &all[1..3]).all_well(&all[1]).all_well(&all[2]).batch_ended(2, &[(HostOutcome::Ok, 2)]);
    let name = &all[3];
    story.batch(3, 4, &all[3..5]).later(1.0).down(&all[4], "timeout", "connect timeout after 2.0 s");
    story.started(name, "precheck").later(3.0).finished(name, "precheck", Outcome::Ok, "load 1.2, disk 61%");
    let did = "end pid 18422 (node /srv/api/old.js)";
    story.started(name, "port-conflict").intent(name, "port-conflict", did).later(1.0);
    story.finished(name, "port-conflict", Outcome::Changed, did);
    story.started(name, "switch-off").intent(name, "switch-off", "set enabled to false (now true)").opened(name).later(1.0);
    story.finished(name, "switch-off", Outcome::Changed, "set enabled to false (now true)");
    story.started(name, "restart").intent(name, "restart", "restart api (id 3)").later(1.8);
    for restarts in [1187, 1187, 1188, 1189, 1190, 1191] {
        let note = Note::new("looping", "api restarts").value("restarts", restarts).value("app", "api");
        story.later(0.3).judged(name, "restart", note);
    }
    story.output(
        name,
        "restart",
        "[PM2] Applying action restartProcessId on app [api](ids: [ 3 ])\n[PM2][ERROR] Process api errored\n\
         Error: listen EADDRINUSE: address already in use :::3000\n    at Server.setupListenHandle [as _listen2] (node:net:1463:16)\n",
    );
    story.finished(name, "restart", Outcome::Failed, "exit 1: pm2 restart api");
    story.decision(name, "restart");
    story
}

/// The numbers of an end.
pub fn tally(hosts: &[(HostOutcome, usize)]) -> BTreeMap<HostOutcome, usize> {
    hosts.iter().copied().collect()
}
