//! Hosts where nothing is wrong and a hasty eye says otherwise: what is run there calls what it sees by its name, and
//! touches nothing.

use std::process::{Command, Output};

use regex::Regex;

use crate::harness::lab::Lab;
use crate::main_job::runs::{SHORT, assert_exit, end_line, impatient, newest, shipped, stdout};
use crate::main_job::snapshot::Snapshot;

/// What looks like a conflict, and what the checks say of it.
struct LookAlike {
    fault: &'static str,
    owner: &'static str,
    single: &'static str,
}

const CLUSTER: LookAlike = LookAlike {
    fault: "lookalike-cluster",
    owner: r":3000 is held by proxy-service \(id 0 1, cluster workers of pid \d+ \(PM2 v[0-9.]+: God Daemon \(/home/app/\.pm2\)\)\)",
    single: r"proxy-service \(pid \d+ \d+, cluster workers\) holds :3000, 0 restarts",
};
const NPM: LookAlike = LookAlike {
    fault: "lookalike-npm",
    owner: r":3000 is held by proxy-service \(id 0, pid \d+ \(node server\.js\), npm start chain \d+ > \d+ > \d+\)",
    single: r"proxy-service \(pid \d+, npm start chain\) holds :3000, 0 restarts",
};
const REUSEPORT: LookAlike = LookAlike {
    fault: "lookalike-reuseport",
    owner: r":3000 is held by proxy-service \(id [01], pid \d+ \(node server\.js\)\), and by proxy-service \(id [01], pid \d+ \(node server\.js\)\), sharing it by SO_REUSEPORT",
    single: r"proxy-service \(pid \d+ \d+, SO_REUSEPORT\) holds :3000, 0 restarts",
};
const TIME_WAIT: LookAlike = LookAlike {
    fault: "lookalike-time-wait",
    owner: r":3000 is held by proxy-service \(id 0, pid \d+ \(node /home/app/proxy-service/server\.js\)\); \d{3,} connections in TIME_WAIT are no conflict",
    single: r"proxy-service \(pid \d+\) holds :3000, 0 restarts",
};

/// What could be run there by whoever takes it for a conflict.
const RUNBOOKS: [&str; 2] = ["port-conflict", "restart-loop"];

fn run(lab: &Lab, runbook: &str) -> Command {
    let mut command = lab.runbook(&["run", runbook, "--hosts", "all"]);
    let runbooks = if runbook == "restart-loop" { impatient(lab) } else { shipped() };
    command.args(SHORT).arg("--runbooks").arg(runbooks);
    command
}

/// It ended well and changed nothing, and its record tells of each host what it is.
fn assert_named(lab: &Lab, out: &Output, hosts: &[(&str, LookAlike)]) {
    assert_exit(out, 0);
    assert_eq!(end_line(&stdout(out)), format!("ok={} changed=0 open=0 exit=0", hosts.len()));
    let timeline = stdout(&lab.runbook(&["timeline", &newest(lab)]).output().unwrap());
    for (host, seen) in hosts {
        // every time that the step told of this host, alone or with others
        let told = |step: &str, line: &str| {
            let of = Regex::new(&format!(r"^\S+ +\S+ +(?:{host}|proxy-\[1-3\]) +\S+ +\d+ {step} (.*)$")).unwrap();
            let want = Regex::new(&format!("^{line}$")).unwrap();
            let lines: Vec<&str> = timeline.lines().filter_map(|line| Some(of.captures(line)?.get(1)?.as_str())).collect();
            assert!(!lines.is_empty() && lines.iter().all(|line| want.is_match(line)), "{lines:#?}\nare not\n{want}\n{timeline}");
        };
        told("owner", &format!(r"\[owned\] {}", seen.owner));
        told("loop", &format!(r"\[single\] {}", seen.single));
        told("held", &format!(r"\[owned\] {}", seen.owner));
        told("one-process", &format!(r"\[single\] steady for .* s: {}", seen.single));
        assert!(!timeline.contains(" OPEN"), "{timeline}");
    }
}

/// Previews and runs each of them, with leave to change what it likes.
fn nothing_is_done(hosts: &[(&str, LookAlike)]) {
    let lab = Lab::up(u16::try_from(hosts.len()).unwrap());
    for (host, seen) in hosts {
        lab.fault(seen.fault, host);
    }
    let before: Vec<Snapshot> = hosts.iter().map(|(host, _)| Snapshot::take(&lab, host)).collect();
    assert!(before.iter().all(|one| one.listeners.iter().any(|line| line.contains(":3000 "))), "{before:#?}");

    for runbook in RUNBOOKS {
        let dry = run(&lab, runbook).arg("--dry-run").output().unwrap();
        assert_named(&lab, &dry, hosts);
        let leave = format!("{runbook} {}", hosts.len());
        let done = run(&lab, runbook).args(["--confirm", &leave]).output().unwrap();
        assert_named(&lab, &done, hosts);
    }
    for ((host, _), before) in hosts.iter().zip(before) {
        assert_eq!(Snapshot::take(&lab, host), before, "{host}");
    }

    // taken back, each is as it was first deployed
    for (host, seen) in hosts {
        lab.undo(seen.fault, host);
        let left = lab.pm2_processes(host);
        assert_eq!(left.iter().map(|one| (one.id, one.name.as_str())).collect::<Vec<_>>(), [(0, "proxy-service")]);
        let files = Snapshot::take(&lab, host).files;
        assert!(!files.iter().any(|line| line.contains("reuseport.pl")), "{files:?}");
    }
}

#[test]
fn workers_wrappers_and_shared_sockets_are_called_by_their_names_and_left_alone() {
    nothing_is_done(&[("proxy-1", CLUSTER), ("proxy-2", NPM), ("proxy-3", REUSEPORT)]);
}

#[test]
fn closed_connections_are_called_by_their_name_and_nothing_is_done() {
    nothing_is_done(&[("proxy-1", TIME_WAIT)]);
}
