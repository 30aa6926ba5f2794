//! Replies as they stand in the record: whole where short, cut where long, always with the true size.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::model::op::{Captured, HttpReply, Pm2Reply, Reply};

/// How much of one stream or body is kept in an event.
const KEPT: usize = 16 * 1024;

/// A reply as a value for `step.seen`.
pub(super) fn told(reply: &Reply) -> Value {
    match reply {
        Reply::Shell(shell) => json!({
            "exit": shell.exit,
            "stdout": stream(&shell.stdout),
            "stderr": stream(&shell.stderr),
        }),
        Reply::Http(HttpReply::Answer(answer)) => json!({
            "status": answer.status,
            "headers": answer.headers,
            "body": text(&answer.body),
            "bytes": answer.body.len(),
        }),
        Reply::Http(HttpReply::Fault { class, message, .. }) | Reply::Pm2(Pm2Reply::Fault { class, message }) => {
            json!({ "fault": class, "message": message })
        }
        Reply::Pm2(Pm2Reply::Answer { value }) => value.clone(),
        Reply::Answer(answer) => json!({ "yes": answer.yes, "by": answer.by, "via": answer.via }),
    }
}

/// What a stream printed, as text; and whether bytes were left out or were no UTF-8.
pub(super) fn printed(captured: &Captured) -> (String, bool) {
    let left = captured.total.saturating_sub((captured.head.len() + captured.tail.len()) as u64);
    let (head, tail) = (String::from_utf8_lossy(&captured.head), String::from_utf8_lossy(&captured.tail));
    let lossy = left > 0 || matches!((&head, &tail), (Cow::Owned(_), _) | (_, Cow::Owned(_)));
    let text = if left > 0 { format!("{head}\n… {left} bytes left out …\n{tail}") } else { format!("{head}{tail}") };
    (text, lossy)
}

fn stream(captured: &Captured) -> Value {
    if captured.total <= KEPT as u64 {
        return Value::String(String::from_utf8_lossy(&captured.head).into_owned());
    }
    json!({ "head": text(&captured.head), "bytes": captured.total })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT)]).into_owned()
}
