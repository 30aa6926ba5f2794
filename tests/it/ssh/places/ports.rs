//! Listeners of every sort, as a real host tells them with `ss` and without it.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use runbook::engine::world::Session;
use serde_json::json;

use super::Visit;
use crate::harness::place::Odd;
use crate::harness::sshd::free_port;

/// A process that listens as the text says; it ends with the value.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Other {
    fn start(before: &[&str], port: u16, text: &str) -> Self {
        let ready = tempfile::tempdir().expect("a directory");
        let at = ready.path().join("ready");
        let text = format!(
            "import socket, time, sys\ndef tcp(family, *options):\n  s = socket.socket(family, socket.SOCK_STREAM)\n  \
             s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n  [s.setsockopt(*o) for o in options]\n  return s\n\
             port = {port}\nV4, V6 = socket.AF_INET, socket.AF_INET6\nREUSE = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n\
             ONLY6 = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)\nBOTH = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)\n\
             {text}\nopen({:?}, 'w').close()\ntime.sleep(120)\n",
            at.to_str().expect("utf-8")
        );
        let mut line: Vec<&str> = before.to_vec();
        line.extend(["python3", "-c", &text]);
        let child = Command::new(line[0]).args(&line[1..]).stdin(Stdio::null()).process_group(0).spawn().expect("python");
        let other = Self(child);
        let until = Instant::now() + Duration::from_secs(20);
        while !at.exists() {
            assert!(Instant::now() < until, "it does not listen: {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
        other
    }
}

#[tokio::test]
async fn every_sort_of_listener_is_found_with_ss_and_without() {
    let no_ss = "mkdir \"$DIR/tools\"; ln -s /usr/bin/* \"$DIR/tools\"; rm \"$DIR/tools/ss\"";
    let places = [Odd::default().start(), Odd::default().before(no_ss).env("PATH", "$DIR/tools").start()];
    let mut visits = Vec::new();
    for place in &places {
        visits.push(Visit::to(place, "root").await);
    }
    for (name, text, found) in [
        ("IPv4", "a = tcp(V4); a.bind(('127.0.0.1', port)); a.listen()", 1),
        ("IPv4 wildcard", "a = tcp(V4); a.bind(('0.0.0.0', port)); a.listen()", 1),
        ("IPv6", "a = tcp(V6, ONLY6); a.bind(('::1', port)); a.listen()", 1),
        ("IPv6 wildcard", "a = tcp(V6, ONLY6); a.bind(('::', port)); a.listen()", 1),
        ("both by one", "a = tcp(V6, BOTH); a.bind(('::', port)); a.listen()", 1),
        ("mapped", "a = tcp(V6, BOTH); a.bind(('::ffff:127.0.0.1', port)); a.listen()", 1),
        (
            "shared",
            "a = tcp(V4, REUSE); a.bind(('127.0.0.1', port)); a.listen(); b = tcp(V4, REUSE); b.bind(('127.0.0.1', port)); b.listen()",
            1,
        ),
        ("bound and not listening", "a = tcp(V4); a.bind(('127.0.0.1', port))", 0),
        ("UDP", "a = socket.socket(V4, socket.SOCK_DGRAM); a.bind(('127.0.0.1', port))", 0),
    ] {
        let port = free_port();
        let other = Other::start(&[], port, text);
        for visit in &mut visits {
            let line = visit.look("port", &json!({ "port": port })).await;
            let want = if found == 1 {
                format!("not-yet foreign: :{port} is held by pid {} ", other.0.id())
            } else {
                format!("holds free: :{port} is free")
            };
            assert!(line.starts_with(&want), "{name}: {line}");
            assert_eq!(line.contains("SO_REUSEPORT"), name == "shared", "{name}: {line}");
        }
    }
    // two on one port: both are told
    let port = free_port();
    let _one = Other::start(&[], port, "a = tcp(V4); a.bind(('127.0.0.1', port)); a.listen()");
    let _two = Other::start(&[], port, "a = tcp(V6, ONLY6); a.bind(('::1', port)); a.listen()");
    for visit in &mut visits {
        let line = visit.look("port", &json!({ "port": port })).await;
        assert!(
            line.starts_with("not-yet foreign") && line.matches("is held by").count() == 1 && line.contains(", and by "),
            "{line}"
        );
    }
}

#[tokio::test]
async fn closed_connections_and_other_networks_are_no_conflict() {
    let no_ss = "mkdir \"$DIR/tools\"; ln -s /usr/bin/* \"$DIR/tools\"; rm \"$DIR/tools/ss\"";
    for odd in [Odd::default(), Odd::default().before(no_ss).env("PATH", "$DIR/tools")] {
        let place = odd.start();
        let mut visit = Visit::to(&place, "root").await;
        // the side that closes first keeps the connection for a minute
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let client = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let (server, _) = listener.accept().expect("accepted");
        drop((server, listener));
        drop(client);
        let line = visit.look("port", &json!({ "port": port })).await;
        assert!(line.starts_with("holds free"), "{line}");
        let port = free_port();
        let _other = Other::start(&["unshare", "-n"], port, "a = tcp(V4); a.bind(('0.0.0.0', port)); a.listen()");
        let line = visit.look("port", &json!({ "port": port })).await;
        assert!(line.starts_with("holds free"), "{line}");
        visit.session.close().await;
    }
}
