//! The keys in columns, one page at a time. Printed from the one table of keys.

use crate::tui::command::{COMMANDS, Command};
use crate::tui::keymap::{Binding, Group, TABLE};
use crate::tui::model::Model;
use crate::tui::theme::Tone;
use crate::tui::ui::{Screen, Ui};
use crate::tui::update;
use crate::tui::view::cells::Cells;
use crate::tui::view::wrap::wrap;

/// The least columns of a key with its words.
const WIDE: usize = 34;
/// Columns of the keys themselves.
const KEYS: usize = 13;
/// Columns up to what it does.
const LEAD: usize = 2 + KEYS;

/// Columns and rows of the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Columns.
    pub(super) columns: usize,
    /// Rows.
    pub(super) rows: usize,
}

/// A page of the table.
pub(super) struct Page {
    /// Its rows.
    pub(super) lines: Vec<Cells>,
    /// Which one, from 1.
    pub(super) page: usize,
    /// How many there are.
    pub(super) pages: usize,
}

/// What a row of the table is about.
#[derive(Clone, Copy)]
pub(super) enum Entry {
    /// A key.
    Key(&'static Binding),
    /// What is typed after `:`.
    Command(&'static Command),
}

impl Entry {
    /// The heading that it stands under.
    fn title(self) -> &'static str {
        match self {
            Entry::Key(row) => row.group.title(),
            Entry::Command(_) => "Commands, typed after :",
        }
    }

    fn does(self) -> &'static str {
        match self {
            Entry::Key(row) => row.does,
            Entry::Command(command) => command.does,
        }
    }

    /// Whether it has no meaning here and now.
    fn is_off(self, model: &Model, ui: &Ui) -> bool {
        matches!(self, Entry::Key(row) if update::off(ui, model, row).is_some())
    }
}

/// A row of a column.
enum Row {
    Head(&'static str),
    Blank,
    Key(usize),
    /// The rest of what a key does.
    More(usize, String),
}

/// The keys that match what was typed, in the order of the page: those that steer stand first where a run is shown.
/// Within a heading those that mean something now stand before those that do not. Commands come last.
pub(super) fn found(model: &Model, ui: &Ui, search: &str) -> Vec<Entry> {
    let wanted = search.trim();
    let lower = wanted.to_lowercase();
    let matches = |row: &&Binding| {
        let exact = ui.keys.shown(row.action).iter().any(|key| key == wanted);
        wanted.is_empty() || exact || row.does.to_lowercase().contains(&lower) || row.name.contains(&lower)
    };
    let mut rows: Vec<&Binding> = TABLE.iter().filter(matches).collect();
    let steer = matches!(ui.screen, Screen::Run | Screen::Host(_));
    let exact = |row: &Binding| ui.keys.shown(row.action).iter().any(|key| key == wanted);
    rows.sort_by_key(|row| {
        let look = row.group == Group::Look;
        let late = !row.on.has(&ui.screen) || update::off(ui, model, row).is_some();
        (!exact(row), look == steer, row.group, late)
    });
    let typed = |command: &Command| format!(":{} {}", command.name, command.does).to_lowercase().contains(&lower);
    let commands = COMMANDS.iter().filter(|command| wanted.is_empty() || typed(command));
    rows.into_iter().map(Entry::Key).chain(commands.map(Entry::Command)).collect()
}

/// The page with the key under the cursor.
pub(super) fn page(model: &Model, ui: &Ui, found: &[Entry], at: usize, place: Place) -> Page {
    let (stacks, columns) = laid_out(ui, found, place);
    let here = stacks.iter().position(|stack| stack.iter().any(|row| matches!(row, Row::Key(n) if *n == at))).unwrap_or(0);
    let first = here / columns * columns;
    let wide = place.columns / columns;
    let cell = |line: Cells, row: &Row| match row {
        Row::Blank => line,
        Row::Head(group) => line.cell(Tone::Strong, group, wide - 1),
        Row::Key(key) => match found.get(*key) {
            Some(row) => line.join(entry(model, ui, *row, *key == at, wide - 1)),
            None => line,
        },
        Row::More(key, words) => {
            let off = found.get(*key).is_none_or(|row| row.is_off(model, ui));
            let line = line.put(Tone::Plain, &" ".repeat(LEAD));
            line.put(if off { Tone::Dim } else { Tone::Plain }, words)
        }
    };
    let mut lines: Vec<Cells> = Vec::new();
    for n in 0..place.rows {
        let mut line = Cells::new(ui.theme);
        for (column, stack) in stacks.iter().skip(first).take(columns).enumerate() {
            if let Some(row) = stack.get(n) {
                line = cell(line.to(column * wide), row);
            }
        }
        lines.push(line);
    }
    while lines.last().is_some_and(|line| line.text().trim().is_empty()) {
        lines.pop();
    }
    Page { lines, page: first / columns + 1, pages: stacks.len().div_ceil(columns).max(1) }
}

/// All columns, and how many stand side by side: as few as all of it needs, so that no words are cut that need not be.
fn laid_out(ui: &Ui, found: &[Entry], place: Place) -> (Vec<Vec<Row>>, usize) {
    let most = (place.columns / WIDE).clamp(1, 3);
    let of = |columns: usize| stacks(ui, found, place.rows.max(2), place.columns / columns);
    let fits = (1..most).map(|columns| (of(columns), columns)).find(|(stacks, columns)| stacks.len() <= *columns);
    fits.unwrap_or_else(|| (of(most), most))
}

/// Headings and keys cut into columns of so many rows; a heading never stands last, and is said again where its keys go on.
fn stacks(ui: &Ui, found: &[Entry], rows: usize, wide: usize) -> Vec<Vec<Row>> {
    let mut stacks: Vec<Vec<Row>> = vec![Vec::new()];
    let mut group = None;
    for (n, row) in found.iter().enumerate() {
        let used = stacks.last().map_or(0, Vec::len);
        let new = group != Some(row.title());
        let words = words(ui, *row, wide.saturating_sub(LEAD + 1), rows);
        let head = if new { 1 + usize::from(used > 0) } else { 0 };
        if used + head + words.len() > rows {
            stacks.push(vec![Row::Head(row.title())]);
        } else if let Some(stack) = stacks.last_mut().filter(|_| new) {
            if used > 0 {
                stack.push(Row::Blank);
            }
            stack.push(Row::Head(row.title()));
        }
        group = Some(row.title());
        if let Some(stack) = stacks.last_mut() {
            stack.push(Row::Key(n));
            stack.extend(words.into_iter().skip(1).map(|words| Row::More(n, words)));
        }
    }
    stacks
}

/// What a key does, in rows: what steers and stops is told in full.
fn words(ui: &Ui, row: Entry, columns: usize, rows: usize) -> Vec<String> {
    if !matches!(row, Entry::Key(key) if key.group != Group::Look) {
        return vec![row.does().to_owned()];
    }
    wrap(ui.theme, row.does(), columns, rows.saturating_sub(2).clamp(1, 3))
}

fn entry(model: &Model, ui: &Ui, row: Entry, here: bool, wide: usize) -> Cells {
    let off = row.is_off(model, ui);
    let (key, does) = if off { (Tone::Dim, Tone::Dim) } else { (Tone::Strong, Tone::Plain) };
    let mark = if here { ui.theme.cursor() } else { " " };
    let mut keys = match row {
        Entry::Key(row) => ui.keys.shown(row.action).join(" "),
        Entry::Command(command) => format!(":{}", command.name),
    };
    if keys.is_empty() {
        "-".clone_into(&mut keys);
    }
    let line = Cells::of(ui.theme, Tone::Strong, &format!("{mark} ")).cell(key, &keys, KEYS - 1);
    let room = wide.saturating_sub(line.used() + 1);
    let words = words(ui, row, room, usize::MAX).into_iter().next().unwrap_or_default();
    let line = line.put(Tone::Plain, " ").cell(does, &words, room);
    // in reverse over its own column only
    let mut reversed = Cells::new(ui.theme);
    for span in line.reversed(here).line(wide).spans {
        reversed = reversed.span(span);
    }
    reversed
}
