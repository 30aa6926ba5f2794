use super::chunk::LONGEST;
use super::{Direction, Logs, Origin, compare};
use crate::model::event::{Event, EventKind};
use crate::model::finding::Finding;
use crate::model::id::{HostName, RunId, StepId};
use crate::model::outcome::Outcome;
use crate::model::step::Note;
use crate::model::time::Timestamp;
use proptest::prelude::*;

fn host(n: usize) -> HostName {
    HostName::parse(&format!("edge-{n:04}")).expect("a name")
}

fn step() -> StepId {
    StepId::parse("restart").expect("an id")
}

fn event(kind: EventKind) -> Event {
    Event { seq: 1, ts: Timestamp::from_millis(1_000), run: RunId::parse("7f3a9c").expect("an id"), kind }
}

fn started(n: usize, attempt: u32) -> Event {
    event(EventKind::StepStarted { host: host(n), step: step(), attempt })
}

fn output(n: usize, stream: &str, text: &str) -> Event {
    let (stream, text) = (stream.to_owned(), text.to_owned());
    event(EventKind::StepOutput { host: host(n), step: step(), attempt: 1, stream, text, lossy: false })
}

fn judged(word: &str, summary: &str) -> Event {
    event(EventKind::StepJudged { host: host(1), step: step(), look: 1, note: Note::new(word, summary) })
}

fn failed(finding: Finding) -> Event {
    event(EventKind::StepFinished {
        host: host(1),
        step: step(),
        attempt: 2,
        outcome: Outcome::Failed,
        changed: true,
        exit_code: Some(1),
        note: None,
        finding: Some(finding),
        effects: vec!["pm2 restart api".to_owned()],
        duration_ms: 1_800,
    })
}

fn logs(events: &[Event]) -> Logs {
    let mut logs = Logs::default();
    events.iter().for_each(|event| logs.apply(event));
    logs
}

fn texts(logs: &Logs, n: usize) -> Vec<String> {
    logs.of(&host(n)).lines(0).map(|(_, line)| line.text.clone()).collect()
}

#[test]
fn the_story_of_a_step_is_told_in_lines() {
    let finding = Finding::new("exit", "exit 1: pm2 restart api").evidence("Error: listen\nEADDRINUSE").hint("free the port");
    let told = logs(&[
        started(1, 2),
        judged("looping", "41 restarts in 10 min"),
        judged("looping", "41 restarts in 10 min"),
        judged("looping", "42 restarts in 10 min"),
        output(1, "stderr", "[PM2][ERROR] Process api errored\n"),
        failed(finding),
    ]);
    let lines: Vec<(Origin, &str)> = told.of(&host(1)).lines(0).map(|(_, line)| (line.from, line.text.as_str())).collect();
    let wanted = [
        (Origin::Run, "attempt 2"),
        (Origin::Seen, "[looping] 41 restarts in 10 min"),
        (Origin::Seen, "[looping] 42 restarts in 10 min"),
        (Origin::Stderr, "[PM2][ERROR] Process api errored"),
        (Origin::Run, "failed, exit 1 after 1.8 s, attempt 2"),
        (Origin::Run, "exit 1: pm2 restart api"),
        (Origin::Evidence, "Error: listen"),
        (Origin::Evidence, "EADDRINUSE"),
        (Origin::Run, "hint: free the port"),
    ];
    assert_eq!(lines, wanted);
}

#[test]
fn a_line_that_comes_in_pieces_is_one_line() {
    let told = logs(&[output(1, "stdout", "one\ntw"), output(1, "stderr", "other\n"), output(1, "stdout", "o\nthree")]);
    assert_eq!(texts(&told, 1), ["one", "two", "other", "three"]);
    let ended = logs(&[output(1, "stdout", "on"), started(1, 2), output(1, "stdout", "two")]);
    assert_eq!(texts(&ended, 1), ["on", "attempt 2", "two"], "another attempt does not go on with its line");
}

#[test]
fn of_a_line_that_is_written_over_the_last_state_stays() {
    let told = logs(&[output(1, "stdout", "10%\r50%\r"), output(1, "stdout", "100%\r\nend\r\n")]);
    assert_eq!(texts(&told, 1), ["100%", "end"]);
    let now = logs(&[output(1, "stdout", "10%\r50%\r")]);
    assert_eq!(texts(&now, 1), ["50%"], "what stands there now is shown before the next piece comes");
}

#[test]
fn tabs_reach_the_next_stop_and_nothing_else_moves_the_cursor() {
    let told = logs(&[output(1, "stdout", "a\tb\t\u{1b}[2Jc\nname\u{e9}s\u{202e}\tx\n")]);
    assert_eq!(texts(&told, 1), ["a       b       \\x1b[2Jc", "nameés\\u{202e}  x"]);
}

#[test]
fn a_line_that_is_too_long_says_how_much_is_missing() {
    let long = "é".repeat(LONGEST);
    let told = logs(&[output(1, "stdout", &long), output(1, "stdout", "xx\nshort\n")]);
    let lines = texts(&told, 1);
    assert_eq!(lines[0], format!("{}… {} bytes more", "é".repeat(LONGEST / 2), LONGEST + 2));
    assert_eq!(lines[1], "short");
}

#[test]
fn the_oldest_lines_go_and_are_counted_and_numbers_stay() {
    let mut told = Logs::within(500, 10_000);
    for n in 0..100 {
        told.apply(&output(1, "stdout", &format!("line {n:02}\n")));
    }
    let log = told.of(&host(1));
    assert!(log.bytes() <= 500);
    assert_eq!((log.end(), log.first() + log.len()), (100, 100));
    assert_eq!(log.dropped_bytes(), log.first() * "line 00".len());
    assert_eq!(log.lines(99).map(|(n, line)| (n, line.text.as_str())).collect::<Vec<_>>(), [(99, "line 99")]);
    assert_eq!(log.lines(0).next().map(|(n, _)| n), Some(log.first()), "what is gone is skipped");
    assert_eq!(log.lines(1_000).count(), 0);
}

#[test]
fn empty_lines_are_bounded_too() {
    let told = logs(&[output(1, "stdout", &"\n".repeat(100_000))]);
    assert!(told.of(&host(1)).len() <= 1_024);
}

#[test]
fn where_all_hosts_together_say_too_much_the_largest_gives_way() {
    let mut told = Logs::within(2_000, 3_000);
    told.apply(&output(9, "stdout", "quiet\n"));
    for n in 0..400 {
        told.apply(&output(1 + n % 2, "stdout", "a line that takes some room\n"));
    }
    assert!(told.bytes() <= 3_000, "{}", told.bytes());
    assert_eq!(told.bytes(), [1, 2, 9].map(|n| told.of(&host(n)).bytes()).iter().sum::<usize>());
    assert_eq!(texts(&told, 9), ["quiet"]);
    assert!(told.of(&host(1)).len().abs_diff(told.of(&host(2)).len()) <= 1);
}

#[test]
fn search_goes_both_ways_and_only_capitals_must_match() {
    let told = logs(&[output(1, "stdout", "Error: one\nfine\nerror: two\n")]);
    let find = |pattern: &str, from: usize, direction| told.search(&host(1), pattern, from, direction);
    assert_eq!(find("error", 0, Direction::Down), Some(0));
    assert_eq!(find("error", 1, Direction::Down), Some(2));
    assert_eq!(find("Error", 1, Direction::Down), None);
    assert_eq!(find("error", 1, Direction::Up), Some(0));
    assert_eq!(find("error", 99, Direction::Up), Some(2));
    assert_eq!(told.hits(&host(1), "error"), [0, 2]);
    assert_eq!(told.hits(&host(2), "error"), Vec::<usize>::new());
    assert_eq!(told.hits(&host(1), ""), Vec::<usize>::new());
}

#[test]
fn only_the_difference_to_the_largest_group_is_told() {
    let same = "Error: listen EADDRINUSE :::3000 pid 18422 on edge-0001 at 0x7ffd1\n";
    let mut events: Vec<Event> = (1..=4).map(|n| started(n, 1)).collect();
    events.push(output(1, "stderr", same));
    events.push(output(2, "stderr", &same.replace("18422", "7").replace("0001", "0002").replace("7ffd1", "aa0")));
    events.push(output(3, "stderr", &format!("warning: 5.2.0 differs\n{}", same.replace("0001", "0003"))));
    events.push(output(4, "stderr", "no such app\n"));
    let told = logs(&events);
    let common = compare(&told, &[3, 1, 2, 4].map(host), &step());
    assert_eq!(common.lines, [same.trim_end()]);
    assert_eq!(common.hosts, [1, 2].map(host));
    let (third, fourth) = (&common.others[0], &common.others[1]);
    assert_eq!((&third.hosts, third.more.as_slice()), (&vec![host(3)], ["warning: 5.2.0 differs".to_owned()].as_slice()));
    assert!(third.less.is_empty());
    assert_eq!((fourth.more.len(), fourth.less.len()), (1, 1));
    assert_eq!(common.left_out, 0);
}

#[test]
fn of_two_that_differ_the_one_that_says_less_is_common_and_an_earlier_attempt_is_not_compared() {
    let mut events = vec![output(1, "stdout", "of the first attempt\n")];
    events.extend([started(1, 2), started(2, 1)]);
    events.extend([output(1, "stdout", "a\nb\n"), output(2, "stdout", "a\n")]);
    let told = logs(&events);
    let common = compare(&told, &[1, 2].map(host), &step());
    assert_eq!((common.lines, common.hosts), (vec!["a".to_owned()], vec![host(2)]));
    assert_eq!(common.others[0].more, ["b"]);
    assert_eq!(compare(&told, &[], &step()), super::Common::default());
    assert_eq!(compare(&told, &(1..=30).map(host).collect::<Vec<_>>(), &step()).left_out, 10);
}

proptest! {
    #[test]
    fn however_output_is_cut_it_reads_the_same(text in "[ab\n\r\té\u{1b}]{0,60}", cuts in prop::collection::vec(0usize..60, 0..6)) {
        let mut pieces = vec![text.as_str()];
        for at in cuts {
            let last = pieces.pop().expect("one piece");
            let (before, after) = last.split_at(last.floor_char_boundary(at));
            pieces.extend([before, after]);
        }
        let cut: Vec<Event> = pieces.iter().map(|piece| output(1, "stdout", piece)).collect();
        prop_assert_eq!(texts(&logs(&cut), 1), texts(&logs(&[output(1, "stdout", &text)]), 1));
    }

    #[test]
    fn no_bound_is_ever_passed(
        said in prop::collection::vec((0usize..4, "[a-z\n\r\t]{0,80}"), 0..60),
        per_host in 50usize..600,
        in_all in 100usize..900,
    ) {
        let mut told = Logs::within(per_host, in_all);
        for (n, text) in said {
            let before = told.of(&host(n)).end();
            told.apply(&output(n, "stdout", &text));
            let log = told.of(&host(n));
            prop_assert!(log.bytes() <= per_host && told.bytes() <= in_all);
            prop_assert!(log.end() >= before, "numbers only grow");
            prop_assert_eq!(told.bytes(), (0..4).map(|n| told.of(&host(n)).bytes()).sum::<usize>());
        }
    }
}
