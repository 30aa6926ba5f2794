//! A session without a terminal: keys are typed, events happen, and the page is read.

use std::fmt::Write;
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use runbook::model::event::Event;
use runbook::model::time::Timestamp;
use runbook::tui::action::Effect;
use runbook::tui::draw::draw;
use runbook::tui::input::{Input, Key};
use runbook::tui::keymap::Keymap;
use runbook::tui::model::Model;
use runbook::tui::screen;
use runbook::tui::theme::Theme;
use runbook::tui::ui::Ui;
use runbook::tui::update::update;

/// The sizes that every screen is looked at in.
pub const SIZES: [(u16, u16); 3] = [(140, 40), (80, 24), (60, 14)];

pub struct Desk {
    pub model: Model,
    pub ui: Ui,
    /// Everything that was asked for since it was last taken.
    pub effects: Vec<Effect>,
}

impl Desk {
    pub fn new(now: Timestamp) -> Self {
        let ui = Ui::new(Theme::UNICODE, Keymap::default(), (80, 24));
        Self { model: Model::new("ana", false, now), ui, effects: Vec::new() }
    }

    pub fn sized(mut self, size: (u16, u16)) -> Self {
        self.ui.size = size;
        self
    }

    pub fn in_ascii(mut self) -> Self {
        self.ui.theme = Theme::ASCII;
        self
    }

    /// Events of the live run; the clock on the wall is that of the last one.
    pub fn told(&mut self, events: &[Event]) {
        for event in events {
            self.model.tell(event);
            self.model.now = event.ts;
        }
    }

    pub fn wait(&mut self, time: Duration) {
        self.model.now = self.model.now.plus(time);
    }

    /// Types: single characters, and names in angle brackets such as `<Enter>`, `<Ctrl-D>`, `<Space>`. A person is slow:
    /// before each key half a second passes.
    pub fn keys(&mut self, script: &str) -> &mut Self {
        let mut rest = script;
        while let Some(c) = rest.chars().next() {
            let end = if c == '<' { rest.find('>') } else { None };
            let (key, len) = match end {
                Some(end) => (named(&rest[1..end]), end + 1),
                None => (Key::Char(c), c.len_utf8()),
            };
            rest = &rest[len..];
            self.wait(DEAF);
            self.input(Input::Key(key));
        }
        self
    }

    pub fn input(&mut self, input: Input) {
        let effects = update(&mut self.ui, &self.model, input);
        self.effects.extend(effects);
        screen::settle(&mut self.ui, &self.model);
    }

    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    fn painted(&mut self) -> Buffer {
        screen::settle(&mut self.ui, &self.model);
        let (width, height) = self.ui.size;
        let area = Rect { x: 0, y: 0, width, height };
        let mut buf = Buffer::empty(area);
        draw(&mut buf, area, &self.model, &self.ui);
        buf
    }

    /// The page as text.
    pub fn page(&mut self) -> String {
        let buf = self.painted();
        let rows = (0..buf.area.height).map(|y| row(&buf, y).trim_end().to_owned());
        rows.collect::<Vec<_>>().join("\n")
    }

    /// The page as text, and below it every run of cells that is not plain.
    pub fn styled(&mut self) -> String {
        let mut text = self.page();
        let buf = self.painted();
        text.push_str("\n--- styles\n");
        for y in 0..buf.area.height {
            let mut x = 0;
            while x < buf.area.width {
                let style = style_at(&buf, x, y);
                let from = x;
                while x < buf.area.width && style_at(&buf, x, y) == style {
                    x += 1;
                }
                if style != Style::reset() && style != Style::default() && !words(style).is_empty() {
                    let what: String = (from..x).map(|x| symbol(&buf, x, y)).collect();
                    writeln!(text, "{:>2}:{from:<3} {:<16} |{what}|", y + 1, words(style)).expect("a string takes it");
                }
            }
        }
        text
    }
}

const DEAF: Duration = Duration::from_millis(500);

fn named(name: &str) -> Key {
    match name {
        "Enter" => Key::Enter,
        "Esc" => Key::Esc,
        "Tab" => Key::Tab,
        "Shift-Tab" => Key::BackTab,
        "Backspace" => Key::Backspace,
        "Delete" => Key::Delete,
        "Up" => Key::Up,
        "Down" => Key::Down,
        "Left" => Key::Left,
        "Right" => Key::Right,
        "Home" => Key::Home,
        "End" => Key::End,
        "PgUp" => Key::PageUp,
        "PgDn" => Key::PageDown,
        "F1" => Key::F1,
        "Space" => Key::Char(' '),
        "lt" => Key::Char('<'),
        other => match other.strip_prefix("Ctrl-").and_then(|c| c.chars().next()) {
            Some(c) => Key::Ctrl(c.to_ascii_lowercase()),
            None => panic!("no key is called <{other}>"),
        },
    }
}

fn symbol(buf: &Buffer, x: u16, y: u16) -> &str {
    buf.cell((x, y)).map_or(" ", |cell| cell.symbol())
}

fn row(buf: &Buffer, y: u16) -> String {
    (0..buf.area.width).map(|x| symbol(buf, x, y)).collect()
}

fn style_at(buf: &Buffer, x: u16, y: u16) -> Style {
    buf.cell((x, y)).map(|cell| cell.style()).unwrap_or_default()
}

fn words(style: Style) -> String {
    let mut words = Vec::new();
    match style.fg {
        None | Some(Color::Reset) => {}
        Some(color) => words.push(format!("{color:?}").to_lowercase()),
    }
    for (modifier, word) in [(Modifier::BOLD, "bold"), (Modifier::DIM, "dim"), (Modifier::REVERSED, "reverse")] {
        if style.add_modifier.contains(modifier) {
            words.push(word.to_owned());
        }
    }
    words.join(" ")
}
