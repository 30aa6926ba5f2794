//! The log: which lines are shown, which of them are on the screen, and how they are painted.

use crate::model::id::StepId;
use crate::model::outcome::Outcome;
use crate::model::visible::width;
use crate::state::log::{LogLine, Origin};
use crate::state::words::{count, step};
use crate::tui::model::Model;
use crate::tui::screen::host::layout::{Layout, Panes};
use crate::tui::screen::host::steps::Item;
use crate::tui::screen::host::{Pane, Subject, Threshold};
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, rule};
use crate::tui::view::now;
use crate::tui::view::wrap::wrap;

/// The deepest indentation that is kept where a long line goes on.
const INDENT: usize = 8;
/// How a line begins that tells of a close.
const CLOSED: &str = "closed, ";
/// How a line ends that tells of a close that failed.
const NOT_CLOSED: &str = " could not be closed";
/// The most rows of one line.
const ROWS: usize = 50;

/// The lines that are shown, of which some are on the screen.
pub(super) struct Shown<'m> {
    /// With their numbers on the host.
    pub(super) lines: Vec<(usize, &'m LogLine)>,
    /// The numbers of those that match what is looked for.
    pub(super) hits: Vec<usize>,
    /// How many bytes of older lines of this host are gone, where some of what is shown may be among them.
    pub(super) gone: usize,
    /// What they are of.
    pub(super) title: String,
    live: bool,
}

impl<'m> Shown<'m> {
    /// The lines of the step under the cursor, or of all.
    pub(super) fn of(ui: &Ui, subject: Subject<'m>) -> Self {
        let Subject { watched, name, .. } = subject;
        let log = watched.logs.of(name);
        let item = ui.host.cursor.at.as_ref();
        let (mut after_bad, mut place) = (false, Place::default());
        let mut lines = Vec::new();
        // of a host on which nothing was begun there is no step whose lines they could be
        let whole = ui.host.all || subject.host.units.is_empty();
        for (number, line) in log.lines(0) {
            let bad = is_problem(line, &mut after_bad);
            place.take(line);
            let fits = match ui.host.threshold {
                Threshold::All => true,
                Threshold::Run => !matches!(line.from, Origin::Stdout | Origin::Stderr),
                Threshold::Problems => bad,
            };
            if fits && (whole || item.is_none_or(|item| place.is_of(item, line))) {
                lines.push((number, line));
            }
        }
        let pattern = ui.host.search.as_ref().map_or("", |search| search.text.as_str());
        let all = watched.logs.hits(name, pattern);
        let hits = all.into_iter().filter(|hit| lines.binary_search_by_key(hit, |(number, _)| *number).is_ok()).collect();
        let start = match item {
            Some(Item::Step(id)) if !whole => log.start_of(id),
            _ => Some(0),
        };
        let gone = if start.is_some_and(|start| start < log.first()) { log.dropped_bytes() } else { 0 };
        let title = match item {
            _ if ui.host.all => "all steps".to_owned(),
            _ if whole => subject.name.to_string(),
            Some(Item::Step(id)) => step(&watched.run, id),
            Some(Item::Close(id)) => format!("close of {}", step(&watched.run, id)),
            None => String::new(),
        };
        Self { lines, hits, gone, title, live: !subject.has_ended() }
    }

    /// Where the cursor is among them.
    pub(super) fn cursor(&self, line: Option<usize>) -> usize {
        let last = self.lines.len().saturating_sub(1);
        line.and_then(|line| self.lines.iter().position(|(number, _)| *number >= line)).unwrap_or(last)
    }

    /// The number of a line by its place.
    pub(super) fn number(&self, at: usize) -> Option<usize> {
        self.lines.get(at).map(|(number, _)| *number)
    }

    /// The number of the first line on the screen, so that the cursor is on it and as little moves as can be.
    pub(super) fn top(&self, ui: &Ui, model: &Model, subject: Subject<'_>, layout: Layout) -> usize {
        let room = layout.log.saturating_sub(1);
        let cursor = self.cursor(ui.host.line);
        let rows = |at: usize| self.lines.get(at).map_or(1, |(_, line)| painted(model, ui, subject, line, layout, false).len());
        // the earliest top from which the cursor's line is still seen whole, and what fills the last screen
        let earliest = |last: usize| {
            let mut top = last;
            let mut used = rows(last);
            while top > 0 && used + rows(top - 1) <= room {
                top -= 1;
                used += rows(top);
            }
            top
        };
        let end = earliest(self.lines.len().saturating_sub(1));
        let top = match ui.host.line {
            None => end,
            Some(_) => self.cursor(Some(ui.host.top)).clamp(earliest(cursor), cursor).min(end.max(earliest(cursor))),
        };
        self.number(top).unwrap_or_default()
    }

    /// How many lines are below those on the screen.
    pub(super) fn below(&self, ui: &Ui, model: &Model, subject: Subject<'_>, layout: Layout) -> usize {
        let room = layout.log.saturating_sub(1);
        let first = self.cursor(Some(ui.host.top));
        let mut used = 0;
        let seen = self.lines.iter().skip(first).take_while(|(_, line)| {
            used += painted(model, ui, subject, line, layout, false).len();
            used <= room
        });
        self.lines.len().saturating_sub(first + seen.count())
    }

    /// The pane with its title.
    pub(super) fn pane(&self, model: &Model, ui: &Ui, subject: Subject<'_>, layout: Layout) -> Vec<Cells> {
        let mut rows = vec![self.rule(ui, layout.right)];
        if self.lines.is_empty() {
            rows.push(Cells::of(ui.theme, Tone::Dim, &format!(" {}", self.nothing(ui, subject))));
            return rows;
        }
        let cursor = self.cursor(ui.host.line);
        for (at, (_, line)) in self.lines.iter().enumerate().skip(self.cursor(Some(ui.host.top))) {
            if rows.len() >= layout.log {
                break;
            }
            // the last line of what is followed needs no mark
            let here = at == cursor && (ui.host.pane == Pane::Output || ui.host.line.is_some());
            let lines = painted(model, ui, subject, line, layout, here);
            rows.extend(lines.into_iter().map(|row| row.reversed(here && ui.host.pane == Pane::Output)));
        }
        rows.truncate(layout.log);
        rows
    }

    fn nothing(&self, ui: &Ui, subject: Subject<'_>) -> String {
        let log = subject.watched.logs.of(subject.name);
        match () {
            () if ui.host.threshold != Threshold::All && !log.is_empty() => {
                format!("No such line. {} shows more.", ui.keys.key(crate::tui::action::Action::Less))
            }
            () if self.gone > 0 => "What it printed is no longer kept here.".to_owned(),
            () if subject.is_preview() => "A preview prints nothing.".to_owned(),
            () => "Nothing was seen or printed.".to_owned(),
        }
    }

    /// The title: what it is of, what is looked for, where the cursor is.
    pub(super) fn rule(&self, ui: &Ui, columns: usize) -> Cells {
        let threshold = match ui.host.threshold {
            Threshold::All => "",
            Threshold::Run => ", without output",
            Threshold::Problems => ", only problems",
        };
        let search = ui.host.search.as_ref().filter(|search| !search.text.is_empty()).map(|search| {
            let all = self.hits.len();
            let at = ui.host.line.and_then(|line| self.hits.iter().position(|hit| *hit == line));
            let place = at.map_or_else(|| format!("{all} found"), |at| format!("{} of {all}", at + 1));
            format!(", \"{}\" {place}", search.text)
        });
        let title = format!("{}{threshold}{}", self.title, search.unwrap_or_default());
        let all = self.lines.len();
        let at = self.cursor(ui.host.line) + 1;
        let note = match (ui.host.line, self.live) {
            (_, _) if all == 0 => String::new(),
            (None, true) => format!("{}, following", count(all, "line")),
            (None, false) => count(all, "line"),
            (Some(_), true) => format!("line {at} of {all}, not following"),
            (Some(_), false) => format!("line {at} of {all}"),
        };
        let room = columns.saturating_sub(width(&title) + 8);
        let gone = if self.gone > 0 { format!(", {} gone", count(self.gone, "older byte")) } else { String::new() };
        let tails = [format!("{note}{gone}"), note, format!("{at} of {all}")];
        let tail = tails.into_iter().find(|tail| width(tail) <= room).unwrap_or_default();
        rule(ui.theme, &title, &tail, columns)
    }
}

/// Where in the log one is: the step that was told of last, and whether closing is told of since.
#[derive(Default)]
struct Place<'m> {
    step: Option<&'m StepId>,
    closing: bool,
}

impl<'m> Place<'m> {
    fn take(&mut self, line: &'m LogLine) {
        match &line.step {
            Some(step) => (self.step, self.closing) = (Some(step), false),
            None => self.closing |= line.text.starts_with(CLOSED) || line.text.ends_with(NOT_CLOSED),
        }
    }

    /// Whether a line belongs to a row of the steps. What is told of closing is told of no step; a connection that was lost
    /// was lost at the step before.
    fn is_of(&self, item: &Item, line: &LogLine) -> bool {
        match item {
            Item::Step(id) => self.step == Some(id) && !self.closing,
            Item::Close(id) => self.closing || (self.step == Some(id) && is_opening(line)),
        }
    }
}

fn is_opening(line: &LogLine) -> bool {
    line.from == Origin::Run && line.text.starts_with("open: ")
}

/// Whether a line tells of something that went wrong. After the line with a bad outcome comes the one that says why.
fn is_problem(line: &LogLine, after_bad: &mut bool) -> bool {
    let before = std::mem::take(after_bad);
    match line.from {
        Origin::Evidence => true,
        Origin::Run if ends_badly(&line.text) => {
            *after_bad = true;
            true
        }
        Origin::Run => before || line.text.starts_with("hint: ") || (line.step.is_none() && !line.text.starts_with(CLOSED)),
        Origin::Seen | Origin::Stdout | Origin::Stderr => false,
    }
}

fn ends_badly(text: &str) -> bool {
    let bad = Outcome::ALL.iter().filter(|outcome| !outcome.is_fine());
    bad.map(|outcome| outcome.word())
        .any(|word| text.strip_prefix(word).is_some_and(|rest| rest.starts_with(" after ") || rest.starts_with(", ")))
}

/// Whether long lines are wrapped.
pub(super) fn wraps(ui: &Ui, layout: Layout) -> bool {
    ui.host.wrap.unwrap_or(layout.panes == Panes::Beside)
}

/// A line as it is painted, in several rows where it is long and lines are wrapped.
fn painted(model: &Model, ui: &Ui, subject: Subject<'_>, line: &LogLine, layout: Layout, here: bool) -> Vec<Cells> {
    let theme = ui.theme;
    let (mark, tone) = match line.from {
        Origin::Run => (theme.ours(), Tone::Strong),
        Origin::Seen => (":", Tone::Dim),
        Origin::Stdout => (" ", Tone::Plain),
        Origin::Stderr => ("!", Tone::Warn),
        Origin::Evidence => (theme.bar(), Tone::Strong),
    };
    let at = now::at(model, ui, line.at);
    let head = Cells::of(theme, Tone::Strong, if here { theme.cursor() } else { " " });
    let head = head.put(Tone::Dim, at.trim_end_matches('Z')).put(Tone::Plain, " ");
    let head = if ui.host.all { head.put(Tone::Dim, &format!("{:>2} ", number(subject, line))) } else { head };
    let head = head.put(tone, mark).put(Tone::Plain, " ");
    let words = if line.from == Origin::Evidence { Tone::Strong } else { Tone::Plain };
    let text = line.text.replace('→', theme.arrow());
    let (from, room) = (head.used(), layout.right.saturating_sub(head.used()));
    if !wraps(ui, layout) || width(&text) <= room {
        return vec![head.put(words, &text)];
    }
    let rest = text.trim_start_matches(' ');
    let indent = " ".repeat((text.len() - rest.len()).min(INDENT));
    let mut parts = wrap(theme, rest, room.saturating_sub(indent.len()), ROWS).into_iter();
    let first = head.put(words, &format!("{indent}{}", parts.next().unwrap_or_default()));
    let more = parts.map(|part| Cells::new(theme).to(from).put(words, &format!("{indent}{part}")));
    std::iter::once(first).chain(more).collect()
}

/// The number of the step of a line, where it is of one.
pub(super) fn number(subject: Subject<'_>, line: &LogLine) -> String {
    let n = line.step.as_ref().and_then(|id| subject.watched.run.steps.iter().find(|step| step.id == *id)).map(|step| step.n);
    n.map_or_else(String::new, |n| n.to_string())
}
