//! The story of a run: the list, its lanes, what shows an entry.

use std::time::Duration;

use runbook::model::event::Event;
use runbook::model::id::RunId;
use runbook::model::time::Timestamp;
use runbook::state::timeline::{PhaseTime, timeline};
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

/// A run that has ended, as history opens it.
fn recorded(events: &[Event]) -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.ui.shown = Shown::Recorded(run());
    desk.ui.go(Screen::Timeline);
    desk.model.opened = Some(opened(events));
    desk.page();
    desk
}

fn row(page: &str, text: &str) -> String {
    page.lines().find(|row| row.contains(text)).unwrap_or_else(|| panic!("{text} is not in\n{page}")).to_owned()
}

fn under_cursor(page: &str) -> String {
    page.lines().skip(2).find(|row| row.starts_with(['›', '>'])).unwrap_or_else(|| panic!("no cursor in\n{page}")).to_owned()
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

#[test]
fn one_host_one_severity_one_source_at_a_time() {
    let mut desk = desk();
    let page = desk.keys("Gx").page();
    assert!(page.contains("10 of 36 events, web-04 + run"), "{page}");
    assert!(!page.contains("web-03 "), "{page}");
    assert!(desk.keys("x").page().contains("36 of 36 events, all hosts"));
    assert!(desk.keys(".").page().contains("27 of 36 events, all hosts, info and up"), "{}", desk.page());
    let page = desk.keys(".").page();
    assert!(page.contains("4 of 36 events, all hosts, bad only"), "{page}");
    assert!(desk.keys(".").page().contains(". is off: only what is bad is shown."), "{}", desk.page());
    assert!(desk.keys(",,").page().contains("36 of 36 events, all hosts"));
    let people = desk.keys("ccc").page();
    assert!(people.contains("by people") && people.contains("confirmed") && !people.contains("restart api"), "{people}");
    let page = desk.keys("c.").page();
    assert!(page.contains("info and up"), "{page}");
    assert!(desk.keys("gjx").page().contains("web-05 + run"), "{}", desk.page());
    assert!(desk.keys("xgx").page().contains("x is off: this line is about no host."), "{}", desk.page());
}

#[test]
fn the_cursor_stays_at_its_moment_when_lines_come_and_go() {
    let mut desk = desk();
    let here = under_cursor(&desk.keys("Gkk").page());
    assert!(here.contains("switch-off"), "{here}");
    // without what was seen only, and back
    assert_eq!(under_cursor(&desk.keys(".").page()), here);
    assert_eq!(under_cursor(&desk.keys(",").page()), here);
    // what is hidden hands the cursor to the line before it
    let seen = under_cursor(&desk.keys("j").page());
    assert!(seen.contains("looping"), "{seen}");
    assert!(under_cursor(&desk.keys("cc").page()).contains("looping"));
}

#[test]
fn the_next_problem_and_the_next_match_go_around() {
    let mut desk = desk();
    desk.keys("g");
    let at = |desk: &mut Desk, keys: &str| under_cursor(&desk.keys(keys).page());
    assert!(at(&mut desk, "]").contains("unreachable"));
    assert!(at(&mut desk, "]").contains("unreachable"));
    assert!(at(&mut desk, "]").contains("looping"));
    assert!(at(&mut desk, "]").contains("FAILED"));
    assert!(at(&mut desk, "]").contains("unreachable"));
    assert!(at(&mut desk, "[").contains("FAILED"));
    assert!(desk.keys("n").page().contains("n is off: nothing is searched for."));
    assert!(at(&mut desk, "g/steady for<Enter>").contains("web-01"));
    assert!(desk.page().contains("3 with \"steady for\""), "{}", desk.page());
    assert!(at(&mut desk, "n").contains("web-02"));
    assert!(at(&mut desk, "N").contains("web-01"));
    assert!(at(&mut desk, "N").contains("web-03"));
    // Esc while typing goes back to where it began
    assert!(at(&mut desk, "/canary<Esc>").contains("web-03"));
    assert!(desk.keys("/no such thing<Enter>").page().contains("is in none of the lines"));
}

#[test]
fn what_several_hosts_did_is_one_line_until_it_is_unfolded() {
    let mut story = failed();
    let all = crate::screen::story::hosts();
    for name in &all[..3] {
        story.down(name, "timeout", "connect timeout after 2.0 s").later(0.1);
    }
    let mut desk = recorded(&story.events);
    let page = desk.keys("G").page();
    assert!(row(&page, "web-[01-03]").contains("unreachable"), "{page}");
    assert!(page.contains("39 of 39 events, all hosts in 37 lines"), "{page}");
    let page = desk.keys("l").page();
    assert!(page.contains("unfolded") && !page.contains("web-[01-03]"), "{page}");
    assert!(desk.keys("hh").page().contains("folded within 0:10"));
    assert!(desk.keys("+").page().contains("in 37 lines"), "{}", desk.page());
}

#[test]
fn what_shows_an_entry_is_below_it_and_takes_the_screen_on_enter() {
    let mut desk = desk();
    let page = desk.keys("G").page();
    assert!(page.contains("Error: listen EADDRINUSE"), "{page}");
    assert!(page.contains("runbook show 7f3a9c web-04 restart"), "{page}");
    let page = desk.keys("<Enter>").page();
    assert!(page.contains("next: ss -ltnp") && !page.contains("TIME (UTC)"), "{page}");
    // other entries can be gone through, and Esc closes it without leaving the screen
    assert!(desk.keys("k").page().contains("[looping]"));
    assert!(desk.keys("<Esc>").page().contains("TIME (UTC)"));
    assert_eq!(desk.ui.screen, Screen::Timeline);
    desk.keys("<Esc>");
    assert_ne!(desk.ui.screen, Screen::Timeline);
}

#[test]
fn it_leaves_as_a_line_a_command_a_text_a_file() {
    let mut desk = desk();
    desk.model.shelf.record_flags = " --state-dir /tmp/x".to_owned();
    desk.keys("Gx").effects();
    let [Effect::Copy { text, .. }] = &desk.keys("y").effects()[..] else { panic!("a copy") };
    assert!(text.ends_with("web-04  run  4 restart FAILED: exit 1: pm2 restart api"), "{text}");
    let [Effect::Copy { text, .. }] = &desk.keys("Y").effects()[..] else { panic!("a copy") };
    assert_eq!(text, "runbook timeline 7f3a9c --host web-04 --state-dir /tmp/x");
    let [Effect::Plain(text)] = &desk.keys("o").effects()[..] else { panic!("plain text") };
    assert_eq!(text.lines().count(), 10);
    let name = "timeline-7f3a9c.md".to_owned();
    assert_eq!(desk.keys("E").effects(), [Effect::Ask(Request::Export { name, text: None, run: Some(run()) })]);
}

#[test]
fn it_follows_a_live_run_only_and_asks_again_when_that_has_gone_on() {
    let mut desk = recorded(&failed().events);
    assert!(desk.keys("f").page().contains("f is off: this run has ended"), "{}", desk.page());
    let mut desk = self::desk();
    assert_eq!(screen::timeline::stale(&desk.model, &desk.ui), None);
    desk.keys("f");
    assert_eq!(screen::timeline::stale(&desk.model, &desk.ui), None, "the record is the newest there is");
    let mut story = failed();
    let from = story.events.len();
    story.later(9.0).down(&crate::screen::story::host("web-06"), "timeout", "gone");
    desk.told(&story.events[from..]);
    assert_eq!(screen::timeline::stale(&desk.model, &desk.ui), Some(run()));
    desk.model.opened = Some(opened(&story.events));
    assert!(under_cursor(&desk.page()).contains("gone"), "{}", desk.page());
    assert_eq!(screen::timeline::stale(&desk.model, &desk.ui), None);
    // whoever looks at something else stays there
    assert!(!under_cursor(&desk.keys("k").page()).contains("gone"));
    desk.keys("kk");
    assert_eq!(screen::timeline::stale(&desk.model, &desk.ui), None);
}

#[test]
fn lanes_zoom_around_the_entry_under_the_cursor() {
    let mut desk = desk().sized((140, 40));
    assert!(desk.keys("G").page().contains("lanes, 03:13:00Z to 03:15:"), "{}", desk.page());
    let page = desk.keys("++").page();
    assert!(page.contains("1/4 of the run"), "{page}");
    assert!(!page.contains("lanes, 03:13:00Z"), "{page}");
    assert!(desk.keys("g").page().contains("lanes, 03:13:00Z"), "{}", desk.page());
    assert!(!desk.keys("--").page().contains("of the run"));
}

#[test]
fn phases_are_told_against_their_budgets() {
    let mut desk = desk().sized((140, 40));
    let opened = desk.model.opened.as_mut().expect("it was opened");
    opened.timeline.phases = vec![
        phase("stop the loop", Some(30), Some(45), true),
        phase("prove it", Some(90), Some(31), false),
        phase("later", Some(90), None, false),
    ];
    let page = desk.page();
    assert!(row(&page, "stop the").contains("0:45 of 0:30 OVER  web-04"), "{page}");
    assert!(row(&page, "prove it").contains("0:31 of 1:30  web-04"), "{page}");
    assert!(row(&page, "later  ").contains("- of 1:30"), "{page}");
}

fn phase(name: &str, budget: Option<u64>, took: Option<u64>, over: bool) -> PhaseTime {
    let host = took.map(|_| crate::screen::story::host("web-04"));
    PhaseTime { name: name.to_owned(), budget: budget.map(Duration::from_secs), took: took.map(Duration::from_secs), host, over }
}

#[test]
fn every_size_paints() {
    let mut evil = failed();
    let wide = "\u{1b}[31m漢字漢字漢字漢字漢字漢字漢字 \u{202e}abc".repeat(9);
    evil.down(&crate::screen::story::host("web-06"), "timeout", &wide);
    for mut desk in [desk(), desk().in_ascii(), recorded(&evil.events), recorded(&[]), recorded(&failed().events).in_ascii()] {
        for keys in ["", "+", "<Enter>", "<Esc>t", "xc."] {
            for columns in (40..=300).step_by(13) {
                for rows in [8, 9, 10, 14, 23, 24, 40, 100] {
                    desk.ui.size = (columns, rows);
                    let page = desk.page();
                    assert!(page.lines().all(|row| row.chars().count() <= usize::from(columns)), "{page}");
                }
            }
            desk.keys("G");
            desk.keys(keys);
        }
    }
}
