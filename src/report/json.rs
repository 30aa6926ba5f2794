//! A run for a program: the recorded events as they are, one JSON object a line, each written as soon as it is recorded.
//! Values are what was recorded; characters that cannot be seen or command something stand as escapes of JSON.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::engine::report::Reporter;
use crate::model::event::Event;
use crate::model::visible::is_plain;

/// Tells a run to a program.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
}

impl<W: Write + Send> Json<W> {
    /// Tells it to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// What it was writing to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        // one write a line, so that no reader sees half of one
        self.out.write_all(line(event)?.as_bytes())?;
        self.out.flush()
    }
}

/// A value as one line of JSON, its end included.
pub fn line(value: &impl Serialize) -> serde_json::Result<String> {
    written(value, CompactFormatter)
}

/// A value as JSON over several lines, the last one's end included.
pub fn lines(value: &impl Serialize) -> serde_json::Result<String> {
    written(value, PrettyFormatter::new())
}

fn written(value: &impl Serialize, form: impl Formatter) -> serde_json::Result<String> {
    let mut out = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut out, Escaped(form)))?;
    out.push(b'\n');
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// A form in which strings are escaped as far as a terminal needs it.
struct Escaped<F>(F);

impl<F: Formatter> Formatter for Escaped<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in text.char_indices().filter(|(_, c)| !is_plain(*c)) {
            out.write_all(&text.as_bytes()[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        out.write_all(&text.as_bytes()[plain..])
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};
    use serde_json::{Value, json};

    use super::{line, lines};
    use crate::model::visible::{Stream, is_plain};

    #[test]
    fn what_cannot_be_seen_is_escaped_and_stays_what_it_is() {
        let value = json!({"a\u{9b}": ["\x1b\x07\x7f\u{9d}\u{202e}\u{feff}", "é\"\\\n✓\u{e0041}e\u{301}"], "b": 1.5});
        let want = r#"{"a\u009b":["\u001b\u0007\u007f\u009d\u202e\ufeff","é\"\\\n✓\udb40\udc41e\u0301"],"b":1.5}"#;
        assert_eq!(line(&value).expect("JSON"), format!("{want}\n"));
        let several = lines(&value).expect("JSON");
        assert!(several.starts_with("{\n  \"a\\u009b\": [\n    \"\\u001b"), "{several}");
        assert_eq!(serde_json::from_str::<Value>(&several).expect("JSON"), value);
    }

    proptest! {
        #[test]
        fn every_value_survives(key in any::<String>(), text in any::<String>()) {
            let value = json!({key: [text, null, true, {}]});
            for told in [line(&value).expect("JSON"), lines(&value).expect("JSON")] {
                assert_eq!(serde_json::from_str::<Value>(&told).expect("JSON"), value);
                assert!(told.chars().all(|c| c == '\n' || is_plain(c)), "{told:?}");
                assert_eq!(Stream::new(false).push(told.as_bytes()), told, "the sink finds nothing to do");
            }
        }
    }
}
