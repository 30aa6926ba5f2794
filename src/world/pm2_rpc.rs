//! Read-only calls to PM2's `rpc.sock`, forwarded by the host's sshd. Framing is axon over AMP: a byte with version
//! and count, then length-prefixed arguments. The answer is projected before it leaves this module: environments of
//! processes, and the secrets in them, are dropped here.

use std::sync::Arc;

use russh::ChannelOpenFailure;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::model::op::{Pm2Call, Pm2Method, Pm2Reply};
use crate::model::visible::{literal, shown};
use crate::read::pm2_project::project;
use crate::world::ssh::link::{CONNECTION_LOST, Link, OpenFault, Target};
use crate::world::ssh::script::at_home;

const MAX_REPLY: usize = 4 * 1024 * 1024;
const VERSION: u8 = 1;
const ID: &str = "s:rb:0";

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum RpcFault {
    #[error("the daemon closed the connection without an answer")]
    Silent,
    #[error("not an answer of pm2: {0}")]
    Garbage(String),
}

fn fault(class: &str, message: impl Into<String>) -> Pm2Reply {
    Pm2Reply::Fault { class: class.to_owned(), message: message.into() }
}

/// Performs a call. `home` is what `~/` in PM2_HOME means.
pub(crate) async fn call(link: &Arc<Link>, home: &str, call: &Pm2Call, cancel: &CancellationToken) -> Pm2Reply {
    let path = [at_home(&call.home, home).trim_end_matches('/'), "/rpc.sock"].concat();
    if !path.starts_with('/') || path.contains('\0') {
        return fault("no-connect", format!("`{}` is no absolute path", literal(&path)));
    }
    let exchange = async {
        let stream = match link.open(Target::Socket { path: path.clone() }).await {
            Ok(channel) => channel.into_stream(),
            Err(opening) => return unopened(&opening, &path),
        };
        match timeout(call.timeout, ask(stream, call.method)).await {
            Ok(Ok(value)) => Pm2Reply::Answer { value },
            Ok(Err(_)) if link.lost().is_some() => fault(CONNECTION_LOST, "the ssh connection was lost"),
            Ok(Err(RpcFault::Silent)) => fault("no-reply", RpcFault::Silent.to_string()),
            Ok(Err(garbage)) => fault("not-pm2", garbage.to_string()),
            Err(_) => fault("no-reply", format!("the daemon did not answer in {:?}", call.timeout)),
        }
    };
    tokio::select! {
        reply = exchange => reply,
        () = cancel.cancelled() => fault("cancelled", "cancelled"),
    }
}

fn unopened(opening: &OpenFault, path: &str) -> Pm2Reply {
    match opening {
        OpenFault::Refused(ChannelOpenFailure::AdministrativelyProhibited | ChannelOpenFailure::UnknownChannelType) => {
            fault("forbidden", "the ssh server forwards no sockets")
        }
        // OpenSSH gives the same answer where it forwards no sockets at all
        OpenFault::Refused(_) => {
            let path = literal(path);
            fault("no-connect", format!("nothing answers at `{path}`, or the ssh server forwards no sockets"))
        }
        OpenFault::TimedOut => fault("no-reply", opening.to_string()),
        OpenFault::Lost => fault(CONNECTION_LOST, opening.to_string()),
    }
}

/// One call and its projected answer.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, method: Pm2Method) -> Result<Value, RpcFault> {
    // every method takes one argument before its callback; a call without it throws in the daemon and ends it
    let request = json!({ "type": "call", "method": method.as_str(), "args": [{}] });
    let frame = encode(&[&format!("j:{request}"), ID]);
    stream.write_all(&frame).await.map_err(|_| RpcFault::Silent)?;
    stream.flush().await.map_err(|_| RpcFault::Silent)?;
    answer(&read_message(&mut stream).await?, method)
}

fn encode(arguments: &[&str]) -> Vec<u8> {
    let count = u8::try_from(arguments.len()).map_or(0, |count| count & 0x0f);
    let mut frame = vec![VERSION << 4 | count];
    for argument in arguments {
        // our own arguments are a few dozen bytes
        frame.extend_from_slice(&u32::try_from(argument.len()).unwrap_or(u32::MAX).to_be_bytes());
        frame.extend_from_slice(argument.as_bytes());
    }
    frame
}

async fn read_message<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<Vec<u8>>, RpcFault> {
    let head = stream.read_u8().await.map_err(|_| RpcFault::Silent)?;
    if head >> 4 != VERSION {
        return Err(RpcFault::Garbage(format!("it begins with byte 0x{head:02x}")));
    }
    let cut = |_| RpcFault::Garbage("it ends in the middle".to_owned());
    let (mut arguments, mut left) = (Vec::new(), MAX_REPLY);
    for _ in 0..head & 0x0f {
        let length = usize::try_from(stream.read_u32().await.map_err(cut)?).unwrap_or(usize::MAX);
        left = left.checked_sub(length).ok_or_else(|| RpcFault::Garbage("it is larger than 4 MiB".to_owned()))?;
        let mut argument = Vec::new();
        // grows with what comes, not with what a length field promises
        let got = (&mut *stream).take(length as u64).read_to_end(&mut argument).await.map_err(cut)?;
        if got < length {
            return Err(RpcFault::Garbage("it ends in the middle".to_owned()));
        }
        arguments.push(argument);
    }
    Ok(arguments)
}

fn answer(message: &[Vec<u8>], method: Pm2Method) -> Result<Value, RpcFault> {
    let garbage = |what: &str| RpcFault::Garbage(what.to_owned());
    let [body, id] = message else { return Err(garbage("it has not two parts")) };
    if id != ID.as_bytes() {
        return Err(garbage("it answers another call"));
    }
    let body = body.strip_prefix(b"j:").ok_or_else(|| garbage("it holds no JSON"))?;
    let mut body: Value = serde_json::from_slice(body).map_err(|_| garbage("its JSON cannot be read"))?;
    if let Some(error) = body.get("error") {
        return Err(RpcFault::Garbage(format!("it says `{}`", shown(error.to_string().as_bytes(), 100))));
    }
    let value = body.pointer_mut("/args/0").map(Value::take).ok_or_else(|| garbage("it holds no value"))?;
    match (method, value) {
        (Pm2Method::Version, Value::String(version)) if version.len() <= 64 => Ok(Value::String(version)),
        (Pm2Method::Processes, list @ Value::Array(_)) => Ok(project(&list)),
        _ => Err(garbage("its value is of another kind")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ID, RpcFault, answer, ask, encode, read_message};
    use crate::model::op::Pm2Method;

    #[test]
    fn a_request_is_framed_as_pm2_expects_it() {
        let body = r#"j:{"type":"call","method":"getMonitorData","args":[{}]}"#;
        let want = b"\x12\x00\x00\x007j:{\"type\":\"call\",\"method\":\"getMonitorData\",\"args\":[{}]}\x00\x00\x00\x06s:rb:0";
        assert_eq!(encode(&[body, ID]), want);
    }

    #[tokio::test]
    async fn a_call_is_answered() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let daemon = async {
            let request = read_message(&mut theirs).await.expect("a request");
            let body: serde_json::Value = serde_json::from_slice(&request[0][2..]).expect("json");
            assert_eq!(body, json!({ "type": "call", "method": "getVersion", "args": [{}] }));
            let reply = encode(&[r#"j:{"args":["7.0.4"]}"#, ID]);
            tokio::io::AsyncWriteExt::write_all(&mut theirs, &reply).await.expect("written");
        };
        let (value, ()) = tokio::join!(ask(ours, Pm2Method::Version), daemon);
        assert_eq!(value, Ok(json!("7.0.4")));
    }

    #[tokio::test]
    async fn what_is_no_message_is_said_to_be_none() {
        let garbage = |what: &str| Err(RpcFault::Garbage(what.to_owned()));
        assert_eq!(read_message(&mut &b""[..]).await, Err(RpcFault::Silent));
        assert_eq!(read_message(&mut &b"HTTP"[..]).await, garbage("it begins with byte 0x48"));
        assert_eq!(read_message(&mut &b"\x12\0\0\0\x09abc"[..]).await, garbage("it ends in the middle"));
        assert_eq!(read_message(&mut &b"\x12\xff\0\0\0"[..]).await, garbage("it is larger than 4 MiB"));
        assert_eq!(read_message(&mut &b"\x11\0\0\0\x01a"[..]).await, Ok(vec![b"a".to_vec()]));
    }

    #[test]
    fn answers_are_checked() {
        let check = |body: &str, method| answer(&[body.as_bytes().to_vec(), ID.as_bytes().to_vec()], method);
        let garbage = |what: &str| Err(RpcFault::Garbage(what.to_owned()));
        assert_eq!(check(r#"j:{"args":[[{"pid":1,"secret":2}]]}"#, Pm2Method::Processes), Ok(json!([{ "pid": 1 }])));
        assert_eq!(check(r#"j:{"args":["x"]}"#, Pm2Method::Processes), garbage("its value is of another kind"));
        assert_eq!(check(r#"j:{"args":[]}"#, Pm2Method::Version), garbage("it holds no value"));
        assert_eq!(check(r#"j:{"error":"no"}"#, Pm2Method::Version), garbage("it says `\"no\"`"));
        assert_eq!(check("j:{", Pm2Method::Version), garbage("its JSON cannot be read"));
        assert_eq!(check("s:x", Pm2Method::Version), garbage("it holds no JSON"));
        assert_eq!(answer(&[Vec::new()], Pm2Method::Version), garbage("it has not two parts"));
        let other = [b"j:{}".to_vec(), b"s:other".to_vec()];
        assert_eq!(answer(&other, Pm2Method::Version), garbage("it answers another call"));
    }
}
