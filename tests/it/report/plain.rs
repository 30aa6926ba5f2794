//! For those who cannot see every sign, or none: the same in ASCII, and in words.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use insta::assert_snapshot;
use runbook::engine::report::Reporter;
use runbook::model::event::{Event, EventKind};
use runbook::model::outcome::HostOutcome;
use runbook::report::human::{Human, Options};
use runbook::report::paint::Paint;
use runbook::report::signs::Signs;
use runbook::report::sink::Sink;
use runbook::report::timeline as telling;
use runbook::state::run::RunState;
use runbook::state::timeline::timeline;

use crate::main_job::terminal::Terminal;

use super::{PLAIN, failing, host, planned, step};

const ASCII: Signs = Signs { ascii: true, words: false };
const WORDS: Signs = Signs { ascii: false, words: true };

fn told(events: &[Event], options: Options) -> String {
    let mut out = Vec::new();
    let mut reporter = Human::new(Sink::new(&mut out, options.signs, options.color), options);
    for event in events {
        reporter.on(event).expect("written");
    }
    reporter.finish().expect("written");
    drop(reporter);
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn a_run_in_ascii() {
    let text = told(&failing(true).events, Options { verbose: 1, signs: ASCII, ..PLAIN });
    assert!(text.is_ascii(), "{text}");
    assert_snapshot!("human-ascii", text);
}

#[test]
fn a_timeline_in_ascii() {
    let events = failing(false).events;
    let mut out = Vec::new();
    telling::render(
        &mut Sink::new(&mut out, ASCII, false),
        Paint { color: false },
        &RunState::replay(&events),
        &timeline(&events),
        None,
    )
    .expect("written");
    assert!(out.is_ascii());
    assert_snapshot!("timeline-ascii", String::from_utf8(out).expect("UTF-8"));
}

#[test]
fn a_run_that_is_read_aloud_says_arrows_in_words_and_now_and_then_that_it_still_works() {
    let mut story = planned(false);
    story.batch(1, 2, &["web-01", "web-02"]).opened("web-01");
    story.add(EventKind::StepStarted { host: host("web-02"), step: step("one-process"), attempt: 1 });
    story.host_finished("web-04", HostOutcome::Failed, None, 1);
    let beat = EventKind::Heartbeat { running: Vec::new() };
    story.add(beat);
    let spoken = told(&story.events, Options { still: true, signs: WORDS, ..PLAIN });
    assert_eq!(spoken.lines().last(), Some("still working: 1 running, 1 failed, 0 ok of 4"));
    assert!(spoken.contains("kill switch enabled true to false"), "{spoken}");
    let seen = told(&story.events, PLAIN);
    assert!(!seen.contains("still working") && seen.contains("enabled true → false"), "{seen}");
}

/// What the binary says in a folder with a runbook that cannot be used.
fn lint(dir: &Path, more: &[&str], locale: Option<&str>) -> Output {
    let mut command = of_lint(dir, more);
    command.envs(locale.map(|locale| ("LC_ALL", locale))).output().expect("it starts")
}

/// What it draws on a terminal.
fn drawn(dir: &Path) -> String {
    let mut terminal = Terminal::open();
    let mut command = of_lint(dir, &["--glyphs", "ascii", "--color", "never"]);
    let mut child = command.env("TERM", "xterm").stdout(terminal.end()).stderr(terminal.end()).spawn().expect("it starts");
    let text = terminal.read_until("0 warnings)\r\n").replace('\r', "");
    child.wait().expect("it ends");
    text
}

fn of_lint(dir: &Path, more: &[&str]) -> Command {
    std::fs::write(dir.join("odd.toml"), "name = \"odd\"\ntitle = \"Prüfung → Ende\"\nrisk = \"größe\"\n").expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(["lint", "odd.toml"]).args(more).current_dir(dir).env_clear().env("RUNBOOK_STATE_DIR", dir.join("state"));
    command.stdin(Stdio::null());
    command
}

#[test]
fn a_lint_in_ascii() {
    let dir = tempfile::tempdir().expect("a directory");
    let text = |out: Output| String::from_utf8(out.stdout).expect("UTF-8");
    let plain = text(lint(dir.path(), &["--glyphs", "ascii"], None));
    assert!(plain.is_ascii(), "{plain}");
    assert_snapshot!("lint-ascii", plain);
    let drawn = drawn(dir.path());
    assert!(drawn.is_ascii(), "{drawn}");
    assert_snapshot!("lint-drawn-ascii", drawn);
    // the locale says it too, and stands behind the flag
    assert_eq!(text(lint(dir.path(), &[], Some("C"))), plain);
    let full = text(lint(dir.path(), &[], Some("C.UTF-8")));
    assert!(!full.is_ascii());
    assert_eq!(text(lint(dir.path(), &["--glyphs", "unicode"], Some("C"))), full);
    assert_eq!(text(lint(dir.path(), &[], None)), full, "a pipe without a locale");
    // a program reads what is there
    let json = text(lint(dir.path(), &["--glyphs", "ascii", "-o", "json"], None));
    assert_eq!(json, text(lint(dir.path(), &["-o", "json"], None)));
}

#[test]
fn what_cannot_be_done_is_told_in_ascii_too() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(["hosts", "é", "-i", "sim:2", "--glyphs", "ascii"]).current_dir(dir.path()).env_clear();
    let out = command.env("HOME", dir.path()).stdin(Stdio::null()).output().expect("it starts");
    assert_eq!((out.status.code(), out.stderr.is_ascii()), (Some(2), true), "{}", String::from_utf8_lossy(&out.stderr));
}
