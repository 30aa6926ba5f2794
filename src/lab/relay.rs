//! From this machine's loopback to a host. A listener stays in the network namespace it was bound in, a new socket is
//! born in the namespace of the thread: the supervisor binds outside, enters the lab's namespace, and dials from there.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const DIAL: Duration = Duration::from_secs(10);
/// Connections at a time through one listener; more wait in the kernel's queue.
const MOST: usize = 1024;

/// Relays until the task is dropped.
pub(crate) async fn serve(listener: TcpListener, target: SocketAddrV4) {
    let slots = Arc::new(Semaphore::new(MOST));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((client, _)) => {
                tokio::spawn(async move {
                    pass(client, target).await;
                    drop(slot);
                });
            }
            // out of descriptors, most likely: they come back
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn pass(mut client: TcpStream, target: SocketAddrV4) {
    let Ok(Ok(mut host)) = tokio::time::timeout(DIAL, TcpStream::connect(target)).await else {
        return reset(&client);
    };
    // interactive traffic: nothing may wait for more
    let _ = (client.set_nodelay(true), host.set_nodelay(true));
    if copy_bidirectional(&mut client, &mut host).await.is_err() {
        // what broke on one side breaks on the other, and at once
        reset(&client);
        reset(&host);
    }
}

/// Closing will send a reset, as a refused connection does.
fn reset(stream: &TcpStream) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
