//! What the screen shows of a run is what the record says of it, host by host.

use std::collections::BTreeMap;

use runbook::model::event::EventKind;
use runbook::state::run::RunState;
use runbook::state::summary;

use super::folder::{Folder, WORK, answer_all, begin, choose_all, confirm, listens, quit};
use super::person::Session;

const SIZE: (u16, u16) = (80, 24);

/// Each host with what its row says, of all rows.
fn rows(session: &Session, hosts: usize) -> BTreeMap<String, String> {
    session.keys("4+g");
    let mut seen = BTreeMap::new();
    session.until("a row a host", |lines| list(lines).is_some_and(|rows| !rows.is_empty()));
    for _ in 0..hosts * 2 {
        let lines = session.lines();
        for (host, state) in list(&lines).unwrap_or_default() {
            seen.insert(host, state);
        }
        if seen.len() == hosts {
            break;
        }
        let at = cursor(&lines);
        session.keys("j");
        session.until("the next row", |lines| cursor(lines) != at);
    }
    seen
}

/// The host under the cursor.
fn cursor(lines: &[String]) -> Option<String> {
    let row = lines.iter().find_map(|line| line.strip_prefix("› "))?;
    row.split_whitespace().next().map(str::to_owned)
}

/// The rows of the list: each host, and the text of its state.
fn list(lines: &[String]) -> Option<Vec<(String, String)>> {
    let head = lines.iter().position(|line| line.trim_start().starts_with("HOST ") && line.contains("STATE"))?;
    let column = |word: &str| lines[head].split(word).next().unwrap().chars().count();
    let (from, to) = (column("STATE"), column("TIME"));
    let of = |line: &String| {
        let row: Vec<char> = line.chars().collect();
        let host: String = row.iter().skip(2).take_while(|c| !c.is_whitespace()).collect();
        let state: String = row.iter().skip(from).take(to - from).collect();
        (host, state.trim().to_owned())
    };
    let rows = lines[head + 1..].iter().take_while(|line| !line.starts_with("──") && !line.trim().is_empty());
    Some(rows.map(of).collect())
}

/// The words that a row may begin with where the record says this of a host.
fn words(outcome: &str) -> &'static [&'static str] {
    match outcome {
        "ok" => &["ok", "nothing to change"],
        "failed" => &["FAILED", "TIMED OUT"],
        "refused" => &["REFUSED", "DRIFTED"],
        "unreachable" => &["UNREACHABLE"],
        "cancelled" => &["cancelled"],
        "not-started" => &["not started", "waiting"],
        "unknown" => &["UNKNOWN"],
        other => panic!("no word for {other}"),
    }
}

fn agrees(outcome: &str, row: &str) -> bool {
    words(outcome)
        .iter()
        .any(|word| row.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ':', ','])))
}

/// `3 ok  1 FAILED`: the numbers of the line above the list, by outcome.
fn counted(session: &Session) -> BTreeMap<String, u64> {
    let names = [
        ("ok", "ok"),
        ("FAILED", "failed"),
        ("TIMED OUT", "failed"),
        ("REFUSED", "refused"),
        ("DRIFTED", "refused"),
        ("UNREACHABLE", "unreachable"),
        ("cancelled", "cancelled"),
        ("not started", "not-started"),
        ("UNKNOWN", "unknown"),
    ];
    let lines = session.lines();
    let head = lines.iter().position(|line| line.trim_start().starts_with("HOST ") && line.contains("STATE")).unwrap();
    let line = lines[..head].iter().rev().find(|line| line.contains("█") || line.contains("ok")).unwrap();
    let mut counts = BTreeMap::new();
    let text: String = line.chars().filter(|c| !matches!(c, '█' | '░')).collect();
    for part in text.trim().split("  ").map(str::trim).filter(|part| !part.is_empty()) {
        let (n, word) = part.split_once(' ').unwrap_or_else(|| panic!("{part:?} in {line:?}"));
        let (_, outcome) = names.iter().find(|(name, _)| *name == word).unwrap_or_else(|| panic!("{part:?} in {line:?}"));
        *counts.entry((*outcome).to_owned()).or_default() += n.parse::<u64>().unwrap();
    }
    counts
}

/// The screen of an ended run against `show RUN`, `show RUN HOST` and the last event of the record.
fn assert_same(folder: &Folder, session: &Session, hosts: usize, outcomes: &[&str]) {
    session.until("the end", |lines| lines[0].starts_with("DONE "));
    let shown = folder.json(&["show", "last"]);
    let by_outcome = shown["hosts"].as_object().unwrap();
    let mut found: Vec<&str> = by_outcome.keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, outcomes, "this run was meant to end in all of these");
    let rows = rows(session, hosts);
    assert_eq!(rows.len(), hosts, "{rows:#?}");
    for (outcome, names) in by_outcome {
        for name in names.as_array().unwrap().iter().filter_map(|name| name.as_str()) {
            let row = rows.get(name).unwrap_or_else(|| panic!("no row of {name} in {rows:#?}"));
            assert!(agrees(outcome, row), "{name} is {outcome} in the record and {row:?} on the screen");
        }
    }
    for name in by_outcome.get("ok").and_then(|ok| ok.as_array()).into_iter().flatten().filter_map(|name| name.as_str()) {
        let host = folder.json(&["show", "last", name]);
        assert_eq!(host["outcome"], "ok");
        assert_eq!(rows[name] == "ok, changed", host["changed"].as_bool().unwrap(), "{name}: {:?}", rows[name]);
    }
    let finished = &folder.of("run.finished")[0];
    let told: BTreeMap<String, u64> =
        finished["hosts"].as_object().unwrap().iter().map(|(name, n)| (name.clone(), n.as_u64().unwrap())).collect();
    assert_eq!(counted(session), told);
    let page = session.page();
    assert!(page.contains(&format!("exit code {}", finished["exit_code"])), "{page}");
    let told = folder.told(&["show", "last"]);
    assert!(told.contains(&format!("exit {}", finished["exit_code"])), "{told}");
}

#[test]
fn what_fails_in_every_way_is_shown_as_it_is_recorded() {
    let folder = Folder::new(WORK);
    let text = std::fs::read_to_string(format!("{}/runbooks/restart-loop.toml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let bounded = |line: &&str| !line.starts_with("max_failures") && !line.starts_with("max_out");
    let text = text.lines().filter(bounded).collect::<Vec<_>>().join("\n");
    std::fs::remove_file(folder.path().join("runbooks/work.toml")).unwrap();
    folder.write("runbooks/restart-loop.toml", text.replace("[rollout]", "[rollout]\nmax_failures = 1000"));
    let fleet =
        "sim:24?incident=restart-loop:12&fail=disk:2,eaddrinuse:2,timeout:1,exit:1&unreach=refused:1,host-key:1&speed=max";
    let session = folder.session(fleet, SIZE);
    session.shows("› restart-loop ");
    choose_all(&session);
    confirm(&session);
    answer_all(&session);
    assert_same(&folder, &session, 24, &["failed", "ok", "refused", "unreachable"]);
    let code = folder.json(&["show", "last"])["exit_code"].as_u64();
    assert_eq!(quit(session).code.map(u64::try_from).and_then(Result::ok), code);
}

#[test]
fn in_the_middle_and_at_the_end_the_screen_is_the_record() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:9?rate=2&speed=10&unreach=refused:1", SIZE);
    begin(&session);
    session.until("a host or two", |lines| lines.iter().any(|line| line.contains("2 ok")));
    session.keys("p");
    session.until("a pause in which nothing runs", |lines| {
        lines[0].starts_with("PAUSED") && lines[1].contains("nothing is running")
    });
    session.keys("/sim-8<Enter>");
    session.until("the cursor", |lines| cursor(lines).as_deref() == Some("sim-8"));
    session.keys("X");
    session.shows("Exclude 1 host from this run?");
    listens();
    session.keys("<Enter>");
    session.shows("left out by kai@");

    let events = folder.events();
    assert!(matches!(events.last().map(|event| &event.kind), Some(kind) if !matches!(kind, EventKind::RunFinished { .. })));
    let state = RunState::replay(&events);
    assert!(state.paused.is_some());
    let rows = rows(&session, 9);
    assert_eq!(rows.len(), 9, "{rows:#?}");
    for (name, host) in &state.hosts {
        let (row, outcome) = (&rows[name.as_str()], summary::outcome(host, false));
        let word = serde_json::to_value(outcome).unwrap();
        let word = word.as_str().unwrap();
        let still = host.outcome.is_none();
        let fits = agrees(word, row)
            || (still && (row.starts_with("between two steps") || row.starts_with("waiting") || row.starts_with("left out")));
        assert!(fits, "{name} is {word} in the record and {row:?} on the screen");
    }
    session.keys("P");
    session.shows("Go on changing hosts?");
    listens();
    session.keys("<Enter>");
    session.until("that it goes on", |lines| lines[0].starts_with("LIVE "));
    session.keys("<C-c>");
    answer_all(&session);
    let found = folder.json(&["show", "last"]);
    let mut outcomes: Vec<&str> = found["hosts"].as_object().unwrap().keys().map(String::as_str).collect();
    outcomes.sort_unstable();
    assert!(["cancelled", "not-started", "ok"].iter().all(|one| outcomes.contains(one)), "{outcomes:?}");
    assert_same(&folder, &session, 9, &outcomes);
    quit(session);
}
