//! The byte stream under an SSH connection: tells the banner phase from the key exchange, keeps the first bytes for
//! the diagnosis, acknowledges at once while round trips count, and can be cut from outside at any time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::world::ssh::greeting::{Greeting, Unfit};

const HELLO: usize = 256;

/// What the owner of a connection can see of its wire, and do to it.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    /// Cuts the wire: the task that owns it ends and the socket is closed.
    pub(crate) cut: CancellationToken,
    banner: Notify,
    greeted: AtomicBool,
    ended: AtomicBool,
    unfit: OnceLock<Unfit>,
    settled: AtomicBool,
    received: AtomicU64,
    last: Mutex<Option<Instant>>,
    hello: Mutex<Vec<u8>>,
}

impl Gauge {
    /// Resolves once the server's identification was accepted.
    pub(crate) async fn banner_accepted(&self) {
        self.banner.notified().await;
    }

    /// Whether the server's identification was accepted.
    pub(crate) fn greeted(&self) -> bool {
        self.greeted.load(Ordering::Acquire)
    }

    /// Whether the stream ended at the other side.
    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Why what came in cannot be an SSH 2 server, once that is certain.
    pub(crate) fn unfit(&self) -> Option<&Unfit> {
        self.unfit.get()
    }

    /// From now on acknowledgements may be delayed as the kernel likes.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// How many bytes came in.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// For how long nothing came in; none where nothing ever did.
    pub(crate) fn silence(&self) -> Option<Duration> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| last.elapsed())
    }

    /// The first bytes that came in.
    pub(crate) fn hello(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.hello.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, bytes: &[u8]) {
        let before = self.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if before < HELLO as u64 {
            let mut hello = self.lock();
            let room = HELLO.saturating_sub(hello.len()).min(bytes.len());
            hello.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
        if !self.settled.load(Ordering::Relaxed) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }
}

/// What an SSH connection can run over: a socket, or in tests and behind a jump host any stream of bytes.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {
    /// Asks that what came in is acknowledged at once. An optimisation: by default nothing happens.
    fn quick_ack(&self) {}
}

impl Carrier for TcpStream {
    #[cfg(target_os = "linux")]
    fn quick_ack(&self) {
        // a kernel that refuses only makes the handshake slower
        let _ = rustix::net::sockopt::set_tcp_quickack(self, true);
    }
}

/// The stream itself, owned by the SSH library. What comes before the server's identification line stays here.
pub(crate) struct Wire {
    carrier: Box<dyn Carrier>,
    gauge: Arc<Gauge>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    greeting: Option<Greeting>,
    // the identification line and what came with it, not yet taken
    held: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(carrier: impl Carrier + 'static, gauge: Arc<Gauge>) -> Self {
        let cut = Box::pin(gauge.cut.clone().cancelled_owned());
        Self { carrier: Box::new(carrier), gauge, cut, greeting: Some(Greeting::default()), held: Vec::new() }
    }

    fn alive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "given up by runbook")),
            Poll::Pending => Ok(()),
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.carrier).poll_read(cx, buf));
        if read.is_err() || buf.filled().len() == before {
            self.gauge.ended.store(true, Ordering::Release);
            return Poll::Ready(read);
        }
        self.gauge.note(buf.filled().get(before..).unwrap_or_default());
        if !self.gauge.settled.load(Ordering::Relaxed) {
            self.carrier.quick_ack();
        }
        Poll::Ready(Ok(()))
    }

    /// Reads until the identification line is there, the stream ends or it is certain that no such line comes.
    fn greet(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(mut greeting) = self.greeting.take() {
            let mut room = [0; 512];
            let mut chunk = ReadBuf::new(&mut room);
            let read = self.read(cx, &mut chunk);
            if !matches!(read, Poll::Ready(Ok(()))) || chunk.filled().is_empty() {
                self.greeting = Some(greeting);
                return read;
            }
            match greeting.hear(chunk.filled()) {
                Ok(None) => self.greeting = Some(greeting),
                Ok(Some(held)) => {
                    self.held = held;
                    self.gauge.greeted.store(true, Ordering::Release);
                    self.gauge.banner.notify_one();
                }
                Err(unfit) => {
                    // the first reason is the reason
                    let _ = self.gauge.unfit.set(unfit);
                    self.greeting = Some(Greeting::default());
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "no SSH 2 server")));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.alive(cx)?;
        if self.greeting.is_some() {
            ready!(self.greet(cx))?;
        }
        if self.greeting.is_some() {
            // the stream ended before the line was there
            return Poll::Ready(Ok(()));
        }
        if self.held.is_empty() {
            return self.read(cx, buf);
        }
        let count = buf.remaining().min(self.held.len());
        let rest = self.held.split_off(count);
        buf.put_slice(&self.held);
        self.held = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive(cx)?;
        Pin::new(&mut self.carrier).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive(cx)?;
        Pin::new(&mut self.carrier).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.carrier).poll_shutdown(cx)
    }
}
