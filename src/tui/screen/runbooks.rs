//! The runbook picker: which there are, what each can do, how it went last time. Nothing here can change a host.

mod details;
mod keys;
mod layout;
mod list;
mod past;
mod steps;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::fields::nearest;
use crate::model::visible::visible;
use crate::state::words;
use crate::tui::action::{Action, Effect};
use crate::tui::list::Cursor;
use crate::tui::model::{Book, Model};
use crate::tui::screen::runbooks::layout::{Layout, Part, Piece};
use crate::tui::theme::Tone;
use crate::tui::ui::{Screen, Ui};
use crate::tui::view::cells::{Cells, paint, rule};
use crate::tui::view::frame::{Badge, Frame};

pub use keys::update;

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    /// The runbook that hosts are chosen for.
    pub chosen: Option<String>,
    /// Variables that were set for it, `NAME` and `VALUE`.
    pub set: Vec<(String, String)>,
    cursor: Cursor<String>,
    /// Among the last runs of the runbook under the cursor.
    past: Cursor<String>,
    /// The first line of the details or of the steps that is shown.
    top: usize,
    filter: String,
    sort: Sort,
    pane: Pane,
    zoomed: bool,
}

impl State {
    /// Chooses a runbook; what was set for another one is forgotten.
    pub fn choose(&mut self, name: &str) {
        if self.chosen.as_deref() != Some(name) {
            self.set.clear();
            self.chosen = Some(name.to_owned());
        }
    }
}

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sort {
    #[default]
    LastUsed,
    Name,
    Risk,
}

impl Sort {
    fn word(self) -> &'static str {
        match self {
            Sort::LastUsed => "last used first",
            Sort::Name => "by name",
            Sort::Risk => "highest risk first",
        }
    }

    fn next(self) -> Self {
        match self {
            Sort::LastUsed => Sort::Name,
            Sort::Name => Sort::Risk,
            Sort::Risk => Sort::LastUsed,
        }
    }
}

/// Where the person looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pane {
    #[default]
    List,
    Details,
    Steps,
    Runs,
}

impl Pane {
    fn part(self) -> Part {
        match self {
            Pane::List => Part::List,
            Pane::Details => Part::Details,
            Pane::Steps => Part::Steps,
            Pane::Runs => Part::Runs,
        }
    }
}

/// The texts of the frame.
pub fn frame(model: &Model, ui: &Ui) -> Frame {
    let hosts = model.inventory().map_or(0, |inventory| inventory.hosts.len());
    let layout = layout::now(model, ui);
    let open = if layout.focus(ui) == Part::Runs { "timeline" } else { "hosts" };
    let open = match list::under(model, ui) {
        Some(book) if book.is.is_err() => "problems",
        _ => open,
    };
    let next = keys::panes(ui, &layout).1;
    let keys = vec![
        (Action::Open, open),
        (Action::NextPane, next),
        (Action::Search, "filter"),
        (Action::Sort, "sort"),
        (Action::Edit, "edit"),
        (Action::OpenItems, "open items"),
        (Action::Go(6), "history"),
        (Action::Reload, "reload"),
        (Action::Command, "command"),
        (Action::Copy, "copy"),
        (Action::Leave, "quit"),
    ];
    Frame { place: "Runbooks".to_owned(), badge: Badge { hosts, ..Badge::default() }, hint: hint(model, ui), keys }
}

fn hint(model: &Model, ui: &Ui) -> String {
    let shelf = &model.shelf;
    if shelf.read.is_none() {
        return "Nothing can be chosen yet.".to_owned();
    }
    if let Some(Err(broken)) = &shelf.inventory {
        let key = ui.keys.key(Action::Go(2));
        let what = words::count(broken.errors, "error");
        return format!("The inventory {} cannot be used: {what}; {key} shows them.", list::place(broken));
    }
    if let Some(text) = details::hint(model, ui) {
        return text;
    }
    if let Some(trouble) = &shelf.trouble {
        return format!("The record cannot be read: {trouble}");
    }
    let broken = shelf.books.iter().filter(|book| book.is.is_err()).count();
    let broken = if broken == 0 { String::new() } else { format!(", {broken} broken") };
    let all = words::count(shelf.books.len(), "runbook");
    if !ui.runbooks.filter.is_empty() {
        let n = list::shown(model, ui).len();
        return format!("{n} of {all} match `{}`. {} and Esc show all.", ui.runbooks.filter, ui.keys.key(Action::Search));
    }
    format!("{all}{broken}. No key here can change a host.")
}

/// Paints it.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    let theme = ui.theme;
    if model.shelf.read.is_none() {
        return paint(buf, area, [Cells::of(theme, Tone::Plain, " Reading runbooks, inventory and record.")]);
    }
    let layout = layout::of(area, model, ui);
    for piece in &layout.pieces {
        draw_piece(buf, piece, &layout, model, ui);
    }
    let Some(x) = layout.bar else { return };
    let rule_at =
        |y: u16, left: bool| layout.pieces.iter().any(|piece| piece.titled && piece.area.y == y && (piece.area.x < x) == left);
    for y in area.y..area.bottom() {
        let glyph = match (rule_at(y, true), rule_at(y, false)) {
            (true, true) if y == area.y => theme.down(),
            (true, true) => theme.cross(),
            (true, false) => theme.eet(),
            (false, true) => theme.tee(),
            (false, false) => theme.bar(),
        };
        paint(buf, Rect { x, y, width: 1, height: 1 }, [Cells::of(theme, Tone::Dim, glyph)]);
    }
}

fn draw_piece(buf: &mut Buffer, piece: &Piece, layout: &Layout, model: &Model, ui: &Ui) {
    let columns = usize::from(piece.area.width);
    if piece.titled && piece.area.height > 0 {
        let (title, right) = title(piece.part, layout, model, ui, columns);
        paint(buf, Rect { height: 1, ..piece.area }, [rule(ui.theme, &title, &right, columns)]);
    }
    paint(buf, piece.inner(), part_lines(piece, layout, model, ui));
}

fn part_lines(piece: &Piece, layout: &Layout, model: &Model, ui: &Ui) -> Vec<Cells> {
    let area = piece.inner();
    let columns = usize::from(area.width);
    if piece.part == Part::List {
        return list::lines(model, ui, columns, layout.rows(Part::List));
    }
    let Some(book) = list::under(model, ui) else { return Vec::new() };
    match piece.part {
        Part::List => Vec::new(),
        Part::Details => {
            let top = if layout.focus(ui) == Part::Details { ui.runbooks.top } else { 0 };
            details::lines(model, ui, book, columns, layout.room()).into_iter().skip(top).collect()
        }
        Part::Steps => steps::lines(ui, book, layout.rows(Part::Steps)),
        Part::Runs => past::lines(model, ui, book, columns, layout.focus(ui) == Part::Runs),
        Part::Why => past::why(model, ui, book, columns),
    }
}

fn title(part: Part, layout: &Layout, model: &Model, ui: &Ui, columns: usize) -> (String, String) {
    let book = list::under(model, ui);
    let of = |what: &str| details::title(ui, book, what, columns);
    let place = |n: usize| if n == 0 { String::new() } else { words::count(n, "run") };
    match part {
        Part::List => (format!("runbooks ({}), {}", list::shown(model, ui).len(), ui.runbooks.sort.word()), String::new()),
        Part::Details if layout.bar.is_some() => (of(""), String::new()),
        Part::Details => (of(""), scrolled("details", model, ui, layout)),
        Part::Steps => (of(": steps"), book.map_or_else(String::new, |book| words::count(steps::count(book), "step"))),
        Part::Runs => (of(": last runs"), place(book.map_or(0, |book| past::runs(model, book).len()))),
        Part::Why => ("why it failed last time".to_owned(), String::new()),
    }
}

/// What a pane is called, and which of its lines are shown where not all are.
fn scrolled(what: &str, model: &Model, ui: &Ui, layout: &Layout) -> String {
    match keys::longest(ui, model, layout) {
        0 => what.to_owned(),
        hidden => {
            let rows = layout.rows(layout.focus(ui));
            let top = ui.runbooks.top.min(hidden);
            format!("{what}, {} to {} of {}", top + 1, top + rows, rows + hidden)
        }
    }
}

/// What was typed after `/`.
pub fn search(ui: &mut Ui, model: &Model, text: &str, _done: bool) -> Vec<Effect> {
    text.trim().clone_into(&mut ui.runbooks.filter);
    // what matches best of what is typed is at the top
    if !text.trim().is_empty() {
        ui.runbooks.cursor = Cursor::default();
    }
    settle(ui, model);
    Vec::new()
}

/// Why a key has no meaning now.
pub fn off(ui: &Ui, model: &Model, action: Action) -> Option<String> {
    let key = || ui.keys.key(action);
    let none = list::under(model, ui).is_none();
    match action {
        _ if model.shelf.read.is_none() && action == Action::Open => Some(format!("{} is off: runbooks are being read.", key())),
        Action::Open | Action::Edit | Action::Copy | Action::CopyCommand if none => {
            Some(format!("{} is off: there is no runbook under the cursor.", key()))
        }
        Action::NextMatch | Action::PrevMatch if ui.runbooks.filter.is_empty() => {
            Some(format!("{} is off: nothing is searched for; {} begins.", key(), ui.keys.key(Action::Search)))
        }
        Action::NextProblem | Action::PrevProblem if model.shelf.books.iter().all(|book| book.is.is_ok()) => {
            Some(format!("{} is off: no runbook is broken.", key()))
        }
        _ => None,
    }
}

/// Follows what has changed.
pub fn settle(ui: &mut Ui, model: &Model) {
    let names: Vec<String> = list::shown(model, ui).into_iter().map(|book| book.name.clone()).collect();
    let before = ui.runbooks.cursor.at.clone();
    let rows = layout::now(model, ui).rows(Part::List);
    let place = |name: &String| names.iter().position(|other| other == name);
    ui.runbooks.cursor.follow(names.len(), rows, place, |row| names.get(row).cloned());
    if before != ui.runbooks.cursor.at {
        (ui.runbooks.past, ui.runbooks.top) = (Cursor::default(), 0);
    }
    let Some(book) = list::under(model, ui) else { return };
    let runs: Vec<String> = past::runs(model, book).into_iter().map(|ran| ran.run.to_string()).collect();
    let layout = layout::now(model, ui);
    let place = |run: &String| runs.iter().position(|other| other == run);
    ui.runbooks.past.follow(runs.len(), layout.rows(Part::Runs), place, |row| runs.get(row).cloned());
    ui.runbooks.top = ui.runbooks.top.min(keys::longest(ui, model, &layout));
}

/// The screen where hosts are chosen: the inventory's problems where it has some.
pub fn hosts(model: &Model) -> Screen {
    match &model.shelf.inventory {
        Some(Err(_)) => Screen::Diagnostics(String::new()),
        _ => Screen::Hosts,
    }
}

/// Sets a variable of the runbook that was chosen, or of the one under the cursor of the picker.
pub fn set(ui: &mut Ui, model: &Model, name: &str, value: &str) -> Result<(), String> {
    let under = list::under(model, ui).map(|book| book.name.clone());
    let on_picker = ui.screen == Screen::Runbooks;
    let of = if on_picker { under.or_else(|| ui.runbooks.chosen.clone()) } else { ui.runbooks.chosen.clone() };
    let Some(book) = of.as_deref().and_then(|of| model.book(of)) else {
        return Err("no runbook is chosen: go to 1, then :set NAME=VALUE".to_owned());
    };
    let Ok(runbook) = &book.is else {
        return Err(format!("{} is broken: its variables cannot be read", visible(&book.name)));
    };
    let Some(var) = runbook.vars.iter().find(|var| var.name.as_str() == name) else {
        let known: Vec<&str> = runbook.vars.iter().map(|var| var.name.as_str()).collect();
        let hint = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "it has none".to_owned(),
            None => format!("it has: {}", known.join(", ")),
        };
        return Err(format!("{} has no variable `{}`; {hint}", book.name, visible(name)));
    };
    var.read(value).map_err(|why| format!("{name}: {why}"))?;
    ui.runbooks.choose(&book.name);
    match ui.runbooks.set.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => value.clone_into(old),
        None => ui.runbooks.set.push((name.to_owned(), value.to_owned())),
    }
    Ok(())
}

/// Variables of the chosen runbook that nothing sets: neither its text, nor the inventory, nor the person.
pub fn missing(ui: &Ui, model: &Model) -> Vec<String> {
    let book = ui.runbooks.chosen.as_deref().and_then(|name| model.book(name));
    book.map_or_else(Vec::new, |book| unset(model, ui, book))
}

/// The same for any runbook. What some hosts of the inventory set may still be missing for others: planning tells.
fn unset(model: &Model, ui: &Ui, book: &Book) -> Vec<String> {
    let Ok(runbook) = &book.is else { return Vec::new() };
    let is_chosen = ui.runbooks.chosen.as_ref() == Some(&book.name);
    let own = |name: &str| is_chosen && ui.runbooks.set.iter().any(|(set, _)| set == name);
    let by_inventory = |name: &str| {
        let Some(inventory) = model.inventory() else { return false };
        inventory.default_vars.contains_key(name)
            || inventory.groups.iter().any(|group| group.vars.contains_key(name))
            || inventory.own_vars.values().any(|vars| vars.contains(name))
    };
    let names = runbook.vars.iter().filter(|var| var.default.is_none()).map(|var| var.name.as_str());
    names.filter(|name| !own(name) && !by_inventory(name)).map(str::to_owned).collect()
}

/// The variables of the runbook that `set` is about.
pub fn variables(ui: &Ui, model: &Model) -> Vec<String> {
    let book = ui.runbooks.chosen.as_deref().and_then(|name| model.book(name));
    let runbook = book.and_then(|book| book.is.as_ref().ok());
    runbook.map(|runbook| runbook.vars.iter().map(|var| var.name.to_string()).collect()).unwrap_or_default()
}
