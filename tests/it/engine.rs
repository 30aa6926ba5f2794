//! The engine over a scripted world: what is sent, in which order, and what is said of it.

use runbook::engine::close::close_all;
use runbook::engine::report::Reporter;
use runbook::engine::run::EngineError;
use runbook::model::control::Control;
use runbook::model::event::{Event, EventKind};
use runbook::model::id::StepId;
use runbook::model::op::Exit;
use runbook::model::outcome::{HostOutcome, Outcome};
use runbook::model::plan::{OnFailure, Section};
use runbook::state::run::RunState;
use serde_json::json;
use tokio::sync::mpsc;

use crate::harness::script::{Run, code, host, last, outcome, switch_off, unit, unit_outcome, units};
use crate::harness::world::Machine;

#[tokio::test(start_paused = true)]
async fn a_lane_looks_switches_works_verifies_and_closes() {
    let run = Run::new(vec![("a", Machine::default())], units());
    let state = run.ends().await;
    assert_eq!(code(&state), 0);
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!(state.open(), []);
    assert_eq!(outcome(&state, "a"), Some(HostOutcome::Ok));
    assert_eq!(last(&run.world.events()), "run.finished");
    assert_eq!(RunState::replay(&run.world.events()), state, "the record folds to the live state");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_says_what_it_would_do() {
    let mut run = Run::new(vec![("a", Machine::default())], units());
    run.dry_run = true;
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(code(&state), 0);
    let preview: Vec<String> =
        host(&state, "a").preview.iter().map(|(step, p)| format!("{step} {} {}", p.outcome, p.basis.word())).collect();
    let want =
        ["fit ok seen, own command", "proof not-known not known", "switch-off would-change seen", "work would-change declared"];
    assert_eq!(preview, want);
}

#[tokio::test(start_paused = true)]
async fn a_failed_step_ends_the_lane_and_still_closes() {
    let machine = Machine::default().ending("work", &[Exit::Code { code: 7 }]);
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!((code(&state), outcome(&state, "a")), (1, Some(HostOutcome::Failed)));
    assert_eq!(unit_outcome(&state, "a", "proof"), None, "a stopped lane is not touched again");
    assert_eq!(state.open(), []);
}

#[tokio::test(start_paused = true)]
async fn no_status_is_unknown_and_is_never_sent_again() {
    let machine =
        Machine::default().ending("work", &[Exit::Unknown { why: "connection-lost".to_owned() }, Exit::Code { code: 0 }]);
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!((code(&state), outcome(&state, "a")), (8, Some(HostOutcome::Unknown)));
    assert_eq!(unit_outcome(&state, "a", "work"), Some(Outcome::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_refusing_precheck_leaves_the_host_untouched() {
    let machine = Machine::default().ending("fit", &[Exit::Code { code: 1 }]);
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!((code(&state), outcome(&state, "a")), (6, Some(HostOutcome::Refused)));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_stops_the_run_is_a_failure_and_no_wish_of_the_operator() {
    let bad = Machine::default().ending("work", &[Exit::Code { code: 7 }]);
    let mut units = units();
    units[2].on_failure = OnFailure::StopRun;
    let mut run = Run::new(vec![("a", bad), ("b", Machine::default())], units);
    run.plan.batches = vec![vec![0], vec![1]];
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!((code(&state), outcome(&state, "b")), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_failing_canary_stops_the_other_batches() {
    let bad = Machine::default().ending("work", &[Exit::Code { code: 1 }]);
    let mut run = Run::new(vec![("a", bad), ("b", Machine::default()), ("c", Machine::default())], units());
    run.plan.batches = vec![vec![0], vec![1, 2]];
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!(outcome(&state, "b"), None);
    assert_eq!(code(&state), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_host_is_left_out_and_the_others_go_on() {
    let dead = Machine { reachable: false, ..Machine::default() };
    let run = Run::new(vec![("a", Machine::default()), ("b", dead)], units());
    let state = run.ends().await;
    assert_eq!(outcome(&state, "a"), Some(HostOutcome::Ok));
    assert_eq!(outcome(&state, "b"), Some(HostOutcome::Unreachable));
    assert_eq!(code(&state), 3);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_saw_and_confirmed_is_not_done() {
    // the preview reads the switch twice and sees it off; then somebody turns it on
    let machine = Machine { switch: false, flip: Some((2, true)), ..Machine::default() };
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(unit_outcome(&state, "a", "switch-off"), Some(Outcome::Refused));
    assert_eq!(host(&state, "a").finding.as_ref().map(|finding| finding.code.as_str()), Some("drifted"));
    assert_eq!(code(&state), 6);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_somebody_else_changed_is_left_alone() {
    // switch on -> we set it off -> somebody turns it on while we work: closing finds it back already
    let machine = Machine { meddle: Some((2, true)), ..Machine::default() };
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work"]);
    assert_eq!(state.open(), []);
    let how: Vec<String> = run
        .world
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::ObligationClosed { how, .. } => Some(how.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(how, ["already"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_once_the_record_is_lost() {
    for limit in 0..30 {
        let run = Run::new(vec![("a", Machine::default())], units());
        run.world.shared.lock().expect("not poisoned").log_limit = Some(limit);
        match run.go().await {
            Err(EngineError::Log(_)) => {}
            Ok(state) => {
                let reached = state.finished.is_some();
                assert!(!reached || run.world.events().len() <= limit, "limit {limit}: a run ended well without its record");
            }
            Err(error) => panic!("limit {limit}: {error}"),
        }
        // `unrecorded` is asserted in go(): no effect without a durable intent, wherever the record broke
    }
}

#[tokio::test(start_paused = true)]
async fn declined_is_aborted_and_nothing_is_sent() {
    let mut run = Run::new(vec![("a", Machine::default())], units());
    run.orders = vec![Control::Decline { reason: "no".to_owned() }];
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(code(&state), 4);
}

#[tokio::test(start_paused = true)]
async fn a_stop_lets_nothing_new_start_and_closes_what_is_open() {
    let mut run = Run::new(vec![("a", Machine::default()), ("b", Machine::default())], units());
    run.plan.batches = vec![vec![0], vec![1]];
    run.orders.push(Control::Stop { by: "test".to_owned() });
    let state = run.ends().await;
    assert!(run.world.ledger().iter().all(|line| line.starts_with("a:")), "{:?}", run.world.ledger());
    assert_eq!(state.open(), []);
    assert_eq!(code(&state), 4);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_host_ends_without_a_change_and_without_a_question() {
    let machine = Machine { switch: false, ..Machine::default() };
    let mut run = Run::new(vec![("a", machine)], vec![units()[0].clone(), switch_off(2), units()[3].clone()]);
    run.orders = Vec::new();
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!((code(&state), state.changed_hosts()), (0, 0));
    assert_eq!(unit_outcome(&state, "a", "switch-off"), Some(Outcome::Already));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_nobody_previewed_is_not_changed_when_it_comes_back() {
    let late = Machine { down: 1, ..Machine::default() };
    let mut run = Run::new(vec![("a", late)], units());
    // nothing was seen that would change, so nobody was asked
    run.orders = Vec::new();
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(host(&state, "a").finding.as_ref().map(|finding| finding.code.as_str()), Some("drifted"));
    assert_eq!((code(&state), state.changed_hosts()), (6, 0));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_said_no_in_the_preview_is_left_out() {
    let moody = Machine::default().ending("fit", &[Exit::Code { code: 1 }, Exit::Code { code: 0 }]);
    let mut run = Run::new(vec![("a", moody)], units());
    run.orders = Vec::new();
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(code(&state), 6);
    let asked = run.world.events().iter().any(|event| matches!(event.kind, EventKind::ConfirmAsked { .. }));
    assert!(!asked, "there is nothing to confirm");
}

#[tokio::test(start_paused = true)]
async fn what_was_never_sent_is_never_put_back() {
    // our POST does not leave; meanwhile somebody else switches off: theirs must stay
    let machine = Machine { unsent: 1, ..Machine::default() };
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), Vec::<String>::new());
    assert_eq!(state.open(), []);
    assert_eq!((code(&state), state.changed_hosts()), (6, 0));
    assert_eq!(unit_outcome(&state, "a", "switch-off"), Some(Outcome::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_host_vanished_is_unknown_even_where_looking_again_fails() {
    let machine = Machine { dies_at: Some("work"), ..Machine::default().ending("done", &[Exit::Code { code: 1 }]) };
    let work = unit(1, "work", Section::Step, "exec", json!({ "run": "work", "unless": "done" }));
    let run = Run::new(vec![("a", machine)], vec![work]);
    let state = run.ends().await;
    assert_eq!(unit_outcome(&state, "a", "work"), Some(Outcome::Unknown));
    assert_eq!((code(&state), outcome(&state, "a")), (8, Some(HostOutcome::Unknown)));
}

#[tokio::test(start_paused = true)]
async fn a_host_lost_while_it_is_looked_at_is_unreachable_and_not_refused() {
    let machine = Machine { dies_at: Some("fit"), ..Machine::default() };
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!((code(&state), outcome(&state, "a")), (3, Some(HostOutcome::Unreachable)));
}

#[tokio::test(start_paused = true)]
async fn an_optional_step_that_was_ended_does_not_make_the_host_ok() {
    let machine = Machine::default().ending("slow", &[Exit::Code { code: 1 }]);
    let mut slow = unit(1, "slow", Section::Step, "exec", json!({ "run": "ran", "unless": "slow" }));
    slow.optional = true;
    let run = Run::new(vec![("a", machine)], vec![slow, units()[3].clone()]);
    let state = run.cancelled_after(std::time::Duration::from_secs(5)).await;
    assert_eq!((code(&state), outcome(&state, "a")), (4, Some(HostOutcome::Cancelled)));
    assert_eq!(unit_outcome(&state, "a", "proof"), None);
}

#[tokio::test(start_paused = true)]
async fn a_check_behind_a_change_does_not_leave_the_host_out() {
    // a check that stands behind a change may not hold yet; that is no reason to leave the host out
    let machine = Machine::default().ending("up", &[Exit::Code { code: 1 }, Exit::Code { code: 0 }]);
    let up = unit(2, "up", Section::Step, "require", json!({ "run": "up" }));
    let run = Run::new(vec![("a", machine)], vec![units()[2].clone(), up, units()[3].clone()]);
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: work"]);
    assert_eq!(code(&state), 0);
}

#[tokio::test(start_paused = true)]
async fn an_action_is_not_ok_because_it_is_only_observed() {
    let machine = Machine::default().ending("done", &[Exit::Code { code: 1 }]);
    let mut work = unit(1, "work", Section::Step, "exec", json!({ "run": "work", "unless": "done" }));
    work.observe = true;
    let run = Run::new(vec![("a", machine)], vec![work]);
    let state = run.ends().await;
    assert_eq!(unit_outcome(&state, "a", "work"), Some(Outcome::Failed));
    assert_eq!(code(&state), 1);
}

#[tokio::test(start_paused = true)]
async fn what_held_before_the_changes_is_brought_back_after_them() {
    // `restart` is there already in the preview; the work before it takes it away
    let ends = [Exit::Code { code: 0 }, Exit::Code { code: 1 }, Exit::Code { code: 0 }];
    let machine = Machine::default().ending("is-up", &ends);
    let start = unit(4, "start", Section::Step, "exec", json!({ "run": "start", "unless": "is-up" }));
    let run = Run::new(vec![("a", machine)], vec![units()[2].clone(), start]);
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: work", "a: start"]);
    assert_eq!(code(&state), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_lane_owes_is_closed_even_when_the_lane_itself_fails() {
    let mut run =
        Run::new(vec![("a", Machine { panics_at: Some("work"), ..Machine::default() }), ("b", Machine::default())], units());
    run.plan.batches = vec![vec![0, 1]];
    let state = run.ends().await;
    let of_a: Vec<String> = run.world.ledger().into_iter().filter(|line| line.starts_with("a:")).collect();
    assert_eq!(of_a, ["a: switch off", "a: switch on"]);
    assert_eq!((code(&state), state.open()), (70, Vec::new()));
    assert_eq!(outcome(&state, "b"), Some(HostOutcome::Ok), "the others end in order");
}

#[tokio::test(start_paused = true)]
async fn two_steps_on_one_switch_owe_two_values() {
    let mut on_again = switch_off(3);
    on_again.step = StepId::parse("switch-on").expect("a step id");
    on_again.fields.insert("to".to_owned(), json!(true));
    let machine = Machine { panics_at: Some("work"), ..Machine::default() };
    let mut work = units()[2].clone();
    work.n = 4;
    let run = Run::new(vec![("a", machine)], vec![switch_off(2), on_again, work]);
    let state = run.ends().await;
    // newest first: off as the second step found it, then on as the first one did
    assert_eq!(run.world.ledger(), ["a: switch off", "a: switch on", "a: switch off", "a: switch on"]);
    assert_eq!(state.open(), []);
}

#[tokio::test(start_paused = true)]
async fn closing_later_does_not_touch_another_machine() {
    let machine = Machine { unsent: 0, dies_at: Some("work"), ..Machine::default() };
    let run = Run::new(vec![("a", machine)], units());
    let state = run.ends().await;
    assert_eq!((code(&state), state.open().len()), (7, 1));
    {
        let mut shared = run.world.shared.lock().expect("not poisoned");
        let machine = shared.machines.get_mut("a").expect("a host");
        (machine.reachable, machine.machine_id) = (true, Some("somebody-else"));
    }
    let after = close_all(run.left(&state)).await.expect("no bug");
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work"]);
    assert_eq!(after.open().len(), 1);
    run.world.shared.lock().expect("not poisoned").machines.get_mut("a").expect("a host").machine_id = None;
    let after = close_all(run.left(&after)).await.expect("no bug");
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!(after.open(), []);
}

struct Clumsy;

impl Reporter for Clumsy {
    fn on(&mut self, _: &Event) -> std::io::Result<()> {
        panic!("a bug in a display (scripted)")
    }
}

/// Confirms when asked, as a person would.
struct Person(mpsc::Sender<Control>);

impl Reporter for Person {
    fn on(&mut self, event: &Event) -> std::io::Result<()> {
        if matches!(event.kind, EventKind::ConfirmAsked { .. }) {
            let _ = self.0.try_send(Control::Confirm { by: "test".to_owned(), via: "tty".to_owned() });
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_display_that_fails_takes_no_other_bystander_with_it() {
    let run = Run::new(vec![("a", Machine::default())], vec![units()[2].clone()]);
    let (to, control) = mpsc::channel(8);
    let mut setup = run.setup(control);
    setup.reporters = vec![Box::new(Clumsy), Box::new(Person(to.clone()))];
    let ended = tokio::time::timeout(std::time::Duration::from_secs(10), runbook::engine::run::run(setup)).await;
    let state = ended.expect("the question was asked").expect("the record holds");
    assert_eq!(code(&state), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_end_is_not_recorded_is_no_run_that_ended() {
    let run = Run::new(vec![("a", Machine::default())], units());
    run.ends().await;
    let all = run.world.events().len();
    for limit in 0..all {
        let run = Run::new(vec![("a", Machine::default())], units());
        run.world.shared.lock().expect("not poisoned").log_limit = Some(limit);
        assert!(matches!(run.go().await, Err(EngineError::Log(_))), "limit {limit} of {all}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_killed_before_it_sent_anything_leaves_nothing_to_put_back() {
    // the record ends between the obligation and the intent; later somebody else switches off
    let run = Run::new(vec![("a", Machine::default())], units());
    let whole = run.ends().await;
    assert_eq!(code(&whole), 0);
    let events = run.world.events();
    let at = events.iter().position(|event| matches!(event.kind, EventKind::ObligationOpened { .. })).expect("it opened one");
    let state = RunState::replay(&events[..=at]);
    assert_eq!(state.open().len(), 1);
    let later = Run::new(vec![("a", Machine { switch: false, ..Machine::default() })], units());
    let after = close_all(later.left(&state)).await.expect("no bug");
    assert_eq!((later.world.ledger(), after.open()), (Vec::new(), Vec::new()));
}
