//! The time of a simulated fleet: as it passes here, so many times as fast, or in jumps.
//!
//! In jumps it stands still while anything is being done. Who waits is woken in the order of deadlines, and time jumps
//! to the next deadline once nobody is at work any more. A task is at work from the end of one call into this world to
//! the beginning of its next one. One that makes no further call counts as idle after a moment: it waits for its batch,
//! for its turn or for an operator, and would otherwise hold up everybody for ever.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::{self, Id};

use crate::model::sim::Speed;
use crate::model::time::Timestamp;
use crate::world::ssh::session;

/// After so long without a call a task is not at work any more: far above what recording an event takes.
const IDLE: Duration = Duration::from_millis(50);
/// How often it is looked whether anybody still is.
const TICK: Duration = Duration::from_millis(1);
/// What takes less time than this takes none where time jumps: only what is slow is worth a jump.
const FREE: Duration = Duration::from_millis(50);

/// The time of one fleet.
#[derive(Debug)]
pub(crate) struct Clock {
    began: Timestamp,
    pace: Pace,
}

#[derive(Debug)]
enum Pace {
    Times(f64, Instant),
    Jumps(Arc<Jumps>),
}

impl Clock {
    pub(crate) fn new(speed: Speed) -> Self {
        let pace = match speed {
            Speed::Times(times) => Pace::Times(times, Instant::now()),
            Speed::Max => Pace::Jumps(Arc::default()),
        };
        Self { began: session::now(), pace }
    }

    pub(crate) fn began(&self) -> Timestamp {
        self.began
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.began.plus(match &self.pace {
            Pace::Times(times, since) => since.elapsed().mul_f64(*times),
            Pace::Jumps(jumps) => jumps.table().passed,
        })
    }

    /// Waits, as the engine does.
    pub(crate) async fn sleep(&self, time: Duration) {
        match &self.pace {
            Pace::Times(times, _) => tokio::time::sleep(time.div_f64(*times)).await,
            Pace::Jumps(jumps) => Jumps::sleep(jumps, time).await,
        }
    }

    /// Lets the time pass that a host takes for something.
    pub(crate) async fn spend(&self, time: Duration) {
        match &self.pace {
            Pace::Jumps(jumps) if time < FREE => jumps.table().work(task::try_id()),
            _ => self.sleep(time).await,
        }
    }
}

/// Time in jumps.
#[derive(Debug, Default)]
struct Jumps {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    passed: Duration,
    /// Who waits, by deadline; the number keeps the order of equal ones.
    waiting: BTreeMap<(Duration, u64), (Option<Id>, oneshot::Sender<()>)>,
    count: u64,
    at_work: HashMap<Option<Id>, Instant>,
    driven: bool,
}

impl Table {
    fn work(&mut self, task: Option<Id>) {
        self.at_work.insert(task, Instant::now());
    }

    /// Jumps to the next deadline and wakes who waits for it.
    fn jump(&mut self) {
        let Some(next) = self.waiting.keys().next().map(|(deadline, _)| *deadline) else { return };
        self.passed = self.passed.max(next);
        while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= next) {
            let (task, wake) = first.remove();
            self.work(task);
            // who has stopped waiting needs no waking
            let _ = wake.send(());
        }
    }
}

impl Jumps {
    fn table(&self) -> MutexGuard<'_, Table> {
        // nothing under this lock can be left half done
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sleep(this: &Arc<Self>, time: Duration) {
        let (wake, woken) = oneshot::channel();
        let task = task::try_id();
        let (_waiting, drive) = {
            let mut table = this.table();
            let key = (table.passed.saturating_add(time), table.count);
            table.count += 1;
            table.at_work.remove(&task);
            table.waiting.insert(key, (task, wake));
            (Waiting { jumps: this, key, task }, !std::mem::replace(&mut table.driven, true))
        };
        if drive {
            tokio::spawn(Self::drive(Arc::clone(this)));
        }
        let _ = woken.await;
    }

    /// Moves the time on for as long as anybody waits.
    async fn drive(self: Arc<Self>) {
        loop {
            let busy = {
                let mut table = self.table();
                if table.waiting.is_empty() {
                    table.driven = false;
                    return;
                }
                table.at_work.retain(|_, since| since.elapsed() < IDLE);
                let busy = !table.at_work.is_empty();
                if !busy {
                    table.jump();
                }
                busy
            };
            if busy { tokio::time::sleep(TICK).await } else { task::yield_now().await }
        }
    }
}

/// Somebody who waits; gone with the wait, also where that is given up.
struct Waiting<'a> {
    jumps: &'a Jumps,
    key: (Duration, u64),
    task: Option<Id>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut table = self.jumps.table();
        table.waiting.remove(&self.key);
        table.work(self.task);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::Clock;
    use crate::model::sim::Speed;

    #[tokio::test]
    async fn who_waits_is_woken_in_the_order_of_deadlines() {
        let clock = Arc::new(Clock::new(Speed::Max));
        let (to, mut from) = tokio::sync::mpsc::unbounded_channel();
        for hours in [5, 1, 3] {
            let (clock, to) = (Arc::clone(&clock), to.clone());
            tokio::spawn(async move {
                clock.sleep(Duration::from_secs(hours * 3600)).await;
                to.send((hours, clock.now().since(clock.began()))).expect("heard");
            });
        }
        drop(to);
        let mut woken = Vec::new();
        while let Some((hours, passed)) = from.recv().await {
            assert_eq!(passed, Duration::from_secs(hours * 3600));
            woken.push(hours);
        }
        assert_eq!(woken, [1, 3, 5]);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_moves_no_time() {
        let clock = Clock::new(Speed::Max);
        tokio::select! {
            biased;
            () = clock.sleep(Duration::from_secs(3600)) => panic!("woken"),
            () = std::future::ready(()) => {}
        }
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(clock.now().since(clock.began()), Duration::from_secs(1));
    }
}
