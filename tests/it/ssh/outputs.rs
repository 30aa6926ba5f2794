//! What comes back: long, without lines, without text, late, on one stream alone.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use runbook::engine::world::Session;
use runbook::model::op::{Op, Shell};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::sshd::Sshd;
use crate::ssh::scripts::{change, code, run};
use crate::ssh::{join, look};

const KEPT: usize = 256 * 1024;

fn within(text: &str, seconds: u64) -> Op {
    Op::Shell(Shell::authored("much".to_owned(), text.to_owned(), true).timeout(Duration::from_secs(seconds)))
}

/// What this process holds in memory, in bytes.
fn resident() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("a file");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    line.split_whitespace().nth(1).expect("a number").parse::<u64>().expect("a number") * 1024
}

fn sha256(text: &str) -> String {
    let output = Command::new("sh").args(["-c", &format!("({text}) | sha256sum")]).output().expect("it runs");
    String::from_utf8(output.stdout).expect("utf-8")[..64].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_counted_and_hashed_in_flat_memory() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let flood = "yes 0123456789abcdef | head -c 1000000000";
    run(&mut session, within("yes | head -c 20000000", 60)).await;
    let before = resident();
    let (reply, most) = {
        let work = run(&mut session, within(flood, 150));
        tokio::pin!(work);
        let mut most = before;
        loop {
            tokio::select! {
                reply = &mut work => break (reply, most),
                () = tokio::time::sleep(Duration::from_millis(50)) => most = most.max(resident()),
            }
        }
    };
    assert_eq!((reply.exit, reply.stdout.total, reply.stderr.total), (code(0), 1_000_000_000, 0));
    assert_eq!((reply.stdout.head.len(), reply.stdout.tail.len()), (KEPT, KEPT));
    assert_eq!(reply.stdout.sha256.as_deref(), Some(sha256(flood).as_str()));
    assert!(most - before < 32 << 20, "{} MiB more than before", (most - before) >> 20);
    assert_eq!(run(&mut session, look("echo on")).await.stdout.text(), Some("on\n"), "and the shell goes on");
}

#[tokio::test]
async fn what_is_no_line_and_no_text_is_kept_to_the_byte() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let long = run(&mut session, within("head -c 100000000 /dev/zero | tr '\\0' x", 100)).await;
    assert_eq!((long.exit, long.stdout.total, long.stdout.is_cut()), (code(0), 100_000_000, true));
    assert!(long.stdout.tail.ends_with(b"xxx") && long.stdout.text().is_none());

    let utf16 = run(&mut session, look("printf '\\377\\376a\\0\\n\\0'")).await;
    assert_eq!((utf16.stdout.head.as_slice(), utf16.stdout.text()), (&b"\xff\xfea\0\n\0"[..], None));
    let nul = run(&mut session, look("printf 'a\\0b\\n'")).await;
    assert_eq!(nul.stdout.text(), Some("a\0b\n"));
    let random = "head -c 300000 /dev/urandom | tee \"$AT\"";
    let at = sshd.path("random");
    let op = Shell::look("random", random).env("AT", at.to_str().expect("utf-8"));
    let binary = run(&mut session, Op::Shell(op)).await;
    assert_eq!((binary.stdout.head, binary.stdout.sha256), (fs::read(at).expect("written"), None), "all of it is there");
}

#[tokio::test]
async fn what_is_said_on_standard_error_alone_is_no_failure() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let reply = run(&mut session, change("echo a >&2; echo b >&2")).await;
    assert_eq!((reply.exit, reply.stdout.text(), reply.stderr.text()), (code(0), Some(""), Some("a\nb\n")));
    let much = run(&mut session, within("head -c 3000000 /dev/zero | tr '\\0' y >&2", 60)).await;
    assert_eq!((much.exit, much.stdout.total, much.stderr.total), (code(0), 0, 3_000_000));
    assert_eq!(much.stderr.sha256, Some(sha256("head -c 3000000 /dev/zero | tr '\\0' y")));
    let mixed = run(&mut session, change("for n in 1 2 3; do echo o$n; echo e$n >&2; done; exit 6")).await;
    assert_eq!((mixed.exit, mixed.stdout.text(), mixed.stderr.text()), (code(6), Some("o1\no2\no3\n"), Some("e1\ne2\ne3\n")));
}

#[tokio::test]
async fn what_reads_its_input_reads_its_end_at_once() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let reply = run(&mut session, change("cat; read line; echo \"$? [$line]\"; sh; head -c 1 | wc -c")).await;
    assert_eq!((reply.exit, reply.stdout.text().map(|text| text.replace(' ', ""))), (code(0), Some("1[]\n0\n".to_owned())));
    let replies = session.perform(&[look("cat"), look("echo next")], &Default::default()).await;
    assert_eq!(crate::ssh::shell(&replies[1]).stdout.text(), Some("next\n"), "none of them reads what is meant for the shell");
}

const WORK: &str = r#"
name  = "work"
title = "runs a command"
[rollout]
batches = ["100%"]
max_failures = 1000
[[step]]
id = "work"
kind = "exec"
run = '''work'''
"#;

/// The binary in a folder with one runbook and a record of its own.
fn runbook(dir: &Path, work: &str, arguments: &[&str]) -> Command {
    fs::create_dir_all(dir.join("runbooks")).expect("a directory");
    fs::write(dir.join("runbooks/work.toml"), WORK.replace("'work'", &format!("'{work}'"))).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(arguments).current_dir(dir).env("HOME", dir).env("RUNBOOK_STATE_DIR", dir.join("state"));
    command.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
    command
}

/// What the binary says of what is recorded.
fn shown(dir: &Path, work: &str, arguments: &[&str]) -> Value {
    let shown = runbook(dir, work, &[&["show", "last", "-o", "json"], arguments].concat()).output().expect("it runs");
    serde_json::from_slice(&shown.stdout).expect("json")
}

#[test]
fn an_output_that_takes_nothing_keeps_no_run_from_ending() {
    for form in ["json", "human", "quiet"] {
        let dir = tempfile::tempdir().expect("a directory");
        let (nobody, mut to) = std::io::pipe().expect("a pipe");
        rustix::fs::fcntl_setfl(&to, rustix::fs::OFlags::NONBLOCK).expect("a flag");
        // full to the last byte
        while to.write(b"x").is_ok() {}
        rustix::fs::fcntl_setfl(&to, rustix::fs::OFlags::empty()).expect("a flag");
        let mut command = runbook(dir.path(), "work", &["run", "work", "--hosts", "all", "-i", "sim:6?speed=max", "-o", form]);
        let mut child =
            command.args(["--confirm", "work 6"]).stdout(to.try_clone().expect("a pipe")).stderr(to).spawn().expect("it runs");
        assert_eq!(child.wait().expect("it ends").code(), Some(0), "{form}");
        drop(nobody);
    }
}

#[test]
fn an_output_that_nobody_reads_stalls_no_run_and_costs_no_truth() {
    for form in ["json", "human"] {
        let dir = tempfile::tempdir().expect("a directory");
        let args =
            ["run", "work", "--hosts", "all", "-i", "sim:600?speed=max", "--confirm", "work 600", "--with-output", "-o", form];
        let (nobody, to) = std::io::pipe().expect("a pipe");
        let mut command = runbook(dir.path(), "work", &args);
        let mut child = command.stdout(to.try_clone().expect("a pipe")).stderr(to).spawn().expect("it runs");
        let code = child.wait().expect("it ends").code();
        let said = shown(dir.path(), "work", &[]);
        let ok = said["hosts"]["ok"].as_array().map_or(0, Vec::len);
        assert_eq!((code, said["exit_code"].as_i64(), ok), (Some(0), Some(0), 600), "{form}");
        drop(nobody);
    }
}

/// An inventory of one host.
fn inventory(sshd: &Sshd) {
    let host = sshd.host();
    let (user, port) = (host.user, host.port);
    let defaults = format!("user = \"{user}\"\nport = {port}\nidentity = \"user\"\nknown_hosts = [\"known_hosts\"]\n");
    let text = format!("[defaults]\n{defaults}[hosts.h]\naddress = \"127.0.0.1\"\n");
    fs::write(sshd.path("inventory.toml"), text).expect("written");
}

#[test]
fn the_record_keeps_both_ends_of_a_flood_and_what_is_no_text() {
    let sshd = Sshd::start();
    inventory(&sshd);
    let dir = sshd.dir.path();
    let flood = "seq 1 2000000";
    let text = format!(r#"printf "\377\376a\0" >&2; sleep 15 2>/dev/null & {flood}"#);
    let ran = runbook(dir, &text, &["run", "work", "--hosts", "h", "--yes", "-o", "json"]).output().expect("it runs");
    let lines = String::from_utf8(ran.stdout).expect("utf-8");
    assert_eq!(ran.status.code(), Some(0), "{lines}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(lines.len() < 100_000, "the stream of a run is shorter than its record: {}", lines.len());
    let recorded = shown(dir, &text, &["h", "work"]);
    let events = recorded["events"].as_array().expect("events");
    let seen = events.iter().filter(|event| event["what"] == "seen");
    let reply = seen.flat_map(|seen| seen["replies"].as_array().expect("replies")).next().expect("a reply");
    let all: String = (1..=2_000_000).map(|n| format!("{n}\n")).collect();
    let stdout = &reply["stdout"];
    assert_eq!((stdout["head"].as_str(), stdout["tail"].as_str()), (all.get(..KEPT), all.get(all.len() - KEPT..)));
    assert_eq!((stdout["bytes"].as_u64(), stdout["sha256"].as_str()), (Some(all.len() as u64), Some(sha256(flood).as_str())));
    assert_eq!(reply["stderr"], serde_json::json!({ "head_base64": "//5hAA==", "bytes": 4 }));
    assert_eq!(reply["held"], serde_json::json!(["stdout"]), "what it left behind holds one of them");
    let told = runbook(dir, &text, &["show", "last", "h", "work"]).output().expect("it runs");
    let told = String::from_utf8(told.stdout).expect("utf-8");
    assert!(told.contains(&format!("stdout {} bytes, sha256 {}", all.len(), sha256(flood))), "{told}");
    assert!(told.contains("stderr 4 bytes") && told.contains("head, no UTF-8"), "{told}");
    let judged = events.iter().rev().find(|event| event["what"] == "judged").expect("judged");
    let said = judged["note"]["evidence"].to_string();
    assert!(said.contains("a process that it started still runs and holds its standard output"), "{said}");
}

/// How the unit of a run of this command ended.
fn finished(sshd: &Sshd, work: &str) -> Value {
    let ran = runbook(sshd.dir.path(), work, &["run", "work", "--hosts", "h", "--yes", "-o", "json"]).output().expect("it runs");
    let lines = String::from_utf8(ran.stdout).expect("utf-8");
    let mut events = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("json"));
    events.rfind(|event| event["type"] == "step.finished").unwrap_or_else(|| panic!("{lines}"))
}

#[test]
fn a_status_that_means_something_is_named_with_the_last_words() {
    let sshd = Sshd::start();
    inventory(&sshd);
    for (work, code, summary, hint) in [
        ("echo a >&2; no-such-thing", 127, "exit 127, command not found: ", true),
        ("touch x; chmod 0 x; cp /etc/hostname x.d; chmod 644 x.d; ./x.d", 126, "exit 126, found but cannot be run: ", true),
        (
            "echo last >&2; sh -c \"kill -9 \\$\\$\"",
            137,
            "exit 137, ended by SIGKILL, often by the kernel for lack of memory: ",
            false,
        ),
        ("sh -c \"kill -SEGV \\$\\$\"", 139, "exit 139, ended by SIGSEGV: ", false),
        ("echo last >&2; exit 255", 255, "exit 255: ", false),
    ] {
        let ended = finished(&sshd, work);
        assert_eq!((&ended["outcome"], ended["exit_code"].as_u64()), (&Value::from("failed"), Some(code)), "{work}: {ended}");
        let finding = &ended["finding"];
        assert!(finding["summary"].as_str().is_some_and(|text| text.starts_with(summary)), "{work}: {finding}");
        assert_eq!(finding["hint"].is_string(), hint, "{work}: {finding}");
        if work.contains("echo") || code == 126 {
            let last = finding["evidence"].as_array().and_then(|lines| lines.last()).and_then(Value::as_str).unwrap_or_default();
            assert!(["last", "not found", "denied", "Killed"].iter().any(|word| last.contains(word)), "{work}: {finding}");
        }
    }
    let signal = finished(&sshd, "kill -9 $$");
    assert_eq!((&signal["outcome"], &signal["finding"]["code"]), (&Value::from("failed"), &Value::from("signal")), "{signal}");
    assert_eq!(signal["finding"]["summary"], "ended by SIGKILL");
}

#[test]
fn a_check_of_a_text_that_is_none_is_unreadable() {
    let sshd = Sshd::start();
    inventory(&sshd);
    fs::create_dir_all(sshd.path("runbooks")).expect("a directory");
    for (name, printed) in [("garbled", "printf \"ok\\377\""), ("long", "echo ok; yes | head -c 600000")] {
        let text = format!(
            "name = \"{name}\"\ntitle = \"looks\"\n[[precheck]]\nid = \"look\"\nkind = \"require\"\nrun = '''\n{printed}'''\n\
             stdout = {{ match = \"ok\" }}\n"
        );
        fs::write(sshd.path(&format!("runbooks/{name}.toml")), text).expect("written");
        let ran = runbook(sshd.dir.path(), "x", &["run", name, "--hosts", "h", "--yes", "-o", "json"]).output().expect("it runs");
        let lines = String::from_utf8(ran.stdout).expect("utf-8");
        let mut events = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("json"));
        let ended = events.rfind(|event| event["type"] == "step.finished").unwrap_or_else(|| panic!("{lines}"));
        assert_eq!(
            (&ended["outcome"], &ended["finding"]["code"]),
            (&Value::from("refused"), &Value::from("unreadable")),
            "{ended}"
        );
        assert_eq!(ran.status.code(), Some(6), "{lines}");
    }
}

#[test]
fn the_hash_is_the_one_that_everybody_computes() {
    let ours: String = Sha256::digest(b"abc").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(ours, sha256("printf abc"));
}
