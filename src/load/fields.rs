//! The keys of a step that belong to its kind: filled in with what is known before any host is, and read by the kind.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::load::diagnostic::Diagnostic;
use crate::load::document::{Node, Table, Tree, unbuilt};
use crate::load::step::{Frame, Read};
use crate::model::fields::{Context, FieldError, Fields, nearest};
use crate::model::id::VarName;
use crate::model::plan::Section;
use crate::model::runbook::{VarDecl, VarType};
use crate::model::step::Step;
use crate::model::template::{Placeholder, TemplateError, fill, late, placeholders};
use crate::steps::Kind;

/// Keys that every step may have.
const COMMON: &[&str] = &[
    "id",
    "name",
    "about",
    "phase",
    "kind",
    "when",
    "scope",
    "timeout",
    "retry",
    "on_failure",
    "observe",
    "optional",
    "become",
    "secrets",
    "tags",
    "after",
    "use",
    "with",
];
/// Keys of the language that have not been built, unless a kind has one of that name.
const UNBUILT: &[&str] = &["idempotent", "receipt", "because"];

/// Where the fields stand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p, 'n> {
    /// The table of the step.
    pub(super) node: &'p Node,
    /// Its kind, where there is one of that name.
    pub(super) kind: Option<&'static Kind>,
    /// Its section.
    pub(super) section: Section,
    /// Its deadline, where set.
    pub(super) timeout: Option<Duration>,
    /// The steps that come first.
    pub(super) before: &'p [Read<'n>],
}

/// A value that a step takes from the output of its command.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Captured {
    /// Its name.
    pub(super) name: String,
    /// Something of its type.
    pub(super) stand_in: Value,
    /// Whether a field may take it: a text of a host may only with a pattern.
    pub(super) bounded: bool,
}

impl Frame<'_> {
    /// The keys that are left in the table, and what is captured by them.
    pub(super) fn fields(
        &self,
        table: &mut Table<'_>,
        place: &Place<'_, '_>,
        found: &mut Vec<Diagnostic>,
    ) -> (Map<String, Value>, Vec<Captured>) {
        let own: Vec<&str> = place.kind.map(|kind| kind.keys.iter().map(|key| key.name).collect()).unwrap_or_default();
        let mut fields = Map::new();
        for entry in table.rest() {
            if UNBUILT.contains(&entry.key.as_str()) && !own.contains(&entry.key.as_str()) {
                let help =
                    (entry.key == "idempotent").then(|| "write `unless`: it asks whether something is left to do".to_owned());
                found.push(unbuilt(&entry.key, entry.key_span.clone()).help_if(help));
            } else {
                fields.insert(entry.key.clone(), entry.node.value());
            }
        }
        let captures = if own.contains(&"capture") { captures(&fields) } else { Vec::new() };
        self.collisions(&captures, place, found);
        let stand_ins = self.late(&fields, place, found);
        if let (Some(filled), Some(kind)) = (self.filled(&fields, &stand_ins, place, found), place.kind) {
            let vars: BTreeMap<String, Value> =
                self.vars.iter().filter_map(|var| Some((var.name.to_string(), self.lookup(var.name.as_str())?))).collect();
            let none = BTreeMap::new();
            let context = Context { vars: &vars, host_vars: &none, section: place.section };
            let uncertain = self.uncertain(&fields);
            match (kind.parse)(Fields::new(&filled, context)) {
                Ok(step) => patience(&*step, place, &uncertain, found),
                Err(errors) => self.tell(errors, &uncertain, place.node, &own, found),
            }
        }
        (fields, captures)
    }

    /// Values reach later commands under their names, as variables and secrets do.
    fn collisions(&self, captures: &[Captured], place: &Place<'_, '_>, found: &mut Vec<Diagnostic>) {
        for captured in captures {
            let what = if self.vars.iter().any(|var| var.name.as_str() == captured.name) {
                "variable"
            } else if self.secrets.places.contains_key(&captured.name) {
                "secret"
            } else {
                continue;
            };
            let at = place.node.find(&["capture".to_owned(), captured.name.clone()], true).unwrap_or(place.node.span.clone());
            let message = format!("`{}` is the name of a {what} as well", captured.name);
            let help = "both reach commands as environment under their names: give one of them another";
            found.push(Diagnostic::error("E303", message).at(at, "").help(help));
        }
    }

    fn filled(
        &self,
        fields: &Map<String, Value>,
        stand_ins: &BTreeMap<String, Value>,
        place: &Place<'_, '_>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Map<String, Value>> {
        let known = |name: &str| stand_ins.get(name).cloned().or_else(|| self.lookup(name));
        match fill(fields, &known, &self.names()) {
            Ok(filled) => Some(filled),
            Err(errors) => {
                let late = late(fields);
                // what stands for nothing that a step before this one captures was told
                let told = |error: &TemplateError| late.iter().any(|p| p.path == error.path && p.at == error.at);
                for error in errors.into_iter().filter(|error| !told(error)) {
                    let at = find(place.node, &error.path, |node| self.source.inside(node, &error.at));
                    found.push(Diagnostic::error("E301", error.message).at(at, "").help_if(error.hint));
                }
                None
            }
        }
    }

    /// What stands in for the values that steps before this one capture.
    fn late(&self, fields: &Map<String, Value>, place: &Place<'_, '_>, found: &mut Vec<Diagnostic>) -> BTreeMap<String, Value> {
        let mut stand_ins = BTreeMap::new();
        for placeholder in late(fields) {
            match self.captured(&placeholder, place.before) {
                Ok(value) => drop(stand_ins.insert(placeholder.name, value)),
                Err((message, help)) => {
                    let at = find(place.node, &placeholder.path, |node| self.source.inside(node, &placeholder.at));
                    found.push(Diagnostic::error("E317", message).at(at, "").help_if(help));
                }
            }
        }
        stand_ins
    }

    fn captured(&self, placeholder: &Placeholder, before: &[Read<'_>]) -> Result<Value, (String, Option<String>)> {
        let name = placeholder.name.as_str();
        let (id, what) = match name.split('.').collect::<Vec<_>>().as_slice() {
            ["steps", id, what] if !id.is_empty() && !what.is_empty() => (*id, *what),
            _ => return Err((format!("there is no `{name}`"), Some("write {{ steps.ID.NAME }}".to_owned()))),
        };
        if placeholder.path.first().is_some_and(|key| key == "capture") {
            return Err(("`capture` takes nothing that another step has captured".to_owned(), None));
        }
        let named: Vec<&Read<'_>> =
            before.iter().filter(|step| matches!(step.decl.section, Section::Precheck | Section::Step)).collect();
        let Some(step) = named.iter().find(|step| step.decl.id.as_str() == id) else {
            let near = nearest(id, named.iter().map(|step| step.decl.id.as_str()));
            let help = near.map_or_else(
                || "a field names pre-checks and steps that come before it".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return Err((format!("there is no step `{id}` before this one"), Some(help)));
        };
        match step.captures.iter().find(|captured| captured.name == what) {
            Some(captured) if captured.bounded => Ok(captured.stand_in.clone()),
            Some(_) => {
                let help = format!(
                    "add a pattern to the capture of `{what}` in `{id}`; without one it is shown, compared in `when` \
                                    and passed as environment only"
                );
                Err((format!("`{name}` is any text a host may send, and a field takes none without a pattern"), Some(help)))
            }
            None => Err((format!("`{id}` captures no `{what}`"), Some(self.capturing(step, what)))),
        }
    }

    /// What to write where a step captures no such value.
    fn capturing(&self, step: &Read<'_>, what: &str) -> String {
        if matches!(what, "verdict" | "outcome") {
            return format!("steps.ID.{what} stands in `when`, in no field");
        }
        if let Some(near) = nearest(what, step.captures.iter().map(|captured| captured.name.as_str())) {
            return format!("did you mean `{near}`?");
        }
        let captures = |kind: &Kind| kind.keys.iter().any(|key| key.name == "capture");
        if step.kind.is_some_and(captures) {
            return format!("add capture = {{ {what} = {{ from = \"stdout:trim\", pattern = \"…\" }} }} to `{}`", step.decl.id);
        }
        self.with_key("capture").unwrap_or_else(|| "no kind captures anything".to_owned())
    }

    /// Which kinds have a key, in words.
    fn with_key(&self, key: &str) -> Option<String> {
        let kinds = self.kinds.iter().filter(|kind| kind.keys.iter().any(|own| own.name == key));
        let names: Vec<&str> = kinds.map(|kind| kind.name).collect();
        (!names.is_empty()).then(|| format!("kinds with `{key}`: {}", names.join(", ")))
    }

    /// The fields whose values are known only for a host, or when the step is reached.
    fn uncertain(&self, fields: &Map<String, Value>) -> BTreeSet<String> {
        let open = placeholders(fields).into_iter().filter(|placeholder| !self.is_certain(&placeholder.name));
        open.filter_map(|placeholder| placeholder.path.into_iter().next()).collect()
    }

    fn tell(
        &self,
        errors: Vec<FieldError>,
        uncertain: &BTreeSet<String>,
        node: &Node,
        own: &[&str],
        found: &mut Vec<Diagnostic>,
    ) {
        for error in errors {
            if !error.unknown_key && error.path.first().is_some_and(|key| uncertain.contains(key)) {
                continue;
            }
            let at = node.find(&error.path, error.unknown_key).unwrap_or(node.span.clone());
            let code = if error.unknown_key { "E201" } else { "E204" };
            let hint = match error.path.as_slice() {
                [key] if error.unknown_key => {
                    let near = || nearest(key, own.iter().chain(COMMON).copied()).map(|near| format!("did you mean `{near}`?"));
                    self.with_key(key).or_else(near).or(error.hint)
                }
                _ => error.hint,
            };
            found.push(Diagnostic::error(code, error.message).at(at, "").help_if(hint));
        }
    }
}

/// A step that waits by its own keys needs a deadline that is later.
fn patience(step: &dyn Step, place: &Place<'_, '_>, uncertain: &BTreeSet<String>, found: &mut Vec<Diagnostic>) {
    const WAITING: [&[&str]; 3] = [&["stable_for"], &["until", "stable_for"], &["for"]];
    let Some(timeout) = place.timeout else { return };
    let waits = step.patience();
    for keys in WAITING.iter().filter(|keys| !keys.first().is_some_and(|key| uncertain.contains(*key))) {
        let path: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let Some(at) = place.node.find(&path, false).filter(|_| present(place.node, keys) && waits >= timeout) else { continue };
        let key = keys.last().unwrap_or(&"");
        let message = format!("`{key}` must be shorter than the timeout of the step");
        let error = Diagnostic::error("E319", message).at(at, "");
        let deadline = place.node.find(&["timeout".to_owned()], false);
        let error = deadline.into_iter().fold(error, |error, at| error.also(at, "the timeout"));
        found.push(error.help("raise `timeout`, or leave it out: the default comes after the wait"));
        return;
    }
}

fn present(node: &Node, keys: &[&str]) -> bool {
    keys.split_first().is_none_or(|(first, rest)| {
        let entry = node.entries().and_then(|entries| entries.iter().find(|entry| entry.key == *first));
        entry.is_some_and(|entry| present(&entry.node, rest))
    })
}

/// What the `capture` of a step declares; what is wrong with it the kind says.
fn captures(fields: &Map<String, Value>) -> Vec<Captured> {
    let declared = fields.get("capture").and_then(Value::as_object).into_iter().flatten();
    declared
        .filter_map(|(name, value)| {
            let text = |key: &str| value.get(key).and_then(Value::as_str);
            let ty = match text("type") {
                Some(word) => VarType::WORDS.iter().find(|(own, _)| *own == word)?.1,
                None => VarType::String,
            };
            let pattern = text("pattern").map(str::to_owned);
            let bounded = pattern.is_some() || ty != VarType::String;
            let words = value.get("values").and_then(Value::as_array).into_iter().flatten();
            let values = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
            let decl =
                VarDecl { name: VarName::parse(name).ok()?, ty, default: None, pattern, values, allow_empty: false, about: None };
            Some(Captured { name: name.clone(), stand_in: decl.stand_in(), bounded })
        })
        .collect()
}

/// The place of a field, made exact by `part` where the field itself is there.
fn find(node: &Node, path: &[String], part: impl Fn(&Node) -> Range<usize>) -> Range<usize> {
    let mut here = node;
    for key in path {
        let next = match &here.tree {
            Tree::Table(entries) => entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.node),
            Tree::List(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
            Tree::Plain(_) => None,
        };
        match next {
            Some(next) => here = next,
            None => return here.span.clone(),
        }
    }
    part(here)
}
