//! An SSH server in this process, for what a real one cannot be made to do. It runs what it is asked to with the real
//! `/bin/sh`, and misbehaves in one chosen way.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handle, Handler, Msg, Session, VerifiedPublicKey, run_stream};
use russh::{Channel, ChannelId, Preferred};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::harness::personality::{self, Lie, Stage};

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vice {
    /// Nothing.
    None,
    /// Closes channels without a status.
    NoStatus,
    /// Refuses to execute anything.
    RefuseExec,
    /// Never answers the request to execute.
    MuteExec,
    /// Opens channels to the client.
    OpensChannels,
    /// Refuses every channel after the first.
    OneChannel,
    /// Answers some scripts itself.
    Lies(Lie),
    /// Hangs up when it is asked to authenticate somebody.
    DiesInLogin,
}

/// A running server; it ends with the value.
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) host_key: String,
    /// What became of the channels the server opened, one word each.
    pub(crate) opened: mpsc::UnboundedReceiver<String>,
    /// How often it was sent a script that it answers itself.
    pub(crate) asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(vice: Vice) -> Self {
        Self::agreeing(vice, Preferred::default()).await
    }

    /// Starts one that agrees to these algorithms only.
    pub(crate) async fn agreeing(vice: Vice, preferred: Preferred) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        // a key of its own: servers with one key on one machine would be one host
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&port.to_be_bytes());
        let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
        let key = PrivateKey::new(pair, "").expect("a key");
        let host_key = public(key.public_key());
        let (tell, opened) = mpsc::unbounded_channel();
        let config = Config { keys: vec![key], auth_rejection_time: Duration::ZERO, preferred, ..Config::default() };
        let config = Arc::new(config);
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let reset = CancellationToken::new();
                let (tell, asked, lost) = (tell.clone(), Arc::clone(&count), reset.clone());
                let peer = Peer { vice, tell, channels: 0, stdin: Vec::new(), asked, reset, nonce: String::new() };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    let (inside, outside) = tokio::io::duplex(64 * 1024);
                    let relayed = tokio::spawn(relay(tcp, outside, lost));
                    if let Ok(session) = run_stream(config, inside, peer).await {
                        let _ = session.await;
                    }
                    let _ = relayed.await;
                });
            }
        });
        Self { port, host_key, opened, asked, task }
    }
}

/// Between the socket and the server, until the connection is to be reset.
async fn relay(mut tcp: TcpStream, mut server: DuplexStream, reset: CancellationToken) {
    let _ = tcp.set_nodelay(true);
    tokio::select! {
        _ = copy_bidirectional(&mut tcp, &mut server) => {}
        () = reset.cancelled() => drop(rustix::net::sockopt::set_socket_linger(&tcp, Some(Duration::ZERO))),
    }
}

fn public(key: &PublicKey) -> String {
    key.to_openssh().expect("a key").trim().to_owned()
}

/// Everything that was started for one channel; it ends with the value.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let leader = self.0.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(leader) = leader {
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
}

struct Peer {
    vice: Vice,
    tell: mpsc::UnboundedSender<String>,
    channels: usize,
    stdin: Vec<(ChannelId, ChildStdin)>,
    asked: Arc<AtomicUsize>,
    reset: CancellationToken,
    /// Of the last script.
    nonce: String,
}

impl Handler for Peer {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        if self.vice == Vice::DiesInLogin {
            return Err(russh::Error::Disconnect);
        }
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels += 1;
        if self.vice == Vice::OneChannel && self.channels > 1 {
            reply.reject(russh::ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        reply.accept().await;
        if self.vice == Vice::OpensChannels {
            tokio::spawn(knock(session.handle(), self.tell.clone()));
        }
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        match self.vice {
            Vice::RefuseExec => return session.channel_failure(id),
            Vice::MuteExec => return Ok(()),
            _ => session.channel_success(id)?,
        }
        let text = String::from_utf8_lossy(command).into_owned();
        let mut child = Command::new("/bin/sh")
            .args(["-c", &text])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .expect("a shell");
        self.stdin.push((id, child.stdin.take().expect("piped")));
        let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (handle, vice) = (session.handle(), self.vice);
        let group = Group(child.id());
        tokio::spawn(async move {
            let _group = group;
            let (mut a, mut b) = (vec![0; 8192], vec![0; 8192]);
            let (mut out_open, mut err_open) = (true, true);
            while out_open || err_open {
                tokio::select! {
                    count = out.read(&mut a), if out_open => match count {
                        Ok(count) if count > 0 => drop(handle.data(id, a[..count].to_vec()).await),
                        _ => out_open = false,
                    },
                    count = err.read(&mut b), if err_open => match count {
                        Ok(count) if count > 0 => drop(handle.extended_data(id, 1, b[..count].to_vec()).await),
                        _ => err_open = false,
                    },
                }
            }
            let status = child.wait().await.ok().and_then(|status| status.code());
            if vice != Vice::NoStatus
                && let Some(status) = status.and_then(|status| u32::try_from(status).ok())
            {
                let _ = handle.exit_status_request(id, status).await;
            }
            let _ = handle.close(id).await;
        });
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        if let (Vice::Lies(lie), Some((nonce, mine))) = (self.vice, personality::asked(data)) {
            let earlier = std::mem::replace(&mut self.nonce, nonce.clone());
            if mine {
                self.asked.fetch_add(1, Ordering::Relaxed);
                let (handle, sent, reset) = (session.handle(), data.to_vec(), self.reset.clone());
                // on its own: the session goes on while it answers
                tokio::spawn(Stage { handle, id, sent, nonce, earlier, reset }.act(lie));
                return Ok(());
            }
        }
        if let Some((_, stdin)) = self.stdin.iter_mut().find(|(channel, _)| *channel == id) {
            let _ = stdin.write_all(data).await;
        }
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.stdin.retain(|(channel, _)| *channel != id);
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        self.stdin.retain(|(channel, _)| *channel != id);
        Ok(())
    }
}

/// Tries every kind of channel a server can open.
async fn knock(handle: Handle, tell: mpsc::UnboundedSender<String>) {
    let word = |name: &str, result: Result<Channel<Msg>, russh::Error>| match result {
        Ok(_) => format!("{name} accepted"),
        Err(russh::Error::ChannelOpenFailure(_)) => format!("{name} refused"),
        Err(error) => format!("{name} {error}"),
    };
    let _ = tell.send(word("agent", handle.channel_open_agent().await));
    let _ = tell.send(word("session", handle.channel_open_session().await));
    let _ = tell.send(word("direct-tcpip", handle.channel_open_direct_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await));
    let _ = tell.send(word("direct-streamlocal", handle.channel_open_direct_streamlocal("/x").await));
    let forwarded = handle.channel_open_forwarded_tcpip("127.0.0.1", 22, "127.0.0.1", 1).await;
    let _ = tell.send(word("forwarded-tcpip", forwarded));
    let _ = tell.send(word("forwarded-streamlocal", handle.channel_open_forwarded_streamlocal("/x").await));
    let _ = tell.send(word("x11", handle.channel_open_x11("127.0.0.1", 1).await));
}
