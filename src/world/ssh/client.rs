//! Our side of the SSH library's callbacks: the host key is judged, every channel the server opens is refused, and
//! the reason why a connection ended is kept.

use std::sync::{Arc, OnceLock};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelOpenFailure, Error, Names};

use crate::world::shown::shown;
use crate::world::ssh::hostcert;
use crate::world::ssh::known_hosts::{Known, Trust};
use crate::world::ssh::session::now;

/// What the callbacks learned.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    key: OnceLock<HostKey>,
    ended: OnceLock<String>,
}

/// The key a host showed.
#[derive(Debug, Clone)]
pub(crate) struct HostKey {
    /// Such as `ssh-ed25519`.
    pub(crate) kind: String,
    /// `SHA256:…`.
    pub(crate) fingerprint: String,
    /// What follows.
    pub(crate) trust: Trust,
    /// The key as a line of known hosts has it.
    pub(crate) line: String,
    /// `FILE:LINE: why` of lines that cannot be read and may have been about it.
    pub(crate) passed: Vec<String>,
    /// The algorithm that both sides had agreed on.
    agreed: OnceLock<String>,
}

impl HostKey {
    /// The algorithm that was agreed on, where the key is not one for it.
    pub(crate) fn disagrees(&self) -> Option<&str> {
        self.agreed.get().map(String::as_str).filter(|agreed| !agrees(agreed, &self.kind))
    }

    /// Whether a signature by this key may be of that type.
    pub(crate) fn signs(&self, kind: &str) -> bool {
        self.agreed.get().is_some_and(|agreed| agreed == kind)
    }
}

/// Whether a key of this type is one for that algorithm; RSA has one type of key and two algorithms.
fn agrees(algorithm: &str, kind: &str) -> bool {
    let kind = kind.strip_suffix("-cert-v01@openssh.com").unwrap_or(kind);
    match algorithm {
        "rsa-sha2-512" | "rsa-sha2-256" => kind == "ssh-rsa",
        other => kind == other,
    }
}

impl Learned {
    pub(crate) fn key(&self) -> Option<&HostKey> {
        self.key.get()
    }

    /// Why the connection ended, if it did.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }
}

/// The callbacks of one connection.
pub(crate) struct Client {
    known: Known,
    learned: Arc<Learned>,
}

impl Client {
    pub(crate) fn new(known: Known, learned: Arc<Learned>) -> Self {
        Self { known, learned }
    }
}

async fn refuse(reply: ChannelOpenHandle) -> Result<(), Error> {
    reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
    Ok(())
}

impl Handler for Client {
    type Error = Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Error> {
        let key = shown.public_key();
        let (kind, trust) = match shown.certificate() {
            Some(cert) => (cert.algorithm().to_certificate_type(), hostcert::judge(&self.known, cert, now())),
            None => (key.algorithm().as_str().to_owned(), self.known.judge(&key.to_bytes()?)),
        };
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let trusted = trust == Trust::Trusted;
        // the first exchange decides; the library asks once
        let _ = self.learned.key.set(HostKey {
            kind,
            fingerprint,
            trust,
            line: key.to_openssh()?,
            passed: self.known.passed().to_vec(),
            agreed: OnceLock::new(),
        });
        Ok(trusted)
    }

    async fn kex_done(&mut self, _secret: Option<&[u8]>, names: &Names, _session: &mut Session) -> Result<(), Error> {
        // only the first exchange is about the key
        self.learned.key.get().map_or(Ok(()), |key| {
            let agreed = key.agreed.get_or_init(|| names.key.as_str().to_owned());
            if agrees(agreed, &key.kind) { Ok(()) } else { Err(Error::WrongServerSig) }
        })
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Error>) -> Result<(), Error> {
        let (text, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                (format!("the server said: {}", shown(info.message.as_bytes(), 200)), Ok(()))
            }
            DisconnectReason::Error(Error::KeepaliveTimeout | Error::InactivityTimeout) => {
                ("no answer to keepalives".to_owned(), Err(Error::KeepaliveTimeout))
            }
            DisconnectReason::Error(error) => (shown(error.to_string().as_bytes(), 200), Err(error)),
        };
        let _ = self.learned.ended.set(text);
        result
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _address: &str,
        _port: u32,
        _from: &str,
        _from_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        refuse(reply).await
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        refuse(reply).await
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        refuse(reply).await
    }

    async fn server_channel_open_unknown(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        refuse(reply).await
    }

    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _address: &str,
        _port: u32,
        _from: &str,
        _from_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        refuse(reply).await
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        refuse(reply).await
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _from: &str,
        _from_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Error> {
        refuse(reply).await
    }
}
