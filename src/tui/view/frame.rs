//! The frame that every screen shares: MODE, NOW, OPEN above; what was said last and the keys below.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::visible::{visible, width};
use crate::state::words;
use crate::tui::action::Action;
use crate::tui::keymap::binding;
use crate::tui::model::Model;
use crate::tui::screen::run;
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::{Purpose, Screen, Typing, Ui};
use crate::tui::update;
use crate::tui::view::cells::{Cells, cut, paint};
use crate::tui::view::now;

/// Less than this and one line is all that is shown.
const SMALLEST: (u16, u16) = (40, 8);
/// From so many columns on there are two columns of panes.
pub const WIDE: u16 = 120;
/// From so many columns on a matrix and a log are shown.
pub const MEDIUM: u16 = 80;

/// The texts of the frame that a screen decides.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The path of screens: `restart-loop › Run 7f3a9c`.
    pub place: String,
    /// How many hosts it is about; empty where it is about none.
    pub badge: Badge,
    /// In the last line but one where nothing else is said.
    pub hint: String,
    /// The keys that matter here, the most important first; help is added.
    pub keys: Vec<(Action, &'static str)>,
}

/// How many hosts a screen is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Badge {
    /// How many of them are in a protected group.
    pub protected: usize,
    /// How many there are.
    pub hosts: usize,
    /// Such as `selected`; `hosts` where it is empty.
    pub what: &'static str,
}

impl Badge {
    fn words(&self) -> (String, String) {
        let what = match (self.what, self.hosts) {
            ("", 1) => "host",
            ("", _) => "hosts",
            (what, _) => what,
        };
        match (self.protected, self.hosts) {
            (_, 0) if self.what.is_empty() => (String::new(), String::new()),
            (0, n) => (String::new(), format!("{n} {what}")),
            (protected, n) if protected == n => (format!("PROTECTED {n}"), format!(" {what}")),
            (protected, n) => (format!("PROTECTED {protected}"), format!(" of {n} {what}")),
        }
    }
}

/// The area that is left for a screen between the frame's rows; none where the terminal is too small for any.
pub fn body(area: Rect, model: &Model, ui: &Ui) -> Option<Rect> {
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return None;
    }
    let above = if now::is_open(model, ui) { 3 } else { 2 };
    Some(Rect { y: area.y + above, height: area.height.saturating_sub(above + 2), ..area })
}

/// Paints the frame around a screen.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui, frame: &Frame) {
    let theme = ui.theme;
    let narrow = area.width < MEDIUM;
    let label = if narrow { 6 } else { 8 };
    let now = now::sentence(model, ui);
    let line = |name: &str, tone: Tone, text: &str| Cells::new(theme).put(Tone::Strong, name).to(label).put(tone, text);
    if body(area, model, ui).is_none() {
        return paint(buf, area, [line("NOW", Tone::Plain, &now)]);
    }
    let mut above = vec![head(model, ui, frame, usize::from(area.width), label), line("NOW", Tone::Plain, &now)];
    if let Some(open) = now::open(model, ui) {
        above.push(line("OPEN", Tone::Held, &open));
    }
    paint(buf, area, above);
    let foot = Rect { y: area.bottom() - 2, height: 2, ..area };
    let keys = match &ui.typing {
        Some(typing) => Cells::of(theme, Tone::Plain, typing_keys(typing.purpose)),
        None => keys(model, ui, frame, usize::from(area.width)),
    };
    paint(buf, foot, [said(ui, frame), keys]);
}

fn head(model: &Model, ui: &Ui, frame: &Frame, columns: usize, label: usize) -> Cells {
    let theme = ui.theme;
    let (mode, tone) = now::mode(model, ui);
    // a long word moves what follows
    let label = label.max(width(mode) + 1);
    let clock = now::clock(model, ui);
    let (protected, hosts) = frame.badge.words();
    let sim = words::sim(model.sim);
    let needs = width(sim) + width(&protected) + width(&hosts) + width(&clock) + 4;
    let of_record =
        matches!(ui.screen, Screen::Preview | Screen::Run | Screen::Timeline | Screen::Host(_)) && !ui.shows_live(model);
    // the word before it is about the run that is live
    let record = if of_record && model.is_live() { "RECORD " } else { "" };
    let place = format!("{record}{}", frame.place.replace('›', theme.path()));
    let place = cut(theme, &visible(&place), columns.saturating_sub(label + needs));
    let badge = if columns >= usize::from(WIDE) { 64 } else { label + width(&place) + 2 };
    Cells::new(theme)
        .put(tone, mode)
        .to(label)
        .put(Tone::Strong, &place)
        .to(badge)
        .put(Tone::Held, sim.trim_end())
        .put(Tone::Plain, if sim.is_empty() { "" } else { " " })
        .put(Tone::Worst, &protected)
        .put(Tone::Plain, &hosts)
        .right(Tone::Plain, &clock, columns)
}

/// While a text is typed, keys mean letters: only these end it.
fn typing_keys(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Search => "Enter keep  Esc clear",
        Purpose::Command => "Enter do it  Tab complete  Esc cancel",
        Purpose::Note => "Enter write it down  Esc cancel",
    }
}

fn said(ui: &Ui, frame: &Frame) -> Cells {
    match (&ui.typing, &ui.said) {
        (Some(typing), _) => typed(ui.theme, typing),
        (None, Some((text, _))) => Cells::of(ui.theme, Tone::Strong, &format!(" {text}")),
        (None, None) => Cells::of(ui.theme, Tone::Dim, &format!(" {}", frame.hint)),
    }
}

fn typed(theme: Theme, typing: &Typing) -> Cells {
    let head = match typing.purpose {
        Purpose::Search => "/",
        Purpose::Command => ":",
        Purpose::Note => "note: ",
    };
    text_with_cursor(Cells::of(theme, Tone::Strong, head), typing.text.value(), typing.text.cursor())
}

/// A typed text with its cursor in reverse video; the cursor counts characters.
pub fn text_with_cursor(cells: Cells, text: &str, cursor: usize) -> Cells {
    let before: String = text.chars().take(cursor).collect();
    let at: String = text.chars().nth(cursor).map_or_else(|| " ".to_owned(), String::from);
    let after: String = text.chars().skip(cursor + 1).collect();
    cells.put(Tone::Plain, &before).put(Tone::Reverse, &at).put(Tone::Plain, &after)
}

/// The way to the run that is live, and to what waits there, on screens that are about something else.
fn to_live(model: &Model, ui: &Ui) -> Vec<(Action, &'static str)> {
    let Some(live) = model.live.as_ref().filter(|live| live.is_live()) else { return Vec::new() };
    if ui.shows_live(model) && matches!(ui.screen, Screen::Preview | Screen::Run | Screen::Host(_)) {
        return Vec::new();
    }
    let steer = [(Action::Decide, "decide"), (Action::GoOn, "go on")];
    let steer = steer.into_iter().filter(|(action, _)| run::off(ui, model, *action).is_none());
    let place = if live.is_past_preview() { (Action::Go(4), "live run") } else { (Action::Go(3), "preview") };
    steer.chain([place]).collect()
}

/// As many keys as there is room for; help is always the last.
fn keys(model: &Model, ui: &Ui, frame: &Frame, columns: usize) -> Cells {
    let shown = |action: Action, word: &str| {
        let key = ui.keys.key(action);
        (key.clone(), if word.is_empty() { key } else { format!("{key} {word}") })
    };
    let (help_key, help) = shown(Action::Help, "help");
    let mut line = Cells::new(ui.theme);
    let to_live = to_live(model, ui);
    let of_frame = frame.keys.iter().filter(|(action, _)| to_live.iter().all(|(known, _)| known != action));
    let is_off = |action: Action| binding(action).is_some_and(|row| update::off(ui, model, row).is_some());
    for (action, word) in to_live.iter().chain(of_frame).filter(|(action, _)| !is_off(*action)) {
        let (key, text) = shown(*action, word);
        if key.is_empty() || line.used() + width(&text) + 2 + width(&help) > columns {
            continue;
        }
        line = line.put(Tone::Strong, &key).put(Tone::Plain, &format!(" {word}  "));
    }
    line.put(Tone::Strong, &help_key).put(Tone::Plain, " help")
}
