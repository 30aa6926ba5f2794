//! Agents: OpenSSH's, and one that misbehaves in one chosen way; each ends with the value.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

/// A real ssh-agent.
pub(crate) struct Agent(std::process::Child);

impl Agent {
    pub(crate) fn start(socket: &Path) -> Self {
        let mut command = Command::new("ssh-agent");
        let child = command.arg("-D").arg("-a").arg(socket).stdout(Stdio::null()).spawn().expect("ssh-agent");
        let until = Instant::now() + Duration::from_secs(5);
        while !socket.exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        Self(child)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Has the agent hold a key.
pub(crate) fn add(socket: &Path, key: &Path) {
    let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", socket).status();
    assert!(added.expect("ssh-add").success());
}

/// What a false agent does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Never answers a question for keys.
    MuteAtList,
    /// Lists a key, and never signs with it.
    MuteAtSign,
    /// Lists a key, and refuses to sign with it.
    RefusesToSign,
    /// Lists a key, and signs with something else than was asked for.
    SignsOtherwise,
    /// Announces an answer of this many bytes.
    Announces(u32),
    /// Answers with bytes that mean nothing.
    Garbage,
    /// Hangs up after half an answer.
    HangsUp,
    /// Lists only keys of kinds that do not exist.
    StrangeKeys,
    /// Signs after that time, by a real agent at this socket.
    Slow(PathBuf, Duration),
}

/// A false agent.
pub(crate) struct False(JoinHandle<()>);

impl False {
    /// Listens at `socket`; `key` is the line of the public key that it says it holds.
    pub(crate) fn start(socket: &Path, habit: Habit, key: &str) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket");
        let blob = STANDARD.decode(key.split(' ').nth(1).expect("a key")).expect("base64");
        Self(tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                open.push(tokio::spawn(serve(stream, habit.clone(), blob.clone())));
            }
        }))
    }
}

impl Drop for False {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("small").to_be_bytes()[..], bytes].concat()
}

async fn question(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let length = stream.read_u32().await.ok()?;
    let mut question = vec![0; usize::try_from(length).expect("small")];
    stream.read_exact(&mut question).await.ok()?;
    Some(question)
}

async fn serve(mut stream: UnixStream, habit: Habit, blob: Vec<u8>) {
    let mut real = match &habit {
        Habit::Slow(socket, _) => Some(UnixStream::connect(socket).await.expect("a real agent")),
        _ => None,
    };
    while let Some(asked) = question(&mut stream).await {
        let listed = |key: &[u8]| [&[12, 0, 0, 0, 1][..], &string(key), &string(b"")].concat();
        let answer = match (&habit, asked[0]) {
            (Habit::Slow(_, time), kind) => {
                if kind == 13 {
                    tokio::time::sleep(*time).await;
                }
                let real = real.as_mut().expect("connected");
                real.write_all(&string(&asked)).await.expect("asked");
                question(real).await.expect("answered")
            }
            (_, 27) => vec![5],
            (Habit::MuteAtList, _) | (Habit::MuteAtSign, 13) => std::future::pending().await,
            (Habit::Announces(length), _) => {
                let _ = stream.write_all(&length.to_be_bytes()).await;
                std::future::pending().await
            }
            (Habit::Garbage, _) => b"\xff\xfe garbage".to_vec(),
            (Habit::HangsUp, _) => {
                let _ = stream.write_all(&[0, 0, 1, 0, 12, 0]).await;
                return;
            }
            (Habit::StrangeKeys, 11) => listed(&string(b"ssh-future")),
            (Habit::SignsOtherwise, 13) => [&[14][..], &string(&[string(b"ssh-rsa"), string(&[7; 64])].concat())].concat(),
            (_, 11) => listed(&blob),
            _ => vec![5],
        };
        if stream.write_all(&string(&answer)).await.is_err() {
            return;
        }
    }
}
