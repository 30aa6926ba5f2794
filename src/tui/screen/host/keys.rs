//! What the keys of the screen do. None of them changes a host.

use crate::model::id::HostName;
use crate::state::words::count;
use crate::tui::action::{Action, Effect};
use crate::tui::model::{Model, Watched};
use crate::tui::screen::host::layout::Layout;
use crate::tui::screen::host::line::Form;
use crate::tui::screen::host::log::{Shown, number, wraps};
use crate::tui::screen::host::steps::{self, Item, is_problem};
use crate::tui::screen::host::{Pane, Search, Subject, Threshold, command, settle, shows_both};
use crate::tui::ui::{Screen, Ui};
use crate::tui::view::{moves, now};

/// What its keys do.
pub fn update(ui: &mut Ui, model: &Model, action: Action, host: &HostName) -> Vec<Effect> {
    // a key is about what is there now
    settle(ui, model, host);
    match action {
        Action::Left => return other_host(ui, model, host, -1),
        Action::Right => return other_host(ui, model, host, 1),
        _ => {}
    }
    let Some(subject) = Subject::of(model, ui, host) else { return Vec::new() };
    let layout = Layout::of(ui, model, subject);
    let height = if ui.host.pane == Pane::Output { layout.log.saturating_sub(1) } else { layout.steps };
    if let Some(rows) = moves::rows(action, height) {
        go(ui, model, subject, rows);
        settle(ui, model, host);
        return Vec::new();
    }
    match action {
        Action::NextPane | Action::PrevPane => other_pane(ui),
        Action::Open if ui.host.pane == Pane::Steps => other_pane(ui),
        Action::NextProblem | Action::PrevProblem => problem(ui, model, subject, action == Action::NextProblem),
        Action::NextMatch => to_match(ui, model, subject, true),
        Action::PrevMatch => to_match(ui, model, subject, false),
        Action::Follow => {
            let shown = Shown::of(ui, subject);
            ui.host.line = if ui.host.line.is_some() { None } else { shown.number(shown.cursor(None)) };
        }
        Action::Wrap => ui.host.wrap = Some(!wraps(ui, layout)),
        Action::Zoom => ui.host.zoom = !ui.host.zoom,
        Action::Plus => ui.host.all = true,
        Action::Minus => ui.host.all = false,
        Action::Less | Action::More => threshold(ui, model, action == Action::More),
        Action::Copy => return copy(ui, model, subject),
        Action::CopyCommand => {
            let text = command(subject, ui).map(|text| format!("{text}{}", model.shelf.record_flags));
            return text.map(|text| copied("the command line", text)).unwrap_or_default();
        }
        Action::Plain => return vec![Effect::Plain(plain(ui, model, subject, layout))],
        _ => {}
    }
    settle(ui, model, &ui_host(ui, host));
    Vec::new()
}

/// The host that is shown now.
fn ui_host(ui: &Ui, host: &HostName) -> HostName {
    match &ui.screen {
        Screen::Host(host) => host.clone(),
        _ => host.clone(),
    }
}

/// Puts the cursor on a row; it stays there.
pub(super) fn to_row(ui: &mut Ui, model: &Model, subject: Subject<'_>, items: &[Item], row: usize) {
    let height = Layout::of(ui, model, subject).steps;
    ui.host.moved = true;
    let before = ui.host.cursor.at.clone();
    ui.host.cursor.to(row, items.len(), height, |row| items.get(row).cloned());
    if before != ui.host.cursor.at && !ui.host.all {
        ui.host.line = None;
    }
}

fn go(ui: &mut Ui, model: &Model, subject: Subject<'_>, by: isize) {
    if ui.host.pane == Pane::Steps {
        let items = steps::items(model, subject);
        let row = ui.host.cursor.row.saturating_add_signed(by);
        return to_row(ui, model, subject, &items, row);
    }
    let shown = Shown::of(ui, subject);
    let last = shown.lines.len().saturating_sub(1);
    let line = shown.cursor(ui.host.line).saturating_add_signed(by).min(last);
    // at its end a log follows again
    ui.host.line = shown.number(line).filter(|_| line < last);
}

fn other_pane(ui: &mut Ui) {
    ui.host.pane = if ui.host.pane == Pane::Steps { Pane::Output } else { Pane::Steps };
}

/// The host before or after this one, in the order in which they are listed. The way back stays as it is.
fn other_host(ui: &mut Ui, model: &Model, host: &HostName, by: isize) -> Vec<Effect> {
    let Some(watched) = ui.watched(model) else { return Vec::new() };
    let fleet = &watched.fleet;
    let row = fleet.place(host).and_then(|place| fleet.row_of(place));
    let to = match row {
        Some(row) => row.checked_add_signed(by).filter(|row| *row < fleet.len()),
        None => (!fleet.is_empty()).then_some(0),
    };
    match to.and_then(|row| name_at(watched, row)) {
        Some(name) => ui.screen = Screen::Host(name),
        None => ui.say(model, if by < 0 { "This is the first host of the list." } else { "This is the last host of the list." }),
    }
    let host = ui_host(ui, host);
    settle(ui, model, &host);
    Vec::new()
}

fn name_at(watched: &Watched, row: usize) -> Option<HostName> {
    let place = *watched.fleet.rows(row, 1).first()?;
    watched.fleet.name(place).cloned()
}

/// The next step of this host that needs a person; where there is none, the next host that does.
fn problem(ui: &mut Ui, model: &Model, subject: Subject<'_>, forth: bool) {
    let items = steps::items(model, subject);
    let bad: Vec<usize> = (0..items.len()).filter(|row| is_problem(subject, &items[*row])).collect();
    let here = ui.host.cursor.row;
    let next = if forth { bad.iter().find(|row| **row > here) } else { bad.iter().rev().find(|row| **row < here) };
    if let Some(row) = next {
        return to_row(ui, model, subject, &items, *row);
    }
    let fleet = &subject.watched.fleet;
    let place = fleet.place(subject.name);
    let other = if forth { fleet.next_problem(place) } else { fleet.previous_problem(place) };
    match other.and_then(|place| fleet.name(place)).filter(|name| *name != subject.name) {
        Some(name) => {
            ui.screen = Screen::Host(name.clone());
            if !forth {
                last_problem(ui, model, &name.clone());
            }
        }
        None => match if forth { bad.first() } else { bad.last() } {
            Some(row) if *row != here => to_row(ui, model, subject, &items, *row),
            Some(_) => ui.say(model, "There is no other problem in this run."),
            None => ui.say(model, "There is no problem in this run."),
        },
    }
}

/// Going back a host is entered from its end.
fn last_problem(ui: &mut Ui, model: &Model, host: &HostName) {
    settle(ui, model, host);
    let Some(subject) = Subject::of(model, ui, host) else { return };
    let items = steps::items(model, subject);
    if let Some(row) = items.iter().rposition(|item| is_problem(subject, item)) {
        to_row(ui, model, subject, &items, row);
    }
}

fn threshold(ui: &mut Ui, model: &Model, more: bool) {
    let (threshold, said) = match (ui.host.threshold, more) {
        (Threshold::All, true) => (Threshold::Run, "Without what commands have printed."),
        (_, true) => (Threshold::Problems, "Only problems and what shows them."),
        (Threshold::Problems, false) => (Threshold::Run, "Without what commands have printed."),
        (_, false) => (Threshold::All, "All lines."),
    };
    ui.host.threshold = threshold;
    ui.say(model, said);
}

/// What was typed after `/`: the cursor goes to the first line in which it stands while it is typed.
pub fn search(ui: &mut Ui, model: &Model, text: &str, done: bool, host: &HostName) -> Vec<Effect> {
    settle(ui, model, host);
    let Some(subject) = Subject::of(model, ui, host) else { return Vec::new() };
    let before = ui.host.search.take().filter(|search| search.typing);
    let from = before.map_or(ui.host.line, |search| search.from);
    if text.is_empty() {
        ui.host.line = from;
        if !done {
            ui.host.search = Some(Search { text: String::new(), from, typing: true });
        }
        return Vec::new();
    }
    // there is nothing to see of it elsewhere
    if !shows_both(Layout::of(ui, model, subject)) || done {
        ui.host.pane = Pane::Output;
    }
    ui.host.search = Some(Search { text: text.to_owned(), from, typing: !done });
    ui.host.line = from;
    let shown = Shown::of(ui, subject);
    let start = shown.number(from.map_or(0, |from| shown.cursor(Some(from)))).unwrap_or_default();
    let hit = shown.hits.iter().find(|hit| **hit >= start).or(shown.hits.first());
    ui.host.line = hit.copied().or(from);
    if done {
        searched(ui, model, subject, &shown, text);
    }
    settle(ui, model, host);
    Vec::new()
}

/// Says what a search could not find, and in what it did not look.
fn searched(ui: &mut Ui, model: &Model, subject: Subject<'_>, shown: &Shown<'_>, text: &str) {
    let log = subject.watched.logs.of(subject.name);
    let elsewhere = subject.watched.logs.hits(subject.name, text).len() - shown.hits.len();
    let gone = match (log.dropped_bytes(), command(subject, ui)) {
        (0, _) | (_, None) => String::new(),
        (bytes, Some(command)) => format!(" {} are not kept: {command}", count(bytes, "older byte")),
    };
    let found = match (shown.hits.len(), elsewhere) {
        (0, 0) => format!("\"{text}\" is in no line here."),
        (0, n) if !ui.host.all => {
            format!(
                "\"{text}\" is in no line of this step, but in {}; {} shows all.",
                count(n, "other"),
                ui.keys.key(Action::Plus)
            )
        }
        (0, n) => format!("\"{text}\" is only in {}; {} shows more.", count(n, "hidden line"), ui.keys.key(Action::Less)),
        (_, _) if gone.is_empty() => return,
        (n, _) => format!("{} found.", count(n, "line")),
    };
    ui.say(model, format!("{found}{gone}"));
}

/// To the next line in which it stands; after the last one the first again.
fn to_match(ui: &mut Ui, model: &Model, subject: Subject<'_>, forth: bool) {
    let shown = Shown::of(ui, subject);
    let here = shown.number(shown.cursor(ui.host.line)).unwrap_or_default();
    let hits = &shown.hits;
    let next = match forth {
        true => hits.iter().find(|hit| **hit > here).or(hits.first()),
        false => hits.iter().rev().find(|hit| **hit < here).or(hits.last()),
    };
    match next.copied() {
        Some(hit) => (ui.host.line, ui.host.pane) = (Some(hit), Pane::Output),
        None => {
            let text = ui.host.search.as_ref().map(|search| search.text.clone()).unwrap_or_default();
            searched(ui, model, subject, &shown, &text);
        }
    }
}

fn copied(what: &str, text: String) -> Vec<Effect> {
    vec![Effect::Copy { what: what.to_owned(), text }]
}

fn copy(ui: &Ui, model: &Model, subject: Subject<'_>) -> Vec<Effect> {
    if ui.host.pane == Pane::Steps {
        let form = Form::new(ui.theme, model, subject, usize::from(ui.size.0), false);
        return ui.host.cursor.at.as_ref().map(|item| copied("the step", form.plain(item))).unwrap_or_default();
    }
    let shown = Shown::of(ui, subject);
    let line = shown.lines.get(shown.cursor(ui.host.line));
    line.map(|(_, line)| copied("the line", line.text.clone())).unwrap_or_default()
}

/// The whole log as it is shown, and before it the steps where they have the focus.
fn plain(ui: &Ui, model: &Model, subject: Subject<'_>, layout: Layout) -> String {
    let mut text = String::new();
    if ui.host.pane == Pane::Steps {
        let form = Form::new(ui.theme, model, subject, layout.left, false);
        for item in steps::items(model, subject) {
            text.push_str(&format!("{}\n", form.plain(&item)));
        }
        text.push('\n');
    }
    let shown = Shown::of(ui, subject);
    if shown.gone > 0 {
        text.push_str(&format!("({} of older lines are gone)\n", count(shown.gone, "byte")));
    }
    for (_, line) in &shown.lines {
        let n = if ui.host.all { format!("{:>2}  ", number(subject, line)) } else { String::new() };
        text.push_str(&format!("{}  {n}{}\n", now::at(model, ui, line.at), line.text));
    }
    text
}
