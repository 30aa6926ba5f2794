//! Text on its way to a terminal or a pipe: what this program colours stays coloured, everything else can only be read.

use std::borrow::Cow;

use super::{Cleaner, MARKS, Newline};

/// The longest sequence of ours, in bytes.
const LONGEST: usize = 16;

/// The last place before a terminal, in pieces as they are written: our own colours, line breaks and the tabs of our tables
/// pass, anything else is made visible. It catches what whoever wrote it has forgotten to clean.
#[derive(Debug)]
pub struct Stream {
    /// Whether our colours pass.
    color: bool,
    text: Cleaner,
    /// The beginning of a sequence of ours whose end was not written yet.
    sequence: String,
    /// The beginning of a character whose end was not written yet.
    begun: Vec<u8>,
}

impl Stream {
    /// Nothing yet.
    pub fn new(color: bool) -> Self {
        Self { color, text: Cleaner::new(Newline::Keep, 0), sequence: String::new(), begun: Vec::new() }
    }

    /// What these bytes come to; the beginning of something waits for its end.
    pub fn push<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, str> {
        if self.begun.is_empty() && self.sequence.is_empty() && bytes.iter().all(|b| matches!(b, b' '..=b'~' | b'\n')) {
            if let Some(last) = bytes.last() {
                self.text.marks = if last.is_ascii_graphic() { MARKS } else { 0 };
            }
            return String::from_utf8_lossy(bytes);
        }
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            chunk.valid().chars().for_each(|c| self.character(c));
            if chunks.peek().is_none() && is_begun(chunk.invalid()) {
                self.begun = chunk.invalid().to_vec();
            } else {
                chunk.invalid().iter().for_each(|byte| self.byte(*byte));
            }
        }
        Cow::Owned(std::mem::take(&mut self.text.out))
    }

    /// What is left of a beginning that has no end.
    pub fn end(&mut self) -> String {
        self.give_up();
        for byte in std::mem::take(&mut self.begun) {
            self.text.byte(byte);
        }
        std::mem::take(&mut self.text.out)
    }

    fn character(&mut self, c: char) {
        if !self.sequence.is_empty() {
            match (self.sequence.len(), c) {
                (1, '[') => return self.sequence.push(c),
                (2..LONGEST, '0'..='9' | ';') => return self.sequence.push(c),
                (2.., 'm') if is_ours(&self.sequence[2..]) => {
                    self.text.out.push_str(&self.sequence);
                    self.text.out.push('m');
                    return self.sequence.clear();
                }
                _ => self.give_up(),
            }
        }
        match c {
            '\x1b' if self.color => self.sequence.push(c),
            '\t' => {
                self.text.out.push(c);
                self.text.marks = 0;
            }
            _ => self.text.push(c),
        }
    }

    fn byte(&mut self, byte: u8) {
        self.give_up();
        self.text.byte(byte);
    }

    /// A sequence that is none of ours is text.
    fn give_up(&mut self) {
        for c in std::mem::take(&mut self.sequence).chars() {
            self.text.push(c);
        }
    }
}

/// Whether these parameters are bold, dim, underlined, one of the six colours that can be read on any ground, or an end of
/// these: nothing that hides text or sets its ground.
fn is_ours(parameters: &str) -> bool {
    parameters.split(';').all(|number| match number.parse::<u8>() {
        Ok(number) => matches!(number, 0..=2 | 4 | 22 | 24 | 31..=36 | 39 | 91..=96),
        Err(_) => number.is_empty(),
    })
}

/// Whether more bytes could make a character of these.
fn is_begun(bytes: &[u8]) -> bool {
    !bytes.is_empty() && std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};

    use super::Stream;

    fn whole(color: bool, bytes: &[u8]) -> String {
        let mut stream = Stream::new(color);
        let text = stream.push(bytes).into_owned();
        text + &stream.end()
    }

    #[test]
    fn our_colours_pass_where_they_are_wanted_and_nothing_else_does() {
        let ours = "\x1b[1m\x1b[31mbad\x1b[0m\tx\n\x1b[1;95m✓\x1b[m";
        assert_eq!(whole(true, ours.as_bytes()), ours);
        assert_eq!(whole(false, b"\x1b[1mbad"), "\\x1b[1mbad");
        for evil in ["2J", "8m", "7m", "30m", "41m", "38;5;1m", "?25l", "6n", "1;1H", "m\u{9b}", "1", ""] {
            let text = whole(true, format!("a\x1b[{evil}").as_bytes());
            assert!(text.starts_with("a\\x1b[") || !text.contains('\u{9b}'), "{text:?}");
            assert!(!text.contains(|c: char| c.is_control()) || evil.starts_with('m'), "{text:?}");
        }
        let evil = b"\x1b]0;t\x07\x1b]52;c;YQ==\x1b\\\x1bP\x1b_\x1bc\x08\r\x7f\xff\x9b2J\xe2\x82";
        let text = whole(true, evil);
        let want = "\\x1b]0;t\\x07\\x1b]52;c;YQ==\\x1b\\\\x1bP\\x1b_\\x1bc\\x08\\x0d\\x7f\\xff\\x9b2J\\xe2\\x82";
        assert_eq!(text, want);
    }

    #[test]
    fn what_was_begun_waits_for_its_end() {
        let mut stream = Stream::new(true);
        assert_eq!(stream.push(b"a\x1b["), "a");
        assert_eq!(stream.push(b"1m\xe2\x9c"), "\x1b[1m");
        assert_eq!(stream.push(b"\x93\x1b"), "✓");
        assert_eq!(stream.end(), "\\x1b");
        assert_eq!(stream.push(b"b"), "b");
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_it_is_cut(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "(a| |\n|\u{301}|\x1b|\\[|1|m|\u{9b}|✓){0,30}".prop_map(String::into_bytes),
            ],
            at in 0_usize..60,
            color: bool,
        ) {
            let (head, tail) = bytes.split_at(at.min(bytes.len()));
            let mut stream = Stream::new(color);
            let mut text = stream.push(head).into_owned();
            text.push_str(&stream.push(tail));
            text.push_str(&stream.end());
            assert_eq!(text, whole(color, &bytes));
        }
    }
}
