//! Which hosts are asked whether they answer: those on the screen first.

use std::time::Duration;

use crate::model::id::HostName;
use crate::tui::action::{Effect, Request};
use crate::tui::model::{Model, Reach};
use crate::tui::screen::hosts::index::{Folds, Index, Row};
use crate::tui::screen::hosts::{State, page};
use crate::tui::ui::Ui;

/// The most hosts of one asking.
const MOST: usize = 256;
/// What is known is told with its age, and is asked again before what is newer, once it is older than this.
pub(super) const FRESH: Duration = Duration::from_secs(60);

/// What is asked when the screen comes up: the hosts on it of which nothing is known.
pub fn opened(ui: &Ui, model: &Model) -> Vec<Effect> {
    let Some(inventory) = model.inventory().filter(|_| !model.sim) else { return Vec::new() };
    let made;
    let (index, top) = if ui.hosts.index.is_of(model, inventory) {
        (&ui.hosts.index, ui.hosts.cursor.top)
    } else {
        let mut index = Index::new(model, inventory);
        index.lay_out(&ui.hosts.filter, &Folds::new());
        made = index;
        (&made, 0)
    };
    let on_screen = index.rows.iter().skip(top).take(page::rows(model, ui));
    let hosts = on_screen.filter_map(|row| if let Row::Host(at) = row { index.names.get(*at) } else { None });
    let unknown: Vec<HostName> = hosts.filter(|name| !model.reach.contains_key(*name)).take(MOST).cloned().collect();
    if unknown.is_empty() { Vec::new() } else { vec![Effect::Ask(Request::Probe(unknown))] }
}

/// The hosts to be asked now: those on the screen, then those that were never asked or not lately, the nearest first.
pub(super) fn nearest(state: &State, model: &Model, height: usize) -> Vec<HostName> {
    let (top, bottom) = (state.cursor.top, state.cursor.top + height.max(1) - 1);
    let mut wanted: Vec<(bool, bool, usize, usize)> = Vec::new();
    for (at, name) in state.index.names.iter().enumerate().filter(|(at, _)| state.filter.shows(*at)) {
        let fresh = match model.reach.get(name) {
            Some(Reach::Asked) => continue,
            Some(Reach::Up { at, .. } | Reach::Down { at, .. }) => model.now.since(*at) < FRESH,
            None => false,
        };
        let Some(row) = state.index.row_of_place(at) else { continue };
        let far = top.saturating_sub(row).max(row.saturating_sub(bottom));
        let folded = state.index.rows.get(row) != Some(&Row::Host(at));
        let on_screen = far == 0 && !folded;
        wanted.push((!on_screen, fresh && !on_screen, far * 2 + usize::from(folded), at));
    }
    wanted.sort_unstable();
    wanted.into_iter().take(MOST).filter_map(|(.., at)| state.index.names.get(at).cloned()).collect()
}
