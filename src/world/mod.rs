//! The outside: SSH, HTTP, the clock; or a simulated fleet instead of it.

pub mod any;
mod http;
mod pm2_rpc;
pub mod secrets;
pub mod sim;
pub mod ssh;
pub mod timeouts;

use std::collections::BTreeMap;
use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::world::{ConnectFault, Connected, World};
use crate::model::host::Host;
use crate::model::plan::SecretSource;
use crate::model::time::Timestamp;
use crate::world::secrets::Secrets;
use crate::world::ssh::addresses::Book;
use crate::world::ssh::connect::Ground;
use crate::world::ssh::crowd::{Crowd, PER_ADDRESS};
use crate::world::ssh::session::{SshSession, connect, now};
use crate::world::ssh::trust::TrustStore;
use crate::world::ssh::{Identities, KeyFault};
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
    handshakes: usize,
    home: Option<PathBuf>,
}

impl Fleet {
    /// Files are read when a host first needs them, each once.
    pub fn new(options: FleetOptions) -> Self {
        let FleetOptions { timeouts, handshakes, home, agent, system_known_hosts } = options;
        let own = home.iter().flat_map(|home| ["known_hosts", "known_hosts2"].map(|name| home.join(".ssh").join(name)));
        let defaults = own.chain(system_known_hosts).collect();
        let trust = Arc::new(TrustStore::new(home.clone(), defaults));
        let identities = Arc::new(Identities::new(home.clone(), agent, &timeouts));
        let crowd = Arc::new(Crowd::new(handshakes, PER_ADDRESS));
        let ground = Ground { timeouts, trust, identities, secrets: Arc::default(), book: Book::default(), crowd };
        Self { ground, handshakes, home }
    }

    /// Shakes hands with one address at most this often at the same time, instead of eight times.
    #[must_use]
    pub fn with_handshakes_per_address(mut self, count: usize) -> Self {
        self.ground.crowd = Arc::new(Crowd::new(self.handshakes, count));
        self
    }

    /// Knows where the secrets are that scripts name; all are asked for before the first host is contacted, each once.
    #[must_use]
    pub fn with_secrets(mut self, sources: BTreeMap<String, SecretSource>) -> Self {
        self.ground.secrets = Arc::new(Secrets::new(sources, self.home.clone()));
        self
    }
}

impl Fleet {
    /// What is wrong with the keys of these hosts, before any of them is contacted. Asks the agent, never the network.
    pub async fn check_identities(&self, hosts: &[Host]) -> Vec<KeyFault> {
        self.ground.identities.check(hosts).await
    }
}

impl World for Fleet {
    type Session = SshSession;

    async fn connect(&self, host: &Host) -> Result<(SshSession, Connected), ConnectFault> {
        let secrets = &self.ground.secrets;
        secrets.ask().await;
        match connect(&self.ground, host).await {
            Ok((session, mut connected)) => {
                secrets.redact_connected(&mut connected);
                Ok((session, connected))
            }
            Err(mut finding) => {
                secrets.redact_finding(&mut finding);
                Err(ConnectFault { finding })
            }
        }
    }

    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
