//! Two columns of panes with a bar between them, and long texts as several rows.

use ratatui::layout::Rect;

use crate::model::visible::{visible, width};
use crate::tui::theme::{Theme, Tone};
use crate::tui::view::cells::{Cells, rule};

/// A row of the right column.
#[derive(Debug, Clone)]
pub enum Row {
    /// A line of a pane.
    Text(Cells),
    /// The title of the next pane.
    Rule(String),
}

/// The rows of an area with two columns, the left one so many columns wide. The left column has a rule in its first row.
pub fn beside(theme: Theme, area: Rect, columns: usize, left: Vec<Cells>, right: Vec<Row>) -> Vec<Cells> {
    let room = usize::from(area.width).saturating_sub(columns + 1);
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    let row = |at: u16| {
        let mut cells = Cells::new(theme);
        let line = left.next().unwrap_or_else(|| Cells::new(theme)).line(columns);
        for span in line.spans {
            cells = cells.span(span);
        }
        let cells = cells.to(columns);
        match right.next() {
            Some(Row::Rule(title)) => {
                let bar = if at == 0 { theme.down() } else { theme.tee() };
                cells.put(Tone::Dim, bar).join(rule(theme, &title, "", room))
            }
            Some(Row::Text(text)) => cells.put(Tone::Dim, theme.bar()).put(Tone::Plain, " ").join(text),
            None => cells.put(Tone::Dim, theme.bar()),
        }
    };
    (0..area.height).map(row).collect()
}

/// A text as rows of at most so many columns, broken between words where that is possible; at most so many rows, the last
/// one ending in a mark where something is missing.
pub fn wrapped(theme: Theme, text: &str, columns: usize, rows: usize) -> Vec<String> {
    let clean = visible(text);
    let columns = columns.max(8);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in clean.split(' ') {
        let fits = line.is_empty() || width(&line) + 1 + width(word) <= columns;
        if !fits {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if width(&line) + width(c.encode_utf8(&mut [0; 4])) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    if lines.len() > rows {
        lines.truncate(rows);
        if let Some(last) = lines.last_mut() {
            *last = crate::tui::view::cells::cut(theme, &format!("{last} {}", theme.more()), columns);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;
    use crate::tui::theme::Theme;

    #[test]
    fn long_texts_break_between_words_and_say_when_something_is_missing() {
        let text = "one two three fourteenletters";
        assert_eq!(wrapped(Theme::UNICODE, text, 9, 9), ["one two", "three", "fourteenl", "etters"]);
        assert_eq!(wrapped(Theme::UNICODE, text, 9, 2), ["one two", "three …"]);
        assert_eq!(wrapped(Theme::ASCII, text, 9, 2), ["one two", "three .."]);
        assert_eq!(wrapped(Theme::ASCII, "", 9, 2), [""]);
    }
}
