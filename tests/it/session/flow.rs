//! From the runbook to the end of the run, and what keeps a run from being begun.

use super::folder::{Folder, WORK, begin, confirm, open_question, phrase, preview, quit};

const SIZE: (u16, u16) = (80, 24);

#[test]
fn a_run_is_chosen_previewed_confirmed_run_told_and_left_with_its_exit_code() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:3?speed=max", SIZE);
    preview(&session);
    let page = session.shows("Enter confirm").join("\n");
    assert!(page.contains("3 hosts change") && page.contains("DESTROYS: work") && page.contains("SIM 3 hosts"), "{page}");
    assert_eq!(folder.of("confirm.given").len(), 0);
    open_question(&session);
    assert_eq!(phrase(&session), "work 3");
    session.keys("<Esc>");
    session.hides("and press Enter");
    confirm(&session);
    let page = session.shows("exit code 0").join("\n");
    assert!(page.starts_with("DONE ") && page.contains("3 ok"), "{page}");

    session.keys("5");
    let lines = session.until("the timeline", |lines| lines[0].contains("Timeline") && lines.join(" ").contains("run ended"));
    let page = lines.join("\n");
    assert!(page.contains("confirmed \"work 3\" by kai@") && page.contains("planned work on 3 hosts"), "{page}");
    session.keys("6");
    let page = session.shows("1 of 1 run,").join("\n");
    let run = folder.run();
    let row = page.lines().find(|line| line.contains(&run)).unwrap_or_else(|| panic!("{run} in\n{page}"));
    assert!(row.contains("work") && row.contains("all"), "{row}");

    let end = quit(session);
    assert_eq!(end.code, Some(0), "{}", end.scrollback);
    for words in [run.as_str(), "3 ok", "3 changed", "nothing left open"] {
        assert!(end.scrollback.contains(words), "{words:?} in\n{}", end.scrollback);
    }
    let shown = folder.json(&["show", &run]);
    assert_eq!((shown["state"].as_str(), shown["exit_code"].as_u64(), shown["changed"].as_u64()), (Some("ok"), Some(0), Some(3)));
}

#[test]
fn a_session_in_which_nothing_was_begun_says_nothing_and_ends_with_0() {
    for keys in ["q", ":q<Enter>", "<Enter><Esc>q"] {
        let folder = Folder::new(WORK);
        let session = folder.session("sim:3?speed=max", SIZE);
        session.shows("› work ");
        for key in keys.split_inclusive('>') {
            session.keys(key);
            if key == "<Enter>" && keys.starts_with('<') {
                session.shows("No host is selected");
            }
            if key == "<Esc>" {
                session.shows("› work ");
            }
        }
        let end = session.end();
        assert_eq!((end.code, end.scrollback.as_str()), (Some(0), ""), "{keys}");
        assert!(!folder.path().join("state/journal.db").exists());
    }
}

#[test]
fn esc_on_the_preview_declines_it_and_history_says_so() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:3?speed=max", SIZE);
    preview(&session);
    session.keys("<Esc>");
    session.shows("READY ");
    session.keys("6");
    session.shows("not confirmed");
    assert_eq!((folder.of("confirm.declined").len(), folder.of("step.started").len()), (1, 0));
    session.keys("1");
    session.shows("› work ");
    session.keys("q");
    let end = session.end();
    assert_eq!((end.code, end.scrollback.as_str()), (Some(0), ""));
}

#[test]
fn another_phrase_begins_nothing() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:3?speed=max", SIZE);
    preview(&session);
    open_question(&session);
    for wrong in ["work 4", "Work 3", "work 3 ", "y", ""] {
        session.keys(&format!("<C-u>{wrong}"));
        session.shows(&format!("> {}", wrong.trim_end()));
        session.keys("<Enter>");
    }
    session.keys("<C-u>work 3");
    session.shows("> work 3");
    assert_eq!(folder.of("confirm.given").len(), 0);
    session.keys("<Enter>");
    session.shows("3 ok");
    assert_eq!(folder.of("confirm.given").len(), 1);
    assert_eq!(quit(session).code, Some(0));
}

#[test]
fn a_paste_confirms_nothing() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:3?speed=max", SIZE);
    preview(&session);
    open_question(&session);
    session.paste("work 3\r");
    session.shows("A paste is not accepted here");
    session.keys("w");
    session.shows("> w");
    session.keys("<Backspace>");
    session.paste("work 3\nwork 3\n");
    session.keys("<Enter>");
    // what follows is read after the paste: nothing of it was typed
    session.keys("x");
    session.shows("> x");
    assert_eq!(folder.of("confirm.given").len(), 0);
}

#[test]
fn what_was_typed_ahead_confirms_nothing() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:3?speed=max", SIZE);
    preview(&session);
    // in one piece, as from somebody who does not look
    session.send(b"\rwork 3\r");
    session.shows("and press Enter");
    super::folder::listens();
    session.keys("x");
    session.shows("> x");
    assert_eq!(folder.of("confirm.given").len(), 0);
}

#[test]
fn a_second_run_of_a_session_follows_the_first() {
    let folder = Folder::new(WORK);
    let session = folder.session("sim:3?speed=max", SIZE);
    begin(&session);
    session.shows("3 ok");
    let first = folder.run();
    session.keys("1");
    session.shows("› work ");
    session.keys("<Enter>");
    session.shows("filter: none");
    session.keys("<Enter>");
    session.shows("Enter confirm");
    confirm(&session);
    session.shows("3 ok");
    let second = folder.run();
    assert_ne!(first, second);
    let end = quit(session);
    assert!(end.scrollback.contains(&first) && end.scrollback.contains(&second), "{}", end.scrollback);
    assert_eq!(end.code, Some(0));
}
