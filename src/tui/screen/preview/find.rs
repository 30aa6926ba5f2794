//! Looks for a text in the plans.

use std::collections::BTreeMap;

use crate::state::run::{Preview, RunState};
use crate::tui::model::{Model, Watched};
use crate::tui::screen::preview::plan::Plans;
use crate::tui::screen::preview::rows::{self, Row};
use crate::tui::screen::preview::{look, to_row};
use crate::tui::ui::Ui;

/// To the next plan in which the text stands that is searched for, and to its first line there.
pub(super) fn find(ui: &mut Ui, model: &Model, watched: &Watched, next: bool, here: bool) {
    let count = ui.preview.rows.len();
    if ui.preview.find.is_empty() || count == 0 {
        ui.say(model, "Nothing is searched for: / begins.");
        return;
    }
    let at = ui.preview.cursor.row;
    let mut search = Search::new(model, ui, watched);
    let mut hit = |row: usize| search.line(*ui.preview.rows.get(row)?).map(|line| (row, line));
    let from = usize::from(!here);
    let found = (from..=count).find_map(|step| hit(if next { (at + step) % count } else { (at + count * 2 - step) % count }));
    match found {
        Some((row, line)) => {
            to_row(ui, model, watched, row);
            ui.preview.scroll = line;
        }
        None => {
            let text = format!("`{}` stands in no plan.", ui.preview.find);
            ui.say(model, text);
        }
    }
}

struct Search<'s> {
    ui: &'s Ui,
    run: &'s RunState,
    plans: Plans<'s>,
    columns: usize,
    /// What was found in the plan of each group: most of its hosts have it word by word, and need not be looked at.
    groups: BTreeMap<usize, Option<usize>>,
}

impl<'s> Search<'s> {
    fn new(model: &'s Model, ui: &'s Ui, watched: &'s Watched) -> Self {
        let (plans, columns) = (Plans::new(model, ui, watched), look::columns(model, ui, watched));
        Self { ui, run: &watched.run, plans, columns, groups: BTreeMap::new() }
    }

    /// The first line of the plan of a row in which the text stands; 0 also where it is in its title.
    fn line(&mut self, row: Row) -> Option<usize> {
        let group = Row { host: None, ..row };
        let line = if self.says_as(row, group) {
            match self.groups.get(&row.folded) {
                Some(line) => *line,
                None => {
                    let line = self.in_plan(group);
                    self.groups.insert(row.folded, line);
                    line
                }
            }
        } else {
            self.in_plan(row)
        };
        line.or_else(|| self.stands(&self.plans.title(row)).then_some(0))
    }

    fn in_plan(&self, row: Row) -> Option<usize> {
        let lines = look::shown(&self.plans, self.ui, row, self.columns);
        lines.iter().position(|line| self.stands(&line.text()))
    }

    fn stands(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.ui.preview.find)
    }

    /// Whether two rows have the same plan in the same words, at whatever time that was seen.
    fn says_as(&self, one: Row, other: Row) -> bool {
        let host = |row: Row| self.run.hosts.get(rows::hosts(self.run, &self.ui.preview.seen, row).first()?);
        let (Some(one), Some(other)) = (host(one), host(other)) else { return false };
        // the plan of a host that cannot be reached has its name in it
        std::ptr::eq(one, other)
            || one.unreachable.is_none()
                && other.unreachable.is_none()
                && one.preview.len() == other.preview.len()
                && one.preview.iter().zip(&other.preview).all(|(one, other)| one.0 == other.0 && same(one.1, other.1))
    }
}

fn same(one: &Preview, other: &Preview) -> bool {
    let words = |preview: &'_ Preview| (preview.outcome, preview.basis, preview.destroys);
    words(one) == words(other) && one.summary == other.summary && one.effects == other.effects
}
