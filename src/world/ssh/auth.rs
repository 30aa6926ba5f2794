//! Authentication: which keys are offered, in which order, signed by whom; never more than three.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::PublicKey;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet, SendError, Signer};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::visible::literal;
use crate::world::ssh::client::{Client, Learned};
use crate::world::ssh::keys::{KeyFile, KeyRing};

const MAX_OFFERS: usize = 3;

/// What the whole fleet authenticates with.
#[derive(Debug)]
pub(crate) struct Identities {
    ring: KeyRing,
    agent: Option<PathBuf>,
    limit: Duration,
    // one signature at a time: a key that wants to be touched asks for one touch
    gate: Arc<Semaphore>,
    dead: OnceLock<String>,
}

enum Offer {
    Agent(PublicKey),
    File(Arc<PrivateKey>),
}

impl Offer {
    fn public(&self) -> &PublicKey {
        match self {
            Self::Agent(key) => key,
            Self::File(key) => key.public_key(),
        }
    }
}

struct AgentSigner {
    client: AgentClient<UnixStream>,
    gate: Arc<Semaphore>,
    limit: Duration,
}

#[derive(Debug, thiserror::Error)]
enum SignFault {
    #[error("the connection is lost")]
    Send(#[from] SendError),
    #[error("the agent does not sign: {0}")]
    Agent(#[from] russh::keys::Error),
    #[error("the agent did not sign in time")]
    TimedOut,
}

impl Signer for AgentSigner {
    type Error = SignFault;

    async fn auth_sign(&mut self, key: &AgentIdentity, hash: Option<HashAlg>, data: Vec<u8>) -> Result<Vec<u8>, SignFault> {
        let Ok(_turn) = self.gate.acquire().await else { return Err(SignFault::TimedOut) };
        match timeout(self.limit, self.client.sign_request(key, hash, data)).await {
            Ok(signed) => Ok(signed?),
            Err(_) => Err(SignFault::TimedOut),
        }
    }
}

impl Identities {
    pub(crate) fn new(home: Option<PathBuf>, agent: Option<PathBuf>, limit: Duration) -> Self {
        let gate = Arc::new(Semaphore::new(1));
        Self { ring: KeyRing::new(home), agent, limit, gate, dead: OnceLock::new() }
    }

    /// A connection to the agent and the keys it holds; none where there is no agent or it does not answer.
    async fn agent(&self, handle: &Handle<Client>) -> Option<(AgentSigner, Vec<PublicKey>)> {
        let path = self.agent.as_ref()?;
        if self.dead.get().is_some() {
            return None;
        }
        let asking = async {
            let mut client = AgentClient::connect_uds(path).await?;
            if let Some(binding) = handle.agent_session_binding() {
                // agents without the extension refuse it; keys bound to destinations are then not listed
                let _ = client.bind_session(binding, false).await;
            }
            let identities = client.request_identities().await?;
            Ok::<_, russh::keys::Error>((client, identities))
        };
        let why = match timeout(self.limit, asking).await {
            Ok(Ok((client, identities))) => {
                let keys = identities.into_iter().filter_map(|identity| match identity {
                    AgentIdentity::PublicKey { key, .. } => Some(key),
                    AgentIdentity::Certificate { .. } => None,
                });
                let signer = AgentSigner { client, gate: Arc::clone(&self.gate), limit: self.limit };
                return Some((signer, keys.collect()));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it did not answer in time".to_owned(),
        };
        tracing::debug!(%why, "the agent cannot be used");
        // the first failure speaks for the fleet: not every host waits for an agent that hangs
        let _ = self.dead.set(why);
        None
    }

    async fn files(self: &Arc<Self>, identity: Option<PathBuf>) -> Result<Vec<Arc<KeyFile>>, Finding> {
        let all = Arc::clone(self);
        let read = move || match identity {
            Some(path) => vec![all.ring.file(&path)],
            None => all.ring.defaults(),
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|error| Finding::new("internal", format!("reading key files failed: {error}")))
    }

    /// Logs in, or says why not.
    pub(crate) async fn authenticate(
        self: &Arc<Self>,
        handle: &mut Handle<Client>,
        host: &Host,
        learned: &Learned,
    ) -> Result<(), Finding> {
        let files = self.files(host.identity.clone()).await?;
        let agent = self.agent(handle).await;
        let (signer, held) = agent.map_or((None, Vec::new()), |(signer, held)| (Some(signer), held));
        let offers = match (&host.identity, files.first()) {
            (Some(_), Some(file)) => vec![self.only(file, &held)?],
            _ => either(&files, held),
        };
        if offers.is_empty() {
            let agent = self.dead.get().map(|why| format!(" (the agent: {why})")).unwrap_or_default();
            let finding = Finding::new("no-key", format!("there is no key to offer{agent}"));
            return Err(finding.hint("name one with `identity` in the inventory, or add one to the agent with ssh-add"));
        }
        Login { handle, user: &host.user, learned, signer, tried: Vec::new() }.attempt(offers).await
    }

    /// The one key of a host that names it.
    fn only(&self, file: &KeyFile, held: &[PublicKey]) -> Result<Offer, Finding> {
        if let Some(public) = file.public.as_ref().filter(|key| holds(held, key)) {
            return Ok(Offer::Agent(public.clone()));
        }
        match &file.secret {
            Ok(key) => Ok(Offer::File(Arc::clone(key))),
            Err(problem) => {
                let summary = format!("the key file `{}` cannot be used: {problem}", file.path.display());
                let finding = Finding::new(problem.word(), summary).hint(problem.hint(&file.path));
                Err(match self.dead.get() {
                    Some(why) => finding.evidence(format!("the agent: {why}")),
                    None => finding,
                })
            }
        }
    }
}

fn holds(held: &[PublicKey], key: &PublicKey) -> bool {
    held.iter().any(|other| other.key_data() == key.key_data())
}

/// The agent's keys, then the files the agent does not hold.
fn either(files: &[Arc<KeyFile>], held: Vec<PublicKey>) -> Vec<Offer> {
    let secrets = files.iter().filter_map(|file| file.secret.as_ref().ok());
    let rest: Vec<Offer> =
        secrets.filter(|key| !holds(&held, key.public_key())).map(|key| Offer::File(Arc::clone(key))).collect();
    held.into_iter().map(Offer::Agent).chain(rest).take(MAX_OFFERS).collect()
}

struct Login<'a> {
    handle: &'a mut Handle<Client>,
    user: &'a str,
    learned: &'a Learned,
    signer: Option<AgentSigner>,
    tried: Vec<String>,
}

impl Login<'_> {
    async fn attempt(mut self, offers: Vec<Offer>) -> Result<(), Finding> {
        let mut remaining = MethodSet::empty();
        for offer in offers {
            let key = offer.public();
            let name = format!("{} {}", key.algorithm().as_str(), key.fingerprint(HashAlg::Sha256));
            match self.offer(offer).await {
                Ok(AuthResult::Success) => return Ok(()),
                Ok(AuthResult::Failure { partial_success: true, remaining_methods }) => {
                    let summary = format!("the key is accepted, but the server wants more: {}", words(&remaining_methods));
                    return Err(Finding::new("auth-interaction", summary)
                        .hint("only keys are supported: let this user log in with a key alone"));
                }
                Ok(AuthResult::Failure { remaining_methods, .. }) => {
                    self.tried.push(name);
                    remaining = remaining_methods;
                }
                Err(why) => self.tried.push(format!("{name}: {why}")),
            }
            if self.handle.is_closed() {
                break;
            }
            if !remaining.is_empty() && !remaining.contains(&MethodKind::PublicKey) {
                break;
            }
        }
        Err(self.denied(&remaining))
    }

    async fn offer(&mut self, offer: Offer) -> Result<AuthResult, SignFault> {
        let rsa = matches!(offer.public().algorithm(), Algorithm::Rsa { .. });
        let hash = if rsa { Some(self.rsa_hash().await) } else { None };
        match (offer, &mut self.signer) {
            (Offer::File(key), _) => {
                let key = PrivateKeyWithHashAlg::new(key, hash);
                self.handle.authenticate_publickey(self.user, key).await.map_err(|_| SendError {}.into())
            }
            (Offer::Agent(key), Some(signer)) => self.handle.authenticate_publickey_with(self.user, key, hash, signer).await,
            (Offer::Agent(_), None) => Err(SignFault::TimedOut),
        }
    }

    /// SHA-512 unless the server says that it knows SHA-256 only; never SHA-1.
    async fn rsa_hash(&self) -> HashAlg {
        match self.handle.best_supported_rsa_hash().await {
            Ok(Some(Some(hash))) => hash,
            _ => HashAlg::Sha512,
        }
    }

    fn denied(self, remaining: &MethodSet) -> Finding {
        let offered = self.tried.len();
        let keys = if offered == 1 { "the key".to_owned() } else { format!("all {offered} keys") };
        let mut summary = format!("the server refused {keys} for user `{}`", literal(self.user));
        if let Some(why) = self.learned.ended() {
            summary.push_str(&format!(" and hung up: {why}"));
        } else if !remaining.is_empty() {
            summary.push_str(&format!("; it accepts: {}", words(remaining)));
        }
        let finding = Finding::new("auth-denied", summary)
            .hint("check `user` and `identity` in the inventory and authorized_keys on the host");
        self.tried.into_iter().fold(finding, |finding, key| finding.evidence(format!("offered {key}")))
    }
}

fn words(methods: &MethodSet) -> String {
    methods.iter().map(<&'static str>::from).collect::<Vec<_>>().join(", ")
}
