//! `wait`: for a time, or until a check holds. It only looks.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::fields::{Fields, nearest};
use crate::model::op::Op;
use crate::model::outcome::Risk;
use crate::model::step::{Basis, Evidence, Note, Step, Target, Unreadable, Verdict};
use crate::model::visible::literal;
use crate::steps::{ANYWHERE, Class, KINDS, Key, Kind, Parsed, Touches, kind};

/// The kind.
pub static KIND: Kind = Kind {
    name: "wait",
    class: Class::Wait,
    risk: Risk::ReadOnly,
    scopes: ANYWHERE,
    acts_as: false,
    runs: true,
    touches: Touches::Nothing,
    title: "a time passes, or a check comes to hold",
    about: "\
Looks at: with `for`, the clock here and nothing else; with `until`, what the check of that kind looks at.
Follows: it holds once `for` has passed since the first look, or once the check holds. A check that says no, even one that says \
that waiting does not help, is asked again until the step is late; evidence that cannot be read is no answer.
Would change: nothing. A dry run looks once and does not wait.
Undone: nothing to undo.",
    verdicts: &[
        ("passed", "the time has passed"),
        ("waiting", "the time has not passed yet"),
        ("holds", "the check holds; its own word is `steps.ID.until`"),
        ("not-yet", "the check does not hold yet; its own word is `steps.ID.until`"),
    ],
    keys: &[
        Key { name: "for", required: false, about: "how long, such as 30s; at most 24h. Either this or `until`" },
        Key {
            name: "until",
            required: false,
            about: "a check with the keys of its kind: { kind = \"port\", port = 3000, app = \"proxy-service\" }",
        },
    ],
    parse,
};

/// The longest `for`.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The kind of the check that a wait with these fields asks, where it names one that there is: what that kind cannot
/// do, such as look from here, the wait cannot do either.
pub fn asked(fields: &Map<String, Value>) -> Option<&'static Kind> {
    kind(fields.get("until")?.get("kind")?.as_str()?)
}

fn parse(mut fields: Fields<'_>) -> Parsed {
    let time = fields.value("for").is_some();
    let check = fields.value("until").is_some();
    let step = match (time, check) {
        (true, false) => read_time(&mut fields).map(|time| Arc::new(Time { time }) as Arc<dyn Step>),
        (false, true) => read_check(&mut fields).map(|check| Arc::new(check) as Arc<dyn Step>),
        (true, true) => {
            fields.error("until", "`for` and `until` cannot stand together", Some("make it two steps".to_owned()));
            None
        }
        (false, false) => {
            let hint = "for = \"30s\", or until = { kind = \"port\", port = 3000 }";
            fields.error("for", "nothing says what to wait for", Some(hint.to_owned()));
            None
        }
    };
    fields.finish(step)
}

fn read_time(fields: &mut Fields<'_>) -> Option<Duration> {
    let time = fields.duration("for")?;
    if time.is_zero() || time > LONGEST {
        fields.error("for", "`for` must be more than 0 and at most 24h", None);
        return None;
    }
    Some(time)
}

/// The check with the keys of its own kind, whose errors are told where they stand.
fn read_check(fields: &mut Fields<'_>) -> Option<Check> {
    let mut own = fields.entries("until")?.clone();
    let named: Map<String, Value> = own.remove("kind").into_iter().map(|name| ("kind".to_owned(), name)).collect();
    let mut head = Fields::new(&named, fields.context);
    let kind = read_kind(&mut head);
    let check = head.finish(kind).and_then(|kind| {
        let step = (kind.parse)(Fields::new(&own, fields.context))?;
        Ok(Check { kind: kind.name, step })
    });
    check.map_err(|errors| fields.adopt("until", errors)).ok()
}

fn read_kind(fields: &mut Fields<'_>) -> Option<&'static Kind> {
    let name = fields.need_string("kind")?;
    let checks = || KINDS.iter().filter(|kind| kind.class == Class::Check && kind.runs).map(|kind| kind.name);
    let (message, hint) = match kind(&name) {
        Some(kind) if kind.class == Class::Check && kind.runs => return Some(kind),
        Some(kind) if kind.class == Class::Check => {
            let message = format!("this version does not run `{name}`, so nothing can wait for it");
            (message, format!("one of: {}", checks().collect::<Vec<_>>().join(", ")))
        }
        Some(_) => (format!("`{name}` is no check: a wait only looks"), "make it a [[step]] of its own".to_owned()),
        None => {
            let hint = match nearest(&name, checks()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of: {}", checks().collect::<Vec<_>>().join(", ")),
            };
            (format!("there is no kind `{}`", literal(&name)), hint)
        }
    };
    fields.error("kind", message, Some(hint));
    None
}

/// Until a time has passed.
#[derive(Debug)]
struct Time {
    time: Duration,
}

impl Step for Time {
    fn probes(&self, _target: &Target) -> Vec<Op> {
        Vec::new()
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let now = seen.last()?.at;
        let passed = seen.looks.first().map_or(Duration::ZERO, |first| now.since(first.at));
        if passed >= self.time {
            return Ok(Verdict::Holds(Note::new("passed", format!("{} have passed", shown(self.time)))));
        }
        let whole = Duration::from_secs(passed.as_secs());
        Ok(Verdict::NotYet(Note::new("waiting", format!("{} of {} have passed", shown(whole), shown(self.time)))))
    }

    fn patience(&self) -> Duration {
        self.time
    }

    fn basis(&self) -> Basis {
        Basis::Declared
    }
}

fn shown(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

/// Until a check holds.
#[derive(Debug)]
struct Check {
    kind: &'static str,
    step: Arc<dyn Step>,
}

impl Check {
    /// What the check said, as the wait says it.
    fn told(&self, word: &str, note: Note) -> Note {
        let summary = format!("{} says {}: {}", self.kind, note.word, note.summary);
        let own = note.word.clone();
        Note { word: word.to_owned(), summary, ..note }.value("until", own)
    }
}

impl Step for Check {
    fn probes(&self, target: &Target) -> Vec<Op> {
        self.step.probes(target)
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        Ok(match self.step.judge(seen)? {
            Verdict::Holds(note) => Verdict::Holds(self.told("holds", note)),
            Verdict::NotYet(note) => Verdict::NotYet(self.told("not-yet", note)),
            Verdict::Refuse(finding) => {
                let note = Note { hint: finding.hint, evidence: finding.evidence, ..Note::new(&finding.code, finding.summary) };
                Verdict::NotYet(self.told("not-yet", note))
            }
            Verdict::Again { after } => Verdict::Again { after },
            Verdict::Change(_) | Verdict::Ask(_) => {
                return Err(Unreadable::new(format!("`{}` wants more than a look: a wait does nothing else", self.kind)));
            }
        })
    }

    fn patience(&self) -> Duration {
        self.step.patience()
    }

    fn basis(&self) -> Basis {
        self.step.basis()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Check, KIND, asked};
    use crate::model::fields::{Context, Fields};
    use crate::model::finding::Finding;
    use crate::model::op::Op;
    use crate::model::plan::Section;
    use crate::model::step::{Basis, Change, Evidence, Look, Note, Question, Step, Target, Unreadable, Verdict};
    use crate::model::time::Timestamp;
    use crate::steps::Parsed;

    fn parse(value: &Value) -> Parsed {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Step }))
    }

    fn errors(value: &Value) -> Vec<String> {
        let show = |e: &crate::model::fields::FieldError| {
            format!("{}: {} ({})", e.path.join("."), e.message, e.hint.as_deref().unwrap_or("-"))
        };
        parse(value).expect_err("there are errors").iter().map(show).collect()
    }

    #[test]
    fn it_waits_for_one_thing() {
        let hint = "for = \"30s\", or until = { kind = \"port\", port = 3000 }";
        assert_eq!(errors(&json!({})), [format!("for: nothing says what to wait for ({hint})")]);
        let both = json!({"for": "30s", "until": {"kind": "port", "port": 3000}});
        assert_eq!(errors(&both), ["until: `for` and `until` cannot stand together (make it two steps)"]);
        for time in ["0s", "25h"] {
            assert_eq!(errors(&json!({"for": time})), ["for: `for` must be more than 0 and at most 24h (-)"]);
        }
    }

    #[test]
    fn the_errors_of_the_check_are_told_where_they_stand() {
        let wrong = json!({"until": {"kind": "port", "port": 70000, "ap": "x", "timeout": "3s"}, "then": 1});
        let want = [
            "until.port: `port` must be a port from 1 to 65535, not 70000 (-)",
            "until.ap: `ap` is no key here (did you mean `app`?)",
            "until.timeout: `timeout` is no key here (keys here: port, app, namespace, expect, pm2_home)",
            "then: `then` is no key here (keys here: for, until)",
        ];
        assert_eq!(errors(&wrong), want);
        assert_eq!(errors(&json!({"until": "port"})), ["until: `until` must be a table, not \"port\" (-)"]);
        let unknown = errors(&json!({"until": {"kind": "prt", "port": 1}}));
        assert_eq!(unknown, ["until.kind: there is no kind `prt` (did you mean `port`?)"]);
        assert_eq!(errors(&json!({"until": {"port": 1}})), ["until.kind: `kind` is missing (add kind = \"…\")"]);
    }

    #[test]
    fn it_waits_for_nothing_that_acts_or_is_not_run() {
        let acts = errors(&json!({"until": {"kind": "exec", "run": "true"}}));
        assert_eq!(acts, ["until.kind: `exec` is no check: a wait only looks (make it a [[step]] of its own)"]);
        let itself = errors(&json!({"until": {"kind": "wait", "for": "1s"}}));
        assert_eq!(itself, ["until.kind: `wait` is no check: a wait only looks (make it a [[step]] of its own)"]);
        let declared = errors(&json!({"until": {"kind": "target-health", "group": "alb"}}));
        assert!(
            declared[0]
                .starts_with("until.kind: this version does not run `target-health`, so nothing can wait for it (one of: "),
            "{declared:?}"
        );
    }

    #[derive(Debug)]
    struct Says(Verdict);

    impl Step for Says {
        fn probes(&self, _target: &Target) -> Vec<Op> {
            Vec::new()
        }

        fn judge(&self, _seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
            Ok(self.0.clone())
        }
    }

    #[test]
    fn a_no_that_does_not_wait_is_waited_out_and_nothing_but_a_look_is_done() {
        let host = json!({"name": "proxy-1", "address": "10.0.1.11", "port": 22, "user": "ec2-user"});
        let facts = json!({"os": "Linux", "arch": "x86_64", "user": "ec2-user", "uid": 1000, "home": "/home/ec2-user",
            "hostname": "proxy-1", "skew_ms": 0, "skew_err_ms": 1});
        let target =
            Target { host: serde_json::from_value(host).expect("a host"), facts: serde_json::from_value(facts).expect("facts") };
        let looks = [Look { at: Timestamp::from_millis(0), replies: Vec::new() }];
        let judge = |verdict: Verdict| {
            let check = Check { kind: "http", step: Arc::new(Says(verdict)) };
            check.judge(&Evidence { target: &target, looks: &looks, acted: None })
        };
        let refused = judge(Verdict::Refuse(Finding::new("refused", "nothing listens there").hint("start it")));
        let note = Note::new("not-yet", "http says refused: nothing listens there").hint("start it").value("until", "refused");
        assert_eq!(refused, Ok(Verdict::NotYet(note)));
        let why = Note::new("needed", "x");
        let change = Change { why, effects: Vec::new(), destroys: false, ops: Vec::new(), undo: Vec::new(), obligation: None };
        assert!(judge(Verdict::Change(Box::new(change))).is_err());
        assert!(judge(Verdict::Ask(Question { text: "go on?".to_owned() })).is_err());
    }

    #[test]
    fn it_is_as_patient_as_what_it_waits_for() {
        let time = parse(&json!({"for": "90s"})).expect("it is fine");
        assert_eq!((time.patience(), time.basis()), (Duration::from_secs(90), Basis::Declared));
        let fields = json!({"until": {"kind": "single-process", "app": "x", "stable_for": "20s"}});
        let check = parse(&fields).expect("it is fine");
        assert_eq!((check.patience(), check.basis()), (Duration::from_secs(20), Basis::Seen));
        let own = parse(&json!({"until": {"kind": "require", "run": "true"}})).expect("it is fine");
        assert_eq!(own.basis(), Basis::OwnCommand);
        let kind = asked(fields.as_object().expect("a table")).map(|kind| kind.name);
        assert_eq!(kind, Some("single-process"));
    }
}
