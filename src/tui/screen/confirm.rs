//! The question whether to go on after the preview.

mod facts;
mod phrase;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tui_input::Input as TextInput;

use crate::model::control::Control;
use crate::model::visible::visible;
use crate::state::words;
use crate::tui::action::Effect;
use crate::tui::input::Key;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::After;
use crate::tui::screen::confirm::facts::Fact;
use crate::tui::screen::preview;
use crate::tui::theme::Tone;
use crate::tui::ui::{Screen, Ui};
use crate::tui::update::edit;
use crate::tui::view::cells::{Cells, cut};
use crate::tui::view::frame::{MEDIUM, text_with_cursor};
use crate::tui::view::panel;
use crate::tui::view::wrap;

/// What is typed where no phrase is asked for.
const YES: &str = "y";
/// The rows for the typed line and what stands around it.
const ASKING: usize = 3;

/// What the panel remembers.
#[derive(Debug, Default)]
pub struct State {
    text: TextInput,
    /// What is wrong with what was typed when Enter was pressed.
    wrong: Option<String>,
}

/// What must be typed.
fn wanted(live: &Watched) -> &str {
    live.run.asked.as_ref().and_then(|asked| asked.phrase.as_deref()).unwrap_or(YES)
}

/// What a key does.
pub fn key(state: &mut State, ui: &mut Ui, model: &Model, key: Key) -> (After, Vec<Effect>) {
    let Some(live) = model.live.as_ref().filter(|live| live.waits_to_be_confirmed()) else {
        ui.say(model, "The run does not wait to be confirmed any more.");
        return (After::Close, Vec::new());
    };
    match key {
        Key::Esc => (After::Close, Vec::new()),
        Key::Enter if state.text.value() == wanted(live) => {
            let order = Control::Confirm { by: model.operator.clone(), via: "tty".to_owned() };
            preview::confirmed(ui);
            ui.go(Screen::Run);
            (After::Close, vec![Effect::Control(order)])
        }
        Key::Enter => {
            state.wrong = Some(phrase::differs(state.text.value(), wanted(live)));
            (After::Stay, Vec::new())
        }
        key => {
            edit(&mut state.text, key);
            state.wrong = None;
            (After::Stay, Vec::new())
        }
    }
}

/// Paints it over the lower part of the screen: the rows of the plan stay visible above it where there is room.
pub fn draw(state: &State, buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    let Some(live) = &model.live else { return };
    let facts = facts::facts(model, ui, live);
    let columns = panel::inner(area);
    let asks = asks(state, ui, live, columns);
    let room = usize::from(area.height).saturating_sub(2 + asks.len());
    let mut lines = rows(ui, &facts, columns, room);
    if !lines.is_empty() && lines.len() < room {
        lines.push(Cells::new(ui.theme));
    }
    lines.extend(asks);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let over = Rect { y: area.bottom() - height, height, ..area };
    panel::paint(buf, over, ui.theme, &title(live), lines);
}

/// `Run restart-loop on 6 PROTECTED hosts?`
fn title(live: &Watched) -> String {
    let run = &live.run;
    let name = run.runbook.as_ref().map_or_else(String::new, |book| book.name.to_string());
    let hosts = run.order.len();
    let on = match live.protected {
        0 => words::count(hosts, "host"),
        n if n == hosts => format!("{n} PROTECTED {}", if n == 1 { "host" } else { "hosts" }),
        n => format!("{}, {n} of them PROTECTED", words::count(hosts, "host")),
    };
    format!("{}Run {name} on {on}?", words::sim(run.sim))
}

/// The facts, whole where there is room; else a row each, and what is missing is said.
fn rows(ui: &Ui, facts: &[Fact], columns: usize, room: usize) -> Vec<Cells> {
    let values = if ui.size.0 < MEDIUM { 15 } else { 17 };
    let line = |label: &str, tone: Tone, text: &str| {
        Cells::of(ui.theme, Tone::Strong, label).to(values).put(tone, &cut(ui.theme, text, columns.saturating_sub(values)))
    };
    let whole = facts.iter().flat_map(|fact| {
        let texts = fact.texts.iter().flat_map(|text| wrap::rows(text, columns.saturating_sub(values)));
        texts.enumerate().map(move |(at, text)| line(if at == 0 { fact.label } else { "" }, fact.tone, &text))
    });
    let whole: Vec<Cells> = whole.collect();
    if whole.len() <= room {
        return whole;
    }
    let short = facts.iter().map(|fact| {
        let text = match fact.texts.as_slice() {
            [first, _, ..] => format!("1 of {}: {first}", fact.texts.len()),
            texts => texts.concat(),
        };
        line(fact.label, fact.tone, &visible(&text))
    });
    let mut short: Vec<Cells> = short.collect();
    if short.len() > room {
        short.truncate(room.saturating_sub(1));
        let missing = facts.len() - short.len();
        if room > 0 {
            let more =
                format!("{} {} more in a higher window; Esc shows the plan", ui.theme.more(), words::count(missing, "fact"));
            short.push(Cells::of(ui.theme, Tone::Warn, &more));
        }
    }
    short
}

/// What is to be typed, and what is typed.
fn asks(state: &State, ui: &Ui, live: &Watched, columns: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let typed = text_with_cursor(Cells::of(theme, Tone::Strong, "> "), state.text.value(), state.text.cursor());
    let long = Cells::of(theme, Tone::Plain, "Type   ").put(Tone::Strong, wanted(live)).put(Tone::Plain, "   and press Enter.");
    let long = if live.run.asked.as_ref().is_some_and(|asked| asked.phrase.is_none()) {
        Cells::of(theme, Tone::Plain, "Type ").put(Tone::Strong, YES).put(Tone::Plain, " and press Enter.")
    } else {
        long
    };
    let whole = long.clone().put(Tone::Plain, "   Esc goes back.");
    let ask = match () {
        () if whole.used() <= columns => whole,
        () if long.used() <= columns => long,
        () => Cells::of(theme, Tone::Plain, "Type ").put(Tone::Strong, wanted(live)),
    };
    let mut lines = vec![ask, typed];
    lines.extend(state.wrong.iter().flat_map(|wrong| wrap::rows(wrong, columns)).map(|row| Cells::of(theme, Tone::Warn, &row)));
    lines.truncate(ASKING + 1);
    lines
}

/// The last two rows: what is said, and the keys.
pub fn foot(_state: &State, model: &Model, ui: &Ui) -> (String, String) {
    let asked = model.live.as_ref().and_then(|live| live.run.asked.as_ref());
    let said = match asked {
        Some(asked) if asked.phrase.is_some() && ui.size.0 >= MEDIUM => {
            "The phrase is runbook name and host count. Paste is not accepted here.".to_owned()
        }
        Some(asked) if asked.phrase.is_some() => "Paste is not accepted here.".to_owned(),
        _ => String::new(),
    };
    (said, "Enter start, once it matches   Esc back".to_owned())
}
