//! What stands where on the runbook picker, by the size of the terminal.
//!
//! ```text
//! narrow or low     from 80 columns     from 120 columns
//! one pane          list                list │ details
//!                   ── details ──       ─────┤ steps
//!                                       runs ├ why
//! ```

use ratatui::layout::Rect;

use crate::tui::model::Model;
use crate::tui::screen::runbooks::{Pane, details, list, past, steps};
use crate::tui::ui::Ui;
use crate::tui::view::frame::{MEDIUM, WIDE, body};

/// Under so many rows there is one pane.
const HIGH: u16 = 24;
/// The list needs so many columns for all of its own.
const LIST: u16 = 79;
/// Rows that what is below a list of many gets at least, its rule included.
const BELOW: u16 = 12;

/// A part of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// What is in it.
    pub(super) part: Part,
    /// Where, its rule included.
    pub(super) area: Rect,
    /// Whether its first row is a rule with its title.
    pub(super) titled: bool,
}

impl Piece {
    /// Where its lines are.
    pub(super) fn inner(&self) -> Rect {
        let rule = u16::from(self.titled).min(self.area.height);
        Rect { y: self.area.y + rule, height: self.area.height - rule, ..self.area }
    }
}

/// What a part shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The runbooks.
    List,
    /// The one under the cursor.
    Details,
    /// Its steps.
    Steps,
    /// Its last runs.
    Runs,
    /// Why it failed last time.
    Why,
}

/// How much room the details have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// The whole screen.
    Alone,
    /// Some rows below the list.
    Below,
    /// A narrow column, with steps and last runs shown elsewhere.
    Beside,
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    /// The parts, from the top left.
    pub(super) pieces: Vec<Piece>,
    /// The column between left and right, where there are two.
    pub(super) bar: Option<u16>,
}

impl Layout {
    /// How much room there is for the details.
    pub(super) fn room(&self) -> Room {
        match (self.bar, self.pieces.len()) {
            (Some(_), _) => Room::Beside,
            (None, 1) => Room::Alone,
            (None, _) => Room::Below,
        }
    }

    /// The part of that kind.
    pub(super) fn piece(&self, part: Part) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.part == part)
    }

    /// Rows for the lines of a part, below its heads.
    pub(super) fn rows(&self, part: Part) -> usize {
        let heads = usize::from(matches!(part, Part::List | Part::Steps | Part::Runs));
        self.piece(part).map_or(0, |piece| usize::from(piece.inner().height).saturating_sub(heads))
    }

    /// The part that keys such as `j` are for.
    pub(super) fn focus(&self, ui: &Ui) -> Part {
        let wanted = ui.runbooks.pane.part();
        match &self.pieces[..] {
            [only] => only.part,
            // where the list stands above, the pane below follows it
            [_, _] => Part::List,
            _ if matches!(wanted, Part::Steps | Part::Runs) => wanted,
            _ => Part::List,
        }
    }
}

/// The layout of the terminal as it is now.
pub(super) fn now(model: &Model, ui: &Ui) -> Layout {
    let (width, height) = ui.size;
    match body(Rect { x: 0, y: 0, width, height }, model, ui) {
        Some(area) => of(area, model, ui),
        None => Layout::default(),
    }
}

/// The layout of an area.
pub(super) fn of(area: Rect, model: &Model, ui: &Ui) -> Layout {
    let state = &ui.runbooks;
    if ui.size.0 < MEDIUM || ui.size.1 < HIGH || state.zoomed || area.height < BELOW + 4 {
        let part = state.pane.part();
        return Layout { pieces: vec![Piece { part, area, titled: part != Part::List }], bar: None };
    }
    if ui.size.0 < WIDE { stacked(area, model, ui) } else { columns(area, model, ui) }
}

fn rows(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

fn stacked(area: Rect, model: &Model, ui: &Ui) -> Layout {
    let most = area.height - BELOW - 1;
    let list = 1 + rows(model.shelf.books.len()).clamp(3.min(most), most);
    let part = match ui.runbooks.pane {
        Pane::List => Part::Details,
        other => other.part(),
    };
    let above = Rect { height: list, ..area };
    let below = Rect { y: area.y + list, height: area.height - list, ..area };
    let pieces = vec![Piece { part: Part::List, area: above, titled: false }, Piece { part, area: below, titled: true }];
    Layout { pieces, bar: None }
}

fn columns(area: Rect, model: &Model, ui: &Ui) -> Layout {
    let left = LIST.max(area.width * 57 / 100);
    let (x, width) = (area.x + left + 1, area.width - left - 1);
    let half = area.height / 2;
    let list = rows(model.shelf.books.len() + 2).clamp(half, area.height * 6 / 10);
    let book = list::under(model, ui);
    let has = |lines: usize| if lines == 0 { 0 } else { rows(lines) + 1 };
    let text = book.map_or(0, |book| details::lines(model, ui, book, usize::from(width), Room::Beside).len());
    let why = book.map_or(0, |book| past::why(model, ui, book, usize::from(width)).len());
    let why = has(why).min(area.height / 3);
    let table = has(book.map_or(0, steps::count));
    let most = (area.height - why).saturating_sub(table.min(7));
    let about = has(text).max(2).min(most);
    // one empty row between the text and the table
    let about = if table > 0 { (about + 1).min(most) } else { about };
    let end = if why == 0 { area.height } else { (about + table).min(area.height - why).max(list) };
    let table = if table == 0 { 0 } else { end - about };
    let about = if table == 0 { end } else { about };
    let right =
        |part: Part, y: u16, height: u16, titled: bool| Piece { part, area: Rect { x, y: area.y + y, width, height }, titled };
    let on_left =
        |part: Part, y: u16, height: u16| Piece { part, area: Rect { y: area.y + y, height, width: left, ..area }, titled: true };
    let pieces = vec![
        on_left(Part::List, 0, list),
        on_left(Part::Runs, list, area.height - list),
        right(Part::Details, 0, about, true),
        right(Part::Steps, about, table, false),
        right(Part::Why, end, area.height - end, true),
    ];
    let pieces = pieces.into_iter().filter(|piece| piece.area.height > 0).collect();
    Layout { pieces, bar: Some(area.x + left) }
}
