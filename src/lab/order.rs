//! What the parts of the lab say to each other: one JSON value a line.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::lab::error::{Doing, LabError};
use crate::lab::facts::Network;
use crate::lab::place::Place;

/// The longest line that is read.
pub(crate) const LONGEST: u64 = 256 * 1024;
/// The supervisor's socket in the lab's folder.
pub(crate) const SOCKET: &str = "supervisor.sock";
/// The state file: written by the supervisor, a cache for readers.
pub(crate) const STATE: &str = "lab.json";

/// What the supervisor is told when it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FleetSpec {
    /// The label.
    pub(crate) id: String,
    /// The lab's folder, absolute.
    pub(crate) dir: PathBuf,
    /// The network.
    pub(crate) network: Network,
    /// The programs of the hosts.
    pub(crate) tools: Tools,
    /// How many PM2 commands may run at once over all hosts.
    pub(crate) starters: usize,
}

/// The programs of the hosts, where they lie on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tools {
    /// sshd.
    pub(crate) sshd: PathBuf,
    /// Node's installation prefix, when it is not below `/usr`.
    pub(crate) node: Option<PathBuf>,
    /// The folder with PM2.
    pub(crate) pm2: PathBuf,
}

/// What an init is told when it starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HostSpec {
    /// The fleet.
    pub(crate) fleet: FleetSpec,
    /// Its number in it.
    pub(crate) number: u16,
    /// The first part of every host's name by number, for `/etc/hosts`.
    pub(crate) hosts: u16,
}

/// What an init says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    /// Its process number, outermost namespace first.
    Pids(Vec<i32>),
    /// The view stands; the network may come.
    Built,
    /// sshd listens.
    Ready,
    /// The user's boot script ended.
    Booted {
        /// Whether it ended well.
        ok: bool,
    },
    /// It cannot go on.
    Failed(String),
}

/// What an init is told after its spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// eth0 is there.
    Go,
    /// Start the apps.
    Boot,
}

/// What the supervisor is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Have hosts 1 to N, no others.
    Hosts(u16),
    /// Restart a host, hard.
    Reboot(u16),
}

/// The state of the lab, as the supervisor answers and files it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The label.
    pub(crate) id: String,
    /// How the hosts are kept apart.
    pub(crate) form: Form,
    /// The network.
    pub(crate) network: Network,
    /// Whether it was ever whole.
    pub(crate) stands: bool,
    /// The supervisor's process number on this machine; none in the loopback form.
    pub(crate) supervisor: Option<Process>,
    /// The programs of the hosts.
    pub(crate) tools: Tools,
    /// The hosts, by number.
    pub(crate) hosts: Vec<HostState>,
}

/// How the hosts are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Namespaces of their own.
    Namespaces,
    /// One sshd each, as the current user, on loopback addresses.
    Loopback,
}

/// A process that cannot be taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    /// Its number on this machine.
    pub(crate) pid: i32,
    /// When it started, in ticks since the boot.
    pub(crate) start: u64,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostState {
    /// Its number.
    pub(crate) number: u16,
    /// Its name.
    pub(crate) name: String,
    /// Its init on this machine.
    pub(crate) init: Option<Process>,
    /// How often it was started.
    pub(crate) boots: u32,
    /// How far it is.
    pub(crate) phase: Phase,
}

/// How far a host is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    /// Its view and its network are being made.
    Building,
    /// sshd listens.
    Ssh,
    /// The apps were started.
    Up,
    /// It cannot be had.
    Failed(String),
}

/// A line to send.
pub(crate) fn line<T: Serialize>(value: &T) -> Result<String, LabError> {
    serde_json::to_string(value)
        .map(|text| text + "\n")
        .map_err(|error| LabError::Unreadable { what: "our own message".to_owned(), why: error.to_string() })
}

/// A line that was received.
pub(crate) fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, LabError> {
    serde_json::from_str(text).map_err(|error| LabError::Unreadable { what: what.to_owned(), why: error.to_string() })
}

/// A socket's path that is short enough however deep the folder lies.
pub(crate) fn socket_path(place: &Place) -> Result<(std::fs::File, PathBuf), LabError> {
    let dir = std::fs::File::open(place.dir()).doing(|| format!("open {}", place.dir().display()))?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()));
    Ok((dir, path))
}

/// A conversation with a supervisor that is alive.
#[derive(Debug)]
pub(crate) struct Conversation {
    lines: std::io::Lines<BufReader<std::io::Take<UnixStream>>>,
}

impl Conversation {
    /// Asks; none if nobody listens.
    pub(crate) fn start(place: &Place, order: &Order, limit: Duration) -> Result<Option<Self>, LabError> {
        let Ok((_dir, path)) = socket_path(place) else { return Ok(None) };
        let Ok(mut stream) = UnixStream::connect(path) else { return Ok(None) };
        stream.set_read_timeout(Some(limit)).doing(|| "set a deadline for the supervisor".to_owned())?;
        stream.write_all(line(order)?.as_bytes()).doing(|| "ask the supervisor".to_owned())?;
        Ok(Some(Self { lines: BufReader::new(stream.take(LONGEST * 64)).lines() }))
    }

    /// The next state; each change is one.
    pub(crate) fn next(&mut self) -> Result<State, LabError> {
        match self.lines.next() {
            Some(Ok(text)) => parse("the supervisor's answer", &text),
            Some(Err(source)) => Err(LabError::Io { doing: "hear from the supervisor".to_owned(), source }),
            None => Err(LabError::Program { doing: "the supervisor".to_owned(), said: "it ended".to_owned() }),
        }
    }
}
