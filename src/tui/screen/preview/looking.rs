//! A preview that is not complete: how far it has come, and which hosts are in the way.

use crate::state::words;
use crate::tui::model::Watched;
use crate::tui::screen::preview::text::labelled;
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::frame::MEDIUM;

/// Where the words behind a mark begin.
const WORDS: usize = 18;
/// The most hosts without an answer that are named.
const SILENT: usize = 50;

/// The lines of the screen.
pub(super) fn lines(ui: &Ui, watched: &Watched, columns: usize, rows: usize) -> Vec<Cells> {
    let (theme, looked) = (ui.theme, &watched.looked);
    let all = words::count(looked.hosts(), "host");
    let text = match (watched.is_live(), watched.run.started) {
        (false, _) => "There is no preview of this run.".to_owned(),
        (true, None) => "The run is being planned.".to_owned(),
        (true, Some(_)) => format!("{} of {all} answered, {} looked at to the end.", looked.answered(), looked.done()),
    };
    let indent = if ui.size.0 < MEDIUM { 6 } else { 8 };
    let mut lines = labelled(theme, "PLAN", indent, &[(Tone::Plain, text)], columns, 2);
    let silent = looked.hosts() - looked.answered();
    if silent > 0 && watched.is_live() {
        let names = words::hosts(&looked.silent(SILENT), columns.saturating_sub(WORDS + 16)).replace('…', theme.more());
        let more = if silent > SILENT { format!(", {silent} in all") } else { String::new() };
        lines.push(Cells::of(theme, Tone::Strong, "  no answer yet").to(WORDS).put(Tone::Plain, &format!("{names}{more}")));
    }
    lines.extend(problems(ui, watched, rows.saturating_sub(lines.len())));
    lines
}

/// Hosts that cannot be reached or say no, folded by cause.
fn problems(ui: &Ui, watched: &Watched, rows: usize) -> Vec<Cells> {
    let groups = watched.fleet.group_rows(0, rows);
    let told = groups.into_iter().filter(|group| group.key.class.is_problem()).map(|group| {
        let (class, theme) = (group.key.class, ui.theme);
        let why = watched.fleet.words(&watched.run, group.first).unwrap_or_default();
        let first = watched.fleet.name(group.first).map_or_else(String::new, ToString::to_string);
        let who = if group.hosts == 1 { first } else { format!("{first} and {} more", group.hosts - 1) };
        let tone = Theme::tone(class);
        let head = Cells::of(theme, tone, &format!("  {} ", theme.mark(class))).put(tone, class.word());
        head.to(WORDS).put(Tone::Plain, &format!("{who}: {why}"))
    });
    told.collect()
}
