//! The words and signs of the language of `when`.

use std::fmt;
use std::ops::Range;

use serde_json::Value;

use crate::model::visible::literal;
use crate::model::when::WhenError;

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    NotEqual,
    Less,
    More,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Word(String),
    Literal(Value),
    Sign(Sign),
    Open,
    Close,
    Comma,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Word(word) => write!(f, "`{word}`"),
            Token::Literal(value) => write!(f, "`{}`", literal(&value.to_string())),
            Token::Sign(Sign::Equal) => f.write_str("`==`"),
            Token::Sign(Sign::NotEqual) => f.write_str("`!=`"),
            Token::Sign(Sign::Less) => f.write_str("`<`"),
            Token::Sign(Sign::More) => f.write_str("`>`"),
            Token::Open => f.write_str("`(`"),
            Token::Close => f.write_str("`)`"),
            Token::Comma => f.write_str("`,`"),
        }
    }
}

/// The words and signs of a condition, each with its place.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, Range<usize>)>, WhenError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            '=' if rest.starts_with("==") => (Token::Sign(Sign::Equal), 2),
            '!' if rest.starts_with("!=") => (Token::Sign(Sign::NotEqual), 2),
            '<' | '>' if rest[1..].starts_with('=') => {
                return Err(WhenError::new(at..at + 2, "there is only `<` and `>`: turn it around with `not`"));
            }
            '<' => (Token::Sign(Sign::Less), 1),
            '>' => (Token::Sign(Sign::More), 1),
            '=' => return Err(WhenError::new(at..at + 1, "`=` does not compare: write `==`")),
            '!' => return Err(WhenError::new(at..at + 1, "write `not` instead of `!`")),
            '&' | '|' => return Err(WhenError::new(at..at + 1, "write `and` and `or` instead of `&` and `|`")),
            '\'' | '"' => {
                let Some(length) = rest[1..].find(c) else {
                    return Err(WhenError::new(at..text.len(), "this text is not closed"));
                };
                (Token::Literal(Value::from(&rest[1..=length])), length + 2)
            }
            '-' | '0'..='9' => {
                let length = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '.').map_or(rest.len(), |n| n + 1);
                (Token::Literal(number(&rest[..length], at)?), length)
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
                let length = rest.find(|c: char| !part(c)).unwrap_or(rest.len());
                let token = match &rest[..length] {
                    "true" => Token::Literal(Value::Bool(true)),
                    "false" => Token::Literal(Value::Bool(false)),
                    word => Token::Word(word.to_owned()),
                };
                (token, length)
            }
            c => {
                return Err(WhenError::new(
                    at..at + c.len_utf8(),
                    format!("unexpected `{}`", literal(c.encode_utf8(&mut [0; 4]))),
                ));
            }
        };
        found.push((token, at..at + length));
        at += length;
    }
    Ok(found)
}

fn number(text: &str, at: usize) -> Result<Value, WhenError> {
    let whole = text.parse::<i64>().ok().map(Value::from);
    let broken = || text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from);
    whole
        .or_else(broken)
        .ok_or_else(|| WhenError::new(at..at + text.len(), format!("`{text}` is not a number: texts stand in quotes")))
}
