//! SSH against a real sshd, and against servers that misbehave: no status is ever made up.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use runbook::engine::world::{Connected, Session, World};
use runbook::model::op::{
    Exit, HttpAnswer, HttpCall, HttpFrom, HttpMethod, HttpReply, Op, Pm2Call, Pm2Method, Pm2Reply, Reply, Shell, ShellReply,
};
use runbook::world::Fleet;
use runbook::world::ssh::known_hosts::{HostFile, Marker};
use runbook::world::ssh::session::SshSession;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::harness::server::{Server, Vice};
use crate::harness::sshd::{Sshd, fleet, fleet_with, free_port, host, keygen, timeouts};

async fn join(sshd: &Sshd) -> (SshSession, Connected) {
    match fleet().connect(&sshd.host()).await {
        Ok(joined) => joined,
        Err(fault) => panic!("{fault:?}\n{}", sshd.log()),
    }
}

async fn join_server(fleet: &Fleet, server: &Server, dir: &Path) -> Result<(SshSession, Connected), String> {
    keygen(&dir.join("user"), &[]);
    let known = dir.join("known_hosts");
    fs::write(&known, format!("[127.0.0.1]:{} {}\n", server.port, server.host_key)).expect("written");
    let host = host(server.port, &dir.join("user"), &known);
    fleet.connect(&host).await.map_err(|fault| fault.finding.code)
}

/// The class of the fault that connecting comes to.
async fn class(sshd: &Sshd) -> String {
    match fleet().connect(&sshd.host()).await {
        Ok(_) => "connected".to_owned(),
        Err(fault) => fault.finding.code,
    }
}

async fn perform(session: &mut SshSession, ops: &[Op]) -> Vec<Reply> {
    session.perform(ops, &CancellationToken::new()).await
}

fn look(text: &str) -> Op {
    Op::Shell(Shell::authored("look".to_owned(), text.to_owned(), false))
}

fn change(text: &str) -> Op {
    Op::Shell(Shell::authored("change".to_owned(), text.to_owned(), true))
}

fn shell(reply: &Reply) -> &ShellReply {
    match reply {
        Reply::Shell(reply) => reply,
        other => panic!("no reply of a shell: {other:?}"),
    }
}

async fn run(session: &mut SshSession, op: Op) -> ShellReply {
    shell(&perform(session, &[op]).await[0]).clone()
}

fn code(code: u32) -> Exit {
    Exit::Code { code }
}

fn unknown(why: &str) -> Exit {
    Exit::Unknown { why: why.to_owned() }
}

fn not_started(why: &str) -> Exit {
    Exit::NotStarted { why: why.to_owned() }
}

#[tokio::test]
async fn a_connection_tells_who_answers() {
    let sshd = Sshd::start();
    let (session, connected) = join(&sshd).await;
    let uname = |flag: &str| {
        let output = Command::new("uname").arg(flag).output().expect("uname");
        String::from_utf8(output.stdout).expect("utf-8").trim().to_owned()
    };
    assert_eq!(connected.key_type, "ssh-ed25519");
    assert_eq!(connected.facts.os, uname("-s"));
    assert_eq!(connected.facts.arch, uname("-m"));
    assert_eq!(connected.facts.hostname, uname("-n"));
    assert_eq!(connected.facts.uid, rustix::process::getuid().as_raw());
    assert!(connected.facts.home.starts_with('/'));
    // it is this very machine: the skew is nothing, give or take half the round trip and a rounded millisecond
    assert!(connected.facts.skew_ms.unsigned_abs() <= connected.facts.skew_err_ms + 2, "{:?}", connected.facts);
    assert_eq!(session.lost(), None);
    session.close().await;
}

#[tokio::test]
async fn host_keys_are_strict() {
    let sshd = Sshd::start();
    let name = format!("[127.0.0.1]:{}", sshd.port);
    let (own, other) = (sshd.host_key("ed25519"), keygen(&sshd.path("other"), &[]));
    let rsa = keygen(&sshd.path("rsa"), &["-t", "rsa", "-b", "2048", "-N", ""]);
    for (known_hosts, want) in [
        (format!("{name} {own}"), "connected"),
        (format!("127.0.0.1 {own}"), "connected"),
        (format!("{name} {}", sshd.host_key("ecdsa")), "connected"),
        (String::new(), "host-key-unknown"),
        (format!("127.0.0.1 {other}"), "host-key-unknown"),
        (format!("@cert-authority * {other}"), "host-key-unknown"),
        (format!("{name} {other}"), "host-key-changed"),
        (format!("{name} {rsa}"), "host-key-changed"),
        (format!("{name} {own}\n@revoked * {own}"), "host-key-revoked"),
    ] {
        sshd.record(&known_hosts);
        assert_eq!(class(&sshd).await, want, "{known_hosts}");
    }
    fs::remove_file(sshd.path("known_hosts")).expect("removed");
    assert_eq!(class(&sshd).await, "known-hosts");
    fs::create_dir(sshd.path("known_hosts")).expect("a directory");
    assert_eq!(class(&sshd).await, "known-hosts");
}

#[tokio::test]
async fn an_alias_is_looked_up_instead_of_the_address() {
    let sshd = Sshd::start();
    sshd.record(&format!("i-0a1 {}", sshd.host_key("ed25519")));
    let mut host = sshd.host();
    assert_eq!(fleet().connect(&host).await.err().map(|f| f.finding.code), Some("host-key-unknown".to_owned()));
    host.host_key_alias = Some("i-0a1".to_owned());
    assert!(fleet().connect(&host).await.is_ok());
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_named() {
    let sshd = Sshd::start();
    keygen(&sshd.path("locked"), &["-t", "ed25519", "-N", "secret"]);
    keygen(&sshd.path("stranger"), &[]);
    fs::copy(sshd.path("user"), sshd.path("open")).expect("copied");
    fs::set_permissions(sshd.path("open"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("a mode");
    fs::write(sshd.path("garbage"), "no key").expect("written");
    fs::set_permissions(sshd.path("garbage"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
    for (name, want) in [
        ("locked", "key-encrypted"),
        ("open", "key-mode"),
        ("garbage", "key-unreadable"),
        ("nothing", "key-missing"),
        ("stranger", "auth-denied"),
    ] {
        let mut host = sshd.host();
        host.identity = Some(sshd.path(name));
        assert_eq!(fleet().connect(&host).await.err().map(|f| f.finding.code), Some(want.to_owned()), "{name}");
    }
    let mut host = sshd.host();
    host.identity = None;
    assert_eq!(fleet().connect(&host).await.err().map(|f| f.finding.code), Some("no-key".to_owned()));
}

#[tokio::test]
async fn rsa_keys_sign_with_sha_2() {
    let sshd = Sshd::start();
    let public = keygen(&sshd.path("rsa"), &["-t", "rsa", "-b", "2048", "-N", ""]);
    fs::write(sshd.path("authorized_keys"), public + "\n").expect("written");
    let mut host = sshd.host();
    host.identity = Some(sshd.path("rsa"));
    let joined = fleet().connect(&host).await;
    assert!(joined.is_ok(), "{:?}", joined.err());
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
async fn noise_of_login_shells_is_told_apart() {
    let sshd = Sshd::with(r#"ForceCommand echo "Welcome, begin end"; echo more >&2; exec sh -c "$SSH_ORIGINAL_COMMAND""#);
    let (mut session, _) = join(&sshd).await;
    let reply = run(&mut session, look("echo out; echo err >&2")).await;
    assert_eq!((reply.stdout.text(), reply.stderr.text()), (Some("out\n"), Some("err\n")));
    session.close().await;
}

#[tokio::test]
async fn what_is_no_shell_is_said_to_be_none() {
    for (command, want, said) in [
        ("echo This is a menu", "forced-command", "This is a menu"),
        ("echo not available; exit 1", "no-shell", "not available"),
        ("bash -r -c \"$SSH_ORIGINAL_COMMAND\"", "no-shell", "restricted"),
    ] {
        let sshd = Sshd::with(&format!("ForceCommand {command}"));
        let fault = fleet().connect(&sshd.host()).await.err().expect("a fault").finding;
        assert_eq!(fault.code, want, "{command}");
        assert!(fault.summary.contains(said), "{}", fault.summary);
    }
    // it echoes what it is sent, which must prove nothing
    let sshd = Sshd::with("ForceCommand cat");
    let fleet = fleet_with(runbook::world::timeouts::Timeouts { shell: Duration::from_secs(1), ..timeouts() });
    assert_eq!(fleet.connect(&sshd.host()).await.err().map(|f| f.finding.code), Some("forced-command".to_owned()));
}

fn http(url: &str) -> Op {
    let timeout = Duration::from_secs(5);
    Op::Http(HttpCall { from: HttpFrom::Host, method: HttpMethod::Get, url: url.to_owned(), timeout })
}

/// Answers one request after the other with the given bytes; ends with the last one.
fn answers(replies: Vec<&'static [u8]>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for reply in replies {
            let (mut tcp, _) = listener.accept().expect("a connection");
            let mut seen = Vec::new();
            let mut chunk = [0; 1024];
            while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
                match tcp.read(&mut chunk) {
                    Ok(count) if count > 0 => seen.extend_from_slice(&chunk[..count]),
                    _ => break,
                }
            }
            let _ = tcp.write_all(reply);
        }
    });
    port
}

#[tokio::test]
async fn http_is_asked_from_the_host() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let good = b"HTTP/1.1 503 Busy\r\nX-Why: Because\r\nContent-Length: 4\r\n\r\nbody";
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nbody";
    let port = answers(vec![good, cut, b"not http at all\r\n\r\n", b""]);
    let url = format!("http://127.0.0.1:{port}/health");
    let closed = format!("http://127.0.0.1:{}/", free_port());
    let mut classes = Vec::new();
    for (index, url) in [&url, &url, &url, &url, &closed, "http://10.0.0.1/"].into_iter().enumerate() {
        match &perform(&mut session, &[http(url)]).await[0] {
            Reply::Http(HttpReply::Answer(answer)) if index == 0 => {
                let HttpAnswer { status, headers, body, .. } = answer;
                assert_eq!((*status, body.as_slice()), (503, &b"body"[..]));
                assert_eq!(headers[0], ("x-why".to_owned(), "Because".to_owned()));
            }
            Reply::Http(HttpReply::Fault { class, sent, .. }) => classes.push((class.clone(), *sent)),
            other => panic!("{other:?}"),
        }
    }
    let want = [("reset", true), ("not-http", true), ("reset", true), ("refused", false), ("forbidden", false)];
    assert_eq!(classes, want.map(|(class, sent)| (class.to_owned(), sent)));
    session.close().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_a_silent_server_is_late() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    let large: &'static [u8] = Box::leak([&head[..], &vec![b'x'; 2 * 1024 * 1024]].concat().into_boxed_slice());
    let port = answers(vec![large]);
    let reply = perform(&mut session, &[http(&format!("http://127.0.0.1:{port}/"))]).await;
    assert!(matches!(&reply[0], Reply::Http(HttpReply::Fault { class, sent: true, .. }) if class == "too-large"));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://127.0.0.1:{}/", silent.local_addr().expect("an address").port());
    let call = HttpCall { from: HttpFrom::Host, method: HttpMethod::Get, url, timeout: Duration::from_millis(400) };
    // the shell is not held up by it
    let replies = perform(&mut session, &[Op::Http(call), look("echo on")]).await;
    assert!(matches!(&replies[0], Reply::Http(HttpReply::Fault { class, sent: true, .. }) if class == "timeout"));
    assert_eq!(shell(&replies[1]).stdout.text(), Some("on\n"));
    session.close().await;
}

/// A daemon that answers one call with `reply`, where it has one.
fn daemon(path: &Path, reply: Option<Vec<u8>>) {
    let listener = UnixListener::bind(path).expect("a socket");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 1024];
        let count = stream.read(&mut request).expect("a request");
        assert_eq!(request[0], 0x12);
        assert!(request[..count].ends_with(b"s:rb:0"));
        match reply {
            Some(reply) => stream.write_all(&reply).expect("written"),
            None => drop(stream.read(&mut request)),
        }
    });
}

fn message(body: &str) -> Vec<u8> {
    let mut frame = vec![0x12];
    for part in [body, "s:rb:0"] {
        frame.extend_from_slice(&u32::try_from(part.len()).expect("short").to_be_bytes());
        frame.extend_from_slice(part.as_bytes());
    }
    frame
}

#[tokio::test]
async fn pm2_is_read_through_its_socket() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let list = r#"j:{"args":[[{"pid":7,"name":"api","pm2_env":{"status":"online","env":{"PORT":"3000","SECRET":"x"}}}]]}"#;
    let want = json!([{ "pid": 7, "name": "api", "pm2_env": { "status": "online", "PORT": "3000" } }]);
    let class = |class: &str| Err(class.to_owned());
    for (name, reply, want) in [
        ("good", Some(Some(message(list))), Ok(want)),
        ("mute", Some(None), class("no-reply")),
        ("other", Some(Some(b"HTTP/1.1 400\r\n".to_vec())), class("not-pm2")),
        ("none", None, class("no-connect")),
    ] {
        let home = sshd.path(name);
        fs::create_dir(&home).expect("a directory");
        if let Some(reply) = reply {
            daemon(&home.join("rpc.sock"), reply);
        }
        let home = home.display().to_string();
        let call = Pm2Call { home, method: Pm2Method::Processes, timeout: Duration::from_millis(700) };
        let got = match &perform(&mut session, &[Op::Pm2(call)]).await[0] {
            Reply::Pm2(Pm2Reply::Answer { value }) => Ok(value.clone()),
            Reply::Pm2(Pm2Reply::Fault { class, .. }) => Err(class.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(got, want, "{name}");
    }
    session.close().await;
}

#[tokio::test]
async fn every_phase_has_its_own_class() {
    let dir = tempfile::tempdir().expect("a directory");
    keygen(&dir.path().join("user"), &[]);
    fs::write(dir.path().join("known_hosts"), "").expect("written");
    let at = |port: u16| host(port, &dir.path().join("user"), &dir.path().join("known_hosts"));
    let fleet = fleet();
    let fault = async |port: u16| fleet.connect(&at(port)).await.err().map(|fault| fault.finding.code);

    assert_eq!(fault(free_port()).await.as_deref(), Some("refused"));
    let mute = TcpListener::bind("127.0.0.1:0").expect("a port");
    assert_eq!(fault(mute.local_addr().expect("an address").port()).await.as_deref(), Some("banner-timeout"));
    for (said, want) in [
        (&b""[..], "throttled"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not-ssh"),
        (b"SSH-1.5-old\r\n", "protocol-version"),
        (b"Exceeded MaxStartups\r\n", "throttled"),
        (b"Not allowed at this time\r\n", "penalised"),
        (b"SSH-2.0-x\r\n", "kex-lost"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = std::thread::spawn(move || {
            let (mut tcp, _) = listener.accept().expect("a connection");
            tcp.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
            let mut theirs = [0; 64];
            // their identification must be read, or closing would reset the connection
            let _ = tcp.read(&mut theirs);
            tcp.write_all(said).expect("written");
            if said.starts_with(b"SSH-2") {
                let _ = tcp.read(&mut [0; 4096]);
            }
        });
        assert_eq!(fault(port).await.as_deref(), Some(want), "{}", said.escape_ascii());
        server.join().expect("ended");
    }
    let mut nowhere = at(22);
    nowhere.address = "no-such-host.invalid".to_owned();
    let code = fleet.connect(&nowhere).await.err().map(|fault| fault.finding.code).expect("a fault");
    assert!(code == "dns" || code == "dns-timeout", "{code}");
}

#[tokio::test]
async fn a_stalled_key_exchange_leaves_no_socket() {
    let dir = tempfile::tempdir().expect("a directory");
    keygen(&dir.path().join("user"), &[]);
    fs::write(dir.path().join("known_hosts"), "").expect("written");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = std::thread::spawn(move || {
        let (mut tcp, _) = listener.accept().expect("a connection");
        tcp.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        tcp.write_all(b"SSH-2.0-stall\r\n").expect("written");
        // the end of the stream shows that the other side let go of the socket
        let mut rest = Vec::new();
        tcp.read_to_end(&mut rest).map(|_| ()).map_err(|error| error.kind())
    });
    let limits = runbook::world::timeouts::Timeouts { key_exchange: Duration::from_millis(300), ..timeouts() };
    let host = host(port, &dir.path().join("user"), &dir.path().join("known_hosts"));
    let fault = fleet_with(limits).connect(&host).await.err().map(|fault| fault.finding.code);
    assert_eq!(fault.as_deref(), Some("kex-timeout"));
    assert_eq!(tokio::task::spawn_blocking(|| server.join().expect("ended")).await.expect("joined"), Ok(()));
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
    let limits = runbook::world::timeouts::Timeouts { exec_reply: Duration::from_millis(300), ..timeouts() };
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

/// Which lines speak of a name, as `ssh-keygen -F` sees them.
fn keygen_find(path: &Path, name: &str) -> Vec<(usize, Marker)> {
    let output = Command::new("ssh-keygen").args(["-l", "-F", name, "-f"]).arg(path).output().expect("ssh-keygen");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().filter_map(|line| line.strip_prefix("# Host ")?.split_once(" found: line "));
    found
        .map(|(_, rest)| {
            let (number, mark) = rest.split_once(' ').unwrap_or((rest, ""));
            let marker = match mark.trim() {
                "CA" => Marker::Authority,
                "REVOKED" => Marker::Revoked,
                _ => Marker::Plain,
            };
            (number.parse().expect("a number"), marker)
        })
        .collect()
}

#[test]
fn known_hosts_are_read_as_openssh_reads_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = [
        keygen(&dir.path().join("a"), &[]),
        keygen(&dir.path().join("b"), &["-t", "ecdsa", "-N", ""]),
        keygen(&dir.path().join("c"), &["-t", "rsa", "-b", "2048", "-N", ""]),
        "ssh-ed25519 AAAA".to_owned(),
        "ssh-future AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ".to_owned(),
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ".to_owned(),
        String::new(),
    ];
    let names = ["web", "web.example.org", "WEB", "10.0.0.1", "[web]:2222", "[10.0.0.1]:2222", "::1", "x"];
    let patterns = [
        "web",
        "Web",
        "w*",
        "*",
        "?eb",
        "*,!web",
        "!web,*",
        "web,10.0.0.1",
        "10.0.0.*",
        "[web]:2222",
        "[*]:2222",
        "*.example.org",
        "!*",
        "",
        ",",
        "|1|bad|bad",
        "x,,web",
        "web,",
        "HASHED",
    ];
    let before =
        ["", " ", "\t", "# ", "@revoked ", "@cert-authority ", "@revoked  ", "@strange ", "@revoked @revoked ", "@", "\\"];
    let gaps = [" ", "\t", "  ", " \t ", ""];
    let after = ["", " comment", " a comment", "\r", "\t", " # x", "="];
    // hashed by OpenSSH itself
    let plain = dir.path().join("plain");
    fs::write(&plain, format!("web {}\n", keys[0])).expect("written");
    let hashing = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&plain).output().expect("ssh-keygen");
    assert!(hashing.status.success());
    let hashed = fs::read_to_string(&plain).expect("read").split(' ').next().expect("a name").to_owned();

    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = |count: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % count as u64).expect("small")
    };
    let path = dir.path().join("known_hosts");
    for round in 0..60 {
        let mut content = String::new();
        for _ in 0..30 {
            let pattern = patterns[pick(patterns.len())].replace("HASHED", &hashed);
            let (front, key) = (before[pick(before.len())], &keys[pick(keys.len())]);
            let gap = if pick(4) == 0 { gaps[pick(gaps.len())] } else { " " };
            content.push_str(&format!("{front}{pattern}{gap}{}{}\n", key.replacen(' ', gap, 1), after[pick(after.len())]));
        }
        fs::write(&path, &content).expect("written");
        let file = HostFile::parse(&path, content.as_bytes());
        for name in names {
            let ours: Vec<(usize, Marker)> = file.entries(name).iter().map(|e| (e.line, e.marker)).collect();
            assert_eq!(ours, keygen_find(&path, name), "round {round}, {name}, in\n{content}");
        }
    }
}
