//! One host of a run: its steps, its log, its facts.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::id::{HostName, StepId};
use crate::tui::action::{Action, Effect};
use crate::tui::model::Model;
use crate::tui::ui::Ui;
use crate::tui::view::frame::Frame;

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    /// The step that somebody has asked for by name, until the screen is there.
    pub wants: Option<StepId>,
}

/// The texts of the frame.
pub fn frame(_model: &Model, _ui: &Ui, _host: &HostName) -> Frame {
    Frame { place: "Host".to_owned(), ..Frame::default() }
}

/// Paints it.
pub fn draw(_buf: &mut Buffer, _area: Rect, _model: &Model, _ui: &Ui, _host: &HostName) {}

/// What its keys do.
pub fn update(_ui: &mut Ui, _model: &Model, _action: Action, _host: &HostName) -> Vec<Effect> {
    Vec::new()
}

/// What was typed after `/`.
pub fn search(_ui: &mut Ui, _model: &Model, _text: &str, _done: bool, _host: &HostName) -> Vec<Effect> {
    Vec::new()
}

/// Follows what has changed.
pub fn settle(_ui: &mut Ui, _model: &Model, _host: &HostName) {}
