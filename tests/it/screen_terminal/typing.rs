//! What is typed, pasted and copied, and programs that get the terminal for a while.

use std::fs;

use tempfile::tempdir;

use super::pty::{Session, eventually};
use super::session;

#[test]
fn keys_pastes_and_focus_reach_the_session() {
    let (_dir, mut session) = session();
    session.pty().send("\x1b[A");
    assert_eq!(session.hears("input"), "Key(Up)");
    session.pty().send("\x1b");
    assert_eq!(session.hears("input"), "Key(Esc)");
    session.pty().send("\x1b[200~q\r\x1b[201~\x1b[O");
    assert_eq!(session.hears("input"), "Paste(\"q\\r\")");
    assert_eq!(session.hears("input"), "Focus(false)");
    // they are keys, not signals
    session.pty().send("\x03\x1a\x1c");
    for key in ["c", "z", "\\\\"] {
        assert_eq!(session.hears("input"), format!("Key(Ctrl('{key}'))"));
    }
    session.pty().send("q");
    assert!(session.ends());
}

#[test]
fn more_than_the_session_takes_at_once_is_lost_nowhere() {
    let (_dir, mut session) = session();
    let many = "x".repeat(3000);
    session.pty().send(many + "q");
    for _ in 0..3000 {
        assert_eq!(session.hears("input"), "Key(Char('x'))");
    }
    session.hears("left");
    assert!(session.ends());
}

#[test]
fn a_copy_over_ssh_goes_through_the_terminal_and_into_the_file() {
    let dir = tempdir().unwrap();
    let mut session = Session::start(dir.path(), &[("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22"), ("DISPLAY", ":9")]);
    session.pty().send("y");
    assert_eq!(session.hears("said"), "copied 12 bytes by OSC 52; also in state/clip.txt");
    eventually("the terminal is told", || session.pty().text().contains("\x1b]52;c;dGV4dCB0byBjb3B5\x1b\\"));
    assert_eq!(fs::read(dir.path().join("state/clip.txt")).unwrap(), b"text to copy");
    session.pty().send("q");
    assert!(session.ends());
}

#[test]
fn plain_text_is_shown_outside_of_the_screen_until_enter() {
    let (_dir, mut session) = session();
    session.pty().send("l");
    eventually("the text is printed", || session.pty().text().ends_with("(Enter goes back to the screen)\r\n"));
    session.pty().assert_given_back();
    assert!(session.pty().screen(80, 24).screen().contents().contains("plain text\nsecond line"));
    session.pty().send("q\r");
    session.hears("drawn");
    let again = || session.pty().screen(80, 24).screen().contents();
    eventually("the screen is back", || again().starts_with("frame 0 of 80x24"));
    // what was typed there was not for the screen
    session.pty().send("d");
    assert_eq!(session.hears("input"), "Key(Char('d'))");
    session.pty().send("q");
    assert!(session.ends());
}

#[test]
fn plain_text_goes_through_the_pager_that_is_set() {
    let dir = tempdir().unwrap();
    let mut session = Session::start(dir.path(), &[("PAGER", "tr a-z A-Z | sed")]);
    session.pty().send("l");
    eventually("nothing is lost", || session.pty().text().ends_with("(Enter goes back to the screen)\r\n"));
    session.pty().send("\r");
    session.hears("drawn");
    session.pty().send("q");
    assert!(session.ends());
}

#[test]
fn an_editor_gets_the_terminal_and_all_that_is_typed() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("editor.sh"), "echo editing; read -r line; echo \"$* $line\" > edited; exit $CODE").unwrap();
    for (code, said) in [("0", "Ok(())"), ("3", "the editor `sh editor.sh 'my file'` ended with exit status: 3")] {
        let mut session = Session::start(dir.path(), &[("EDITOR", "sh editor.sh 'my file'"), ("CODE", code)]);
        session.pty().send("e");
        eventually("the editor is there", || session.pty().text().ends_with("editing\r\n"));
        session.pty().assert_given_back();
        session.pty().send("typed q\r");
        assert!(session.hears("edited").contains(said));
        session.hears("drawn");
        assert_eq!(fs::read_to_string(dir.path().join("edited")).unwrap(), "my file +7 notes.txt typed q\n");
        session.pty().send("q");
        session.hears("left");
        assert!(session.ends());
        session.pty().assert_given_back();
    }
}

#[test]
fn without_an_editor_the_screen_stays() {
    let (_dir, mut session) = session();
    let before = session.pty().seen().len();
    session.pty().send("e");
    assert!(session.hears("edited").contains("no editor is set; try `export EDITOR=vi`"));
    session.hears("drawn");
    assert_eq!(session.pty().seen().len(), before);
    session.pty().send("q");
    assert!(session.ends());
}
