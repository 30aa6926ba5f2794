//! Operations: what the engine may ask of the world, as inert data. Steps return them; only `world` performs them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::time::millis;

/// One operation on one host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// A POSIX shell script.
    Shell(Shell),
    /// An HTTP request, from the host's own loopback or from here.
    Http(HttpCall),
    /// A read-only call to PM2's `rpc.sock`.
    Pm2(Pm2Call),
}

impl Op {
    /// Whether performing it may change something out there. A dry run performs no such op.
    pub fn mutates(&self) -> bool {
        match self {
            Op::Shell(shell) => shell.mutates,
            Op::Http(call) => call.method == HttpMethod::Post,
            Op::Pm2(_) => false,
        }
    }

    /// How long it may take before it is ended.
    pub fn timeout(&self) -> Duration {
        match self {
            Op::Shell(shell) => shell.timeout,
            Op::Http(call) => call.timeout,
            Op::Pm2(call) => call.timeout,
        }
    }

    /// Has a script run as another user, with secrets in its environment; the other ops know neither.
    pub fn equip(&mut self, acts_as: Option<&str>, secrets: &[String]) {
        if let Op::Shell(shell) = self {
            shell.acts_as = acts_as.map(str::to_owned);
            if matches!(shell.text, Cow::Owned(_)) {
                shell.secrets = secrets.to_vec();
            }
        }
    }

    /// Whether it is a command of a runbook's author.
    pub fn is_authored(&self) -> bool {
        matches!(self, Op::Shell(shell) if shell.is_authored())
    }

    /// Gives a command of a runbook's author the time that its step says; scripts of this program know their own.
    pub fn limit_authored(&mut self, timeout: Duration) {
        if let Op::Shell(Shell { text: Cow::Owned(_), timeout: limit, .. }) = self {
            *limit = timeout;
        }
    }

    /// A few words that name it in events and screens.
    pub fn label(&self) -> String {
        match self {
            Op::Shell(shell) => shell.label.to_string(),
            Op::Http(call) => format!("{} {}", call.method.as_str(), call.url),
            Op::Pm2(call) => format!("rpc.sock {}", call.method.as_str()),
        }
    }
}

/// A POSIX `sh` script. Its text is a constant of this program or was written by the author of a runbook; values
/// never become part of it, they arrive as environment variables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shell {
    /// A few words that name it.
    pub label: Cow<'static, str>,
    text: Cow<'static, str>,
    /// Environment variables for the script; any bytes but NUL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Working directory; `~/` is the acting user's home. Not set: the home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The user to become by `sudo -n -u`; not set: the one that is logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acts_as: Option<String>,
    /// Secrets that it gets as environment variables of the same names. Names only: the world resolves them as it sends
    /// the script, and takes the values out of what comes back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Whether it may change something.
    pub mutates: bool,
    /// Whether it looks for itself before it does anything, and says no by [`Shell::GUARDED`].
    #[serde(default)]
    pub guards: bool,
    /// How long it may take.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub timeout: Duration,
}

impl Shell {
    /// Exit statuses by which a guarding script says that it did nothing at all.
    pub const GUARDED: std::ops::RangeInclusive<u32> = 90..=95;

    /// A read-only script of this program.
    pub fn look(label: &'static str, text: &'static str) -> Self {
        Self::new(Cow::Borrowed(label), Cow::Borrowed(text), false, Duration::from_secs(10))
    }

    /// A script of this program that changes something.
    pub fn change(label: &'static str, text: &'static str) -> Self {
        Self::new(Cow::Borrowed(label), Cow::Borrowed(text), true, Duration::from_secs(60))
    }

    /// Text as the author of a runbook wrote it: shown, hashed and sent as it stands.
    pub fn authored(label: String, text: String, mutates: bool) -> Self {
        Self::new(Cow::Owned(label), Cow::Owned(text), mutates, Duration::from_secs(if mutates { 300 } else { 10 }))
    }

    fn new(label: Cow<'static, str>, text: Cow<'static, str>, mutates: bool, timeout: Duration) -> Self {
        Self { label, text, env: BTreeMap::new(), cwd: None, acts_as: None, secrets: Vec::new(), mutates, guards: false, timeout }
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn cwd(mut self, cwd: Option<String>) -> Self {
        self.cwd = cwd;
        self
    }

    /// Says that it looks for itself before it does anything.
    #[must_use]
    pub fn guarding(mut self) -> Self {
        self.guards = true;
        self
    }

    /// Sets how long it may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The text of the script.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a person wrote its text: the author of a runbook or an operator.
    pub fn is_authored(&self) -> bool {
        matches!(self.text, Cow::Owned(_))
    }
}

/// An HTTP request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpCall {
    /// Where the connection starts.
    pub from: HttpFrom,
    /// What is asked.
    pub method: HttpMethod,
    /// `http://ADDRESS[:PORT]/PATH`; from a host the address is its own loopback.
    pub url: String,
    /// How long the whole exchange may take.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub timeout: Duration,
}

/// Where an HTTP request starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HttpFrom {
    /// From the host, through the SSH connection, to its loopback.
    Host,
    /// From the machine that runs runbook.
    Here,
}

/// The methods in use; everything but POST is read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Reads.
    Get,
    /// Reads, without the body.
    Head,
    /// Changes; used by `kill-switch` only.
    Post,
}

impl HttpMethod {
    /// The method as it stands on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            HttpMethod::Get => "GET",
            HttpMethod::Head => "HEAD",
            HttpMethod::Post => "POST",
        }
    }
}

/// A read-only call to a PM2 daemon over its socket. The methods are a closed list: the same socket could kill everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pm2Call {
    /// PM2_HOME on the host; `~/` is the acting user's home.
    pub home: String,
    /// What is asked.
    pub method: Pm2Method,
    /// How long the daemon may take to answer.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub timeout: Duration,
}

/// The read-only methods of PM2's RPC that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pm2Method {
    /// The daemon's version.
    Version,
    /// Every process entry; environments are dropped before anything else sees the answer.
    Processes,
}

impl Pm2Method {
    /// The method's name in PM2's protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Pm2Method::Version => "getVersion",
            Pm2Method::Processes => "getMonitorData",
        }
    }
}

/// What came back for one op.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Op::Shell`].
    Shell(ShellReply),
    /// To [`Op::Http`].
    Http(HttpReply),
    /// To [`Op::Pm2`].
    Pm2(Pm2Reply),
    /// To a question: what somebody said.
    Answer(Answer),
}

/// What somebody said to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was a yes.
    pub yes: bool,
    /// Who.
    pub by: String,
    /// `tty` or `flag`.
    pub via: String,
}

/// How a script ended and what it printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShellReply {
    /// How it ended.
    pub exit: Exit,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// From sending to the status.
    #[serde(with = "millis")]
    pub took: Duration,
}

/// How a command ended. There is no default: what was not received is [`Exit::Unknown`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum Exit {
    /// It returned this status.
    Code {
        /// 0 to 255.
        code: u32,
    },
    /// A signal ended it.
    Signal {
        /// Without the `SIG`, such as `KILL`; `SEGV (core)` where it left its memory in a file.
        name: String,
    },
    /// It took too long, was ended on the host, and was seen to be gone.
    TimedOut,
    /// It was or may have been sent and no status came back.
    Unknown {
        /// Why nothing is known, such as `connection-lost`, `no-status` or `timeout-unconfirmed`.
        why: String,
    },
    /// It is certain that it was not started.
    NotStarted {
        /// Why, such as `channel-refused`.
        why: String,
    },
}

impl Exit {
    /// Whether status 0 was received.
    pub fn is_success(&self) -> bool {
        matches!(self, Exit::Code { code: 0 })
    }
}

/// Bytes of an output stream: the beginning and the end are kept, all of them are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// The first bytes; all of them when nothing was cut.
    pub head: Vec<u8>,
    /// The last bytes after a cut, else empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tail: Vec<u8>,
    /// How many bytes there were in all.
    pub total: u64,
    /// The SHA-256 of all of them in hex, where bytes between head and tail are missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Whether something was seen to keep the stream open after the command had ended, such as a process that it left
    /// behind.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
}

impl Captured {
    /// All of a short output.
    pub fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        let head = bytes.into();
        Self { total: head.len() as u64, head, ..Self::default() }
    }

    /// Whether bytes between head and tail are missing.
    pub fn is_cut(&self) -> bool {
        self.total > (self.head.len() + self.tail.len()) as u64
    }

    /// How many bytes between head and tail are missing.
    pub fn left_out(&self) -> u64 {
        self.total.saturating_sub((self.head.len() + self.tail.len()) as u64)
    }

    /// The text, if all of it is there and it is UTF-8; evidence that is cut or garbled is no evidence.
    pub fn text(&self) -> Option<&str> {
        // a tail stands after a cut only: what is read is all or nothing
        if self.is_cut() || !self.tail.is_empty() { None } else { std::str::from_utf8(&self.head).ok() }
    }
}

/// What an HTTP request came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "http", rename_all = "kebab-case")]
pub enum HttpReply {
    /// A complete answer.
    Answer(HttpAnswer),
    /// No complete answer.
    Fault {
        /// `refused`, `timeout`, `reset`, `too-large`, `not-http`, `no-route`, `forbidden`, `cancelled` or
        /// `connection-lost` (of the SSH connection, so that it says nothing about the service).
        class: String,
        /// In words.
        message: String,
        /// Whether the request was or may have been sent.
        sent: bool,
    },
}

/// A complete HTTP answer, at most 1 MiB of body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// From the request to the end of the body.
    #[serde(with = "millis")]
    pub took: Duration,
}

/// What PM2's daemon answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "pm2", rename_all = "kebab-case")]
pub enum Pm2Reply {
    /// An answer: a version text, or a list of process entries with whitelisted fields only.
    Answer {
        /// The projected answer.
        value: Value,
    },
    /// No answer.
    Fault {
        /// `no-connect` (no socket, dead daemon, not ours, or a server that forwards no sockets, which OpenSSH does not
        /// tell apart: the look at the file and the processes tells), `no-reply`, `forbidden` (the server says that it
        /// forwards no sockets), `not-pm2`, `cancelled` or `connection-lost` (of the SSH connection, so that it says
        /// nothing about the daemon).
        class: String,
        /// In words.
        message: String,
    },
}
