//! Waiting, asking and values from outputs, in the engine over the scripted world.

use std::collections::BTreeSet;
use std::time::Duration;

use runbook::model::event::EventKind;
use runbook::model::id::StepId;
use runbook::model::op::{Exit, Op};
use runbook::model::outcome::{HostOutcome, Outcome};
use runbook::model::plan::{Backoff, BatchSize, Retry, Scope, Section, UnitSpec};
use serde_json::{Value, json};

use crate::harness::script::{Run, answer, code, host, outcome, unit, unit_outcome};
use crate::harness::world::Machine;

fn step(n: u32, id: &str, kind: &str, fields: Value) -> UnitSpec {
    unit(n, id, Section::Step, kind, fields)
}

fn work(n: u32) -> UnitSpec {
    step(n, "work", "exec", json!({ "run": "work" }))
}

fn proof(n: u32) -> UnitSpec {
    unit(n, "proof", Section::Verify, "require", json!({ "run": "proof" }))
}

fn ends(codes: &[u32]) -> Vec<Exit> {
    codes.iter().map(|code| Exit::Code { code: *code }).collect()
}

fn three() -> Vec<(&'static str, Machine)> {
    vec![("a", Machine::default()), ("b", Machine::default()), ("c", Machine::default())]
}

/// Between the start of a step and its end.
fn took(run: &Run, id: &str) -> Duration {
    let events = run.world.events();
    let at = |wanted: fn(&EventKind) -> Option<&StepId>| {
        events.iter().rev().find(|event| wanted(&event.kind).is_some_and(|step| step.as_str() == id)).map(|event| event.ts)
    };
    let start = at(|kind| match kind {
        EventKind::StepStarted { step, .. } => Some(step),
        _ => None,
    });
    let end = at(|kind| match kind {
        EventKind::StepFinished { step, .. } => Some(step),
        _ => None,
    });
    end.expect("it ended").since(start.expect("it started"))
}

fn questions(run: &Run) -> Vec<String> {
    let asked = |event: &runbook::model::event::Event| match &event.kind {
        EventKind::DecisionAsked { id, question, .. } => Some(format!("{id}: {question}")),
        _ => None,
    };
    run.world.events().iter().filter_map(asked).collect()
}

#[tokio::test(start_paused = true)]
async fn a_time_passes_before_the_next_step_and_not_in_a_preview() {
    let run = || {
        let pause = step(1, "pause", "wait", json!({ "for": "90s" }));
        Run::new(vec![("a", Machine::default())], vec![pause, work(2), proof(3)])
    };
    let done = run();
    let state = done.ends().await;
    assert_eq!((code(&state), unit_outcome(&state, "a", "pause")), (0, Some(Outcome::Ok)));
    assert!((90..100).contains(&took(&done, "pause").as_secs()), "{:?}", took(&done, "pause"));
    let run = Run { dry_run: true, ..run() };
    run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    let ran = run.world.events().iter().map(|event| event.ts).collect::<Vec<_>>();
    let length = ran.last().zip(ran.first()).map(|(last, first)| last.since(*first));
    assert!(length.is_some_and(|length| length.as_secs() < 10), "a preview does not wait: {length:?}");
    let previewed = run.world.events().iter().any(
        |event| matches!(&event.kind, EventKind::PreviewStep { step, outcome, .. } if step.as_str() == "pause" && *outcome == Outcome::WouldWait),
    );
    assert!(previewed, "it would wait");
}

#[tokio::test(start_paused = true)]
async fn a_check_is_waited_for_until_it_holds_or_is_late() {
    for (codes, worked) in [(&[1, 1, 1, 0][..], true), (&[1][..], false)] {
        let mut wait = step(1, "ready", "wait", json!({ "until": { "kind": "require", "run": "ready" } }));
        wait.timeout = Some(Duration::from_secs(20));
        let run = Run::new(vec![("a", Machine::default().ending("ready", &ends(codes)))], vec![wait, work(2), proof(3)]);
        let state = run.ends().await;
        assert_eq!(run.world.ledger().len(), usize::from(worked), "{codes:?}");
        assert_eq!(outcome(&state, "a") == Some(HostOutcome::Ok), worked);
        if !worked {
            let finding = host(&state, "a").finding.clone().expect("a reason");
            let want = "require says wrong-exit: exit 1, not 0; still so after 20 s";
            assert_eq!((finding.code.as_str(), finding.summary.as_str()), ("not-yet", want));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_answer_is_for_all_and_each_host_has_its_own_where_that_is_wanted() {
    for (scope, said, worked) in [
        (Scope::Controller, &[("go", true)][..], &["a", "b", "c"][..]),
        (Scope::Controller, &[("go", false)][..], &[][..]),
        (Scope::EachHost, &[("go@a", true), ("go@b", false), ("go@c", true)][..], &["a", "c"][..]),
    ] {
        let mut go = step(1, "go", "confirm", json!({ "ask": "go on?", "each": scope == Scope::EachHost }));
        go.scope = scope;
        let mut run = Run::new(three(), vec![go, work(2), proof(3)]);
        run.asking.can_ask = true;
        run.orders.extend(said.iter().map(|(id, yes)| answer(id, if *yes { "yes" } else { "no" })));
        let state = run.ends().await;
        let done: BTreeSet<String> = run.world.ledger().into_iter().collect();
        assert_eq!(done, worked.iter().map(|host| format!("{host}: work")).collect(), "{said:?}");
        assert_eq!(questions(&run).len(), said.len());
        assert_eq!(code(&state) == 0, worked.len() == 3);
        if worked.is_empty() {
            let finding = host(&state, "a").finding.clone().expect("a reason");
            assert_eq!((finding.code.as_str(), finding.summary.as_str()), ("declined", "no by kai (tty): go on?"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_by_flag_or_fails_where_nobody_can_be_asked() {
    for approved in [true, false] {
        let mut run = Run::new(
            vec![("a", Machine::default())],
            vec![step(1, "go", "confirm", json!({ "ask": "go on?" })), work(2), proof(3)],
        );
        if approved {
            run.asking.approved.insert(StepId::parse("go").expect("a step id"));
            run.asking.by = "ci@build-7".to_owned();
        }
        let state = run.ends().await;
        assert_eq!(run.world.ledger().len(), usize::from(approved));
        assert_eq!(questions(&run), Vec::<String>::new());
        let finding = host(&state, "a").finding.as_ref().map(|finding| finding.code.clone());
        assert_eq!(finding, (!approved).then(|| "nobody-to-ask".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_within_the_hour() {
    let units = vec![step(1, "go", "confirm", json!({ "ask": "go on?" })), work(2), proof(3)];
    let mut run = Run::new(vec![("a", Machine::default())], units);
    run.asking.can_ask = true;
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(host(&state, "a").finding.as_ref().map(|finding| finding.code.as_str()), Some("timeout"));
    assert!((3600..3700).contains(&took(&run, "go").as_secs()), "{:?}", took(&run, "go"));
}

#[tokio::test(start_paused = true)]
async fn what_a_command_printed_reaches_later_steps_and_what_was_before_its_way_back() {
    let capture = json!({ "said": { "from": "stdout:trim", "pattern": "[a-z]+" } });
    let remember = json!({ "prev": { "run": "look", "from": "stdout:match:^(..)" } });
    let deploy = step(1, "deploy", "exec", json!({ "run": "deploy", "undo": "back", "capture": capture, "remember": remember }));
    let mut go = step(2, "go", "confirm", json!({ "ask": "it said {{ steps.deploy.said }}: go on?" }));
    go.late = true;
    let mut run = Run::new(vec![("a", Machine::default())], vec![deploy, go, work(3), proof(4)]);
    run.asking.can_ask = true;
    run.orders.push(answer("go@a", "yes"));
    let state = run.ends().await;
    assert_eq!((code(&state), questions(&run)), (0, vec!["go@a: it said out: go on?".to_owned()]));
    let intents: Vec<(String, Vec<String>)> = run
        .world
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::StepIntent { step, change, .. } => {
                let env = change.ops.iter().chain(&change.undo).map(|op| match op {
                    Op::Shell(shell) => format!("{}: {:?}", shell.text(), shell.env),
                    other => other.label(),
                });
                Some((step.to_string(), env.collect()))
            }
            _ => None,
        })
        .collect();
    let deploy = vec!["deploy: {\"prev\": \"ou\"}".to_owned(), "back: {\"prev\": \"ou\"}".to_owned()];
    let work = vec!["work: {\"said\": \"out\"}".to_owned()];
    assert_eq!(intents, [("deploy".to_owned(), deploy), ("work".to_owned(), work)]);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_not_there_fails_the_step_and_one_for_the_way_back_forbids_it() {
    let entry = json!({ "sha": { "from": "stdout:trim", "pattern": "[0-9a-f]{40}" } });
    let deploy = step(1, "deploy", "exec", json!({ "run": "deploy", "capture": entry }));
    let run = Run::new(vec![("a", Machine::default())], vec![deploy, work(2), proof(3)]);
    let state = run.ends().await;
    assert_eq!((run.world.ledger(), outcome(&state, "a")), (vec!["a: deploy".to_owned()], Some(HostOutcome::Failed)));
    assert_eq!(host(&state, "a").finding.as_ref().map(|finding| finding.code.as_str()), Some("capture"));

    let entry = json!({ "prev": { "run": "look", "from": "stdout:trim", "pattern": "[0-9a-f]{40}" } });
    let deploy = step(1, "deploy", "exec", json!({ "run": "deploy", "undo": "back", "remember": entry }));
    let run = Run::new(vec![("a", Machine::default())], vec![deploy, proof(2)]);
    let state = run.ends().await;
    assert_eq!((run.world.ledger(), outcome(&state, "a")), (Vec::<String>::new(), Some(HostOutcome::Refused)));
}

#[tokio::test(start_paused = true)]
async fn what_was_waited_for_makes_the_prechecks_old() {
    for (still_fits, worked) in [(0, true), (1, false)] {
        let fit = unit(1, "fit", Section::Precheck, "require", json!({ "run": "fit" }));
        let pause = step(2, "pause", "wait", json!({ "for": "90s" }));
        // the preview, the batch, and once more before the first change
        let machine = Machine::default().ending("fit", &ends(&[0, 0, still_fits]));
        let run = Run::new(vec![("a", machine)], vec![fit, pause, work(3), proof(4)]);
        let state = run.ends().await;
        assert_eq!(run.world.ledger().len(), usize::from(worked));
        assert_eq!(outcome(&state, "a"), Some(if worked { HostOutcome::Ok } else { HostOutcome::Refused }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_soak_looks_at_what_was_verified_and_at_nothing_that_is_over() {
    let steps = || {
        let pause = step(2, "pause", "wait", json!({ "for": "5s" }));
        vec![step(1, "go", "confirm", json!({ "ask": "go on?" })), pause, work(3), proof(4)]
    };
    for (then, fine) in [(0, true), (1, false)] {
        // looked at in the preview, verified once, and then while it soaks
        let mut run = Run::new(vec![("a", Machine::default().ending("proof", &ends(&[0, 0, then])))], steps());
        run.asking.approved.insert(StepId::parse("go").expect("a step id"));
        run.asking.by = "ci".to_owned();
        run.plan.rollout.soak = Duration::from_secs(20);
        let state = run.ends().await;
        assert_eq!(outcome(&state, "a"), Some(if fine { HostOutcome::Ok } else { HostOutcome::Failed }));
        let why = host(&state, "a").finding.as_ref().map(|finding| finding.code.clone());
        assert_eq!(why, (!fine).then(|| "wrong-exit".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_for_the_question_that_it_was_given_to() {
    // a step may have the name that a gate once went by
    let mut go = step(1, "batch-1", "confirm", json!({ "ask": "go on?" }));
    go.scope = Scope::Controller;
    let mut machines = three();
    machines[0].1 = Machine::default().ending("work", &ends(&[1]));
    let mut run = Run::new(machines, vec![go, work(2), proof(3)]);
    run.plan.batches = vec![vec![0], vec![1, 2]];
    run.plan.rollout.max_failures = BatchSize::Count(5);
    run.asking.can_ask = true;
    run.orders.push(answer("batch-1", "yes"));
    run.ends().await;
    assert_eq!(run.world.ledger(), ["a: work"], "nobody answered the gate");

    // a no to the first attempt is none to the second
    let mut go = step(1, "go", "confirm", json!({ "ask": "go on?" }));
    go.retry = Some(Retry { times: 1, delay: Duration::from_secs(1), backoff: Backoff::Fixed });
    let mut run = Run::new(vec![("a", Machine::default())], vec![go, work(2), proof(3)]);
    run.asking.can_ask = true;
    run.orders.extend([answer("go@a", "no"), answer("go@a#2", "yes")]);
    run.ends().await;
    assert_eq!(run.world.ledger(), ["a: work"]);
}
