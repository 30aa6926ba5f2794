//! What there is to say of the selection; made anew when it, the filter or who answers has changed.

use std::collections::BTreeMap;

use crate::model::hostset::fold;
use crate::model::id::HostName;
use crate::model::inventory::Inventory;
use crate::tui::model::{Model, Reach};
use crate::tui::screen::hosts::filter::Filter;
use crate::tui::screen::hosts::index::{Answers, Index, is_key};
use crate::tui::screen::hosts::marks::Marks;

/// So many warnings are kept.
const WARNINGS: usize = 20;
/// So much of a long text is kept for the screen.
const SHOWN: usize = 600;

/// The selection in numbers and words.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// At which change of the selection its names were folded.
    named: Option<u64>,
    /// How many are in a protected group.
    pub(super) protected: usize,
    /// How many the filter hides.
    pub(super) hidden: usize,
    /// What names exactly them.
    pub(super) selector: String,
    /// Their names folded, as far as a screen can show them.
    pub(super) folded: String,
    pub(super) answers: Answers,
    /// Group, how many of it are selected, how many it has.
    pub(super) shares: Vec<(String, usize, usize)>,
    /// Tags of the selected hosts, in the order of the inventory.
    pub(super) tags: Vec<(String, usize)>,
    /// Hosts that do not answer, in the order of the inventory.
    pub(super) warnings: Vec<(HostName, Warning)>,
    /// How many more of them there are.
    pub(super) more: usize,
    /// Those with a changed key, folded, and those that do not answer, as far as a screen can show them.
    pub(super) bad: [String; 2],
}

/// Why a selected host needs a look.
#[derive(Debug, PartialEq)]
pub(super) enum Warning {
    /// It does not answer, in words.
    Down(String),
    /// Its key is not the recorded one.
    Key(String),
}

impl Chosen {
    /// Everything but the names anew; these cost most and are kept until the selection changes.
    pub(super) fn renewed(self, model: &Model, inventory: &Inventory, index: &Index, marks: &Marks, filter: &Filter) -> Self {
        let Self { named, selector, folded, .. } = self;
        let mut chosen = Self { named, selector, folded, ..Self::default() };
        let mut tags: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut names = Vec::with_capacity(marks.count());
        let mut bad = [Vec::new(), Vec::new()];
        for at in marks.iter() {
            let Some(host) = inventory.hosts.get(at) else { continue };
            names.push(host.name.clone());
            chosen.protected += usize::from(host.protected);
            chosen.hidden += usize::from(!filter.shows(at));
            for tag in &host.tags {
                let order = tags.len();
                tags.entry(tag).or_insert((order, 0)).1 += 1;
            }
            let reach = model.reach.get(&host.name).filter(|_| !model.sim);
            chosen.answers.add(reach);
            if let Some(Reach::Down { class, why, .. }) = reach {
                bad[usize::from(!is_key(class))].push(host.name.clone());
                let warning = if is_key(class) { Warning::Key(why.clone()) } else { Warning::Down(why.clone()) };
                if chosen.warnings.len() < WARNINGS {
                    chosen.warnings.push((host.name.clone(), warning));
                } else {
                    chosen.more += 1;
                }
            }
        }
        let mut tags: Vec<_> = tags.into_iter().collect();
        tags.sort_by_key(|(_, (order, _))| *order);
        chosen.tags = tags.into_iter().map(|(tag, (_, n))| (tag.to_owned(), n)).collect();
        if chosen.named != Some(marks.changes()) {
            chosen.named = Some(marks.changes());
            chosen.selector = inventory.selector_of(&names);
            chosen.folded = short(&fold(&names));
        }
        chosen.bad = bad.map(|names| short(&fold(&names)));
        let groups = index.sections.iter().filter(|section| section.marked > 0);
        chosen.shares = groups.map(|section| (section.title().to_owned(), section.marked, section.members.len())).collect();
        chosen
    }

    /// The selector, as far as a screen can show it.
    pub(super) fn short(&self) -> String {
        short(&self.selector)
    }
}

fn short(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// `all of group web`, `75% of group web`: never more and never less than it is.
pub(super) fn share(group: &str, marked: usize, of: usize) -> String {
    let name = if group == super::index::UNGROUPED { "the ungrouped".to_owned() } else { format!("group {group}") };
    match marked * 100 / of.max(1) {
        100.. => format!("all of {name}"),
        0 => format!("under 1% of {name}"),
        percent => format!("{percent}% of {name}"),
    }
}
