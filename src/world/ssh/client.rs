//! Our side of the SSH library's callbacks: the host key is judged, every channel the server opens is refused, and
//! the reason why a connection ended is kept.

use std::sync::{Arc, OnceLock};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelOpenFailure, Error};

use crate::model::visible::shown;
use crate::world::ssh::known_hosts::{Known, Trust};

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
        // certificates are never asked for; one that comes all the same is a key nobody recorded
        if shown.certificate().is_some() {
            return Ok(false);
        }
        let key = shown.public_key();
        let trust = self.known.judge(&key.to_bytes()?);
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let trusted = trust == Trust::Trusted;
        let kind = key.algorithm().as_str().to_owned();
        // the first exchange decides; the library asks once
        let _ = self.learned.key.set(HostKey { kind, fingerprint, trust });
        Ok(trusted)
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
