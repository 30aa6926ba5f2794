//! Under the list: the output of the host under the cursor, or what the hosts of a folded row have in common.

use std::borrow::Cow;

use crate::model::id::{HostName, StepId};
use crate::model::time::Timestamp;
use crate::model::visible::width;
use crate::state::class::Class;
use crate::state::fleet::GroupKey;
use crate::state::log::{Common, LogLine, Origin, compare as compare_logs};
use crate::state::words::{clock, count, step};
use crate::tui::model::{Model, Watched};
use crate::tui::screen::run::rows::Item;
use crate::tui::screen::run::words::{set, step_to_show};
use crate::tui::screen::run::{Pane, State, hosts_of, side};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, rule};
use crate::tui::view::now;
use crate::tui::view::wrap::broken;

/// So many hosts of a folded row are compared.
const COMPARED: usize = 20;
/// The most hosts that are listed.
const LISTED: usize = 50;

/// What the hosts of the folded row under the cursor printed, kept until one of them prints more.
#[derive(Debug, Default)]
pub(super) struct Compared {
    of: Option<(GroupKey, Vec<HostName>, usize)>,
    common: Common,
}

/// Compares what the hosts under the cursor have printed, where that has changed.
pub(super) fn compare(state: &mut State, watched: &Watched) {
    let Some(Item::Group(key)) = &state.cursor.at else { return };
    let Some(step) = step_of(watched, key) else { return };
    let names = hosts_of(watched, &Item::Group(key.clone()), COMPARED);
    let lines = names.iter().map(|name| watched.logs.of(name).end()).sum();
    let of = (key.clone(), names, lines);
    if state.common.of.as_ref() != Some(&of) {
        let common = compare_logs(&watched.logs, &of.1, step);
        state.common = Compared { of: Some(of), common };
    }
}

/// The step at which the hosts of a folded row went wrong, or that asks there.
fn step_of<'w>(watched: &'w Watched, key: &GroupKey) -> Option<&'w StepId> {
    if !key.class.is_problem() && key.class != Class::Held {
        return None;
    }
    watched.run.steps.iter().find(|step| Some(step.n) == key.step).map(|step| &step.id)
}

/// A line of the pane.
pub(super) struct Text<'m> {
    at: Option<Timestamp>,
    tone: Tone,
    ours: bool,
    pub(super) text: Cow<'m, str>,
}

impl<'m> Text<'m> {
    fn plain(tone: Tone, text: impl Into<Cow<'m, str>>) -> Self {
        Self { at: None, tone, ours: false, text: text.into() }
    }

    fn of_log(line: &'m LogLine) -> Self {
        let ours = line.from == Origin::Run;
        let tone = if line.from == Origin::Evidence { Tone::Strong } else { Tone::Plain };
        Self { at: Some(line.at), tone, ours, text: Cow::Borrowed(&line.text) }
    }
}

/// What the pane shows.
pub(super) struct Content<'m> {
    title: String,
    /// At the end of the title.
    note: String,
    pub(super) lines: Vec<Text<'m>>,
    /// Whether it grows at its end while it is looked at.
    pub(super) grows: bool,
}

impl Content<'_> {
    /// The line that the cursor is on: where nobody has moved it the last one of what grows, else the first one.
    pub(super) fn cursor(&self, moved: Option<usize>) -> usize {
        let last = self.lines.len().saturating_sub(1);
        moved.unwrap_or(if self.grows { last } else { 0 }).min(last)
    }
}

/// What the pane shows of the row under the cursor.
pub(super) fn content<'m>(ui: &Ui, model: &Model, watched: &'m Watched, columns: usize) -> Content<'m> {
    match &ui.run.cursor.at {
        Some(Item::Host(name)) => of_host(watched, name),
        Some(Item::Group(key)) => of_group(ui, model, watched, key, columns),
        Some(Item::Step(n)) => {
            let id = watched.run.steps.iter().find(|step| step.n == *n).map_or_else(String::new, |s| step(&watched.run, &s.id));
            longest(model, watched, Some(*n), format!("{id}, longest first"))
        }
        Some(Item::Between) | None => Content { title: String::new(), note: String::new(), lines: Vec::new(), grows: false },
    }
}

fn of_host<'m>(watched: &'m Watched, name: &HostName) -> Content<'m> {
    let log = watched.logs.of(name);
    let shown = step_to_show(watched, name).filter(|id| log.start_of(id).is_some());
    let (title, from) = match &shown {
        Some(id) => (format!("{name} › {}", step(&watched.run, id)), log.start_of(id).unwrap_or_default()),
        None => (name.to_string(), 0),
    };
    // what is told of the host after its step began belongs to the story too
    let lines: Vec<Text<'m>> = log.lines(from).map(|(_, line)| Text::of_log(line)).collect();
    let gone = log.first().saturating_sub(from);
    let note = if gone > 0 { format!("{} before are gone", count(gone, "line")) } else { String::new() };
    Content { title, note, lines, grows: true }
}

fn of_group<'m>(ui: &Ui, model: &Model, watched: &'m Watched, key: &GroupKey, columns: usize) -> Content<'m> {
    let hosts = watched.fleet.size_of(key);
    let names = hosts_of(watched, &Item::Group(key.clone()), COMPARED);
    let title = set(&names, hosts, columns / 2, ui.theme);
    match (key.class, step_of(watched, key)) {
        (Class::Running, _) => longest(model, watched, None, "running, longest first".to_owned()),
        (_, Some(at)) => common(ui, &names, hosts, format!("{title} › {}", step(&watched.run, at))),
        (class, None) if class.is_problem() => {
            let lines = names.first().map(|name| of_host(watched, name).lines).unwrap_or_default();
            let note =
                if hosts > 1 { names.first().map_or_else(String::new, |name| format!("as on {name}")) } else { String::new() };
            Content { title, note, lines, grows: true }
        }
        (Class::Waiting, None) => waiting(watched, ui.theme, columns),
        _ => Content { title, note: count(hosts, "host"), lines: Vec::new(), grows: false },
    }
}

fn common<'m>(ui: &Ui, names: &[HostName], hosts: usize, title: String) -> Content<'m> {
    let common = &ui.run.common.common;
    let mut lines: Vec<Text<'m>> = common.lines.iter().map(|line| Text::plain(Tone::Plain, line.clone())).collect();
    for other in &common.others {
        let who = set(&other.hosts, other.hosts.len(), 40, ui.theme);
        lines.push(Text::plain(Tone::Strong, format!("only on {who}:")));
        lines.extend(other.more.iter().map(|line| Text::plain(Tone::Plain, format!("  + {line}"))));
        lines.extend(other.less.iter().map(|line| Text::plain(Tone::Dim, format!("  - {line}"))));
    }
    let compared = names.len();
    // who says more says this too
    let same =
        common.hosts.len() + common.others.iter().filter(|other| other.less.is_empty()).map(|o| o.hosts.len()).sum::<usize>();
    let note = match same {
        _ if hosts <= 1 || lines.is_empty() => String::new(),
        same if compared < hosts => format!("same output on {same} of the first {compared}, numbers masked"),
        same => format!("same output on {}, numbers masked", count(same, "host")),
    };
    Content { title, note, lines, grows: false }
}

fn longest<'m>(model: &Model, watched: &'m Watched, n: Option<u32>, title: String) -> Content<'m> {
    let fleet = &watched.fleet;
    let told = fleet.longest(n, LISTED).into_iter().filter_map(|host| {
        let id = watched.run.steps.iter().find(|step| step.n == host.step)?;
        let name = fleet.name(host.place)?;
        let at = step(&watched.run, &id.id);
        Some(Text::plain(Tone::Plain, format!("{name}  {at}  {}", clock(model.now.since(host.since)))))
    });
    Content { title, note: String::new(), lines: told.collect(), grows: false }
}

fn waiting<'m>(watched: &'m Watched, theme: Theme, columns: usize) -> Content<'m> {
    let begun = watched.run.begun.len();
    let batches = watched.run.batches.iter().enumerate().skip(begun).take(LISTED);
    let told = batches.map(|(n, hosts)| {
        let first: Vec<HostName> = hosts.iter().take(COMPARED * 3).cloned().collect();
        Text::plain(Tone::Plain, format!("batch {}  {}", n + 1, set(&first, hosts.len(), columns.saturating_sub(12), theme)))
    });
    Content { title: "next batches".to_owned(), note: String::new(), lines: told.collect(), grows: false }
}

/// The pane with its title.
pub(super) fn lines(model: &Model, ui: &Ui, watched: &Watched, columns: usize, rows: usize) -> Vec<Cells> {
    let shown = content(ui, model, watched, columns);
    let all = shown.lines.len();
    let at = ui.run.line.map(|line| shown.cursor(Some(line)));
    let following = if watched.is_live() { ", following" } else { "" };
    let note = match at {
        Some(line) if shown.grows && watched.is_live() => format!("line {} of {all}, not following", line + 1),
        Some(line) => format!("line {} of {all}", line + 1),
        None if shown.grows && shown.note.is_empty() && all > 0 => format!("{}{following}", count(all, "line")),
        None => shown.note.clone(),
    };
    let title = shown.title.replace('›', ui.theme.path());
    let mut lines = vec![rule(ui.theme, &title, &note, columns)];
    let below = side::restarts_line(watched, ui).filter(|_| shown.grows && rows >= 7 && columns >= 40);
    let room = rows.saturating_sub(1 + if below.is_some() { 2 } else { 0 });
    lines.extend(window(model, ui, &shown, columns, room));
    if let Some(below) = below {
        lines.truncate(rows.saturating_sub(2));
        lines.push(Cells::new(ui.theme));
        lines.push(below);
    }
    lines
}

/// The part of the lines that is on the screen.
fn window(model: &Model, ui: &Ui, content: &Content<'_>, columns: usize, room: usize) -> Vec<Cells> {
    let all = &content.lines;
    let cursor = content.cursor(ui.run.line);
    let last = match ui.run.line {
        None if content.grows => all.len(),
        Some(_) if ui.run.wrap => cursor + 1,
        _ => (cursor + 1 + room / 2).max(room).min(all.len()),
    };
    let cursor = Some(cursor).filter(|_| ui.run.pane == Pane::Log);
    let mut shown: Vec<Cells> = Vec::with_capacity(room);
    for (n, line) in all.iter().enumerate().take(last).rev() {
        let parts = painted(model, ui, line, columns);
        for part in parts.into_iter().rev() {
            if shown.len() == room {
                break;
            }
            shown.push(part.reversed(cursor == Some(n)));
        }
        if shown.len() == room {
            break;
        }
    }
    shown.reverse();
    shown
}

/// A line as it is painted; where long lines are wrapped, in parts.
fn painted(model: &Model, ui: &Ui, line: &Text<'_>, columns: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let head = Cells::of(theme, Tone::Plain, " ");
    let head = match line.at {
        Some(at) => head.put(Tone::Dim, now::at(model, ui, at).trim_end_matches('Z')).put(Tone::Plain, "  "),
        None => head,
    };
    let head = if line.ours { head.put(Tone::Dim, theme.ours()).put(Tone::Plain, " ") } else { head };
    let room = columns.saturating_sub(head.used() + 1).max(8);
    if !ui.run.wrap || width(&line.text) <= room {
        return vec![head.put(line.tone, &line.text)];
    }
    let from = head.used();
    let mut parts = broken(&line.text, room).into_iter();
    let first = head.put(line.tone, &parts.next().unwrap_or_default());
    std::iter::once(first).chain(parts.map(|part| Cells::new(theme).to(from).put(line.tone, &part))).collect()
}
