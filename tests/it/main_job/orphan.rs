//! A process that PM2 has lost keeps the service's port: it is ended, the app gets the port, and nobody else is touched.

use std::collections::BTreeSet;

use crate::harness::lab::Lab;
use crate::main_job::runs::{assert_exit, end_line, newest, shipped, stdout};
use crate::main_job::service::status;
use crate::main_job::snapshot::{Process, Snapshot};

const HOST: &str = "proxy-1";

/// Another app of the same PM2, and a process that PM2 never knew.
const NEIGHBOURS: &str = r#"
mkdir backend && cd backend
echo 'require("http").createServer((_, answer) => answer.end()).listen(3001, "127.0.0.1")' >server.js
pm2 start server.js --name backend >/dev/null && pm2 save >/dev/null
setsid sleep 100000 >/dev/null 2>&1 </dev/null &
"#;

fn port_conflict(lab: &Lab, more: &[&str]) -> std::process::Output {
    let mut command = lab.runbook(&["run", "port-conflict", "--hosts", HOST, "--set", "quiet=4s"]);
    command.arg("--runbooks").arg(shipped()).args(more).output().unwrap()
}

/// Everybody but the service: what npm starts, npm itself, and the moment before it names itself.
fn bystanders(seen: &Snapshot) -> BTreeSet<Process> {
    let is_service =
        |command: &str| ["npm start", "sh -c node server.js", "node server.js"].contains(&command) || command.contains("/npm");
    seen.processes.iter().filter(|process| !is_service(&process.command)).cloned().collect()
}

fn commands(seen: &BTreeSet<Process>) -> Vec<&str> {
    let mut commands: Vec<&str> = seen.iter().map(|process| process.command.split(' ').next().unwrap()).collect();
    commands.sort_unstable();
    commands
}

/// The process with that pid, and its ancestors.
fn chain(seen: &Snapshot, pid: u32) -> Vec<&Process> {
    let of = |pid: u32| seen.processes.iter().find(|process| process.pid == pid);
    std::iter::successors(of(pid), |process| of(process.parent)).collect()
}

#[test]
fn an_orphan_is_ended_and_nobody_else() {
    let lab = Lab::up(1);
    lab.told(HOST, NEIGHBOURS);
    lab.fault("orphan-port", HOST);
    let orphan = status(lab.service(HOST)).unwrap().pid;
    let before = Snapshot::take(&lab, HOST);
    let lost: Vec<Process> = chain(&before, orphan).into_iter().filter(|process| process.pid != 1).cloned().collect();
    assert_eq!(lost.iter().map(|one| one.command.as_str()).collect::<Vec<_>>(), ["node server.js", "sh -c node server.js"]);
    let others = bystanders(&before);
    let init = others.first().map_or("?", |process| process.command.split(' ').next().unwrap());
    assert_eq!(commands(&others), [init, "PM2", "node", "sleep", "sshd:"]);
    let listed = lab.pm2_processes(HOST);
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["backend", "proxy-service"]);

    let dry = port_conflict(&lab, &["--dry-run"]);
    assert_exit(&dry, 0);
    let told = stdout(&dry);
    assert!(told.contains(&format!(" DESTROYS: end pid {orphan} (node server.js, ")), "{told}");
    assert_eq!(status(lab.service(HOST)).unwrap().pid, orphan);
    assert_eq!(bystanders(&Snapshot::take(&lab, HOST)), others);

    let run = port_conflict(&lab, &["--yes"]);
    assert_exit(&run, 0);
    assert_eq!(end_line(&stdout(&run)), "ok=1 changed=1 open=0 exit=0");
    let after = Snapshot::take(&lab, HOST);
    assert!(lost.iter().all(|one| after.processes.iter().all(|now| now.pid != one.pid || now.start != one.start)), "{after:#?}");
    assert_eq!(bystanders(&after), others);
    // the app holds the port, below its own entry in PM2
    let holder = status(lab.service(HOST)).unwrap().pid;
    let entry = lab.pm2_processes(HOST).into_iter().find(|one| one.name == "proxy-service").unwrap();
    let pids: Vec<u32> = chain(&after, holder).iter().map(|process| process.pid).collect();
    assert!(pids.contains(&entry.pid), "{pids:?} {entry:?}");
    assert!(after.listeners.iter().any(|line| line.contains(":3000 ") && line.contains(&format!("pid={holder},"))), "{after:#?}");
    assert_eq!(lab.pm2_processes(HOST).into_iter().find(|one| one.name == "backend"), listed.into_iter().next());
    let timeline = stdout(&lab.runbook(&["timeline", &newest(&lab)]).output().unwrap());
    for part in ["owner [orphan] :3000 is held by", "orphan [freed]", "held [owned] :3000 is held by proxy-service"] {
        assert!(timeline.contains(part), "{part} is not in\n{timeline}");
    }

    // taken back after the repair, and taken back while it is in
    lab.undo("orphan-port", HOST);
    lab.fault("orphan-port", HOST);
    let orphan = status(lab.service(HOST)).unwrap().pid;
    lab.undo("orphan-port", HOST);
    let well = Snapshot::take(&lab, HOST);
    assert!(well.processes.iter().all(|process| process.pid != orphan), "{well:#?}");
    let owner = status(lab.service(HOST)).unwrap().pid;
    let entry = lab.pm2_processes(HOST).into_iter().find(|one| one.name == "proxy-service").unwrap();
    assert_eq!((entry.pid, entry.restarts, entry.status.as_str()), (owner, 0, "online"));
}
