//! What names stand for on one host: in conditions, in placeholders that are filled in late, in commands.

use std::borrow::Cow;

use serde_json::Value;

use crate::engine::lane::Lane;
use crate::engine::unit::{Unit, UnitEnd};
use crate::engine::world::World;
use crate::model::finding::Finding;
use crate::model::outcome::Outcome;
use crate::model::plan::UnitSpec;
use crate::model::runbook::captured;
use crate::model::template::{fill, reads};
use crate::model::when::{Lookup, Truth};

impl<W: World> Lane<W> {
    pub(super) fn condition(&self, unit: &Unit) -> Truth {
        match &unit.when {
            None => Truth::Known(true),
            // an answer that cannot be had is not known, and says why
            Some(when) => when.judge(&|path| self.lookup(path, unit)).unwrap_or_else(|error| Truth::NotKnown(error.message)),
        }
    }

    fn lookup(&self, path: &[&str], unit: &Unit) -> Lookup {
        let text = |text: &str| Lookup::Value(Value::String(text.to_owned()));
        let list = |list: &[String]| Lookup::Value(Value::from(list.to_vec()));
        match path {
            ["host", "name"] => text(self.host.name.as_str()),
            ["host", "user"] => text(&self.host.user),
            ["host", "address"] => text(&self.host.address),
            ["host", "tags"] => list(&self.host.tags),
            ["host", "groups"] => list(&self.host.groups),
            ["host", "vars", name] => self.host.vars.get(*name).cloned().map_or(Lookup::Absent, Lookup::Value),
            ["facts", name] => match (self.link.target(), *name) {
                (Some(target), "os") => text(&target.facts.os),
                (Some(target), "arch") => text(&target.facts.arch),
                (Some(target), "user") => text(&target.facts.user),
                (Some(_), _) => Lookup::Absent,
                (None, _) => Lookup::NotKnown,
            },
            ["steps", step, what] => self.lookup_step(step, what),
            // a group of steps taken in by `use` has variables of its own
            [name] => {
                let vars = unit.spec.own_vars.as_ref().unwrap_or(&self.vars);
                vars.get(*name).cloned().map_or(Lookup::Absent, Lookup::Value)
            }
            _ => Lookup::Absent,
        }
    }

    fn lookup_step(&self, step: &str, what: &str) -> Lookup {
        let Some((_, end)) = self.ends.iter().find(|(id, _)| id.as_str() == step) else { return Lookup::NotKnown };
        if matches!(end.outcome, Outcome::NotKnown | Outcome::WouldWait)
            || (what == "outcome" && end.outcome == Outcome::WouldChange)
        {
            return Lookup::NotKnown;
        }
        let pending = end.outcome == Outcome::WouldChange && !matches!(what, "outcome" | "verdict");
        match (what, &end.note) {
            ("outcome", _) => {
                let outcome = end.done_by.as_ref().map_or(end.outcome, |(_, outcome)| *outcome);
                Lookup::Value(Value::String(outcome.word().to_owned()))
            }
            // what a command will print is known when it has run
            (name, Some(note)) if pending && !note.values.contains_key(name) => Lookup::NotKnown,
            ("verdict", Some(note)) => Lookup::Value(Value::String(note.word.clone())),
            (name, Some(note)) => note.values.get(name).cloned().map_or(Lookup::Absent, Lookup::Value),
            (_, None) => Lookup::NotKnown,
        }
    }

    /// The unit with what earlier steps captured: in its placeholders, and as variables of its commands.
    pub(super) fn ready<'u>(&self, unit: &'u Unit) -> Result<Cow<'u, Unit>, Finding> {
        if let Some(name) = self.missing(unit) {
            let summary = format!("`{name}` is not there: the step that captures it did not run");
            return Err(Finding::new("capture", summary));
        }
        if !unit.spec.late && self.captured.is_empty() {
            return Ok(Cow::Borrowed(unit));
        }
        let mut spec = unit.spec.clone();
        if spec.late {
            let lookup = |name: &str| match self.lookup(&name.split('.').collect::<Vec<_>>(), unit) {
                Lookup::Value(value) => Some(value),
                _ => None,
            };
            spec.fields = fill(&spec.fields, &lookup, &[]).map_err(|errors| {
                let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                Finding::new("capture", format!("a placeholder cannot be filled in: {text}"))
            })?;
        }
        let mut vars = spec.own_vars.clone().unwrap_or_else(|| self.vars.clone());
        // a variable that the runbook declares is not overwritten by what a host says
        for (name, value) in &self.captured {
            vars.entry(name.clone()).or_insert_with(|| value.clone());
        }
        spec.own_vars = None;
        Unit::new(&spec, &vars, &self.host.vars).map(Cow::Owned)
    }

    /// What a unit needs that an earlier step should have captured and did not.
    pub(super) fn missing(&self, unit: &Unit) -> Option<String> {
        let declared = self.units.iter().flat_map(|before| captured(&before.spec.fields));
        let mut absent = declared.map(|(name, _)| name).filter(|name| !self.captured.contains_key(name));
        absent.find(|name| uses(&unit.spec, name))
    }

    /// Keeps what a unit captured for the ones after it.
    pub(super) fn keep(&mut self, unit: &Unit, end: &UnitEnd) {
        if !end.outcome.is_fine() || end.outcome == Outcome::Skipped {
            return;
        }
        let Some(note) = &end.note else { return };
        for (name, _) in captured(&unit.spec.fields) {
            if let Some(value) = note.values.get(&name) {
                self.captured.insert(name, value.clone());
            }
        }
    }
}

/// Whether the commands of a unit read a variable of that name, other than one that the unit captures itself.
fn uses(spec: &UnitSpec, name: &str) -> bool {
    let own = captured(&spec.fields).iter().any(|(own, _)| own == name);
    !own && reads(&spec.fields, name)
}
