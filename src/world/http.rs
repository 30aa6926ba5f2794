//! HTTP requests: from a host's own loopback through its SSH connection, or from here. No redirects are followed, a
//! body is at most 1 MiB, and the whole exchange has one deadline.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use russh::ChannelOpenFailure;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::model::op::{HttpAnswer, HttpCall, HttpFrom, HttpMethod, HttpReply};
use crate::model::visible::{literal, text_of};
use crate::world::ssh::link::{CONNECTION_LOST, Link, OpenFault, Target};

const MAX_BODY: usize = 1024 * 1024;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

fn fault(class: &str, message: impl Into<String>, sent: bool) -> HttpReply {
    HttpReply::Fault { class: class.to_owned(), message: message.into(), sent }
}

/// Performs a request.
pub(crate) async fn call(link: &Arc<Link>, call: &HttpCall, cancel: &CancellationToken) -> HttpReply {
    let place = match place(call) {
        Ok(place) => place,
        Err(why) => return fault("forbidden", why, false),
    };
    let began = Instant::now();
    // once the request may have left, every fault must say so
    let mut sent = false;
    let exchange = async {
        match call.from {
            HttpFrom::Host => {
                let target = Target::Tcp { address: place.host.clone(), port: place.port };
                let channel = link.open(target).await.map_err(|fault| unopened(&fault, &place))?;
                ask(channel.into_stream(), call.method, &place, &mut sent).await
            }
            HttpFrom::Here => {
                let tcp = TcpStream::connect((place.host.as_str(), place.port)).await;
                let tcp = tcp.map_err(|error| fault(class_of(&error), error.to_string().to_lowercase(), false))?;
                ask(tcp, call.method, &place, &mut sent).await
            }
        }
    };
    let ended = tokio::select! {
        ended = timeout(call.timeout, exchange) => Some(ended),
        () = cancel.cancelled() => None,
    };
    match ended {
        Some(Ok(Ok(answer))) => HttpReply::Answer(HttpAnswer { took: began.elapsed(), ..answer }),
        Some(Ok(Err(_))) if call.from == HttpFrom::Host && link.lost().is_some() => {
            fault(CONNECTION_LOST, "the ssh connection was lost", sent)
        }
        Some(Ok(Err(fault))) => fault,
        Some(Err(_)) => fault("timeout", format!("no complete answer in {:?}", call.timeout), sent),
        None => fault("cancelled", "cancelled", sent),
    }
}

/// Reads a URL; from a host only its own loopback may be asked.
fn place(call: &HttpCall) -> Result<Place, String> {
    let shown = literal(&call.url);
    let uri: Uri = call.url.parse().map_err(|_| format!("`{shown}` is not a URL"))?;
    if uri.scheme_str() != Some("http") {
        return Err(format!("`{shown}` does not begin with http://"));
    }
    let authority = uri.authority().filter(|a| !a.as_str().contains('@'));
    let authority = authority.ok_or_else(|| format!("`{shown}` has no plain address"))?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if call.from == HttpFrom::Host && !loopback {
        return Err(format!("`{shown}` is not the host's own loopback"));
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok(Place { host, port: authority.port_u16().unwrap_or(80), authority: authority.to_string(), path })
}

fn unopened(opening: &OpenFault, place: &Place) -> HttpReply {
    let at = &place.authority;
    match opening {
        OpenFault::Refused(ChannelOpenFailure::AdministrativelyProhibited | ChannelOpenFailure::UnknownChannelType) => {
            fault("forbidden", format!("the ssh server forwards no connections to {at}"), false)
        }
        OpenFault::Refused(ChannelOpenFailure::ConnectFailed) => {
            fault("refused", format!("the host cannot connect to {at}"), false)
        }
        OpenFault::Refused(_) => fault("forbidden", opening.to_string(), false),
        OpenFault::TimedOut => fault("timeout", opening.to_string(), false),
        OpenFault::Lost => fault(CONNECTION_LOST, opening.to_string(), false),
    }
}

fn class_of(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused",
        io::ErrorKind::TimedOut => "timeout",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => "reset",
        _ => "no-route",
    }
}

/// One request on a fresh stream; the stream is closed with it.
async fn ask<S>(stream: S, method: HttpMethod, place: &Place, sent: &mut bool) -> Result<HttpAnswer, HttpReply>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| fault("reset", told(&error), false))?;
    let method = match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Post => Method::POST,
    };
    let request = Request::builder()
        .method(method)
        .uri(&place.path)
        .header(HOST, &place.authority)
        .header(USER_AGENT, concat!("runbook/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| fault("forbidden", error.to_string(), false))?;
    *sent = true;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
        read(response).await
    };
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        // the connection may end before the body is read from it
        _ = connection => exchange.await,
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<HttpAnswer, HttpReply> {
    let (head, body) = response.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes().to_vec(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(fault("too-large", "the body is larger than 1 MiB", true));
        }
        Err(error) => {
            return Err(match error.downcast_ref::<hyper::Error>() {
                Some(error) => broken(error),
                None => fault("reset", error.to_string(), true),
            });
        }
    };
    let text = |value: &hyper::header::HeaderValue| text_of(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    Ok(HttpAnswer { status: head.status.as_u16(), headers, body, took: std::time::Duration::ZERO })
}

fn broken(error: &hyper::Error) -> HttpReply {
    let class = if error.is_parse() { "not-http" } else { "reset" };
    fault(class, told(error), true)
}

fn told(error: &hyper::Error) -> String {
    error.to_string().to_lowercase()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Place, place};
    use crate::model::op::{HttpCall, HttpFrom, HttpMethod};

    fn at(from: HttpFrom, url: &str) -> Result<Place, String> {
        place(&HttpCall { from, method: HttpMethod::Get, url: url.to_owned(), timeout: Duration::from_secs(1) })
    }

    #[test]
    fn from_a_host_only_its_loopback_is_asked() {
        let own = at(HttpFrom::Host, "http://127.0.0.1:3000/health?x=1").expect("allowed");
        let want = Place {
            host: "127.0.0.1".to_owned(),
            port: 3000,
            authority: "127.0.0.1:3000".to_owned(),
            path: "/health?x=1".to_owned(),
        };
        assert_eq!(own, want);
        assert_eq!(at(HttpFrom::Host, "http://[::1]:3000").map(|p| (p.host, p.path)), Ok(("::1".to_owned(), "/".to_owned())));
        assert_eq!(at(HttpFrom::Host, "http://localhost/").map(|p| p.port), Ok(80));
        for url in ["http://10.0.0.1/", "http://169.254.169.254/", "http://example.org/", "http://127.0.0.1.example.org/"] {
            assert!(at(HttpFrom::Host, url).is_err(), "{url}");
            assert!(at(HttpFrom::Here, url).is_ok(), "{url}");
        }
    }

    #[test]
    fn only_plain_http_is_spoken() {
        for url in
            ["https://127.0.0.1/", "127.0.0.1", "/x", "", "http://u:p@127.0.0.1/", "http://127.0.0.1/a b", "ftp://127.0.0.1/"]
        {
            assert!(at(HttpFrom::Here, url).is_err(), "{url}");
        }
    }
}
