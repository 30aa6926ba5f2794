//! Decisions and the capitals: nothing is chosen beforehand, nothing is done by one key, and it is done to what was shown.

use std::time::Duration;

use runbook::model::control::Control;
use runbook::model::event::EventKind;
use runbook::model::outcome::HostOutcome;
use runbook::model::time::Timestamp;
use runbook::tui::action::{Effect, Request};
use runbook::tui::input::{Input, Key};
use runbook::tui::ui::Panel;

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, Story, failed, host, hosts, previewed, step};

fn desk(story: &Story) -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.told(&story.events);
    desk.keys("4");
    desk.effects();
    desk
}

fn answer(host: &str, option: &str, note: Option<&str>) -> Effect {
    Effect::Control(Control::Answer {
        id: format!("failed:{host}:restart:1"),
        option: option.to_owned(),
        by: "ana".to_owned(),
        note: note.map(str::to_owned),
    })
}

fn by(control: fn(String) -> Control) -> Effect {
    Effect::Control(control("ana".to_owned()))
}

/// web-04 and web-05 failed in the same way.
fn two_failed() -> Story {
    let mut story = failed();
    let second = host("web-05");
    story.started(&second, "precheck");
    story.finished(&second, "precheck", runbook::model::outcome::Outcome::Ok, "fine").started(&second, "restart");
    story.finished(&second, "restart", runbook::model::outcome::Outcome::Failed, "exit 1: pm2 restart api");
    story.decision(&second, "restart");
    story
}

#[test]
fn the_decision_in_all_sizes() {
    for size in SIZES {
        let (columns, rows) = size;
        insta::assert_snapshot!(format!("decide-{columns}x{rows}"), desk(&failed()).sized(size).keys("dS").page());
        insta::assert_snapshot!(
            format!("decide-{columns}x{rows}-ascii"),
            desk(&failed()).sized(size).in_ascii().keys("dS").page()
        );
    }
    insta::assert_snapshot!("decide-styles", desk(&failed()).keys("dS").styled());
}

#[test]
fn nothing_is_chosen_beforehand_and_enter_alone_decides_nothing() {
    let mut desk = desk(&failed());
    assert_eq!(desk.keys("d<Enter>").effects(), []);
    assert!(desk.page().contains("Nothing is chosen"), "{}", desk.page());
    // a letter chooses and does nothing yet
    assert_eq!(desk.keys("R").effects(), []);
    assert_eq!(desk.keys("<Enter>").effects(), [answer("web-04", "retry", None)]);
    assert!(desk.ui.panel.is_none());
}

#[test]
fn each_capital_chooses_its_answer_and_a_note_goes_with_it() {
    for (key, option) in [("R", "retry"), ("S", "skip"), ("X", "exclude"), ("A", "abort")] {
        let mut desk = desk(&failed());
        // letters that are typed into the note choose nothing
        let effects = desk.keys(&format!("d{key}<Tab>RSXA ticket 8841<Tab><Enter>")).effects();
        assert_eq!(effects, [answer("web-04", option, Some("RSXA ticket 8841"))], "{key}");
    }
}

#[test]
fn a_capital_on_the_list_opens_the_panel_with_its_answer_marked_and_asks_for_enter() {
    let mut desk = desk(&failed());
    assert_eq!(desk.keys("S").effects(), []);
    assert!(desk.page().contains("› S  skip"), "{}", desk.page());
    assert_eq!(desk.keys("<Enter>").effects(), [answer("web-04", "skip", None)]);
}

#[test]
fn a_panel_is_deaf_when_it_has_just_opened() {
    let mut desk = desk(&failed());
    desk.keys("S");
    desk.input(Input::Key(Key::Enter));
    assert_eq!(desk.effects(), [], "the very next moment");
    desk.wait(Duration::from_millis(400));
    desk.input(Input::Key(Key::Enter));
    assert_eq!(desk.effects(), [answer("web-04", "skip", None)]);
}

#[test]
fn esc_leaves_everything_held() {
    let mut desk = desk(&failed());
    assert_eq!(desk.keys("dA<Esc>").effects(), []);
    assert!(desk.ui.panel.is_none());
    assert_eq!(desk.keys("<Enter>").effects(), []);
}

#[test]
fn failures_of_the_same_cause_are_decided_together_and_the_count_is_in_the_title() {
    let mut desk = desk(&two_failed());
    let page = desk.keys("d").page();
    assert!(page.contains("2 hosts failed at 4 restart: exit 1: pm2 restart api"), "{page}");
    assert_eq!(desk.keys("X<Enter>").effects(), [answer("web-04", "exclude", None), answer("web-05", "exclude", None)]);
}

#[test]
fn what_was_answered_meanwhile_is_not_answered_again() {
    let mut desk = desk(&two_failed());
    desk.keys("dS");
    let mut story = two_failed();
    let told = story.events.len();
    story.tell(EventKind::DecisionMade {
        id: "failed:web-04:restart:1".to_owned(),
        option: "retry".to_owned(),
        by: "kai".to_owned(),
        via: "tty".to_owned(),
        note: None,
    });
    desk.told(&story.events[told..]);
    assert_eq!(desk.keys("<Enter>").effects(), [answer("web-05", "skip", None)]);
    // nothing is left to decide: the panel says so and Enter does nothing
    let mut ended = two_failed();
    let told = ended.events.len();
    for name in ["web-04", "web-05"] {
        ended.host_ended(&host(name), HostOutcome::Failed, 30);
    }
    let mut desk = self::desk(&two_failed());
    desk.keys("dA");
    desk.told(&ended.events[told..]);
    assert!(desk.page().contains("does not wait for you any more"), "{}", desk.page());
    assert_eq!(desk.keys("<Enter>").effects(), []);
}

#[test]
fn the_gate_asks_to_go_on_or_to_stop() {
    let mut story = failed();
    let all = hosts();
    story.host_ended(&all[3], HostOutcome::Failed, 30);
    story.tell(EventKind::RunPaused { reason: "1 of at most 0 hosts failed".to_owned(), by: "gate".to_owned() });
    story.tell(EventKind::DecisionAsked {
        id: "batch:4".to_owned(),
        step: None,
        hosts: vec![all[5].clone()],
        question: "1 of at most 0 hosts failed; go on with 1 more host?".to_owned(),
        options: vec!["yes".to_owned(), "no".to_owned()],
        finding: None,
    });
    let said = |option: &str| {
        let id = "batch:4".to_owned();
        Effect::Control(Control::Answer { id, option: option.to_owned(), by: "ana".to_owned(), note: None })
    };
    let page = desk(&story).keys("d").page();
    assert!(page.contains("P  yes") && page.contains("go on with web-06"), "{page}");
    assert_eq!(desk(&story).keys("dP<Enter>").effects(), [said("yes")]);
    assert_eq!(desk(&story).keys("dA<Enter>").effects(), [said("no")]);
    assert_eq!(desk(&story).keys("dR<Enter>").effects(), [], "retry is not offered");
}

#[test]
fn pause_acts_at_once_and_going_on_asks() {
    let mut desk = desk(&failed());
    assert_eq!(desk.keys("p").effects(), [by(|by| Control::Pause { by })]);
    assert_eq!(desk.keys("P").effects(), [], "it is not paused yet");
    let mut story = failed();
    let told = story.events.len();
    story.tell(EventKind::RunPaused { reason: "as asked".to_owned(), by: "ana".to_owned() });
    desk.told(&story.events[told..]);
    assert!(desk.page().starts_with("PAUSED "), "{}", desk.page());
    assert_eq!(desk.keys("P").effects(), []);
    assert!(desk.page().contains("Go on changing hosts?"), "{}", desk.page());
    assert_eq!(desk.keys("x<Enter>").effects(), [by(|by| Control::Resume { by })]);
}

#[test]
fn excluding_and_aborting_name_what_they_come_to_and_ask() {
    let mut desk = desk(&failed());
    let page = desk.keys("GX").page();
    assert!(page.contains("Exclude 1 host from this run?") || page.contains("X is off"), "{page}");
    let mut desk = self::desk(&failed());
    let page = desk.keys("/web-06<Enter>X").page();
    assert!(page.contains("Leaves out     web-06"), "{page}");
    let excluded = Effect::Control(Control::Exclude { hosts: vec![host("web-06")], by: "ana".to_owned() });
    assert_eq!(desk.keys("<Enter>").effects(), [excluded]);
    let page = desk.keys("A").page();
    assert!(page.contains("Abort the run?") && page.contains("Exit code      4"), "{page}");
    assert_eq!(desk.keys("<Esc>").effects(), []);
    assert_eq!(desk.keys("A<Enter>").effects(), [by(|by| Control::Stop { by })]);
}

#[test]
fn the_first_screen_asks_before_a_live_run_is_left_and_stays_by_itself() {
    let mut desk = desk(&failed());
    assert_eq!(desk.keys("1q").effects(), []);
    assert!(matches!(desk.ui.panel, Some(Panel::Quit(_))), "{}", desk.page());
    assert_eq!(desk.keys("<Enter>").effects(), [], "stay");
    assert_eq!(desk.keys("qA<Enter>").effects(), [Effect::StopAndLeave]);
    let mut idle = Desk::new(Timestamp::from_millis(START));
    assert_eq!(idle.keys("q").effects(), [Effect::Quit(0)]);
}

#[test]
fn a_note_goes_into_the_live_run_or_into_the_record_that_is_shown() {
    let mut desk = desk(&failed());
    let note = Control::Note { by: "ana".to_owned(), text: "pager acknowledged".to_owned() };
    assert_eq!(desk.keys("mpager acknowledged<Enter>").effects(), [Effect::Control(note)]);
    assert_eq!(desk.keys("m   <Enter>").effects(), [], "an empty note is none");
    desk.ui.shown = runbook::tui::ui::Shown::Recorded(runbook::model::id::RunId::parse("5c01e8").expect("an id"));
    let effects = desk.keys("5mx<Enter>").effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Ask(Request::Note { text, .. }) if text == "x")), "{effects:?}");
}

#[test]
fn esc_in_the_preview_stops_it_and_nothing_else_does() {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.told(&previewed().events);
    desk.keys("3");
    desk.effects();
    assert_eq!(desk.keys("jkl]").effects(), []);
    assert_eq!(desk.keys("<Esc>").effects(), [by(|by| Control::Stop { by })]);
    let _ = step("restart");
}
