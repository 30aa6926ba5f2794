//! What stands beside and below the tree: the selection, the same on the command line, the grammar of filters.

use std::time::Duration;

use crate::model::outcome::HostOutcome;
use crate::model::visible::{visible, width};
use crate::state::class::Class;
use crate::state::words;
use crate::tui::action::Action;
use crate::tui::model::Model;
use crate::tui::screen::hosts::chosen::{Chosen, Warning, share};
use crate::tui::screen::hosts::{State, command};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::{Cells, cut, rule};

/// Forms of a filter and what each is.
const GRAMMAR: [(&str, &str); 6] = [
    ("web-[01-06]  web-*", "name, set, glob"),
    ("@web  tag:az-a", "group, tag"),
    ("up  down", "as last probed; only here"),
    ("failed:7f3a9c", "from the record, after Enter"),
    ("pick:5  pick:10%", "some, always the same"),
    ("a & b  a | b  !a  ( )", "both, either, not"),
];

/// What a host came to, as the marks have it.
pub(super) fn class(outcome: HostOutcome) -> Class {
    match outcome {
        HostOutcome::Ok => Class::Ok,
        HostOutcome::Failed => Class::Failed,
        HostOutcome::Unknown => Class::Unknown,
        HostOutcome::Refused => Class::Refused,
        HostOutcome::Unreachable => Class::Unreachable,
        HostOutcome::RolledBack => Class::RolledBack,
        HostOutcome::RollbackFailed => Class::RollbackFailed,
        HostOutcome::Cancelled => Class::Cancelled,
        HostOutcome::NotStarted => Class::Waiting,
    }
}

/// `40s`, `5m`, `3h`, `2d`.
pub(super) fn ago(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..86_400 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// What the filter is, or why it is not what was typed.
pub(super) fn filter_words(state: &State) -> String {
    let text = if state.filter.is_on() { visible(&state.filter.text).into_owned() } else { "none".to_owned() };
    match &state.filter.trouble {
        Some(trouble) => format!("{text} ({})", visible(trouble)),
        None => text,
    }
}

/// Where there is no inventory to choose from.
pub(super) fn no_inventory(model: &Model, ui: &Ui, columns: usize) -> Vec<Cells> {
    let line = |tone: Tone, text: &str| Cells::of(ui.theme, tone, text);
    match &model.shelf.inventory {
        Some(Err(broken)) => {
            let count = match broken.errors.max(1) {
                1 => "1 error".to_owned(),
                n => format!("{n} errors"),
            };
            let mut lines = vec![
                Cells::new(ui.theme),
                line(Tone::Bad, &format!(" The inventory cannot be used: {}: {count}.", broken.path.display())),
                Cells::new(ui.theme),
            ];
            let first = broken.problems.first().map(|problem| problem.text.as_str()).unwrap_or_default();
            lines.extend(first.lines().take(8).map(|text| line(Tone::Plain, &format!(" {text}"))));
            lines.push(Cells::new(ui.theme));
            let open = ui.keys.key(Action::Open);
            let again = ui.keys.key(Action::Reload);
            lines.push(line(Tone::Plain, &format!(" {open} shows what is wrong, {again} reads it again.")));
            lines
        }
        _ => vec![rule(ui.theme, "", "", columns), line(Tone::Dim, " The inventory is being read.")],
    }
}

fn nothing(ui: &Ui) -> String {
    let key = |action| ui.keys.key(action);
    format!("No host is selected: {} marks a host or a group, {} all shown.", key(Action::Mark), key(Action::MarkAll))
}

fn protected(chosen: &Chosen, count: usize) -> (Tone, String) {
    match chosen.protected {
        0 => (Tone::Plain, "none PROTECTED".to_owned()),
        n if n == count => (Tone::Bad, "all PROTECTED".to_owned()),
        n => (Tone::Bad, format!("{n} PROTECTED")),
    }
}

fn reach(model: &Model, chosen: &Chosen, count: usize) -> String {
    if model.sim {
        return "simulated".to_owned();
    }
    let answers = chosen.answers;
    let mut parts = Vec::new();
    for (n, word) in [(answers.keys, "KEY CHANGED"), (answers.up, "up"), (answers.down, "DOWN"), (answers.asked, "asked")] {
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    let rest = count.saturating_sub(answers.known() + answers.asked);
    if rest > 0 {
        parts.push(format!("{rest} not probed"));
    }
    parts.join(", ")
}

fn drop_key(ui: &Ui) -> String {
    ui.keys.key(Action::Exclude)
}

/// What is wrong with a host, with the reason where there is room for it.
fn warning(ui: &Ui, host: &str, warning: &Warning, columns: usize) -> (Tone, String) {
    let x = drop_key(ui);
    let (tone, what, why, then) = match warning {
        Warning::Down(why) => {
            (Tone::Far, "does not answer", why, format!("It is tried again at its turn, or {x} removes it here."))
        }
        Warning::Key(why) => (Tone::Worst, "HAS ANOTHER HOST KEY THAN THE RECORDED ONE", why, format!("{x} removes it here.")),
    };
    let long = format!("! {host} {what} ({why}). {then}");
    let text = if width(&visible(&long)) <= columns { long } else { format!("! {host} {what}. {then}") };
    (tone, text)
}

fn warnings(ui: &Ui, columns: usize) -> Vec<(Tone, String)> {
    let all = ui.hosts.chosen.warnings.iter();
    all.map(|(host, is)| warning(ui, host.as_str(), is, columns)).collect()
}

/// All that is wrong in one line: `! other host key: web-02; no answer: web-[05,07]. X removes a host here.`
fn all_warnings(ui: &Ui) -> (Tone, String) {
    let [keys, down] = &ui.hosts.chosen.bad;
    let mut parts = Vec::new();
    for (names, what) in [(keys, "HOST KEY CHANGED"), (down, "no answer")] {
        if !names.is_empty() {
            parts.push(format!("{what}: {names}"));
        }
    }
    let tone = if keys.is_empty() { Tone::Far } else { Tone::Worst };
    (tone, format!("! {}. {} removes a host here.", parts.join("; "), drop_key(ui)))
}

/// The selection in one short line, for a screen with no room for more.
pub(super) fn brief(model: &Model, ui: &Ui) -> String {
    let (chosen, count) = (&ui.hosts.chosen, ui.hosts.marks.count());
    match count {
        0 => nothing(ui),
        _ if chosen.warnings.is_empty() => format!("{}: {}", cut(ui.theme, &chosen.folded, 30), reach(model, chosen, count)),
        _ => all_warnings(ui).1,
    }
}

/// The lines of the selection below the list, with a rule above them.
pub(super) fn below(model: &Model, ui: &Ui, columns: usize, height: usize) -> Vec<Cells> {
    let (theme, state) = (ui.theme, &ui.hosts);
    let (chosen, count) = (&state.chosen, state.marks.count());
    let mut lines = vec![rule(theme, "selection", "", columns)];
    let filter =
        Cells::of(theme, Tone::Dim, &format!(" filter: {}   ({} to change)", filter_words(state), ui.keys.key(Action::Search)));
    if count == 0 {
        lines.extend([Cells::of(theme, Tone::Dim, &format!(" {}", nothing(ui))), Cells::new(theme), Cells::new(theme), filter]);
        return lines;
    }
    lines.push(summary(model, ui, columns));
    let room = height.saturating_sub(4);
    let mut warnings = warnings(ui, columns.saturating_sub(1));
    if warnings.len() + chosen.more > room {
        warnings = vec![all_warnings(ui)];
    }
    lines.extend(warnings.into_iter().map(|(tone, text)| Cells::of(theme, tone, &format!(" {text}"))));
    while lines.len() < height.saturating_sub(2) {
        lines.push(Cells::new(theme));
    }
    lines.push(Cells::of(theme, Tone::Plain, &format!(" {}", command(ui, model, &chosen.short()))));
    lines.push(filter);
    lines
}

/// `web-[01-06]   6 hosts   all PROTECTED   75% of group web   5 up, 1 DOWN`; what matters most keeps its room.
fn summary(model: &Model, ui: &Ui, columns: usize) -> Cells {
    let (theme, state) = (ui.theme, &ui.hosts);
    let (chosen, count) = (&state.chosen, state.marks.count());
    let hosts = words::count(count, "host");
    let (tone, protected) = protected(chosen, count);
    let reach = reach(model, chosen, count);
    let mut shares = chosen.shares.iter().map(|(group, marked, of)| share(group, *marked, *of));
    let first = shares.next().unwrap_or_default();
    let first = match chosen.shares.len() {
        0 | 1 => first,
        n => format!("{first} and {} more", n - 1),
    };
    let wide = |first: &str| [&hosts, &protected, &reach].iter().map(|text| width(text) + 3).sum::<usize>() + width(first) + 4;
    // the names need their room more than the share
    let first = if width(&chosen.folded).min(30) + wide(&first) > columns { String::new() } else { first };
    let names = cut(theme, &chosen.folded, columns.saturating_sub(wide(&first)).max(12));
    let cells = Cells::new(theme).put(Tone::Strong, &format!(" {names}")).put(Tone::Plain, &format!("   {hosts}   "));
    cells.put(tone, &protected).put(Tone::Plain, &format!("   {reach}   {first}"))
}

/// The panes at the right of a wide screen.
pub(super) fn right(model: &Model, ui: &Ui, columns: usize, height: usize) -> Vec<Cells> {
    let theme = ui.theme;
    let inner = columns.saturating_sub(2);
    let mut lines = vec![titled(theme, theme.down(), "selection", columns)];
    let bar = |cells: Cells| Cells::new(theme).put(Tone::Dim, theme.bar()).put(Tone::Plain, " ").join(cells);
    let selection = selection(model, ui, inner);
    let command = the_same(model, ui, inner);
    let grammar = GRAMMAR.map(|(form, is)| Cells::new(theme).cell(Tone::Plain, form, 23).put(Tone::Dim, is));
    // the grammar can be looked up elsewhere: it goes first
    let room = height.saturating_sub(1 + command.len() + 2);
    let needs = selection.len().min(room);
    lines.extend(selection.into_iter().take(room).map(bar));
    lines.extend([bar(Cells::new(theme)), titled(theme, theme.tee(), "the same on the command line", columns)]);
    lines.extend(command.iter().cloned().map(bar));
    if height >= 1 + needs + 2 + command.len() + 2 + grammar.len() {
        lines.extend([bar(Cells::new(theme)), titled(theme, theme.tee(), "filter grammar, as --hosts", columns)]);
        lines.extend(grammar.map(bar));
    }
    while lines.len() < height {
        lines.push(bar(Cells::new(theme)));
    }
    lines.truncate(height);
    lines
}

fn titled(theme: Theme, corner: &str, title: &str, columns: usize) -> Cells {
    Cells::new(theme).put(Tone::Dim, corner).join(rule(theme, title, "", columns.saturating_sub(1)))
}

/// A text as lines of at most so many columns, broken at spaces and commas where there are any.
fn wrapped(theme: Theme, tone: Tone, text: &str, columns: usize, most: usize) -> Vec<Cells> {
    let clean = visible(text);
    let mut lines: Vec<String> = vec![String::new()];
    for word in clean.split_inclusive([' ', ',']) {
        let full = lines.last().is_some_and(|line| !line.is_empty() && width(line) + width(word.trim_end()) > columns);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
    }
    let left_out = lines.len() > most;
    lines.truncate(most);
    if let Some(last) = lines.last_mut().filter(|_| left_out) {
        last.push_str(theme.more());
    }
    lines.iter().map(|line| Cells::of(theme, tone, &cut(theme, line.trim_end(), columns))).collect()
}

fn selection(model: &Model, ui: &Ui, columns: usize) -> Vec<Cells> {
    let (theme, state) = (ui.theme, &ui.hosts);
    let (chosen, count) = (&state.chosen, state.marks.count());
    if count == 0 {
        return wrapped(theme, Tone::Dim, &nothing(ui), columns, 3);
    }
    let mut lines = wrapped(theme, Tone::Strong, &chosen.folded, columns, 3);
    lines.push(Cells::new(theme));
    let named = |name: &str| Cells::new(theme).cell(Tone::Dim, name, 9);
    let (tone, protected) = protected(chosen, count);
    lines.push(named("hosts").put(Tone::Plain, &format!("{count}   ")).put(tone, &protected));
    if chosen.hidden > 0 {
        lines.push(named("hidden").put(Tone::Warn, &format!("{} by the filter", chosen.hidden)));
    }
    lines.push(named("reach").put(Tone::Plain, &reach(model, chosen, count)));
    for (at, (group, marked, of)) in chosen.shares.iter().take(4).enumerate() {
        let text = format!("{} ({marked} of {of})", share(group, *marked, *of));
        lines.push(named(if at == 0 { "share" } else { "" }).put(Tone::Plain, &text));
    }
    if chosen.shares.len() > 4 {
        lines.push(named("").put(Tone::Plain, &format!("and {}", words::count(chosen.shares.len() - 4, "more group"))));
    }
    if !chosen.tags.is_empty() {
        let tags: Vec<String> = chosen.tags.iter().take(12).map(|(tag, n)| format!("{tag} {n}")).collect();
        lines.push(named("tags").put(Tone::Plain, &tags.join("  ")));
    }
    let mut warnings = warnings(ui, columns * 3);
    if warnings.len() + chosen.more > 3 {
        warnings = vec![all_warnings(ui)];
    }
    lines.extend((!warnings.is_empty()).then(|| Cells::new(theme)));
    for (tone, text) in warnings {
        lines.extend(wrapped(theme, tone, &text, columns, 4));
    }
    lines
}

fn the_same(model: &Model, ui: &Ui, columns: usize) -> Vec<Cells> {
    let chosen = &ui.hosts.chosen;
    if ui.hosts.marks.count() == 0 {
        return vec![Cells::of(ui.theme, Tone::Dim, "-")];
    }
    wrapped(ui.theme, Tone::Plain, &command(ui, model, &chosen.short()), columns, 4)
}
