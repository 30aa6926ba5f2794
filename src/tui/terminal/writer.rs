//! The thread that writes. The session hands over and goes on: a terminal that takes nothing holds up nobody but it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::reader::Line;
use super::tty::{Tty, write};

/// The most that waits to be written besides a frame: a copy, titles, bells.
const MAX_WAITING: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    slot: Mutex<Slot>,
    /// Something is to be written, or was.
    changed: Condvar,
    /// A frame was written.
    freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Slot {
    waiting: Vec<u8>,
    writing: bool,
    /// A frame waits or is being written.
    frame: bool,
    end: bool,
    failed: Option<io::ErrorKind>,
    took: Duration,
}

impl Writer {
    /// Starts the thread; `line` is told when the terminal takes no more bytes at all.
    pub(super) fn start(tty: Arc<Tty>, line: Arc<Line>, freed: Arc<Notify>) -> io::Result<Self> {
        let shared = Arc::new(Shared { freed, ..Shared::default() });
        let its = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("screen-writer".to_owned()).spawn(move || its.run(&tty, &line))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether the last frame is written.
    pub(super) fn is_free(&self) -> bool {
        !self.shared.slot().frame
    }

    /// Fails once writing has failed.
    pub(super) fn check(&self) -> io::Result<()> {
        self.shared.slot().failed.map_or(Ok(()), |kind| Err(kind.into()))
    }

    /// How long the last frame took.
    pub(super) fn took(&self) -> Duration {
        self.shared.slot().took
    }

    /// Hands over a frame.
    pub(super) fn frame(&self, bytes: &[u8]) {
        let mut slot = self.shared.slot();
        slot.waiting.extend(bytes);
        slot.frame = true;
        self.shared.changed.notify_all();
    }

    /// Hands over something else; whether there was room for it.
    pub(super) fn say(&self, bytes: &[u8]) -> bool {
        let mut slot = self.shared.slot();
        let fits = slot.failed.is_none() && slot.waiting.len() + bytes.len() <= MAX_WAITING;
        if fits {
            slot.waiting.extend(bytes);
            self.shared.changed.notify_all();
        }
        fits
    }

    /// Waits until everything is written, at most so long, and ends the thread.
    pub(super) fn end(mut self, most: Duration) {
        let slot = self.shared.slot();
        let busy = |slot: &mut Slot| slot.failed.is_none() && (slot.writing || !slot.waiting.is_empty());
        let (mut slot, _) = self.shared.changed.wait_timeout_while(slot, most, busy).unwrap_or_else(PoisonError::into_inner);
        slot.end = true;
        drop(slot);
        self.shared.changed.notify_all();
        // it looks every 100 ms whether it shall end; were it stuck all the same, it ends with the process
        for _ in 0..50 {
            if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
            // it cannot have panicked
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, tty: &Tty, line: &Line) {
        while let Some((bytes, frame)) = self.next() {
            let from = Instant::now();
            let result = write(tty.output(), &bytes, || !self.slot().end);
            let mut slot = self.slot();
            slot.writing = false;
            if frame {
                // another frame is handed over only when this one is written
                slot.frame = false;
                slot.took = from.elapsed();
            }
            if let Err(error) = result {
                slot.failed = Some(error.kind());
                if !slot.end {
                    line.lost();
                }
            }
            let over = slot.failed.is_some();
            drop(slot);
            self.changed.notify_all();
            if frame {
                self.freed.notify_one();
            }
            if over {
                return;
            }
        }
    }

    /// What is to be written, and whether a frame is in it; none at the end.
    fn next(&self) -> Option<(Vec<u8>, bool)> {
        let slot = self.slot();
        let idle = |slot: &mut Slot| slot.waiting.is_empty() && !slot.end;
        let mut slot = self.changed.wait_while(slot, idle).unwrap_or_else(PoisonError::into_inner);
        if slot.end {
            return None;
        }
        slot.writing = true;
        Some((std::mem::take(&mut slot.waiting), slot.frame))
    }
}
