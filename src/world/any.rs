//! One type for the fleets that a command may be about, so that what it does is written once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::world::{ConnectFault, Connected, Session, World};
use crate::model::host::Host;
use crate::model::op::{Op, Reply};
use crate::model::time::Timestamp;
use crate::world::Fleet;
use crate::world::sim::{SimFleet, SimSession};
use crate::world::ssh::KeyFault;
use crate::world::ssh::session::SshSession;

/// Real hosts, or simulated ones.
#[derive(Debug)]
pub enum AnyFleet {
    /// Over SSH.
    Ssh(Box<Fleet>),
    /// Nothing is contacted.
    Sim(SimFleet),
}

/// A connection to a host of either.
pub enum AnySession {
    /// Over SSH.
    Ssh(Box<SshSession>),
    /// To nothing real.
    Sim(SimSession),
}

impl AnyFleet {
    /// What is wrong with the keys of these hosts, before any of them is contacted; simulated hosts need none.
    pub async fn check_identities(&self, hosts: &[Host]) -> Vec<KeyFault> {
        match self {
            Self::Ssh(fleet) => fleet.check_identities(hosts).await,
            Self::Sim(_) => Vec::new(),
        }
    }
}

impl World for AnyFleet {
    type Session = AnySession;

    async fn connect(&self, host: &Host) -> Result<(AnySession, Connected), ConnectFault> {
        match self {
            Self::Ssh(fleet) => {
                let (session, connected) = fleet.connect(host).await?;
                Ok((AnySession::Ssh(Box::new(session)), connected))
            }
            Self::Sim(fleet) => {
                let (session, connected) = fleet.connect(host).await?;
                Ok((AnySession::Sim(session), connected))
            }
        }
    }

    fn now(&self) -> Timestamp {
        match self {
            Self::Ssh(fleet) => fleet.now(),
            Self::Sim(fleet) => fleet.now(),
        }
    }

    async fn sleep(&self, time: Duration) {
        match self {
            Self::Ssh(fleet) => fleet.sleep(time).await,
            Self::Sim(fleet) => fleet.sleep(time).await,
        }
    }
}

impl Session for AnySession {
    async fn perform(&mut self, ops: &[Op], cancel: &CancellationToken) -> Vec<Reply> {
        match self {
            Self::Ssh(session) => session.perform(ops, cancel).await,
            Self::Sim(session) => session.perform(ops, cancel).await,
        }
    }

    fn lost(&self) -> Option<(String, String)> {
        match self {
            Self::Ssh(session) => session.lost(),
            Self::Sim(session) => session.lost(),
        }
    }

    async fn close(self) {
        match self {
            Self::Ssh(session) => session.close().await,
            Self::Sim(session) => session.close().await,
        }
    }
}
