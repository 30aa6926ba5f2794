//! Our side of the SSH library's callbacks: the host key and the algorithms are judged, every channel the server opens is
//! refused, and the reason why a connection ended is kept.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::{HashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelOpenFailure, Disconnect, Error, Names, cipher};

use crate::model::event::Algorithms;
use crate::model::finding::Finding;
use crate::model::id::HostName;
use crate::model::visible::shown;
use crate::world::ssh::crowd::Crowd;
use crate::world::ssh::hostcert;
use crate::world::ssh::known_hosts::{Known, Trust};
use crate::world::ssh::link::CONNECTION_LOST;
use crate::world::ssh::session::now;

/// The most of a server's text before the login that is kept, in bytes.
const MAX_BANNER: usize = 1024;

/// What the callbacks learned.
#[derive(Debug)]
pub(crate) struct Learned {
    host: HostName,
    crowd: Arc<Crowd>,
    key: OnceLock<HostKey>,
    agreed: OnceLock<Algorithms>,
    banner: Mutex<String>,
    ended: OnceLock<(Ending, String)>,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The server took its leave.
    Said,
    /// The server took its leave because it has too many connections.
    Crowded,
    /// Nothing was heard any more.
    Silent,
    /// The stream ended.
    Lost,
    /// What came in was not SSH.
    Broken,
    /// The library failed on what came in.
    Panicked,
}

impl Ending {
    /// The class of the fault.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Broken => "protocol-error",
            Self::Panicked => "client-panic",
            Self::Said | Self::Crowded | Self::Silent | Self::Lost => CONNECTION_LOST,
        }
    }
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
    pub(crate) fn new(host: HostName, crowd: Arc<Crowd>) -> Self {
        let (key, agreed, ended) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { host, crowd, key, agreed, banner: Mutex::default(), ended }
    }

    pub(crate) fn key(&self) -> Option<&HostKey> {
        self.key.get()
    }

    /// Why the connection ended, if it did.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.ended.get().map(|(_, text)| text.as_str())
    }

    /// How the connection ended, if it did.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ended.get().map(|(ending, _)| *ending)
    }

    /// What was agreed on.
    pub(crate) fn agreed(&self) -> Option<&Algorithms> {
        self.agreed.get()
    }

    /// What the server printed before the login; not to be shown as it is.
    pub(crate) fn banner(&self) -> String {
        self.banner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn printed(&self, text: &str) {
        let mut banner = self.banner.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_BANNER.saturating_sub(banner.len());
        let end = text.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= room).last();
        banner.push_str(text.get(..end.unwrap_or(0)).unwrap_or_default());
    }

    /// This host is not spoken to any more in this run.
    pub(crate) fn leave_alone(&self, finding: &Finding) {
        self.crowd.suspend(&self.host, finding);
    }

    /// Keeps the first reason; a peer that breaks the protocol is left alone for the rest of the run.
    fn end(&self, ending: Ending, text: String) {
        if matches!(ending, Ending::Broken | Ending::Panicked) {
            self.leave_alone(&broken(ending, &text));
        }
        let _ = self.ended.set((ending, text));
    }
}

/// What is told of a peer that is not spoken to any more.
pub(crate) fn broken(ending: Ending, text: &str) -> Finding {
    let hint = "this host is left alone for the rest of the run: look at its sshd, or at what stands in between";
    match ending {
        Ending::Panicked => {
            Finding::new("client-panic", format!("the ssh library failed on what the server sent: {text}")).hint(hint)
        }
        _ => Finding::new("protocol-error", format!("the server broke the ssh protocol: {text}")).hint(hint),
    }
}

/// Whether a suite that Terrapin breaks is in use: it may only be where the key exchange is strict.
fn is_breakable(agreed: &Algorithms) -> bool {
    let etm = agreed.mac.as_deref().is_some_and(|mac| mac.contains("-etm@"));
    !agreed.strict_kex && (agreed.cipher.starts_with("chacha20-") || (agreed.cipher.ends_with("-cbc") && etm))
}

fn agreed(names: &Names) -> Algorithms {
    // ciphers that authenticate by themselves take no MAC, whatever was agreed on for it
    let sealed = [cipher::CHACHA20_POLY1305, cipher::AES_256_GCM, cipher::AES_128_GCM].contains(&names.cipher);
    Algorithms {
        kex: names.kex.as_ref().to_owned(),
        cipher: names.cipher.as_ref().to_owned(),
        mac: (!sealed).then(|| names.client_mac.as_ref().to_owned()),
        strict_kex: names.strict_kex(),
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

impl Drop for Client {
    fn drop(&mut self) {
        // it belongs to the library's task, which has no other way to tell
        if std::thread::panicking() {
            self.learned.end(Ending::Panicked, "it stopped with a panic".to_owned());
        }
    }
}

/// Whether this is merely the end of the stream, or of a login that the server has no more methods for.
pub(crate) fn is_end(error: &Error) -> bool {
    matches!(error, Error::Disconnect | Error::HUP | Error::IO(_) | Error::NoAuthMethod | Error::SendError | Error::RecvError)
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

    async fn kex_done(&mut self, _: Option<&[u8]>, names: &Names, _: &mut Session) -> Result<(), Error> {
        let agreed = agreed(names);
        let breakable = is_breakable(&agreed);
        // the first exchange counts; later ones are as strict as that
        let _ = self.learned.agreed.set(agreed);
        if breakable {
            return Err(Error::Kex);
        }
        // only the first exchange is about the key
        self.learned.key.get().map_or(Ok(()), |key| {
            let agreed = key.agreed.get_or_init(|| names.key.as_str().to_owned());
            if agrees(agreed, &key.kind) { Ok(()) } else { Err(Error::WrongServerSig) }
        })
    }

    async fn auth_banner(&mut self, text: &str, _: &mut Session) -> Result<(), Error> {
        self.learned.printed(text);
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Error>) -> Result<(), Error> {
        let (ending, text, result) = match reason {
            DisconnectReason::ReceivedDisconnect(info) => {
                let crowded = matches!(info.reason_code, Disconnect::TooManyConnections);
                let ending = if crowded { Ending::Crowded } else { Ending::Said };
                (ending, format!("the server said: {}", shown(info.message.as_bytes(), 200)), Ok(()))
            }
            DisconnectReason::Error(Error::KeepaliveTimeout | Error::InactivityTimeout) => {
                (Ending::Silent, "no answer to keepalives".to_owned(), Err(Error::KeepaliveTimeout))
            }
            DisconnectReason::Error(error) => {
                let text = shown(error.to_string().to_lowercase().as_bytes(), 200);
                (if is_end(&error) { Ending::Lost } else { Ending::Broken }, text, Err(error))
            }
        };
        self.learned.end(ending, text);
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

#[cfg(test)]
mod tests {
    use super::is_breakable;
    use crate::model::event::Algorithms;

    #[test]
    fn what_terrapin_breaks_needs_a_strict_key_exchange() {
        for (cipher, mac, breakable) in [
            ("chacha20-poly1305@openssh.com", None, true),
            ("aes128-cbc", Some("hmac-sha2-256-etm@openssh.com"), true),
            ("aes128-cbc", Some("hmac-sha2-256"), false),
            ("aes256-ctr", Some("hmac-sha2-256-etm@openssh.com"), false),
            ("aes256-gcm@openssh.com", None, false),
        ] {
            let mac = mac.map(str::to_owned);
            let mut agreed = Algorithms { kex: "k".to_owned(), cipher: cipher.to_owned(), mac, strict_kex: false };
            assert_eq!(is_breakable(&agreed), breakable, "{cipher}");
            agreed.strict_kex = true;
            assert!(!is_breakable(&agreed), "{cipher}");
        }
    }
}
