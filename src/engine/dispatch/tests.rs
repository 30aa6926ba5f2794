use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{BEHIND, Dispatch, GROUP, QUEUED, Start};
use crate::engine::log::{Log, LogError};
use crate::engine::report::Reporter;
use crate::engine::seen;
use crate::model::event::{Event, EventKind};
use crate::model::id::{HostName, RunId, StepId};
use crate::model::time::Timestamp;
use crate::state::run::RunState;

const HOSTS: usize = 2_000;
/// Several times as many as may wait.
const SOME: usize = 300;
const OUTPUT: usize = 512 * 1024;

/// Counts what is recorded, as quickly as it is allowed to.
struct Slow {
    go: Arc<Semaphore>,
    recorded: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
}

impl Log for Slow {
    async fn append(&mut self, events: &[Event]) -> Result<(), LogError> {
        let leave = self.go.acquire().await.map_err(|error| LogError(error.to_string()))?;
        leave.forget();
        self.recorded.fetch_add(events.len(), Ordering::SeqCst);
        self.bytes.fetch_add(events.iter().map(|event| seen::weight(&event.kind)).sum(), Ordering::SeqCst);
        Ok(())
    }
}

/// What was told, once it was allowed to be.
struct Stalled {
    go: mpsc::Receiver<()>,
    told: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Reporter for Stalled {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        // an error means that it may go on for good
        let _ = self.go.recv();
        let host = event.kind.host().map_or_else(String::new, ToString::to_string);
        self.told.lock().unwrap_or_else(PoisonError::into_inner).push((host, seen::weight(&event.kind)));
        Ok(())
    }
}

fn name(n: usize) -> HostName {
    HostName::parse(&format!("h-{n}")).expect("a name")
}

fn output(n: usize, text: &str) -> EventKind {
    let (host, step, stream) = (name(n), StepId::parse("x").expect("an id"), "stdout".to_owned());
    EventKind::StepOutput { host, step, attempt: 1, stream, text: text.to_owned(), lossy: false }
}

fn looked(n: usize, text: &str) -> EventKind {
    let (host, step) = (name(n), StepId::parse("x").expect("an id"));
    EventKind::StepSeen {
        host,
        step,
        look: 1,
        ops: vec!["x".to_owned()],
        replies: vec![json!({ "stdout": text, "stderr": text })],
    }
}

fn start(log: Slow, reporters: Vec<Box<dyn Reporter>>) -> Dispatch {
    let (run, now) = (RunId::parse("abcdef").expect("an id"), Arc::new(|| Timestamp::from_millis(0)));
    Dispatch::start(Start { run, state: RunState::default(), log, reporters, now, lost: CancellationToken::new() })
}

fn slow(leaves: usize) -> (Slow, Arc<Semaphore>, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (go, recorded, bytes) = (Arc::new(Semaphore::new(leaves)), Arc::default(), Arc::default());
    (Slow { go: Arc::clone(&go), recorded: Arc::clone(&recorded), bytes: Arc::clone(&bytes) }, go, recorded, bytes)
}

#[tokio::test]
async fn output_that_is_not_recorded_yet_makes_its_hosts_wait() {
    let (log, go, recorded, bytes) = slow(0);
    let dispatch = start(log, Vec::new());
    let handed = Arc::new(AtomicUsize::new(0));
    let text: Arc<str> = "x".repeat(OUTPUT).into();
    let hosts: Vec<_> = (0..SOME)
        .map(|n| {
            let (recorder, handed, text) = (dispatch.recorder.clone(), Arc::clone(&handed), Arc::clone(&text));
            tokio::spawn(async move {
                recorder.note(looked(n, &text)).await.expect("recorded");
                handed.fetch_add(2 * OUTPUT, Ordering::SeqCst);
            })
        })
        .collect();
    // everybody who can has handed over what it has
    while handed.load(Ordering::SeqCst) < QUEUED - 2 * OUTPUT {
        tokio::task::yield_now().await;
    }
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    let waiting = handed.load(Ordering::SeqCst);
    assert!(waiting <= QUEUED + 2 * OUTPUT, "{} MiB wait", waiting >> 20);
    go.add_permits(SOME);
    for host in hosts {
        host.await.expect("ended");
    }
    dispatch.finish().await;
    let all = (recorded.load(Ordering::SeqCst), bytes.load(Ordering::SeqCst));
    assert_eq!((all.0, all.1 >= SOME * 2 * OUTPUT), (SOME, true), "all of it is recorded, to the byte");
}

#[tokio::test]
async fn a_stalled_output_stalls_no_host_and_holds_no_more_than_is_allowed() {
    let (log, _go, recorded, _) = slow(100_000);
    let (release, go) = mpsc::channel();
    let told = Arc::new(Mutex::new(Vec::new()));
    let dispatch = start(log, vec![Box::new(Stalled { go, told: Arc::clone(&told) })]);
    let text = "x".repeat(OUTPUT);
    for n in 0..HOSTS {
        dispatch.recorder.note(output(n, &text)).await.expect("recorded");
        dispatch.recorder.note(looked(n, &text)).await.expect("recorded");
    }
    dispatch.recorder.commit(output(HOSTS, "last")).await.expect("recorded");
    assert_eq!(recorded.load(Ordering::SeqCst), 2 * HOSTS + 1, "everything is recorded while nothing is shown");
    assert!(!dispatch.deaf.is_cancelled());
    drop(release);
    let ended = tokio::time::timeout(Duration::from_secs(60), dispatch.finish()).await;
    assert!(ended.is_ok_and(|state| state.is_some()));
    let told = told.lock().expect("whole");
    assert_eq!(told.len(), 2 * HOSTS + 1, "of every event it is told that it was");
    let waited: usize = told.iter().map(|(_, weight)| weight).sum();
    assert!(waited <= BEHIND + (2 * HOSTS + GROUP) * 200, "{} MiB waited", waited >> 20);
}
