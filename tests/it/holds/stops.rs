//! Runs that are stopped in the middle, and readers that leave: what was said last is what is recorded and what the
//! process ends with.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::fleet::{Fleet, Schemas};
use crate::main_job::terminal::Terminal;

/// Starts it with its standard output on a pipe.
fn started(fleet: &Fleet, args: &[&str]) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = fleet.command(args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    (child, out)
}

/// Reads up to the first line of this type.
fn read_until(out: &mut impl BufRead, kind: &str) -> String {
    let mut text = String::new();
    loop {
        let from = text.len();
        assert_ne!(out.read_line(&mut text).expect("UTF-8"), 0, "no {kind} in\n{text}");
        let line: Value = serde_json::from_str(&text[from..]).expect("one object a line");
        if line["type"] == kind {
            return text;
        }
    }
}

fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::INT).expect("sent");
}

/// What the record says of the newest run is what the process ended with.
fn recorded(fleet: &Fleet, schemas: &Schemas, code: i32) {
    let (_, shown) = fleet.json(schemas, "show-run", &["show", "last"]);
    assert_eq!(shown[0]["exit_code"], json!(code), "{}", shown[0]);
    let (_, ran) = fleet.json(schemas, "history", &["history", "-n", "1"]);
    assert_eq!(ran[0]["exit_code"], json!(code), "{}", ran[0]);
    let verified = fleet.runbook(&["journal", "verify"]);
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[test]
fn a_run_that_is_interrupted_ends_its_stream_with_its_exit_code() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:6?speed=50");
    let (mut child, mut out) = started(&fleet, &["run", "slow", "--hosts", "all", "--confirm", "slow 6", "-o", "json"]);
    let mut text = read_until(&mut out, "step.started");
    interrupt(&child);
    out.read_to_string(&mut text).expect("UTF-8");
    let code = child.wait().expect("it ends").code().expect("a status");
    let lines = schemas.lines("events", &text);
    let last = lines.last().expect("a last line");
    assert_eq!((last["type"].as_str(), &last["exit_code"], code), (Some("run.finished"), &json!(4), 4), "{last}");
    assert!(lines.iter().any(|line| line["type"] == "run.stopping" && line["by"] == "Ctrl-C"), "{text}");
    assert!(last["hosts"]["not-started"].as_u64().is_some_and(|hosts| hosts > 0), "{last}");
    recorded(&fleet, &schemas, code);
}

/// The rest of its lines, as they come.
fn told(mut out: BufReader<std::process::ChildStdout>) -> Receiver<String> {
    let (to, lines) = channel();
    thread::spawn(move || {
        loop {
            let mut line = String::new();
            if out.read_line(&mut line).expect("UTF-8") == 0 || to.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[test]
fn a_run_that_is_cancelled_ends_its_stream_with_its_exit_code() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:3");
    let (mut child, mut out) = started(&fleet, &["run", "slow", "--hosts", "all", "--confirm", "slow 3", "-o", "json"]);
    let mut text = read_until(&mut out, "step.started");
    interrupt(&child);
    text += &read_until(&mut out, "run.stopping");
    // one that comes too soon after the first is taken for the same press, and is pressed again
    let lines = told(out);
    interrupt(&child);
    while !text.contains("\"run.aborting\"") {
        match lines.recv_timeout(Duration::from_secs(3)) {
            Ok(line) => text += &line,
            Err(_) => interrupt(&child),
        }
    }
    text.extend(lines);
    let code = child.wait().expect("it ends").code().expect("a status");
    let lines = schemas.lines("events", &text);
    let last = lines.last().expect("a last line");
    assert_eq!((last["type"].as_str(), &last["exit_code"], code), (Some("run.finished"), &json!(4), 4), "{last}");
    assert_eq!((&last["hosts"]["cancelled"], &last["hosts"]["not-started"]), (&json!(1), &json!(2)), "{last}");
    recorded(&fleet, &schemas, code);
}

#[test]
fn a_run_that_is_declined_at_a_terminal_ends_its_stream_with_its_exit_code() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:3?speed=max");
    let mut terminal = Terminal::open();
    let mut command = fleet.command(&["run", "guarded", "--hosts", "all", "-o", "json"]);
    command.stdin(terminal.end()).stderr(terminal.end()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut text = read_until(&mut out, "confirm.asked");
    terminal.answer("guarded 4");
    out.read_to_string(&mut text).expect("UTF-8");
    let code = child.wait().expect("it ends").code().expect("a status");
    let lines = schemas.lines("events", &text);
    let last = lines.last().expect("a last line");
    assert_eq!((last["type"].as_str(), &last["exit_code"], code), (Some("run.finished"), &json!(4), 4), "{last}");
    assert!(lines.iter().any(|line| line["type"] == "confirm.declined"), "{text}");
    assert!(!lines.iter().any(|line| line["type"] == "step.intent"), "{text}");
    recorded(&fleet, &schemas, code);
}

/// Reads three lines of it and leaves.
fn left_after_three(fleet: &Fleet, args: &[&str]) -> i32 {
    let (mut child, mut out) = started(fleet, args);
    for _ in 0..3 {
        let mut line = String::new();
        assert_ne!(out.read_line(&mut line).expect("UTF-8"), 0, "three lines at least");
    }
    drop(out);
    child.wait().expect("it ends").code().expect("a status and no signal")
}

#[test]
fn a_reader_that_leaves_after_three_lines_costs_a_run_nothing() {
    let schemas = Schemas::printed();
    let fleet = Fleet::new("sim:40?fail=disk:3&speed=max");
    let code = left_after_three(&fleet, &["run", "work", "--hosts", "all", "--confirm", "work 40", "-o", "json"]);
    assert_eq!(code, 1);
    recorded(&fleet, &schemas, code);
    let (_, shown) = fleet.json(&schemas, "show-run", &["show", "last"]);
    let of = |outcome: &str| shown[0]["hosts"][outcome].as_array().map(Vec::len);
    assert_eq!((of("ok"), of("failed")), (Some(37), Some(3)), "every host had its turn");
    let well = Fleet::new("sim:40?speed=max");
    let code = left_after_three(&well, &["run", "work", "--hosts", "all", "--confirm", "work 40", "-o", "json"]);
    assert_eq!(code, 0);
    recorded(&well, &schemas, code);
}
