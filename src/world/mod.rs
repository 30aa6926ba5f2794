//! The outside: SSH, HTTP, the clock; or a simulated fleet instead of it.

pub mod any;
mod http;
mod pm2_rpc;
mod secrets;
pub mod sim;
pub mod ssh;
pub mod timeouts;

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::engine::world::{ConnectFault, Connected, World};
use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::plan::SecretSource;
use crate::model::time::Timestamp;
use crate::world::secrets::Secrets;
use crate::world::ssh::Identities;
use crate::world::ssh::connect::Ground;
use crate::world::ssh::session::{SshSession, connect, now};
use crate::world::ssh::trust::TrustStore;
use crate::world::timeouts::Timeouts;

/// What connecting to a fleet depends on, besides the hosts.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// Deadlines.
    pub timeouts: Timeouts,
    /// How many connections may be on their way at the same time.
    pub handshakes: usize,
    /// The home of the user who runs this: keys and known hosts are in its `.ssh`.
    pub home: Option<PathBuf>,
    /// The socket of the agent.
    pub agent: Option<PathBuf>,
    /// Known hosts of the whole system, for hosts that name no file of their own.
    pub system_known_hosts: Vec<PathBuf>,
}

impl FleetOptions {
    /// As OpenSSH would find things.
    pub fn from_env() -> Self {
        let path = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            timeouts: Timeouts::default(),
            handshakes: 50,
            home: path("HOME"),
            agent: path("SSH_AUTH_SOCK"),
            system_known_hosts: ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from).into(),
        }
    }
}

/// Real hosts, over SSH.
#[derive(Debug)]
pub struct Fleet {
    ground: Ground,
    handshakes: Semaphore,
    home: Option<PathBuf>,
}

impl Fleet {
    /// Files are read when a host first needs them, each once.
    pub fn new(options: FleetOptions) -> Self {
        let FleetOptions { timeouts, handshakes, home, agent, system_known_hosts } = options;
        let own = home.iter().flat_map(|home| ["known_hosts", "known_hosts2"].map(|name| home.join(".ssh").join(name)));
        let defaults = own.chain(system_known_hosts).collect();
        let trust = Arc::new(TrustStore::new(home.clone(), defaults));
        let identities = Arc::new(Identities::new(home.clone(), agent, timeouts.agent));
        let ground = Ground { timeouts, trust, identities, secrets: Arc::default() };
        Self { ground, handshakes: Semaphore::new(handshakes.max(1)), home }
    }

    /// Knows where the secrets are that scripts name; each is resolved when it is first sent.
    #[must_use]
    pub fn with_secrets(mut self, sources: BTreeMap<String, SecretSource>) -> Self {
        self.ground.secrets = Arc::new(Secrets::new(sources, self.home.clone()));
        self
    }
}

impl World for Fleet {
    type Session = SshSession;

    async fn connect(&self, host: &Host) -> Result<(SshSession, Connected), ConnectFault> {
        let turn = self.handshakes.acquire().await;
        let connected = match &turn {
            Ok(_) => connect(&self.ground, host).await,
            Err(_) => Err(Finding::new("internal", "no more connections are made")),
        };
        connected.map_err(|finding| ConnectFault { finding })
    }

    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
