//! HTTP and PM2's socket through a connection.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use runbook::engine::world::Session;
use runbook::model::op::{HttpAnswer, HttpCall, HttpFrom, HttpMethod, HttpReply, Op, Pm2Call, Pm2Method, Pm2Reply, Reply};
use serde_json::json;

use crate::harness::sshd::{Sshd, free_port};
use crate::ssh::{http, join, look, perform, shell};

/// Answers one request after the other with the given bytes; ends with the last one.
fn answers(replies: Vec<&'static [u8]>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for reply in replies {
            let (mut tcp, _) = listener.accept().expect("a connection");
            let mut seen = Vec::new();
            let mut chunk = [0; 1024];
            while !seen.windows(4).any(|w| w == b"\r\n\r\n") {
                match tcp.read(&mut chunk) {
                    Ok(count) if count > 0 => seen.extend_from_slice(&chunk[..count]),
                    _ => break,
                }
            }
            let _ = tcp.write_all(reply);
        }
    });
    port
}

#[tokio::test]
async fn http_is_asked_from_the_host() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let good = b"HTTP/1.1 503 Busy\r\nX-Why: Because\r\nContent-Length: 4\r\n\r\nbody";
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\nbody";
    let port = answers(vec![good, cut, b"not http at all\r\n\r\n", b""]);
    let url = format!("http://127.0.0.1:{port}/health");
    let closed = format!("http://127.0.0.1:{}/", free_port());
    let mut classes = Vec::new();
    for (index, url) in [&url, &url, &url, &url, &closed, "http://10.0.0.1/"].into_iter().enumerate() {
        match &perform(&mut session, &[http(url)]).await[0] {
            Reply::Http(HttpReply::Answer(answer)) if index == 0 => {
                let HttpAnswer { status, headers, body, .. } = answer;
                assert_eq!((*status, body.as_slice()), (503, &b"body"[..]));
                assert_eq!(headers[0], ("x-why".to_owned(), "Because".to_owned()));
            }
            Reply::Http(HttpReply::Fault { class, sent, .. }) => classes.push((class.clone(), *sent)),
            other => panic!("{other:?}"),
        }
    }
    let want = [("reset", true), ("not-http", true), ("reset", true), ("refused", false), ("forbidden", false)];
    assert_eq!(classes, want.map(|(class, sent)| (class.to_owned(), sent)));
    session.close().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_a_silent_server_is_late() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let head = b"HTTP/1.1 200 OK\r\n\r\n";
    let large: &'static [u8] = Box::leak([&head[..], &vec![b'x'; 2 * 1024 * 1024]].concat().into_boxed_slice());
    let port = answers(vec![large]);
    let reply = perform(&mut session, &[http(&format!("http://127.0.0.1:{port}/"))]).await;
    assert!(matches!(&reply[0], Reply::Http(HttpReply::Fault { class, sent: true, .. }) if class == "too-large"));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://127.0.0.1:{}/", silent.local_addr().expect("an address").port());
    let call = HttpCall { from: HttpFrom::Host, method: HttpMethod::Get, url, timeout: Duration::from_millis(400) };
    // the shell is not held up by it
    let replies = perform(&mut session, &[Op::Http(call), look("echo on")]).await;
    assert!(matches!(&replies[0], Reply::Http(HttpReply::Fault { class, sent: true, .. }) if class == "timeout"));
    assert_eq!(shell(&replies[1]).stdout.text(), Some("on\n"));
    session.close().await;
}

/// A daemon that answers one call with `reply`, where it has one.
fn daemon(path: &Path, reply: Option<Vec<u8>>) {
    let listener = UnixListener::bind(path).expect("a socket");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 1024];
        let count = stream.read(&mut request).expect("a request");
        assert_eq!(request[0], 0x12);
        assert!(request[..count].ends_with(b"s:rb:0"));
        match reply {
            Some(reply) => stream.write_all(&reply).expect("written"),
            None => drop(stream.read(&mut request)),
        }
    });
}

fn message(body: &str) -> Vec<u8> {
    let mut frame = vec![0x12];
    for part in [body, "s:rb:0"] {
        frame.extend_from_slice(&u32::try_from(part.len()).expect("short").to_be_bytes());
        frame.extend_from_slice(part.as_bytes());
    }
    frame
}

#[tokio::test]
async fn pm2_is_read_through_its_socket() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let list = r#"j:{"args":[[{"pid":7,"name":"api","pm2_env":{"status":"online","env":{"PORT":"3000","SECRET":"x"}}}]]}"#;
    let want = json!([{ "pid": 7, "name": "api", "pm2_env": { "status": "online", "PORT": "3000" } }]);
    let class = |class: &str| Err(class.to_owned());
    for (name, reply, want) in [
        ("good", Some(Some(message(list))), Ok(want)),
        ("mute", Some(None), class("no-reply")),
        ("other", Some(Some(b"HTTP/1.1 400\r\n".to_vec())), class("not-pm2")),
        ("none", None, class("no-connect")),
    ] {
        let home = sshd.path(name);
        fs::create_dir(&home).expect("a directory");
        if let Some(reply) = reply {
            daemon(&home.join("rpc.sock"), reply);
        }
        let home = home.display().to_string();
        let call = Pm2Call { home, method: Pm2Method::Processes, timeout: Duration::from_secs(2) };
        let got = match &perform(&mut session, &[Op::Pm2(call)]).await[0] {
            Reply::Pm2(Pm2Reply::Answer { value }) => Ok(value.clone()),
            Reply::Pm2(Pm2Reply::Fault { class, .. }) => Err(class.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(got, want, "{name}");
    }
    session.close().await;
}

#[tokio::test]
async fn a_server_that_forwards_nothing_says_so_for_ports_only() {
    let sshd = Sshd::with("AllowTcpForwarding no\nAllowStreamLocalForwarding no");
    let (mut session, _) = join(&sshd).await;
    let home = sshd.dir.path().display().to_string();
    let rpc = Pm2Call { home, method: Pm2Method::Version, timeout: Duration::from_secs(2) };
    let replies = perform(&mut session, &[http("http://127.0.0.1:9/"), Op::Pm2(rpc)]).await;
    assert!(
        matches!(&replies[0], Reply::Http(HttpReply::Fault { class, sent: false, .. }) if class == "forbidden"),
        "{replies:?}"
    );
    assert!(matches!(&replies[1], Reply::Pm2(Pm2Reply::Fault { class, .. }) if class == "no-connect"), "{replies:?}");
    session.close().await;
}

#[tokio::test]
async fn http_is_asked_from_here() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let port = answers(vec![b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"]);
    let mut seen = Vec::new();
    for port in [port, free_port()] {
        let url = format!("http://127.0.0.1:{port}/x");
        let timeout = Duration::from_secs(5);
        let call = HttpCall { from: HttpFrom::Here, method: HttpMethod::Post, url, timeout };
        seen.push(match &perform(&mut session, &[Op::Http(call)]).await[0] {
            Reply::Http(HttpReply::Answer(answer)) => answer.status.to_string(),
            Reply::Http(HttpReply::Fault { class, sent, .. }) => format!("{class} {sent}"),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(seen, ["302", "refused false"]);
    session.close().await;
}
