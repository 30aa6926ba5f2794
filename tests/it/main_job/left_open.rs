//! A run that was killed while the kill switch was off: the next start says so, and `close` puts it back, once.

use regex::Regex;

use crate::harness::lab::Lab;
use crate::main_job::runs::{Running, assert_exit, newest, shipped, stderr, stdout};
use crate::main_job::service::{set_enabled, status, wait_for_enabled};

const HOST: &str = "proxy-1";

/// A run whose switch stays off for a minute.
fn long_run(lab: &Lab) -> Running {
    let runbooks = shipped();
    let runbooks = runbooks.to_str().unwrap();
    let words = ["run", "restart-loop", "--hosts", HOST, "--yes", "--set", "quiet=60s", "--runbooks", runbooks];
    Running::start(&mut lab.runbook(&words))
}

/// Every time the service was told to switch, from its own log.
fn toggles(lab: &Lab) -> Vec<String> {
    let log = lab.told(HOST, "cat .pm2/logs/proxy-service-out-0.log");
    log.lines().filter_map(|line| line.strip_prefix("emergency toggle: enabled=")).map(str::to_owned).collect()
}

/// Start and restarts of the service: neither the killed run nor the close touches them.
fn service(lab: &Lab) -> (u32, u32, String) {
    let of = lab.pm2_processes(HOST).into_iter().find(|one| one.name == "proxy-service").unwrap();
    let stat = lab.told(HOST, &format!("cut -d ' ' -f 22 /proc/{}/stat", of.pid));
    (of.pid, of.restarts, stat)
}

fn assert_lines(text: &str, patterns: &[&str]) {
    let lines: Vec<&str> = text.lines().collect();
    let same = lines.len() == patterns.len()
        && lines.iter().zip(patterns).all(|(line, pattern)| Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(line));
    assert!(same, "{text}\nis not\n{patterns:#?}");
}

#[test]
fn what_a_killed_run_left_open_is_named_and_put_back_once() {
    let lab = Lab::up(1);
    lab.fault("restart-loop", HOST);
    let before = service(&lab);
    let mut run = long_run(&lab);
    let off = wait_for_enabled(lab.service(HOST), false);
    run.child.kill().unwrap();
    run.child.wait().unwrap();
    let id = newest(&lab);

    let said = [
        format!(r" *LEFT OPEN by run {id} \(restart-loop\)"),
        r" +proxy-1  kill switch enabled, since \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ".to_owned(),
        format!(" +close it: runbook close {id} --state-dir .+"),
    ];
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let history = lab.runbook(&["history"]).output().unwrap();
    assert_exit(&history, 0);
    assert_lines(&stderr(&history), &said);
    let rows = stdout(&history);
    assert_eq!(rows.lines().nth(1).unwrap().split('\t').skip(5).collect::<Vec<_>>(), ["NOT FINISHED", "-", "1"]);
    let runbooks = shipped();
    let other = ["run", "precheck", "--hosts", HOST, "--dry-run", "--runbooks", runbooks.to_str().unwrap()];
    let other = lab.runbook(&other).output().unwrap();
    assert_lines(&stderr(&other), &said);
    for start in [&["hosts"][..], &["list", "--runbooks", runbooks.to_str().unwrap()]] {
        let stderr = stderr(&lab.runbook(start).output().unwrap());
        let told: Vec<&str> = stderr.lines().take(3).collect();
        assert_lines(&told.join("\n"), &said);
    }
    // to say so is all that they did
    assert_eq!(status(lab.service(HOST)), Ok(off.clone()));

    let closed = lab.runbook(&["close", &id]).output().unwrap();
    let now = status(lab.service(HOST)).unwrap();
    assert_eq!((now.enabled, now.pid), (true, off.pid));
    assert_exit(&closed, 0);
    let stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ";
    let restored =
        format!(r"{stamp} close    proxy-1 kill switch enabled restored: enabled is true \(3 equal reads\) after \d+:\d\d");
    assert_lines(&stdout(&closed), &[&restored, &format!("nothing is open in run {id} any more")]);
    assert_eq!(toggles(&lab), ["false", "true"]);

    let again = lab.runbook(&["close", &id]).output().unwrap();
    assert_exit(&again, 0);
    assert_eq!(stdout(&again), format!("nothing is open in run {id}\n"));
    assert_eq!(toggles(&lab), ["false", "true"]);
    assert_eq!(service(&lab), before);
    let history = lab.runbook(&["history"]).output().unwrap();
    assert_eq!(stderr(&history), "");
}

#[test]
fn a_run_at_work_is_not_closed_by_another_and_a_faster_hand_is_respected() {
    let lab = Lab::up(1);
    lab.fault("restart-loop", HOST);
    let before = service(&lab);
    let mut run = long_run(&lab);
    wait_for_enabled(lab.service(HOST), false);
    let id = newest(&lab);
    let refused = lab.runbook(&["close", &id]).output().unwrap();
    assert_eq!(toggles(&lab), ["false"], "it was closed under the run that works on it");
    assert_exit(&refused, 6);
    let holder = run.child.id();
    assert_lines(&stderr(&refused), &[&format!(r"error: run {id} is being written by another process \(pid {holder}\)")]);
    assert_eq!(stdout(&refused), "");
    run.child.kill().unwrap();
    run.child.wait().unwrap();

    set_enabled(lab.service(HOST), true);
    let closed = lab.runbook(&["close", &id]).output().unwrap();
    assert_eq!(toggles(&lab), ["false", "true"], "the second is the hand's");
    assert_exit(&closed, 0);
    let stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ";
    let already =
        format!(r"{stamp} close    proxy-1 kill switch enabled already: enabled is true \(3 equal reads\) after \d+:\d\d");
    assert_lines(&stdout(&closed), &[&already, &format!("nothing is open in run {id} any more")]);
    assert_eq!(service(&lab), before);
}
