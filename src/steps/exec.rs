//! `exec`: a command of the runbook's author that changes something, with a question whether it is needed, and the
//! command that takes it back.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::fields::Fields;
use crate::model::finding::Finding;
use crate::model::op::{Exit, Op, Reply, Shell, ShellReply};
use crate::model::outcome::Risk;
use crate::model::step::{Acted, Basis, Change, Evidence, Look, Note, Step, Target, Unreadable, Verdict};
use crate::steps::command::{PATH_HINT, last_lines, looked, meaning, read_environment, title};
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed};

/// The kind.
pub static KIND: Kind = Kind {
    name: "exec",
    class: Class::Action,
    risk: Risk::Restarts,
    scopes: ON_HOSTS,
    acts_as: true,
    runs: true,
    title: "a command that changes something",
    about: "\
Looks at: the exit status of `unless`, a read-only POSIX sh script: 0 says that nothing is left to do. Without `unless` nothing \
is looked at, the command runs in every run, and what a dry run says of it counts as declared, not as seen.
Follows: `unless` returns 0: already. It cannot be found or run, or no status came: unreadable. Else the command is needed.
Would change: whatever `run` does, in `cwd`, under a deadline of 5 min. The runbook's variables are in the environment of all \
three scripts under their own names; nothing is ever put into their text. Status 0 is success only if `unless` then holds. What \
a command can do is not known to this program: it counts as `restarts`; say risk = \"destructive\" where it can lose data.
Undone: by `undo`, run the same way; without it the change is shown as one that cannot be undone.",
    verdicts: &[
        ("already", "`unless` holds: nothing is left to do"),
        ("needed", "the command would run"),
        ("ran", "the command returned 0, and `unless`, where given, holds"),
        ("exit", "the command returned another status than 0"),
        ("unless-still-false", "the command returned 0, and `unless` still does not hold"),
    ],
    keys: &[
        Key { name: "run", required: true, about: "the command, POSIX sh; variables as \"$name\"" },
        Key { name: "cwd", required: false, about: "where it runs: an absolute path or ~/…; default: the acting user's home" },
        Key { name: "unless", required: false, about: "a read-only command; where it returns 0 nothing is done" },
        Key { name: "undo", required: false, about: "the command that takes it back" },
    ],
    parse,
};

#[derive(Debug)]
struct Exec {
    run: String,
    cwd: Option<String>,
    unless: Option<String>,
    undo: Option<String>,
    env: BTreeMap<String, String>,
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
    let env = read_environment(&mut fields, "run");
    let step = run.zip(env).map(|(run, env)| Arc::new(Exec { run, cwd, unless, undo, env }) as Arc<dyn Step>);
    fields.finish(step)
}

impl Step for Exec {
    fn probes(&self, _target: &Target) -> Vec<Op> {
        self.unless.iter().map(|text| self.op(text, false)).collect()
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let look = seen.last()?;
        let Some(acted) = seen.acted else {
            return Ok(match self.still_needed(look)? {
                None => Verdict::Holds(Note::new("already", "`unless` holds: nothing to do")),
                Some(status) => Verdict::Change(Box::new(self.change(status))),
            });
        };
        self.after(acted, look)
    }

    fn basis(&self) -> Basis {
        if self.unless.is_some() { Basis::OwnCommand } else { Basis::Declared }
    }
}

impl Exec {
    fn op(&self, text: &str, mutates: bool) -> Op {
        let mut shell = Shell::authored(title(text), text.to_owned(), mutates).cwd(self.cwd.clone());
        shell.env = self.env.clone();
        Op::Shell(shell)
    }

    /// None: nothing is left to do. Else with the status of `unless`, where there is one.
    fn still_needed(&self, look: &Look) -> Result<Option<Option<u32>>, Unreadable> {
        match (&self.unless, look.replies.as_slice()) {
            (None, []) => Ok(Some(None)),
            (Some(_), [Reply::Shell(reply)]) => match looked(reply, 0)? {
                0 => Ok(None),
                code => Ok(Some(Some(code))),
            },
            _ => Err(Unreadable::new("there is no reply to `unless`")),
        }
    }

    fn change(&self, unless: Option<u32>) -> Change {
        let summary = match unless {
            Some(code) => format!("`unless` returns {code}"),
            None => "there is no `unless`: it runs every time".to_owned(),
        };
        Change {
            why: Note::new("needed", summary),
            effects: vec![title(&self.run)],
            destroys: self.undo.is_none(),
            ops: vec![self.op(&self.run, true)],
            undo: self.undo.iter().map(|text| self.op(text, true)).collect(),
            obligation: None,
        }
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
            (Some(_), None) => Verdict::Holds(Note::new("ran", "exit 0, and `unless` holds").value("exit", 0)),
            (None, _) => Verdict::Holds(Note::new("ran", "exit 0").value("exit", 0)),
        })
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
        let hint = matches!(code, 126 | 127).then(|| PATH_HINT.to_owned());
        Finding { hint, evidence, ..Finding::new("exit", summary) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{Exec, KIND};
    use crate::model::fields::{Context, Fields};
    use crate::model::op::Op;
    use crate::model::plan::Section;
    use crate::model::step::Basis;
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

    #[test]
    fn the_way_back_is_recorded_with_the_change() {
        let env = BTreeMap::from([("app".to_owned(), "x".to_owned())]);
        let exec = Exec { run: "on".into(), cwd: Some("~/a".into()), unless: None, undo: Some("off".into()), env: env.clone() };
        let change = exec.change(None);
        let [Op::Shell(shell)] = change.undo.as_slice() else { panic!("one command: {:?}", change.undo) };
        assert_eq!((shell.text(), &shell.env, shell.cwd.as_deref(), shell.mutates), ("off", &env, Some("~/a"), true));
        assert!(!change.destroys);
    }
}
