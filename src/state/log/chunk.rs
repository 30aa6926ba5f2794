//! A line of a command's output as it grows.

use std::borrow::Cow;

use crate::model::id::StepId;
use crate::model::visible::{visible, width};

/// The longest line that is shown whole, in bytes.
pub(super) const LONGEST: usize = 4 * 1024;
/// Columns from one tab stop to the next.
const TAB: usize = 8;

/// A line whose end has not come.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    /// The step whose command prints it.
    pub(super) step: StepId,
    /// The number of the line as it is shown so far.
    pub(super) number: Option<usize>,
    raw: String,
    missing: usize,
}

impl Chunk {
    /// Nothing of it yet.
    pub(super) fn new(step: StepId) -> Self {
        Self { step, number: None, raw: String::new(), missing: 0 }
    }

    /// Adds what came; of what a terminal would have overwritten nothing stays.
    pub(super) fn add(&mut self, piece: &str) {
        for (n, part) in piece.split('\r').enumerate() {
            if n > 0 {
                // the line stands until something is written over it
                self.raw.push('\r');
            }
            if part.is_empty() {
                continue;
            }
            if self.raw.ends_with('\r') {
                self.raw.clear();
                self.missing = 0;
            }
            let room = LONGEST.saturating_sub(self.raw.len());
            let end = part.floor_char_boundary(room);
            self.raw.push_str(&part[..end]);
            self.missing += part.len() - end;
        }
        while self.raw.ends_with("\r\r") {
            self.raw.pop();
        }
    }

    /// The line as it can be shown.
    pub(super) fn shown(&self) -> String {
        let text = expanded(self.raw.trim_end_matches('\r'));
        cut(&visible(&text), self.missing)
    }
}

/// At most so much of a clean line as is shown, and how much is missing, with `more` bytes that are gone already.
pub(super) fn cut(text: &str, more: usize) -> String {
    let end = text.floor_char_boundary(LONGEST);
    match text.len() - end + more {
        0 => text.to_owned(),
        missing => format!("{}… {missing} bytes more", &text[..end]),
    }
}

/// Tabs as the spaces that a terminal would show.
fn expanded(text: &str) -> Cow<'_, str> {
    if !text.contains('\t') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + TAB);
    for (n, part) in text.split('\t').enumerate() {
        if n > 0 {
            let spaces = TAB - width(&visible(&out)) % TAB;
            out.extend(std::iter::repeat_n(' ', spaces));
        }
        out.push_str(part);
    }
    Cow::Owned(out)
}
