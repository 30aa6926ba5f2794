//! The host picker.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::id::HostName;
use crate::tui::action::{Action, Effect};
use crate::tui::model::Model;
use crate::tui::ui::Ui;
use crate::tui::view::frame::Frame;

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {}

/// The texts of the frame.
pub fn frame(_model: &Model, _ui: &Ui) -> Frame {
    Frame { place: "Hosts".to_owned(), ..Frame::default() }
}

/// Paints it.
pub fn draw(_buf: &mut Buffer, _area: Rect, _model: &Model, _ui: &Ui) {}

/// What its keys do.
pub fn update(_ui: &mut Ui, _model: &Model, _action: Action) -> Vec<Effect> {
    Vec::new()
}

/// What was typed after `/`.
pub fn search(_ui: &mut Ui, _model: &Model, _text: &str, _done: bool) -> Vec<Effect> {
    Vec::new()
}

/// Why a key has no meaning now.
pub fn off(_ui: &Ui, _model: &Model, _action: Action) -> Option<String> {
    None
}

/// Follows what has changed.
pub fn settle(_ui: &mut Ui, _model: &Model) {}

/// The hosts that a selector names which needed the record.
pub fn selected(_ui: &mut Ui, _model: &Model, _text: &str, _hosts: Result<Vec<HostName>, String>) {}
