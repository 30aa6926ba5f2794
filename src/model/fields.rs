//! The fields of a step as its kind reads them: typed, checked, every error kept, no key ignored.
//!
//! A kind never sees the file. It reads values that were resolved before, and names the field in its errors; the
//! loader knows where that field stands.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::model::plan::Section;
use crate::model::time::parse_duration;
use crate::model::visible::literal;

/// An error in one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The key, or the keys down to it: `start.config`.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Whether the key itself is unknown, rather than its value wrong.
    pub unknown_key: bool,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a kind may know besides its own fields.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The runbook's variables with their values for this host.
    pub vars: &'a BTreeMap<String, Value>,
    /// The inventory's variables of this host.
    pub host_vars: &'a BTreeMap<String, Value>,
    /// Where the step stands.
    pub section: Section,
}

/// Reads the fields of one step. Call a reader per key, then [`Fields::finish`].
#[derive(Debug)]
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// Variables, section.
    pub context: Context<'a>,
    prefix: Vec<String>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    /// Starts reading.
    pub fn new(map: &'a Map<String, Value>, context: Context<'a>) -> Self {
        Self { map, context, prefix: Vec::new(), known: Vec::new(), errors: Vec::new() }
    }

    /// Notes an error at `key`.
    pub fn error(&mut self, key: &str, message: impl Into<String>, hint: Option<String>) {
        let mut path = self.prefix.clone();
        path.push(key.to_owned());
        self.errors.push(FieldError { path, message: message.into(), hint, unknown_key: false });
    }

    /// Notes an error at the table that is being read.
    pub fn error_here(&mut self, message: impl Into<String>, hint: Option<String>) {
        self.errors.push(FieldError { path: self.prefix.clone(), message: message.into(), hint, unknown_key: false });
    }

    /// Takes over the errors of somebody else who has read the table at `key`.
    pub fn adopt(&mut self, key: &str, errors: Vec<FieldError>) {
        let prefix: Vec<String> = self.prefix.iter().cloned().chain([key.to_owned()]).collect();
        let placed = |error: FieldError| FieldError { path: prefix.iter().cloned().chain(error.path).collect(), ..error };
        self.errors.extend(errors.into_iter().map(placed));
    }

    /// The raw value of a key, marking it as known.
    pub fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.map.get(key)
    }

    fn typed<T>(&mut self, key: &'static str, what: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let value = self.value(key)?;
        let got = read(value);
        if got.is_none() {
            self.error(key, format!("`{key}` must be {what}, not {}", describe(value)), None);
        }
        got
    }

    fn required<T>(&mut self, key: &'static str, got: Option<T>, what: &str) -> Option<T> {
        if got.is_none() && !self.map.contains_key(key) {
            self.error(key, format!("`{key}` is missing"), Some(format!("add {key} = {what}")));
        }
        got
    }

    /// A text; empty is an error.
    pub fn string(&mut self, key: &'static str) -> Option<String> {
        let text = self.typed(key, "a text", |v| v.as_str().map(str::to_owned))?;
        if text.is_empty() {
            self.error(key, format!("`{key}` is empty"), None);
            return None;
        }
        if text.contains('\0') {
            self.error(key, format!("`{key}` contains a NUL byte"), None);
            return None;
        }
        Some(text)
    }

    /// A text that must be there.
    pub fn need_string(&mut self, key: &'static str) -> Option<String> {
        let got = self.string(key);
        self.required(key, got, "\"…\"")
    }

    /// One of a closed list of words.
    pub fn word(&mut self, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.string(key)?;
        let found = words.iter().copied().find(|w| *w == text);
        if found.is_none() {
            self.error(key, format!("`{key}` cannot be `{}`", literal(&text)), Some(format!("one of: {}", words.join(", "))));
        }
        found
    }

    /// True or false.
    pub fn bool(&mut self, key: &'static str) -> Option<bool> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// A whole number within bounds.
    pub fn number(&mut self, key: &'static str, low: u64, high: u64) -> Option<u64> {
        let number = self.typed(key, "a whole number", Value::as_u64)?;
        if (low..=high).contains(&number) {
            return Some(number);
        }
        self.error(key, format!("`{key}` must be from {low} to {high}, not {number}"), None);
        None
    }

    /// A TCP port, as a number or as text of digits.
    pub fn port(&mut self, key: &'static str) -> Option<u16> {
        let read = |v: &Value| match v {
            Value::Number(n) => n.as_u64(),
            Value::String(s) => s.parse().ok(),
            _ => None,
        };
        self.typed(key, "a port from 1 to 65535", |v| read(v).and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0))
    }

    /// A TCP port that must be there.
    pub fn need_port(&mut self, key: &'static str) -> Option<u16> {
        let got = self.port(key);
        self.required(key, got, "3000")
    }

    /// A duration such as `20s`.
    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        let text = self.string(key)?;
        match parse_duration(&text) {
            Ok(duration) => Some(duration),
            Err(message) => {
                self.error(key, message, None);
                None
            }
        }
    }

    /// A nested table, read by `read` with the same care.
    pub fn table<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Fields<'a>) -> Option<T>) -> Option<T> {
        let map = self.typed(key, "a table", Value::as_object)?;
        self.within(&[key], map, read)
    }

    /// A table of tables whose keys are the author's: each of them read by `read`, which is told its key.
    pub fn tables<T>(&mut self, key: &'static str, mut read: impl FnMut(&str, &mut Fields<'a>) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for (name, value) in self.entries(key).into_iter().flatten() {
            match value.as_object() {
                Some(map) => found.extend(self.within(&[key, name], map, |inner| read(name, inner))),
                None => {
                    let message = format!("`{}` must be a table, not {}", literal(name), describe(value));
                    let path = vec![name.clone()];
                    self.adopt(key, vec![FieldError { path, message, hint: None, unknown_key: false }]);
                }
            }
        }
        found
    }

    fn within<T>(
        &mut self,
        keys: &[&str],
        map: &'a Map<String, Value>,
        read: impl FnOnce(&mut Fields<'a>) -> Option<T>,
    ) -> Option<T> {
        let prefix = self.prefix.iter().cloned().chain(keys.iter().map(|key| (*key).to_owned())).collect();
        let mut inner = Fields { map, context: self.context, prefix, known: Vec::new(), errors: Vec::new() };
        let got = read(&mut inner);
        inner.refuse_unknown();
        let clean = inner.errors.is_empty();
        self.errors.append(&mut inner.errors);
        if clean { got } else { None }
    }

    /// Every entry of a nested table whose keys are the author's.
    pub fn entries(&mut self, key: &'static str) -> Option<&'a Map<String, Value>> {
        self.typed(key, "a table", Value::as_object)
    }

    /// PM2_HOME: the field `pm2_home`, else the host's variable of that name, else `~/.pm2`.
    pub fn pm2_home(&mut self) -> String {
        let from_host = self.context.host_vars.get("pm2_home").and_then(Value::as_str).map(str::to_owned);
        self.string("pm2_home").or(from_host).unwrap_or_else(|| "~/.pm2".to_owned())
    }

    fn refuse_unknown(&mut self) {
        for key in self.map.keys() {
            if self.known.contains(&key.as_str()) {
                continue;
            }
            let near = nearest(key, self.known.iter().copied());
            let hint = match near {
                Some(word) => format!("did you mean `{word}`?"),
                None => format!("keys here: {}", self.known.join(", ")),
            };
            let mut path = self.prefix.clone();
            path.push(key.clone());
            let message = format!("`{}` is no key here", literal(key));
            self.errors.push(FieldError { path, message, hint: Some(hint), unknown_key: true });
        }
    }

    /// Ends reading: the step, if there was no error and no unknown key.
    pub fn finish<T>(mut self, step: Option<T>) -> Result<T, Vec<FieldError>> {
        self.refuse_unknown();
        match step {
            Some(step) if self.errors.is_empty() => Ok(step),
            _ => Err(self.errors),
        }
    }
}

/// The candidate that is near enough to be a misspelling.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(word, c), c))
        .filter(|(score, _)| *score > 0.82)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => format!("\"{}\"", literal(s)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::{Context, Fields};
    use crate::model::plan::Section;

    #[test]
    fn every_error_is_kept_and_no_key_is_ignored() {
        let value = json!({"port": 70000, "ap": "x", "start": {"config": 3, "onyl": "y"}});
        let map = value.as_object().expect("a table");
        let none = BTreeMap::new();
        let mut fields = Fields::new(map, Context { vars: &none, host_vars: &none, section: Section::Step });
        let port = fields.need_port("port");
        let app = fields.need_string("app");
        let start = fields.table("start", |f| {
            let config = f.need_string("config");
            let only = f.need_string("only");
            config.zip(only)
        });
        let errors = fields.finish(port.zip(app).zip(start)).expect_err("there are errors");
        let shown: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect();
        let want = [
            "port: `port` must be a port from 1 to 65535, not 70000",
            "app: `app` is missing",
            "start.config: `config` must be a text, not 3",
            "start.only: `only` is missing",
            "start.onyl: `onyl` is no key here",
            "ap: `ap` is no key here",
        ];
        assert_eq!(shown, want);
        assert_eq!(errors[4].hint.as_deref(), Some("did you mean `only`?"));
    }

    #[test]
    fn the_errors_of_nested_tables_say_where_they_stand() {
        let value = json!({"capture": {"a": {"from": 1}, "b": 2, "c": {"from": "x"}}, "until": {"port": 0}});
        let map = value.as_object().expect("a table");
        let none = BTreeMap::new();
        let context = Context { vars: &none, host_vars: &none, section: Section::Step };
        let mut fields = Fields::new(map, context);
        let found = fields.tables("capture", |name, inner| {
            let from = inner.need_string("from")?;
            inner.error_here(format!("`{name}` is taken"), None);
            Some(from)
        });
        assert_eq!(found, [] as [String; 0]);
        let until = fields.entries("until").expect("a table");
        let mut inner = Fields::new(until, context);
        let port = inner.need_port("port");
        fields.adopt("until", inner.finish(port).expect_err("there is an error"));
        let errors = fields.finish(Some(())).expect_err("there are errors");
        let shown: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect();
        let want = [
            "capture.a.from: `from` must be a text, not 1",
            "capture.b: `b` must be a table, not 2",
            "capture.c: `c` is taken",
            "until.port: `port` must be a port from 1 to 65535, not 0",
        ];
        assert_eq!(shown, want);
    }
}
