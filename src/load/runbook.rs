//! `NAME.toml`: a runbook, read and checked as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::load::diagnostic::{Diagnostic, Diagnostics, Page, Severity};
use crate::load::document::{Node, Table, parse};
use crate::load::groups::{Groups, SECTIONS, Taker};
use crate::load::rollout::{phases, rollout};
use crate::load::source::{Reader, Source, foreign, list, read, read_below};
use crate::load::step::{Frame, Read};
use crate::load::{condition, lint, secrets, vars};
use crate::model::fields::nearest;
use crate::model::grammar::TAG;
use crate::model::id::{RunbookName, looks_like_run_id};
use crate::model::outcome::Risk;
use crate::model::runbook::Runbook;
use crate::model::visible::literal;
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

/// Takes a text for a runbook: the runbook or its errors, and the warnings. The files that it takes steps from are read.
pub fn from_source(source: &Source, kinds: &[&'static Kind]) -> (Result<Runbook, Diagnostics>, Diagnostics) {
    let root = source.path.parent().unwrap_or(Path::new(""));
    from_sources(source, kinds, &|path| read_below(root, path))
}

/// The same, where `reader` has the files that it takes steps from.
pub fn from_sources(source: &Source, kinds: &[&'static Kind], reader: Reader<'_>) -> (Result<Runbook, Diagnostics>, Diagnostics) {
    let root = match parse(source) {
        Ok(root) => root,
        Err(errors) => return (Err(errors), Diagnostics::of(vec![Page::of(source)], Vec::new())),
    };
    let mut found: Vec<Diagnostic> = foreign(source).into_iter().collect();
    let groups = Groups::gather(&root, source, reader, &mut found);
    let runbook = Loader { source, kinds, found: &mut found }.runbook(&root, &groups);
    let (errors, warnings): (Vec<_>, Vec<_>) = found.into_iter().partition(|d| d.severity == Severity::Error);
    let all = |list| Diagnostics::of(groups.pages(source), list);
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
        NotFound { message: format!("there is no runbook `{}` in {}", literal(name), dir.display()), hint }
    })
}

struct Loader<'l> {
    source: &'l Source,
    kinds: &'l [&'static Kind],
    found: &'l mut Vec<Diagnostic>,
}

impl Loader<'_> {
    /// `groups` are the files that it takes steps from.
    fn runbook(&mut self, root: &Node, groups: &Groups) -> Option<Runbook> {
        let mut table = Table::of(root, "the file", root.span.start..root.span.start, self.found)?;
        let name = self.name(&mut table);
        let title = table.line("title", self.found).map(str::to_owned);
        let title = table.need("title", title, "\"…\"", self.found);
        let about = table.lines("about", self.found).unwrap_or("").to_owned();
        let tags = table.names("tags", &TAG, self.found);
        let docs = table.line("docs", self.found).map(str::to_owned);
        let claim = self.claim(&mut table);
        let vars = vars::declarations(table.few_entries("vars", vars::MOST, self.found), self.found);
        let secrets = table.few_entries("secrets", vars::MOST, self.found);
        let secrets = secrets::declarations(secrets, self.source, &vars, self.found);
        let rollout = rollout(&mut table, self.found);
        let phases = phases(&mut table, self.found);
        let frame = Rc::new(Frame::of_runbook(self.source, self.kinds, vars.clone(), &phases, &secrets));
        let mut taker = Taker::new(groups, self.found);
        for (key, section) in SECTIONS {
            let entries = table.tables(key, self.found);
            taker.entries(&entries, section, &frame, self.found);
        }
        let shelves = taker.shelves;
        let mut steps = taker.steps;
        let mut signatures = Vec::new();
        for node in table.tables("signature", self.found) {
            signatures.extend(frame.signature(node, self.found));
        }
        steps.sort_by_key(|step| step.decl.section);
        table.unbuilt(&["schema"], self.found);
        table.finish(self.found);
        if steps.is_empty() && self.found.is_empty() {
            self.found.push(Diagnostic::error("E304", "the runbook has no steps").help("add a [[precheck]] or a [[step]]"));
        }
        self.unique(&steps);
        for at in 0..steps.len() {
            condition::check(&steps, at, self.found);
        }
        let risk = self.risk(claim, &steps);
        let defaults: Vec<(&Source, &Node)> = shelves.iter().map(|shelf| (shelf.source, shelf.root)).collect();
        lint::warn(&steps, &signatures, &[&[(self.source, root)], defaults.as_slice()].concat(), &secrets, self.found);
        Some(Runbook {
            name: name?,
            title: title?,
            about,
            risk,
            tags,
            docs,
            vars,
            rollout,
            phases: phases.clone(),
            steps: steps.into_iter().map(|step| step.decl).collect(),
            secrets: secrets.sources.clone(),
            signatures,
            path: self.source.path.clone(),
            sha256: groups.digest(self.source),
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
            let message = format!("the runbook is named `{text}`, its file `{}.toml`", literal(stem));
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
            let message = format!("`risk` cannot be `{}`", literal(text));
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
}
