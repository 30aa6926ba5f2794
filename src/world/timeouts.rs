//! How long each phase of a connection may take.

use std::time::Duration;

/// One deadline a phase; the deadlines of ops are in the ops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// All tries to exchange keys with one host together, with their pauses; the wait for a first turn does not count.
    pub connect: Duration,
    /// The pause before a second try is a random part of this; it doubles from try to try.
    pub retry_pause: Duration,
    /// No pause is longer than this.
    pub longest_pause: Duration,
    /// Finding the addresses of a name.
    pub dns: Duration,
    /// The TCP handshake, over all addresses.
    pub tcp: Duration,
    /// How long one address of a name is waited for before the next is tried beside it.
    pub stagger: Duration,
    /// From there to the server's identification line.
    pub banner: Duration,
    /// From there to checked keys.
    pub key_exchange: Duration,
    /// All offers of keys together.
    pub auth: Duration,
    /// One answer of the agent.
    pub agent: Duration,
    /// One signature of the agent: somebody may have to touch a key. It is no part of `auth`.
    pub touch: Duration,
    /// Opening a channel.
    pub channel: Duration,
    /// The server's answer to the request to execute.
    pub exec_reply: Duration,
    /// From there to proof that a POSIX shell answers; the login shell reads its rc files in this time.
    pub shell: Duration,
    /// Ending what runs on a host and seeing it gone.
    pub end: Duration,
    /// After a shell is gone: how long its output is still waited for.
    pub drain: Duration,
    /// Pause between keepalives; after three unanswered ones the connection is lost.
    pub keepalive: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(60),
            retry_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
            dns: Duration::from_secs(5),
            tcp: Duration::from_secs(5),
            stagger: Duration::from_millis(250),
            banner: Duration::from_secs(5),
            key_exchange: Duration::from_secs(10),
            auth: Duration::from_secs(15),
            agent: Duration::from_secs(10),
            touch: Duration::from_secs(30),
            channel: Duration::from_secs(10),
            exec_reply: Duration::from_secs(10),
            shell: Duration::from_secs(20),
            end: Duration::from_secs(10),
            drain: Duration::from_secs(2),
            keepalive: Duration::from_secs(5),
        }
    }
}
