//! Answers of HTTP services: a JSON body, a field of it, a header, and words for what was seen.

use serde_json::Value;

use crate::model::op::{HttpAnswer, HttpReply, Reply};
use crate::model::step::Unreadable;
use crate::model::visible::{text_of, visible};

/// The HTTP reply, or why it is none.
pub fn http(reply: &Reply) -> Result<&HttpReply, Unreadable> {
    match reply {
        Reply::Http(reply) => Ok(reply),
        Reply::Shell(_) | Reply::Pm2(_) | Reply::Answer(_) => Err(Unreadable::new("the reply is not one to an HTTP request")),
    }
}

/// The body as JSON.
pub fn json(answer: &HttpAnswer) -> Result<Value, Unreadable> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        let excerpt = excerpt(&answer.body);
        Unreadable::new(format!("the body of the {} answer is no JSON ({error}): {excerpt}", answer.status))
    })
}

/// A field of a JSON body: a pointer such as `/build/id`, or the name of a key at the top.
pub fn field<'v>(body: &'v Value, name: &str) -> Option<&'v Value> {
    if name.starts_with('/') { body.pointer(name) } else { body.get(name) }
}

/// Whether two JSON values are the same; `1` and `1.0` are, `1` and `"1"` are not.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => l == r || (l.is_f64() || r.is_f64()) && l.as_f64() == r.as_f64(),
        (left, right) => left == right,
    }
}

/// The values of a header; `name` in lower case.
pub fn header<'a>(answer: &'a HttpAnswer, name: &'a str) -> impl Iterator<Item = &'a str> {
    answer.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// The beginning of a body on one line, for people.
pub fn excerpt(body: &[u8]) -> String {
    if body.is_empty() {
        return "(empty)".to_owned();
    }
    // twice the characters that are shown: enough, however many of them are folded
    line(&text_of(&body[..body.len().min(400)]), 160)
}

/// A remote text as one bounded line that can only be read: blanks folded, at most so many characters.
pub fn line(text: &str, most: usize) -> String {
    let words = text.split_whitespace().flat_map(|word| [" ", word]).skip(1);
    // no character becomes less than one
    let near: String = words.flat_map(str::chars).take(most + 1).collect();
    let clean = visible(&near);
    match clean.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &clean[..end]),
        None => clean.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{excerpt, field, line, same};

    #[test]
    fn a_field_is_a_key_or_a_pointer() {
        let body = json!({"enabled": true, "build": {"id": "abc"}, "a/b": 1});
        assert_eq!(field(&body, "enabled"), Some(&json!(true)));
        assert_eq!(field(&body, "/build/id"), Some(&json!("abc")));
        assert_eq!(field(&body, "a/b"), Some(&json!(1)));
        assert_eq!(field(&body, "build.id"), None);
        assert_eq!(field(&json!([1]), "enabled"), None);
    }

    #[test]
    fn numbers_are_the_same_however_they_are_written_but_no_text_is_a_number() {
        assert!(same(&json!(1), &json!(1.0)) && same(&json!(0.5), &json!(0.5)));
        assert!(!same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
        assert!(!same(&json!(1), &json!("1")) && !same(&json!(false), &json!("false")) && !same(&json!(0), &json!(null)));
    }

    #[test]
    fn remote_text_is_shown_as_one_bounded_harmless_line() {
        assert_eq!(line("a\n\tb  c", 80), "a b c");
        assert_eq!(line("x\u{1b}[31mred\u{202e}", 80), "x\\x1b[31mred\\u{202e}");
        assert_eq!(line("abcdef", 3), "abc…");
        assert_eq!(excerpt(b""), "(empty)");
        assert_eq!(excerpt(b"\xff<html>\r\n"), "\\xff<html>");
    }
}
