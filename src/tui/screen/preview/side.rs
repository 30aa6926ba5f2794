//! What is said of the plan as a whole: its numbers, how sure it is, how it is rolled out, the command line.

use crate::model::visible::visible;
use crate::state::run::{PlanSummary, RunState};
use crate::state::words;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::preview::again;
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::wrap;

/// Where the values begin.
const VALUES: usize = 13;

/// A line of the side pane.
pub(crate) enum Line {
    /// The title of what follows.
    Rule(&'static str),
    /// A line.
    Row(Cells),
}

/// The numbers of a plan in words, most important first.
pub(crate) fn numbers(summary: &PlanSummary) -> Vec<(Tone, String)> {
    let mut parts = Vec::new();
    let mut first = match summary.change_hosts {
        0 => "Nothing is to be changed".to_owned(),
        1 => "1 host changes".to_owned(),
        n => format!("{n} hosts change"),
    };
    if summary.unreachable_hosts > 0 {
        first.push_str(&format!(", {} unreachable", summary.unreachable_hosts));
    }
    if summary.refused_hosts > 0 {
        first.push_str(&format!(", {} refused", summary.refused_hosts));
    }
    parts.push((Tone::Plain, format!("{first}.")));
    match (summary.destroy, summary.changes) {
        (_, 0) => {}
        (0, changes) => parts.push((Tone::Plain, format!("None of {} destroys anything.", words::count(changes, "change")))),
        (destroy, changes) => {
            parts.push((Tone::Bad, "DESTROYS:".to_owned()));
            parts.push((Tone::Plain, format!("{destroy} of {}, no undo.", words::count(changes, "change"))));
        }
    }
    if let Some(worst) = at_worst(summary) {
        let hosts = words::count(worst, "host");
        parts.push((Tone::Plain, format!("At worst {hosts} {}.", if worst == 1 { "fails" } else { "fail" })));
    }
    let basis: Vec<String> = basis(summary).iter().map(|(word, n, _)| format!("{n} {word}")).collect();
    if !basis.is_empty() {
        parts.push((Tone::Plain, format!("Basis: {}.", basis.join(", "))));
    }
    parts
}

/// How many hosts can fail before it stops by itself; none where nothing is changed.
pub(crate) fn at_worst(summary: &PlanSummary) -> Option<usize> {
    Some(summary.at_worst.min(summary.change_hosts)).filter(|worst| *worst > 0)
}

/// The same in words: `3 failed hosts before it stops by itself`.
pub(crate) fn worst_words(worst: usize) -> String {
    format!("{} before it stops by itself", words::count(worst, "failed host"))
}

/// What the claims rest on: the word, how many, what that means.
fn basis(summary: &PlanSummary) -> Vec<(String, usize, &'static str)> {
    const MEANING: [(&str, &str); 4] = [
        ("seen", "looked at on the host"),
        ("seen, own command", "by the runbook's own command"),
        ("declared", "the runbook says so"),
        ("not known", "known only after a step, or not at all"),
    ];
    let rank = |word: &str| MEANING.iter().position(|(known, _)| *known == word).unwrap_or(MEANING.len());
    let mut all: Vec<(String, usize, &'static str)> = summary
        .basis
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(word, n)| {
            let word = word.replace('-', " ");
            let meaning = MEANING.iter().find(|(known, _)| *known == word).map_or("", |(_, meaning)| *meaning);
            (word, *n, meaning)
        })
        .collect();
    all.sort_by_key(|(word, _, _)| rank(word));
    all
}

/// The first lines of the preview as a text.
pub(crate) fn in_words(watched: &Watched) -> Vec<String> {
    let run = &watched.run;
    let name = run.runbook.as_ref().map_or_else(String::new, |book| book.name.to_string());
    let id = run.run.as_ref().map_or_else(String::new, ToString::to_string);
    let mut lines = vec![format!("{}plan of run {id}: {name} on {}", words::sim(run.sim), visible(&run.selector))];
    if let Some(summary) = &run.summary {
        let numbers: Vec<String> = numbers(summary).into_iter().map(|(_, text)| text).collect();
        lines.push(format!("complete since {} {}Z", summary.at.date(), summary.at.clock()));
        lines.push(numbers.join(" "));
    }
    for (at, batch) in run.batches.iter().enumerate() {
        lines.push(format!("batch {} of {}: {}", at + 1, run.batches.len(), words::hosts(batch, usize::MAX)));
    }
    lines.push(stop_rule(run));
    lines
}

/// When no further batch starts, and what happens then.
pub(crate) fn stop_rule(run: &RunState) -> String {
    match (run.batches.len(), run.max_failures) {
        (0 | 1, _) => "there is one batch; a failed host does not stop the others of it".to_owned(),
        (_, 0 | 1) => "after a failed host no further batch starts: it asks you".to_owned(),
        (_, n) => format!("after {n} failed hosts, or one in the first batch, no further batch starts: it asks you"),
    }
}

/// The side pane.
pub(crate) fn lines(model: &Model, ui: &Ui, watched: &Watched, columns: usize) -> Vec<Line> {
    let Some(summary) = &watched.run.summary else { return Vec::new() };
    let (theme, run) = (ui.theme, &watched.run);
    let mut all = vec![Line::Rule("blast radius")];
    let mut say = |label: &str, tone: Tone, text: &str| all.extend(row(theme, label, tone, text, columns));
    say("change", Tone::Plain, &words::count(summary.change_hosts, "host"));
    if summary.unreachable_hosts > 0 {
        say("unreachable", Tone::Far, &format!("{}: not touched", words::count(summary.unreachable_hosts, "host")));
    }
    if summary.refused_hosts > 0 {
        say("refused", Tone::Warn, &format!("{}: not touched", words::count(summary.refused_hosts, "host")));
    }
    let changes = words::count(summary.changes, "change");
    match summary.destroy {
        0 => say("destroys", Tone::Plain, &format!("none of {changes}")),
        n => say("DESTROYS", Tone::Bad, &format!("{n} of {changes} cannot be undone")),
    }
    if let Some(worst) = at_worst(summary) {
        say("at worst", Tone::Plain, &worst_words(worst));
    }
    if let Some(out) = run.max_out {
        say("at once", Tone::Plain, &format!("at most {} out of service", words::count(out, "host")));
    }
    all.push(Line::Rule("how sure is this plan"));
    for (word, n, meaning) in basis(summary) {
        all.extend(row(theme, &word, Tone::Plain, &format!("{n:>3}  {meaning}"), columns));
    }
    rollout(model, ui, run, columns, &mut all);
    all.push(Line::Rule("the same on the command line"));
    let command = again::command(model, ui, watched).replace(" --", "\n--");
    let last = command.lines().count().saturating_sub(1);
    for (at, part) in command.lines().enumerate() {
        let (indent, more) = (if at == 0 { " " } else { "   " }, if at < last { " \\" } else { "" });
        all.push(Line::Row(Cells::of(theme, Tone::Plain, &format!("{indent}{part}{more}"))));
    }
    all
}

fn rollout(model: &Model, ui: &Ui, run: &RunState, columns: usize, all: &mut Vec<Line>) {
    const BATCHES: usize = 8;
    let theme = ui.theme;
    all.push(Line::Rule("rollout"));
    let room = columns.saturating_sub(VALUES + 10);
    for (at, batch) in run.batches.iter().enumerate().take(BATCHES) {
        let canary = if at == 0 && run.batches.len() > 1 { "  canary" } else { "" };
        // a large batch is told by its number: its names would fill the pane
        let names = if batch.len() > 20 { words::count(batch.len(), "host") } else { words::hosts(batch, room) };
        let names = format!("{}{canary}", names.replace('…', theme.more()));
        all.extend(row(theme, &format!("batch {}", at + 1), Tone::Plain, &names, columns));
    }
    if let Some(more) = run.batches.len().checked_sub(BATCHES).filter(|more| *more > 0) {
        let hosts: usize = run.batches.iter().skip(BATCHES).map(Vec::len).sum();
        let batches = if more == 1 { "batch" } else { "batches" };
        let text = format!("{more} more {batches} with {}", words::count(hosts, "host"));
        all.extend(row(theme, "", Tone::Dim, &text, columns));
    }
    all.extend(row(theme, "stop rule", Tone::Plain, &stop_rule(run), columns));
    let book = run.runbook.as_ref().and_then(|planned| model.book(planned.name.as_str()));
    if let Some(typical) = book.and_then(|book| book.typical) {
        all.extend(row(theme, "typical", Tone::Plain, &format!("{} in earlier runs", words::clock(typical)), columns));
    }
}

fn row(theme: Theme, label: &str, tone: Tone, text: &str, columns: usize) -> Vec<Line> {
    let wide = label.len() >= VALUES - 1;
    let value = if wide { label.len() + 2 } else { VALUES };
    let texts = wrap::rows(text, columns.saturating_sub(value + 1));
    let line = |(at, text): (usize, &String)| {
        let label = if at == 0 { label } else { "" };
        let label_tone = if tone == Tone::Plain { Tone::Dim } else { tone };
        Line::Row(
            Cells::of(theme, label_tone, &format!(" {label}"))
                .to(value)
                .put(if tone == Tone::Bad { Tone::Plain } else { tone }, text),
        )
    };
    texts.iter().enumerate().map(line).collect()
}
