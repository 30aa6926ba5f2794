//! The plan of a group or host, step by step: what would be done, what that rests on, whether it can be undone.

use crate::model::event::PlannedStep;
use crate::model::id::HostName;
use crate::model::outcome::Outcome;
use crate::model::step::{Basis, ClosePolicy};
use crate::model::time::Timestamp;
use crate::model::visible::{visible, width};
use crate::state::class;
use crate::state::foreseen::{self, Stands};
use crate::state::run::{HostState, Preview, RunState};
use crate::state::words;
use crate::tui::model::{Model, Watched};
use crate::tui::screen::preview::rows::{self, Row};
use crate::tui::screen::preview::{closes, side};
use crate::tui::theme::{Theme, Tone};
use crate::tui::ui::Ui;
use crate::tui::view::cells::Cells;
use crate::tui::view::now;
use crate::tui::view::wrap;

/// The most columns of an id before its word.
const IDS: usize = 20;

/// The plans of a run, as one screen sees them.
pub(super) struct Plans<'p> {
    model: &'p Model,
    ui: &'p Ui,
    run: &'p RunState,
    live: bool,
    ids: usize,
}

impl<'p> Plans<'p> {
    /// The plans of a run.
    pub(super) fn new(model: &'p Model, ui: &'p Ui, watched: &'p Watched) -> Self {
        let ids = watched.run.steps.iter().map(|step| width(step.id.as_str())).max().unwrap_or(0).min(IDS);
        Self { model, ui, run: &watched.run, live: watched.is_live(), ids }
    }

    /// The hosts of a row and how many they are: `web-04 (1 host)`.
    pub(super) fn title(&self, row: Row) -> String {
        let seen = &self.ui.preview.seen;
        let hosts = rows::hosts(self.run, seen, row);
        match (hosts, seen.groups.get(row.folded)) {
            ([one], _) => format!("{one} (1 host)"),
            ([first, ..], Some(folded)) => {
                format!("{} ({}, as seen on {first})", folded.names, words::count(hosts.len(), "host"))
            }
            _ => String::new(),
        }
    }

    /// In which steps a row differs from the largest other group; none where there is no other with a plan.
    pub(super) fn differs(&self, row: Row) -> Option<String> {
        let (host, other) = self.pair(row)?;
        let steps: Vec<String> = self.different(host, other).map(|step| step.n.to_string()).collect();
        Some(match steps.as_slice() {
            [] => "as the largest other plan".to_owned(),
            [one] => format!("differs from the largest other plan in step {one}"),
            [first @ .., last] => format!("differs from the largest other plan in steps {} and {last}", first.join(", ")),
        })
    }

    fn pair(&self, row: Row) -> Option<(&'p HostState, &'p HostState)> {
        let host = rows::hosts(self.run, &self.ui.preview.seen, row).first()?;
        Some((self.run.hosts.get(host)?, self.run.hosts.get(self.other(row)?)?))
    }

    /// The first host of the largest other group that can be reached.
    fn other(&self, row: Row) -> Option<&'p HostName> {
        let groups = self.ui.preview.seen.groups.iter().enumerate();
        let others = groups.filter(|(at, folded)| *at != row.folded && folded.stands != Stands::Unreachable);
        let (_, largest) = others.max_by_key(|(at, folded)| (folded.hosts, std::cmp::Reverse(*at)))?;
        self.run.groups.get(largest.group)?.hosts.first()
    }

    fn different(&self, one: &'p HostState, other: &'p HostState) -> impl Iterator<Item = &'p PlannedStep> {
        let same = |a: &Preview, b: &Preview| a.outcome == b.outcome && a.effects == b.effects;
        self.run.steps.iter().filter(move |step| match (one.preview.get(&step.id), other.preview.get(&step.id)) {
            (Some(a), Some(b)) => !same(a, b),
            (a, b) => a.is_some() != b.is_some(),
        })
    }

    /// The plan of a row, whole; nothing is cut, long texts take several rows.
    pub(super) fn whole(&self, row: Row, columns: usize) -> Vec<Cells> {
        let Some((name, host)) = self.host(row) else { return Vec::new() };
        let theme = self.ui.theme;
        if let Some(finding) = &host.unreachable {
            let mut lines = vec![Cells::of(theme, Tone::Far, &format!(" {} is unreachable: there is no plan", name))];
            lines.extend(self.text(&finding.summary, "", Tone::Plain, columns));
            lines.extend(finding.hint.iter().flat_map(|hint| self.text(hint, "", Tone::Dim, columns)));
            return lines;
        }
        let mut lines = Vec::new();
        for step in &self.run.steps {
            let Some(preview) = host.preview.get(&step.id) else { continue };
            lines.push(self.head(host, step, preview));
            if preview.effects.as_slice() != [preview.summary.as_str()] && !preview.summary.is_empty() {
                lines.extend(self.text(&preview.summary, "", Tone::Dim, columns));
            }
            let mark = if closes::opens(step) { "~ " } else { "+ " };
            for effect in &preview.effects {
                lines.extend(self.text(effect, mark, Tone::Plain, columns));
            }
        }
        for step in self.run.steps.iter().rev().filter(|step| closes::opens(step)) {
            let opened = host.preview.get(&step.id).is_some_and(|preview| preview.outcome == Outcome::WouldChange);
            if opened {
                lines.push(self.close(step));
            }
        }
        lines
    }

    /// Only the steps of a row that are not as in the largest other group: `-` there, `+` here.
    pub(super) fn diff(&self, row: Row, columns: usize) -> Vec<Cells> {
        let theme = self.ui.theme;
        let dim = |text: &str| vec![Cells::of(theme, Tone::Dim, &format!(" {text}"))];
        let Some((one, other)) = self.pair(row) else { return dim("There is no other plan to compare with.") };
        let Some(name) = self.other(row) else { return Vec::new() };
        let mut lines = vec![Cells::of(theme, Tone::Dim, &format!(" - as on {name}, + as here"))];
        let before = lines.len();
        for step in self.different(one, other) {
            let heading = one.preview.get(&step.id).map(|preview| self.head(one, step, preview));
            lines.push(heading.unwrap_or_else(|| self.number(&step.n.to_string(), step.id.as_str())));
            for (host, mark, tone) in [(other, "- ", Tone::Dim), (one, "+ ", Tone::Plain)] {
                let texts = host.preview.get(&step.id).map_or_else(|| vec!["has no such step".to_owned()], said);
                lines.extend(texts.iter().flat_map(|text| self.text(text, mark, tone, columns)));
            }
        }
        if lines.len() == before {
            return dim(&format!("The plan is the same as on {name}."));
        }
        lines
    }

    fn host(&self, row: Row) -> Option<(&'p HostName, &'p HostState)> {
        let name = rows::hosts(self.run, &self.ui.preview.seen, row).first()?;
        Some((name, self.run.hosts.get(name)?))
    }

    fn number(&self, n: &str, id: &str) -> Cells {
        let wide = self.run.steps.last().map_or(1, |step| step.n.to_string().len());
        Cells::new(self.ui.theme)
            .right(Tone::Dim, n, 1 + wide)
            .put(Tone::Plain, " ")
            .cell(Tone::Strong, id, self.ids)
            .put(Tone::Plain, "  ")
    }

    fn head(&self, host: &HostState, step: &PlannedStep, preview: &Preview) -> Cells {
        let class = class::of_preview(preview);
        let (word, tone) = match preview.outcome {
            Outcome::WouldChange if preview.destroys => ("DESTROYS, no undo".to_owned(), Tone::Bad),
            Outcome::WouldChange if closes::opens(step) => (format!("change, opens {}+", step.n), Tone::Active),
            Outcome::WouldChange => ("change".to_owned(), Tone::Active),
            Outcome::NotKnown => ("?".to_owned(), Tone::Dim),
            _ => (class.word().to_owned(), Theme::tone(class)),
        };
        self.number(&step.n.to_string(), step.id.as_str())
            .cell(tone, &word, 17)
            .put(Tone::Dim, "  ")
            .put(Tone::Dim, &self.basis(host, step, preview))
    }

    fn close(&self, step: &PlannedStep) -> Cells {
        let policy = closes::policy(self.model, self.run, step);
        let word = match policy {
            Some(ClosePolicy::Always) => "change, always",
            Some(ClosePolicy::WhenVerified) => "change, if verified",
            Some(ClosePolicy::Never) => "no change",
            None => "?",
        };
        self.number(&format!("{}+", step.n), step.id.as_str())
            .cell(Tone::Active, word, 17)
            .put(Tone::Dim, &format!("  {}", closes::words(policy)))
    }

    fn basis(&self, host: &HostState, step: &PlannedStep, preview: &Preview) -> String {
        match preview.basis {
            Basis::Seen => format!("seen {}", self.age(preview.at)),
            Basis::OwnCommand => format!("seen {}, own command", self.age(preview.at)),
            Basis::Declared => "declared by the runbook, not provable".to_owned(),
            Basis::NotKnown => self.unknown(host, step),
        }
    }

    /// Why nothing is known of a step.
    fn unknown(&self, host: &HostState, step: &PlannedStep) -> String {
        let earlier = self.run.steps.iter().take_while(|other| other.n < step.n);
        if let Some((no, _)) = foreseen::stopped(self.run, host)
            && earlier.clone().any(|other| other.id == *no)
        {
            return format!("not looked at: {no} says no");
        }
        let changes = |other: &&PlannedStep| host.preview.get(&other.id).is_some_and(|p| p.outcome == Outcome::WouldChange);
        match earlier.filter(changes).last() {
            Some(after) => format!("known only after step {}", after.n),
            None => "not known".to_owned(),
        }
    }

    fn age(&self, at: Timestamp) -> String {
        if self.live { ago(self.model.now, at) } else { format!("at {}", now::at(self.model, self.ui, at)) }
    }

    fn text(&self, text: &str, mark: &str, tone: Tone, columns: usize) -> Vec<Cells> {
        let indent = " ".repeat(3);
        let rows = wrap::rows(text, columns.saturating_sub(4 + mark.len()));
        let line = |(at, row): (usize, &String)| {
            let mark = if at == 0 { mark.to_owned() } else { " ".repeat(mark.len()) };
            Cells::of(self.ui.theme, tone, &format!("{indent}{mark}{row}"))
        };
        rows.iter().enumerate().map(line).collect()
    }
}

/// What a step comes to in words: what it would do, else what was seen.
fn said(preview: &Preview) -> Vec<String> {
    if preview.effects.is_empty() { vec![format!("{}: {}", preview.outcome, preview.summary)] } else { preview.effects.clone() }
}

/// `8 s ago`, `12:04 ago`.
pub(super) fn ago(now: Timestamp, at: Timestamp) -> String {
    format!("{} ago", age(now, at))
}

/// `8 s`, `12:04`.
pub(crate) fn age(now: Timestamp, at: Timestamp) -> String {
    let age = now.since(at);
    if age.as_secs() < 60 { format!("{} s", age.as_secs()) } else { words::clock(age) }
}

/// The preview as a text: every group with all of its hosts and its whole plan. It may be read at any time, so that what was
/// seen has a time and no age.
pub(super) fn as_text(model: &Model, ui: &Ui, watched: &Watched) -> String {
    let plans = Plans { live: false, ..Plans::new(model, ui, watched) };
    let (run, seen) = (&watched.run, &ui.preview.seen);
    let mut lines = side::in_words(watched);
    for folded in 0..seen.groups.len() {
        let row = Row { folded, host: None };
        lines.extend([String::new(), plans.title(row), format!("  {}", rows::would(run, seen, row))]);
        lines.extend(plans.whole(row, usize::MAX).iter().map(Cells::text));
    }
    let clean = lines.iter().map(|line| format!("{}\n", visible(line).trim_end()));
    clean.collect()
}
