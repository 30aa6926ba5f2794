//! What a key, a paste or a focus change does. Pure: it changes where the person is and says what is to be done.

use tui_input::{Input as TextInput, InputRequest};

use crate::model::control::Control;
use crate::tui::action::{Action, Effect, Request};
use crate::tui::input::{Input, Key};
use crate::tui::keymap::{Binding, binding};
use crate::tui::model::{Model, Watched};
use crate::tui::screen::{self, help, hosts, open, quit, run, runbooks};
use crate::tui::ui::{Panel, Purpose, Screen, Shown, Times, Typing, Ui};
use crate::tui::{command, steer};

/// So many unbound capitals in a row look like Caps Lock.
const CAPITALS: u8 = 3;
/// The most characters of a line that is typed.
const LONGEST: usize = 1000;

/// Does what came in means.
pub fn update(ui: &mut Ui, model: &Model, input: Input) -> Vec<Effect> {
    match input {
        Input::Focus(focused) => {
            ui.focused = focused;
            Vec::new()
        }
        Input::Paste(text) => pasted(ui, model, &text),
        Input::Key(key) => {
            ui.said = None;
            pressed(ui, model, key)
        }
    }
}

fn pasted(ui: &mut Ui, model: &Model, text: &str) -> Vec<Effect> {
    let line: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    let Some(typing) = &mut ui.typing else {
        let text = match &ui.panel {
            Some(Panel::Confirm(_)) => "A paste is not accepted here: what is pasted was not read.".to_owned(),
            _ => format!("Pasted {} characters were ignored.", text.chars().count()),
        };
        ui.say(model, text);
        return Vec::new();
    };
    for c in line.chars() {
        insert(&mut typing.text, c);
    }
    after_typing(ui, model)
}

fn pressed(ui: &mut Ui, model: &Model, key: Key) -> Vec<Effect> {
    // these mean the same whatever is open
    match ui.keys.action(key) {
        Some(Action::Interrupt) => return interrupt(model),
        Some(Action::Suspend) => return vec![Effect::Suspend],
        Some(Action::Redraw) => return vec![Effect::Redraw],
        _ => {}
    }
    if ui.typing.is_some() {
        return typed(ui, model, key);
    }
    if ui.panel.is_some() {
        if ui.is_deaf(model) {
            return Vec::new();
        }
        return screen::panel_key(ui, model, key);
    }
    let Some(action) = ui.keys.action(key) else { return unbound(ui, model, key) };
    ui.capitals = 0;
    let Some(row) = binding(action) else { return Vec::new() };
    if let Some(why) = off(ui, model, row) {
        ui.say(model, why);
        return Vec::new();
    }
    act(ui, model, action)
}

/// Why a key has no meaning here and now.
pub fn off(ui: &Ui, model: &Model, row: &Binding) -> Option<String> {
    if !row.on.has(&ui.screen) {
        return Some(format!("{} has no meaning on this screen.", ui.keys.key(row.action)));
    }
    match row.action {
        Action::Decide | Action::GoOn => run::off(ui, model, row.action),
        action => screen::off(ui, model, action),
    }
}

fn interrupt(model: &Model) -> Vec<Effect> {
    if model.is_live() { vec![Effect::Interrupt] } else { vec![Effect::Quit(130)] }
}

fn unbound(ui: &mut Ui, model: &Model, key: Key) -> Vec<Effect> {
    match key {
        Key::Char(c) if c.is_uppercase() => {
            ui.capitals += 1;
            if ui.capitals >= CAPITALS {
                ui.say(model, "Caps Lock?");
            }
        }
        _ => ui.capitals = 0,
    }
    Vec::new()
}

fn act(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Go(n) => go(ui, model, n),
        Action::LastScreen => {
            if let Some(before) = ui.before.clone() {
                ui.go(before);
            }
            Vec::new()
        }
        Action::Help => ui.open(model, Panel::Help(help::State::default())),
        Action::OpenItems => ui.open(model, Panel::Open(open::State::default())),
        Action::Search => ui.type_in(Purpose::Search, ""),
        Action::Command => ui.type_in(Purpose::Command, ""),
        Action::Note => ui.type_in(Purpose::Note, ""),
        Action::Times => {
            ui.times = match ui.times {
                Times::Utc => Times::Relative,
                Times::Relative => Times::Local,
                Times::Local => Times::Utc,
            };
            ui.say(model, ui.times.does());
            Vec::new()
        }
        Action::Back => back(ui, model),
        Action::Leave => leave(ui, model),
        Action::Pause | Action::GoOn | Action::Decide | Action::Skip | Action::Abort => steer::act(ui, model, action),
        Action::Retry | Action::Exclude if matches!(ui.screen, Screen::Run | Screen::Host(_)) => steer::act(ui, model, action),
        other => screen::update(ui, model, other),
    }
}

fn go(ui: &mut Ui, model: &Model, n: u8) -> Vec<Effect> {
    let screen = match n {
        1 => Screen::Runbooks,
        2 => runbooks::hosts(model),
        3 => Screen::Preview,
        4 => Screen::Run,
        5 => Screen::Timeline,
        _ => Screen::History,
    };
    if matches!(screen, Screen::Preview | Screen::Run | Screen::Timeline) && ui.watched(model).is_none() {
        ui.say(model, "There is no run yet: choose a runbook, then hosts.");
        return Vec::new();
    }
    let of_run = |screen: &Screen| matches!(screen, Screen::Preview | Screen::Run | Screen::Timeline | Screen::Host(_));
    // a record is not in the way of the run that is live: from elsewhere, or by its key once more, that one is shown
    if matches!(ui.shown, Shown::Recorded(_))
        && model.is_live()
        && of_run(&screen)
        && (screen == ui.screen || !of_run(&ui.screen))
    {
        ui.shown = Shown::Live;
        ui.say(model, "This is the live run again.");
    }
    ui.go(screen);
    opened(ui, model)
}

/// What is to be read when a screen comes up.
pub fn opened(ui: &Ui, model: &Model) -> Vec<Effect> {
    if ui.screen == Screen::Hosts {
        return hosts::opened(ui, model);
    }
    let run = match (&ui.screen, &ui.shown) {
        (Screen::Timeline, Shown::Live) => model.live_run().cloned(),
        _ => None,
    };
    run.map(|run| Effect::Ask(Request::Open(run))).into_iter().collect()
}

/// Closes what is in the way, one thing at a time; never acts on a host. A preview that waits is declined only by leaving it on purpose.
fn back(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    // one that was confirmed, and a record, are left as any screen is
    let waits = |live: &Watched| live.is_live() && !live.is_past_preview() && live.run.confirmed.is_none();
    if ui.screen == Screen::Preview && ui.shown == Shown::Live && model.live.as_ref().is_some_and(waits) {
        ui.go(Screen::Hosts);
        ui.back.retain(|screen| *screen != Screen::Preview);
        return vec![Effect::Control(Control::Stop { by: model.operator.clone() })];
    }
    if !screen::close(ui) {
        ui.go_back();
    }
    Vec::new()
}

/// Leaves this screen; on the first one the session, asking while a run is live.
pub fn leave(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    if ui.screen != Screen::Runbooks {
        let shown = back(ui, model);
        return shown;
    }
    if model.is_live() {
        return ui.open(model, Panel::Quit(quit::State::default()));
    }
    vec![Effect::Quit(0)]
}

fn typed(ui: &mut Ui, model: &Model, key: Key) -> Vec<Effect> {
    let Some(typing) = &mut ui.typing else { return Vec::new() };
    match key {
        Key::Esc => {
            let purpose = typing.purpose;
            ui.typing = None;
            return if purpose == Purpose::Search { screen::search(ui, model, "", true) } else { Vec::new() };
        }
        Key::Enter => {
            let (purpose, text) = (typing.purpose, typing.text.value().to_owned());
            ui.typing = None;
            return match purpose {
                Purpose::Search => screen::search(ui, model, &text, true),
                Purpose::Command => command::run(ui, model, &text),
                Purpose::Note => steer::note(ui, model, &text),
            };
        }
        Key::Tab if typing.purpose == Purpose::Command => {
            let begun = typing.text.value().to_owned();
            let completed = command::complete(ui, model, &begun);
            ui.typing = Some(Typing { purpose: Purpose::Command, text: TextInput::new(completed) });
            return Vec::new();
        }
        Key::Backspace if typing.text.value().is_empty() => {
            ui.typing = None;
            return Vec::new();
        }
        key => edit(&mut typing.text, key),
    }
    after_typing(ui, model)
}

fn after_typing(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    match &ui.typing {
        Some(Typing { purpose: Purpose::Search, text }) => {
            let text = text.value().to_owned();
            screen::search(ui, model, &text, false)
        }
        _ => Vec::new(),
    }
}

/// What a key does to a line that is typed.
pub fn edit(text: &mut TextInput, key: Key) {
    let request = match key {
        Key::Char(c) => return insert(text, c),
        Key::Backspace => InputRequest::DeletePrevChar,
        Key::Delete => InputRequest::DeleteNextChar,
        Key::Left => InputRequest::GoToPrevChar,
        Key::Right => InputRequest::GoToNextChar,
        Key::Home => InputRequest::GoToStart,
        Key::End => InputRequest::GoToEnd,
        Key::Ctrl('u') => InputRequest::DeleteLine,
        _ => return,
    };
    text.handle(request);
}

fn insert(text: &mut TextInput, c: char) {
    if text.value().chars().count() < LONGEST {
        text.handle(InputRequest::InsertChar(c));
    }
}
