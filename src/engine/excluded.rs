//! Hosts that somebody has left out of a running run.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::model::id::HostName;

/// How a host stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// It takes part.
    In,
    /// Left out, by whom.
    Out(String),
    /// Its lane has ended: nothing is left to leave out.
    Ended,
}

/// The hosts of a run, and who of them was left out.
#[derive(Debug, Default)]
pub struct Excluded {
    hosts: Mutex<BTreeMap<HostName, Standing>>,
    changed: watch::Sender<u64>,
}

impl Excluded {
    /// All of them take part.
    pub fn of(hosts: Vec<HostName>) -> Self {
        let hosts = hosts.into_iter().map(|host| (host, Standing::In)).collect();
        Self { hosts: Mutex::new(hosts), changed: watch::Sender::new(0) }
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<HostName, Standing>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a host out; whether it took part until now.
    pub fn take(&self, host: &HostName, by: &str) -> bool {
        let taken = match self.hosts().get_mut(host) {
            Some(standing @ Standing::In) => {
                *standing = Standing::Out(by.to_owned());
                true
            }
            _ => false,
        };
        if taken {
            self.changed.send_modify(|n| *n += 1);
        }
        taken
    }

    /// Who has left this host out.
    pub fn by(&self, host: &HostName) -> Option<String> {
        match self.hosts().get(host) {
            Some(Standing::Out(by)) => Some(by.clone()),
            _ => None,
        }
    }

    /// Whether somebody has.
    pub fn has(&self, host: &HostName) -> bool {
        matches!(self.hosts().get(host), Some(Standing::Out(_)))
    }

    /// The lane of this host ends: from here on it is not left out any more; by whom it was until here.
    pub fn end(&self, host: &HostName) -> Option<String> {
        match self.hosts().get_mut(host) {
            Some(Standing::Out(by)) => Some(by.clone()),
            Some(standing) => {
                *standing = Standing::Ended;
                None
            }
            None => None,
        }
    }

    /// Waits until this host is left out; for ever where it is not.
    pub async fn taken(&self, host: &HostName) {
        let mut changes = self.changed.subscribe();
        while !self.has(host) {
            // the sender lives as long as this borrow of it
            drop(changes.changed().await);
        }
    }
}
