//! A server that exchanges keys and accepts the login, and from there on says what the bytes choose, in any order: output,
//! markers, statuses, signals, ends, silence.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use runbook::fuzzing::converse;
use runbook::model::op::{Captured, Exit, Op, Reply, Shell};
use runbook::world::timeouts::Timeouts;
use russh::kex::CURVE25519;
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::server::{Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, Session, run_stream};
use russh::{Channel, ChannelId, Disconnect, Preferred, Sig};
use tokio::time::{sleep, timeout};

use super::bytes::Choices;
use super::peer::{can_be_shown, nothing_is_left, runtime};

/// Longer than all deadlines of a session and its two scripts together.
const LIMIT: Duration = Duration::from_secs(600);
/// The most that is kept of one stream of a script.
const KEPT: usize = 512 * 1024;
/// What the two scripts are known by.
const SCRIPTS: [&str; 2] = ["fuzz-look", "fuzz-change"];

/// A script has a status only where the shell was seen to say so, on both streams; everything ends, and nothing is left.
pub(super) fn session(bytes: &[u8]) {
    let _ = statuses(bytes);
}

/// The statuses of the scripts, where the server let it come to that; none for a script without one.
pub fn statuses(bytes: &[u8]) -> Vec<Option<u32>> {
    runtime().block_on(async {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let stage = Arc::new(Mutex::new(Stage { script: bytes.to_vec(), ..Stage::default() }));
        let peer = Peer { stage: Arc::clone(&stage), how: bytes.first().copied().unwrap_or(0), playing: false };
        let serving = tokio::spawn(async move {
            if let Ok(session) = run_stream(config(), theirs, peer).await {
                let _ = session.await;
            }
        });
        let known = format!("host {}\n", key().public_key().to_openssh().expect("a key"));
        let talk = timeout(LIMIT, converse(ours, known.as_bytes(), Timeouts::default(), &ops())).await;
        let replies = talk.expect("it comes to an end").unwrap_or_else(|finding| {
            can_be_shown(&finding);
            Vec::new()
        });
        assert!(replies.is_empty() || replies.len() == SCRIPTS.len(), "one reply each");
        let statuses = replies.iter().zip(SCRIPTS).map(|(reply, name)| judge(reply, name, &lock(&stage))).collect();
        lock(&stage).over = true;
        serving.abort();
        nothing_is_left().await;
        statuses
    })
}

fn ops() -> [Op; 2] {
    let limit = Duration::from_secs(20);
    let script = |name: &str, mutates| Op::Shell(Shell::authored(name.to_owned(), name.to_owned(), mutates).timeout(limit));
    [script(SCRIPTS[0], false), script(SCRIPTS[1], true)]
}

fn key() -> &'static PrivateKey {
    static KEY: OnceLock<PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&[7; 32]));
        PrivateKey::new(pair, "").expect("a key")
    })
}

fn config() -> Arc<Config> {
    let mut methods = russh::MethodSet::empty();
    methods.push(russh::MethodKind::None);
    let keys = vec![key().clone()];
    // the quickest exchange of keys: it is not what is looked at here
    let preferred = Preferred { kex: Cow::Borrowed(&[CURVE25519]), ..Preferred::default() };
    Arc::new(Config { keys, methods, preferred, auth_rejection_time: Duration::ZERO, ..Config::default() })
}

fn lock(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was said so far, on all channels.
#[derive(Default)]
struct Stage {
    script: Vec<u8>,
    over: bool,
    /// What came in on each channel.
    stdin: BTreeMap<ChannelId, Vec<u8>>,
    /// What was sent on each channel: standard output, standard error.
    sent: BTreeMap<ChannelId, [Vec<u8>; 2]>,
    /// The nonces that were answered as a shell would.
    answered: Vec<String>,
}

/// One call of the function that runs scripts.
struct Call {
    nonce: String,
    text: String,
}

impl Stage {
    /// The calls that came in on a channel, in order.
    fn calls(&self, id: ChannelId) -> Vec<Call> {
        let text = self.stdin.get(&id).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
        let mut calls: Vec<Call> = Vec::new();
        for part in text.split("__rb '").skip(1) {
            if let Some((nonce, rest)) = part.split_once('\'')
                && nonce.len() == 32
            {
                calls.push(Call { nonce: nonce.to_owned(), text: rest.to_owned() });
            }
        }
        calls
    }

    /// Whether the shell was seen to say on both streams that a script of this name ended, here with this word.
    fn was_said(&self, name: &str, word: &str) -> bool {
        self.stdin.keys().any(|id| {
            let Some([out, err]) = self.sent.get(id) else { return false };
            let mut calls = self.calls(*id).into_iter().filter(|call| call.text.contains(name));
            calls.any(|call| {
                let begin = format!("\n{} begin\n", call.nonce);
                // `+` behind it says that something still holds the stream
                let ends = ["", "+"].map(|held| format!("\n{} end {word}{held}\n", call.nonce));
                [out, err].iter().all(|stream| ends.iter().any(|end| in_order(stream, &begin, end)))
            })
        })
    }
}

fn in_order(bytes: &[u8], first: &str, second: &str) -> bool {
    let find = |bytes: &[u8], part: &str| bytes.windows(part.len()).position(|window| window == part.as_bytes());
    // the line break between them may be one
    find(bytes, first).is_some_and(|at| find(&bytes[at + first.len() - 1..], second).is_some())
}

/// The status of a script, which must have been said.
fn judge(reply: &Reply, name: &str, stage: &Stage) -> Option<u32> {
    let Reply::Shell(reply) = reply else { panic!("{reply:?}") };
    for captured in [&reply.stdout, &reply.stderr] {
        let Captured { head, tail, total, .. } = captured;
        assert!(head.len() + tail.len() <= KEPT, "{} bytes are kept", head.len() + tail.len());
        assert!((head.len() + tail.len()) as u64 <= *total);
    }
    let Exit::Code { code } = reply.exit else { return None };
    assert!(stage.was_said(name, &code.to_string()), "{name}: status {code}, and nobody said so");
    Some(code)
}

struct Peer {
    stage: Arc<Mutex<Stage>>,
    /// What it does of itself.
    how: u8,
    playing: bool,
}

impl Peer {
    /// Executing succeeds.
    fn accepts(&self) -> bool {
        self.how & 1 == 0
    }

    /// The first scripts of a shell are answered as a shell would.
    fn greets(&self) -> bool {
        self.how & 2 == 0
    }
}

impl Handler for Peer {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, _: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        if self.accepts() {
            session.channel_success(id)?;
        }
        let play = Play { id, handle: session.handle(), stage: Arc::clone(&self.stage) };
        if self.playing {
            // a second shell looks what became of the first one
            if self.how & 4 == 0 {
                tokio::spawn(async move { play.greet(3).await });
            }
            return Ok(());
        }
        self.playing = true;
        let greets = self.greets();
        tokio::spawn(async move {
            let script = lock(&play.stage).script.clone();
            if greets && !play.greet(2).await {
                return;
            }
            let mut choices = Choices::new(script.get(1..).unwrap_or_default());
            while let Some(what) = choices.next() {
                if !play.act(what, &mut choices).await || lock(&play.stage).over {
                    return;
                }
            }
        });
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        lock(&self.stage).stdin.entry(id).or_default().extend_from_slice(data);
        Ok(())
    }
}

/// One channel on which something is played.
struct Play {
    id: ChannelId,
    handle: Handle,
    stage: Arc<Mutex<Stage>>,
}

impl Play {
    /// Answers so many calls as a shell would, as they come; false where they do not, or nobody is there any more.
    async fn greet(&self, count: usize) -> bool {
        for _ in 0..count {
            if !self.answer(0, b"").await {
                return false;
            }
        }
        true
    }

    /// The next call that was not answered; waited for, though not for ever.
    async fn call(&self) -> Option<Call> {
        for _ in 0..100 {
            {
                let stage = lock(&self.stage);
                let fresh = stage.calls(self.id).into_iter().find(|call| !stage.answered.contains(&call.nonce));
                if fresh.is_some() || stage.over {
                    return fresh;
                }
            }
            sleep(Duration::from_millis(50)).await;
        }
        None
    }

    /// Answers the next call as a shell would, with this status and this output.
    async fn answer(&self, status: u8, output: &[u8]) -> bool {
        let Some(Call { nonce, text }) = self.call().await else { return true };
        lock(&self.stage).answered.push(nonce.clone());
        let printed: &[u8] = if text.contains("uname -snm") {
            b"Linux web-04 x86_64\0uid=0(root) gid=0(root)\0/root\0boot\0machine\0\x001700000000000000000\0"
        } else if text.contains("RB_GROUP=") {
            b"gone\n"
        } else if text.contains("/proc/$pid/stat") {
            b"42 42\n"
        } else {
            output
        };
        let end = format!("\n{nonce} end {status}\n").into_bytes();
        let begin = format!("\n{nonce} begin\n").into_bytes();
        self.send(0, [begin.as_slice(), printed, &end].concat()).await && self.send(1, [begin, end].concat()).await
    }

    /// Sends on a stream; false where nobody is there any more.
    async fn send(&self, stream: usize, bytes: Vec<u8>) -> bool {
        {
            let mut stage = lock(&self.stage);
            let sent = &mut stage.sent.entry(self.id).or_default()[stream];
            // a marker is looked for in what was sent; a flood has none
            if bytes.len() < 32 * 1024 {
                sent.extend_from_slice(&bytes);
            }
        }
        match stream {
            0 => self.handle.data(self.id, bytes).await.is_ok(),
            _ => self.handle.extended_data(self.id, 1, bytes).await.is_ok(),
        }
    }

    /// The nonce of the next call that was not answered, one that was called with, or one that never was.
    async fn nonce(&self, choice: u8) -> String {
        if choice.is_multiple_of(4)
            && let Some(call) = self.call().await
        {
            return call.nonce;
        }
        let calls = lock(&self.stage).calls(self.id);
        let at = usize::from(choice) % (calls.len() + 1);
        calls.into_iter().rev().nth(at).map_or_else(|| "0".repeat(32), |call| call.nonce)
    }

    /// Does one thing; false where nobody is there any more.
    async fn act(&self, what: u8, choices: &mut Choices<'_>) -> bool {
        let (id, handle) = (self.id, &self.handle);
        match what % 24 {
            0 | 1 => {
                let (status, length) = (choices.byte(), choices.byte());
                self.answer(status, choices.take(length.into())).await
            }
            2 | 3 => {
                let length = choices.byte();
                self.send(usize::from(what % 24 == 3), choices.take(length.into()).to_vec()).await
            }
            4 | 5 => {
                let begin = format!("\n{} begin\n", self.nonce(choices.byte()).await);
                self.send(usize::from(what % 24 == 5), begin.into_bytes()).await
            }
            6 | 7 => {
                let nonce = self.nonce(choices.byte()).await;
                let words = ["0", "1", "255", "256", "cwd", "user", "", "-1", "00", "0 ", "0+", "7+"];
                let word = words[usize::from(choices.byte()) % words.len()];
                self.send(usize::from(what % 24 == 7), format!("\n{nonce} end {word}\n").into_bytes()).await
            }
            8 => handle.exit_status_request(id, choices.byte().into()).await.is_ok(),
            9 => {
                let name = [Sig::KILL, Sig::TERM, Sig::Custom("\u{1b}[2J".to_owned())][usize::from(choices.byte()) % 3].clone();
                handle.exit_signal_request(id, name, false, "\u{7}".to_owned(), String::new()).await.is_ok()
            }
            10 => handle.eof(id).await.is_ok(),
            11 => handle.close(id).await.is_ok(),
            12 => handle.channel_success(id).await.is_ok(),
            13 => handle.channel_failure(id).await.is_ok(),
            14 | 15 => {
                sleep(Duration::from_millis(u64::from(choices.byte()) * 100)).await;
                true
            }
            16 => handle.extended_data(id, choices.byte().into(), choices.take(8).to_vec()).await.is_ok(),
            17 => handle.xon_xoff_request(id, true).await.is_ok(),
            18 => timeout(Duration::from_secs(1), handle.channel_open_session()).await.is_ok_and(|opened| opened.is_err()),
            19 => timeout(Duration::from_secs(1), handle.channel_open_agent()).await.is_ok_and(|opened| opened.is_err()),
            20 => handle.disconnect(Disconnect::ByApplication, "\u{1b}]0;x\u{7}".to_owned(), String::new()).await.is_ok(),
            21 => {
                let size = usize::from(choices.byte() % 8 + 1) * 32 * 1024;
                self.send(usize::from(choices.byte() % 2), vec![b'x'; size]).await
            }
            22 => handle.forward_tcpip("x".to_owned(), 1).await.is_err(),
            _ => {
                tokio::task::yield_now().await;
                true
            }
        }
    }
}
