//! The repair of a restart loop, as the clients of the service live through it.

use std::time::{Duration, Instant};

use crate::harness::lab::{Lab, assert_well};
use crate::main_job::poller::{Polled, Poller};
use crate::main_job::runs::{SHORT, assert_exit, end_line, shipped, stdout};

const HOST: &str = "proxy-1";

/// The process that listens on the service's port, and when it was started, in ticks since the boot.
fn holder(lab: &Lab) -> (u32, u64) {
    let listeners = lab.told(HOST, "ss -Hltnp 'sport = :3000'");
    let pid: u32 = listeners.split("pid=").nth(1).and_then(|rest| rest.split(',').next()).unwrap().parse().unwrap();
    let stat = lab.told(HOST, &format!("cat /proc/{pid}/stat"));
    let started = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(19)).unwrap().parse().unwrap();
    (pid, started)
}

fn pids(polled: &Polled) -> Vec<u32> {
    let mut pids: Vec<u32> = polled.answers.iter().map(|answer| answer.pid).collect();
    pids.dedup();
    pids
}

/// It asked so often that it cannot have missed an outage of the length that a restart takes.
fn assert_dense(polled: &Polled) {
    let asked = polled.answers.len() + polled.failures.len();
    assert!(asked * 2 >= polled.slots, "{asked} of {} polls", polled.slots);
}

#[test]
fn no_client_notices_the_repair_and_the_holder_keeps_its_pid() {
    let lab = Lab::up(1);
    lab.fault("restart-loop", HOST);
    let before = holder(&lab);

    let poller = Poller::start(lab.service(HOST));
    let runbooks = shipped();
    let mut command = lab.runbook(&["run", "restart-loop", "--hosts", HOST, "--yes", "--runbooks", runbooks.to_str().unwrap()]);
    let out = command.args(SHORT).output().unwrap();
    let polled = poller.end();

    assert_dense(&polled);
    assert_eq!(polled.failures, [""; 0]);
    assert_exit(&out, 0);
    assert_eq!(end_line(&stdout(&out)), "ok=1 changed=1 open=0 exit=0");
    // the run was in the middle of what was polled: the switch was seen to go off and on again
    let mut switch: Vec<bool> = polled.answers.iter().map(|answer| answer.enabled).collect();
    switch.dedup();
    assert_eq!(switch, [true, false, true]);
    assert_eq!(pids(&polled), [before.0]);
    assert_eq!(holder(&lab), before);
    let left = lab.pm2_processes(HOST);
    assert_eq!(
        left.iter().map(|one| (one.id, one.name.as_str(), one.pid, one.restarts)).collect::<Vec<_>>(),
        [(0, "proxy-service", before.0, 0)]
    );
    let saved = lab.told(HOST, "grep -c '\"name\": \"proxy-service\"' .pm2/dump.pm2; grep -c proxy-server .pm2/dump.pm2 || true");
    assert_eq!(saved, "1\n0\n");

    // the same client does notice a restart: what it does not see is not there
    let poller = Poller::start(lab.service(HOST));
    std::thread::sleep(Duration::from_millis(500));
    assert_well(&lab.exec(HOST, "pm2 restart proxy-service >/dev/null"));
    let late = Instant::now() + Duration::from_secs(30);
    while crate::main_job::service::status(lab.service(HOST)).is_err() {
        assert!(Instant::now() < late, "the service does not come back");
    }
    std::thread::sleep(Duration::from_millis(500));
    let polled = poller.end();
    assert_dense(&polled);
    assert!(!polled.failures.is_empty(), "a restart without an outage");
    assert_eq!(pids(&polled), [before.0, holder(&lab).0]);
    assert_ne!(holder(&lab), before);
}
