//! The screen as plain text: for a file, and for the real terminal.

use crate::model::hostset;
use crate::state::words::{clock, count};
use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::rows::Item;
use crate::tui::screen::run::{Pane, SUBJECT, counts, head, hosts_of, lower, rows, words};
use crate::tui::ui::Ui;
use crate::tui::view::now;

/// Columns of a text without a screen.
const COLUMNS: usize = 1_000;

/// The pane that has the focus.
pub(super) fn pane(ui: &Ui, model: &Model, watched: &Watched) -> String {
    match ui.run.pane {
        Pane::List => list(ui, model, watched),
        Pane::Log => {
            let content = lower::content(ui, model, watched, COLUMNS);
            content.lines.iter().map(|line| format!("{}\n", line.text)).collect()
        }
        Pane::Side => {
            let told = watched.trail.lines().map(|line| {
                let host = line.host.as_ref().map_or_else(String::new, |host| format!("{host}  "));
                format!("{}  {host}{}\n", now::at(model, ui, line.at), line.text)
            });
            told.collect()
        }
    }
}

/// The whole list, up to 10,000 rows; of a folded row all hosts.
pub(super) fn list(ui: &Ui, model: &Model, watched: &Watched) -> String {
    let run = &watched.run;
    let id = run.run.as_ref().map_or_else(String::new, ToString::to_string);
    let book = run.runbook.as_ref().map_or_else(String::new, |book| book.name.to_string());
    let mut text = format!("run {id}  {book} on {}, {}\n", run.selector, now::at(model, ui, model.now));
    if let Some(finished) = &run.finished {
        let lines = head::conclusion(model, ui, watched, finished, COLUMNS, usize::MAX);
        text.extend(lines.iter().map(|line| format!("{}\n", line.text())));
    }
    let counted: Vec<String> = counts(&watched.fleet).into_iter().map(|(_, text)| text).collect();
    text.push_str(&format!("{}\n\n", counted.join("  ")));
    let rows = rows(ui, watched);
    for item in rows.items(0, SUBJECT) {
        text.push_str(&row(model, watched, &item));
        text.push('\n');
    }
    if rows.count() > SUBJECT {
        text.push_str(&format!("and {} more rows\n", rows.count() - SUBJECT));
    }
    text
}

fn row(model: &Model, watched: &Watched, item: &Item) -> String {
    match item {
        Item::Host(name) => {
            let place = watched.fleet.place(name);
            let said = place.and_then(|place| words::of_host(watched, place, model.now));
            let Some(said) = said else { return name.to_string() };
            let time = said.time.map_or_else(String::new, |time| format!("  {}", clock(time)));
            let open = if said.left_open { "OPEN " } else { "" };
            format!("{name}  {open}{}{time}", said.text)
        }
        Item::Group(key) => {
            let names = hosts_of(watched, item, SUBJECT);
            let first = names.first().and_then(|name| watched.fleet.place(name)).unwrap_or_default();
            let state = words::state_of_group(watched, key, first, COLUMNS);
            let what = key.class.word();
            format!("{}  {what}  {state}\n    {}", count(watched.fleet.size_of(key), "host"), hostset::fold(&names))
        }
        Item::Step(n) => {
            let id = watched.run.steps.iter().find(|step| step.n == *n).map_or("?", |step| step.id.as_str());
            format!("    {id}: {}", hostset::fold(&hosts_of(watched, item, SUBJECT)))
        }
        Item::Between => "    between two steps".to_owned(),
    }
}
