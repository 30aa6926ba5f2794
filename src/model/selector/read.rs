//! The grammar: text into an expression, or what is wrong with it and where.

use std::ops::Range;

use crate::model::fields::nearest;
use crate::model::grammar::code_point;
use crate::model::pattern::Pattern;
use crate::model::selector::pick::Pick;
use crate::model::selector::{Atom, Became, Expr, RunAtom, SelectorError};
use crate::model::visible::literal;

/// The longest selector that is read: two thousand long names and some.
const MAX_TEXT: usize = 256 * 1024;
/// The deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 64;
/// The longest atom.
const MAX_ATOM: usize = 512;
/// How many digits of a run's id say which one is meant, and the most that an id has.
const RUN_DIGITS: std::ops::RangeInclusive<usize> = 4..=32;
/// What stands before the colon of an atom.
const SORTS: [&str; 6] = ["tag", "failed", "unreachable", "not-started", "changed", "pick"];

/// Reads the whole text.
pub(super) fn expression(text: &str) -> Result<Expr, SelectorError> {
    if text.len() > MAX_TEXT {
        return Err(SelectorError::new(0..0, format!("the selector is longer than {} KiB", MAX_TEXT / 1024)));
    }
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.space();
    if reader.at == text.len() {
        return Err(SelectorError::new(0..text.len(), "the selector is empty").hint("write `all` for every host"));
    }
    let expr = reader.any()?;
    match reader.peek() {
        None => Ok(expr),
        Some(c) => Err(SelectorError::new(
            reader.at..reader.at + c.len_utf8(),
            format!("unexpected `{}`", literal(c.encode_utf8(&mut [0; 4]))),
        )
        .hint("join names with `,` (either), `&` (both) or `!` (not)")),
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes one of `signs`, with the space after it.
    fn take(&mut self, signs: &[char]) -> bool {
        let found = self.peek().filter(|c| signs.contains(c));
        if let Some(c) = found {
            self.at += c.len_utf8();
            self.space();
        }
        found.is_some()
    }

    fn any(&mut self) -> Result<Expr, SelectorError> {
        let mut parts = vec![self.all()?];
        while self.take(&[',', '|']) {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn all(&mut self) -> Result<Expr, SelectorError> {
        let mut parts = vec![self.not()?];
        while self.take(&['&']) {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn not(&mut self) -> Result<Expr, SelectorError> {
        let from = self.at;
        if self.depth == MAX_DEPTH {
            let end = from + self.peek().map_or(0, char::len_utf8);
            return Err(SelectorError::new(from..end, format!("nested deeper than {MAX_DEPTH}")));
        }
        self.depth += 1;
        let expr = if self.take(&['!']) {
            Expr::Not(Box::new(self.not()?))
        } else if self.take(&['(']) {
            let inner = self.any()?;
            if !self.take(&[')']) {
                return Err(SelectorError::new(from..from + 1, "this `(` is not closed"));
            }
            inner
        } else {
            self.atom()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn atom(&mut self) -> Result<Expr, SelectorError> {
        let from = self.at;
        let mut inside = false;
        let length = self
            .rest()
            .find(|c: char| {
                match c {
                    '[' => inside = true,
                    ']' => inside = false,
                    _ => {}
                }
                c.is_whitespace() || c.is_control() || "|&!()".contains(c) || (c == ',' && !inside)
            })
            .unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        self.at += length;
        let at = from..self.at;
        self.space();
        if word.len() > MAX_ATOM {
            return Err(SelectorError::new(at, format!("this is longer than {MAX_ATOM} bytes")));
        }
        if word.is_empty() {
            let what = match self.rest().chars().next() {
                Some(c) => format!("expected a host, @group or tag:NAME, not `{}`", literal(c.encode_utf8(&mut [0; 4]))),
                None => "expected a host, @group or tag:NAME after this".to_owned(),
            };
            let end = (from + self.rest().chars().next().map_or(0, char::len_utf8)).min(self.text.len());
            return Err(SelectorError::new(from..end, what));
        }
        if let Some((from, c)) = word.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
            let from = at.start + from;
            let message =
                format!("`{}` is {}: no name of a host, group or tag has it", literal(c.encode_utf8(&mut [0; 4])), code_point(c));
            return Err(SelectorError::new(from..from + c.len_utf8(), message));
        }
        Ok(Expr::Atom(read_atom(word, &at)?, at))
    }
}

fn read_atom(word: &str, at: &Range<usize>) -> Result<Atom, SelectorError> {
    if word == "all" {
        return Ok(Atom::Everything);
    }
    if let Some(group) = word.strip_prefix('@') {
        return named(group, at, "@", "a group").map(Atom::Group);
    }
    match word.split_once(':') {
        Some(("tag", tag)) => named(tag, at, "tag:", "a tag").map(Atom::Tag),
        Some(("pick", text)) => Pick::parse(text)
            .map(Atom::Pick)
            .map_err(|message| SelectorError::new(at.clone(), message).hint("write pick:3 or pick:10%")),
        Some((sort, text)) => match Became::ALL.into_iter().find(|became| became.word() == sort) {
            Some(became) => run(became, text, at).map(Atom::Run),
            None => Err(no_sort(sort, at)),
        },
        None if word.contains(['*', '?', '[', ']']) => Pattern::parse(word)
            .map(Atom::Pattern)
            .map_err(|message| SelectorError::new(at.clone(), message).hint("a set is written web[01-06,09]")),
        None => Ok(Atom::Host(word.to_owned())),
    }
}

fn run(became: Became, text: &str, at: &Range<usize>) -> Result<RunAtom, SelectorError> {
    let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if text == "last" || (digits && RUN_DIGITS.contains(&text.len())) {
        return Ok(RunAtom { became, run: text.to_owned() });
    }
    let message = format!("`{}:` needs the id of a run, at least four of its first digits, or `last`", became.word());
    Err(SelectorError::new(at.clone(), message).hint("runbook history lists the runs"))
}

fn no_sort(sort: &str, at: &Range<usize>) -> SelectorError {
    let error = SelectorError::new(at.clone(), format!("`{}:` is no kind of selection", literal(sort)));
    match nearest(sort, SORTS) {
        Some(word) => error.hint(format!("did you mean `{word}:`?")),
        None => error.hint("hosts are named by name, glob, set, @group or tag:NAME, never by address"),
    }
}

fn named(name: &str, at: &Range<usize>, sign: &str, what: &str) -> Result<String, SelectorError> {
    if name.is_empty() {
        return Err(SelectorError::new(at.clone(), format!("`{sign}` needs the name of {what}")));
    }
    if name.contains(['*', '?', '[', ']']) {
        return Err(SelectorError::new(at.clone(), format!("{what} is named exactly, without `*`, `?` or `[`")));
    }
    Ok(name.to_owned())
}
