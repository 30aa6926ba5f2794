//! Names with `*`, `?` or a set of numbers in them: `web[01-06,09]`.

use crate::model::hostset::{padding, written};
use crate::model::visible::literal;

/// The most names that the sets of one pattern may stand for.
const MAX_SET: u64 = 10_000;

/// A name with `*`, `?` or `[01-06,09]` in it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Star,
    One,
    Numbers(Vec<Numbers>),
}

#[derive(Debug, Clone, PartialEq)]
struct Numbers {
    low: u64,
    high: u64,
    width: usize,
}

impl Pattern {
    /// Reads a pattern; what is wrong with it is said in words.
    pub(super) fn parse(word: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut members: u64 = 1;
        let mut rest = word;
        while let Some(c) = rest.chars().next() {
            match c {
                '*' => {
                    // two stars in a row match what one does
                    if pieces.last() != Some(&Piece::Star) {
                        pieces.push(Piece::Star);
                    }
                    rest = &rest[1..];
                }
                '?' => {
                    pieces.push(Piece::One);
                    rest = &rest[1..];
                }
                ']' => return Err("this `]` was never opened".to_owned()),
                '[' => {
                    let (inside, after) = rest[1..].split_once(']').ok_or_else(|| "this `[` is not closed".to_owned())?;
                    let numbers = inside.split(',').map(numbers).collect::<Result<Vec<_>, _>>()?;
                    let size = numbers.iter().fold(0u64, |sum, n| sum.saturating_add((n.high - n.low).saturating_add(1)));
                    members = members.saturating_mul(size);
                    if members > MAX_SET {
                        return Err(format!("this set has more than {MAX_SET} members"));
                    }
                    pieces.push(Piece::Numbers(numbers));
                    rest = after;
                }
                _ => {
                    let end = rest.find(['*', '?', '[', ']']).unwrap_or(rest.len());
                    pieces.push(Piece::Text(rest[..end].to_owned()));
                    rest = &rest[end..];
                }
            }
        }
        Ok(Pattern(pieces))
    }
}

fn numbers(part: &str) -> Result<Numbers, String> {
    let part = part.trim();
    let (low, high) = part.split_once('-').unwrap_or((part, part));
    let read = |text: &str| {
        let digits = !text.is_empty() && text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse::<u64>().ok() } else { None }
    };
    let (Some(from), Some(to)) = (read(low), read(high)) else {
        return Err(format!("`{}` is neither a number nor a range of numbers", literal(part)));
    };
    if from > to {
        return Err(format!("`{part}` runs backwards"));
    }
    let width = padding(low);
    // `[01-6]` could mean two things, so it means nothing
    if width > 0 && high.len() < width || padding(high) > 0 && padding(high) != width {
        return Err(format!("`{part}` is padded on one side only"));
    }
    Ok(Numbers { low: from, high: to, width })
}

impl Pattern {
    /// Whether a name matches, by the set of places that can be reached after each piece.
    pub(super) fn matches(&self, name: &str) -> bool {
        let bytes = name.as_bytes();
        let mut here = vec![false; bytes.len() + 1];
        here[0] = true;
        for piece in &self.0 {
            let mut next = vec![false; bytes.len() + 1];
            for at in (0..=bytes.len()).filter(|at| here[*at]) {
                piece.ends(bytes, at, |end| next[end] = true);
            }
            here = next;
        }
        here[bytes.len()]
    }

    /// The names it stands for, where it has no `*` and no `?`.
    pub(super) fn names(&self) -> Option<Vec<String>> {
        let mut names = vec![String::new()];
        for piece in &self.0 {
            let tails: Vec<String> = match piece {
                Piece::Text(text) => vec![text.clone()],
                Piece::Numbers(sets) => sets.iter().flat_map(|n| (n.low..=n.high).map(|value| written(value, n.width))).collect(),
                Piece::Star | Piece::One => return None,
            };
            names = names.iter().flat_map(|name| tails.iter().map(move |tail| format!("{name}{tail}"))).collect();
        }
        Some(names)
    }
}

impl Piece {
    fn ends(&self, name: &[u8], at: usize, mut reach: impl FnMut(usize)) {
        match self {
            Piece::Text(text) if name[at..].starts_with(text.as_bytes()) => reach(at + text.len()),
            Piece::Text(_) => {}
            Piece::Star => (at..=name.len()).for_each(reach),
            Piece::One if at < name.len() => reach(at + 1),
            Piece::One => {}
            Piece::Numbers(sets) => {
                let digits = name[at..].iter().take(18).take_while(|b| b.is_ascii_digit()).count();
                for end in at + 1..=at + digits {
                    let text = std::str::from_utf8(&name[at..end]).unwrap_or("");
                    let value = text.parse::<u64>().ok();
                    let holds = |n: &Numbers| value.is_some_and(|v| (n.low..=n.high).contains(&v) && written(v, n.width) == text);
                    if sets.iter().any(holds) {
                        reach(end);
                    }
                }
            }
        }
    }
}
