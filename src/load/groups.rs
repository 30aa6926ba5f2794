//! `use = "lib/NAME"`: the steps of another file, with its own variables, in place of the entry that names it.
//!
//! The files are gathered first, as a tree that ends; then their entries are read as if they stood where they are used.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::load::diagnostic::{Diagnostic, Page};
use crate::load::document::{Entry, Node, Table, Tree, parse};
use crate::load::source::{Reader, Source, digest, foreign};
use crate::load::step::{Frame, Read};
use crate::load::vars;
use crate::model::fields::nearest;
use crate::model::plan::Section;
use crate::model::runbook::{OwnVar, VarDecl};
use crate::model::template::{fill, late, placeholders};
use crate::model::visible::literal;

/// The sections that have steps, in the order of a lane.
pub(super) const SECTIONS: [(&str, Section); 3] =
    [("precheck", Section::Precheck), ("step", Section::Step), ("verify", Section::Verify)];
/// How deep groups may take in groups.
const MAX_DEPTH: usize = 8;
/// The most files that one runbook may take in.
const MAX_FILES: usize = 64;
/// The most steps of a runbook, those of the files it takes in counted.
const MAX_STEPS: usize = 1_000;

/// The files that a runbook takes steps from, in the order in which they are first named.
#[derive(Debug)]
pub(super) struct Groups {
    list: Vec<Group>,
    /// Where names stand that are not followed: that was told.
    refused: BTreeSet<usize>,
}

#[derive(Debug)]
struct Group {
    name: String,
    page: Option<Page>,
    /// None where it could not be read: that was told.
    read: Option<(Source, Node)>,
}

impl Groups {
    /// Reads every file that is named from `root` on.
    pub(super) fn gather(root: &Node, source: &Source, reader: Reader<'_>, found: &mut Vec<Diagnostic>) -> Self {
        let dir = source.path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let mut gatherer = Gatherer {
            dir,
            reader,
            list: Vec::new(),
            next: source.end() + 1,
            trail: Vec::new(),
            refused: BTreeSet::new(),
            found,
        };
        gatherer.visit(root);
        Self { list: gatherer.list, refused: gatherer.refused }
    }

    /// The pages that places are on: the runbook's and those of the files.
    pub(super) fn pages(&self, source: &Source) -> Vec<Page> {
        std::iter::once(Page::of(source)).chain(self.list.iter().filter_map(|group| group.page.clone())).collect()
    }

    /// SHA-256 over the runbook and the files.
    pub(super) fn digest(&self, source: &Source) -> String {
        let texts: Vec<&Source> = self.list.iter().filter_map(|group| group.read.as_ref().map(|(text, _)| text)).collect();
        digest(&[&[source], texts.as_slice()].concat())
    }
}

struct Gatherer<'g> {
    dir: PathBuf,
    reader: Reader<'g>,
    list: Vec<Group>,
    /// The base of the next file.
    next: usize,
    /// The files that led here, each with the place that names it.
    trail: Vec<(String, Range<usize>)>,
    refused: BTreeSet<usize>,
    found: &'g mut Vec<Diagnostic>,
}

impl Gatherer<'_> {
    fn visit(&mut self, root: &Node) {
        for (name, at) in uses(root) {
            if let Some(refused) = self.refused(name, &at) {
                self.found.push(refused);
                self.refused.insert(at.start);
            } else if !self.list.iter().any(|group| group.name == name) {
                self.read(name, at);
            }
        }
    }

    /// Why a name is not followed.
    fn refused(&self, name: &str, at: &Range<usize>) -> Option<Diagnostic> {
        let error = |message: String| Diagnostic::error("E315", message).at(at.clone(), "");
        if !is_group(name) {
            let help = "write use = \"lib/NAME\": the file is lib/NAME.toml beside the runbook, its name of a-z 0-9 -";
            return Some(error(format!("`{}` is no name of a group of steps", literal(name))).help(help));
        }
        if let Some(from) = self.trail.iter().position(|(known, _)| known == name) {
            let names = self.trail[from..].iter().map(|(known, _)| known.as_str()).chain([name]);
            let way = names.collect::<Vec<_>>().join(" > ");
            let found = error(format!("`{name}` takes itself in: {way}"));
            let found =
                self.trail[from..].iter().fold(found, |found, (known, at)| found.also(at.clone(), format!("takes in {known}")));
            return Some(found.help("move what both need into a file that takes in neither"));
        }
        if self.trail.len() == MAX_DEPTH {
            return Some(error(format!("this takes in files deeper than {MAX_DEPTH}")));
        }
        let known = self.list.iter().any(|group| group.name == name);
        (self.list.len() == MAX_FILES && !known).then(|| error(format!("a runbook takes in at most {MAX_FILES} files")))
    }

    fn read(&mut self, name: &str, at: Range<usize>) {
        let index = self.list.len();
        self.list.push(Group { name: name.to_owned(), page: None, read: None });
        let path = self.dir.join(format!("{name}.toml"));
        let mut source = match (self.reader)(&path) {
            Ok(source) => source,
            Err(errors) => return self.unreadable(index, errors.pages, errors.list, at),
        };
        self.found.extend(foreign(&source));
        source.base = self.next;
        self.next = source.end() + 1;
        self.list[index].page = Some(Page::of(&source));
        match parse(&source) {
            Ok(root) => {
                self.trail.push((name.to_owned(), at));
                self.visit(&root);
                self.trail.pop();
                self.list[index].read = Some((source, root));
            }
            Err(errors) => self.found.extend(errors.list),
        }
    }

    /// A file that is no text is told in its own place, one that is not there in the place that names it.
    fn unreadable(&mut self, index: usize, pages: Vec<Page>, errors: Vec<Diagnostic>, at: Range<usize>) {
        let base = self.next;
        for error in errors {
            self.found.push(match error.span.clone() {
                Some(span) => error.at(span.start + base..span.end + base, "here").also(at.clone(), "taken in here"),
                None => Diagnostic { code: "E315", ..error.at(at.clone(), "") },
            });
        }
        if let Some(page) = pages.into_iter().next() {
            self.next = base + page.text.len() + 1;
            self.list[index].page = Some(Page { base, ..page });
        }
    }
}

/// Every group that is named in a file, with the place of its name.
fn uses(root: &Node) -> Vec<(&str, Range<usize>)> {
    let sections = root.entries().unwrap_or_default().iter().filter(|entry| SECTIONS.iter().any(|(key, _)| *key == entry.key));
    let items = sections.flat_map(|entry| match &entry.node.tree {
        Tree::List(items) => items.as_slice(),
        _ => &[],
    });
    let named = items.filter_map(|item| item.entries()?.iter().find(|entry| entry.key == "use"));
    named.filter_map(|entry| Some((text_of(&entry.node)?, entry.node.span.clone()))).collect()
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.tree {
        Tree::Plain(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// `lib/NAME`, or deeper; never a way out of the directory.
fn is_group(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.len() <= 64 && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let parts: Vec<&str> = name.split('/').collect();
    parts.len() >= 2 && parts.len() <= 8 && parts[0] == "lib" && parts.into_iter().all(part)
}

/// A group of steps that can be taken in.
#[derive(Debug)]
pub(super) struct Shelf<'g> {
    name: &'g str,
    /// Its text.
    pub(super) source: &'g Source,
    /// Its file.
    pub(super) root: &'g Node,
    vars: Vec<VarDecl>,
    entries: Vec<(Section, Vec<&'g Node>)>,
}

fn shelf<'g>(group: &'g Group, found: &mut Vec<Diagnostic>) -> Option<Shelf<'g>> {
    let (source, root) = group.read.as_ref()?;
    let mut table = Table::of(root, "the file", root.span.start..root.span.start, found)?;
    for key in ["name", "title"] {
        table.line(key, found);
    }
    table.lines("about", found);
    let vars = vars::declarations(table.few_entries("vars", vars::MOST, found), found);
    let entries = SECTIONS.into_iter().map(|(key, section)| (section, table.tables(key, found))).collect();
    table.finish(found);
    Some(Shelf { name: &group.name, source, root, vars, entries })
}

impl<'g> Shelf<'g> {
    fn section(&self, section: Section) -> Vec<&'g Node> {
        self.entries.iter().find(|(own, _)| *own == section).map(|(_, nodes)| nodes.clone()).unwrap_or_default()
    }
}

/// Reads the entries of sections, and of the groups that they take in.
#[derive(Debug)]
pub(super) struct Taker<'n> {
    groups: &'n Groups,
    /// What stands in the files that are taken in.
    pub(super) shelves: Vec<Shelf<'n>>,
    /// The steps so far, in order.
    pub(super) steps: Vec<Read<'n>>,
    /// Which sections of which groups were taken, and where they were named.
    taken: BTreeMap<(String, Section), Range<usize>>,
    /// Whether there were more steps than are read.
    full: bool,
}

impl<'n> Taker<'n> {
    pub(super) fn new(groups: &'n Groups, found: &mut Vec<Diagnostic>) -> Self {
        let shelves = groups.list.iter().filter_map(|group| shelf(group, found)).collect();
        Self { groups, shelves, steps: Vec::new(), taken: BTreeMap::new(), full: false }
    }

    /// Reads the entries of one section.
    pub(super) fn entries(&mut self, nodes: &[&'n Node], section: Section, frame: &Rc<Frame<'n>>, found: &mut Vec<Diagnostic>) {
        for node in nodes {
            if self.steps.len() == MAX_STEPS {
                self.too_many(node, found);
                return;
            }
            if node.entries().is_some_and(|entries| entries.iter().any(|entry| entry.key == "use")) {
                self.take(node, section, frame, found);
            } else {
                let step = Frame::step(frame, node, section, &self.steps, found);
                self.steps.extend(step);
            }
        }
    }

    /// Told once: what comes after is not read.
    fn too_many(&mut self, node: &Node, found: &mut Vec<Diagnostic>) {
        if !self.full {
            let message = format!("there are more than {MAX_STEPS} steps");
            found.push(Diagnostic::error("E304", message).at(node.span.clone(), "the first that is too much"));
        }
        self.full = true;
    }

    fn take(&mut self, node: &'n Node, section: Section, frame: &Rc<Frame<'n>>, found: &mut Vec<Diagnostic>) {
        let Some(mut table) = Table::of(node, section.word(), node.span.clone(), found) else { return };
        let name = table.string("use", found);
        let at = table.find("use");
        let phase = frame.phase(&mut table, found).or_else(|| frame.phase.clone());
        let with = table.few_entries("with", vars::MOST, found);
        table.finish(found);
        // a name that leads nowhere was told when the files were gathered
        if self.groups.refused.contains(&at.start) {
            return;
        }
        let Some(shelf) = self.shelves.iter().find(|shelf| Some(shelf.name) == name) else { return };
        let word = section.word();
        let entries = shelf.section(section);
        if entries.is_empty() {
            let there = shelf.entries.iter().filter(|(_, nodes)| !nodes.is_empty()).map(|(own, _)| format!("[[{}]]", own.word()));
            let there: Vec<String> = there.collect();
            let help =
                if there.is_empty() { "it has no steps at all".to_owned() } else { format!("it has {}", there.join(", ")) };
            found.push(Diagnostic::error("E315", format!("`{}` has no [[{word}]]", shelf.name)).at(at, "").help(help));
            return;
        }
        if let Some(first) = self.taken.insert((shelf.name.to_owned(), section), at.clone()) {
            let message = format!("the [[{word}]] entries of `{}` are taken in twice, and ids are there only once", shelf.name);
            found.push(Diagnostic::error("E310", message).at(at, "again").also(first, "first"));
            return;
        }
        let (own, vars) = own_vars(shelf, frame, with, &at, found);
        let inner = Frame {
            source: shelf.source,
            kinds: frame.kinds,
            vars,
            own: [frame.own.as_slice(), &[own]].concat(),
            phases: frame.phases,
            phase,
            secrets: frame.secrets,
        };
        self.entries(&entries, section, &Rc::new(inner), found);
    }
}

/// The variables of a group for one use, and the same as its steps are checked with: with the value of this use as the
/// default, where it is known before any host is.
fn own_vars(
    shelf: &Shelf<'_>,
    frame: &Frame<'_>,
    with: &[Entry],
    at: &Range<usize>,
    found: &mut Vec<Diagnostic>,
) -> (Vec<OwnVar>, Vec<VarDecl>) {
    for entry in with.iter().filter(|entry| shelf.vars.iter().all(|var| var.name.as_str() != entry.key)) {
        let names = || shelf.vars.iter().map(|var| var.name.as_str());
        let help = match nearest(&entry.key, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if shelf.vars.is_empty() => "it has no variables".to_owned(),
            None => format!("its variables: {}", names().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("`{}` has no variable `{}`", shelf.name, literal(&entry.key));
        found.push(Diagnostic::error("E316", message).at(entry.key_span.clone(), "").help(help));
    }
    let (mut own, mut known) = (Vec::new(), Vec::new());
    for decl in &shelf.vars {
        let entry = with.iter().find(|entry| entry.key == decl.name.as_str());
        let value = match entry {
            Some(entry) => given(decl, entry, frame, found),
            None => decl.default.clone(),
        };
        if entry.is_none() && value.is_none() {
            let message = format!("`{}` needs a value for `{}`", shelf.name, decl.name);
            let help = format!("add with = {{ {} = … }}", decl.name);
            found.push(Diagnostic::error("E316", message).at(at.clone(), "").help(help));
        }
        own.push(OwnVar { decl: decl.clone(), with: entry.map(|entry| entry.node.value()) });
        known.push(VarDecl { default: value, ..decl.clone() });
    }
    (own, known)
}

/// The value that a use gives to a variable, where it is known before any host is.
fn given(decl: &VarDecl, entry: &Entry, frame: &Frame<'_>, found: &mut Vec<Diagnostic>) -> Option<Value> {
    // no variable's name may make a key of shell text of it
    let fields = Map::from_iter([("with".to_owned(), entry.node.value())]);
    if let Some(first) = late(&fields).first() {
        let message = format!("`{}` is not known yet when variables are given", literal(&first.name));
        let help = "name it in the fields of the group's steps: ids are the same everywhere";
        let at = frame.source.inside(&entry.node, &first.at);
        found.push(Diagnostic::error("E317", message).at(at, "").help(help));
        return Some(decl.stand_in());
    }
    let filled = match fill(&fields, &|name| frame.lookup(name), &frame.names()) {
        Ok(mut filled) => filled.remove("with").unwrap_or(Value::Null),
        Err(errors) => {
            for error in errors {
                let at = frame.source.inside(&entry.node, &error.at);
                found.push(Diagnostic::error("E301", error.message).at(at, "").help_if(error.hint));
            }
            return Some(decl.stand_in());
        }
    };
    if placeholders(&fields).iter().any(|placeholder| !frame.is_certain(&placeholder.name)) {
        return None;
    }
    match decl.accept(&filled) {
        Ok(value) => Some(value),
        Err(message) => {
            let message = format!("the value of `{}` {}", decl.name, vars::predicate(&message));
            found.push(Diagnostic::error("E302", message).at(entry.node.span.clone(), ""));
            Some(decl.stand_in())
        }
    }
}
