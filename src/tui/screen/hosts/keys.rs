//! What the keys of the host picker do. None of them changes a host.

use crate::model::inventory::Inventory;
use crate::state::summary::quoted;
use crate::state::words;
use crate::tui::action::{Action, Effect, Order, Request};
use crate::tui::model::{Model, Reach};
use crate::tui::screen::hosts::index::{Item, Row};
use crate::tui::screen::hosts::{State, command, page, panes, probe, settle};
use crate::tui::ui::{Screen, Shown, Ui};

/// What its keys do.
pub fn update(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    let seen = ui.hosts.cursor.at.clone();
    settle(ui, model);
    let Some(inventory) = model.inventory() else { return without_hosts(ui, model, action) };
    // a key that was meant for one host never hits the one that has just come in its place
    let of_row = matches!(action, Action::Mark | Action::Exclude | Action::Range | Action::Copy);
    if of_row && seen.is_some() && ui.hosts.cursor.at != seen {
        ui.say(model, "The list has just changed: nothing was done. Look again.");
        return Vec::new();
    }
    match action {
        Action::Open => return open(ui, model),
        Action::Reload => return probe(ui, model),
        Action::Copy => return copy(ui),
        Action::CopyCommand => return copy_command(ui, model),
        Action::Plain => return vec![Effect::Plain(page::plain(model, ui))],
        Action::Zoom => ui.hosts.zoomed = !ui.hosts.zoomed,
        Action::NextProblem | Action::PrevProblem => problem(ui, model, inventory, action == Action::NextProblem),
        _ => {
            let said = mark(&mut ui.hosts, action).or_else(|| fold(&mut ui.hosts, action));
            if let Some(said) = said.filter(|said| !said.is_empty()) {
                ui.say(model, said);
            }
            travel(ui, model, action);
        }
    }
    if changes_rows(action) {
        ui.hosts.renew(model, inventory);
    }
    settle(ui, model);
    Vec::new()
}

fn changes_rows(action: Action) -> bool {
    use Action as A;
    let marks = matches!(action, A::Mark | A::MarkAll | A::Invert | A::Range | A::Undo | A::Exclude);
    marks || matches!(action, A::Left | A::Right | A::Plus | A::Minus)
}

fn without_hosts(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Open if model.shelf.inventory.is_some() => ui.go(Screen::Diagnostics(String::new())),
        Action::Open => ui.say(model, "The inventory is still being read."),
        Action::Reload => return vec![Effect::Ask(Request::Reload)],
        _ => {}
    }
    Vec::new()
}

/// Why a key has no meaning now.
pub fn off(ui: &Ui, model: &Model, action: Action) -> Option<String> {
    let why = match action {
        Action::Sort => "hosts stand in the order of the inventory",
        Action::NextMatch | Action::PrevMatch => "the filter shows nothing but what matches",
        Action::NextPane | Action::PrevPane => "the cursor is always in the list",
        Action::Reload if model.sim && model.inventory().is_some() => "the hosts are simulated, there is nothing to probe",
        Action::Mark | Action::MarkAll | Action::Invert | Action::Range | Action::Undo | Action::Exclude | Action::Copy
            if model.inventory().is_none() =>
        {
            "there is no inventory"
        }
        _ => return None,
    };
    Some(format!("{} is off: {why}.", ui.keys.key(action)))
}

/// The preview of the chosen runbook on the selected hosts.
fn open(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    let keys = |ui: &Ui| {
        let key = |action| ui.keys.key(action);
        [key(Action::Mark), key(Action::MarkAll), key(Action::Go(1)), key(Action::Go(4))]
    };
    let [mark, all, books, run] = keys(ui);
    if model.is_live() {
        ui.say(model, format!("A run is live, {run} shows it: it must end before another one begins."));
        return Vec::new();
    }
    if ui.hosts.marks.count() == 0 {
        ui.say(model, format!("no host is selected: {mark} marks one, {all} all shown"));
        return Vec::new();
    }
    let Some(runbook) = ui.runbooks.chosen.clone() else {
        ui.say(model, format!("no runbook is chosen: {books} lists them"));
        return Vec::new();
    };
    let order = Order { runbook, hosts: ui.hosts.chosen.selector.clone(), set: ui.runbooks.set.clone() };
    ui.shown = Shown::Live;
    ui.go(Screen::Preview);
    vec![Effect::Ask(Request::Start(order))]
}

fn probe(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    let hosts = probe::nearest(&ui.hosts, model, page::rows(model, ui));
    if hosts.is_empty() {
        ui.say(model, "All hosts that are shown are being asked.");
        return Vec::new();
    }
    ui.say(model, format!("{} asked for the banner of the SSH server; no login.", are(hosts.len())));
    vec![Effect::Ask(Request::Probe(hosts))]
}

fn are(hosts: usize) -> String {
    format!("{} {}", words::count(hosts, "host"), if hosts == 1 { "is" } else { "are" })
}

fn copy(ui: &Ui) -> Vec<Effect> {
    let (what, text) = match ui.hosts.row() {
        None => return Vec::new(),
        Some(Row::Host(at)) => ("the host's name", ui.hosts.index.names.get(at).map(ToString::to_string)),
        Some(Row::Section(at)) => {
            let section = ui.hosts.index.sections.get(at);
            let text = section.map(|section| match &section.group {
                Some(group) => format!("@{group}"),
                None => section.title().to_owned(),
            });
            ("the group", text)
        }
    };
    text.map(|text| Effect::Copy { what: what.to_owned(), text }).into_iter().collect()
}

fn copy_command(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    if ui.hosts.marks.count() == 0 {
        ui.say(model, "no host is selected, so there is no command yet");
        return Vec::new();
    }
    let selector = ui.hosts.chosen.selector.clone();
    let (what, text) = match &ui.runbooks.chosen {
        Some(_) => ("the command line", command(ui, model, &selector)),
        None => ("the selector", format!("--hosts {}", quoted(&selector))),
    };
    vec![Effect::Copy { what: what.to_owned(), text }]
}

/// Marks, and says what that did where it does not show by itself; none where the key is not about marks.
fn mark(state: &mut State, action: Action) -> Option<String> {
    let row = state.row();
    let shown = |state: &State| -> Vec<usize> { (0..state.index.names.len()).filter(|at| state.filter.shows(*at)).collect() };
    let said = match action {
        Action::Mark => {
            let hosts = row.map(|row| state.index.hosts_of(row, &state.filter)).unwrap_or_default();
            let on = hosts.iter().any(|at| !state.marks.has(*at));
            state.marks.set(hosts, on);
            String::new()
        }
        Action::MarkAll => {
            let hosts = shown(state);
            match state.marks.set(hosts, true) {
                0 => "All hosts that are shown are selected already.".to_owned(),
                n => format!("{} selected.", words::count(n, "more host")),
            }
        }
        Action::Invert => {
            let hosts = shown(state);
            let n = state.marks.flip(hosts);
            format!("{} that are shown were inverted.", words::count(n, "host"))
        }
        Action::Undo => match state.marks.undo() {
            None => "There is no marking to take back.".to_owned(),
            Some(n) => format!("Taken back: {}.", words::count(n, "host")),
        },
        Action::Exclude => drop_host(state, row),
        Action::Range => range(state),
        _ => return None,
    };
    Some(said)
}

fn drop_host(state: &mut State, row: Option<Row>) -> String {
    match row {
        None => String::new(),
        Some(Row::Section(_)) => "This is a group: it is marked and unmarked as a whole by Space.".to_owned(),
        Some(Row::Host(at)) => {
            let name = state.index.names.get(at).map(ToString::to_string).unwrap_or_default();
            match state.marks.set([at], false) {
                0 => format!("{name} is not selected."),
                _ => format!("{name} is not selected any more. Nothing was done to it."),
            }
        }
    }
}

/// The first time remembers the row, the second time marks all between; folded groups count as their hosts.
fn range(state: &mut State) -> String {
    let Some(from) = state.range.take().and_then(|item| state.index.row_of(&item)) else {
        state.range = state.index.item(state.cursor.row);
        return String::new();
    };
    let (first, last) = (from.min(state.cursor.row), from.max(state.cursor.row));
    let rows = state.index.rows.get(first..=last).unwrap_or_default();
    let mut hosts = Vec::new();
    for row in rows {
        match row {
            Row::Section(at) if state.index.sections.get(*at).is_some_and(|section| !section.folded) => {}
            row => hosts.extend(state.index.hosts_of(*row, &state.filter)),
        }
    }
    let n = state.marks.set(hosts, true);
    format!("{} selected.", words::count(n, "more host"))
}

/// Folds and unfolds; none where the key is not about that.
fn fold(state: &mut State, action: Action) -> Option<String> {
    match action {
        Action::Plus | Action::Minus => {
            let groups: Vec<Option<String>> = state.index.sections.iter().map(|section| section.group.clone()).collect();
            state.folds().extend(groups.into_iter().map(|group| (group, action == Action::Minus)));
        }
        Action::Left | Action::Right => {
            let at = match state.row()? {
                Row::Section(at) => at,
                Row::Host(host) => state.index.section(host)?.0,
            };
            let group = state.index.sections.get(at)?.group.clone();
            if action == Action::Left {
                state.cursor.at = Some(Item::Group(group.clone()));
            }
            state.folds().insert(group, action == Action::Left);
        }
        _ => return None,
    }
    Some(String::new())
}

fn travel(ui: &mut Ui, model: &Model, action: Action) {
    let height = page::rows(model, ui);
    let State { cursor, index, .. } = &mut ui.hosts;
    let (count, page) = (index.rows.len(), isize::try_from(height).unwrap_or(1).max(1));
    let by = match action {
        Action::Down => 1,
        Action::Up => -1,
        Action::HalfDown => (page / 2).max(1),
        Action::HalfUp => -(page / 2).max(1),
        Action::PageDown => page,
        Action::PageUp => -page,
        Action::First => isize::MIN,
        Action::Last => isize::MAX,
        _ => return,
    };
    cursor.by(by, count, height, |row| index.item(row));
}

/// To the next host that does not answer or did not end well the last time.
fn problem(ui: &mut Ui, model: &Model, inventory: &Inventory, forward: bool) {
    let height = page::rows(model, ui);
    let State { cursor, index, .. } = &mut ui.hosts;
    let is_bad = |row: &usize| {
        let Some(Row::Host(at)) = index.rows.get(*row) else { return false };
        let Some(host) = inventory.hosts.get(*at) else { return false };
        let down = matches!(model.reach.get(&host.name), Some(Reach::Down { .. }));
        down || model.shelf.last.get(&host.name).is_some_and(|last| panes::class(last.outcome).is_problem())
    };
    let found = if forward { (cursor.row + 1..index.rows.len()).find(is_bad) } else { (0..cursor.row).rev().find(is_bad) };
    match found {
        Some(row) => cursor.to(row, index.rows.len(), height, |row| index.item(row)),
        None => ui.say(model, if forward { "No problem below." } else { "No problem above." }),
    }
}
