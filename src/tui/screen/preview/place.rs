//! Where the panes of the preview are, for drawing and for scrolling alike.

use ratatui::layout::Rect;

use crate::tui::model::{Model, Watched};
use crate::tui::screen::preview::look;
use crate::tui::ui::Ui;
use crate::tui::view::frame::{self, MEDIUM, WIDE};

/// Under so many rows of the terminal the list has all of the room.
const DETAILS: u16 = 24;

/// The panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Panes {
    /// The numbers of the plan; where there is a side pane, its rule.
    pub numbers: Rect,
    /// The heads of the columns; empty where there is no matrix.
    pub heads: Rect,
    /// The rows of the list.
    pub list: Rect,
    /// The plan of the row under the cursor, with its rule; may be empty.
    pub details: Rect,
    /// The bar between the list and the side pane; may be empty.
    pub bar: Rect,
    /// What is said of the plan as a whole; may be empty.
    pub side: Rect,
}

/// The panes of a screen of this size for a list of so many rows, under so many rows of numbers where there is room.
pub(super) fn panes(area: Rect, height: u16, rows: usize, numbers: usize, zoomed: bool) -> Panes {
    let none = Rect { height: 0, ..area };
    let wide = area.width >= WIDE;
    let side = if wide && !zoomed { (area.width * 35 / 100).clamp(42, 60) } else { 0 };
    let left = if side > 0 { area.width - side - 1 } else { area.width };
    let row = |y: u16, rows: u16| Rect { y: area.y + y, height: rows, width: left, ..area };
    let most = match area.height {
        _ if side > 0 => 1,
        0..8 => 1,
        8..18 => 2,
        _ => 3,
    };
    let numbers = u16::try_from(numbers).unwrap_or(most).clamp(1, most).min(area.height);
    let heads = u16::from(area.width >= MEDIUM && !zoomed).min(area.height - numbers);
    let room = area.height - numbers - heads;
    let wanted = u16::try_from(rows).unwrap_or(u16::MAX).max(1);
    let list = match () {
        () if zoomed => 0,
        () if height < DETAILS || area.width < MEDIUM => room,
        () => wanted.min((room * 2 / 5).max(3)).min(room),
    };
    let (bar, side_pane) = if side > 0 {
        (Rect { x: area.x + left, width: 1, ..area }, Rect { x: area.x + left + 1, width: side, ..area })
    } else {
        (none, none)
    };
    Panes {
        numbers: row(0, numbers),
        heads: row(numbers, heads),
        list: row(numbers + heads, list),
        details: row(numbers + heads + list, room - list),
        bar,
        side: side_pane,
    }
}

/// The panes of the preview as it is.
pub(super) fn of_preview(area: Rect, ui: &Ui, watched: &Watched) -> Panes {
    let numbers = watched.run.summary.as_ref().map_or(1, |summary| look::numbers(ui, summary, area.width, 3).len());
    panes(area, ui.size.1, ui.preview.rows.len(), numbers, ui.preview.zoomed)
}

/// The same for the terminal as it is.
pub(super) fn of_terminal(model: &Model, ui: &Ui, watched: &Watched) -> Panes {
    let (width, height) = ui.size;
    let area = frame::body(Rect { x: 0, y: 0, width, height }, model, ui);
    area.map_or_else(Panes::default, |area| of_preview(area, ui, watched))
}
