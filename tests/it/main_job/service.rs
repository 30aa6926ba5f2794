//! The sample service as a client meets it: one new connection a question, through the lab's relay.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// A machine that is busy with other tests may be slow; an outage is refused or reset at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the service says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Status {
    pub(super) enabled: bool,
    pub(super) pid: u32,
}

/// Asks for its status; anything but a whole 200 is an error.
pub(super) fn status(at: SocketAddr) -> Result<Status, String> {
    let answer = ask(at, "GET /api/trackier-status")?;
    let body = answer.strip_prefix("HTTP/1.1 200 OK\r\n").and_then(|rest| rest.split_once("\r\n\r\n")).map(|(_, body)| body);
    body.and_then(|body| serde_json::from_str(body).ok()).ok_or(answer)
}

/// Sets the switch by hand.
pub(super) fn set_enabled(at: SocketAddr, enabled: bool) {
    let answer = ask(at, &format!("POST /api/trackier-emergency-toggle?enabled={enabled}")).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Waits until the service itself says that the switch is so.
pub(super) fn wait_for_enabled(at: SocketAddr, enabled: bool) -> Status {
    let late = Instant::now() + Duration::from_secs(60);
    loop {
        let now = status(at).unwrap();
        if now.enabled == enabled {
            return now;
        }
        assert!(Instant::now() < late, "the switch never became {enabled}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ask(at: SocketAddr, request: &str) -> Result<String, String> {
    let told = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect_timeout(&at, PATIENCE).map_err(told)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(told)?;
    stream.write_all(format!("{request} HTTP/1.0\r\n\r\n").as_bytes()).map_err(told)?;
    let mut answer = String::new();
    stream.take(65536).read_to_string(&mut answer).map_err(told)?;
    Ok(answer)
}
