//! Connections and processes that end, stall or stay in the middle of a script.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use runbook::engine::world::{Connected, Session, World};
use runbook::model::op::{Exit, Op, Shell, ShellReply};
use runbook::world::ssh::session::SshSession;
use runbook::world::timeouts::Timeouts;
use tokio_util::sync::CancellationToken;

use crate::harness::between::{Between, Passage};
use crate::harness::sshd::{Sshd, fleet_with, timeouts};
use crate::ssh::scripts::{change, code, not_started, run, unknown};
use crate::ssh::{join, look, perform, shell};

/// A connection through a relay, with quick keepalives.
async fn through(between: &Between, sshd: &Sshd) -> (SshSession, Connected) {
    let mut host = sshd.host();
    host.port = between.port;
    sshd.record(&format!("[127.0.0.1]:{} {}", between.port, sshd.host_key("ed25519")));
    let limits = Timeouts { keepalive: Duration::from_millis(400), ..timeouts() };
    fleet_with(limits).connect(&host).await.unwrap_or_else(|fault| panic!("{fault:?}\n{}", sshd.log()))
}

/// Until a script has written there that it has begun.
async fn begun(path: &Path) {
    let until = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < until, "it has not begun");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Does something to the passage once a script has begun, and returns the script's reply.
async fn meanwhile(session: &mut SshSession, text: &str, at: &Path, act: impl AsyncFnOnce()) -> ShellReply {
    let op = Shell::authored("change".to_owned(), text.to_owned(), true).env("AT", at.to_str().expect("utf-8"));
    let op = op.timeout(Duration::from_secs(60));
    let (reply, ()) = tokio::join!(run(session, Op::Shell(op)), async {
        begun(at).await;
        act().await;
    });
    reply
}

#[tokio::test]
async fn a_reset_or_an_end_in_the_middle_leaves_the_outcome_unknown_and_runs_on() {
    for passage in [Passage::Cut, Passage::Finished] {
        let sshd = Sshd::start();
        let between = Between::of(sshd.port).await;
        let (mut session, _) = through(&between, &sshd).await;
        let (at, done) = (sshd.path("begun"), sshd.path("done"));
        let text = format!("echo x >>\"$AT\"; sleep 1; echo x >>'{}'", done.display());
        let reply = meanwhile(&mut session, &text, &at, async || between.set(passage)).await;
        assert_eq!(reply.exit, unknown("connection-lost"), "{passage:?}");
        assert_eq!(session.lost().map(|(class, _)| class).as_deref(), Some("connection-lost"));
        assert_eq!(run(&mut session, look("true")).await.exit, not_started("connection-lost"));
        begun(&done).await;
        assert_eq!(fs::read_to_string(&at).expect("written"), "x\n", "{passage:?}: once, and it ran to its end");
        assert_eq!(between.accepted.load(Ordering::Relaxed), 1, "{passage:?}");
    }
}

#[tokio::test]
async fn a_silent_connection_is_given_up_by_keepalives() {
    let sshd = Sshd::start();
    let between = Between::of(sshd.port).await;
    let (mut session, _) = through(&between, &sshd).await;
    let at = sshd.path("begun");
    let reply = meanwhile(&mut session, "echo x >\"$AT\"; sleep 30", &at, async || between.set(Passage::Stalled)).await;
    // long before it would have ended, and before its own deadline
    assert_eq!(reply.exit, unknown("connection-lost"));
}

#[tokio::test]
async fn a_partition_that_heals_in_time_loses_nothing() {
    let sshd = Sshd::start();
    let between = Between::of(sshd.port).await;
    let mut host = sshd.host();
    host.port = between.port;
    sshd.record(&format!("[127.0.0.1]:{} {}", between.port, sshd.host_key("ed25519")));
    let (mut session, _) = fleet_with(timeouts()).connect(&host).await.expect("connected");
    let at = sshd.path("begun");
    let text = "echo x >\"$AT\"; for n in 1 2 3 4 5 6; do echo $n; sleep 0.2; done; exit 3";
    let heal = async || {
        between.set(Passage::Stalled);
        tokio::time::sleep(Duration::from_secs(3)).await;
        between.set(Passage::Open);
    };
    let reply = meanwhile(&mut session, text, &at, heal).await;
    assert_eq!((reply.exit, reply.stdout.text()), (code(3), Some("1\n2\n3\n4\n5\n6\n")));
    assert_eq!(session.lost(), None);
}

#[tokio::test]
async fn a_session_of_the_server_that_is_killed_leaves_the_outcome_unknown() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let parent = run(&mut session, look("echo $PPID")).await;
    let pid: i32 = parent.stdout.text().expect("a pid").trim().parse().expect("a number");
    let at = sshd.path("begun");
    let reply = meanwhile(&mut session, "echo x >\"$AT\"; sleep 3", &at, async || {
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("sent");
    })
    .await;
    assert_eq!(reply.exit, unknown("connection-lost"));
}

#[tokio::test]
async fn a_shell_whose_processes_are_all_killed_has_no_status() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    // as the kernel does where memory is short: what is left is asked for on a second channel
    let reply = run(&mut session, change("echo half; kill -KILL 0; sleep 5")).await;
    assert_eq!(reply.exit, Exit::Signal { name: "KILL".to_owned() });
    assert_eq!(reply.stdout.text(), Some("half\n"));
    // a command that the kernel kills is a status of the shell: 128 and the signal
    assert_eq!(run(&mut session, change("sh -c 'kill -SEGV $$'")).await.exit, code(139));
    let limit = "ulimit -u 1; (true) 2>/dev/null || exit 11; ulimit -v 1; exec sh -c true";
    let exit = run(&mut session, change(limit)).await.exit;
    assert!(matches!(exit, Exit::Code { code: 1..=255 }), "what cannot be started is no success: {exit:?}");
    assert_eq!(run(&mut session, look("exit 4")).await.exit, code(4));
}

#[tokio::test]
async fn a_stopped_child_is_ended_too() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let at = sshd.path("pid");
    let text = "sleep 60 & echo $! >\"$AT\"; kill -STOP $!; wait";
    let op = Shell::authored("stopped".to_owned(), text.to_owned(), true).env("AT", at.to_str().expect("utf-8"));
    let reply = run(&mut session, Op::Shell(op.timeout(Duration::from_millis(700)))).await;
    assert_eq!(reply.exit, Exit::TimedOut);
    assert!(!reply.stdout.held && !reply.stderr.held);
    let pid = fs::read_to_string(at).expect("written");
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z')), "{state}");
}

#[tokio::test]
async fn a_child_that_left_its_group_is_told_where_it_is_seen() {
    let sshd = Sshd::start();
    let limits = Timeouts { drain: Duration::from_millis(700), ..timeouts() };
    let (mut session, _) = fleet_with(limits).connect(&sshd.host()).await.expect("connected");
    let at = sshd.path("pid");
    let mut late = async |text: &str| {
        let _ = fs::remove_file(&at);
        let op = Shell::authored("left".to_owned(), text.to_owned(), true).env("AT", at.to_str().expect("utf-8"));
        let reply = run(&mut session, Op::Shell(op.timeout(Duration::from_millis(900)))).await;
        (reply, fs::read_to_string(&at).expect("written").trim().to_owned())
    };
    let (reply, pid) = late("setsid sh -c 'echo $$ >\"$AT\"; sleep 20' & sleep 60").await;
    assert_eq!((reply.exit, reply.stdout.held), (unknown("timeout-unconfirmed"), true), "it holds the output");
    assert!(Path::new(&format!("/proc/{pid}")).exists(), "it was not in the group");
    let (hidden, second) = late("setsid sh -c 'echo $$ >\"$AT\"; sleep 20' >/dev/null 2>&1 & sleep 60").await;
    assert_eq!((hidden.exit, hidden.stdout.held), (Exit::TimedOut, false), "nobody can see it");
    for pid in [pid, second] {
        let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

#[tokio::test]
async fn where_one_session_is_allowed_a_late_script_is_unknown_and_nobody_connects_again() {
    let sshd = Sshd::with("MaxSessions 1");
    let between = Between::of(sshd.port).await;
    let (mut session, _) = through(&between, &sshd).await;
    assert_eq!(run(&mut session, change("exit 3")).await.exit, code(3));
    let late = Shell::authored("late".to_owned(), "sleep 4".to_owned(), true).timeout(Duration::from_millis(500));
    assert_eq!(run(&mut session, Op::Shell(late)).await.exit, unknown("timeout-unconfirmed"));
    assert_eq!(run(&mut session, look("true")).await.exit, not_started("channel-refused"));
    assert_eq!(between.accepted.load(Ordering::Relaxed), 1, "never a second connection");
    assert_eq!(session.lost(), None);
}

#[tokio::test]
async fn where_one_session_is_allowed_a_script_may_leave_a_child_behind() {
    let sshd = Sshd::with("MaxSessions 1");
    let (mut session, _) = join(&sshd).await;
    let reply = run(&mut session, change("sleep 15 & echo $!")).await;
    assert_eq!((reply.exit, reply.stdout.held), (code(0), true));
    let replies = perform(&mut session, &[look("echo on"), look("echo on")]).await;
    for reply in &replies {
        assert_eq!((&shell(reply).exit, shell(reply).stdout.text()), (&code(0), Some("on\n")));
    }
    let pid = reply.stdout.text().expect("a pid").trim().to_owned();
    run(&mut session, Op::Shell(Shell::look("end", "kill \"$P\"").env("P", pid))).await;
}

#[tokio::test]
async fn late_words_are_nobody_elses_output() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let text = "late() { n=0; while [ $n -lt 60 ]; do echo late; sleep 0.05; n=$((n + 1)); done; }; late & late >&2 & exit 3";
    let reply = run(&mut session, change(text)).await;
    assert_eq!((reply.exit, reply.stdout.held, reply.stderr.held), (code(3), true, true));
    for _ in 0..5 {
        let replies = perform(&mut session, &[look("sleep 0.1; echo on"), look("echo two >&2")]).await;
        let of = |n: usize| (shell(&replies[n]).stdout.text(), shell(&replies[n]).stderr.text());
        assert_eq!((of(0), of(1)), ((Some("on\n"), Some("")), (Some(""), Some("two\n"))));
    }
    // what closes its output behind itself is not seen, and nothing is said of it
    let quiet = run(&mut session, change("sleep 1 >/dev/null 2>&1 & exit 0")).await;
    assert_eq!((quiet.exit, quiet.stdout.held, quiet.stderr.held), (code(0), false, false));
    let one = run(&mut session, change("sleep 1 2>/dev/null & exit 0")).await;
    assert_eq!((one.stdout.held, one.stderr.held), (true, false));
    session.close().await;
}

#[tokio::test]
async fn what_another_user_left_behind_is_seen_too() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let as_nobody = |text: &str| {
        let mut op = change(text);
        op.equip(Some("nobody"), &[]);
        op
    };
    let reply = run(&mut session, as_nobody("(sleep 3; echo late) & exit 7")).await;
    assert_eq!((reply.exit, reply.stdout.held), (code(7), true));
    let reply = run(&mut session, as_nobody("id -un")).await;
    assert_eq!((reply.exit, reply.stdout.text(), reply.stdout.held), (code(0), Some("nobody\n"), false));
}

#[tokio::test]
async fn cancelling_a_silent_connection_ends_soon_and_says_that_nothing_is_known() {
    let sshd = Sshd::start();
    let between = Between::of(sshd.port).await;
    let (mut session, _) = through(&between, &sshd).await;
    let at = sshd.path("begun");
    let text = format!("echo x >'{}'; sleep 30", at.display());
    let cancel = CancellationToken::new();
    let (replies, ()) = tokio::join!(async { session.perform(&[change(&text)], &cancel).await }, async {
        begun(&at).await;
        between.set(Passage::Stalled);
        cancel.cancel();
    });
    assert!(matches!(&shell(&replies[0]).exit, Exit::Unknown { .. }), "{replies:?}");
}
