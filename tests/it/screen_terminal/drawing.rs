//! Frames: whole, only where something changed, and never waited for.

use super::pty::{count, eventually};
use super::session;

const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

#[test]
fn a_frame_is_between_its_marks_and_nothing_is_written_where_nothing_changed() {
    let (_dir, mut session) = session();
    eventually("the first frame", || session.pty().text().ends_with(END));
    let before = session.pty().text().len();
    session.pty().send("nnnd");
    for _ in 0..4 {
        session.hears("drawn");
    }
    eventually("the second frame", || session.pty().text()[before..].ends_with(END));
    let frame = session.pty().text().split_off(before);
    assert!(frame.starts_with(BEGIN), "{frame:?}");
    assert_eq!((frame.matches(BEGIN).count(), frame.matches(END).count()), (1, 1), "one change, one frame: {frame:?}");
    assert!(frame.len() < 100, "only what changed: {frame:?}");
    assert!(session.pty().screen(80, 24).screen().contents().starts_with("frame 1 of 80x24"));
}

#[test]
fn the_cursor_is_where_the_frame_wants_it_and_is_not_told_twice() {
    let (_dir, mut session) = session();
    session.pty().send("dd");
    session.hears("drawn");
    session.hears("drawn");
    let shown = || {
        let parser = session.pty().screen(80, 24);
        (!parser.screen().hide_cursor()).then(|| parser.screen().cursor_position())
    };
    eventually("the cursor is shown", || shown() == Some((5, 3)));
    let before = session.pty().text().len();
    session.pty().send("nd");
    eventually("the cursor is hidden again", || shown().is_none());
    let frames = session.pty().text().split_off(before);
    assert_eq!(frames.matches(BEGIN).count(), 1, "{frames:?}");
}

#[test]
fn a_new_size_is_told_and_everything_is_drawn_anew() {
    let (_dir, mut session) = session();
    session.pty().resize(100, 30);
    session.hears("resized");
    session.hears("drawn");
    eventually("all is drawn", || session.pty().text().ends_with(END));
    eventually("all is drawn", || session.pty().screen(100, 30).screen().contents().starts_with("frame 0 of 100x30"));
    let before = session.pty().text().len();
    session.pty().send("c");
    session.hears("input");
    session.hears("drawn");
    eventually("all is drawn again", || {
        session.pty().screen_since(before, 100, 30).screen().contents().starts_with("frame 0 of 100x30")
    });
}

#[test]
fn a_terminal_that_takes_nothing_does_not_hold_up_the_session() {
    let (_dir, mut session) = session();
    session.pty().resize(200, 60);
    session.hears("drawn");
    session.pty().stall(true);
    session.pty().send("s");
    // the session's own clock goes on: a tick every 10 ms, and no frame is handed over
    for _ in 0..200 {
        session.hears("busy");
    }
    session.pty().stall(false);
    session.hears("tick");
    session.hears("tick");
    let text = session.pty().text();
    let whole: Vec<&str> = text.split(BEGIN).skip(1).collect();
    assert!(whole[..whole.len() - 1].iter().all(|frame| frame.ends_with(END)), "every frame but the last is whole");
    session.pty().send("q");
    session.hears("left");
    assert!(session.ends());
    session.pty().assert_given_back();
}

#[test]
fn a_session_ends_though_the_terminal_takes_nothing() {
    let (_dir, mut session) = session();
    session.pty().resize(200, 60);
    session.hears("drawn");
    session.pty().stall(true);
    session.pty().send("s");
    for _ in 0..50 {
        session.hears("busy");
    }
    session.pty().send("q");
    session.hears("left");
    assert!(session.ends());
    assert!(session.pty().is_as_before());
    session.pty().stall(false);
    session.pty().assert_given_back();
}

#[test]
fn titles_bells_and_messages_cannot_carry_anything_else() {
    let (_dir, mut session) = session();
    session.pty().send("ttbmMd");
    session.hears("input Key(Char('d'))");
    session.hears("drawn");
    eventually("all is written", || session.pty().screen(80, 24).screen().contents().starts_with("frame 1"));
    let text = session.pty().text();
    assert_eq!(text.matches("\x1b]2;runbook 7f3a9c\\x07\\x1b[2J\x1b\\").count(), 1, "only when it changed");
    assert!(text.contains("\x07\x1b]9;runbook: a decision\\x07\x1b\\"));
    assert_eq!(count(text.as_bytes(), b"\x07"), 1);
    assert!(text.contains("\x1b[?1000h\x1b[?1006h\x1b[?1006l\x1b[?1000l"));
}
