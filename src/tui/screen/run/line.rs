//! The rows of the list as they are painted.

use crate::model::id::HostName;
use crate::state::class::Class;
use crate::state::fleet::GroupKey;
use crate::state::words::clock;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::matrix::Matrix;
use crate::tui::screen::run::rows::Item;
use crate::tui::screen::run::words;
use crate::tui::theme::{Theme, Tone};
use crate::tui::view::cells::Cells;

/// The columns of the time at the end.
const TIME: usize = 8;
/// The least columns of the words of a host, and of a folded row.
const STATE: [usize; 2] = [22, 16];
/// The most columns of the names of hosts.
const LONGEST: usize = 24;
/// The columns of a set of hosts with their number, and the most of them.
const SET: [usize; 2] = [24, 40];
/// The columns of the number.
const NUMBER: usize = 6;

/// How rows are laid out.
#[derive(Debug)]
pub(super) struct Form<'r> {
    pub(super) theme: Theme,
    /// Columns of the screen.
    pub(super) columns: usize,
    /// Whether rows are folded.
    folded: bool,
    /// None: there is no room for one.
    matrix: Option<Matrix<'r>>,
    /// Where names begin, and their columns; of a folded row with the number.
    lead: usize,
    name: usize,
}

impl<'r> Form<'r> {
    /// `longest`: columns of the longest name of a host.
    pub(super) fn new(watched: &'r Watched, theme: Theme, columns: usize, folded: bool, longest: usize, narrow: bool) -> Self {
        let (lead, name, end) = match folded {
            true => (5, SET[0], STATE[1]),
            false => (2, longest.clamp(4, LONGEST) + 1, STATE[0] + TIME),
        };
        let room = columns.saturating_sub(lead + name + 1 + 2 + end);
        let matrix = (!narrow).then(|| Matrix::new(&watched.run, room));
        let taken = matrix.as_ref().map_or(0, |matrix| matrix.width());
        // what is left is shared by the names and the words
        let more = if folded { (room.saturating_sub(taken) / 2).min(SET[1] - SET[0]) } else { 0 };
        Self { theme, columns, folded, matrix, lead, name: name + more }
    }

    /// Where the matrix begins.
    fn matrix_at(&self) -> usize {
        self.lead + self.name + 1
    }

    /// Where the words begin.
    fn state_at(&self) -> usize {
        self.matrix_at() + 1 + self.matrix.as_ref().map_or(0, |matrix| matrix.width())
    }

    /// The columns of a set of hosts.
    fn set(&self) -> usize {
        self.name - NUMBER
    }

    fn has_time(&self) -> bool {
        !self.folded
    }

    /// The heads of the columns; none where there is no matrix.
    pub(super) fn heads(&self) -> Option<Cells> {
        let matrix = self.matrix.as_ref()?;
        let line = Cells::new(self.theme);
        let line = if self.folded {
            line.to(self.lead).put(Tone::Dim, "HOSTS").right(Tone::Dim, "N", self.lead + self.name)
        } else {
            line.to(self.lead).put(Tone::Dim, "HOST")
        };
        let line = line.to(self.matrix_at());
        let line = matrix.put_heads(line).to(self.state_at()).put(Tone::Dim, "STATE");
        let line = if self.has_time() { line.right(Tone::Dim, "TIME", self.columns.saturating_sub(2)) } else { line };
        Some(line)
    }

    /// A row.
    pub(super) fn row(&self, watched: &Watched, model: &Model, item: &Item, cursor: bool, under: bool) -> Cells {
        let mark = if cursor { self.theme.cursor() } else { " " };
        let line = Cells::of(self.theme, Tone::Strong, mark).to(2);
        match item {
            Item::Host(name) => self.host(line, watched, model, name, under),
            Item::Group(key) => self.group(line, watched, key),
            Item::Step(n) => self.step(line, watched, model, *n),
            Item::Between => {
                let line = line.to(7).put(Tone::Active, "between two steps");
                let (running, in_steps) = (words::running_hosts(watched), watched.fleet.running().map(|(_, hosts)| hosts).sum());
                line.right(Tone::Strong, &running.saturating_sub(in_steps).to_string(), self.lead + self.name)
            }
        }
    }

    fn host(&self, line: Cells, watched: &Watched, model: &Model, name: &HostName, under: bool) -> Cells {
        let Some(place) = watched.fleet.place(name) else { return line };
        let Some(said) = words::of_host(watched, place, model.now) else { return line };
        let tone = Theme::tone(said.class);
        let line = match (self.folded, under) {
            (true, true) => {
                line.to(5).put(tone, self.theme.mark(said.class)).to(7).cell(Tone::Plain, name.as_str(), self.name - 2)
            }
            (true, false) => line.put(tone, self.theme.mark(said.class)).to(5).cell(Tone::Plain, name.as_str(), self.name),
            (false, _) => line.cell(Tone::Plain, name.as_str(), self.name),
        };
        let line = match &self.matrix {
            Some(matrix) => {
                let line = line.to(self.matrix_at());
                matrix.put_marks(line, self.theme, &matrix.marks(watched, place))
            }
            None => line,
        };
        self.end(line.to(self.state_at()), &said)
    }

    /// The words and the time of a host.
    fn end(&self, line: Cells, said: &words::Said) -> Cells {
        let tone = Theme::tone(said.class);
        let open = if said.left_open { "OPEN" } else { "" };
        let line = line.put(Tone::Held, open).put(Tone::Plain, if open.is_empty() { "" } else { " " });
        // where there are no cells the mark stands before the words
        let marked = said.class == Class::Held || (self.matrix.is_none() && !self.folded);
        let line = if marked { line.put(tone, self.theme.mark(said.class)).put(Tone::Plain, " ") } else { line };
        let tone = if said.class == Class::Held { Tone::Warn } else { tone };
        let time = said.time.map(clock).filter(|_| self.has_time()).unwrap_or_default();
        let end = if self.has_time() { self.columns.saturating_sub(TIME) } else { self.columns };
        let room = end.saturating_sub(line.used());
        let line = line.cell(tone, &said.text, room);
        if time.is_empty() { line } else { line.right(Tone::Plain, &time, self.columns.saturating_sub(2)) }
    }

    fn group(&self, line: Cells, watched: &Watched, key: &GroupKey) -> Cells {
        let tone = Theme::tone(key.class);
        let hosts = watched.fleet.size_of(key);
        let first = watched.fleet.hosts_of(key, 0, 1).first().copied().unwrap_or_default();
        let name = words::name_of_group(watched, key, hosts, self.set(), self.theme);
        let line = line.put(tone, self.theme.mark(key.class)).to(5).cell(tone, &name, self.set());
        let line = line.right(Tone::Strong, &hosts.to_string(), self.lead + self.name);
        let line = match &self.matrix {
            None => line,
            Some(matrix) => {
                let line = line.to(self.matrix_at());
                match key.class {
                    Class::Running if matrix.has_numbers() => matrix.put_numbers(line, &matrix.running(&watched.fleet)),
                    Class::Ok if !watched.run.begun.is_empty() => line,
                    _ => matrix.put_marks(line, self.theme, &matrix.marks_of(watched, key)),
                }
            }
        };
        let at = self.state_at().max(line.used() + 1);
        let text = words::state_of_group(watched, key, first, self.columns.saturating_sub(at));
        line.to(at).put(if key.class == Class::Held { Tone::Warn } else { tone }, &text)
    }

    /// A step under the running hosts, with the host on which it has been running longest.
    fn step(&self, line: Cells, watched: &Watched, model: &Model, n: u32) -> Cells {
        let fleet = &watched.fleet;
        let hosts = fleet.running().find(|(step, _)| *step == n).map_or(0, |(_, hosts)| hosts);
        let id = watched.run.steps.iter().find(|step| step.n == n).map_or("?", |step| step.id.as_str());
        let line = line.to(5).put(Tone::Running, self.theme.mark(Class::Running)).to(7).cell(Tone::Running, id, self.set() - 2);
        let line = line.right(Tone::Strong, &hosts.to_string(), self.lead + self.name);
        let Some(longest) = fleet.longest(Some(n), 1).first().copied() else { return line };
        let line = match &self.matrix {
            None => line,
            Some(matrix) => {
                let line = line.to(self.matrix_at());
                matrix.put_marks(line, self.theme, &matrix.marks(watched, longest.place))
            }
        };
        let name = fleet.name(longest.place).map_or("", HostName::as_str);
        let at = self.state_at().max(line.used() + 1);
        line.to(at).put(Tone::Plain, &format!("longest {name} {}", clock(model.now.since(longest.since))))
    }
}
