//! A panel over a screen: a box with a title.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::theme::{Theme, Tone};
use crate::tui::view::cells::{Cells, cut};

/// The columns of the area for text within a panel in an area of so many columns.
pub fn inner(area: Rect) -> usize {
    usize::from(area.width).saturating_sub(6)
}

/// Paints a panel with its lines at the top of an area; what does not fit is left out. Under it the area is blank.
pub fn paint(buf: &mut Buffer, area: Rect, theme: Theme, title: &str, lines: Vec<Cells>) {
    let columns = usize::from(area.width).saturating_sub(2);
    if columns < 4 || area.height < 3 {
        return;
    }
    clear(buf, area);
    let [top_left, top_right, bottom_left, bottom_right] = theme.corners();
    let title = format!(" {} ", cut(theme, title, columns.saturating_sub(6)));
    let head = Cells::new(theme).put(Tone::Dim, &format!(" {top_left}{}", theme.rule())).put(Tone::Strong, &title);
    let fill = (columns - 1).saturating_sub(head.used() - 1);
    let head = head.put(Tone::Dim, &format!("{}{top_right}", theme.rule().repeat(fill)));
    let room = usize::from(area.height) - 2;
    let framed = lines.into_iter().take(room).map(|line| {
        let line = line.line(columns - 4);
        let mut row = Cells::new(theme).put(Tone::Dim, &format!(" {} ", theme.bar()));
        for span in line.spans {
            row = row.span(span);
        }
        row.to(columns - 1).put(Tone::Dim, &format!(" {}", theme.bar()))
    });
    let foot = Cells::of(theme, Tone::Dim, &format!(" {bottom_left}{}{bottom_right}", theme.rule().repeat(columns - 2)));
    let rows: Vec<Cells> = std::iter::once(head).chain(framed).chain([foot]).collect();
    crate::tui::view::cells::paint(buf, area, rows);
}

/// Blanks an area.
pub fn clear(buf: &mut Buffer, area: Rect) {
    for y in area.y..area.bottom() {
        for x in area.x..area.right() {
            if let Some(cell) = buf.cell_mut((x, y)) {
                cell.reset();
            }
        }
    }
}
