//! What the run would do, and the question whether to go on.

use runbook::model::time::Timestamp;

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, previewed};

/// The preview of the incident waits to be confirmed; it is eight seconds old.
fn desk() -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.told(&previewed().events);
    desk.wait(std::time::Duration::from_secs(7));
    desk.keys("3").effects();
    desk
}

fn looks(name: &str, script: &str) {
    for size in SIZES {
        for ascii in [false, true] {
            let mut desk = desk().sized(size);
            if ascii {
                desk = desk.in_ascii();
            }
            desk.keys(script);
            let glyphs = if ascii { "ascii" } else { "unicode" };
            insta::assert_snapshot!(format!("{name}_{}x{}_{glyphs}", size.0, size.1), desk.page());
        }
    }
}

#[test]
fn the_plan_is_folded_with_the_most_dangerous_first() {
    looks("preview", "");
}

#[test]
fn the_question_names_what_it_is_about() {
    looks("confirm", "<Enter>restart-loop ");
}
