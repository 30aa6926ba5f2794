//! The host picker.

mod chosen;
mod filter;
mod index;
mod keys;
mod marks;
mod page;
mod panes;
mod probe;

use crate::model::id::HostName;
use crate::model::inventory::Inventory;
use crate::state::summary::quoted;
use crate::tui::action::{Action, Effect, Request};
use crate::tui::list::Cursor;
use crate::tui::model::Model;
use crate::tui::screen::hosts::chosen::Chosen;
use crate::tui::screen::hosts::filter::{Filter, Read};
use crate::tui::screen::hosts::index::{Folds, Index, Item, Row};
use crate::tui::screen::hosts::marks::Marks;
use crate::tui::ui::Ui;
use crate::tui::view::frame::{Badge, Frame, MEDIUM, WIDE};

pub use keys::{off, update};
pub use page::draw;
pub use probe::opened;

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    cursor: Cursor<Item>,
    marks: Marks,
    filter: Filter,
    /// What was folded by hand; a filter has its own, so that what it finds is not folded away.
    folds: Folds,
    folds_filtered: Folds,
    /// Where `v` was pressed first.
    range: Option<Item>,
    zoomed: bool,
    index: Index,
    chosen: Chosen,
    /// How often it had changed who answers when that was last counted.
    reached: u64,
}

impl State {
    fn folds(&mut self) -> &mut Folds {
        if self.filter.is_on() { &mut self.folds_filtered } else { &mut self.folds }
    }

    fn row(&self) -> Option<Row> {
        self.index.rows.get(self.cursor.row).copied()
    }

    /// Rows, numbers and words anew, after filter, folding, selection or answers have changed.
    fn renew(&mut self, model: &Model, inventory: &Inventory) {
        let folds = if self.filter.is_on() { &self.folds_filtered } else { &self.folds };
        self.index.lay_out(&self.filter, folds);
        self.index.count_marks(&self.marks);
        self.index.count_answers(model);
        let chosen = std::mem::take(&mut self.chosen);
        self.chosen = chosen.renewed(model, inventory, &self.index, &self.marks, &self.filter);
        self.reached = model.reach.changes();
    }

    /// After the inventory was read again: selection and filter stay with the names. How many selected hosts are gone, and
    /// a filter that cannot be used any more.
    fn read_again(&mut self, model: &Model, inventory: &Inventory) -> (usize, Option<String>) {
        let before = std::mem::replace(&mut self.index, Index::new(model, inventory));
        let names = |at: usize| before.names.get(at).and_then(|name| self.index.place(name));
        let kept: Vec<usize> = self.marks.iter().filter_map(names).collect();
        let gone = self.marks.count() - kept.len();
        self.marks = Marks::new(inventory.hosts.len(), kept);
        self.chosen = Chosen::default();
        let text = self.filter.text.clone();
        if !self.filter.is_on() {
            return (gone, None);
        }
        let found: Vec<usize> = match (self.filter.recorded, filter::read(&text, inventory, &model.reach)) {
            (true, _) => (0..before.names.len()).filter(|at| self.filter.shows(*at)).filter_map(names).collect(),
            (false, Read::Hosts(hosts)) => hosts,
            (false, _) => Vec::new(),
        };
        if found.is_empty() {
            self.filter.clear();
            return (gone, Some(text));
        }
        self.filter.show(&text, &found, inventory.hosts.len(), self.filter.recorded);
        (gone, None)
    }
}

/// The selected hosts, in the order of the inventory.
pub fn selection(ui: &Ui) -> Vec<HostName> {
    ui.hosts.marks.iter().filter_map(|at| ui.hosts.index.names.get(at).cloned()).collect()
}

/// Selects exactly these hosts; how many of them the inventory does not have.
pub fn select(ui: &mut Ui, model: &Model, hosts: &[HostName]) -> usize {
    settle(ui, model);
    let Some(inventory) = model.inventory() else { return hosts.len() };
    let state = &mut ui.hosts;
    let places: Vec<usize> = hosts.iter().filter_map(|name| state.index.place(name)).collect();
    let missing = hosts.len() - places.len();
    let mut wanted = vec![false; inventory.hosts.len()];
    places.iter().for_each(|at| wanted[*at] = true);
    let differ: Vec<usize> = (0..wanted.len()).filter(|at| wanted[*at] != state.marks.has(*at)).collect();
    state.marks.flip(differ);
    state.renew(model, inventory);
    missing
}

/// The texts of the frame.
pub fn frame(model: &Model, ui: &Ui) -> Frame {
    let state = &ui.hosts;
    let place = match &ui.runbooks.chosen {
        Some(name) => format!("{name} › Hosts"),
        None => "Hosts".to_owned(),
    };
    if model.inventory().is_none() {
        let keys = vec![(Action::Open, "diagnostics"), (Action::Reload, "read again"), (Action::Back, "back")];
        return Frame { place, keys, ..Frame::default() };
    }
    let what = "selected";
    let badge = Badge { protected: state.chosen.protected, hosts: state.marks.count(), what };
    let mut keys = vec![
        (Action::Open, "preview"),
        (Action::Mark, "mark"),
        (Action::MarkAll, "all"),
        (Action::Search, "filter"),
        (Action::Range, "range"),
        (Action::Reload, "probe"),
        (Action::Exclude, "drop"),
        (Action::Invert, "invert"),
        (Action::Undo, "undo mark"),
        (Action::Left, "fold"),
        (Action::CopyCommand, "copy command"),
        (Action::Back, "back"),
    ];
    keys.retain(|(action, _)| *action != Action::Reload || !model.sim);
    Frame { place, badge, hint: hint(model, ui), keys }
}

fn hint(model: &Model, ui: &Ui) -> String {
    let state = &ui.hosts;
    let from = match &state.range {
        Some(Item::Host(name)) => Some(name.to_string()),
        Some(Item::Group(group)) => Some(group.clone().unwrap_or_else(|| index::UNGROUPED.to_owned())),
        None => None,
    };
    let filter = panes::filter_words(state);
    match (from, ui.size.0 < MEDIUM) {
        (Some(from), _) => format!("{} again marks from {from} to the cursor.", ui.keys.key(Action::Range)),
        (None, true) if state.filter.is_on() || state.filter.trouble.is_some() => format!("filter: {filter}"),
        (None, true) => panes::brief(model, ui),
        (None, _) if model.sim => "The hosts are simulated: none is probed, none is contacted.".to_owned(),
        (None, _) if ui.size.0 < WIDE => {
            format!("{} asks the SSH servers of the hosts shown for their banner; never a login.", ui.keys.key(Action::Reload))
        }
        (None, _) => format!(
            "{} probes the hosts shown, nearest first: TCP and the SSH banner only. A probe never logs in.",
            ui.keys.key(Action::Reload)
        ),
    }
}

/// The sentence about what is going on, with the counter.
pub fn now(ui: &Ui, model: &Model) -> String {
    let state = &ui.hosts;
    let idle = "Nothing is running.";
    let Some(inventory) = model.inventory() else {
        return idle.to_owned();
    };
    let (count, all, hidden) = (state.marks.count(), inventory.hosts.len(), state.chosen.hidden);
    let protected = match state.chosen.protected {
        0 => String::new(),
        n if n == count => " all PROTECTED,".to_owned(),
        n => format!(" {n} PROTECTED,"),
    };
    let counter = format!("{count} of {all} selected,{protected} {hidden} hidden");
    let label = if ui.size.0 < MEDIUM { 6 } else { 8 };
    let room = usize::from(ui.size.0).saturating_sub(label);
    let forms = [
        format!("{idle} {counter} by the filter."),
        format!("{idle} {counter} by the filter"),
        format!("{idle} {counter} by filter"),
        format!("{idle} {counter}."),
        format!("{counter}. Nothing runs."),
    ];
    let fits = forms.into_iter().find(|form| form.chars().count() <= room);
    fits.unwrap_or_else(|| format!("{counter}. Idle."))
}

/// What was typed after `/`.
pub fn search(ui: &mut Ui, model: &Model, text: &str, done: bool) -> Vec<Effect> {
    settle(ui, model);
    let Some(inventory) = model.inventory() else { return Vec::new() };
    let state = &mut ui.hosts;
    let mut effects = Vec::new();
    state.filter.waits = None;
    match filter::read(text, inventory, &model.reach) {
        Read::Everything => state.filter.clear(),
        Read::Hosts(hosts) => state.filter.show(text.trim(), &hosts, inventory.hosts.len(), false),
        Read::Record if done => {
            let text = text.trim().to_owned();
            state.filter.trouble = Some(format!("{text}: the record is being read"));
            state.filter.waits = Some(text.clone());
            effects.push(Effect::Ask(Request::Select(text)));
        }
        Read::Record => state.filter.trouble = Some("Enter asks the record which hosts these are".to_owned()),
        Read::Wrong(why) => state.filter.trouble = Some(why),
    }
    if let Some(trouble) = state.filter.trouble.clone().filter(|_| done) {
        ui.say(model, format!("filter: {trouble}"));
    }
    let state = &mut ui.hosts;
    state.folds_filtered.clear();
    state.renew(model, inventory);
    settle(ui, model);
    effects
}

/// The record's answer to a filter that needs it.
pub fn selected(ui: &mut Ui, model: &Model, text: &str, hosts: Result<Vec<HostName>, String>) {
    settle(ui, model);
    let Some(inventory) = model.inventory() else { return };
    let state = &mut ui.hosts;
    if state.filter.waits.as_deref() != Some(text) {
        return;
    }
    state.filter.waits = None;
    match hosts {
        Ok(names) => {
            let places: Vec<usize> = names.iter().filter_map(|name| state.index.place(name)).collect();
            state.filter.show(text, &places, inventory.hosts.len(), true);
            state.folds_filtered.clear();
            state.renew(model, inventory);
        }
        Err(why) => {
            state.filter.trouble = Some(why.clone());
            ui.say(model, format!("filter: {why}"));
        }
    }
    settle(ui, model);
}

/// The command line that begins the run that this screen would; `hosts` as a selector.
fn command(ui: &Ui, model: &Model, hosts: &str) -> String {
    let name = ui.runbooks.chosen.as_deref().map_or_else(|| "NAME".to_owned(), quoted);
    let set = ui.runbooks.set.iter().map(|(name, value)| format!(" --set {}", quoted(&format!("{name}={value}"))));
    format!("runbook run {name} --hosts {}{}{}", quoted(hosts), set.collect::<String>(), model.shelf.run_flags)
}

/// Follows what has changed.
pub fn settle(ui: &mut Ui, model: &Model) {
    let Some(inventory) = model.inventory() else { return };
    let height = page::rows(model, ui);
    let state = &mut ui.hosts;
    if !state.index.is_of(model, inventory) {
        let (gone, filter) = state.read_again(model, inventory);
        state.renew(model, inventory);
        let gone = (gone > 0).then(|| format!("{gone} selected hosts are not in the inventory any more."));
        let filter = filter.map(|text| format!("The filter `{text}` names nothing any more: all hosts are shown."));
        let said: Vec<String> = gone.into_iter().chain(filter).collect();
        if !said.is_empty() {
            ui.say(model, said.join(" "));
        }
    } else if state.reached != model.reach.changes() {
        if state.filter.is_of_now() {
            let text = state.filter.text.clone();
            match filter::read(&text, inventory, &model.reach) {
                Read::Hosts(hosts) => state.filter.show(&text, &hosts, inventory.hosts.len(), false),
                Read::Wrong(why) => state.filter.trouble = Some(why),
                Read::Everything | Read::Record => {}
            }
        }
        state.renew(model, inventory);
    }
    let State { cursor, index, .. } = &mut ui.hosts;
    cursor.follow(index.rows.len(), height, |item| index.row_of(item), |row| index.item(row));
    // a host that is folded away or hidden leaves the cursor on its group
    cursor.at = index.item(cursor.row);
}
