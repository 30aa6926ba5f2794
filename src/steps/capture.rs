//! Values taken from the output of a command: where they stand in it, and what they must be to be kept. Output of a
//! host is hostile: it becomes a value only by its type and pattern, and only where all of it is there.

use regex::Regex;
use serde_json::Value;

use crate::model::fields::Fields;
use crate::model::id::VarName;
use crate::model::op::{Captured, ShellReply};
use crate::model::runbook::{VarDecl, VarType};
use crate::model::step::Note;
use crate::model::vars::{RESERVED, expression, shadows, whole};
use crate::model::visible::literal;
use crate::read::answer::{excerpt, line};
use crate::steps::Key;

/// What `steps.ID.NAME` is without any capture.
const OWN: &[&str] = &["exit", "outcome", "verdict"];
/// The most bytes of a value.
const LONGEST: usize = 4096;
/// The most values of a step.
const MOST: usize = 32;
/// How the places are written.
const PLACES: &str = "stdout:trim, stdout:line:N (-1 is the last), stdout:json:/pointer or stdout:match:REGEX; stderr likewise";

/// The key.
pub(in crate::steps) const CAPTURE: Key = Key {
    name: "capture",
    required: false,
    about: "table of values to take from the output: { sha = { from = \"stdout:trim\", type = \"string\", pattern = \"[0-9a-f]{40}\" } }; \
            `from` is stdout or stderr with :trim (default), :line:N (-1 is the last), :json:/pointer or :match:REGEX (its first \
            group); a type as in [vars], default string; without a pattern a text may be shown, compared and passed as \
            environment only",
};

/// A value to take.
#[derive(Debug)]
pub struct Capture {
    decl: VarDecl,
    from: Place,
    written: String,
}

/// Why a value cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The output cannot be read.
    Garbled(String),
    /// It can, and the value is not there or is none of its type and pattern.
    Misfit(String),
}

impl Fault {
    /// In words.
    pub fn into_text(self) -> String {
        match self {
            Fault::Garbled(text) | Fault::Misfit(text) => text,
        }
    }
}

#[derive(Debug)]
struct Place {
    stream: Stream,
    part: Part,
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

#[derive(Debug)]
enum Part {
    /// All of it, without blanks at its ends.
    Trim,
    /// One line, from 1, or from -1 at the end.
    Line(isize),
    /// What a pointer finds in a JSON text.
    Json(String),
    /// The first group of the first match, or the whole of it.
    Match(Box<Regex>),
}

/// Reads the key `capture`.
pub fn read(fields: &mut Fields<'_>) -> Vec<Capture> {
    let found = fields.tables("capture", read_one);
    bounded(fields, "capture", found)
}

/// Refuses more values than a step may take.
pub(in crate::steps) fn bounded<T>(fields: &mut Fields<'_>, key: &str, found: Vec<T>) -> Vec<T> {
    if found.len() > MOST {
        fields.error(key, format!("`{key}` has {} values: at most {MOST} are kept", found.len()), None);
    }
    found
}

/// Reads one value to take, under its name.
pub(in crate::steps) fn read_one(name: &str, fields: &mut Fields<'_>) -> Option<Capture> {
    let named = read_name(name).map_err(|(message, hint)| fields.error_here(message, hint)).ok();
    let written = fields.need_string("from");
    let from = written
        .as_deref()
        .and_then(|text| place(text).map_err(|message| fields.error("from", message, Some(format!("one of: {PLACES}")))).ok());
    let words: Vec<&'static str> = VarType::WORDS.iter().filter(|(_, ty)| *ty != VarType::List).map(|(word, _)| *word).collect();
    let word = fields.word("type", &words);
    let ty = VarType::WORDS.iter().find(|(known, _)| Some(*known) == word).map_or(VarType::String, |(_, ty)| *ty);
    let pattern = fields.string("pattern");
    if let Some(Err(message)) = pattern.as_deref().map(whole) {
        fields.error("pattern", message, None);
    }
    if pattern.is_none() && matches!(ty, VarType::Path | VarType::Url) {
        // such a value may stand where a step goes: it is not for the host alone to say where
        let message = "a path or URL that a host prints needs a pattern";
        fields.error("type", message, Some("add pattern = \"…\", which must match all of it".to_owned()));
    }
    let values = read_values(ty, fields);
    let allow_empty = fields.bool("allow_empty").unwrap_or(false);
    let decl = VarDecl { name: named?, ty, default: None, pattern, values, allow_empty, about: None };
    Some(Capture { decl, from: from?, written: written? })
}

fn read_name(name: &str) -> Result<VarName, (String, Option<String>)> {
    let another = || Some("choose another name".to_owned());
    if RESERVED.contains(&name) {
        return Err((format!("`{name}` has a meaning of its own in templates and conditions"), another()));
    }
    if OWN.contains(&name) {
        return Err((format!("`{name}` is what the step itself says under steps.ID.{name}"), another()));
    }
    if shadows(name) {
        return Err((format!("`{name}` would change what shells and programs do"), another()));
    }
    VarName::parse(name).map_err(|error| (error.to_string(), None))
}

fn read_values(ty: VarType, fields: &mut Fields<'_>) -> Vec<String> {
    let words = match fields.value("values") {
        None => Vec::new(),
        Some(Value::Array(words)) if words.iter().all(Value::is_string) => {
            words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(_) => {
            fields.error("values", "`values` must be a list of texts", None);
            return Vec::new();
        }
    };
    match (ty, words.is_empty()) {
        (VarType::Enum, true) => {
            fields.error("values", "`values` is missing", Some("add values = [\"…\"]".to_owned()));
        }
        (VarType::Enum, false) | (_, true) => {}
        (_, false) => fields.error("values", "`values` belongs to type = \"enum\"", None),
    }
    words
}

fn place(text: &str) -> Result<Place, String> {
    let (stream, part) = text.split_once(':').unwrap_or((text, "trim"));
    let bad = || format!("`{}` is no place in an output", literal(text));
    let stream = match stream {
        "stdout" => Stream::Stdout,
        "stderr" => Stream::Stderr,
        _ => return Err(bad()),
    };
    let part = match part.split_once(':').unwrap_or((part, "")) {
        ("trim", "") => Part::Trim,
        ("line", number) => match number.parse() {
            Ok(0) => return Err("there is no line 0: the first one is 1, the last one is -1".to_owned()),
            Ok(number) => Part::Line(number),
            Err(_) => return Err(bad()),
        },
        ("json", pointer) if pointer.is_empty() || pointer.starts_with('/') => Part::Json(pointer.to_owned()),
        ("json", pointer) => return Err(format!("the pointer `{}` does not begin with /", literal(pointer))),
        ("match", "") => return Err("the regular expression is missing".to_owned()),
        ("match", pattern) => {
            let wrong = |why| format!("`{}` is no regular expression: {why}", literal(pattern));
            Part::Match(Box::new(expression(pattern).map_err(wrong)?))
        }
        _ => return Err(bad()),
    };
    Ok(Place { stream, part })
}

impl Capture {
    /// The name of the value.
    pub fn name(&self) -> &str {
        self.decl.name.as_str()
    }

    /// The value in what a command has printed.
    pub fn take(&self, reply: &ShellReply) -> Result<Value, Fault> {
        let stream = match self.from.stream {
            Stream::Stdout => &reply.stdout,
            Stream::Stderr => &reply.stderr,
        };
        let told = |what: &str| line(&format!("`{}` from {}: {what}", self.name(), self.written), 240);
        let found = self.find(stream).map_err(|fault| match fault {
            Fault::Garbled(what) => Fault::Garbled(told(&what)),
            Fault::Misfit(what) => Fault::Misfit(told(&what)),
        })?;
        if let Some(text) = found.as_str().filter(|text| text.len() > LONGEST) {
            return Err(Fault::Misfit(told(&format!("{} bytes, at most {LONGEST} are kept", text.len()))));
        }
        self.decl.accept(&found).map_err(|why| Fault::Misfit(told(&why)))
    }

    fn find(&self, stream: &Captured) -> Result<Value, Fault> {
        let text = stream.text().ok_or_else(|| {
            let cut = format!("the output was cut, {} bytes are too many", stream.total);
            Fault::Garbled(if stream.is_cut() { cut } else { "the output is no UTF-8".to_owned() })
        })?;
        let misfit = |what: String| Fault::Misfit(what);
        let found = match &self.from.part {
            Part::Trim => text.trim(),
            Part::Line(number) => {
                let at = number.unsigned_abs() - 1;
                let found = if *number > 0 { text.lines().nth(at) } else { text.lines().rev().nth(at) };
                let none = || misfit(format!("there is no such line, there are {}", text.lines().count()));
                found.ok_or_else(none)?.trim()
            }
            Part::Json(pointer) => {
                let json: Value = serde_json::from_str(text)
                    .map_err(|error| Fault::Garbled(format!("the output is no JSON ({error}): {}", excerpt(text.as_bytes()))))?;
                return json.pointer(pointer).cloned().ok_or_else(|| misfit("the JSON has no such value".to_owned()));
            }
            Part::Match(regex) => {
                let found = regex.captures(text).ok_or_else(|| misfit("nothing matches".to_owned()))?;
                let group = if regex.captures_len() > 1 { found.get(1) } else { found.get(0) };
                group.ok_or_else(|| misfit("the group has no part in the match".to_owned()))?.as_str()
            }
        };
        Ok(Value::from(found))
    }
}

/// The note with every value, or why one of them cannot be taken.
pub fn keep(captures: &[Capture], reply: &ShellReply, mut note: Note) -> Result<Note, Fault> {
    for capture in captures {
        note.values.insert(capture.name().to_owned(), capture.take(reply)?);
    }
    Ok(note)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::{Capture, Fault, LONGEST, keep, read};
    use crate::model::fields::{Context, FieldError, Fields};
    use crate::model::op::{Captured, Exit, ShellReply};
    use crate::model::plan::Section;
    use crate::model::step::Note;

    fn parse(capture: &Value) -> Result<Vec<Capture>, Vec<FieldError>> {
        let none = BTreeMap::new();
        let value = json!({ "capture": capture });
        let map = value.as_object().expect("a table");
        let mut fields = Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Step });
        let found = read(&mut fields);
        fields.finish(Some(found))
    }

    fn errors(capture: &Value) -> Vec<String> {
        let errors = parse(capture).expect_err("there are errors");
        errors.iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect()
    }

    fn reply(stdout: Captured) -> ShellReply {
        ShellReply { exit: Exit::Code { code: 0 }, stdout, stderr: Captured::whole("warn 7\n"), took: Duration::ZERO }
    }

    fn taken(entry: &Value, stdout: &str) -> Result<Value, Fault> {
        parse(&json!({ "x": entry })).expect("it is fine")[0].take(&reply(Captured::whole(stdout)))
    }

    #[test]
    fn a_value_stands_at_its_place() {
        let out = "one \n two 2\n\nlast\n";
        let found = |from: &str| taken(&json!({ "from": from }), out);
        assert_eq!(found("stdout"), Ok(json!("one \n two 2\n\nlast")));
        assert_eq!(found("stdout:trim"), found("stdout"));
        assert_eq!(found("stdout:line:1"), Ok(json!("one")));
        assert_eq!(found("stdout:line:2"), Ok(json!("two 2")));
        assert_eq!(found("stdout:line:-1"), Ok(json!("last")));
        assert_eq!(found("stdout:match:[a-z]+ [0-9]"), Ok(json!("two 2")));
        assert_eq!(found("stdout:match:two ([0-9])(x)?"), Ok(json!("2")));
        assert_eq!(found("stdout:match:a:b|(?m)^la.*$"), Ok(json!("last")), "a colon belongs to the expression");
        assert_eq!(found("stderr:match:[0-9]"), Ok(json!("7")));
        let json = "{\"a\": {\"b\": [1, \"x:y\"]}, \"on\": true}\n";
        let found = |from: &str, ty: &str| taken(&json!({ "from": from, "type": ty }), json);
        assert_eq!(found("stdout:json:/a/b/1", "string"), Ok(json!("x:y")));
        assert_eq!(found("stdout:json:/a/b/0", "int"), Ok(json!(1)));
        assert_eq!(found("stdout:json:/on", "bool"), Ok(json!(true)));
        assert_eq!(taken(&json!({"from": "stdout:json:"}), "\"all of it\""), Ok(json!("all of it")));
    }

    #[test]
    fn what_is_not_there_or_does_not_fit_is_no_value() {
        let misfit = |entry: Value, out: &str| match taken(&entry, out) {
            Err(Fault::Misfit(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            misfit(json!({"from": "stdout:line:3"}), "a\nb\n"),
            "`x` from stdout:line:3: there is no such line, there are 2"
        );
        assert_eq!(misfit(json!({"from": "stdout:line:-1"}), ""), "`x` from stdout:line:-1: there is no such line, there are 0");
        assert_eq!(
            misfit(json!({"from": "stdout:match:(a)|b"}), "b"),
            "`x` from stdout:match:(a)|b: the group has no part in the match"
        );
        assert_eq!(misfit(json!({"from": "stdout:match:z"}), "b"), "`x` from stdout:match:z: nothing matches");
        assert_eq!(misfit(json!({"from": "stdout:json:/b"}), "{\"a\":1}"), "`x` from stdout:json:/b: the JSON has no such value");
        assert_eq!(misfit(json!({"from": "stdout:json:/a"}), "{\"a\":1}"), "`x` from stdout:json:/a: must be a text");
        assert_eq!(
            misfit(json!({"from": "stdout", "pattern": "[0-9a-f]+"}), "beef!"),
            "`x` from stdout: `beef!` does not match [0-9a-f]+"
        );
        assert_eq!(misfit(json!({"from": "stdout", "type": "port"}), "0"), "`x` from stdout: `0` is not a port from 1 to 65535");
        assert_eq!(misfit(json!({"from": "stdout", "type": "enum", "values": ["a"]}), "b"), "`x` from stdout: `b` is none of: a");
        assert_eq!(misfit(json!({"from": "stdout"}), " \n"), "`x` from stdout: is empty: allow_empty = true would allow it");
        assert_eq!(taken(&json!({"from": "stdout", "allow_empty": true}), " \n"), Ok(json!("")));
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(misfit(json!({"from": "stdout"}), &long), "`x` from stdout: 4097 bytes, at most 4096 are kept");
        let hostile = misfit(json!({"from": "stdout", "type": "int"}), &format!("\u{1b}[2J{}", &long[2000..]));
        assert!(hostile.chars().count() <= 241 && !hostile.contains('\u{1b}'), "{hostile}");
    }

    #[test]
    fn an_output_that_cannot_be_read_has_no_values() {
        let garbled = |from: &str, stdout: Captured| match parse(&json!({"x": {"from": from}})).expect("it is fine")[0]
            .take(&reply(stdout))
        {
            Err(Fault::Garbled(text)) => text,
            other => panic!("{other:?}"),
        };
        let cut = Captured { head: b"a\n".to_vec(), tail: b"b\n".to_vec(), total: 600_000, ..Captured::default() };
        assert_eq!(garbled("stdout:line:1", cut), "`x` from stdout:line:1: the output was cut, 600000 bytes are too many");
        assert_eq!(garbled("stdout", Captured::whole(*b"\xff")), "`x` from stdout: the output is no UTF-8");
        assert_eq!(
            garbled("stdout:json:/a", Captured::whole("oops\u{1b}")),
            "`x` from stdout:json:/a: the output is no JSON (expected value at line 1 column 1): oops\\x1b"
        );
    }

    #[test]
    fn every_wrong_entry_is_named() {
        let wrong = json!({
            "PATH": {"from": "stdout"},
            "a-b": {"from": "stdout"},
            "b": {"from": "stdin"},
            "c": {"from": "stdout:line:0"},
            "d": {"from": "stdout:json:a"},
            "e": {"from": "stdout:match:("},
            "exit": {"from": "stdout"},
            "f": {"from": "stdout", "type": "list"},
            "g": {"from": "stdout", "type": "enum"},
            "h": {"from": "stdout", "values": ["x"], "pattern": "("},
            "i": {"from": "stdout", "type": "path"},
            "j": {"form": "stdout"},
            "k": "stdout",
            "steps": {"from": "stdout"},
        });
        let want = [
            "capture.PATH: `PATH` would change what shells and programs do",
            "capture.a-b: `a-b` is not a variable name: a letter or _, then at most 63 of A-Z a-z 0-9 _",
            "capture.b.from: `stdin` is no place in an output",
            "capture.c.from: there is no line 0: the first one is 1, the last one is -1",
            "capture.d.from: the pointer `a` does not begin with /",
            "capture.e.from: `(` is no regular expression: unclosed group",
            "capture.exit: `exit` is what the step itself says under steps.ID.exit",
            "capture.f.type: `type` cannot be `list`",
            "capture.g.values: `values` is missing",
            "capture.h.pattern: the pattern is no regular expression: unclosed group",
            "capture.h.values: `values` belongs to type = \"enum\"",
            "capture.i.type: a path or URL that a host prints needs a pattern",
            "capture.j.from: `from` is missing",
            "capture.j.form: `form` is no key here",
            "capture.k: `k` must be a table, not \"stdout\"",
            "capture.steps: `steps` has a meaning of its own in templates and conditions",
        ];
        assert_eq!(errors(&wrong), want);
        let many: serde_json::Map<String, Value> = (0..33).map(|n| (format!("v{n}"), json!({"from": "stdout"}))).collect();
        assert_eq!(errors(&Value::Object(many)), ["capture: `capture` has 33 values: at most 32 are kept"]);
    }

    #[test]
    fn values_are_kept_beside_those_of_the_note() {
        let captures = parse(
            &json!({"sha": {"from": "stdout", "pattern": "[0-9a-f]{4}"}, "n": {"from": "stderr:match:[0-9]+", "type": "int"}}),
        );
        let captures = captures.expect("it is fine");
        let note = Note::new("ran", "exit 0").value("exit", 0);
        let kept = keep(&captures, &reply(Captured::whole("beef\n")), note.clone());
        assert_eq!(kept, Ok(note.clone().value("sha", "beef").value("n", 7)));
        assert!(keep(&captures, &reply(Captured::whole("dead beef\n")), note).is_err());
    }
}
