//! `runbook exec` as its users meet it: exact output, exact exit codes.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::sshd::{Sshd, free_port};

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn inventory(sshd: &Sshd, names: &[&str], more: &str) {
    let host = sshd.host();
    let mut text = format!(
        "[defaults]\nuser = \"{}\"\nport = {}\nidentity = \"user\"\nknown_hosts = [\"known_hosts\"]\n",
        host.user, host.port
    );
    for (n, name) in (1..).zip(names) {
        text.push_str(&format!("[hosts.{name}]\naddress = \"127.0.0.{n}\"\n"));
    }
    sshd.record_everywhere();
    fs::write(sshd.path("inventory.toml"), text + more).expect("written");
}

fn spawn(sshd: &Sshd, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_runbook"))
        .arg("-i")
        .arg(sshd.path("inventory.toml"))
        .args(arguments)
        .env("HOME", sshd.dir.path())
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runbook runs")
}

fn collect(mut child: Child) -> Ran {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    child.stdout.take().expect("piped").read_to_string(&mut stdout).expect("utf-8");
    child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("utf-8");
    Ran { code: child.wait().expect("ended").code(), stdout, stderr }
}

fn exec(sshd: &Sshd, arguments: &[&str]) -> Ran {
    collect(spawn(sshd, &[&["exec"], arguments].concat()))
}

#[test]
fn equal_answers_are_shown_once() {
    let sshd = Sshd::start();
    inventory(&sshd, &["p-1", "p-2", "p-3"], "");
    let ran = exec(&sshd, &["all", "--", "echo a   b; echo 'c'"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("p-[1-3] (3): ok\n  | a b\n  | c\n", "3 ok\n"));
    assert_eq!(ran.code, Some(0));
}

#[test]
fn several_words_are_a_program_and_its_arguments_to_the_byte() {
    let sshd = Sshd::start();
    inventory(&sshd, &["p-1"], "");
    let canary = sshd.path("canary");
    let mut words: Vec<String> = (1..=0x7f_u8).map(|byte| char::from(byte).to_string()).collect();
    words.extend(crate::harness::bytes::attempts(&canary.display().to_string()));
    let mut arguments = vec!["p-1", "-o", "json", "--", "printf", "%s\\0"];
    arguments.extend(words.iter().map(String::as_str));
    let ran = exec(&sshd, &arguments);
    let answer: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let text = answer["stdout"]["text"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let got: Vec<&str> = text.strip_suffix('\0').expect("an end").split('\0').collect();
    assert_eq!(got, words);
    assert_eq!((ran.code, canary.exists()), (Some(0), false));
}

#[test]
fn a_word_that_is_no_text_is_refused_and_never_altered() {
    use std::os::unix::ffi::OsStrExt;
    let sshd = Sshd::start();
    inventory(&sshd, &["p-1"], "");
    let ran = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .arg("-i")
        .arg(sshd.path("inventory.toml"))
        .args(["exec", "p-1", "--", "touch"])
        .arg(std::ffi::OsStr::from_bytes(b"/tmp/\xff"))
        .output()
        .expect("runbook runs");
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("invalid UTF-8"), "{ran:?}");
}

#[test]
fn failures_carry_their_status_and_their_words() {
    let sshd = Sshd::start();
    inventory(&sshd, &["p-1", "p-2"], "");
    let ran = exec(&sshd, &["p-*", "--", "echo no >&2; exit 7"]);
    let want = ("p-[1-2] (2): failed, exit 7\n  ! no\n", "2 failed\n");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), want);
    assert_eq!(ran.code, Some(1));
}

#[test]
fn unreachable_hosts_do_not_hide_the_others() {
    let sshd = Sshd::start();
    let port = free_port();
    inventory(&sshd, &["p-1"], &format!("[hosts.q]\naddress = \"127.0.0.1\"\nport = {port}\n"));
    let ran = exec(&sshd, &["all", "--", "true"]);
    let want = format!(
        "p-1: ok\nq: unreachable, refused: 127.0.0.1:{port}: connection refused (os error 111) (tried 3 times)\n  \
         try: is sshd running there, on this port?\n"
    );
    assert_eq!((ran.stdout, ran.stderr.as_str()), (want, "1 ok, 1 unreachable\n"));
    assert_eq!(ran.code, Some(3));
}

#[test]
fn unreachable_hosts_are_folded_by_cause() {
    let sshd = Sshd::start();
    let port = free_port();
    let dead = |n: u8| format!("[hosts.q-{n}]\naddress = \"127.0.0.{n}\"\nport = {port}\n");
    inventory(&sshd, &["p-1", "p-2"], &(dead(1) + &dead(2) + &dead(3)));
    let ran = exec(&sshd, &["all", "-x", "p-2", "--", "true"]);
    let want = format!(
        "p-1: ok\nq-[1-3] (3): unreachable, refused: for example 127.0.0.1:{port}: connection refused (os error 111) (tried 3 times)\n  \
         try: is sshd running there, on this port?\n"
    );
    assert_eq!((ran.stdout, ran.stderr.as_str(), ran.code), (want, "1 ok, 3 unreachable\n", Some(3)));
}

#[test]
fn a_lost_connection_is_unknown_and_a_late_command_failed() {
    let sshd = Sshd::start();
    inventory(&sshd, &["p-1"], "");
    let ran = exec(&sshd, &["p-1", "--", "kill -9 $PPID; sleep 2"]);
    let want = "p-1: unknown, connection-lost: no exit status came back, it may still be running\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), (want, "1 unknown\n", Some(8)));
    let ran = exec(&sshd, &["p-1", "--timeout", "300ms", "--", "sleep 60"]);
    let want = "p-1: failed, timed out; it was ended on the host and is gone\n";
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str(), ran.code), (want, "1 failed\n", Some(1)));
}

#[test]
fn an_interrupt_ends_the_command_on_the_host() {
    let sshd = Sshd::start();
    inventory(&sshd, &["p-1"], "");
    let begun = sshd.path("begun");
    let child = spawn(&sshd, &["exec", "p-1", "--", &format!("echo $$ >'{}'; sleep 60", begun.display())]);
    let until = Instant::now() + Duration::from_secs(10);
    while fs::read_to_string(&begun).map_or(true, |pid| !pid.ends_with('\n')) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("sent");
    let ran = collect(child);
    assert_eq!(ran.stdout, "p-1: failed, ended by SIGTERM\n");
    let said = "cancelling: the command is being ended on the hosts; once more to leave at once\n1 failed\n";
    assert_eq!((ran.stderr.as_str(), ran.code), (said, Some(4)));
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_contacted() {
    let sshd = Sshd::start();
    inventory(&sshd, &["p-1", "p-2"], "");
    let ran = exec(&sshd, &["web", "--", "true"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("", Some(2)));
    assert_eq!(ran.stderr, "error: selector: no host `web` in the inventory\n  web\n  ^^^\n");
    assert_eq!(exec(&sshd, &["p-1"]).code, Some(2));
    assert_eq!(exec(&sshd, &["p-1", "--forks", "0", "--", "true"]).code, Some(2));
    assert_eq!(exec(&sshd, &["p-1", "--timeout", "5", "--", "true"]).code, Some(2));
}

#[test]
fn production_is_confirmed_by_its_phrase_before_anything_is_contacted() {
    let sshd = Sshd::start();
    inventory(&sshd, &["p-1", "p-2"], "[groups.prod]\nhosts = [\"p-1\"]\nprotected = true\n");
    let ran = exec(&sshd, &["all", "--", "echo", "x"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("", Some(2)));
    assert_eq!(ran.stderr, "error: 1 of 2 hosts are protected\n  try: add --confirm 'exec 2'\n");
    assert_eq!(exec(&sshd, &["all", "--confirm", "exec 3", "--", "echo", "x"]).code, Some(2), "the count is part of it");
    assert_eq!(exec(&sshd, &["p-2", "--", "echo", "x"]).code, Some(0), "not protected");
    let ran = exec(&sshd, &["all", "--confirm", "exec 2", "--", "echo", "x"]);
    assert_eq!((ran.stdout.as_str(), ran.code), ("p-[1-2] (2): ok\n  | x\n", Some(0)));
}
