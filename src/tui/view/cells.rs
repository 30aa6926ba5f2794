//! A line of a screen, cell by cell, and lines painted into an area. The one sink: whatever is put here is made visible
//! first, so that nothing from a host can be more than text.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::model::visible::{clip, visible, width};
use crate::tui::theme::{Theme, Tone};

/// A line that is being written, from the left.
#[derive(Debug, Clone)]
pub struct Cells {
    theme: Theme,
    spans: Vec<Span<'static>>,
    used: usize,
    reversed: bool,
}

impl Cells {
    /// An empty line.
    pub fn new(theme: Theme) -> Self {
        Self { theme, spans: Vec::new(), used: 0, reversed: false }
    }

    /// A line that is one text.
    pub fn of(theme: Theme, tone: Tone, text: &str) -> Self {
        Self::new(theme).put(tone, text)
    }

    /// Adds a text.
    #[must_use]
    pub fn put(self, tone: Tone, text: &str) -> Self {
        let style = self.theme.style(tone);
        self.styled(style, text)
    }

    fn styled(mut self, style: Style, text: &str) -> Self {
        let clean = visible(text);
        self.used += width(&clean);
        self.spans.push(Span::styled(clean.into_owned(), style));
        self
    }

    /// Adds a piece of another line, as it is.
    #[must_use]
    pub fn span(mut self, span: Span<'static>) -> Self {
        self.used += width(&span.content);
        self.spans.push(span);
        self
    }

    /// Adds spaces up to a column; where the line is longer already, one space.
    #[must_use]
    pub fn to(self, column: usize) -> Self {
        let missing = column.saturating_sub(self.used).max(usize::from(self.used > column));
        self.styled(Style::new(), &" ".repeat(missing))
    }

    /// Adds a text that takes exactly so many columns: cut with a mark, or filled with spaces.
    #[must_use]
    pub fn cell(self, tone: Tone, text: &str, columns: usize) -> Self {
        let clean = visible(text);
        let cut = cut(self.theme, &clean, columns);
        let end = self.used + columns;
        let theme = self.theme;
        let line = self.styled(theme.style(tone), &cut);
        if line.used < end { line.to(end) } else { line }
    }

    /// Adds a text that ends at a column, right-aligned; where there is no room, behind one space.
    #[must_use]
    pub fn right(self, tone: Tone, text: &str, column: usize) -> Self {
        let from = column.saturating_sub(width(&visible(text)));
        self.to(from).put(tone, text)
    }

    /// Adds another line.
    #[must_use]
    pub fn join(mut self, other: Cells) -> Self {
        self.used += other.used;
        self.spans.extend(other.spans);
        self
    }

    /// The whole line in reverse video over its full width: the cursor's row.
    #[must_use]
    pub fn reversed(mut self, reversed: bool) -> Self {
        self.reversed = reversed;
        self
    }

    /// How many columns are used.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Its text.
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.content.as_ref()).collect()
    }

    /// The line for an area of so many columns; what is longer is cut with a mark.
    pub fn line(self, columns: usize) -> Line<'static> {
        let Self { theme, spans, used, reversed } = self;
        let mut left = columns;
        let mut kept = Vec::with_capacity(spans.len());
        for span in spans {
            let wide = width(&span.content);
            // the mark needs its own column where something follows
            let fits = if used > columns { left.saturating_sub(1) } else { left };
            if wide <= fits {
                left -= wide;
                kept.push(span);
                continue;
            }
            // longer than its place, so that the mark stands even where the text itself would just fit
            let text = cut(theme, &format!("{} ", span.content), left);
            left -= width(&text).min(left);
            kept.push(Span::styled(text, span.style));
            break;
        }
        if reversed {
            kept.push(Span::raw(" ".repeat(left)));
            for span in &mut kept {
                span.style = span.style.add_modifier(ratatui::style::Modifier::REVERSED);
            }
        }
        Line::from(kept)
    }
}

/// A clean text cut to so many columns, with the theme's mark where something is missing.
pub fn cut(theme: Theme, text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if theme.ascii {
        let mark = theme.more();
        let room = columns.saturating_sub(mark.len());
        let body = clip(text, room + 1);
        let body = body.strip_suffix('…').unwrap_or(&body);
        return format!("{body}{mark}").chars().take(columns).collect();
    }
    clip(text, columns).into_owned()
}

/// Paints lines from the top of an area; what does not fit below is left out.
pub fn paint(buf: &mut Buffer, area: Rect, lines: impl IntoIterator<Item = Cells>) {
    for (row, line) in (area.y..area.bottom()).zip(lines) {
        let line = line.line(usize::from(area.width));
        buf.set_line(area.x, row, &line, area.width);
    }
}

/// `── title ─────`: one row between panes. `right` stands at its end, where there is room for it.
pub fn rule(theme: Theme, title: &str, right: &str, columns: usize) -> Cells {
    let bar = theme.rule();
    let title = visible(title).into_owned();
    let tail = if right.is_empty() { String::new() } else { format!(" {} {bar}", visible(right)) };
    let head = if title.is_empty() { bar.repeat(2) } else { format!("{} {title} ", bar.repeat(2)) };
    let head = cut(theme, &head, columns);
    let room = columns.saturating_sub(width(&head));
    let tail = if width(&tail) + 1 > room { String::new() } else { tail };
    let fill = bar.repeat(room.saturating_sub(width(&tail)));
    let tone = Tone::Dim;
    if title.is_empty() || width(&head) < 3 {
        return Cells::of(theme, tone, &format!("{head}{fill}{tail}"));
    }
    let words = head.trim_start_matches(bar).to_owned();
    Cells::of(theme, tone, &bar.repeat(2)).put(Tone::Strong, &words).put(tone, &fill).put(tone, &tail)
}

#[cfg(test)]
mod tests {
    use super::{Cells, rule};
    use crate::tui::theme::{Theme, Tone};

    fn text(cells: Cells, columns: usize) -> String {
        cells.line(columns).spans.iter().map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn what_a_host_says_is_text_only() {
        let line = Cells::of(Theme::UNICODE, Tone::Plain, "a\x1b[31mb\u{202e}c\rd");
        assert!(!line.text().contains(['\x1b', '\u{202e}', '\r']), "{}", line.text());
    }

    #[test]
    fn long_lines_are_cut_with_a_mark() {
        let line = || Cells::of(Theme::UNICODE, Tone::Plain, "abc").put(Tone::Bad, "defgh");
        assert_eq!(text(line(), 8), "abcdefgh");
        assert_eq!(text(line(), 6), "abcde…");
        assert_eq!(text(line(), 3), "ab…");
        assert_eq!(text(Cells::of(Theme::ASCII, Tone::Plain, "abcdefgh"), 6), "abcd..");
    }

    #[test]
    fn cells_have_their_columns() {
        let line =
            Cells::new(Theme::UNICODE).cell(Tone::Plain, "abcdef", 4).cell(Tone::Plain, "x", 3).right(Tone::Dim, "end", 12);
        assert_eq!(text(line, 12), "abc…x    end");
    }

    #[test]
    fn rules_fill_the_row() {
        assert_eq!(text(rule(Theme::UNICODE, "web-04", "41 lines", 30), 30), "── web-04 ───────── 41 lines ─");
        assert_eq!(text(rule(Theme::ASCII, "", "", 5), 5), "-----");
        assert_eq!(text(rule(Theme::UNICODE, "a long title", "right", 12), 12), "── a long t…");
    }
}
