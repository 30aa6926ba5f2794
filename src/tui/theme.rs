//! Marks, rules and styles: two sets of glyphs, three themes. The word always stands on the same row, so neither colour
//! nor shape carries meaning alone.

use ratatui::style::{Color, Modifier, Style};

use crate::state::class::Class;

/// How things look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether only ASCII is used.
    pub ascii: bool,
    /// Which colours.
    pub palette: Palette,
}

/// Which colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// Red, yellow, magenta, cyan, bold, dim, reverse.
    Default,
    /// The same without dim.
    HighContrast,
    /// Bold, dim and reverse only.
    Mono,
}

/// What a text is to the reader; the theme makes a style of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to look at.
    Plain,
    /// Of little weight.
    Dim,
    /// A heading, or what is chosen.
    Strong,
    /// Activity.
    Active,
    /// Activity that matters now.
    Running,
    /// It failed or may have.
    Bad,
    /// It could not be reached.
    Far,
    /// Something is open, drifted or was stopped.
    Warn,
    /// Something waits for a person, or is open: in reverse.
    Held,
    /// The worst there is: in reverse.
    Worst,
    /// A word in reverse video: LIVE, UNDO, the cursor's row.
    Reverse,
}

impl Theme {
    /// Unicode and the default colours.
    pub const UNICODE: Theme = Theme { ascii: false, palette: Palette::Default };
    /// ASCII without colours.
    pub const ASCII: Theme = Theme { ascii: true, palette: Palette::Mono };

    /// The style of a tone.
    pub fn style(self, tone: Tone) -> Style {
        let style = Style::new();
        let color = |color: Color| match self.palette {
            Palette::Mono => style,
            Palette::Default | Palette::HighContrast => style.fg(color),
        };
        match tone {
            Tone::Plain => style,
            Tone::Dim if self.palette == Palette::HighContrast => style,
            Tone::Dim => style.add_modifier(Modifier::DIM),
            Tone::Strong => style.add_modifier(Modifier::BOLD),
            Tone::Active => color(Color::Cyan),
            Tone::Running => color(Color::Cyan).add_modifier(Modifier::BOLD),
            Tone::Bad => color(Color::Red).add_modifier(Modifier::BOLD),
            Tone::Far => color(Color::Magenta).add_modifier(Modifier::BOLD),
            Tone::Warn => color(Color::Yellow).add_modifier(Modifier::BOLD),
            Tone::Held => color(Color::Yellow).add_modifier(Modifier::REVERSED),
            Tone::Worst => color(Color::Red).add_modifier(Modifier::REVERSED),
            Tone::Reverse => style.add_modifier(Modifier::REVERSED),
        }
    }

    /// The mark of what a host or a unit stands as. In ASCII a capital letter means that a person should look.
    pub fn mark(self, class: Class) -> &'static str {
        let (unicode, ascii) = match class {
            Class::RollbackFailed => ("⊠", "B"),
            Class::Unknown => ("⁇", "Q"),
            Class::Failed => ("✗", "X"),
            Class::TimedOut => ("◷", "T"),
            Class::Held => ("⚑", "H"),
            Class::Drifted => ("⇄", "D"),
            Class::Refused => ("⊖", "N"),
            Class::Unreachable => ("↯", "U"),
            Class::RollingBack => ("↺", "<"),
            Class::RolledBack => ("↶", "r"),
            Class::Cancelled => ("⊗", "A"),
            Class::Retrying => ("↻", "~"),
            Class::Running => ("▸", ">"),
            Class::Connecting => ("◌", ":"),
            Class::Waiting | Class::WouldWait => ("∙", "."),
            Class::NotKnown => ("?", "?"),
            Class::Skipped => ("⊘", "-"),
            Class::WouldChange | Class::Changed => ("∆", "+"),
            Class::Ok => ("✓", "="),
        };
        self.either(unicode, ascii)
    }

    /// The tone of what a host or a unit stands as: success is quiet.
    pub fn tone(class: Class) -> Tone {
        match class {
            Class::RollbackFailed => Tone::Worst,
            Class::Unknown | Class::Failed | Class::TimedOut => Tone::Bad,
            Class::Held => Tone::Held,
            Class::Drifted | Class::Refused | Class::Cancelled | Class::RollingBack | Class::RolledBack => Tone::Warn,
            Class::Unreachable => Tone::Far,
            Class::Running => Tone::Running,
            Class::Retrying | Class::Connecting | Class::WouldChange | Class::Changed => Tone::Active,
            Class::Waiting | Class::WouldWait | Class::NotKnown | Class::Skipped => Tone::Dim,
            Class::Ok => Tone::Plain,
        }
    }

    /// One of two forms.
    fn either(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { unicode }
    }

    /// The mark of the cursor's row.
    pub fn cursor(self) -> &'static str {
        self.either("›", ">")
    }

    /// Between the parts of a path of screens.
    pub fn path(self) -> &'static str {
        self.either("›", ">")
    }

    /// Our own action in a timeline.
    pub fn ours(self) -> &'static str {
        self.either("»", ">")
    }

    /// Becomes.
    pub fn arrow(self) -> &'static str {
        self.either("→", "->")
    }

    /// There is more.
    pub fn more(self) -> &'static str {
        self.either("…", "..")
    }

    /// A horizontal rule, one column.
    pub fn rule(self) -> &'static str {
        self.either("─", "-")
    }

    /// Between two columns of panes.
    pub fn bar(self) -> &'static str {
        self.either("│", "|")
    }

    /// A rule that begins at a bar.
    pub fn tee(self) -> &'static str {
        self.either("├", "|")
    }

    /// A rule that ends at a bar.
    pub fn eet(self) -> &'static str {
        self.either("┤", "|")
    }

    /// A rule from above into a bar below.
    pub fn down(self) -> &'static str {
        self.either("┬", "-")
    }

    /// Where two rules and two bars meet.
    pub fn cross(self) -> &'static str {
        self.either("┼", "+")
    }

    /// Corners of a panel: top left, top right, bottom left, bottom right.
    pub fn corners(self) -> [&'static str; 4] {
        if self.ascii { ["+", "+", "+", "+"] } else { ["┌", "┐", "└", "┘"] }
    }

    /// A full and an empty column of a progress bar.
    pub fn progress(self) -> [&'static str; 2] {
        if self.ascii { ["#", "-"] } else { ["█", "░"] }
    }

    /// A level of a sparkline, from 0 to 7.
    pub fn spark(self, level: u8) -> char {
        const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        const DIGITS: [char; 8] = ['0', '1', '3', '4', '5', '6', '8', '9'];
        let set = if self.ascii { DIGITS } else { BLOCKS };
        set[usize::from(level.min(7))]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use unicode_width::UnicodeWidthStr;

    use super::Theme;
    use crate::state::class::Class;

    #[test]
    fn marks_take_one_cell_and_tell_states_apart() {
        for theme in [Theme::UNICODE, Theme::ASCII] {
            let marks: Vec<&str> = Class::ALL.into_iter().map(|class| theme.mark(class)).collect();
            // cells of an East Asian terminal are as wide as others
            assert!(marks.iter().all(|mark| mark.width() == 1 && mark.width_cjk() == 1), "{marks:?}");
            let different: BTreeSet<&str> = marks.iter().copied().collect();
            // what waits and what would wait, what changed and what would: the word says which
            assert_eq!(different.len(), Class::COUNT - 2, "{marks:?}");
            assert!(!theme.ascii || marks.iter().all(|mark| mark.is_ascii()));
        }
    }

    #[test]
    fn in_ascii_a_capital_means_that_a_person_should_look() {
        for class in Class::ALL {
            let mark = Theme::ASCII.mark(class);
            let capital = mark.chars().all(|c| c.is_ascii_uppercase());
            let look = (class.is_problem() && class != Class::RolledBack) || matches!(class, Class::Held | Class::Cancelled);
            assert_eq!(capital, look, "{class:?} {mark}");
        }
    }
}
