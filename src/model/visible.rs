//! The one sanitiser: whatever came from a host, a file or the network becomes text that can only be read.
//!
//! Controls, invisible and direction-changing characters and invalid bytes are shown as text, so that nothing remote can
//! move the cursor, hide or reorder what a person reads. It is idempotent: what was made visible stays as it is.

use std::borrow::Cow;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What becomes of a line break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newline {
    /// It stays; every line is clean by itself.
    Keep,
    /// It becomes a space: one line is one line.
    Fold,
}

/// Text on one line that can only be read.
pub fn visible(text: &str) -> Cow<'_, str> {
    cleaned(text, Newline::Fold)
}

/// Text whose line breaks stay.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    cleaned(text, Newline::Keep)
}

/// Text that can only be read, with line breaks as told.
pub fn cleaned(text: &str, newline: Newline) -> Cow<'_, str> {
    let Some(first) = text.find(|c| !is_plain(c, newline)) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len() + 16);
    out.push_str(&text[..first]);
    for c in text[first..].chars() {
        push(&mut out, c, newline);
    }
    Cow::Owned(out)
}

/// Bytes as text that can only be read; those that are no UTF-8 as `\xNN`.
pub fn visible_bytes(bytes: &[u8], newline: Newline) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&cleaned(chunk.valid(), newline));
        for byte in chunk.invalid() {
            // writing to a String cannot fail
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
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

fn is_plain(c: char, newline: Newline) -> bool {
    match c {
        ' '..='~' => true,
        '\n' => newline == Newline::Keep,
        _ if c < '\u{a0}' => false,
        _ => !is_invisible(c),
    }
}

fn push(out: &mut String, c: char, newline: Newline) {
    if is_plain(c, newline) {
        out.push(c);
        return;
    }
    let code = u32::from(c);
    // writing to a String cannot fail
    let _ = match c {
        '\t' | '\n' => write!(out, " "),
        _ if code < 0x100 => write!(out, "\\x{code:02x}"),
        _ => write!(out, "\\u{{{code:x}}}"),
    };
}

/// Characters that take no room or change what stands around them: format characters (direction marks, zero-width
/// joiners, tags), line and paragraph separators, variation selectors, fillers, private use and noncharacters.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}'
        | '\u{34f}'
        | '\u{600}'..='\u{605}'
        | '\u{61c}'
        | '\u{6dd}'
        | '\u{70f}'
        | '\u{890}'..='\u{891}'
        | '\u{8e2}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{fdd0}'..='\u{fdef}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{fffe}'..='\u{ffff}'
        | '\u{110bd}'
        | '\u{110cd}'
        | '\u{13430}'..='\u{1343f}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{10ffff}')
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::{any, proptest};
    use unicode_width::UnicodeWidthStr;

    use super::{Newline, cleaned, clip, visible, visible_bytes, visible_lines};

    #[test]
    fn nothing_remote_can_move_or_hide_anything() {
        assert!(matches!(visible("plain `text` ümläut 漢字 ✓"), Cow::Borrowed(_)));
        assert_eq!(visible("\x1b[2J\x1b]0;owned\x07"), "\\x1b[2J\\x1b]0;owned\\x07");
        assert_eq!(visible("fine\rFAILED"), "fine\\x0dFAILED");
        assert_eq!(visible("a\u{202e}b\u{200b}c\u{feff}\u{2028}"), "a\\u{202e}b\\u{200b}c\\u{feff}\\u{2028}");
        assert_eq!(visible("\u{9b}31m\u{7f}"), "\\x9b31m\\x7f");
        assert_eq!(visible("a\tb\nc"), "a b c");
        assert_eq!(visible_lines("a\tb\nc\r"), "a b\nc\\x0d");
        assert_eq!(visible_bytes(b"ok\xff\xc3(\x1b", Newline::Fold), "ok\\xff\\xc3(\\x1b");
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
            for newline in [Newline::Keep, Newline::Fold] {
                let once = cleaned(&text, newline).into_owned();
                assert_eq!(cleaned(&once, newline), once);
                assert!(once.chars().all(|c| !c.is_control() || (c == '\n' && newline == Newline::Keep)));
            }
        }

        #[test]
        fn any_bytes_become_visible(bytes: Vec<u8>) {
            let text = visible_bytes(&bytes, Newline::Fold);
            assert_eq!(visible(&text), text);
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
