//! `runbook hosts` as its users meet it: selectors with runs in them, and the probe of real servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runbook::engine::log::Log;
use runbook::journal::store::{Journal, NewRun};
use runbook::model::event::{Event, EventKind};
use runbook::model::id::{HostName, RunId};
use runbook::model::outcome::HostOutcome;
use runbook::model::time::Timestamp;

use crate::harness::sshd::{Sshd, free_port, keygen};

/// Exit code, standard output, standard error.
type Told = (Option<i32>, String, String);

fn runbook(dir: &Path, words: &[&str]) -> Told {
    let output = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(words)
        .current_dir(dir)
        .env("HOME", dir)
        .env("RUNBOOK_STATE_DIR", dir.join("state"))
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .expect("runbook runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("utf-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The names in the first column.
fn names(told: &Told) -> Vec<&str> {
    assert_eq!(told.0, Some(0), "{}", told.2);
    told.1.lines().skip(1).filter_map(|line| line.split('\t').next()).collect()
}

fn finished(host: &str, outcome: HostOutcome, changed: bool) -> EventKind {
    let host = HostName::parse(host).expect("a name");
    EventKind::HostFinished { host, outcome, changed, finding: None, duration_ms: 1 }
}

async fn record(state: &Path, run: &str, started: i64, kinds: Vec<EventKind>) {
    let journal = Journal::open(state).expect("a journal");
    let run = RunId::parse(run).expect("an id");
    let started = Timestamp::from_millis(started);
    let new = NewRun { run: &run, started, runbook: "restart-loop", selector: "all", plan: "{}" };
    let mut writer = journal.create_run(&new).expect("a run");
    let events: Vec<Event> = (1..).zip(kinds).map(|(seq, kind)| Event { seq, ts: started, run: run.clone(), kind }).collect();
    writer.append(&events).await.expect("appended");
}

fn fleet(dir: &Path) {
    let hosts: String = (1..=6).map(|n| format!("[hosts.web-0{n}]\n")).collect();
    let text = format!("[defaults]\nuser = \"u\"\n{hosts}[groups.web]\nhosts = [\"web-*\"]\n");
    fs::write(dir.join("inventory.toml"), text).expect("written");
}

/// A fleet of six, and two runs on it and on hosts that are gone.
async fn with_runs() -> (tempfile::TempDir, PathBuf) {
    use HostOutcome as H;
    let dir = tempfile::tempdir().expect("a directory");
    let at = dir.path().to_owned();
    fleet(&at);
    let first = vec![
        finished("web-01", H::Ok, true),
        finished("web-02", H::Failed, true),
        finished("web-03", H::Unknown, true),
        finished("web-04", H::Unreachable, false),
        finished("web-05", H::NotStarted, false),
        finished("web-06", H::Refused, false),
        finished("old-07", H::RolledBack, true),
        finished("old-08", H::RollbackFailed, true),
    ];
    record(&at.join("state"), "7f3a9c", 1_795_000_000_000, first).await;
    record(&at.join("state"), "7f3abb", 1_795_000_001_000, vec![finished("web-06", H::Failed, false)]).await;
    (dir, at)
}

#[tokio::test]
async fn hosts_are_named_by_what_became_of_them_in_a_run() {
    let (_dir, at) = with_runs().await;
    let told = runbook(&at, &["hosts", "failed:7f3a9c"]);
    assert_eq!(names(&told), ["web-02", "web-03"]);
    assert_eq!(told.2, "note: 2 hosts of failed:7f3a9c not in the inventory, left out: old-[07-08]\n");
    assert_eq!(names(&runbook(&at, &["hosts", "unreachable:7f3a9,not-started:7f3a9"])), ["web-04", "web-05"]);
    assert_eq!(names(&runbook(&at, &["hosts", "changed:7f3a9c & @web"])), ["web-01", "web-02", "web-03"]);
    assert_eq!(names(&runbook(&at, &["hosts", "-l", "!failed:7f3a9c", "-x", "web-01"])), ["web-04", "web-05", "web-06"]);
    let told = runbook(&at, &["hosts", "failed:last"]);
    assert_eq!((names(&told), told.2.as_str()), (vec!["web-06"], "note: the last run is 7f3abb\n"));
}

#[tokio::test]
async fn runs_that_are_unknown_or_say_nothing_are_errors_with_their_place() {
    let (_dir, at) = with_runs().await;
    let refused = |words: &[&str], want: &str| {
        assert_eq!(runbook(&at, words), (Some(2), String::new(), format!("error: selector: {want}")), "{words:?}");
    };
    refused(
        &["hosts", "@web & failed:beef"],
        "there is no run `beef`\n  @web & failed:beef\n         ^^^^^^^^^^^\n  the newest runs are 7f3abb, 7f3a9c; runbook history lists them\n",
    );
    refused(
        &["hosts", "failed:7f3a"],
        "`7f3a` could be 7f3a9c, 7f3abb\n  failed:7f3a\n  ^^^^^^^^^^^\n  write more digits of the run's id\n",
    );
    refused(
        &["hosts", "@web", "-x", "db|unreachable:7f3abb"],
        "--exclude: no host `db` in the inventory\n  db|unreachable:7f3abb\n  ^^\n",
    );
    refused(
        &["hosts", "@web", "-x", "web-01|unreachable:7f3abb"],
        "--exclude: no host was unreachable in run `7f3abb`\n  web-01|unreachable:7f3abb\n         ^^^^^^^^^^^^^^^^^^\n",
    );
    refused(
        &["exec", "@web", "-l", "pick:7", "--", "true"],
        "--limit: `pick:7` asks for more hosts than there are to pick from: 6\n  pick:7\n  ^^^^^^\n",
    );
    refused(
        &["hosts", "web-01", "--limit", "web-02"],
        "no host is selected: 0 of 6\n  (web-01) & (web-02)\n  ^^^^^^^^^^^^^^^^^^^\n",
    );
    refused(
        &["run", "none", "--hosts", "all) & (web-01", "-l", "all"],
        "unexpected `)`\n  all) & (web-01\n     ^\n  join names with `,` (either), `&` (both) or `!` (not)\n",
    );
}

#[test]
fn asking_for_a_run_makes_no_record() {
    let dir = tempfile::tempdir().expect("a directory");
    fleet(dir.path());
    let told = runbook(dir.path(), &["hosts", "failed:last"]);
    assert_eq!(told.0, Some(2));
    assert!(told.2.starts_with("error: selector: no run is recorded in "), "{}", told.2);
    assert!(!dir.path().join("state").exists());
}

#[tokio::test]
async fn a_plan_remembers_the_run_that_was_meant_by_last() {
    let (_dir, at) = with_runs().await;
    fs::create_dir(at.join("runbooks")).expect("a directory");
    let port = free_port();
    keygen(&at.join("user"), &[]);
    let text = format!(
        "[defaults]\nuser = \"u\"\nport = {port}\nidentity = \"user\"\n[hosts.web-01]\naddress = \"127.0.0.1\"\n[hosts.web-06]\naddress = \"127.0.0.2\"\n"
    );
    fs::write(at.join("inventory.toml"), text).expect("written");
    let check = "name = \"look\"\ntitle = \"t\"\n[[precheck]]\nid = \"d\"\nkind = \"pm2-daemon\"\n";
    fs::write(at.join("runbooks/look.toml"), check).expect("written");
    let told = runbook(&at, &["run", "look", "--hosts", "failed:last", "-x", "web-01", "--dry-run"]);
    assert_eq!(told.0, Some(3), "nothing listens there\n{}", told.2);
    let history = runbook(&at, &["history", "-n", "1"]);
    let row: Vec<&str> = history.1.lines().nth(1).expect("a row").split('\t').collect();
    assert_eq!(row[4], "(failed:7f3abb) & !(web-01) (1)");
}

#[test]
fn a_probe_shows_who_is_up_and_why_the_others_are_not() {
    let sshd = Sshd::start();
    let (host, dead) = (sshd.host(), free_port());
    let text = format!(
        "[defaults]\nuser = \"{}\"\nport = {}\nidentity = \"user\"\nknown_hosts = [\"known_hosts\"]\n\
         [hosts.p-1]\naddress = \"127.0.0.1\"\n[hosts.q-1]\naddress = \"127.0.0.1\"\nport = {dead}\n\
         [hosts.p-2]\naddress = \"127.0.0.2\"\n[hosts.q-2]\naddress = \"127.0.0.2\"\nport = {dead}\n",
        host.user, host.port
    );
    fs::write(sshd.path("inventory.toml"), text).expect("written");
    sshd.record_everywhere();
    // a configuration that would lead elsewhere, were it read
    fs::create_dir(sshd.path(".ssh")).expect("a directory");
    let config = "Host *\n  Port 1\n  User nobody\n  ProxyCommand false\n  HostName 192.0.2.1\n";
    fs::write(sshd.path(".ssh/config"), config).expect("written");

    let (code, out, err) = runbook(sshd.dir.path(), &["hosts", "--probe"]);
    assert_eq!(code, Some(3), "{err}");
    let rows: Vec<Vec<&str>> = out.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["HOST", "REACH", "LATENCY", "SKEW", "SYSTEM", "NAME", "USER", "KEY"]);
    let reach: Vec<(&str, &str)> = rows[1..].iter().map(|row| (row[0], row[1])).collect();
    assert_eq!(reach, [("p-1", "up"), ("q-1", "down refused"), ("p-2", "up"), ("q-2", "down refused")]);
    assert_eq!(rows[2][2..], ["-"; 6]);
    let user = format!("{}({})", host.user, rustix::process::getuid().as_raw());
    let key = Command::new("ssh-keygen").arg("-lf").arg(sshd.path("host_ed25519.pub")).output().expect("ssh-keygen runs");
    let key = String::from_utf8(key.stdout).expect("utf-8");
    let fingerprint = key.split(' ').nth(1).expect("a fingerprint");
    assert_eq!(rows[1][6..], [user, format!("ssh-ed25519 {fingerprint}")]);
    assert!(rows[1][2].ends_with("ms") && rows[1][3].starts_with(['+', '-']) && rows[1][4].starts_with("Linux "), "{out}");
    let want = format!(
        "q-[1-2] (2): unreachable, refused: for example 127.0.0.1:{dead}: connection refused (os error 111) (tried 3 times)\n  \
         try: is sshd running there, on this port?\n"
    );
    assert_eq!(err, want);

    let (code, out, err) = runbook(sshd.dir.path(), &["hosts", "p-*", "--probe", "-f", "1"]);
    assert_eq!((code, out.lines().count(), err.as_str()), (Some(0), 3, ""));
    assert_eq!(runbook(sshd.dir.path(), &["hosts", "--forks", "2"]).0, Some(2), "without --probe nothing is probed");
}

#[test]
fn a_host_that_says_nothing_keeps_no_other_from_its_answer() {
    let sshd = Sshd::start();
    let host = sshd.host();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let text = format!(
        "[defaults]\nuser = \"{}\"\nport = {}\nidentity = \"user\"\nknown_hosts = [\"known_hosts\"]\n\
         [hosts.mute]\naddress = \"127.0.0.1\"\nport = {port}\n[hosts.p]\naddress = \"127.0.0.1\"\n",
        host.user, host.port
    );
    fs::write(sshd.path("inventory.toml"), text).expect("written");
    let (code, out, err) = runbook(sshd.dir.path(), &["hosts", "--probe"]);
    let reach: Vec<&str> = out.lines().skip(1).filter_map(|line| line.split('\t').nth(1)).collect();
    assert_eq!((code, reach), (Some(3), vec!["down banner-timeout", "up"]));
    let want = "mute: unreachable, banner-timeout: the server sent no SSH banner in 5s (tried 2 times)\n  \
         try: check `port` in the inventory, and sshd on the host: it accepts connections and then says nothing\n";
    assert_eq!(err, want);
    let (code, _, err) = runbook(sshd.dir.path(), &["hosts", "mute", "--probe", "--timeout", "300ms"]);
    let want = "mute: unreachable, probe-timeout: it was not done in 300ms\n  try: --timeout TIME\n";
    assert_eq!((code, err.as_str()), (Some(3), want));
}
