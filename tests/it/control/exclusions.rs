//! Hosts that a person leaves out: before their turn, while they are worked on, while they are held, and after their end.

use runbook::model::control::Control;
use runbook::model::event::EventKind;
use runbook::model::id::HostName;
use runbook::model::outcome::HostOutcome;
use runbook::model::plan::BatchSize;

use super::{asked, asking, asks, begins, done, failing, later, once, one_by_one, replayed, told, why};
use crate::harness::script::{Cue, answer, code, outcome, units};
use crate::harness::world::Machine;

fn exclude(hosts: &[&str]) -> Control {
    let hosts = hosts.iter().map(|host| HostName::parse(host).expect("a name")).collect();
    Control::Exclude { hosts, by: "ana".to_owned() }
}

fn three() -> Vec<(&'static str, Machine)> {
    vec![("a", Machine::default()), ("b", Machine::default()), ("c", Machine::default())]
}

fn by_ana() -> Option<String> {
    Some("excluded: excluded by ana".to_owned())
}

#[tokio::test(start_paused = true)]
async fn whose_turn_has_not_come_is_left_out_and_the_others_go_on() {
    let mut run = one_by_one(three(), units());
    run.script = vec![(begins("a", "work"), exclude(&["b", "nobody"]))];
    let state = run.ends().await;
    assert_eq!((done(&run, "b").len(), done(&run, "c").len()), (0, 3));
    assert_eq!((outcome(&state, "b"), why(&state, "b")), (Some(HostOutcome::Cancelled), by_ana()));
    assert_eq!((told(&run), code(&state)), (vec!["b excluded by ana".to_owned()], 4));
    replayed(&run, &state);
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_ends_so_even_where_the_run_never_comes_to_them() {
    let mut run = one_by_one(vec![("a", failing(9)), ("b", Machine::default())], units());
    run.asking.can_ask = false;
    run.script = vec![(begins("a", "work"), exclude(&["b"]))];
    let state = run.ends().await;
    assert_eq!((outcome(&state, "b"), why(&state, "b"), code(&state)), (Some(HostOutcome::Cancelled), by_ana(), 1));
}

#[tokio::test(start_paused = true)]
async fn who_is_left_out_before_the_start_is_not_even_looked_at() {
    let mut run = asked(three(), units());
    run.orders.insert(0, exclude(&["b"]));
    let state = run.ends().await;
    assert!(!run.world.touched().iter().any(|(host, _)| host == "b"), "{:?}", run.world.touched());
    assert_eq!((outcome(&state, "b"), why(&state, "b")), (Some(HostOutcome::Cancelled), by_ana()));
    assert_eq!((outcome(&state, "a"), outcome(&state, "c")), (Some(HostOutcome::Ok), Some(HostOutcome::Ok)));
}

#[tokio::test(start_paused = true)]
async fn who_is_worked_on_ends_after_what_runs_and_owes_nothing() {
    let mut run = asked(three(), units());
    run.plan.batches = vec![vec![0], vec![1], vec![2]];
    run.script = vec![(begins("b", "work"), exclude(&["b"]))];
    let state = run.ends().await;
    assert_eq!(done(&run, "b"), ["switch off", "work", "switch on"]);
    assert_eq!((outcome(&state, "b"), why(&state, "b")), (Some(HostOutcome::Cancelled), by_ana()));
    let proved = run.world.events().iter().any(
        |event| matches!(&event.kind, EventKind::StepStarted { host, step, .. } if host.as_str() == "b" && step.as_str() == "proof"),
    );
    assert!(!proved, "nothing more starts on it");
    assert_eq!((outcome(&state, "c"), state.open().len(), code(&state)), (Some(HostOutcome::Ok), 0, 4));
}

#[tokio::test(start_paused = true)]
async fn who_fails_while_it_is_left_out_does_not_count_at_the_gate() {
    let mut run = one_by_one(vec![("c", Machine::default()), ("a", failing(9)), ("b", Machine::default())], units());
    run.script = vec![(begins("a", "work"), exclude(&["a"]))];
    let state = run.ends().await;
    assert_eq!((outcome(&state, "a"), outcome(&state, "b")), (Some(HostOutcome::Failed), Some(HostOutcome::Ok)));
    assert_eq!((told(&run), code(&state)), (vec!["a excluded by ana".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_is_left_out_did_not_end_ok() {
    let mut run = one_by_one(three(), units());
    run.script = vec![(begins("a", "fit"), exclude(&["a"]))];
    run.orders.push(answer("batch:1", "no"));
    run.ends().await;
    assert_eq!(told(&run)[1..3], ["paused by gate", "ask batch:1 yes/no"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_held_is_left_out_as_by_that_answer() {
    let mut run = one_by_one(vec![("c", Machine::default()), ("a", failing(1)), ("b", Machine::default())], asking());
    run.script = vec![(asks("failed:a:work:1"), exclude(&["a"]))];
    let state = run.ends().await;
    assert_eq!(told(&run)[1..], ["a excluded by ana", "exclude failed:a:work:1 by ana"]);
    assert_eq!((done(&run, "a").len(), outcome(&state, "a")), (3, Some(HostOutcome::Failed)));
    assert_eq!((outcome(&state, "b"), code(&state)), (Some(HostOutcome::Ok), 1));
    replayed(&run, &state);
}

#[tokio::test(start_paused = true)]
async fn who_has_ended_or_is_left_out_already_is_not_left_out_again() {
    let ended: Cue = Box::new(|kind| matches!(kind, EventKind::HostFinished { host, .. } if host.as_str() == "a"));
    let mut run = one_by_one(three(), units());
    run.script = vec![(ended, exclude(&["a", "c"])), (begins("b", "work"), exclude(&["c"]))];
    let state = run.ends().await;
    assert_eq!((told(&run), outcome(&state, "a")), (vec!["c excluded by ana".to_owned()], Some(HostOutcome::Ok)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_its_turn_or_paused_is_left_out_at_once() {
    for (at, out) in [("switch-off", "b"), ("fit", "a")] {
        let mut run = asked(three(), units());
        run.plan.rollout.max_out = Some(BatchSize::Count(1));
        run.script = vec![
            (begins("a", at), Control::Pause { by: "kai".to_owned() }),
            (later(), exclude(&[out])),
            (later(), Control::Resume { by: "kai".to_owned() }),
        ];
        let state = run.ends().await;
        assert_eq!((outcome(&state, out), done(&run, out).len()), (Some(HostOutcome::Cancelled), 0));
        assert_eq!(run.world.ledger().iter().filter(|line| line.ends_with("work")).count(), 2, "the others go on");
        let events = run.world.events();
        let at = |wanted: &dyn Fn(&EventKind) -> bool| events.iter().position(|event| wanted(&event.kind)).expect("it happened");
        let ended = at(&|kind| matches!(kind, EventKind::HostFinished { host, .. } if host.as_str() == out));
        assert!(ended < at(&|kind| matches!(kind, EventKind::RunResumed { .. })), "{out} does not wait for the end of the pause");
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_changed_and_is_left_out_stays_out_of_service() {
    let mut run = asked(three(), units());
    run.plan.rollout.max_out = Some(BatchSize::Count(1));
    run.script = vec![(begins("a", "work"), exclude(&["a"]))];
    let state = run.ends().await;
    assert_eq!((done(&run, "a").len(), done(&run, "b").len()), (3, 0));
    assert_eq!(outcome(&state, "b"), Some(HostOutcome::Refused));
}

#[tokio::test(start_paused = true)]
async fn what_was_to_run_once_on_who_is_left_out_runs_on_another() {
    let mut run = asked(three(), vec![units()[0].clone(), units()[2].clone(), once(4), units()[3].clone()]);
    run.script = vec![(begins("a", "work"), exclude(&["a"]))];
    let state = run.ends().await;
    let done: Vec<String> = run.world.ledger().into_iter().filter(|line| line.ends_with("once")).collect();
    assert_eq!(done.len(), 1, "{done:?}");
    assert_ne!(done, ["a: once"]);
    assert_eq!((outcome(&state, "b"), outcome(&state, "c")), (Some(HostOutcome::Ok), Some(HostOutcome::Ok)));
}
