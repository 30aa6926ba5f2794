//! Large fleets in words: what they have in common is told once, and what is typed next is short.

use insta::assert_snapshot;
use runbook::engine::report::Reporter;
use runbook::model::event::{Event, EventKind};
use runbook::model::finding::Finding;
use runbook::model::outcome::{HostOutcome, Outcome};
use runbook::report::paint::Paint;
use runbook::report::quiet::Quiet;
use runbook::state::run::RunState;
use runbook::state::summary::{Flags, conclude};

use super::{PLAIN, Story, failing, human, lines};

/// Two thousand hosts, every one of them with a problem, and two causes in all.
fn broken_fleet(dry_run: bool) -> Story {
    let names: Vec<String> = (1..=2000).map(|n| format!("edge-{n:04}")).collect();
    let refs: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut story = Story::new("81c2d0", &refs, &[], dry_run);
    let dead = |n: usize| n % 2 == 1;
    for (n, name) in refs.iter().enumerate() {
        if dead(n) {
            story.down(name)
        } else {
            story.up(name).sick(name)
        };
    }
    // nothing is the same of two hosts: pids and the like
    let groups: Vec<Vec<&str>> = refs.iter().map(|name| vec![*name]).collect();
    let groups: Vec<&[&str]> = groups.iter().map(Vec::as_slice).collect();
    story.summary(&groups, 2000, 1000);
    story.batch(1, 2, &refs);
    for (n, name) in refs.iter().enumerate() {
        if dead(n) {
            let finding = Finding::new("connect-timeout", format!("no answer from 10.0.{}.{}:22 within 5 s", n / 250, n % 250));
            story.host_finished(name, HostOutcome::Unreachable, Some(finding), 1_000);
        } else {
            let finding =
                Finding::new("exit", format!("{name}: listen EADDRINUSE, pid {n}")).evidence("Error: listen EADDRINUSE :::3000");
            story.opened(name).finished(name, "duplicates", Outcome::Failed, &[], Some(finding.clone())).closed(name);
            story.host_finished(name, HostOutcome::Failed, Some(finding), 1_000);
        }
    }
    story.conclude(&[]);
    story
}

#[test]
fn what_a_broken_fleet_has_in_common_is_told_once() {
    for dry_run in [false, true] {
        let events = broken_fleet(dry_run).events;
        for text in [human(&events, PLAIN), lines(&events)] {
            let told = text.lines().count();
            assert!(told <= 250, "{told} lines for two causes:\n{text}");
            let widest = text.lines().map(runbook::model::visible::width).max();
            assert!(widest <= Some(420), "{widest:?} columns");
        }
    }
    let events = broken_fleet(false).events;
    let text = human(&events, PLAIN);
    let (before, end) = text.rsplit_once("\n\n").unwrap();
    assert!(end.lines().count() < 16, "{end}");
    assert_snapshot!("human-broken-fleet-end", end);
    assert_eq!(before.matches("further hosts with this cause").count(), 2);
    let text = lines(&events);
    let from = text.lines().count() - 12;
    assert_snapshot!("lines-broken-fleet-end", text.lines().skip(from).collect::<Vec<_>>().join("\n"));
    let EventKind::RunFinished { failures, next, .. } = &events.last().unwrap().kind else { panic!() };
    assert_eq!(failures.iter().map(|failure| failure.hosts.len()).collect::<Vec<_>>(), [1000, 1000], "JSON has all of them");
    let want = [
        "runbook show 81c2d0 edge-0001 duplicates",
        "runbook run restart-loop --hosts failed:81c2d0,unreachable:81c2d0 --dry-run",
        "runbook timeline 81c2d0",
    ];
    assert_eq!(*next, want);
}

#[test]
fn a_quiet_run_says_what_went_wrong_and_how_it_ended() {
    let quiet = |events: &[Event]| {
        let mut reporter = Quiet::new(Vec::new(), Paint { color: false });
        events.iter().for_each(|event| reporter.on(event).unwrap());
        String::from_utf8(reporter.into_inner()).unwrap()
    };
    assert_snapshot!("quiet-left-open", quiet(&failing(false).events));
    let mut fine = Story::new("7f3a9c", &["web-01"], &[], false);
    fine.batch(1, 1, &["web-01"]).cured("web-01").conclude(&[]);
    let text = quiet(&fine.events);
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn what_to_type_next_works_as_it_is_pasted() {
    let flags = Flags {
        record: vec!["--state-dir".to_owned(), "/tmp/it's mine".to_owned()],
        run: vec!["-i".to_owned(), "a b.toml".to_owned(), "--set".to_owned(), "note=$(reboot)".to_owned()],
    };
    let state = RunState::replay(&failing(false).events);
    let want = [
        "runbook close 7f3a9c --state-dir '/tmp/it'\\''s mine'",
        "runbook show 7f3a9c web-04 duplicates --state-dir '/tmp/it'\\''s mine'",
        "runbook run restart-loop --hosts failed:7f3a9c,unreachable:7f3a9c --dry-run -i 'a b.toml' --set 'note=$(reboot)'",
        "runbook timeline 7f3a9c --state-dir '/tmp/it'\\''s mine'",
    ];
    assert_eq!(conclude(&state, &[], &flags).next, want);
}
