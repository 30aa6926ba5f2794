//! Which hosts are shown: the grammar of `--hosts`, `up` and `down`, or plain text.

use crate::model::host::Host;
use crate::model::inventory::Inventory;
use crate::model::selector::{Selector, SelectorError};
use crate::model::visible::visible;
use crate::tui::model::{Reach, Reached};

/// Words for what hosts are now.
const STATES: [&str; 2] = ["up", "down"];
/// What makes a text more than plain.
const SIGNS: &str = "@:&|!(),*?[]";

/// What is shown, and what was typed for it.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// What is shown now was asked for by this; empty where everything is.
    pub(super) text: String,
    /// Which hosts, by their places in the inventory; none is all.
    shown: Option<Vec<bool>>,
    /// Why what was typed last is not what is shown.
    pub(super) trouble: Option<String>,
    /// What was asked of the record.
    pub(super) waits: Option<String>,
    /// Whether what is shown came from the record.
    pub(super) recorded: bool,
}

/// What a text is as a filter.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// No filter.
    Everything,
    /// These hosts, by their places.
    Hosts(Vec<usize>),
    /// What only the record knows.
    Record,
    /// It cannot be read, and why.
    Wrong(String),
}

impl Filter {
    pub(super) fn shows(&self, host: usize) -> bool {
        self.shown.as_ref().is_none_or(|shown| shown.get(host).copied().unwrap_or(false))
    }

    pub(super) fn is_on(&self) -> bool {
        self.shown.is_some()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// From now on only these of `count` hosts are shown.
    pub(super) fn show(&mut self, text: &str, hosts: &[usize], count: usize, recorded: bool) {
        let mut shown = vec![false; count];
        for host in hosts {
            if let Some(on) = shown.get_mut(*host) {
                *on = true;
            }
        }
        *self = Self { text: text.to_owned(), shown: Some(shown), recorded, ..Self::default() };
    }

    /// Whether what is shown depends on who is up.
    pub(super) fn is_of_now(&self) -> bool {
        let inside = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        !self.recorded && self.text.split(|c| !inside(c)).any(|word| STATES.contains(&word))
    }
}

/// Reads a filter.
pub(super) fn read(text: &str, inventory: &Inventory, reach: &Reached) -> Read {
    let text = text.trim();
    if text.is_empty() {
        return Read::Everything;
    }
    match Selector::parse(text) {
        Ok(selector) if !selector.run_atoms().is_empty() => Read::Record,
        Ok(selector) => match inventory.select_now(&selector, &states(inventory, reach)) {
            Ok(hosts) => Read::Hosts(hosts),
            Err(_) if is_plain(text) && !STATES.contains(&text) => plain(text, inventory),
            Err(error) => Read::Wrong(why(text, &error)),
        },
        Err(_) if is_plain(text) => plain(text, inventory),
        Err(error) => Read::Wrong(why(text, &error)),
    }
}

fn is_plain(text: &str) -> bool {
    !text.contains(|c| SIGNS.contains(c))
}

fn states(inventory: &Inventory, reach: &Reached) -> [(&'static str, Vec<usize>); 2] {
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for (at, host) in inventory.hosts.iter().enumerate() {
        match reach.get(&host.name) {
            Some(Reach::Up { .. }) => up.push(at),
            Some(Reach::Down { .. }) => down.push(at),
            Some(Reach::Asked) | None => {}
        }
    }
    [(STATES[0], up), (STATES[1], down)]
}

fn why(text: &str, error: &SelectorError) -> String {
    let hint = error.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    visible(&format!("column {}: {}{hint}", error.column(text), error.message)).into_owned()
}

/// Plain text that is no host: a group's name, or what stands in names, groups and tags.
fn plain(text: &str, inventory: &Inventory) -> Read {
    let all = || inventory.hosts.iter().enumerate();
    let group: Vec<usize> = all().filter(|(_, host)| host.groups.iter().any(|group| group == text)).map(|(at, _)| at).collect();
    if !group.is_empty() {
        return Read::Hosts(group);
    }
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let mut found: Vec<usize> = all().filter(|(_, host)| words.iter().all(|word| is_in(host, word))).map(|(at, _)| at).collect();
    if found.is_empty() {
        let close = |host: &Host| words.iter().all(|word| is_spread(host.name.as_str(), word));
        found = all().filter(|(_, host)| close(host)).map(|(at, _)| at).collect();
    }
    if found.is_empty() {
        let why = format!("`{}` stands in no name, group or tag of {} hosts", visible(text), inventory.hosts.len());
        return Read::Wrong(why);
    }
    Read::Hosts(found)
}

fn is_in(host: &Host, word: &str) -> bool {
    let texts = host.groups.iter().chain(&host.tags).map(String::as_str).chain([host.name.as_str()]);
    let mut texts = texts.filter(|text| text.len() >= word.len());
    texts.any(|text| text.contains(word) || text.to_lowercase().contains(word))
}

/// Whether the letters of a word stand in a name in their order, with others between them.
fn is_spread(name: &str, word: &str) -> bool {
    let mut letters = name.chars().flat_map(char::to_lowercase);
    word.chars().all(|wanted| letters.any(|letter| letter == wanted))
}
