//! The agent: one question at a time, every answer bounded in size and time, and read here, so that one key of a kind
//! that the library cannot read does not hide the others.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::model::visible::literal;
use russh::SendError;
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use russh::keys::key::parse_public_key;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

/// What OpenSSH's agents send at most.
const MAX_FRAME: u32 = 256 * 1024;

const FAILURE: u8 = 5;
const LIST: u8 = 11;
const LISTED: u8 = 12;
const SIGN: u8 = 13;
const SIGNED: u8 = 14;
const EXTENSION: u8 = 27;

/// Why the agent is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AgentFault {
    #[error("there is no socket `{0}`")]
    Missing(String),
    #[error("nobody answers on its socket: {0}")]
    Dead(String),
    #[error("it did not answer in {0:?}")]
    Silent(Duration),
    #[error("it did not sign in {0:?}; the key may have waited to be touched")]
    Untouched(Duration),
    #[error("other hosts had its attention for {0:?}")]
    Busy(Duration),
    #[error("it announced an answer of {0} bytes")]
    Large(u32),
    #[error("its answer cannot be read")]
    Garbage,
    #[error("it hung up in the middle")]
    Closed,
    #[error("it does not sign with this key")]
    Refused,
    #[error("the connection to the host is lost")]
    HostLost,
}

impl AgentFault {
    /// The class of the fault.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Missing(_) => "agent-missing",
            Self::Dead(_) => "agent-dead",
            Self::Silent(_) | Self::Untouched(_) => "agent-timeout",
            Self::Busy(_) => "agent-busy",
            Self::Large(_) | Self::Garbage => "agent-garbage",
            Self::Closed => "agent-closed",
            Self::Refused => "agent-refused",
            Self::HostLost => "auth-lost",
        }
    }
}

impl From<SendError> for AgentFault {
    fn from(_: SendError) -> Self {
        Self::HostLost
    }
}

/// The agent of the user who runs this program.
#[derive(Debug)]
pub(crate) struct Agent {
    path: PathBuf,
    /// One answer.
    limit: Duration,
    /// One signature: somebody may have to touch a key.
    touch: Duration,
    // one question at a time: a key that wants to be touched asks for one touch
    gate: Semaphore,
    dead: OnceLock<AgentFault>,
}

/// How long the agent has had the word in one login; that time is not the host's.
#[derive(Debug, Default)]
pub(crate) struct Pause(Mutex<(Duration, Option<Instant>)>);

impl Pause {
    fn begin(self: &Arc<Self>) -> Paused {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(Instant::now());
        Paused(Arc::clone(self))
    }

    /// All of it until now.
    pub(crate) fn total(&self) -> Duration {
        let (before, since) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        before + since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

struct Paused(Arc<Pause>);

impl Drop for Paused {
    fn drop(&mut self) {
        let total = self.0.total();
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = (total, None);
    }
}

/// What the agent holds.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) keys: Vec<PublicKey>,
    /// How many more it holds of kinds that cannot be used here.
    pub(crate) others: usize,
    /// Why it was not asked, or did not answer.
    pub(crate) fault: Option<AgentFault>,
}

/// A connection to the agent, for one login.
pub(crate) struct Signer {
    agent: Arc<Agent>,
    stream: UnixStream,
    pause: Arc<Pause>,
}

impl Agent {
    pub(crate) fn new(path: PathBuf, limit: Duration, touch: Duration) -> Self {
        Self { path, limit, touch, gate: Semaphore::new(1), dead: OnceLock::new() }
    }

    /// Why it is of no use to anybody, once that is known.
    pub(crate) fn dead(&self) -> Option<&AgentFault> {
        self.dead.get()
    }

    /// A connection and the keys it shows. The first failure speaks for the whole fleet: not every host waits for an
    /// agent that hangs.
    pub(crate) async fn open(
        self: &Arc<Self>,
        binding: Option<&AgentSessionBinding>,
        pause: &Arc<Pause>,
    ) -> Result<(Signer, Held), AgentFault> {
        let _paused = pause.begin();
        let _turn = self.turn().await?;
        let asking = async {
            let stream = UnixStream::connect(&self.path).await.map_err(|error| match error.kind() {
                ErrorKind::NotFound => AgentFault::Missing(literal(&self.path.display().to_string()).into_owned()),
                _ => AgentFault::Dead(error.to_string().to_lowercase()),
            })?;
            let mut signer = Signer { agent: Arc::clone(self), stream, pause: Arc::clone(pause) };
            if let Some(binding) = binding {
                // agents without the extension refuse it; keys bound to destinations are then not listed
                signer.ask(&bind(binding)).await?;
            }
            let held = listed(&signer.ask(&[LIST]).await?)?;
            Ok((signer, held))
        };
        let opened = timeout(self.limit, asking).await.unwrap_or(Err(AgentFault::Silent(self.limit)));
        opened.inspect_err(|fault| self.is_dead(fault))
    }

    fn is_dead(&self, fault: &AgentFault) {
        tracing::debug!(%fault, "the agent cannot be used");
        let _ = self.dead.set(fault.clone());
    }

    /// The right to ask it something.
    pub(crate) async fn turn(&self) -> Result<SemaphorePermit<'_>, AgentFault> {
        // servers wait two minutes for a login
        let limit = self.touch * 3;
        match timeout(limit, self.gate.acquire()).await {
            Ok(Ok(turn)) => self.dead.get().map_or(Ok(turn), |fault| Err(fault.clone())),
            _ => Err(AgentFault::Busy(limit)),
        }
    }
}

impl Signer {
    async fn ask(&mut self, question: &[u8]) -> Result<Vec<u8>, AgentFault> {
        let closed = |_| AgentFault::Closed;
        self.stream.write_all(&string(question)).await.map_err(closed)?;
        let length = self.stream.read_u32().await.map_err(closed)?;
        if length == 0 {
            return Err(AgentFault::Garbage);
        }
        // nothing is set aside for what is only announced
        if length > MAX_FRAME {
            return Err(AgentFault::Large(length));
        }
        let mut answer = Vec::new();
        (&mut self.stream).take(length.into()).read_to_end(&mut answer).await.map_err(closed)?;
        if answer.len() as u64 == u64::from(length) { Ok(answer) } else { Err(AgentFault::Closed) }
    }

    async fn sign(&mut self, key: &PublicKey, hash: Option<HashAlg>, data: &[u8]) -> Result<Vec<u8>, AgentFault> {
        let blob = key.to_bytes().map_err(|_| AgentFault::Refused)?;
        let (kind, flags) = match (key.algorithm(), hash) {
            (Algorithm::Rsa { .. }, Some(HashAlg::Sha256)) => ("rsa-sha2-256".to_owned(), 2u32),
            (Algorithm::Rsa { .. }, _) => ("rsa-sha2-512".to_owned(), 4),
            (other, _) => (other.as_str().to_owned(), 0),
        };
        let question = [&[SIGN][..], &string(&blob), &string(data), &flags.to_be_bytes()].concat();
        let answer = self.ask(&question).await?;
        let signature = match answer.split_first() {
            Some((&SIGNED, rest)) => take_string(rest).ok_or(AgentFault::Garbage)?.0,
            Some((&FAILURE, _)) => return Err(AgentFault::Refused),
            _ => return Err(AgentFault::Garbage),
        };
        // a weaker signature than the one that was asked for is none
        match take_string(signature) {
            Some((said, _)) if said == kind.as_bytes() => Ok(signature.to_vec()),
            _ => Err(AgentFault::Garbage),
        }
    }
}

impl russh::Signer for Signer {
    type Error = AgentFault;

    async fn auth_sign(&mut self, key: &AgentIdentity, hash: Option<HashAlg>, data: Vec<u8>) -> Result<Vec<u8>, AgentFault> {
        let agent = Arc::clone(&self.agent);
        let _paused = self.pause.begin();
        let _turn = agent.turn().await?;
        match timeout(agent.touch, self.sign(&key.public_key(), hash, &data)).await {
            Ok(signature) => Ok([data, string(&signature?)].concat()),
            Err(_) => {
                let fault = AgentFault::Untouched(agent.touch);
                agent.is_dead(&fault);
                Err(fault)
            }
        }
    }
}

fn bind(binding: &AgentSessionBinding) -> Vec<u8> {
    let parts = [&b"session-bind@openssh.com"[..], binding.host_key(), binding.session_id(), binding.signature()];
    let parts: Vec<u8> = parts.into_iter().flat_map(string).collect();
    // not forwarded
    [&[EXTENSION], &parts[..], &[0]].concat()
}

/// As SSH writes a string: its length, then it.
fn string(bytes: &[u8]) -> Vec<u8> {
    // what is signed is far below
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

fn take_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// The keys of an answer; those of kinds that cannot be used here are counted.
fn listed(answer: &[u8]) -> Result<Held, AgentFault> {
    let Some((&LISTED, rest)) = answer.split_first() else { return Err(AgentFault::Garbage) };
    let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(AgentFault::Garbage)?;
    let mut held = Held::default();
    for _ in 0..u32::from_be_bytes(*count) {
        let (blob, after) = take_string(rest).ok_or(AgentFault::Garbage)?;
        let (_comment, after) = take_string(after).ok_or(AgentFault::Garbage)?;
        rest = after;
        match parse_public_key(blob) {
            Ok(key) if !matches!(key.algorithm(), Algorithm::Other(_) | Algorithm::Dsa) => held.keys.push(key),
            _ => held.others += 1,
        }
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::{AgentFault, listed, string};

    const KEY: &str = include_str!("known_hosts/a.pub");

    fn blob() -> Vec<u8> {
        KEY.parse::<russh::keys::PublicKey>().and_then(|key| key.to_bytes()).expect("a key")
    }

    fn answer(count: u32, keys: &[&[u8]]) -> Vec<u8> {
        let keys: Vec<u8> = keys.iter().flat_map(|key| [string(key), string(b"comment")].concat()).collect();
        [&[12][..], &count.to_be_bytes(), &keys].concat()
    }

    #[test]
    fn a_key_that_cannot_be_read_hides_no_other() {
        let future = string(b"ssh-future");
        let held = listed(&answer(3, &[&future, &blob(), b""])).expect("an answer");
        assert_eq!((held.keys.len(), held.others), (1, 2));
    }

    #[test]
    fn an_answer_that_promises_more_than_it_has_is_none() {
        for answer in [answer(u32::MAX, &[&blob()]), answer(1, &[]), vec![12], vec![12, 0, 0], vec![5], Vec::new()] {
            assert_eq!(listed(&answer).err(), Some(AgentFault::Garbage), "{answer:?}");
        }
    }
}
