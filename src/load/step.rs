//! One `[[precheck]]`, `[[step]]` or `[[verify]]`: the keys that all steps have, then those of its kind.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use crate::load::diagnostic::Diagnostic;
use crate::load::document::{Node, Table, unbuilt};
use crate::load::fields::{Captured, Place};
use crate::load::rollout::{duration, word};
use crate::load::secrets::Secrets;
use crate::load::source::Source;
use crate::model::fields::nearest;
use crate::model::id::StepId;
use crate::model::plan::{OnFailure, Phase, Section};
use crate::model::runbook::{OwnVar, SignatureDecl, StepDecl, VarDecl};
use crate::model::visible::literal;
use crate::steps::{Class, Kind};

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
    /// What it takes from the output of its command.
    pub(super) captures: Vec<Captured>,
    /// Where it was read.
    pub(super) frame: Rc<Frame<'n>>,
}

impl Read<'_> {
    /// The place of a key's value, or of the step.
    pub(super) fn find(&self, key: &str) -> std::ops::Range<usize> {
        self.node.find(&[key.to_owned()], false).unwrap_or(self.node.span.clone())
    }
}

/// What steps are read against: the runbook, or a group of steps that it takes in.
#[derive(Debug)]
pub(super) struct Frame<'s> {
    /// The file.
    pub(super) source: &'s Source,
    /// Every kind.
    pub(super) kinds: &'s [&'static Kind],
    /// The variables here; the default is the value where it is known before any host is.
    pub(super) vars: Vec<VarDecl>,
    /// The variables of the groups that lead here, the outermost first.
    pub(super) own: Vec<Vec<OwnVar>>,
    /// The runbook's phases.
    pub(super) phases: &'s [Phase],
    /// The phase of steps that name none.
    pub(super) phase: Option<String>,
    /// The runbook's secrets.
    pub(super) secrets: &'s Secrets,
}

impl<'s> Frame<'s> {
    /// The frame of the runbook itself.
    pub(super) fn of_runbook(
        source: &'s Source,
        kinds: &'s [&'static Kind],
        vars: Vec<VarDecl>,
        phases: &'s [Phase],
        secrets: &'s Secrets,
    ) -> Self {
        Self { source, kinds, vars, own: Vec::new(), phases, phase: None, secrets }
    }

    /// What a name in a template stands for, or something of its type.
    pub(super) fn lookup(&self, name: &str) -> Option<Value> {
        let host = HOST.iter().find(|(host, _)| *host == name).map(|(_, value)| Value::from(*value));
        let own = || name.strip_prefix("host.vars.").filter(|rest| !rest.is_empty()).map(|_| Value::from("x"));
        let var = || self.vars.iter().find(|var| var.name.as_str() == name);
        host.or_else(own).or_else(|| var().map(|var| var.default.clone().unwrap_or_else(|| var.stand_in())))
    }

    /// Whether what [`Frame::lookup`] says is the value, not a stand-in. A variable may be set to something else, which
    /// is judged again when that is known.
    pub(super) fn is_certain(&self, name: &str) -> bool {
        self.vars.iter().any(|var| var.name.as_str() == name && var.default.is_some())
    }

    /// The names there are, for suggestions.
    pub(super) fn names(&self) -> Vec<&str> {
        self.vars.iter().map(|var| var.name.as_str()).chain(HOST.iter().map(|(name, _)| *name)).collect()
    }

    /// Reads one step of a section. `before` are the steps that come first.
    pub(super) fn step(
        frame: &Rc<Self>,
        node: &'s Node,
        section: Section,
        before: &[Read<'s>],
        found: &mut Vec<Diagnostic>,
    ) -> Option<Read<'s>> {
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
        let name = title(&mut table, found);
        let about = table.lines("about", found).map(str::to_owned);
        let phase = frame.phase(&mut table, found).or_else(|| frame.phase.clone());
        let when = table.string("when", found).map(str::to_owned);
        let timeout = timeout(&mut table, found);
        let on_failure = on_failure(&mut table, found);
        let observe = table.bool("observe", found).unwrap_or(false);
        let optional = table.bool("optional", found).unwrap_or(false);
        let section = if section == Section::Verify { after(&mut table, found) } else { section };
        let (kind_name, kind) = frame.kind(&mut table, section == Section::Step, section.word(), found);
        if observe {
            observes(kind, &table, found);
        }
        let manner = frame.manner(kind, &mut table, found);
        let (fields, captures) = frame.fields(&mut table, &Place { node, kind, section, timeout, before }, found);
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
            scope: manner.scope,
            retry: manner.retry,
            acts_as: manner.acts_as,
            secrets: manner.secrets,
            tags: manner.tags,
            own_vars: frame.own.clone(),
            fields,
        };
        Some(Read { decl, node, kind, captures, frame: Rc::clone(frame) })
    }

    /// Reads one `[[signature]]`: a read-only kind with its keys, and no step.
    pub(super) fn signature(&self, node: &Node, found: &mut Vec<Diagnostic>) -> Option<SignatureDecl> {
        let mut table = Table::of(node, "signature", node.span.clone(), found)?;
        let name = title(&mut table, found);
        table.lines("about", found);
        let (kind_name, kind) = self.kind(&mut table, false, "signature", found);
        let place = Place { node, kind, section: Section::Precheck, timeout: None, before: &[] };
        let (fields, _) = self.fields(&mut table, &place, found);
        Some(SignatureDecl { name, kind: kind_name?, fields })
    }

    /// The phase that a step names.
    pub(super) fn phase(&self, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<String> {
        let name = table.string("phase", found)?;
        if !self.phases.iter().any(|phase| phase.name == name) {
            let names: Vec<&str> = self.phases.iter().map(|phase| phase.name.as_str()).collect();
            let help = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if names.is_empty() => format!("add [[phase]] with name = \"{name}\""),
                None => format!("phases here: {}", names.join(", ")),
            };
            let message = format!("there is no phase `{}`", literal(name));
            found.push(Diagnostic::error("E305", message).at(table.find("phase"), "").help(help));
        }
        Some(name.to_owned())
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
            let message = format!("there is no kind `{}`", literal(name));
            found.push(Diagnostic::error("E306", message).at(at, "").help(help));
            return (Some(name.to_owned()), None);
        };
        let does = match kind.class {
            Class::Check => None,
            Class::Wait => Some("waits"),
            Class::Action => Some("changes something"),
        };
        if let (Some(does), false) = (does, may_act) {
            let message = format!("`{name}` {does}, so it cannot stand in [[{place}]]");
            found.push(Diagnostic::error("E307", message).at(at.clone(), "").help("move it to a [[step]]"));
        }
        if !kind.runs {
            let message = format!("`{name}` is checked by this version and not run");
            found.push(Diagnostic::warning("W314", message).at(at, "").help("a plan that reaches it is refused"));
        }
        (Some(name.to_owned()), Some(kind))
    }
}

/// What a step or a signature is called.
fn title(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<String> {
    let text = table.line("name", found)?;
    no_placeholder("name", text, table, found);
    Some(text.to_owned())
}

/// A text without placeholders.
pub(super) fn plain(key: &'static str, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<String> {
    let text = table.string(key, found)?;
    no_placeholder(key, text, table, found);
    Some(text.to_owned())
}

fn no_placeholder(key: &str, text: &str, table: &Table<'_>, found: &mut Vec<Diagnostic>) {
    if text.contains("{{") {
        found.push(Diagnostic::error("E204", format!("`{key}` takes no placeholder")).at(table.find(key), ""));
    }
}

fn timeout(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<Duration> {
    if plain("timeout", table, found)?.contains("{{") {
        // told
        return None;
    }
    let time = duration("timeout", table, found)?;
    if time.is_zero() {
        found.push(Diagnostic::error("E204", "`timeout` cannot be zero").at(table.find("timeout"), ""));
    }
    Some(time).filter(|time| !time.is_zero())
}

/// Only what looks can look on.
fn observes(kind: Option<&Kind>, table: &Table<'_>, found: &mut Vec<Diagnostic>) {
    let does = match kind.map(|kind| kind.class) {
        Some(Class::Action) => "changes something",
        Some(Class::Wait) => "waits",
        Some(Class::Check) | None => return,
    };
    let help = "observe is for checks; optional = true keeps a failure from failing the host";
    let message = format!("`observe` cannot be true for a step that {does}");
    found.push(Diagnostic::error("E204", message).at(table.find("observe"), "").help(help));
}

const ON_FAILURE: &[(&str, OnFailure)] = &[
    ("stop-host", OnFailure::StopHost),
    ("stop-run", OnFailure::StopRun),
    ("continue", OnFailure::Continue),
    ("ask", OnFailure::Ask),
];

fn on_failure(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<OnFailure> {
    let text = table.string("on_failure", found)?;
    let at = table.find("on_failure");
    match text {
        "rollback" => {
            found.push(unbuilt("on_failure = \"rollback\"", at).help("one of: stop-host, stop-run, continue, ask"));
            None
        }
        _ => word("on_failure", text, ON_FAILURE, table, found),
    }
}

fn after(table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Section {
    match table.string("after", found) {
        None => Section::Verify,
        Some("close") => Section::VerifyAfterClose,
        Some(text) => {
            let message = format!("`after` cannot be `{}`", literal(text));
            found.push(Diagnostic::error("E204", message).at(table.find("after"), "").help("write after = \"close\""));
            Section::Verify
        }
    }
}
