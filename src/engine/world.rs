//! The world as the engine needs it: connect, perform, wait, tell the time.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::model::event::Algorithms;
use crate::model::finding::Finding;
use crate::model::host::{Facts, Host};
use crate::model::op::{Op, Reply};
use crate::model::time::Timestamp;

/// Where runs happen.
pub trait World: Send + Sync + 'static {
    /// A connection to one host.
    type Session: Session;

    /// Connects to a host, checks who it is, and asks for its facts. Every phase has a deadline of its own.
    fn connect(&self, host: &Host) -> impl Future<Output = Result<(Self::Session, Connected), ConnectFault>> + Send;

    /// The time here.
    fn now(&self) -> Timestamp;

    /// Waits.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// One connection to one host, for a whole run.
pub trait Session: Send + Sync + 'static {
    /// Performs ops and returns one reply for each, in their order. Read-only ops are sent together, without waiting
    /// for each other; a mutating op is sent alone, after all before it have ended. Never fails as a whole: what was
    /// not received is said in the reply. `cancel` ends what runs on the host and is then seen in the replies.
    fn perform(&mut self, ops: &[Op], cancel: &CancellationToken) -> impl Future<Output = Vec<Reply>> + Send;

    /// Why the connection is gone, once it is: the class of the fault and a line.
    fn lost(&self) -> Option<(String, String)>;

    /// Ends the connection in order.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// What was learned while connecting.
#[derive(Debug, Clone, PartialEq)]
pub struct Connected {
    /// The type of the host's key, such as `ssh-ed25519`.
    pub key_type: String,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// What the host says of itself.
    pub facts: Facts,
    /// How long it took.
    pub took: Duration,
    /// What was agreed on for the connection, where it is a real one.
    pub algorithms: Option<Algorithms>,
}

/// Why a host could not be reached: the finding's code is the class, such as `refused`, `connect-timeout`,
/// `banner-timeout`, `host-key-unknown`, `host-key-changed`, `host-key-revoked`, `auth-denied`.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectFault {
    /// Class, words and what to do next.
    pub finding: Finding,
}
