//! The inventory and the hosts that a command is for.

use std::collections::BTreeSet;
use std::env;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::PathBuf;

use crate::cli::failure::Failure;
use crate::cli::output::counted;
use crate::cli::settings::Settings;
use crate::load::diagnostic::{Diagnostics, Severity, printable};
use crate::load::inventory;
use crate::model::host::Host;
use crate::model::id::HostName;
use crate::model::inventory::Inventory;
use crate::model::selector::{Selector, SelectorError};
use crate::model::sim::{self, Sim};
use crate::world::any::AnyFleet;
use crate::world::sim::SimFleet;
use crate::world::{Fleet, FleetOptions};

/// Which hosts, as typed: `(A) & (B) & !(C)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'a> {
    /// `--hosts`.
    pub hosts: &'a str,
    /// `--limit`.
    pub limit: Option<&'a str>,
    /// `--exclude`.
    pub exclude: Option<&'a str>,
}

impl Choice<'_> {
    /// The one selector that all three come to.
    pub fn selector(&self) -> Result<Selector, Failure> {
        // each is read alone first, so that no parenthesis of one reaches into another
        for text in [Some(self.hosts), self.limit, self.exclude].into_iter().flatten() {
            Selector::parse(text).map_err(|error| refused(text, error))?;
        }
        let text = match (self.limit, self.exclude) {
            (None, None) => self.hosts.to_owned(),
            (Some(limit), None) => format!("({}) & ({limit})", self.hosts),
            (None, Some(exclude)) => format!("({}) & !({exclude})", self.hosts),
            (Some(limit), Some(exclude)) => format!("({}) & ({limit}) & !({exclude})", self.hosts),
        };
        Selector::parse(&text).map_err(|error| refused(&text, error))
    }
}

/// The inventory.
pub fn inventory(settings: &Settings) -> Result<Inventory, Failure> {
    if let Some(sim) = simulated(settings)? {
        return Ok(sim.inventory());
    }
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    inventory::load(&settings.inventory, home.as_deref()).map_err(|errors| {
        let missing = !settings.inventory.exists();
        let failure = unusable("the inventory", &errors);
        if missing { failure.hint("-i FILE") } else { failure }
    })
}

/// Whether the inventory is a simulated fleet.
pub fn is_sim(settings: &Settings) -> bool {
    settings.inventory.to_string_lossy().starts_with(sim::PREFIX)
}

/// The simulated fleet that the inventory names, if it does.
fn simulated(settings: &Settings) -> Result<Option<Sim>, Failure> {
    if !is_sim(settings) {
        return Ok(None);
    }
    let text = settings.inventory.to_string_lossy();
    Sim::parse(&text).map(Some).map_err(|error| {
        let mark = Mark { at: error.at, hint: error.hint };
        marked(&text, format!("-i: {}", printable(&error.message)), mark)
    })
}

/// Where things happen: the hosts of the inventory over SSH, or a simulated fleet.
pub fn world(settings: &Settings) -> Result<AnyFleet, Failure> {
    Ok(match simulated(settings)? {
        Some(sim) => AnyFleet::Sim(SimFleet::new(sim)),
        None => AnyFleet::Ssh(Box::new(Fleet::new(FleetOptions::from_env()))),
    })
}

/// Where the hosts of an earlier run are: those of a simulated one are gone with it, and made again with nothing wrong.
pub fn world_of(sim: bool, hosts: &[Host]) -> AnyFleet {
    match sim {
        true => AnyFleet::Sim(SimFleet::new(Sim::again(hosts))),
        false => AnyFleet::Ssh(Box::new(Fleet::new(FleetOptions::from_env()))),
    }
}

/// The hosts that a selector names, in file order.
pub fn hosts(settings: &Settings, selector: &str) -> Result<(Inventory, Vec<HostName>), Failure> {
    chosen(settings, Choice { hosts: selector, ..Choice::default() })
}

/// The hosts that a choice names, in file order.
pub fn chosen(settings: &Settings, choice: Choice<'_>) -> Result<(Inventory, Vec<HostName>), Failure> {
    // what was typed is judged before any file is
    let selector = choice.selector()?;
    let inventory = inventory(settings)?;
    let names = inventory.select(&selector).map_err(|error| refused(selector.text(), error))?;
    Ok((inventory, names))
}

/// The hosts that a selector names, with everything the inventory says of them.
pub fn resolved(settings: &Settings, selector: &str) -> Result<(Inventory, Vec<Host>), Failure> {
    let (inventory, names) = hosts(settings, selector)?;
    // once over all of them, not once for each: both are in file order
    let chosen: BTreeSet<&HostName> = names.iter().collect();
    let hosts = inventory.hosts.iter().filter(|host| chosen.contains(&host.name)).cloned().collect();
    Ok((inventory, hosts))
}

/// A selector that cannot be used, with its place.
fn refused(text: &str, error: SelectorError) -> Failure {
    let message = format!("selector: {}", printable(&error.message));
    marked(text, message, Mark { at: error.at, hint: error.hint })
}

/// What of a text is wrong, in bytes, and what to write instead.
struct Mark {
    at: Range<usize>,
    hint: Option<String>,
}

/// Something typed that cannot be used, with its place.
fn marked(text: &str, message: String, mark: Mark) -> Failure {
    let mut failure = Failure::invalid(message);
    if text.len() <= 100 && !text.is_empty() && !text.contains(char::is_control) {
        let before = text.get(..mark.at.start).map_or(0, |before| before.chars().count());
        let part = text.get(mark.at).map_or(0, |part| part.chars().count()).max(1);
        failure = failure.detail(text).detail(format!("{}{}", " ".repeat(before), "^".repeat(part)));
    }
    match mark.hint {
        Some(hint) => failure.detail(hint),
        None => failure,
    }
}

/// A file that cannot be used, with everything that is wrong with it.
pub fn unusable(what: &str, errors: &Diagnostics) -> Failure {
    let count = counted(errors.count(Severity::Error) + errors.more, "error");
    let failure = Failure::invalid(format!("{what} {} cannot be used: {count}", printable(&errors.path.display().to_string())));
    let text = if std::io::stderr().is_terminal() { errors.drawn(false) } else { errors.lines() };
    text.trim_end().lines().fold(failure, |failure, line| failure.detail(line))
}
