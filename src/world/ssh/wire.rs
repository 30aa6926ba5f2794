//! The byte stream under an SSH connection: tells the banner phase from the key exchange, keeps the first bytes for
//! the diagnosis, acknowledges at once while round trips count, and can be cut from outside at any time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

const HELLO: usize = 256;

/// What the owner of a connection can see of its wire, and do to it.
#[derive(Debug, Default)]
pub(crate) struct Gauge {
    /// Cuts the wire: the task that owns it ends and the socket is closed.
    pub(crate) cut: CancellationToken,
    banner: Notify,
    settled: AtomicBool,
    received: AtomicU64,
    hello: Mutex<Vec<u8>>,
}

impl Gauge {
    /// Resolves once the server's identification was accepted.
    pub(crate) async fn banner_accepted(&self) {
        self.banner.notified().await;
    }

    /// From now on acknowledgements may be delayed as the kernel likes.
    pub(crate) fn settle(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// How many bytes came in.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// The first bytes that came in.
    pub(crate) fn hello(&self) -> Vec<u8> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.hello.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The stream itself, owned by the SSH library.
pub(crate) struct Wire {
    carrier: Box<dyn Carrier>,
    gauge: Arc<Gauge>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    own_banner: usize,
    written: usize,
}

impl Wire {
    /// `own_banner` is the length of our identification line: what is written after it means theirs was accepted.
    pub(crate) fn new(carrier: impl Carrier + 'static, gauge: Arc<Gauge>, own_banner: usize) -> Self {
        let cut = Box::pin(gauge.cut.clone().cancelled_owned());
        Self { carrier: Box::new(carrier), gauge, cut, own_banner, written: 0 }
    }

    fn alive(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "given up by runbook")),
            Poll::Pending => Ok(()),
        }
    }

    fn note(&mut self, bytes: &[u8]) {
        let before = self.gauge.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if before < HELLO as u64 {
            let mut hello = self.gauge.lock();
            let room = HELLO.saturating_sub(hello.len()).min(bytes.len());
            hello.extend_from_slice(&bytes[..room]);
        }
        if !self.gauge.settled.load(Ordering::Relaxed) {
            self.carrier.quick_ack();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.alive(cx)?;
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.carrier).poll_read(cx, buf);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.note(&buf.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive(cx)?;
        let polled = Pin::new(&mut self.carrier).poll_write(cx, buf);
        if let Poll::Ready(Ok(count)) = polled
            && self.written <= self.own_banner
        {
            self.written += count;
            if self.written > self.own_banner {
                self.gauge.banner.notify_one();
            }
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive(cx)?;
        Pin::new(&mut self.carrier).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.carrier).poll_shutdown(cx)
    }
}
