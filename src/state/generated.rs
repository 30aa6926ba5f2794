//! Sequences of events for properties: what a run could record, in any order that the fold must stand.

use std::collections::BTreeMap;

use proptest::arbitrary::any;
use proptest::collection;
use proptest::strategy::Strategy;
use serde_json::{Map, json};

use crate::model::event::{Event, EventKind, PlannedStep};
use crate::model::finding::Finding;
use crate::model::id::{HostName, RunId, RunbookName, StepId};
use crate::model::outcome::{HostOutcome, Outcome, Risk, RunState as EndState};
use crate::model::plan::{RunbookRef, Section, UnitSpec};
use crate::model::step::{Basis, Change, ClosePolicy, Note, Obligation};
use crate::model::time::Timestamp;
use crate::state::summary::keyed;

/// What happens next: which kind of event, on which host, at which step, with which of several contents, how much later.
type Move = (u8, usize, usize, usize, u16);

const CODES: [&str; 4] = ["exit", "timeout", "drifted", "refused"];

/// The events of a run on up to 12 hosts, from its plan on.
pub(super) fn runs() -> impl Strategy<Value = Vec<Event>> {
    let moves = collection::vec((0u8..24, 0usize..12, 0usize..4, 0usize..720, any::<u16>()), 0..120);
    (1usize..12, 1usize..4, any::<bool>(), moves).prop_map(|(hosts, steps, dry_run, moves)| {
        let mut made = Made { hosts, steps, events: Vec::new(), now: 1_000_000 };
        made.plan(dry_run);
        moves.into_iter().for_each(|next| made.step(next));
        made.events
    })
}

/// The plan of a run on so many hosts, as its only event.
pub(super) fn plan_of(hosts: usize) -> Vec<Event> {
    let mut made = Made { hosts, steps: 3, events: Vec::new(), now: 1_000_000 };
    made.plan(false);
    made.events
}

pub(super) fn host(n: usize) -> HostName {
    HostName::parse(&format!("web-{n:02}")).expect("a name")
}

pub(super) fn step(n: usize) -> StepId {
    StepId::parse(["look", "switch", "restart", "verify"][n % 4]).expect("an id")
}

struct Made {
    hosts: usize,
    steps: usize,
    events: Vec<Event>,
    now: i64,
}

impl Made {
    fn say(&mut self, kind: EventKind) {
        let seq = self.events.len() as u64 + 1;
        let run = RunId::parse("7f3a9c").expect("an id");
        self.events.push(Event { seq, ts: Timestamp::from_millis(self.now), run, kind });
    }

    fn plan(&mut self, dry_run: bool) {
        let hosts: Vec<HostName> = (0..self.hosts).map(host).collect();
        let steps = (0..self.steps).map(|n| PlannedStep {
            n: u32::try_from(n).expect("few") + 1,
            id: step(n),
            kind: "exec".to_owned(),
            section: Section::Step,
            phase: None,
        });
        let name = RunbookName::parse("restart-loop").expect("a name");
        self.say(EventKind::RunPlanned {
            runbook: RunbookRef { name, title: "t".to_owned(), path: "r.toml".into(), sha256: "00".to_owned() },
            digest: "00".to_owned(),
            selector: "@all".to_owned(),
            batches: hosts.chunks(3).map(<[HostName]>::to_vec).collect(),
            hosts,
            steps: steps.collect(),
            phases: Vec::new(),
            risk: Risk::Restarts,
            max_failures: 1,
            max_out: None,
            dry_run,
            by: "me".to_owned(),
            ticket: None,
        });
    }

    fn step(&mut self, (kind, host_n, step_n, pick, later): Move) {
        use EventKind as E;
        self.now += i64::from(later) * 7;
        // one beyond those that are planned, now and then
        let (host, step) = (host(host_n % (self.hosts + 1)), step(step_n % (self.steps + 1)));
        let event = match kind {
            0 | 1 => {
                let batch: Vec<HostName> = (0..self.hosts).map(self::host).skip(pick % 4 * 3).take(3).collect();
                E::BatchStarted { n: pick % 4 + 1, of: 4, canary: pick % 4 == 0, hosts: batch }
            }
            2 => E::HostReach { host, state: "down".to_owned(), finding: Some(Finding::new("timeout", "no answer")) },
            3 => preview(host, step, pick),
            4..=7 => E::StepStarted { host, step, attempt: u32::try_from(pick % 3).expect("small") + 1 },
            8 => E::StepJudged { host, step, look: 1, note: Note::new("looping", "x").value("restarts", pick) },
            9 => E::StepIntent { host, step, attempt: 1, change: change() },
            10..=13 => finished(host, step, pick),
            14..=16 => ended(host, pick),
            17 => E::ObligationOpened { host, step, obligation: owed(pick) },
            18 => {
                let (key, how) = (format!("switch {}", pick % 2), "restored".to_owned());
                E::ObligationClosed { host, key, how, summary: "x".to_owned() }
            }
            19 => {
                let (hosts, named) = if pick % 3 == 0 { (vec![host, self::host(0)], None) } else { (vec![host], Some(step)) };
                let options = vec!["yes".to_owned(), "no".to_owned()];
                E::DecisionAsked {
                    id: format!("q{}", pick % 5),
                    step: named,
                    hosts,
                    question: "go on?".to_owned(),
                    options,
                    finding: None,
                }
            }
            20 => {
                let [option, by, via] = ["yes", "me", "tty"].map(str::to_owned);
                E::DecisionMade { id: format!("q{}", pick % 5), option, by, via, note: None }
            }
            21 => E::RollbackStarted { host, steps: vec![step] },
            22 => {
                let outcome = [HostOutcome::RolledBack, HostOutcome::RollbackFailed][pick % 2];
                E::RollbackFinished { host, outcome }
            }
            _ if pick % 60 == 7 => E::RunFinished {
                state: EndState::Failed,
                exit_code: 1,
                hosts: BTreeMap::new(),
                changed: 0,
                open: Vec::new(),
                failures: Vec::new(),
                next: Vec::new(),
                duration_ms: 1,
            },
            _ => E::Heartbeat { running: Vec::new() },
        };
        self.say(event);
    }
}

fn finding(step: Option<&StepId>, host: &HostName, pick: usize) -> Finding {
    let found = Finding::new(CODES[pick % 4], format!("exit {}: port {} on {host}", pick % 2, pick));
    keyed(found, step, host)
}

fn preview(host: HostName, step: StepId, pick: usize) -> EventKind {
    EventKind::PreviewStep {
        host,
        step,
        outcome: Outcome::ALL[pick % Outcome::ALL.len()],
        basis: Basis::Seen,
        word: None,
        summary: format!("port {pick}"),
        effects: Vec::new(),
        destroys: false,
    }
}

fn finished(host: HostName, step: StepId, pick: usize) -> EventKind {
    let outcome = Outcome::ALL[pick % Outcome::ALL.len()];
    let finding = (!outcome.is_fine()).then(|| finding(Some(&step), &host, pick));
    EventKind::StepFinished {
        host,
        step,
        attempt: 1,
        outcome,
        changed: outcome == Outcome::Changed,
        exit_code: None,
        note: None,
        finding,
        effects: vec!["kill pid 7".to_owned()],
        duration_ms: 9,
    }
}

fn ended(host: HostName, pick: usize) -> EventKind {
    let outcome = HostOutcome::ALL[pick % HostOutcome::ALL.len()];
    let finding = (outcome != HostOutcome::Ok && !pick.is_multiple_of(5)).then(|| finding(None, &host, pick));
    EventKind::HostFinished { host, outcome, changed: pick.is_multiple_of(2), finding, duration_ms: 9 }
}

fn change() -> Change {
    let (why, effects) = (Note::new("looping", "x"), vec!["kill pid 7".to_owned()]);
    Change { why, effects, destroys: false, ops: Vec::new(), undo: Vec::new(), obligation: None }
}

pub(super) fn owed(pick: usize) -> Obligation {
    Obligation {
        key: format!("switch {}", pick % 2),
        title: "kill switch".to_owned(),
        was: json!(true),
        set: json!(false),
        close: ClosePolicy::Always,
        closer: Box::new(UnitSpec::new(step(1), Section::Step, "kill-switch", Map::new())),
    }
}
