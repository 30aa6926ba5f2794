//! `NAME.toml`: a runbook, read and checked as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::load::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::load::document::{Node, Table, inside, parse, unbuilt};
use crate::load::source::{Source, list, read};
use crate::load::step::{Read, Scope};
use crate::load::{lint, vars};
use crate::model::fields::nearest;
use crate::model::id::{RunbookName, looks_like_run_id};
use crate::model::outcome::{Outcome, Risk};
use crate::model::plan::{BatchSize, Phase, Rollout, Section};
use crate::model::runbook::{Runbook, VarDecl};
use crate::model::time::parse_duration;
use crate::model::when::{Lookup, Name, When};
use crate::steps::{KINDS, Kind};

/// Reads a runbook.
pub fn load(path: &Path) -> Result<Runbook, Diagnostics> {
    load_with(path, KINDS)
}

/// Reads a runbook written in these kinds.
pub fn load_with(path: &Path, kinds: &[&'static Kind]) -> Result<Runbook, Diagnostics> {
    check(path, kinds).0
}

/// Reads a runbook, and says as well what it should not do.
pub fn check(path: &Path, kinds: &[&'static Kind]) -> (Result<Runbook, Diagnostics>, Diagnostics) {
    let nothing = || Diagnostics::new(path, "".into(), Vec::new());
    match read(path) {
        Ok(source) => from_source(&source, kinds),
        Err(errors) => (Err(errors), nothing()),
    }
}

/// Takes a text for a runbook: the runbook or its errors, and the warnings.
pub fn from_source(source: &Source, kinds: &[&'static Kind]) -> (Result<Runbook, Diagnostics>, Diagnostics) {
    let all = |list| Diagnostics::new(&source.path, source.text.clone(), list);
    let root = match parse(source) {
        Ok(root) => root,
        Err(errors) => return (Err(errors), all(Vec::new())),
    };
    let mut found = Vec::new();
    let runbook = Loader { source, kinds, found: &mut found }.runbook(&root);
    let (errors, warnings): (Vec<_>, Vec<_>) = found.into_iter().partition(|d| d.severity == Severity::Error);
    match runbook {
        Some(runbook) if errors.is_empty() => (Ok(runbook), all(warnings)),
        _ => (Err(all(errors)), all(warnings)),
    }
}

/// No runbook of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotFound {
    /// What was looked for, and where.
    pub message: String,
    /// The nearest names, or what there is.
    pub hint: Option<String>,
}

/// The file of a runbook: `NAME.toml` in `dir`, or a path that ends in `.toml`.
pub fn find(dir: &Path, name: &str) -> Result<PathBuf, NotFound> {
    if name.ends_with(".toml") {
        return Ok(PathBuf::from(name));
    }
    let files = list(dir).map_err(|message| NotFound { message, hint: Some("--runbooks DIR".to_owned()) })?;
    let stems: Vec<String> = files.iter().filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    let found = files.iter().find(|file| file.file_stem().is_some_and(|stem| stem == name));
    found.cloned().ok_or_else(|| {
        let hint = match nearest(name, stems.iter().map(String::as_str)) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if stems.is_empty() => None,
            None => Some(format!("there are: {}", stems.join(", "))),
        };
        NotFound { message: format!("there is no runbook `{}` in {}", name.escape_debug(), dir.display()), hint }
    })
}

struct Loader<'l> {
    source: &'l Source,
    kinds: &'l [&'static Kind],
    found: &'l mut Vec<Diagnostic>,
}

impl Loader<'_> {
    fn runbook(&mut self, root: &Node) -> Option<Runbook> {
        let mut table = Table::of(root, "the file", 0..0, self.found)?;
        let name = self.name(&mut table);
        let title = table.string("title", self.found).map(str::to_owned);
        let title = table.need("title", title, "\"…\"", self.found);
        let about = table.string("about", self.found).unwrap_or("").to_owned();
        let tags = table.strings("tags", self.found).unwrap_or_default().into_iter().map(|(tag, _)| tag.to_owned()).collect();
        let docs = table.string("docs", self.found).map(str::to_owned);
        let claim = self.claim(&mut table);
        let vars = vars::declarations(table.entries("vars", self.found).unwrap_or_default(), self.found);
        let rollout = self.rollout(&mut table);
        let phases = self.phases(&mut table);
        let scope = Scope { text: &self.source.text, kinds: self.kinds, vars: &vars, phases: &phases };
        let mut steps = Vec::new();
        for (key, section) in [("precheck", Section::Precheck), ("step", Section::Step), ("verify", Section::Verify)] {
            for node in table.tables(key, self.found) {
                steps.extend(scope.step(node, section, self.found));
            }
        }
        for node in table.tables("signature", self.found) {
            scope.signature(node, self.found);
        }
        steps.sort_by_key(|step| step.decl.section);
        table.unbuilt(&["use", "secrets", "schema"], self.found);
        table.finish(self.found);
        if steps.is_empty() && self.found.is_empty() {
            self.found.push(Diagnostic::error("E304", "the runbook has no steps").help("add a [[precheck]] or a [[step]]"));
        }
        self.unique(&steps);
        for at in 0..steps.len() {
            self.condition(&steps, at, &vars);
        }
        let risk = self.risk(claim, &steps);
        lint::warn(&steps, &self.source.text, self.found);
        Some(Runbook {
            name: name?,
            title: title?,
            about,
            risk,
            tags,
            docs,
            vars,
            rollout,
            phases,
            steps: steps.into_iter().map(|step| step.decl).collect(),
            secrets: BTreeMap::new(),
            signatures: Vec::new(),
            path: self.source.path.clone(),
            sha256: self.source.sha256.clone(),
        })
    }

    fn name(&mut self, table: &mut Table<'_>) -> Option<RunbookName> {
        let name = table.string("name", self.found);
        let text = table.need("name", name, "\"…\"", self.found)?;
        let at = table.find("name");
        if looks_like_run_id(text) {
            let message = format!("`{text}` reads as the id of a run");
            self.found.push(Diagnostic::error("E308", message).at(at, "").help("add a - or a letter beyond f"));
            return None;
        }
        let name = match RunbookName::parse(text) {
            Ok(name) => name,
            Err(error) => {
                self.found.push(Diagnostic::error("E204", error.to_string()).at(at, ""));
                return None;
            }
        };
        let stem = self.source.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        if stem != text {
            let message = format!("the runbook is named `{text}`, its file `{}.toml`", stem.escape_debug());
            self.found.push(Diagnostic::error("E308", message).at(at, "").help("give both the same name"));
        }
        Some(name)
    }

    fn claim(&mut self, table: &mut Table<'_>) -> Option<(Risk, std::ops::Range<usize>)> {
        let text = table.string("risk", self.found)?;
        let at = table.find("risk");
        let risk = Risk::ALL.iter().copied().find(|risk| risk.word() == text);
        if risk.is_none() {
            let words: Vec<&str> = Risk::ALL.iter().map(|risk| risk.word()).collect();
            let message = format!("`risk` cannot be `{}`", text.escape_debug());
            let help = format!("one of: {}", words.join(", "));
            self.found.push(Diagnostic::error("E204", message).at(at.clone(), "").help(help));
        }
        risk.map(|risk| (risk, at))
    }

    fn risk(&mut self, claim: Option<(Risk, std::ops::Range<usize>)>, steps: &[Read<'_>]) -> Risk {
        let worst = steps.iter().filter_map(|step| Some((step.kind?.risk, step))).max_by_key(|(risk, _)| *risk);
        let Some((computed, step)) = worst else {
            return claim.map_or(Risk::ReadOnly, |(risk, _)| risk);
        };
        if let Some((claimed, at)) = &claim
            && *claimed < computed
        {
            let message = format!("the runbook claims to be {claimed}, and its steps are {computed}");
            let found = Diagnostic::error("E309", message).at(at.clone(), "claimed");
            let place = step.node.find(&["kind".to_owned()], false).unwrap_or(step.node.span.clone());
            self.found.push(found.also(place, format!("this is {computed}")).help(format!("write risk = \"{computed}\"")));
        }
        claim.map_or(computed, |(claimed, _)| claimed.max(computed))
    }

    fn rollout(&mut self, table: &mut Table<'_>) -> Rollout {
        let mut rollout = Rollout::default();
        let Some(entry) = table.entry("rollout") else { return rollout };
        let Some(mut table) = Table::of(&entry.node, "rollout", entry.key_span.clone(), self.found) else { return rollout };
        if let Some(list) = table.strings("batches", self.found) {
            let mut batches = Vec::new();
            for (text, node) in &list {
                match BatchSize::parse(text) {
                    Ok(size) => batches.push(size),
                    Err(message) => self.found.push(Diagnostic::error("E204", message).at(node.span.clone(), "")),
                }
            }
            if list.is_empty() {
                self.found.push(Diagnostic::error("E204", "`batches` is empty").at(table.find("batches"), ""));
            }
            rollout.batches = batches;
        }
        if let Some(number) = table.number("max_failures", 1, 100_000, self.found) {
            rollout.max_failures = BatchSize::Count(usize::try_from(number).unwrap_or(usize::MAX));
        }
        if let Some(soak) = duration("soak", &mut table, self.found) {
            rollout.soak = soak;
        }
        if let Some(order) = table.string("order", self.found) {
            let at = table.find("order");
            match order {
                "inventory" => {}
                "random" | "az-spread" => {
                    self.found.push(unbuilt(&format!("order = \"{order}\""), at).help("write order = \"inventory\""));
                }
                _ => {
                    let message = format!("`order` cannot be `{}`", order.escape_debug());
                    self.found.push(Diagnostic::error("E204", message).at(at, "").help("write order = \"inventory\""));
                }
            }
        }
        table.unbuilt(&["max_out"], self.found);
        table.finish(self.found);
        rollout
    }

    fn phases(&mut self, table: &mut Table<'_>) -> Vec<Phase> {
        let mut phases: Vec<Phase> = Vec::new();
        for node in table.tables("phase", self.found) {
            let Some(mut table) = Table::of(node, "phase", node.span.clone(), self.found) else { continue };
            let name = table.string("name", self.found);
            let name = table.need("name", name, "\"…\"", self.found);
            let budget = duration("budget", &mut table, self.found);
            if let Some(name) = name {
                if phases.iter().any(|phase| phase.name == name) {
                    let message = format!("the phase `{}` is there twice", name.escape_debug());
                    self.found.push(Diagnostic::error("E310", message).at(table.find("name"), ""));
                }
                phases.push(Phase { name: name.to_owned(), budget });
            }
            table.finish(self.found);
        }
        phases
    }

    fn unique(&mut self, steps: &[Read<'_>]) {
        let place = |step: &Read<'_>| step.node.find(&["id".to_owned()], false).unwrap_or(step.node.span.clone());
        let mut seen: BTreeMap<&str, &Read<'_>> = BTreeMap::new();
        for step in steps {
            let id = step.decl.id.as_str();
            match seen.get(id) {
                Some(first) => {
                    let found = Diagnostic::error("E310", format!("the id `{id}` is there twice")).at(place(step), "again");
                    self.found.push(found.also(place(first), "first"));
                }
                None => drop(seen.insert(id, step)),
            }
        }
    }

    /// Checks the condition of a step: it reads, names what there is, and compares what can be compared.
    fn condition(&mut self, steps: &[Read<'_>], at: usize, vars: &[VarDecl]) {
        let step = &steps[at];
        let Some(text) = &step.decl.when else { return };
        let Some(node) = step.node.entries().and_then(|list| list.iter().find(|e| e.key == "when")).map(|e| &e.node) else {
            return;
        };
        let source = self.source;
        let place = |part: &std::ops::Range<usize>| inside(&source.text, node, part);
        let when = match When::parse(text) {
            Ok(when) => when,
            Err(error) => {
                self.found.push(Diagnostic::error("E311", error.message).at(place(&error.at), ""));
                return;
            }
        };
        let before = self.found.len();
        for name in when.names() {
            if let Err((message, help)) = resolve(name, steps, at, vars) {
                self.found.push(Diagnostic::error("E312", message).at(place(&name.at), "").help_if(help));
            }
        }
        for (name, value, part) in when.compared() {
            if let Some((message, help)) = wrong_word(name, value, steps) {
                self.found.push(Diagnostic::error("E313", message).at(place(&part), "").help(help));
            }
        }
        if self.found.len() == before
            && let Err(error) = when.judge(&|name| by_default(name, vars))
        {
            self.found.push(Diagnostic::error("E311", error.message).at(place(&error.at), ""));
        }
    }
}

fn duration(key: &'static str, table: &mut Table<'_>, found: &mut Vec<Diagnostic>) -> Option<Duration> {
    let text = table.string(key, found)?;
    parse_duration(text).map_err(|message| found.push(Diagnostic::error("E204", message).at(table.find(key), ""))).ok()
}

/// Whether a name of a condition stands for something.
fn resolve(name: &Name, steps: &[Read<'_>], at: usize, vars: &[VarDecl]) -> Result<(), (String, Option<String>)> {
    let parts: Vec<&str> = name.parts.iter().map(String::as_str).collect();
    let unknown = || format!("there is no `{name}`");
    let one_of = |words: &str| Some(format!("there is: {words}"));
    match parts.as_slice() {
        ["host", "name" | "tags" | "groups"] | ["host", "vars", _] | ["facts", "os" | "arch" | "user"] => Ok(()),
        ["host", ..] => Err((unknown(), one_of("host.name, host.tags, host.groups, host.vars.NAME"))),
        ["facts", ..] => Err((unknown(), one_of("facts.os, facts.arch, facts.user"))),
        ["steps", id, _] => {
            let earlier = |step: &Read<'_>| matches!(step.decl.section, Section::Precheck | Section::Step);
            match steps.iter().position(|step| step.decl.id.as_str() == *id) {
                Some(found) if found < at && earlier(&steps[found]) => Ok(()),
                Some(found) if found < at => Err((format!("a condition cannot name `{id}`: it is a [[verify]]"), None)),
                Some(found) if found == at => Err((format!("the condition of `{id}` names itself"), None)),
                Some(_) => Err((
                    format!("the step `{id}` comes later"),
                    Some("a condition names earlier steps and pre-checks".to_owned()),
                )),
                None => {
                    let ids = steps[..at].iter().filter(|s| earlier(s)).map(|s| s.decl.id.as_str());
                    let near = nearest(id, ids).map(|near| format!("did you mean `{near}`?"));
                    Err((format!("there is no step `{id}` before this one"), near))
                }
            }
        }
        ["steps", ..] => Err((unknown(), one_of("steps.ID.outcome, steps.ID.verdict, steps.ID.NAME"))),
        [var] if vars.iter().any(|v| v.name.as_str() == *var) => Ok(()),
        _ => {
            let near = nearest(&name.to_string(), vars.iter().map(|v| v.name.as_str()));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "texts stand in quotes; names are variables, host.*, facts.* and steps.*".to_owned(),
            };
            Err((unknown(), Some(help)))
        }
    }
}

/// A word that the named step never says: such a condition would be silently false for ever.
fn wrong_word(name: &Name, value: &Value, steps: &[Read<'_>]) -> Option<(String, String)> {
    let [first, id, what] = name.parts.as_slice() else { return None };
    if first != "steps" {
        return None;
    }
    let word = value.as_str()?;
    let words: Vec<&str> = match what.as_str() {
        "outcome" => Outcome::ALL.iter().map(|outcome| outcome.word()).collect(),
        "verdict" => {
            let step = steps.iter().find(|step| step.decl.id.as_str() == id)?;
            step.kind?.verdicts.iter().map(|(word, _)| *word).collect()
        }
        _ => return None,
    };
    if words.contains(&word) {
        return None;
    }
    let help = match nearest(word, words.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of: {}", words.join(", ")),
    };
    Some((format!("`{name}` is never `{}`", word.escape_debug()), help))
}

/// What is known of a name before any host is: the types of the variables.
fn by_default(name: &[&str], vars: &[VarDecl]) -> Lookup {
    match name {
        ["host", "name"] => Lookup::Value(Value::from("host")),
        ["host", "tags" | "groups"] => Lookup::Value(Value::Array(Vec::new())),
        [var] => match vars.iter().find(|v| v.name.as_str() == *var) {
            Some(var) => Lookup::Value(var.default.clone().unwrap_or_else(|| var.stand_in())),
            None => Lookup::Absent,
        },
        _ => Lookup::NotKnown,
    }
}
