//! What shows an entry of the story, and what the whole story took.

use std::time::Duration;

use crate::model::id::HostName;
use crate::state::timeline::{Entry, PhaseTime};
use crate::state::words;
use crate::tui::model::{Model, Opened, Watched};
use crate::tui::screen::timeline::page;
use crate::tui::theme::Tone;
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::wrap::wrap;

/// How far ahead what happened next on the same host is looked for.
const AHEAD: usize = 2_000;
/// How much of what happened next is told.
const NEXT: usize = 4;

/// What shows the entry under the cursor, in at most so many rows.
pub(super) fn lines(model: &Model, ui: &Ui, story: &Opened, columns: usize, rows: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let (Some(line), Some((_, entry))) = (ui.timeline.line(), page::current(model, ui)) else { return Vec::new() };
    let place = |place: &usize| story.timeline.entries.get(*place).and_then(|entry| entry.host.clone());
    let hosts: Vec<HostName> = line.all.iter().filter_map(place).collect();
    let step = entry.step.as_ref().map_or_else(String::new, |step| format!(", step {step}"));
    let at = match hosts.as_slice() {
        [] => String::new(),
        hosts => format!(" on {}", words::hosts(hosts, columns)),
    };
    let head = format!("{}  {}{at}{step}", entry.at, page::source(theme, entry.who));
    let mut texts = vec![(Tone::Dim, head)];
    texts.push((if entry.bad { Tone::Bad } else { Tone::Strong }, page::in_set(theme, &entry.text)));
    texts.extend(entry.evidence.iter().map(|line| (Tone::Plain, line.clone())));
    texts.extend(next(story, line.first, entry).map(|text| (Tone::Dim, page::in_set(theme, &text))));
    let cells = texts.iter().flat_map(|(tone, text)| {
        wrap(theme, text, columns, rows).into_iter().map(|row| Cells::of(theme, *tone, &row)).collect::<Vec<_>>()
    });
    cells.take(rows).collect()
}

/// `9.6 s after: killed pid 18422`: what happened next on the same host.
fn next<'s>(story: &'s Opened, place: usize, entry: &'s Entry) -> impl Iterator<Item = String> + 's {
    let after = story.timeline.entries.iter().skip(place + 1).take(AHEAD);
    let same = after.filter(|other| entry.host.is_some() && other.host == entry.host);
    same.take(NEXT).map(|other| format!("{} after: {}", words::took(other.at.since(entry.at)), other.text))
}

/// The command that shows the step of the entry under the cursor, where it has one.
pub(super) fn command(model: &Model, ui: &Ui, story: &Opened) -> String {
    let Some((_, entry)) = page::current(model, ui) else { return String::new() };
    let (Some(host), Some(step)) = (&entry.host, &entry.step) else { return String::new() };
    format!("runbook show {} {host} {step}{}", story.run, model.shelf.record_flags)
}

/// Key moments, phases against their budgets, how long things were open.
pub(super) fn durations(model: &Model, ui: &Ui, story: &Opened, watched: &Watched) -> Vec<Cells> {
    let theme = ui.theme;
    let moments = story.timeline.moments.iter().map(|moment| {
        let after = moment.after.map_or_else(|| format!("{}Z", moment.at.clock()), words::clock);
        format!("{:<10} {after:<9}", moment.name)
    });
    let moments: Vec<String> = moments.collect();
    let mut rows: Vec<Cells> = moments.chunks(2).map(|pair| Cells::of(theme, Tone::Plain, pair.join("  ").trim_end())).collect();
    rows.extend(story.timeline.phases.iter().map(|phase| phase_row(ui, phase)));
    let closed = &ui.timeline.story.closed;
    if let Some((longest, host)) = closed.first() {
        let median = closed.get(closed.len() / 2).map_or(Duration::ZERO, |(open, _)| *open);
        let of = match closed.len() {
            1 => String::new(),
            n => format!("; median {} of {n}", words::clock(median)),
        };
        rows.push(Cells::of(theme, Tone::Plain, &format!("open       {} at most ({host}){of}", words::clock(*longest))));
    }
    let fleet = &watched.fleet;
    if let Some((open, host)) = fleet.open().next().and_then(|open| Some((open, fleet.name(open.place)?))) {
        let text = format!(" {} so far ({host}), {} in all", words::clock(model.now.since(open.since)), fleet.open().len());
        rows.push(Cells::new(theme).put(Tone::Held, "OPEN").to(10).put(Tone::Plain, &text));
    }
    rows
}

fn phase_row(ui: &Ui, phase: &PhaseTime) -> Cells {
    let took = phase.took.map_or_else(|| "-".to_owned(), words::clock);
    let budget = phase.budget.map_or_else(String::new, |budget| format!(" of {}", words::clock(budget)));
    let host = phase.host.as_ref().map_or_else(String::new, |host| format!("  {host}"));
    let row =
        Cells::of(ui.theme, Tone::Plain, "").cell(Tone::Plain, &phase.name, 11).put(Tone::Plain, &format!("{took}{budget}"));
    let row = if phase.over { row.put(Tone::Plain, " ").put(Tone::Warn, "OVER") } else { row };
    row.put(Tone::Dim, &host)
}
