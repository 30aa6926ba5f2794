//! Hosts that read what they are sent, know its nonce, and answer it in some way of their own instead of executing it.
//! What is not meant for them goes to a real shell, so that they are reached like any other host.

use russh::server::Handle;
use russh::{ChannelId, Disconnect, Sig};
use tokio_util::sync::CancellationToken;

/// The word in a script by which it is answered and not executed.
pub(crate) const ASKED: &str = "echo LIE";

/// How such a host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    /// A status on both streams, with the nonce: no lie at all, as far as anybody can tell from here.
    Says(&'static str),
    /// The same after twenty megabytes of output.
    SaysAfterMuch(&'static str),
    /// The channel is closed at once.
    Closes,
    /// The channel has exit status 0 and is closed.
    ClosesWithZero,
    /// It begins, and the channel has exit status 0 and is closed.
    BeginsAndClosesWithZero,
    /// Markers with a nonce that nobody sent.
    OtherNonce,
    /// Markers with the nonce of an earlier script.
    Replays,
    /// One status on standard output, another on standard error.
    StreamsDisagree(&'static str, &'static str),
    /// Nothing on standard error.
    OneStream,
    /// A status, and then another one, before standard error has any.
    SaysTwice,
    /// A word that is no status of a shell.
    Word(&'static str),
    /// The marker is cut in half.
    Half,
    /// The end comes first, then the beginning.
    Backwards,
    /// It begins and sends the end of the stream, and the channel stays open.
    EofOnly,
    /// It begins, and that is all.
    BeginOnly,
    /// It is silent.
    Silent,
    /// The shell is said to be killed while it still runs.
    Signal,
    /// The same by a signal that nobody knows, with escape sequences in its name and message.
    StrangeSignal,
    /// Exit status 0 and then 1, and then a status with the nonce.
    TwoExitStatuses,
    /// An exit status, and then a signal.
    StatusAndSignal,
    /// Everything that was sent comes back, on both streams.
    Echo,
    /// It begins, and the connection ends with a goodbye.
    Disconnects,
    /// It begins, and the connection is reset.
    Resets,
}

/// The nonce of the script in these bytes, and whether it is for a host of this kind.
pub(crate) fn asked(data: &[u8]) -> Option<(String, bool)> {
    let text = String::from_utf8_lossy(data);
    let (_, call) = text.rsplit_once("__rb '")?;
    let nonce = call.get(..32).filter(|nonce| nonce.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some((nonce.to_owned(), text.contains(ASKED)))
}

/// A channel to answer on.
pub(crate) struct Stage {
    pub(crate) handle: Handle,
    pub(crate) id: ChannelId,
    /// What was sent.
    pub(crate) sent: Vec<u8>,
    pub(crate) nonce: String,
    /// The nonce of the script before.
    pub(crate) earlier: String,
    /// Resets the connection.
    pub(crate) reset: CancellationToken,
}

impl Stage {
    async fn out(&self, text: &str) {
        let _ = self.handle.data(self.id, text.to_owned().into_bytes()).await;
    }

    async fn err(&self, text: &str) {
        let _ = self.handle.extended_data(self.id, 1, text.to_owned().into_bytes()).await;
    }

    async fn both(&self, text: &str) {
        self.out(text).await;
        self.err(text).await;
    }

    async fn begin(&self) {
        self.both(&format!("\n{} begin\n", self.nonce)).await;
    }

    fn end(&self, word: &str) -> String {
        format!("\n{} end {word}\n", self.nonce)
    }

    async fn status(&self, status: u32) {
        let _ = self.handle.exit_status_request(self.id, status).await;
    }

    async fn signal(&self, name: &str, message: &str) {
        let (name, message) = (Sig::Custom(name.to_owned()), message.to_owned());
        let _ = self.handle.exit_signal_request(self.id, name, true, message, String::new()).await;
    }

    async fn close(&self) {
        let _ = self.handle.close(self.id).await;
    }

    /// Answers.
    pub(crate) async fn act(self, lie: Lie) {
        match lie {
            Lie::Closes => self.close().await,
            Lie::ClosesWithZero => {
                self.status(0).await;
                self.close().await;
            }
            Lie::Silent => {}
            Lie::OtherNonce | Lie::Replays => {
                let other = if lie == Lie::Replays { self.earlier.clone() } else { "0123456789abcdef".repeat(2) };
                self.both(&format!("\n{other} begin\n\n{other} end 0\n")).await;
                self.close().await;
            }
            Lie::Backwards => {
                self.both(&self.end("0")).await;
                self.begin().await;
                self.close().await;
            }
            Lie::Echo => {
                self.both(&String::from_utf8_lossy(&self.sent)).await;
                self.close().await;
            }
            begun => {
                self.begin().await;
                self.go_on(begun).await;
            }
        }
    }

    async fn go_on(self, lie: Lie) {
        match lie {
            Lie::Says(word) => self.both(&self.end(word)).await,
            Lie::SaysAfterMuch(word) => {
                for _ in 0..20 * 32 {
                    self.out(&"x".repeat(32 * 1024)).await;
                }
                self.both(&self.end(word)).await;
            }
            Lie::StreamsDisagree(out, err) => {
                self.out(&self.end(out)).await;
                self.err(&self.end(err)).await;
            }
            Lie::OneStream => {
                self.out(&self.end("0")).await;
                self.close().await;
            }
            Lie::SaysTwice => {
                self.out(&(self.end("0") + &self.end("3"))).await;
                self.err(&self.end("0")).await;
            }
            Lie::Word(word) => {
                self.both(&self.end(word)).await;
                self.close().await;
            }
            Lie::Half => {
                self.both(self.end("0").trim_end_matches("0\n")).await;
                self.close().await;
            }
            Lie::EofOnly => drop(self.handle.eof(self.id).await),
            Lie::BeginsAndClosesWithZero => {
                self.status(0).await;
                self.close().await;
            }
            Lie::Signal => self.signal("KILL", "").await,
            Lie::StrangeSignal => self.signal("\u{1b}]0;OK\u{7}\u{202e}", "\u{1b}[2Jok").await,
            Lie::TwoExitStatuses => {
                self.status(0).await;
                self.status(1).await;
                self.both(&self.end("0")).await;
            }
            Lie::StatusAndSignal => {
                self.status(0).await;
                self.signal("SEGV", "").await;
            }
            Lie::Disconnects => {
                let _ = self.handle.disconnect(Disconnect::ByApplication, "that is all".to_owned(), String::new()).await;
            }
            Lie::Resets => {
                // what was written first must have left
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                self.reset.cancel();
            }
            // it has begun, and says nothing more
            _ => {}
        }
    }
}
