//! What all screens share.

use std::time::Duration;

use runbook::model::id::RunId;
use runbook::model::time::Timestamp;
use runbook::state::timeline::timeline;
use runbook::tui::action::Effect;
use runbook::tui::input::Input;
use runbook::tui::model::{Opened, Watched};
use runbook::tui::ui::{Panel, Screen, Shown};

use crate::screen::page::Desk;
use crate::screen::story::{START, failed, host, previewed};

fn desk() -> Desk {
    Desk::new(Timestamp::from_millis(START))
}

#[test]
fn the_frame_stands_on_every_screen() {
    let mut desk = desk();
    desk.told(&previewed().events);
    for keys in ["1", "2", "3", "4", "6"] {
        let page = desk.keys(keys).page();
        let rows: Vec<&str> = page.lines().collect();
        assert!(rows[0].starts_with("DRY RUN "), "{keys}: {}", rows[0]);
        assert!(rows[1].starts_with("NOW "), "{keys}: {}", rows[1]);
        assert!(rows[23].ends_with("? help"), "{keys}: {}", rows[23]);
    }
}

#[test]
fn a_paste_outside_a_text_is_dropped_and_said() {
    let mut desk = desk();
    desk.input(Input::Paste("A\nrestart-loop 6\n".to_owned()));
    assert_eq!(desk.effects(), []);
    assert!(desk.page().contains("Pasted 17 characters were ignored."), "{}", desk.page());
}

#[test]
fn while_a_text_is_typed_the_last_row_says_what_ends_it() {
    let mut desk = desk();
    desk.told(&previewed().events);
    desk.keys("4");
    for (key, foot) in
        [("/", "Enter keep  Esc clear"), (":", "Enter do it  Tab complete  Esc cancel"), ("m", "Enter write it down  Esc cancel")]
    {
        let page = desk.keys(key).page();
        assert_eq!(page.lines().last(), Some(foot));
        desk.keys("<Esc>");
    }
}

#[test]
fn three_capitals_without_a_meaning_look_like_caps_lock() {
    let mut desk = desk();
    assert!(desk.keys("QWZ").page().contains("Caps Lock?"));
}

#[test]
fn ctrl_c_quits_at_once_where_nothing_runs_and_asks_the_run_to_stop_where_one_does() {
    let mut desk = desk();
    assert_eq!(desk.keys("<Ctrl-C>").effects(), [Effect::Quit(130)]);
    desk.told(&previewed().events);
    assert_eq!(desk.keys("<Ctrl-C>").effects(), [Effect::Interrupt]);
}

#[test]
fn what_another_run_tells_late_is_none_of_the_one_that_has_begun() {
    let mut desk = desk();
    desk.model.live = Some(Watched::begun(RunId::parse("0d0d0d").expect("a run id")));
    desk.told(&previewed().events);
    let live = desk.model.live.as_ref().expect("it has begun");
    assert_eq!((live.run.order.len(), live.waits_to_be_confirmed()), (0, false));
}

#[test]
fn a_screen_that_was_told_too_little_says_so() {
    let mut desk = desk();
    desk.told(&previewed().events);
    desk.model.live.as_mut().expect("it is live").behind = true;
    let page = desk.page();
    assert!(page.contains("THIS SCREEN FELL BEHIND") && !page.contains("Nothing has been changed"), "{page}");
}

#[test]
fn what_waits_is_decided_from_every_screen_that_says_so() {
    for screen in ["1", "2", "3", "4", "5", "6"] {
        let mut desk = desk();
        desk.told(&failed().events);
        let page = desk.keys(screen).page();
        assert!(page.contains("WAITING FOR YOU") && page.contains("(d)"), "{screen}: {page}");
        let page = desk.keys("d").page();
        assert!(matches!(desk.ui.panel, Some(Panel::Decide(_))), "{screen}: {page}");
    }
    // and where nothing waits, the key says that
    let mut desk = desk();
    assert!(desk.keys("d").page().contains("d is off: no run is shown."), "{}", desk.page());
}

#[test]
fn a_record_is_told_from_the_live_run_and_is_not_in_its_way() {
    let of_record = || {
        let mut desk = desk();
        desk.told(&failed().events);
        let run = RunId::parse("5c01e8").expect("an id");
        let watched = Watched::of(&previewed().events);
        desk.model.opened = Some(Opened { run: run.clone(), watched, timeline: timeline(&previewed().events) });
        desk.ui.shown = Shown::Recorded(run);
        desk.ui.screen = Screen::Timeline;
        desk
    };
    let page = of_record().page();
    assert!(page.lines().next().is_some_and(|row| row.contains("RECORD ")), "{page}");
    assert!(page.lines().last().is_some_and(|row| row.contains("d decide  4 live run")), "{page}");
    // the screens of the record can be gone through; the key of the one that is shown leads to the live run
    let mut desk = of_record();
    assert!(desk.keys("4").page().contains("RECORD "), "{}", desk.page());
    let page = desk.keys("4").page();
    assert!(!page.contains("RECORD ") && page.contains("This is the live run again."), "{page}");
    // and from elsewhere at once
    assert!(!of_record().keys("64").page().contains("RECORD "));
}

#[test]
fn below_the_smallest_size_one_line_says_what_is_going_on() {
    let mut desk = desk().sized((39, 7));
    desk.wait(Duration::from_secs(1));
    assert_eq!(desk.page().trim_end(), "NOW   Nothing is running.");
}

#[test]
fn a_run_that_was_killed_is_not_shown_as_one_that_runs() {
    let mut story = failed();
    let next = host("web-06");
    story.batch(4, 4, std::slice::from_ref(&next)).started(&next, "precheck");
    let mut watched = Watched::of(&story.events);
    watched.abandon();
    let run = RunId::parse("7f3a9c").expect("an id");
    let mut desk = desk().sized((140, 40));
    desk.model.opened = Some(Opened { run: run.clone(), watched, timeline: timeline(&story.events) });
    desk.ui.shown = Shown::Recorded(run);
    desk.ui.screen = Screen::Run;
    let page = desk.page();
    assert!(page.starts_with("DONE "), "{page}");
    assert!(page.contains("It did not come to its end."), "{page}");
    for lie in ["running", "connecting", "WAITS FOR YOU", "held for", "waiting"] {
        assert!(!page.contains(lie), "{lie}: {page}");
    }
}
