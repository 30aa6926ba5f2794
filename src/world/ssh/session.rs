//! A session: what the engine asks of one host, over one connection.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt;
use futures_util::future::join;
use futures_util::stream;
use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;

use crate::engine::world::{Connected, Session};
use crate::model::finding::Finding;
use crate::model::host::{Facts, Host};
use crate::model::op::{Captured, Exit, Op, Reply, Shell as Script, ShellReply};
use crate::model::time::Timestamp;
use crate::world::http;
use crate::world::pm2_rpc;
use crate::world::secrets::Secrets;
use crate::world::ssh::batch::Scripts;
use crate::world::ssh::connect::{Ground, Joined};
use crate::world::ssh::facts::{self, Asked};
use crate::world::ssh::link::{Link, OpenFault};
use crate::world::ssh::script::FACTS;
use crate::world::ssh::shell::{PROTOCOL_ERROR, Shell, ShellFault};

// for a host that contradicts itself
const FIND_OUT: &str = "something that is no sshd answers here: find out what, before anything is sent to it";

// channels for calls beside the shell; far below what servers allow
const CALLS: usize = 8;

/// A connection to one host with its open shell.
pub struct SshSession {
    link: Arc<Link>,
    scripts: Scripts,
    home: String,
    secrets: Arc<Secrets>,
}

/// The time here: the clock as it was at the start, and what has passed since, also while this machine slept. A clock
/// that is set while a run goes on moves no deadline and makes no look fresh again.
pub(crate) fn now() -> Timestamp {
    static START: OnceLock<(i64, Duration)> = OnceLock::new();
    let (began, at) = START.get_or_init(|| (wall(), awake()));
    let passed = i64::try_from(awake().saturating_sub(*at).as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(began.saturating_add(passed))
}

fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    // a clock before 1970 is as wrong as one that is over
    since.ok().and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(i64::MIN)
}

fn awake() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    // elsewhere it counts sleep by itself
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

impl SshSession {
    /// Opens the shell on a fresh connection and asks for facts in the same exchange.
    pub(crate) async fn start(ground: &Ground, joined: Joined, began: Instant) -> Result<(Self, Connected), Finding> {
        let Joined { handle, gauge, learned, key } = joined;
        let algorithms = learned.agreed().cloned();
        let link = Arc::new(Link::new(handle, gauge, learned, ground.timeouts.clone()));
        // from here on dropping the session cuts the wire
        let mut session =
            Self { scripts: Scripts::new(Arc::clone(&link)), link, home: String::new(), secrets: Arc::clone(&ground.secrets) };
        let sent = now().as_millis();
        let facts = Script::look("facts", FACTS).timeout(ground.timeouts.shell);
        let opened = Shell::open(&session.link, Some(&facts)).await;
        let asked = Asked { sent, answered: now().as_millis() };
        let (shell, answer) = opened.map_err(|fault| {
            let finding = no_shell(&fault, &session.link);
            if matches!(fault, ShellFault::Hostile(_)) {
                session.link.bar(&finding);
            }
            finding
        })?;
        let answer = answer.map(|done| done.stdout.head).unwrap_or_default();
        let facts: Facts = facts::read(&answer, asked).map_err(|unreadable| {
            Finding::new("unreadable", unreadable.to_string()).hint("is this a POSIX host with uname, id and date?")
        })?;
        session.home.clone_from(&facts.home);
        session.scripts.adopt(shell, facts.home.clone());
        let (key_type, fingerprint, took) = (key.kind, key.fingerprint, began.elapsed());
        let connected = Connected { key_type, fingerprint, facts, took, algorithms };
        Ok((session, connected))
    }

    /// Performs a group of ops at the same time: scripts one after the other in the shell, calls on their own channels.
    async fn together(&mut self, ops: &[Op], cancel: &CancellationToken) -> Vec<Reply> {
        let scripts: Vec<&Script> = ops.iter().filter_map(|op| if let Op::Shell(s) = op { Some(s) } else { None }).collect();
        if scripts.iter().any(|script| !script.secrets.is_empty()) {
            return self.with_secrets(ops, cancel).await;
        }
        let (link, home) = (&self.link, self.home.as_str());
        let calls: Vec<_> = ops.iter().map(|op| call(link, home, op, cancel)).collect();
        let calls = stream::iter(calls).buffered(CALLS).collect::<Vec<_>>();
        let (printed, called) = join(self.scripts.run(&scripts, cancel), calls).await;
        let mut printed = printed.into_iter().map(Reply::Shell);
        called.into_iter().filter_map(|reply| reply.or_else(|| printed.next())).collect()
    }
}

impl SshSession {
    /// The same for scripts that get secrets: the values are sent, and wiped after it.
    async fn with_secrets(&mut self, ops: &[Op], cancel: &CancellationToken) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(ops.len());
        for op in ops {
            let reply = match op {
                Op::Shell(script) => Reply::Shell(match self.secrets.equip(script) {
                    Ok(script) => {
                        let printed = self.scripts.run(&[&script], cancel).await.pop();
                        let mut reply = printed.unwrap_or_else(|| unsent("no-reply"));
                        // what is not shown could be guessed and tried against it
                        (reply.stdout.sha256, reply.stderr.sha256) = (None, None);
                        reply
                    }
                    Err(why) => unsent(&why),
                }),
                other => match call(&self.link, &self.home, other, cancel).await {
                    Some(reply) => reply,
                    None => continue,
                },
            };
            replies.push(reply);
        }
        replies
    }
}

fn unbelieved(why: &str) -> String {
    format!("the server said what cannot both be true ({why}): nothing that it says is believed")
}

fn unsent(why: &str) -> ShellReply {
    let (stdout, stderr) = (Captured::default(), Captured::default());
    ShellReply { exit: Exit::NotStarted { why: why.to_owned() }, stdout, stderr, took: Duration::ZERO }
}

/// A call on a channel of its own; scripts are none.
async fn call(link: &Arc<Link>, home: &str, op: &Op, cancel: &CancellationToken) -> Option<Reply> {
    match op {
        Op::Shell(_) => None,
        Op::Http(call) => Some(Reply::Http(http::call(link, call, cancel).await)),
        Op::Pm2(call) => Some(Reply::Pm2(pm2_rpc::call(link, home, call, cancel).await)),
    }
}

impl Drop for SshSession {
    fn drop(&mut self) {
        self.link.cut();
    }
}

impl Session for SshSession {
    async fn perform(&mut self, ops: &[Op], cancel: &CancellationToken) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(ops.len());
        let mut rest = ops;
        while let Some(first) = rest.first() {
            let readers = rest.iter().take_while(|op| !op.mutates()).count();
            let (group, after) = rest.split_at(if first.mutates() { 1 } else { readers });
            replies.extend(self.together(group, cancel).await);
            if let Some(why) = self.scripts.hostile() {
                self.link.bar(&Finding::new(PROTOCOL_ERROR, unbelieved(why)).hint(FIND_OUT));
            }
            rest = after;
        }
        // nothing that comes back gets further with a value in it
        ops.iter().zip(&mut replies).for_each(|(op, reply)| self.secrets.redact(op, reply));
        replies
    }

    fn lost(&self) -> Option<(String, String)> {
        if let Some(why) = self.scripts.hostile() {
            return Some((PROTOCOL_ERROR.to_owned(), unbelieved(why)));
        }
        self.link.lost().map(|mut why| {
            self.secrets.redact_text(&mut why);
            (self.link.lost_by().to_owned(), why)
        })
    }

    async fn close(mut self) {
        self.scripts.close().await;
        self.link.close().await;
    }
}

/// Connects to a host: from its name to its facts.
pub(crate) async fn connect(ground: &Ground, host: &Host) -> Result<(SshSession, Connected), Finding> {
    let began = Instant::now();
    let joined = ground.join(host).await?;
    SshSession::start(ground, joined, began).await
}

fn no_shell(fault: &ShellFault, link: &Link) -> Finding {
    let lost = matches!(fault, ShellFault::Lost | ShellFault::Channel(OpenFault::Lost));
    let word = if lost { link.lost_by() } else { fault.word() };
    let finding = Finding::new(word, fault.to_string());
    match fault {
        ShellFault::ForcedCommand { .. } => finding.hint("remove `command=` for this key, or ForceCommand for this user"),
        ShellFault::NoShell { .. } => finding.hint("give this user a login shell that can execute /bin/sh"),
        ShellFault::Lost => match link.lost() {
            Some(why) => finding.evidence(why),
            None => finding,
        },
        ShellFault::Hostile(_) => finding.hint(FIND_OUT),
        _ => finding,
    }
}
