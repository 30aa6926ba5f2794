//! Long texts over several rows: what is to be confirmed is never cut within a line.

use crate::model::visible::{visible, width};
use crate::tui::theme::{Theme, Tone};
use crate::tui::view::cells::Cells;

/// A label and behind it words of several tones over as many rows as they need; of the last row that there is room for,
/// what does not fit is cut with a mark.
pub(crate) fn labelled(
    theme: Theme,
    label: &str,
    indent: usize,
    parts: &[(Tone, String)],
    columns: usize,
    rows: usize,
) -> Vec<Cells> {
    let words = parts.iter().flat_map(|(tone, text)| text.split_whitespace().map(|word| (*tone, word)));
    let mut lines = Vec::new();
    let mut line = Cells::new(theme).put(Tone::Strong, label).to(indent);
    for (tone, word) in words {
        let first = line.used() <= indent;
        let needs = width(&visible(word)) + usize::from(!first);
        if !first && line.used() + needs > columns && lines.len() + 1 < rows {
            lines.push(std::mem::replace(&mut line, Cells::new(theme).to(indent)));
            line = line.put(tone, word);
            continue;
        }
        line = if first { line.put(tone, word) } else { line.put(Tone::Plain, " ").put(tone, word) };
    }
    lines.push(line);
    lines
}
