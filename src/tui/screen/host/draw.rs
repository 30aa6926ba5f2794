//! Paints the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::id::HostName;
use crate::tui::model::Model;
use crate::tui::screen::host::layout::{Layout, Panes};
use crate::tui::screen::host::line::Form;
use crate::tui::screen::host::log::Shown;
use crate::tui::screen::host::{Pane, Subject, facts, steps, vanished};
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, paint, rule};
use crate::tui::view::frame::MEDIUM;

/// Paints it.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui, host: &HostName) {
    let Some(subject) = Subject::of(model, ui, host) else {
        let said = Cells::of(ui.theme, Tone::Plain, &vanished(model, ui, host));
        let back = " Esc goes back; h and l go to a host that it has.";
        return paint(buf, area, [said, Cells::of(ui.theme, Tone::Dim, back)]);
    };
    let layout = Layout::of(ui, model, subject);
    let log = |from: usize, top: usize| cut(area, from, top);
    match layout.panes {
        Panes::Output => paint(buf, area, Shown::of(ui, subject).pane(model, ui, subject, layout)),
        Panes::Steps => paint(buf, area, left(model, ui, subject, layout).into_iter().map(|(_, line)| line)),
        Panes::Stacked => {
            let rows = left(model, ui, subject, layout);
            let below = log(0, usize::from(area.height).saturating_sub(layout.log));
            paint(buf, area, rows.into_iter().map(|(_, line)| line));
            paint(buf, below, Shown::of(ui, subject).pane(model, ui, subject, layout));
        }
        Panes::Beside => {
            let mut rows = vec![(true, rule(ui.theme, "steps", "", layout.left))];
            rows.extend(left(model, ui, subject, layout));
            divide(buf, area, ui, layout.left, &rows);
            let place = Rect { width: columns(layout.left).min(area.width), ..area };
            paint(buf, place, rows.into_iter().map(|(_, line)| line));
            paint(buf, log(layout.left + 1, 0), Shown::of(ui, subject).pane(model, ui, subject, layout));
        }
    }
}

/// The steps and what stands with them; whether each row is a rule.
fn left(model: &Model, ui: &Ui, subject: Subject<'_>, layout: Layout) -> Vec<(bool, Cells)> {
    let mut rows = Vec::new();
    if layout.status {
        rows.push((false, facts::status_line(model, ui, subject, layout.left)));
    }
    // a column stays free before the bar
    let columns = layout.left - usize::from(layout.panes == Panes::Beside);
    let form = Form::new(ui.theme, model, subject, columns, ui.size.0 < MEDIUM);
    if layout.heads {
        rows.push((false, form.heads()));
    }
    let cursor = &ui.host.cursor;
    for (row, item) in steps::items(model, subject).iter().enumerate().skip(cursor.top).take(layout.steps) {
        let here = row == cursor.row;
        // the row in reverse tells which pane the keys go to
        rows.push((false, form.row(item, here).reversed(here && ui.host.pane == Pane::Steps)));
    }
    if layout.counter {
        rows.push((false, facts::counter_line(ui, subject, layout.left)));
    }
    if layout.details > 0 {
        rows.push((false, Cells::new(ui.theme)));
        rows.extend(facts::details(model, ui, subject, layout.left, layout.details));
    }
    rows
}

/// The bar between the columns, in which the rules on its left end.
fn divide(buf: &mut Buffer, area: Rect, ui: &Ui, column: usize, left: &[(bool, Cells)]) {
    let theme = ui.theme;
    let bars = (0..usize::from(area.height)).map(|row| {
        let bar = match (row, left.get(row)) {
            (0, _) => theme.down(),
            (_, Some((true, _))) => theme.eet(),
            _ => theme.bar(),
        };
        Cells::of(theme, Tone::Dim, bar)
    });
    paint(buf, Rect { width: 1, ..cut(area, column, 0) }, bars);
}

fn columns(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// An area without its first columns and rows.
fn cut(area: Rect, left: usize, top: usize) -> Rect {
    let (left, top) = (columns(left).min(area.width), columns(top).min(area.height));
    Rect { x: area.x + left, y: area.y + top, width: area.width - left, height: area.height - top }
}
