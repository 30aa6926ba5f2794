//! `require`: a read-only command of the runbook's author whose exit status, and output where wanted, must match.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex::Regex;
use serde_json::Value;

use crate::model::fields::Fields;
use crate::model::op::{Op, Reply, Shell, ShellReply};
use crate::model::outcome::Risk;
use crate::model::step::{Basis, Evidence, Note, Step, Target, Unreadable, Verdict};
use crate::model::vars::expression;
use crate::read::answer::line;
use crate::steps::capture::{self, CAPTURE, Capture, Fault};
use crate::steps::command::{last_lines, looked, meaning, read_environment, title};
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// The kind.
pub static KIND: Kind = Kind {
    name: "require",
    class: Class::Check,
    risk: Risk::ReadOnly,
    scopes: ON_HOSTS,
    acts_as: true,
    runs: true,
    touches: Touches::Nothing,
    title: "a read-only command must succeed",
    about: "\
Looks at: the exit status and the output of `run`, a POSIX sh script of yours that must change nothing: it runs in every dry run \
and may run many times. The runbook's variables are in its environment under their own names; nothing is ever put into its text. \
It may take 10 s.
Follows: the status must be `exit`, then the output must match `stdout`, then every value of `capture` must be in it, and is kept \
as `steps.ID.NAME`. A command that the shell cannot find or run, that a \
signal ended, or whose output is wanted and is not UTF-8 or was cut is unreadable, never fine.
Would change: nothing. Its claims count as \"seen, own command\".
Undone: nothing to undo.",
    verdicts: &[
        ("holds", "the command ended as wanted"),
        ("wrong-exit", "it ended with another status"),
        ("wrong-output", "its output is another"),
        ("capture", "it ended as wanted, and a value is not in its output or is none of its type and pattern"),
    ],
    keys: &[
        Key { name: "run", required: true, about: "the command, POSIX sh; variables as \"$name\"" },
        Key { name: "exit", required: false, about: "the status wanted, 0 to 255; default 0" },
        Key {
            name: "stdout",
            required: false,
            about: "the output wanted, without blanks at its ends: a text, or { match = \"regex\" }",
        },
        CAPTURE,
    ],
    parse,
};

#[derive(Debug)]
struct Require {
    run: String,
    env: BTreeMap<String, String>,
    exit: u32,
    stdout: Option<Wanted>,
    capture: Vec<Capture>,
}

#[derive(Debug)]
enum Wanted {
    Exactly(String),
    Match(Regex),
}

fn parse(mut fields: Fields<'_>) -> Parsed {
    let run = fields.need_string("run");
    let env = read_environment(&mut fields, "run");
    let exit = fields.number("exit", 0, 255).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let stdout = read_wanted(&mut fields);
    let capture = capture::read(&mut fields);
    let step = run.zip(env).map(|(run, env)| Arc::new(Require { run, env, exit, stdout, capture }) as Arc<dyn Step>);
    fields.finish(step)
}

fn read_wanted(fields: &mut Fields<'_>) -> Option<Wanted> {
    match fields.value("stdout")? {
        Value::String(text) => Some(Wanted::Exactly(text.trim().to_owned())),
        Value::Object(_) => fields.table("stdout", |inner| {
            let pattern = inner.need_string("match")?;
            match expression(&pattern) {
                Ok(regex) => Some(Wanted::Match(regex)),
                Err(why) => {
                    inner.error("match", format!("`match` is no regular expression: {why}"), None);
                    None
                }
            }
        }),
        _ => {
            fields.error("stdout", "`stdout` must be a text or { match = \"…\" }", None);
            None
        }
    }
}

impl Step for Require {
    fn probes(&self, _target: &Target) -> Vec<Op> {
        let mut shell = Shell::authored(title(&self.run), self.run.clone(), false);
        shell.env = self.env.clone();
        vec![Op::Shell(shell)]
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let [Reply::Shell(reply)] = seen.last()?.replies.as_slice() else {
            return Err(Unreadable::new("there is no reply to the command"));
        };
        let code = looked(reply, self.exit)?;
        if code != self.exit {
            let meaning = meaning(code).map(|text| format!(" ({text})")).unwrap_or_default();
            let mut note = Note::new("wrong-exit", format!("exit {code}{meaning}, not {}", self.exit)).value("exit", code);
            note.evidence = evidence(reply);
            return Ok(Verdict::NotYet(note));
        }
        let Some(wanted) = &self.stdout else {
            return self.holds(format!("exit {code}"), code, reply);
        };
        let text = reply.stdout.text().ok_or_else(|| Unreadable::new("the output is cut or is no UTF-8"))?.trim();
        let (fits, wanted) = match wanted {
            Wanted::Exactly(wanted) => (text == wanted, format!("`{wanted}`")),
            Wanted::Match(regex) => (regex.is_match(text), format!("a match of `{regex}`")),
        };
        let shown = line(text, 80);
        if fits {
            return self.holds(format!("exit {code}, output `{shown}`"), code, reply);
        }
        let mut note = Note::new("wrong-output", format!("the output is `{shown}`, not {wanted}")).value("exit", code);
        note.evidence = evidence(reply);
        Ok(Verdict::NotYet(note))
    }

    fn basis(&self) -> Basis {
        Basis::OwnCommand
    }
}

impl Require {
    /// It ended as wanted; it holds if every value is there too.
    fn holds(&self, summary: String, code: u32, reply: &ShellReply) -> Result<Verdict, Unreadable> {
        match capture::keep(&self.capture, reply, Note::new("holds", summary).value("exit", code)) {
            Ok(note) => Ok(Verdict::Holds(note)),
            Err(Fault::Garbled(what)) => Err(Unreadable::new(what)),
            Err(Fault::Misfit(what)) => {
                let mut note = Note::new("capture", what).value("exit", code);
                note.evidence = evidence(reply);
                Ok(Verdict::NotYet(note))
            }
        }
    }
}

/// What it complained of, or else what it said.
fn evidence(reply: &ShellReply) -> Vec<String> {
    let complaint = last_lines(&reply.stderr, 3);
    if complaint.is_empty() { last_lines(&reply.stdout, 3) } else { complaint }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::KIND;
    use crate::model::fields::{Context, Fields};
    use crate::model::plan::Section;
    use crate::steps::Parsed;

    fn parse(value: &Value, vars: &BTreeMap<String, Value>) -> Parsed {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        (KIND.parse)(Fields::new(map, Context { vars, host_vars: &none, section: Section::Precheck }))
    }

    #[test]
    fn every_wrong_key_is_named() {
        let vars = BTreeMap::from([("PATH".to_owned(), json!("/tmp"))]);
        let errors = parse(&json!({"run": "true", "exit": 256, "stdout": {"match": "("}, "stdin": ""}), &vars);
        let shown: Vec<String> =
            errors.expect_err("there are errors").iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect();
        let want = [
            "run: the variable `PATH` would take the place of an environment variable that programs obey",
            "exit: `exit` must be from 0 to 255, not 256",
            "stdout.match: `match` is no regular expression: unclosed group",
            "stdin: `stdin` is no key here",
        ];
        assert_eq!(shown, want);
    }
}
