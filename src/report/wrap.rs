//! Lines that are longer than the terminal is wide: what goes on in the next row is indented, so that nothing a host says
//! can stand where a line of ours begins.

use unicode_width::UnicodeWidthChar;

use crate::report::paint::VERB;

/// Where a row begins that goes on: behind the verbs, and two columns behind what stands below them.
const INDENT: usize = VERB + 3;
/// With fewer columns there is no room for that.
const NARROW: usize = 3 * INDENT;
/// In a narrow place.
const SMALL_INDENT: usize = 4;
/// Lines that are meant to be copied stay whole: these words are ours, and what a host says never stands in their place.
const COPIED: [&str; 4] =
    ["        next runbook ", "             runbook ", "             close it: runbook ", "  try: runbook "];

/// A clean line without its end, in rows of at most so many columns.
pub(crate) fn wrapped(line: &str, columns: usize) -> String {
    let indent = if columns < NARROW { SMALL_INDENT } else { INDENT };
    if line.len() <= columns || columns <= 2 * SMALL_INDENT || COPIED.iter().any(|start| line.starts_with(start)) {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len() + line.len() / 4);
    let (mut column, mut in_color) = (0, false);
    for c in line.chars() {
        in_color = in_color || c == '\x1b';
        let wide = if in_color { 0 } else { c.width().unwrap_or(0) };
        if column + wide > columns {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        }
        column += wide;
        out.push(c);
        in_color = in_color && c != 'm';
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{SMALL_INDENT, wrapped};
    use crate::model::visible::{visible, width};

    #[test]
    fn a_row_that_goes_on_is_indented() {
        assert_eq!(wrapped("a line", 60), "a line");
        let text = format!("{}rest", "x".repeat(60));
        assert_eq!(wrapped(&text, 60), format!("{}\n{}rest", "x".repeat(60), " ".repeat(15)));
        assert_eq!(wrapped("漢字漢字漢字", 10), "漢字漢字漢\n    字");
        let red = format!("\x1b[31m{}\x1b[0m", "x".repeat(60));
        assert_eq!(wrapped(&red, 60), red);
        let command = format!("        next runbook close {}", "x".repeat(60));
        assert_eq!(wrapped(&command, 60), command);
    }

    proptest! {
        #[test]
        fn no_row_is_longer_than_the_terminal_or_begins_where_lines_do(text in any::<String>(), columns in 9_usize..90) {
            let text = format!("        ok {}", visible(&text));
            let rows = wrapped(&text, columns);
            assert!(rows.lines().all(|row| width(row) <= columns + 1 || !row.is_ascii()), "{rows:?}");
            assert!(rows.lines().skip(1).all(|row| row.starts_with(&" ".repeat(SMALL_INDENT))));
            let joined: String = rows.lines().enumerate().map(|(n, row)| if n == 0 { row } else { row.trim_start_matches(' ') }).collect();
            assert_eq!(joined.replace(' ', ""), text.replace(' ', ""));
        }
    }
}
