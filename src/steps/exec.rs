//! `exec`: a command of the runbook's author that changes something, with a question whether it is needed, and the
//! command that takes it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::model::fields::Fields;
use crate::model::finding::Finding;
use crate::model::op::{Exit, Op, Reply, Shell, ShellReply};
use crate::model::outcome::Risk;
use crate::model::step::{Acted, Basis, Change, Evidence, Look, Note, Step, Target, Unreadable, Verdict};
use crate::steps::capture::{self, CAPTURE, Capture};
use crate::steps::command::{PATH_HINT, last_lines, looked, meaning, plain, read_environment, still_open, title};
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// The kind.
pub static KIND: Kind = Kind {
    name: "exec",
    class: Class::Action,
    risk: Risk::Restarts,
    scopes: ON_HOSTS,
    acts_as: true,
    runs: true,
    touches: Touches::Anything,
    title: "a command that changes something",
    about: "\
Looks at: the exit status of `unless`, a read-only POSIX sh script: 0 says that nothing is left to do. Without `unless` nothing \
is looked at, the command runs in every run, and what a dry run says of it counts as declared, not as seen.
Follows: `unless` returns 0: already, and nothing is captured. It cannot be found or run, or no status came: unreadable. Else the \
command is needed, and every value of `remember` must be readable, or nothing is done.
Would change: whatever `run` does, in `cwd`, under a deadline of 5 min. The runbook's variables are in the environment of all \
three scripts under their own names; nothing is ever put into their text. Status 0 is success only if `unless` then holds and \
every value of `capture` is in the output. What a command can do is not known to this program: it counts as `restarts`; say risk = \"destructive\" where it can lose data.
Undone: by `undo`, run the same way, with the values of `remember` in its environment; without it the change is shown as one that \
cannot be undone.",
    verdicts: &[
        ("already", "`unless` holds: nothing is left to do"),
        ("needed", "the command would run"),
        ("ran", "the command returned 0, and `unless`, where given, holds"),
        ("exit", "the command returned another status than 0"),
        ("unless-still-false", "the command returned 0, and `unless` still does not hold"),
        ("capture", "the command succeeded, and a value is not in its output or is none of its type and pattern"),
    ],
    keys: &[
        Key { name: "run", required: true, about: "the command, POSIX sh; variables as \"$name\"" },
        Key { name: "cwd", required: false, about: "where it runs: an absolute path or ~/…; default: the acting user's home" },
        Key { name: "unless", required: false, about: "a read-only command; where it returns 0 nothing is done" },
        Key { name: "undo", required: false, about: "the command that takes it back" },
        CAPTURE,
        Key {
            name: "remember",
            required: false,
            about: "table of values to read before the change, for `undo`: { prev = { run = \"git rev-parse HEAD\", from = \
                    \"stdout:trim\", pattern = \"[0-9a-f]{40}\" } }; each `run` is a read-only command that must return 0",
        },
    ],
    parse,
};

#[derive(Debug)]
struct Exec {
    run: String,
    cwd: Option<String>,
    unless: Option<String>,
    undo: Option<String>,
    capture: Vec<Capture>,
    remember: Vec<Remember>,
    env: BTreeMap<String, String>,
}

/// A value that is read before the change.
#[derive(Debug)]
struct Remember {
    run: String,
    value: Capture,
}

fn parse(mut fields: Fields<'_>) -> Parsed {
    let run = fields.need_string("run");
    let cwd = fields.string("cwd");
    if let Some(cwd) = &cwd
        && !(cwd.starts_with('/') || cwd == "~" || cwd.starts_with("~/"))
    {
        fields.error("cwd", "`cwd` must be an absolute path or begin with ~/", None);
    }
    let unless = fields.string("unless");
    let undo = fields.string("undo");
    let capture = capture::read(&mut fields);
    let remember = read_remember(&mut fields, &capture);
    if undo.is_none() && fields.value("remember").is_some() {
        let hint = "add undo = \"…\", or look at it with a `require` that captures it";
        fields.error("remember", "`remember` is for `undo`, and there is none", Some(hint.to_owned()));
    }
    let env = read_environment(&mut fields, "run");
    let step = run.zip(env).map(|(run, env)| Arc::new(Exec { run, cwd, unless, undo, capture, remember, env }) as Arc<dyn Step>);
    fields.finish(step)
}

fn read_remember(fields: &mut Fields<'_>, captures: &[Capture]) -> Vec<Remember> {
    let found = fields.tables("remember", |name, inner| {
        let run = inner.need_string("run");
        let value = capture::read_one(name, inner);
        let other = if inner.context.vars.contains_key(name) {
            "a variable"
        } else if captures.iter().any(|capture| capture.name() == name) {
            "what `capture` takes"
        } else {
            return Some(Remember { run: run?, value: value? });
        };
        // in the environment of `undo` one would take the place of the other
        let message = format!("`{name}` is the name of {other}");
        inner.error_here(message, Some("choose another name".to_owned()));
        None
    });
    capture::bounded(fields, "remember", found)
}

impl Step for Exec {
    fn probes(&self, _target: &Target) -> Vec<Op> {
        let looks = self.unless.iter().chain(self.remember.iter().map(|remember| &remember.run));
        looks.map(|text| self.op(text, false, &self.env)).collect()
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let look = seen.last()?;
        let Some(acted) = seen.acted else {
            return Ok(match self.still_needed(look)? {
                None => Verdict::Holds(Note::new("already", "`unless` holds: nothing to do")),
                Some(status) => Verdict::Change(Box::new(self.change(status, self.remembered(look)?)?)),
            });
        };
        self.after(acted, look)
    }

    fn basis(&self) -> Basis {
        if self.unless.is_some() { Basis::OwnCommand } else { Basis::Declared }
    }
}

impl Exec {
    fn op(&self, text: &str, mutates: bool, env: &BTreeMap<String, String>) -> Op {
        let mut shell = Shell::authored(title(text), text.to_owned(), mutates).cwd(self.cwd.clone());
        shell.env = env.clone();
        Op::Shell(shell)
    }

    /// None: nothing is left to do. Else with the status of `unless`, where there is one.
    fn still_needed(&self, look: &Look) -> Result<Option<Option<u32>>, Unreadable> {
        match (&self.unless, look.replies.first()) {
            (None, _) => Ok(Some(None)),
            (Some(_), Some(Reply::Shell(reply))) => match looked(reply, 0)? {
                0 => Ok(None),
                code => Ok(Some(Some(code))),
            },
            (Some(_), _) => Err(Unreadable::new("there is no reply to `unless`")),
        }
    }

    /// What must be known to take the change back. Without it nothing is changed.
    fn remembered(&self, look: &Look) -> Result<BTreeMap<String, Value>, Unreadable> {
        let mut values = BTreeMap::new();
        for (n, Remember { value, .. }) in self.remember.iter().enumerate() {
            let name = value.name();
            let lost = |why: &str| Unreadable::new(format!("`{name}` cannot be remembered: {why}"));
            let Some(Reply::Shell(reply)) = look.replies.get(usize::from(self.unless.is_some()) + n) else {
                return Err(lost("there is no reply to its command"));
            };
            match looked(reply, 0).map_err(|why| Unreadable { hint: why.hint, ..lost(&why.what) })? {
                0 => {}
                code => return Err(lost(&format!("its command returned {code}"))),
            }
            let found = value.take(reply).map_err(|fault| lost(&fault.into_text()))?;
            values.insert(name.to_owned(), found);
        }
        Ok(values)
    }

    fn change(&self, unless: Option<u32>, remembered: BTreeMap<String, Value>) -> Result<Change, Unreadable> {
        let summary = match unless {
            Some(code) => format!("`unless` returns {code}"),
            None => "there is no `unless`: it runs every time".to_owned(),
        };
        let mut env = self.env.clone();
        for (name, value) in &remembered {
            let text = plain(value).map_err(|what| Unreadable::new(format!("`{name}` {what}")))?;
            env.extend(text.map(|text| (name.clone(), text)));
        }
        Ok(Change {
            why: Note { values: remembered, ..Note::new("needed", summary) },
            effects: vec![title(&self.run)],
            destroys: self.undo.is_none(),
            ops: vec![self.op(&self.run, true, &env)],
            undo: self.undo.iter().map(|text| self.op(text, true, &env)).collect(),
            obligation: None,
        })
    }

    fn after(&self, acted: &Acted, look: &Look) -> Result<Verdict, Unreadable> {
        let [Reply::Shell(reply)] = acted.replies.as_slice() else {
            return Err(Unreadable::new("there is no reply to the command"));
        };
        let Exit::Code { code } = reply.exit else {
            return Err(Unreadable::new("it is not known how the command ended"));
        };
        if code != 0 {
            return Ok(Verdict::Refuse(self.failure(code, reply)));
        }
        Ok(match (&self.unless, self.still_needed(look)?) {
            (Some(_), Some(status)) => {
                let status = status.map(|code| format!(" (exit {code})")).unwrap_or_default();
                let mut note = Note::new("unless-still-false", format!("exit 0, and `unless` still does not hold{status}"));
                note.evidence = last_lines(&reply.stderr, 5);
                Verdict::NotYet(note.value("exit", 0))
            }
            (Some(_), None) => self.ran("exit 0, and `unless` holds", acted, reply),
            (None, _) => self.ran("exit 0", acted, reply),
        })
    }

    /// It went well, if what others go on with is in its output.
    fn ran(&self, summary: &str, acted: &Acted, reply: &ShellReply) -> Verdict {
        let mut note = Note::new("ran", summary).value("exit", 0);
        note.values.extend(acted.change.why.values.clone());
        note.evidence.extend(still_open(reply));
        match capture::keep(&self.capture, reply, note) {
            Ok(note) => Verdict::Holds(note),
            Err(fault) => {
                let summary = format!("{summary}, and then: {}", fault.into_text());
                let mut finding = Finding::new("capture", summary);
                finding.evidence = last_lines(&reply.stdout, 5);
                Verdict::Refuse(finding.hint("the command has run: look at the host before it is run again"))
            }
        }
    }

    fn failure(&self, code: u32, reply: &ShellReply) -> Finding {
        let summary = match meaning(code) {
            Some(meaning) => format!("exit {code}, {meaning}: {}", title(&self.run)),
            None => format!("exit {code}: {}", title(&self.run)),
        };
        let mut evidence = last_lines(&reply.stderr, 5);
        if evidence.is_empty() {
            evidence = last_lines(&reply.stdout, 5);
        }
        evidence.extend(still_open(reply));
        let hint = matches!(code, 126 | 127).then(|| PATH_HINT.to_owned());
        Finding { hint, evidence, ..Finding::new("exit", summary) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Exec, KIND};
    use crate::model::fields::{Context, Fields};
    use crate::model::op::{Captured, Exit, Op, Reply, Shell, ShellReply};
    use crate::model::plan::Section;
    use crate::model::step::{Basis, Evidence, Look, Target, Verdict};
    use crate::model::time::Timestamp;
    use crate::steps::Parsed;

    fn parse(value: &Value) -> Parsed {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Step }))
    }

    #[test]
    fn every_wrong_key_is_named() {
        let errors = parse(&json!({"cwd": "proxy", "unless": "", "then": "x"})).expect_err("there are errors");
        let shown: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect();
        let want = [
            "run: `run` is missing",
            "cwd: `cwd` must be an absolute path or begin with ~/",
            "unless: `unless` is empty",
            "then: `then` is no key here",
        ];
        assert_eq!(shown, want);
    }

    #[test]
    fn what_is_not_looked_at_is_declared() {
        let basis = |value| parse(&value).expect("it is fine").basis();
        assert_eq!(basis(json!({"run": "true"})), Basis::Declared);
        assert_eq!(basis(json!({"run": "true", "unless": "false"})), Basis::OwnCommand);
    }

    fn only(ops: &[Op]) -> &Shell {
        let [Op::Shell(shell)] = ops else { panic!("one command: {ops:?}") };
        shell
    }

    #[test]
    fn the_way_back_is_recorded_with_the_change() {
        let env = BTreeMap::from([("app".to_owned(), "x".to_owned())]);
        let exec = Exec {
            run: "on".into(),
            cwd: Some("~/a".into()),
            unless: None,
            undo: Some("off".into()),
            capture: Vec::new(),
            remember: Vec::new(),
            env: env.clone(),
        };
        let change = exec.change(None, BTreeMap::new()).expect("it is fine");
        let shell = only(&change.undo);
        assert_eq!((shell.text(), &shell.env, shell.cwd.as_deref(), shell.mutates), ("off", &env, Some("~/a"), true));
        assert!(!change.destroys);
    }

    #[test]
    fn what_is_remembered_stands_in_the_environment_of_the_way_back() {
        let fields = json!({
            "run": "git checkout main", "undo": "git checkout \"$prev\"", "cwd": "~/a", "unless": "false",
            "remember": {"prev": {"run": "git rev-parse HEAD", "from": "stdout", "pattern": "[0-9a-f]{4}"},
                         "n": {"run": "wc -l < x", "from": "stdout", "type": "int"}},
        });
        let vars = BTreeMap::from([("app".to_owned(), json!("x"))]);
        let none = BTreeMap::new();
        let map = fields.as_object().expect("a table");
        let context = Context { vars: &vars, host_vars: &none, section: Section::Step };
        let step = (KIND.parse)(Fields::new(map, context)).expect("it is fine");
        let target = target();
        let probes = step.probes(&target);
        let texts: Vec<&str> = probes.iter().map(|op| only(std::slice::from_ref(op)).text()).collect();
        assert_eq!(texts, ["false", "wc -l < x", "git rev-parse HEAD"]);
        assert!(!probes.iter().any(Op::mutates));
        assert!(probes.iter().all(|op| only(std::slice::from_ref(op)).env.keys().eq(["app"])));
        let judge = |prev: &str| {
            let looks = [Look { at: Timestamp::from_millis(0), replies: vec![reply(1, ""), reply(0, " 7\n"), reply(0, prev)] }];
            step.judge(&Evidence { target: &target, looks: &looks, acted: None })
        };
        let Ok(Verdict::Change(change)) = judge("beef\n") else { panic!("a change is needed") };
        let env = BTreeMap::from([("app", "x"), ("n", "7"), ("prev", "beef")]);
        for shell in [only(&change.undo), only(&change.ops)] {
            assert!(shell.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).eq(env.clone()), "{:?}", shell.env);
        }
        assert_eq!(judge("beef\n"), Ok(Verdict::Change(change)), "the same decision is the same change");
        let lost = judge("HEAD\n").expect_err("it cannot be taken back");
        assert_eq!(lost.what, "`prev` cannot be remembered: `prev` from stdout: `HEAD` does not match [0-9a-f]{4}");
    }

    #[test]
    fn what_is_remembered_has_a_name_of_its_own_and_a_purpose() {
        let vars = BTreeMap::from([("app".to_owned(), json!("x"))]);
        let none = BTreeMap::new();
        let fields = json!({"run": "x", "undo": "y", "capture": {"sha": {"from": "stdout"}}, "remember": {
            "app": {"run": "a", "from": "stdout"}, "b": {"from": "stdout"}, "sha": {"run": "a", "from": "stdout"},
        }});
        let context = Context { vars: &vars, host_vars: &none, section: Section::Step };
        let errors = (KIND.parse)(Fields::new(fields.as_object().expect("a table"), context)).expect_err("there are errors");
        let shown: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect();
        let want = [
            "remember.app: `app` is the name of a variable",
            "remember.b.run: `run` is missing",
            "remember.sha: `sha` is the name of what `capture` takes",
        ];
        assert_eq!(shown, want);
        let errors = parse(&json!({"run": "x", "remember": {"prev": {"run": "a", "from": "stdout"}}})).expect_err("no `undo`");
        assert_eq!(errors[0].message, "`remember` is for `undo`, and there is none");
    }

    fn reply(code: u32, stdout: &str) -> Reply {
        let (stdout, stderr) = (Captured::whole(stdout), Captured::default());
        Reply::Shell(ShellReply { exit: Exit::Code { code }, stdout, stderr, took: Duration::ZERO })
    }

    fn target() -> Target {
        let host = json!({"name": "proxy-1", "address": "10.0.1.11", "port": 22, "user": "ec2-user"});
        let facts = json!({"os": "Linux", "arch": "x86_64", "user": "ec2-user", "uid": 1000, "home": "/home/ec2-user",
            "hostname": "proxy-1", "skew_ms": 0, "skew_err_ms": 1});
        Target { host: serde_json::from_value(host).expect("a host"), facts: serde_json::from_value(facts).expect("facts") }
    }
}
