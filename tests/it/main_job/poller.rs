//! A client that asks the service every 50 ms, each time on a new connection, and keeps every answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::main_job::service::{Status, status};

const EVERY: Duration = Duration::from_millis(50);

/// A client at work.
pub(super) struct Poller {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Result<Status, String>>>,
    begun: Instant,
}

/// What it met.
#[derive(Debug)]
pub(super) struct Polled {
    pub(super) answers: Vec<Status>,
    pub(super) failures: Vec<String>,
    /// How often it would have asked had nothing held it up.
    pub(super) slots: usize,
}

impl Poller {
    pub(super) fn start(at: SocketAddr) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&enough);
        let begun = Instant::now();
        let thread = std::thread::spawn(move || {
            let mut met = Vec::new();
            let mut next = begun;
            while !told.load(Ordering::SeqCst) {
                met.push(status(at));
                next = (next + EVERY).max(Instant::now());
                std::thread::sleep(next - Instant::now());
            }
            met
        });
        Self { enough, thread, begun }
    }

    pub(super) fn end(self) -> Polled {
        self.enough.store(true, Ordering::SeqCst);
        let met = self.thread.join().unwrap();
        let slots = usize::try_from(self.begun.elapsed().as_millis() / EVERY.as_millis()).unwrap();
        let (mut answers, mut failures) = (Vec::new(), Vec::new());
        for one in met {
            match one {
                Ok(status) => answers.push(status),
                Err(error) => failures.push(error),
            }
        }
        Polled { answers, failures, slots }
    }
}
