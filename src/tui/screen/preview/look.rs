//! How the preview is painted.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::state::run::PlanSummary;
use crate::state::words;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::preview::looking;
use crate::tui::screen::preview::place::{self, Panes};
use crate::tui::screen::preview::plan::Plans;
use crate::tui::screen::preview::rows::{Row, Table};
use crate::tui::screen::preview::side::{self, Line};
use crate::tui::screen::preview::text::labelled;
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, cut, paint, rule};
use crate::tui::view::frame::MEDIUM;

/// Paints it.
pub(super) fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui, watched: &Watched) {
    if watched.run.summary.is_none() {
        return paint(buf, area, looking::lines(ui, watched, usize::from(area.width), usize::from(area.height)));
    }
    let panes = place::of_preview(area, ui, watched);
    head(buf, panes, ui, watched);
    let width = usize::from(panes.list.width);
    let table = Table::new(model, ui, watched, width);
    paint(buf, panes.heads, [table.heads()]);
    let (top, at) = (ui.preview.cursor.top, ui.preview.cursor.row);
    let shown = ui.preview.rows.iter().enumerate().skip(top).take(usize::from(panes.list.height));
    paint(buf, panes.list, shown.map(|(n, row)| table.row(*row, n == at)));
    details(buf, panes, model, ui, watched);
    if panes.side.height > 0 {
        aside(buf, panes, model, ui, watched);
    }
}

fn head(buf: &mut Buffer, panes: Panes, ui: &Ui, watched: &Watched) {
    let width = usize::from(panes.numbers.width);
    let theme = ui.theme;
    if panes.side.height > 0 {
        let hidden = ui.preview.rows.len().saturating_sub(usize::from(panes.list.height));
        let right = if hidden > 0 { format!("{} rows", ui.preview.rows.len()) } else { String::new() };
        return paint(buf, panes.numbers, [rule(theme, "plan: identical hosts folded, most dangerous first", &right, width)]);
    }
    let Some(summary) = &watched.run.summary else { return };
    paint(buf, panes.numbers, numbers(ui, summary, panes.numbers.width, usize::from(panes.numbers.height)));
}

/// The numbers of the plan in at most so many rows.
pub(super) fn numbers(ui: &Ui, summary: &PlanSummary, columns: u16, rows: usize) -> Vec<Cells> {
    let indent = if ui.size.0 < MEDIUM { 6 } else { 8 };
    labelled(ui.theme, "PLAN", indent, &side::numbers(summary), usize::from(columns), rows)
}

/// The lines of the plan of a row as the details show them.
pub(super) fn plan_of(model: &Model, ui: &Ui, watched: &Watched, row: Row) -> Vec<Cells> {
    shown(&Plans::new(model, ui, watched), ui, row, columns(model, ui, watched))
}

/// The same in so many columns.
pub(super) fn shown(plans: &Plans<'_>, ui: &Ui, row: Row, columns: usize) -> Vec<Cells> {
    if ui.preview.diff { plans.diff(row, columns) } else { plans.whole(row, columns) }
}

/// The columns of the details.
pub(super) fn columns(model: &Model, ui: &Ui, watched: &Watched) -> usize {
    usize::from(place::of_terminal(model, ui, watched).details.width).max(20)
}

fn details(buf: &mut Buffer, panes: Panes, model: &Model, ui: &Ui, watched: &Watched) {
    let Some(row) = ui.preview.row().filter(|_| panes.details.height > 1) else { return };
    let (theme, width) = (ui.theme, usize::from(panes.details.width));
    let lines = plan_of(model, ui, watched, row);
    let room = usize::from(panes.details.height) - 1;
    let scroll = ui.preview.scroll.min(lines.len().saturating_sub(room));
    let below = lines.len().saturating_sub(scroll + room);
    let plans = Plans::new(model, ui, watched);
    let right = match () {
        () if below > 0 && !ui.preview.zoomed => format!("{} more, z zooms", words::count(below, "line")),
        () if below > 0 => format!("{} more", words::count(below, "line")),
        () if ui.preview.diff => "only what differs".to_owned(),
        () => plans.differs(row).unwrap_or_default(),
    };
    let title = cut(theme, &plans.title(row), width.saturating_sub(crate::model::visible::width(&right) + 9).max(12));
    let found = |line: &Cells| !ui.preview.find.is_empty() && line.text().to_lowercase().contains(&ui.preview.find);
    let marked = |line: Cells| {
        let hit = found(&line);
        line.reversed(hit)
    };
    let shown = lines.into_iter().skip(scroll).take(room).map(marked);
    paint(buf, panes.details, std::iter::once(rule(theme, &title, &right, width)).chain(shown));
}

fn aside(buf: &mut Buffer, panes: Panes, model: &Model, ui: &Ui, watched: &Watched) {
    let (theme, width) = (ui.theme, usize::from(panes.side.width));
    let lines = side::lines(model, ui, watched, width);
    let details = panes.details.y.saturating_sub(panes.side.y);
    let is_rule = |y: u16| matches!(lines.get(usize::from(y)), Some(Line::Rule(_)));
    let bars = (0..panes.bar.height).map(|y| match (y == 0, y == details && panes.details.height > 0, is_rule(y)) {
        (true, _, _) => theme.down(),
        (false, true, _) => theme.eet(),
        (false, false, true) => theme.tee(),
        (false, false, false) => theme.bar(),
    });
    paint(buf, panes.bar, bars.map(|bar| Cells::of(theme, Tone::Dim, bar)));
    let missing = lines.len() > usize::from(panes.side.height);
    let shown = lines.into_iter().map(|line| match line {
        Line::Rule(title) => rule(theme, title, "", width),
        Line::Row(cells) => cells,
    });
    paint(buf, panes.side, shown);
    if missing {
        let last = Rect { y: panes.side.bottom().saturating_sub(1), height: 1, ..panes.side };
        crate::tui::view::panel::clear(buf, last);
        paint(buf, last, [Cells::of(theme, Tone::Dim, &format!(" {} o shows all of it", theme.more()))]);
    }
}
