//! The one open shell of a host: a channel on which `/bin/sh` reads calls from its standard input, and a task that
//! always drains what it prints and cuts it at the markers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::model::op::{Captured, Shell as Script};
use crate::model::visible::shown;
use crate::world::ssh::link::{CONNECTION_LOST, Link, OpenFault, Target};
use crate::world::ssh::script::{DEFINE, DEFINE_AS, EXEC, HELLO, Unsendable, call};
use crate::world::ssh::split::{Section, Stream};

/// An open shell. Dropping it closes its channel.
pub(crate) struct Shell {
    write: Option<ChannelWriteHalf<Msg>>,
    desk: Arc<Mutex<Desk>>,
    reader: JoinHandle<()>,
    /// The process group it leads; not known where the host does not tell or runs it in somebody else's group.
    pub(crate) group: Option<u32>,
}

/// Why there is no shell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShellFault {
    #[error("{0}")]
    Channel(OpenFault),
    #[error("the server refused to execute a command")]
    ExecRefused,
    #[error("the server did not answer the request to execute a command")]
    NoReply,
    #[error("the host runs a command of its own instead of a shell; it answered `{raw}`")]
    ForcedCommand { raw: String },
    #[error("the login shell did not give us /bin/sh; it answered `{raw}`")]
    NoShell { raw: String },
    #[error("nothing answered on the way to a shell in {0:?}")]
    Silent(Duration),
    #[error("the connection is lost")]
    Lost,
    #[error("no random bytes can be had")]
    NoRandomness,
}

impl ShellFault {
    /// The class of the fault.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Channel(OpenFault::Refused(_)) => "channel-refused",
            Self::Channel(OpenFault::TimedOut) => "channel-timeout",
            Self::Channel(OpenFault::Lost) | Self::Lost => CONNECTION_LOST,
            Self::ExecRefused => "exec-refused",
            Self::NoReply => "exec-timeout",
            Self::ForcedCommand { .. } => "forced-command",
            Self::NoShell { .. } => "no-shell",
            Self::Silent(_) => "shell-timeout",
            Self::NoRandomness => "no-randomness",
        }
    }
}

/// How a script ended, as far as the shell told.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) end: End,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    pub(crate) at: Instant,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// The marker came, with this status.
    Status(u32),
    /// The marker came: the working directory is not there.
    NoDirectory,
    /// The marker came: the other user could not be become.
    NoUser,
    /// The shell ended before the marker came.
    Over(Over),
}

/// How a shell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Over {
    /// The transport is gone.
    Lost,
    /// The channel was closed without a word about the shell, or its status says nothing about the script.
    NoStatus(Option<u32>),
    /// A signal ended the shell.
    Signal(String),
    /// We gave it up.
    Abandoned,
}

struct Job {
    out: Section,
    err: Section,
    done: oneshot::Sender<Done>,
}

struct Desk {
    out: Stream,
    err: Stream,
    jobs: VecDeque<Job>,
    over: Option<Over>,
}

impl Desk {
    fn stdout(&mut self, bytes: &[u8]) {
        self.out.feed(bytes, self.jobs.iter_mut().map(|job| &mut job.out));
        self.hand_out();
    }

    fn stderr(&mut self, bytes: &[u8]) {
        self.err.feed(bytes, self.jobs.iter_mut().map(|job| &mut job.err));
        self.hand_out();
    }

    fn hand_out(&mut self) {
        while let Some(job) = self.jobs.pop_front_if(|job| job.out.ended().is_some() && job.err.ended().is_some()) {
            let end = match job.out.ended().map(|word| (word, word.parse())) {
                Some((_, Ok(status))) => End::Status(status),
                Some(("user", Err(_))) => End::NoUser,
                _ => End::NoDirectory,
            };
            job.finish(end);
        }
    }

    fn end(&mut self, over: Over) {
        self.out.flush(self.jobs.iter_mut().map(|job| &mut job.out).find(|s| s.ended().is_none()));
        self.err.flush(self.jobs.iter_mut().map(|job| &mut job.err).find(|s| s.ended().is_none()));
        for job in self.jobs.drain(..) {
            job.finish(End::Over(over.clone()));
        }
        self.over.get_or_insert(over);
    }
}

impl Job {
    fn finish(self, end: End) {
        let (stdout, stderr) = (self.out.into_captured(), self.err.into_captured());
        // nobody waits any more: then nobody wants to know
        let _ = self.done.send(Done { end, stdout, stderr, at: Instant::now() });
    }
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 128 random bits in hex.
pub(crate) fn nonce() -> Result<String, ShellFault> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|_| ShellFault::NoRandomness)?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

impl Shell {
    /// Opens a shell and proves that it is one; runs `first`, within its own deadline, in the same exchange.
    pub(crate) async fn open(link: &Arc<Link>, first: Option<&Script>) -> Result<(Self, Option<Done>), ShellFault> {
        let channel = link.open(Target::Session).await.map_err(ShellFault::Channel)?;
        let (read, write) = channel.split();
        let (say, mut accepted) = watch::channel(None);
        let desk = Desk { out: Stream::new(), err: Stream::new(), jobs: VecDeque::new(), over: None };
        let desk = Arc::new(Mutex::new(desk));
        let reader = tokio::spawn(drain(read, Arc::clone(&desk), say, link.timeouts.drain));
        let mut shell = Self { write: Some(write), desk, reader, group: None };

        let mut text = [DEFINE, DEFINE_AS].concat();
        let hello = shell.queue(&Script::look("hello", HELLO), "", &mut text)?;
        let first = match first {
            Some(script) => Some((shell.queue(script, "", &mut text)?, script.timeout)),
            None => None,
        };
        shell.execute(text, link.timeouts.exec_reply).await?;
        let reply = timeout(link.timeouts.exec_reply, accepted.wait_for(Option::is_some)).await;
        match reply.map(|answer| answer.ok().and_then(|answer| *answer)) {
            Ok(Some(true)) => {}
            Ok(Some(false)) => return Err(ShellFault::ExecRefused),
            Ok(None) => return Err(shell.diagnosis(link.timeouts.exec_reply)),
            Err(_) => return Err(ShellFault::NoReply),
        }
        link.settle();

        let hello = shell.await_proof(hello, link.timeouts.shell).await?;
        shell.group = leads(hello.stdout.text());
        let first = match first {
            Some((first, limit)) => Some(shell.await_proof(first, limit).await?),
            None => None,
        };
        Ok((shell, first))
    }

    fn queue(&self, script: &Script, home: &str, text: &mut String) -> Result<oneshot::Receiver<Done>, ShellFault> {
        let nonce = nonce()?;
        // constants of this program hold neither NUL nor strange names
        text.push_str(&call(&nonce, script, home).map_err(|_: Unsendable| ShellFault::ExecRefused)?);
        Ok(self.expect(&nonce))
    }

    async fn execute(&self, text: String, limit: Duration) -> Result<(), ShellFault> {
        let Some(write) = &self.write else { return Err(ShellFault::Lost) };
        let both = async {
            write.exec(true, EXEC).await?;
            // not waiting for the answer saves a round trip; what is not executed never reads it
            write.data_bytes(text.into_bytes()).await
        };
        match timeout(limit, both).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(ShellFault::Lost),
            Err(_) => Err(ShellFault::NoReply),
        }
    }

    async fn await_proof(&self, done: oneshot::Receiver<Done>, limit: Duration) -> Result<Done, ShellFault> {
        match timeout(limit, done).await {
            Ok(Ok(done)) if matches!(done.end, End::Status(0)) => Ok(done),
            _ => Err(self.diagnosis(limit)),
        }
    }

    /// What answers, if it is not our shell. Silence proves nothing but an overloaded host.
    fn diagnosis(&self, limit: Duration) -> ShellFault {
        let desk = lock(&self.desk);
        let raw = [desk.out.noise(), desk.err.noise()].concat();
        let raw = shown(&raw, 200);
        match desk.over {
            Some(Over::Lost) => ShellFault::Lost,
            Some(Over::NoStatus(Some(status))) if status != 0 => ShellFault::NoShell { raw },
            None if raw.is_empty() => ShellFault::Silent(limit),
            _ => ShellFault::ForcedCommand { raw },
        }
    }

    /// Announces the script that will be sent with this nonce.
    pub(crate) fn expect(&self, nonce: &str) -> oneshot::Receiver<Done> {
        let (done, receiver) = oneshot::channel();
        let job = Job { out: Section::new(nonce), err: Section::new(nonce), done };
        let mut desk = lock(&self.desk);
        match desk.over.clone() {
            Some(over) => job.finish(End::Over(over)),
            None => desk.jobs.push_back(job),
        }
        receiver
    }

    /// Sends text; an error means that not all of it left.
    pub(crate) async fn send(&self, text: String) -> Result<(), russh::Error> {
        match &self.write {
            Some(write) => write.data_bytes(text.into_bytes()).await,
            None => Err(russh::Error::SendError),
        }
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.desk).over.is_some()
    }

    /// Gives up what is waited for; what was printed so far is handed out.
    pub(crate) fn abandon(&self) {
        self.reader.abort();
        lock(&self.desk).end(Over::Abandoned);
    }

    /// Lets it end by itself.
    pub(crate) async fn end(self) {
        if let Some(write) = &self.write {
            let _ = timeout(Duration::from_secs(1), write.eof()).await;
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.reader.abort();
        if let (Some(write), Ok(runtime)) = (self.write.take(), Runtime::try_current()) {
            // best effort: with the connection the channel is gone anyway
            runtime.spawn(async move {
                let _ = timeout(Duration::from_secs(5), write.close()).await;
            });
        }
    }
}

/// Reads all that comes, for as long as anything can come. It never waits for anybody.
async fn drain(mut read: ChannelReadHalf, desk: Arc<Mutex<Desk>>, accepted: watch::Sender<Option<bool>>, grace: Duration) {
    let mut exited: Option<(Over, Instant)> = None;
    let over = loop {
        let message = match &exited {
            None => read.wait().await,
            // a child may hold the output open for ever
            Some((over, until)) => match timeout_at(*until, read.wait()).await {
                Ok(message) => message,
                Err(_) => break over.clone(),
            },
        };
        let gone = |over: Over| Some((over, Instant::now() + grace));
        match message {
            Some(ChannelMsg::Data { data }) => lock(&desk).stdout(&data),
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => lock(&desk).stderr(&data),
            Some(ChannelMsg::Success) => drop(accepted.send_replace(Some(true))),
            Some(ChannelMsg::Failure) => drop(accepted.send_replace(Some(false))),
            Some(ChannelMsg::ExitStatus { exit_status }) if exited.is_none() => {
                exited = gone(Over::NoStatus(Some(exit_status)));
            }
            Some(ChannelMsg::ExitSignal { signal_name, .. }) if exited.is_none() => {
                exited = gone(Over::Signal(signal_word(&signal_name)));
            }
            Some(ChannelMsg::Close) => break exited.map_or(Over::NoStatus(None), |(over, _)| over),
            None => break exited.map_or(Over::Lost, |(over, _)| over),
            Some(_) => {}
        }
    };
    lock(&desk).end(over);
}

fn signal_word(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => shown(name.as_bytes(), 32),
        known => format!("{known:?}"),
    }
}

/// The group that the shell leads, from `PID GROUP`.
fn leads(text: Option<&str>) -> Option<u32> {
    let (pid, group) = text?.trim().split_once(' ')?;
    let (pid, group): (u32, u32) = (pid.trim().parse().ok()?, group.trim().parse().ok()?);
    (pid == group && pid > 1).then_some(group)
}

#[cfg(test)]
mod tests {
    use super::{leads, nonce};

    #[test]
    fn only_a_group_leader_can_be_ended_as_a_group() {
        assert_eq!(leads(Some("42 42\n")), Some(42));
        for other in ["42 7\n", "1 1\n", "42 \n", "", "x x", "42 42 42"] {
            assert_eq!(leads(Some(other)), None, "{other:?}");
        }
        assert_eq!(leads(None), None);
    }

    #[test]
    fn nonces_are_long_and_differ() {
        let (a, b) = (nonce().expect("random"), nonce().expect("random"));
        assert_eq!(a.len(), 32);
        assert_ne!(a, b);
    }
}
