//! The terminal is given back as it was found, however the session ends, and nothing that it does holds up the session.

mod drawing;
mod guard;
mod pty;
mod role;
mod typing;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Signal, kill_process_group};
use tempfile::{TempDir, tempdir};

use self::pty::{Session, count, eventually};
use runbook::tui::terminal::modes::{ENTER, LEAVE};

fn session() -> (TempDir, Session) {
    let dir = tempdir().unwrap();
    let session = Session::start(dir.path(), &[]);
    (dir, session)
}

#[test]
fn a_session_that_ends_gives_the_terminal_back() {
    let (_dir, mut session) = session();
    assert!(!session.pty().is_as_before());
    eventually("the screen is up", || {
        let parser = session.pty().screen(80, 24);
        let screen = parser.screen();
        screen.alternate_screen() && screen.hide_cursor() && screen.bracketed_paste() && !screen.contents().is_empty()
    });
    session.pty().send("mtq");
    session.hears("left");
    assert!(session.ends());
    session.pty().assert_given_back();
    assert_eq!(count(&session.pty().seen(), LEAVE), 1, "it is left once, and the guard has nothing to do");
    assert!(!session.pty().text().contains("was killed"));
    session.pty.as_mut().unwrap().assert_nobody_is_left();
}

#[test]
fn a_session_that_is_told_to_end_gives_the_terminal_back() {
    let (_dir, mut session) = session();
    session.signal(Signal::TERM);
    session.hears("left");
    assert!(session.ends());
    session.pty().assert_given_back();
    session.pty.as_mut().unwrap().assert_nobody_is_left();
}

#[test]
fn a_session_that_is_killed_is_cleaned_up_by_its_guard() {
    let (_dir, mut session) = session();
    session.pty().send("mtd");
    session.hears("drawn");
    session.signal(Signal::KILL);
    assert!(!session.ends());
    session.pty().assert_given_back();
    eventually("the guard says why", || {
        session.pty().text().ends_with("runbook was killed; `runbook history` says what is left open\r\n")
    });
    session.pty.as_mut().unwrap().assert_nobody_is_left();
}

#[test]
fn the_guard_outlives_a_kill_of_the_whole_process_group() {
    let (_dir, mut session) = session();
    kill_process_group(session.pid(), Signal::KILL).unwrap();
    assert!(!session.ends());
    session.pty().assert_given_back();
    session.pty.as_mut().unwrap().assert_nobody_is_left();
}

#[test]
fn a_session_without_a_guard_starts_all_the_same() {
    for guard in ["/there/is/no/such/program", "/bin/false"] {
        let dir = tempdir().unwrap();
        let mut session = Session::start(dir.path(), &[("SCREEN_GUARD", guard)]);
        session.pty().send("q");
        session.hears("left");
        assert!(session.ends());
        session.pty().assert_given_back();
    }
}

#[test]
fn a_panic_while_drawing_gives_the_terminal_back_and_leaves_a_report() {
    let (dir, mut session) = session();
    session.pty().send("p");
    assert!(!session.ends());
    session.pty().assert_given_back();
    let path = dir.path().join("state/crash/7f3a9c.txt");
    let report = fs::read_to_string(&path).unwrap();
    for part in [
        "version   0",
        "message   cannot draw\\x1b[2J",
        "place     tests/it/screen_terminal/role.rs",
        "thread    ",
        "time      2",
    ] {
        assert!(report.contains(part), "{part:?} in\n{report}");
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!session.pty().text().contains("cannot draw"), "nothing of it on the screen");
    session.pty.as_mut().unwrap().assert_nobody_is_left();
}

#[test]
fn a_panic_of_a_task_is_told_to_the_session_and_not_to_the_screen() {
    let (dir, mut session) = session();
    session.pty().send("kk");
    assert_eq!(session.hears("crashed"), "state/crash/7f3a9c.txt");
    assert_eq!(session.hears("crashed"), "state/crash/7f3a9c-2.txt");
    assert!(fs::read_to_string(dir.path().join("state/crash/7f3a9c.txt")).unwrap().contains("a task"));
    session.pty().send("q");
    session.hears("left");
    assert!(session.ends());
}

#[test]
fn a_terminal_that_is_hung_up_ends_the_session_without_a_spin() {
    let dir = tempdir().unwrap();
    let mut session = Session::start_deaf(dir.path());
    session.pty.take().unwrap().hang_up();
    session.hears("lost");
    let took: u64 = session.hears("took").parse().unwrap();
    assert!(took < 40, "{took} hundredths of a second of the processor in one second");
    // nothing more is told, and what it has to say at its end cannot be printed any more
    assert_eq!(session.hears(""), "not left: Input/output error (os error 5)");
    session.hears("left");
    session.ends();
}

#[test]
fn a_stopped_session_leaves_the_screen_and_draws_it_anew() {
    let (_dir, mut session) = session();
    session.pty().send("tz");
    eventually("it is stopped", || session.state() == 'T');
    session.pty().assert_given_back();
    eventually("it says why", || session.pty().text().ends_with("stopped: `fg` goes on\r\n"));
    let before = session.pty().seen().len();
    session.signal(Signal::CONT);
    session.hears("stopped for");
    session.hears("drawn");
    eventually("it is drawn anew", || session.pty().seen()[before..].ends_with(b"\x1b[?2026l"));
    let after = session.pty().seen().split_off(before);
    assert!(after.starts_with(ENTER));
    assert!(session.pty().screen_since(before, 80, 24).screen().contents().starts_with("frame 0 of 80x24"));
    assert!(String::from_utf8_lossy(&after).contains("\x1b]2;runbook 7f3a9c"), "the title too");
    assert!(session.pty().screen(80, 24).screen().alternate_screen());
    // there is a guard again
    session.signal(Signal::KILL);
    session.ends();
    session.pty().assert_given_back();
    session.pty.as_mut().unwrap().assert_nobody_is_left();
}

#[test]
fn a_session_that_was_stopped_from_outside_brings_its_modes_back() {
    let (_dir, mut session) = session();
    session.signal(Signal::STOP);
    eventually("it is stopped", || session.state() == 'T');
    let raw = session.pty().settings();
    // what a shell does when its job stops
    let theirs = session.pty().end();
    let mut cooked = rustix::termios::tcgetattr(&theirs).unwrap();
    cooked.local_modes |= rustix::termios::LocalModes::ICANON | rustix::termios::LocalModes::ECHO;
    rustix::termios::tcsetattr(&theirs, rustix::termios::OptionalActions::Now, &cooked).unwrap();
    let before = session.pty().seen().len();
    session.signal(Signal::CONT);
    session.hears("resized");
    session.hears("drawn");
    assert_eq!(session.pty().settings(), raw);
    eventually("the modes are back", || count(&session.pty().seen()[before..], b"\x1b[?1049h\x1b[?25l\x1b[?2004h") == 1);
    session.pty().send("q");
    session.hears("left");
    assert!(session.ends());
    session.pty().assert_given_back();
}
