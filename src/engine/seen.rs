//! Replies as they stand in the record: the beginning and the end of every stream, to the byte, with the true size and a
//! hash where something is left out. What is told to the screens while a run goes on is shorter.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::model::event::EventKind;
use crate::model::op::{Captured, HttpReply, Pm2Reply, Reply};
use crate::model::visible::text_of;

/// How much of one stream or body screens and programs are told, in bytes.
const TOLD: usize = 16 * 1024;
/// The same in the record, for a body; streams come with their two ends already cut.
const BODY: usize = 16 * 1024;
/// As many bytes in base64, in whole groups of four.
const TOLD_BASE64: usize = TOLD / 3 * 4;

/// What a process that a command left behind is told as.
pub(super) const HELD: &str = "its output is still held: a process that left its group may still be running";

/// A reply as a value for `step.seen`.
pub(super) fn told(reply: &Reply) -> Value {
    match reply {
        Reply::Shell(shell) => {
            let mut fields = Map::new();
            fields.insert("exit".to_owned(), json!(shell.exit));
            fields.insert("stdout".to_owned(), stream(&shell.stdout));
            fields.insert("stderr".to_owned(), stream(&shell.stderr));
            let held = [("stdout", &shell.stdout), ("stderr", &shell.stderr)];
            let held: Vec<&str> = held.iter().filter(|(_, captured)| captured.held).map(|(name, _)| *name).collect();
            if !held.is_empty() {
                fields.insert("held".to_owned(), json!(held));
            }
            Value::Object(fields)
        }
        Reply::Http(HttpReply::Answer(answer)) => json!({
            "status": answer.status,
            "headers": answer.headers,
            "body": text_of(&answer.body[..answer.body.len().min(BODY)]),
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
    let left = captured.left_out();
    let (head, tail) = (text_of(&captured.head), text_of(&captured.tail));
    let lossy = left > 0 || matches!((&head, &tail), (Cow::Owned(_), _) | (_, Cow::Owned(_)));
    let text = if left > 0 { format!("{head}\n… {left} bytes left out …\n{tail}") } else { format!("{head}{tail}") };
    (text, lossy)
}

/// A text where all of it is there and is one. Else its ends, as text or, where they are none, in base64.
fn stream(captured: &Captured) -> Value {
    if let Some(text) = captured.text() {
        return Value::String(text.to_owned());
    }
    let mut fields = Map::new();
    let (head, tail) = if captured.is_cut() {
        (whole_start(&captured.head), whole_end(&captured.tail))
    } else {
        (captured.head.as_slice(), captured.tail.as_slice())
    };
    for (name, bytes) in [("head", head), ("tail", tail)] {
        if bytes.is_empty() && name == "tail" {
            continue;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => fields.insert(name.to_owned(), Value::String(text.to_owned())),
            Err(_) => fields.insert(format!("{name}_base64"), Value::String(STANDARD.encode(bytes))),
        };
    }
    fields.insert("bytes".to_owned(), captured.total.into());
    if let Some(sha256) = &captured.sha256 {
        fields.insert("sha256".to_owned(), Value::String(sha256.clone()));
    }
    Value::Object(fields)
}

/// Without the beginning of a character whose rest was cut off.
fn whole_start(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

/// Without the rest of a character whose beginning was cut off.
fn whole_end(bytes: &[u8]) -> &[u8] {
    let rest = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    if std::str::from_utf8(&bytes[rest..]).is_ok() { &bytes[rest..] } else { bytes }
}

/// How many bytes of output an event carries, about.
pub fn weight(kind: &EventKind) -> usize {
    match kind {
        EventKind::StepSeen { replies, .. } => replies.iter().map(size).sum(),
        EventKind::StepOutput { text, .. } => text.len(),
        _ => 0,
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(|value| 8 + size(value)).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + size(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// Cuts what was looked at to what screens hold: the record has more of it.
pub fn shorten(kind: &mut EventKind) {
    let EventKind::StepSeen { replies, .. } = kind else { return };
    for reply in replies {
        let Some(fields) = reply.as_object_mut() else { continue };
        for name in ["stdout", "stderr"] {
            if let Some(stream) = fields.get_mut(name) {
                shorten_stream(stream);
            }
        }
    }
}

fn shorten_stream(stream: &mut Value) {
    match stream {
        Value::String(text) if text.len() > TOLD => *stream = json!({ "head": start(text, TOLD), "bytes": text.len() }),
        Value::Object(fields) => {
            fields.remove("tail");
            fields.remove("tail_base64");
            for (name, most) in [("head", TOLD), ("head_base64", TOLD_BASE64)] {
                if let Some(Value::String(text)) = fields.get_mut(name) {
                    *text = start(text, most).to_owned();
                }
            }
        }
        _ => {}
    }
}

/// Cuts what a command printed to both its ends.
pub fn shorten_output(kind: &mut EventKind) {
    let EventKind::StepOutput { text, lossy, .. } = kind else { return };
    if text.len() > 2 * TOLD {
        let (head, tail) = (start(text, TOLD), end(text, TOLD));
        let left = text.len() - head.len() - tail.len();
        (*text, *lossy) = (format!("{head}\n… {left} bytes not shown …\n{tail}"), true);
    }
}

/// Leaves out what an event carries, for an output that is far behind; what happened stays.
pub(super) fn empty(kind: &mut EventKind) {
    const BEHIND: &str = "not shown: the output is behind; it is in the record";
    match kind {
        EventKind::StepSeen { replies, .. } => replies.iter_mut().for_each(|reply| *reply = Value::String(BEHIND.to_owned())),
        EventKind::StepOutput { text, lossy, .. } => (*text, *lossy) = (format!("… {} bytes {BEHIND} …\n", text.len()), true),
        _ => {}
    }
}

fn start(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

fn end(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{TOLD, TOLD_BASE64, empty, printed, shorten, shorten_output, stream, told, weight};
    use crate::model::event::EventKind;
    use crate::model::id::{HostName, StepId};
    use crate::model::op::{Captured, Exit, Reply, ShellReply};

    fn cut(head: &[u8], tail: &[u8]) -> Captured {
        let sha256 = Some("ab".repeat(32));
        Captured { head: head.to_vec(), tail: tail.to_vec(), total: 1 << 30, sha256, held: false }
    }

    fn seen(replies: Vec<Value>) -> EventKind {
        let (host, step) = (HostName::parse("a").expect("a name"), StepId::parse("x").expect("an id"));
        EventKind::StepSeen { host, step, look: 1, ops: Vec::new(), replies }
    }

    #[test]
    fn what_is_kept_is_kept_to_the_byte() {
        assert_eq!(stream(&Captured::whole("a\0ü\n")), json!("a\0ü\n"));
        let utf16 = b"\xff\xfea\0\n\0";
        assert_eq!(stream(&Captured::whole(&utf16[..])), json!({ "head_base64": "//5hAAoA", "bytes": 6 }));
        let long = stream(&cut("1234ü".as_bytes(), "€z".as_bytes()));
        assert_eq!(long, json!({ "head": "1234ü", "tail": "€z", "bytes": 1 << 30, "sha256": "ab".repeat(32) }));
        // a cut goes through characters: what is left of one is no text
        let through = stream(&cut(&"1234€".as_bytes()[..6], &"€z".as_bytes()[1..]));
        assert_eq!((&through["head"], &through["tail"]), (&json!("1234"), &json!("z")));
        let binary = stream(&cut(b"ok", b"\xff\xfe"));
        assert_eq!((&binary["head"], &binary["tail_base64"]), (&json!("ok"), &json!("//4=")));
    }

    #[test]
    fn what_is_still_held_is_named() {
        let out = Captured { held: true, ..Captured::whole("x") };
        let reply = ShellReply {
            exit: Exit::Code { code: 0 },
            stdout: out,
            stderr: Captured::default(),
            took: std::time::Duration::ZERO,
        };
        assert_eq!(told(&Reply::Shell(reply))["held"], json!(["stdout"]));
    }

    #[test]
    fn screens_are_told_less_than_the_record() {
        let text = "ü".repeat(200_000);
        let bytes = Captured::whole(vec![0xff; 500_000]);
        let ends = cut(text.as_bytes(), text.as_bytes());
        let streams = [json!(text), stream(&bytes), stream(&ends), json!("short"), json!({ "head": "old", "bytes": 99_999 })];
        let mut kind = seen(streams.iter().map(|stream| json!({ "stdout": stream, "stderr": "" })).collect());
        assert!(weight(&kind) > 1_500_000);
        shorten(&mut kind);
        assert!(weight(&kind) < 4 * TOLD_BASE64, "{}", weight(&kind));
        let EventKind::StepSeen { replies, .. } = &kind else { unreachable!() };
        assert_eq!(
            (replies[0]["stdout"]["head"].as_str().map(str::len), &replies[0]["stdout"]["bytes"]),
            (Some(TOLD), &json!(400_000))
        );
        assert_eq!((&replies[2]["stdout"]["sha256"], &replies[2]["stdout"]["tail"]), (&json!("ab".repeat(32)), &Value::Null));
        assert_eq!((&replies[3]["stdout"], &replies[4]["stdout"]["head"]), (&json!("short"), &json!("old")));
        let before = kind.clone();
        shorten(&mut kind);
        assert_eq!(kind, before, "once is enough");
        empty(&mut kind);
        assert!(weight(&kind) < 1000);
    }

    #[test]
    fn a_long_output_is_cut_in_the_middle_and_says_so() {
        let (host, step) = (HostName::parse("a").expect("a name"), StepId::parse("x").expect("an id"));
        let (text, lossy) = printed(&Captured::whole("y\n".repeat(100_000)));
        assert!(!lossy);
        let mut kind = EventKind::StepOutput { host, step, attempt: 1, stream: "stdout".to_owned(), text, lossy };
        shorten_output(&mut kind);
        let EventKind::StepOutput { text, lossy, .. } = &kind else { unreachable!() };
        assert!(*lossy && text.len() < 2 * TOLD + 100);
        assert!(text.contains(&format!("\n… {} bytes not shown …\n", 200_000 - 2 * TOLD)), "{}", text.len());
    }
}
