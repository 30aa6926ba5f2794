//! Pauses, hosts that are left out, notes, and leaving while a run is live.

use super::folder::{Folder, WORK, begin, listens, quit};
use super::person::Session;

const SIZE: (u16, u16) = (80, 24);

/// A run that takes long enough to be steered, with its first host done.
fn live(hosts: usize) -> (Folder, Session) {
    let folder = Folder::new(WORK);
    let session = folder.session(&format!("sim:{hosts}?rate=2&speed=10"), SIZE);
    begin(&session);
    session.shows("1 ok");
    (folder, session)
}

fn pause(session: &Session) {
    session.keys("p");
    session.until("a pause in which nothing runs", |lines| {
        lines[0].starts_with("PAUSED") && lines[1].contains("nothing is running")
    });
}

fn go_on(session: &Session) {
    session.keys("P");
    session.shows("Go on changing hosts?");
    listens();
    session.keys("<Enter>");
    session.hides("Go on changing hosts?");
    session.until("that it goes on", |lines| !lines[0].starts_with("PAUSED"));
}

#[test]
fn p_pauses_at_once_and_a_capital_with_enter_goes_on() {
    let (folder, session) = live(4);
    pause(&session);
    let before = folder.of("step.started").len();
    session.keys("P");
    session.shows("Go on changing hosts?");
    listens();
    session.keys("<Esc>");
    session.hides("Go on changing hosts?");
    assert_eq!((folder.of("run.paused").len(), folder.of("run.resumed").len()), (1, 0));
    assert_eq!(folder.of("step.started").len(), before, "nothing starts while it is paused");
    go_on(&session);
    session.shows("4 ok");
    let [paused, resumed] = ["run.paused", "run.resumed"].map(|kind| folder.of(kind));
    assert_eq!((paused.len(), resumed.len()), (1, 1));
    assert!([&paused[0], &resumed[0]].iter().all(|event| event["by"].as_str().is_some_and(|by| by.starts_with("kai@"))));
    assert_eq!(quit(session).code, Some(0));
}

#[test]
fn a_waiting_host_is_left_out_and_the_others_go_on() {
    let (folder, session) = live(6);
    pause(&session);
    session.keys("/sim-6<Enter>");
    session.until("the cursor on the last host", |lines| lines.iter().any(|line| line.starts_with("› sim-6")));
    session.keys("X");
    session.shows("Exclude 1 host from this run?");
    session.shows("sim-6");
    listens();
    session.keys("<Enter>");
    session.shows("left out by kai@");
    go_on(&session);
    session.shows("5 ok");
    session.shows("DONE ");
    let excluded = folder.of("host.excluded");
    assert_eq!((excluded.len(), excluded[0]["host"].as_str()), (1, Some("sim-6")));
    assert_eq!(folder.json(&["show", "last"])["hosts"]["cancelled"], serde_json::json!(["sim-6"]));
    assert_eq!(quit(session).code, Some(4));
}

#[test]
fn a_note_is_in_the_record_with_its_moment() {
    let (folder, session) = live(3);
    session.keys("mthe pager rang<Enter>");
    session.keys(":note and again<Enter>");
    session.shows("3 ok");
    // a run that has ended takes notes too
    session.keys("5");
    session.until("the timeline", |lines| lines[0].contains("Timeline"));
    session.keys("mall quiet<Enter>");
    session.shows("noted in run");
    let notes = folder.of("note");
    let told: Vec<&str> = notes.iter().filter_map(|note| note["text"].as_str()).collect();
    assert_eq!(told, ["the pager rang", "and again", "all quiet"]);
    assert!(notes.iter().all(|note| note["by"].as_str().is_some_and(|by| by.starts_with("kai@"))), "{notes:?}");
    assert_eq!(quit(session).code, Some(0));
}

#[test]
fn leaving_while_a_run_is_live_stays_unless_it_is_said() {
    let (folder, session) = live(8);
    session.keys("1");
    session.shows("› work ");
    for leave in ["q", ":q<Enter>"] {
        session.keys(leave);
        session.shows("A run is live. Leave?");
        listens();
        session.keys("<Enter>");
        session.hides("A run is live. Leave?");
        session.shows("LIVE ");
    }
    assert_eq!(folder.of("run.stopping").len(), 0);
    session.keys("q");
    session.shows("A run is live. Leave?");
    listens();
    session.keys("A");
    session.until("the other choice", |lines| lines.iter().any(|line| line.contains("› A  stop")));
    session.keys("<Enter>");
    let end = session.end();
    assert_eq!(end.code, Some(4), "{}", end.scrollback);
    assert_eq!((folder.of("run.stopping").len(), folder.of("run.finished").len()), (1, 1));
    assert!(end.scrollback.contains(&folder.run()), "{}", end.scrollback);
}
