//! The owner of a run's events: numbers them, has them recorded, folds them, tells the bystanders. In this order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::engine::log::{Log, LogError};
use crate::engine::report::Reporter;
use crate::engine::seen;
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
/// How many bytes of output may wait to be recorded; senders wait when they are too many.
const QUEUED: usize = 64 * 1024 * 1024;
/// How many bytes of output may wait for the bystanders; of what is beyond they are told only that it was.
const BEHIND: usize = 64 * 1024 * 1024;
/// Bytes of output are counted in such pieces.
const PIECE: usize = 1024;
/// How long one event may take to be told at the end, before the output counts as hanging.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many running steps are named at most.
const RUNNING: usize = 20;

type Ack = oneshot::Sender<Result<(), LogError>>;

enum Message {
    Event(Box<EventKind>, Option<Ack>, Option<OwnedSemaphorePermit>),
    State(oneshot::Sender<Arc<RunState>>),
    Running(oneshot::Sender<Vec<String>>),
}

/// Hands events to the dispatcher. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    to: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
}

impl Recorder {
    async fn send(&self, kind: EventKind, ack: Option<Ack>) -> Result<(), LogError> {
        let pieces = seen::weight(&kind).min(QUEUED) / PIECE;
        let held = match u32::try_from(pieces).unwrap_or(u32::MAX) {
            0 => None,
            pieces => Some(Arc::clone(&self.room).acquire_many_owned(pieces).await.map_err(|_| gone())?),
        };
        self.to.send(Message::Event(Box::new(kind), ack, held)).await.map_err(|_| gone())
    }

    /// Records an event; does not wait until it is durable.
    pub async fn note(&self, kind: EventKind) -> Result<(), LogError> {
        self.send(kind, None).await
    }

    /// Records an event and waits until it, and all before it, are durable.
    pub async fn commit(&self, kind: EventKind) -> Result<(), LogError> {
        let (ack, acked) = oneshot::channel();
        self.send(kind, Some(ack)).await?;
        acked.await.map_err(|_| gone())?
    }

    /// `host step` of what is running; of many the first ones.
    pub async fn running(&self) -> Result<Vec<String>, LogError> {
        let (ask, answer) = oneshot::channel();
        self.to.send(Message::Running(ask)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }

    /// The state after every event handed over so far.
    pub async fn state(&self) -> Result<Arc<RunState>, LogError> {
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
        let room = Arc::new(Semaphore::new(QUEUED / PIECE));
        Self { recorder: Recorder { to, room }, deaf, task }
    }

    /// Ends it, after every clone of the recorder is gone: the final state.
    pub async fn finish(self) -> Option<RunState> {
        drop(self.recorder);
        self.task.await.ok()
    }
}

async fn serve<L: Log>(mut start: Start<L>, mut from: mpsc::Receiver<Message>, deaf: CancellationToken) -> RunState {
    let mut told = Told::start(std::mem::take(&mut start.reporters), deaf);
    // shared with who asks for it, not copied: that of a large run is large
    let mut state = Arc::new(std::mem::take(&mut start.state));
    let mut broken: Option<LogError> = None;
    let mut inbox = Vec::with_capacity(GROUP);
    while from.recv_many(&mut inbox, GROUP).await > 0 {
        let mut events = Vec::new();
        let mut acks = Vec::new();
        // what is being recorded still takes its room
        let mut rooms = Vec::new();
        let mut asks = Vec::new();
        for message in inbox.drain(..) {
            match message {
                Message::Event(kind, ack, room) => {
                    let seq = state.seq + events.len() as u64 + 1;
                    events.push(Event { seq, ts: (start.now)(), run: start.run.clone(), kind: *kind });
                    acks.extend(ack);
                    rooms.extend(room);
                }
                Message::State(ask) => asks.push(ask),
                Message::Running(ask) => drop(ask.send(running(&state))),
            }
        }
        if !events.is_empty() {
            let result = match &broken {
                Some(error) => Err(error.clone()),
                None => start.log.append(&events).await,
            };
            match &result {
                Ok(()) => {
                    let state = Arc::make_mut(&mut state);
                    for event in events {
                        state.apply(&event);
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
            let _ = ask.send(Arc::clone(&state));
        }
    }
    told.finish().await;
    Arc::unwrap_or_clone(state)
}

/// The bystanders, on a thread of their own: a stalled terminal stalls nothing else.
struct Told {
    to: Option<SyncSender<Arc<Event>>>,
    /// How many events were told.
    count: Arc<AtomicU64>,
    /// How many bytes of output wait.
    waiting: Arc<AtomicUsize>,
    deaf: CancellationToken,
    done: oneshot::Receiver<()>,
}

impl Told {
    fn start(reporters: Vec<Box<dyn Reporter>>, deaf: CancellationToken) -> Self {
        let (to, from) = sync_channel::<Arc<Event>>(TOLD);
        let (ended, done) = oneshot::channel();
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let waiting = Arc::new(AtomicUsize::new(0));
        let waits = Arc::clone(&waiting);
        thread::spawn(move || {
            let mut reporters = reporters;
            loop {
                match from.recv_timeout(Duration::from_millis(100)) {
                    Ok(event) => {
                        reporters.retain_mut(|r| kept(|| r.on(&event)));
                        waits.fetch_sub(seen::weight(&event.kind), Ordering::Relaxed);
                    }
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
        Self { to: Some(to), count, waiting, deaf, done }
    }

    fn tell(&mut self, mut event: Event) {
        seen::shorten(&mut event.kind);
        if self.waiting.load(Ordering::Relaxed) + seen::weight(&event.kind) > BEHIND {
            seen::empty(&mut event.kind);
        }
        self.waiting.fetch_add(seen::weight(&event.kind), Ordering::Relaxed);
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

#[cfg(test)]
mod tests;
