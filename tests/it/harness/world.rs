//! A scripted world: hosts as small state machines behind the engine's own traits, a ledger outside the engine's reach,
//! and a record that can be told to fail. Time is tokio's and may be paused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runbook::engine::log::{Log, LogError};
use runbook::engine::world::{ConnectFault, Connected, Session, World};
use runbook::model::event::{Event, EventKind};
use runbook::model::finding::Finding;
use runbook::model::host::{Facts, Host};
use runbook::model::op::{Captured, Exit, HttpAnswer, HttpMethod, HttpReply, Op, Reply, ShellReply};
use runbook::model::time::Timestamp;
use tokio_util::sync::CancellationToken;

/// A host: a switch, and commands with programmed ends.
#[derive(Debug, Clone)]
pub struct Machine {
    pub reachable: bool,
    pub switch: bool,
    /// What a command text ends with, in turn; the last one repeats. Absent: status 0.
    pub ends: BTreeMap<String, Vec<Exit>>,
    /// Setting the switch from outside once the ledger has this many entries.
    pub meddle: Option<(usize, bool)>,
    /// Setting the switch from outside once it was read this many times.
    pub flip: Option<(usize, bool)>,
    /// How often it was read.
    pub reads: usize,
    /// How many of the next connections fail.
    pub down: usize,
    /// How many of the next POSTs are not sent; meanwhile somebody else turns the switch off.
    pub unsent: usize,
    /// The command during which the connection is lost; the host cannot be reached after it.
    pub dies_at: Option<&'static str>,
    /// The command at which this program itself fails.
    pub panics_at: Option<&'static str>,
    /// Which machine it says it is.
    pub machine_id: Option<&'static str>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            reachable: true,
            switch: true,
            ends: BTreeMap::new(),
            meddle: None,
            flip: None,
            reads: 0,
            down: 0,
            unsent: 0,
            dies_at: None,
            panics_at: None,
            machine_id: None,
        }
    }
}

impl Machine {
    pub fn ending(mut self, command: &str, ends: &[Exit]) -> Self {
        self.ends.insert(command.to_owned(), ends.to_vec());
        self
    }
}

#[derive(Debug, Default)]
pub struct Shared {
    pub machines: BTreeMap<String, Machine>,
    /// `host: effect`, in the order of happening.
    pub ledger: Vec<String>,
    /// `host` of each group of ops, with how many events were durable then.
    pub touched: Vec<(String, usize)>,
    /// Every event that is durable.
    pub events: Vec<Event>,
    /// The record fails from this many events on.
    pub log_limit: Option<usize>,
    /// Effects that had no durable intent when they happened.
    pub unrecorded: Vec<String>,
}

/// The world over [`Shared`].
#[derive(Debug, Clone)]
pub struct ScriptedWorld {
    pub shared: Arc<Mutex<Shared>>,
    began: tokio::time::Instant,
}

impl ScriptedWorld {
    pub fn new(machines: impl IntoIterator<Item = (&'static str, Machine)>) -> Self {
        let machines = machines.into_iter().map(|(name, machine)| (name.to_owned(), machine)).collect();
        let shared = Shared { machines, ..Shared::default() };
        Self { shared: Arc::new(Mutex::new(shared)), began: tokio::time::Instant::now() }
    }

    pub fn ledger(&self) -> Vec<String> {
        self.shared.lock().expect("not poisoned").ledger.clone()
    }

    pub fn unrecorded(&self) -> Vec<String> {
        self.shared.lock().expect("not poisoned").unrecorded.clone()
    }

    pub fn touched(&self) -> Vec<(String, usize)> {
        self.shared.lock().expect("not poisoned").touched.clone()
    }

    pub fn events(&self) -> Vec<Event> {
        self.shared.lock().expect("not poisoned").events.clone()
    }

    pub fn log(&self) -> ScriptedLog {
        ScriptedLog(Arc::clone(&self.shared))
    }
}

/// A record in memory.
pub struct ScriptedLog(Arc<Mutex<Shared>>);

impl Log for ScriptedLog {
    async fn append(&mut self, events: &[Event]) -> Result<(), LogError> {
        tokio::task::yield_now().await;
        let mut shared = self.0.lock().expect("not poisoned");
        if shared.log_limit.is_some_and(|limit| shared.events.len() + events.len() > limit) {
            shared.log_limit = Some(0);
            return Err(LogError("disk full (scripted)".to_owned()));
        }
        shared.events.extend_from_slice(events);
        Ok(())
    }
}

impl World for ScriptedWorld {
    type Session = ScriptedSession;

    async fn connect(&self, host: &Host) -> Result<(ScriptedSession, Connected), ConnectFault> {
        self.sleep(Duration::from_millis(20)).await;
        let mut shared = self.shared.lock().expect("not poisoned");
        let machine = shared.machines.get_mut(host.name.as_str()).expect("a scripted host");
        let down = machine.down > 0;
        machine.down = machine.down.saturating_sub(1);
        if !machine.reachable || down {
            return Err(ConnectFault { finding: Finding::new("refused", "connection refused (scripted)") });
        }
        let facts = Facts {
            os: "Linux".to_owned(),
            arch: "x86_64".to_owned(),
            user: "app".to_owned(),
            uid: 1001,
            home: "/home/app".to_owned(),
            hostname: host.name.to_string(),
            boot_id: None,
            machine_id: Some(machine.machine_id.map_or_else(|| format!("machine-{}", host.name), str::to_owned)),
            instance_id: None,
            skew_ms: 0,
            skew_err_ms: 1,
        };
        let connected = Connected {
            key_type: "ssh-ed25519".to_owned(),
            fingerprint: "SHA256:scripted".to_owned(),
            facts,
            took: Duration::from_millis(20),
            algorithms: None,
        };
        Ok((ScriptedSession { host: host.name.to_string(), shared: Arc::clone(&self.shared), lost: None }, connected))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000).plus(self.began.elapsed())
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// A connection to a [`Machine`].
pub struct ScriptedSession {
    host: String,
    shared: Arc<Mutex<Shared>>,
    lost: Option<(String, String)>,
}

impl Session for ScriptedSession {
    async fn perform(&mut self, ops: &[Op], _cancel: &CancellationToken) -> Vec<Reply> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        {
            let mut shared = self.shared.lock().expect("not poisoned");
            let durable = shared.events.len();
            shared.touched.push((self.host.clone(), durable));
        }
        for op in ops {
            let shared = self.shared.lock().expect("not poisoned");
            let machine = shared.machines.get(&self.host).expect("a scripted host");
            let panics = matches!(op, Op::Shell(shell) if machine.panics_at == Some(shell.text()));
            // not while it is locked: the others go on
            drop(shared);
            assert!(!panics, "a bug (scripted)");
        }
        ops.iter().map(|op| self.reply(op)).collect()
    }

    fn lost(&self) -> Option<(String, String)> {
        self.lost.clone()
    }

    async fn close(self) {}
}

impl ScriptedSession {
    fn reply(&mut self, op: &Op) -> Reply {
        let mut shared = self.shared.lock().expect("not poisoned");
        if op.mutates() {
            let intended = shared.events.iter().any(
                |event| matches!(&event.kind, EventKind::StepIntent { host, change, .. } if host.as_str() == self.host && change.ops.contains(op)),
            );
            if !intended {
                let label = op.label();
                shared.unrecorded.push(label);
            }
        }
        match op {
            Op::Http(call) if call.method == HttpMethod::Post && shared.machines[&self.host].unsent > 0 => {
                let machine = shared.machines.get_mut(&self.host).expect("a scripted host");
                machine.unsent -= 1;
                machine.switch = false;
                let (class, message) = ("refused".to_owned(), "connection refused (scripted)".to_owned());
                Reply::Http(HttpReply::Fault { class, message, sent: false })
            }
            Op::Http(call) => {
                if call.method == HttpMethod::Post {
                    let wanted = call.url.ends_with("true");
                    let line = format!("{}: switch {}", self.host, if wanted { "on" } else { "off" });
                    shared.ledger.push(line);
                }
                let happened = shared.ledger.len();
                let machine = shared.machines.get_mut(&self.host).expect("a scripted host");
                if call.method == HttpMethod::Post {
                    machine.switch = call.url.ends_with("true");
                }
                if let Some((at, value)) = machine.meddle
                    && happened >= at
                {
                    machine.switch = value;
                    machine.meddle = None;
                }
                if let Some((at, value)) = machine.flip
                    && machine.reads >= at
                {
                    machine.switch = value;
                    machine.flip = None;
                }
                machine.reads += usize::from(call.method == HttpMethod::Get);
                let body = format!("{{\"enabled\":{}}}", machine.switch).into_bytes();
                Reply::Http(HttpReply::Answer(HttpAnswer {
                    status: 200,
                    headers: Vec::new(),
                    body,
                    took: Duration::from_millis(2),
                }))
            }
            Op::Shell(shell) => {
                if shell.mutates {
                    let line = format!("{}: {}", self.host, shell.text());
                    shared.ledger.push(line);
                }
                let machine = shared.machines.get_mut(&self.host).expect("a scripted host");
                if machine.dies_at == Some(shell.text()) {
                    machine.reachable = false;
                    self.lost = Some(("connection-lost".to_owned(), "reset (scripted)".to_owned()));
                    let exit = Exit::Unknown { why: "connection-lost".to_owned() };
                    let (stdout, stderr) = (Captured::default(), Captured::default());
                    return Reply::Shell(ShellReply { exit, stdout, stderr, took: Duration::from_millis(3) });
                }
                let exit = match machine.ends.get_mut(shell.text()) {
                    Some(ends) if ends.len() > 1 => ends.remove(0),
                    Some(ends) => ends.first().cloned().unwrap_or(Exit::Code { code: 0 }),
                    None => Exit::Code { code: 0 },
                };
                let (stdout, stderr) = (Captured::whole("out\n"), Captured::default());
                Reply::Shell(ShellReply { exit, stdout, stderr, took: Duration::from_millis(3) })
            }
            Op::Pm2(_) => unreachable!("no scripted PM2"),
        }
    }
}
