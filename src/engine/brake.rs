//! A pause: what would start waits, what runs goes on.

use tokio::sync::{RwLock, RwLockReadGuard, watch};

use crate::engine::dispatch::Recorder;
use crate::model::event::EventKind;

/// The leave to start something, until it is dropped: as long as it is held no pause begins, so that in the record
/// nothing starts after one. Who holds it must not ask for another.
pub type Pass<'a> = RwLockReadGuard<'a, bool>;

/// Whether anything new may start.
#[derive(Debug, Default)]
pub struct Brake {
    on: RwLock<bool>,
    moved: watch::Sender<u64>,
}

impl Brake {
    /// Pauses or goes on, and records it; nothing where it is so already.
    pub async fn set(&self, on: bool, recorder: &Recorder, event: EventKind) {
        let mut now = self.on.write().await;
        if *now == on {
            return;
        }
        *now = on;
        // the record's own failure stops the run elsewhere
        let _ = recorder.note(event).await;
        drop(now);
        self.moved.send_modify(|n| *n += 1);
    }

    /// Whether it is on.
    pub async fn is_on(&self) -> bool {
        *self.on.read().await
    }

    /// Waits until it is off. Not bounded: a pause lasts until somebody ends it, or the run.
    pub async fn off(&self) -> Pass<'_> {
        let mut moves = self.moved.subscribe();
        loop {
            let on = self.on.read().await;
            if !*on {
                return on;
            }
            drop(on);
            // the sender lives as long as this borrow of it
            drop(moves.changed().await);
        }
    }

    /// The leave as it is, for who looks for themselves whether anything may start.
    pub async fn anyway(&self) -> Pass<'_> {
        self.on.read().await
    }
}
