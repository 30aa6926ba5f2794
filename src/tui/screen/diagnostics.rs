//! What is wrong with a runbook or with the inventory, as `runbook lint` draws it, and where to mend it.

use std::path::Path;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::visible::visible;
use crate::state::summary::quoted;
use crate::state::words;
use crate::tui::action::{Action, Effect, Request};
use crate::tui::model::{Broken, Model, Problem};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, paint};
use crate::tui::view::frame::{Frame, body};
use crate::tui::view::panel;
use crate::tui::view::wrap::wrap;

/// The most rows of one line that is broken because it is long.
const ROWS: usize = 4;

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    /// What the rest is about.
    name: String,
    /// The problem under the cursor.
    at: usize,
    /// The first line that is shown.
    top: usize,
}

/// What a file is found to be.
enum Found<'m> {
    /// Nothing has been read yet.
    Unread,
    /// There is none of that name any more.
    Gone,
    /// It can be used; with these warnings.
    Good(&'m [String]),
    /// It cannot.
    Broken(&'m Broken),
}

fn found<'m>(model: &'m Model, name: &str) -> Found<'m> {
    if model.shelf.read.is_none() {
        return Found::Unread;
    }
    if name.is_empty() {
        return match &model.shelf.inventory {
            None => Found::Gone,
            Some(Ok(_)) => Found::Good(&[]),
            Some(Err(broken)) => Found::Broken(broken),
        };
    }
    match model.book(name) {
        None => Found::Gone,
        Some(book) => book.is.as_ref().err().map_or(Found::Good(&book.warnings), Found::Broken),
    }
}

fn problems<'m>(model: &'m Model, name: &str) -> &'m [Problem] {
    match found(model, name) {
        Found::Broken(broken) => &broken.problems,
        _ => &[],
    }
}

/// What it is called.
fn title<'m>(model: &'m Model, name: &'m str) -> &'m str {
    match (name, model.shelf.inventory_name.as_str()) {
        ("", "") => "inventory",
        ("", inventory) => inventory,
        (name, _) => name,
    }
}

/// The texts of the frame.
pub fn frame(model: &Model, ui: &Ui, name: &str) -> Frame {
    let from = if name.is_empty() { "Hosts" } else { "Runbooks" };
    let (state, hint) = match found(model, name) {
        Found::Unread => ("", "It is being read.".to_owned()),
        Found::Gone => (": is gone", format!("{} goes back.", ui.keys.key(Action::Back))),
        Found::Good(_) => (": fine now", format!("It can be used; {} goes back.", ui.keys.key(Action::Back))),
        Found::Broken(_) => (
            ": cannot be used",
            format!("Save the file and this page checks it again; {} checks now.", ui.keys.key(Action::Reload)),
        ),
    };
    let mut keys = Vec::new();
    if !problems(model, name).is_empty() {
        keys.extend([(Action::NextProblem, "next"), (Action::Edit, "edit at the line"), (Action::Copy, "copy")]);
        keys.extend([(Action::Back, "back"), (Action::Plain, "plain view"), (Action::Reload, "check")]);
    }
    if keys.is_empty() {
        keys.push((Action::Back, "back"));
    }
    Frame { place: format!("{from} › {}{state}", title(model, name)), hint, keys, ..Frame::default() }
}

/// The lines of all problems, and the first line of each.
fn lines(ui: &Ui, broken: &Broken, columns: usize) -> (Vec<Cells>, Vec<usize>) {
    let (mut lines, mut starts) = (Vec::new(), Vec::new());
    for (n, problem) in broken.problems.iter().enumerate() {
        if n > 0 {
            lines.push(Cells::new(ui.theme));
        }
        starts.push(lines.len());
        let here = broken.problems.len() > 1 && n == ui.diagnostics.at;
        for (row, text) in problem.text.trim_end().lines().enumerate() {
            lines.extend(problem_line(ui.theme, text, row == 0, here, columns));
        }
    }
    if lines.is_empty() {
        lines.push(Cells::of(ui.theme, Tone::Bad, &format!("{} cannot be read.", broken.path.display())));
    }
    (lines, starts)
}

/// A line of a problem: sentences are broken where they are long, the text of the file is cut.
fn problem_line(theme: Theme, text: &str, first: bool, here: bool, columns: usize) -> Vec<Cells> {
    let text = if theme.ascii { in_ascii(text) } else { text.to_owned() };
    // in a sentence columns do not matter, and one point alone would read as something else
    let sentence = |text: &str| if theme.ascii { text.replace('…', "...") } else { text.to_owned() };
    let bare = text.trim_start_matches([' ', '=', '|', '+', '-', '│', '╰', '├', '─', '━', '╴', '╭', '▸']);
    let help = bare.starts_with("help:") || bare.starts_with("note:");
    let tone = match () {
        () if first && text.starts_with("warning") => Tone::Warn,
        () if first => Tone::Bad,
        () if help => Tone::Strong,
        () => Tone::Plain,
    };
    let mark = if first && here { theme.cursor() } else { " " };
    let marked = if mark == " " { Tone::Plain } else { Tone::Strong };
    let start = |n: usize| Cells::of(theme, marked, if n == 0 { mark } else { " " }).put(Tone::Plain, " ");
    if !first && !help {
        let text = if theme.ascii { text.replace('…', ".") } else { text };
        return vec![start(0).put(tone, &text)];
    }
    // what follows stands below the words, not below their beginning
    let indent = if help { text.chars().count() - bare.chars().count() + 2 } else { 2 };
    let indent = " ".repeat(indent.min(columns / 2));
    let lead: String = text.chars().take(text.chars().count() - bare.chars().count()).collect();
    let body = if help { bare } else { &text };
    let lead = if help { lead } else { String::new() };
    let room = columns.saturating_sub(2 + indent.chars().count().max(lead.chars().count()));
    let rows = wrap(theme, &sentence(body), room, ROWS).into_iter().enumerate();
    rows.map(|(n, row)| start(n).put(Tone::Plain, if n == 0 { &lead } else { &indent }).put(tone, &row)).collect()
}

/// Rules, corners and arrows of a drawn problem as ASCII; a column stays a column.
fn in_ascii(text: &str) -> String {
    let of = |c: char| match c {
        '│' | '┃' | '║' | '╎' | '┆' | '┊' | '╷' | '╵' => '|',
        '─' | '╌' | '┄' | '╴' | '╶' => '-',
        '━' | '╍' | '┅' => '^',
        '▸' | '►' | '▶' => '>',
        '‡' | '⋮' => '.',
        '•' | '●' | '∙' => '*',
        '\u{2500}'..='\u{257f}' => '+',
        other => other,
    };
    text.chars().map(of).collect()
}

/// Paints it.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui, name: &str) {
    let theme = ui.theme;
    let what = title(model, name);
    let plain = |text: String| Cells::of(theme, Tone::Plain, &format!(" {text}"));
    let back = ui.keys.key(Action::Back);
    match found(model, name) {
        Found::Unread => paint(buf, area, [plain("Reading runbooks, inventory and record.".to_owned())]),
        Found::Gone => {
            let text = format!("There is no {what} any more. {back} goes back, {} looks again.", ui.keys.key(Action::Reload));
            paint(buf, area, [plain(text)]);
        }
        Found::Good(warnings) => {
            let lint =
                if warnings.is_empty() { "nothing is wrong with it".to_owned() } else { words::count(warnings.len(), "warning") };
            let ok = Cells::of(theme, Tone::Strong, &format!(" {what} can be used now: {lint}."));
            let mut lines = vec![Cells::new(theme), ok, plain(format!("{back} goes back.")), Cells::new(theme)];
            let room = usize::from(area.width).saturating_sub(2);
            let rows = warnings.iter().flat_map(|warning| wrap(theme, warning, room, ROWS));
            lines.extend(rows.map(|row| Cells::of(theme, Tone::Warn, &format!(" {row}"))));
            paint(buf, area, lines);
        }
        Found::Broken(broken) => draw_broken(buf, area, ui, broken),
    }
}

fn draw_broken(buf: &mut Buffer, area: Rect, ui: &Ui, broken: &Broken) {
    let (lines, _) = lines(ui, broken, panel::inner(area));
    let mut title = format!("{}, {}", words::count(broken.errors, "error"), words::count(broken.warnings, "warning"));
    let rows = usize::from(area.height).saturating_sub(2);
    if lines.len() > rows {
        let (at, all) = ((ui.diagnostics.at + 1).min(broken.problems.len()), broken.problems.len());
        let end = (ui.diagnostics.top + rows).min(lines.len());
        title.push_str(&format!(": {at} of {all}, lines {} to {end} of {}", ui.diagnostics.top + 1, lines.len()));
    }
    let shown: Vec<Cells> = lines.into_iter().skip(ui.diagnostics.top).take(rows).collect();
    panel::paint(buf, area, ui.theme, &title, shown);
}

/// Columns and rows for the lines in the box.
fn room(model: &Model, ui: &Ui) -> (usize, usize) {
    let (width, height) = ui.size;
    let area = body(Rect { x: 0, y: 0, width, height }, model, ui).unwrap_or_default();
    (panel::inner(area), usize::from(area.height).saturating_sub(2))
}

/// What its keys do.
pub fn update(ui: &mut Ui, model: &Model, action: Action, name: &str) -> Vec<Effect> {
    settle(ui, model, name);
    if action == Action::Reload {
        ui.say(model, "Reading it again.");
        return vec![Effect::Ask(Request::Reload)];
    }
    let Found::Broken(broken) = found(model, name) else { return Vec::new() };
    let last = broken.problems.len().saturating_sub(1);
    let at = ui.diagnostics.at;
    let page = room(model, ui).1.max(1);
    match action {
        Action::Down | Action::NextProblem if at < last => to(ui, model, broken, at + 1),
        // the rest of the last one
        Action::Down => scroll(ui, model, broken, 1),
        Action::Up | Action::PrevProblem => to(ui, model, broken, at.saturating_sub(1)),
        Action::First => to(ui, model, broken, 0),
        Action::Last => to(ui, model, broken, last),
        Action::HalfDown => scroll(ui, model, broken, (page / 2).max(1).cast_signed()),
        Action::HalfUp => scroll(ui, model, broken, -(page / 2).max(1).cast_signed()),
        Action::PageDown => scroll(ui, model, broken, page.cast_signed()),
        Action::PageUp => scroll(ui, model, broken, -page.cast_signed()),
        Action::Edit | Action::Open => {
            let line = broken.problems.get(at).map_or(1, |problem| problem.line.max(1));
            return vec![Effect::Edit { path: path(broken, model, name).to_owned(), line }];
        }
        Action::Copy => {
            let text = broken.problems.get(at).map_or_else(String::new, |problem| problem.text.trim_end().to_owned());
            return vec![Effect::Copy { what: "the problem".to_owned(), text }];
        }
        Action::CopyCommand => {
            let text = format!("runbook lint {}", quoted(&path(broken, model, name).display().to_string()));
            return vec![Effect::Copy { what: "the command line".to_owned(), text }];
        }
        Action::Plain => {
            let texts: Vec<&str> = broken.problems.iter().map(|problem| problem.text.trim_end()).collect();
            return vec![Effect::Plain(format!("{}\n", texts.join("\n\n")))];
        }
        _ => {}
    }
    Vec::new()
}

fn path<'m>(broken: &'m Broken, model: &'m Model, name: &str) -> &'m Path {
    let of_book = model.book(name).filter(|_| broken.path.as_os_str().is_empty());
    of_book.map_or(broken.path.as_path(), |book| book.path.as_path())
}

fn to(ui: &mut Ui, model: &Model, broken: &Broken, at: usize) {
    ui.diagnostics.at = at;
    let (columns, rows) = room(model, ui);
    let (lines, starts) = lines(ui, broken, columns);
    let start = starts.get(at).copied().unwrap_or(0);
    let end = starts.get(at + 1).map_or(lines.len(), |next| next - 1);
    let top = &mut ui.diagnostics.top;
    // all of it, and where there is no room for that, its beginning
    *top = (*top).max(end.saturating_sub(rows)).min(start);
}

fn scroll(ui: &mut Ui, model: &Model, broken: &Broken, by: isize) {
    let (columns, rows) = room(model, ui);
    let (lines, starts) = lines(ui, broken, columns);
    let top = ui.diagnostics.top.saturating_add_signed(by).min(lines.len().saturating_sub(rows));
    ui.diagnostics.top = top;
    // the cursor stays on what is seen
    let seen = |start: &usize| (top..top + rows.max(1)).contains(start);
    if !starts.get(ui.diagnostics.at).is_some_and(seen) {
        let first = starts.iter().position(seen);
        let above = starts.iter().rposition(|start| *start <= top);
        ui.diagnostics.at = first.or(above).unwrap_or(0);
    }
}

/// Why a key has no meaning now.
pub fn off(ui: &Ui, model: &Model, action: Action, name: &str) -> Option<String> {
    let key = || visible(&ui.keys.key(action)).into_owned();
    match action {
        Action::Search | Action::NextMatch | Action::PrevMatch => Some(format!(
            "{} is off: nothing is searched here; {} goes from problem to problem.",
            key(),
            ui.keys.key(Action::NextProblem)
        )),
        Action::Edit | Action::Copy | Action::CopyCommand | Action::Plain | Action::NextProblem | Action::PrevProblem
            if problems(model, name).is_empty() =>
        {
            Some(format!("{} is off: nothing is wrong here.", key()))
        }
        _ => None,
    }
}

/// Follows what has changed.
pub fn settle(ui: &mut Ui, model: &Model, name: &str) {
    if ui.diagnostics.name != name {
        ui.diagnostics = State { name: name.to_owned(), ..State::default() };
    }
    let Found::Broken(broken) = found(model, name) else { return };
    let at = ui.diagnostics.at.min(broken.problems.len().saturating_sub(1));
    ui.diagnostics.at = at;
    let (columns, rows) = room(model, ui);
    let count = lines(ui, broken, columns).0.len();
    ui.diagnostics.top = ui.diagnostics.top.min(count.saturating_sub(rows));
}
