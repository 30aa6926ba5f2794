//! Steering the live run: pause at once; everything that can change a host asks first.

use crate::tui::action::{Action, Effect};
use crate::tui::model::Model;
use crate::tui::ui::Ui;

/// Does what a steering key means.
pub fn act(_ui: &mut Ui, _model: &Model, _action: Action) -> Vec<Effect> {
    Vec::new()
}

/// Writes a note into the run that is shown.
pub fn note(_ui: &mut Ui, _model: &Model, _text: &str) -> Vec<Effect> {
    Vec::new()
}
