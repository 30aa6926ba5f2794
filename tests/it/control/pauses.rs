//! While a run is paused nothing starts, what runs ends, and what is open is closed.

use runbook::model::control::Control;
use runbook::model::event::{Event, EventKind};
use runbook::model::id::{HostName, RunId};
use runbook::model::op::Exit;
use runbook::model::outcome::HostOutcome;
use runbook::model::time::Timestamp;
use runbook::state::run::RunState;

use super::{asked, asking, begins, done, failing, later, one_by_one, replayed, told};
use crate::harness::script::{Run, answer, code, outcome, units};
use crate::harness::world::Machine;

fn pause() -> Control {
    Control::Pause { by: "ana".to_owned() }
}

fn resume() -> Control {
    Control::Resume { by: "kai".to_owned() }
}

/// What starts, with whether the run was paused then.
fn started(run: &Run) -> Vec<String> {
    let mut state = RunState::default();
    let mut lines = Vec::new();
    for event in run.world.events() {
        state.apply(&event);
        let line = match &event.kind {
            EventKind::StepStarted { host, step, attempt, .. } => format!("{host} {step} {attempt}"),
            EventKind::BatchStarted { n, .. } => format!("batch {n}"),
            _ => continue,
        };
        assert!(state.paused.is_none(), "{line} starts while the run is paused");
        lines.push(line);
    }
    lines
}

#[tokio::test(start_paused = true)]
async fn nothing_starts_while_it_is_paused_and_everything_after_it() {
    let machines = || vec![("a", Machine::default()), ("b", Machine::default()), ("c", Machine::default())];
    let calm = Run::new(machines(), units());
    calm.ends().await;
    let mut usual = started(&calm);
    for (host, step) in [("a", "fit"), ("a", "switch-off"), ("b", "work"), ("c", "work")] {
        let mut run = asked(machines(), units());
        run.script = vec![(begins(host, step), pause()), (later(), resume())];
        let state = run.ends().await;
        assert_eq!(code(&state), 0, "{host} {step}");
        assert_eq!(told(&run), ["paused by ana", "resumed by kai"]);
        let mut started = started(&run);
        usual.sort();
        started.sort();
        assert_eq!(started, usual);
        replayed(&run, &state);
    }
}

#[tokio::test(start_paused = true)]
async fn no_batch_and_no_connection_begins_while_it_is_paused() {
    let mut run = one_by_one(vec![("a", Machine::default()), ("b", Machine { down: 0, ..Machine::default() })], units());
    run.script = vec![(begins("a", "proof"), pause()), (later(), resume())];
    let state = run.ends().await;
    assert_eq!((code(&state), started(&run).contains(&"batch 2".to_owned())), (0, true));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_paused_before_it_began_connects_to_nobody() {
    let mut run = asked(vec![("a", Machine::default())], units());
    run.orders.insert(0, pause());
    run.script = vec![(later(), resume())];
    let state = run.ends().await;
    assert_eq!(code(&state), 0);
    let kinds: Vec<Event> = run.world.events();
    let at = |wanted: fn(&EventKind) -> bool| kinds.iter().position(|event| wanted(&event.kind)).expect("it happened");
    let resumed = at(|kind| matches!(kind, EventKind::RunResumed { .. }));
    assert!(at(|kind| matches!(kind, EventKind::HostConnected { .. })) > resumed);
}

#[tokio::test(start_paused = true)]
async fn what_is_open_is_closed_while_it_is_paused() {
    let mut run = asked(vec![("a", failing(1))], units());
    run.script = vec![(begins("a", "work"), pause()), (later(), resume())];
    let state = run.ends().await;
    assert_eq!((code(&state), done(&run, "a")), (1, vec!["switch off".to_owned(), "work".to_owned(), "switch on".to_owned()]));
    let events = run.world.events();
    let at = |wanted: fn(&EventKind) -> bool| events.iter().position(|event| wanted(&event.kind));
    let closed = at(|kind| matches!(kind, EventKind::ObligationClosed { .. })).expect("it was closed");
    let paused = at(|kind| matches!(kind, EventKind::RunPaused { .. })).expect("it was paused");
    let resumed = at(|kind| matches!(kind, EventKind::RunResumed { .. }));
    assert!(paused < closed && resumed.is_none_or(|resumed| closed < resumed), "{:?}", told(&run));
}

#[tokio::test(start_paused = true)]
async fn old_prechecks_are_asked_again_after_a_pause() {
    for (still_fits, worked) in [(0, true), (1, false)] {
        let fit = [0, 0, still_fits].map(|code| Exit::Code { code });
        let mut run = asked(vec![("a", Machine::default().ending("fit", &fit))], units());
        run.script = vec![(begins("a", "fit"), pause())];
        run.script.extend((0..3).map(|_| (later(), Control::Note { by: "ana".to_owned(), text: "still looking".to_owned() })));
        run.script.push((later(), resume()));
        let state = run.ends().await;
        assert_eq!(!run.world.ledger().is_empty(), worked);
        assert_eq!(outcome(&state, "a"), Some(if worked { HostOutcome::Ok } else { HostOutcome::Refused }));
        assert_eq!(state.notes.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn to_pause_twice_and_to_go_on_without_a_pause_is_nothing() {
    let mut run = asked(vec![("a", Machine::default())], units());
    run.script = vec![
        (begins("a", "fit"), resume()),
        (begins("a", "switch-off"), pause()),
        (later(), pause()),
        (later(), resume()),
        (begins("a", "proof"), resume()),
    ];
    assert_eq!(code(&run.ends().await), 0);
    assert_eq!(told(&run), ["paused by ana", "resumed by kai"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_pause() {
    for order in [Control::Stop { by: "kai".to_owned() }, Control::Cancel { by: "kai".to_owned() }] {
        let mut run = asked(vec![("a", Machine::default()), ("b", Machine::default())], units());
        run.script = vec![(begins("a", "switch-off"), pause()), (later(), order), (later(), resume())];
        let state = run.ends().await;
        assert_eq!((code(&state), state.open().len()), (4, 0));
        assert!(!told(&run).contains(&"resumed by kai".to_owned()));
        assert!(!run.world.ledger().iter().any(|line| line.ends_with("work")), "{:?}", run.world.ledger());
        replayed(&run, &state);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_does_not_start_while_it_is_paused() {
    let mut run = asked(vec![("a", failing(1))], asking());
    run.orders.push(answer("failed:a:work:1", "retry"));
    run.script = vec![(begins("a", "work"), pause()), (later(), resume())];
    let state = run.ends().await;
    assert_eq!(code(&state), 0);
    assert!(started(&run).contains(&"a work 2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_gate_and_a_person_hold_a_run_until_both_let_go() {
    let gate = || -> crate::harness::script::Cue {
        Box::new(|kind| matches!(kind, EventKind::DecisionAsked { id, .. } if id == "batch:1"))
    };
    let said = |option| answer("batch:1", option);
    let after = |first: Control, then: Control| vec![(gate(), pause()), (later(), first), (later(), then)];
    for (script, lines) in [
        // who goes on while the gate asks does not answer it
        (after(resume(), said("yes")), &["paused by ana", "resumed by kai", "yes batch:1 by kai", "resumed by kai"][..]),
        // whoever answers the gate does not end another's pause
        (after(said("yes"), resume()), &["paused by ana", "yes batch:1 by kai", "resumed by kai"][..]),
    ] {
        let mut run = one_by_one(vec![("a", failing(9)), ("b", Machine::default())], units());
        run.plan.rollout.max_failures = runbook::model::plan::BatchSize::Count(5);
        run.script = script;
        let state = run.ends().await;
        assert_eq!(told(&run)[2..], *lines);
        assert!(started(&run).contains(&"batch 2".to_owned()));
        assert_eq!(outcome(&state, "b"), Some(HostOutcome::Ok));
        replayed(&run, &state);
    }
}

#[test]
fn the_fold_is_paused_while_anybody_holds_it() {
    let host = HostName::parse("a").expect("a name");
    let paused = |by: &str| EventKind::RunPaused { reason: format!("{by} says so"), by: by.to_owned() };
    let resumed = || EventKind::RunResumed { by: "kai".to_owned() };
    let asked = || EventKind::DecisionAsked {
        id: "batch:1".to_owned(),
        step: None,
        hosts: vec![host.clone()],
        question: "go on?".to_owned(),
        options: vec!["yes".to_owned()],
        finding: None,
    };
    let (option, by, via) = ("yes".to_owned(), "kai".to_owned(), "tty".to_owned());
    let made = EventKind::DecisionMade { id: "batch:1".to_owned(), option, by, via, note: None };
    let by = |state: &RunState| state.paused.as_ref().map(|paused| paused.by.clone());
    let fold = |kinds: Vec<EventKind>| -> Vec<Option<String>> {
        let run = RunId::parse("abcdef").expect("a run id");
        let mut state = RunState::default();
        let event = |(seq, kind)| Event { seq: seq as u64 + 1, ts: Timestamp::from_millis(seq as i64), run: run.clone(), kind };
        let apply = |event: Event| {
            state.apply(&event);
            by(&state)
        };
        kinds.into_iter().enumerate().map(event).map(apply).collect()
    };
    let is = |names: &[&str]| names.iter().map(|name| (!name.is_empty()).then(|| (*name).to_owned())).collect::<Vec<_>>();
    assert_eq!(fold(vec![paused("gate"), asked(), made.clone(), resumed()]), is(&["gate", "gate", "", ""]));
    assert_eq!(
        fold(vec![paused("ana"), paused("gate"), asked(), resumed(), made.clone()]),
        is(&["ana", "ana", "ana", "gate", ""])
    );
    assert_eq!(fold(vec![paused("gate"), asked(), paused("ana"), made, resumed()]), is(&["gate", "gate", "ana", "ana", ""]));
    let stopping = EventKind::RunStopping { reason: "x".to_owned(), by: "kai".to_owned() };
    assert_eq!(fold(vec![paused("gate"), asked(), paused("ana"), stopping]), is(&["gate", "gate", "ana", ""]));
}
