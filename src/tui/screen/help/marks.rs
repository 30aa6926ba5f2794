//! Every mark with its word and its meaning.

use crate::state::class::Class;
use crate::tui::theme::{Theme, Tone};
use crate::tui::view::cells::Cells;

/// A row for each mark: as it is drawn, as it is in ASCII, its word, its meaning.
pub(super) fn lines(theme: Theme, columns: usize) -> Vec<Cells> {
    let head = if theme.ascii { "MARK  WORD" } else { "MARK ASCII  WORD" };
    let mut lines = vec![Cells::of(theme, Tone::Dim, head)];
    let word = if columns < 60 { 14 } else { 16 };
    for class in Class::ALL {
        let line = Cells::of(theme, Theme::tone(class), theme.mark(class)).to(5);
        let line = if theme.ascii { line.to(6) } else { line.put(Tone::Plain, Theme::ASCII.mark(class)).to(12) };
        let line = line.cell(Theme::tone(class), class.word(), word);
        lines.push(line.put(Tone::Plain, meaning(class)));
    }
    let others = [
        (theme.cursor(), Theme::ASCII.cursor(), "the row of the cursor"),
        (theme.ours(), Theme::ASCII.ours(), "in a timeline: we did it"),
    ];
    for (mark, ascii, what) in others {
        let line = Cells::of(theme, Tone::Strong, mark).to(5);
        let line = if theme.ascii { line.to(6) } else { line.put(Tone::Plain, ascii).to(12) };
        lines.push(line.cell(Tone::Plain, "", word).put(Tone::Plain, what));
    }
    lines
}

fn meaning(class: Class) -> &'static str {
    match class {
        Class::RollbackFailed => "undoing failed as well: the worst there is",
        Class::Unknown => "it was or may have been sent; the end is not known",
        Class::Failed => "a step failed",
        Class::TimedOut => "a step took longer than it may",
        Class::Held => "held until you decide",
        Class::Drifted => "not what the preview saw; nothing was changed",
        Class::Refused => "a guard or check said no; nothing was changed",
        Class::Unreachable => "no connection; nothing was tried",
        Class::RollingBack => "its changes are being undone",
        Class::RolledBack => "it failed and its changes were undone",
        Class::Cancelled => "stopped by a person or by a limit",
        Class::Retrying => "another attempt is running",
        Class::Running => "a step is running",
        Class::Connecting => "its turn has come, nothing runs yet",
        Class::Waiting => "its turn has not come",
        Class::NotKnown => "preview: depends on what has not happened",
        Class::Skipped => "its condition was false, or it was left out",
        Class::WouldWait => "preview: it would wait",
        Class::WouldChange => "preview: it would change something",
        Class::Changed => "it did something, and it holds",
        Class::Ok => "it holds",
    }
}
