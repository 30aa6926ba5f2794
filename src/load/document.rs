//! A TOML file as a tree in file order, every key and value with its place; and readers that take keys out of it.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::load::diagnostic::{Diagnostic, Diagnostics, Page};
use crate::load::source::Source;
use crate::model::fields::nearest;
use crate::model::grammar::{Grammar, code_point, is_seen, shown};

/// The deepest nesting of brackets.
const MAX_DEPTH: usize = 32;
/// The most parts of a dotted key.
const MAX_PARTS: usize = 16;
/// The most bytes of a text on one line that people read, and of one on many.
const MAX_LINE: usize = 256;
const MAX_LINES: usize = 64 * 1024;
/// So many errors are told with the keys that were perhaps meant.
const ENOUGH: usize = 50;
/// The most entries of a list of names.
const MAX_NAMES: usize = 256;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it stands.
    pub span: Range<usize>,
    /// What it is.
    pub tree: Tree,
}

/// What stands in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// A text, number or truth value.
    Plain(Value),
    /// A list.
    List(Vec<Node>),
    /// A table, in file order.
    Table(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// Its value.
    pub node: Node,
}

/// Reads a document; on errors of syntax all of them, and nothing else.
pub fn parse(source: &Source) -> Result<Node, Diagnostics> {
    let base = source.base;
    let refuse = |found| Err(Diagnostics::of(vec![Page::of(source)], found));
    if let Some(at) = too_deep(&source.text) {
        return refuse(vec![Diagnostic::error("E104", "this is nested too deep").at(base + at..base + at + 1, "here")]);
    }
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let (mut found, mut places) = (Vec::new(), BTreeSet::new());
    for error in &errors {
        let at = moved(error.span().unwrap_or(0..0), base);
        // one slip makes several errors at one place; the first says most
        if places.insert(at.start) {
            found.push(Diagnostic::error("E103", error.message()).at(at, "here"));
        }
    }
    let tree = Reader { base, found: &mut found }.table(table.get_ref());
    let root = Node { span: base..source.end(), tree };
    if found.is_empty() { Ok(root) } else { refuse(found) }
}

fn moved(span: Range<usize>, base: usize) -> Range<usize> {
    span.start + base..span.end + base
}

/// The place where brackets nest, or a dotted key goes, deeper than any file of ours: the parser's own limits multiply.
fn too_deep(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut parts) = (0, 0usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'#' => at = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n),
            b'"' | b'\'' => at = end_of_text(bytes, at),
            b'[' | b'{' => {
                depth += 1;
                parts = 0;
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                parts = 0;
            }
            b'.' => parts += 1,
            b'=' | b',' | b'\n' => parts = 0,
            _ => {}
        }
        if depth > MAX_DEPTH || parts > MAX_PARTS {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// The last byte of the text that begins at `from`.
fn end_of_text(bytes: &[u8], from: usize) -> usize {
    let quote = bytes[from];
    let long = bytes[from..].starts_with(&[quote; 3]);
    let mut at = from + if long { 3 } else { 1 };
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if !long => return at,
            b if *b == quote && !long => return at,
            b if *b == quote && bytes[at..].starts_with(&[quote; 3]) => return at + 2,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

struct Reader<'f> {
    base: usize,
    found: &'f mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>) -> Tree {
        let mut entries: Vec<Entry> = Vec::with_capacity(table.len());
        for (key, value) in table {
            let key_span = moved(key.span(), self.base);
            entries.push(Entry { key: key.get_ref().to_string(), key_span, node: self.node(value) });
        }
        entries.sort_by_key(|entry| entry.key_span.start);
        Tree::Table(entries)
    }

    fn node(&mut self, value: &Spanned<DeValue<'_>>) -> Node {
        let span = moved(value.span(), self.base);
        let mut refuse = |message: &str| {
            self.found.push(Diagnostic::error("E105", message).at(span.clone(), ""));
            Tree::Plain(Value::Null)
        };
        let tree = match value.get_ref() {
            DeValue::String(text) => Tree::Plain(Value::from(text.as_ref())),
            DeValue::Boolean(yes) => Tree::Plain(Value::Bool(*yes)),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Tree::Plain(Value::from(number)),
                Err(_) => refuse("this number is too large"),
            },
            DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
                Some(number) => Tree::Plain(Value::Number(number)),
                None => refuse("this is no finite number"),
            },
            DeValue::Datetime(_) => refuse("dates have no meaning here: put it in quotes"),
            DeValue::Array(items) => Tree::List(items.iter().map(|item| self.node(item)).collect()),
            DeValue::Table(table) => self.table(table),
        };
        Node { span, tree }
    }
}

impl Node {
    /// As a value without places.
    pub fn value(&self) -> Value {
        match &self.tree {
            Tree::Plain(value) => value.clone(),
            Tree::List(items) => Value::Array(items.iter().map(Node::value).collect()),
            Tree::Table(entries) => Value::Object(entries.iter().map(|e| (e.key.clone(), e.node.value())).collect()),
        }
    }

    /// The nearest place to a path of keys and indexes: of the key itself where `key` is asked for.
    pub fn find(&self, path: &[String], key: bool) -> Option<Range<usize>> {
        let (first, rest) = path.split_first()?;
        let (own, node) = match &self.tree {
            Tree::Table(entries) => entries.iter().find(|e| e.key == *first).map(|e| (e.key_span.clone(), &e.node))?,
            Tree::List(items) => items.get(first.parse::<usize>().ok()?).map(|n| (n.span.clone(), n))?,
            Tree::Plain(_) => return None,
        };
        if rest.is_empty() {
            return Some(if key { own } else { node.span.clone() });
        }
        node.find(rest, key).or(Some(node.span.clone()))
    }

    /// The entries, where it is a table.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.tree {
            Tree::Table(entries) => Some(entries),
            _ => None,
        }
    }

    fn what(&self) -> String {
        match &self.tree {
            Tree::Plain(Value::String(_)) => "a text".to_owned(),
            Tree::Plain(value) => value.to_string(),
            Tree::List(_) => "a list".to_owned(),
            Tree::Table(_) => "a table".to_owned(),
        }
    }
}

/// The place of a part of a text value in a file that is read alone: exact where the text is written as it is, else the
/// whole value.
pub fn inside(text: &str, node: &Node, part: &Range<usize>) -> Range<usize> {
    written_part(text.get(node.span.clone()).unwrap_or(""), node, part)
}

/// The same, given how the value is written.
pub(super) fn written_part(written: &str, node: &Node, part: &Range<usize>) -> Range<usize> {
    let Tree::Plain(Value::String(value)) = &node.tree else {
        return node.span.clone();
    };
    for quotes in ["\"\"\"\n", "'''\n", "\"\"\"", "'''", "\"", "'"] {
        if let Some(rest) = written.strip_prefix(quotes) {
            if rest.starts_with(value.as_str()) {
                let from = node.span.start + quotes.len();
                // an empty place is drawn one wide where there is something to draw it on
                let end = part.end.max(part.start + 1).min(value.len() + 1);
                return from + part.start.min(value.len())..from + end.max(part.start);
            }
            break;
        }
    }
    node.span.clone()
}

/// Takes keys out of a table; whatever is left at the end is an error.
#[derive(Debug)]
pub struct Table<'n> {
    entries: &'n [Entry],
    /// Where the table stands.
    pub span: Range<usize>,
    known: Vec<&'static str>,
}

impl<'n> Table<'n> {
    /// The table that a node is, or an error.
    pub fn of(node: &'n Node, what: &str, span: Range<usize>, found: &mut Vec<Diagnostic>) -> Option<Self> {
        let entries = node.entries();
        if entries.is_none() {
            found.push(wrong_type(what, "a table", node));
        }
        entries.map(|entries| Self { entries, span, known: Vec::new() })
    }

    /// The entry of a key, marking it as known.
    pub fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn typed<T>(
        &mut self,
        key: &'static str,
        what: &str,
        found: &mut Vec<Diagnostic>,
        read: impl FnOnce(&'n Node) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        let got = read(&entry.node);
        if got.is_none() {
            found.push(wrong_type(key, what, &entry.node));
        }
        got
    }

    /// A text that is not empty.
    pub fn string(&mut self, key: &'static str, found: &mut Vec<Diagnostic>) -> Option<&'n str> {
        self.typed(key, "a text", found, plain_text).filter(|text| {
            let span = self.find(key);
            if text.is_empty() {
                found.push(Diagnostic::error("E204", format!("`{key}` is empty")).at(span, ""));
            }
            !text.is_empty()
        })
    }

    /// A text for people on one line, each character of which can be seen.
    pub fn line(&mut self, key: &'static str, found: &mut Vec<Diagnostic>) -> Option<&'n str> {
        self.words(key, MAX_LINE, is_seen, found)
    }

    /// A text for people of any number of lines, each character of which can be seen.
    pub fn lines(&mut self, key: &'static str, found: &mut Vec<Diagnostic>) -> Option<&'n str> {
        self.words(key, MAX_LINES, |c| is_seen(c) || matches!(c, '\n' | '\r' | '\t'), found)
    }

    fn words(&mut self, key: &'static str, most: usize, may: fn(char) -> bool, found: &mut Vec<Diagnostic>) -> Option<&'n str> {
        let text = self.string(key, found)?;
        let before = std::iter::once(' ').chain(text.chars());
        let message = match text.chars().zip(before).enumerate().find(|(_, (c, before))| !may(*c) && !draws(*before, *c)) {
            Some((at, (c, _))) => format!("character {} of `{key}` cannot be read: {}", at + 1, code_point(c)),
            None if text.len() > most => format!("`{key}` is longer than {most} bytes"),
            None => return Some(text),
        };
        found.push(Diagnostic::error("E204", message).at(self.find(key), ""));
        Some(text)
    }

    /// Names that follow a grammar, each one once.
    pub fn names(&mut self, key: &'static str, grammar: &Grammar, found: &mut Vec<Diagnostic>) -> Vec<String> {
        let list = self.strings(key, found).unwrap_or_default();
        if list.len() > MAX_NAMES {
            let message = format!("`{key}` has more than {MAX_NAMES} entries");
            found.push(Diagnostic::error("E204", message).at(self.find(key), ""));
        }
        let mut names = Vec::new();
        for (name, node) in list.into_iter().take(MAX_NAMES) {
            if let Err(error) = grammar.check(name) {
                found.push(Diagnostic::error("E204", error.to_string()).at(node.span.clone(), ""));
            }
            names.push(name.to_owned());
        }
        names
    }

    /// True or false.
    pub fn bool(&mut self, key: &'static str, found: &mut Vec<Diagnostic>) -> Option<bool> {
        self.typed(key, "true or false", found, |node| match &node.tree {
            Tree::Plain(value) => value.as_bool(),
            _ => None,
        })
    }

    /// A whole number within bounds.
    pub fn number(&mut self, key: &'static str, low: u64, high: u64, found: &mut Vec<Diagnostic>) -> Option<u64> {
        let number = self.typed(key, "a whole number", found, |node| match &node.tree {
            Tree::Plain(Value::Number(n)) if n.is_i64() => Some(n.clone()),
            _ => None,
        })?;
        let fits = number.as_u64().filter(|n| (low..=high).contains(n));
        if fits.is_none() {
            let message = format!("`{key}` must be from {low} to {high}, not {number}");
            found.push(Diagnostic::error("E204", message).at(self.find(key), ""));
        }
        fits
    }

    /// A list of texts, each with its place.
    pub fn strings(&mut self, key: &'static str, found: &mut Vec<Diagnostic>) -> Option<Vec<(&'n str, &'n Node)>> {
        self.typed(key, "a list of texts", found, |node| match &node.tree {
            Tree::List(items) => items.iter().map(|item| plain_text(item).map(|text| (text, item))).collect(),
            _ => None,
        })
    }

    /// A table of values without places.
    pub fn values(&mut self, key: &'static str, found: &mut Vec<Diagnostic>) -> Option<Map<String, Value>> {
        self.typed(key, "a table", found, |node| match node.value() {
            Value::Object(map) => Some(map),
            _ => None,
        })
    }

    /// The entries of a table whose keys are the author's, at most so many.
    pub fn few_entries(&mut self, key: &'static str, most: usize, found: &mut Vec<Diagnostic>) -> &'n [Entry] {
        let entries = self.entries(key, found).unwrap_or_default();
        let Some(beyond) = entries.get(most) else { return entries };
        let message = format!("`{key}` has more than {most} entries");
        found.push(Diagnostic::error("E204", message).at(beyond.key_span.clone(), "the first that is too much"));
        &entries[..most]
    }

    /// The entries of a table whose keys are the author's.
    pub fn entries(&mut self, key: &'static str, found: &mut Vec<Diagnostic>) -> Option<&'n [Entry]> {
        self.typed(key, "a table", found, Node::entries)
    }

    /// The tables of `[[key]]`, each with its place.
    pub fn tables(&mut self, key: &'static str, found: &mut Vec<Diagnostic>) -> Vec<&'n Node> {
        let list = self.typed(key, "a list of tables", found, |node| match &node.tree {
            Tree::List(items) if items.iter().all(|item| item.entries().is_some()) => Some(items.iter().collect()),
            _ => None,
        });
        if list.is_none()
            && self.find_entry(key).is_some_and(|e| e.node.entries().is_some())
            && let Some(last) = found.last_mut()
        {
            last.help.push(format!("write [[{key}]], with two brackets"));
        }
        list.unwrap_or_default()
    }

    /// Notes that a key is missing.
    pub fn need<T>(&self, key: &str, got: Option<T>, example: &str, found: &mut Vec<Diagnostic>) -> Option<T> {
        if got.is_none() && self.find_entry(key).is_none() {
            let missing = Diagnostic::error("E203", format!("`{key}` is missing")).at(self.span.clone(), "");
            found.push(missing.help(format!("add {key} = {example}")));
        }
        got
    }

    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.find_entry(key).is_some()
    }

    fn find_entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The place of a key's value, or of the table.
    pub fn find(&self, key: &str) -> Range<usize> {
        self.find_entry(key).map_or(self.span.clone(), |entry| entry.node.span.clone())
    }

    /// Refuses by name the keys of the language whose support has not been built.
    pub fn unbuilt(&mut self, keys: &[&'static str], found: &mut Vec<Diagnostic>) {
        for key in keys {
            if let Some(entry) = self.entry(key) {
                found.push(unbuilt(key, entry.key_span.clone()));
            }
        }
    }

    /// Every entry that was not taken.
    pub fn rest(&self) -> impl Iterator<Item = &'n Entry> {
        self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str()))
    }

    /// Ends reading: every key that was not taken is an error.
    pub fn finish(self, found: &mut Vec<Diagnostic>) {
        for entry in self.rest() {
            // to look for the key that was meant costs more than all the rest
            let known: &[&str] = if found.len() < ENOUGH { &self.known } else { &[] };
            found.push(unknown_key(entry, known));
        }
    }
}

/// Whether a character only says how the sign before it is drawn.
fn draws(before: char, c: char) -> bool {
    matches!(c, '\u{fe0e}' | '\u{fe0f}') && !before.is_ascii()
}

fn plain_text(node: &Node) -> Option<&str> {
    match &node.tree {
        Tree::Plain(value) => value.as_str(),
        _ => None,
    }
}

/// A key that is not known.
pub fn unknown_key(entry: &Entry, known: &[&str]) -> Diagnostic {
    let hint = match nearest(&entry.key, known.iter().copied()) {
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => (!known.is_empty()).then(|| format!("keys here: {}", known.join(", "))),
    };
    let message = format!("`{}` is no key here", shown(&entry.key));
    Diagnostic::error("E201", message).at(entry.key_span.clone(), "").help_if(hint)
}

/// Something of the language that has not been built.
pub fn unbuilt(what: &str, span: Range<usize>) -> Diagnostic {
    Diagnostic::error("E206", format!("`{what}` is not supported yet")).at(span, "")
}

/// A value of the wrong type.
pub fn wrong_type(key: &str, what: &str, node: &Node) -> Diagnostic {
    Diagnostic::error("E202", format!("`{key}` must be {what}, not {}", node.what())).at(node.span.clone(), "")
}

/// A document of that text, for tests of readers.
#[cfg(test)]
pub(crate) fn sample(text: &str) -> Result<Node, Diagnostics> {
    crate::load::source::decode(std::path::Path::new("x.toml"), text.as_bytes().to_vec()).and_then(|source| parse(&source))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::{any, proptest};

    use super::{parse, sample};
    use crate::load::source::decode;

    #[test]
    fn entries_stand_in_file_order_and_know_their_place() {
        let text = "[hosts.zeta]\nport = 1\n[hosts.alpha]\na = [{ b = 2 }]\n[[step]]\nid = \"x\"\n";
        let root = sample(text).expect("reads");
        let hosts = root.entries().expect("a table")[0].node.entries().expect("hosts");
        let keys: Vec<&str> = hosts.iter().map(|e| e.key.as_str()).collect();
        assert_eq!(keys, ["zeta", "alpha"]);
        let path = |p: &[&str]| p.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let at = |p: &[&str], key| root.find(&path(p), key).and_then(|s| text.get(s));
        assert_eq!(at(&["hosts", "alpha", "a", "0", "b"], false), Some("2"));
        assert_eq!(at(&["hosts", "alpha", "a", "0", "b"], true), Some("b"));
        assert_eq!(at(&["hosts", "zeta"], true), Some("zeta"));
        assert_eq!(at(&["step", "0", "id"], false), Some("\"x\""));
        assert_eq!(at(&["hosts", "zeta", "nope"], false), Some("[hosts.zeta]"));
    }

    #[test]
    fn all_errors_of_syntax_are_told() {
        let errors = sample("a = \nb = 1\nb = 2\nc = [1,,2]\n").expect_err("broken");
        let want = "x.toml:1:4: error[E103]: string values must be quoted, expected literal string; \n";
        assert_ne!(errors.lines(), want);
        let places: Vec<usize> = errors.list.iter().filter_map(|d| d.span.clone()).map(|s| errors.place(s.start).line).collect();
        assert_eq!(places, [1, 3, 4]);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("a = {}", "[".repeat(10_000));
        let closed = format!("a = {}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let tables = format!("a = {}1{}", "{b=".repeat(10_000), "}".repeat(10_000));
        let dotted = format!("{}a = 1", "a.".repeat(10_000));
        let header = format!("[{}a]", "a.".repeat(10_000));
        let mixed = format!("a = {}1{}", format!("{{{}b = ", "a.".repeat(70)).repeat(70), "}".repeat(70));
        let hidden = format!("a = '\nb = {}", format!("{{{}b = ", "a.".repeat(70)).repeat(70));
        for text in [deep, closed, tables, dotted, header, mixed, hidden] {
            assert!(sample(&text).is_err());
        }
        assert!(sample("a = '[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[' # [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[").is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_with_words(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Err(errors) = decode(Path::new("x.toml"), bytes).and_then(|source| parse(&source).map(drop)) {
                proptest::prop_assert!(!errors.list.is_empty());
                let _ = (errors.lines(), errors.drawn(true));
            }
        }

        #[test]
        fn any_mix_of_signs_is_read_or_refused(text in "[\\[\\]{}=\\.,a\"'\\\\#\n 1é]{0,80}") {
            if let Err(errors) = sample(&text) {
                let _ = (errors.lines(), errors.drawn(false));
            }
        }
    }
}
