//! Something that is to be read and changes nothing: why a run was not begun, what a command answers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::{Action, Effect};
use crate::tui::input::Key;
use crate::tui::model::Model;
use crate::tui::screen::After;
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::panel;
use crate::tui::view::wrap;

/// What the panel remembers.
#[derive(Debug, Default)]
pub struct State {
    /// Its title.
    pub title: String,
    /// A line each.
    pub lines: Vec<String>,
    /// The first line that is shown.
    pub top: usize,
}

/// What a key does.
pub fn key(state: &mut State, ui: &mut Ui, _model: &Model, key: Key) -> (After, Vec<Effect>) {
    let last = state.lines.len().saturating_sub(1);
    match ui.keys.action(key) {
        Some(Action::Down) => state.top = (state.top + 1).min(last),
        Some(Action::Up) => state.top = state.top.saturating_sub(1),
        Some(Action::Copy) => {
            let (what, text) = (state.title.clone(), state.lines.join("\n"));
            return (After::Stay, vec![Effect::Copy { what, text }]);
        }
        Some(Action::Open | Action::Back | Action::Leave) => return (After::Close, Vec::new()),
        _ => {}
    }
    (After::Stay, Vec::new())
}

/// Paints it over the screen.
pub fn draw(state: &State, buf: &mut Buffer, area: Rect, _model: &Model, ui: &Ui) {
    let room = area.height.saturating_sub(2);
    let lines: Vec<Cells> = state
        .lines
        .iter()
        .flat_map(|line| wrap::rows(line, panel::inner(area)))
        .skip(state.top)
        .take(usize::from(room))
        .map(|line| Cells::of(ui.theme, Tone::Plain, &line))
        .collect();
    let height = u16::try_from(lines.len()).unwrap_or(room) + 2;
    panel::paint(buf, Rect { height: height.min(area.height), ..area }, ui.theme, &state.title, lines);
}

/// The last two rows.
pub fn foot(_state: &State, _model: &Model, ui: &Ui) -> (String, String) {
    (String::new(), format!("{} copy  {} close", ui.keys.key(Action::Copy), ui.keys.key(Action::Back)))
}
