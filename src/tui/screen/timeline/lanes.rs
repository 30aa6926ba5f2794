//! The right column: hosts over one time axis, restart counters, when something was open; the entry under the cursor; what
//! the run took.

use std::time::Duration;

use crate::model::id::HostName;
use crate::model::time::Timestamp;
use crate::state::class::{Class, of_host, of_unit};
use crate::state::run::{HostState, RunState};
use crate::state::series;
use crate::state::timeline::Counter;
use crate::tui::model::{Model, Opened, Watched};
use crate::tui::screen::timeline::{details, page};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::now;
use crate::tui::view::sides::Row;

/// Columns of the name of a lane.
const NAME: usize = 10;
/// Columns between two times of the axis.
const TICK: usize = 12;

/// The rows of the right column.
pub(super) fn column(model: &Model, ui: &Ui, story: &Opened, columns: usize, rows: usize) -> Vec<Row> {
    let watched = ui.watched(model).unwrap_or(&story.watched);
    let durations = details::durations(model, ui, story, watched);
    let axis = Axis::of(model, ui, watched, columns.saturating_sub(NAME));
    let reserved = if rows > 20 { durations.len() + 8 } else { 6 };
    let lanes = lanes(model, ui, story, watched, &axis, rows.saturating_sub(reserved).max(3));
    let (from, to) = (now::at(model, ui, axis.from), now::at(model, ui, axis.to));
    let zoom = if ui.timeline.zoom > 0 { format!(", 1/{} of the run", 1_u64 << ui.timeline.zoom) } else { String::new() };
    let mut column = vec![Row::Rule(format!("lanes, {from} to {to}{zoom}"))];
    column.extend(lanes.into_iter().map(Row::Text));
    column.push(Row::Rule("selected".to_owned()));
    let below = if rows > 20 { durations.len() + 1 } else { 0 };
    let room = rows.saturating_sub(column.len() + below);
    let command = details::command(model, ui, story);
    let mut selected = details::lines(model, ui, story, columns, room.saturating_sub(1));
    if !command.is_empty() {
        selected.push(Cells::of(ui.theme, Tone::Dim, &command));
    }
    column.extend(selected.into_iter().map(Row::Text));
    if rows > 20 && !durations.is_empty() {
        column.push(Row::Rule("durations".to_owned()));
        column.extend(durations.into_iter().map(Row::Text));
    }
    column
}

/// The axis that all lanes share.
struct Axis {
    from: Timestamp,
    to: Timestamp,
    columns: usize,
}

impl Axis {
    /// The run, or the part of it around the entry under the cursor.
    fn of(model: &Model, ui: &Ui, watched: &Watched, columns: usize) -> Self {
        let run = &watched.run;
        let from = run.started.unwrap_or(model.now);
        let end = run.finished.as_ref().map(|finished| finished.at);
        let end = end.or(if ui.shows_live(model) { Some(model.now) } else { run.last });
        let to = end.unwrap_or(from).max(from.plus(Duration::from_secs(1)));
        let span = to.since(from) / 2_u32.saturating_pow(ui.timeline.zoom);
        let Some((_, entry)) = page::current(model, ui).filter(|_| ui.timeline.zoom > 0) else {
            return Self { from, to, columns };
        };
        let begin = earlier(entry.at, span / 2).max(from).min(earlier(to, span));
        Self { from: begin, to: begin.plus(span), columns }
    }

    /// The column of a moment; before the axis the first one, after it the last one.
    fn column(&self, at: Timestamp) -> usize {
        let span = self.to.since(self.from).as_millis().max(1);
        let column = at.since(self.from).as_millis() * self.columns as u128 / span;
        usize::try_from(column).unwrap_or(usize::MAX).min(self.columns.saturating_sub(1))
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at <= self.to
    }

    /// The columns from one moment to another; none where no part of that is on the axis.
    fn part(&self, from: Timestamp, to: Timestamp) -> std::ops::Range<usize> {
        if to < self.from || from > self.to { 0..0 } else { self.column(from)..self.column(to) + 1 }
    }

    /// The end of a column.
    fn at(&self, column: usize) -> Timestamp {
        let ms = self.to.since(self.from).as_millis() * (column as u128 + 1) / self.columns.max(1) as u128;
        self.from.plus(Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX)))
    }
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

fn lanes(model: &Model, ui: &Ui, story: &Opened, watched: &Watched, axis: &Axis, rows: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let told = &ui.timeline.story;
    let mut lines = vec![ticks(model, ui, axis)];
    let open = open_row(model, ui, watched, axis);
    let counter = told.counters.first().and_then(|at| story.timeline.counters.get(*at));
    let below = usize::from(open.is_some()) + if counter.is_some() { 2 } else { 0 };
    let room = rows.saturating_sub(1 + below).max(1);
    let hosts = watched.fleet.len();
    let shown = if hosts > room { room.saturating_sub(1).max(1) } else { hosts };
    let mut places = watched.fleet.rows(0, shown);
    if shown == hosts {
        // where all fit they stand in the order of the run
        places.sort_unstable();
    }
    for name in places.into_iter().filter_map(|place| watched.fleet.name(place)) {
        let Some(host) = watched.run.hosts.get(name) else { continue };
        let lane = lane(&watched.run, name, host, told.down.get(name).copied(), axis, model.now.min(axis.to));
        let row = Cells::new(theme).cell(Tone::Plain, name.as_str(), NAME - 1).put(Tone::Plain, " ");
        lines.push(lane.into_iter().fold(row, |row, class| row.put(Theme::tone(class), theme.mark(class))));
    }
    if shown < hosts {
        lines.push(Cells::of(theme, Tone::Dim, &format!("and {} more, those with problems stand first", hosts - shown)));
    }
    if let Some(counter) = counter {
        let rest = told.counters.len() - 1;
        let others = if rest == 0 { String::new() } else { format!("; {}", page::others(told.moved, told.counters.len(), 1)) };
        let text = format!("{} of {} {}{others}", page::change(theme, counter), counter.host, counter.app);
        lines.push(Cells::of(theme, Tone::Plain, "").cell(Tone::Plain, "restarts", NAME).put(Tone::Dim, &text));
        lines.push(Cells::new(theme).to(NAME).put(Tone::Plain, &spark(theme, counter, axis)));
    }
    lines.extend(open);
    lines
}

/// Times along the axis.
fn ticks(model: &Model, ui: &Ui, axis: &Axis) -> Cells {
    let mut row = Cells::new(ui.theme).to(NAME);
    for column in (0..axis.columns.saturating_sub(TICK - 2)).step_by(TICK) {
        let at = if column == 0 { axis.from } else { axis.at(column - 1) };
        row = row.to(NAME + column).put(Tone::Dim, now::at(model, ui, at).trim_end_matches('Z'));
    }
    row
}

/// What a host stood as, column by column; where several things fall into one column the worst is shown.
fn lane(run: &RunState, name: &HostName, host: &HostState, down: Option<Timestamp>, axis: &Axis, now: Timestamp) -> Vec<Class> {
    let mut lane = vec![Class::Waiting; axis.columns];
    let mut fill = |from: Timestamp, to: Timestamp, class: Class| {
        for cell in lane.get_mut(axis.part(from, to)).into_iter().flatten() {
            *cell = (*cell).min(class);
        }
    };
    for unit in host.units.values() {
        let Some(started) = unit.started else { continue };
        let class = if unit.attempt > 1 { Class::Retrying } else { Class::Running };
        let end = unit.finished.or(host.finished).unwrap_or(now);
        fill(started, end, class);
        if let Some(at) = unit.finished.filter(|_| unit.outcome.is_some_and(|outcome| !outcome.is_fine())) {
            fill(at, at, of_unit(Some(unit), false));
        }
    }
    let about = |hosts: &[HostName]| hosts.contains(name);
    for decided in run.decided.iter().filter(|decided| decided.asked.step.is_some() && about(&decided.asked.hosts)) {
        fill(decided.asked.since, decided.at, Class::Held);
    }
    for asked in run.waiting.iter().filter(|asked| asked.step.is_some() && about(&asked.hosts)) {
        fill(asked.since, now, Class::Held);
    }
    if let Some(since) = host.undoing {
        fill(since, now, Class::RollingBack);
    }
    if let Some(since) = down.filter(|_| host.facts.is_none() || host.unreachable.is_some()) {
        fill(since, axis.to, Class::Unreachable);
    }
    if let Some(at) = host.finished.filter(|_| host.outcome.is_some()) {
        let class = of_host(run, host, false);
        // what went wrong stands until the end; what went well is over
        let until = if class.is_problem() { axis.to } else { at };
        if class.is_problem() {
            fill(at, until, class);
        } else if axis.holds(at)
            && let Some(cell) = lane.get_mut(axis.column(at))
        {
            *cell = class;
        }
    }
    lane
}

/// A counter over the axis: at each column what it said last.
fn spark(theme: Theme, counter: &Counter, axis: &Axis) -> String {
    let said = |column: usize| {
        let end = axis.at(column);
        let before = counter.points.partition_point(|(at, _)| *at <= end);
        before.checked_sub(1).and_then(|at| counter.points.get(at)).map(|(_, value)| *value)
    };
    let said: Vec<Option<u64>> = (0..axis.columns).map(said).collect();
    let values: Vec<u64> = said.iter().flatten().copied().collect();
    let mut levels = series::levels(&values, values.len()).into_iter();
    said.iter().map(|value| value.and_then(|_| levels.next()).map_or(' ', |level| theme.spark(level))).collect()
}

/// When anything was open; none where nothing ever was.
fn open_row(model: &Model, ui: &Ui, watched: &Watched, axis: &Axis) -> Option<Cells> {
    let still = watched.fleet.open().next().map(|open| (open.since, model.now.max(open.since)));
    let spans = ui.timeline.story.open.iter().copied().chain(still);
    let mut bar = vec![false; axis.columns];
    let mut any = false;
    for (from, to) in spans {
        any = true;
        for cell in bar.get_mut(axis.part(from, to)).into_iter().flatten() {
            *cell = true;
        }
    }
    let [full, empty] = ui.theme.progress();
    let text: String = bar.iter().map(|open| if *open { full } else { empty }).collect();
    let (word, tone) = if still.is_some() { ("OPEN", Tone::Warn) } else { ("open", Tone::Plain) };
    any.then(|| Cells::new(ui.theme).cell(tone, word, NAME).put(tone, &text))
}
