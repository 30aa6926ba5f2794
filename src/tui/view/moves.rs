//! How far a key moves a cursor.

use crate::tui::action::Action;

/// By how many rows an action moves the cursor of a list of which `height` rows are on the screen, negative is up; none
/// where it is no move.
pub fn rows(action: Action, height: usize) -> Option<isize> {
    let page = isize::try_from(height.max(2)).unwrap_or(isize::MAX);
    Some(match action {
        Action::Down => 1,
        Action::Up => -1,
        Action::HalfDown => page / 2,
        Action::HalfUp => -(page / 2),
        Action::PageDown => page,
        Action::PageUp => -page,
        Action::First => isize::MIN,
        Action::Last => isize::MAX,
        _ => return None,
    })
}
