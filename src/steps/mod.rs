//! The kinds of steps: one file each, one line here each.

pub mod capture;
pub mod command;
mod confirm;
pub mod exec;
mod file;
pub(crate) mod free_port;
pub mod http;
pub mod kill_switch;
mod log_scan;
pub(crate) mod pm2;
mod pm2_daemon;
mod pm2_look;
mod port;
pub mod require;
mod resources;
mod rivals;
mod single_process;
mod target;
mod target_health;
pub mod wait;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::fields::{Context, FieldError, Fields};
use crate::model::outcome::Risk;
use crate::model::plan::Scope;
use crate::model::step::Step;

/// Every kind, in the order of the reference.
pub const KINDS: &[&Kind] = &[
    &pm2_daemon::KIND,
    &port::KIND,
    &single_process::KIND,
    &http::KIND,
    &target_health::KIND,
    &file::KIND,
    &log_scan::KIND,
    &resources::KIND,
    &require::KIND,
    &exec::KIND,
    &pm2::KIND,
    &free_port::KIND,
    &kill_switch::KIND,
    &target::KIND,
    &confirm::KIND,
    &wait::KIND,
];

/// A kind of step: its name, its reference, its reader.
#[derive(Debug)]
pub struct Kind {
    /// As written in `kind = "…"`.
    pub name: &'static str,
    /// Whether it only looks, waits or acts.
    pub class: Class,
    /// What it does to a host at most.
    pub risk: Risk,
    /// Which scopes a step of it may have.
    pub scopes: &'static [Scope],
    /// Whether it can act and look as another user: all it does is shell.
    pub acts_as: bool,
    /// Whether this version can run it. What it cannot run it still loads, checks and explains; a plan refuses it by name.
    pub runs: bool,
    /// What its changes are about: what an action behind it sees may be another thing afterwards.
    pub touches: Touches,
    /// One line for people.
    pub title: &'static str,
    /// What it looks at, what follows, what it would change, how that is undone.
    pub about: &'static str,
    /// The words its judgement can come to.
    pub verdicts: &'static [(&'static str, &'static str)],
    /// Its keys: name, whether required, meaning.
    pub keys: &'static [Key],
    /// Reads its fields.
    pub parse: fn(Fields<'_>) -> Parsed,
}

/// On each host, or once on one of them.
pub const ON_HOSTS: &[Scope] = &[Scope::EachHost, Scope::Once];
/// From here as well.
pub const ANYWHERE: &[Scope] = &[Scope::EachHost, Scope::Once, Scope::Controller];

/// A step, or everything that is wrong with its fields.
pub type Parsed = Result<Arc<dyn Step>, Vec<FieldError>>;

/// One key of a kind.
#[derive(Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it means, with its default.
    pub about: &'static str,
}

/// What a kind may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Only looks: allowed in every section.
    Check,
    /// Waits for something or somebody: allowed in `[[step]]` only; looks until it holds or is late.
    Wait,
    /// Changes something: allowed in `[[step]]` only.
    Action,
}

/// What changes are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touches {
    /// It changes nothing.
    Nothing,
    /// Processes and what they listen on.
    Processes,
    /// A switch of the service.
    Switch,
    /// A place behind the load balancer.
    Target,
    /// Whatever a command of the runbook's author does.
    Anything,
}

impl Touches {
    /// Whether a change of this one can turn what `other` looks at into something else.
    pub fn reaches(self, other: Touches) -> bool {
        self != Touches::Nothing && (self == Touches::Anything || other == Touches::Anything || self == other)
    }
}

/// The kind of that name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// Reads the fields of a step of that kind; `None` where there is no such kind.
pub fn instantiate(name: &str, fields: &Map<String, Value>, context: Context<'_>) -> Option<Parsed> {
    kind(name).map(|kind| (kind.parse)(Fields::new(fields, context)))
}
