//! How the room is shared by the panes; drawing and scrolling ask the same.

use ratatui::layout::Rect;

use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::head::Above;
use crate::tui::screen::run::{Pane, head};
use crate::tui::ui::Ui;
use crate::tui::view::frame::{MEDIUM, WIDE, body};

/// From so many rows of the terminal on there is room for a log, and for the side.
const TALL: [u16; 2] = [20, 24];
/// The least rows of the log with its title.
const LOG: usize = 5;
/// The least rows of the list where there is a log under it, if there are so many: it does not move with every change.
const LIST: usize = 6;

/// So many hosts fit with a row each.
pub(super) fn fitting(size: (u16, u16)) -> usize {
    let around = if has_log(size) { 12 } else { 6 };
    usize::from(size.1).saturating_sub(around)
}

fn has_log(size: (u16, u16)) -> bool {
    size.0 >= MEDIUM && size.1 >= TALL[0]
}

/// Rows and columns of the panes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// What stands above.
    pub(super) above: Above,
    /// Whether rows are folded.
    pub(super) folded: bool,
    /// Rows above.
    pub(super) head: usize,
    /// Whether the list has a rule with its title.
    pub(super) titled: bool,
    /// Whether the list has heads.
    pub(super) heads: bool,
    /// Rows of the list without title and heads.
    pub(super) list: usize,
    /// Rows of the log with its title; 0: none.
    pub(super) log: usize,
    /// Columns of list and log.
    pub(super) left: usize,
    /// Columns of the side; 0: none.
    pub(super) side: usize,
}

impl Layout {
    /// Columns between the left column and the bar.
    pub(super) fn gap(&self) -> usize {
        usize::from(self.titled)
    }

    /// The layout of a screen.
    pub(super) fn of(ui: &Ui, model: &Model, watched: &Watched) -> Self {
        let (width, height) = ui.size;
        let screen = Rect { x: 0, y: 0, width, height };
        let rows = body(screen, model, ui).map_or(0, |body| usize::from(body.height));
        let columns = usize::from(width);
        let folded = ui.run.is_folded(&watched.fleet, ui.size) && !watched.fleet.is_empty();
        let narrow = width < MEDIUM;
        let strip = folded && has_log(ui.size);
        let above = Above { strip, narrow, most: (rows / 3).max(1) };
        let head = head::lines(model, ui, watched, columns, above).len().min(rows);
        let rest = rows - head;
        let zoomed = ui.run.zoom.then_some(ui.run.pane);
        let has_side = width >= WIDE && height >= TALL[1] && zoomed.is_none();
        let left = if has_side { columns * 62 / 100 } else { columns };
        let side = match zoomed {
            Some(Pane::Side) => columns,
            _ if has_side => columns - left - 2,
            _ => 0,
        };
        let (titled, heads) = (has_side, !narrow);
        let over = usize::from(titled) + usize::from(heads);
        let (list, log) = match zoomed {
            Some(Pane::Log) => (0, rest),
            Some(Pane::Side) => (0, 0),
            Some(Pane::List) => (rest.saturating_sub(over), 0),
            None if has_log(ui.size) => share(rest.saturating_sub(over), super::rows(ui, watched).count(), height),
            None => (rest.saturating_sub(over), 0),
        };
        Self { above, folded, head, titled, heads, list, log, left, side }
    }
}

/// Rows for the list and for the log.
fn share(rows: usize, wanted: usize, height: u16) -> (usize, usize) {
    let least = if height >= 30 { rows * 2 / 5 } else { LIST };
    let list = wanted.max(least).min(rows.saturating_sub(LOG)).max(1);
    (list.min(rows), rows.saturating_sub(list))
}
