//! Retry, skip, exclude, abort: what each does to the host, the others, the record and the exit code.

use runbook::model::control::Control;
use runbook::model::event::EventKind;
use runbook::model::op::Exit;
use runbook::model::outcome::{HostOutcome, Outcome};
use runbook::model::plan::{BatchSize, OnFailure};

use super::{asked, asking, asks, done, failing, later, once, one_by_one, replayed, told};
use crate::harness::script::{Run, answer, code, outcome, unit_outcome, units};
use crate::harness::world::Machine;

const ASKED: &str = "ask failed:a:work:1 retry/skip/exclude/abort";

#[tokio::test(start_paused = true)]
async fn the_first_answer_to_a_plan_counts() {
    let confirm = || Control::Confirm { by: "ana".to_owned(), via: "tty".to_owned() };
    let decline = || Control::Decline { reason: "host dropped by ana".to_owned() };
    for (orders, ends) in [(vec![decline(), confirm()], 4), (vec![confirm(), decline()], 0)] {
        let mut run = asked(vec![("a", Machine::default())], asking());
        run.orders = orders;
        let state = run.ends().await;
        assert_eq!((code(&state), state.confirmed.is_some()), (ends, ends == 0));
        assert_eq!(run.world.ledger().is_empty(), ends == 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_one_more_attempt_and_what_was_opened_is_closed_once() {
    let mut run = asked(vec![("a", failing(2))], asking());
    run.orders.extend([answer("failed:a:work:1", "retry"), answer("failed:a:work:2", "retry")]);
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: work", "a: work", "a: switch on"]);
    assert_eq!((code(&state), outcome(&state, "a"), state.open().len()), (0, Some(HostOutcome::Ok), 0));
    let again = "ask failed:a:work:2 retry/skip/exclude/abort";
    assert_eq!(told(&run), [ASKED, "retry failed:a:work:1 by kai", again, "retry failed:a:work:2 by kai"]);
    let attempts: Vec<u32> = run
        .world
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StepStarted { step, attempt, .. } if step.as_str() == "work" => Some(*attempt),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
    replayed(&run, &state);
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_attempt_has_sent_stays_sent() {
    let mut run = asked(vec![("a", failing(1))], vec![asking()[2].clone(), asking()[3].clone()]);
    run.orders.push(answer("failed:a:work:1", "exclude"));
    let state = run.ends().await;
    assert_eq!((code(&state), state.changed_hosts()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn after_a_skip_the_lane_goes_on_and_the_host_is_failed_all_the_same() {
    let mut run = asked(vec![("a", failing(1))], asking());
    run.orders.push(answer("failed:a:work:1", "skip"));
    let state = run.ends().await;
    assert_eq!(unit_outcome(&state, "a", "work"), Some(Outcome::Failed));
    assert_eq!(unit_outcome(&state, "a", "proof"), Some(Outcome::Ok));
    assert_eq!((code(&state), outcome(&state, "a"), state.open().len()), (1, Some(HostOutcome::Failed), 0));
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    replayed(&run, &state);
}

#[tokio::test(start_paused = true)]
async fn whom_a_person_excludes_does_not_count_at_the_gate_and_whom_they_skip_does() {
    for (said, worked) in [("exclude", true), ("skip", false)] {
        let machines = vec![("c", Machine::default()), ("a", failing(1)), ("b", Machine::default())];
        let mut run = one_by_one(machines, asking());
        run.orders.extend([answer("failed:a:work:1", said), answer("batch:2", "no")]);
        let state = run.ends().await;
        assert_eq!(done(&run, "a"), ["switch off", "work", "switch on"], "{said}");
        assert_eq!(!done(&run, "b").is_empty(), worked, "{said}: {:?}", told(&run));
        assert_eq!((code(&state), outcome(&state, "a"), state.open().len()), (1, Some(HostOutcome::Failed), 0));
        let verified = unit_outcome(&state, "a", "proof").is_some();
        assert_eq!(verified, said == "skip", "an excluded lane ends where it is");
    }
}

#[tokio::test(start_paused = true)]
async fn an_excluded_canary_still_asks() {
    let mut run = one_by_one(vec![("a", failing(1)), ("b", Machine::default())], asking());
    run.orders.extend([answer("failed:a:work:1", "exclude"), answer("batch:1", "no")]);
    run.ends().await;
    let gate = "ask batch:1 yes/no";
    assert_eq!(told(&run)[2..], ["paused by gate", gate, "no batch:1 by kai", "stopping by gate"]);
    assert_eq!(done(&run, "b"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_abort_stops_the_run_as_that_person() {
    let mut run = one_by_one(vec![("a", failing(1)), ("b", Machine::default())], asking());
    run.orders.push(answer("failed:a:work:1", "abort"));
    let state = run.ends().await;
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!((code(&state), outcome(&state, "a"), outcome(&state, "b")), (4, Some(HostOutcome::Failed), None));
    assert_eq!(told(&run), [ASKED, "abort failed:a:work:1 by kai", "stopping by kai"]);
    replayed(&run, &state);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_offered_is_no_answer_and_leaves_no_trace() {
    let mut run = asked(vec![("a", failing(1))], asking());
    let noted = Control::Answer {
        id: "failed:a:work:1".to_owned(),
        option: "skip".to_owned(),
        by: "kai".to_owned(),
        note: Some("ticket 8841".to_owned()),
    };
    run.script = vec![
        (asks("failed:a:work:1"), answer("failed:a:work:1", "yes")),
        (later(), answer("failed:a:work:2", "retry")),
        (later(), answer("failed:a:work:1", "rollback")),
        (later(), noted),
    ];
    let state = run.ends().await;
    assert_eq!(told(&run), [ASKED, "skip failed:a:work:1 by kai (ticket 8841)"]);
    assert_eq!(state.decided[0].note.as_deref(), Some("ticket 8841"));
    let asked = &state.decided[0].asked;
    assert_eq!(asked.question, "a failed at 3 work: exit 1: work");
    assert_eq!(asked.finding.as_ref().map(|finding| finding.code.as_str()), Some("exit"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_to_be_over_is_neither_done_again_nor_skipped() {
    let doubtful = Machine::default().ending("work", &[Exit::Unknown { why: "no-status".to_owned() }]);
    let mut run = one_by_one(vec![("a", doubtful), ("b", Machine::default())], asking());
    run.script = vec![
        (asks("failed:a:work:1"), answer("failed:a:work:1", "retry")),
        (later(), answer("failed:a:work:1", "skip")),
        (later(), answer("failed:a:work:1", "exclude")),
    ];
    run.orders.push(answer("batch:1", "no"));
    let state = run.ends().await;
    assert_eq!(told(&run)[..2], ["ask failed:a:work:1 exclude/abort", "exclude failed:a:work:1 by kai"]);
    assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
    assert_eq!((code(&state), outcome(&state, "a")), (8, Some(HostOutcome::Unknown)));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_pauses_whatever_was_decided_about_its_host() {
    let doubtful = Machine::default().ending("work", &[Exit::Unknown { why: "no-status".to_owned() }]);
    let mut run = one_by_one(vec![("c", Machine::default()), ("a", doubtful), ("b", Machine::default())], asking());
    run.plan.rollout.max_failures = BatchSize::Count(9);
    run.orders.extend([answer("failed:a:work:1", "exclude"), answer("batch:2", "no")]);
    run.ends().await;
    assert!(told(&run).contains(&"ask batch:2 yes/no".to_owned()), "{:?}", told(&run));
}

#[tokio::test(start_paused = true)]
async fn a_refused_precheck_is_not_asked_about() {
    let unfit = Machine::default().ending("fit", &[Exit::Code { code: 0 }, Exit::Code { code: 1 }]);
    let run = asked(vec![("a", unfit)], asking());
    let state = run.ends().await;
    assert_eq!((told(&run), run.world.ledger()), (Vec::<String>::new(), Vec::new()));
    assert_eq!((code(&state), outcome(&state, "a")), (6, Some(HostOutcome::Refused)));
}

#[tokio::test(start_paused = true)]
async fn what_is_optional_is_not_asked_about() {
    let mut steps = asking();
    steps[2].optional = true;
    let run = asked(vec![("a", failing(9))], steps);
    let state = run.ends().await;
    assert_eq!((told(&run), code(&state)), (Vec::<String>::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_refused_change_and_a_failed_verification_are_asked_about() {
    let unproven = Machine::default().ending("proof", &[Exit::Code { code: 1 }]);
    let unsent = Machine { unsent: 1, switch: true, ..Machine::default() };
    let mut run = asked(vec![("a", unproven), ("b", unsent)], asking());
    run.orders.extend([answer("failed:a:proof:1", "exclude"), answer("failed:b:switch-off:1", "exclude")]);
    let state = run.ends().await;
    let asked: Vec<String> = told(&run).into_iter().filter(|line| line.starts_with("ask")).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!((outcome(&state, "a"), outcome(&state, "b")), (Some(HostOutcome::Failed), Some(HostOutcome::Refused)));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_be_asked_the_host_ends() {
    let mut run = asked(vec![("a", failing(1)), ("b", Machine::default())], asking());
    run.asking.can_ask = false;
    let state = run.ends().await;
    assert_eq!(told(&run), [""; 0]);
    assert_eq!((outcome(&state, "a"), outcome(&state, "b")), (Some(HostOutcome::Failed), Some(HostOutcome::Ok)));
    assert_eq!((code(&state), done(&run, "a")), (1, vec!["switch off".to_owned(), "work".to_owned(), "switch on".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_step_that_says_something_else_is_not_asked_about() {
    let mut steps = asking();
    steps[2].on_failure = OnFailure::StopHost;
    let run = asked(vec![("a", failing(1))], steps);
    assert_eq!((code(&run.ends().await), told(&run)), (1, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn two_hosts_are_held_at_once_and_answered_in_any_order_while_the_others_go_on() {
    for first in ["a", "b"] {
        let names = ["failed:a:work:1", "failed:b:work:1"];
        let (now, then) = if first == "a" { (names[0], names[1]) } else { (names[1], names[0]) };
        let machines = vec![("a", failing(1)), ("b", failing(1)), ("c", Machine::default()), ("d", Machine::default())];
        let mut run = asked(machines, asking());
        run.plan.batches = vec![vec![0, 1, 2], vec![3]];
        let both = || -> crate::harness::script::Cue { Box::new(|kind| matches!(kind, EventKind::Heartbeat { .. })) };
        run.script = vec![(both(), answer(now, "retry")), (later(), answer(then, "retry"))];
        let state = run.ends().await;
        assert_eq!((code(&state), run.world.ledger().iter().filter(|line| line.ends_with("work")).count()), (0, 6));
        let events = run.world.events();
        let at = |wanted: &dyn Fn(&EventKind) -> bool| events.iter().position(|event| wanted(&event.kind)).expect("it happened");
        let ended = |name: &str| at(&|kind| matches!(kind, EventKind::HostFinished { host, .. } if host.as_str() == name));
        let decided = |id: &str| at(&|kind| matches!(kind, EventKind::DecisionMade { id: of, .. } if of == id));
        assert!(ended("c") < decided(now) && decided(now) < decided(then), "nobody waits for the held ones");
        assert!(ended(first) < decided(then), "nor they for each other");
        let next = at(&|kind| matches!(kind, EventKind::BatchStarted { n: 2, .. }));
        assert!(decided(then) < next, "no further batch while one is held");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_what_is_held_in_order() {
    for order in [Control::Stop { by: "kai".to_owned() }, Control::Cancel { by: "kai".to_owned() }] {
        let mut run = one_by_one(vec![("a", failing(1)), ("b", Machine::default())], asking());
        run.script = vec![(asks("failed:a:work:1"), order)];
        let state = run.ends().await;
        assert_eq!(run.world.ledger(), ["a: switch off", "a: work", "a: switch on"]);
        assert_eq!((code(&state), outcome(&state, "a"), state.decided.len()), (4, Some(HostOutcome::Failed), 0));
        replayed(&run, &state);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_from_silence() {
    let mut run = asked(vec![("a", failing(1))], asking());
    // longer than any other question waits
    run.script = (0..150).map(|_| (later(), Control::Resume { by: "kai".to_owned() })).collect();
    run.script.push((later(), answer("failed:a:work:1", "retry")));
    let state = run.ends().await;
    assert_eq!((code(&state), told(&run).len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_retry_of_what_changed_nothing_asks_old_prechecks_again() {
    for (still_fits, worked) in [(0, true), (1, false)] {
        let fit = [0, 0, still_fits].map(|code| Exit::Code { code });
        let mut machine = Machine { unsent: 1, ..Machine::default().ending("fit", &fit) };
        machine.meddle = None;
        let mut steps = asking();
        // nothing is sent: the connection of the very first change is refused
        steps.truncate(2);
        let mut run = asked(vec![("a", machine)], steps);
        run.script = vec![
            (asks("failed:a:switch-off:1"), Control::Resume { by: "kai".to_owned() }),
            (later(), Control::Resume { by: "kai".to_owned() }),
            (later(), Control::Resume { by: "kai".to_owned() }),
            (later(), answer("failed:a:switch-off:1", "retry")),
        ];
        let state = run.ends().await;
        let looks = run
            .world
            .events()
            .iter()
            .filter(|event| matches!(&event.kind, EventKind::StepStarted { step, .. } if step.as_str() == "fit"))
            .count();
        assert_eq!(looks, 2, "once before the batch, once before the retry");
        assert_eq!(unit_outcome(&state, "a", "switch-off") == Some(Outcome::Already), worked);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_what_runs_once_waits_for_the_decision_too() {
    let machines = || {
        let failing = Machine::default().ending("once", &[Exit::Code { code: 1 }, Exit::Code { code: 0 }]);
        vec![("a", failing), ("b", Machine::default()), ("c", Machine::default())]
    };
    for forks in [1, 8] {
        for (said, ends, works) in [
            ("retry", [HostOutcome::Ok; 3], 3),
            ("skip", [HostOutcome::Failed; 3], 3),
            ("exclude", [HostOutcome::Failed, HostOutcome::Refused, HostOutcome::Refused], 0),
        ] {
            let mut run = asked(machines(), vec![once(1), asking()[2].clone(), asking()[3].clone()]);
            run.forks = forks;
            run.plan.rollout.max_out = (forks == 8).then_some(BatchSize::Count(1));
            run.orders.push(answer("failed:a:once:1", said));
            let state = run.ends().await;
            let label = format!("{said}, {forks} forks: {:?}", run.world.ledger());
            assert_eq!(told(&run).len(), 2, "one question, one answer: {label}");
            let works_done = run.world.ledger().iter().filter(|line| line.ends_with(": work")).count();
            if forks == 1 {
                assert_eq!(["a", "b", "c"].map(|host| outcome(&state, host)), ends.map(Some), "{label}");
                assert_eq!(works_done, works, "{label}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_does_not_ask_is_as_it_was() {
    let run = Run::new(vec![("a", failing(1))], units());
    assert_eq!((code(&run.ends().await), told(&run)), (1, Vec::new()));
}
