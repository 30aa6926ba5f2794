//! Scripts on the open shell, and servers that misbehave under them.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use runbook::engine::world::{Connected, Session, World};
use runbook::model::op::{Exit, HttpReply, Op, Reply, Shell, ShellReply};
use runbook::world::Fleet;
use runbook::world::ssh::session::SshSession;
use runbook::world::timeouts::Timeouts;
use tokio_util::sync::CancellationToken;

use crate::harness::server::{Server, Vice};
use crate::harness::sshd::{Sshd, fleet, fleet_with, host, keygen, timeouts};
use crate::ssh::{http, join, look, perform, shell};

pub(super) async fn join_server(fleet: &Fleet, server: &Server, dir: &Path) -> Result<(SshSession, Connected), String> {
    keygen(&dir.join("user"), &[]);
    let known = dir.join("known_hosts");
    fs::write(&known, format!("[127.0.0.1]:{} {}\n", server.port, server.host_key)).expect("written");
    let host = host(server.port, &dir.join("user"), &known);
    fleet.connect(&host).await.map_err(|fault| fault.finding.code)
}

pub(super) fn change(text: &str) -> Op {
    Op::Shell(Shell::authored("change".to_owned(), text.to_owned(), true))
}

pub(super) async fn run(session: &mut SshSession, op: Op) -> ShellReply {
    shell(&perform(session, &[op]).await[0]).clone()
}

pub(super) fn code(code: u32) -> Exit {
    Exit::Code { code }
}

pub(super) fn unknown(why: &str) -> Exit {
    Exit::Unknown { why: why.to_owned() }
}

pub(super) fn not_started(why: &str) -> Exit {
    Exit::NotStarted { why: why.to_owned() }
}

#[tokio::test]
async fn statuses_are_what_the_script_returned() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    for (text, want) in [
        ("true", code(0)),
        ("exit 7", code(7)),
        ("(exit 255)", code(255)),
        ("false", code(1)),
        ("no-such-command-here", code(127)),
        // a process killed inside the script is a status of the shell, which cannot be told from `exit 137`
        ("sh -c 'kill -9 $$'", code(137)),
        // `$$` is the shell itself: the channel says which signal ended it, and nothing of its group is left
        ("kill -9 $$", Exit::Signal { name: "KILL".to_owned() }),
        ("true", code(0)),
        ("kill -TERM $$; sleep 1", Exit::Signal { name: "TERM".to_owned() }),
        ("cat", code(0)),
    ] {
        assert_eq!(run(&mut session, change(text)).await.exit, want, "{text}");
    }
    session.close().await;
}

#[tokio::test]
async fn a_connection_that_is_cut_leaves_the_outcome_unknown() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let cut = run(&mut session, change("echo begun; kill -9 $PPID; sleep 3")).await;
    assert_eq!(cut.exit, unknown("connection-lost"));
    let after = perform(&mut session, &[look("true"), http("http://127.0.0.1:9/")]).await;
    assert_eq!(shell(&after[0]).exit, not_started("connection-lost"));
    assert!(matches!(&after[1], Reply::Http(HttpReply::Fault { class, sent: false, .. }) if class == "connection-lost"));
    assert_eq!(session.lost().map(|(class, _)| class), Some("connection-lost".to_owned()));
}

#[tokio::test]
async fn a_late_script_is_ended_with_all_its_processes() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let pids = sshd.path("pids");
    let text = r#"trap '' TERM; echo said; sh -c 'echo $$ >>"$PIDS"; sleep 60' & sleep 61 & echo $! >>"$PIDS"; wait"#;
    let late = Shell::authored("late".to_owned(), text.to_owned(), true)
        .env("PIDS", pids.to_str().expect("utf-8"))
        .timeout(Duration::from_millis(700));
    let reply = run(&mut session, Op::Shell(late)).await;
    assert_eq!(reply.exit, Exit::TimedOut);
    assert_eq!(reply.stdout.text(), Some("said\n"));
    let pids = fs::read_to_string(pids).expect("written");
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let gone = state.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'));
        assert!(gone, "{pid} is still there: {state}");
    }
    assert_eq!(run(&mut session, look("echo on")).await.stdout.text(), Some("on\n"));
    session.close().await;
}

#[tokio::test]
async fn what_comes_after_a_late_look_is_still_answered() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let late = Op::Shell(Shell::authored("late".to_owned(), "sleep 60".to_owned(), false).timeout(Duration::from_millis(500)));
    let replies = perform(&mut session, &[look("echo a"), late, look("echo b"), look("echo c")]).await;
    let exits: Vec<&Exit> = replies.iter().map(|reply| &shell(reply).exit).collect();
    assert_eq!(exits, [&code(0), &Exit::TimedOut, &code(0), &code(0)]);
    let texts: Vec<Option<&str>> = replies.iter().map(|reply| shell(reply).stdout.text()).collect();
    assert_eq!(texts, [Some("a\n"), Some(""), Some("b\n"), Some("c\n")]);
    session.close().await;
}

#[tokio::test]
async fn cancelling_ends_what_runs() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let cancel = CancellationToken::new();
    let begun = Instant::now();
    let ops = [change("echo begun; sleep 60"), change("echo never")];
    let (replies, ()) = tokio::join!(session.perform(&ops, &cancel), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        cancel.cancel();
    });
    assert_eq!(shell(&replies[0]).exit, Exit::Signal { name: "TERM".to_owned() });
    assert_eq!(shell(&replies[0]).stdout.text(), Some("begun\n"));
    assert_eq!(shell(&replies[1]).exit, not_started("cancelled"));
    assert!(begun.elapsed() < Duration::from_secs(20));
    session.close().await;
}

#[tokio::test]
async fn values_arrive_byte_for_byte() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let every: String = (1..=127_u8).map(char::from).chain(['ä', '€', '\u{202e}', '😀']).collect();
    for value in [every.as_str(), "", "'", "\n", "a\n\n", "$(id)`id`\\", "-n", "%s"] {
        let op = Shell::look("bytes", r#"printf %s "$V""#).env("V", value);
        let reply = run(&mut session, Op::Shell(op)).await;
        assert_eq!((reply.exit, reply.stdout.head.as_slice()), (code(0), value.as_bytes()), "{value:?}");
    }
    let nul = Shell::look("nul", "true").env("V", "a\0b");
    assert_eq!(run(&mut session, Op::Shell(nul)).await.exit, not_started("nul-byte"));
    // nothing of one script is seen by the next, and nothing of the protocol by any
    let clean = run(&mut session, look("printf '%s' \"${V-unset}\" $#; set | grep -c __rb_")).await;
    assert_eq!(clean.stdout.text(), Some("unset00\n"));
    session.close().await;
}

#[tokio::test]
async fn a_script_cannot_break_the_next_one() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let mean = [
        "if then (",
        "echo 'open",
        "cat <<X\nnever",
        "}",
        ")",
        "exit 3; }",
        "cd /; set -e; X=1; false",
        "exec true",
        "read line; exit $?",
    ];
    let want = format!("next\n{}\nunset\n", home_of(&mut session).await);
    for text in mean {
        let replies = perform(&mut session, &[look(text), look("echo next; pwd; echo ${X-unset}")]).await;
        assert!(matches!(shell(&replies[0]).exit, Exit::Code { .. }), "{text}: {:?}", replies[0]);
        assert_eq!(shell(&replies[1]).stdout.text(), Some(want.as_str()), "{text}");
    }
    session.close().await;
}

async fn home_of(session: &mut SshSession) -> String {
    run(session, look("pwd")).await.stdout.text().expect("a path").trim().to_owned()
}

#[tokio::test]
async fn working_directories_are_entered_or_nothing_runs() {
    let sshd = Sshd::start();
    let (mut session, connected) = join(&sshd).await;
    let odd = sshd.path("an 'odd' name");
    fs::create_dir(&odd).expect("a directory");
    let at = |cwd: &str| Op::Shell(Shell::look("pwd", "pwd -P").cwd(Some(cwd.to_owned())));
    let odd = fs::canonicalize(odd).expect("a path").display().to_string();
    assert_eq!(run(&mut session, at(&odd)).await.stdout.text(), Some(format!("{odd}\n").as_str()));
    let home = fs::canonicalize(&connected.facts.home).expect("a path").display().to_string();
    assert_eq!(run(&mut session, at("~")).await.stdout.text(), Some(format!("{home}\n").as_str()));
    assert_eq!(run(&mut session, at("/no/such/place")).await.exit, not_started("no-directory"));
    session.close().await;
}

#[tokio::test]
async fn a_background_child_does_not_delay_the_status() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let begun = Instant::now();
    let reply = run(&mut session, change("sleep 20 & echo $!; exit 3")).await;
    assert_eq!(reply.exit, code(3));
    assert!(begun.elapsed() < Duration::from_secs(5));
    let child = reply.stdout.text().expect("a pid").trim().to_owned();
    assert_eq!(run(&mut session, Op::Shell(Shell::look("end", "kill \"$P\"").env("P", child))).await.exit, code(0));
    session.close().await;
}

#[tokio::test]
async fn long_output_is_bounded_and_counted() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let text = "head -c 50000000 /dev/zero | tr '\\0' x; head -c 3000000 /dev/zero | tr '\\0' y >&2; echo end";
    let reply =
        run(&mut session, Op::Shell(Shell::authored("much".to_owned(), text.to_owned(), false).timeout(Duration::from_secs(60))))
            .await;
    assert_eq!(reply.exit, code(0));
    assert_eq!((reply.stdout.total, reply.stderr.total), (50_000_004, 3_000_000));
    assert_eq!((reply.stdout.head.len(), reply.stdout.tail.len()), (256 * 1024, 256 * 1024));
    assert!(reply.stdout.tail.ends_with(b"xend\n"));
    session.close().await;
}

#[tokio::test]
async fn keys_are_exchanged_again_in_the_middle_and_nothing_is_lost() {
    for ciphers in ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"] {
        let sshd = Sshd::with(&format!("RekeyLimit 64K\nCiphers {ciphers}\nLogLevel DEBUG1\n"));
        let (mut session, _) = join(&sshd).await;
        let text = "head -c 3000000 /dev/zero | tr '\\0' x; echo end";
        let reply = run(&mut session, change(text)).await;
        assert_eq!((reply.exit, reply.stdout.total), (code(0), 3_000_004), "{ciphers}: {:?}", session.lost());
        assert_eq!(run(&mut session, look("exit 4")).await.exit, code(4), "{ciphers}");
        session.close().await;
        let exchanges = sshd.log().matches("SSH2_MSG_NEWKEYS received").count();
        assert!(exchanges > 2, "{ciphers}: keys were exchanged {exchanges} times");
    }
}

#[tokio::test]
async fn noise_of_login_shells_is_told_apart() {
    let sshd = Sshd::with(r#"ForceCommand echo "Welcome, begin end"; echo more >&2; exec sh -c "$SSH_ORIGINAL_COMMAND""#);
    let (mut session, _) = join(&sshd).await;
    let reply = run(&mut session, look("echo out; echo err >&2")).await;
    assert_eq!((reply.stdout.text(), reply.stderr.text()), (Some("out\n"), Some("err\n")));
    session.close().await;
}

#[tokio::test]
async fn servers_that_misbehave_are_not_believed() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| {
        let dir = dir.path().join(name);
        fs::create_dir(&dir).expect("a directory");
        dir
    };
    let server = Server::start(Vice::None).await;
    let (mut session, _) = join_server(&fleet(), &server, &at("good")).await.expect("connected");
    assert_eq!(run(&mut session, look("echo on; exit 4")).await.exit, code(4));

    let server = Server::start(Vice::NoStatus).await;
    let (mut session, _) = join_server(&fleet(), &server, &at("status")).await.expect("connected");
    assert_eq!(run(&mut session, change("echo half; kill -9 $$")).await.exit, unknown("no-status"));
    assert_eq!(run(&mut session, look("echo on")).await.exit, code(0));

    let server = Server::start(Vice::OneChannel).await;
    let (mut session, _) = join_server(&fleet(), &server, &at("one")).await.expect("connected");
    let late = Shell::authored("late".to_owned(), "sleep 5".to_owned(), true).timeout(Duration::from_millis(300));
    assert_eq!(run(&mut session, Op::Shell(late)).await.exit, unknown("timeout-unconfirmed"));
    assert_eq!(run(&mut session, look("true")).await.exit, not_started("channel-refused"));

    let server = Server::start(Vice::RefuseExec).await;
    let fault = join_server(&fleet(), &server, &at("refuse")).await.err();
    assert_eq!(fault.as_deref(), Some("exec-refused"));

    let server = Server::start(Vice::MuteExec).await;
    let limits = Timeouts { exec_reply: Duration::from_millis(300), ..timeouts() };
    let fault = join_server(&fleet_with(limits), &server, &at("mute")).await.err();
    assert_eq!(fault.as_deref(), Some("exec-timeout"));
}

#[tokio::test]
async fn channels_opened_by_the_server_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut server = Server::start(Vice::OpensChannels).await;
    let (session, _) = join_server(&fleet(), &server, dir.path()).await.expect("connected");
    let mut seen = Vec::new();
    for _ in 0..7 {
        let word = tokio::time::timeout(Duration::from_secs(10), server.opened.recv()).await;
        seen.push(word.expect("in time").expect("a word"));
    }
    let kinds = ["agent", "session", "direct-tcpip", "direct-streamlocal", "forwarded-tcpip", "forwarded-streamlocal", "x11"];
    assert_eq!(seen, kinds.map(|kind| format!("{kind} refused")));
    session.close().await;
}
