//! The inventory and the hosts that a command is for.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::io::IsTerminal;
use std::ops::Range;
use std::path::PathBuf;

use crate::cli::failure::Failure;
use crate::cli::output::counted;
use crate::cli::runs::{self, Record, RecordError};
use crate::cli::settings::Settings;
use crate::load::diagnostic::{Diagnostics, Severity};
use crate::load::inventory;
use crate::model::grammar::is_seen;
use crate::model::host::Host;
use crate::model::id::HostName;
use crate::model::inventory::Inventory;
use crate::model::plan::SecretSource;
use crate::model::selector::{Selector, SelectorError};
use crate::model::sim::{self, Sim};
use crate::model::visible::visible;
use crate::world::any::AnyFleet;
use crate::world::sim::SimFleet;
use crate::world::{Fleet, FleetOptions};

/// What every command that takes hosts says of naming them.
pub const SELECTORS: &str = "\
Hosts are named by a selector:
  all, proxy-1, proxy-*, web[01-06]  every host, names, globs, sets (padding counts)
  @group, tag:az-a                   as the inventory groups and tags them
  a,b  a&b  !a  (a,b)&c              either, both, not; ! binds tighter than &, & than ,
  pick:3, pick:10%                   some of what the rest of its & chain leaves
  failed:RUN                         failed, rolled back, unknown or cancelled there
  unreachable:RUN, not-started:RUN   could not be reached; its turn never came
  changed:RUN                        a change was sent to it, whatever became of it

RUN is the id of a recorded run, at least four of its first digits, or `last`. Hosts that a guard refused are in none of \
them but changed:RUN. The same hosts always give the same pick. --hosts A -l B -x C is (A) & (B) & !(C). What is unknown or \
matches nothing is an error, and nothing is contacted; a word that is no host is never tried as an address.";

/// What narrows a selector down.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Narrow {
    /// Of these, only these
    #[arg(short, long, value_name = "SEL")]
    pub limit: Option<String>,
    /// Of these, not these
    #[arg(short = 'x', long, value_name = "SEL")]
    pub exclude: Option<String>,
}

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

/// The hosts that a choice names.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The inventory they are from.
    pub inventory: Inventory,
    /// Their names, in file order; at least one.
    pub names: Vec<HostName>,
    /// The selector, with the full ids of the runs it names: it means the same tomorrow.
    pub selector: String,
}

impl Chosen {
    /// The hosts with everything the inventory says of them.
    pub fn hosts(&self) -> Vec<Host> {
        let chosen: BTreeSet<&HostName> = self.names.iter().collect();
        self.inventory.hosts.iter().filter(|host| chosen.contains(&host.name)).cloned().collect()
    }
}

impl<'a> Choice<'a> {
    /// A selector, narrowed down.
    pub fn new(hosts: &'a str, narrow: &'a Narrow) -> Self {
        Self { hosts, limit: narrow.limit.as_deref(), exclude: narrow.exclude.as_deref() }
    }

    /// The one selector that all three come to.
    fn selector(&self) -> Result<Selector, Failure> {
        // each is read alone first, so that no parenthesis of one reaches into another
        for (flag, text) in self.parts() {
            Selector::parse(text).map_err(|error| refused(flag, text, error))?;
        }
        Selector::parse(&self.whole().0).map_err(|error| self.refused(error))
    }

    /// What was typed, with the flag that says which of the three it is.
    fn parts(&self) -> Vec<(Option<&'static str>, &'a str)> {
        let limit = self.limit.map(|text| (Some("--limit"), text));
        let exclude = self.exclude.map(|text| (Some("--exclude"), text));
        [Some((None, self.hosts)), limit, exclude].into_iter().flatten().collect()
    }

    /// `(A) & (B) & !(C)`, and where in it each part begins.
    fn whole(&self) -> (String, Vec<usize>) {
        let parts = self.parts();
        if let [(_, only)] = parts[..] {
            return (only.to_owned(), vec![0]);
        }
        let (mut text, mut starts) = (String::new(), Vec::new());
        for (flag, part) in parts {
            text.push_str(match flag {
                None => "(",
                Some("--exclude") => " & !(",
                Some(_) => " & (",
            });
            starts.push(text.len());
            text.push_str(part);
            text.push(')');
        }
        (text, starts)
    }

    /// What is wrong with the whole, in the words of the part that it is wrong with.
    fn refused(&self, error: SelectorError) -> Failure {
        let (text, starts) = self.whole();
        for ((flag, part), start) in self.parts().into_iter().zip(starts) {
            if start <= error.at.start && error.at.end <= start + part.len() {
                let at = error.at.start - start..error.at.end - start;
                return refused(flag, part, SelectorError { at, ..error });
            }
        }
        refused(None, &text, error)
    }
}

/// The inventory.
pub fn inventory(settings: &Settings) -> Result<Inventory, Failure> {
    if let Some(sim) = simulated(settings)? {
        return Ok(sim.inventory());
    }
    inventory::load(&settings.inventory, home().as_deref()).map_err(|errors| {
        let missing = !settings.inventory.exists();
        let failure = unusable("the inventory", &errors);
        if missing { failure.hint("-i FILE") } else { failure }
    })
}

/// The user's home, which paths in an inventory may begin with.
pub fn home() -> Option<PathBuf> {
    env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
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
        marked(&text, format!("-i: {}", visible(&error.message)), mark)
    })
}

/// Where things happen: the hosts of the inventory over SSH, or a simulated fleet. `secrets` says where those are that
/// scripts name.
pub fn world(settings: &Settings, secrets: BTreeMap<String, SecretSource>) -> Result<AnyFleet, Failure> {
    Ok(match simulated(settings)? {
        Some(sim) => AnyFleet::Sim(SimFleet::new(sim)),
        None => AnyFleet::Ssh(Box::new(Fleet::new(FleetOptions::from_env()).with_secrets(secrets))),
    })
}

/// Where the hosts of an earlier run are: those of a simulated one are gone with it, and made again with nothing wrong.
pub fn world_of(sim: bool, hosts: &[Host], secrets: BTreeMap<String, SecretSource>) -> AnyFleet {
    match sim {
        true => AnyFleet::Sim(SimFleet::new(Sim::again(hosts))),
        false => AnyFleet::Ssh(Box::new(Fleet::new(FleetOptions::from_env()).with_secrets(secrets))),
    }
}

/// The hosts that a choice names, in file order; what of a named run is not in the inventory any more is told on standard
/// error. Nothing is contacted; the record is read where runs are named.
pub fn chosen(settings: &Settings, choice: Choice<'_>) -> Result<Chosen, Failure> {
    let (chosen, record) = choose(settings, choice)?;
    record.tell(&chosen.inventory);
    Ok(chosen)
}

/// The same, told nowhere.
pub fn chosen_quietly(settings: &Settings, choice: Choice<'_>) -> Result<Chosen, Failure> {
    choose(settings, choice).map(|(chosen, _)| chosen)
}

fn choose(settings: &Settings, choice: Choice<'_>) -> Result<(Chosen, Record), Failure> {
    // what was typed is judged before any file is
    let selector = choice.selector()?;
    let inventory = inventory(settings)?;
    let record = runs::record(settings, &selector).map_err(|error| match error {
        RecordError::Selector(error) => choice.refused(error),
        RecordError::Journal(failure) => failure,
    })?;
    let names = inventory.select_of(&selector, &record.hosts).map_err(|error| choice.refused(error))?;
    Ok((Chosen { selector: selector.pinned(&record.runs), inventory, names }, record))
}

/// A selector that cannot be used, with its place.
fn refused(flag: Option<&str>, text: &str, error: SelectorError) -> Failure {
    let flag = flag.map_or(String::new(), |flag| format!("{flag}: "));
    let message = format!("selector: {flag}{}", visible(&error.message));
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
    if text.len() <= 100 && !text.is_empty() && text.chars().all(is_seen) {
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
    let failure = Failure::invalid(format!("{what} {} cannot be used: {count}", visible(&errors.path.display().to_string())));
    let text = if std::io::stderr().is_terminal() { errors.drawn(false) } else { errors.lines() };
    text.trim_end().lines().fold(failure, |failure, line| failure.detail(line))
}
