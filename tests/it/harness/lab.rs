//! A practice fleet for one test: addresses nobody else has, a folder of its own, gone with the test however it ends.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;
use tempfile::TempDir;

const UP: Duration = Duration::from_secs(120);

/// Addresses that no other test on this machine has, as long as it lives.
#[derive(Debug)]
pub(crate) struct Network {
    pub(crate) number: u8,
    _lock: File,
}

impl Network {
    pub(crate) fn take() -> Self {
        let dir = std::env::temp_dir().join("runbook-lab-networks");
        fs::create_dir_all(&dir).unwrap();
        let late = Instant::now() + UP;
        while Instant::now() < late {
            for number in 78..=250 {
                let path = dir.join(number.to_string());
                let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path).unwrap();
                if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
                    return Self { number, _lock: lock };
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("no network is free");
    }
}

/// A running fleet.
#[derive(Debug)]
pub(crate) struct Lab {
    dir: TempDir,
    network: Network,
    holder: Child,
}

/// A PM2 process as PM2 itself tells of it: for checking the fleet, never what the program under test believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pm2Process {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) pid: u32,
    pub(crate) status: String,
    pub(crate) restarts: u32,
}

#[derive(Debug, Deserialize)]
struct Listed {
    pm_id: u32,
    name: String,
    pid: u32,
    pm2_env: ListedEnv,
}

#[derive(Debug, Deserialize)]
struct ListedEnv {
    status: String,
    restart_time: u32,
}

impl Lab {
    /// Brings one up; it ends with this process.
    pub(crate) fn up(hosts: u16) -> Self {
        Self::up_as(hosts, "auto")
    }

    /// The same in a form: `namespaces`, `loopback`.
    pub(crate) fn up_as(hosts: u16, form: &str) -> Self {
        let network = Network::take();
        let dir = tempfile::Builder::new().prefix("runbook-lab-test-").tempdir().unwrap();
        let mut holder = up_command(dir.path(), network.number, hosts)
            .args(["--form", form, "--hold"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(holder.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut told = Vec::new();
        for line in lines {
            let up = line.contains("every service answers");
            told.push(line);
            if up {
                return Self { dir, network, holder };
            }
        }
        let out = holder.wait_with_output().unwrap();
        panic!("the lab did not come up: {told:?} {}", String::from_utf8_lossy(&out.stderr));
    }

    /// The lab's folder.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The inventory that names its hosts `proxy-1` and so on.
    pub(crate) fn inventory(&self) -> PathBuf {
        self.dir().join("inventory.toml")
    }

    /// Where runs on this lab keep their journal.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir().join("state")
    }

    /// The program under test, on this lab.
    pub(crate) fn runbook(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command.args(args).arg("-i").arg(self.inventory()).arg("--state-dir").arg(self.state_dir());
        // what a developer exports must not change a test
        for variable in ["RUNBOOK_INVENTORY", "RUNBOOK_RUNBOOKS", "RUNBOOK_STATE_DIR", "CLICOLOR_FORCE", "SSH_AUTH_SOCK"] {
            command.env_remove(variable);
        }
        command.stdin(Stdio::null());
        command
    }

    /// `runbook lab …` on this lab.
    pub(crate) fn lab(&self, args: &[&str]) -> Output {
        lab_command(self.dir(), args).output().unwrap()
    }

    /// Injects a fault; `hosts` is `all` or names with commas.
    pub(crate) fn fault(&self, name: &str, hosts: &str) {
        assert_well(&self.lab(&["fault", name, "--hosts", hosts]));
    }

    /// Takes a fault back.
    pub(crate) fn undo(&self, name: &str, hosts: &str) {
        assert_well(&self.lab(&["fault", name, "--hosts", hosts, "--undo"]));
    }

    /// Where a host's service answers.
    pub(crate) fn service(&self, host: &str) -> SocketAddr {
        let number: u8 = host.strip_prefix("proxy-").unwrap().parse().unwrap();
        SocketAddr::from(([127, self.network.number, 0, 10 + number], 3000))
    }

    /// Runs a script on a host as its user, through the system's ssh, strictly.
    pub(crate) fn exec(&self, host: &str, script: &str) -> Output {
        self.lab(&["ssh", host, "--", script])
    }

    /// The same; the script must end well.
    pub(crate) fn told(&self, host: &str, script: &str) -> String {
        let out = self.exec(host, script);
        assert_well(&out);
        String::from_utf8(out.stdout).unwrap()
    }

    /// What PM2 lists on a host, in its order.
    pub(crate) fn pm2_processes(&self, host: &str) -> Vec<Pm2Process> {
        let text = self.told(host, "pm2 jlist --silent");
        let listed: Vec<Listed> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
        listed
            .into_iter()
            .map(|one| Pm2Process {
                id: one.pm_id,
                name: one.name,
                pid: one.pid,
                status: one.pm2_env.status,
                restarts: one.pm2_env.restart_time,
            })
            .collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // the holder ends the lab when its line closes; were it stuck, `down` would do
        drop(self.holder.stdin.take());
        let down = self.lab(&["down"]);
        let _ = self.holder.wait();
        if !std::thread::panicking() {
            assert_well(&down);
            assert_nothing_left(self.dir());
        }
    }
}

/// `runbook lab up` with PM2 from the cache that all tests share.
pub(crate) fn up_command(dir: &Path, network: u8, hosts: u16) -> Command {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("lab-cache").join("pm2");
    let mut command = lab_command(dir, &["up", "--hosts", &hosts.to_string(), "--network", &network.to_string()]);
    command.arg("--pm2").arg(cache);
    command
}

/// `runbook lab …` on a folder.
pub(crate) fn lab_command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    let (first, rest) = args.split_first().unwrap();
    command.args(["lab", first, "--dir"]).arg(dir).args(rest).stdin(Stdio::null());
    command
}

pub(crate) fn assert_well(out: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(out.status.success(), "{}\n{}\n{}", out.status, text(&out.stdout), text(&out.stderr));
}

/// No process that lives in the lab's mounts or names its folder, no mount, no link: by the folder's name, which is not
/// how the program itself finds them.
pub(crate) fn assert_nothing_left(dir: &Path) {
    let name = dir.file_name().unwrap().to_str().unwrap().to_owned();
    let late = Instant::now() + Duration::from_secs(10);
    loop {
        let left = processes_of(&name);
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < late, "left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert_eq!(mounts.lines().filter(|line| line.contains(&name)).collect::<Vec<_>>(), Vec::<&str>::new());
    let links: Vec<String> =
        fs::read_dir("/sys/class/net").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(links.iter().filter(|link| link.starts_with("rbl")).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Every process, this one left out, whose mounts, arguments or environment name the folder.
pub(crate) fn processes_of(name: &str) -> Vec<(u32, String)> {
    let mentions = |pid: u32, file: &str| {
        fs::read(format!("/proc/{pid}/{file}")).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(name))
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| ["mountinfo", "cmdline", "environ"].iter().any(|file| mentions(*pid, file)))
        .map(|pid| (pid, fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()))
        .collect()
}
