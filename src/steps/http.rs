//! `http`: a service is asked and must answer as described, from the host's own loopback or from here.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::model::fields::Fields;
use crate::model::op::{HttpAnswer, HttpCall, HttpFrom, HttpMethod, HttpReply, Op};
use crate::model::outcome::Risk;
use crate::model::step::{Evidence, Note, Step, Target, Unreadable, Verdict};
use crate::model::visible::literal;
use crate::read::answer;
use crate::read::url::HttpUrl;
use crate::steps::{ANYWHERE, Class, Key, Kind, Parsed, Touches};

/// The kind.
pub static KIND: Kind = Kind {
    name: "http",
    class: Class::Check,
    risk: Risk::ReadOnly,
    scopes: ANYWHERE,
    acts_as: false,
    runs: true,
    touches: Touches::Nothing,
    title: "a service answers as described",
    about: "\
Looks at: the answer to a GET of `url`, through the SSH connection to the host's own loopback or from here, `times` times, each \
on a connection of its own. Redirects are not followed; at most 1 MiB of body is read.
Follows: the answer is compared with `status`, then `header`, then `json`, then `max_latency`; every one of `times` answers must \
be good. No connection and no answer are a no; an answer that is not HTTP, is too large, or whose body is wanted as JSON and is \
none is unreadable, never fine.
Would change: nothing.
Undone: nothing to undo.",
    verdicts: &[
        ("answers", "every answer is as described"),
        ("wrong-status", "an answer came with another status"),
        ("wrong-header", "a header is missing or has another value"),
        ("wrong-body", "a field of the JSON body is missing or has another value"),
        ("slow", "the answer is right and took longer than `max_latency`"),
        ("refused", "nothing listens there"),
        ("no-answer", "the connection or the answer did not come in time, or broke off"),
    ],
    keys: &[
        Key { name: "url", required: true, about: "http://ADDRESS[:PORT]/PATH; from the host the address is 127.0.0.1 or [::1]" },
        Key { name: "from", required: false, about: "\"host\" (default): from its own loopback; \"here\": from this machine" },
        Key { name: "status", required: false, about: "the status wanted; default 200" },
        Key {
            name: "json",
            required: false,
            about: "table of values wanted in the JSON body, by key or by pointer: { enabled = true, \"/build/id\" = \"a1\" }",
        },
        Key { name: "header", required: false, about: "table of header values wanted: { location = \"/auth/login\" }" },
        Key { name: "max_latency", required: false, about: "an answer that takes longer is a no, such as 500ms; at most 10s" },
        Key { name: "times", required: false, about: "how many good answers in a row, 1 to 20; default 1" },
    ],
    parse,
};

const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Http {
    url: String,
    from: HttpFrom,
    status: u16,
    json: Vec<(String, Value)>,
    headers: Vec<(String, String)>,
    max_latency: Option<Duration>,
    times: usize,
}

fn parse(mut fields: Fields<'_>) -> Parsed {
    let url = fields.need_string("url");
    let from = match fields.word("from", &["host", "here"]) {
        Some("here") => HttpFrom::Here,
        _ => HttpFrom::Host,
    };
    if let Some(url) = &url {
        check_url(&mut fields, "url", url, from);
    }
    let status = fields.number("status", 100, 599).and_then(|n| u16::try_from(n).ok()).unwrap_or(200);
    let json = read_json(&mut fields);
    let headers = read_headers(&mut fields);
    let max_latency = fields.duration("max_latency");
    if max_latency.is_some_and(|most| most.is_zero() || most > TIMEOUT) {
        fields.error("max_latency", "`max_latency` must be more than 0 and at most 10s", None);
    }
    let times = fields.number("times", 1, 20).and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
    let step = url.map(|url| Arc::new(Http { url, from, status, json, headers, max_latency, times }) as Arc<dyn Step>);
    fields.finish(step)
}

/// Notes what is wrong with the URL at `key`. From a host only its own loopback may be asked, by address: `localhost`
/// may be ::1 for one program and 127.0.0.1 for the next.
pub(in crate::steps) fn check_url(fields: &mut Fields<'_>, key: &str, url: &str, from: HttpFrom) {
    match HttpUrl::parse(url) {
        Err(error) => fields.error(key, error.to_string(), Some("write it as http://127.0.0.1:3000/path".to_owned())),
        Ok(parsed) if from == HttpFrom::Host && !parsed.is_loopback() => {
            let message = format!("from the host only its own loopback can be asked, not `{}`", parsed.host);
            let hint = match parsed.host {
                "localhost" => "name 127.0.0.1 or [::1]: localhost may be either",
                _ => "name 127.0.0.1 or [::1], or ask from this machine with from = \"here\"",
            };
            fields.error(key, message, Some(hint.to_owned()));
        }
        Ok(_) => {}
    }
}

fn read_json(fields: &mut Fields<'_>) -> Vec<(String, Value)> {
    let Some(entries) = fields.entries("json") else { return Vec::new() };
    if entries.is_empty() {
        fields.error("json", "`json` names no field", Some("json = { enabled = true }".to_owned()));
    }
    entries.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn read_headers(fields: &mut Fields<'_>) -> Vec<(String, String)> {
    let Some(entries) = fields.entries("header") else { return Vec::new() };
    let mut headers = Vec::new();
    for (name, value) in entries {
        let shown = literal(name);
        match value {
            Value::String(text) if is_header_name(name) => headers.push((name.to_ascii_lowercase(), text.trim().to_owned())),
            Value::String(_) => fields.error("header", format!("`{shown}` is no name of a header"), None),
            _ => fields.error("header", format!("the value of `{shown}` must be a text"), None),
        }
    }
    headers
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

impl Step for Http {
    fn probes(&self, _target: &Target) -> Vec<Op> {
        let call = HttpCall { from: self.from, method: HttpMethod::Get, url: self.url.clone(), timeout: TIMEOUT };
        vec![Op::Http(call); self.times]
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let replies = &seen.last()?.replies;
        if replies.len() != self.times {
            return Err(Unreadable::new(format!("{} of {} replies came", replies.len(), self.times)));
        }
        let mut slowest = Duration::ZERO;
        for (index, reply) in replies.iter().enumerate() {
            match answer::http(reply)? {
                HttpReply::Answer(answer) => match self.fault(answer)? {
                    Some(note) => return Ok(Verdict::NotYet(self.counted(note, index).value("status", answer.status))),
                    None => slowest = slowest.max(answer.took),
                },
                HttpReply::Fault { class, message, .. } => {
                    return Ok(Verdict::NotYet(self.counted(silence(class, message)?, index)));
                }
            }
        }
        let took = slowest.as_millis();
        let summary = match self.times {
            1 => format!("{} in {took} ms", self.status),
            times => format!("{}, {times} times in a row, in at most {took} ms", self.status),
        };
        let took_ms = u64::try_from(took).unwrap_or(u64::MAX);
        Ok(Verdict::Holds(Note::new("answers", summary).value("status", self.status).value("took_ms", took_ms)))
    }
}

impl Http {
    /// The first thing that is not as described.
    fn fault(&self, answer: &HttpAnswer) -> Result<Option<Note>, Unreadable> {
        if answer.status != self.status {
            let summary = format!("status {}, not {}", answer.status, self.status);
            return Ok(Some(Note::new("wrong-status", summary).evidence(answer::excerpt(&answer.body))));
        }
        for (name, wanted) in &self.headers {
            if let Some(summary) = header_fault(answer, name, wanted) {
                return Ok(Some(Note::new("wrong-header", summary)));
            }
        }
        if !self.json.is_empty() {
            let body = answer::json(answer)?;
            for (name, wanted) in &self.json {
                let summary = match answer::field(&body, name) {
                    Some(value) if answer::same(value, wanted) => continue,
                    Some(value) => format!("`{name}` is {}, not {wanted}", answer::line(&value.to_string(), 80)),
                    None => format!("there is no `{name}` in the body"),
                };
                return Ok(Some(Note::new("wrong-body", summary).evidence(answer::excerpt(&answer.body))));
            }
        }
        let late = self.max_latency.filter(|most| answer.took > *most);
        Ok(late.map(|most| {
            let summary = format!("{} after {} ms, more than {} ms", answer.status, answer.took.as_millis(), most.as_millis());
            Note::new("slow", summary)
        }))
    }

    fn counted(&self, mut note: Note, index: usize) -> Note {
        if self.times > 1 {
            note.summary = format!("answer {} of {}: {}", index + 1, self.times, note.summary);
        }
        note
    }
}

fn header_fault(answer: &HttpAnswer, name: &str, wanted: &str) -> Option<String> {
    let values: Vec<&str> = answer::header(answer, name).map(str::trim).collect();
    if values.contains(&wanted) {
        return None;
    }
    Some(match values.first() {
        Some(value) => format!("{name} is `{}`, not `{wanted}`", answer::line(value, 120)),
        None => format!("there is no header {name}"),
    })
}

/// What a missing answer means. What could not be asked or understood says nothing about the service.
fn silence(class: &str, message: &str) -> Result<Note, Unreadable> {
    let message = answer::line(message, 200);
    match class {
        "refused" => Ok(Note::new("refused", format!("nothing listens there: {message}"))),
        "timeout" | "reset" | "no-route" => Ok(Note::new("no-answer", format!("no answer ({class}): {message}"))),
        "forbidden" => {
            let hint = "the SSH server forwards no connections: AllowTcpForwarding local, or from = \"here\"";
            Err(Unreadable::new(format!("the host could not be asked: {message}")).hint(hint))
        }
        other => Err(Unreadable::new(format!("the answer cannot be read ({}): {message}", answer::line(other, 40)))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::KIND;
    use crate::model::fields::{Context, Fields};
    use crate::model::plan::Section;

    fn errors(value: &Value) -> Vec<String> {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        match (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Verify })) {
            Ok(_) => Vec::new(),
            Err(errors) => errors
                .iter()
                .map(|e| format!("{}: {} / {}", e.path.join("."), e.message, e.hint.as_deref().unwrap_or("-")))
                .collect(),
        }
    }

    #[test]
    fn from_a_host_only_its_loopback_is_asked_by_address() {
        assert_eq!(errors(&json!({"url": "http://127.0.0.1:3000/x"})), [""; 0]);
        assert_eq!(errors(&json!({"url": "http://web.example.com/x", "from": "here"})), [""; 0]);
        let want = "url: from the host only its own loopback can be asked, not `localhost` \
                    / name 127.0.0.1 or [::1]: localhost may be either";
        assert_eq!(errors(&json!({"url": "http://localhost:3000/x"})), [want]);
        let want = "url: from the host only its own loopback can be asked, not `169.254.169.254` \
                    / name 127.0.0.1 or [::1], or ask from this machine with from = \"here\"";
        assert_eq!(errors(&json!({"url": "http://169.254.169.254/"})), [want]);
    }

    #[test]
    fn every_wrong_key_is_named() {
        let value = json!({
            "url": "https://127.0.0.1/", "status": 99, "times": 21, "max_latency": "11s",
            "header": {"a b": "x", "age": 3}, "json": {}, "method": "POST",
        });
        let want = [
            "url: https is not built yet: only http:// URLs can be asked / write it as http://127.0.0.1:3000/path",
            "status: `status` must be from 100 to 599, not 99 / -",
            "json: `json` names no field / json = { enabled = true }",
            "header: `a b` is no name of a header / -",
            "header: the value of `age` must be a text / -",
            "max_latency: `max_latency` must be more than 0 and at most 10s / -",
            "times: `times` must be from 1 to 20, not 21 / -",
            "method: `method` is no key here / keys here: url, from, status, json, header, max_latency, times",
        ];
        assert_eq!(errors(&value), want);
    }
}
