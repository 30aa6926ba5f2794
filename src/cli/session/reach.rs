//! Whether a host's sshd answers: TCP and its banner, never a login.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::model::host::Host;
use crate::model::time::Timestamp;
use crate::tui::model::Reach;

/// How long a host has to answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// The most bytes before the banner that are read: what says more is no sshd.
const MOST: u64 = 1024;

/// Asks one host.
pub async fn ask(host: &Host, now: fn() -> Timestamp) -> Reach {
    let from = Instant::now();
    let down = |class: &str, why: String| Reach::Down { class: class.to_owned(), why, at: now() };
    match timeout(DEADLINE, banner(host)).await {
        Err(_) => down("timeout", format!("no answer within {} s", DEADLINE.as_secs())),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            down("refused", "connection refused".to_owned())
        }
        Ok(Err(error)) => down("network", error.to_string()),
        Ok(Ok(false)) => down("no-banner", "something answers that is no sshd".to_owned()),
        Ok(Ok(true)) => Reach::Up { took: from.elapsed(), at: now() },
    }
}

/// Whether the other side introduces itself as an SSH server.
async fn banner(host: &Host) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((host.address.as_str(), host.port)).await?;
    let (mut seen, mut byte, mut read) = (Vec::new(), [0_u8; 64], 0);
    while read < MOST {
        let n = stream.read(&mut byte).await?;
        if n == 0 {
            break;
        }
        read += n as u64;
        seen.extend_from_slice(&byte[..n]);
        // lines of greeting may come before it
        if seen.starts_with(b"SSH-") || seen.windows(5).any(|part| part == b"\nSSH-") {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::ask;
    use crate::model::host::Host;
    use crate::model::id::HostName;
    use crate::model::time::Timestamp;
    use crate::tui::model::Reach;

    fn host(port: u16) -> Host {
        Host {
            name: HostName::parse("web-1").expect("a name"),
            address: "127.0.0.1".to_owned(),
            port,
            user: "app".to_owned(),
            identity: None,
            known_hosts: Vec::new(),
            host_key_alias: None,
            instance_id: None,
            tags: Vec::new(),
            groups: Vec::new(),
            protected: false,
            vars: BTreeMap::new(),
        }
    }

    async fn greets(with: &'static [u8]) -> Reach {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a guest");
            stream.write_all(with).await.expect("it is greeted");
        });
        let found = ask(&host(port), || Timestamp::from_millis(0)).await;
        server.await.expect("it ends");
        found
    }

    #[tokio::test]
    async fn an_sshd_is_up_and_anything_else_is_down() {
        assert!(matches!(greets(b"SSH-2.0-OpenSSH_9.2\r\n").await, Reach::Up { .. }));
        assert!(matches!(greets(b"hello\r\nSSH-2.0-x\r\n").await, Reach::Up { .. }), "lines may come before the banner");
        assert!(matches!(greets(b"220 mail\r\n").await, Reach::Down { class, .. } if class == "no-banner"));
        let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let found = ask(&host(port), || Timestamp::from_millis(0)).await;
        assert!(matches!(found, Reach::Down { class, .. } if class == "refused"));
    }
}
