//! A dry run changes nothing: not on a healthy host, not on a looping one, not on one without a PM2 daemon.

use std::fs;

use crate::harness::lab::{Lab, assert_well};
use crate::main_job::runs::{assert_exit, shipped, stdout};
use crate::main_job::service::status;
use crate::main_job::snapshot::Snapshot;

const HOSTS: [&str; 3] = ["proxy-1", "proxy-2", "proxy-3"];

/// What PM2 itself writes while an app of it loops; everything else on the host must stand still.
const MOVES_BY_ITSELF: [&str; 5] = [
    "/home/app/.pm2/pm2.log",
    "/home/app/.pm2/logs/proxy-server-out.log",
    "/home/app/.pm2/logs/proxy-server-error.log",
    "/home/app/.pm2/pids",
    "/home/app/.pm2/pids/proxy-server-1.pid",
];

/// The three hosts, without what moves by itself on the looping one, whose service is this process.
fn seen(lab: &Lab, holder: u32) -> Vec<Snapshot> {
    let looping = |host: &str| host == "proxy-2";
    let take = |host: &&str| match looping(host) {
        true => Snapshot::take(lab, host).without_files(&MOVES_BY_ITSELF).without_apps_but(holder),
        false => Snapshot::take(lab, host),
    };
    HOSTS.iter().map(take).collect()
}

fn assert_same(before: &[Snapshot], after: &[Snapshot]) {
    for (host, (before, after)) in HOSTS.iter().zip(before.iter().zip(after)) {
        let gone: Vec<_> = before.files.difference(&after.files).collect();
        let new: Vec<_> = after.files.difference(&before.files).collect();
        assert!(gone.is_empty() && new.is_empty(), "files of {host}\nwere {gone:#?}\nare {new:#?}");
        assert_eq!(before.processes, after.processes, "processes of {host}");
        assert_eq!(before.listeners, after.listeners, "listeners of {host}");
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let lab = Lab::up(3);
    lab.fault("restart-loop", "proxy-2");
    lab.fault("no-daemon", "proxy-3");
    let own = || ["inventory.toml", "known_hosts"].map(|name| fs::read(lab.dir().join(name)).unwrap());
    let holder = status(lab.service("proxy-2")).unwrap().pid;
    let (own_before, before) = (own(), seen(&lab, holder));
    assert_eq!(before.iter().map(|one| one.daemons().len()).collect::<Vec<_>>(), [1, 1, 0]);
    let files = before.iter().map(|one| one.files.len()).min();
    assert!(files > Some(20), "{files:?}");

    let runbooks = shipped();
    let runbooks = runbooks.to_str().unwrap();
    let dry = lab.runbook(&["run", "restart-loop", "--hosts", "all", "--dry-run", "--runbooks", runbooks]).output().unwrap();
    assert_same(&before, &seen(&lab, holder));
    // the host without a daemon is refused, and so is the run
    assert_exit(&dry, 6);
    let told = stdout(&dry);
    let plan: Vec<&str> = told.lines().filter(|line| line.contains("Z plan ")).map(|line| &line[30..]).collect();
    assert_eq!(
        plan,
        [
            "proxy-2 DESTROYS: delete pm2 entry 1 proxy-server (told port 3000 too, does not hold :3000), save pm2's list; the former \
             one is kept in dump.pm2.before-runbook, set enabled to false (now true)",
            "proxy-1 nothing to change",
            "proxy-3 refused at 1 daemon: no daemon for /home/app/.pm2",
        ]
    );

    // a read-only runbook that is run, not previewed
    let looked = lab.runbook(&["run", "precheck", "--hosts", "all", "--runbooks", runbooks]).output().unwrap();
    assert_same(&before, &seen(&lab, holder));
    assert_exit(&looked, 6);
    assert_eq!(own(), own_before);

    // PM2 has answered throughout: the same daemons still know the same apps
    for (host, before) in HOSTS.iter().zip(&before).take(2) {
        let known = lab.pm2_processes(host);
        assert_eq!((known[0].name.as_str(), known[0].restarts), ("proxy-service", 0));
        assert_eq!(Snapshot::take(&lab, host).daemons(), before.daemons());
    }

    // and had something been changed, it would have been seen
    let before = Snapshot::take(&lab, "proxy-1");
    assert_well(&lab.exec("proxy-1", "chmod 600 proxy-service/server.js; sleep 1000 >/dev/null 2>&1 </dev/null &"));
    let changed = Snapshot::take(&lab, "proxy-1");
    assert_eq!(
        changed.processes.difference(&before.processes).map(|one| one.command.as_str()).collect::<Vec<_>>(),
        ["sleep 1000"]
    );
    let files: Vec<&str> = changed.files.difference(&before.files).filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(files, ["/home/app/proxy-service/server.js"]);
}
