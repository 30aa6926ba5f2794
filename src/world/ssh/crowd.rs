//! What the hosts of a run share: turns for handshakes, over all and for each address, and the memory of addresses and
//! hosts that must be left alone for the rest of the run.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::finding::Finding;
use crate::model::id::HostName;

/// How many handshakes with one address may be on their way at the same time.
pub(crate) const PER_ADDRESS: usize = 8;

/// All of it.
#[derive(Debug)]
pub(crate) struct Crowd {
    all: Arc<Semaphore>,
    per_address: usize,
    gates: Mutex<HashMap<SocketAddr, Arc<Gate>>>,
    suspended: Mutex<HashMap<HostName, Finding>>,
}

impl Crowd {
    pub(crate) fn new(all: usize, per_address: usize) -> Self {
        let all = Arc::new(Semaphore::new(all.max(1)));
        Self { all, per_address: per_address.max(1), gates: Mutex::default(), suspended: Mutex::default() }
    }

    /// What is shared by all connections to this address.
    pub(crate) fn gate(&self, address: SocketAddr) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(address).or_insert_with(|| Arc::new(Gate::new(self.per_address, Arc::clone(&self.all)))))
    }

    /// Why this host is not tried again in this run, if so.
    pub(crate) fn suspended(&self, host: &HostName) -> Option<Finding> {
        let suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        let first = suspended.get(host)?;
        let summary = format!("not tried again in this run: {}", first.summary);
        Some(Finding { summary, ..first.clone() })
    }

    /// This host is not tried again in this run.
    pub(crate) fn suspend(&self, host: &HostName, finding: &Finding) {
        let mut suspended = self.suspended.lock().unwrap_or_else(PoisonError::into_inner);
        // the first reason is the reason
        suspended.entry(host.clone()).or_insert_with(|| finding.clone());
    }
}

/// What is shared by all connections to one address.
#[derive(Debug)]
pub(crate) struct Gate {
    all: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    // turns that end without coming back
    surplus: usize,
    denied: Option<String>,
    closed: Option<Finding>,
}

/// The right to shake hands; it ends with the value.
#[derive(Debug)]
pub(crate) struct Turn {
    gate: Arc<Gate>,
    own: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Gate {
    fn new(limit: usize, all: Arc<Semaphore>) -> Self {
        let state = State { limit, surplus: 0, denied: None, closed: None };
        Self { all, turns: Arc::new(Semaphore::new(limit)), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, first for one of this address: whoever waits for it holds up nobody else.
    pub(crate) async fn turn(self: &Arc<Self>) -> Turn {
        // neither is ever closed
        let own = Arc::clone(&self.turns).acquire_owned().await.ok();
        let all = Arc::clone(&self.all).acquire_owned().await.ok();
        Turn { gate: Arc::clone(self), own, _all: all }
    }

    /// Half as many at the same time, for the rest of the run.
    pub(crate) fn halve(&self) {
        let mut state = self.state();
        let limit = (state.limit / 2).max(1);
        state.surplus += state.limit - limit;
        state.limit = limit;
        state.surplus -= self.turns.forget_permits(state.surplus);
    }

    /// The server denied a login; the first time is what a penalty is blamed on.
    pub(crate) fn denied(&self, host: &HostName, finding: &Finding) {
        self.state().denied.get_or_insert_with(|| format!("{host}: {}", finding.summary));
    }

    /// The first login that the server denied, in words.
    pub(crate) fn first_denied(&self) -> Option<String> {
        self.state().denied.clone()
    }

    /// Nobody connects to this address any more.
    pub(crate) fn close(&self, finding: &Finding) {
        self.state().closed.get_or_insert_with(|| finding.clone());
    }

    /// Why nobody connects any more, if so.
    pub(crate) fn closed(&self) -> Option<Finding> {
        let state = self.state();
        let first = state.closed.as_ref()?;
        Some(Finding { summary: format!("not tried: {}", first.summary), ..first.clone() })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        if state.surplus > 0
            && let Some(own) = self.own.take()
        {
            state.surplus -= 1;
            own.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::Crowd;
    use crate::model::finding::Finding;
    use crate::model::id::HostName;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[tokio::test(start_paused = true)]
    async fn one_crowded_address_holds_up_no_other() {
        let crowd = Crowd::new(3, 2);
        let (busy, free) = (crowd.gate(address(1)), crowd.gate(address(2)));
        let held = (busy.turn().await, busy.turn().await);
        let third = tokio::spawn({
            let busy = Arc::clone(&busy);
            async move { drop(busy.turn().await) }
        });
        assert!(timeout(Duration::from_secs(9), free.turn()).await.is_ok());
        assert!(!third.is_finished());
        drop(held);
        assert!(timeout(Duration::from_secs(9), third).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_halved_address_takes_half_as_many_even_while_all_turns_are_out() {
        let crowd = Crowd::new(50, 8);
        let gate = crowd.gate(address(1));
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(gate.turn().await);
        }
        gate.halve();
        held.truncate(4);
        assert!(timeout(Duration::from_secs(1), gate.turn()).await.is_err(), "four are still out");
        held.truncate(3);
        assert!(timeout(Duration::from_secs(1), gate.turn()).await.is_ok());
        drop(held);
        for _ in 0..9 {
            gate.halve();
        }
        let last = timeout(Duration::from_secs(1), gate.turn()).await;
        assert!(last.is_ok(), "one is always left");
        assert!(timeout(Duration::from_secs(1), gate.turn()).await.is_err(), "and only one");
    }

    #[test]
    fn the_first_reason_is_kept() {
        let crowd = Crowd::new(1, 1);
        let host = HostName::parse("web-1").expect("a name");
        assert_eq!(crowd.suspended(&host), None);
        crowd.suspend(&host, &Finding::new("protocol-error", "first"));
        crowd.suspend(&host, &Finding::new("client-panic", "second"));
        let finding = crowd.suspended(&host).expect("suspended");
        assert_eq!((finding.code.as_str(), finding.summary.as_str()), ("protocol-error", "not tried again in this run: first"));
        let gate = crowd.gate(address(1));
        gate.denied(&host, &Finding::new("auth-denied", "the server refused the key"));
        gate.denied(&host, &Finding::new("auth-denied", "later"));
        assert_eq!(gate.first_denied().as_deref(), Some("web-1: the server refused the key"));
    }
}
