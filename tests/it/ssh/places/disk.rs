//! Disks that are full, read-only, out of inodes, or let nothing be executed.

use runbook::engine::world::Session;
use runbook::model::op::Exit;
use serde_json::json;

use super::{Visit, code};
use crate::harness::place::Odd;

/// The script that changes PM2 begins with the copy of its saved list.
const PM2: &str = include_str!("../../../../src/steps/pm2/act.sh");

/// A small disk of the place's own at `$DIR/disk`; what is on it is made before it gets as it is to be.
fn disk(make: &str, then: &str) -> Odd {
    let before = format!(
        "mkdir \"$DIR/disk\"; mount -t tmpfs -o size=64k,nr_inodes=16 none \"$DIR/disk\"; cd \"$DIR/disk\"; {make}\n{then}\ncd /"
    );
    Odd::default().before(&before).env("HERE", "$DIR/disk")
}

const FULL: &str = "head -c 1000000 /dev/zero >filler 2>/dev/null || true";
const NO_INODES: &str = "n=0; while touch f$n 2>/dev/null; do n=$((n + 1)); done || true";
const READ_ONLY: &str = "mount -o remount,ro none \"$DIR/disk\"";

#[tokio::test]
async fn a_command_that_cannot_write_fails_in_the_words_of_the_host() {
    for (name, odd, words) in [
        ("full", disk("echo old >list", FULL), "No space left on device"),
        ("no inodes", disk("echo old >list", NO_INODES), "No space left on device"),
        ("read-only", disk("echo old >list", READ_ONLY), "Read-only file system"),
    ] {
        let place = odd.start();
        let mut visit = Visit::to(&place, "root").await;
        // a new file, and so much of it that it would not fit
        let (exit, _, err) = visit.run("LC_ALL=C; export LC_ALL; head -c 100000 /dev/zero >\"$HERE/new\"").await;
        assert!(matches!(exit, Exit::Code { code: 1.. }), "{name}: {exit:?}");
        // a shell says less of a file that cannot be created than a program
        let told = err.contains(words) || err.to_lowercase().contains("cannot create");
        assert!(told, "{name}: {err}");
        // looks and the shell need no disk at all
        let line = visit.look("file", &json!({ "path": format!("{}/list", place.path("disk").display()) })).await;
        assert!(line.starts_with("holds fits"), "{name}: {line}");
        let line = visit.look("port", &json!({ "port": 1 })).await;
        assert!(line.starts_with("holds free"), "{name}: {line}");
        visit.session.close().await;
    }
}

#[tokio::test]
async fn a_host_on_which_nothing_can_be_written_is_looked_at_all_the_same() {
    let before = "mount --bind / /; mount -o remount,bind,ro /; mount --bind /tmp /tmp; mount -o remount,bind,ro,noexec /tmp";
    let place = Odd::default().before(before).start();
    let mut visit = Visit::to(&place, "root").await;
    for (kind, fields, want) in [
        ("port", json!({ "port": 1 }), "holds free"),
        ("file", json!({ "path": "/etc", "writable_by": "root" }), "not-yet not-writable"),
        ("resources", json!({ "disk_free": { "/": "1B" } }), "holds enough"),
    ] {
        let line = visit.look(kind, &fields).await;
        assert!(line.starts_with(want), "{kind}: {line}");
    }
    for user in [None, Some("app")] {
        let (exit, out, err) = visit.run_as("echo on; : >/tmp/runbook-places-test; echo $?", user).await;
        assert!(out.starts_with("on\n") && !out.contains("\n0"), "{user:?}: {exit:?} {out} {err}");
        assert!(err.contains("Read-only file system"), "{err}");
    }
    visit.session.close().await;
}

#[tokio::test]
async fn a_program_on_a_disk_that_executes_nothing_is_found_and_cannot_be_run() {
    let place =
        disk("printf '#!/bin/sh\\ntouch %s/ran\\n' \"$DIR\" >run; chmod 755 run", "mount -o remount,noexec none \"$DIR/disk\"")
            .start();
    let mut visit = Visit::to(&place, "root").await;
    let (exit, _, err) = visit.run("\"$HERE/run\"").await;
    assert_eq!(exit, code(126), "{err}");
    assert!(!place.path("ran").exists());
    let line = visit.look("require", &json!({ "run": format!("{}/run", place.path("disk").display()) })).await;
    assert!(line.starts_with("unreadable: exit 126, found but cannot be run"), "{line}");
    visit.session.close().await;
}

/// A process that is called like a daemon, its socket, and a pm2 that records how it was called.
const DAEMON: &str = "mkdir pm2 fake; head -c 20000 /dev/zero | tr '\\\\0' x >pm2/dump.pm2\n\
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"pm2/rpc.sock\")'\n\
    printf '#!/bin/dash\\necho \"$*\" >>%s/calls\\n[ \"$1\" != id ] || echo \"[ 3 ]\"\\n' \"$DIR\" >fake/pm2; chmod 755 fake/pm2\n\
    bash -c 'exec -a \"PM2 v7.0.4: God Daemon ($DIR/disk/pm2)\" sleep 120' & echo $! >\"$DIR/daemon\"";

#[tokio::test]
async fn a_saved_list_that_cannot_be_copied_stops_a_change_of_pm2_before_it_begins() {
    for (name, then, want) in
        [("room", "", code(0)), ("full", FULL, code(95)), ("no inodes", NO_INODES, code(95)), ("read-only", READ_ONLY, code(95))]
    {
        let place = disk(DAEMON, then).env("PATH", "$DIR/disk/fake:/usr/bin:/bin").start();
        let mut visit = Visit::to(&place, "root").await;
        let home = place.path("disk/pm2");
        let list = std::fs::read(home.join("dump.pm2"));
        drop(list);
        let op = runbook::model::op::Shell::authored("pm2".to_owned(), PM2.to_owned(), true);
        let mut op = op;
        for (key, value) in [("VERB", "stop"), ("APP_NAME", "api"), ("BACKUP", "yes"), ("SAVE", "no"), ("APP_ID", "3")] {
            op = op.env(key, value);
        }
        let op = op.env("PM2_HOME_DIR", home.display().to_string());
        let (exit, _, err) = visit.op(runbook::model::op::Op::Shell(op)).await;
        let (_, files, _) =
            visit.run("wc -c <\"$HERE/pm2/dump.pm2\"; ls \"$HERE/pm2\"; kill \"$(cat \"$HERE/../daemon\")\"").await;
        let calls = std::fs::read_to_string(place.path("calls")).unwrap_or_default();
        assert_eq!(exit, want, "{name}: {err}");
        assert!(files.starts_with("20000\n"), "{name}: {files}");
        if want == code(0) {
            assert!(files.contains("before-runbook\n") && calls.contains("stop 3"), "{files} {calls}");
        } else {
            assert!(err.contains("dump.pm2 cannot be backed up"), "{name}: {err}");
            assert!(!files.contains("before-runbook"), "{name}: a part of a copy is left: {files}");
            assert!(!calls.contains("stop"), "{name}: {calls}");
        }
        visit.session.close().await;
    }
}
