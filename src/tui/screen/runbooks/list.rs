//! The list of runbooks: which, in which order, and a row each.

use std::cmp::Reverse;

use crate::model::outcome::Risk;
use crate::model::visible::{visible, width};
use crate::state::words;
use crate::tui::model::{Book, Broken, Model};
use crate::tui::screen::runbooks::{Sort, past};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;

/// A column: its heading and its width.
type Column = (&'static str, usize);

/// The runbooks that are shown, in their order.
pub(super) fn shown<'m>(model: &'m Model, ui: &Ui) -> Vec<&'m Book> {
    let words: Vec<String> = ui.runbooks.filter.split_whitespace().map(str::to_lowercase).collect();
    let mut books: Vec<&Book> = model.shelf.books.iter().filter(|book| matches(book, &words)).collect();
    match ui.runbooks.sort {
        Sort::LastUsed => {}
        Sort::Name => books.sort_by(|a, b| a.name.cmp(&b.name)),
        Sort::Risk => books.sort_by_key(|book| Reverse(book.is.as_ref().ok().map(|runbook| runbook.risk))),
    }
    books
}

fn matches(book: &Book, words: &[String]) -> bool {
    let mut text = book.name.to_lowercase();
    match &book.is {
        Ok(runbook) => {
            for part in runbook.tags.iter().chain([&runbook.title]) {
                text.push('\n');
                text.push_str(&part.to_lowercase());
            }
            text.push('\n');
            text.push_str(runbook.risk.word());
        }
        Err(_) => text.push_str("\nbroken"),
    }
    words.iter().all(|word| text.contains(word))
}

/// The runbook under the cursor.
pub(super) fn under<'m>(model: &'m Model, ui: &Ui) -> Option<&'m Book> {
    let name = ui.runbooks.cursor.at.as_ref()?;
    model.book(name)
}

/// The heads and the rows that are on the screen.
pub(super) fn lines(model: &Model, ui: &Ui, columns: usize, rows: usize) -> Vec<Cells> {
    let books = shown(model, ui);
    let table = table(columns, &books);
    let mut head = Cells::new(ui.theme).put(Tone::Plain, "  ");
    for (title, wide) in &table {
        head = head.cell(Tone::Dim, title, *wide);
    }
    let on_screen = books.iter().skip(ui.runbooks.cursor.top).take(rows);
    let row = |book: &&Book| {
        let here = ui.runbooks.cursor.at.as_ref() == Some(&book.name);
        row(model, ui, book, &table, here)
    };
    let mut lines = vec![head];
    lines.extend(on_screen.map(row));
    if books.is_empty() {
        lines.extend(nothing(model, ui).into_iter().map(|text| Cells::of(ui.theme, Tone::Plain, &text)));
    }
    lines
}

fn nothing(model: &Model, ui: &Ui) -> Vec<String> {
    if model.shelf.books.is_empty() {
        return [
            "  There are no runbooks here. Each is a file NAME.toml in the directory that",
            "  --runbooks names, `runbooks` where nothing does.",
            "  `runbook steps` tells what can stand in one, `runbook demo` shows one at work.",
        ]
        .map(str::to_owned)
        .to_vec();
    }
    vec![format!("  No runbook matches `{}`. / and Esc show them all again.", ui.runbooks.filter)]
}

/// The columns for a width; what is left over goes to long names first.
fn table(columns: usize, books: &[&Book]) -> Vec<Column> {
    let mut table: Vec<Column> = match columns {
        78.. => vec![("NAME", 16), ("RISK", 12), ("STEPS", 6), ("LAST RUN", 17), ("RESULT", 18), ("TYPICAL", 7)],
        56.. => vec![("NAME", 16), ("RISK", 12), ("LAST RUN", 10), ("RESULT", 16)],
        _ => vec![("NAME", 15), ("RISK", 12), ("RESULT", 9)],
    };
    let used: usize = table.iter().map(|(_, wide)| wide).sum();
    let spare = columns.saturating_sub(used + 3);
    let longest = books.iter().map(|book| width(&visible(&book.name)) + 1).max().unwrap_or(0);
    let to_name = longest.saturating_sub(table[0].1).min(spare);
    table[0].1 += to_name;
    if let Some(result) = table.iter_mut().find(|(title, _)| *title == "RESULT") {
        result.1 += spare - to_name;
    }
    table
}

fn row(model: &Model, ui: &Ui, book: &Book, table: &[Column], here: bool) -> Cells {
    let theme = ui.theme;
    let mark = if here { theme.cursor() } else { " " };
    let mut line = Cells::of(theme, Tone::Strong, &format!("{mark} "));
    let runbook = match &book.is {
        Ok(runbook) => runbook,
        Err(broken) => {
            let name = table.first().map_or(0, |(_, wide)| *wide);
            let place = format!("{}  {}", place(broken), words::count(broken.errors, "error"));
            return line.cell(Tone::Dim, &book.name, name).put(Tone::Dim, "BROKEN ").put(Tone::Dim, &place).reversed(here);
        }
    };
    for (title, wide) in table {
        // one column stays free before the next cell
        let cell = |line: Cells, tone: Tone, text: &str| line.cell(tone, text, wide - 1).put(Tone::Plain, " ");
        line = match *title {
            "NAME" => cell(line, Tone::Plain, &book.name),
            "RISK" => cell(line, tone(runbook.risk), runbook.risk.word()),
            "STEPS" => cell(line, Tone::Plain, &runbook.steps.len().to_string()),
            "LAST RUN" => cell(line, Tone::Plain, &last_run(model, book, *wide)),
            "RESULT" => result(theme, book, line, *wide),
            _ => line.put(Tone::Plain, &book.typical.map_or_else(|| "-".to_owned(), words::clock)),
        };
    }
    line.reversed(here)
}

/// The first problem's place: `runbooks/failover-db.toml:31:12`.
pub(super) fn place(broken: &Broken) -> String {
    let path = broken.path.display();
    match broken.problems.first() {
        Some(problem) => format!("{path}:{}:{}", problem.line, problem.column),
        None => path.to_string(),
    }
}

/// How loud a risk is.
pub(super) fn tone(risk: Risk) -> Tone {
    match risk {
        Risk::ReadOnly => Tone::Dim,
        Risk::Toggles | Risk::Restarts => Tone::Plain,
        Risk::Destructive => Tone::Bad,
    }
}

fn last_run(model: &Model, book: &Book, wide: usize) -> String {
    match &book.last {
        None => "never".to_owned(),
        Some(ran) if wide < 17 => past::when(model, ran),
        Some(ran) => format!("{:<9} {}", past::when(model, ran), past::who(model, ran)),
    }
}

fn result(theme: Theme, book: &Book, line: Cells, wide: usize) -> Cells {
    match &book.last {
        None => line.cell(Tone::Dim, "-", wide),
        Some(ran) => past::result(theme, ran).cell(line, wide - 1).put(Tone::Plain, " "),
    }
}
