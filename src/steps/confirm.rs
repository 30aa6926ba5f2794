//! `confirm`: somebody says yes before the run goes on.

use std::sync::Arc;
use std::time::Duration;

use crate::model::fields::Fields;
use crate::model::finding::Finding;
use crate::model::op::{Op, Reply};
use crate::model::outcome::Risk;
use crate::model::plan::Scope;
use crate::model::step::{Basis, Evidence, Note, Question, Step, Target, Unreadable, Verdict};
use crate::model::visible::visible;
use crate::read::answer::line;
use crate::steps::{Class, Key, Kind, Parsed};

/// The kind.
pub(crate) static KIND: Kind = Kind {
    name: "confirm",
    class: Class::Wait,
    risk: Risk::ReadOnly,
    scopes: &[Scope::Controller, Scope::EachHost],
    acts_as: false,
    runs: true,
    title: "somebody says yes before the run goes on",
    about: "\
Looks at: nothing. It asks once a run, or once for each host with each = true; where there is no terminal it fails at once, \
unless --approve has named it.
Follows: yes: approved. No: declined, and the step fails. Nobody answers within 1 h: the step is late.
Would change: nothing. A dry run does not ask.
Undone: nothing to undo.",
    verdicts: &[("approved", "somebody said yes"), ("declined", "somebody said no")],
    keys: &[
        Key { name: "ask", required: true, about: "the question, on one line of at most 200 characters" },
        Key { name: "each", required: false, about: "true: ask for each host on its own; default false: once a run" },
    ],
    parse,
};

/// How long a question waits for its answer.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The most characters of a question.
const LONGEST: usize = 200;

#[derive(Debug)]
struct Confirm {
    question: String,
}

fn parse(mut fields: Fields<'_>) -> Parsed {
    let question = fields.need_string("ask").and_then(|text| {
        let text = text.trim();
        let wrong = if text.is_empty() {
            "`ask` is empty".to_owned()
        } else if visible(text) != text {
            // what is asked must read as what it is
            "`ask` has characters that cannot be seen: it is one line of plain text".to_owned()
        } else if text.chars().count() > LONGEST {
            format!("`ask` has {} characters: at most {LONGEST} are asked", text.chars().count())
        } else {
            return Some(text.to_owned());
        };
        fields.error("ask", wrong, None);
        None
    });
    // how often it is asked is a matter of its scope, which is none of the kind
    fields.bool("each");
    let step = question.map(|question| Arc::new(Confirm { question }) as Arc<dyn Step>);
    fields.finish(step)
}

impl Step for Confirm {
    fn probes(&self, _target: &Target) -> Vec<Op> {
        Vec::new()
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let answer = match seen.last()?.replies.as_slice() {
            [] => return Ok(Verdict::Ask(Question { text: self.question.clone() })),
            [Reply::Answer(answer)] => answer,
            _ => return Err(Unreadable::new("the reply is no answer to the question")),
        };
        let (by, via) = (line(&answer.by, 80), line(&answer.via, 20));
        if by.is_empty() {
            return Err(Unreadable::new("the answer does not say who gave it"));
        }
        if answer.yes {
            let note = Note::new("approved", format!("yes by {by} ({via}): {}", self.question));
            return Ok(Verdict::Holds(note.value("by", by).value("via", via)));
        }
        Ok(Verdict::Refuse(Finding::new("declined", format!("no by {by} ({via}): {}", self.question))))
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn basis(&self) -> Basis {
        Basis::Declared
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::KIND;
    use crate::model::fields::{Context, Fields};
    use crate::model::plan::Section;
    use crate::steps::Parsed;

    fn parse(value: &Value) -> Parsed {
        let none = BTreeMap::new();
        let map = value.as_object().expect("a table");
        (KIND.parse)(Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Step }))
    }

    #[test]
    fn a_question_is_one_line_that_can_be_read() {
        let wrong = |ask: &str| {
            let errors = parse(&json!({"ask": ask})).expect_err("there are errors");
            errors.iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect::<Vec<_>>().join("; ")
        };
        let unseen = "ask: `ask` has characters that cannot be seen: it is one line of plain text";
        for ask in ["go\non?", "\u{1b}[31mgo on?", "go \u{202e}on?"] {
            assert_eq!(wrong(ask), unseen, "{ask:?}");
        }
        assert_eq!(wrong("  "), "ask: `ask` is empty");
        assert_eq!(wrong(&"x".repeat(201)), "ask: `ask` has 201 characters: at most 200 are asked");
        assert!(parse(&json!({"ask": "ä".repeat(200), "each": true})).is_ok());
        assert!(parse(&json!({"ask": "go on?", "each": "yes"})).is_err());
    }

    #[test]
    fn an_answer_may_take_an_hour() {
        let step = parse(&json!({"ask": "go on?"})).expect("it is fine");
        assert_eq!(step.patience(), Duration::from_secs(3600));
    }
}
