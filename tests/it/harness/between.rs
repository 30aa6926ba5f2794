//! A TCP relay between a client and a server on loopback that can hold back what passes, and cut it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passage {
    /// It arrives.
    Open,
    /// It waits.
    Stalled,
    /// Both sides are reset.
    Cut,
    /// Both sides are told that there is nothing more.
    Finished,
}

/// A running relay; it ends with the value.
pub(crate) struct Between {
    pub(crate) port: u16,
    passage: watch::Sender<Passage>,
    /// How many connections there were.
    pub(crate) accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Between {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Between {
    /// In front of a port.
    pub(crate) async fn of(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let (passage, seen) = watch::channel(Passage::Open);
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                tokio::spawn(relay(near, far, seen.clone()));
            }
        });
        Self { port: own, passage, accepted, task }
    }

    /// Says what becomes of what passes from now on, on all connections.
    pub(crate) fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }
}

async fn relay(mut near: TcpStream, mut far: TcpStream, passage: watch::Receiver<Passage>) {
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    {
        let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
        let there = pass(near_read, far_write, passage.clone());
        let back = pass(far_read, near_write, passage.clone());
        let mut seen = passage.clone();
        let ended = async { drop(seen.wait_for(|now| matches!(now, Passage::Cut | Passage::Finished)).await) };
        tokio::select! {
            _ = async { tokio::join!(there, back) } => {}
            () = ended => {}
        }
    }
    if *passage.borrow() == Passage::Cut {
        for tcp in [&near, &far] {
            let _ = rustix::net::sockopt::set_socket_linger(tcp, Some(Duration::ZERO));
        }
    }
}

async fn pass(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut passage: watch::Receiver<Passage>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if passage.wait_for(|now| *now != Passage::Stalled).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
