//! The story of a run on one axis.

mod details;
mod lanes;
mod page;
mod story;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::id::RunId;
use crate::model::visible::visible;
use crate::state::told::{SAME_TIME, Told};
use crate::state::words;
use crate::tui::action::{Action, Effect, Request};
use crate::tui::list::Cursor;
use crate::tui::model::{Model, Opened};
use crate::tui::screen::timeline::story::{Filter, From, Level, Story, has};
use crate::tui::ui::{Shown, Ui};
use crate::tui::view::frame::{Badge, Frame};
use crate::tui::view::moves;

/// Within which time the same is told once, the finest first.
const SAME: [Duration; 4] = [Duration::ZERO, SAME_TIME, Duration::from_secs(10), Duration::from_secs(60)];
/// The lanes show at most one part in two to this power of the run.
const DEEPEST: u32 = 8;

/// What the screen remembers.
#[derive(Debug, Default)]
pub struct State {
    /// What is shown of the story.
    filter: Filter,
    /// The lines that are shown, made anew only where the record or the filter changes.
    story: Story,
    /// The entry under the cursor, by its place in the record.
    cursor: Cursor<usize>,
    /// What is searched for.
    query: String,
    /// Where the cursor was when the search began.
    from: Option<usize>,
    /// Whether the cursor stays with the newest entry.
    follow: bool,
    /// Whether what shows the entry takes the whole screen.
    whole: bool,
    /// How deep the lanes are zoomed in.
    zoom: u32,
}

/// The run whose story is wanted.
fn wanted<'a>(model: &'a Model, ui: &'a Ui) -> Option<&'a RunId> {
    match &ui.shown {
        Shown::Live => model.live_run(),
        Shown::Recorded(run) => Some(run),
    }
}

/// The story that is shown, once it was read.
fn opened<'m>(model: &'m Model, ui: &Ui) -> Option<&'m Opened> {
    let wanted = wanted(model, ui)?;
    model.opened.as_ref().filter(|opened| opened.run == *wanted)
}

/// The run whose record is to be read again while this screen follows it: it has gone on since it was read.
pub fn stale(model: &Model, ui: &Ui) -> Option<RunId> {
    if !ui.timeline.follow || !ui.shows_live(model) {
        return None;
    }
    let read = opened(model, ui).map_or(0, |opened| opened.watched.run.seq);
    let now = model.live.as_ref().map_or(0, |live| live.run.seq);
    if now > read { model.live_run().cloned() } else { None }
}

/// The texts of the frame.
pub fn frame(model: &Model, ui: &Ui) -> Frame {
    let run = wanted(model, ui).map_or_else(|| "Run".to_owned(), |run| format!("Run {run}"));
    let watched = ui.watched(model).or_else(|| opened(model, ui).map(|opened| &opened.watched));
    let badge = watched.map(|watched| Badge { protected: watched.protected, hosts: watched.fleet.len(), what: "" });
    let follows = if ui.timeline.follow { "; following" } else { "" };
    let hint = opened(model, ui).map_or_else(String::new, |opened| match page::is_wide(ui.size.0) {
        true => format!("{} our own action{follows}", ui.theme.ours()),
        false => format!("{}{follows}", told_of(opened, ui)),
    });
    let keys = vec![
        (Action::Only, "this host"),
        (Action::Less, "less"),
        (Action::More, "more severe"),
        (Action::Source, "source"),
        (Action::Open, "evidence"),
        (Action::Plus, "zoom in"),
        (Action::Minus, "zoom out"),
        (Action::Search, "search"),
        (Action::Times, "time"),
        (Action::Note, "note"),
        (Action::Export, "export"),
        (Action::Copy, "copy"),
        (Action::Follow, "follow"),
        (Action::CopyCommand, "command line"),
    ];
    Frame { place: format!("{run} › Timeline"), badge: badge.unwrap_or_default(), hint, keys }
}

/// `15 of 212 events, web-04 + run, info and up`.
fn told_of(opened: &Opened, ui: &Ui) -> String {
    let state = &ui.timeline;
    let all = opened.timeline.entries.len();
    let shown = state.story.shown;
    let lines = state.story.lines.len();
    let folded = if lines < shown { format!(" in {lines} lines") } else { String::new() };
    let query = match state.query.as_str() {
        "" => String::new(),
        query => format!("; {} with \"{}\"", state.story.found, visible(query)),
    };
    format!("{shown} of {}, {}{folded}{query}", words::count(all, "event"), state.filter.words())
}

/// Paints it.
pub fn draw(buf: &mut Buffer, area: Rect, model: &Model, ui: &Ui) {
    page::draw(buf, area, model, ui, opened(model, ui));
}

/// What its keys do.
pub fn update(ui: &mut Ui, model: &Model, action: Action) -> Vec<Effect> {
    if action == Action::Reload {
        return wanted(model, ui).map(|run| Effect::Ask(Request::Open(run.clone()))).into_iter().collect();
    }
    let Some(opened) = opened(model, ui) else { return Vec::new() };
    if let Some(rows) = moves::rows(action, page::height(model, ui)) {
        ui.timeline.follow = action == Action::Last && ui.shows_live(model);
        go(ui, model, ui.timeline.cursor.row.saturating_add_signed(rows));
        return Vec::new();
    }
    match action {
        Action::NextProblem | Action::PrevProblem => {
            let entries = &opened.timeline.entries;
            let bad = |line: &Told| entries.get(line.first).is_some_and(|entry| entry.bad);
            seek(ui, model, action == Action::NextProblem, bad);
        }
        Action::NextMatch | Action::PrevMatch => {
            let query = ui.timeline.query.to_lowercase();
            seek(ui, model, action == Action::NextMatch, |line| has(opened, line, &query));
        }
        Action::Copy | Action::CopyCommand | Action::Plain | Action::Export => return out(ui, model, opened, action),
        action => change(ui, model, opened, action),
    }
    Vec::new()
}

/// What a key changes in what is shown.
fn change(ui: &mut Ui, model: &Model, opened: &Opened, action: Action) {
    let wide = page::is_wide(ui.size.0);
    let state = &mut ui.timeline;
    match action {
        Action::Only => {
            let host = state.line().and_then(|line| opened.timeline.entries.get(line.first)).and_then(|e| e.host.clone());
            state.filter.only = if state.filter.only.is_some() { None } else { host };
        }
        Action::Less => state.filter.level = state.filter.level.less(),
        Action::More => state.filter.level = state.filter.level.more(),
        Action::Source => state.filter.from = state.filter.from.next(),
        Action::Right => state.filter.same = finer(state.filter.same),
        Action::Left => state.filter.same = coarser(state.filter.same),
        Action::Plus if wide => state.zoom = (state.zoom + 1).min(DEEPEST),
        Action::Minus if wide => state.zoom = state.zoom.saturating_sub(1),
        Action::Plus => state.filter.same = finer(state.filter.same),
        Action::Minus => state.filter.same = coarser(state.filter.same),
        Action::Open => state.whole = true,
        Action::Zoom => state.whole = !state.whole,
        Action::Follow => state.follow = !state.follow,
        _ => {}
    }
    settle(ui, model);
}

fn finer(same: Duration) -> Duration {
    SAME.into_iter().rev().find(|other| *other < same).unwrap_or(same)
}

fn coarser(same: Duration) -> Duration {
    SAME.into_iter().find(|other| *other > same).unwrap_or(same)
}

/// What leaves the screen.
fn out(ui: &Ui, model: &Model, opened: &Opened, action: Action) -> Vec<Effect> {
    let run = &opened.run;
    let command = || {
        let host = ui.timeline.filter.only.as_ref().map_or_else(String::new, |host| format!(" --host {host}"));
        format!("runbook timeline {run}{host}{}", model.shelf.record_flags)
    };
    let copy = |what: &str, text: String| Effect::Copy { what: what.to_owned(), text };
    let effect = match action {
        Action::Copy => ui.timeline.line().map(|line| copy("the line", page::plain(model, ui, opened, line))),
        Action::CopyCommand => Some(copy("the command line", command())),
        Action::Plain => {
            let lines = ui.timeline.story.lines.iter().map(|line| page::plain(model, ui, opened, line));
            Some(Effect::Plain(lines.collect::<Vec<_>>().join("\n")))
        }
        _ => {
            let name = format!("timeline-{run}.md");
            Some(Effect::Ask(Request::Export { name, text: None, run: Some(run.clone()) }))
        }
    };
    effect.into_iter().collect()
}

/// Moves the cursor to a row.
fn go(ui: &mut Ui, model: &Model, row: usize) {
    let height = page::height(model, ui);
    let State { story, cursor, .. } = &mut ui.timeline;
    cursor.to(row, story.lines.len(), height, |row| story.lines.get(row).map(|line| line.first));
}

/// Moves the cursor to the next line that is wanted, and after the last one to the first again.
fn seek(ui: &mut Ui, model: &Model, forward: bool, is_wanted: impl Fn(&Told) -> bool) {
    let (lines, here) = (&ui.timeline.story.lines, ui.timeline.cursor.row);
    let wanted = |row: &usize| lines.get(*row).is_some_and(&is_wanted);
    let row = if forward {
        (here + 1..lines.len()).chain(0..lines.len()).find(wanted)
    } else {
        (0..here).rev().chain((0..lines.len()).rev()).find(wanted)
    };
    match row {
        Some(row) => go(ui, model, row),
        None => ui.say(model, "There is none among the lines that are shown."),
    }
}

/// What was typed after `/`.
pub fn search(ui: &mut Ui, model: &Model, text: &str, done: bool) -> Vec<Effect> {
    let from = *ui.timeline.from.get_or_insert(ui.timeline.cursor.row);
    text.clone_into(&mut ui.timeline.query);
    let query = text.to_lowercase();
    let lines = &ui.timeline.story.lines;
    let found = opened(model, ui).filter(|_| !query.is_empty()).and_then(|opened| {
        let mut rows = (from..lines.len()).chain(0..from);
        rows.find(|row| lines.get(*row).is_some_and(|line| has(opened, line, &query)))
    });
    go(ui, model, found.unwrap_or(from));
    if done {
        ui.timeline.from = None;
        if found.is_none() && !text.is_empty() {
            ui.say(model, format!("\"{text}\" is in none of the lines that are shown."));
        }
    }
    Vec::new()
}

/// Why a key has no meaning now.
pub fn off(ui: &Ui, model: &Model, action: Action) -> Option<String> {
    let state = &ui.timeline;
    let why = match action {
        Action::Only if state.filter.only.is_none() => {
            let host =
                opened(model, ui).zip(state.line()).and_then(|(o, line)| o.timeline.entries.get(line.first)?.host.as_ref());
            host.is_none().then_some("this line is about no host")
        }
        Action::NextMatch | Action::PrevMatch => state.query.is_empty().then_some("nothing is searched for"),
        Action::Follow => (!ui.shows_live(model)).then_some("this run has ended, nothing new comes"),
        Action::Less => (state.filter.level == Level::All).then_some("everything is shown"),
        Action::More => (state.filter.level == Level::Bad).then_some("only what is bad is shown"),
        Action::Copy | Action::Plain => state.story.lines.is_empty().then_some("nothing is shown"),
        _ => None,
    };
    why.map(|why| format!("{} is off: {why}.", ui.keys.key(action)))
}

/// Takes one thing away that lies over the list; whether there was one.
pub fn close(ui: &mut Ui) -> bool {
    std::mem::take(&mut ui.timeline.whole)
}

/// Follows what has changed.
pub fn settle(ui: &mut Ui, model: &Model) {
    let Some(opened) = opened(model, ui) else {
        ui.timeline.story = Story::default();
        return;
    };
    let height = page::height(model, ui);
    let shows_live = ui.shows_live(model);
    let State { filter, story, cursor, follow, query, .. } = &mut ui.timeline;
    story.keep(opened, filter);
    story.count(opened, query);
    *follow &= shows_live;
    let lines = &story.lines;
    let item = |row: usize| lines.get(row).map(|line| line.first);
    if *follow {
        cursor.to(lines.len(), lines.len(), height, item);
    } else {
        cursor.follow(lines.len(), height, |place| story.row_of(*place), item);
    }
}

impl State {
    /// The line under the cursor.
    fn line(&self) -> Option<&Told> {
        self.story.lines.get(self.cursor.row)
    }
}

impl Filter {
    /// `web-04 + run, info and up`.
    fn words(&self) -> String {
        let only = self.only.as_ref().map_or_else(|| "all hosts".to_owned(), |host| format!("{host} + run"));
        let from = match self.from {
            From::All => "",
            From::Run => ", by this program",
            From::Evidence => ", seen on hosts",
            From::People => ", by people",
        };
        let level = match self.level {
            Level::All => "",
            Level::Info => ", info and up",
            Level::Bad => ", bad only",
        };
        let same = match self.same {
            SAME_TIME => String::new(),
            Duration::ZERO => ", unfolded".to_owned(),
            longer => format!(", folded within {}", words::clock(longer)),
        };
        format!("{only}{from}{level}{same}")
    }
}
