//! Texts broken into rows.

use crate::model::visible::{visible, width};
use crate::tui::theme::Theme;
use crate::tui::view::cells::cut;

/// A text as rows of at most so many columns, broken between words where that is possible.
pub fn rows(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(4);
    let mut lines = vec![String::new()];
    for word in visible(text).split(' ') {
        place(&mut lines, word, columns);
    }
    lines
}

/// The same, at most so many rows, the last one ending in a mark where something is missing.
pub fn wrap(theme: Theme, text: &str, columns: usize, most: usize) -> Vec<String> {
    let columns = columns.max(4);
    let mut lines = rows(text, columns);
    if lines.len() > most {
        lines.truncate(most);
        if let Some(last) = lines.last_mut() {
            let mark = theme.more();
            let marked = format!("{last} {mark}");
            *last =
                if width(&marked) <= columns { marked } else { cut(theme, &format!("{last}{}", " ".repeat(columns)), columns) };
        }
    }
    lines
}

/// A clean text in parts of so many columns, broken anywhere: every space of it counts.
pub fn broken(text: &str, columns: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for c in text.chars() {
        let wide = width(c.encode_utf8(&mut [0; 4]));
        if parts.last().is_some_and(|part| width(part) + wide > columns) {
            parts.push(String::new());
        }
        push(&mut parts, c);
    }
    parts
}

fn place(lines: &mut Vec<String>, word: &str, columns: usize) {
    let used = lines.last().map_or(0, |line| width(line));
    if used > 0 && used + 1 + width(word) > columns {
        lines.push(String::new());
    } else if used > 0 {
        push(lines, ' ');
    }
    for c in word.chars() {
        let wide = width(c.encode_utf8(&mut [0; 4]));
        // a word that is longer than a row
        if lines.last().is_some_and(|line| width(line) + wide > columns) {
            lines.push(String::new());
        }
        push(lines, c);
    }
}

fn push(lines: &mut [String], c: char) {
    if let Some(line) = lines.last_mut() {
        line.push(c);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{broken, rows, wrap};
    use crate::model::visible::width;
    use crate::tui::theme::Theme;

    #[test]
    fn rows_break_between_words_and_a_mark_says_that_more_follows() {
        let text = "one two three fourteenletters";
        assert_eq!(wrap(Theme::UNICODE, text, 9, 9), ["one two", "three", "fourteenl", "etters"]);
        assert_eq!(wrap(Theme::UNICODE, text, 9, 2), ["one two", "three …"]);
        assert_eq!(wrap(Theme::UNICODE, text, 9, 3), ["one two", "three", "fourteen…"]);
        assert_eq!(wrap(Theme::ASCII, text, 40, 2), [text]);
        assert_eq!(wrap(Theme::ASCII, "", 40, 2), [""]);
    }

    #[test]
    fn what_needs_more_rows_gets_them_and_long_words_break_anywhere() {
        assert_eq!(rows("end pid 18422 of node", 8), ["end pid", "18422 of", "node"]);
        assert_eq!(rows("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(rows("a\u{1b}[31mb", 99), ["a\\x1b[31mb"]);
        assert_eq!(broken("  at  x", 3), ["  a", "t  ", "x"]);
    }

    proptest! {
        #[test]
        fn no_row_is_too_long(text: String, columns in 4_usize..60) {
            assert!(wrap(Theme::ASCII, &text, columns, 5).iter().all(|row| width(row) <= columns));
        }
    }
}
