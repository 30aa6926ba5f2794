//! What is typed after `:`.

use crate::tui::action::Effect;
use crate::tui::model::Model;
use crate::tui::ui::Ui;

/// Does what was typed.
pub fn run(ui: &mut Ui, model: &Model, text: &str) -> Vec<Effect> {
    ui.say(model, format!("`{text}` is no command; ? lists them."));
    Vec::new()
}

/// The text with what it begins completed, as far as there is only one way.
pub fn complete(_model: &Model, text: &str) -> String {
    text.to_owned()
}
