//! One host of a run: its steps, its log, its facts.

mod draw;
mod facts;
mod keys;
mod layout;
mod line;
mod log;
mod steps;
mod words;

use crate::model::id::{HostName, RunId, StepId};
use crate::model::visible::visible;
use crate::state::run::HostState;
use crate::state::words::count;
use crate::tui::action::Action;
use crate::tui::list::Cursor;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::host::layout::{Layout, Panes};
use crate::tui::screen::host::log::Shown;
use crate::tui::screen::host::steps::Item;
use crate::tui::screen::run;
use crate::tui::ui::Ui;
use crate::tui::view::frame::{Badge, Frame, MEDIUM};

pub use crate::tui::screen::host::draw::draw;
pub use crate::tui::screen::host::keys::{search, update};

/// The panes that take keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pane {
    /// The steps.
    #[default]
    Steps,
    /// What was seen, done and printed.
    Output,
}

/// Which lines of the log are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
enum Threshold {
    /// All of them.
    #[default]
    All,
    /// Not what commands have printed.
    Run,
    /// What went wrong, and what shows it.
    Problems,
}

/// What is looked for in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Search {
    text: String,
    /// The line of the cursor before it was looked for.
    from: Option<usize>,
    /// Whether it is still being typed.
    typing: bool,
}

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    /// The step that somebody has asked for by name, until the screen is there.
    pub wants: Option<StepId>,
    /// The run and the host that the rest is about.
    of: Option<(Option<RunId>, HostName)>,
    cursor: Cursor<Item>,
    /// Whether the person has moved the cursor: until then it goes with the step that runs.
    moved: bool,
    pane: Pane,
    zoom: bool,
    /// Whether long lines are wrapped; none: where there are two columns.
    wrap: Option<bool>,
    /// Whether the lines of all steps are shown.
    all: bool,
    threshold: Threshold,
    /// The number of the line that the cursor is on; none: the last one, whatever comes.
    line: Option<usize>,
    /// The number of the first line on the screen.
    top: usize,
    search: Option<Search>,
}

/// A host of the run that is shown.
#[derive(Clone, Copy)]
struct Subject<'m> {
    watched: &'m Watched,
    name: &'m HostName,
    host: &'m HostState,
}

impl<'m> Subject<'m> {
    /// The host, where the run that is shown has it.
    fn of(model: &'m Model, ui: &Ui, name: &HostName) -> Option<Self> {
        let watched = ui.watched(model)?;
        let (name, host) = watched.run.hosts.get_key_value(name)?;
        Some(Self { watched, name, host })
    }

    /// Whether only its preview is known: no batch has begun.
    fn is_preview(&self) -> bool {
        !self.watched.is_past_preview()
    }

    /// Whether nothing happens on it any more.
    fn has_ended(&self) -> bool {
        self.host.outcome.is_some() || !self.watched.is_live()
    }
}

/// The texts of the frame.
pub fn frame(model: &Model, ui: &Ui, host: &HostName) -> Frame {
    let Some(watched) = ui.watched(model) else { return Frame { place: host.to_string(), ..Frame::default() } };
    let run = &watched.run;
    let id = run.run.as_ref().map_or_else(String::new, |run| format!(" {run}"));
    let book = run.runbook.as_ref().filter(|_| ui.size.0 >= MEDIUM).map(|book| format!("{} › ", book.name));
    let place = format!("{}Run{id} › {host}", book.unwrap_or_default());
    let protected = model.inventory().and_then(|inventory| inventory.host(host)).is_some_and(|host| host.protected);
    let badge = Badge { protected: usize::from(protected), hosts: 1, what: "" };
    let Some(subject) = Subject::of(model, ui, host) else { return Frame { place, ..Frame::default() } };
    Frame { place, badge, hint: hint(model, ui, subject), keys: keys_shown(ui, model) }
}

/// What is below the lines on the screen, and where the whole of it is.
fn hint(model: &Model, ui: &Ui, subject: Subject<'_>) -> String {
    let layout = Layout::of(ui, model, subject);
    if !layout.has_log() {
        let key = ui.keys.key(Action::NextPane);
        return format!("{key} shows the output of the step under the cursor.");
    }
    let shown = Shown::of(ui, subject);
    let below = shown.below(ui, model, subject, layout);
    let whole = match command(subject, ui) {
        Some(command) if shown.gone > 0 => format!("{} are gone; {command} has them.", count(shown.gone, "older byte")),
        _ => String::new(),
    };
    match below {
        0 if shown.lines.is_empty() => whole,
        0 if whole.is_empty() => format!("{} this program, : a look, ! stderr, {} evidence", ui.theme.ours(), ui.theme.bar()),
        0 => whole,
        n => format!("{} below, {} goes to the end. {whole}", count(n, "more line"), ui.keys.key(Action::Last)),
    }
}

/// The command that prints the whole output of the step under the cursor, without the flags of the record.
fn command(subject: Subject<'_>, ui: &Ui) -> Option<String> {
    let run = subject.watched.run.run.as_ref()?;
    let step = ui.host.cursor.at.as_ref().map_or_else(String::new, |item| format!(" {}", item.step()));
    Some(format!("runbook show {run} {}{step}", subject.name))
}

fn keys_shown(ui: &Ui, model: &Model) -> Vec<(Action, &'static str)> {
    use Action as A;
    let on_output = ui.host.pane == Pane::Output;
    let mut keys = Vec::new();
    let mut add = |wanted: bool, action: Action, word: &'static str| {
        if wanted && off(ui, model, action).is_none() {
            keys.push((action, word));
        }
    };
    // a key of a step that failed says more than one of the whole run
    for (action, word) in [(A::Decide, "decide"), (A::Retry, "retry"), (A::Skip, "skip")] {
        add(off(ui, model, A::Retry).is_none() || action == A::Decide, action, word);
    }
    add(off(ui, model, A::Retry).is_none(), A::Exclude, "exclude");
    add(true, A::GoOn, "go on");
    add(true, A::NextPane, if on_output { "steps" } else { "output" });
    add(true, A::Search, "search");
    add(ui.host.search.is_some(), A::NextMatch, "match");
    add(on_output, A::Follow, if ui.host.line.is_some() { "follow" } else { "freeze" });
    add(true, A::NextProblem, "problem");
    add(true, A::Right, "next host");
    add(true, A::Pause, "pause");
    add(true, A::Wrap, "wrap");
    add(true, A::Copy, "copy");
    add(true, A::Plain, "plain");
    add(true, A::Zoom, "zoom");
    add(!ui.host.all, A::Plus, "all steps");
    add(ui.host.all, A::Minus, "this step");
    add(true, A::Exclude, "exclude");
    add(true, A::Abort, "abort");
    let mut seen = Vec::new();
    keys.retain(|(action, _)| {
        !seen.contains(action) && {
            seen.push(*action);
            true
        }
    });
    keys
}

/// Why a key has no meaning here now.
pub fn off(ui: &Ui, model: &Model, action: Action) -> Option<String> {
    use Action as A;
    let why = run::off(ui, model, action);
    let of_log = matches!(action, A::Follow | A::Wrap | A::Search | A::NextMatch | A::PrevMatch | A::Less | A::More);
    let why_not = match action {
        A::NextMatch | A::PrevMatch if ui.host.search.is_none() => "nothing was looked for; / does",
        A::Plus if ui.host.all => "the lines of all steps are shown already",
        A::Minus if !ui.host.all => "only the lines of this step are shown already",
        A::Less if ui.host.threshold == Threshold::All => "all lines are shown already",
        A::More if ui.host.threshold == Threshold::Problems => "only problems are shown already",
        _ if of_log && ui.watched(model).is_none() => "no run is shown",
        _ => return why,
    };
    why.or_else(|| Some(format!("{} is off: {why_not}.", ui.keys.key(action))))
}

/// Follows what has changed.
pub fn settle(ui: &mut Ui, model: &Model, host: &HostName) {
    let run = ui.watched(model).and_then(|watched| watched.run.run.clone());
    let of = Some((run, host.clone()));
    if ui.host.of != of {
        let State { wants, pane, zoom, wrap, all, threshold, .. } = std::mem::take(&mut ui.host);
        // how a person looks at a host is how they look at the next one
        ui.host = State { wants, pane, zoom, wrap, all, threshold, of, ..State::default() };
    }
    let Some(subject) = Subject::of(model, ui, host) else { return };
    let items = steps::items(model, subject);
    if let Some(wanted) = ui.host.wants.take()
        && let Some(row) = items.iter().position(|item| *item == Item::Step(wanted.clone()))
    {
        keys::to_row(ui, model, subject, &items, row);
    }
    follow(ui, model, subject, &items);
    let shown = Shown::of(ui, subject);
    let layout = Layout::of(ui, model, subject);
    ui.host.top = shown.top(ui, model, subject, layout);
}

/// The cursor where its step is now, or on the step that runs.
fn follow(ui: &mut Ui, model: &Model, subject: Subject<'_>, items: &[Item]) {
    let height = Layout::of(ui, model, subject).steps;
    let before = ui.host.cursor.at.clone();
    // who reads a line keeps it before them while steps go on
    let reads = ui.host.line.is_some() && before.is_some();
    if !ui.host.moved && !reads {
        let row = steps::most_urgent(subject, items);
        ui.host.cursor.to(row, items.len(), height, |row| items.get(row).cloned());
    } else {
        let place = |item: &Item| items.iter().position(|other| other == item);
        ui.host.cursor.follow(items.len(), height, place, |row| items.get(row).cloned());
    }
    if before.is_some() && before != ui.host.cursor.at && !ui.host.all {
        ui.host.line = None;
    }
}

/// What is said of a host that the run does not have.
fn vanished(model: &Model, ui: &Ui, host: &HostName) -> String {
    match ui.watched(model).and_then(|watched| watched.run.run.as_ref()) {
        Some(run) => format!(" {} is no host of run {run}, which is shown now.", visible(host.as_str())),
        None => " No run is shown.".to_owned(),
    }
}

/// Whether two panes are on the screen at the same time.
fn shows_both(layout: Layout) -> bool {
    layout.panes != Panes::Steps && layout.panes != Panes::Output
}
