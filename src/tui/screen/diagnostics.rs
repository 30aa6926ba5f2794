//! What is wrong with a file.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::{Action, Effect};
use crate::tui::model::Model;
use crate::tui::ui::Ui;
use crate::tui::view::frame::Frame;

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {}

/// The texts of the frame.
pub fn frame(_model: &Model, _ui: &Ui, _name: &str) -> Frame {
    Frame { place: "Diagnostics".to_owned(), ..Frame::default() }
}

/// Paints it.
pub fn draw(_buf: &mut Buffer, _area: Rect, _model: &Model, _ui: &Ui, _name: &str) {}

/// What its keys do.
pub fn update(_ui: &mut Ui, _model: &Model, _action: Action, _name: &str) -> Vec<Effect> {
    Vec::new()
}

/// Follows what has changed.
pub fn settle(_ui: &mut Ui, _model: &Model, _name: &str) {}
