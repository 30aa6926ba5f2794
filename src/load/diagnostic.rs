//! What is wrong with a file, and where: one list per file, drawn for a terminal or written a line each.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// The most findings of one file that are kept; after that the file is not worth reading.
const MAX_FOUND: usize = 50;

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
            message: message.into(),
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
        self.help.push(line.into());
        self
    }

    /// Says what to write instead, where something is known.
    #[must_use]
    pub fn help_if(mut self, line: Option<String>) -> Self {
        self.help.extend(line);
        self
    }
}

/// Everything wrong with one file, in the order of its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
pub struct Diagnostics {
    /// The file.
    pub path: PathBuf,
    /// Its text, as far as it could be read.
    pub text: Arc<str>,
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
    /// Sorts what was found.
    pub fn new(path: &Path, text: Arc<str>, mut list: Vec<Diagnostic>) -> Self {
        list.sort_by_key(|d| (d.span.as_ref().map_or(0, |s| s.start), d.severity));
        let more = list.len().saturating_sub(MAX_FOUND);
        list.truncate(MAX_FOUND);
        Self { path: path.to_owned(), text, list, more }
    }

    /// How many errors and warnings.
    pub fn count(&self, severity: Severity) -> usize {
        self.list.iter().filter(|d| d.severity == severity).count()
    }

    /// The place of a byte of the text.
    pub fn place(&self, at: usize) -> Place {
        let before = &self.text[..floor(&self.text, at.min(self.text.len()))];
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        Place { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }

    /// The first place of an error, as `file:line:col`.
    pub fn first(&self) -> String {
        self.list.first().map_or_else(|| printable(&self.path.display().to_string()), |d| self.file_line_col(d))
    }

    fn file_line_col(&self, found: &Diagnostic) -> String {
        let file = printable(&self.path.display().to_string());
        match &found.span {
            None => file,
            Some(span) => {
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
            let message = printable(&found.message);
            let mut hints = String::new();
            for (span, label) in &found.labels {
                let Place { line, column } = self.place(span.start);
                hints.push_str(&printable(&format!("; {label}: {line}:{column}")));
            }
            for help in &found.help {
                hints.push_str("; ");
                hints.push_str(&printable(help));
            }
            let _ = writeln!(out, "{place}: {}[{}]: {message}{hints}", found.severity.word(), found.code);
        }
        if self.more > 0 {
            let _ = writeln!(out, "{}: and {} more", printable(&self.path.display().to_string()), self.more);
        }
        out
    }

    /// With the text and its place underlined, for terminals.
    pub fn drawn(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let path = printable(&self.path.display().to_string());
        let mut out = String::new();
        for found in &self.list {
            let level = match found.severity {
                Severity::Error => Level::ERROR,
                Severity::Warning => Level::WARNING,
            };
            let title = level.primary_title(printable(&found.message)).id(found.code);
            let mut snippet = Snippet::source(&*self.text).path(path.as_str());
            let mut elements = Vec::new();
            if let Some(span) = &found.span {
                snippet = snippet.annotation(self.annotation(AnnotationKind::Primary, span, &found.label));
                for (span, label) in &found.labels {
                    snippet = snippet.annotation(self.annotation(AnnotationKind::Context, span, label));
                }
                elements.push(snippet);
            }
            let mut group = annotate_snippets::Group::with_title(title).elements(elements);
            if found.span.is_none() {
                group = group.element(annotate_snippets::Origin::path(path.as_str()));
            }
            for help in &found.help {
                group = group.element(Level::HELP.message(printable(help)));
            }
            out.push_str(&renderer.render(&[group]));
            out.push_str("\n\n");
        }
        if self.more > 0 {
            let _ = writeln!(out, "{path}: and {} more\n", self.more);
        }
        out
    }

    fn annotation<'a>(&self, kind: AnnotationKind, span: &Range<usize>, label: &str) -> annotate_snippets::Annotation<'a> {
        let end = self.text.len();
        let from = floor(&self.text, span.start.min(end));
        let to = floor(&self.text, span.end.min(end)).max(from);
        let annotation = kind.span(from..to);
        if label.is_empty() { annotation } else { annotation.label(printable(label)) }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Text of a file on one line of a terminal: whatever could steer the terminal is escaped.
pub fn printable(text: &str) -> String {
    let plain = |c: char| c == ' ' || !(c.is_control() || c.is_whitespace() || is_direction(c));
    text.chars().map(|c| if plain(c) { c.to_string() } else { c.escape_unicode().to_string() }).collect()
}

/// Characters that reorder or hide text.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
