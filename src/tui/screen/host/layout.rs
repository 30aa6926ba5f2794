//! How the room is shared by the panes; drawing and scrolling ask the same.

use ratatui::layout::Rect;

use crate::tui::model::Model;
use crate::tui::screen::host::steps;
use crate::tui::screen::host::{Pane, Subject};
use crate::tui::ui::Ui;
use crate::tui::view::frame::{MEDIUM, WIDE, body};

/// From so many rows of the terminal on there is a log under the steps, and a second column beside them.
const TALL: [u16; 2] = [20, 24];
/// The least rows of the log with its title.
const LOG: usize = 6;
/// The least rows of what is known of a step.
const DETAILS: usize = 8;

/// Which panes are on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Panes {
    /// The steps alone.
    Steps,
    /// The log alone.
    Output,
    /// The log under the steps.
    Stacked,
    /// The log beside the steps.
    Beside,
}

/// Rows and columns of the panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Which are there.
    pub(super) panes: Panes,
    /// Whether there is a row that says how the host stands.
    pub(super) status: bool,
    /// Whether the steps have heads.
    pub(super) heads: bool,
    /// Rows of the steps without heads.
    pub(super) steps: usize,
    /// Whether a row under the steps has the counter and the clock.
    pub(super) counter: bool,
    /// Rows of step and facts.
    pub(super) details: usize,
    /// Rows of the log with its title.
    pub(super) log: usize,
    /// Columns of the steps.
    pub(super) left: usize,
    /// Columns of the log.
    pub(super) right: usize,
}

impl Layout {
    /// Whether the log is on the screen.
    pub(super) fn has_log(&self) -> bool {
        self.log > 1
    }

    /// The layout of a screen.
    pub(super) fn of(ui: &Ui, model: &Model, subject: Subject<'_>) -> Self {
        let (width, height) = ui.size;
        let screen = Rect { x: 0, y: 0, width, height };
        let rows = body(screen, model, ui).map_or(0, |body| usize::from(body.height));
        let columns = usize::from(width);
        let count = steps::items(model, subject).len();
        let panes = match ui.host.pane {
            _ if !ui.host.zoom && width >= WIDE && height >= TALL[1] => Panes::Beside,
            _ if !ui.host.zoom && width >= MEDIUM && height >= TALL[0] => Panes::Stacked,
            Pane::Steps => Panes::Steps,
            Pane::Output => Panes::Output,
        };
        let whole = Self {
            panes,
            status: true,
            heads: true,
            steps: 0,
            counter: false,
            details: 0,
            log: 0,
            left: columns,
            right: columns,
        };
        match panes {
            Panes::Output => Self { status: false, heads: false, log: rows, ..whole },
            Panes::Steps => alone(whole, width, rows, count),
            Panes::Stacked => {
                let room = rows.saturating_sub(3);
                let steps = count.min(room.saturating_sub(LOG)).max(1);
                Self { steps, counter: true, log: room.saturating_sub(steps), ..whole }
            }
            Panes::Beside => {
                let left = columns * 55 / 100;
                // the rule, how the host stands, the heads
                let room = rows.saturating_sub(3);
                let steps = count.min(room.saturating_sub(DETAILS).max(room / 2)).max(1);
                let details = room.saturating_sub(steps + 1);
                Self { steps, details, log: rows, left, right: columns.saturating_sub(left + 1), ..whole }
            }
        }
    }
}

/// The steps alone: what there is no room for goes first.
fn alone(whole: Layout, width: u16, rows: usize, count: usize) -> Layout {
    let heads = width >= MEDIUM;
    let room = rows.saturating_sub(usize::from(heads));
    let status = room > count || room > 3;
    let room = room - usize::from(status);
    let steps = count.min(room).max(1);
    let rest = room.saturating_sub(steps);
    let counter = rest > 0;
    let rest = rest - usize::from(counter);
    let details = if rest > DETAILS { rest - 1 } else { 0 };
    Layout { status, heads, steps, counter, details, ..whole }
}
