//! Where the panes of the preview are, for drawing and for scrolling alike.

use ratatui::layout::Rect;

use crate::tui::model::Model;
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

/// The panes of a screen of this size for a list of so many rows.
pub(super) fn panes(area: Rect, height: u16, rows: usize, zoomed: bool) -> Panes {
    let none = Rect { height: 0, ..area };
    let wide = area.width >= WIDE;
    let side = if wide && !zoomed { (area.width * 35 / 100).clamp(42, 60) } else { 0 };
    let left = if side > 0 { area.width - side - 1 } else { area.width };
    let row = |y: u16, rows: u16| Rect { y: area.y + y, height: rows, width: left, ..area };
    let numbers = match () {
        () if side > 0 => 1,
        () if area.height >= 8 => 2,
        () => 1,
    }
    .min(area.height);
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

/// The same for the terminal as it is.
pub(super) fn of_terminal(model: &Model, ui: &Ui, rows: usize, zoomed: bool) -> Panes {
    let (width, height) = ui.size;
    let area = frame::body(Rect { x: 0, y: 0, width, height }, model, ui);
    area.map_or_else(Panes::default, |area| panes(area, height, rows, zoomed))
}
