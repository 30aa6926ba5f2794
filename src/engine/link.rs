//! A lane's connection to its host: made once, made again for reading when it is lost, never for repeating a change.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::engine::brake::Pass;
use crate::engine::budget::Budget;
use crate::engine::dispatch::Recorder;
use crate::engine::machines::{Machines, meant};
use crate::engine::orders::Orders;
use crate::engine::shared::Shared;
use crate::engine::world::{Connected, Session, World};
use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::host::{Facts, Host};
use crate::model::id::{HostName, StepId};
use crate::model::op::{Exit, Op, Reply};
use crate::model::step::Target;

/// How often a lost connection is made again for a look.
const RECONNECTS: u32 = 2;

/// What every lane of a run shares.
pub struct RunContext<W: World> {
    /// The world.
    pub world: Arc<W>,
    /// Takes events.
    pub recorder: Recorder,
    /// What was ordered.
    pub orders: Orders,
    /// Who answers what steps ask.
    pub asking: Arc<Asking>,
    /// How many hosts may be out of service.
    pub budget: Arc<Budget>,
    /// Steps that run once a run.
    pub shared: Arc<Shared>,
    /// Which machine answered under which name; none where nothing is changed.
    pub machines: Option<Arc<Machines>>,
    /// Whether what commands print is told.
    pub with_output: bool,
    /// Cancelled when the record is lost.
    pub lost: CancellationToken,
    /// Cancelled when nobody is told of anything any more.
    pub deaf: CancellationToken,
}

/// Who answers what steps ask.
#[derive(Debug, Clone, Default)]
pub struct Asking {
    /// Steps that were approved by flag.
    pub approved: BTreeSet<StepId>,
    /// Who did that.
    pub by: String,
    /// Whether there is somebody to ask.
    pub can_ask: bool,
}

impl<W: World> Clone for RunContext<W> {
    fn clone(&self) -> Self {
        Self {
            world: Arc::clone(&self.world),
            recorder: self.recorder.clone(),
            orders: self.orders.clone(),
            asking: Arc::clone(&self.asking),
            budget: Arc::clone(&self.budget),
            shared: Arc::clone(&self.shared),
            machines: self.machines.clone(),
            with_output: self.with_output,
            lost: self.lost.clone(),
            deaf: self.deaf.clone(),
        }
    }
}

impl<W: World> RunContext<W> {
    /// For what is done outside a run: nobody asks, nothing is shared, nothing bounds it.
    pub fn alone(world: Arc<W>, recorder: Recorder, lost: CancellationToken) -> Self {
        let budget = Arc::new(Budget::new(None));
        let (asking, shared) = (Arc::default(), Arc::default());
        let deaf = CancellationToken::new();
        let orders = Orders::none();
        Self { world, recorder, orders, asking, budget, shared, machines: None, with_output: false, lost, deaf }
    }

    /// Whether nothing new may start.
    pub fn is_stopping(&self) -> bool {
        self.orders.stop.is_cancelled() || self.lost.is_cancelled()
    }

    /// Whether nothing new may start on this host.
    pub fn is_over(&self, host: &HostName) -> bool {
        self.is_stopping() || self.orders.excluded.has(host)
    }

    /// The leave to start something on a host: waits while the run is paused, until it is over.
    pub async fn go(&self, host: &HostName) -> Pass<'_> {
        tokio::select! {
            pass = self.go_all() => pass,
            () = self.orders.excluded.taken(host) => self.orders.brake.anyway().await,
        }
    }

    /// The leave to start something on any host.
    pub async fn go_all(&self) -> Pass<'_> {
        tokio::select! {
            biased;
            pass = self.orders.brake.off() => pass,
            () = self.orders.stop.cancelled() => self.orders.brake.anyway().await,
            () = self.lost.cancelled() => self.orders.brake.anyway().await,
        }
    }

    /// A context whose orders can no longer end it: for closing what is open.
    pub fn for_closing(&self) -> Self {
        Self { orders: Orders::none(), ..self.clone() }
    }
}

/// The connection of one lane.
pub struct Link<W: World> {
    host: Host,
    session: Option<W::Session>,
    target: Option<Target>,
    /// The machine that an earlier run has worked on, where it said which it is.
    machine: Option<String>,
    /// Whether the last try to reach the host failed on the way to it.
    down: bool,
}

impl<W: World> Link<W> {
    /// Not connected yet.
    pub fn new(host: Host) -> Self {
        Self { host, session: None, target: None, machine: None, down: false }
    }

    /// Not connected yet, to be accepted only if the machine is still the one that was met before.
    pub fn again(host: Host, before: Option<&Facts>) -> Self {
        Self { machine: before.and_then(|facts| facts.machine_id.clone()), ..Self::new(host) }
    }

    /// Whether the last look failed because the host could not be reached.
    pub fn is_down(&self) -> bool {
        self.down
    }

    /// The host's name.
    pub fn name(&self) -> &HostName {
        &self.host.name
    }

    /// The host with its facts, once it has been reached.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }

    /// Connects, unless connected.
    pub async fn connect(&mut self, ctx: &RunContext<W>) -> Result<(), Finding> {
        if self.session.as_ref().is_some_and(|session| session.lost().is_none()) {
            return Ok(());
        }
        self.session = None;
        self.down = false;
        let connected = tokio::select! {
            connected = ctx.world.connect(&self.host) => connected,
            () = ctx.orders.cancel.cancelled() => return Err(Finding::new("cancelled", "ended on request")),
        };
        match connected {
            Ok((session, connected)) => {
                self.admit(&connected.facts)?;
                if let Some(machines) = &ctx.machines {
                    machines.meet(&self.host.name, &connected)?;
                }
                self.machine.clone_from(&connected.facts.machine_id);
                self.told(ctx, &connected).await;
                self.target = Some(Target { host: self.host.clone(), facts: connected.facts });
                self.session = Some(session);
                Ok(())
            }
            Err(fault) => {
                self.down = true;
                let down = EventKind::HostReach {
                    host: self.host.name.clone(),
                    state: "down".to_owned(),
                    finding: Some(fault.finding.clone()),
                };
                // the record's own failure stops the run elsewhere
                let _ = ctx.recorder.note(down).await;
                Err(fault.finding)
            }
        }
    }

    /// The machine behind the name must be the one that the inventory means, and the one that was looked at before.
    fn admit(&self, facts: &Facts) -> Result<(), Finding> {
        meant(&self.host, facts)?;
        let Some(before) = &self.machine else { return Ok(()) };
        match &facts.machine_id {
            Some(now) if now == before => Ok(()),
            now => Err(Finding::new(
                "identity-changed",
                format!("another machine answers now: machine id {before} before, {} now", now.as_deref().unwrap_or("none")),
            )),
        }
    }

    async fn told(&self, ctx: &RunContext<W>, connected: &Connected) {
        let event = EventKind::HostConnected {
            host: self.host.name.clone(),
            key_type: connected.key_type.clone(),
            fingerprint: connected.fingerprint.clone(),
            facts: connected.facts.clone(),
            took_ms: u64::try_from(connected.took.as_millis()).unwrap_or(u64::MAX),
            algorithms: connected.algorithms.clone(),
        };
        let _ = ctx.recorder.note(event).await;
    }

    /// Looks: read-only ops, which may be repeated over a new connection.
    pub async fn look(&mut self, ctx: &RunContext<W>, ops: &[Op]) -> Result<Vec<Reply>, Finding> {
        debug_assert!(!ops.iter().any(Op::mutates), "a probe must not change anything");
        if ops.is_empty() {
            return Ok(Vec::new());
        }
        let mut reconnects = 0;
        loop {
            self.connect(ctx).await?;
            let Some(session) = self.session.as_mut() else { continue };
            let replies = session.perform(ops, &ctx.orders.cancel).await;
            let Some((class, message)) = session.lost() else { return Ok(replies) };
            self.drop_lost(ctx, &class, &message).await;
            if reconnects >= RECONNECTS || ctx.orders.cancel.is_cancelled() {
                self.down = true;
                return Err(Finding::new(&class, message));
            }
            reconnects += 1;
        }
    }

    /// Performs one op that changes something; once, whatever happens.
    pub async fn act(&mut self, ctx: &RunContext<W>, op: &Op) -> Reply {
        let Some(session) = self.session.as_mut() else {
            return not_started("connection-lost");
        };
        let mut replies = session.perform(std::slice::from_ref(op), &ctx.orders.cancel).await;
        let lost = session.lost();
        if let Some((class, message)) = lost {
            self.drop_lost(ctx, &class, &message).await;
        }
        replies.pop().unwrap_or_else(|| not_started("no-reply"))
    }

    async fn drop_lost(&mut self, ctx: &RunContext<W>, class: &str, message: &str) {
        self.session = None;
        let lost = EventKind::HostLost { host: self.host.name.clone(), class: class.to_owned(), message: message.to_owned() };
        let _ = ctx.recorder.note(lost).await;
    }

    /// Ends the connection in order.
    pub async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            session.close().await;
        }
    }
}

fn not_started(why: &str) -> Reply {
    use crate::model::op::{Captured, ShellReply};
    Reply::Shell(ShellReply {
        exit: Exit::NotStarted { why: why.to_owned() },
        stdout: Captured::default(),
        stderr: Captured::default(),
        took: std::time::Duration::ZERO,
    })
}
