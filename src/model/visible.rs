//! The one sanitiser: whatever came from a host, a file or the network becomes text that can only be read.
//!
//! Controls, invisible and direction-changing characters and invalid bytes are shown as text (`\x1b`, `\u{202e}`, `\xff`),
//! and so are marks that pile up on one letter, so that nothing remote can move the cursor, hide, cover or reorder what a
//! person reads. It is idempotent: what was made visible stays as it is. Each byte becomes ten at most. A backslash that
//! was there is not told from one that stands for something: the bytes themselves are in the journal.

mod stream;
mod table;

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use self::table::{is_invisible, is_mark};

pub use self::stream::Stream;

/// The most marks on one letter; no living script needs more.
const MARKS: usize = 4;
/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// What becomes of a line break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newline {
    /// It stays; every line is clean by itself, and tabs go to the stops of a terminal.
    Keep,
    /// It becomes a space, as a tab does: one line is one line.
    Fold,
    /// It is shown as `\x0a`, as a tab is as `\x09`.
    Show,
}

/// Text on one line that can only be read.
pub fn visible(text: &str) -> Cow<'_, str> {
    cleaned(text, Newline::Fold)
}

/// Text that is quoted in a message: nothing of it is folded.
pub fn literal(text: &str) -> Cow<'_, str> {
    cleaned(text, Newline::Show)
}

/// Text whose line breaks stay.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    cleaned(text, Newline::Keep)
}

/// Text that can only be read, with line breaks as told.
pub fn cleaned(text: &str, newline: Newline) -> Cow<'_, str> {
    if text.chars().all(|c| is_plain(c) || (c == '\n' && newline == Newline::Keep)) {
        return Cow::Borrowed(text);
    }
    let mut cleaner = Cleaner::new(newline, text.len());
    text.chars().for_each(|c| cleaner.push(c));
    Cow::Owned(cleaner.out)
}

/// Bytes as text that can only be read; those that are no UTF-8 as `\xNN`.
pub fn visible_bytes(bytes: &[u8], newline: Newline) -> String {
    let mut cleaner = Cleaner::new(newline, bytes.len());
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| cleaner.push(c));
        chunk.invalid().iter().for_each(|byte| cleaner.byte(*byte));
    }
    cleaner.out
}

/// At most the first `max` characters of bytes, without white space around them, on one line that can only be read; what
/// was cut is told by `…`.
pub fn shown(bytes: &[u8], max: usize) -> String {
    // no character takes more than four bytes
    let near = &bytes[..bytes.len().min(max.saturating_mul(4).saturating_add(4))];
    let text = visible_bytes(near.trim_ascii(), Newline::Fold);
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None if near.len() < bytes.trim_ascii_end().len() => format!("{text}…"),
        None => text,
    }
}

/// Bytes as text with nothing lost: what is UTF-8 as it is, all else as `\xNN`. It must still be made visible.
pub fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| push_byte(&mut out, *byte));
    }
    Cow::Owned(out)
}

/// At most `width` columns of a clean line; what was cut is told by `…` within them.
pub fn clip(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns + 1 > width {
            break;
        }
        used += columns;
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    Cow::Owned(out)
}

/// Text padded with spaces to `width` columns; longer text stays as it is.
pub fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// How many columns a clean line takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Whether a character is hidden or commands something, so that outside the journal it stands as an escape.
pub fn is_hidden(c: char) -> bool {
    c.is_control() || is_invisible(c)
}

/// Whether a character is what it seems wherever it stands: neither hidden nor a mark on the one before it.
pub fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') || (c > '\u{a0}' && !is_invisible(c) && !is_mark(c))
}

fn push_byte(out: &mut String, byte: u8) {
    // writing to a String cannot fail
    let _ = write!(out, "\\x{byte:02x}");
}

/// A text that is being made visible.
#[derive(Debug)]
struct Cleaner {
    newline: Newline,
    out: String,
    /// Where the next character of this line stands.
    column: usize,
    /// How many more marks the last character can carry; none where it is no letter.
    marks: usize,
}

impl Cleaner {
    fn new(newline: Newline, size: usize) -> Self {
        Self { newline, out: String::with_capacity(size + 16), column: 0, marks: 0 }
    }

    fn push(&mut self, c: char) {
        match c {
            '\n' if self.newline == Newline::Keep => {
                self.out.push('\n');
                (self.column, self.marks) = (0, 0);
            }
            '\t' if self.newline == Newline::Keep => self.space(TAB - self.column % TAB),
            ' ' => self.space(1),
            '\t' | '\n' if self.newline == Newline::Fold => self.space(1),
            _ if is_plain(c) => {
                self.out.push(c);
                self.column += c.width().unwrap_or(0);
                self.marks = MARKS;
            }
            _ if self.marks > 0 && !is_hidden(c) => {
                self.out.push(c);
                self.marks -= 1;
            }
            _ => self.escape(c),
        }
    }

    fn space(&mut self, columns: usize) {
        self.out.extend(std::iter::repeat_n(' ', columns));
        self.column += columns;
        self.marks = 0;
    }

    fn escape(&mut self, c: char) {
        let before = self.out.len();
        match u8::try_from(c) {
            Ok(byte) => push_byte(&mut self.out, byte),
            // writing to a String cannot fail
            Err(_) => drop(write!(self.out, "\\u{{{:x}}}", u32::from(c))),
        }
        self.column += self.out.len() - before;
        self.marks = 0;
    }

    fn byte(&mut self, byte: u8) {
        push_byte(&mut self.out, byte);
        self.column += 4;
        self.marks = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::{any, proptest};
    use unicode_width::UnicodeWidthStr;

    use super::{MARKS, Newline, cleaned, clip, is_hidden, literal, shown, text_of, visible, visible_bytes, visible_lines};

    #[test]
    fn nothing_remote_can_move_or_hide_anything() {
        assert!(matches!(visible("plain `text` ümläut 漢字 ✓"), Cow::Borrowed(_)));
        assert_eq!(visible("\x1b[2J\x1b]0;owned\x07"), "\\x1b[2J\\x1b]0;owned\\x07");
        assert_eq!(visible("fine\rFAILED"), "fine\\x0dFAILED");
        assert_eq!(visible("a\u{202e}b\u{200b}c\u{feff}\u{2028}"), "a\\u{202e}b\\u{200b}c\\u{feff}\\u{2028}");
        assert_eq!(visible("\u{9b}31m\u{7f}"), "\\x9b31m\\x7f");
        assert_eq!(visible("a\u{a0}b\u{3000}c\u{e0041}\u{fffff}"), "a\\xa0b\\u{3000}c\\u{e0041}\\u{fffff}");
        assert_eq!(visible("a\tb\nc"), "a b c");
        assert_eq!(literal("a\tb\nc"), "a\\x09b\\x0ac");
        assert_eq!(visible_bytes(b"ok\xff\xc3(\x1b", Newline::Fold), "ok\\xff\\xc3(\\x1b");
    }

    #[test]
    fn lines_that_stay_have_tab_stops() {
        assert_eq!(visible_lines("a\tb\nc\r"), "a       b\nc\\x0d");
        assert_eq!(visible_lines("漢\tb\t\x1b\tc"), "漢      b       \\x1b    c");
        assert_eq!(visible_bytes(b"a\t\xff\tb", Newline::Keep), "a       \\xff    b");
    }

    #[test]
    fn marks_do_not_pile_up_and_stand_on_letters_alone() {
        assert_eq!(visible("e\u{301}o\u{302}\u{323} ไม่ क्षि"), "e\u{301}o\u{302}\u{323} ไม่ क्षि");
        let flood = format!("a{}b\u{301}", "\u{301}".repeat(MARKS + 2));
        let kept = "\u{301}".repeat(MARKS);
        assert_eq!(visible(&flood), format!("a{kept}\\u{{301}}\\u{{301}}b\u{301}"));
        assert_eq!(visible("\u{301}a \u{301}\x1b\u{301}"), "\\u{301}a \\u{301}\\x1b\\u{301}");
        assert_eq!(visible_lines("a\n\u{301}"), "a\n\\u{301}");
        assert_eq!(visible_bytes(b"\xff\xcc\x81", Newline::Fold), "\\xff\\u{301}");
    }

    #[test]
    fn what_a_network_says_is_shown_in_part() {
        assert_eq!(shown(b" a\x1b[31m\nb\xff ", 30), "a\\x1b[31m b\\xff");
        assert_eq!(shown(b"abcdef", 3), "abc…");
        assert_eq!(shown(b"abc\n", 3), "abc");
        assert_eq!(shown(&[b' '; 100], 3), "");
        assert_eq!(shown(&"漢".repeat(1000).into_bytes(), 2), "漢漢…");
    }

    #[test]
    fn no_byte_is_lost_on_the_way_to_text() {
        assert!(matches!(text_of("a\x1bé".as_bytes()), Cow::Borrowed("a\x1bé")));
        assert_eq!(text_of(b"a\xff\x1b\xe2\x82z"), "a\\xff\x1b\\xe2\\x82z");
    }

    #[test]
    fn clipping_counts_columns() {
        assert_eq!(clip("short", 5), "short");
        assert_eq!(clip("longer", 5), "long…");
        assert_eq!(clip("漢字漢字", 5), "漢字…");
        assert_eq!(clip("漢字漢字", 4), "漢…");
        assert_eq!(clip("x", 0), "");
    }

    proptest! {
        #[test]
        fn what_is_visible_stays_as_it_is(text: String) {
            for newline in [Newline::Keep, Newline::Fold, Newline::Show] {
                let once = cleaned(&text, newline).into_owned();
                assert_eq!(cleaned(&once, newline), once);
                assert!(once.chars().all(|c| !is_hidden(c) || (c == '\n' && newline == Newline::Keep)));
                assert!(once.len() <= 10 * text.len(), "{}", once.len());
            }
        }

        #[test]
        fn marks_stay_within_bounds(text in "[a \u{300}-\u{310}\x1b\n]{0,40}") {
            let once = visible(&text);
            assert_eq!(visible(&once), once);
            let marks: Vec<usize> = once.split(|c| c < '\u{300}').map(|marks| marks.chars().count()).collect();
            assert!(marks.iter().all(|marks| *marks <= MARKS) && marks[0] == 0, "{once:?}");
        }

        #[test]
        fn any_bytes_become_visible(bytes: Vec<u8>) {
            let text = visible_bytes(&bytes, Newline::Fold);
            assert_eq!(visible(&text), text);
            assert!(text_of(&bytes).len() >= bytes.len());
            assert_eq!(visible(&shown(&bytes, 12)), shown(&bytes, 12));
            assert!(shown(&bytes, 12).chars().count() <= 13);
        }

        #[test]
        fn clipped_text_fits(text: String, width in 0_usize..40) {
            assert!(clip(&visible(&text), width).width() <= width);
        }

        #[test]
        fn ascii_is_never_lost(c in any::<char>()) {
            let text = c.to_string();
            assert!(!visible(&text).is_empty());
            if c.is_ascii_graphic() {
                assert_eq!(visible(&text), text);
            }
        }
    }
}
