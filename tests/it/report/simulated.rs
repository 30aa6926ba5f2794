//! What is told of simulated hosts says so, wherever it is told.

use std::time::Duration;

use insta::assert_snapshot;
use runbook::engine::report::Reporter;
use runbook::model::event::{Event, EventKind, SCHEMA};
use runbook::report::paint::Paint;
use runbook::report::quiet::Quiet;
use runbook::report::{live, markdown, timeline as telling};
use runbook::state::run::RunState;
use runbook::state::timeline::timeline;

use super::{PLAIN, Story, failing, human, lines, planned, record, runbook};

/// The same story, on a simulated fleet.
fn simulated(mut story: Story) -> Story {
    let kind = EventKind::StreamStart { schema: SCHEMA.to_owned(), tool: "runbook".to_owned(), argv: Vec::new(), sim: true };
    story.events.insert(0, Event { seq: 1, ts: story.events[0].ts, run: story.run.clone(), kind });
    (1..).zip(&mut story.events).for_each(|(seq, event)| event.seq = seq);
    story
}

fn ended(dry_run: bool) -> Story {
    let mut story = simulated(planned(dry_run));
    story.conclude(&[]);
    story
}

#[test]
fn a_person_reads_it_first_and_last() {
    let text = human(&simulated(failing(false)).events, PLAIN);
    assert_eq!(text.lines().next(), Some("         SIM simulated hosts; no real one is contacted or changed"));
    let end = text.split("\n\n").last().expect("an end");
    assert!(end.starts_with("   LEFT OPEN SIM run 7f3a9c "), "{end}");
    assert!(text.contains("\n     Preview SIM "), "{text}");
    let dry = human(&ended(true).events, PLAIN);
    assert_snapshot!("human-sim-dry-run", dry);
}

#[test]
fn every_line_of_a_log_says_it() {
    for story in [simulated(failing(false)), simulated(failing(true)), ended(true)] {
        let text = lines(&story.events);
        assert!(text.lines().count() > 5, "{text}");
        for line in text.lines() {
            assert_eq!(line.split(' ').nth(1), Some("SIM"), "{line}");
        }
    }
}

#[test]
fn the_closing_line_the_live_lines_and_the_story_say_it() {
    let story = simulated(failing(false));
    let mut quiet = Quiet::new(Vec::new(), Paint { color: false });
    story.events.iter().for_each(|event| quiet.on(event).expect("memory"));
    let text = String::from_utf8(quiet.into_inner()).expect("UTF-8");
    assert!(text.lines().last().is_some_and(|line| line.starts_with("   LEFT OPEN SIM run 7f3a9c ")), "{text}");
    assert!(text.contains("STILL OPEN SIM web-04 "), "{text}");

    for n in [3, story.events.len() - 1] {
        let state = RunState::replay(&story.events[..n]);
        let [first, _] = live::two_lines(&state, story.now.plus(Duration::from_secs(9)), 80);
        assert!(first.starts_with("SIM "), "{first}");
    }
    let (state, told) = (RunState::replay(&story.events), timeline(&story.events));
    let mut out = Vec::new();
    telling::render(&mut out, Paint { color: false }, &state, &told, None).expect("memory");
    assert!(out.starts_with(b"SIM run 7f3a9c "), "{}", String::from_utf8_lossy(&out));
    let mut out = Vec::new();
    markdown::render(&mut out, &state, &told, None).expect("memory");
    assert!(out.starts_with(b"# SIM Run 7f3a9c: "), "{}", String::from_utf8_lossy(&out));
}

#[test]
fn the_record_remembers_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = dir.path().join("state");
    record(&state, &simulated(failing(false)));
    let (code, out, err) = runbook(&state, &["history"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("\tSIM left-open: 2 ok 1 failed 1 unreachable\t"), "{out}");
    assert!(err.starts_with("   LEFT OPEN SIM by run 7f3a9c (restart-loop)\n"), "{err}");
    for args in [&["show", "7f3a9c"][..], &["show", "7f3a9c", "web-04"], &["show", "7f3a9c", "web-04", "2"]] {
        let (code, out, err) = runbook(&state, args);
        assert_eq!(code, 0, "{err}");
        assert!(out.starts_with("SIM run 7f3a9c "), "{out}");
    }
}
