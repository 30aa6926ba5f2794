//! The run: a row a host in a small fleet, folded by state and cause in a large one.

mod draw;
mod export;
mod head;
mod keys;
mod layout;
mod line;
mod lower;
mod matrix;
mod off;
mod order;
mod rows;
mod side;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::id::{HostName, RunId};
use crate::model::time::Timestamp;
use crate::model::visible::width;
use crate::state::fleet::{Fleet, GroupKey};
use crate::tui::action::Action;
use crate::tui::list::Cursor;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::layout::Layout;
use crate::tui::screen::run::order::Order;
use crate::tui::screen::run::rows::{Item, Rows, Shape};
use crate::tui::ui::Ui;
use crate::tui::view::frame::{Badge, Frame, MEDIUM};
use crate::tui::view::now;

pub use crate::tui::screen::run::draw::draw;
pub use crate::tui::screen::run::head::{about, counts, left};
pub use crate::tui::screen::run::keys::{search, update};
pub use crate::tui::screen::run::off::off;

/// The most hosts that a key is about.
pub const SUBJECT: usize = 10_000;
/// An order by time is made anew after so many milliseconds.
const STALE: u128 = 1_000;

/// The panes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pane {
    /// The list of hosts.
    #[default]
    List,
    /// The output of the host under the cursor.
    Log,
    /// What is known of the step, and the events.
    Side,
}

/// The order of a list with a row a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sort {
    /// Problems first.
    #[default]
    Problems,
    /// By name.
    Name,
    /// The longest first.
    Time,
}

/// A host that is looked for, and where the cursor was before.
#[derive(Debug)]
struct Finding {
    cursor: Cursor<Item>,
    unfolded: BTreeSet<Item>,
    detail: Option<bool>,
}

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    cursor: Cursor<Item>,
    /// Whether the person has moved the cursor: until then it stays on what is most urgent.
    moved: bool,
    pane: Pane,
    zoom: bool,
    wrap: bool,
    /// A row a host, or folded; none: whatever fits.
    detail: Option<bool>,
    unfolded: BTreeSet<Item>,
    only: Option<Item>,
    sort: Sort,
    order: Option<(Order, Timestamp)>,
    /// The place of each folded row at the time when the list was frozen.
    frozen: Option<BTreeMap<GroupKey, usize>>,
    finding: Option<Finding>,
    found: String,
    /// The line of the log that the cursor is on; none: the last one, whatever comes.
    line: Option<usize>,
    /// The host whose log that is.
    line_of: Option<Item>,
    /// How many events are scrolled over.
    events: usize,
    /// The run that all this is about, with the columns of the longest name of its hosts.
    of: Option<(RunId, usize, usize)>,
    common: lower::Compared,
}

impl State {
    /// Whether rows are folded on a screen of this size.
    fn is_folded(&self, fleet: &Fleet, size: (u16, u16)) -> bool {
        match self.detail {
            Some(hosts) => !hosts,
            None => fleet.len() > layout::fitting(size),
        }
    }

    fn shape(&self, fleet: &Fleet, size: (u16, u16)) -> Shape<'_> {
        Shape {
            folded: self.is_folded(fleet, size),
            unfolded: &self.unfolded,
            order: self.order.as_ref().map(|(order, _)| order),
            frozen: self.frozen.as_ref(),
            only: self.only.as_ref(),
        }
    }
}

fn rows<'a>(ui: &'a Ui, watched: &'a Watched) -> Rows<'a> {
    Rows::new(&watched.fleet, ui.run.shape(&watched.fleet, ui.size))
}

/// The hosts that a key is about which changes some: the one under the cursor, or those of the folded row, in run order.
pub fn subject(ui: &Ui, model: &Model) -> Vec<HostName> {
    let Some(watched) = ui.watched(model) else { return Vec::new() };
    let Some(item) = &ui.run.cursor.at else { return Vec::new() };
    hosts_of(watched, item, SUBJECT)
}

/// The first hosts of a row.
fn hosts_of(watched: &Watched, item: &Item, most: usize) -> Vec<HostName> {
    let fleet = &watched.fleet;
    let places = match item {
        Item::Host(name) => return vec![name.clone()],
        Item::Group(key) => fleet.hosts_of(key, 0, most),
        Item::Step(n) => fleet.longest(Some(*n), most).into_iter().map(|host| host.place).collect(),
        Item::Between => Vec::new(),
    };
    places.into_iter().filter_map(|place| fleet.name(place).cloned()).collect()
}

/// The texts of the frame.
pub fn frame(model: &Model, ui: &Ui) -> Frame {
    let Some(watched) = ui.watched(model) else { return Frame { place: "Run".to_owned(), ..Frame::default() } };
    let run = &watched.run;
    let id = run.run.as_ref().map_or_else(String::new, |run| format!(" {run}"));
    let book = run.runbook.as_ref().filter(|_| ui.size.0 >= MEDIUM).map(|book| format!("{} › ", book.name));
    let place = format!("{}Run{id}", book.unwrap_or_default());
    let badge = Badge { protected: watched.protected, hosts: watched.fleet.len(), what: "" };
    Frame { place, badge, hint: hint(model, ui, watched), keys: keys_shown(ui, model, watched) }
}

/// The last thing that happened, or what is special about the screen as it is.
fn hint(model: &Model, ui: &Ui, watched: &Watched) -> String {
    if ui.run.frozen.is_some() {
        return "Frozen: rows keep their order. f lets them sort again.".to_owned();
    }
    if ui.run.only.is_some() {
        return "Only this is shown. x shows all.".to_owned();
    }
    if ui.size.0 < MEDIUM {
        return format!("{}x{}: matrix and log are hidden; 80x24 shows them.", ui.size.0, ui.size.1);
    }
    let last = watched.trail.lines().next_back();
    last.map_or_else(String::new, |line| {
        let host = line.host.as_ref().map_or_else(String::new, |host| format!("{host} "));
        let text = line.text.replace('→', ui.theme.arrow());
        format!("{} {host}{text}", now::at(model, ui, line.at).trim_end_matches('Z'))
    })
}

fn keys_shown(ui: &Ui, model: &Model, watched: &Watched) -> Vec<(Action, &'static str)> {
    use Action as A;
    let folded = ui.run.is_folded(&watched.fleet, ui.size);
    let on_group = matches!(ui.run.cursor.at, Some(Item::Group(_) | Item::Step(_)));
    let mut keys = Vec::new();
    let mut add = |wanted: bool, action: Action, word: &'static str| {
        if wanted && off(ui, model, action).is_none() {
            keys.push((action, word));
        }
    };
    add(true, A::Decide, "decide");
    add(true, A::GoOn, "go on");
    add(true, A::Pause, "pause");
    add(true, A::Retry, "retry");
    add(true, A::Skip, "skip");
    add(true, A::Exclude, "exclude");
    add(true, A::Abort, "abort");
    add(on_group, A::Right, "unfold");
    add(!on_group, A::Open, "host");
    add(true, A::NextProblem, "problem");
    add(true, A::Search, "find host");
    add(true, A::Follow, if ui.run.frozen.is_some() { "follow" } else { "freeze" });
    add(true, A::NextPane, "pane");
    add(true, A::Zoom, "zoom");
    add(!folded, A::Sort, "sort");
    add(on_group, A::Copy, "copy host set");
    add(!watched.is_live(), A::Go(5), "timeline");
    keys
}

/// Follows what has changed.
pub fn settle(ui: &mut Ui, model: &Model) {
    let shown = ui.watched(model).and_then(|watched| Some((watched.run.run.clone()?, watched.fleet.len())));
    let Some((run, hosts)) = shown else { return };
    if ui.run.of.as_ref().is_none_or(|(of, count, _)| (of, count) != (&run, &hosts)) {
        ui.run = State::default();
        let longest = ui
            .watched(model)
            .map_or(0, |watched| watched.run.order.iter().map(|name| width(name.as_str())).max().unwrap_or_default());
        ui.run.of = Some((run, hosts, longest));
    }
    let Some(watched) = ui.watched(model) else { return };
    let stale = |at: &Timestamp| model.now.since(*at).as_millis() >= STALE;
    if ui.run.sort == Sort::Time && ui.run.frozen.is_none() && ui.run.order.as_ref().is_none_or(|(_, at)| stale(at)) {
        ui.run.order = Some((order::by_time(watched, model.now), model.now));
    }
    let pane = Some(ui.run.pane).filter(|pane| keys::panes(ui, model, watched).contains(pane));
    // a pane for which there is no room any more takes no keys
    ui.run.pane = pane.unwrap_or_default();
    let cursor = settled(ui, watched, Layout::of(ui, model, watched).list);
    let moved_on = ui.run.line_of != cursor.at;
    if moved_on {
        (ui.run.line, ui.run.line_of) = (None, cursor.at.clone());
    }
    ui.run.cursor = cursor;
    lower::compare(&mut ui.run, watched);
}

/// The cursor where its item is now. A host that went into a folded row is there.
fn settled(ui: &Ui, watched: &Watched, height: usize) -> Cursor<Item> {
    let rows = rows(ui, watched);
    let mut cursor = ui.run.cursor.clone();
    if !ui.run.moved {
        cursor.to(rows.most_urgent(), rows.count(), height, |row| rows.item(row));
        return cursor;
    }
    if cursor.at.as_ref().is_some_and(|item| rows.row_of(item).is_none()) {
        cursor.at = nearest(&rows, watched, cursor.at.as_ref()).or(cursor.at);
    }
    cursor.follow(rows.count(), height, |item| rows.row_of(item), |row| rows.item(row));
    cursor
}

/// Where to look for what has no row of its own now.
fn nearest(rows: &Rows<'_>, watched: &Watched, item: Option<&Item>) -> Option<Item> {
    let fleet = &watched.fleet;
    let near = match item? {
        Item::Host(name) => Item::Group(fleet.group_of(fleet.place(name)?)?.clone()),
        Item::Group(key) => Item::Host(fleet.name(fleet.hosts_of(key, 0, 1).first().copied()?)?.clone()),
        Item::Step(n) => Item::Group(fleet.group_of(fleet.longest(Some(*n), 1).first()?.place)?.clone()),
        Item::Between => return None,
    };
    rows.row_of(&near).map(|_| near)
}
