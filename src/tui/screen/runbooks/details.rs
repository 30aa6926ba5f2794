//! What a runbook is for, what it can do, what it asks for, and how it went last time.

use crate::model::outcome::Risk;
use crate::model::plan::BatchSize;
use crate::model::runbook::{Runbook, StepDecl};
use crate::model::time::Timestamp;
use crate::model::visible::{visible, width};
use crate::state::words;
use crate::steps::kind;
use crate::tui::action::Action;
use crate::tui::model::{Book, Broken, Model, Ran};
use crate::tui::screen::runbooks::layout::Room;
use crate::tui::screen::runbooks::{list, past, steps, unset};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::{Times, Ui};
use crate::tui::view::cells::{Cells, cut};
use crate::tui::view::now;
use crate::tui::view::wrap::wrap;

/// Columns up to the text of a field.
const LABEL: usize = 10;

/// Lines in the making.
struct Page {
    theme: Theme,
    columns: usize,
    /// The most rows of one text.
    rows: usize,
    lines: Vec<Cells>,
}

impl Page {
    fn text(&mut self, tone: Tone, text: &str, rows: usize) {
        let room = self.columns.saturating_sub(2);
        let of = |row: String| Cells::of(self.theme, tone, &format!(" {row}"));
        self.lines.extend(wrap(self.theme, text, room, rows).into_iter().map(of));
    }

    fn field(&mut self, label: &str, tone: Tone, text: &str) {
        let rows = wrap(self.theme, text, self.room(), self.rows);
        self.labelled(label, tone, &rows);
    }

    /// A field of several parts; a row breaks between them where it can.
    fn field_of(&mut self, label: &str, parts: &[String], most: usize) {
        let mut rows: Vec<String> = Vec::new();
        for part in parts {
            match rows.last_mut() {
                Some(row) if width(&visible(row)) + 2 + width(&visible(part)) <= self.room() => {
                    row.push_str("  ");
                    row.push_str(part);
                }
                _ => rows.push(part.clone()),
            }
        }
        if rows.len() > most {
            rows.truncate(most);
            if let Some(row) = rows.last_mut() {
                row.push_str("  ");
                row.push_str(self.theme.more());
            }
        }
        self.labelled(label, Tone::Plain, &rows);
    }

    fn room(&self) -> usize {
        self.columns.saturating_sub(LABEL + 1)
    }

    fn labelled(&mut self, label: &str, tone: Tone, rows: &[String]) {
        for (n, row) in rows.iter().enumerate() {
            let label = if n == 0 { label } else { "" };
            let line = Cells::of(self.theme, Tone::Dim, &format!(" {label}")).to(LABEL);
            self.lines.push(line.put(tone, row));
        }
    }
}

/// The lines.
pub(super) fn lines(model: &Model, ui: &Ui, book: &Book, columns: usize, room: Room) -> Vec<Cells> {
    let rows = match room {
        Room::Alone => 9,
        Room::Below => 2,
        Room::Beside => 3,
    };
    let mut page = Page { theme: ui.theme, columns, rows, lines: Vec::new() };
    match &book.is {
        Ok(runbook) => good(&mut page, model, ui, book, runbook, room),
        Err(broken) => bad(&mut page, ui, broken),
    }
    page.lines
}

fn bad(page: &mut Page, ui: &Ui, broken: &Broken) {
    let counted = format!("{}, {}", words::count(broken.errors, "error"), words::count(broken.warnings, "warning"));
    page.text(Tone::Bad, &format!("It cannot be used: {counted}."), 2);
    for problem in &broken.problems {
        let says = problem.text.lines().next().unwrap_or_default();
        page.text(Tone::Plain, &format!("{}:{}: {says}", problem.line, problem.column), 2);
    }
    let (open, edit) = (ui.keys.key(Action::Open), ui.keys.key(Action::Edit));
    page.text(Tone::Dim, &format!("{open} shows each with its place, {edit} edits the file."), 2);
}

fn good(page: &mut Page, model: &Model, ui: &Ui, book: &Book, runbook: &Runbook, room: Room) {
    let below = room == Room::Below;
    page.text(Tone::Strong, &runbook.title, 2);
    if !runbook.about.trim().is_empty() {
        let rows = match room {
            Room::Alone => 20,
            Room::Below => 1,
            Room::Beside => 4,
        };
        page.text(Tone::Plain, &runbook.about, rows);
    }
    if !below {
        page.lines.push(Cells::new(page.theme));
    }
    let missing = unset(model, ui, book);
    if !missing.is_empty() {
        let set: Vec<String> = missing.iter().map(|name| format!(":set {name}=VALUE")).collect();
        page.field("Needs", Tone::Warn, &set.join("  "));
    }
    page.field("Risk", Tone::Plain, &risk(runbook));
    // beside it the steps say which
    if room != Room::Beside {
        page.field("Changes", Tone::Plain, &changes(runbook));
    }
    if let Some(guard) = guard(runbook) {
        page.field("Guard", Tone::Plain, &guard);
    }
    page.field("Rollout", Tone::Plain, &rollout(runbook));
    if !runbook.vars.is_empty() {
        let most = match room {
            Room::Alone => page.rows,
            Room::Below => 1,
            Room::Beside => 2,
        };
        page.field_of("Params", &params(model, ui, book, runbook), most);
    }
    // beside it the last runs say how
    if let Some(ran) = book.last.as_ref().filter(|_| room != Room::Beside) {
        page.field("Last", Tone::Plain, &last(model, ui, ran, room == Room::Alone));
    }
    page.field("File", Tone::Plain, &file(book, runbook));
    for warning in book.warnings.iter().take(if room == Room::Alone { book.warnings.len() } else { 1 }) {
        page.field("", Tone::Warn, warning);
    }
    if let Some(docs) = runbook.docs.as_ref().filter(|_| !below) {
        page.field("Docs", Tone::Plain, docs);
    }
}

/// Steps by their ids; of many the first ones.
fn ids(of: &[&StepDecl]) -> String {
    const LISTED: usize = 5;
    let mut ids: Vec<&str> = of.iter().take(LISTED).map(|step| step.id.as_str()).collect();
    let more = of.len().saturating_sub(LISTED);
    let rest = format!("{more} more");
    if more > 0 {
        ids.push(&rest);
    }
    ids.join(", ")
}

fn risk(runbook: &Runbook) -> String {
    let computed = runbook.steps.iter().filter_map(|step| kind(&step.kind)).map(|kind| kind.risk).max();
    let computed = computed.unwrap_or(Risk::ReadOnly);
    let worst: Vec<&StepDecl> =
        runbook.steps.iter().filter(|step| kind(&step.kind).is_some_and(|kind| kind.risk == computed)).collect();
    let by = ids(&worst);
    let why = match computed {
        Risk::ReadOnly => "no step changes a host".to_owned(),
        Risk::Toggles => format!("can move a switch or a place behind the load balancer ({by})"),
        Risk::Restarts => format!("can restart or remove processes ({by})"),
        Risk::Destructive => format!("can lose data ({by})"),
    };
    if runbook.risk > computed {
        return format!("{}: its author says so; its steps are {computed}: {why}", runbook.risk);
    }
    format!("{computed}: {why}")
}

fn changes(runbook: &Runbook) -> String {
    let all = words::count(runbook.steps.len(), "step");
    let changing = steps::changing(runbook);
    if changing.is_empty() {
        return format!("nothing: its {all} only look or wait");
    }
    let undo: Vec<&StepDecl> = changing.iter().copied().filter(|step| step.fields.contains_key("undo")).collect();
    let undo = if undo.is_empty() { String::new() } else { format!("; with an undo of their own: {}", ids(&undo)) };
    format!("{} of {all} can change a host: {}{undo}", changing.len(), ids(&changing))
}

fn guard(runbook: &Runbook) -> Option<String> {
    let owed = steps::owed(runbook);
    let switches: Vec<&StepDecl> = runbook.steps.iter().filter(|step| step.kind == "kill-switch").collect();
    let stays: Vec<&StepDecl> = switches.into_iter().filter(|step| !owed.contains(step)).collect();
    let mut parts = Vec::new();
    if !owed.is_empty() {
        parts.push(format!("{} moves a switch and puts it back on every way out", ids(&owed)));
    }
    if !stays.is_empty() {
        parts.push(format!("{} is NOT put back by this run", ids(&stays)));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

fn rollout(runbook: &Runbook) -> String {
    let rollout = &runbook.rollout;
    let size = |size: &BatchSize| match size {
        BatchSize::Count(n) => words::count(*n, "host"),
        BatchSize::Percent(n) => format!("{n}%"),
    };
    let sizes: Vec<String> = rollout.batches.iter().map(size).collect();
    let failed = match rollout.max_failures {
        BatchSize::Count(n) => format!("{n} failed"),
        BatchSize::Percent(n) => format!("{n}% failed"),
    };
    let mut parts = vec![sizes.join(", then "), format!("no new batch after {failed}")];
    if !rollout.soak.is_zero() {
        parts.push(format!("each watched for {}", words::took(rollout.soak)));
    }
    if let Some(out) = &rollout.max_out {
        parts.push(format!("at most {out} out of service"));
    }
    parts.join("; ")
}

fn params(model: &Model, ui: &Ui, book: &Book, runbook: &Runbook) -> Vec<String> {
    let missing = unset(model, ui, book);
    let is_chosen = ui.runbooks.chosen.as_ref() == Some(&book.name);
    let own = |name: &str| ui.runbooks.set.iter().find(|(set, _)| is_chosen && set == name);
    let shown = runbook.vars.iter().map(|var| {
        let name = var.name.as_str();
        match (own(name), &var.default) {
            (Some((_, value)), _) => format!("{name}={value} (set)"),
            (None, Some(serde_json::Value::String(text))) => format!("{name}={text}"),
            (None, Some(value)) => format!("{name}={value}"),
            (None, None) if missing.iter().any(|unset| unset == name) => format!("{name}=?"),
            (None, None) => format!("{name}: by the inventory"),
        }
    });
    shown.collect()
}

fn last(model: &Model, ui: &Ui, ran: &Ran, dated: bool) -> String {
    let date = match ui.times {
        _ if !dated => String::new(),
        Times::Relative => String::new(),
        Times::Utc | Times::Local => format!(" ({})", day(model, ui, ran)),
    };
    let why = ran.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    let by = past::who(model, ran);
    format!("{}{date} by {by}, run {}: {}{why}", past::when(model, ran), ran.run, past::result(ui.theme, ran).text())
}

/// `2026-11-19 02:40:00Z`.
fn day(model: &Model, ui: &Ui, ran: &Ran) -> String {
    let clock = now::at(model, ui, ran.started);
    let ahead = if ui.times == Times::Local { i64::from(model.offset) * 1000 } else { 0 };
    let date = Timestamp::from_millis(ran.started.as_millis() + ahead).date();
    format!("{date} {clock}")
}

fn file(book: &Book, runbook: &Runbook) -> String {
    let sha: String = runbook.sha256.chars().take(8).collect();
    let lint = match book.warnings.len() {
        0 => "lint ok".to_owned(),
        n => words::count(n, "warning"),
    };
    format!("{}  sha256 {sha}  {lint}", book.path.display())
}

/// The title of the rule above: as much of the name as there is room for.
pub(super) fn title(ui: &Ui, book: Option<&Book>, what: &str, columns: usize) -> String {
    let name = book.map_or("", |book| book.name.as_str());
    let name = visible(name);
    let room = columns.saturating_sub(width(what) + 8);
    format!("{}{what}", cut(ui.theme, &name, room))
}

/// One line about what is under the cursor where only the list has room.
pub(super) fn hint(model: &Model, ui: &Ui) -> Option<String> {
    let book = list::under(model, ui)?;
    let missing = unset(model, ui, book);
    if missing.is_empty() {
        return None;
    }
    let set: Vec<String> = missing.iter().map(|name| format!(":set {name}=VALUE")).collect();
    Some(format!("{} needs {}", book.name, set.join(" ")))
}
