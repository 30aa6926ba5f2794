//! One `[[precheck]]`, `[[step]]` or `[[verify]]`: the keys that all steps have, then those of its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::load::diagnostic::Diagnostic;
use crate::load::document::{Node, Table, Tree, inside, unbuilt};
use crate::model::fields::{Context, FieldError, Fields, nearest};
use crate::model::id::StepId;
use crate::model::plan::{OnFailure, Phase, Section};
use crate::model::runbook::{StepDecl, VarDecl};
use crate::model::template::{fill, placeholders};
use crate::model::time::parse_duration;
use crate::steps::{Class, Kind};

/// Keys that every step may have.
const COMMON: &[&str] =
    &["id", "name", "about", "phase", "kind", "when", "timeout", "on_failure", "observe", "optional", "tags", "after"];
/// Keys of the language that have not been built, unless a kind has one of that name.
const UNBUILT: &[&str] =
    &["scope", "retry", "become", "capture", "remember", "idempotent", "receipt", "because", "use", "secrets"];
/// What a host stands for in templates, with a stand-in for checking.
const HOST: &[(&str, &str)] = &[("host.name", "host"), ("host.user", "user"), ("host.address", "127.0.0.1")];

/// A step with what is needed to check it against the others.
#[derive(Debug)]
pub(super) struct Read<'n> {
    /// The step.
    pub(super) decl: StepDecl,
    /// Its table.
    pub(super) node: &'n Node,
    /// Its kind, where there is one of that name.
    pub(super) kind: Option<&'static Kind>,
}

/// What steps are read against.
#[derive(Debug)]
pub(super) struct Scope<'s> {
    /// The text of the file.
    pub(super) text: &'s str,
    /// Every kind.
    pub(super) kinds: &'s [&'static Kind],
    /// The runbook's variables.
    pub(super) vars: &'s [VarDecl],
    /// Its phases.
    pub(super) phases: &'s [Phase],
}

impl Scope<'_> {
    /// Reads one step of a section.
    pub(super) fn step<'n>(&self, node: &'n Node, section: Section, found: &mut Vec<Diagnostic>) -> Option<Read<'n>> {
        let mut table = Table::of(node, section.word(), node.span.clone(), found)?;
        let id = table.string("id", found);
        let id = table.need("id", id, "\"…\"", found);
        let id = id.and_then(|text| match StepId::parse(text) {
            Ok(id) => Some(id),
            Err(error) => {
                found.push(Diagnostic::error("E204", error.to_string()).at(table.find("id"), ""));
                None
            }
        });
        let name = self.plain("name", &mut table, found);
        let about = table.string("about", found).map(str::to_owned);
        let phase = self.phase(&mut table, found);
        let when = table.string("when", found).map(str::to_owned);
        let timeout = self.timeout(&mut table, found);
        let on_failure = on_failure(&mut table, found);
        let observe = table.bool("observe", found).unwrap_or(false);
        let optional = table.bool("optional", found).unwrap_or(false);
        table.strings("tags", found);
        let section = if section == Section::Verify { after(&mut table, found) } else { section };
        let (kind_name, kind) = self.kind(&mut table, section == Section::Step, section.word(), found);
        if observe && kind.is_some_and(|kind| kind.class == Class::Action) {
            let help = "observe is for checks; optional = true keeps a failure from failing the host";
            let message = "`observe` cannot be true for a step that changes something";
            found.push(Diagnostic::error("E204", message).at(table.find("observe"), "").help(help));
        }
        let fields = self.fields(&mut table, node, kind, section, found);
        let decl = StepDecl {
            id: id?,
            section,
            name,
            about,
            phase,
            kind: kind_name?,
            when,
            observe,
            optional,
            timeout,
            on_failure,
            scope: crate::model::plan::Scope::EachHost,
            retry: None,
            acts_as: None,
            secrets: Vec::new(),
            tags: Vec::new(),
            own_vars: None,
            fields,
        };
        Some(Read { decl, node, kind })
    }

    /// Checks one `[[signature]]`: a read-only kind with its keys, and no step.
    pub(super) fn signature(&self, node: &Node, found: &mut Vec<Diagnostic>) {
        if let Some(mut table) = Table::of(node, "signature", node.span.clone(), found) {
            table.string("name", found);
            table.string("about", found);
            let (_, kind) = self.kind(&mut table, false, "signature", found);
            self.fields(&mut table, node, kind, Section::Precheck, found);
        }
    }

    fn plain(&self, key: &'static str, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<String> {
        let text = table.string(key, found)?;
        if text.contains("{{") {
            found.push(Diagnostic::error("E204", format!("`{key}` takes no placeholder")).at(table.find(key), ""));
        }
        Some(text.to_owned())
    }

    fn phase(&self, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<String> {
        let name = table.string("phase", found)?;
        if !self.phases.iter().any(|phase| phase.name == name) {
            let names: Vec<&str> = self.phases.iter().map(|phase| phase.name.as_str()).collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => format!("add [[phase]] with name = \"{name}\""),
                None => format!("phases here: {}", names.join(", ")),
            };
            let message = format!("there is no phase `{}`", name.escape_debug());
            found.push(Diagnostic::error("E305", message).at(table.find("phase"), "").help(help));
        }
        Some(name.to_owned())
    }

    fn timeout(&self, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<Duration> {
        let text = self.plain("timeout", table, found)?;
        match parse_duration(&text) {
            Ok(time) if !time.is_zero() => return Some(time),
            // told above
            _ if text.contains("{{") => {}
            Ok(_) => found.push(Diagnostic::error("E204", "`timeout` cannot be zero").at(table.find("timeout"), "")),
            Err(message) => found.push(Diagnostic::error("E204", message).at(table.find("timeout"), "")),
        }
        None
    }

    fn kind(
        &self,
        table: &mut Table<'_>,
        may_act: bool,
        place: &str,
        found: &mut Vec<Diagnostic>,
    ) -> (Option<String>, Option<&'static Kind>) {
        let name = table.string("kind", found);
        let Some(name) = table.need("kind", name, "\"…\"", found) else { return (None, None) };
        let at = table.find("kind");
        let Some(kind) = self.kinds.iter().find(|kind| kind.name == name) else {
            let help = match nearest(name, self.kinds.iter().map(|kind| kind.name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("kinds: {}", self.kinds.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ")),
            };
            let message = format!("there is no kind `{}`", name.escape_debug());
            found.push(Diagnostic::error("E306", message).at(at, "").help(help));
            return (Some(name.to_owned()), None);
        };
        if kind.class == Class::Action && !may_act {
            let message = format!("`{name}` changes something, so it cannot stand in [[{place}]]");
            found.push(Diagnostic::error("E307", message).at(at, "").help("move it to a [[step]]"));
        }
        (Some(name.to_owned()), Some(kind))
    }

    /// The keys of the kind, checked with the values that the variables have by default.
    fn fields(
        &self,
        table: &mut Table<'_>,
        node: &Node,
        kind: Option<&'static Kind>,
        section: Section,
        found: &mut Vec<Diagnostic>,
    ) -> Map<String, Value> {
        let own: Vec<&str> = kind.map(|kind| kind.keys.iter().map(|key| key.name).collect()).unwrap_or_default();
        let mut fields = Map::new();
        for entry in table.rest() {
            if UNBUILT.contains(&entry.key.as_str()) && !own.contains(&entry.key.as_str()) {
                found.push(unbuilt(&entry.key, entry.key_span.clone()));
            } else {
                fields.insert(entry.key.clone(), entry.node.value());
            }
        }
        let defaults: BTreeMap<String, Value> =
            self.vars.iter().map(|var| (var.name.to_string(), var.default.clone().unwrap_or_else(|| var.stand_in()))).collect();
        let lookup = |name: &str| {
            let host = HOST.iter().find(|(host, _)| *host == name).map(|(_, value)| Value::from(*value));
            let own = name.strip_prefix("host.vars.").filter(|rest| !rest.is_empty()).map(|_| Value::from("x"));
            host.or(own).or_else(|| defaults.get(name).cloned())
        };
        let names: Vec<&str> = defaults.keys().map(String::as_str).chain(HOST.iter().map(|(name, _)| *name)).collect();
        match fill(&fields, &lookup, &names) {
            Err(errors) => {
                for error in errors {
                    let at = place(node, &error.path, |node| inside(self.text, node, &error.at));
                    found.push(Diagnostic::error("E301", error.message).at(at, "").help_if(error.hint));
                }
            }
            Ok(filled) => {
                if let Some(kind) = kind {
                    let none = BTreeMap::new();
                    let context = Context { vars: &defaults, host_vars: &none, section };
                    if let Err(errors) = (kind.parse)(Fields::new(&filled, context)) {
                        self.tell(errors, &self.uncertain(&fields), node, &own, found);
                    }
                }
            }
        }
        fields
    }

    /// The fields whose values are known only for a host.
    fn uncertain(&self, fields: &Map<String, Value>) -> BTreeSet<String> {
        let no_default = |name: &str| self.vars.iter().all(|var| var.name.as_str() != name || var.default.is_none());
        placeholders(fields).into_iter().filter(|p| no_default(&p.name)).filter_map(|p| p.path.into_iter().next()).collect()
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
                [key] if error.unknown_key => match nearest(key, own.iter().chain(COMMON).copied()) {
                    Some(near) => Some(format!("did you mean `{near}`?")),
                    None => error.hint,
                },
                _ => error.hint,
            };
            found.push(Diagnostic::error(code, error.message).at(at, "").help_if(hint));
        }
    }
}

/// The place of a field, made exact by `part` where the field itself is there.
fn place(node: &Node, path: &[String], part: impl Fn(&Node) -> Range<usize>) -> Range<usize> {
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

fn on_failure(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<OnFailure> {
    let text = table.string("on_failure", found)?;
    let at = table.find("on_failure");
    match text {
        "stop-host" => Some(OnFailure::StopHost),
        "stop-run" => Some(OnFailure::StopRun),
        "continue" => Some(OnFailure::Continue),
        "ask" | "rollback" => {
            found.push(unbuilt(&format!("on_failure = \"{text}\""), at).help("one of: stop-host, stop-run, continue"));
            None
        }
        _ => {
            let message = format!("`on_failure` cannot be `{}`", text.escape_debug());
            found.push(Diagnostic::error("E204", message).at(at, "").help("one of: stop-host, stop-run, continue"));
            None
        }
    }
}

fn after(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Section {
    match table.string("after", found) {
        None => Section::Verify,
        Some("close") => Section::VerifyAfterClose,
        Some(text) => {
            let message = format!("`after` cannot be `{}`", text.escape_debug());
            found.push(Diagnostic::error("E204", message).at(table.find("after"), "").help("write after = \"close\""));
            Section::Verify
        }
    }
}
