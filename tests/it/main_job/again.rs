//! A second run finds nothing to do, and says so without asking; so does a run on hosts that were always well.

use crate::harness::lab::Lab;
use crate::main_job::runs::{Running, end_line, repair, words};
use crate::main_job::service::status;
use crate::main_job::snapshot::Snapshot;
use crate::main_job::terminal::Terminal;

const HOSTS: [&str; 2] = ["proxy-1", "proxy-2"];

#[test]
fn a_second_run_and_a_run_on_a_healthy_host_change_nothing_and_do_not_ask() {
    let lab = Lab::up(2);
    lab.fault("restart-loop", "proxy-1");
    let well = Snapshot::take(&lab, "proxy-2");

    // at a terminal, with no flag that answers: the first run asks
    let mut terminal = Terminal::open();
    let first = |terminal: &Terminal| {
        let mut command = repair(&lab, "all", &[]);
        Running::start_with(command.stdin(terminal.end()), terminal.end())
    };
    let mut declined = first(&terminal);
    declined.wait_for(&["Z ask      "]);
    terminal.answer("n");
    let (code, log) = declined.end();
    assert_eq!(code, Some(4), "{log}");
    assert!(status(lab.service("proxy-1")).unwrap().enabled);
    assert_eq!(lab.pm2_processes("proxy-1").len(), 2);

    let mut run = first(&terminal);
    run.wait_for(&["Z ask      "]);
    terminal.answer("y");
    let (code, log) = run.end();
    assert_eq!((code, end_line(&log).as_str()), (Some(0), "ok=2 changed=1 open=0 exit=0"), "{log}");

    assert_eq!(Snapshot::take(&lab, "proxy-2"), well, "the healthy host was left alone by the first run too");
    // pm2's own command line touches a file
    let listed = HOSTS.map(|host| lab.pm2_processes(host));
    assert_eq!(listed.each_ref().map(Vec::len), [1, 1]);
    let before = HOSTS.map(|host| Snapshot::take(&lab, host));

    // the second does not: an answer that it waited for would never come
    let mut command = repair(&lab, "all", &[]);
    let mut run = Running::start_with(command.stdin(terminal.end()), terminal.end());
    run.never("Z ask      ");
    let (code, log) = run.end();
    assert_eq!((code, end_line(&log).as_str()), (Some(0), "ok=2 changed=0 open=0 exit=0"), "{log}");
    assert_eq!(words(&log), ["check", "preview", "plan", "run", "batch", "ok", "watch", "next", "record"]);
    let plan: Vec<&str> = log.lines().filter(|line| line.contains("Z plan ")).map(|line| &line[30..]).collect();
    assert_eq!(plan, ["proxy-[1-2] nothing to change"]);
    assert_eq!(HOSTS.map(|host| Snapshot::take(&lab, host)), before);
    assert_eq!(HOSTS.map(|host| lab.pm2_processes(host)), listed);
}
