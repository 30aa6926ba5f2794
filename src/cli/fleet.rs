//! The inventory and the hosts that a command is for.

use std::env;
use std::io::IsTerminal;
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
    if settings.inventory.to_string_lossy().starts_with("sim:") {
        return Err(Failure::invalid("the simulated fleet is not built yet").hint("-i inventory.toml"));
    }
    let home = env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    inventory::load(&settings.inventory, home.as_deref()).map_err(|errors| {
        let missing = !settings.inventory.exists();
        let failure = unusable("the inventory", &errors);
        if missing { failure.hint("-i FILE") } else { failure }
    })
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
    let hosts = names.iter().filter_map(|name| inventory.host(name)).cloned().collect();
    Ok((inventory, hosts))
}

/// A selector that cannot be used, with its place.
fn refused(text: &str, error: SelectorError) -> Failure {
    let mut failure = Failure::invalid(format!("selector: {}", printable(&error.message)));
    if text.len() <= 100 && !text.is_empty() && !text.contains(char::is_control) {
        let part = text.get(error.at.clone()).map_or(0, |part| part.chars().count()).max(1);
        let caret = format!("{}{}", " ".repeat(error.column(text) - 1), "^".repeat(part));
        failure = failure.detail(text).detail(caret);
    }
    match error.hint {
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
