//! Placeholders in fields: `{{ name }}` and nothing else; no filters, no logic.
//!
//! A text that is exactly one placeholder takes the typed value; inside other text the value is inserted once and never
//! read again. Shell text takes no placeholders at all: there the variables are environment variables.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::model::fields::nearest;

/// Keys of a step whose texts are shell: they are never filled in.
pub const SHELL_KEYS: &[&str] = &["run", "unless", "undo", "remember"];
/// Keys whose table is a step within the step: its shell is shell as well.
const NESTING: &[&str] = &["until"];
/// The most bytes that the values of one step may come to: one text may name one value ten thousand times.
const MAX_FILLED: usize = 1 << 20;
/// Filled in by the kind, later.
const RESERVED: &str = "value";

/// A placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder {
    /// The keys and indexes down to the text it stands in.
    pub path: Vec<String>,
    /// The name between the braces.
    pub name: String,
    /// Where it stands in that text, in bytes, braces included.
    pub at: Range<usize>,
}

/// A placeholder that cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// The keys and indexes down to the text it stands in.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Where in that text, in bytes.
    pub at: Range<usize>,
}

enum Piece<'t> {
    Text(&'t str),
    Name(&'t str, Range<usize>),
    Broken(Range<usize>),
}

/// Whether what stands under these keys is shell text.
fn is_shell(path: &[String]) -> bool {
    match path {
        [key] => SHELL_KEYS.contains(&key.as_str()),
        [outer, key] => NESTING.contains(&outer.as_str()) && SHELL_KEYS.contains(&key.as_str()),
        _ => false,
    }
}

/// The pieces of a text.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find("{{").map(|n| at + n) {
        if open > at {
            found.push(Piece::Text(&text[at..open]));
        }
        let Some(close) = text[open + 2..].find("}}").map(|n| open + 2 + n) else {
            found.push(Piece::Broken(open..text.len()));
            return found;
        };
        let name = text[open + 2..close].trim();
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
        let span = open..close + 2;
        found.push(if plain { Piece::Name(name, span) } else { Piece::Broken(span) });
        at = close + 2;
    }
    if at < text.len() || found.is_empty() {
        found.push(Piece::Text(&text[at..]));
    }
    found
}

/// Every placeholder of the fields of a step that is to be filled in.
pub fn placeholders(fields: &Map<String, Value>) -> Vec<Placeholder> {
    let mut found = Vec::new();
    for (key, value) in fields {
        collect(value, &mut vec![key.clone()], &mut found);
    }
    found
}

/// Those that name what a run learns, `{{ steps.ID.NAME }}`: they are filled in when the step is reached.
pub fn late(fields: &Map<String, Value>) -> Vec<Placeholder> {
    let mut found = placeholders(fields);
    found.retain(|placeholder| is_late(&placeholder.name));
    found
}

fn is_late(name: &str) -> bool {
    name.starts_with("steps.")
}

fn collect(value: &Value, path: &mut Vec<String>, found: &mut Vec<Placeholder>) {
    if is_shell(path) {
        return;
    }
    match value {
        Value::String(text) => {
            for piece in pieces(text) {
                if let Piece::Name(name, at) = piece
                    && name != RESERVED
                {
                    found.push(Placeholder { path: path.clone(), name: name.to_owned(), at });
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                collect(item, path, found);
                path.pop();
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                path.push(key.clone());
                collect(item, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Whether the shell text of a step reads the environment variable of that name.
pub fn reads(fields: &Map<String, Value>, name: &str) -> bool {
    fields.iter().any(|(key, value)| {
        let nested = || value.as_object().is_some_and(|step| reads(step, name));
        if NESTING.contains(&key.as_str()) { nested() } else { SHELL_KEYS.contains(&key.as_str()) && mentions(value, name) }
    })
}

fn mentions(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => [format!("${name}"), format!("${{{name}"), format!("${{#{name}")].iter().any(|sign| {
            text.match_indices(sign.as_str()).any(|(at, _)| {
                let next = text[at + sign.len()..].chars().next();
                !next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
            })
        }),
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        Value::Object(map) => map.values().any(|item| mentions(item, name)),
        _ => false,
    }
}

/// Fills in the fields of a step. `lookup` knows the values, `names` lists them for suggestions.
pub fn fill(
    fields: &Map<String, Value>,
    lookup: &dyn Fn(&str) -> Option<Value>,
    names: &[&str],
) -> Result<Map<String, Value>, Vec<TemplateError>> {
    let mut filler = Filler { lookup, names, path: Vec::new(), errors: Vec::new(), room: Some(MAX_FILLED) };
    let mut filled = Map::new();
    for (key, value) in fields {
        filler.path.push(key.clone());
        let value = filler.value(value);
        filler.path.pop();
        filled.insert(key.clone(), value);
    }
    if filler.errors.is_empty() { Ok(filled) } else { Err(filler.errors) }
}

struct Filler<'f> {
    lookup: &'f dyn Fn(&str) -> Option<Value>,
    names: &'f [&'f str],
    path: Vec<String>,
    errors: Vec<TemplateError>,
    /// How many more bytes of values may be filled in; none: there were too many.
    room: Option<usize>,
}

impl Filler<'_> {
    /// Takes room for a value; told once where there is no more.
    fn takes(&mut self, bytes: usize, at: &Range<usize>) -> bool {
        let Some(room) = self.room else { return false };
        self.room = room.checked_sub(bytes);
        if self.room.is_none() {
            let message = format!("with its values this comes to more than {} KiB", MAX_FILLED / 1024);
            self.error(at.clone(), message, None);
        }
        self.room.is_some()
    }

    fn error(&mut self, at: Range<usize>, message: String, hint: Option<String>) {
        self.errors.push(TemplateError { path: self.path.clone(), message, hint, at });
    }

    fn value(&mut self, value: &Value) -> Value {
        if is_shell(&self.path) {
            return self.shell(value);
        }
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let mut filled = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    self.path.push(index.to_string());
                    filled.push(self.value(item));
                    self.path.pop();
                }
                Value::Array(filled)
            }
            Value::Object(map) => {
                let mut filled = Map::new();
                for (key, item) in map {
                    self.path.push(key.clone());
                    if key.contains("{{") {
                        self.error(0..0, "a key takes no placeholder".to_owned(), None);
                    }
                    filled.insert(key.clone(), self.value(item));
                    self.path.pop();
                }
                Value::Object(filled)
            }
            other => other.clone(),
        }
    }

    fn text(&mut self, text: &str) -> Value {
        let pieces = pieces(text);
        if let [Piece::Name(name, at)] = pieces.as_slice()
            && *name != RESERVED
        {
            return self.named(name, at).unwrap_or(Value::Null);
        }
        let mut filled = String::with_capacity(text.len());
        for piece in pieces {
            match piece {
                Piece::Text(plain) => filled.push_str(plain),
                Piece::Name(RESERVED, at) => filled.push_str(&text[at]),
                Piece::Name(name, at) => match self.named(name, &at) {
                    Some(Value::String(value)) => filled.push_str(&value),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => filled.push_str(&value.to_string()),
                    Some(_) => self.error(at, format!("`{name}` is a list: it cannot stand inside other text"), None),
                    None => {}
                },
                Piece::Broken(at) => {
                    let hint = Some("write {{ name }}: there are no filters and no logic".to_owned());
                    self.error(at, "this placeholder is not a name".to_owned(), hint);
                }
            }
        }
        Value::String(filled)
    }

    fn named(&mut self, name: &str, at: &Range<usize>) -> Option<Value> {
        let value = (self.lookup)(name);
        if let Some(value) = &value
            && !self.takes(length(value), at)
        {
            return None;
        }
        if value.is_none() {
            let hint = match near(name, self.names) {
                _ if name.starts_with("facts.") => {
                    "facts stand in `when`; in fields there are variables, host.name, host.user, host.address, host.vars.NAME"
                        .to_owned()
                }
                Some(near) => format!("did you mean `{near}`?"),
                None if name.starts_with("host.vars.") => "set it in the inventory".to_owned(),
                None if name.contains('.') => {
                    "there are: host.name, host.user, host.address, host.vars.NAME, steps.ID.NAME".to_owned()
                }
                None => format!("declare it: [vars] {name} = {{ type = \"string\" }}"),
            };
            self.error(at.clone(), format!("there is no `{name}` here"), Some(hint));
        }
        value
    }

    /// Shell text stays as it is, but a placeholder that names something of ours was meant to be filled in.
    fn shell(&mut self, value: &Value) -> Value {
        for text in texts(value) {
            for piece in pieces(text) {
                if let Piece::Name(name, at) = piece
                    && (is_late(name) || (self.lookup)(name).is_some())
                {
                    // what a step captures arrives under its own name as well
                    let own = if is_late(name) { name.rsplit('.').next().unwrap_or(name) } else { name };
                    let hint =
                        (!own.contains('.')).then(|| format!("write \"${own}\": variables arrive as environment variables"));
                    self.error(at, format!("shell text takes no placeholders, so `{name}` cannot stand here"), hint);
                }
            }
        }
        value.clone()
    }
}

/// The nearest name; inventory variables are only near each other, and not by the `host.vars.` they all begin with.
fn near<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    let Some(own) = name.strip_prefix("host.vars.") else {
        return nearest(name, names.iter().copied().filter(|known| !known.starts_with("host.vars.")));
    };
    let found = nearest(own, names.iter().filter_map(|known| known.strip_prefix("host.vars.")))?;
    names.iter().copied().find(|known| known.strip_prefix("host.vars.") == Some(found))
}

/// How many bytes a value comes to, about.
pub fn length(value: &Value) -> usize {
    texts(value).into_iter().map(|text| text.len() + 1).sum::<usize>().max(1)
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(map) => map.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::{fill, late, placeholders, reads};

    fn look(name: &str) -> Option<Value> {
        match name {
            "port" => Some(json!(3000)),
            "app" => Some(json!("a {{ port }} b")),
            "on" => Some(json!(true)),
            "list" => Some(json!(["x"])),
            "host.user" => Some(json!("ec2-user")),
            _ => None,
        }
    }

    fn filled(fields: Value) -> Result<Value, Vec<String>> {
        let map: Map<String, Value> = fields.as_object().cloned().expect("a table");
        fill(&map, &look, &["port", "app", "on", "list", "host.user"]).map(Value::Object).map_err(|errors| {
            let show = |e: &super::TemplateError| {
                format!("{}@{}: {} ({})", e.path.join("."), e.at.start, e.message, e.hint.as_deref().unwrap_or("-"))
            };
            errors.iter().map(show).collect()
        })
    }

    #[test]
    fn one_placeholder_is_typed_and_inside_text_it_is_text() {
        let fields = json!({
            "a": "{{ port }}", "b": "{{port}}", "c": ":{{ port }}/{{ host.user }}", "d": {"e": ["{{ on }}", 1, "{{ list }}"]},
            "f": "x {{ on }}", "g": "?enabled={{ value }}", "h": "{{ value }}", "i": "{{ app }}!", "run": "docker ps -f '{{.Names}}'",
            "until": {"port": "{{ port }}", "run": "docker ps -f '{{.Names}}'"}, "json": {"run": "{{ port }}"},
        });
        let want = json!({
            "a": 3000, "b": 3000, "c": ":3000/ec2-user", "d": {"e": [true, 1, ["x"]]},
            "f": "x true", "g": "?enabled={{ value }}", "h": "{{ value }}", "i": "a {{ port }} b!", "run": "docker ps -f '{{.Names}}'",
            "until": {"port": 3000, "run": "docker ps -f '{{.Names}}'"}, "json": {"run": 3000},
        });
        assert_eq!(filled(fields), Ok(want));
    }

    #[test]
    fn what_cannot_be_filled_in_is_an_error_each() {
        let fields = json!({
            "a": "x {{ prot }}", "b": {"c": ["{{ zzz }}"]}, "d": "{{ port | upper }}", "e": "{{ port", "f": "x{{ list }}",
            "run": "restart {{ port }}", "g": "{{ host.vars.x }}", "h": {"{{ port }}": 1}, "until": {"run": "test {{ port }}"},
        });
        let want = [
            "a@2: there is no `prot` here (did you mean `port`?)",
            "b.c.0@0: there is no `zzz` here (declare it: [vars] zzz = { type = \"string\" })",
            "d@0: this placeholder is not a name (write {{ name }}: there are no filters and no logic)",
            "e@0: this placeholder is not a name (write {{ name }}: there are no filters and no logic)",
            "f@1: `list` is a list: it cannot stand inside other text (-)",
            "g@0: there is no `host.vars.x` here (set it in the inventory)",
            "h.{{ port }}@0: a key takes no placeholder (-)",
            "run@8: shell text takes no placeholders, so `port` cannot stand here (write \"$port\": variables arrive as environment variables)",
            "until.run@5: shell text takes no placeholders, so `port` cannot stand here (write \"$port\": variables arrive as environment variables)",
        ];
        assert_eq!(filled(fields), Err(want.map(str::to_owned).to_vec()));
    }

    #[test]
    fn one_long_value_cannot_be_filled_in_for_ever() {
        let long = json!("x".repeat(100 * 1024));
        let look = |name: &str| (name == "long").then(|| long.clone());
        let fields = |times: usize| Map::from_iter([("a".to_owned(), json!("{{ long }}".repeat(times)))]);
        assert_eq!(fill(&fields(10), &look, &[]).expect("it fits")["a"].as_str().map(str::len), Some(1024 * 1000));
        let list = Map::from_iter([("a".to_owned(), json!(vec!["{{ long }}"; 10_000]))]);
        for fields in [fields(11), fields(100_000), list] {
            let errors = fill(&fields, &look, &[]).expect_err("refused");
            let told: Vec<&str> = errors.iter().map(|error| error.message.as_str()).collect();
            assert_eq!(told, ["with its values this comes to more than 1024 KiB"]);
        }
    }

    #[test]
    fn a_command_reads_a_variable_by_its_whole_name() {
        let reads = |fields: Value| reads(fields.as_object().expect("a table"), "sha");
        for text in ["echo $sha", "echo \"${sha}\"", "x=${sha:-none}", "$sha", "[ ${#sha} = 40 ]"] {
            assert!(reads(json!({ "run": text })), "{text}");
            assert!(reads(json!({"remember": {"a": {"run": text}}})), "{text}");
            assert!(reads(json!({"until": {"kind": "require", "run": text}})), "{text}");
            assert!(!reads(json!({"ask": text, "until": {"kind": "http", "url": text}})), "{text}");
        }
        for text in ["echo $shard", "echo ${sha1}", "echo sha", "$ sha"] {
            assert!(!reads(json!({ "run": text })), "{text}");
        }
    }

    #[test]
    fn placeholders_are_listed_with_their_path() {
        let fields = json!({"a": "{{ port }}{{ value }}", "b": ["{{ x }}"], "run": "{{ port }}", "until": {"app": "{{ y }}", "run": "{{ x }}"}});
        let found = placeholders(fields.as_object().expect("a table"));
        let shown: Vec<String> = found.iter().map(|p| format!("{} {}", p.path.join("."), p.name)).collect();
        assert_eq!(shown, ["a port", "b.0 x", "until.app y"]);
    }

    #[test]
    fn what_a_run_learns_is_told_apart() {
        let fields = json!({
            "a": "{{ steps.build.sha }}-{{ port }}", "b": {"c": ["{{ steps.count.n }}"]}, "run": "{{ steps.x.y }}", "d": "{{ stepsize }}",
        });
        let found = late(fields.as_object().expect("a table"));
        let shown: Vec<String> = found.iter().map(|p| format!("{} {}", p.path.join("."), p.name)).collect();
        assert_eq!(shown, ["a steps.build.sha", "b.c.0 steps.count.n"]);
        let wrong = json!({"a": "{{ facts.os }}", "b": "{{ group.x }}", "run": "echo {{ steps.build.sha }}"});
        let want = [
            "a@0: there is no `facts.os` here (facts stand in `when`; in fields there are variables, host.name, host.user, \
             host.address, host.vars.NAME)",
            "b@0: there is no `group.x` here (there are: host.name, host.user, host.address, host.vars.NAME, steps.ID.NAME)",
            "run@5: shell text takes no placeholders, so `steps.build.sha` cannot stand here (write \"$sha\": variables arrive as \
             environment variables)",
        ];
        assert_eq!(filled(wrong), Err(want.map(str::to_owned).to_vec()));
    }
}
