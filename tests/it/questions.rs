//! The session as questions on the line, at a terminal, over a simulated fleet; and how the session says that it cannot be.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::main_job::terminal::Terminal;

const WORK: &str = r#"
name  = "work"
title = "runs a command"
[vars]
who  = { type = "string", pattern = "[a-z]+", about = "whose work it is" }
what = { type = "string", default = "all" }
[rollout]
batches = ["100%"]
[[step]]
id = "work"
kind = "exec"
run = "work \"$who\" \"$what\""
[[verify]]
id = "proof"
kind = "require"
run = "proof"
"#;

const RUNBOOK: &str = "Which runbook? Its number or its name; an empty line leaves: ";
const HOSTS: &str = "Which hosts? A selector; ? explains, an empty line leaves: ";
const VALUE: &str = "Value of who (whose work it is); an empty line leaves: ";

/// A folder with one runbook that works and one that does not.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("runbooks")).expect("a directory");
    std::fs::write(dir.path().join("runbooks/work.toml"), WORK).expect("written");
    std::fs::write(dir.path().join("runbooks/broken.toml"), "name = 7\n").expect("written");
    dir
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(["--runbooks", "runbooks"]).args(args).current_dir(dir).env_clear();
    command
        .env("RUNBOOK_INVENTORY", "sim:3?speed=max&seed=7")
        .env("USER", "kai")
        .env("TERM", "xterm")
        .env("LANG", "C.UTF-8")
        .env("RUNBOOK_STATE_DIR", dir.join("state"));
    command
}

fn started(dir: &Path, terminal: &Terminal) -> Child {
    let mut command = command(dir, &["--color", "never"]);
    command.env("ACCESSIBLE", "1").stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end());
    command.spawn().expect("it starts")
}

#[test]
fn a_run_is_chosen_by_questions_and_goes_on_as_any_other() {
    let dir = folder();
    let mut terminal = Terminal::open();
    let mut child = started(dir.path(), &terminal);
    let list = terminal.read_until(RUNBOOK);
    for part in ["2 runbooks:\r\n", "1. broken: BROKEN, not run yet. ", "2. work: risk ", "2 steps, not run yet. runs a command"]
    {
        assert!(list.contains(part), "no {part:?} in {list}");
    }
    terminal.type_line("3");
    assert!(terminal.read_until(RUNBOOK).contains("There is no runbook 3: type 1 to 2, or a name from the list."));
    terminal.type_line("1");
    assert!(terminal.read_until(RUNBOOK).contains("broken.toml cannot be used"));
    terminal.type_line("work");
    assert!(terminal.read_until(HOSTS).contains("3 hosts in the inventory: "));
    terminal.type_line("?");
    assert!(terminal.read_until(HOSTS).contains("@group, tag:az-a"));
    terminal.type_line("nobody");
    assert!(terminal.read_until(HOSTS).contains("error: selector: "));
    terminal.type_line("all");
    assert!(terminal.read_until(VALUE).contains("3 hosts: "));
    terminal.type_line("B0b");
    assert!(terminal.read_until(VALUE).contains("who cannot be that: "));
    terminal.type_line("bob");
    let asked = terminal.read_until("to go on: ");
    assert!(asked.contains("Preview ") && asked.contains("type \"work 3\""), "{asked}");
    terminal.type_line("work 3");
    let told = terminal.read_until("record ");
    assert!(told.contains("3 ok"), "{told}");
    // append-only, and nothing that only an eye can read
    for text in [list, asked, told] {
        assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text:?}");
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// What `runbook run` shows on a terminal of a run that takes a second or two.
fn shown(dir: &Path, more: &[&str]) -> String {
    let mut terminal = Terminal::open();
    let mut command = command(dir, &["run", "work", "--hosts", "all", "--set", "who=bob", "--confirm", "work 3", "--batch", "1"]);
    command.args(["-i", "sim:3?speed=0.1&seed=7", "--color", "never"]).args(more);
    let mut child = command.stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end()).spawn().expect("it starts");
    let text = terminal.read_until("record ");
    child.wait().expect("it ends");
    text
}

#[test]
fn a_run_that_is_read_aloud_has_no_lines_that_change() {
    let dir = folder();
    let told = shown(dir.path(), &["--accessible"]);
    assert!(told.is_ascii() && !told.contains('\u{1b}') && told.contains("3 ok"), "{told}");
}

#[test]
fn leaving_before_anything_is_chosen_is_fine_and_later_it_is_declined() {
    let dir = folder();
    // an empty line, then the end of input
    for (bytes, code) in [(&b"\n"[..], 0), (&[4], 0), (b"work\n", 4)] {
        let mut terminal = Terminal::open();
        let mut child = started(dir.path(), &terminal);
        terminal.read_until(RUNBOOK);
        terminal.type_raw(bytes);
        if code != 0 {
            terminal.read_until(HOSTS);
            terminal.type_raw(&[4]);
        }
        assert_eq!(child.wait().expect("it ends").code(), Some(code), "{bytes:?}");
    }
}

fn nobody(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command(dir, args).stdin(Stdio::null()).output().expect("it starts");
    (status.code(), String::from_utf8(stdout).expect("UTF-8"), String::from_utf8(stderr).expect("UTF-8"))
}

#[test]
fn where_nobody_can_be_asked_the_session_says_what_to_type() {
    let dir = folder();
    let (code, out, err) = nobody(dir.path(), &["--accessible"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(
        err,
        "error: questions on the line need a terminal on standard input and standard error\n  \
         try: runbook run NAME --hosts SEL\n  try: runbook --help\n"
    );
    let (code, out, err) = nobody(dir.path(), &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("Usage: runbook ") && err.contains("error: the screen needs a terminal\n"), "{err}");
}

#[test]
fn help_says_how_to_begin_how_to_leave_and_what_the_exit_codes_mean() {
    let dir = folder();
    let (code, help, _) = nobody(dir.path(), &["--help"]);
    assert_eq!(code, Some(0));
    for part in ["Without a command it opens a full-screen session", "q or Ctrl-C", "runbook help exit-codes"] {
        assert!(help.contains(part), "no {part:?} in {help}");
    }
    let (code, codes, _) = nobody(dir.path(), &["help", "exit-codes"]);
    assert_eq!(code, Some(0));
    let (_, long, _) = nobody(dir.path(), &["run", "--help"]);
    let rows: Vec<&str> = codes.lines().filter(|line| line.starts_with("  ")).collect();
    assert_eq!(rows.len(), 12, "{codes}");
    assert!(rows.iter().all(|row| long.contains(row)), "{long}");
    assert_eq!(nobody(dir.path(), &["exit-codes"]).1.trim(), codes.trim());
    // nothing of the help needs more than ASCII
    assert!(help.is_ascii() && long.is_ascii() && codes.is_ascii());
}
