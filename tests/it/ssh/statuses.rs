//! Hosts that answer in ways of their own: nothing but a true 0 with our nonce, on both streams, is success; nothing is
//! ever sent twice. A host that knows the nonce and says 0 on both streams cannot be told from a shell: that is what `ok`
//! means.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use runbook::engine::world::{Session, World};
use runbook::model::op::{Exit, Op, Shell};
use serde_json::Value;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::harness::personality::{ASKED, Lie};
use crate::harness::server::{Server, Vice};
use crate::harness::sshd::{fleet, host, keygen};
use crate::ssh::scripts::{code, join_server, not_started, run, unknown};
use crate::ssh::{look, perform, shell};

/// Every personality with what its answer comes to.
fn lies() -> Vec<(Lie, Exit)> {
    let no_status = || unknown("no-status");
    let two = || unknown("two-statuses");
    let mut lies = vec![
        (Lie::Says("0"), code(0)),
        (Lie::Says("0+"), code(0)),
        (Lie::SaysAfterMuch("0"), code(0)),
        (Lie::Says("3"), code(3)),
        (Lie::Says("255"), code(255)),
        (Lie::Closes, no_status()),
        (Lie::ClosesWithZero, no_status()),
        (Lie::BeginsAndClosesWithZero, no_status()),
        (Lie::OtherNonce, no_status()),
        (Lie::Replays, no_status()),
        (Lie::Backwards, no_status()),
        (Lie::Echo, no_status()),
        (Lie::Half, no_status()),
        (Lie::OneStream, no_status()),
        (Lie::Signal, no_status()),
        (Lie::StrangeSignal, no_status()),
        (Lie::StreamsDisagree("0", "3"), two()),
        (Lie::StreamsDisagree("3", "0"), two()),
        (Lie::SaysTwice, two()),
        (Lie::TwoExitStatuses, two()),
        (Lie::StatusAndSignal, two()),
        (Lie::Disconnects, unknown("connection-lost")),
        (Lie::Resets, unknown("connection-lost")),
        // it says nothing, and what it was given is ended by its own shell, which says that it is gone
        (Lie::EofOnly, Exit::TimedOut),
        (Lie::BeginOnly, Exit::TimedOut),
        (Lie::Silent, Exit::TimedOut),
    ];
    let words = ["00", "000", "256", "999", "-0", "+0", "0x0", "0 ", " 0", "0\r", "O", "zero", ""];
    lies.extend(words.map(|word| (Lie::Word(word), no_status())));
    lies
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_true_status_is_a_status_and_nothing_is_sent_twice() {
    let mut tests = JoinSet::new();
    for (lie, want) in lies() {
        tests.spawn(async move {
            let dir = tempfile::tempdir().expect("a directory");
            let server = Server::start(Vice::Lies(lie)).await;
            let (mut session, _) = join_server(&fleet(), &server, dir.path()).await.expect("connected");
            let op = Shell::authored("lie".to_owned(), ASKED.to_owned(), true).timeout(Duration::from_secs(6));
            let reply = run(&mut session, Op::Shell(op)).await;
            assert_eq!(reply.exit, want, "{lie:?}: {reply:?}");
            assert_eq!(server.asked.load(Ordering::Relaxed), 1, "{lie:?}");
            let hostile = matches!(&want, Exit::Unknown { why } if why.starts_with("two-"));
            let lost = session.lost().map(|(class, _)| class);
            assert_eq!(lost.as_deref() == Some("protocol-error"), hostile, "{lie:?}: {lost:?}");
            if hostile {
                let after = perform(&mut session, &[look("true")]).await;
                assert_eq!(shell(&after[0]).exit, not_started("protocol-error"), "{lie:?}");
            } else if lost.is_none() {
                assert_eq!(run(&mut session, look("exit 4")).await.exit, code(4), "{lie:?}: what follows is not mixed up");
            }
        });
    }
    while let Some(ended) = tests.join_next().await {
        ended.expect("as it should be");
    }
}

const RUNBOOK: &str = r#"
name  = "lie"
title = "runs one command"
[rollout]
batches = ["100%"]
max_failures = 1000
[[step]]
id = "lie"
kind = "exec"
run = "echo LIE"
timeout = "8s"
"#;

/// What a run must say of a unit whose command ended so: its outcome and the code of its finding.
fn outcome(exit: &Exit) -> (&'static str, String) {
    match exit {
        Exit::Code { code: 0 } => ("changed", String::new()),
        Exit::Code { .. } => ("failed", "exit".to_owned()),
        Exit::TimedOut => ("failed", "timeout".to_owned()),
        Exit::Unknown { why } => ("unknown", why.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_changed_of_none_but_those_that_said_zero() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    keygen(&at("user"), &[]);
    fs::create_dir(at("runbooks")).expect("a directory");
    fs::write(at("runbooks/lie.toml"), RUNBOOK).expect("written");
    let user = host(1, &at("user"), &at("known_hosts")).user;
    let mut inventory = format!("[defaults]\nuser = \"{user}\"\nidentity = \"user\"\nknown_hosts = [\"known_hosts\"]\n");
    let (mut known, mut servers) = (String::new(), Vec::new());
    for (n, (lie, exit)) in lies().into_iter().enumerate() {
        let server = Server::start(Vice::Lies(lie)).await;
        known.push_str(&format!("[127.0.0.1]:{} {}\n", server.port, server.host_key));
        inventory.push_str(&format!("[hosts.h-{n}]\naddress = \"127.0.0.1\"\nport = {}\n", server.port));
        servers.push((format!("h-{n}"), lie, exit, server));
    }
    fs::write(at("known_hosts"), known).expect("written");
    fs::write(at("inventory.toml"), inventory).expect("written");
    let confirm = format!("lie {}", servers.len());
    let output = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(["run", "lie", "--hosts", "all", "-o", "json", "--no-input", "--forks", "50", "--confirm", &confirm])
        .current_dir(dir.path())
        .env("HOME", dir.path())
        .env("RUNBOOK_STATE_DIR", at("state"))
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("it runs");
    let text = String::from_utf8(output.stdout).expect("utf-8");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
    let finished: BTreeMap<&str, &Value> = events
        .iter()
        .filter(|event| event["type"] == "step.finished")
        .filter_map(|event| Some((event["host"].as_str()?, event)))
        .collect();
    for (name, lie, exit, server) in &servers {
        let Some(event) = finished.get(name.as_str()) else { panic!("{lie:?}: {text}") };
        let (want, why) = outcome(exit);
        assert_eq!(event["outcome"], want, "{lie:?}: {event}");
        assert_eq!(event["finding"]["code"].as_str().unwrap_or_default(), why, "{lie:?}: {event}");
        assert_eq!(server.asked.load(Ordering::Relaxed), 1, "{lie:?}");
    }
    let marked = events.iter().filter(|event| event["type"] == "host.lost" && event["class"] == "protocol-error").count();
    let hostile = servers.iter().filter(|(_, _, exit, _)| matches!(exit, Exit::Unknown { why } if why.starts_with("two-")));
    assert_eq!(marked, hostile.count(), "each that contradicts itself is marked");
    assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What a script comes to on a server that is made of another library, and what the session says of the connection then.
async fn other(does: &str) -> (Exit, Option<String>, Exit) {
    let dir = tempfile::tempdir().expect("a directory");
    let key = keygen(&dir.path().join("host"), &[]);
    keygen(&dir.path().join("user"), &[]);
    let root = env!("CARGO_MANIFEST_DIR");
    let mut command = std::process::Command::new(format!("{root}/target/tools/python/bin/python"));
    command.arg(format!("{root}/tests/it/harness/other_channel.py")).arg(dir.path().join("host")).arg(does);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the tests' python is installed");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let port: u16 = lines.next().expect("a port").expect("a line").parse().expect("a number");
    let known = dir.path().join("known_hosts");
    fs::write(&known, format!("[127.0.0.1]:{port} {key}\n")).expect("written");
    let (fleet, host) = (fleet(), host(port, &dir.path().join("user"), &known));
    let joined = fleet.connect(&host).await;
    let (mut session, _) = joined.unwrap_or_else(|fault| panic!("{fault:?}"));
    let op = Shell::authored("lie".to_owned(), ASKED.to_owned(), true).timeout(Duration::from_secs(20));
    let reply = run(&mut session, Op::Shell(op)).await;
    assert_eq!(lines.next().expect("a word").expect("a line"), "lied");
    let after = run(&mut session, look("exit 4")).await;
    let lost = session.lost().map(|(class, _)| class);
    let again = fleet.connect(&host).await.err().map(|fault| fault.finding.code);
    assert_eq!(again, lost, "whoever is hostile is left alone by everybody, and nobody else is");
    let _ = child.kill();
    let _ = child.wait();
    (reply.exit, lost, after.exit)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_for_a_channel_that_nobody_opened_is_nobodys() {
    let (exit, _, after) = other("elsewhere").await;
    assert_eq!((exit, after), (unknown("no-status"), code(4)), "and the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_granted_and_refused_makes_the_server_hostile() {
    let (exit, lost, after) = other("refuses").await;
    assert_eq!((exit, after), (unknown("two-answers"), not_started("protocol-error")));
    assert_eq!(lost.as_deref(), Some("protocol-error"));
}
