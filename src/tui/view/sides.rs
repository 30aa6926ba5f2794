//! Two columns of panes with a bar between them, and long texts as several rows.

use ratatui::layout::Rect;

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
