//! The keys in columns, one page at a time. Printed from the one table of keys.

use crate::tui::keymap::{Binding, Group, TABLE};
use crate::tui::model::Model;
use crate::tui::theme::Tone;
use crate::tui::ui::{Screen, Ui};
use crate::tui::update;
use crate::tui::view::cells::Cells;

/// The least columns of a key with its words.
const WIDE: usize = 34;
/// Columns of the keys themselves.
const KEYS: usize = 13;

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

/// A row of a column.
enum Row {
    Head(Group),
    Blank,
    Key(usize),
}

/// The keys that match what was typed, in the order of the page: those that steer stand first where a run is shown.
/// Within a heading those that mean something now stand before those that do not.
pub(super) fn found(model: &Model, ui: &Ui, search: &str) -> Vec<&'static Binding> {
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
    rows
}

/// The page with the key under the cursor.
pub(super) fn page(model: &Model, ui: &Ui, found: &[&Binding], at: usize, place: Place) -> Page {
    let rows = place.rows.max(2);
    let stacks = stacks(found, rows);
    // as few as all of it needs, so that no words are cut that need not be
    let columns = stacks.len().clamp(1, (place.columns / WIDE).clamp(1, 3));
    let here = stacks.iter().position(|stack| stack.iter().any(|row| matches!(row, Row::Key(n) if *n == at))).unwrap_or(0);
    let first = here / columns * columns;
    let wide = place.columns / columns;
    let mut lines: Vec<Cells> = Vec::new();
    for n in 0..rows {
        let mut line = Cells::new(ui.theme);
        for (column, stack) in stacks.iter().skip(first).take(columns).enumerate() {
            line = line.to(column * wide);
            line = match stack.get(n) {
                None | Some(Row::Blank) => line,
                Some(Row::Head(group)) => line.cell(Tone::Strong, group.title(), wide - 1),
                Some(Row::Key(key)) => match found.get(*key) {
                    Some(row) => line.join(entry(model, ui, row, *key == at, wide - 1)),
                    None => line,
                },
            };
        }
        lines.push(line);
    }
    while lines.last().is_some_and(|line| line.text().trim().is_empty()) {
        lines.pop();
    }
    Page { lines, page: first / columns + 1, pages: stacks.len().div_ceil(columns).max(1) }
}

/// Headings and keys cut into columns of so many rows; a heading never stands last, and is said again where its keys go on.
fn stacks(found: &[&Binding], rows: usize) -> Vec<Vec<Row>> {
    let mut stacks: Vec<Vec<Row>> = vec![Vec::new()];
    let mut group = None;
    for (n, row) in found.iter().enumerate() {
        let used = stacks.last().map_or(0, Vec::len);
        let new = group != Some(row.group);
        let needs = if new { 2 + usize::from(used > 0) } else { 1 };
        if used + needs > rows {
            stacks.push(vec![Row::Head(row.group)]);
        } else if let Some(stack) = stacks.last_mut().filter(|_| new) {
            if used > 0 {
                stack.push(Row::Blank);
            }
            stack.push(Row::Head(row.group));
        }
        group = Some(row.group);
        if let Some(stack) = stacks.last_mut() {
            stack.push(Row::Key(n));
        }
    }
    stacks
}

fn entry(model: &Model, ui: &Ui, row: &Binding, here: bool, wide: usize) -> Cells {
    let off = update::off(ui, model, row).is_some();
    let (key, does) = if off { (Tone::Dim, Tone::Dim) } else { (Tone::Strong, Tone::Plain) };
    let mark = if here { ui.theme.cursor() } else { " " };
    let mut keys = ui.keys.shown(row.action).join(" ");
    if keys.is_empty() {
        "-".clone_into(&mut keys);
    }
    let line = Cells::of(ui.theme, Tone::Strong, &format!("{mark} ")).cell(key, &keys, KEYS - 1);
    let room = wide.saturating_sub(line.used() + 1);
    let line = line.put(Tone::Plain, " ").cell(does, row.does, room);
    // in reverse over its own column only
    let mut reversed = Cells::new(ui.theme);
    for span in line.reversed(here).line(wide).spans {
        reversed = reversed.span(span);
    }
    reversed
}
