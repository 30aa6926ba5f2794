//! The one open shell of a host: a channel on which `/bin/sh` reads calls from its standard input, and a task that
//! always drains what it prints and cuts it at the markers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::Zeroizing;

use crate::model::op::{Captured, Shell as Script};
use crate::model::visible::shown;
use crate::world::ssh::ending::{End, Ended, Ending, Message, Over};
use crate::world::ssh::link::{CONNECTION_LOST, Link, OpenFault, Target};
use crate::world::ssh::script::{DEFINE, DEFINE_AS, EXEC, HELLO, Unsendable, call};

/// The word for a server that contradicts itself.
pub(crate) const PROTOCOL_ERROR: &str = "protocol-error";

/// An open shell. Dropping it closes its channel.
pub(crate) struct Shell {
    write: Option<ChannelWriteHalf<Msg>>,
    desk: Arc<Mutex<Desk>>,
    reader: JoinHandle<()>,
    /// Whether its processes are being ended: what they hold until then says nothing.
    ending: Arc<AtomicBool>,
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
    #[error("the server says what cannot both be true ({0}): nothing that it says is believed")]
    Hostile(&'static str),
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
            Self::Hostile(_) => PROTOCOL_ERROR,
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

type Desk = Ending<oneshot::Sender<Done>>;

fn tell(ended: impl IntoIterator<Item = Ended<oneshot::Sender<Done>>>) {
    for Ended { ticket, end, stdout, stderr } in ended {
        // nobody waits any more: then nobody wants to know
        let _ = ticket.send(Done { end, stdout, stderr, at: Instant::now() });
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
        let desk = Arc::new(Mutex::new(Desk::new()));
        let ending = Arc::new(AtomicBool::new(false));
        let reader =
            tokio::spawn(drain(read, Arc::clone(&desk), say, Grace { time: link.timeouts.drain, ending: Arc::clone(&ending) }));
        let mut shell = Self { write: Some(write), desk, reader, ending, group: None };

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
        let raw = shown(&desk.noise(), 200);
        match desk.over() {
            Some(Over::Lost) => ShellFault::Lost,
            Some(Over::Hostile(why)) => ShellFault::Hostile(why),
            Some(Over::NoStatus(Some(status))) if *status != 0 => ShellFault::NoShell { raw },
            None if raw.is_empty() => ShellFault::Silent(limit),
            _ => ShellFault::ForcedCommand { raw },
        }
    }

    /// Announces the script that will be sent with this nonce.
    pub(crate) fn expect(&self, nonce: &str) -> oneshot::Receiver<Done> {
        let (done, receiver) = oneshot::channel();
        tell(lock(&self.desk).expect(nonce, done));
        receiver
    }

    /// Sends text; an error means that not all of it left.
    pub(crate) async fn send(&self, text: String) -> Result<(), russh::Error> {
        match &self.write {
            // it may hold secrets: wiped when it has left
            Some(write) => write.data_bytes(Bytes::from_owner(Zeroizing::new(text.into_bytes()))).await,
            None => Err(russh::Error::SendError),
        }
    }

    /// Whether it has ended.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.desk).over().is_some()
    }

    /// Why nothing that it says is believed any more, if so.
    pub(crate) fn hostile(&self) -> Option<&'static str> {
        match lock(&self.desk).over() {
            Some(Over::Hostile(why)) => Some(why),
            _ => None,
        }
    }

    /// Its processes are about to be ended: it is waited for until [`Shell::abandon`].
    pub(crate) fn await_end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Gives up what is waited for; what was printed so far is handed out.
    pub(crate) fn abandon(&self) {
        self.reader.abort();
        tell(lock(&self.desk).take(Message::Abandoned));
    }

    /// Ends it and closes its channel, so that the server has room for another one.
    pub(crate) async fn make_room(mut self, grace: Duration) {
        let Some(write) = self.write.take() else { return };
        let ended = async {
            let _ = write.eof().await;
            while !lock(&self.desk).has_exited() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = timeout(grace, ended).await;
        let _ = timeout(grace, write.close()).await;
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

/// How long a shell that has ended is listened to.
struct Grace {
    time: Duration,
    ending: Arc<AtomicBool>,
}

/// Reads all that comes, for as long as anything can come. It never waits for anybody.
async fn drain(mut read: ChannelReadHalf, desk: Arc<Mutex<Desk>>, accepted: watch::Sender<Option<bool>>, grace: Grace) {
    let mut until = None;
    loop {
        let message = match until {
            None => read.wait().await,
            // a child may hold the output open for ever
            Some(at) => match timeout_at(at, read.wait()).await {
                Ok(message) => message,
                Err(_) if grace.ending.load(Ordering::Relaxed) => {
                    until = Some(Instant::now() + grace.time);
                    continue;
                }
                Err(_) => return tell(lock(&desk).take(Message::Late)),
            },
        };
        let mut desk = lock(&desk);
        if let Some(message) = known(message.as_ref()) {
            tell(desk.take(message));
        }
        accepted.send_if_modified(|before| std::mem::replace(before, desk.answer()) != desk.answer());
        if desk.over().is_some() {
            return;
        }
        if until.is_none() && desk.has_exited() {
            until = Some(Instant::now() + grace.time);
        }
    }
}

/// What a message says, if it is one of those that can say something.
fn known(message: Option<&ChannelMsg>) -> Option<Message<'_>> {
    Some(match message {
        Some(ChannelMsg::Data { data }) => Message::Out(data),
        Some(ChannelMsg::ExtendedData { data, ext: 1 }) => Message::Err(data),
        Some(ChannelMsg::Success) => Message::Answer(true),
        Some(ChannelMsg::Failure) => Message::Answer(false),
        Some(ChannelMsg::ExitStatus { exit_status }) => Message::Status(*exit_status),
        Some(ChannelMsg::ExitSignal { signal_name, core_dumped, .. }) => {
            let core = if *core_dumped { " (core)" } else { "" };
            Message::Signal(signal_word(signal_name) + core)
        }
        Some(ChannelMsg::Eof) => Message::Eof,
        Some(ChannelMsg::Close) => Message::Closed,
        None => Message::Gone,
        Some(_) => return None,
    })
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
    use russh::{ChannelMsg, Sig};

    use super::{known, leads, nonce};
    use crate::world::ssh::ending::Message;

    #[test]
    fn a_signal_is_named_with_what_it_left_and_nothing_that_a_terminal_obeys() {
        let ended = |signal_name, core_dumped| {
            let message = ChannelMsg::ExitSignal {
                signal_name,
                core_dumped,
                error_message: "\u{1b}[2Jok".to_owned(),
                lang_tag: String::new(),
            };
            let Some(Message::Signal(name)) = known(Some(&message)) else { panic!("{message:?}") };
            name
        };
        assert_eq!(ended(Sig::SEGV, true), "SEGV (core)");
        assert_eq!(ended(Sig::KILL, false), "KILL");
        assert_eq!(ended(Sig::Custom("\u{1b}]0;OK\u{7}".to_owned()), false), "\\x1b]0;OK\\x07");
    }

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
