//! The run screen.

use runbook::model::time::Timestamp;
use runbook::tui::ui::Screen;

use crate::screen::page::Desk;
use crate::screen::story::{START, failed};

fn desk() -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.told(&failed().events);
    desk.ui.screen = Screen::Run;
    desk
}

#[test]
fn the_story_in_all_sizes() {
    for size in crate::screen::page::SIZES {
        insta::assert_snapshot!(format!("failed_{}x{}", size.0, size.1), desk().sized(size).page());
    }
}
