//! How many hosts may be out of service at a time.
//!
//! A host is out from before its first change until it is verified and closed. One that ends badly after a change stays
//! out for the rest of the run; working on it again does not raise the count.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::finding::Finding;
use crate::model::hostset;
use crate::model::id::HostName;

/// Why a host is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Out {
    /// It is being worked on.
    Working,
    /// It ended badly, and this run will not bring it back.
    Broken,
}

/// The hosts that are out of service.
#[derive(Debug)]
pub struct Budget {
    most: Option<usize>,
    out: Mutex<BTreeMap<HostName, Out>>,
    changed: watch::Sender<u64>,
}

impl Budget {
    /// At most so many; none: any number.
    pub fn new(most: Option<usize>) -> Self {
        Self { most, out: Mutex::default(), changed: watch::Sender::new(0) }
    }

    fn out(&self) -> MutexGuard<'_, BTreeMap<HostName, Out>> {
        // a map of names is whole whatever its holder did
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn and takes the host out. An error where no turn can come any more: too many are broken.
    /// Bounded by the deadlines of the hosts that are worked on meanwhile.
    pub async fn take(&self, host: &HostName) -> Result<(), Finding> {
        let mut changes = self.changed.subscribe();
        loop {
            match self.try_take(host) {
                Some(taken) => return taken,
                // the sender lives as long as this borrow of it
                None => drop(changes.changed().await),
            }
        }
    }

    fn try_take(&self, host: &HostName) -> Option<Result<(), Finding>> {
        let mut out = self.out();
        let most = self.most.unwrap_or(usize::MAX);
        if out.len() < most || out.contains_key(host) {
            out.insert(host.clone(), Out::Working);
            return Some(Ok(()));
        }
        let broken: Vec<HostName> = out.iter().filter(|(_, why)| **why == Out::Broken).map(|(name, _)| name.clone()).collect();
        (broken.len() >= most).then(|| {
            let hosts = hostset::fold(&broken);
            let finding = Finding::new("max-out", format!("max_out = {most} is reached by what failed in this run: {hosts}"));
            Err(finding.hint("bring these back first"))
        })
    }

    /// The host serves again, or was never changed.
    pub fn bring_back(&self, host: &HostName) {
        self.out().remove(host);
        self.changed.send_modify(|n| *n += 1);
    }

    /// The host ended badly after a change.
    pub fn lose(&self, host: &HostName) {
        self.out().insert(host.clone(), Out::Broken);
        self.changed.send_modify(|n| *n += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Budget;
    use crate::model::id::HostName;

    fn name(n: usize) -> HostName {
        HostName::parse(&format!("h{n}")).expect("a name")
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_than_allowed_are_out_and_everybody_gets_an_answer() {
        // every number of hosts up to twelve, every bound, every way in which they can end
        for total in 1..=12_usize {
            for most in 1..=total {
                for broken in (0..(1_u32 << total)).step_by(if total > 8 { 37 } else { 1 }) {
                    let budget = Arc::new(Budget::new(Some(most)));
                    let mut tasks = tokio::task::JoinSet::new();
                    for n in 0..total {
                        let budget = Arc::clone(&budget);
                        tasks.spawn(async move {
                            if budget.take(&name(n)).await.is_err() {
                                return false;
                            }
                            assert!(budget.out().len() <= most, "{most} of {total}");
                            tokio::time::sleep(std::time::Duration::from_secs(n as u64 % 3)).await;
                            if broken & (1 << n) == 0 {
                                budget.bring_back(&name(n))
                            } else {
                                budget.lose(&name(n))
                            }
                            true
                        });
                    }
                    let worked = tasks.join_all().await.into_iter().filter(|worked| *worked).count();
                    let lost = budget.out().len();
                    assert!(worked == total || lost == most, "{worked} of {total} worked, {lost} lost, at most {most}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_broken_host_can_be_worked_on_again() {
        let budget = Budget::new(Some(1));
        budget.take(&name(1)).await.expect("the first");
        budget.lose(&name(1));
        budget.take(&name(1)).await.expect("it is out already");
        budget.lose(&name(1));
        let no = budget.take(&name(2)).await.expect_err("one is broken");
        assert_eq!(no.summary, "max_out = 1 is reached by what failed in this run: h1");
    }
}
