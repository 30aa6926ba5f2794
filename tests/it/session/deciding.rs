//! A failure waits for the person: what is chosen, by whom and why is in the record.

use super::folder::{Folder, WORK, answer_all, begin, listens, open_decision, quit};
use super::person::Session;

const SIZE: (u16, u16) = (80, 24);

/// One of three hosts fails at its work, whatever is tried.
fn failing() -> (Folder, Session) {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:3?speed=max&fail=exit:1", SIZE);
    begin(&session);
    (folder, session)
}

/// Decides once with a note, and then leaves the host out if it is asked again: the exit code.
fn decided(letter: &str, option: &str) -> Option<i32> {
    let (folder, session) = failing();
    open_decision(&session);
    let page = session.page();
    assert!(!page.lines().any(|line| line.starts_with("› ")), "nothing is chosen beforehand:\n{page}");
    session.keys("<Enter>");
    // a note is typed after it, so that Enter was read
    session.keys("<Tab>ticket 88 R S X A");
    session.shows("ticket 88 R S X A");
    assert_eq!(folder.of("decision.made").len(), 0, "Enter alone does nothing");
    session.keys("<Tab>");
    session.shows("letter picks, Enter does it");
    session.keys(letter);
    session.shows(&format!("› {letter}  {option}"));
    assert_eq!(folder.of("decision.made").len(), 0, "a letter alone does nothing");
    session.keys("<Enter>");
    session.hides("letter picks, Enter does it");
    answer_all(&session);

    let made = folder.of("decision.made");
    assert_eq!(
        (made[0]["option"].as_str(), made[0]["note"].as_str(), made[0]["via"].as_str()),
        (Some(option), Some("ticket 88 R S X A"), Some("tty"))
    );
    assert!(made[0]["by"].as_str().is_some_and(|by| by.starts_with("kai@")), "{}", made[0]);
    let timeline = folder.json(&["timeline", "last"]);
    let entries = timeline["timeline"]["entries"].as_array().unwrap();
    let told = entries.iter().filter(|entry| entry["who"] == "you").filter_map(|entry| entry["text"].as_str());
    let told: Vec<&str> = told.filter(|text| text.starts_with(option)).collect();
    assert!(told.len() == 1 && told[0].contains("by kai@") && told[0].contains("ticket 88 R S X A"), "{told:?}");
    session.keys("5");
    session.shows(&format!("{option} by kai@"));
    let shown = folder.json(&["show", "last"]);
    let end = quit(session);
    assert_eq!(end.code.map(u64::try_from).and_then(Result::ok), shown["exit_code"].as_u64(), "{}", end.scrollback);
    assert!(end.scrollback.contains(&folder.run()), "{}", end.scrollback);
    end.code
}

#[test]
fn a_retry_is_tried_and_recorded() {
    assert_eq!(decided("R", "retry"), Some(1));
}

#[test]
fn a_skip_goes_on_and_is_recorded() {
    assert_eq!(decided("S", "skip"), Some(1));
}

#[test]
fn an_exclusion_ends_the_host_and_is_recorded() {
    assert_eq!(decided("X", "exclude"), Some(1));
}

#[test]
fn an_abort_ends_the_run_and_is_recorded() {
    assert_eq!(decided("A", "abort"), Some(4));
}

#[test]
fn esc_leaves_a_decision_as_it_is() {
    let (folder, session) = failing();
    open_decision(&session);
    session.keys("A");
    session.shows("› A  abort");
    session.keys("<Esc>");
    session.hides("letter picks, Enter does it");
    session.shows("WAITING FOR YOU");
    assert_eq!(folder.of("decision.made").len(), 0);
    // the capital of the run's screen opens the same question with its choice marked, and nothing more
    session.keys("S");
    session.shows("› S  skip");
    listens();
    session.keys("<Enter>");
    session.hides("letter picks, Enter does it");
    answer_all(&session);
    assert_eq!(folder.of("decision.made")[0]["option"], "skip");
    assert_eq!(quit(session).code, Some(1));
}
