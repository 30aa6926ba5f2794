//! What a step may say besides its kind - retry, scope, questions, on_failure - as the engine keeps it.

use std::collections::BTreeSet;
use std::time::Duration;

use runbook::engine;
use runbook::engine::run::Setup;
use runbook::model::control::Control;
use runbook::model::event::EventKind;
use runbook::model::op::Exit;
use runbook::model::outcome::{HostOutcome, Outcome};
use runbook::model::plan::{Backoff, BatchSize, OnFailure, Retry, Scope, Section, UnitSpec};
use serde_json::json;

use crate::harness::script::{Run, code, host, outcome, unit, unit_outcome};
use crate::harness::world::Machine;

fn work(n: u32, step: &str) -> UnitSpec {
    unit(n, step, Section::Step, "exec", json!({ "run": step }))
}

fn proof(n: u32) -> UnitSpec {
    unit(n, "proof", Section::Verify, "require", json!({ "run": "proof" }))
}

fn fails(times: usize) -> Vec<Exit> {
    let mut ends = vec![Exit::Code { code: 1 }; times];
    ends.push(Exit::Code { code: 0 });
    ends
}

fn retry(times: u32, backoff: Backoff) -> Option<Retry> {
    Some(Retry { times, delay: Duration::from_secs(4), backoff })
}

#[tokio::test(start_paused = true)]
async fn a_known_failure_is_tried_again_as_often_as_it_says() {
    for (failing, times, ends_well) in [(2, 2, true), (3, 2, false), (0, 2, true)] {
        let mut step = work(1, "work");
        step.retry = retry(times, Backoff::Double);
        let run = Run::new(vec![("a", Machine::default().ending("work", &fails(failing)))], vec![step, proof(2)]);
        let state = run.ends().await;
        assert_eq!(run.world.ledger().len(), failing.min(times as usize) + 1, "{failing} failures, {times} retries");
        assert_eq!(code(&state) == 0, ends_well);
        let attempts: Vec<(u32, u64)> = run
            .world
            .events()
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::StepStarted { step, attempt, .. } if step.as_str() == "work" => {
                    Some((*attempt, event.ts.as_millis() as u64))
                }
                _ => None,
            })
            .collect();
        let numbers: Vec<u32> = attempts.iter().map(|(n, _)| *n).collect();
        assert_eq!(numbers, (1..=failing.min(times as usize) as u32 + 1).collect::<Vec<_>>());
        let pauses: Vec<u64> = attempts.windows(2).map(|pair| (pair[1].1 - pair[0].1) / 1000).collect();
        assert_eq!(pauses, [4, 8][..pauses.len()], "the delay doubles");
        assert_eq!(runbook::state::run::RunState::replay(&run.world.events()), state);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_unknown_is_never_tried_again() {
    let mut step = work(1, "work");
    step.retry = retry(3, Backoff::Fixed);
    let lost = Exit::Unknown { why: "no-status".to_owned() };
    let run = Run::new(vec![("a", Machine::default().ending("work", &[lost]))], vec![step, proof(2)]);
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: work"]);
    assert_eq!(code(&state), 8);
}

#[tokio::test(start_paused = true)]
async fn a_precheck_may_ask_again_before_it_refuses() {
    let mut fit = unit(1, "fit", Section::Precheck, "require", json!({ "run": "fit" }));
    fit.retry = retry(1, Backoff::Fixed);
    // the preview looks once; then once more, and again
    let ends = [Exit::Code { code: 0 }, Exit::Code { code: 1 }, Exit::Code { code: 0 }];
    let run = Run::new(vec![("a", Machine::default().ending("fit", &ends))], vec![fit, work(2, "work"), proof(3)]);
    let state = run.ends().await;
    assert_eq!((code(&state), run.world.ledger()), (0, vec!["a: work".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn stopping_ends_the_wait_for_a_further_attempt() {
    let mut step = work(1, "work");
    step.retry = Some(Retry { times: 5, delay: Duration::from_secs(500), backoff: Backoff::Fixed });
    let run = Run::new(vec![("a", Machine::default().ending("work", &fails(9)))], vec![step, proof(2)]);
    let state = run.cancelled_after(Duration::from_secs(20)).await;
    assert_eq!(run.world.ledger(), ["a: work"]);
    assert_eq!(outcome(&state, "a"), Some(HostOutcome::Failed));
}

fn three() -> Vec<(&'static str, Machine)> {
    vec![("a", Machine::default()), ("b", Machine::default()), ("c", Machine::default())]
}

#[tokio::test(start_paused = true)]
async fn a_step_that_runs_once_runs_on_the_first_host_that_passed_and_counts_for_all() {
    let mut once = work(2, "once");
    once.scope = Scope::Once;
    let fit = unit(1, "fit", Section::Precheck, "require", json!({ "run": "fit" }));
    let mut machines = three();
    machines[0].1 = Machine::default().ending("fit", &[Exit::Code { code: 0 }, Exit::Code { code: 1 }]);
    let mut run = Run::new(machines, vec![fit, once, work(3, "work"), proof(4)]);
    run.plan.rollout.max_out = Some(BatchSize::Count(1));
    let state = run.ends().await;
    assert_eq!(run.world.ledger().iter().filter(|line| line.ends_with("once")).collect::<Vec<_>>(), ["b: once"]);
    assert_eq!(unit_outcome(&state, "b", "once"), Some(Outcome::Changed));
    assert_eq!(unit_outcome(&state, "c", "once"), Some(Outcome::Already));
    assert_eq!(outcome(&state, "a"), Some(HostOutcome::Refused));
    assert!(run.world.ledger().contains(&"c: work".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn what_failed_once_is_not_done_by_the_others() {
    let mut once = work(1, "once");
    once.scope = Scope::Once;
    let mut machines = three();
    machines[0].1 = Machine::default().ending("once", &[Exit::Code { code: 1 }]);
    let run = Run::new(machines, vec![once, work(2, "work"), proof(3)]);
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: once"]);
    assert_eq!(outcome(&state, "a"), Some(HostOutcome::Failed));
    assert_eq!(outcome(&state, "b"), Some(HostOutcome::Refused));
    let finding = host(&state, "b").finding.as_ref().expect("a reason");
    assert!(finding.summary.starts_with("once, on a: "), "{}", finding.summary);
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_never_came_to_a_shared_step_does_not_hold_the_others() {
    let mut once = work(2, "once");
    once.scope = Scope::Once;
    let mut machines = three();
    machines[0].1 = Machine::default().ending("first", &[Exit::Code { code: 1 }]);
    let run = Run::new(machines, vec![work(1, "first"), once, proof(3)]);
    let state = run.ends().await;
    assert!(!run.world.ledger().iter().any(|line| line.ends_with("once")), "{:?}", run.world.ledger());
    let finding = host(&state, "c").finding.as_ref().expect("a reason");
    assert_eq!(finding.summary, "it runs once, on a, whose lane ended before");
}

#[tokio::test(start_paused = true)]
async fn a_bug_in_the_leading_lane_does_not_hold_the_others() {
    let mut once = work(1, "once");
    once.scope = Scope::Once;
    let mut machines = three();
    machines[0].1 = Machine { panics_at: Some("once"), ..Machine::default() };
    let mut run = Run::new(machines, vec![once, proof(2)]);
    run.plan.rollout.max_out = Some(BatchSize::Count(1));
    // it ends at all, and as what it is
    assert_eq!(code(&run.ends().await), 70);
}

#[tokio::test(start_paused = true)]
async fn the_gate_asks_where_somebody_can_be_asked() {
    for (answer, worked) in [(Some(true), true), (Some(false), false), (None, false)] {
        let mut machines = three();
        machines[0].1 = Machine::default().ending("work", &[Exit::Code { code: 1 }]);
        let mut run = Run::new(machines, vec![work(1, "work"), proof(2)]);
        run.plan.batches = vec![vec![0], vec![1, 2]];
        run.plan.rollout.max_failures = BatchSize::Count(5);
        run.asking.can_ask = answer.is_some();
        if let Some(yes) = answer {
            run.orders.push(crate::harness::script::answer("batch:1", if yes { "yes" } else { "no" }));
        }
        let state = run.ends().await;
        assert_eq!(run.world.ledger().len() == 3, worked, "{answer:?}: {:?}", run.world.ledger());
        assert_eq!(code(&state), 1);
        let paused = run.world.events().iter().any(|event| matches!(event.kind, EventKind::RunPaused { .. }));
        assert_eq!(paused, answer.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn continue_goes_on_and_the_host_is_failed_all_the_same() {
    let mut first = work(1, "first");
    first.on_failure = OnFailure::Continue;
    let machine = Machine::default().ending("first", &[Exit::Code { code: 1 }]);
    let run = Run::new(vec![("a", machine)], vec![first, work(2, "second"), proof(3)]);
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: first", "a: second"]);
    assert_eq!((code(&state), unit_outcome(&state, "a", "proof")), (1, Some(Outcome::Ok)));
}

#[tokio::test(start_paused = true)]
async fn what_commands_print_is_told_where_it_is_asked_for() {
    for with_output in [false, true] {
        let mut run = Run::new(vec![("a", Machine::default())], vec![work(1, "work"), proof(2)]);
        run.with_output = with_output;
        run.ends().await;
        let printed: BTreeSet<String> = run
            .world
            .events()
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::StepOutput { stream, text, .. } => Some(format!("{stream}: {text}")),
                _ => None,
            })
            .collect();
        let want = if with_output { BTreeSet::from(["stdout: out\n".to_owned()]) } else { BTreeSet::new() };
        assert_eq!(printed, want);
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_run_says_that_it_is_alive() {
    let mut step = work(1, "work");
    step.retry = Some(Retry { times: 1, delay: Duration::from_secs(100), backoff: Backoff::Fixed });
    let run = Run::new(vec![("a", Machine::default().ending("work", &fails(1)))], vec![step, proof(2)]);
    run.ends().await;
    let beats = run.world.events().iter().filter(|event| matches!(event.kind, EventKind::Heartbeat { .. })).count();
    assert_eq!(beats, 3);
}

#[tokio::test(start_paused = true)]
async fn a_condition_of_a_group_reads_the_variables_of_the_group() {
    let mut step = work(1, "work");
    step.when = Some("hard".to_owned());
    step.own_vars = Some([("hard".to_owned(), json!(true))].into());
    let run = Run::new(vec![("a", Machine::default())], vec![step, proof(2)]);
    run.ends().await;
    assert_eq!(run.world.ledger(), ["a: work"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_runs_once_is_done_unconfirmed() {
    // the host whose lane looked for all in the preview is left out later, and with it what was counted there
    let mut once = work(1, "once");
    once.scope = Scope::Once;
    let maybe = unit(2, "maybe", Section::Step, "exec", json!({ "run": "maybe", "unless": "no-need" }));
    let mut machines = three();
    machines[0].1 = Machine::default().ending("no-need", &[Exit::TimedOut]);
    machines[1].1 = Machine::default().ending("no-need", &[Exit::Code { code: 0 }]);
    machines[2].1 = Machine::default().ending("no-need", &[Exit::Code { code: 0 }]);
    let mut run = Run::new(machines, vec![once, maybe, proof(3)]);
    run.orders = vec![Control::Decline { reason: "no".to_owned() }];
    let state = run.ends().await;
    assert_eq!((run.world.ledger(), code(&state)), (Vec::<String>::new(), 4));
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_does_not_lead_the_others() {
    let mut once = work(1, "once");
    once.scope = Scope::Once;
    let maybe = unit(2, "maybe", Section::Step, "exec", json!({ "run": "maybe", "unless": "no-need" }));
    let mut machines = three();
    machines[0].1 = Machine::default().ending("no-need", &[Exit::TimedOut]);
    let run = Run::new(machines, vec![once, maybe, proof(3)]);
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["b: once"]);
    assert_eq!(outcome(&state, "c"), Some(HostOutcome::Ok));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_others_wait_for_has_its_turn_before_them() {
    let mut once = work(1, "once");
    once.scope = Scope::Once;
    for _ in 0..5 {
        let mut run = Run::new(three(), vec![once.clone(), work(2, "work"), proof(3)]);
        run.plan.rollout.max_out = Some(BatchSize::Count(1));
        let (to, control) = tokio::sync::mpsc::channel(8);
        to.send(run.orders[0].clone()).await.expect("room for orders");
        let setup = Setup { forks: 1, ..run.setup(control) };
        let ended = tokio::time::timeout(Duration::from_secs(60), tokio::spawn(engine::run::run(setup))).await;
        let state = ended.expect("nobody waits for ever").expect("no panic").expect("the record holds");
        assert_eq!((code(&state), run.world.ledger().len()), (0, 4));
        drop(to);
    }
}

#[tokio::test(start_paused = true)]
async fn who_cancels_at_the_prompt_does_not_confirm() {
    let mut run = Run::new(three(), vec![work(1, "work"), proof(2)]);
    run.orders = vec![];
    let state = run.cancelled_after(Duration::from_secs(30)).await;
    assert_eq!((run.world.ledger(), code(&state)), (Vec::<String>::new(), 4));
}
