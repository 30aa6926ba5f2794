//! What is open, of this run and of earlier ones.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::Value;

use crate::model::id::{HostName, RunId};
use crate::model::step::{ClosePolicy, Obligation};
use crate::model::time::Timestamp;
use crate::state::words;
use crate::tui::action::{Action, Effect};
use crate::tui::input::Key;
use crate::tui::model::{LeftOpen, Model, Watched};
use crate::tui::screen::After;
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, cut};
use crate::tui::view::frame::{MEDIUM, WIDE};
use crate::tui::view::wrap::wrap;
use crate::tui::view::{frame, moves, now, panel};

/// Of so many open things at most it is looked whether all of them are the same.
const SAME: usize = 256;
/// Rows of the panel that are no items: two of the box, the heading, an empty one, three about the one under the cursor.
const OTHER_ROWS: u16 = 7;

/// What the panel remembers.
#[derive(Debug, Default)]
pub struct State {
    row: usize,
    top: usize,
}

/// Something that is open.
struct Item<'m> {
    run: Option<&'m RunId>,
    host: &'m HostName,
    what: String,
    since: Timestamp,
    closes: Closes,
}

/// What closes it.
enum Closes {
    /// The run that opened it, in these words.
    ByItself(String),
    /// A command.
    Command(String),
}

/// Whether anything is open: whether there is a row for it. It is asked many times for a frame.
pub fn is_any(model: &Model) -> bool {
    model.live.as_ref().is_some_and(|live| live.fleet.open().len() > 0) || earlier(model).next().is_some()
}

/// The sentence of the OPEN row: of the live run where something of it is open, else of earlier runs.
pub fn line(model: &Model, ui: &Ui) -> Option<String> {
    let of_live = model.live.as_ref().and_then(|live| of_run(model, ui, live));
    of_live.or_else(|| of_earlier(model, ui))
}

fn of_run(model: &Model, ui: &Ui, live: &Watched) -> Option<String> {
    let count = live.fleet.open().len();
    let first = live.fleet.open().next()?;
    let host = live.fleet.name(first.place)?;
    let obligation = &live.run.hosts.get(host)?.open.get(first.key)?.obligation;
    // on a narrow screen the host and for how long stand before what it was
    let was = if ui.size.0 < MEDIUM { String::new() } else { format!(" (was {})", value(&obligation.was)) };
    let what = format!("{} is {}{was}", obligation.title, value(&obligation.set));
    let long = words::clock(model.now.since(first.since));
    let end = match () {
        () if !live.is_live() => format!("; {} shows what closes it", ui.keys.key(Action::OpenItems)),
        () if count == 1 && ui.size.0 >= WIDE => format!("; {}", when(obligation.close)),
        () => String::new(),
    };
    let left = if live.is_live() { "" } else { "LEFT OPEN: " };
    let title = |at: usize, key: &str| {
        let name = live.fleet.name(at)?;
        Some(&live.run.hosts.get(name)?.open.get(key)?.obligation.title)
    };
    let same = count <= SAME && live.fleet.open().all(|open| title(open.place, open.key) == Some(&obligation.title));
    Some(match count {
        1 => format!("{left}{what} on {host} for {long}{end}"),
        n if same => format!("{left}{what} on {n} hosts; longest {long} ({host}){end}"),
        n => format!("{left}{n} things; longest {what} on {host} for {long}{end}"),
    })
}

fn of_earlier(model: &Model, ui: &Ui) -> Option<String> {
    let mut left = earlier(model);
    let first = left.next()?;
    let key = ui.keys.key(Action::OpenItems);
    let (runs, items) = left.fold((1, first.items.len()), |(runs, items), left| (runs + 1, items + left.items.len()));
    Some(match (&first.holder, runs) {
        (Some(_), 1) => format!("{items} open by run {} ({}), which is running elsewhere: {key} shows", first.run, first.runbook),
        (None, 1) => format!("{}{items} left open by run {} ({}): {key} shows", words::sim(first.sim), first.run, first.runbook),
        (_, runs) => format!("{items} left open by {runs} earlier runs: {key} shows"),
    })
}

/// What earlier runs have left open; what this run has open is told from its events.
fn earlier(model: &Model) -> impl Iterator<Item = &LeftOpen> {
    let live = model.live_run();
    model.shelf.open.iter().filter(move |left| Some(&left.run) != live && !left.items.is_empty())
}

/// `kill switch enabled (true → false)`.
fn what(theme: Theme, obligation: &Obligation) -> String {
    let (was, set) = (value(&obligation.was), value(&obligation.set));
    format!("{} ({was} {} {set})", obligation.title, theme.arrow())
}

fn value(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn when(close: ClosePolicy) -> &'static str {
    match close {
        ClosePolicy::Always => "it closes by itself at the end of the host",
        ClosePolicy::WhenVerified => "it closes by itself once the host is verified",
        ClosePolicy::Never => "this run does not close it",
    }
}

fn count(model: &Model) -> usize {
    let live = model.live.as_ref().map_or(0, |live| live.fleet.open().len());
    live + earlier(model).map(|left| left.items.len()).sum::<usize>()
}

/// So many items from a place on: those of this run first, the oldest first.
fn items<'m>(model: &'m Model, theme: Theme, from: usize, rows: usize) -> Vec<Item<'m>> {
    let of_live = model.live.iter().flat_map(|live| live.fleet.open().map(move |open| (live, open)));
    let of_live = of_live.filter_map(move |(live, open)| {
        let host = live.fleet.name(open.place)?;
        let obligation = &live.run.hosts.get(host)?.open.get(open.key)?.obligation;
        let run = live.run.run.as_ref();
        let id = run.map_or("", RunId::as_str);
        let closes = if live.is_live() {
            Closes::ByItself(when(obligation.close).to_owned())
        } else {
            Closes::Command(format!("runbook close {id}{}", model.shelf.record_flags))
        };
        Some(Item { run, host, what: what(theme, obligation), since: open.since, closes })
    });
    let of_earlier = earlier(model).flat_map(|left| {
        left.items.iter().map(|item| {
            let closes = match &left.holder {
                Some(holder) => Closes::ByItself(format!("run {} ({}) is running now, {holder}", left.run, left.runbook)),
                None => Closes::Command(left.closes.clone()),
            };
            let what = format!("{}{}", words::sim(left.sim), item.title);
            Item { run: Some(&left.run), host: &item.host, what, since: item.since, closes }
        })
    });
    of_live.chain(of_earlier).skip(from).take(rows).collect()
}

/// What a key does.
pub fn key(state: &mut State, ui: &mut Ui, model: &Model, key: Key) -> (After, Vec<Effect>) {
    let count = count(model);
    let height = height(model, ui);
    let Some(action) = ui.keys.action(key) else { return (After::Stay, Vec::new()) };
    if let Some(rows) = moves::rows(action, height) {
        state.row = state.row.min(count.saturating_sub(1)).saturating_add_signed(rows).min(count.saturating_sub(1));
        state.top = state.top.min(state.row).max((state.row + 1).saturating_sub(height));
    }
    match action {
        Action::Back | Action::Leave | Action::OpenItems => (After::Close, Vec::new()),
        Action::Copy => (After::Stay, copy(state, ui, model)),
        _ => (After::Stay, Vec::new()),
    }
}

fn copy(state: &State, ui: &mut Ui, model: &Model) -> Vec<Effect> {
    let item = items(model, ui.theme, state.row, 1).pop();
    match item.map(|item| item.closes) {
        Some(Closes::Command(text)) => vec![Effect::Copy { what: "the command that closes it".to_owned(), text }],
        Some(Closes::ByItself(why)) => {
            ui.say(model, format!("There is no command to copy: {why}."));
            Vec::new()
        }
        None => Vec::new(),
    }
}

/// How many items are on the screen.
fn height(model: &Model, ui: &Ui) -> usize {
    let area = Rect { x: 0, y: 0, width: ui.size.0, height: ui.size.1 };
    let body = frame::body(area, model, ui).map_or(0, |body| body.height);
    usize::from(body.saturating_sub(OTHER_ROWS).max(1))
}

/// Paints it over the screen.
pub fn draw(state: &State, buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    let theme = ui.theme;
    let count = count(model);
    if count == 0 {
        let lines = vec![Cells::of(theme, Tone::Plain, "Nothing is open, of this run or of earlier ones.")];
        return panel::paint(buf, Rect { height: area.height.min(3), ..area }, theme, "Open now", lines);
    }
    let shown = usize::from(area.height.saturating_sub(OTHER_ROWS).max(1)).min(count);
    let columns = panel::inner(area);
    let widths = Widths::of(columns);
    let mut lines = vec![widths.row(theme, Tone::Dim, ["  RUN", "HOST", "WHAT", "SINCE", "FOR"])];
    let items = items(model, theme, state.top, shown);
    let row = state.row.min(count - 1);
    for (at, item) in items.iter().enumerate() {
        let here = state.top + at == row;
        let run = item.run.map_or("-", RunId::as_str);
        let run = format!("{} {run}", if here { theme.cursor() } else { " " });
        let long = words::clock(model.now.since(item.since));
        let cells = [run.as_str(), item.host.as_str(), &item.what, &since(model, ui, item.since), &long];
        lines.push(widths.row(theme, Tone::Plain, cells).reversed(here));
    }
    lines.push(Cells::new(theme));
    if let Some(item) = items.get(row.saturating_sub(state.top)) {
        lines.push(Cells::of(theme, Tone::Plain, &format!("{} on {}", item.what, item.host)));
        let closes = match &item.closes {
            Closes::Command(command) => format!("close it: {command}"),
            Closes::ByItself(how) => how.clone(),
        };
        lines.extend(wrap(theme, &closes, columns, 2).iter().map(|line| Cells::of(theme, Tone::Strong, line)));
    }
    let height = u16::try_from(lines.len() + 2).unwrap_or(area.height).min(area.height);
    let title = cut(theme, &format!("Open now: {count}"), columns);
    panel::paint(buf, Rect { height, ..area }, theme, &title, lines);
}

/// When it was opened: with its day where that is not today.
fn since(model: &Model, ui: &Ui, since: Timestamp) -> String {
    if since.date() == model.now.date() {
        return now::at(model, ui, since);
    }
    format!("{} {}Z", since.date(), since.clock().chars().take(5).collect::<String>())
}

/// The columns of a row.
struct Widths {
    host: usize,
    what: usize,
    since: usize,
}

impl Widths {
    fn of(columns: usize) -> Self {
        let since = if columns >= 72 { 18 } else { 0 };
        let host = if columns >= 100 { 24 } else { 12 };
        // the run has 9 columns, how long 10
        Self { host, what: columns.saturating_sub(9 + host + since + 10 + 2), since }
    }

    fn row(&self, theme: Theme, tone: Tone, [run, host, what, since, long]: [&str; 5]) -> Cells {
        let row = Cells::new(theme).cell(tone, run, 9).put(tone, " ").cell(tone, host, self.host).put(tone, " ");
        let row = row.cell(tone, what, self.what);
        let row = if self.since > 0 { row.put(tone, " ").cell(tone, since, self.since - 1) } else { row };
        row.put(tone, " ").put(tone, long)
    }
}

/// The last two rows: what is said, and the keys.
pub fn foot(_state: &State, model: &Model, ui: &Ui) -> (String, String) {
    let key = |action| ui.keys.key(action);
    let keys = if count(model) == 0 {
        format!("{} close", key(Action::Back))
    } else {
        let (down, up) = (key(Action::Down), key(Action::Up));
        format!("{down} {up} move  {} copy the command that closes  {} close", key(Action::Copy), key(Action::Back))
    };
    ("Nothing here changes a host.".to_owned(), keys)
}
