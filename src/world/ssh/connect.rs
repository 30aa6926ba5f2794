//! Connecting: DNS, TCP, banner, key exchange, authentication, shell. Every phase has its own deadline and its own
//! class of fault; what fails leaves neither a socket nor a task behind.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{Config, Handle, connect_stream};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Error, Preferred, SshId};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::DropGuard;

use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::visible::{literal, shown};
use crate::world::secrets::Secrets;
use crate::world::ssh::auth::Identities;
use crate::world::ssh::client::{Client, HostKey, Learned};
use crate::world::ssh::known_hosts::{Known, LookupName, Trust};
use crate::world::ssh::trust::TrustStore;
use crate::world::ssh::wire::{Carrier, Gauge, Wire};
use crate::world::timeouts::Timeouts;

const CLIENT_ID: &str = concat!("SSH-2.0-runbook_", env!("CARGO_PKG_VERSION"));

/// What connecting needs besides the host.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) timeouts: Timeouts,
    pub(crate) trust: Arc<TrustStore>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) secrets: Arc<Secrets>,
}

/// A connection whose host is known and whose user is logged in.
pub(crate) struct Joined {
    pub(crate) handle: Handle<Client>,
    pub(crate) gauge: Arc<Gauge>,
    pub(crate) learned: Arc<Learned>,
    pub(crate) key: HostKey,
}

impl Ground {
    /// From a name to a logged-in connection.
    pub(crate) async fn join(&self, host: &Host) -> Result<Joined, Finding> {
        let (name, known) = self.known(host).await?;
        let addresses = self.addresses(host).await?;
        let tcp = self.tcp(&addresses).await?;
        let gauge = Arc::new(Gauge::default());
        // whatever fails from here on cuts the wire
        let guard: DropGuard = gauge.cut.clone().drop_guard();
        let learned = Arc::new(Learned::default());
        let mut handle = self.exchange_keys(tcp, &gauge, &learned, known, &name).await?;
        let login = self.identities.authenticate(&mut handle, host, &learned);
        match timeout(self.timeouts.auth, login).await {
            Ok(result) => result?,
            Err(_) => return Err(late("auth-timeout", "the server did not finish authentication", self.timeouts.auth)),
        }
        let Some(key) = learned.key().cloned() else {
            return Err(Finding::new("protocol-error", "the server showed no host key"));
        };
        guard.disarm();
        Ok(Joined { handle, gauge, learned, key })
    }

    async fn known(&self, host: &Host) -> Result<(LookupName, Known), Finding> {
        let (trust, host) = (Arc::clone(&self.trust), host.clone());
        match tokio::task::spawn_blocking(move || trust.known(&host)).await {
            Ok(Ok(known)) => Ok(known),
            Ok(Err(error)) => Err(Finding::new("known-hosts", format!("the file with known host keys {error}"))
                .hint("name a readable file with `known_hosts` in the inventory")),
            Err(error) => Err(Finding::new("internal", format!("reading known host keys failed: {error}"))),
        }
    }

    async fn addresses(&self, host: &Host) -> Result<Vec<SocketAddr>, Finding> {
        let name = literal(&host.address);
        match timeout(self.timeouts.dns, lookup_host((host.address.as_str(), host.port))).await {
            Err(_) => Err(late("dns-timeout", &format!("`{name}` was not resolved"), self.timeouts.dns)),
            Ok(Err(error)) => {
                Err(Finding::new("dns", format!("`{name}` cannot be resolved: {error}")).hint("check `address` in the inventory"))
            }
            Ok(Ok(found)) => {
                let found: Vec<SocketAddr> = found.collect();
                if found.is_empty() { Err(Finding::new("dns", format!("`{name}` has no address"))) } else { Ok(found) }
            }
        }
    }

    /// One address after the other, all within one budget; a dead first one leaves time for the rest.
    async fn tcp(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Finding> {
        let deadline = Instant::now() + self.timeouts.tcp;
        let mut fault = None;
        for (index, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => {
                    // without it a connection is merely slower
                    let _ = tcp.set_nodelay(true);
                    return Ok(tcp);
                }
                Ok(Err(error)) => fault = Some(refused(*address, &error)),
                Err(_) => fault = Some(late("connect-timeout", &format!("{address} did not answer"), share)),
            }
        }
        Err(fault.unwrap_or_else(|| Finding::new("dns", "there is no address to connect to")))
    }

    async fn exchange_keys(
        &self,
        carrier: impl Carrier + 'static,
        gauge: &Arc<Gauge>,
        learned: &Arc<Learned>,
        known: Known,
        name: &LookupName,
    ) -> Result<Handle<Client>, Finding> {
        let config = Arc::new(self.config(&known));
        let wire = Wire::new(carrier, Arc::clone(gauge), CLIENT_ID.len() + 2);
        let joining = connect_stream(config, wire, Client::new(known, Arc::clone(learned)));
        let mut joining = Box::pin(joining);
        let banner = Instant::now() + self.timeouts.banner;
        let early = tokio::select! {
            joined = &mut joining => Some(joined),
            accepted = timeout_at(banner, gauge.banner_accepted()) => match accepted {
                Ok(()) => None,
                Err(_) => return Err(self.no_banner(gauge)),
            },
        };
        let (joined, greeted) = match early {
            Some(joined) => (joined, false),
            None => match timeout(self.timeouts.key_exchange, joining).await {
                Ok(joined) => (joined, true),
                Err(_) => {
                    let summary = format!("the key exchange stalled after {} bytes", gauge.received());
                    return Err(late("kex-timeout", &summary, self.timeouts.key_exchange));
                }
            },
        };
        joined.map_err(|error| match learned.key() {
            Some(key) if key.trust != Trust::Trusted => distrust(key, name),
            _ if greeted => exchange_failed(&error),
            _ => no_ssh(&error, &gauge.hello()),
        })
    }

    fn no_banner(&self, gauge: &Gauge) -> Finding {
        let finding = late("banner-timeout", "the server sent no SSH banner", self.timeouts.banner);
        match gauge.hello() {
            hello if hello.is_empty() => finding,
            hello => finding.evidence(format!("it sent `{}`", shown(&hello, 64))),
        }
    }

    fn config(&self, known: &Known) -> Config {
        Config {
            client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
            preferred: Preferred { key: Cow::Owned(key_types(&known.kinds())), ..Preferred::default() },
            nodelay: true,
            keepalive_interval: Some(self.timeouts.keepalive),
            keepalive_max: 3,
            // keepalives notice first; this one also covers the time before authentication
            inactivity_timeout: Some(self.timeouts.keepalive * 12),
            ..Config::default()
        }
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

fn late(code: &str, summary: &str, limit: Duration) -> Finding {
    Finding::new(code, format!("{summary} in {limit:?}"))
}

fn refused(address: SocketAddr, error: &std::io::Error) -> Finding {
    let (code, hint) = match error.kind() {
        ErrorKind::ConnectionRefused => ("refused", "is sshd running there, on this port?"),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            ("no-route", "check the network of this machine and `address` in the inventory")
        }
        ErrorKind::TimedOut => ("connect-timeout", "check `address` in the inventory and firewalls on the way"),
        _ => ("connect-failed", "check `address` and `port` in the inventory"),
    };
    Finding::new(code, format!("{address}: {error}").to_lowercase()).hint(hint)
}

/// The connection failed before the server's identification was accepted.
fn no_ssh(error: &Error, hello: &[u8]) -> Finding {
    let said = shown(hello, 64);
    if said.contains("MaxStartups") {
        return Finding::new("throttled", format!("sshd is shedding connections: `{said}`")).hint("use a smaller --forks");
    }
    if said.contains("Not allowed at this time") {
        return Finding::new("penalised", format!("sshd penalises this address after earlier failures: `{said}`"))
            .hint("wait ten minutes and check the key before trying again");
    }
    if said.starts_with("SSH-1.") && !said.starts_with("SSH-1.99") {
        return Finding::new("protocol-version", format!("the server speaks `{said}`, not SSH 2"));
    }
    match error {
        Error::Version => {
            Finding::new("not-ssh", format!("not an SSH server: it began with `{said}`")).hint("check `port` in the inventory")
        }
        Error::Disconnect | Error::HUP | Error::IO(_) if hello.is_empty() => {
            Finding::new("throttled", "the connection was closed before the SSH banner")
                .hint("sshd sheds connections (MaxStartups) or penalises this address: try fewer at once, later")
        }
        Error::Disconnect | Error::HUP | Error::IO(_) => {
            Finding::new("not-ssh", format!("not an SSH server: it said `{said}` and hung up"))
                .hint("check `port` in the inventory")
        }
        other => Finding::new("protocol-error", shown(other.to_string().to_lowercase().as_bytes(), 300)),
    }
}

fn exchange_failed(error: &Error) -> Finding {
    match error {
        Error::NoCommonAlgo { kind, ours, theirs } => {
            let list = |names: &[String]| shown(names.join(",").as_bytes(), 300);
            let what = format!("{kind:?}").to_lowercase();
            Finding::new("algo-mismatch", format!("no {what} algorithm is common to both sides"))
                .evidence(format!("ours: {}", list(ours)))
                .evidence(format!("theirs: {}", list(theirs)))
        }
        Error::Disconnect | Error::HUP | Error::IO(_) => {
            Finding::new("kex-lost", "the connection was lost during the key exchange")
        }
        other => Finding::new("protocol-error", shown(other.to_string().to_lowercase().as_bytes(), 300)),
    }
}

/// The host showed a key that is not to be trusted.
fn distrust(key: &HostKey, name: &LookupName) -> Finding {
    let shown_key = format!("{} {}", key.kind, key.fingerprint);
    let name = literal(name.as_str());
    match &key.trust {
        Trust::Revoked { place } => Finding::new("host-key-revoked", format!("the host key {shown_key} is revoked"))
            .evidence(format!("revoked at {place}"))
            .hint("do not connect; find out how this key came back"),
        Trust::Changed { recorded } => {
            let summary = format!("the host key changed: {shown_key} is not what is recorded for `{name}`");
            let finding = Finding::new("host-key-changed", summary)
                .hint("a re-created machine, or somebody in the middle: compare the key with the host's console");
            recorded.iter().fold(finding, |finding, place| finding.evidence(format!("recorded at {place}")))
        }
        Trust::OnlyAuthority { place } => {
            let summary =
                format!("only a certificate authority is recorded for `{name}`, and certificates of hosts are not supported yet");
            Finding::new("host-key-unknown", summary)
                .evidence(format!("@cert-authority at {place}"))
                .evidence(format!("the host shows {shown_key}"))
                .hint("add a line with the host's own key to known_hosts")
        }
        Trust::Unknown | Trust::Trusted => {
            Finding::new("host-key-unknown", format!("the host key {shown_key} is not recorded for `{name}`"))
                .hint("compare it with the host's console, then add it to known_hosts")
        }
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::{Algorithm, HashAlg};

    use super::key_types;

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
