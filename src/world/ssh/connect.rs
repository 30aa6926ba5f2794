//! Connecting: DNS, TCP, banner, key exchange, authentication, shell. Every phase has its own deadline and its own
//! class of fault; what fails leaves neither a socket nor a task behind.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::client::{Config, Handle, connect_stream};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Error, Preferred, SshId, cipher};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::DropGuard;

use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::world::secrets::Secrets;
use crate::world::ssh::addresses::{Book, Pace, dial};
use crate::world::ssh::auth::Identities;
use crate::world::ssh::client::{Client, HostKey, Learned};
use crate::world::ssh::crowd::{Crowd, Gate};
use crate::world::ssh::distrust::{disagreement, distrust, honest};
use crate::world::ssh::faults::{exchange_failed, login_failed, no_banner, no_keys, no_ssh};
use crate::world::ssh::known_hosts::{Known, LookupName, Trust};
use crate::world::ssh::plain_file::aside;
use crate::world::ssh::retry::{Fault, Tries};
use crate::world::ssh::trust::TrustStore;
use crate::world::ssh::wire::{Carrier, Gauge, Wire};
use crate::world::timeouts::Timeouts;

const CLIENT_ID: &str = concat!("SSH-2.0-runbook_", env!("CARGO_PKG_VERSION"));

/// AES-GCM first: it needs no strict key exchange to be safe.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// What connecting needs besides the host.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) timeouts: Timeouts,
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) secrets: Arc<Secrets>,
    pub(crate) book: Book,
    pub(crate) crowd: Arc<Crowd>,
}

/// A connection whose host is known and whose user is logged in.
pub(crate) struct Joined {
    pub(crate) handle: Handle<Client>,
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) learned: Arc<Learned>,
    pub(crate) key: HostKey,
}

impl Ground {
    /// From a name to a logged-in connection. What fails before the login is tried again where that may help, all within
    /// one budget.
    pub(crate) async fn join(&self, host: &Host) -> Result<Joined, Finding> {
        let (name, known) = self.known(host).await?;
        let mut tries = Tries::new(&self.timeouts);
        loop {
            if let Some(finding) = self.crowd.suspended(&host.name) {
                return Err(finding);
            }
            let fault = match self.attempt(host, (&name, &known), &mut tries).await {
                Ok(joined) => return Ok(joined),
                Err(fault) => fault,
            };
            tokio::time::sleep(tries.failed(fault)?).await;
        }
    }

    async fn attempt(&self, host: &Host, known: (&LookupName, &Known), tries: &mut Tries) -> Result<Joined, Fault> {
        let addresses = self.addresses(host).await?;
        let Some(first) = addresses.first() else { return Err(Finding::new("dns", "there is no address").into()) };
        let gate = self.crowd.gate(*first);
        let asked = Instant::now();
        let turn = match tries.is_first() {
            true => Some(gate.turn().await),
            false => timeout_at(tries.deadline(), gate.turn()).await.ok(),
        };
        let Some(_turn) = turn else { return Err(tries.cut(self.timeouts.connect)) };
        if tries.is_first() {
            tries.waited(asked.elapsed());
        }
        // said only now: whoever had the turn before may have learned it
        if let Some(finding) = gate.closed() {
            return Err(finding.into());
        }
        let result = self.once(host, &addresses, known, (&gate, tries)).await;
        if let Err(fault) = &result {
            self.remember(host, &gate, &fault.finding);
        }
        result
    }

    /// What follows from a fault for everybody else.
    fn remember(&self, host: &Host, gate: &Gate, finding: &Finding) {
        match finding.code.as_str() {
            "throttled" => gate.halve(),
            "penalised" => gate.close(finding),
            "protocol-error" | "client-panic" => self.crowd.suspend(&host.name, finding),
            "auth-denied" | "auth-too-many" | "auth-interaction" => {
                gate.denied(&host.name, finding);
                // one failing login a host and run: more of them are what servers punish
                self.crowd.suspend(&host.name, finding);
            }
            _ => {}
        }
    }

    async fn once(
        &self,
        host: &Host,
        addresses: &[SocketAddr],
        (name, known): (&LookupName, &Known),
        (gate, tries): (&Gate, &Tries),
    ) -> Result<Joined, Fault> {
        let pace = Pace { limit: self.timeouts.tcp, stagger: self.timeouts.stagger };
        let gauge = Arc::new(Gauge::default());
        // whatever fails from here on cuts the wire
        let guard: DropGuard = gauge.cut.clone().drop_guard();
        let learned = Arc::new(Learned::new(host.name.clone(), Arc::clone(&self.crowd)));
        let denied = gate.first_denied();
        let meeting = async {
            let (tcp, address) = dial(addresses, pace, TcpStream::connect).await?;
            // without it a connection is merely slower
            let _ = tcp.set_nodelay(true);
            let met = self.exchange_keys(tcp, (&gauge, &learned), known.clone(), (name, denied.as_deref())).await?;
            Ok::<_, Fault>((met, address))
        };
        let met = timeout_at(tries.deadline(), meeting).await;
        let (mut handle, address) = match met {
            Ok(met) => met?,
            Err(_) => return Err(tries.cut(self.timeouts.connect)),
        };
        // no part of that budget: somebody may have to touch a key
        let login = self.identities.authenticate(&mut handle, host, &learned).await;
        login.map_err(|finding| login_failed(finding, &learned))?;
        let Some(key) = learned.key().cloned() else {
            return Err(Finding::new("protocol-error", "the server showed no host key").into());
        };
        guard.disarm();
        self.book.used((&host.address, host.port), address);
        Ok(Joined { handle, gauge, learned, key })
    }

    async fn known(&self, host: &Host) -> Result<(LookupName, Known), Finding> {
        let (trust, host) = (Arc::clone(&self.trust), host.clone());
        aside("known host keys", move || trust.known(&host)).await?.map_err(|error| error.finding())
    }

    async fn addresses(&self, host: &Host) -> Result<Vec<SocketAddr>, Finding> {
        let name = (host.address.as_str(), host.port);
        self.book.addresses(name, self.timeouts.dns, async || lookup_host(name).await.map(Iterator::collect)).await
    }

    /// From a stream of bytes to a connection whose host is known.
    pub(crate) async fn exchange_keys(
        &self,
        carrier: impl Carrier + 'static,
        (gauge, learned): (&Arc<Gauge>, &Arc<Learned>),
        known: Known,
        (name, denied): (&LookupName, Option<&str>),
    ) -> Result<Handle<Client>, Fault> {
        let config = Arc::new(self.config(&known));
        let wire = Wire::new(carrier, Arc::clone(gauge));
        let mut joining = Box::pin(connect_stream(config, wire, Client::new(known, Arc::clone(learned))));
        let banner = Instant::now() + self.timeouts.banner;
        let early = tokio::select! {
            joined = &mut joining => Some(joined),
            accepted = timeout_at(banner, gauge.banner_accepted()) => match accepted {
                Ok(()) => None,
                Err(_) => return Err(no_banner(gauge, self.timeouts.banner)),
            },
        };
        let joined = match early {
            Some(joined) => joined,
            None => match timeout(self.timeouts.key_exchange, joining).await {
                Ok(joined) => joined,
                Err(_) => return Err(no_keys(gauge, self.timeouts.key_exchange)),
            },
        };
        let joined = joined.and_then(|handle| if honest(&handle, learned) { Ok(handle) } else { Err(Error::WrongServerSig) });
        let fault = |error: Error| match learned.key() {
            Some(key) if key.trust != Trust::Trusted => distrust(key, name),
            Some(key) if matches!(error, Error::WrongServerSig) => disagreement(key, name),
            _ if gauge.greeted() => exchange_failed(&error, gauge, learned),
            _ => no_ssh(&error, gauge, denied),
        };
        Ok(joined.map_err(fault)?)
    }

    fn config(&self, known: &Known) -> Config {
        Config {
            client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
            preferred: preferred(known),
            nodelay: true,
            keepalive_interval: Some(self.timeouts.keepalive),
            keepalive_max: 3,
            // keepalives notice first; this one also covers the time before authentication
            inactivity_timeout: Some(self.timeouts.keepalive * 12),
            ..Config::default()
        }
    }
}

/// What to ask for; certificates only where somebody is recorded who signs them, and then first.
fn preferred(known: &Known) -> Preferred {
    let keys = key_types(&known.kinds());
    let certificates = if known.has_authority() { keys.clone() } else { Vec::new() };
    Preferred {
        key: Cow::Owned(keys),
        host_key_certificates: Cow::Owned(certificates),
        cipher: Cow::Borrowed(CIPHERS),
        ..Preferred::default()
    }
}

/// The types to ask for: the recorded ones first, SHA-1 never.
fn key_types(recorded: &[&str]) -> Vec<Algorithm> {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let mut all = vec![
        ("ssh-ed25519", Algorithm::Ed25519),
        ("ecdsa-sha2-nistp256", ecdsa(EcdsaCurve::NistP256)),
        ("ecdsa-sha2-nistp384", ecdsa(EcdsaCurve::NistP384)),
        ("ecdsa-sha2-nistp521", ecdsa(EcdsaCurve::NistP521)),
        ("ssh-rsa", Algorithm::Rsa { hash: Some(HashAlg::Sha512) }),
        ("ssh-rsa", Algorithm::Rsa { hash: Some(HashAlg::Sha256) }),
    ];
    all.sort_by_key(|(kind, _)| !recorded.contains(kind));
    all.into_iter().map(|(_, algorithm)| algorithm).collect()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use russh::keys::{Algorithm, HashAlg};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::{Book, Carrier, Crowd, Ground, Identities, Learned, TrustStore, key_types};
    use crate::model::id::HostName;
    use crate::world::ssh::known_hosts::{Known, LookupName};
    use crate::world::timeouts::Timeouts;

    /// A server on whose second word the library fails.
    struct Bomb(bool);

    impl AsyncRead for Bomb {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            assert!(!self.0, "a bug (scripted)");
            self.0 = true;
            buf.put_slice(b"SSH-2.0-bomb\r\n");
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Bomb {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl Carrier for Bomb {}

    #[tokio::test]
    async fn a_panic_of_the_library_is_a_fault_of_that_host_alone() {
        let timeouts = Timeouts::default();
        let identities = Arc::new(Identities::new(None, None, &timeouts));
        let (trust, crowd) = (Arc::new(TrustStore::new(None, Vec::new())), Arc::new(Crowd::new(1, 1)));
        let (secrets, book) = (Arc::default(), Book::default());
        let ground = Ground { timeouts, trust, identities, secrets, book, crowd: Arc::clone(&crowd) };
        let name = LookupName::new("web", 22, None);
        let host = HostName::parse("web-1").expect("a name");
        let learned = Arc::new(Learned::new(host.clone(), Arc::clone(&crowd)));
        let known = Known::lookup(&[], &name);
        let gauge = Arc::default();
        let joining = ground.exchange_keys(Bomb(false), (&gauge, &learned), known, (&name, None));
        let Err(fault) = joining.await else { panic!("joined") };
        assert_eq!(fault.finding.code, "client-panic");
        assert_eq!(crowd.suspended(&host).map(|finding| finding.code).as_deref(), Some("client-panic"));
        assert_eq!(crowd.suspended(&HostName::parse("web-2").expect("a name")), None);
    }

    #[test]
    fn recorded_types_come_first_and_sha_1_never() {
        let types = key_types(&["ssh-rsa"]);
        assert_eq!(types[0], Algorithm::Rsa { hash: Some(HashAlg::Sha512) });
        assert_eq!(types[1], Algorithm::Rsa { hash: Some(HashAlg::Sha256) });
        assert_eq!(types[2], Algorithm::Ed25519);
        assert!(!types.contains(&Algorithm::Rsa { hash: None }));
        assert_eq!(key_types(&[])[0], Algorithm::Ed25519);
    }
}
