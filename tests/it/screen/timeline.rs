//! The story of a run: the list, its lanes, what shows an entry.

use runbook::model::event::Event;
use runbook::model::id::RunId;
use runbook::model::time::Timestamp;
use runbook::state::timeline::timeline;
use runbook::tui::action::{Effect, Request};
use runbook::tui::model::{Opened, Watched};
use runbook::tui::screen;
use runbook::tui::ui::{Screen, Shown};

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, failed};

fn run() -> RunId {
    RunId::parse("7f3a9c").expect("a run id")
}

fn opened(events: &[Event]) -> Opened {
    Opened { run: run(), watched: Watched::of(events), timeline: timeline(events) }
}

/// The live run's story as it was read a moment ago.
fn desk() -> Desk {
    let events = failed().events;
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.told(&events);
    desk.keys("5");
    desk.model.opened = Some(opened(&events));
    desk
}

fn row(page: &str, text: &str) -> String {
    page.lines().find(|row| row.contains(text)).unwrap_or_else(|| panic!("{text} is not in\n{page}")).to_owned()
}

fn under_cursor(page: &str) -> String {
    page.lines().skip(2).find(|row| row.starts_with('›')).unwrap_or_else(|| panic!("no cursor in\n{page}")).to_owned()
}

#[test]
fn it_looks_like_this() {
    for (columns, rows) in SIZES {
        let mut desk = desk().sized((columns, rows));
        insta::assert_snapshot!(format!("timeline-{columns}x{rows}"), desk.keys("G").page());
        let mut desk = desk.in_ascii();
        insta::assert_snapshot!(format!("timeline-{columns}x{rows}-ascii"), desk.keys("G").page());
    }
    insta::assert_snapshot!("timeline-styles", desk().keys("Gk").styled());
    insta::assert_snapshot!("timeline-evidence", desk().keys("G<Enter>").page());
}

#[test]
fn it_asks_for_the_record_and_waits_for_the_one_that_is_wanted() {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.told(&failed().events);
    assert_eq!(desk.keys("5").effects(), [Effect::Ask(Request::Open(run()))]);
    assert!(desk.page().contains("reading the record"), "{}", desk.page());
    desk.model.opened = Some(Opened { run: RunId::parse("5c01e8").expect("an id"), ..opened(&failed().events) });
    assert!(desk.page().contains("reading the record"));
    desk.model.opened = Some(opened(&failed().events));
    assert!(!desk.page().contains("reading the record"));
    assert_eq!(desk.keys("r").effects(), [Effect::Ask(Request::Open(run()))]);
    desk.ui.shown = Shown::Recorded(RunId::parse("5c01e8").expect("an id"));
    assert!(desk.page().contains("reading the record"));
}
