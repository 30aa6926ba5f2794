//! What the keys of the screen do. None of them changes a host.

use crate::model::hostset;
use crate::model::id::HostName;
use crate::state::class::Class;
use crate::state::fleet::GroupKey;
use crate::state::words::count;
use crate::tui::action::{Action, Effect, Request};
use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::layout::Layout;
use crate::tui::screen::run::order::{Order, order};
use crate::tui::screen::run::rows::Item;
use crate::tui::screen::run::{Finding, Pane, SUBJECT, Sort, export, hosts_of, lower, nearest, rows, settle};
use crate::tui::ui::{Screen, Ui};

/// What its keys do.
pub fn update(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    // a key is about what is there now
    settle(ui, model);
    let Some(watched) = ui.watched(model) else { return Vec::new() };
    if let Some(steps) = movement(action, Layout::of(ui, model, watched), ui.run.pane) {
        go(ui, model, watched, steps);
        return Vec::new();
    }
    match action {
        Action::NextProblem | Action::PrevProblem => problem(ui, watched, action),
        Action::NextMatch | Action::PrevMatch => next_match(ui, model, watched, action == Action::NextMatch),
        Action::Open => open(ui, watched),
        Action::Right => unfold(ui, model, watched),
        Action::Left => fold(ui, model, watched),
        Action::Plus => detail(ui, watched, true),
        Action::Minus => detail(ui, watched, false),
        Action::NextPane => pane(ui, model, watched, 1),
        Action::PrevPane => pane(ui, model, watched, 2),
        Action::Zoom => ui.run.zoom = !ui.run.zoom,
        Action::Wrap => ui.run.wrap = !ui.run.wrap,
        Action::Follow => follow(ui, model, watched),
        Action::Sort => sort(ui, model, watched),
        Action::Only => only(ui, watched),
        Action::Copy => return copy(ui, model, watched),
        Action::CopyCommand => return copy_command(ui, model, watched),
        Action::Plain => return vec![Effect::Plain(export::pane(ui, model, watched))],
        Action::Export => {
            let run = watched.run.run.clone();
            let id = run.as_ref().map_or_else(String::new, ToString::to_string);
            let text = Some(export::list(ui, model, watched));
            return vec![Effect::Ask(Request::Export { name: format!("run-{id}.txt"), text, run })];
        }
        _ => {}
    }
    Vec::new()
}

/// By how many rows a key moves; the first and the last row are further away than any.
fn movement(action: Action, layout: Layout, pane: Pane) -> Option<isize> {
    let rows = if pane == Pane::Log { layout.log.saturating_sub(1) } else { layout.list };
    let page = isize::try_from(rows.max(2)).unwrap_or(isize::MAX);
    Some(match action {
        Action::Down => 1,
        Action::Up => -1,
        Action::HalfDown => page / 2,
        Action::HalfUp => -page / 2,
        Action::PageDown => page,
        Action::PageUp => -page,
        Action::First => isize::MIN,
        Action::Last => isize::MAX,
        _ => return None,
    })
}

fn go(ui: &mut Ui, model: &Model, watched: &Watched, by: isize) {
    match ui.run.pane {
        Pane::List => {
            let height = Layout::of(ui, model, watched).list;
            let rows = rows(ui, watched);
            let mut cursor = ui.run.cursor.clone();
            cursor.by(by, rows.count(), height, |row| rows.item(row));
            (ui.run.cursor, ui.run.moved) = (cursor, true);
        }
        Pane::Log => {
            let content = lower::content(ui, model, watched, usize::from(ui.size.0));
            let last = content.lines.len().saturating_sub(1);
            let line = content.cursor(ui.run.line).saturating_add_signed(by).min(last);
            ui.run.line = Some(line).filter(|line| *line < last || !content.grows);
        }
        Pane::Side => {
            let last = watched.trail.lines().len().saturating_sub(1);
            ui.run.events = ui.run.events.saturating_add_signed(by).min(last);
        }
    }
}

/// Puts the cursor on something; it stays there.
fn to(ui: &mut Ui, watched: &Watched, item: Item) {
    ui.run.moved = true;
    if rows(ui, watched).row_of(&item).is_none() {
        let near = nearest(&rows(ui, watched), watched, Some(&item));
        ui.run.cursor.at = Some(near.unwrap_or(item));
        return;
    }
    ui.run.cursor.at = Some(item);
}

/// Where the cursor is in the fleet: the host, or the first one of the row.
fn place(ui: &Ui, watched: &Watched) -> Option<usize> {
    let first = hosts_of(watched, ui.run.cursor.at.as_ref()?, 1);
    watched.fleet.place(first.first()?)
}

fn problem(ui: &mut Ui, watched: &Watched, action: Action) {
    let fleet = &watched.fleet;
    let forth = action == Action::NextProblem;
    let here = place(ui, watched);
    if let Some(Item::Group(key)) = ui.run.cursor.at.clone() {
        if let Some(key) = problem_group(watched, &key, forth) {
            to(ui, watched, Item::Group(key));
        }
        return;
    }
    let next = if forth { fleet.next_problem(here) } else { fleet.previous_problem(here) };
    if let Some(name) = next.and_then(|place| fleet.name(place)).cloned() {
        ui.run.only = None;
        to(ui, watched, Item::Host(name));
    }
}

/// The next folded row that needs a person, and after the last one the first again; they all stand on top.
fn problem_group(watched: &Watched, from: &GroupKey, forth: bool) -> Option<GroupKey> {
    let fleet = &watched.fleet;
    let needs = |key: &GroupKey| key.class.is_problem() || key.class == Class::Held;
    let groups = fleet.group_rows(0, fleet.groups());
    let keys: Vec<&GroupKey> = groups.into_iter().map(|row| row.key).take_while(|key| needs(key)).collect();
    let here = keys.iter().position(|key| *key == from);
    let next = match (here, forth) {
        (None, true) => 0,
        (None, false) => keys.len().checked_sub(1)?,
        (Some(at), true) => (at + 1) % keys.len(),
        (Some(at), false) => (at + keys.len() - 1) % keys.len(),
    };
    keys.get(next).map(|key| (*key).clone())
}

fn open(ui: &mut Ui, watched: &Watched) {
    match ui.run.cursor.at.clone() {
        Some(Item::Host(name)) => {
            ui.run.moved = true;
            ui.go(Screen::Host(name));
        }
        Some(item @ (Item::Group(_) | Item::Step(_))) => {
            if !ui.run.unfolded.remove(&item) {
                ui.run.unfolded.insert(item.clone());
            }
            to(ui, watched, item);
        }
        Some(Item::Between) | None => {}
    }
}

fn unfold(ui: &mut Ui, model: &Model, watched: &Watched) {
    match ui.run.cursor.at.clone() {
        Some(item @ (Item::Group(_) | Item::Step(_))) if ui.run.pane == Pane::List && !ui.run.unfolded.contains(&item) => {
            ui.run.unfolded.insert(item.clone());
            to(ui, watched, item);
        }
        _ => pane(ui, model, watched, 1),
    }
}

fn fold(ui: &mut Ui, model: &Model, watched: &Watched) {
    let folded = ui.run.is_folded(&watched.fleet, ui.size);
    let parent = match ui.run.cursor.at.clone() {
        Some(item) if ui.run.unfolded.contains(&item) => Some(item),
        Some(Item::Host(name)) if folded => {
            let key = watched.fleet.place(&name).and_then(|place| watched.fleet.group_of(place));
            key.cloned().map(Item::Group)
        }
        Some(Item::Step(_) | Item::Between) => running(watched),
        _ => None,
    };
    match parent.filter(|_| ui.run.pane == Pane::List) {
        Some(item) => {
            ui.run.unfolded.remove(&item);
            to(ui, watched, item);
        }
        None => pane(ui, model, watched, 2),
    }
}

/// The row of the running hosts.
fn running(watched: &Watched) -> Option<Item> {
    let groups = watched.fleet.group_rows(0, watched.fleet.groups());
    groups.into_iter().find(|row| row.key.class == Class::Running).map(|row| Item::Group(row.key.clone()))
}

/// A row a host, or folded rows.
fn detail(ui: &mut Ui, watched: &Watched, hosts: bool) {
    if !hosts && ui.run.is_folded(&watched.fleet, ui.size) {
        ui.run.unfolded.clear();
    }
    ui.run.detail = Some(hosts);
    if let Some(item) = ui.run.cursor.at.clone().filter(|_| ui.run.moved) {
        to(ui, watched, item);
    }
}

/// The panes that are on the screen, in their order.
pub(super) fn panes(ui: &Ui, model: &Model, watched: &Watched) -> Vec<Pane> {
    let zoomed = ui.run.zoom;
    let layout = Layout::of(ui, model, watched);
    let mut panes = vec![Pane::List];
    if layout.log > 0 || zoomed {
        panes.push(Pane::Log);
    }
    if layout.side > 0 || zoomed {
        panes.push(Pane::Side);
    }
    panes
}

fn pane(ui: &mut Ui, model: &Model, watched: &Watched, by: usize) {
    let panes = panes(ui, model, watched);
    let here = panes.iter().position(|pane| *pane == ui.run.pane).unwrap_or_default();
    let by = if by == 1 { 1 } else { panes.len() - 1 };
    ui.run.pane = panes[(here + by) % panes.len()];
}

/// The log follows or stays; the list stays as it is or sorts again.
fn follow(ui: &mut Ui, model: &Model, watched: &Watched) {
    if ui.run.pane == Pane::Log {
        let content = lower::content(ui, model, watched, usize::from(ui.size.0));
        ui.run.line = if ui.run.line.is_some() || !content.grows { None } else { Some(content.cursor(None)) };
        return;
    }
    if ui.run.frozen.take().is_some() {
        ui.run.order = order(watched, ui.run.sort, model.now);
        return;
    }
    let fleet = &watched.fleet;
    let groups = fleet.group_rows(0, fleet.groups());
    ui.run.frozen = Some(groups.into_iter().enumerate().map(|(n, row)| (row.key.clone(), n)).collect());
    if ui.run.order.is_none() {
        ui.run.order = Some((Order::of(fleet.rows(0, fleet.len())), model.now));
    }
}

fn sort(ui: &mut Ui, model: &Model, watched: &Watched) {
    let (sort, word) = match ui.run.sort {
        Sort::Problems => (Sort::Name, "by name"),
        Sort::Name => (Sort::Time, "longest first"),
        Sort::Time => (Sort::Problems, "problems first"),
    };
    ui.run.sort = sort;
    ui.run.order = order(watched, sort, model.now);
    if ui.run.frozen.is_some() && ui.run.order.is_none() {
        let fleet = &watched.fleet;
        ui.run.order = Some((Order::of(fleet.rows(0, fleet.len())), model.now));
    }
    ui.say(model, format!("Sorted: {word}."));
}

fn only(ui: &mut Ui, watched: &Watched) {
    let at = ui.run.cursor.at.clone();
    ui.run.only = match (ui.run.only.take(), at) {
        (Some(_), _) => None,
        (None, at) => at.filter(|item| matches!(item, Item::Host(_) | Item::Group(_))),
    };
    if let Some(item) = ui.run.cursor.at.clone() {
        to(ui, watched, item);
    }
}

fn copied(what: &str, text: String) -> Vec<Effect> {
    vec![Effect::Copy { what: what.to_owned(), text }]
}

/// The hosts of the row, as a set.
fn host_set(ui: &Ui, watched: &Watched) -> Vec<Effect> {
    let Some(item) = &ui.run.cursor.at else { return Vec::new() };
    let names = hosts_of(watched, item, SUBJECT);
    if names.is_empty() { Vec::new() } else { copied(&count(names.len(), "host"), hostset::fold(&names)) }
}

fn copy(ui: &mut Ui, model: &Model, watched: &Watched) -> Vec<Effect> {
    match (ui.run.pane, &ui.run.cursor.at) {
        (Pane::List, Some(Item::Host(name))) => copied("the host's name", name.to_string()),
        (Pane::List, _) => host_set(ui, watched),
        (Pane::Log, _) => {
            let content = lower::content(ui, model, watched, usize::from(ui.size.0));
            let line = content.lines.get(content.cursor(ui.run.line));
            line.map(|line| copied("the line", line.text.clone().into_owned())).unwrap_or_default()
        }
        (Pane::Side, _) => {
            let line = watched.trail.lines().rev().nth(ui.run.events);
            line.map(|line| copied("the event", line.text.clone())).unwrap_or_default()
        }
    }
}

fn copy_command(ui: &Ui, model: &Model, watched: &Watched) -> Vec<Effect> {
    let Some(run) = &watched.run.run else { return Vec::new() };
    let host = match &ui.run.cursor.at {
        Some(Item::Host(name)) => format!(" {name}"),
        Some(_) if ui.run.pane == Pane::List => return host_set(ui, watched),
        _ => String::new(),
    };
    copied("the command line", format!("runbook show {run}{host}{}", model.shelf.record_flags))
}

/// What was typed after `/`: the cursor goes to the first host of this name while it is typed.
pub fn search(ui: &mut Ui, model: &Model, text: &str, done: bool) -> Vec<Effect> {
    settle(ui, model);
    let Some(watched) = ui.watched(model) else { return Vec::new() };
    if done && text.is_empty() {
        if let Some(before) = ui.run.finding.take() {
            (ui.run.cursor, ui.run.unfolded, ui.run.detail) = (before.cursor, before.unfolded, before.detail);
        }
        return Vec::new();
    }
    if ui.run.finding.is_none() {
        let (cursor, unfolded) = (ui.run.cursor.clone(), ui.run.unfolded.clone());
        ui.run.finding = Some(Finding { cursor, unfolded, detail: ui.run.detail });
    }
    ui.run.found = text.to_lowercase();
    let found = find(watched, &ui.run.found, None, true);
    match found.filter(|_| !text.is_empty()) {
        Some(name) => show(ui, watched, name),
        None if done => ui.say(model, format!("No host of this run has {text} in its name.")),
        None => {}
    }
    if done {
        ui.run.finding = None;
    }
    Vec::new()
}

/// The next host, in run order, with a text in its name; after the last one the first again.
fn find(watched: &Watched, text: &str, after: Option<usize>, forth: bool) -> Option<HostName> {
    let all = watched.fleet.len();
    let from = after.map_or(0, |place| if forth { place + 1 } else { place + all - 1 });
    let at = |n: usize| if forth { (from + n) % all } else { (from + all - n) % all };
    let names = (0..all).filter_map(|n| watched.fleet.name(at(n)));
    let mut hits = names.filter(|name| name.as_str().to_lowercase().contains(text));
    hits.next().cloned()
}

fn next_match(ui: &mut Ui, model: &Model, watched: &Watched, forth: bool) {
    if ui.run.found.is_empty() {
        return ui.say(model, "Nothing was looked for: / finds a host.");
    }
    let here = place(ui, watched);
    match find(watched, &ui.run.found, here, forth) {
        Some(name) => show(ui, watched, name),
        None => ui.say(model, "No host of this run has that in its name."),
    }
}

/// Puts the cursor on a host, which may be in a folded row.
fn show(ui: &mut Ui, watched: &Watched, name: HostName) {
    let fleet = &watched.fleet;
    ui.run.only = None;
    let group = fleet.place(&name).and_then(|place| fleet.group_of(place));
    if let Some(key) = group.filter(|_| ui.run.is_folded(fleet, ui.size)) {
        if key.class == Class::Running {
            // these unfold to steps: only a row a host is sure to show it
            ui.run.detail = Some(true);
        } else {
            ui.run.unfolded.insert(Item::Group(key.clone()));
        }
    }
    to(ui, watched, Item::Host(name));
}
