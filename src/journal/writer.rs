//! The one writer of a run: a thread of its own that owns the connection, so that no fsync ever blocks the engine.
//!
//! Everything that waits is committed together. The first error is the last word: what the disk did after it is not
//! known, so nothing is appended any more.

use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use crate::engine::log::{Log, LogError};
use crate::journal::chain::{self, Hash, Row};
use crate::journal::lock::RunLock;
use crate::model::event::{Event, EventKind};
use crate::model::id::RunId;

/// How many batches may wait; whoever sends more waits itself.
const QUEUE: usize = 64;

/// Appends to one run; there is one at a time, over all processes.
#[derive(Debug)]
pub struct Writer {
    run: RunId,
    seq: u64,
    sender: Option<mpsc::Sender<Batch>>,
    thread: Option<JoinHandle<()>>,
    failed: Option<LogError>,
}

#[derive(Debug)]
struct Batch {
    events: Vec<Event>,
    done: oneshot::Sender<Result<(), LogError>>,
}

/// Where a run's chain ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// The last number.
    pub(super) seq: i64,
    /// The last hash.
    pub(super) hash: Hash,
}

impl Writer {
    pub(super) fn start(connection: Connection, run: RunId, tail: Tail, lock: RunLock) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut appender = Appender { connection, run: run.clone(), tail };
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
            write_all(&mut appender, receiver);
            drop(appender);
            // only now may somebody else write this run
            drop(lock);
        })?;
        let seq = u64::try_from(tail.seq).unwrap_or(0);
        Ok(Self { run, seq, sender: Some(sender), thread: Some(thread), failed: None })
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The number that the next event must have.
    pub fn next_seq(&self) -> u64 {
        self.seq + 1
    }

    async fn send(&mut self, events: &[Event]) -> Result<(), LogError> {
        let gone = || LogError("the writer has ended".to_owned());
        let sender = self.sender.as_ref().ok_or_else(gone)?;
        let (done, answer) = oneshot::channel();
        sender.send(Batch { events: events.to_vec(), done }).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Log for Writer {
    async fn append(&mut self, events: &[Event]) -> Result<(), LogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.send(events).await;
        match &result {
            Ok(()) => self.seq += events.len() as u64,
            Err(error) => self.failed = Some(error.clone()),
        }
        result
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // it ends as soon as its queue is empty; a panic there was answered to every waiting append
            let _ = thread.join();
        }
    }
}

fn write_all(appender: &mut Appender, mut receiver: mpsc::Receiver<Batch>) {
    let mut failed: Option<LogError> = None;
    while let Some(first) = receiver.blocking_recv() {
        let mut group = vec![first];
        while let Ok(more) = receiver.try_recv() {
            group.push(more);
        }
        if failed.is_none() {
            let events = group.iter().flat_map(|batch| batch.events.iter());
            failed = appender.append(events).err();
        }
        for batch in group {
            // whoever no longer waits needs no answer
            let _ = batch.done.send(failed.clone().map_or(Ok(()), Err));
        }
    }
}

/// Appends in the calling thread.
#[derive(Debug)]
pub(super) struct Appender {
    pub(super) connection: Connection,
    pub(super) run: RunId,
    pub(super) tail: Tail,
}

impl Appender {
    /// All of `events` in one transaction, or none of them.
    pub(super) fn append<'e>(&mut self, events: impl Iterator<Item = &'e Event>) -> Result<(), LogError> {
        let lost = |error: rusqlite::Error| LogError(error.to_string());
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(lost)?;
        let mut tail = self.tail;
        for event in events {
            tail = insert(&transaction, &self.run, tail, event)?;
        }
        transaction.commit().map_err(lost)?;
        self.tail = tail;
        Ok(())
    }
}

fn insert(connection: &Connection, run: &RunId, tail: Tail, event: &Event) -> Result<Tail, LogError> {
    let lost = |error: rusqlite::Error| LogError(error.to_string());
    let seq = tail.seq + 1;
    if event.run != *run || i64::try_from(event.seq) != Ok(seq) {
        return Err(LogError(format!(
            "event {} of run {} does not follow event {} of run {run}",
            event.seq, event.run, tail.seq
        )));
    }
    let body = serde_json::to_string(&event.kind).map_err(|error| LogError(error.to_string()))?;
    let kind = type_of(&body).ok_or_else(|| LogError(format!("event {seq} names no type")))?;
    let row = Row { run: run.as_str(), seq, ts: event.ts.as_millis(), kind, body: &body };
    let hash = chain::next(&tail.hash, &row);
    connection
        .prepare_cached("INSERT INTO events (run, seq, ts, type, body, prev, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
        .and_then(|mut insert| insert.execute(params![row.run, seq, row.ts, kind, body, tail.hash, hash]))
        .map_err(lost)?;
    mark(connection, run, &event.kind).map_err(lost)?;
    Ok(Tail { seq, hash })
}

/// Keeps the list of where to look for what is open.
fn mark(connection: &Connection, run: &RunId, kind: &EventKind) -> rusqlite::Result<()> {
    match kind {
        EventKind::ObligationOpened { host, obligation, .. } => connection
            .prepare_cached("INSERT OR IGNORE INTO opened (run, host, key) VALUES (?1, ?2, ?3)")?
            .execute(params![run.as_str(), host.as_str(), obligation.key])
            .map(|_| ()),
        EventKind::ObligationClosed { host, key, .. } => connection
            .prepare_cached("DELETE FROM opened WHERE run = ?1 AND host = ?2 AND key = ?3")?
            .execute(params![run.as_str(), host.as_str(), key])
            .map(|_| ()),
        _ => Ok(()),
    }
}

/// The type of an event as it was written; the tag of an internally tagged enum always comes first.
fn type_of(body: &str) -> Option<&str> {
    let rest = body.strip_prefix("{\"type\":\"")?;
    rest.split_once('"').map(|(kind, _)| kind)
}
