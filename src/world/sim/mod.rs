//! A simulated fleet behind the engine's own traits: hosts as small state machines that answer the looks of this program
//! in their real formats. Nothing is ever contacted.

mod answers;
mod changes;
mod clock;
mod files;
mod logs;
mod looks;
mod machine;
mod service;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::world::{ConnectFault, Connected, Session, World};
use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::op::{Captured, Exit, HttpReply, Op, Pm2Reply, Reply, ShellReply};
use crate::model::sim::{Fate, Reach, Sim};
use crate::model::time::Timestamp;
use crate::world::sim::answers::perform;
use crate::world::sim::clock::Clock;
use crate::world::sim::machine::Machine;
use crate::world::timeouts::Timeouts;

/// Round trips that connecting takes.
const CONNECTING: u32 = 4;

/// Simulated hosts. Their state lasts as long as this does.
#[derive(Debug)]
pub struct SimFleet {
    ground: Arc<Ground>,
}

#[derive(Debug)]
struct Ground {
    sim: Sim,
    fates: Vec<Fate>,
    /// A host is made when it is first connected to.
    machines: Vec<Mutex<Option<Box<Machine>>>>,
    clock: Clock,
    timeouts: Timeouts,
}

/// A connection to a simulated host.
#[derive(Debug)]
pub struct SimSession {
    ground: Arc<Ground>,
    index: usize,
}

impl SimFleet {
    /// The fleet; its time begins now.
    pub fn new(sim: Sim) -> Self {
        let fates = sim.fates();
        let machines = (0..sim.hosts).map(|_| Mutex::new(None)).collect();
        let clock = Clock::new(sim.speed);
        Self { ground: Arc::new(Ground { sim, fates, machines, clock, timeouts: Timeouts::default() }) }
    }
}

impl Ground {
    /// Works with a host.
    fn with<R>(&self, index: usize, work: impl FnOnce(&mut Machine) -> R) -> Option<R> {
        let fate = *self.fates.get(index)?;
        // what a host comes to is never left half done
        let mut machine = self.machines.get(index)?.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || Box::new(Machine::new(self.sim.seed, index, self.sim.name(index), fate, self.clock.began()));
        Some(work(machine.get_or_insert_with(make)))
    }

    async fn connect(&self, host: &Host) -> Result<(usize, Connected), Finding> {
        let index = self.sim.index(host.name.as_str());
        let made = index.and_then(|index| Some((index, self.with(index, |machine| (machine.facts(), machine.round()))?)));
        let Some((index, (facts, round))) = made else {
            return Err(Finding::new("refused", format!("sim: there is no simulated host {}", host.name)));
        };
        let took = round * CONNECTING;
        let unreach = self.fates.get(index).and_then(|fate| fate.unreach);
        let waits = if unreach == Some(Reach::Timeout) { self.timeouts.tcp } else { took };
        self.clock.spend(waits).await;
        if let Some(why) = unreach {
            return Err(unreachable(why, host, waits));
        }
        let fingerprint = format!("SHA256:SIM{:040}", index + 1);
        Ok((index, Connected { key_type: "ssh-ed25519".to_owned(), fingerprint, facts, took, algorithms: None }))
    }
}

/// Faults as a real fleet shows them, under the same classes.
fn unreachable(why: Reach, host: &Host, waited: Duration) -> Finding {
    let at = format!("{}:{}", host.address, host.port);
    match why {
        Reach::Refused => {
            Finding::new("refused", format!("{at}: connection refused (simulated)")).hint("is sshd running there, on this port?")
        }
        Reach::Timeout => Finding::new("connect-timeout", format!("{at} did not answer in {waited:?} (simulated)")),
        Reach::HostKey => {
            let summary = format!("the host key changed: ssh-ed25519 SHA256:SIM is not what is recorded for `{at}` (simulated)");
            Finding::new("host-key-changed", summary)
                .hint("a re-created machine, or somebody in the middle: compare the key with the host's console")
        }
        Reach::Auth => {
            Finding::new("auth-denied", format!("the server accepted none of the keys offered for {} (simulated)", host.user))
                .hint("check `user` and `identity` in the inventory and authorized_keys on the host")
        }
    }
}

impl World for SimFleet {
    type Session = SimSession;

    async fn connect(&self, host: &Host) -> Result<(SimSession, Connected), ConnectFault> {
        let connected = self.ground.connect(host).await.map_err(|finding| ConnectFault { finding })?;
        let (index, connected) = connected;
        Ok((SimSession { ground: Arc::clone(&self.ground), index }, connected))
    }

    fn now(&self) -> Timestamp {
        self.ground.clock.now()
    }

    async fn sleep(&self, time: Duration) {
        self.ground.clock.sleep(time).await;
    }
}

impl SimSession {
    /// Ops that go together: one way there and back for all of them, or one that changes something by itself.
    async fn together(&self, ops: &[Op], cancel: &CancellationToken) -> Vec<Reply> {
        let done = self.ground.with(self.index, |machine| {
            let now = machine.clock(self.ground.clock.now());
            let mut takes = machine.round();
            let replies: Vec<Reply> = ops
                .iter()
                .map(|op| {
                    let (reply, time) = perform(machine, op, now, self.ground.sim.rate);
                    takes += time;
                    reply
                })
                .collect();
            (replies, takes)
        });
        let Some((replies, takes)) = done else { return ops.iter().map(cancelled).collect() };
        tokio::select! {
            biased;
            () = self.ground.clock.spend(takes) => replies,
            () = cancel.cancelled() => replies.into_iter().zip(ops).map(|(reply, op)| cut_short(reply, op)).collect(),
        }
    }
}

impl Session for SimSession {
    async fn perform(&mut self, ops: &[Op], cancel: &CancellationToken) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(ops.len());
        let mut rest = ops;
        while let Some(first) = rest.first() {
            let readers = rest.iter().take_while(|op| !op.mutates()).count();
            let (group, after) = rest.split_at(if first.mutates() { 1 } else { readers });
            if cancel.is_cancelled() {
                replies.extend(group.iter().map(cancelled));
            } else {
                replies.extend(self.together(group, cancel).await);
            }
            rest = after;
        }
        replies
    }

    fn lost(&self) -> Option<(String, String)> {
        None
    }

    async fn close(self) {}
}

/// What an op is answered that was not sent any more.
fn cancelled(op: &Op) -> Reply {
    let why = || "cancelled".to_owned();
    match op {
        Op::Shell(_) => {
            let (exit, none) = (Exit::NotStarted { why: why() }, Captured::default());
            Reply::Shell(ShellReply { exit, stdout: none.clone(), stderr: none, took: Duration::ZERO })
        }
        Op::Http(_) => Reply::Http(HttpReply::Fault { class: why(), message: why(), sent: false }),
        Op::Pm2(_) => Reply::Pm2(Pm2Reply::Fault { class: why(), message: why() }),
    }
}

/// What an op is answered that was cancelled under way: a script was ended, a request may have been heard.
fn cut_short(reply: Reply, op: &Op) -> Reply {
    match (reply, cancelled(op)) {
        (Reply::Shell(done), _) => Reply::Shell(ShellReply { exit: Exit::Signal { name: "TERM".to_owned() }, ..done }),
        (_, Reply::Http(HttpReply::Fault { class, message, .. })) => Reply::Http(HttpReply::Fault { class, message, sent: true }),
        (_, other) => other,
    }
}
