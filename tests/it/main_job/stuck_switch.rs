//! A switch that says yes and does nothing: it is never told as set, and what was asked for stays in the record until
//! somebody has looked.

use crate::harness::lab::{Lab, assert_well};
use crate::main_job::runs::{assert_exit, end_line, newest, shipped, stderr, stdout};
use crate::main_job::service::{set_enabled, status};

const HOST: &str = "proxy-1";

fn kill_switch(lab: &Lab, more: &[&str]) -> std::process::Output {
    let mut command = lab.runbook(&["run", "kill-switch", "--hosts", HOST]);
    command.arg("--runbooks").arg(shipped()).args(more).output().unwrap()
}

#[test]
fn a_stuck_switch_is_a_failure_and_a_working_one_stays_until_it_is_closed() {
    let lab = Lab::up(1);
    lab.fault("kill-switch-stuck", HOST);
    set_enabled(lab.service(HOST), false); // it says 200
    assert!(status(lab.service(HOST)).unwrap().enabled);

    let out = kill_switch(&lab, &["--yes"]);
    assert_exit(&out, 7);
    let log = stdout(&out);
    assert_eq!(end_line(&log), "failed=1 changed=1 open=1 exit=7", "a request was sent, and nobody knows what it did");
    let still = "\"enabled is still true, not false (8 equal reads); still so after 30 s\"";
    assert!(log.lines().any(|line| line.contains(" FAILED ") && line.contains(" 3 switch ") && line.ends_with(still)), "{log}");
    let timeline = stdout(&lab.runbook(&["timeline", &newest(&lab)]).output().unwrap());
    assert!(!timeline.contains("[set]"), "{timeline}");
    assert_exit(&lab.runbook(&["close", &newest(&lab)]).output().unwrap(), 0);

    lab.undo("kill-switch-stuck", HOST);
    let dry = kill_switch(&lab, &["--dry-run"]);
    assert_exit(&dry, 0);
    assert!(stdout(&dry).contains(" set enabled to false (now true)"), "{}", stdout(&dry));
    assert!(status(lab.service(HOST)).unwrap().enabled);

    let off = kill_switch(&lab, &["--yes"]);
    assert_exit(&off, 7);
    assert_eq!(end_line(&stdout(&off)), "ok=1 changed=1 open=1 exit=7");
    let id = newest(&lab);
    let now = status(lab.service(HOST)).unwrap();
    assert!(!now.enabled);
    let again = kill_switch(&lab, &["--yes"]);
    assert_exit(&again, 0);
    assert_eq!(end_line(&stdout(&again)), "ok=1 changed=0 open=0 exit=0");
    let said = stderr(&again);
    assert!(said.contains(&format!("LEFT OPEN by run {id} (kill-switch)")), "{said}");

    assert_well(&lab.runbook(&["close", &id]).output().unwrap());
    assert_eq!(status(lab.service(HOST)).map(|one| (one.enabled, one.pid)), Ok((true, now.pid)));
}
