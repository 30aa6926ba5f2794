//! What several hosts printed at one step: what most have in common, and how the others differ.

use std::collections::HashMap;

use crate::model::id::{HostName, StepId};
use crate::state::log::{Logs, Origin};

/// The most hosts that are compared.
const HOSTS: usize = 20;
/// The most lines of each, the last ones.
const LINES: usize = 200;
/// From how many digits and letters on a number to the base of 16 is one.
const HEX: usize = 6;

/// The output of several hosts at one step.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Common {
    /// The lines of the largest group, in the words of its first host.
    pub lines: Vec<String>,
    /// The hosts of that group, in the order given.
    pub hosts: Vec<HostName>,
    /// The others, those that say the same together.
    pub others: Vec<Only>,
    /// How many hosts were left out of it because there are too many.
    pub left_out: usize,
}

/// How some hosts differ from the largest group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// The hosts.
    pub hosts: Vec<HostName>,
    /// Lines that only these have, in the words of the first of them.
    pub more: Vec<String>,
    /// Lines of the largest group that these have not.
    pub less: Vec<String>,
}

struct Alike<'l> {
    masked: Vec<String>,
    lines: Vec<&'l str>,
    hosts: Vec<HostName>,
}

/// Compares what commands printed, else what was found, in the latest attempt at a step. Numbers, pids, hex and the host's
/// own name do not tell two lines apart.
pub fn compare(logs: &Logs, hosts: &[HostName], step: &StepId) -> Common {
    let mut groups: Vec<Alike<'_>> = Vec::new();
    for host in hosts.iter().take(HOSTS) {
        let lines = lines(logs, host, step);
        let masked: Vec<String> = lines.iter().map(|line| mask(line, host)).collect();
        match groups.iter_mut().find(|group| group.masked == masked) {
            Some(group) => group.hosts.push(host.clone()),
            None => groups.push(Alike { masked, lines, hosts: vec![host.clone()] }),
        }
    }
    let left_out = hosts.len().saturating_sub(HOSTS);
    // of equals the one that says least: what more the others say is shown
    let rank = |group: &Alike<'_>| (group.lines.is_empty(), usize::MAX - group.hosts.len(), group.lines.len());
    let Some(at) = (0..groups.len()).min_by_key(|at| rank(&groups[*at])) else { return Common::default() };
    let most = groups.remove(at);
    let others =
        groups.into_iter().map(|other| Only { more: beyond(&other, &most), less: beyond(&most, &other), hosts: other.hosts });
    let (others, lines) = (others.collect(), owned(&most.lines));
    Common { lines, hosts: most.hosts, others, left_out }
}

fn lines<'l>(logs: &'l Logs, host: &HostName, step: &StepId) -> Vec<&'l str> {
    let log = logs.of(host);
    let from = log.start_of(step).unwrap_or(log.end());
    let of_step = || log.lines(from).filter(|(_, line)| line.step.as_ref() == Some(step)).map(|(_, line)| line);
    let printed = |from: Origin| matches!(from, Origin::Stdout | Origin::Stderr);
    let any = of_step().any(|line| printed(line.from));
    // where nothing was printed or kept of it, what was found there
    let shown = of_step().filter(|line| if any { printed(line.from) } else { line.from != Origin::Run });
    let all: Vec<&str> = shown.map(|line| line.text.as_str()).collect();
    all[all.len().saturating_sub(LINES)..].to_vec()
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The lines of `one` that `other` has not, or has less often.
fn beyond(one: &Alike<'_>, other: &Alike<'_>) -> Vec<String> {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for line in &other.masked {
        *left.entry(line).or_default() += 1;
    }
    let mut more = Vec::new();
    for (masked, line) in one.masked.iter().zip(&one.lines) {
        match left.get_mut(masked.as_str()).filter(|left| **left > 0) {
            Some(left) => *left -= 1,
            None => more.push((*line).to_owned()),
        }
    }
    more
}

/// A line without what differs from host to host: its name, numbers, numbers to the base of 16.
fn mask(line: &str, host: &HostName) -> String {
    let line = line.replace(host.as_str(), "<host>");
    let mut out = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        out.push_str(&rest[..start]);
        let word = &rest[start..];
        let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
        out.push_str(&masked_word(&word[..end]));
        rest = &word[end..];
    }
    out.push_str(rest);
    out
}

fn masked_word(word: &str) -> String {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = digits.bytes().any(|b| b.is_ascii_digit());
    if hex && (digits.len() < word.len() || (number && word.len() >= HEX)) {
        return "<n>".to_owned();
    }
    let mut out = String::new();
    for c in word.chars() {
        match c {
            c if !c.is_ascii_digit() => out.push(c),
            _ if out.ends_with("<n>") => {}
            _ => out.push_str("<n>"),
        }
    }
    out
}
