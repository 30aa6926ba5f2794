//! What is open, of this run and of earlier ones.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::Effect;
use crate::tui::input::Key;
use crate::tui::model::Model;
use crate::tui::screen::After;
use crate::tui::ui::Ui;

/// What the panel remembers.
#[derive(Debug, Default)]
pub struct State {}

/// What a key does.
pub fn key(_state: &mut State, _ui: &mut Ui, _model: &Model, key: Key) -> (After, Vec<Effect>) {
    (if key == Key::Esc { After::Close } else { After::Stay }, Vec::new())
}

/// Paints it over the screen.
pub fn draw(_state: &State, _buf: &mut Buffer, _area: Rect, _model: &Model, _ui: &Ui) {}

/// The last two rows: what is said, and the keys.
pub fn foot(_state: &State, _model: &Model, _ui: &Ui) -> (String, String) {
    (String::new(), "Esc close".to_owned())
}

/// The OPEN row's sentence; none where nothing is open.
pub fn line(_model: &Model, _ui: &Ui) -> Option<String> {
    None
}
