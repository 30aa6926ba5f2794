//! The language of `when`: one boolean expression over names, judged with what is known so far.
//!
//! `and or not == != < > in ( )`, literals and names. What is not known yet makes the answer not known, unless the rest
//! decides it; a name that has no value equals nothing.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use serde_json::Value;

use crate::model::token::{Sign, Token, tokens};

/// The longest condition that is read.
const MAX_TEXT: usize = 4096;
/// The deepest nesting.
const MAX_DEPTH: usize = 32;

/// A condition that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct When {
    expr: Expr,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// This.
    Value(Value),
    /// Something that is not known yet, such as the verdict of a step that has not run.
    NotKnown,
    /// Nothing: the host has no such variable, the step reported no such value.
    Absent,
}

/// What a condition comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    /// True or false.
    Known(bool),
    /// It depends on this name, which is not known yet.
    NotKnown(String),
}

/// A condition that cannot be read, or that compares what cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WhenError {
    /// What is wrong.
    pub message: String,
    /// Where in the text, in bytes.
    pub at: Range<usize>,
}

impl WhenError {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), at }
    }

    /// The column, from 1, in characters.
    pub fn column(&self, text: &str) -> usize {
        text.get(..self.at.start).map_or(1, |before| before.chars().count() + 1)
    }
}

/// A name in a condition: `steps.loop.verdict`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Its parts.
    pub parts: Vec<String>,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

impl Name {
    fn refs(&self) -> Vec<&str> {
        self.parts.iter().map(String::as_str).collect()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.join("."))
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Compare(Operand, Sign, Operand),
    In(Operand, Operand),
    Bare(Operand),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Literal(Value, Range<usize>),
    List(Vec<Operand>, Range<usize>),
    Name(Name),
}

impl When {
    /// Reads a condition.
    pub fn parse(text: &str) -> Result<Self, WhenError> {
        if text.len() > MAX_TEXT {
            return Err(WhenError::new(0..0, format!("the condition is longer than {MAX_TEXT} bytes")));
        }
        let tokens = tokens(text)?;
        let mut reader = Reader { tokens: &tokens, at: 0, depth: 0, end: text.len() };
        if tokens.is_empty() {
            return Err(WhenError::new(0..text.len(), "the condition is empty"));
        }
        let expr = reader.or()?;
        match reader.peek() {
            None => Ok(Self { expr }),
            Some((token, at)) => Err(WhenError::new(at.clone(), format!("unexpected {token}"))),
        }
    }

    /// Every name in it, in the order in which they stand.
    pub fn names(&self) -> Vec<&Name> {
        let mut names = Vec::new();
        self.expr.operands(&mut |operand| operand.names(&mut names));
        names
    }

    /// Every comparison of a name with a literal, so that words can be checked against a vocabulary.
    pub fn compared(&self) -> Vec<(&Name, &Value, Range<usize>)> {
        let mut found = Vec::new();
        self.expr.compared(&mut found);
        found
    }

    /// Judges it with what `lookup` knows.
    pub fn judge(&self, lookup: &dyn Fn(&[&str]) -> Lookup) -> Result<Truth, WhenError> {
        self.expr.judge(lookup)
    }
}

impl Expr {
    fn operands<'e>(&'e self, visit: &mut dyn FnMut(&'e Operand)) {
        match self {
            Expr::Or(parts) | Expr::And(parts) => parts.iter().for_each(|part| part.operands(visit)),
            Expr::Not(inner) => inner.operands(visit),
            Expr::Compare(a, _, b) | Expr::In(a, b) => {
                visit(a);
                visit(b);
            }
            Expr::Bare(operand) => visit(operand),
        }
    }

    fn compared<'e>(&'e self, found: &mut Vec<(&'e Name, &'e Value, Range<usize>)>) {
        match self {
            Expr::Or(parts) | Expr::And(parts) => parts.iter().for_each(|part| part.compared(found)),
            Expr::Not(inner) => inner.compared(found),
            Expr::Compare(Operand::Name(name), _, Operand::Literal(value, at))
            | Expr::Compare(Operand::Literal(value, at), _, Operand::Name(name)) => found.push((name, value, at.clone())),
            Expr::In(Operand::Name(name), Operand::List(items, _)) => {
                for item in items {
                    if let Operand::Literal(value, at) = item {
                        found.push((name, value, at.clone()));
                    }
                }
            }
            Expr::Compare(..) | Expr::In(..) | Expr::Bare(_) => {}
        }
    }

    fn judge(&self, lookup: &dyn Fn(&[&str]) -> Lookup) -> Result<Truth, WhenError> {
        match self {
            Expr::Or(parts) => decide(parts, true, lookup),
            Expr::And(parts) => decide(parts, false, lookup),
            Expr::Not(inner) => Ok(match inner.judge(lookup)? {
                Truth::Known(yes) => Truth::Known(!yes),
                unknown => unknown,
            }),
            Expr::Bare(operand) => match operand.value(lookup) {
                Err(name) => Ok(Truth::NotKnown(name)),
                Ok(None) => Ok(Truth::Known(false)),
                Ok(Some(Value::Bool(yes))) => Ok(Truth::Known(yes)),
                Ok(Some(other)) => Err(WhenError::new(operand.at(), format!("this is {}, not true or false", kind(&other)))),
            },
            Expr::Compare(a, sign, b) => match (a.value(lookup), b.value(lookup)) {
                (Err(name), _) | (_, Err(name)) => Ok(Truth::NotKnown(name)),
                (Ok(left), Ok(right)) => {
                    compare(left.as_ref(), *sign, right.as_ref()).map(Truth::Known).map_err(|m| WhenError::new(b.at(), m))
                }
            },
            Expr::In(a, b) => match (a.value(lookup), b.value(lookup)) {
                (Err(name), _) | (_, Err(name)) => Ok(Truth::NotKnown(name)),
                (Ok(None), _) | (_, Ok(None)) => Ok(Truth::Known(false)),
                (Ok(Some(item)), Ok(Some(Value::Array(list)))) => Ok(Truth::Known(list.iter().any(|v| equal(v, &item)))),
                (_, Ok(Some(other))) => Err(WhenError::new(b.at(), format!("`in` needs a list, and this is {}", kind(&other)))),
            },
        }
    }
}

/// `or` is decided by a true part, `and` by a false one, whatever else is not known.
fn decide(parts: &[Expr], by: bool, lookup: &dyn Fn(&[&str]) -> Lookup) -> Result<Truth, WhenError> {
    let mut open = None;
    for part in parts {
        match part.judge(lookup)? {
            Truth::Known(yes) if yes == by => return Ok(Truth::Known(by)),
            Truth::Known(_) => {}
            unknown => open = open.or(Some(unknown)),
        }
    }
    Ok(open.unwrap_or(Truth::Known(!by)))
}

impl Operand {
    fn at(&self) -> Range<usize> {
        match self {
            Operand::Literal(_, at) | Operand::List(_, at) => at.clone(),
            Operand::Name(name) => name.at.clone(),
        }
    }

    fn names<'o>(&'o self, found: &mut Vec<&'o Name>) {
        match self {
            Operand::Name(name) => found.push(name),
            Operand::List(items, _) => items.iter().for_each(|item| item.names(found)),
            Operand::Literal(..) => {}
        }
    }

    /// The value; none where there is none; `Err` with the name where it is not known yet.
    fn value(&self, lookup: &dyn Fn(&[&str]) -> Lookup) -> Result<Option<Value>, String> {
        match self {
            Operand::Literal(value, _) => Ok(Some(value.clone())),
            Operand::List(items, _) => {
                let values = items.iter().map(|item| item.value(lookup)).collect::<Result<Vec<_>, _>>()?;
                Ok(Some(Value::Array(values.into_iter().flatten().collect())))
            }
            Operand::Name(name) => match lookup(&name.refs()) {
                Lookup::Value(value) => Ok(Some(value)),
                Lookup::NotKnown => Err(name.to_string()),
                Lookup::Absent => Ok(None),
            },
        }
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

/// What is of different types is refused rather than called unequal: it is a mistake in the condition.
fn compare(a: Option<&Value>, sign: Sign, b: Option<&Value>) -> Result<bool, String> {
    let (Some(a), Some(b)) = (a, b) else {
        return Ok(sign == Sign::NotEqual && a != b);
    };
    if std::mem::discriminant(a) != std::mem::discriminant(b) {
        return Err(format!("{} cannot be compared with {}", kind(a), kind(b)));
    }
    match sign {
        Sign::Equal => Ok(equal(a, b)),
        Sign::NotEqual => Ok(!equal(a, b)),
        Sign::Less | Sign::More => {
            let order = match (a, b) {
                (Value::Number(a), Value::Number(b)) => a.as_f64().partial_cmp(&b.as_f64()),
                _ => None,
            };
            let order = order.ok_or_else(|| format!("`<` and `>` need numbers, not {}", kind(a)))?;
            Ok(order == if sign == Sign::Less { Ordering::Less } else { Ordering::Greater })
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

struct Reader<'t> {
    tokens: &'t [(Token, Range<usize>)],
    at: usize,
    depth: usize,
    end: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t (Token, Range<usize>)> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.peek().is_some_and(|(token, _)| token == wanted);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some((Token::Word(word), _)) if word == wanted);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Expr, WhenError> {
        let mut parts = vec![self.and()?];
        while self.word("or") {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    fn and(&mut self) -> Result<Expr, WhenError> {
        let mut parts = vec![self.not()?];
        while self.word("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::And(parts) })
    }

    fn not(&mut self) -> Result<Expr, WhenError> {
        if self.depth == MAX_DEPTH {
            return Err(WhenError::new(self.here(), format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let from = self.here();
        let expr = if self.word("not") {
            Expr::Not(Box::new(self.not()?))
        } else if self.take(&Token::Open) {
            let inner = self.or()?;
            if !self.take(&Token::Close) {
                return Err(WhenError::new(from, "this `(` is not closed"));
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn here(&self) -> Range<usize> {
        self.peek().map_or(self.end..self.end, |(_, at)| at.clone())
    }

    fn comparison(&mut self) -> Result<Expr, WhenError> {
        let left = self.operand()?;
        if let Some((Token::Sign(sign), _)) = self.peek() {
            self.at += 1;
            return Ok(Expr::Compare(left, *sign, self.operand()?));
        }
        if self.word("in") {
            let right = if matches!(self.peek(), Some((Token::Open, _))) { self.list()? } else { self.operand()? };
            return Ok(Expr::In(left, right));
        }
        match left {
            Operand::Literal(value, at) if !value.is_boolean() => {
                Err(WhenError::new(at, format!("this is {}, not true or false", kind(&value))))
            }
            left => Ok(Expr::Bare(left)),
        }
    }

    fn list(&mut self) -> Result<Operand, WhenError> {
        let from = self.here();
        self.at += 1;
        let mut items = vec![self.operand()?];
        while self.take(&Token::Comma) {
            items.push(self.operand()?);
        }
        let to = self.here();
        if !self.take(&Token::Close) {
            return Err(WhenError::new(from, "this `(` is not closed"));
        }
        Ok(Operand::List(items, from.start..to.end))
    }

    fn operand(&mut self) -> Result<Operand, WhenError> {
        let Some((token, at)) = self.peek() else {
            return Err(WhenError::new(self.here(), "something is missing at the end"));
        };
        let operand = match token {
            Token::Literal(value) => Operand::Literal(value.clone(), at.clone()),
            Token::Word(word) if !["and", "or", "not", "in"].contains(&word.as_str()) => {
                let parts: Vec<String> = word.split('.').map(str::to_owned).collect();
                if parts.iter().any(String::is_empty) {
                    return Err(WhenError::new(at.clone(), format!("`{word}` is not a name")));
                }
                Operand::Name(Name { parts, at: at.clone() })
            }
            other => return Err(WhenError::new(at.clone(), format!("expected a name or a value, not {other}"))),
        };
        self.at += 1;
        Ok(operand)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use serde_json::json;

    use super::{Lookup, Truth, When};

    fn look(name: &[&str]) -> Lookup {
        match name {
            ["port"] => Lookup::Value(json!(3000)),
            ["app"] => Lookup::Value(json!("api")),
            ["on"] => Lookup::Value(json!(true)),
            ["host", "tags"] => Lookup::Value(json!(["az-a", "blue"])),
            ["steps", "loop-2", "verdict"] => Lookup::Value(json!("single")),
            ["steps", "later", _] => Lookup::NotKnown,
            _ => Lookup::Absent,
        }
    }

    fn judge(text: &str) -> Result<Truth, String> {
        When::parse(text).and_then(|w| w.judge(&look)).map_err(|e| format!("{}: {}", e.column(text), e.message))
    }

    #[test]
    fn conditions_are_judged() {
        let yes = [
            "true",
            "on",
            "not false",
            "port == 3000 and app == 'api'",
            "port == 3000.0",
            "port > 80 and port < 65536 and not port < 0 and port > -1",
            "app == \"api\"",
            "steps.loop-2.verdict == 'single'",
            "app in ('web', 'api')",
            "'az-a' in host.tags",
            "host.vars.canary != true",
            "not host.vars.canary",
            "false and true or true",
            "true or false and false",
            "not (true and false)",
            "steps.later.verdict == 'x' or true",
            "not (steps.later.verdict == 'x' and false)",
        ];
        for text in yes {
            assert_eq!(judge(text), Ok(Truth::Known(true)), "{text}");
        }
        for text in ["false", "not on", "port != 3000", "host.vars.x == 1", "host.vars.x < 1", "host.vars.x", "app in ('b')"] {
            assert_eq!(judge(text), Ok(Truth::Known(false)), "{text}");
        }
        for text in
            ["steps.later.verdict == 'x'", "not steps.later.ok", "on and steps.later.n > 1", "false or 1 in (steps.later.n)"]
        {
            let name = if text.contains("verdict") {
                "verdict"
            } else if text.contains("ok") {
                "ok"
            } else {
                "n"
            };
            assert_eq!(judge(text), Ok(Truth::NotKnown(format!("steps.later.{name}"))), "{text}");
        }
    }

    #[test]
    fn mistakes_have_a_column() {
        let table = [
            ("", "1: the condition is empty"),
            ("port = 3000", "6: `=` does not compare: write `==`"),
            ("!on", "1: write `not` instead of `!`"),
            ("on && on", "4: write `and` and `or` instead of `&` and `|`"),
            ("app == 'api", "8: this text is not closed"),
            ("port >= 80", "6: there is only `<` and `>`: turn it around with `not`"),
            ("port == ", "9: something is missing at the end"),
            ("(on", "1: this `(` is not closed"),
            ("on on", "4: unexpected `on`"),
            ("on)", "3: unexpected `)`"),
            ("app == api-2.", "8: `api-2.` is not a name"),
            ("port == 3000m", "9: `3000m` is not a number: texts stand in quotes"),
            ("'api'", "1: this is a text, not true or false"),
            ("port", "1: this is a number, not true or false"),
            ("port == 'api'", "9: a number cannot be compared with a text"),
            ("app < 'b'", "7: `<` and `>` need numbers, not a text"),
            ("'a' in app", "8: `in` needs a list, and this is a text"),
            ("and", "1: expected a name or a value, not `and`"),
            ("é", "1: unexpected `é`"),
        ];
        for (text, want) in table {
            assert_eq!(judge(text), Err(want.to_owned()), "{text}");
        }
        assert_eq!(judge(&"(".repeat(4000)), Err("33: nested deeper than 32".to_owned()));
    }

    #[test]
    fn names_and_comparisons_are_listed() {
        let when = When::parse("steps.loop.verdict in ('single', 'absent') and (on or 2 == port)").expect("reads");
        let names: Vec<String> = when.names().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["steps.loop.verdict", "on", "port"]);
        let compared: Vec<String> = when.compared().iter().map(|(n, v, _)| format!("{n} {v}")).collect();
        assert_eq!(compared, ["steps.loop.verdict \"single\"", "steps.loop.verdict \"absent\"", "port 2"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = judge(&text);
        }

        #[test]
        fn any_mix_of_its_words_is_read_or_refused(words in proptest::collection::vec("and|or|not|in|on|port|'a'|1|\\(|\\)|,|==|<|steps\\.later\\.x", 0..12)) {
            let _ = judge(&words.join(" "));
        }
    }
}
