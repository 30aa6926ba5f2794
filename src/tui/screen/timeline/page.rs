//! What the timeline looks like.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::hostset;
use crate::model::id::HostName;
use crate::model::visible::{visible, width};
use crate::state::series;
use crate::state::timeline::{Counter, Entry, Mark, Source};
use crate::state::told::Told;
use crate::state::words;
use crate::tui::action::Action;
use crate::tui::model::{Model, Opened};
use crate::tui::screen::timeline::story::{has, moved};
use crate::tui::screen::timeline::{details, lanes, opened, told_of};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::{Times, Ui};
use crate::tui::view::cells::{Cells, paint, rule};
use crate::tui::view::frame::{self, MEDIUM, WIDE};
use crate::tui::view::now;
use crate::tui::view::sides::beside;

/// From so many rows of the terminal on there is room below the list.
const TALL: u16 = 24;
/// Columns of a time, of a distance, of hosts, of a source.
const TIME: usize = 10;
const SINCE: usize = 8;
const HOSTS: usize = 12;
const SOURCE: usize = 6;
/// The most hosts whose names are looked at for a place of a few columns.
const NAMED: usize = 12;
/// The most columns of a sparkline.
const SPARK: usize = 20;

/// Whether there are two columns of panes.
pub(super) fn is_wide(columns: u16) -> bool {
    columns >= WIDE
}

/// The rows of the list and of what lies above and below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rows {
    above: usize,
    list: usize,
    below: usize,
}

fn rows(model: &Model, ui: &Ui) -> Rows {
    let area = Rect { x: 0, y: 0, width: ui.size.0, height: ui.size.1 };
    let all = frame::body(area, model, ui).map_or(0, |body| usize::from(body.height));
    let (wide, tall) = (is_wide(ui.size.0), ui.size.1 >= TALL);
    let counters = !wide && tall && ui.size.0 >= MEDIUM && !ui.timeline.story.counters.is_empty();
    let above = if counters { 2 } else { 1 } + usize::from(wide);
    let below = if wide || !tall { 0 } else { (all / 4).clamp(5, 10) };
    Rows { above, list: all.saturating_sub(above + below), below }
}

/// How many rows of the list are on the screen.
pub(super) fn height(model: &Model, ui: &Ui) -> usize {
    rows(model, ui).list.max(1)
}

/// Paints it.
pub(super) fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui, story: Option<&Opened>) {
    let theme = ui.theme;
    let columns = usize::from(area.width);
    let Some(story) = story else {
        return paint(buf, area, [Cells::of(theme, Tone::Dim, &format!("  reading the record{}", theme.more()))]);
    };
    if ui.timeline.whole {
        let title = rule(theme, "evidence", "Esc back", columns);
        let lines = details::lines(model, ui, story, columns.saturating_sub(2), usize::from(area.height));
        let command = Cells::of(theme, Tone::Dim, &details::command(model, ui, story));
        return paint(buf, area, std::iter::once(title).chain(indented(theme, lines)).chain(indented(theme, vec![command])));
    }
    let rows = rows(model, ui);
    if is_wide(area.width) {
        let left = usize::from(area.width) * 3 / 5;
        let title = told_of(story, ui);
        let list = std::iter::once(rule(theme, &title, "", left)).chain(list(model, ui, story, left - 1, rows.list));
        let right = lanes::column(model, ui, story, columns.saturating_sub(left + 2), usize::from(area.height));
        return paint(buf, area, beside(theme, area, left, list.collect(), right));
    }
    let counters = (rows.above > 1).then(|| counters(theme, story, ui));
    let mut lines: Vec<Cells> = counters.into_iter().chain(list(model, ui, story, columns, rows.list)).collect();
    if rows.below > 0 {
        lines.resize(rows.above + rows.list, Cells::new(theme));
        lines.push(rule(theme, "evidence", &details::command(model, ui, story), columns));
        lines.extend(indented(theme, details::lines(model, ui, story, columns.saturating_sub(2), rows.below - 1)));
    }
    paint(buf, area, lines);
}

fn indented(theme: Theme, lines: Vec<Cells>) -> impl Iterator<Item = Cells> {
    lines.into_iter().map(move |line| Cells::of(theme, Tone::Plain, " ").join(line))
}

/// The columns that there is room for.
struct Widths {
    since: usize,
    hosts: usize,
    source: usize,
}

impl Widths {
    fn of(columns: usize, times: Times) -> Self {
        let narrow = columns < usize::from(MEDIUM);
        Self {
            since: if narrow || times == Times::Relative { 0 } else { SINCE },
            hosts: if columns >= 100 { 2 * HOSTS } else { HOSTS },
            source: if narrow { 2 } else { SOURCE + 1 },
        }
    }
}

fn list(model: &Model, ui: &Ui, story: &Opened, columns: usize, height: usize) -> Vec<Cells> {
    let (theme, state) = (ui.theme, &ui.timeline);
    let widths = Widths::of(columns, ui.times);
    let time = match ui.times {
        Times::Utc => "TIME (UTC)",
        Times::Relative => "+T",
        Times::Local => "TIME local",
    };
    let mut head = Cells::of(theme, Tone::Dim, "  ").cell(Tone::Dim, time, TIME + 1);
    if widths.since > 0 {
        head = head.cell(Tone::Dim, "+T", widths.since);
    }
    let source = if widths.source > SOURCE { "SRC" } else { "" };
    head = head.cell(Tone::Dim, "HOST", widths.hosts).put(Tone::Plain, " ").cell(Tone::Dim, source, widths.source);
    let mut lines = vec![head.put(Tone::Dim, "EVENT")];
    if state.story.lines.is_empty() {
        let key = |action| ui.keys.key(action);
        let text = format!(
            "  Nothing here. {} less severe too, {} all sources, {} all hosts.",
            key(Action::Less),
            key(Action::Source),
            key(Action::Only)
        );
        lines.push(Cells::of(theme, Tone::Dim, &text));
    }
    let low = state.query.to_lowercase();
    for (row, line) in state.story.lines.iter().enumerate().skip(state.cursor.top).take(height) {
        let Some(entry) = story.timeline.entries.get(line.first) else { continue };
        let found = !low.is_empty() && has(story, line, &low);
        lines.push(one(model, ui, &widths, columns, (story, line, entry), found, row == state.cursor.row));
    }
    lines
}

fn one(
    model: &Model,
    ui: &Ui,
    widths: &Widths,
    columns: usize,
    (story, line, entry): (&Opened, &Told, &Entry),
    found: bool,
    here: bool,
) -> Cells {
    let theme = ui.theme;
    let tone = match () {
        () if entry.bad => Tone::Bad,
        () if found || entry.who == Source::You => Tone::Strong,
        () => Tone::Plain,
    };
    let cursor = if here { format!("{} ", theme.cursor()) } else { "  ".to_owned() };
    let mut row = Cells::of(theme, Tone::Plain, &cursor).cell(Tone::Plain, &now::at(model, ui, entry.at), TIME + 1);
    if widths.since > 0 {
        row = row.cell(Tone::Dim, &since(entry), widths.since);
    }
    row = row.cell(Tone::Plain, &label(story, line, widths.hosts), widths.hosts).put(Tone::Plain, " ");
    row = if widths.source > SOURCE {
        row.cell(Tone::Dim, &source(theme, entry.who), widths.source)
    } else {
        row.cell(Tone::Dim, if ours(entry.who) { theme.ours() } else { "" }, widths.source)
    };
    let mark = mark(entry.mark);
    let room = columns.saturating_sub(row.used() + if mark.is_empty() { 0 } else { width(&mark) + 1 });
    let text = if found && !entry.bad { format!("{} {}", theme.cursor(), entry.text) } else { entry.text.clone() };
    row = row.cell(tone, &in_set(theme, &text), room);
    if !mark.is_empty() {
        let tone = if matches!(entry.mark, Some(Mark::Open)) { Tone::Held } else { Tone::Strong };
        row = row.right(tone, &mark, columns);
    }
    row.reversed(here)
}

/// The arrow of the story's own words in the theme's set.
pub(super) fn in_set(theme: Theme, text: &str) -> String {
    text.replace('→', theme.arrow())
}

fn ours(who: Source) -> bool {
    matches!(who, Source::Run | Source::You)
}

/// `» run`, `pm2`.
pub(super) fn source(theme: Theme, who: Source) -> String {
    if ours(who) { format!("{} {}", theme.ours(), who.word()) } else { who.word().to_owned() }
}

/// `+3:51` since the start without the plus; `-` before it.
pub(super) fn since(entry: &Entry) -> String {
    entry.since_start.map_or_else(|| "-".to_owned(), words::clock)
}

fn mark(mark: Option<Mark>) -> String {
    match mark {
        None => String::new(),
        Some(Mark::Open) => "OPEN".to_owned(),
        Some(Mark::Closed(open)) => format!("CLOSED {}", words::clock(open)),
    }
}

/// The hosts of a line in so many columns: their names, or how many there are.
fn label(story: &Opened, line: &Told, columns: usize) -> String {
    let host = |place: &usize| story.timeline.entries.get(*place).and_then(|entry| entry.host.clone());
    match line.all.as_slice() {
        [one] => host(one).map_or_else(|| "-".to_owned(), |host| host.to_string()),
        many if many.len() <= NAMED => {
            let names: Vec<HostName> = many.iter().filter_map(host).collect();
            let folded = hostset::fold(&names);
            if width(&folded) < columns { folded } else { words::count(many.len(), "host") }
        }
        many => words::count(many.len(), "host"),
    }
}

/// A line as text, whole.
pub(super) fn plain(model: &Model, ui: &Ui, story: &Opened, line: &Told) -> String {
    let Some(entry) = story.timeline.entries.get(line.first) else { return String::new() };
    let names: Vec<HostName> =
        line.all.iter().filter_map(|place| story.timeline.entries.get(*place)).filter_map(|e| e.host.clone()).collect();
    let hosts = if names.is_empty() { "-".to_owned() } else { words::hosts(&names, 200) };
    let time = now::at(model, ui, entry.at);
    let text = format!("{time}  {}  {hosts}  {}  {}  {}", since(entry), entry.who.word(), entry.text, mark(entry.mark));
    in_set(ui.theme, &visible(text.trim_end()))
}

/// The liveliest restart counters on one row.
fn counters(theme: Theme, story: &Opened, ui: &Ui) -> Cells {
    let told = &ui.timeline.story;
    let mut row = Cells::of(theme, Tone::Dim, "  restarts ");
    let shown = told.moved.clamp(1, 2).min(told.counters.len());
    for counter in told.counters.iter().take(shown).filter_map(|at| story.timeline.counters.get(*at)) {
        row = row.put(Tone::Plain, &format!("{} {} ", counter.host, counter.app));
        row = row.put(Tone::Plain, &spark(theme, counter)).put(Tone::Plain, &format!(" {}   ", change(theme, counter)));
    }
    let rest = told.counters.len() - shown;
    if rest == 0 { row } else { row.put(Tone::Dim, &others(told.moved, told.counters.len(), shown)) }
}

/// `5 others flat`, of so many counters.
pub(super) fn others(moved: usize, all: usize, shown: usize) -> String {
    let (moved, rest) = (moved.saturating_sub(shown), all - shown);
    let others = if rest == 1 { "other" } else { "others" };
    if moved == 0 { format!("{rest} {others} flat") } else { format!("{rest} {others}, {moved} moved") }
}

fn spark(theme: Theme, counter: &Counter) -> String {
    let values: Vec<u64> = counter.points.iter().map(|(_, value)| *value).collect();
    series::levels(&values, SPARK).into_iter().map(|level| theme.spark(level)).collect()
}

/// `1187 → 1191`, `1187`.
pub(super) fn change(theme: Theme, counter: &Counter) -> String {
    let (first, last) = (counter.points.first().map(|p| p.1), counter.points.last().map(|p| p.1));
    match (first, last) {
        (Some(first), Some(last)) if first != last || moved(counter) > 0 => format!("{first} {} {last}", theme.arrow()),
        (_, Some(last)) => last.to_string(),
        _ => String::new(),
    }
}

/// The story that is shown.
pub(super) fn current<'m>(model: &'m Model, ui: &Ui) -> Option<(&'m Opened, &'m Entry)> {
    let story = opened(model, ui)?;
    let line = ui.timeline.line()?;
    Some((story, story.timeline.entries.get(line.first)?))
}
