//! The one place where text loses the signs that its reader cannot see or hear.

use std::borrow::Cow;
use std::io::{self, Write};

/// What the one who reads it can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Signs {
    /// Nothing outside ASCII: our own signs become their ASCII forms, anything else `\u{…}`.
    pub ascii: bool,
    /// It is read aloud: our own signs become words and digits.
    pub words: bool,
}

impl Signs {
    /// The text as it is written.
    pub fn of(self, text: &str) -> Cow<'_, str> {
        if text.is_ascii() || self == Self::default() {
            return Cow::Borrowed(text);
        }
        let mut out = String::with_capacity(text.len() + 16);
        for c in text.chars() {
            match self.ours(c) {
                _ if c.is_ascii() => out.push(c),
                Some(form) => out.push_str(form),
                None if self.ascii => out.extend(c.escape_unicode()),
                None => out.push(c),
            }
        }
        Cow::Owned(out)
    }

    /// The form of a sign of ours. One that stands in tables is as wide as the sign.
    fn ours(self, c: char) -> Option<&'static str> {
        let (plain, spoken) = match c {
            '→' => ("->", "to"),
            '…' => ("...", "..."),
            '±' => ("~", "plus or minus "),
            '▁' => ("0", "0"),
            '▂' => ("1", "1"),
            '▃' => ("3", "3"),
            '▄' => ("4", "4"),
            '▅' => ("5", "5"),
            '▆' => ("6", "6"),
            '▇' => ("8", "8"),
            '█' => ("9", "9"),
            _ => return None,
        };
        Some(if self.words { spoken } else { plain })
    }
}

/// Writes to somebody who can take only these signs.
#[derive(Debug)]
pub struct Plain<W> {
    to: W,
    signs: Signs,
    /// The beginning of a character whose end was not written yet.
    begun: Vec<u8>,
}

impl<W: Write> Plain<W> {
    /// Writes to `to`.
    pub fn new(to: W, signs: Signs) -> Self {
        Self { to, signs, begun: Vec::new() }
    }
}

impl<W: Write> Write for Plain<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.signs == Signs::default() {
            return self.to.write(bytes);
        }
        let mut text = std::mem::take(&mut self.begun);
        text.extend_from_slice(bytes);
        let mut out = String::with_capacity(text.len());
        let mut chunks = text.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            out.push_str(&self.signs.of(chunk.valid()));
            if chunks.peek().is_none() && is_begun(chunk.invalid()) {
                self.begun = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                out.push_str(&self.signs.of("\u{fffd}"));
            }
        }
        self.to.write_all(out.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Whether more bytes could make a character of these.
fn is_begun(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::{any, proptest};

    use super::{Plain, Signs};

    const ASCII: Signs = Signs { ascii: true, words: false };

    #[test]
    fn our_signs_have_ascii_forms_and_words_and_the_rest_is_shown_by_number() {
        let text = "kill switch on → off … ±0.01s ▁▃█ é\u{1b}[1m";
        assert_eq!(ASCII.of(text), "kill switch on -> off ... ~0.01s 039 \\u{e9}\u{1b}[1m");
        let spoken = "kill switch on to off ... plus or minus 0.01s 039 é\u{1b}[1m";
        assert_eq!(Signs { ascii: false, words: true }.of(text), spoken);
        assert_eq!(Signs::default().of(text), text);
    }

    proptest! {
        #[test]
        fn nothing_outside_ascii_is_written_however_it_is_cut(text in any::<String>(), at in 0usize..40) {
            let mut out = Vec::new();
            let bytes = text.as_bytes();
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            let mut plain = Plain::new(&mut out, ASCII);
            plain.write_all(head).expect("written");
            plain.write_all(tail).expect("written");
            assert_eq!(String::from_utf8_lossy(&out), ASCII.of(&text));
        }
    }
}
