//! The list of runs, and how it is laid out beside what is told of the run under the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::outcome::{HostOutcome, RunState as EndState};
use crate::model::time::Timestamp;
use crate::model::visible::{pad, visible, width};
use crate::state::class::Class;
use crate::state::words;
use crate::tui::model::{Model, Ran};
use crate::tui::screen::history::{current, details};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::{Times, Ui};
use crate::tui::view::cells::{Cells, cut, paint, rule};
use crate::tui::view::frame::{self, WIDE};
use crate::tui::view::sides::beside;

/// From so many rows of the terminal on there is room below the list.
const TALL: u16 = 24;
/// The names of the columns.
const COLUMNS: [&str; 8] = ["RUN", "WHEN (UTC)", "BY", "RUNBOOK", "HOSTS", "RESULT", "TOOK", "OPEN"];

/// The columns that there is room for: how wide each is, in the order of [`COLUMNS`]; 0 is left out.
fn widths(columns: usize) -> [usize; 8] {
    let rest = columns.saturating_sub(86);
    match columns {
        0..80 => [8, 12, 0, 14, 0, columns.saturating_sub(2 + 8 + 12 + 14), 0, 0],
        80..86 => [7, 12, 5, 13, 11, 22, 8, 0],
        _ => [7, 12, 5 + (rest / 4).min(6), 13 + (rest / 3).min(14), 12 + (rest / 4).min(14), 22, 8, 5],
    }
}

struct Rows {
    list: usize,
    below: usize,
}

fn rows(model: &Model, ui: &Ui) -> Rows {
    let area = Rect { x: 0, y: 0, width: ui.size.0, height: ui.size.1 };
    let all = frame::body(area, model, ui).map_or(0, |body| usize::from(body.height));
    let wide = ui.size.0 >= WIDE;
    let head = if wide { 2 } else { 1 };
    let below = if wide || ui.size.1 < TALL { 0 } else { (all / 2).clamp(4, 14) };
    Rows { list: all.saturating_sub(head + below), below }
}

/// How many rows of the list are on the screen.
pub(super) fn height(model: &Model, ui: &Ui) -> usize {
    rows(model, ui).list.max(1)
}

/// Paints it.
pub(super) fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    let theme = ui.theme;
    let columns = usize::from(area.width);
    let rows = rows(model, ui);
    if area.width >= WIDE {
        let left = columns * 5 / 8;
        let title = format!("runs: {} of {}", ui.history.shown.len(), model.shelf.runs_recorded);
        let list = std::iter::once(rule(theme, &title, "", left)).chain(list(model, ui, left - 1, rows.list));
        let right = details::column(model, ui, columns.saturating_sub(left + 2), usize::from(area.height));
        return paint(buf, area, beside(theme, area, left, list.collect(), right));
    }
    let mut lines: Vec<Cells> = list(model, ui, columns, rows.list).collect();
    if rows.below > 0
        && let Some(ran) = current(model, ui)
    {
        lines.resize(rows.list + 1, Cells::new(theme));
        lines.push(rule(theme, &details::title(ran), "", columns));
        let told = details::lines(model, ui, ran, columns.saturating_sub(2));
        lines.extend(told.into_iter().map(|line| Cells::of(theme, Tone::Plain, " ").join(line)).take(rows.below - 1));
    }
    paint(buf, area, lines);
}

fn list<'a>(model: &'a Model, ui: &'a Ui, columns: usize, height: usize) -> impl Iterator<Item = Cells> + 'a {
    let (theme, state) = (ui.theme, &ui.history);
    let widths = widths(columns);
    let when = match ui.times {
        Times::Utc => COLUMNS[1],
        Times::Local => "WHEN local",
        Times::Relative => "WHEN",
    };
    let mut head = Cells::of(theme, Tone::Dim, "  ");
    for (at, columns) in widths.into_iter().enumerate().filter(|(_, columns)| *columns > 0) {
        head = head.cell(Tone::Dim, if at == 1 { when } else { COLUMNS[at] }, columns);
    }
    let nothing = state.shown.is_empty().then(|| Cells::of(theme, Tone::Dim, &format!("  {}", nothing(model, ui))));
    let rows = state.shown.iter().enumerate().skip(state.cursor.top).take(height);
    let rows = rows.filter_map(move |(row, at)| Some((row, model.shelf.runs.get(*at)?)));
    let rows = rows.map(move |(row, ran)| one(model, ui, ran, &widths, row == state.cursor.row));
    std::iter::once(head).chain(nothing).chain(rows)
}

fn nothing(model: &Model, ui: &Ui) -> String {
    match (&model.shelf.trouble, model.shelf.read) {
        (Some(trouble), _) => format!("The record cannot be read: {trouble}"),
        (None, None) => format!("reading the record{}", ui.theme.more()),
        (None, Some(_)) if !ui.history.filter.is_empty() => format!("No run has \"{}\" in any column.", ui.history.filter),
        (None, Some(_)) => "No run is recorded yet.".to_owned(),
    }
}

fn one(model: &Model, ui: &Ui, ran: &Ran, widths: &[usize; 8], here: bool) -> Cells {
    let theme = ui.theme;
    let marked = if ui.history.marks.contains(&ran.run) { "*" } else { " " };
    let cursor = if here { theme.cursor() } else { " " };
    let mut row = Cells::new(theme).put(Tone::Strong, cursor).put(Tone::Warn, marked);
    let (tone, result) = result(theme, ran);
    let cells = cells(model, ui, ran, result, widths[4]);
    for (at, columns) in widths.iter().enumerate().filter(|(_, columns)| **columns > 0) {
        let tone = match at {
            5 => tone,
            7 if !ran.open.is_empty() => Tone::Held,
            _ => Tone::Plain,
        };
        let text = cut(theme, &visible(&cells[at]), columns.saturating_sub(1));
        row = match at {
            6 => {
                row.put(Tone::Plain, &" ".repeat(columns.saturating_sub(1 + width(&text)))).put(tone, &text).put(Tone::Plain, " ")
            }
            _ => row.put(tone, &text).put(Tone::Plain, &" ".repeat(columns.saturating_sub(width(&text)))),
        };
    }
    row.reversed(here)
}

fn cells(model: &Model, ui: &Ui, ran: &Ran, result: String, room: usize) -> [String; 8] {
    let count = ran.planned.map_or_else(String::new, |n| format!(" ({n})"));
    let hosts = cut(ui.theme, &visible(&ran.selector), room.saturating_sub(1 + width(&count)));
    let took = ran.took.map_or_else(|| "-".to_owned(), words::clock);
    let open = if ran.open.is_empty() { String::new() } else { ran.open.len().to_string() };
    let when = when(model, ui, ran.started);
    [ran.run.to_string(), when, ran.by.clone(), ran.runbook.clone(), format!("{hosts}{count}"), result, took, open]
}

/// `11-21 03:13`, `2 d ago`.
fn when(model: &Model, ui: &Ui, at: Timestamp) -> String {
    if ui.times == Times::Relative {
        let minutes = model.now.since(at).as_secs() / 60;
        return match minutes {
            0..60 => format!("{minutes} min ago"),
            60..2_880 => format!("{} h ago", minutes / 60),
            _ => format!("{} d ago", minutes / 1_440),
        };
    }
    let shift = if ui.times == Times::Local { i64::from(model.offset) * 1000 } else { 0 };
    let at = Timestamp::from_millis(at.as_millis() + shift);
    let day: String = at.date().chars().skip(5).collect();
    let time: String = at.clock().chars().take(5).collect();
    format!("{day} {time}")
}

/// What a run came to, with its mark: `✗ 1 of 6 failed`.
pub(super) fn result(theme: Theme, ran: &Ran) -> (Tone, String) {
    let (class, text) = outcome(ran);
    (Theme::tone(class), format!("{}{} {text}", words::sim(ran.sim), theme.mark(class)))
}

fn outcome(ran: &Ran) -> (Class, String) {
    use EndState as S;
    use HostOutcome as H;
    let all = ran.planned.unwrap_or_else(|| ran.hosts.values().sum());
    let hosts = |outcome: H| ran.hosts.get(&outcome).copied().unwrap_or(0);
    let of = |class: Class, outcome: H| (class, format!("{} of {all} {}", hosts(outcome), words::outcome(outcome)));
    let first =
        |outcomes: &[(Class, H)]| outcomes.iter().find(|(_, outcome)| hosts(*outcome) > 0).map(|(class, o)| of(*class, *o));
    let failed = [
        (Class::RollbackFailed, H::RollbackFailed),
        (Class::Failed, H::Failed),
        (Class::RolledBack, H::RolledBack),
        (Class::Unreachable, H::Unreachable),
        (Class::Refused, H::Refused),
    ];
    match ran.state {
        _ if ran.running => (Class::Running, "running now".to_owned()),
        _ if ran.unconfirmed => (Class::Skipped, "not confirmed".to_owned()),
        None => (Class::Unknown, "NOT FINISHED".to_owned()),
        Some(S::Ok | S::Pending) if ran.dry_run => (Class::Skipped, format!("dry run, {all}")),
        Some(S::Ok | S::Pending) => (Class::Ok, format!("{} ok", hosts(H::Ok))),
        Some(S::LeftOpen) => (Class::Held, "LEFT OPEN".to_owned()),
        Some(S::Unknown) => of(Class::Unknown, H::Unknown),
        Some(S::Aborted) => (Class::Cancelled, format!("aborted, {} ok", hosts(H::Ok))),
        Some(state @ (S::RecordLost | S::Internal)) => (Class::Failed, state.to_string()),
        Some(S::Failed | S::Unreachable | S::Refused) => {
            let (class, text) = first(&failed).unwrap_or((Class::Failed, "failed".to_owned()));
            if ran.dry_run { (class, format!("dry: {text}")) } else { (class, text) }
        }
    }
}

/// Whether a text, in lower case, is in any column of a run.
pub(super) fn has(ran: &Ran, ui: &Ui, low: &str) -> bool {
    let open = if ran.open.is_empty() { "" } else { "open" };
    let (_, result) = result(ui.theme, ran);
    let date = ran.started.date();
    let cells = [ran.run.as_str(), &date, &ran.by, &ran.runbook, &ran.selector, &result, open];
    low.is_empty() || cells.iter().any(|cell| cell.to_lowercase().contains(low))
}

/// The list as text, all of it.
pub(super) fn text(model: &Model, ui: &Ui) -> String {
    let ran = ui.history.shown.iter().filter_map(|at| model.shelf.runs.get(*at));
    let rows = ran.map(|ran| {
        let mut cells = cells(model, ui, ran, result(ui.theme, ran).1, 1_000).map(|cell| visible(&cell).into_owned());
        cells[1] = format!("{}Z", ran.started.seconds().trim_end_matches('Z'));
        cells
    });
    let rows: Vec<[String; 8]> = std::iter::once(COLUMNS.map(str::to_owned)).chain(rows).collect();
    let wide = |at: usize| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0);
    let columns: Vec<usize> = (0..COLUMNS.len()).map(wide).collect();
    let line = |row: &[String; 8]| {
        let padded: Vec<String> = row.iter().zip(&columns).map(|(cell, columns)| pad(cell, *columns)).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}
