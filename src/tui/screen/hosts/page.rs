//! The tree as rows on the screen, and where the panes stand.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::host::Host;
use crate::model::visible::visible;
use crate::state::class::Class;
use crate::state::words;
use crate::tui::model::{Model, Reach};
use crate::tui::screen::hosts::index::{Answers, Row, Section, is_key};
use crate::tui::screen::hosts::panes::{ago, class};
use crate::tui::screen::hosts::probe::FRESH;
use crate::tui::screen::hosts::{State, panes};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, paint, rule};
use crate::tui::view::frame::{self, MEDIUM, WIDE};

/// From so many rows on the selection is shown below the list.
const TALL: u16 = 24;
/// From so many rows on more of it.
const TALLER: u16 = 30;
/// The column of the boxes and that of the names.
const BOXES: usize = 2;
const NAMES: usize = 7;

/// Where things stand.
struct Place {
    /// Rows above the list: a rule, the heads of the columns.
    above: u16,
    /// Rows of the list.
    list: u16,
    /// Columns of the list.
    columns: u16,
    /// Rows of the details below.
    below: u16,
    /// Whether there are panes at the right.
    wide: bool,
}

impl Place {
    fn new(body: Rect, ui: &Ui) -> Self {
        let wide = body.width >= WIDE && !ui.hosts.zoomed;
        let above = if wide { 2 } else { 1 };
        let below = match ui.size.1 {
            _ if wide || ui.hosts.zoomed || body.width < MEDIUM => 0,
            TALLER.. => 7,
            TALL.. => 5,
            _ => 0,
        };
        let list = body.height.saturating_sub(above + below);
        let columns = if wide { (body.width / 5 * 3).max(74) } else { body.width };
        Self { above, list, columns, below, wide }
    }
}

/// How many rows of the tree are on the screen.
pub(super) fn rows(model: &Model, ui: &Ui) -> usize {
    let (width, height) = ui.size;
    let body = frame::body(Rect { x: 0, y: 0, width, height }, model, ui);
    body.map_or(1, |body| usize::from(Place::new(body, ui).list))
}

/// Paints it.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    let theme = ui.theme;
    if model.inventory().is_none() {
        return paint(buf, area, panes::no_inventory(model, ui, usize::from(area.width)));
    }
    let place = Place::new(area, ui);
    let state = &ui.hosts;
    let list = Rect { width: place.columns, height: place.above + place.list, ..area };
    let columns = Columns::new(usize::from(place.columns) - usize::from(place.wide), state.index.longest);
    let mut lines = Vec::new();
    if place.wide {
        let title = format!("hosts ({}), filter: {}", state.index.names.len(), panes::filter_words(state));
        lines.push(rule(theme, &title, "", usize::from(place.columns)));
    }
    lines.push(columns.heads(theme));
    let visible_rows = state.index.rows.iter().enumerate().skip(state.cursor.top).take(usize::from(place.list));
    lines.extend(visible_rows.map(|(row, what)| line(model, ui, &columns, row, *what)));
    paint(buf, list, lines);
    if place.wide {
        let right = Rect { x: area.x + place.columns, width: area.width - place.columns, ..area };
        paint(buf, right, panes::right(model, ui, usize::from(right.width), usize::from(right.height)));
    }
    if place.below > 0 {
        let below = Rect { y: area.bottom() - place.below, height: place.below, ..area };
        paint(buf, below, panes::below(model, ui, usize::from(below.width), usize::from(below.height)));
    }
}

/// Everything that is shown as plain text, with everything unfolded that is unfolded on the screen.
pub(super) fn plain(model: &Model, ui: &Ui) -> String {
    let columns = Columns::new(usize::from(WIDE), ui.hosts.index.longest);
    let rows = ui.hosts.index.rows.iter().enumerate().map(|(row, what)| line(model, ui, &columns, row, *what));
    let lines = std::iter::once(columns.heads(ui.theme)).chain(rows);
    lines.map(|line| format!("{}\n", line.text().trim_end())).collect()
}

/// The columns of the list, by their width; what has no room has none.
struct Columns {
    host: usize,
    reach: usize,
    last: usize,
    tags: usize,
    narrow: bool,
}

impl Columns {
    fn new(columns: usize, longest: usize) -> Self {
        let narrow = columns < 72;
        let (reach, last) = if narrow { (16, 14) } else { (20, 18) };
        let least = if narrow { 14 } else { 18 };
        let rest = columns.saturating_sub(NAMES + reach + last + if narrow { 0 } else { 10 });
        if narrow && rest < least {
            return Self { host: columns.saturating_sub(NAMES + reach).max(8), reach, last: 0, tags: 0, narrow };
        }
        let host = (longest + 3).clamp(least, rest.max(least));
        let tags = if narrow { 0 } else { columns.saturating_sub(NAMES + host + reach + last) };
        Self { host, reach, last, tags, narrow }
    }

    fn heads(&self, theme: Theme) -> Cells {
        let cells = Cells::new(theme).to(BOXES).cell(Tone::Dim, "SEL", NAMES - BOXES);
        let cells = cells.cell(Tone::Dim, "HOST / GROUP", self.host).cell(Tone::Dim, "REACH", self.reach);
        cells.cell(Tone::Dim, "LAST RUN", self.last).cell(Tone::Dim, "TAGS", self.tags)
    }
}

fn line(model: &Model, ui: &Ui, columns: &Columns, row: usize, what: Row) -> Cells {
    let state = &ui.hosts;
    let here = row == state.cursor.row;
    let cells = Cells::new(ui.theme).put(Tone::Strong, if here { ui.theme.cursor() } else { " " }).to(BOXES);
    let cells = match what {
        Row::Section(at) => match state.index.sections.get(at) {
            Some(section) => group(cells, model, state, columns, section),
            None => cells,
        },
        Row::Host(at) => match model.inventory().and_then(|inventory| inventory.hosts.get(at)) {
            Some(host) => of_host(cells, model, ui, columns, host, at),
            None => cells,
        },
    };
    cells.reversed(here)
}

fn group(cells: Cells, model: &Model, state: &State, columns: &Columns, section: &Section) -> Cells {
    let (all, marked) = (section.members.len(), section.marked);
    let mark = match marked {
        0 => "[ ]",
        n if n == all => "[x]",
        _ => "[~]",
    };
    let name = format!("{} ({all})", visible(section.title()));
    let (tone, reach) = answers(model, section.answers, all);
    let mut notes = Vec::new();
    if marked > 0 {
        notes.push(format!("{marked} selected"));
    }
    if state.filter.is_on() && section.shown < all {
        notes.push(format!("{} shown", section.shown));
    }
    if section.listed.is_empty() {
        notes.push("listed above".to_owned());
    } else if section.folded {
        notes.push("collapsed".to_owned());
    }
    let protected = if section.protected { "PROTECTED" } else { "" };
    let cells = cells.cell(Tone::Strong, mark, NAMES - BOXES).cell(Tone::Strong, &name, columns.host - 1).put(Tone::Plain, " ");
    let cells = cells.cell(tone, &reach, columns.reach - 1).put(Tone::Plain, " ");
    if columns.narrow && protected.is_empty() {
        return cells.cell(Tone::Dim, &notes.join(", "), columns.last);
    }
    cells.cell(Tone::Bad, protected, columns.last).cell(Tone::Dim, &notes.join(", "), columns.tags)
}

/// `7 up 1 down`, `3 up of 8`: never more than was asked.
pub(super) fn answers(model: &Model, answers: Answers, all: usize) -> (Tone, String) {
    if model.sim {
        return (Tone::Dim, "simulated".to_owned());
    }
    let Answers { up, down, keys, asked } = answers;
    if answers.known() == 0 {
        let text = if asked > 0 { format!("asking {asked}") } else { "not probed".to_owned() };
        return (Tone::Dim, text);
    }
    let mut parts = Vec::new();
    // what may be cut off at the end is what matters least
    let order = if keys > 0 { [(keys, "KEY!"), (down, "down"), (up, "up")] } else { [(keys, ""), (up, "up"), (down, "down")] };
    for (n, word) in order {
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    if answers.known() < all {
        parts.push(format!("of {all}"));
    }
    let tone = match (keys, down) {
        (0, 0) => Tone::Plain,
        (0, _) => Tone::Far,
        _ => Tone::Worst,
    };
    (tone, parts.join(" "))
}

fn of_host(cells: Cells, model: &Model, ui: &Ui, columns: &Columns, host: &Host, at: usize) -> Cells {
    let state = &ui.hosts;
    let marked = state.marks.has(at);
    let mark = if marked { "[x]" } else { "[ ]" };
    let tone = if marked { Tone::Strong } else { Tone::Plain };
    let name = format!("  {}", host.name);
    let cells = cells.cell(tone, mark, NAMES - BOXES).cell(tone, &name, columns.host - 1).put(Tone::Plain, " ");
    let (tone, reach) = reach(model, ui.theme, host, columns.narrow);
    let cells = cells.cell(tone, &reach, columns.reach - 1).put(Tone::Plain, " ");
    let (tone, last) = last(model, ui.theme, host);
    let cells = cells.cell(tone, &last, columns.last);
    cells.cell(Tone::Dim, &host.tags.join(" "), columns.tags)
}

/// Whether it answers, and how old that is where it is not new.
fn reach(model: &Model, theme: Theme, host: &Host, narrow: bool) -> (Tone, String) {
    if model.sim {
        return (Tone::Dim, "simulated".to_owned());
    }
    let age = |at| {
        let old = model.now.since(at);
        if old > FRESH { format!(" {}", ago(old)) } else { String::new() }
    };
    match model.reach.get(&host.name) {
        None => (Tone::Dim, "not probed".to_owned()),
        Some(Reach::Asked) => (Tone::Active, "asking".to_owned()),
        Some(Reach::Up { took, at }) if narrow => (Tone::Plain, format!("up {} ms{}", took.as_millis(), age(*at))),
        Some(Reach::Up { took, at }) => (Tone::Plain, format!("up {:>4} ms {}", took.as_millis(), age(*at))),
        Some(Reach::Down { class, at, .. }) if is_key(class) => {
            let word = if class == "host-key-revoked" { "REVOKED" } else { "CHANGED" };
            let head = if narrow { "" } else { "HOST " };
            (Tone::Worst, format!("{head}KEY {word}{}", age(*at)))
        }
        Some(Reach::Down { class, at, .. }) => {
            let class = class.strip_prefix("connect-").unwrap_or(class);
            (Tone::Far, format!("{} DOWN {class}{}", theme.mark(Class::Unreachable), age(*at)))
        }
    }
}

/// What it came to the last time. That it took part in none of the runs that were read is `never` only where all were.
fn last(model: &Model, theme: Theme, host: &Host) -> (Tone, String) {
    let Some(last) = model.shelf.last.get(&host.name) else {
        let all_read = model.shelf.trouble.is_none() && model.shelf.runs.len() >= model.shelf.runs_recorded;
        return (Tone::Dim, if all_read { "never" } else { "-" }.to_owned());
    };
    let class = class(last.outcome);
    let tone = if class.is_problem() { Theme::tone(class) } else { Tone::Plain };
    let text = format!("{} {} {}", ago(model.now.since(last.at)), theme.mark(class), words::outcome(last.outcome));
    (tone, text)
}
