//! `kill-switch`: a flag of a service is read, set and read back over HTTP; what was read before is put back later.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::model::fields::Fields;
use crate::model::finding::Finding;
use crate::model::id::StepId;
use crate::model::op::{HttpCall, HttpFrom, HttpMethod, HttpReply, Op, Reply};
use crate::model::outcome::Risk;
use crate::model::plan::{Section, UnitSpec};
use crate::model::step::{Acted, Change, ClosePolicy, Evidence, Look, Note, Obligation, Step, Target, Unreadable, Verdict};
use crate::read::answer;
use crate::read::url::{HttpUrl, encode};
use crate::steps::http::check_url;
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// The kind.
pub static KIND: Kind = Kind {
    name: "kill-switch",
    class: Class::Action,
    risk: Risk::Toggles,
    scopes: ON_HOSTS,
    acts_as: false,
    runs: true,
    touches: Touches::Switch,
    title: "a flag of a service is set, and put back",
    about: "\
Looks at: `field` in the JSON answer to a GET of `url`, `reads` times, each on a connection of its own, through the SSH connection \
to the host's own loopback. The workers of a cluster each keep a flag of their own and share the port, so one read proves \
nothing: ask at least four times as often as there are workers.
Follows: all reads are `to`: already. All are one other value: it is set. They differ: refused, because there is no one value to \
put back. No answer, another status than 2xx, no such field, a value of another type than `to`: unreadable.
Would change: one POST to `set.url` with the value in place of `{{ value }}`; then every read must show it, whatever the answer \
to the POST was.
Undone: with close = \"always\" the value read before is put back on every way out of the run, never the opposite of `to`, and only \
where the reads show nothing but the value that was set and the value that was read before: what somebody else has set since stays.",
    verdicts: &[
        ("set", "every read shows the value wanted"),
        ("other", "every read shows one other value, which is or was to be changed"),
        ("split", "the reads differ: several processes answer, each with a flag of its own"),
        ("not-accepted", "the service did not take the new value, and the reads do not show it"),
        ("theirs", "closing: the value is neither the one that was set nor the one before; somebody else has changed it"),
    ],
    keys: &[
        Key { name: "url", required: true, about: "where the flag is read: http://127.0.0.1:PORT/PATH or [::1]" },
        Key { name: "field", required: true, about: "the flag in the JSON answer: a key at the top, or a pointer such as /flags/orders" },
        Key {
            name: "set",
            required: true,
            about: "{ method = \"POST\", url = \"http://127.0.0.1:PORT/PATH?enabled={{ value }}\" }; the value stands in the path or \
                    the query, percent-encoded: a URL that only toggles cannot be put back",
        },
        Key { name: "to", required: true, about: "the value wanted: true, false, a number or a text" },
        Key { name: "close", required: false, about: "\"always\" (default): put back on every way out; \"never\": needs `because`" },
        Key { name: "because", required: false, about: "why it is not put back" },
        Key { name: "reads", required: false, about: "how many reads must agree, 1 to 50; default 3" },
    ],
    parse,
};

const TIMEOUT: Duration = Duration::from_secs(10);
const PLACE: &str = "{{ value }}";

#[derive(Debug)]
struct KillSwitch {
    url: String,
    field: String,
    set_url: String,
    to: Value,
    close: ClosePolicy,
    reads: usize,
    /// When closing: the value that was set. Only where this is still there anything is put back.
    only_from: Option<Value>,
}

fn parse(mut fields: Fields<'_>) -> Parsed {
    let url = fields.need_string("url");
    if let Some(url) = &url {
        check_url(&mut fields, "url", url, HttpFrom::Host);
    }
    let field = fields.need_string("field");
    let set_url = read_set(&mut fields);
    let to = read_scalar(&mut fields, "to");
    let close = match fields.word("close", &["always", "never"]) {
        Some("never") => ClosePolicy::Never,
        _ => ClosePolicy::Always,
    };
    let because = fields.string("because");
    let reads = fields.number("reads", 1, 50).and_then(|n| usize::try_from(n).ok()).unwrap_or(3);
    let closing = fields.context.section == Section::Close;
    let only_from = if closing { read_scalar(&mut fields, "only_from") } else { None };
    if !closing && close == ClosePolicy::Never && because.is_none() {
        let hint = "because = \"…\": it goes into the timeline";
        fields.error("close", "a switch that is not put back needs a reason", Some(hint.to_owned()));
    }
    let required = url.zip(field).zip(set_url).zip(to);
    let step = required.map(|(((url, field), set_url), to)| {
        Arc::new(KillSwitch { url, field, set_url, to, close, reads, only_from }) as Arc<dyn Step>
    });
    fields.finish(step)
}

fn read_scalar(fields: &mut Fields<'_>, key: &'static str) -> Option<Value> {
    match fields.value(key) {
        Some(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => return Some(value.clone()),
        Some(_) => fields.error(key, format!("`{key}` must be true, false, a number or a text"), None),
        None => fields.error(key, format!("`{key}` is missing"), Some(format!("add {key} = false"))),
    }
    None
}

fn read_set(fields: &mut Fields<'_>) -> Option<String> {
    if fields.value("set").is_none() {
        let hint = "set = { method = \"POST\", url = \"http://127.0.0.1:3000/switch?enabled={{ value }}\" }";
        fields.error("set", "`set` is missing", Some(hint.to_owned()));
        return None;
    }
    fields.table("set", |set| {
        set.word("method", &["POST"]);
        let url = normal(&set.need_string("url")?);
        let Some((before, _)) = url.split_once(PLACE) else {
            let hint = "…?enabled={{ value }}: a URL that only toggles cannot be put back to what it was";
            set.error("url", "`url` does not say where the value goes", Some(hint.to_owned()));
            return None;
        };
        // what stands before the value must name the place on its own: no value chooses where a request goes
        let names_a_place = HttpUrl::parse(before).is_ok() && before.matches('/').count() >= 3;
        if names_a_place {
            check_url(set, "url", &url.replace(PLACE, "x"), HttpFrom::Host);
        } else {
            set.error("url", "the value can only stand in the path or the query of the URL", None);
        }
        Some(url)
    })
}

/// The placeholder as it is usually written, however it was.
fn normal(url: &str) -> String {
    let mut out = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        match after.split_once("}}") {
            Some((name, after)) if name.trim() == "value" => {
                out.push_str(PLACE);
                rest = after;
            }
            _ => {
                out.push_str("{{");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

impl Step for KillSwitch {
    /// Somebody may have moved it between the look and the record of the intent; closing must not undo that.
    fn recheck(&self) -> bool {
        true
    }

    fn probes(&self, _target: &Target) -> Vec<Op> {
        let call = HttpCall { from: HttpFrom::Host, method: HttpMethod::Get, url: self.url.clone(), timeout: TIMEOUT };
        vec![Op::Http(call); self.reads]
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let reads = self.read(seen.last()?)?;
        if reads.iter().all(|value| answer::same(value, &self.to)) {
            let summary = format!("{} is {} ({})", self.field, self.to, self.agree());
            return Ok(Verdict::Holds(Note::new("set", summary).value("value", self.to.clone())));
        }
        match (&self.only_from, seen.acted) {
            (None, None) => Ok(self.open(&reads)),
            (None, Some(acted)) => Ok(self.opened(&reads, acted)),
            (Some(ours), acted) => Ok(self.close(&reads, ours, acted)),
        }
    }
}

impl KillSwitch {
    /// The value of every read.
    fn read(&self, look: &Look) -> Result<Vec<Value>, Unreadable> {
        if look.replies.len() != self.reads {
            return Err(Unreadable::new(format!("{} of {} replies came", look.replies.len(), self.reads)));
        }
        look.replies.iter().map(|reply| self.read_one(reply)).collect()
    }

    fn read_one(&self, reply: &Reply) -> Result<Value, Unreadable> {
        let answer = match answer::http(reply)? {
            HttpReply::Answer(answer) => answer,
            HttpReply::Fault { class, message, .. } => {
                let (class, message) = (answer::line(class, 40), answer::line(message, 200));
                return Err(Unreadable::new(format!("{} cannot be read: no answer ({class}): {message}", self.field)));
            }
        };
        if !(200..300).contains(&answer.status) {
            let what = format!("{} cannot be read: status {}", self.field, answer.status);
            return Err(Unreadable::new(what).hint("is `url` the one that shows the flag?"));
        }
        let body = answer::json(answer)?;
        let value = answer::field(&body, &self.field).ok_or_else(|| {
            let what = format!("there is no `{}` in the answer: {}", self.field, answer::excerpt(&answer.body));
            Unreadable::new(what).hint("name a key at the top, or a pointer such as /flags/orders")
        })?;
        if std::mem::discriminant(value) != std::mem::discriminant(&self.to) {
            let what = format!("{} is {}: not the same type as `to`, which is {}", self.field, shown(value), self.to);
            return Err(Unreadable::new(what).hint("write `to` as the service shows the flag"));
        }
        Ok(value.clone())
    }

    fn open(&self, reads: &[Value]) -> Verdict {
        let Some(was) = one_value(reads) else {
            let finding = Finding::from(self.split(reads));
            return Verdict::Refuse(finding.hint("several processes answer on this port: which value would be put back?"));
        };
        let summary = format!("{} is {}, not {} ({})", self.field, shown(was), self.to, self.agree());
        let title = format!("kill switch {}", self.field);
        Verdict::Change(Box::new(Change {
            why: Note::new("other", summary).value("value", was.clone()),
            effects: vec![format!("set {} to {} (now {})", self.field, self.to, shown(was))],
            destroys: false,
            ops: vec![self.post(&self.to)],
            undo: vec![self.post(was)],
            obligation: Some(Obligation {
                key: format!("kill-switch {}#{}", self.url, self.field),
                closer: Box::new(self.closer(&title, was)),
                title,
                was: was.clone(),
                set: self.to.clone(),
                close: self.close,
            }),
        }))
    }

    /// After the POST: the reads decide, not what the POST was answered.
    fn opened(&self, reads: &[Value], acted: &Acted) -> Verdict {
        let Some(now) = one_value(reads) else {
            return Verdict::NotYet(self.split(reads).hint("the POST reached one of several processes"));
        };
        let summary = format!("{} is still {}, not {} ({})", self.field, shown(now), self.to, self.agree());
        match self.not_accepted(acted) {
            Some(why) => Verdict::Refuse(Finding::new("not-accepted", summary).evidence(why)),
            None => Verdict::NotYet(Note::new("other", summary).value("value", now.clone())),
        }
    }

    /// Puts back, only where nothing is seen but what this run has set and what was there before.
    fn close(&self, reads: &[Value], ours: &Value, acted: Option<&Acted>) -> Verdict {
        let known = |value: &&Value| answer::same(value, ours) || answer::same(value, &self.to);
        if let Some(theirs) = reads.iter().find(|value| !known(value)) {
            let summary = format!(
                "{} is {}: neither {ours}, which this run has set, nor {} from before",
                self.field,
                shown(theirs),
                self.to
            );
            let hint = "somebody else has changed it since: it is left as it is";
            return Verdict::Refuse(Finding::new("theirs", summary).hint(hint));
        }
        let note = match one_value(reads) {
            Some(now) => Note::new("other", format!("{} is {}, not {} ({})", self.field, shown(now), self.to, self.agree())),
            None => self.split(reads),
        };
        let Some(acted) = acted else {
            // where several processes answer, as many requests as reads give each of them a chance to hear it
            let times = if note.word == "split" { self.reads } else { 1 };
            return Verdict::Change(Box::new(Change {
                why: note,
                effects: vec![format!("put {} back to {}", self.field, self.to)],
                destroys: false,
                ops: vec![self.post(&self.to); times],
                undo: Vec::new(),
                obligation: None,
            }));
        };
        match self.not_accepted(acted) {
            Some(why) => Verdict::Refuse(Finding { code: "not-accepted".to_owned(), ..Finding::from(note) }.evidence(why)),
            None => Verdict::NotYet(note),
        }
    }

    /// Why the service has not taken the value: it said no to every POST. Nothing where it may have taken it.
    fn not_accepted(&self, acted: &Acted) -> Option<String> {
        let words: Option<Vec<String>> = acted.replies.iter().map(refusal).collect();
        words.and_then(|all| all.into_iter().next())
    }

    fn post(&self, value: &Value) -> Op {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let url = self.set_url.replace(PLACE, &encode(&text));
        Op::Http(HttpCall { from: HttpFrom::Host, method: HttpMethod::Post, url, timeout: TIMEOUT })
    }

    /// The unit that puts `was` back. It does not know the opener: the engine fills in its step, number and phase.
    fn closer(&self, title: &str, was: &Value) -> UnitSpec {
        let mut fields = Map::new();
        fields.insert("url".to_owned(), json!(self.url));
        fields.insert("field".to_owned(), json!(self.field));
        fields.insert("set".to_owned(), json!({ "method": "POST", "url": self.set_url }));
        fields.insert("to".to_owned(), was.clone());
        fields.insert("close".to_owned(), json!("never"));
        fields.insert("reads".to_owned(), json!(self.reads));
        fields.insert("only_from".to_owned(), self.to.clone());
        let step = StepId::parse("close").expect("it follows the grammar of step ids");
        UnitSpec { name: Some(format!("put {title} back")), ..UnitSpec::new(step, Section::Close, KIND.name, fields) }
    }

    fn split(&self, reads: &[Value]) -> Note {
        let all: Vec<String> = reads.iter().map(shown).collect();
        Note::new("split", format!("{} differs from read to read: {}", self.field, answer::line(&all.join(", "), 160)))
    }

    fn agree(&self) -> String {
        if self.reads == 1 { "1 read".to_owned() } else { format!("{} equal reads", self.reads) }
    }
}

/// The value that all reads share.
fn one_value(reads: &[Value]) -> Option<&Value> {
    let first = reads.first()?;
    reads.iter().all(|value| answer::same(value, first)).then_some(first)
}

/// How the service said no to a POST, or that it never got it.
fn refusal(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Http(HttpReply::Answer(answer)) if answer.status >= 300 => {
            Some(format!("the POST was answered {}: {}", answer.status, answer::excerpt(&answer.body)))
        }
        Reply::Http(HttpReply::Fault { class, message, sent: false }) => {
            Some(format!("the POST was not sent ({}): {}", answer::line(class, 40), answer::line(message, 160)))
        }
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    answer::line(&value.to_string(), 60)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{KIND, normal};
    use crate::model::fields::{Context, Fields};
    use crate::model::op::{HttpAnswer, HttpReply, Op, Reply};
    use crate::model::plan::Section;
    use crate::model::step::{ClosePolicy, Evidence, Look, Step, Target, Verdict};
    use crate::model::time::Timestamp;
    use crate::steps::Parsed;

    fn parse(value: &Value, section: Section) -> Parsed {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section }))
    }

    fn errors(value: &Value) -> Vec<String> {
        match parse(value, Section::Step) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect(),
        }
    }

    fn switch(set_url: &str) -> Value {
        json!({"url": "http://127.0.0.1:3000/s", "field": "enabled", "to": false, "set": {"method": "POST", "url": set_url}})
    }

    #[test]
    fn no_value_chooses_where_a_request_goes() {
        assert_eq!(errors(&switch("http://127.0.0.1:3000/t?enabled={{ value }}")), [""; 0]);
        assert_eq!(errors(&switch("http://[::1]:3000/t/{{value}}")), [""; 0]);
        let place = "set.url: the value can only stand in the path or the query of the URL";
        for url in ["http://{{ value }}/t", "http://127.0.0.1:{{ value }}/t", "{{ value }}", "http://127.0.0.1{{ value }}"] {
            assert_eq!(errors(&switch(url)), [place], "{url}");
        }
        assert_eq!(errors(&switch("http://127.0.0.1:3000/toggle")), ["set.url: `url` does not say where the value goes"]);
        let far = "set.url: from the host only its own loopback can be asked, not `10.0.0.1`";
        assert_eq!(errors(&switch("http://10.0.0.1/t?enabled={{ value }}")), [far]);
        assert_eq!(normal("a{{value}}b{{  value  }}c{{ x }}"), "a{{ value }}b{{ value }}c{{ x }}");
    }

    #[test]
    fn every_wrong_key_is_named() {
        let value = json!({"url": "http://127.0.0.1/", "field": "x", "to": [], "close": "never", "reads": 0, "only_from": true});
        let want = [
            "set: `set` is missing",
            "to: `to` must be true, false, a number or a text",
            "reads: `reads` must be from 1 to 50, not 0",
            "close: a switch that is not put back needs a reason",
            "only_from: `only_from` is no key here",
        ];
        assert_eq!(errors(&value), want);
    }

    fn seen(step: &dyn Step, value: bool) -> Verdict {
        let answer = HttpAnswer {
            status: 200,
            headers: Vec::new(),
            body: json!({"enabled": value}).to_string().into_bytes(),
            took: Duration::from_millis(3),
        };
        let look = Look { at: Timestamp::from_millis(0), replies: vec![Reply::Http(HttpReply::Answer(answer)); 3] };
        step.judge(&Evidence { target: &target(), looks: &[look], acted: None }).expect("it can be read")
    }

    fn target() -> Target {
        let value = json!({
            "host": {"name": "web-1", "address": "10.0.0.1", "port": 22, "user": "u"},
            "facts": {"os": "Linux", "arch": "x86_64", "user": "u", "uid": 1, "home": "/home/u", "hostname": "web-1",
                      "skew_ms": 0, "skew_err_ms": 1},
        });
        let part = |name: &str| value[name].clone();
        Target {
            host: serde_json::from_value(part("host")).expect("a host"),
            facts: serde_json::from_value(part("facts")).expect("facts"),
        }
    }

    fn urls(ops: &[Op]) -> Vec<String> {
        ops.iter().map(Op::label).collect()
    }

    #[test]
    fn what_was_read_is_what_is_put_back_and_only_by_us() {
        let opener = parse(&switch("http://127.0.0.1:3000/t?enabled={{value}}"), Section::Step).expect("it is fine");
        let Verdict::Change(change) = seen(&*opener, true) else { panic!("it would change") };
        assert_eq!(urls(&change.ops), ["POST http://127.0.0.1:3000/t?enabled=false"]);
        assert_eq!(urls(&change.undo), ["POST http://127.0.0.1:3000/t?enabled=true"]);
        let owed = change.obligation.expect("it is put back");
        assert_eq!(
            (owed.key.as_str(), owed.title.as_str()),
            ("kill-switch http://127.0.0.1:3000/s#enabled", "kill switch enabled")
        );
        assert_eq!((owed.was, owed.set, owed.close), (json!(true), json!(false), ClosePolicy::Always));
        let closer = parse(&Value::Object(owed.closer.fields.clone()), Section::Close).expect("it is fine");
        assert!(matches!(seen(&*closer, true), Verdict::Holds(_)));
        let Verdict::Change(change) = seen(&*closer, false) else { panic!("it would change") };
        assert_eq!(urls(&change.ops), ["POST http://127.0.0.1:3000/t?enabled=true"]);
        assert_eq!((change.obligation, change.undo), (None, Vec::new()));
    }
}
