//! Whether to leave while a run is live: stay is what a hurried key does.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::state::words;
use crate::tui::action::{Action, Effect};
use crate::tui::input::Key;
use crate::tui::model::Model;
use crate::tui::screen::After;
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::panel;

/// What the panel remembers.
#[derive(Debug, Default)]
pub struct State {
    /// Whether the run is to be stopped.
    stop: bool,
}

/// What a key does.
pub fn key(state: &mut State, ui: &mut Ui, _model: &Model, key: Key) -> (After, Vec<Effect>) {
    match (key, ui.keys.action(key)) {
        (_, Some(Action::Abort)) => state.stop = true,
        (_, Some(Action::Up | Action::Down)) => state.stop = !state.stop,
        (Key::Enter, _) if state.stop => {
            ui.say(_model, "Stopping: the session is left when the run has ended.");
            return (After::Close, vec![Effect::StopAndLeave]);
        }
        (Key::Enter | Key::Esc, _) | (_, Some(Action::Leave)) => return (After::Close, Vec::new()),
        _ => {}
    }
    (After::Stay, Vec::new())
}

/// Paints it over the screen.
pub fn draw(state: &State, buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    let Some(live) = &model.live else { return };
    let counts = live.fleet.counts();
    let running = words::count(counts.working(), "running step");
    let open = words::count(live.fleet.open().len(), "open thing");
    let row = |chosen: bool, key: &str, what: &str, does: &str| {
        let mark = if chosen { ui.theme.cursor() } else { " " };
        let tone = if chosen { Tone::Strong } else { Tone::Plain };
        Cells::new(ui.theme)
            .put(Tone::Plain, mark)
            .put(Tone::Plain, " ")
            .cell(Tone::Strong, key, 3)
            .put(tone, &format!("{what:<7}{does}"))
    };
    let abort = ui.keys.key(Action::Abort);
    let lines = vec![
        row(!state.stop, "", "stay", "the run goes on, and so does this screen"),
        row(state.stop, &abort, "stop", &format!("{running} to the end, {open} to be closed, then quit")),
    ];
    panel::paint(buf, Rect { height: area.height.min(4), ..area }, ui.theme, "A run is live. Leave?", lines);
}

/// The last two rows.
pub fn foot(_state: &State, _model: &Model, ui: &Ui) -> (String, String) {
    let said = "A run cannot go on without this screen: it ends in order, or you stay.".to_owned();
    (said, format!("{} stop  Enter do what is marked  Esc stay", ui.keys.key(Action::Abort)))
}
