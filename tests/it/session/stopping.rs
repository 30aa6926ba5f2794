//! Ctrl-C, signals, and a terminal that is lost: the run ends in order, or is left as it is and told.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::folder::{Folder, WORK, begin, listens, preview, quit};
use super::person::Session;
use crate::harness::sshd::Sshd;

const SIZE: (u16, u16) = (80, 24);

/// Hosts that take their time, one after the other; one is done.
fn live() -> (Folder, Session) {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:8?rate=2&speed=10", SIZE);
    begin(&session);
    session.shows("1 ok");
    (folder, session)
}

/// A host on which a step does not end.
fn stuck() -> (Folder, Session) {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:2?fail=timeout&speed=1", SIZE);
    begin(&session);
    session.shows("Changing 1 host");
    (folder, session)
}

fn by(folder: &Folder, kind: &str) -> Vec<String> {
    folder.of(kind).iter().map(|event| event["by"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_first_ctrl_c_lets_what_runs_end_and_starts_nothing_new() {
    let (folder, session) = live();
    // what arrives twice counts once
    session.keys("<C-c><C-c>");
    session.shows("Stopping");
    session.shows("exit code 4");
    assert_eq!((by(&folder, "run.stopping"), by(&folder, "run.aborting")), (vec!["Ctrl-C".to_owned()], vec![]));
    let shown = folder.json(&["show", "last"]);
    assert!(shown["hosts"]["not-started"].as_array().is_some_and(|hosts| !hosts.is_empty()), "{shown}");
    assert_eq!(
        (shown["hosts"]["unknown"].as_array(), shown["changed"].as_u64()),
        (None, Some(2)),
        "what ran has ended by itself"
    );
    let end = quit(session);
    assert_eq!(end.code, Some(4));
    assert!(end.scrollback.contains("ABORTED"), "{}", end.scrollback);
}

#[test]
fn the_second_ctrl_c_ends_what_runs() {
    let (folder, session) = stuck();
    session.keys("<C-c>");
    session.shows("Stopping");
    listens();
    assert_eq!(folder.of("run.finished").len(), 0, "what runs is waited for");
    session.keys("<C-c>");
    session.shows("DONE ");
    assert_eq!(
        (by(&folder, "run.stopping"), by(&folder, "run.aborting")),
        (vec!["Ctrl-C".to_owned()], vec!["Ctrl-C".to_owned()])
    );
    let code = folder.json(&["show", "last"])["exit_code"].as_u64();
    assert_eq!(quit(session).code.map(u64::try_from).and_then(Result::ok), code);
}

#[test]
fn the_third_ctrl_c_leaves_at_once_and_tells_what_runs() {
    let sshd = Sshd::start();
    let folder = Folder::new(&WORK.replace("run = \"work\"", "run = \"trap '' TERM; sleep 3; sleep 3; sleep 3; sleep 3\""));
    folder.inventory(&[&sshd]);
    let session = folder.session("inventory.toml", SIZE);
    begin(&session);
    session.shows("Changing 1 host");
    for words in ["Stopping", "Aborting"] {
        session.keys("<C-c>");
        session.shows(words);
        listens();
    }
    session.keys("<C-c>");
    let end = session.end();
    assert_eq!(end.code, Some(130), "{}", end.scrollback);
    assert!(end.scrollback.contains("running web-1 work"), "{}", end.scrollback);
    assert_eq!((folder.of("run.aborting").len(), folder.of("run.finished").len()), (1, 0));
}

#[test]
fn ctrl_c_without_a_live_run_leaves_at_once() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:2?speed=max", SIZE);
    session.shows("› work ");
    session.keys("<C-c>");
    assert_eq!(session.end().code, Some(130));
}

#[test]
fn ctrl_c_on_a_preview_declines_it() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:2?speed=max", SIZE);
    preview(&session);
    session.keys("<C-c>");
    session.until("that nothing is live", |lines| !lines[0].starts_with("DRY RUN"));
    assert_eq!((folder.of("confirm.declined").len(), folder.of("step.started").len()), (1, 0));
}

#[test]
fn a_signal_to_end_is_a_first_ctrl_c_and_without_a_live_run_the_end() {
    let (folder, session) = live();
    session.signal(Signal::TERM);
    session.shows("exit code 4");
    assert_eq!(by(&folder, "run.stopping"), ["SIGTERM"]);
    session.signal(Signal::TERM);
    let end = session.end();
    assert_eq!(end.code, Some(143));
    assert!(end.scrollback.contains(&folder.run()), "{}", end.scrollback);
}

/// The time that a process has used, in clock ticks; none once it has ended.
fn used(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    if fields[0] == "Z" {
        return None;
    }
    Some(fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap())
}

#[test]
fn a_run_whose_terminal_is_lost_ends_in_order() {
    let folder = Folder::new(WORK);
    let shipped = format!("{}/runbooks/restart-loop.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::copy(shipped, folder.path().join("runbooks/a.toml")).unwrap();
    std::fs::rename(folder.path().join("runbooks/a.toml"), folder.path().join("runbooks/restart-loop.toml")).unwrap();
    std::fs::remove_file(folder.path().join("runbooks/work.toml")).unwrap();
    let mut session = folder.session("sim:6?incident=restart-loop&speed=2", SIZE);
    session.shows("› restart-loop ");
    super::folder::choose_all(&session);
    super::folder::confirm(&session);
    session.until("something open", |lines| lines[2].starts_with("OPEN "));
    let pid = u32::try_from(session.pid().as_raw_nonzero().get()).unwrap();
    let before = used(pid).unwrap();
    let from = Instant::now();
    session.hang_up();
    let mut last = before;
    while let Some(ticks) = used(pid) {
        last = ticks;
        assert!(from.elapsed() < Duration::from_secs(60), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    let wall = u64::try_from(from.elapsed().as_millis() / 10).unwrap();
    session.ends();
    assert!(last - before < wall / 2 + 50, "it used {} ticks in {wall}", last - before);
    let events = folder.events();
    let kinds: Vec<String> =
        events.iter().map(|event| serde_json::to_value(event).unwrap()["type"].as_str().unwrap().to_owned()).collect();
    let at = |kind: &str| kinds.iter().rposition(|one| one == kind).unwrap_or_else(|| panic!("no {kind} in {kinds:?}"));
    assert!(at("run.stopping") < at("obligation.closed") && at("obligation.closed") < at("run.finished"), "{kinds:?}");
    let shown = folder.json(&["show", "last"]);
    assert_eq!((shown["open"].as_array().map(Vec::len), shown["exit_code"].as_u64()), (Some(0), Some(4)));
}
