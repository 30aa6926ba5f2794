//! Help for the screen one is on: the table of keys with the reason where one has no meaning now, commands, and all marks.

mod marks;
mod table;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tui_input::Input as TextInput;

use crate::tui::action::{Action, Effect};
use crate::tui::input::Key;
use crate::tui::model::Model;
use crate::tui::screen::After;
use crate::tui::screen::help::table::{Entry, Page, Place};
use crate::tui::theme::Tone;
use crate::tui::ui::{Screen, Ui};
use crate::tui::update;
use crate::tui::view::cells::Cells;
use crate::tui::view::frame::{body, text_with_cursor};
use crate::tui::view::panel;

/// What the panel remembers.
#[derive(Debug, Default)]
pub struct State {
    search: TextInput,
    /// The key under the cursor, of those that are found.
    at: usize,
    /// Whether the marks are shown.
    marks: bool,
    /// The first mark that is shown.
    top: usize,
}

/// What a key does.
pub fn key(state: &mut State, ui: &mut Ui, model: &Model, key: Key) -> (After, Vec<Effect>) {
    let rows = place(model, ui).rows.max(1);
    let close = [ui.keys.action(key) == Some(Action::Back), key == Key::Esc, key == Key::F1];
    match key {
        // whatever can be printed is a part of what is searched for, also where it closes elsewhere
        Key::Char(_) | Key::Backspace | Key::Delete | Key::Ctrl('u') => {
            update::edit(&mut state.search, key);
            (state.at, state.top, state.marks) = (0, 0, state.marks && matches!(key, Key::Backspace));
        }
        _ if close.contains(&true) => return (After::Close, Vec::new()),
        Key::Tab | Key::BackTab => (state.marks, state.top) = (!state.marks, 0),
        _ => {
            let by = match key {
                Key::Down => 1,
                Key::Up => -1,
                Key::PageDown | Key::Right => rows.cast_signed(),
                Key::PageUp | Key::Left => -rows.cast_signed(),
                Key::Home => -isize::MAX,
                Key::End => isize::MAX,
                _ => 0,
            };
            if state.marks {
                let columns = place(model, ui).columns;
                state.top = state.top.saturating_add_signed(by).min(marks::lines(ui.theme, columns).len().saturating_sub(rows));
            } else {
                let count = table::found(model, ui, state.search.value()).len();
                state.at = state.at.saturating_add_signed(by).min(count.saturating_sub(1));
            }
        }
    }
    (After::Stay, Vec::new())
}

/// Columns and rows for the table.
fn place(model: &Model, ui: &Ui) -> Place {
    let (width, height) = ui.size;
    let area = body(Rect { x: 0, y: 0, width, height }, model, ui).unwrap_or_default();
    // the box and the line that is typed
    Place { columns: panel::inner(area), rows: usize::from(area.height).saturating_sub(3) }
}

/// Paints it over the screen.
pub fn draw(state: &State, buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    let theme = ui.theme;
    let place = place(model, ui);
    if state.marks {
        let all = marks::lines(theme, place.columns);
        let title = paged("Marks".to_owned(), state.top, place.rows, all.len());
        let lines = all.into_iter().skip(state.top).take(place.rows + 1).collect();
        return panel::paint(buf, area, theme, &title, lines);
    }
    let found = table::found(model, ui, state.search.value());
    let Page { lines, page, pages } = table::page(model, ui, &found, state.at, place);
    let title = format!("Keys on this screen ({})", screen_name(ui));
    let title = if pages > 1 { format!("{title}, page {page} of {pages}") } else { title };
    let search = Cells::of(theme, Tone::Dim, "type to search: ");
    let mut all = vec![text_with_cursor(search, state.search.value(), state.search.visual_cursor())];
    if found.is_empty() {
        let text = format!("No key or command does `{}`. Backspace takes letters back.", state.search.value());
        all.push(Cells::of(theme, Tone::Plain, &text));
    }
    all.extend(lines);
    panel::paint(buf, area, theme, &title, all);
}

fn paged(title: String, top: usize, rows: usize, all: usize) -> String {
    if all <= rows + 1 {
        return title;
    }
    format!("{title}, {} to {} of {all}", top + 1, (top + rows + 1).min(all))
}

fn screen_name(ui: &Ui) -> String {
    match &ui.screen {
        Screen::Runbooks => "Runbooks".to_owned(),
        Screen::Hosts => "Hosts".to_owned(),
        Screen::Preview => "Preview".to_owned(),
        Screen::Run => "Run".to_owned(),
        Screen::Timeline => "Timeline".to_owned(),
        Screen::History => "History".to_owned(),
        Screen::Host(host) => format!("Host {host}"),
        Screen::Diagnostics(_) => "Diagnostics".to_owned(),
    }
}

/// The last two rows: what is said, and the keys.
pub fn foot(state: &State, model: &Model, ui: &Ui) -> (String, String) {
    let close = ui.keys.key(Action::Back);
    if state.marks {
        let text = "In ASCII a capital letter means: look at this.".to_owned();
        return (text, format!("Tab keys  Up Down scroll  {close} close"));
    }
    let found = table::found(model, ui, state.search.value());
    let said = found.get(state.at).map_or_else(String::new, |row| said(model, ui, *row));
    (said, format!("type to search  Up Down PgDn move  Tab marks  {close} close"))
}

/// What the key under the cursor does, or why it has no meaning now.
fn said(model: &Model, ui: &Ui, row: Entry) -> String {
    let row = match row {
        Entry::Key(row) => row,
        Entry::Command(command) if command.takes.is_empty() => return format!(":{}: {}.", command.name, command.does),
        Entry::Command(command) => return format!(":{} {}: {}.", command.name, command.takes, command.does),
    };
    match update::off(ui, model, row) {
        Some(why) => why,
        None if ui.keys.key(row.action).is_empty() => format!("No key means `{}`: [keys] can give it one.", row.name),
        None => format!("{}: {}. Its name in [keys] is `{}`.", ui.keys.key(row.action), row.does, row.name),
    }
}
