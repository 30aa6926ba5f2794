//! The recorded runs.

mod compare;
mod details;
mod table;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::id::RunId;
use crate::model::outcome::{HostOutcome, RunState as EndState};
use crate::state::words;
use crate::tui::action::{Action, Effect, Order, Request};
use crate::tui::list::Cursor;
use crate::tui::model::{Model, Ran};
use crate::tui::screen::history::compare::Comparison;
use crate::tui::screen::history::details::Known;
use crate::tui::ui::{Screen, Shown, Ui};
use crate::tui::view::frame::{Badge, Frame};
use crate::tui::view::moves;

/// So many runs can be marked: two are compared.
const MARKS: usize = 2;

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    /// The run under the cursor.
    cursor: Cursor<RunId>,
    /// The runs that are shown, by their places on the shelf, in their order.
    shown: Vec<usize>,
    /// What is typed to narrow the list down.
    filter: String,
    sort: Sort,
    /// At most two.
    marks: Vec<RunId>,
    /// The two runs that are compared, the older one first.
    comparing: Option<(RunId, RunId)>,
    /// What they differ in, once they were read.
    compared: Option<Comparison>,
    /// The first row of it on the screen.
    scroll: usize,
    /// What the record of the run under the cursor says, where it was read.
    known: Option<Known>,
}

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sort {
    /// Newest first.
    #[default]
    When,
    /// By the runbook's name, of one runbook the newest first.
    Runbook,
    /// What did not end ok first, of equals the newest first.
    Result,
}

impl Sort {
    fn next(self) -> Self {
        match self {
            Sort::When => Sort::Runbook,
            Sort::Runbook => Sort::Result,
            Sort::Result => Sort::When,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Sort::When => "newest first",
            Sort::Runbook => "by runbook",
            Sort::Result => "problems first",
        }
    }
}

/// The run under the cursor.
fn current<'m>(model: &'m Model, ui: &Ui) -> Option<&'m Ran> {
    let at = *ui.history.shown.get(ui.history.cursor.row)?;
    model.shelf.runs.get(at)
}

/// Whether a person should look at a run: it did not end ok, or has something open.
fn needs_a_look(ran: &Ran) -> bool {
    let ended_badly = match ran.state {
        Some(state) => !matches!(state, EndState::Ok | EndState::Pending) && !ran.unconfirmed,
        None => !ran.running && !ran.unconfirmed,
    };
    ended_badly || !ran.open.is_empty()
}

/// The texts of the frame.
pub fn frame(model: &Model, ui: &Ui) -> Frame {
    let (state, shelf) = (&ui.history, &model.shelf);
    let badge = Badge { protected: 0, hosts: shelf.runs_recorded, what: if shelf.runs_recorded == 1 { "run" } else { "runs" } };
    if let Some((one, other)) = &state.comparing {
        let keys =
            vec![(Action::Back, "back to the list"), (Action::Down, "down"), (Action::Up, "up"), (Action::Plain, "plain text")];
        let hint = "Two records side by side; nothing here changes a host.".to_owned();
        return Frame { place: format!("History › {one} and {other}"), badge, hint, keys };
    }
    let filter = if state.filter.is_empty() { String::new() } else { format!(" with \"{}\"", state.filter) };
    let marked = match state.marks.len() {
        0 => String::new(),
        1 => "  1 marked: one more, then they can be compared".to_owned(),
        _ => format!("  2 marked: {} compares them", ui.keys.key(Action::Compare)),
    };
    let hint =
        format!("{} of {}{filter}, {}.{marked}", state.shown.len(), words::count(shelf.runs_recorded, "run"), state.sort.word());
    let keys = vec![
        (Action::Open, "timeline"),
        (Action::Retry, "retry the rest"),
        (Action::Mark, "mark"),
        (Action::Compare, "compare"),
        (Action::OpenItems, "open"),
        (Action::Search, "filter"),
        (Action::Sort, "sort"),
        (Action::Export, "export"),
        (Action::NextProblem, "next problem"),
        (Action::Reload, "read again"),
        (Action::CopyCommand, "command line"),
    ];
    Frame { place: "History".to_owned(), badge, hint, keys }
}

/// Paints it.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    if ui.history.comparing.is_some() {
        return compare::draw(buf, area, ui);
    }
    table::draw(buf, area, model, ui);
}

/// What its keys do.
pub fn update(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    if let Some(comparison) = ui.history.comparing.as_ref().map(|_| ui.history.compared.as_ref()) {
        return match (action, comparison) {
            (Action::Plain, Some(comparison)) => vec![Effect::Plain(comparison.text())],
            _ => scroll(ui, action),
        };
    }
    if let Some(rows) = moves::rows(action, table::height(model, ui)) {
        let row = ui.history.cursor.row.saturating_add_signed(rows);
        go(ui, model, row);
        return Vec::new();
    }
    match action {
        Action::Open => open(ui, model),
        Action::Retry => retry(ui, model),
        Action::Compare => compare(ui, model),
        Action::Reload => vec![Effect::Ask(Request::Reload)],
        Action::Copy | Action::CopyCommand | Action::Plain | Action::Export => out(ui, model, action),
        action => change(ui, model, action),
    }
}

fn change(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    match action {
        Action::NextProblem | Action::PrevProblem | Action::NextMatch | Action::PrevMatch => {
            let problem = matches!(action, Action::NextProblem | Action::PrevProblem);
            seek(ui, model, matches!(action, Action::NextProblem | Action::NextMatch), problem);
        }
        Action::Mark => mark(ui, model),
        Action::Undo => ui.history.marks.clear(),
        Action::Sort => {
            ui.history.sort = ui.history.sort.next();
            settle(ui, model);
        }
        _ => {}
    }
    Vec::new()
}

fn go(ui: &mut Ui, model: &Model, row: usize) {
    let height = table::height(model, ui);
    let State { cursor, shown, .. } = &mut ui.history;
    cursor.to(row, shown.len(), height, |row| shown.get(row).and_then(|at| model.shelf.runs.get(*at)).map(|ran| ran.run.clone()));
    learn(ui, model);
}

fn scroll(ui: &mut Ui, action: Action) -> Vec<Effect> {
    let height = usize::from(ui.size.1.saturating_sub(5)).max(1);
    if let (Some(rows), Some(compared)) = (moves::rows(action, height), &ui.history.compared) {
        let last = compared.rows().saturating_sub(height);
        ui.history.scroll = ui.history.scroll.saturating_add_signed(rows).min(last);
    }
    Vec::new()
}

/// To the next run that is wanted, and after the last one to the first again.
fn seek(ui: &mut Ui, model: &Model, forward: bool, problem: bool) {
    let (shown, here) = (&ui.history.shown, ui.history.cursor.row);
    let wanted = |row: &usize| {
        let ran = shown.get(*row).and_then(|at| model.shelf.runs.get(*at));
        ran.is_some_and(|ran| !problem || needs_a_look(ran))
    };
    let row = if forward {
        (here + 1..shown.len()).chain(0..shown.len()).find(wanted)
    } else {
        (0..here).rev().chain((0..shown.len()).rev()).find(wanted)
    };
    match row {
        Some(row) => go(ui, model, row),
        None => ui.say(model, "All the runs that are shown ended ok, and nothing of them is open."),
    }
}

fn mark(ui: &mut Ui, model: &Model) {
    let Some(ran) = current(model, ui) else { return };
    let marks = &mut ui.history.marks;
    if let Some(at) = marks.iter().position(|run| *run == ran.run) {
        marks.remove(at);
    } else if marks.len() < MARKS {
        marks.push(ran.run.clone());
    } else {
        let text = format!(
            "Two runs are marked already: {} compares them, {} takes the marks off.",
            ui.keys.key(Action::Compare),
            ui.keys.key(Action::Undo)
        );
        ui.say(model, text);
    }
}

/// The record of the run under the cursor, on the timeline.
fn open(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    let Some(run) = current(model, ui).map(|ran| ran.run.clone()) else { return Vec::new() };
    ui.shown = if model.live_run() == Some(&run) { Shown::Live } else { Shown::Recorded(run.clone()) };
    ui.go(Screen::Timeline);
    vec![Effect::Ask(Request::Open(run))]
}

/// The preview for exactly the hosts that are left; it changes nothing.
fn retry(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    let Some(ran) = current(model, ui) else { return Vec::new() };
    let Ok(hosts) = left(ran) else { return Vec::new() };
    let order = Order { runbook: ran.runbook.clone(), hosts, set: Vec::new() };
    ui.shown = Shown::Live;
    ui.go(Screen::Preview);
    vec![Effect::Ask(Request::Start(order))]
}

/// The hosts of a run that failed, could not be reached or never had their turn, as a selector of its record, or why
/// there is none.
fn left(ran: &Ran) -> Result<String, &'static str> {
    use HostOutcome as H;
    if ran.dry_run || ran.unconfirmed {
        return Err("nothing was tried in this run, it only looked");
    }
    if ran.state.is_none() {
        return Err("the end of this run is not recorded");
    }
    let has = |outcomes: &[H]| outcomes.iter().any(|outcome| ran.hosts.get(outcome).is_some_and(|hosts| *hosts > 0));
    let atoms = [
        ("failed", has(&[H::Failed, H::Unknown, H::RolledBack, H::RollbackFailed, H::Cancelled])),
        ("unreachable", has(&[H::Unreachable])),
        ("not-started", has(&[H::NotStarted])),
    ];
    let terms: Vec<String> = atoms.iter().filter(|(_, any)| *any).map(|(atom, _)| format!("{atom}:{}", ran.run)).collect();
    match (terms.is_empty(), has(&[H::Refused])) {
        (false, _) => Ok(terms.join(",")),
        (true, true) => Err("a guard refused the hosts that are left: look at them first"),
        (true, false) => Err("all hosts of this run were ok"),
    }
}

fn retry_is_off(ran: &Ran, model: &Model) -> Option<String> {
    if model.is_live() {
        return Some("a run is under way".to_owned());
    }
    if ran.running {
        return Some("this run is running now".to_owned());
    }
    if ran.sim != model.sim {
        let (was, is) = if ran.sim { ("simulated", "real") } else { ("real", "simulated") };
        return Some(format!("the hosts of this run were {was}, those here are {is}"));
    }
    if let Err(why) = left(ran) {
        return Some(why.to_owned());
    }
    match model.book(&ran.runbook).map(|book| &book.is) {
        None => Some(format!("there is no runbook {} here any more", ran.runbook)),
        Some(Err(_)) => Some(format!("runbook {} cannot be used as it is", ran.runbook)),
        Some(Ok(_)) => None,
    }
}

fn compare(ui: &mut Ui, model: &Model) -> Vec<Effect> {
    let when = |run: &RunId| model.shelf.runs.iter().find(|ran| ran.run == *run).map(|ran| ran.started);
    let [one, other] = ui.history.marks.as_slice() else { return Vec::new() };
    let (older, newer) = if when(one) <= when(other) { (one, other) } else { (other, one) };
    let (older, newer) = (older.clone(), newer.clone());
    let state = &mut ui.history;
    (state.comparing, state.compared, state.scroll) = (Some((older.clone(), newer.clone())), None, 0);
    vec![Effect::Ask(Request::Compare(older, newer))]
}

/// What leaves the screen.
fn out(ui: &Ui, model: &Model, action: Action) -> Vec<Effect> {
    let copy = |what: &str, text: String| vec![Effect::Copy { what: what.to_owned(), text }];
    let flags = &model.shelf.record_flags;
    match (action, current(model, ui)) {
        (Action::Copy, Some(ran)) => copy("the run id", ran.run.to_string()),
        (Action::CopyCommand, Some(ran)) => copy("the command line", format!("runbook timeline {}{flags}", ran.run)),
        (Action::CopyCommand, None) => copy("the command line", format!("runbook history{flags}")),
        (Action::Plain, Some(_)) => vec![Effect::Plain(table::text(model, ui))],
        (Action::Export, Some(_)) => {
            let text = Some(table::text(model, ui));
            vec![Effect::Ask(Request::Export { name: "history.txt".to_owned(), text, run: None })]
        }
        _ => Vec::new(),
    }
}

/// What was typed after `/`.
pub fn search(ui: &mut Ui, model: &Model, text: &str, _done: bool) -> Vec<Effect> {
    if ui.history.comparing.is_none() {
        text.clone_into(&mut ui.history.filter);
        settle(ui, model);
    }
    Vec::new()
}

/// Why a key has no meaning now.
pub fn off(ui: &Ui, model: &Model, action: Action) -> Option<String> {
    let state = &ui.history;
    let none = || "no run is shown".to_owned();
    let why = match action {
        Action::Retry if state.comparing.is_some() => Some("two runs are compared".to_owned()),
        Action::Retry => current(model, ui).map_or_else(|| Some(none()), |ran| retry_is_off(ran, model)),
        Action::Compare if state.comparing.is_some() => Some("two runs are compared".to_owned()),
        Action::Compare if state.marks.len() < MARKS => Some(format!("mark two runs with {} first", ui.keys.key(Action::Mark))),
        Action::MarkAll | Action::Invert | Action::Range => Some("at most two runs are marked, one by one".to_owned()),
        Action::Undo if state.marks.is_empty() => Some("nothing is marked".to_owned()),
        Action::Open | Action::Copy | Action::Export | Action::Mark if state.comparing.is_none() => {
            current(model, ui).is_none().then(none)
        }
        _ => None,
    };
    why.map(|why| format!("{} is off: {why}.", ui.keys.key(action)))
}

/// Takes one thing away that lies over the list; whether there was one.
pub fn close(ui: &mut Ui) -> bool {
    let state = &mut ui.history;
    if state.comparing.take().is_some() {
        state.compared = None;
        return true;
    }
    if !state.filter.is_empty() {
        state.filter.clear();
        return true;
    }
    false
}

/// Follows what has changed.
pub fn settle(ui: &mut Ui, model: &Model) {
    let height = table::height(model, ui);
    let runs = &model.shelf.runs;
    let low = ui.history.filter.to_lowercase();
    let mut shown: Vec<usize> = (0..runs.len()).filter(|at| runs.get(*at).is_some_and(|ran| table::has(ran, ui, &low))).collect();
    match ui.history.sort {
        Sort::When => {}
        Sort::Runbook => shown.sort_by(|a, b| runs[*a].runbook.cmp(&runs[*b].runbook)),
        Sort::Result => shown.sort_by_key(|at| !needs_a_look(&runs[*at])),
    }
    let State { cursor, shown: known, marks, comparing, compared, .. } = &mut ui.history;
    *known = shown;
    marks.retain(|mark| runs.iter().any(|ran| ran.run == *mark));
    let place = |run: &RunId| known.iter().position(|at| runs.get(*at).is_some_and(|ran| ran.run == *run));
    cursor.follow(known.len(), height, place, |row| known.get(row).and_then(|at| runs.get(*at)).map(|ran| ran.run.clone()));
    if let (Some(pair), None, Some(both)) = (&comparing, &compared, &model.compared) {
        *compared = Comparison::of(both, pair);
    }
    learn(ui, model);
}

/// Takes from the record of the run under the cursor what the list does not know, once.
fn learn(ui: &mut Ui, model: &Model) {
    let opened = model.opened.as_ref().filter(|opened| current(model, ui).is_some_and(|ran| ran.run == opened.run));
    match opened {
        None => ui.history.known = None,
        Some(opened) if ui.history.known.as_ref().is_some_and(|known| known.is_of(opened)) => {}
        Some(opened) => ui.history.known = Some(Known::of(opened)),
    }
}
