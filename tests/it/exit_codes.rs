//! The exit code of every combination of what can be true of a run at the same time, against the rule of the contract.

use std::path::PathBuf;

use runbook::model::event::{Event, EventKind};
use runbook::model::finding::Finding;
use runbook::model::id::{HostName, RunId, RunbookName, StepId};
use runbook::model::outcome::{HostOutcome, Risk, RunState as EndState};
use runbook::model::plan::{RunbookRef, Section, UnitSpec};
use runbook::model::step::{ClosePolicy, Obligation};
use runbook::model::time::Timestamp;
use runbook::state::run::RunState;
use runbook::state::summary::{Flags, conclude};
use serde_json::json;

/// What can be true, and the codes that follow, the one that decides first.
const TRUE: [(u8, &[Fact]); 9] = [
    (70, &[Fact::Engine(EndState::Internal)]),
    (7, &[Fact::LeftOpen, Fact::Host(HostOutcome::RollbackFailed)]),
    (8, &[Fact::Host(HostOutcome::Unknown), Fact::IntentWithoutEnd]),
    (9, &[Fact::Engine(EndState::RecordLost)]),
    (4, &[Fact::Engine(EndState::Aborted)]),
    (1, &[Fact::Host(HostOutcome::Failed), Fact::Host(HostOutcome::RolledBack)]),
    (3, &[Fact::Host(HostOutcome::Unreachable)]),
    (6, &[Fact::Host(HostOutcome::Refused)]),
    (5, &[Fact::Engine(EndState::Pending)]),
];

#[derive(Debug, Clone, Copy)]
enum Fact {
    /// The engine knows it.
    Engine(EndState),
    /// A host ended so.
    Host(HostOutcome),
    /// Something was opened and not closed on a host that is ok.
    LeftOpen,
    /// A change was about to be made, and then nothing more is recorded of the host.
    IntentWithoutEnd,
}

fn name(text: &str) -> HostName {
    HostName::parse(text).expect("a host name")
}

fn step() -> StepId {
    StepId::parse("work").expect("a step id")
}

fn ended(host: &str, outcome: HostOutcome) -> EventKind {
    let finding = (outcome != HostOutcome::Ok).then(|| Finding::new("exit", "x"));
    EventKind::HostFinished { host: name(host), outcome, changed: false, finding, duration_ms: 1 }
}

impl Fact {
    fn events(self, host: &str) -> Vec<EventKind> {
        match self {
            Fact::Engine(_) => Vec::new(),
            Fact::Host(outcome) => vec![ended(host, outcome)],
            Fact::LeftOpen => {
                let obligation = Obligation {
                    key: "switch".to_owned(),
                    title: "switch".to_owned(),
                    was: json!(true),
                    set: json!(false),
                    close: ClosePolicy::Always,
                    closer: Box::new(UnitSpec::new(step(), Section::Close, "kill-switch", serde_json::Map::new())),
                };
                vec![EventKind::ObligationOpened { host: name(host), step: step(), obligation }, ended(host, HostOutcome::Ok)]
            }
            Fact::IntentWithoutEnd => {
                let why = runbook::model::step::Note::new("absent", "x");
                let change = runbook::model::step::Change {
                    why,
                    effects: Vec::new(),
                    destroys: false,
                    ops: Vec::new(),
                    undo: Vec::new(),
                    obligation: None,
                };
                vec![EventKind::StepIntent { host: name(host), step: step(), attempt: 1, change }]
            }
        }
    }
}

fn code(facts: &[Fact]) -> u8 {
    let hosts: Vec<String> = (0..=facts.len()).map(|n| format!("h{n}")).collect();
    let touches = |fact: &Fact| !matches!(fact, Fact::Engine(_));
    let of_facts = facts.iter().filter(|fact| touches(fact)).zip(&hosts);
    let used = of_facts.clone().count();
    let mut kinds = vec![EventKind::RunPlanned {
        runbook: RunbookRef {
            name: RunbookName::parse("scripted").expect("a name"),
            title: String::new(),
            path: PathBuf::new(),
            sha256: String::new(),
        },
        digest: String::new(),
        selector: "all".to_owned(),
        hosts: hosts.iter().take(used + 1).map(|host| name(host)).collect(),
        batches: Vec::new(),
        steps: Vec::new(),
        phases: Vec::new(),
        risk: Risk::Restarts,
        max_failures: 1,
        max_out: None,
        dry_run: false,
        by: "test".to_owned(),
        ticket: None,
    }];
    kinds.extend(of_facts.flat_map(|(fact, host)| fact.events(host)));
    // and one that is fine
    kinds.push(ended(&hosts[used], HostOutcome::Ok));
    let run = RunId::parse("abcdef").expect("a run id");
    let event = |(seq, kind)| Event { seq, ts: Timestamp::from_millis(0), run: run.clone(), kind };
    let events: Vec<Event> = (1_u64..).zip(kinds).map(event).collect();
    let extra: Vec<EndState> =
        facts.iter().filter_map(|fact| if let Fact::Engine(state) = fact { Some(*state) } else { None }).collect();
    let end = conclude(&RunState::replay(&events), &extra, &Flags::default());
    assert_eq!(end.exit_code, end.state.code());
    end.exit_code
}

#[test]
fn the_worst_that_is_true_decides_whatever_else_is() {
    let mut combinations = 0;
    for subset in 0..1_u32 << TRUE.len() {
        let holds: Vec<&(u8, &[Fact])> = (0..).zip(&TRUE).filter(|(n, _)| subset & (1 << n) != 0).map(|(_, fact)| fact).collect();
        let want = holds.first().map_or(0, |(code, _)| *code);
        // a code that follows from several facts follows from each of them
        let mut sets: Vec<Vec<Fact>> = vec![Vec::new()];
        for (_, facts) in &holds {
            sets = sets.iter().flat_map(|set| facts.iter().map(|fact| [set.clone(), vec![*fact]].concat())).collect();
        }
        for facts in sets {
            combinations += 1;
            assert_eq!(code(&facts), want, "{facts:?}");
        }
    }
    // twice a set of facts with an alternative, once without: the empty one counted
    assert_eq!(combinations, 3_usize.pow(3) * 2_usize.pow(6));
}

#[test]
fn a_host_whose_turn_never_came_makes_a_run_aborted_and_nothing_worse() {
    let never = [Fact::Host(HostOutcome::NotStarted)];
    assert_eq!(code(&never), 4);
    assert_eq!(code(&[never[0], Fact::Host(HostOutcome::Failed)]), 1);
    assert_eq!(code(&[Fact::Host(HostOutcome::Cancelled)]), 4);
}

#[test]
fn the_help_says_what_the_codes_mean() {
    let out = std::process::Command::new(env!("CARGO_BIN_EXE_runbook")).args(["run", "--help"]).output().expect("it starts");
    let help = String::from_utf8(out.stdout).expect("UTF-8");
    let told: Vec<String> = help.lines().filter_map(|line| line.trim().split(' ').next()).map(str::to_owned).collect();
    for (code, _) in [(0, ()), (2, ())].into_iter().chain(TRUE.map(|(code, _)| (code, ()))) {
        assert!(told.contains(&code.to_string()), "{code} is not in:\n{help}");
    }
}
