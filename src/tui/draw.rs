//! Paints everything: the frame, the screen in it, the panel over it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::model::Model;
use crate::tui::screen;
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, paint};
use crate::tui::view::{frame, panel};

/// Paints it. Costs what is on the screen, not what is in the fleet.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    frame::draw(buf, area, model, ui, &screen::frame(model, ui));
    let Some(body) = frame::body(area, model, ui) else { return };
    screen::draw(buf, body, model, ui);
    let Some((said, keys)) = screen::panel_keys(model, ui) else { return };
    screen::draw_panel(buf, body, model, ui);
    let foot = Rect { y: area.bottom() - 2, height: 2, ..area };
    if ui.typing.is_none() && ui.said.is_none() {
        panel::clear(buf, Rect { height: 1, ..foot });
        paint(buf, foot, [Cells::of(ui.theme, Tone::Dim, &format!(" {said}"))]);
    }
    let last = Rect { y: foot.y + 1, height: 1, ..foot };
    panel::clear(buf, last);
    paint(buf, last, [Cells::of(ui.theme, Tone::Plain, &keys)]);
}
