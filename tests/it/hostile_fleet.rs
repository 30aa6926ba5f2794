//! One run of the binary over a fleet in which almost everybody misbehaves, each in another way.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use runbook::model::host::Host;
use serde_json::Value;

use crate::harness::endpoint::{Endpoint, Ill};
use crate::harness::server::{Server, Vice};
use crate::harness::sshd::{Sshd, host, keygen};

/// Only looks; every host at the same time.
const LOOK: &str = r#"
name  = "look"
title = "looks at every host once"
risk  = "read-only"
[rollout]
batches = ["100%"]
max_failures = 1000
[[precheck]]
id = "there"
kind = "require"
run = "id -u"
"#;

/// What becomes of the process, whatever peers send, in KiB.
const MEMORY: u64 = 120 * 1024;

/// The hosts by name, each with what is expected of it: a class, or `ok`.
struct Fleet {
    dir: tempfile::TempDir,
    hosts: Vec<(String, Host, &'static str)>,
    endpoints: Vec<Endpoint>,
    servers: Vec<Server>,
    sshds: Vec<Sshd>,
}

impl Fleet {
    async fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        keygen(&dir.path().join("stranger"), &[]);
        fs::write(dir.path().join("known_hosts"), "").expect("written");
        let mut fleet = Self { dir, hosts: Vec::new(), endpoints: Vec::new(), servers: Vec::new(), sshds: Vec::new() };
        for ill in Ill::ALL {
            let endpoint = Endpoint::start(ill);
            let at = host(endpoint.port, &fleet.path("stranger"), &fleet.path("known_hosts"));
            let name = format!("{ill:?}").to_lowercase();
            fleet.hosts.push((name, at, ill.class().0));
            fleet.endpoints.push(endpoint);
        }
        for (vice, class) in [(Vice::MuteExec, "exec-timeout"), (Vice::DiesInLogin, "auth-lost"), (Vice::OpensChannels, "ok")] {
            let server = Server::start(vice).await;
            let known = fleet.path(&format!("known_{vice:?}"));
            fs::write(&known, format!("[127.0.0.1]:{} {}\n", server.port, server.host_key)).expect("written");
            let at = host(server.port, &fleet.path("stranger"), &known);
            fleet.hosts.push((format!("{vice:?}").to_lowercase(), at, class));
            fleet.servers.push(server);
        }
        fleet.real();
        fleet
    }

    /// Real servers: what is wrong is the key, the user, or what they run.
    fn real(&mut self) {
        for name in ["good-1", "good-2"] {
            let sshd = Sshd::start();
            self.hosts.push((name.to_owned(), sshd.host(), "ok"));
            self.sshds.push(sshd);
        }
        let (unknown, changed, denied) = (Sshd::start(), Sshd::start(), Sshd::start());
        unknown.record("");
        changed.record(&format!("[127.0.0.1]:{} {}", changed.port, denied.host_key("ed25519")));
        let mut stranger = denied.host();
        stranger.identity = Some(self.path("stranger"));
        self.hosts.push(("unknown-key".to_owned(), unknown.host(), "host-key-unknown"));
        self.hosts.push(("changed-key".to_owned(), changed.host(), "host-key-changed"));
        self.hosts.push(("denied".to_owned(), stranger, "auth-denied"));
        self.sshds.extend([unknown, changed, denied]);
        for (name, command, class) in [("forced", "echo This is a menu", "forced-command"), ("floods", "yes", "forced-command")] {
            let sshd = Sshd::with(&format!("ForceCommand {command}"));
            self.hosts.push((name.to_owned(), sshd.host(), class));
            self.sshds.push(sshd);
        }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the inventory of the hosts that `choose` takes.
    fn inventory(&self, file: &str, choose: impl Fn(&str) -> bool) {
        let mut text = String::new();
        for (name, host, _) in self.hosts.iter().filter(|(name, _, _)| choose(name)) {
            let path = |path: &Path| path.display().to_string();
            let identity = path(host.identity.as_deref().expect("a key"));
            let known = path(&host.known_hosts[0]);
            writeln!(
                text,
                "[hosts.{name}]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\nidentity = \"{identity}\"\nknown_hosts = [\"{known}\"]",
                host.port, host.user
            )
            .expect("written");
        }
        fs::write(self.path(file), text).expect("written");
        fs::create_dir_all(self.path("runbooks")).expect("a directory");
        fs::write(self.path("runbooks/look.toml"), LOOK).expect("written");
    }

    fn run(&self, inventory: &str) -> Ran {
        let out = self.path("out");
        let child = Command::new(env!("CARGO_BIN_EXE_runbook"))
            .args(["-i", inventory, "--runbooks", "runbooks", "--state-dir", "state", "-o", "json"])
            .args(["run", "look", "--hosts", "all", "--yes", "--no-input", "-f", "100"])
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out).expect("a file"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        watched(child, &out)
    }
}

struct Ran {
    code: Option<i32>,
    events: Vec<Value>,
    memory: u64,
    stderr: String,
}

/// Waits for its end and keeps an eye on its memory.
fn watched(mut child: Child, out: &Path) -> Ran {
    let status = format!("/proc/{}/status", child.id());
    let (mut memory, late) = (0, Instant::now() + Duration::from_secs(180));
    let code = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        memory = memory.max(peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0));
        if let Some(ended) = child.try_wait().expect("a child") {
            break ended.code();
        }
        if Instant::now() > late {
            child.kill().expect("killed");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut stderr).expect("utf-8");
    let text = fs::read_to_string(out).expect("written");
    let events = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    Ran { code, events, memory, stderr }
}

impl Ran {
    /// What became of each host: `ok`, or the class of its fault.
    fn became(&self) -> BTreeMap<String, String> {
        let of = |kind: &str| self.events.iter().filter(move |event| event["type"] == kind).cloned().collect::<Vec<_>>();
        let mut became = BTreeMap::new();
        for event in of("host.finished") {
            let word = match event["outcome"].as_str() {
                Some("unreachable") => event["finding"]["code"].as_str().unwrap_or("no code"),
                other => other.unwrap_or("no outcome"),
            };
            became.insert(event["host"].as_str().expect("a host").to_owned(), word.to_owned());
        }
        became
    }

    /// How long after the plan the last step of the good hosts was done. That a whole batch has to answer before any host of
    /// it goes on is a rule of the engine, and no delay of a connection.
    fn good_after(&self) -> Duration {
        let at = |event: &Value| event["ts"].as_str().expect("a time").parse::<Timestamp>().expect("a time");
        let planned = self.events.iter().find(|event| event["type"] == "run.planned").expect("a plan");
        let good = |event: &&Value| {
            event["type"] == "step.finished" && event["host"].as_str().is_some_and(|host| host.starts_with("good-"))
        };
        let last = self.events.iter().filter(good).map(at).max().expect("good hosts");
        last.duration_since(at(planned)).unsigned_abs()
    }
}

/// Children of that process.
fn children(of: u32) -> usize {
    let parent = format!("PPid:\t{of}");
    let all = fs::read_dir("/proc").expect("a directory").flatten();
    all.filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok())
        .filter(|status| status.lines().any(|line| line == parent))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn among_thirty_misbehaving_hosts_the_good_two_are_done_as_if_alone_and_each_other_one_has_its_class() {
    let fleet = Fleet::start().await;
    fleet.inventory("good.toml", |name| name.starts_with("good-"));
    fleet.inventory("all.toml", |_| true);
    let misbehaving = fleet.hosts.iter().filter(|(_, _, class)| *class != "ok").count();
    assert!(misbehaving >= 28, "{misbehaving}");
    let mut differences = Vec::new();
    // other work on this machine may fall on one of the two runs
    for _ in 0..3 {
        let alone = tokio::task::block_in_place(|| fleet.run("good.toml"));
        assert_eq!(alone.code, Some(0), "{}", alone.stderr);
        let together = tokio::task::block_in_place(|| fleet.run("all.toml"));
        let expected: BTreeMap<String, String> =
            fleet.hosts.iter().map(|(name, _, class)| (name.clone(), (*class).to_owned())).collect();
        assert_eq!(together.became(), expected, "{}", together.stderr);
        assert_eq!(together.code, Some(3), "{}", together.stderr);
        assert!(together.memory > 0 && together.memory < MEMORY, "{} KiB", together.memory);
        let difference = together.good_after().saturating_sub(alone.good_after());
        differences.push(difference);
        println!("{misbehaving} misbehaving hosts: the good two took {difference:?} longer, at most {} KiB", together.memory);
        if difference < Duration::from_secs(2) {
            break;
        }
    }
    assert!(differences.iter().any(|difference| *difference < Duration::from_secs(2)), "{differences:?}");
    let late = Instant::now() + Duration::from_secs(20);
    let left = || {
        let open: usize = fleet.endpoints.iter().map(Endpoint::open).sum();
        (open, fleet.sshds.iter().map(|sshd| children(sshd.pid())).sum::<usize>())
    };
    while left() != (0, 0) {
        assert!(Instant::now() < late, "connections and processes of sshd that are left: {:?}", left());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_without_a_network_is_told_once_and_not_for_every_host() {
    let dir = tempfile::tempdir().expect("a directory");
    keygen(&dir.path().join("stranger"), &[]);
    fs::write(dir.path().join("known_hosts"), "").expect("written");
    let at = |n: u16| host(20 + n, &dir.path().join("stranger"), &dir.path().join("known_hosts"));
    let hosts = (1..=3).map(|n| (format!("web-{n}"), at(n), "no-route")).collect();
    let fleet = Fleet { dir, hosts, endpoints: Vec::new(), servers: Vec::new(), sshds: Vec::new() };
    fleet.inventory("all.toml", |_| true);
    let text = fs::read_to_string(fleet.path("all.toml")).expect("read");
    // no kernel connects a TCP socket to it
    fs::write(fleet.path("all.toml"), text.replace("127.0.0.1", "255.255.255.255")).expect("written");
    let ran = tokio::task::block_in_place(|| fleet.run("all.toml"));
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let finished = ran.events.iter().find(|event| event["type"] == "run.finished").expect("an end");
    let failures = finished["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(failures[0]["message"].as_str().is_some_and(|text| text.starts_with("this machine has no network")), "{failures:?}");
    assert_eq!(failures[0]["hosts"].as_array().map(Vec::len), Some(3));
}
