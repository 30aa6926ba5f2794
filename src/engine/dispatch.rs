//! The owner of a run's events: numbers them, has them recorded, folds them, tells the bystanders. In this order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::engine::log::{Log, LogError};
use crate::engine::report::Reporter;
use crate::model::event::{Event, EventKind};
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::state::run::RunState;

/// How many events may wait to be recorded; senders wait when it is full.
const QUEUE: usize = 1024;
/// How many events are recorded in one go at most.
const GROUP: usize = 256;
/// How many events may wait for the bystanders; when it is full they are detached.
const TOLD: usize = 16_384;
/// How long one event may take to be told at the end, before the output counts as hanging.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many running steps are named at most.
const RUNNING: usize = 20;

enum Message {
    Event(Box<EventKind>, Option<oneshot::Sender<Result<(), LogError>>>),
    State(oneshot::Sender<RunState>),
    Running(oneshot::Sender<Vec<String>>),
}

/// Hands events to the dispatcher. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    to: mpsc::Sender<Message>,
}

impl Recorder {
    /// Records an event; does not wait until it is durable.
    pub async fn note(&self, kind: EventKind) -> Result<(), LogError> {
        self.to.send(Message::Event(Box::new(kind), None)).await.map_err(|_| gone())
    }

    /// Records an event and waits until it, and all before it, are durable.
    pub async fn commit(&self, kind: EventKind) -> Result<(), LogError> {
        let (ack, acked) = oneshot::channel();
        self.to.send(Message::Event(Box::new(kind), Some(ack))).await.map_err(|_| gone())?;
        acked.await.map_err(|_| gone())?
    }

    /// `host step` of what is running; of many the first ones.
    pub async fn running(&self) -> Result<Vec<String>, LogError> {
        let (ask, answer) = oneshot::channel();
        self.to.send(Message::Running(ask)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    /// The state after every event handed over so far.
    pub async fn state(&self) -> Result<RunState, LogError> {
        let (ask, answer) = oneshot::channel();
        self.to.send(Message::State(ask)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

/// `host step` of what is running; of many the first ones.
fn running(state: &RunState) -> Vec<String> {
    let of = state.hosts.iter().filter_map(|(host, of)| Some(format!("{host} {}", of.running.as_ref()?.0)));
    of.take(RUNNING).collect()
}

fn gone() -> LogError {
    LogError("it failed earlier in this run".to_owned())
}

/// Where a dispatcher starts from.
pub struct Start<L> {
    /// The run.
    pub run: RunId,
    /// Its state so far: empty for a new run.
    pub state: RunState,
    /// The record.
    pub log: L,
    /// Who is told.
    pub reporters: Vec<Box<dyn Reporter>>,
    /// The clock.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Cancelled when the record is lost: nothing new may start.
    pub lost: CancellationToken,
}

/// A dispatcher at work.
pub struct Dispatch {
    /// To hand it events.
    pub recorder: Recorder,
    /// Cancelled when the bystanders are not told any more.
    pub deaf: CancellationToken,
    task: tokio::task::JoinHandle<RunState>,
}

impl Dispatch {
    /// Starts it.
    pub fn start<L: Log>(start: Start<L>) -> Self {
        let (to, from) = mpsc::channel(QUEUE);
        let deaf = CancellationToken::new();
        let task = tokio::spawn(serve(start, from, deaf.clone()));
        Self { recorder: Recorder { to }, deaf, task }
    }

    /// Ends it, after every clone of the recorder is gone: the final state.
    pub async fn finish(self) -> Option<RunState> {
        drop(self.recorder);
        self.task.await.ok()
    }
}

async fn serve<L: Log>(mut start: Start<L>, mut from: mpsc::Receiver<Message>, deaf: CancellationToken) -> RunState {
    let mut told = Told::start(std::mem::take(&mut start.reporters), deaf);
    let mut broken: Option<LogError> = None;
    let mut inbox = Vec::with_capacity(GROUP);
    while from.recv_many(&mut inbox, GROUP).await > 0 {
        let mut events = Vec::new();
        let mut acks = Vec::new();
        let mut asks = Vec::new();
        for message in inbox.drain(..) {
            match message {
                Message::Event(kind, ack) => {
                    let seq = start.state.seq + events.len() as u64 + 1;
                    events.push(Event { seq, ts: (start.now)(), run: start.run.clone(), kind: *kind });
                    acks.extend(ack);
                }
                Message::State(ask) => asks.push(ask),
                Message::Running(ask) => drop(ask.send(running(&start.state))),
            }
        }
        if !events.is_empty() {
            let result = match &broken {
                Some(error) => Err(error.clone()),
                None => start.log.append(&events).await,
            };
            match &result {
                Ok(()) => {
                    for event in events {
                        start.state.apply(&event);
                        told.tell(event);
                    }
                }
                Err(error) if broken.is_none() => {
                    tracing::error!(%error, "the record is lost");
                    start.lost.cancel();
                    broken = Some(error.clone());
                }
                Err(_) => {}
            }
            for ack in acks {
                // a lane that was ended does not wait for its answer any more
                let _ = ack.send(result.clone());
            }
        }
        for ask in asks {
            let _ = ask.send(start.state.clone());
        }
    }
    told.finish().await;
    start.state
}

/// The bystanders, on a thread of their own: a stalled terminal stalls nothing else.
struct Told {
    to: Option<SyncSender<Arc<Event>>>,
    /// How many events were told.
    count: Arc<AtomicU64>,
    deaf: CancellationToken,
    done: oneshot::Receiver<()>,
}

impl Told {
    fn start(reporters: Vec<Box<dyn Reporter>>, deaf: CancellationToken) -> Self {
        let (to, from) = sync_channel::<Arc<Event>>(TOLD);
        let (ended, done) = oneshot::channel();
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        thread::spawn(move || {
            let mut reporters = reporters;
            loop {
                match from.recv_timeout(Duration::from_millis(100)) {
                    Ok(event) => reporters.retain_mut(|r| kept(|| r.on(&event))),
                    Err(RecvTimeoutError::Timeout) => reporters.retain_mut(|r| kept(|| r.tick())),
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                counted.fetch_add(1, Ordering::Relaxed);
            }
            for reporter in &mut reporters {
                kept(|| reporter.finish());
            }
            let _ = ended.send(());
        });
        Self { to: Some(to), count, deaf, done }
    }

    fn tell(&mut self, event: Event) {
        if let Some(to) = &self.to
            && to.try_send(Arc::new(event)).is_err()
        {
            tracing::warn!("the output does not keep up and was detached; the run goes on");
            self.to = None;
            self.deaf.cancel();
        }
    }

    /// Waits until everything was told, as long as anything is; not for an output that hangs.
    async fn finish(mut self) {
        self.to = None;
        loop {
            let before = self.count.load(Ordering::Relaxed);
            let ended = tokio::time::timeout(PATIENCE, &mut self.done).await.is_ok();
            if ended || self.count.load(Ordering::Relaxed) == before {
                return;
            }
        }
    }
}

/// Whether a bystander goes on: one that fails, or has a bug, costs nobody else anything.
fn kept(tell: impl FnOnce() -> std::io::Result<()>) -> bool {
    match catch_unwind(AssertUnwindSafe(tell)) {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::warn!(%error, "an output failed and was detached; the run goes on"),
        Err(_) => tracing::error!("a part of this program that shows the run failed and was detached; the run goes on"),
    }
    false
}
