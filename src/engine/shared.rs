//! Steps that run once a run: one lane does the work, the others share what it came to.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::engine::unit::UnitEnd;
use crate::model::id::{HostName, StepId};

/// Where a shared step is.
#[derive(Debug, Clone)]
enum Slot {
    /// The next lane that comes by does it.
    Free,
    /// This host's lane does it, or will.
    Led(HostName),
    /// It is done.
    Done(HostName, Box<UnitEnd>),
    /// The lane that was to do it has ended before.
    Gone(HostName),
}

/// What a lane is to do about a shared step.
#[derive(Debug)]
pub enum Turn {
    /// It does the work, and says what it came to.
    Mine,
    /// It was done on this host, and came to this.
    Theirs(HostName, Box<UnitEnd>),
    /// It will not be done: the lane of this host was to do it and has ended before.
    Never(HostName),
}

/// The shared steps of a run.
#[derive(Debug, Default)]
pub struct Shared {
    slots: Mutex<BTreeMap<StepId, Slot>>,
    changed: watch::Sender<u64>,
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<StepId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, step: &StepId, slot: Slot) {
        self.slots().insert(step.clone(), slot);
        self.changed.send_modify(|n| *n += 1);
    }

    /// From here on this host's lane does what is not done yet of `steps`.
    pub fn lead<'s>(&self, host: &HostName, steps: impl Iterator<Item = &'s StepId>) {
        for step in steps {
            let done = matches!(self.slots().get(step), Some(Slot::Done(..)));
            if !done {
                self.set(step, Slot::Led(host.clone()));
            }
        }
    }

    /// What was found once does not hold for another batch: these are looked at anew.
    pub fn forget<'s>(&self, steps: impl Iterator<Item = &'s StepId>) {
        for step in steps {
            self.set(step, Slot::Free);
        }
    }

    /// Waits until it is known what this host's lane is to do. Bounded by the deadlines of the lane that does the work.
    pub async fn turn(&self, step: &StepId, host: &HostName) -> Turn {
        let mut changes = self.changed.subscribe();
        loop {
            {
                let mut slots = self.slots();
                match slots.get(step).cloned().unwrap_or(Slot::Free) {
                    Slot::Free => {
                        slots.insert(step.clone(), Slot::Led(host.clone()));
                        return Turn::Mine;
                    }
                    Slot::Led(leader) if leader == *host => return Turn::Mine,
                    Slot::Led(_) => {}
                    Slot::Done(leader, end) => return Turn::Theirs(leader, end),
                    Slot::Gone(leader) => return Turn::Never(leader),
                }
            }
            // the sender lives as long as this borrow of it
            drop(changes.changed().await);
        }
    }

    /// It was done on this host.
    pub fn done(&self, step: &StepId, host: &HostName, end: UnitEnd) {
        self.set(step, Slot::Done(host.clone(), Box::new(end)));
    }

    /// This host's lane has no use for the step: somebody else's may.
    pub fn pass(&self, step: &StepId, host: &HostName) {
        let mine = matches!(self.slots().get(step), Some(Slot::Led(leader)) if leader == host);
        if mine {
            self.set(step, Slot::Free);
        }
    }

    /// Somebody has this host left out: the next lane that comes by does what it has not begun.
    pub fn hand_on(&self, host: &HostName) {
        self.unled(host, |_| Slot::Free);
    }

    /// The lane of this host has ended: what it was to do and has not done is done by nobody.
    pub fn left(&self, host: &HostName) {
        self.unled(host, Slot::Gone);
    }

    fn unled(&self, host: &HostName, now: fn(HostName) -> Slot) {
        let led: Vec<StepId> = {
            let slots = self.slots();
            let led = slots.iter().filter(|(_, slot)| matches!(slot, Slot::Led(leader) if leader == host));
            led.map(|(step, _)| step.clone()).collect()
        };
        for step in led {
            self.set(&step, now(host.clone()));
        }
    }
}
