//! How the hosts are worked through: `[rollout]` and `[[phase]]`.

use std::time::Duration;

use serde_json::Value;

use crate::load::diagnostic::Diagnostic;
use crate::load::document::{Table, Tree};
use crate::model::fields::nearest;
use crate::model::grammar::PHASE;
use crate::model::plan::{BatchSize, Order, Phase, Rollout};
use crate::model::time::parse_duration;
use crate::model::visible::literal;

/// The most sizes of batches, and the most phases, that are read.
const MAX_LISTED: usize = 100;
/// The longest time that a run waits for anything it is told to wait for.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Reads `[rollout]`.
pub(super) fn rollout(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Rollout {
    let mut rollout = Rollout::default();
    let Some(entry) = table.entry("rollout") else { return rollout };
    let Some(mut table) = Table::of(&entry.node, "rollout", entry.key_span.clone(), found) else { return rollout };
    if let Some(list) = table.strings("batches", found) {
        let mut batches = Vec::new();
        for (text, node) in list.iter().take(MAX_LISTED) {
            match BatchSize::parse(text) {
                Ok(size) => batches.push(size),
                Err(message) => found.push(Diagnostic::error("E204", message).at(node.span.clone(), "")),
            }
        }
        if list.len() > MAX_LISTED {
            let message = format!("`batches` has more than {MAX_LISTED} sizes");
            found.push(Diagnostic::error("E204", message).at(table.find("batches"), ""));
        }
        if list.is_empty() {
            found.push(Diagnostic::error("E204", "`batches` is empty").at(table.find("batches"), ""));
        }
        rollout.batches = batches;
    }
    if let Some(size) = share("max_failures", &mut table, found) {
        rollout.max_failures = size;
    }
    rollout.max_out = share("max_out", &mut table, found);
    if let Some(soak) = duration("soak", &mut table, found) {
        rollout.soak = soak;
    }
    if let Some(order) = order(&mut table, found) {
        rollout.order = order;
    }
    table.finish(found);
    rollout
}

/// So many hosts, or so many of a hundred.
fn share(key: &'static str, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<BatchSize> {
    let entry = table.entry(key)?;
    let size = match &entry.node.tree {
        Tree::Plain(Value::Number(n)) => n.as_u64().and_then(|n| usize::try_from(n).ok()).map(BatchSize::Count),
        Tree::Plain(Value::String(text)) => BatchSize::parse(text).ok(),
        _ => None,
    };
    let size = size.filter(|size| !matches!(size, BatchSize::Count(n) if *n == 0 || *n > BatchSize::MOST));
    if size.is_none() {
        let message = format!("`{key}` must be a count from 1 to {}, or a percentage such as \"25%\"", BatchSize::MOST);
        found.push(Diagnostic::error("E204", message).at(entry.node.span.clone(), ""));
    }
    size
}

fn order(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<Order> {
    let text = table.string("order", found)?;
    word("order", text, Order::WORDS, table, found)
}

/// One of a closed list of words.
pub(super) fn word<T: Copy>(
    key: &str,
    text: &str,
    words: &[(&str, T)],
    table: &Table<'_>,
    found: &mut Vec<Diagnostic>,
) -> Option<T> {
    let meant = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    if meant.is_none() {
        let names = || words.iter().map(|(word, _)| *word);
        let help = match nearest(text, names()) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("one of: {}", names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("`{key}` cannot be `{}`", literal(text));
        found.push(Diagnostic::error("E204", message).at(table.find(key), "").help(help));
    }
    meant
}

/// Reads every `[[phase]]`.
pub(super) fn phases(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Vec<Phase> {
    let mut phases: Vec<Phase> = Vec::new();
    let nodes = table.tables("phase", found);
    if let Some(node) = nodes.get(MAX_LISTED) {
        let message = format!("there are more than {MAX_LISTED} phases");
        found.push(Diagnostic::error("E204", message).at(node.span.clone(), "the first that is too much"));
    }
    for node in nodes.into_iter().take(MAX_LISTED) {
        let Some(mut table) = Table::of(node, "phase", node.span.clone(), found) else { continue };
        let name = table.string("name", found);
        let name = table.need("name", name, "\"…\"", found);
        let budget = duration("budget", &mut table, found);
        if let Some(name) = name {
            if let Err(error) = PHASE.check(name) {
                found.push(Diagnostic::error("E204", error.to_string()).at(table.find("name"), ""));
            }
            if phases.iter().any(|phase| phase.name == name) {
                let message = format!("the phase `{}` is there twice", literal(name));
                found.push(Diagnostic::error("E310", message).at(table.find("name"), ""));
            }
            phases.push(Phase { name: name.to_owned(), budget });
        }
        table.finish(found);
    }
    phases
}

/// A time under a key, at most a day.
pub(super) fn duration(key: &'static str, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<Duration> {
    let text = table.string(key, found)?;
    let read = parse_duration(text).and_then(|time| match time <= LONGEST {
        true => Ok(time),
        false => Err(format!("`{key}` is at most 24h")),
    });
    read.map_err(|message| found.push(Diagnostic::error("E204", message).at(table.find(key), ""))).ok()
}
