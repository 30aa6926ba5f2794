//! What is open: the sentence on every screen, and the panel that lists it.

use std::time::Duration;

use runbook::model::event::OpenItem;
use runbook::model::id::RunId;
use runbook::model::time::Timestamp;
use runbook::tui::action::Effect;
use runbook::tui::model::LeftOpen;
use runbook::tui::screen::open::line;

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, Story, failed, host};

fn earlier() -> LeftOpen {
    let item = |name: &str, hours: i64| OpenItem {
        host: host(name),
        key: "k".to_owned(),
        title: "kill switch enabled".to_owned(),
        since: Timestamp::from_millis(START - hours * 3_600_000),
    };
    LeftOpen {
        run: RunId::parse("5c01e8").expect("an id"),
        runbook: "restart-loop".to_owned(),
        sim: false,
        holder: None,
        items: vec![item("web-02", 49), item("web-03", 48)],
        closes: "runbook close 5c01e8".to_owned(),
    }
}

fn desk() -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.told(&failed().events);
    desk.model.shelf.open = vec![earlier()];
    desk.wait(Duration::from_secs(14));
    desk
}

fn sentence(desk: &Desk) -> String {
    line(&desk.model, &desk.ui).unwrap_or_default()
}

#[test]
fn it_looks_like_this() {
    for (columns, rows) in SIZES {
        insta::assert_snapshot!(format!("open-{columns}x{rows}"), desk().sized((columns, rows)).keys("!").page());
    }
    insta::assert_snapshot!("open-80x24-ascii", desk().in_ascii().keys("!j").page());
    insta::assert_snapshot!("open-styles", desk().keys("!").styled());
}

#[test]
fn the_sentence_tells_this_run_first_then_earlier_ones_then_nothing() {
    let mut desk = desk().sized((140, 40));
    let first = "kill switch enabled is false (was true) on web-04 for 0:18; it closes by itself at the end of the host";
    assert_eq!(sentence(&desk), first);
    let mut story = failed();
    let from = story.events.len();
    story.opened(&host("web-06"));
    desk.told(&story.events[from..]);
    desk.wait(Duration::from_secs(14));
    assert_eq!(sentence(&desk), "kill switch enabled is false (was true) on 2 hosts; longest 0:18 (web-04)");
    let from = story.events.len();
    story.closed(&host("web-06")).closed(&host("web-04"));
    desk.told(&story.events[from..]);
    assert_eq!(sentence(&desk), "2 left open by run 5c01e8 (restart-loop): ! shows");
    desk.model.shelf.open[0].holder = Some("by kai on ops-1".to_owned());
    assert_eq!(sentence(&desk), "2 open by run 5c01e8 (restart-loop), which is running elsewhere: ! shows");
    desk.model.shelf.open = vec![earlier(), LeftOpen { run: RunId::parse("41bb07").expect("an id"), ..earlier() }];
    assert_eq!(sentence(&desk), "4 left open by 2 earlier runs: ! shows");
    // what this run has open is not told a second time from the record
    desk.model.shelf.open = vec![LeftOpen { run: RunId::parse("7f3a9c").expect("an id"), ..earlier() }];
    assert_eq!(line(&desk.model, &desk.ui), None);
}

#[test]
fn the_panel_copies_the_command_that_closes_and_closes_nothing_itself() {
    let mut desk = desk();
    let page = desk.keys("!").page();
    assert!(page.contains("Open now: 3"), "{page}");
    assert!(page.contains("it closes by itself at the end of the host"), "{page}");
    desk.keys("y");
    assert_eq!(desk.effects(), []);
    assert!(desk.keys("j").page().contains("close it: runbook close 5c01e8"), "{}", desk.page());
    desk.keys("<Enter>R");
    assert_eq!(desk.effects(), []);
    let [Effect::Copy { text, .. }] = &desk.keys("y").effects()[..] else { panic!("a copy") };
    assert_eq!(text, "runbook close 5c01e8");
    assert!(!desk.keys("<Esc>").page().contains("Open now"));
}

#[test]
fn nothing_open_is_said() {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    assert!(desk.keys("!").page().contains("Nothing is open, of this run or of earlier ones."));
    assert_eq!(desk.keys("jkGy").effects(), []);
}

#[test]
fn many_scroll_and_every_size_paints() {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    let all: Vec<_> = (0..40).map(|n| host(&format!("edge-{n:02}"))).collect();
    let mut story = Story::new("7f3a9c");
    story.planned(&all, &[40]).confirmed();
    for name in &all {
        story.later(0.5).opened(name);
    }
    desk.told(&story.events);
    assert!(sentence(&desk).contains("on 40 hosts; longest 0:19 (edge-00)"), "{}", sentence(&desk));
    let page = desk.keys("!G").page();
    assert!(page.contains("edge-39") && !page.contains("edge-00  "), "{page}");
    for columns in (40..=300).step_by(7) {
        for rows in [8, 9, 10, 14, 23, 24, 40, 100] {
            desk.ui.size = (columns, rows);
            let page = desk.page();
            assert!(page.lines().all(|row| row.chars().count() <= usize::from(columns)), "{page}");
        }
    }
}
