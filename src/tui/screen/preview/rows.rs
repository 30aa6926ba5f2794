//! The list of plans: a row per group of equal previews, the most dangerous first, and unfolded a row per host.

use crate::model::id::HostName;
use crate::state::class::Class;
use crate::state::foreseen::{self, Foreseen, Stands};
use crate::state::run::RunState;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::preview::State;
use crate::tui::screen::preview::matrix::{COLUMN, Column, columns, mark};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, cut};
use crate::tui::view::frame::{MEDIUM, WIDE};

/// The least that is left for what would happen.
const WORDS: usize = 24;

/// A row of the list: a group, or one host of an unfolded group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// The place of the group in [`Foreseen::groups`].
    pub folded: usize,
    /// The place of the host in its group; none: the group itself.
    pub host: Option<usize>,
}

/// What a row is about, also after it has moved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Item {
    /// The first host of the group.
    pub group: Option<HostName>,
    /// The host; none: the group itself.
    pub host: Option<HostName>,
}

/// The rows of a list with these groups unfolded.
pub(super) fn rows(run: &RunState, seen: &Foreseen, unfolded: impl Fn(&HostName) -> bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for (at, folded) in seen.groups.iter().enumerate() {
        rows.push(Row { folded: at, host: None });
        let Some(group) = run.groups.get(folded.group) else { continue };
        if group.hosts.first().is_some_and(&unfolded) {
            rows.extend((0..group.hosts.len()).map(|host| Row { folded: at, host: Some(host) }));
        }
    }
    rows
}

/// The hosts of a row.
pub(super) fn hosts<'r>(run: &'r RunState, seen: &Foreseen, row: Row) -> &'r [HostName] {
    let Some(group) = seen.groups.get(row.folded).and_then(|folded| run.groups.get(folded.group)) else { return &[] };
    match row.host {
        None => &group.hosts,
        Some(at) => group.hosts.get(at..=at).unwrap_or_default(),
    }
}

/// What a row is about.
pub(super) fn item(run: &RunState, seen: &Foreseen, row: Row) -> Option<Item> {
    let group = run.groups.get(seen.groups.get(row.folded)?.group)?;
    let host = row.host.and_then(|at| group.hosts.get(at)).cloned();
    Some(Item { group: group.hosts.first().cloned(), host })
}

/// What a plan comes to, as a mark.
pub(super) fn class(stands: Stands) -> Class {
    match stands {
        Stands::Destroys | Stands::Changes => Class::WouldChange,
        Stands::MayChange => Class::NotKnown,
        Stands::SaysNo => Class::Refused,
        Stands::Unreachable => Class::Unreachable,
        Stands::Nothing => Class::Ok,
    }
}

/// What would happen in a row, in one line.
pub(super) fn would(run: &RunState, seen: &Foreseen, row: Row) -> String {
    hosts(run, seen, row).first().map_or_else(String::new, |host| foreseen::effects(run, host).join(", "))
}

/// What is needed to paint rows.
pub(super) struct Table<'t> {
    theme: Theme,
    run: &'t RunState,
    state: &'t State,
    columns: Vec<Column>,
    missing: usize,
    names: usize,
    matrix: bool,
}

impl<'t> Table<'t> {
    /// The table of a screen of so many columns.
    pub(super) fn new(model: &Model, ui: &'t Ui, watched: &'t Watched, width: usize) -> Self {
        let matrix = ui.size.0 >= MEDIUM;
        let names = match () {
            () if !matrix => 16,
            () if ui.size.0 < WIDE => 20,
            () => 24,
        };
        let room = width.saturating_sub(3 + names + WORDS);
        let (columns, missing) =
            if matrix { columns(model, &watched.run, &ui.preview.seen.telling, room) } else { (Vec::new(), 0) };
        Self { theme: ui.theme, run: &watched.run, state: &ui.preview, columns, missing, names, matrix }
    }

    /// The heads of the columns.
    pub(super) fn heads(&self) -> Cells {
        let mut line = Cells::of(self.theme, Tone::Dim, "  ").cell(Tone::Dim, "HOSTS", self.names).to(3 + self.names);
        for column in &self.columns {
            line = line.cell(Tone::Dim, &column.head, COLUMN);
        }
        if self.missing > 0 {
            line = line.cell(Tone::Dim, &format!("+{}", self.missing), COLUMN);
        }
        line.put(Tone::Dim, "WHAT WOULD HAPPEN")
    }

    /// A row of the list.
    pub(super) fn row(&self, row: Row, cursor: bool) -> Cells {
        let seen = &self.state.seen;
        let names = hosts(self.run, seen, row);
        let line = Cells::of(self.theme, Tone::Strong, if cursor { self.theme.cursor() } else { " " }).put(Tone::Plain, " ");
        let line = line.cell(Tone::Plain, &self.name(row, names), self.names).to(3 + self.names);
        let line = match (self.matrix, seen.groups.get(row.folded)) {
            (false, Some(folded)) => {
                let class = class(folded.stands);
                line.put(Theme::tone(class), self.theme.mark(class)).put(Tone::Plain, " ")
            }
            _ => self.marks(line, names.first()),
        };
        let words = would(self.run, seen, row);
        let line = match words.strip_prefix("DESTROYS:") {
            Some(rest) => line.put(Tone::Bad, "DESTROYS:").put(Tone::Plain, rest),
            None => line.put(Tone::Plain, &words),
        };
        line.reversed(cursor)
    }

    fn name(&self, row: Row, names: &[HostName]) -> String {
        match row.host {
            Some(_) => format!("  {}", names.first().map(HostName::as_str).unwrap_or_default()),
            None => {
                let count = format!(" ({})", names.len());
                let folded = self.state.seen.groups.get(row.folded).map_or("", |folded| folded.names.as_str());
                let room = self.names.saturating_sub(count.len());
                format!("{}{count}", cut(self.theme, folded, room))
            }
        }
    }

    fn marks(&self, mut line: Cells, host: Option<&HostName>) -> Cells {
        let Some(host) = host.and_then(|name| self.run.hosts.get(name)) else { return line };
        for (at, column) in self.columns.iter().enumerate() {
            let class = mark(host, column, at == 0);
            line = line.put(Tone::Plain, " ").put(Theme::tone(class), self.theme.mark(class)).put(Tone::Plain, "  ");
        }
        if self.missing > 0 {
            line = line.put(Tone::Plain, &" ".repeat(COLUMN));
        }
        line
    }
}
