//! One file a screen or panel: what it remembers, what its keys do, what it looks like.

pub mod acting;
pub mod confirm;
pub mod decide;
pub mod diagnostics;
pub mod help;
pub mod history;
pub mod host;
pub mod hosts;
pub mod message;
pub mod open;
pub mod preview;
pub mod quit;
pub mod run;
pub mod runbooks;
pub mod timeline;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::action::{Action, Effect};
use crate::tui::input::Key;
use crate::tui::model::Model;
use crate::tui::ui::{Panel, Screen, Ui};
use crate::tui::view::frame::Frame;

/// What becomes of a panel after a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Stay,
    /// It closes.
    Close,
}

/// The texts of the frame around the screen.
pub fn frame(model: &Model, ui: &Ui) -> Frame {
    match &ui.screen {
        Screen::Runbooks => runbooks::frame(model, ui),
        Screen::Hosts => hosts::frame(model, ui),
        Screen::Preview => preview::frame(model, ui),
        Screen::Run => run::frame(model, ui),
        Screen::Timeline => timeline::frame(model, ui),
        Screen::History => history::frame(model, ui),
        Screen::Host(host) => host::frame(model, ui, host),
        Screen::Diagnostics(name) => diagnostics::frame(model, ui, name),
    }
}

/// Paints the screen into the area between the rows of the frame.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    match &ui.screen {
        Screen::Runbooks => runbooks::draw(buf, area, model, ui),
        Screen::Hosts => hosts::draw(buf, area, model, ui),
        Screen::Preview => preview::draw(buf, area, model, ui),
        Screen::Run => run::draw(buf, area, model, ui),
        Screen::Timeline => timeline::draw(buf, area, model, ui),
        Screen::History => history::draw(buf, area, model, ui),
        Screen::Host(host) => host::draw(buf, area, model, ui, host),
        Screen::Diagnostics(name) => diagnostics::draw(buf, area, model, ui, name),
    }
}

/// Does what a key means on this screen; what all screens share was done before.
pub fn update(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    match ui.screen.clone() {
        Screen::Runbooks => runbooks::update(ui, model, action),
        Screen::Hosts => hosts::update(ui, model, action),
        Screen::Preview => preview::update(ui, model, action),
        Screen::Run => run::update(ui, model, action),
        Screen::Timeline => timeline::update(ui, model, action),
        Screen::History => history::update(ui, model, action),
        Screen::Host(host) => host::update(ui, model, action, &host),
        Screen::Diagnostics(name) => diagnostics::update(ui, model, action, &name),
    }
}

/// What was typed after `/`, with every key; `done` when Enter ended it, and empty when Esc did.
pub fn search(ui: &mut Ui, model: &Model, text: &str, done: bool) -> Vec<Effect> {
    match ui.screen.clone() {
        Screen::Runbooks => runbooks::search(ui, model, text, done),
        Screen::Hosts => hosts::search(ui, model, text, done),
        Screen::Preview => preview::search(ui, model, text, done),
        Screen::Run => run::search(ui, model, text, done),
        Screen::Timeline => timeline::search(ui, model, text, done),
        Screen::History => history::search(ui, model, text, done),
        Screen::Host(host) => host::search(ui, model, text, done, &host),
        Screen::Diagnostics(_) => Vec::new(),
    }
}

/// Why a key has no meaning on this screen now, where it has one in general.
pub fn off(ui: &Ui, model: &Model, action: Action) -> Option<String> {
    match &ui.screen {
        Screen::Runbooks => runbooks::off(ui, model, action),
        Screen::Hosts => hosts::off(ui, model, action),
        Screen::Preview => preview::off(ui, model, action),
        Screen::Run => run::off(ui, model, action),
        Screen::Host(_) => host::off(ui, model, action),
        Screen::Timeline => timeline::off(ui, model, action),
        Screen::History => history::off(ui, model, action),
        Screen::Diagnostics(name) => diagnostics::off(ui, model, action, name),
    }
}

/// Follows what has changed in the model before the screen is painted: cursors stay with their items.
pub fn settle(ui: &mut Ui, model: &Model) {
    match ui.screen.clone() {
        Screen::Runbooks => runbooks::settle(ui, model),
        Screen::Hosts => hosts::settle(ui, model),
        Screen::Preview => preview::settle(ui, model),
        Screen::Run => run::settle(ui, model),
        Screen::Timeline => timeline::settle(ui, model),
        Screen::History => history::settle(ui, model),
        Screen::Host(host) => host::settle(ui, model, &host),
        Screen::Diagnostics(name) => diagnostics::settle(ui, model, &name),
    }
}

/// Takes away what lies over a screen's list without being a panel; whether there was anything.
pub fn close(ui: &mut Ui) -> bool {
    match ui.screen {
        Screen::Timeline => timeline::close(ui),
        Screen::History => history::close(ui),
        _ => false,
    }
}

/// Gives a key to the panel that is open.
pub fn panel_key(ui: &mut Ui, model: &Model, key: Key) -> Vec<Effect> {
    let Some(mut panel) = ui.panel.take() else { return Vec::new() };
    let (after, effects) = match &mut panel {
        Panel::Help(state) => help::key(state, ui, model, key),
        Panel::Confirm(state) => confirm::key(state, ui, model, key),
        Panel::Decide(state) => decide::key(state, ui, model, key),
        Panel::Acting(state) => acting::key(state, ui, model, key),
        Panel::Quit(state) => quit::key(state, ui, model, key),
        Panel::Open(state) => open::key(state, ui, model, key),
        Panel::Message(state) => message::key(state, ui, model, key),
    };
    // a panel may have opened another one in its place
    if after == After::Stay && ui.panel.is_none() {
        ui.panel = Some(panel);
    }
    effects
}

/// Paints the panel that is open over the screen.
pub fn draw_panel(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    match &ui.panel {
        None => {}
        Some(Panel::Help(state)) => help::draw(state, buf, area, model, ui),
        Some(Panel::Confirm(state)) => confirm::draw(state, buf, area, model, ui),
        Some(Panel::Decide(state)) => decide::draw(state, buf, area, model, ui),
        Some(Panel::Acting(state)) => acting::draw(state, buf, area, model, ui),
        Some(Panel::Quit(state)) => quit::draw(state, buf, area, model, ui),
        Some(Panel::Open(state)) => open::draw(state, buf, area, model, ui),
        Some(Panel::Message(state)) => message::draw(state, buf, area, model, ui),
    }
}

/// The keys that matter in the panel that is open, as text for the last row.
pub fn panel_keys(model: &Model, ui: &Ui) -> Option<(String, String)> {
    Some(match ui.panel.as_ref()? {
        Panel::Help(state) => help::foot(state, model, ui),
        Panel::Confirm(state) => confirm::foot(state, model, ui),
        Panel::Decide(state) => decide::foot(state, model, ui),
        Panel::Acting(state) => acting::foot(state, model, ui),
        Panel::Quit(state) => quit::foot(state, model, ui),
        Panel::Open(state) => open::foot(state, model, ui),
        Panel::Message(state) => message::foot(state, model, ui),
    })
}
