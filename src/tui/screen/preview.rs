//! What the run would do: plans, what they rest on, what cannot be undone.

mod again;
pub(super) mod closes;
mod find;
mod look;
mod looking;
mod matrix;
mod place;
mod plan;
mod rows;
pub(super) mod side;
pub(super) mod text;

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::id::{HostName, RunId};
use crate::model::outcome::Risk;
use crate::model::time::Timestamp;
use crate::model::visible::visible;
use crate::state::foreseen::Foreseen;
use crate::state::words;
use crate::tui::action::{Action, Effect, Request};
use crate::tui::list::Cursor;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::confirm;
use crate::tui::screen::preview::rows::{Item, Row};
use crate::tui::ui::{Panel, Screen, Shown, Ui};
use crate::tui::view::frame::{Badge, Frame, WIDE};

pub(super) use crate::tui::screen::preview::plan::age;

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    /// The plans, folded once when they are complete.
    pub(super) seen: Foreseen,
    /// Of which run, and when it was complete.
    of: Option<(RunId, Timestamp)>,
    rows: Vec<Row>,
    /// The first hosts of the groups that are unfolded.
    unfolded: BTreeSet<HostName>,
    cursor: Cursor<Item>,
    /// Only what differs from the largest other plan.
    diff: bool,
    /// The plan under the cursor takes the whole screen.
    zoomed: bool,
    /// The first line of the plan that is shown.
    scroll: usize,
    find: String,
    /// The run whose preview the person is looking at: when it goes on, so does the screen.
    waits: Option<RunId>,
    /// The run that was ended to be previewed anew.
    again: Option<RunId>,
}

impl State {
    fn row(&self) -> Option<Row> {
        self.rows.get(self.cursor.row).copied()
    }
}

/// The texts of the frame.
pub fn frame(model: &Model, ui: &Ui) -> Frame {
    let Some(watched) = ui.watched(model) else { return Frame { place: "Preview".to_owned(), ..Frame::default() } };
    let run = &watched.run;
    let name = run.runbook.as_ref().map(|book| format!("{} › ", book.name)).unwrap_or_default();
    let badge = Badge { protected: watched.protected, hosts: run.order.len(), what: "" };
    let mut keys = Vec::new();
    match () {
        () if watched.waits_to_be_confirmed() && ui.shown == Shown::Live => keys.push((Action::Open, "confirm")),
        () if goes_on(ui, watched) => keys.push((Action::Open, "run")),
        () => {}
    }
    let (diff, complete) = (if ui.preview.diff { "plan" } else { "diff" }, !ui.preview.rows.is_empty());
    if complete {
        keys.extend([(Action::NextPane, diff), (Action::NextProblem, "next plan"), (Action::Right, "hosts")]);
    }
    if again::off(ui, model, "").is_none() {
        keys.extend(complete.then_some((Action::Exclude, "drop")));
        keys.push((Action::Reload, "check again"));
    }
    if run.runbook.is_some() {
        keys.push((Action::CopyCommand, "CLI"));
    }
    if complete {
        keys.extend([(Action::Zoom, "zoom"), (Action::Export, "save plan")]);
        keys.extend([(Action::Plain, "plain"), (Action::Search, "search")]);
    }
    keys.push((Action::Back, "back"));
    Frame { place: format!("{name}Preview"), badge, hint: hint(ui, watched), keys }
}

fn hint(ui: &Ui, watched: &Watched) -> String {
    let run = &watched.run;
    let long = ui.size.0 >= 80;
    let text = match () {
        () if matches!(ui.shown, Shown::Recorded(_)) => "This is what was foreseen; nothing is looked at again.",
        () if run.declined.is_some() || (run.is_over() && run.begun.is_empty()) => {
            "This run has ended and nothing was changed. r looks again."
        }
        () if watched.is_past_preview() => "This is what was foreseen before the run; Enter shows the run.",
        () if run.summary.is_none() => "It looks at all hosts and changes nothing.",
        () if goes_on(ui, watched) && left_out(watched) => "No host can be changed: nothing is asked, the run ends by itself.",
        () if goes_on(ui, watched) => "Nothing is to be changed: nothing is asked, the run goes on by itself. Enter shows it.",
        () if long => "? = known only after an earlier step has run. No step is skipped silently.",
        () => "? = known only after an earlier step has run.",
    };
    text.to_owned()
}

/// Whether the run goes on by itself, or has.
fn goes_on(ui: &Ui, watched: &Watched) -> bool {
    let run = &watched.run;
    let live = ui.shown == Shown::Live && watched.is_live() && run.declined.is_none();
    live && run.summary.is_some() && (run.asked.is_none() || run.confirmed.is_some() || watched.is_past_preview())
}

/// Whether every host refuses or cannot be reached.
fn left_out(watched: &Watched) -> bool {
    let Some(summary) = &watched.run.summary else { return false };
    summary.unreachable_hosts + summary.refused_hosts >= watched.run.order.len()
}

/// What is going on while a run is previewed or waits to be confirmed; none at any other time.
pub fn now(model: &Model, ui: &Ui) -> Option<String> {
    let live = model.live.as_ref().filter(|live| live.is_live() && !live.is_past_preview())?;
    let run = &live.run;
    if run.confirmed.is_some() || run.risk == Some(Risk::ReadOnly) && !run.dry_run || run.started.is_none() {
        return None;
    }
    if run.declined.is_some() || run.stopping.is_some() {
        return Some("Nothing has been changed. The preview is being ended.".to_owned());
    }
    if let Some(Panel::Confirm(_)) = ui.panel {
        let what = if run.asked.as_ref().is_some_and(|asked| asked.phrase.is_some()) { "the phrase" } else { "y" };
        return Some(format!("Nothing has been changed. Waiting for you to type {what}, or Esc."));
    }
    let Some(summary) = &run.summary else { return Some(looking(live)) };
    let took = run.started.map_or_else(String::new, |started| words::took(summary.at.since(started)));
    let age = plan::age(model.now, summary.at);
    let mut text = format!("Nothing has been changed. Read-only checks took {took}; plan is {age} old.");
    if ui.size.0 >= WIDE {
        text.push_str(" Each host is checked again right before it changes.");
    }
    Some(text)
}

fn looking(live: &Watched) -> String {
    let looked = &live.looked;
    let (hosts, answered, down) = (looked.hosts(), looked.answered(), looked.down());
    let down = if down > 0 { format!(", {down} down") } else { String::new() };
    if answered < hosts {
        return format!("Nothing has been changed. Read-only checks: {answered} of {hosts} answered{down}.");
    }
    format!("Nothing has been changed. Read-only checks: {} of {hosts} done{down}.", looked.done())
}

/// Paints it.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    if let Some(watched) = ui.watched(model) {
        look::draw(buf, area, model, ui, watched);
    }
}

/// What its keys do.
pub fn update(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    let Some(watched) = ui.watched(model) else { return Vec::new() };
    match action {
        Action::Open => return enter(ui, model, watched),
        Action::Reload => return again::check_again(ui, model),
        Action::Exclude => return again::drop_hosts(ui, model),
        Action::NextPane | Action::PrevPane => {
            ui.preview.diff = !ui.preview.diff;
            ui.preview.scroll = 0;
        }
        Action::Zoom => ui.preview.zoomed = !ui.preview.zoomed,
        Action::Left | Action::Right => fold(ui, watched, action == Action::Right),
        Action::Plus | Action::Minus => fold_all(ui, watched, action == Action::Plus),
        Action::NextMatch | Action::PrevMatch => find::find(ui, model, watched, action == Action::NextMatch, false),
        Action::Export => {
            let run = watched.run.run.clone();
            let name = format!("plan-{}.txt", run.as_ref().map_or_else(String::new, ToString::to_string));
            return vec![Effect::Ask(Request::Export { name, text: Some(plan::as_text(model, ui, watched)), run })];
        }
        Action::Plain => return vec![Effect::Plain(plan::as_text(model, ui, watched))],
        Action::CopyCommand => {
            let what = match ui.shown {
                Shown::Live => "the command line",
                Shown::Recorded(_) => "the command line, without variables that were set",
            };
            return vec![Effect::Copy { what: what.to_owned(), text: again::command(model, ui, watched) }];
        }
        Action::Copy => {
            let Some(row) = ui.preview.row() else { return Vec::new() };
            let hosts = words::hosts(rows::hosts(&watched.run, &ui.preview.seen, row), usize::MAX);
            let text = format!("{hosts}: {}", rows::would(&watched.run, &ui.preview.seen, row));
            return vec![Effect::Copy { what: "the plan in one line".to_owned(), text: visible(&text).into_owned() }];
        }
        _ => travel(ui, model, watched, action),
    }
    Vec::new()
}

/// Opens the question whether to go on; where there is none, says why or shows the run.
fn enter(ui: &mut Ui, model: &Model, watched: &Watched) -> Vec<Effect> {
    if ui.shown == Shown::Live && watched.waits_to_be_confirmed() {
        return ui.open(model, Panel::Confirm(confirm::State::default()));
    }
    if goes_on(ui, watched) || watched.is_past_preview() {
        ui.go(Screen::Run);
        return Vec::new();
    }
    let why = match () {
        () if matches!(ui.shown, Shown::Recorded(_)) => "This is a record: nothing can be confirmed.".to_owned(),
        () if watched.run.declined.is_some() || !watched.is_live() => "This run has ended: r looks again.".to_owned(),
        () => {
            let silent = watched.looked.hosts() - watched.looked.answered();
            match silent {
                0 => "The plan is not complete yet: the hosts are still being looked at.".to_owned(),
                n => format!("The plan is not complete yet: {} not answered.", have(n)),
            }
        }
    };
    ui.say(model, why);
    Vec::new()
}

fn have(hosts: usize) -> String {
    format!("{} {}", words::count(hosts, "host"), if hosts == 1 { "has" } else { "have" })
}

/// Moves the cursor; where the plan has the whole screen, scrolls it.
fn travel(ui: &mut Ui, model: &Model, watched: &Watched, action: Action) {
    let panes = place::of_terminal(model, ui, watched);
    let page = usize::from(if ui.preview.zoomed { panes.details.height.saturating_sub(1) } else { panes.list.height }).max(1);
    let (page, half) = (page.cast_signed(), (page / 2).max(1).cast_signed());
    let by = match action {
        Action::Down => 1,
        Action::Up => -1,
        Action::HalfDown => half,
        Action::HalfUp => -half,
        Action::PageDown => page,
        Action::PageUp => -page,
        Action::First => isize::MIN,
        Action::Last => isize::MAX,
        Action::NextProblem | Action::PrevProblem => return to_plan(ui, model, watched, action == Action::NextProblem),
        _ => return,
    };
    if ui.preview.zoomed {
        ui.preview.scroll = ui.preview.scroll.saturating_add_signed(by);
        return;
    }
    let row = ui.preview.cursor.row.saturating_add_signed(by);
    to_row(ui, model, watched, row);
}

fn to_row(ui: &mut Ui, model: &Model, watched: &Watched, row: usize) {
    let count = ui.preview.rows.len();
    let height = usize::from(place::of_terminal(model, ui, watched).list.height);
    let State { rows, seen, cursor, scroll, .. } = &mut ui.preview;
    let before = cursor.row;
    cursor.to(row, count, height, |row| rows::item(&watched.run, seen, *rows.get(row)?));
    if cursor.row != before {
        *scroll = 0;
    }
}

/// To the next or previous group.
fn to_plan(ui: &mut Ui, model: &Model, watched: &Watched, next: bool) {
    let at = ui.preview.cursor.row;
    let is_group = |row: &usize| ui.preview.rows.get(*row).is_some_and(|row| row.host.is_none());
    let found = if next { (at + 1..ui.preview.rows.len()).find(is_group) } else { (0..at).rev().find(is_group) };
    match found {
        Some(row) => to_row(ui, model, watched, row),
        None => ui.say(model, if next { "There is no further plan." } else { "There is no plan before." }),
    }
}

fn fold(ui: &mut Ui, watched: &Watched, unfold: bool) {
    let Some(item) = ui.preview.cursor.at.clone() else { return };
    let Some(group) = &item.group else { return };
    if unfold {
        ui.preview.unfolded.insert(group.clone());
    } else {
        ui.preview.unfolded.remove(group);
        ui.preview.cursor.at = Some(Item { host: None, ..item });
    }
    relist(ui, watched);
}

fn fold_all(ui: &mut Ui, watched: &Watched, unfold: bool) {
    ui.preview.unfolded.clear();
    if unfold {
        ui.preview.unfolded.extend(watched.run.groups.iter().filter_map(|group| group.hosts.first().cloned()));
    } else if let Some(item) = &mut ui.preview.cursor.at {
        item.host = None;
    }
    relist(ui, watched);
}

fn relist(ui: &mut Ui, watched: &Watched) {
    let State { rows, seen, unfolded, cursor, .. } = &mut ui.preview;
    *rows = rows::rows(&watched.run, seen, |first| unfolded.contains(first));
    let place = |item: &Item| rows.iter().position(|row| rows::item(&watched.run, seen, *row).as_ref() == Some(item));
    cursor.follow(rows.len(), rows.len(), place, |row| rows::item(&watched.run, seen, *rows.get(row)?));
}

/// What was typed after `/`.
pub fn search(ui: &mut Ui, model: &Model, text: &str, done: bool) -> Vec<Effect> {
    ui.preview.find = text.to_lowercase();
    if let Some(watched) = ui.watched(model)
        && !text.is_empty()
    {
        find::find(ui, model, watched, true, true);
    }
    let _ = done;
    Vec::new()
}

/// Why a key has no meaning now.
pub fn off(ui: &Ui, model: &Model, action: Action) -> Option<String> {
    match action {
        Action::Exclude => again::off(ui, model, "X"),
        Action::Reload => again::off(ui, model, "r"),
        Action::Export | Action::Plain | Action::Copy if ui.preview.rows.is_empty() => {
            Some(format!("{} is off: there is no plan yet.", ui.keys.key(action)))
        }
        Action::CopyCommand if ui.watched(model).is_none_or(|watched| watched.run.runbook.is_none()) => {
            Some(format!("{} is off: the run is being planned.", ui.keys.key(action)))
        }
        Action::Sort => Some("s is off: the most dangerous plan is always first.".to_owned()),
        _ => None,
    }
}

/// Follows what has changed.
pub fn settle(ui: &mut Ui, model: &Model) {
    go_on(ui, model);
    let Some(watched) = ui.watched(model) else {
        (ui.preview.of, ui.preview.seen) = (None, Foreseen::default());
        ui.preview.rows.clear();
        return;
    };
    let of = watched.run.run.clone().zip(watched.run.summary.as_ref().map(|summary| summary.at));
    if of != ui.preview.of {
        ui.preview.seen = if of.is_some() { Foreseen::of(&watched.run) } else { Foreseen::default() };
        ui.preview.of = of;
        if ui.preview.of.is_some() {
            relist(ui, watched);
        } else {
            ui.preview.rows.clear();
        }
    }
    let row = ui.preview.cursor.row;
    if !ui.preview.rows.is_empty() {
        to_row(ui, model, watched, row);
    }
    let lines =
        if ui.preview.scroll > 0 { ui.preview.row().map_or(0, |row| look::plan_of(model, ui, watched, row).len()) } else { 0 };
    let room = place::of_terminal(model, ui, watched).details.height.saturating_sub(1);
    ui.preview.scroll = ui.preview.scroll.min(lines.saturating_sub(usize::from(room)));
}

/// The plan was confirmed: the next one that is looked at is that of another run.
pub fn confirmed(ui: &mut Ui) {
    ui.preview.waits = None;
}

/// When a run whose preview was being looked at goes on, so does the screen; later the preview can be looked at again.
fn go_on(ui: &mut Ui, model: &Model) {
    if ui.shown != Shown::Live {
        return;
    }
    let Some(live) = &model.live else { return };
    if !live.is_past_preview() {
        ui.preview.waits = if live.is_live() { live.run.run.clone() } else { None };
        return;
    }
    let only_looks = live.run.groups.is_empty();
    let waited = ui.preview.waits.is_some() && ui.preview.waits == live.run.run;
    let busy = ui.typing.is_some() || matches!(&ui.panel, Some(panel) if !matches!(panel, Panel::Confirm(_)));
    if busy || !(only_looks || waited) {
        return;
    }
    ui.preview.waits = None;
    ui.go(Screen::Run);
    if only_looks {
        ui.back.retain(|screen| *screen != Screen::Preview);
        ui.say(model, "This runbook only looks: there is no preview.");
    }
}
