//! What the keys of the runbook picker do.

use crate::state::summary::quoted;
use crate::tui::action::{Action, Effect, Request};
use crate::tui::model::{Book, Model, Ran};
use crate::tui::screen::runbooks::layout::{self, Layout, Part};
use crate::tui::screen::runbooks::{Pane, details, hosts, list, part_lines, past, steps};
use crate::tui::ui::{Screen, Shown, Ui};

/// What its keys do.
pub fn update(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    let layout = layout::now(model, ui);
    let page = isize::try_from(layout.rows(layout.focus(ui))).unwrap_or(isize::MAX).max(1);
    match action {
        Action::Down => by(ui, model, &layout, 1),
        Action::Up => by(ui, model, &layout, -1),
        Action::HalfDown => by(ui, model, &layout, (page / 2).max(1)),
        Action::HalfUp => by(ui, model, &layout, -(page / 2).max(1)),
        Action::PageDown => by(ui, model, &layout, page),
        Action::PageUp => by(ui, model, &layout, -page),
        Action::First => by(ui, model, &layout, -isize::MAX),
        Action::Last => by(ui, model, &layout, isize::MAX),
        Action::NextMatch => around(ui, model, true, |_| true),
        Action::PrevMatch => around(ui, model, false, |_| true),
        Action::NextProblem => around(ui, model, true, |book| book.is.is_err()),
        Action::PrevProblem => around(ui, model, false, |book| book.is.is_err()),
        Action::NextPane | Action::Right => ui.runbooks.pane = panes(ui, &layout).0,
        Action::PrevPane | Action::Left => ui.runbooks.pane = before(ui, &layout),
        Action::Zoom => ui.runbooks.zoomed = !ui.runbooks.zoomed,
        Action::Sort => {
            ui.runbooks.sort = ui.runbooks.sort.next();
            let text = format!("Runbooks: {}.", ui.runbooks.sort.word());
            ui.say(model, text);
        }
        Action::Reload => {
            ui.say(model, "Reading runbooks, inventory and record again.");
            return vec![Effect::Ask(Request::Reload)];
        }
        Action::Plain => return vec![Effect::Plain(plain(ui, model, &layout))],
        _ => return with_book(ui, model, action, &layout),
    }
    ui.runbooks.top = if layout.focus(ui) == layout::now(model, ui).focus(ui) { ui.runbooks.top } else { 0 };
    Vec::new()
}

fn with_book(ui: &mut Ui, model: &Model, action: Action, layout: &Layout) -> Vec<Effect> {
    let Some(book) = list::under(model, ui) else { return Vec::new() };
    let on_run = |ran: &&&Ran| layout.focus(ui) == Part::Runs && ui.runbooks.past.at.as_deref() == Some(ran.run.as_str());
    let run = past::runs(model, book).iter().find(on_run).map(|ran| ran.run.clone());
    let copy = |what: &str, text: String| vec![Effect::Copy { what: what.to_owned(), text }];
    match (action, run) {
        (Action::Open, Some(run)) => {
            ui.shown = Shown::Recorded(run.clone());
            ui.go(Screen::Timeline);
            vec![Effect::Ask(Request::Open(run))]
        }
        (Action::Open, None) => {
            if book.is.is_err() {
                ui.go(Screen::Diagnostics(book.name.clone()));
            } else {
                ui.runbooks.choose(&book.name);
                ui.go(hosts(model));
            }
            Vec::new()
        }
        (Action::Edit, _) => {
            let problems = book.is.as_ref().err().map(|broken| &broken.problems);
            let line = problems.and_then(|problems| problems.first()).map_or(1, |problem| problem.line.max(1));
            vec![Effect::Edit { path: book.path.clone(), line }]
        }
        (Action::Copy, Some(run)) => copy("the run's id", run.to_string()),
        (Action::Copy, None) => copy("the name", book.name.clone()),
        (Action::CopyCommand, Some(run)) => copy("the command line", format!("runbook show {run}{}", model.shelf.record_flags)),
        (Action::CopyCommand, None) => {
            copy("the command line", format!("runbook show {}{}", quoted(&book.name), model.shelf.run_flags))
        }
        _ => Vec::new(),
    }
}

/// The next pane, and what it is called.
pub(super) fn panes(ui: &Ui, layout: &Layout) -> (Pane, &'static str) {
    let alone = layout.pieces.len() == 1;
    match ui.runbooks.pane {
        Pane::List if layout.bar.is_some() => (Pane::Steps, "pane"),
        Pane::Steps if layout.bar.is_some() => (Pane::Runs, "pane"),
        Pane::List if alone => (Pane::Details, "details"),
        Pane::List | Pane::Details => (Pane::Steps, if layout.bar.is_some() { "pane" } else { "steps" }),
        Pane::Steps => (Pane::Runs, "runs"),
        Pane::Runs if layout.bar.is_some() => (Pane::List, "pane"),
        Pane::Runs if alone => (Pane::List, "list"),
        Pane::Runs => (Pane::Details, "details"),
    }
}

fn before(ui: &Ui, layout: &Layout) -> Pane {
    let alone = layout.pieces.len() == 1;
    match ui.runbooks.pane {
        Pane::List if alone || layout.bar.is_some() => Pane::Runs,
        Pane::List | Pane::Details if !alone => Pane::Runs,
        Pane::List | Pane::Details => Pane::List,
        Pane::Steps if layout.bar.is_some() => Pane::List,
        Pane::Steps => Pane::Details,
        Pane::Runs => Pane::Steps,
    }
}

/// The farthest that the part with the focus can be scrolled.
pub(super) fn longest(ui: &Ui, model: &Model, layout: &Layout) -> usize {
    let part = layout.focus(ui);
    let (Some(piece), Some(book)) = (layout.piece(part), list::under(model, ui)) else { return 0 };
    let lines = match part {
        Part::Details => details::lines(model, ui, book, usize::from(piece.area.width), layout.room()).len(),
        Part::Steps => steps::count(book),
        Part::List | Part::Runs | Part::Why => 0,
    };
    lines.saturating_sub(layout.rows(part))
}

fn by(ui: &mut Ui, model: &Model, layout: &Layout, rows: isize) {
    match layout.focus(ui) {
        Part::List => {
            let names: Vec<String> = list::shown(model, ui).into_iter().map(|book| book.name.clone()).collect();
            ui.runbooks.cursor.by(rows, names.len(), layout.rows(Part::List), |row| names.get(row).cloned());
        }
        Part::Runs => {
            let Some(book) = list::under(model, ui) else { return };
            let runs = past::runs(model, book);
            ui.runbooks.past.by(rows, runs.len(), layout.rows(Part::Runs), |row| runs.get(row).map(|ran| ran.run.to_string()));
        }
        Part::Details | Part::Steps | Part::Why => {
            let top = ui.runbooks.top.saturating_add_signed(rows);
            ui.runbooks.top = top.min(longest(ui, model, layout));
        }
    }
}

/// To the next or the last runbook of which `wanted` holds, around the end of the list.
fn around(ui: &mut Ui, model: &Model, forward: bool, wanted: impl Fn(&Book) -> bool) {
    let books = list::shown(model, ui);
    let here = ui.runbooks.cursor.row;
    let count = books.len();
    let steps = 1..=count;
    let row = |n: usize| if forward { (here + n) % count } else { (here + count - n) % count };
    let found = steps.map(row).find(|row| books.get(*row).is_some_and(|book| wanted(book)));
    if let Some(row) = found {
        let height = layout::now(model, ui).rows(Part::List);
        let names: Vec<String> = books.iter().map(|book| book.name.clone()).collect();
        ui.runbooks.cursor.to(row, count, height, |row| names.get(row).cloned());
    }
}

fn plain(ui: &Ui, model: &Model, layout: &Layout) -> String {
    let mut text = String::new();
    for piece in &layout.pieces {
        for line in part_lines(piece, layout, model, ui) {
            text.push_str(line.text().trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text
}
