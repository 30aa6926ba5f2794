//! Authentication: which keys are offered, in which order, signed by whom; never more than three, and never again where
//! they were refused.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use russh::client::{AuthResult, Handle};
use russh::keys::ssh_key::PublicKey;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use tokio::time::{Instant, sleep, timeout_at};

use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::id::HostName;
use crate::model::visible::literal;
use crate::world::ssh::agent::{Agent, AgentFault, Held, Pause, Signer};
use crate::world::ssh::client::{Client, Learned};
use crate::world::ssh::keys::{KeyFile, KeyRing};
use crate::world::ssh::plain_file::aside;
use crate::world::timeouts::Timeouts;

const MAX_OFFERS: usize = 3;

/// What the whole fleet authenticates with.
#[derive(Debug)]
pub(crate) struct Identities {
    ring: KeyRing,
    agent: Option<Arc<Agent>>,
    limit: Duration,
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

/// A host whose key cannot be used, known before it is contacted.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyFault {
    /// What is wrong, and what to do about it.
    pub finding: Finding,
    /// The hosts that need this key, in the order they were given.
    pub hosts: Vec<HostName>,
}

impl Identities {
    pub(crate) fn new(home: Option<PathBuf>, agent: Option<PathBuf>, timeouts: &Timeouts) -> Self {
        let agent = agent.map(|path| Arc::new(Agent::new(path, timeouts.agent, timeouts.touch)));
        Self { ring: KeyRing::new(home), agent, limit: timeouts.auth }
    }

    /// A connection to the agent and the keys it holds; none where there is no agent, and none with the reason where it does
    /// not answer.
    async fn agent(&self, handle: Option<&Handle<Client>>, pause: &Arc<Pause>) -> (Option<Signer>, Held) {
        let Some(agent) = &self.agent else { return (None, Held::default()) };
        let opened = match agent.dead() {
            Some(fault) => Err(fault.clone()),
            None => agent.open(handle.and_then(Handle::agent_session_binding), pause).await,
        };
        match opened {
            Ok((signer, held)) => (Some(signer), held),
            Err(fault) => (None, Held { fault: Some(fault), ..Held::default() }),
        }
    }

    async fn files(self: &Arc<Self>, identity: Option<PathBuf>) -> Result<Vec<Arc<KeyFile>>, Finding> {
        let all = Arc::clone(self);
        let read = move || match identity {
            Some(path) => vec![all.ring.file(&path)],
            None => all.ring.defaults(),
        };
        aside("key files", read).await
    }

    /// Logs in, or says why not.
    pub(crate) async fn authenticate(
        self: &Arc<Self>,
        handle: &mut Handle<Client>,
        host: &Host,
        learned: &Learned,
    ) -> Result<(), Finding> {
        let pause = Arc::default();
        let mut unheard = None;
        let login = async {
            let files = self.files(host.identity.clone()).await?;
            let (signer, held) = self.agent(Some(handle), &pause).await;
            unheard.clone_from(&held.fault);
            let offers = self.offers(host, &files, &held)?;
            Login { handle, user: &host.user, learned, signer, tried: Vec::new() }.attempt(offers).await
        };
        let late = || {
            Finding::new("auth-timeout", format!("the server did not finish authentication in {:?}", self.limit))
                .hint("a slow directory of users, or a server that is out of resources: look at its log")
        };
        let done = within(self.limit, &pause, login).await.unwrap_or_else(|| Err(late()));
        done.map_err(|finding| self.agent_said(finding, unheard.as_ref()))
    }

    /// What is wrong with the agent, where a key of its may have been what is missing.
    fn agent_said(&self, finding: Finding, unheard: Option<&AgentFault>) -> Finding {
        match unheard.or_else(|| self.agent.as_ref()?.dead()) {
            Some(fault) if finding.code != fault.word() => finding.evidence(format!("the agent: {fault} ({})", fault.word())),
            _ => finding,
        }
    }

    /// The keys to offer, best first; never none.
    fn offers(&self, host: &Host, files: &[Arc<KeyFile>], held: &Held) -> Result<Vec<Offer>, Finding> {
        if let (Some(_), Some(file)) = (&host.identity, files.first()) {
            return only(file, &held.keys);
        }
        let offers = either(files, &held.keys);
        if !offers.is_empty() {
            return Ok(offers);
        }
        let why = match (&self.agent, &held.fault, held.others) {
            (None, _, _) => "no agent is named by SSH_AUTH_SOCK",
            (Some(_), Some(_), _) => "the agent cannot be used",
            (Some(_), None, 0) => "the agent holds none, or is locked",
            (Some(_), None, _) => "the agent holds none of a kind that can be used",
        };
        let finding = Finding::new("no-key", format!("there is no key to offer: {why}"))
            .hint("name one with `identity` in the inventory, or add one to the agent with ssh-add");
        let problems = files.iter().filter_map(|file| Some((file, file.secret.as_ref().err()?)));
        Err(problems.fold(finding, |finding, (file, problem)| {
            finding.evidence(format!("`{}` cannot be used: {problem}", file.path.display()))
        }))
    }

    /// What is wrong with the keys of these hosts; the agent may be asked, the network is not.
    pub(crate) async fn check(self: &Arc<Self>, hosts: &[Host]) -> Vec<KeyFault> {
        let (_, held) = self.agent(None, &Arc::default()).await;
        // each key once, all at the same time: a file system that hangs is waited for once
        let firsts: HashMap<Option<&PathBuf>, &Host> = hosts.iter().map(|host| (host.identity.as_ref(), host)).collect();
        let judged = firsts.into_iter().map(async |(identity, host)| {
            let files = self.files(identity.cloned()).await;
            let offers = files.and_then(|files| self.offers(host, &files, &held));
            (identity, offers.err().map(|finding| self.agent_said(finding, held.fault.as_ref())))
        });
        let judged: HashMap<Option<&PathBuf>, Option<Finding>> = join_all(judged).await.into_iter().collect();
        let mut faults: Vec<KeyFault> = Vec::new();
        for host in hosts {
            let Some(Some(finding)) = judged.get(&host.identity.as_ref()).cloned() else { continue };
            match faults.iter_mut().find(|fault| fault.finding.says_as(&finding)) {
                Some(fault) => fault.hosts.push(host.name.clone()),
                None => faults.push(KeyFault { finding, hosts: vec![host.name.clone()] }),
            }
        }
        faults
    }
}

/// The one key of a host that names it: by the agent, and by the file where the agent does not sign.
fn only(file: &KeyFile, held: &[PublicKey]) -> Result<Vec<Offer>, Finding> {
    let agent = file.public.as_ref().filter(|key| held.iter().any(|other| other.key_data() == key.key_data()));
    let agent = agent.cloned().map(Offer::Agent);
    match &file.secret {
        Ok(key) => Ok(agent.into_iter().chain([Offer::File(Arc::clone(key))]).collect()),
        Err(_) if agent.is_some() => Ok(agent.into_iter().collect()),
        Err(problem) => {
            let summary = format!("the key file `{}` cannot be used: {problem}", file.path.display());
            Err(Finding::new(problem.word(), summary).hint(problem.hint(&file.path)))
        }
    }
}

/// The agent's keys, then the files; of a key that both have the second is for an agent that does not sign.
fn either(files: &[Arc<KeyFile>], held: &[PublicKey]) -> Vec<Offer> {
    let secrets = files.iter().filter_map(|file| file.secret.as_ref().ok());
    held.iter().cloned().map(Offer::Agent).chain(secrets.map(|key| Offer::File(Arc::clone(key)))).collect()
}

/// Does some work in a time that is the host's alone: while the agent has the word it does not pass.
async fn within<T>(limit: Duration, pause: &Pause, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let end = Instant::now() + limit;
    let mut until = end;
    loop {
        if let Ok(done) = timeout_at(until, &mut work).await {
            return Some(done);
        }
        let extended = end + pause.total();
        if extended <= until {
            return None;
        }
        until = extended;
    }
}

/// What became of an offer.
enum Answer {
    Refused,
    /// The agent did not sign.
    Agent(AgentFault),
}

struct Login<'a> {
    handle: &'a mut Handle<Client>,
    user: &'a str,
    learned: &'a Learned,
    signer: Option<Signer>,
    tried: Vec<(String, Answer)>,
}

impl Login<'_> {
    async fn attempt(mut self, offers: Vec<Offer>) -> Result<(), Finding> {
        let mut remaining = MethodSet::empty();
        for offer in offers {
            let key = offer.public();
            let name = format!("{} {}", key.algorithm().as_str(), key.fingerprint(HashAlg::Sha256));
            if self.is_refused(&name) {
                continue;
            }
            if self.refused() == MAX_OFFERS {
                break;
            }
            match self.offer(offer).await {
                Ok(AuthResult::Success) => return Ok(()),
                Ok(AuthResult::Failure { partial_success: true, remaining_methods }) => {
                    let wants = words(&remaining_methods);
                    return Err(interaction(format!("the key is accepted, but the server wants more: {wants}"))
                        .evidence(format!("accepted {name}")));
                }
                Ok(AuthResult::Failure { remaining_methods, .. }) if remaining_methods.is_empty() => {
                    self.settle().await;
                    if self.is_cut() {
                        break;
                    }
                    self.tried.push((name, Answer::Refused));
                    break;
                }
                Ok(AuthResult::Failure { remaining_methods, .. }) => {
                    self.tried.push((name, Answer::Refused));
                    remaining = remaining_methods;
                    if !remaining.contains(&MethodKind::PublicKey) {
                        break;
                    }
                }
                Err(AgentFault::HostLost) => break,
                Err(fault) => self.tried.push((name, Answer::Agent(fault))),
            }
        }
        Err(self.fault(&remaining))
    }

    fn refused(&self) -> usize {
        self.tried.iter().filter(|(_, answer)| matches!(answer, Answer::Refused)).count()
    }

    fn is_refused(&self, name: &str) -> bool {
        self.tried.iter().any(|(tried, answer)| tried == name && matches!(answer, Answer::Refused))
    }

    async fn offer(&mut self, offer: Offer) -> Result<AuthResult, AgentFault> {
        let rsa = matches!(offer.public().algorithm(), Algorithm::Rsa { .. });
        let hash = if rsa { Some(self.rsa_hash().await) } else { None };
        match (offer, &mut self.signer) {
            (Offer::File(key), _) => {
                let key = PrivateKeyWithHashAlg::new(key, hash);
                self.handle.authenticate_publickey(self.user, key).await.map_err(|_| AgentFault::HostLost)
            }
            (Offer::Agent(key), Some(signer)) => self.handle.authenticate_publickey_with(self.user, key, hash, signer).await,
            (Offer::Agent(_), None) => Err(AgentFault::Closed),
        }
    }

    /// SHA-512 unless the server says that it knows SHA-256 only; never SHA-1.
    async fn rsa_hash(&self) -> HashAlg {
        match self.handle.best_supported_rsa_hash().await {
            Ok(Some(Some(hash))) => hash,
            _ => HashAlg::Sha512,
        }
    }

    /// Lets a connection that is ending end, so that it is known why.
    async fn settle(&self) {
        let until = Instant::now() + Duration::from_millis(500);
        while !self.handle.is_closed() && Instant::now() < until {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Whether the connection is gone, and not for a word of the server that no method is left.
    fn is_cut(&self) -> bool {
        self.learned.ended().is_some_and(|why| !why.to_lowercase().contains("no authentication method"))
    }

    fn fault(self, remaining: &MethodSet) -> Finding {
        let ended = self.learned.ended().filter(|_| self.is_cut());
        let user = literal(self.user);
        let refused = self.refused();
        let finding = match (ended, self.tried.iter().find_map(|(_, answer)| answer.agent())) {
            (Some(why), _) if why.to_lowercase().contains("too many authentication failures") => {
                let summary = format!("the server hung up on user `{user}` after too many keys: {why}");
                Finding::new("auth-too-many", summary).hint("name the one key of this host with `identity` in the inventory")
            }
            // what a server says when it hangs up is its answer
            (Some(why), _) if refused == 0 && !why.starts_with("the server said") => {
                Finding::new("auth-lost", format!("the connection was lost during authentication: {why}"))
                    .hint("look at the log of sshd on the host")
            }
            (None, Some(fault)) if refused == 0 => Finding::new(fault.word(), format!("the agent cannot be used: {fault}"))
                .hint("ssh-add -l shows what the agent holds; name a key file with `identity` in the inventory"),
            (None, None) if refused == 0 => Finding::new("auth-lost", "the connection was lost during authentication")
                .hint("look at the log of sshd on the host"),
            (None, _) if !remaining.is_empty() && !remaining.contains(&MethodKind::PublicKey) => {
                interaction(format!("the server takes no key from user `{user}`, it wants: {}", words(remaining)))
            }
            _ => denied(&user, refused, ended, remaining),
        };
        self.tried.into_iter().fold(finding, |finding, (key, answer)| match answer {
            Answer::Refused => finding.evidence(format!("offered {key}")),
            Answer::Agent(fault) => finding.evidence(format!("not offered {key}: the agent: {fault}")),
        })
    }
}

impl Answer {
    fn agent(&self) -> Option<&AgentFault> {
        match self {
            Self::Agent(fault) => Some(fault),
            Self::Refused => None,
        }
    }
}

fn denied(user: &str, refused: usize, ended: Option<&str>, remaining: &MethodSet) -> Finding {
    let keys = match refused {
        0 | 1 => "the key".to_owned(),
        many => format!("all {many} keys"),
    };
    let mut summary = format!("the server refused {keys} for user `{user}`");
    if let Some(why) = ended {
        summary.push_str(&format!(" and hung up: {why}"));
    } else if !remaining.is_empty() {
        summary.push_str(&format!("; it accepts: {}", words(remaining)));
    }
    Finding::new("auth-denied", summary).hint("check `user` and `identity` in the inventory and authorized_keys on the host")
}

fn interaction(summary: String) -> Finding {
    Finding::new("auth-interaction", summary)
        .hint("nothing is asked for in a run: let this user log in with a key alone (AuthenticationMethods in sshd_config)")
}

fn words(methods: &MethodSet) -> String {
    methods.iter().map(<&'static str>::from).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::Identities;
    use crate::model::host::Host;
    use crate::model::id::HostName;
    use crate::world::timeouts::Timeouts;

    fn host() -> Host {
        Host {
            name: HostName::parse("web-1").expect("a name"),
            address: "web-1".to_owned(),
            port: 22,
            user: "deploy".to_owned(),
            identity: None,
            known_hosts: Vec::new(),
            host_key_alias: None,
            instance_id: None,
            tags: Vec::new(),
            groups: Vec::new(),
            protected: false,
            vars: BTreeMap::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_others_keep_busy_is_not_one_that_holds_no_key() {
        let identities = Arc::new(Identities::new(None, Some("/there/is/no/agent".into()), &Timeouts::default()));
        let agent = identities.agent.clone().expect("an agent");
        let turn = agent.turn().await.expect("a turn");
        let faults = identities.check(&[host()]).await;
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        assert_eq!(fault.finding.summary, "there is no key to offer: the agent cannot be used");
        let said = "the agent: other hosts had its attention for 90s (agent-busy)";
        assert!(fault.finding.evidence.iter().any(|line| line == said), "{fault:?}");
        drop(turn);
        // that was no fault of the agent's: the next one asks it
        let faults = identities.check(&[host()]).await;
        let words = |line: &String| line.contains("(agent-missing)");
        assert!(faults.iter().any(|fault| fault.finding.evidence.iter().any(words)), "{faults:?}");
    }
}
