//! What is known of the step under the cursor and of the host.

use serde_json::Value;

use crate::model::host::Facts;
use crate::model::id::StepId;
use crate::model::visible::width;
use crate::state::class::{of_preview, of_unit as of_unit_class};
use crate::state::run::UnitState;
use crate::state::words::{clock, count, step, took};
use crate::tui::model::Model;
use crate::tui::screen::host::Subject;
use crate::tui::screen::host::steps::{self, Item, class, open_of};
use crate::tui::screen::host::words::{policy, status};
use crate::tui::screen::preview::text::labelled;
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, rule};
use crate::tui::view::now;

/// Where the values begin.
const VALUES: usize = 12;
/// Columns of a sparkline, at most.
const SPARK: usize = 40;
/// The most rows of one value.
const ROWS: usize = 3;
/// The most counters of a host that are shown.
const COUNTERS: usize = 4;

/// How the host stands, and for how long it has been at it.
pub(super) fn status_line(model: &Model, ui: &Ui, subject: Subject<'_>, columns: usize) -> Cells {
    let (class, text) = status(subject);
    let tone = Theme::tone(class);
    let host = subject.host;
    let until = host.finished.or(subject.watched.run.finished.as_ref().map(|finished| finished.at));
    let time = host.started.map_or_else(String::new, |started| clock(until.unwrap_or(model.now).since(started)));
    let line = Cells::of(ui.theme, Tone::Plain, " ").put(tone, ui.theme.mark(class)).put(Tone::Plain, " ");
    let room = columns.saturating_sub(line.used() + time.len() + 2);
    line.cell(Tone::Strong, &text, room).right(Tone::Plain, &time, columns.saturating_sub(1))
}

/// ` restarts of api ▁▂▄ 1187 → 1191 (+4)   clock +2.3 s ±0.02`.
pub(super) fn counter_line(ui: &Ui, subject: Subject<'_>, columns: usize) -> Cells {
    let theme = ui.theme;
    let clock = subject.host.facts.as_ref().map(|facts| format!("clock {}", skew(theme, facts)));
    let clock = clock.unwrap_or_default();
    let line = Cells::of(theme, Tone::Plain, " ");
    let Some((app, counter)) = subject.watched.series.liveliest(subject.name) else {
        return line.put(Tone::Dim, &clock);
    };
    let head = format!("restarts of {app} ");
    let delta = counter.delta();
    let numbers = format!(" {} {} {} ({delta:+})", counter.first().1, theme.arrow(), counter.last().1);
    let room = columns.saturating_sub(width(&head) + width(&numbers) + width(&clock) + 5).min(SPARK);
    let spark: String = counter.levels(room).into_iter().map(|level| theme.spark(level)).collect();
    let tone = if delta == 0 { Tone::Plain } else { Tone::Warn };
    let line = line.put(Tone::Dim, &head).put(Tone::Plain, &spark).put(tone, &numbers);
    if clock.is_empty() { line } else { line.put(Tone::Dim, &format!("   {clock}")) }
}

/// How far the host's clock is from ours, and how well that is known.
fn skew(theme: Theme, facts: &Facts) -> String {
    let seconds = |ms: u64| format!("{}.{:02}", ms / 1000, ms % 1000 / 10);
    let sign = if facts.skew_ms < 0 { '-' } else { '+' };
    let about = if theme.ascii { "+-" } else { "±" };
    format!("{sign}{} s {about}{}", seconds(facts.skew_ms.unsigned_abs()), seconds(facts.skew_err_ms))
}

/// The panes of step and facts; whether each row is a rule.
pub(super) fn details(model: &Model, ui: &Ui, subject: Subject<'_>, columns: usize, rows: usize) -> Vec<(bool, Cells)> {
    let theme = ui.theme;
    let mut lines: Vec<(bool, Cells)> = Vec::new();
    let of_item = match &ui.host.cursor.at {
        Some(Item::Step(id)) => of_step(model, ui, subject, id, columns),
        Some(Item::Close(id)) => of_close(model, ui, subject, id, columns),
        None => Vec::new(),
    };
    if let Some(item) = &ui.host.cursor.at {
        let of = step(&subject.watched.run, item.step());
        let title = if matches!(item, Item::Close(_)) { format!("close of step {of}") } else { format!("step {of}") };
        lines.push((true, rule(theme, &title, "", columns)));
        lines.extend(of_item.into_iter().map(|line| (false, line)));
    }
    let facts = facts(model, ui, subject, columns);
    lines.push((false, Cells::new(theme)));
    lines.push((true, rule(theme, "facts", "", columns)));
    lines.extend(facts.into_iter().map(|line| (false, line)));
    lines.truncate(rows);
    lines
}

fn value(ui: &Ui, label: &str, tone: Tone, text: &str, columns: usize) -> Vec<Cells> {
    let text = text.replace('→', ui.theme.arrow());
    labelled(ui.theme, &format!(" {label}"), VALUES, &[(tone, text)], columns.saturating_sub(1), ROWS)
}

fn of_step(model: &Model, ui: &Ui, subject: Subject<'_>, id: &StepId, columns: usize) -> Vec<Cells> {
    let Subject { watched, host, .. } = subject;
    let mut lines = Vec::new();
    let mut say = |label: &str, tone: Tone, text: &str| lines.extend(value(ui, label, tone, text, columns));
    if let Some(planned) = watched.run.steps.iter().find(|step| step.id == *id) {
        say("kind", Tone::Plain, &format!("{} ({})", planned.kind, planned.section.word()));
    }
    if let Some(preview) = host.preview.get(id) {
        let destroys = if preview.destroys { ", cannot be undone" } else { "" };
        let (word, basis) = (of_preview(preview).word(), preview.basis.word());
        let basis = if word == basis { String::new() } else { format!(" ({basis})") };
        say("preview", Tone::Plain, &format!("{word}{destroys}{basis}: {}", preview.summary));
        for effect in preview.effects.iter().filter(|effect| **effect != preview.summary) {
            say("", Tone::Plain, effect);
        }
    }
    let class = class(subject, &Item::Step(id.clone()));
    if let Some(unit) = host.units.get(id).filter(|unit| unit.started.is_some() || unit.outcome.is_some()) {
        let code = unit.exit_code.map_or_else(String::new, |code| format!(", exit {code}"));
        // what waits is said below
        let class = if unit.outcome.is_some() { of_unit_class(Some(unit), false) } else { class };
        say("state", Theme::tone(class), &format!("{}{code}, attempt {}", class.word(), unit.attempt.max(1)));
        if let Some(started) = unit.started {
            let time = took(unit.finished.unwrap_or(model.now).since(started));
            let label = if unit.finished.is_some() { "took" } else { "for" };
            say(label, Tone::Plain, &format!("{time}, since {}", now::at(model, ui, started)));
        }
        of_unit(unit, &mut say);
    }
    if let Some(open) = open_of(subject, id) {
        let obligation = &open.obligation;
        let values = format!("{} {} {}", plain(&obligation.was), ui.theme.arrow(), plain(&obligation.set));
        say("open", Tone::Warn, &format!("{} ({values})", obligation.title));
    }
    if let Some(asked) = steps::asked(subject, id) {
        let options = asked.options.join(", ");
        let key = ui.keys.key(crate::tui::action::Action::Decide);
        say("waits", Tone::Warn, &format!("for you, for {}: {options} ({key})", clock(model.now.since(asked.since))));
    }
    lines
}

fn of_unit(unit: &UnitState, say: &mut impl FnMut(&str, Tone, &str)) {
    for (n, effect) in unit.effects.iter().enumerate() {
        say(if n == 0 { "did" } else { "" }, Tone::Plain, effect);
    }
    if let Some(finding) = &unit.finding {
        say("why", Tone::Bad, &finding.summary);
        if let Some(hint) = &finding.hint {
            say("hint", Tone::Plain, hint);
        }
        if !finding.evidence.is_empty() {
            say("evidence", Tone::Plain, &format!("{}, in the output", count(finding.evidence.len(), "line")));
        }
    } else if let Some(note) = &unit.note {
        say("seen", Tone::Plain, &note.summary);
        if let Some(hint) = &note.hint {
            say("hint", Tone::Plain, hint);
        }
    }
}

fn of_close(model: &Model, ui: &Ui, subject: Subject<'_>, id: &StepId, columns: usize) -> Vec<Cells> {
    let mut lines = Vec::new();
    let mut say = |label: &str, tone: Tone, text: &str| lines.extend(value(ui, label, tone, text, columns));
    let Some(open) = open_of(subject, id) else {
        say("state", Tone::Plain, "nothing is open");
        return lines;
    };
    let obligation = &open.obligation;
    say("what", Tone::Plain, &obligation.title);
    say("was", Tone::Plain, &plain(&obligation.was));
    say("is set to", Tone::Warn, &plain(&obligation.set));
    say("open for", Tone::Plain, &since(model, ui, open.since));
    say("closes", Tone::Plain, policy(Some(obligation.close)));
    if let Some(finding) = &open.failed {
        say("why not", Tone::Bad, &finding.summary);
        if let Some(hint) = &finding.hint {
            say("hint", Tone::Plain, hint);
        }
    }
    lines
}

fn since(model: &Model, ui: &Ui, since: crate::model::time::Timestamp) -> String {
    format!("{}, since {}", clock(model.now.since(since)), now::at(model, ui, since))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn facts(model: &Model, ui: &Ui, subject: Subject<'_>, columns: usize) -> Vec<Cells> {
    let Subject { watched, name, host } = subject;
    let mut lines = counters(model, ui, subject, columns);
    let mut say = |label: &str, tone: Tone, text: &str| lines.extend(value(ui, label, tone, text, columns));
    for open in host.open.values() {
        let title = format!("{} for {}", open.obligation.title, since(model, ui, open.since));
        say("open", Tone::Warn, &title);
    }
    match &host.facts {
        Some(facts) => {
            say("system", Tone::Plain, &format!("{} {}, calls itself {}", facts.os, facts.arch, facts.hostname));
            say("user", Tone::Plain, &format!("{} (uid {})", facts.user, facts.uid));
            say("clock", Tone::Plain, &skew(ui.theme, facts));
        }
        None if host.unreachable.is_some() => say("system", Tone::Dim, "no connection was made"),
        None => say("system", Tone::Dim, "not connected yet"),
    }
    if let Some(finding) = &host.unreachable {
        say("no session", Tone::Far, &finding.summary);
        if let Some(hint) = &finding.hint {
            say("hint", Tone::Plain, hint);
        }
    }
    if let Some(known) = model.inventory().and_then(|inventory| inventory.host(name)) {
        say("address", Tone::Plain, &format!("{}@{}:{}", known.user, known.address, known.port));
        if !known.groups.is_empty() {
            let protected = if known.protected { " (protected)" } else { "" };
            say("groups", Tone::Plain, &format!("{}{protected}", known.groups.join(" ")));
        }
        if !known.tags.is_empty() {
            say("tags", Tone::Plain, &known.tags.join(" "));
        }
    }
    for decided in watched.run.decided.iter().filter(|decided| decided.asked.hosts.contains(name)) {
        let note = decided.note.as_ref().map_or_else(String::new, |note| format!(": {note}"));
        say("decided", Tone::Plain, &format!("{} by {} at {}{note}", decided.option, decided.by, now::at(model, ui, decided.at)));
    }
    lines
}

fn counters(model: &Model, ui: &Ui, subject: Subject<'_>, columns: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let mut lines = Vec::new();
    for (n, (app, counter)) in subject.watched.series.of(subject.name).take(COUNTERS).enumerate() {
        let ((from, first), (to, last), delta) = (counter.first(), counter.last(), counter.delta());
        let numbers = format!("  {first} {} {last} ({delta:+})  {app}", theme.arrow());
        let room = columns.saturating_sub(VALUES + width(&numbers) + 1).min(SPARK);
        let spark: String = counter.levels(room).into_iter().map(|level| theme.spark(level)).collect();
        let line = Cells::of(theme, Tone::Strong, if n == 0 { " restarts" } else { "" }).to(VALUES);
        let tone = if delta == 0 { Tone::Plain } else { Tone::Warn };
        lines.push(line.put(Tone::Plain, &spark).put(tone, &numbers));
        if from != to {
            let times = format!("{} to {}", now::at(model, ui, from), now::at(model, ui, to));
            lines.push(Cells::new(theme).to(VALUES).put(Tone::Dim, &times));
        }
    }
    lines
}
