//! Long texts over several rows: what is to be confirmed is never cut within a line.

use crate::model::visible::{visible, width};
use crate::tui::theme::{Theme, Tone};
use crate::tui::view::cells::Cells;

/// A text as rows of at most so many columns, broken between words where that is possible.
pub(crate) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let clean = visible(text);
    let mut rows = vec![String::new()];
    for word in clean.split_inclusive(' ') {
        let fits = |row: &str| width(row) + width(word.trim_end()) <= columns;
        if !rows.last().is_some_and(|row| row.is_empty() || fits(row)) {
            rows.push(String::new());
        }
        for c in word.chars() {
            let wide = width(c.encode_utf8(&mut [0; 4]));
            if rows.last().is_some_and(|row| width(row) + wide > columns) {
                if c == ' ' {
                    continue;
                }
                rows.push(String::new());
            }
            if let Some(row) = rows.last_mut() {
                row.push(c);
            }
        }
    }
    rows.iter().map(|row| row.trim_end().to_owned()).collect()
}

/// A label and behind it words of several tones over as many rows as they need; of the last row that there is room for,
/// what does not fit is cut with a mark.
pub(crate) fn labelled(
    theme: Theme,
    label: &str,
    indent: usize,
    parts: &[(Tone, String)],
    columns: usize,
    rows: usize,
) -> Vec<Cells> {
    let words = parts.iter().flat_map(|(tone, text)| text.split_whitespace().map(|word| (*tone, word)));
    let mut lines = Vec::new();
    let mut line = Cells::new(theme).put(Tone::Strong, label).to(indent);
    for (tone, word) in words {
        let first = line.used() <= indent;
        let needs = width(&visible(word)) + usize::from(!first);
        if !first && line.used() + needs > columns && lines.len() + 1 < rows {
            lines.push(std::mem::replace(&mut line, Cells::new(theme).to(indent)));
            line = line.put(tone, word);
            continue;
        }
        line = if first { line.put(tone, word) } else { line.put(Tone::Plain, " ").put(tone, word) };
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn texts_are_broken_between_words_and_long_words_anywhere() {
        assert_eq!(wrapped("end pid 18422 of node", 8), ["end pid", "18422 of", "node"]);
        assert_eq!(wrapped("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrapped("", 4), [""]);
        assert_eq!(wrapped("a\u{1b}[31mb", 99), ["a\\x1b[31mb"]);
    }
}
