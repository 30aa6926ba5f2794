//! Paints the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::state::words::count;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::layout::Layout;
use crate::tui::screen::run::line::Form;
use crate::tui::screen::run::{Pane, Sort, head, lower, rows, side};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, paint, rule};

/// Paints it.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    let Some(watched) = ui.watched(model).filter(|watched| !watched.fleet.is_empty()) else {
        let text = " No run is shown. A run begins with a runbook (1) and hosts (2); an earlier one opens from the history (6).";
        return paint(buf, area, [Cells::of(ui.theme, Tone::Plain, text)]);
    };
    let layout = Layout::of(ui, model, watched);
    let above = head::lines(model, ui, watched, usize::from(area.width), layout.above);
    paint(buf, area, above.into_iter().take(layout.head));
    let below = cut(area, 0, layout.head);
    if layout.list > 0 {
        left(buf, below, &layout, layout.titled, list(model, ui, watched, &layout));
    }
    if layout.log > 0 {
        let from = usize::from(below.height).saturating_sub(layout.log);
        left(buf, cut(below, 0, from), &layout, true, lower::lines(model, ui, watched, layout.left, layout.log));
    }
    if layout.side > 0 {
        let apart = usize::from(area.width) - layout.side;
        let lines = side::lines(model, ui, watched, layout.side, usize::from(below.height));
        if apart > 0 {
            divide(buf, below, ui.theme, apart - 2, &lines, layout.log);
        }
        paint(buf, cut(below, apart, 0), lines.into_iter().map(|(_, line)| line));
    }
}

/// Paints a pane of the left column; only its title reaches the bar.
fn left(buf: &mut Buffer, area: Rect, layout: &Layout, titled: bool, lines: Vec<Cells>) {
    let title = usize::from(titled);
    let mut lines = lines.into_iter();
    paint(buf, Rect { width: columns(layout.left), ..area }, lines.by_ref().take(title));
    paint(buf, Rect { width: columns(layout.left - layout.gap()), ..cut(area, 0, title) }, lines);
}

fn columns(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// An area without its first columns and rows.
fn cut(area: Rect, left: usize, top: usize) -> Rect {
    let (left, top) = (columns(left).min(area.width), columns(top).min(area.height));
    Rect { x: area.x + left, y: area.y + top, width: area.width - left, height: area.height - top }
}

/// The bar between the columns, which takes in the rules on both sides.
fn divide(buf: &mut Buffer, area: Rect, theme: Theme, column: usize, side: &[(bool, Cells)], log: usize) {
    let height = usize::from(area.height);
    let bars = (0..height).map(|row| {
        let right = side.get(row).is_some_and(|(is_rule, _)| *is_rule);
        let left = log > 0 && row == height - log;
        let (bar, after) = match (row, left, right) {
            (0, _, _) => (theme.down(), theme.rule()),
            (_, true, false) => (theme.eet(), " "),
            (_, _, true) => (theme.tee(), theme.rule()),
            _ => (theme.bar(), " "),
        };
        Cells::of(theme, Tone::Dim, bar).put(Tone::Dim, after)
    });
    let place = Rect { width: 2, ..cut(area, column, 0) };
    paint(buf, place, bars);
}

fn list(model: &Model, ui: &Ui, watched: &Watched, layout: &Layout) -> Vec<Cells> {
    let state = &ui.run;
    let rows = rows(ui, watched);
    let longest = state.of.as_ref().map_or(0, |(_, _, longest)| *longest);
    let form = Form::new(watched, ui.theme, layout.left - layout.gap(), layout.folded, longest, layout.above.narrow);
    let mut lines = Vec::with_capacity(layout.list + 2);
    if layout.titled {
        lines.push(rule(ui.theme, &title(ui, watched, layout), &position(ui, rows.count(), layout), layout.left));
    }
    if layout.heads {
        lines.extend(form.heads());
    }
    let cursor = &state.cursor;
    for (n, item) in rows.items(cursor.top, layout.list).iter().enumerate() {
        let here = cursor.top + n == cursor.row;
        let line = form.row(watched, model, item, here, rows.is_under(item));
        // the row in reverse tells which pane the keys go to
        lines.push(line.reversed(here && state.pane == Pane::List));
    }
    lines
}

fn title(ui: &Ui, watched: &Watched, layout: &Layout) -> String {
    let hosts = watched.fleet.len();
    if layout.folded {
        return format!("hosts ({hosts}), folded by same state and same error");
    }
    let order = match ui.run.sort {
        Sort::Problems => "problems first",
        Sort::Name => "by name",
        Sort::Time => "longest first",
    };
    format!("hosts ({hosts}), {order}")
}

/// Which part of a long list is shown.
fn position(ui: &Ui, all: usize, layout: &Layout) -> String {
    if all <= layout.list {
        return if ui.run.frozen.is_some() { "frozen".to_owned() } else { String::new() };
    }
    let last = (ui.run.cursor.top + layout.list).min(all);
    let frozen = if ui.run.frozen.is_some() { ", frozen" } else { "" };
    format!("{} to {last} of {}{frozen}", ui.run.cursor.top + 1, count(all, "row"))
}
