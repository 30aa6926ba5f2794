//! What is wrong with a file and with those it takes in, and where: drawn for a terminal or written a line each.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};

use crate::load::source::Source;
use crate::model::visible::{Newline, visible, visible_bytes};

/// The most findings of one file that are kept; after that the file is not worth reading.
const MAX_FOUND: usize = 50;
/// The most characters of a message: what it repeats of a file may be all of it.
const MAX_MESSAGE: usize = 1_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, but it should not be as it is.
    Warning,
}

impl Severity {
    /// The word of every output.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// Something wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code, such as `E201`.
    pub code: &'static str,
    /// One line.
    pub message: String,
    /// Where, in bytes; none: the file as a whole.
    pub span: Option<Range<usize>>,
    /// What stands beside the place.
    pub label: String,
    /// Other places that have to do with it.
    pub labels: Vec<(Range<usize>, String)>,
    /// What to write instead.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error of the file as a whole.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: short(message.into()),
            span: None,
            label: String::new(),
            labels: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning about the file as a whole.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.span = Some(span);
        self.label = label.into();
        self
    }

    /// Names another place.
    #[must_use]
    pub fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.labels.push((span, label.into()));
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, line: impl Into<String>) -> Self {
        self.help.push(short(line.into()));
        self
    }

    /// Says what to write instead, where something is known.
    #[must_use]
    pub fn help_if(mut self, line: Option<String>) -> Self {
        self.help.extend(line.map(short));
        self
    }
}

/// A file that places are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The file.
    pub path: PathBuf,
    /// Its text, as far as it could be read.
    pub text: Arc<str>,
    /// The number of its first byte: pages that belong together do not overlap.
    pub base: usize,
}

impl Page {
    /// The page of a file that was read.
    pub fn of(source: &Source) -> Self {
        Self { path: source.path.clone(), text: source.text.clone(), base: source.base }
    }

    fn shown(&self) -> String {
        named(&self.path)
    }

    fn local(&self, span: &Range<usize>) -> Range<usize> {
        let local = |at: usize| floor(&self.text, at.saturating_sub(self.base).min(self.text.len()));
        let from = local(span.start);
        from..local(span.end).max(from)
    }
}

/// The text of a file for drawing: what cannot be seen or turns the direction is replaced by as many bytes, so that places
/// stay where they are. The ASCII controls are drawn as signs anyway.
fn drawable(text: &str) -> Cow<'_, str> {
    let is_odd = |c: char| !c.is_ascii() && is_invisible(c);
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let shown = |c: char| match (is_odd(c), c.len_utf8()) {
        (false, _) => c.to_string(),
        (true, 3..) => format!("\u{fffd}{}", &"?"[..c.len_utf8() - 3]),
        (true, _) => "??".to_owned(),
    };
    Cow::Owned(text.chars().map(shown).collect())
}

/// Whether the sanitiser would not let it through.
fn is_invisible(c: char) -> bool {
    matches!(visible(c.encode_utf8(&mut [0; 4])), Cow::Owned(_))
}

/// Everything wrong with a file and with those it takes in, in the order of their texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct Diagnostics {
    /// The file.
    pub path: PathBuf,
    /// The file, then those it takes in, by base.
    pub pages: Vec<Page>,
    /// What is wrong.
    pub list: Vec<Diagnostic>,
    /// How many more there are that are not in the list.
    pub more: usize,
}

/// A place for people: from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Diagnostics {
    /// What is wrong with one file.
    pub fn new(path: &Path, text: Arc<str>, list: Vec<Diagnostic>) -> Self {
        Self::of(vec![Page { path: path.to_owned(), text, base: 0 }], list)
    }

    /// What is wrong with several files; the first one is the one that was asked for.
    pub fn of(pages: Vec<Page>, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|d| (d.span.as_ref().map_or(0, |s| s.start), d.severity));
        let more = list.len().saturating_sub(MAX_FOUND);
        list.truncate(MAX_FOUND);
        let path = pages.first().map_or_else(PathBuf::new, |page| page.path.clone());
        Self { path, pages, list, more }
    }

    /// How many errors and warnings.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|d| d.severity == severity).count()
    }

    /// The file that a finding is in: the one that was asked for, or one that it takes in.
    pub fn file(&self, found: &Diagnostic) -> &Path {
        let page = found.span.as_ref().and_then(|span| self.page(span.start));
        page.map_or(&self.path, |page| &page.path)
    }

    /// The page that a byte is on.
    fn page(&self, at: usize) -> Option<&Page> {
        self.pages.iter().rev().find(|page| page.base <= at).or(self.pages.first())
    }

    /// The place of a byte of the text.
    pub fn place(&self, at: usize) -> Place {
        let Some(page) = self.page(at) else { return Place { line: 1, column: 1 } };
        let before = &page.text[..page.local(&(at..at)).start];
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// The first place of an error, as `file:line:col`.
    pub fn first(&self) -> String {
        self.list.first().map_or_else(|| named(&self.path), |d| self.file_line_col(d))
    }

    fn file_line_col(&self, found: &Diagnostic) -> String {
        match &found.span {
            None => named(&self.path),
            Some(span) => {
                let file = self.page(span.start).map_or_else(String::new, Page::shown);
                let Place { line, column } = self.place(span.start);
                format!("{file}:{line}:{column}")
            }
        }
    }

    /// One line each: `file:line:col: error[E201]: message`, for editors, CI and pipes.
    pub fn lines(&self) -> String {
        let mut out = String::new();
        for found in &self.list {
            let place = self.file_line_col(found);
            let message = visible(&found.message);
            let own = found.span.as_ref().and_then(|span| self.page(span.start));
            let mut hints = String::new();
            for (span, label) in &found.labels {
                let Place { line, column } = self.place(span.start);
                let page = self.page(span.start).filter(|page| Some(*page) != own);
                let file = page.map_or_else(String::new, |page| format!("{}:", page.shown()));
                hints.push_str(&visible(&format!("; {label}: {file}{line}:{column}")));
            }
            for help in &found.help {
                hints.push_str("; ");
                hints.push_str(&visible(help));
            }
            let _ = writeln!(out, "{place}: {}[{}]: {message}{hints}", found.severity.word(), found.code);
        }
        if self.more > 0 {
            let _ = writeln!(out, "{}: and {} more", named(&self.path), self.more);
        }
        out
    }

    /// With the text and its place underlined, for terminals.
    pub fn drawn(&self, color: bool) -> String {
        let mut out: String = self.list.iter().map(|found| format!("{}\n\n", self.drawn_one(found, color))).collect();
        if self.more > 0 {
            let own = named(&self.path);
            let _ = writeln!(out, "{own}: and {} more\n", self.more);
        }
        out
    }

    /// One of them with the text and its place underlined; several lines.
    pub fn drawn_one(&self, found: &Diagnostic, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let paths: Vec<String> = self.pages.iter().map(Page::shown).collect();
        let own = named(&self.path);
        let level = match found.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(visible(&found.message).into_owned()).id(found.code);
        let mut group = annotate_snippets::Group::with_title(title);
        if found.span.is_none() {
            group = group.element(annotate_snippets::Origin::path(own.as_str()));
        }
        for (page, path) in self.concerned(found).into_iter().filter_map(|at| self.pages.get(at).zip(paths.get(at))) {
            group = group.element(self.snippet(page, path, found));
        }
        for help in &found.help {
            group = group.element(Level::HELP.message(visible(help).into_owned()));
        }
        renderer.render(&[group])
    }

    /// The pages that the places of a finding are on, its own first.
    fn concerned(&self, found: &Diagnostic) -> Vec<usize> {
        let mut pages = Vec::new();
        for span in found.span.iter().chain(found.span.iter().flat_map(|_| found.labels.iter().map(|(span, _)| span))) {
            let at = self.pages.iter().rposition(|page| page.base <= span.start).unwrap_or(0);
            if !pages.contains(&at) {
                pages.push(at);
            }
        }
        pages
    }

    fn snippet<'s>(&self, page: &'s Page, path: &'s str, found: &Diagnostic) -> Snippet<'s, Annotation<'s>> {
        let mut snippet = Snippet::source(drawable(&page.text)).path(path);
        let own = found.span.iter().map(|span| (AnnotationKind::Primary, span, &found.label));
        let others = found.labels.iter().map(|(span, label)| (AnnotationKind::Context, span, label));
        for (kind, span, label) in own.chain(others) {
            if self.page(span.start) == Some(page) {
                let annotation = kind.span(page.local(span));
                let text = visible(label);
                snippet = snippet.annotation(if text.is_empty() { annotation } else { annotation.label(text.into_owned()) });
            }
        }
        snippet
    }
}

fn short(text: String) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A path as text that can only be read.
pub fn named(path: &Path) -> String {
    visible_bytes(path.as_os_str().as_encoded_bytes(), Newline::Fold)
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
