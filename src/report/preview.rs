//! What a run would do: a table per group of hosts that are alike, in a dry run; a line per group before a run.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::model::event::PreviewGroup;
use crate::model::id::HostName;
use crate::model::outcome::Outcome;
use crate::model::visible::{pad, visible, width};
use crate::report::paint::{Paint, Tone};
use crate::state::foreseen::effects;
use crate::state::run::{Preview, RunState};
use crate::state::summary;
use crate::state::words;

/// The most groups that are shown; more cannot be read.
const GROUPS: usize = 12;
/// The most columns of a set of hosts.
const HOSTS: usize = 60;

/// The numbers of `plan.summary`.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a> {
    /// Hosts on which something would change.
    pub change_hosts: usize,
    /// Hosts that cannot be reached.
    pub unreachable_hosts: usize,
    /// Hosts that refused.
    pub refused_hosts: usize,
    /// Units that would change something.
    pub changes: usize,
    /// Of these, those that cannot be undone.
    pub destroy: usize,
    /// The most hosts whose steps can fail before the run stops by itself.
    pub at_worst: usize,
    /// How many claims rest on what.
    pub basis: &'a BTreeMap<String, usize>,
}

/// The dry run's table and its numbers.
pub fn table(out: &mut dyn Write, paint: Paint, state: &RunState, numbers: &Numbers<'_>) -> io::Result<()> {
    for group in state.groups.iter().take(GROUPS) {
        writeln!(out)?;
        one_group(out, paint, state, group)?;
    }
    more_groups(out, state)?;
    writeln!(out)?;
    paint.line(out, "Plan", Tone::Strong, &format!("{}{}", words::sim(state.sim), plan_line(numbers)))?;
    let basis: Vec<String> = numbers.basis.iter().filter(|(_, n)| **n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    if !basis.is_empty() {
        paint.line(out, "Basis", Tone::Strong, &basis.join(", "))?;
    }
    Ok(())
}

fn more_groups(out: &mut dyn Write, state: &RunState) -> io::Result<()> {
    let more = state.groups.len().saturating_sub(GROUPS);
    if more > 0 {
        let hosts: usize = state.groups.iter().skip(GROUPS).map(|group| group.hosts.len()).sum();
        writeln!(
            out,
            "\n{} of other plans on {}: narrow --hosts to see them",
            words::count(more, "group"),
            words::count(hosts, "host")
        )?;
    }
    Ok(())
}

/// `2 changes on 1 host; 1 cannot be undone; 1 host refused; 1 host has no plan`.
pub fn plan_line(numbers: &Numbers<'_>) -> String {
    let mut parts = vec![match numbers.changes {
        0 => "nothing to change".to_owned(),
        n => format!("{} on {}", words::count(n, "change"), words::count(numbers.change_hosts, "host")),
    }];
    if numbers.destroy > 0 {
        parts.push(format!("{} CANNOT be undone", numbers.destroy));
    }
    let worst = numbers.at_worst.min(numbers.change_hosts);
    if numbers.change_hosts > 1 && worst > 0 {
        parts.push(format!("at worst {} before it stops", words::count(worst, "failed host")));
    }
    if numbers.refused_hosts > 0 {
        parts.push(format!("{} refused", words::count(numbers.refused_hosts, "host")));
    }
    if numbers.unreachable_hosts > 0 {
        let has = if numbers.unreachable_hosts == 1 { "has" } else { "have" };
        parts.push(format!("{} {has} no plan", words::count(numbers.unreachable_hosts, "host")));
    }
    parts.join("; ")
}

fn one_group(out: &mut dyn Write, paint: Paint, state: &RunState, group: &PreviewGroup) -> io::Result<()> {
    let title =
        format!("{}{} ({})", words::sim(state.sim), words::hosts(&group.hosts, HOSTS), words::count(group.hosts.len(), "host"));
    writeln!(out, "{}", paint.word(&title, Tone::Strong))?;
    let Some(host) = group.hosts.first().and_then(|name| state.hosts.get(name)) else { return Ok(()) };
    if let Some(finding) = &host.unreachable {
        return writeln!(out, "  {}: {}; no plan", paint.word("unreachable", Tone::Far), visible(&finding.summary));
    }
    let rows: Vec<_> = state.steps.iter().filter_map(|step| Some((step, host.preview.get(&step.id)?))).collect();
    let numbers = rows.iter().map(|(step, _)| step.n.to_string().len()).max().unwrap_or(1);
    let ids = rows.iter().map(|(step, _)| width(step.id.as_str())).max().unwrap_or(0);
    let bases = rows.iter().map(|(_, preview)| width(preview.basis.word())).max().unwrap_or(0);
    for (step, preview) in &rows {
        let (word, tone) = mark(preview);
        let word = format!("{}{}", paint.word(word, tone), " ".repeat(12_usize.saturating_sub(word.len())));
        let (id, basis) = (pad(step.id.as_str(), ids), pad(preview.basis.word(), bases));
        let summary = visible(&preview.summary);
        writeln!(out, "{}", format!("  {:>numbers$} {id}  {word}  {basis}  {summary}", step.n).trim_end())?;
        for effect in &preview.effects {
            writeln!(out, "{}+ {}", " ".repeat(numbers + ids + 5), visible(effect))?;
        }
    }
    Ok(())
}

/// The word of a row; capitals mean that a person should look.
fn mark(preview: &Preview) -> (&'static str, Tone) {
    match preview.outcome {
        Outcome::WouldChange if preview.destroys => ("DESTROYS", Tone::Bad),
        Outcome::WouldChange => ("would-change", Tone::Strong),
        Outcome::Refused => ("REFUSED", Tone::Warn),
        Outcome::Failed => ("FAILED", Tone::Bad),
        Outcome::Unknown => ("UNKNOWN", Tone::Bad),
        Outcome::NotKnown | Outcome::Skipped => (preview.outcome.word(), Tone::Dim),
        _ => (preview.outcome.word(), Tone::Plain),
    }
}

/// Before a run: what would happen per group of hosts, what cannot be undone first; nothing is cut within a line, since
/// this is what gets confirmed.
pub fn short(out: &mut dyn Write, paint: Paint, state: &RunState) -> io::Result<()> {
    const SHOWN: usize = 6;
    const EFFECTS: usize = 5;
    let name = |group: &PreviewGroup| {
        let hosts = words::hosts(&group.hosts, 30);
        if group.hosts.len() == 1 { hosts } else { format!("{hosts} ({})", group.hosts.len()) }
    };
    let names: Vec<String> = state.groups.iter().take(SHOWN).map(name).collect();
    let wide = names.iter().map(|name| width(name)).max().unwrap_or(0);
    let mut cut = state.groups.len() > SHOWN;
    for (group, name) in state.groups.iter().zip(&names) {
        let effects = group.hosts.first().map_or_else(Vec::new, |host| effects(state, host));
        for (i, effect) in effects.iter().take(EFFECTS).enumerate() {
            paint.under(out, &format!("{}  {effect}", pad(if i == 0 { name } else { "" }, wide)))?;
        }
        let more = effects.len().saturating_sub(EFFECTS);
        if more > 0 {
            cut = true;
            paint.under(out, &format!("{}  and {more} more", pad("", wide)))?;
        }
    }
    let more = state.groups.len().saturating_sub(SHOWN);
    if more > 0 {
        paint.under(out, &format!("and {} of hosts", words::count(more, "more group")))?;
    }
    match &state.runbook {
        Some(runbook) if cut => {
            let selector = summary::quoted(&state.selector);
            paint.under(out, &format!("all of it: runbook run {} --hosts {selector} --dry-run", runbook.name))
        }
        _ => Ok(()),
    }
}

/// What would happen on a host, in one line.
pub fn in_short(state: &RunState, name: &HostName) -> String {
    effects(state, name).join(", ")
}
