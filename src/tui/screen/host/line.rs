//! The rows of the steps as they are painted.

use crate::model::visible::width;
use crate::state::class::Class;
use crate::state::words::clock;
use crate::tui::model::Model;
use crate::tui::screen::host::Subject;
use crate::tui::screen::host::steps::{Item, items};
use crate::tui::screen::host::words::{Said, of_item};
use crate::tui::theme::{Theme, Tone};
use crate::tui::view::cells::Cells;

/// Columns up to the step's id.
const LEAD: usize = 5;
/// The columns of a step's id, at least and at most.
const IDS: [usize; 2] = [8, 24];
/// Columns of the tag of what is open.
const OPEN: usize = 5;
/// Columns of a time.
const TIME: usize = 6;
/// Columns of whether a step has changed the host, and of what a claim rests on.
const LAST: [usize; 2] = [9, 19];

/// How wide the columns of the steps are.
pub(super) struct Form<'m> {
    theme: Theme,
    model: &'m Model,
    subject: Subject<'m>,
    columns: usize,
    id: usize,
    state: usize,
    narrow: bool,
}

impl<'m> Form<'m> {
    /// The columns of a pane.
    pub(super) fn new(theme: Theme, model: &'m Model, subject: Subject<'m>, columns: usize, narrow: bool) -> Self {
        let ids = items(model, subject).iter().map(|item| width(&name(item))).max().unwrap_or_default();
        let id = ids.clamp(IDS[0], IDS[1]).min(columns / 3);
        let preview = subject.is_preview();
        let last = match narrow {
            true => 0,
            false => LAST[usize::from(preview)],
        };
        let time = if preview { 0 } else { TIME + OPEN };
        let state = columns.saturating_sub(LEAD + id + 2 + time + last);
        Self { theme, model, subject, columns, id, state, narrow }
    }

    /// The heads of the columns.
    pub(super) fn heads(&self) -> Cells {
        let line = Cells::of(self.theme, Tone::Dim, "  #").to(LEAD).cell(Tone::Dim, "STEP", self.id).to(LEAD + self.id + 2);
        if self.subject.is_preview() {
            return line.cell(Tone::Dim, "WHAT WOULD HAPPEN", self.state).put(Tone::Dim, "  BASIS");
        }
        let end = LEAD + self.id + 2 + self.state + OPEN + TIME;
        line.cell(Tone::Dim, "STATE", self.state).right(Tone::Dim, "TIME", end).put(Tone::Dim, "  CHANGED")
    }

    /// A row.
    pub(super) fn row(&self, item: &Item, here: bool) -> Cells {
        let (theme, subject) = (self.theme, self.subject);
        let said = of_item(self.model, subject, item);
        let cursor = if here { theme.cursor() } else { " " };
        let n = subject.watched.run.steps.iter().find(|step| step.id == *item.step()).map_or(0, |step| step.n);
        let plus = if matches!(item, Item::Close(_)) { "+" } else { "" };
        let line = Cells::of(theme, Tone::Strong, cursor).right(Tone::Plain, &n.to_string(), 3).put(Tone::Plain, plus).to(LEAD);
        let line = line.cell(Tone::Plain, &name(item), self.id).put(Tone::Plain, "  ");
        let tone = Theme::tone(said.class);
        let mark = Cells::of(theme, tone, theme.mark(said.class)).put(Tone::Plain, " ");
        let text = said.text.replace('→', theme.arrow());
        let words = if said.class == Class::Held { Tone::Warn } else { tone };
        let line = line.join(mark);
        // where nothing stands at the end the words may go on
        let room = match (&said, subject.is_preview()) {
            (Said { time: None, open: false, last: "", .. }, _) => self.columns.saturating_sub(line.used()),
            (_, true) | (Said { open: true, .. }, _) => self.state.saturating_sub(3),
            (_, false) => (self.state + OPEN).saturating_sub(2),
        };
        let line = line.cell(words, &text, room);
        match subject.is_preview() {
            true if self.narrow || said.last.is_empty() => line,
            true => line.put(Tone::Plain, "   ").put(Tone::Dim, said.last),
            false => self.end(line, &said),
        }
    }

    fn end(&self, line: Cells, said: &Said) -> Cells {
        let from = LEAD + self.id + 2 + self.state;
        let line = if said.open { line.to(from).put(Tone::Held, "OPEN") } else { line };
        let end = from + OPEN + TIME;
        let Some(time) = said.time else { return line };
        let line = line.right(Tone::Plain, &clock(time), end.min(self.columns));
        if self.narrow { line } else { line.put(Tone::Plain, "  ").put(Tone::Plain, said.last) }
    }

    /// A row as plain text.
    pub(super) fn plain(&self, item: &Item) -> String {
        let said = of_item(self.model, self.subject, item);
        let open = if said.open { "  OPEN" } else { "" };
        let time = said.time.map_or_else(String::new, |time| format!("  {}", clock(time)));
        let last = match said.last {
            "" => String::new(),
            last if self.subject.is_preview() => format!("  ({last})"),
            "yes" => "  changed".to_owned(),
            "unknown" => "  may have changed".to_owned(),
            _ => String::new(),
        };
        format!("{}  {}{open}{time}{last}", name(item), said.text)
    }
}

/// The name of a row.
pub(super) fn name(item: &Item) -> String {
    match item {
        Item::Step(id) => id.to_string(),
        Item::Close(id) => format!("close {id}"),
    }
}
