//! Failures and short orders at a terminal, over a simulated fleet.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::main_job::terminal::Terminal;

const WORK: &str = r#"
name  = "work"
title = "runs a command, host by host"
[rollout]
batches = ["1"]
max_failures = 2
[[step]]
id = "work"
kind = "exec"
run = "work"
[[verify]]
id = "proof"
kind = "require"
run = "proof"
on_failure = "ask"
"#;

/// A folder with the runbook and a record of its own.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join("runbooks")).expect("a directory");
    std::fs::write(dir.path().join("runbooks/work.toml"), WORK).expect("written");
    dir
}

fn command(dir: &TempDir, fleet: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(["run", "work", "--hosts", "all", "-i", fleet, "--runbooks", "runbooks", "-o", "json"]).args(more);
    command.current_dir(dir.path()).env_clear().env("USER", "kai").env("RUNBOOK_STATE_DIR", dir.path().join("state"));
    command
}

/// What it printed, one object a line.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect()
}

fn of<'l>(lines: &'l [Value], kind: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[test]
fn on_a_terminal_a_failure_is_asked_about() {
    let dir = folder();
    let mut terminal = Terminal::open();
    let mut command = command(&dir, "sim:3?fail=exit:1&speed=max&seed=7", &["--batch", "100%", "--confirm", "work 3"]);
    let child = command.stdin(terminal.end()).stderr(terminal.end()).stdout(Stdio::piped()).spawn().expect("it starts");
    let asked = terminal.read_until("l = log]: ");
    for part in
        ["      Decide ", " failed at 1 work: exit 7", "r retry ", "s skip ", "x exclude ", "a abort ", "[r/s/x/a, l = log]: "]
    {
        assert!(asked.contains(part), "no {part:?} in {asked:?}");
    }
    assert!(asked.contains("; 1 work stays failed"), "{asked:?}");
    // what is not understood is asked again, the log is shown and asked again
    terminal.type_line("perhaps");
    terminal.read_until("l = log]: ");
    terminal.type_line("l");
    let log = terminal.read_until("l = log]: ");
    assert!(log.contains("| SIM ended with status 7"), "{log:?}");
    terminal.type_line("r");
    let again = terminal.read_until("l = log]: ");
    assert!(again.contains("attempt 3"), "{again:?}");
    terminal.type_line("x");
    let out = child.wait_with_output().expect("it ends");
    let lines = lines(&String::from_utf8(out.stdout).expect("UTF-8"));
    let made: Vec<&str> = of(&lines, "decision.made").iter().filter_map(|line| line["option"].as_str()).collect();
    assert_eq!((made, out.status.code()), (vec!["retry", "exclude"], Some(1)));
    assert!(of(&lines, "decision.made").iter().all(|line| line["by"].as_str().is_some_and(|by| by.starts_with("kai@"))));
}

#[test]
fn where_nothing_more_is_typed_a_failure_aborts_the_run() {
    let dir = folder();
    let mut terminal = Terminal::open();
    let mut command = command(&dir, "sim:3?fail=exit&speed=max", &["--confirm", "work 3"]);
    let child = command.stdin(terminal.end()).stderr(terminal.end()).stdout(Stdio::piped()).spawn().expect("it starts");
    terminal.read_until("l = log]: ");
    // Ctrl-D on an empty line
    terminal.type_raw(&[4]);
    let out = child.wait_with_output().expect("it ends");
    let lines = lines(&String::from_utf8(out.stdout).expect("UTF-8"));
    assert_eq!((of(&lines, "decision.made")[0]["option"].as_str(), out.status.code()), (Some("abort"), Some(4)));
}

#[test]
fn where_nobody_is_to_be_asked_a_failure_ends_its_host() {
    let dir = folder();
    let terminal = Terminal::open();
    let mut command = command(&dir, "sim:3?fail=exit&speed=max", &["--no-input", "--confirm", "work 3"]);
    let out = command.stdin(terminal.end()).stderr(terminal.end()).output().expect("it starts");
    let lines = lines(&String::from_utf8(out.stdout).expect("UTF-8"));
    assert_eq!((of(&lines, "decision.asked").len(), out.status.code()), (0, Some(1)));
    // what the flag says stands before what a terminal would mean
    let mut command = self::command(&dir, "sim:3?fail=exit:1&speed=max", &["--on-fail", "stop-run", "--confirm", "work 3"]);
    let out = command.stdin(terminal.end()).stderr(terminal.end()).output().expect("it starts");
    assert_eq!(of(&self::lines(&String::from_utf8(out.stdout).expect("UTF-8")), "decision.asked").len(), 0);
}

#[test]
fn a_letter_pauses_a_run_another_lets_it_go_on_and_one_tells_what_runs() {
    let dir = folder();
    let mut terminal = Terminal::open();
    let mut command = command(&dir, "sim:2?speed=1", &["--yes"]);
    let mut child = command.stdin(terminal.end()).stderr(terminal.end()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut text = until(&mut out, "batch.started");
    terminal.type_line("p");
    text += &until(&mut out, "run.paused");
    terminal.type_line("t");
    terminal.read_until("     Running ");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).expect("it lives");
    terminal.read_until("     Running ");
    terminal.type_line("what");
    terminal.read_until("p pauses, P goes on");
    terminal.type_line("P");
    out.read_to_string(&mut text).expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let lines = lines(&text);
    assert_eq!((of(&lines, "run.paused").len(), of(&lines, "run.resumed").len()), (1, 1));
    let at = |kind: &str| lines.iter().position(|line| line["type"] == kind).expect("it happened");
    let between = &lines[at("run.paused")..at("run.resumed")];
    assert!(of(between, "step.started").is_empty(), "nothing starts while it is paused");
}

#[test]
fn a_signal_tells_what_runs_where_there_is_no_terminal() {
    let dir = folder();
    let mut command = command(&dir, "sim:1?speed=1", &["--yes"]);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    until(&mut out, "step.started");
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::USR1).expect("it lives");
    let mut err = BufReader::new(child.stderr.take().expect("piped"));
    let mut told = String::new();
    while !told.contains("     Running ") {
        told.clear();
        assert_ne!(err.read_line(&mut told).expect("UTF-8"), 0, "it tells what runs");
    }
    std::io::copy(&mut out, &mut std::io::sink()).expect("read");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Reads on to an event of that type.
fn until(out: &mut impl BufRead, kind: &str) -> String {
    let mut text = String::new();
    while !text.lines().last().is_some_and(|line| line.contains(&format!("\"type\":\"{kind}\""))) {
        assert_ne!(out.read_line(&mut text).expect("UTF-8"), 0, "no {kind} in {text}");
    }
    text
}
