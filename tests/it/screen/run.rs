//! The run screen.

mod fleet;

use std::time::Duration;

use proptest::prelude::*;
use runbook::model::event::{EventKind, Failure, OpenItem};
use runbook::model::outcome::{HostOutcome, RunState};
use runbook::model::time::Timestamp;
use runbook::tui::action::{Action, Effect, Request};
use runbook::tui::screen::run::{about, counts, left, off, subject};
use runbook::tui::ui::Screen;

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, Story, failed, host, hosts, previewed, step, tally};

fn desk(story: &Story) -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.told(&story.events);
    desk.ui.screen = Screen::Run;
    desk
}

fn names(desk: &Desk) -> Vec<String> {
    subject(&desk.ui, &desk.model).iter().map(ToString::to_string).collect()
}

/// The text between the cursor's mark and the next wide gap.
fn cursor_row(desk: &mut Desk) -> String {
    let page = desk.page();
    let row = page.lines().find(|line| line.starts_with('›')).unwrap_or_else(|| panic!("no cursor:\n{page}"));
    row.to_owned()
}

/// Where the second batch begins: what was waiting moves up from there on.
fn second_batch(story: &Story) -> usize {
    let begins = |kind: &EventKind| matches!(kind, EventKind::BatchStarted { n: 2, .. });
    story.events.iter().position(|event| begins(&event.kind)).expect("a second batch")
}

/// The end of the story: web-04 was given up and its switch is left open.
fn ended() -> Story {
    let all = hosts();
    let mut story = failed();
    story.later(30.0).tell(EventKind::DecisionMade {
        id: "failed:web-04:restart:1".to_owned(),
        option: "abort".to_owned(),
        by: "ana".to_owned(),
        via: "tty".to_owned(),
        note: None,
    });
    story.host_ended(&all[3], HostOutcome::Failed, 39).host_ended(&all[4], HostOutcome::Unreachable, 39).later(1.0);
    let failure = |name: &str, step_id: Option<&str>, message: &str| Failure {
        fold_key: message.to_owned(),
        step: step_id.map(step),
        hosts: vec![host(name)],
        message: message.to_owned(),
        first: None,
    };
    story.tell(EventKind::RunFinished {
        state: RunState::LeftOpen,
        exit_code: 7,
        hosts: tally(&[
            (HostOutcome::Ok, 3),
            (HostOutcome::Failed, 1),
            (HostOutcome::Unreachable, 1),
            (HostOutcome::NotStarted, 1),
        ]),
        changed: 4,
        open: vec![OpenItem {
            host: host("web-04"),
            key: "kill-switch http://127.0.0.1:3000/api/status#enabled".to_owned(),
            title: "kill switch enabled".to_owned(),
            since: Timestamp::from_millis(START),
        }],
        failures: vec![
            failure("web-04", Some("restart"), "exit 1: pm2 restart api"),
            failure("web-05", None, "connect timeout after 2.0 s"),
        ],
        next: vec!["runbook close 7f3a9c".to_owned(), "runbook show 7f3a9c web-04".to_owned()],
        duration_ms: 193_000,
    });
    story
}

#[test]
fn the_story_in_all_sizes() {
    for size in SIZES {
        let name = |set: &str| format!("failed_{}x{}{set}", size.0, size.1);
        insta::assert_snapshot!(name(""), desk(&failed()).sized(size).page());
        insta::assert_snapshot!(name("_ascii"), desk(&failed()).sized(size).in_ascii().page());
    }
}

#[test]
fn a_large_fleet_in_all_sizes() {
    let story = fleet::running(2_000);
    for size in SIZES {
        let name = |set: &str| format!("fleet_{}x{}{set}", size.0, size.1);
        insta::assert_snapshot!(name(""), desk(&story).sized(size).page());
        insta::assert_snapshot!(name("_ascii"), desk(&story).sized(size).in_ascii().page());
    }
    let mut unfolded = desk(&story).sized((140, 40));
    insta::assert_snapshot!("fleet_unfolded", unfolded.keys("ljjjjjl").page());
}

#[test]
fn an_ended_run_says_how_it_ended_and_what_to_type_next() {
    for size in SIZES {
        insta::assert_snapshot!(format!("ended_{}x{}", size.0, size.1), desk(&ended()).sized(size).page());
    }
}

#[test]
fn what_needs_a_person_is_seen_by_its_style() {
    insta::assert_snapshot!("failed_styles", desk(&failed()).styled());
}

#[test]
fn before_a_key_is_pressed_the_cursor_is_on_what_waits_for_a_person() {
    let mut desk = desk(&previewed());
    desk.told(&failed().events[previewed().events.len()..]);
    assert!(cursor_row(&mut desk).contains("web-04"), "{}", desk.page());
    assert_eq!(names(&desk), ["web-04"]);
}

#[test]
fn the_cursor_stays_with_its_host_while_rows_move() {
    let story = failed();
    let (before, after) = story.events.split_at(second_batch(&story));
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.ui.screen = Screen::Run;
    desk.told(before);
    desk.keys("/web-03<Enter>");
    assert_eq!(names(&desk), ["web-03"]);
    desk.told(after);
    assert!(cursor_row(&mut desk).contains("web-03"));
    assert_eq!(names(&desk), ["web-03"]);
}

#[test]
fn problem_keys_go_round() {
    let mut desk = desk(&failed());
    desk.page();
    desk.keys("]");
    assert_eq!(names(&desk), ["web-05"], "after the last one the first");
    desk.keys("]");
    assert_eq!(names(&desk), ["web-04"]);
    desk.keys("[");
    assert_eq!(names(&desk), ["web-05"]);
    let mut fine = self::desk(&{
        let mut story = Story::new("7f3a9c");
        story.planned(&hosts(), &[6]);
        story
    });
    assert!(fine.keys("]").page().contains("] is off: there is no problem."));
}

#[test]
fn enter_opens_a_host_and_unfolds_a_folded_row() {
    let mut desk = desk(&failed());
    desk.keys("<Enter>");
    assert_eq!(desk.ui.screen, Screen::Host(host("web-04")));
    let mut desk = self::desk(&fleet::running(2_000));
    desk.keys("<Enter>");
    assert_eq!(desk.ui.screen, Screen::Run);
    let page = desk.page();
    assert!(page.contains("✗ edge-00956") && page.contains("✗ edge-00957"), "{page}");
    assert_eq!(desk.effects(), []);
}

#[test]
fn a_folded_row_is_about_all_its_hosts() {
    let mut desk = desk(&fleet::running(2_000));
    desk.page();
    assert_eq!(names(&desk), ["edge-00956", "edge-00957"]);
    desk.keys("y");
    let set = |what: &str, text: &str| [Effect::Copy { what: what.to_owned(), text: text.to_owned() }];
    assert_eq!(desk.effects(), set("2 hosts", "edge-[00956-00957]"));
    desk.keys("l").keys("jY");
    assert_eq!(names(&desk), ["edge-00956"]);
    assert_eq!(desk.effects(), set("the command line", "runbook show 81c2d0 edge-00956"));
}

#[test]
fn hosts_that_wait_for_the_same_decision_are_one_row_and_one_subject() {
    let mut desk = desk(&fleet::held(2_000)).sized((140, 40));
    let row = cursor_row(&mut desk);
    assert!(row.contains('⚑') && row.contains("edge-[00956-00957]"), "{row}");
    assert_eq!(names(&desk), ["edge-00956", "edge-00957"]);
    assert_eq!(off(&desk.ui, &desk.model, Action::Retry), None);
    assert!(desk.page().contains("2 WAIT FOR YOU") && desk.page().contains("held for 0:0"), "{}", desk.page());
    desk.keys("j");
    assert!(desk.keys("R").page().contains("R is off: no decision waits on this host."));
}

#[test]
fn a_running_host_is_found_too_and_esc_folds_again() {
    let mut desk = desk(&fleet::running(2_000));
    let before = desk.page();
    desk.keys("/00959");
    assert_eq!(names(&desk), ["edge-00959"]);
    desk.keys("<Esc>");
    assert_eq!(desk.page().lines().nth(4), before.lines().nth(4), "rows are folded as they were");
}

#[test]
fn what_is_watched_after_a_batch_is_told_with_the_time_that_is_left() {
    let mut story = Story::new("7f3a9c");
    let all = hosts();
    story.planned(&all, &[3, 3]).batch(1, 2, &all[..3]);
    story.tell(EventKind::SoakStarted { for_ms: 10_000, hosts: all[..3].to_vec() });
    let mut desk = desk(&story);
    desk.wait(Duration::from_secs(2));
    assert!(desk.page().contains("watching 3 hosts, 8 s left"), "{}", desk.page());
}

#[test]
fn rows_unfold_and_fold_and_the_cursor_goes_along() {
    let mut desk = desk(&fleet::running(2_000));
    let folded = desk.page();
    desk.keys("lj");
    assert!(cursor_row(&mut desk).contains("edge-00956"));
    desk.keys("h");
    assert_eq!(desk.page().lines().skip(3).collect::<Vec<_>>(), folded.lines().skip(3).collect::<Vec<_>>());
    desk.keys("+");
    assert!(cursor_row(&mut desk).contains("edge-00956"), "a row a host: {}", desk.page());
    desk.keys("G");
    assert_eq!(names(&desk), ["edge-00955"], "done hosts come last");
    desk.keys("-");
    assert_eq!(names(&desk).len(), 955, "it is in the row of what is done now");
}

#[test]
fn what_fits_has_a_row_a_host_and_what_does_not_is_folded() {
    for (count, folded) in [(12, false), (13, true)] {
        let mut story = Story::new("81c2d0");
        story.planned(&fleet::names(count), &[count]);
        let page = desk(&story).page();
        assert_eq!(page.contains("HOSTS"), folded, "{count}: {page}");
    }
}

#[test]
fn ten_thousand_hosts_take_as_many_lines_as_two_thousand() {
    let shape = |count: usize, keys: &str| {
        let mut desk = desk(&fleet::running(count)).sized((140, 40));
        let page = desk.keys(keys).page();
        page.lines().map(|line| line.is_empty()).collect::<Vec<bool>>()
    };
    for keys in ["g", "ljjjjjll", "+", "+G", "/edge-00001<Enter>"] {
        assert_eq!(shape(2_000, keys), shape(10_000, keys), "{keys}");
    }
    let mut desk = desk(&fleet::running(10_000));
    desk.keys("G");
    assert_eq!(names(&desk).len(), 5_005 - 50);
    desk.keys("kl").keys("<PgDn><PgDn>");
    assert_eq!(names(&desk).len(), 1, "{}", desk.page());
}

#[test]
fn a_host_is_found_by_name_and_esc_goes_back() {
    let mut desk = desk(&fleet::running(2_000));
    desk.page();
    let before = names(&desk);
    desk.keys("/02000");
    assert_eq!(names(&desk), ["edge-02000"]);
    desk.keys("<Esc>");
    assert_eq!(names(&desk), before);
    desk.keys("/0200<Enter>");
    assert_eq!(names(&desk), ["edge-00200"]);
    desk.keys("n");
    assert_eq!(names(&desk), ["edge-02000"]);
    desk.keys("nN");
    assert_eq!(names(&desk), ["edge-02000"]);
    assert!(desk.keys("/nobody<Enter>").page().contains("No host of this run has nobody in its name."));
}

#[test]
fn a_frozen_list_does_not_sort_again_until_it_is_let() {
    let story = failed();
    let cut = second_batch(&story);
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.ui.screen = Screen::Run;
    desk.told(&story.events[..cut]);
    let order = |desk: &mut Desk| -> Vec<String> {
        let page = desk.page();
        let names = page.lines().skip(3).filter_map(|line| line.split_whitespace().find(|word| word.starts_with("web-0")));
        names.take(6).map(str::to_owned).collect()
    };
    desk.keys("f");
    let before = order(&mut desk);
    desk.told(&story.events[cut..]);
    assert!(desk.page().contains("Frozen"));
    assert_eq!(order(&mut desk), before);
    desk.keys("f");
    assert!(!desk.page().contains("Frozen"));
    let wanted = ["web-05", "web-04", "web-06", "web-01", "web-02", "web-03"];
    assert_eq!(order(&mut desk), wanted);
    desk.keys("s");
    assert_eq!(order(&mut desk), ["web-01", "web-02", "web-03", "web-04", "web-05", "web-06"]);
    desk.keys("s");
    assert_eq!(order(&mut desk)[0], "web-03", "the longest first");
}

#[test]
fn only_one_host_is_shown_until_all_are() {
    let mut desk = desk(&failed());
    let page = desk.keys("x").page();
    assert!(page.contains("web-04") && !page.contains("web-06"), "{page}");
    assert!(desk.keys("x").page().contains("web-06"));
}

#[test]
fn the_log_follows_until_it_is_scrolled() {
    let mut desk = desk(&failed());
    assert!(desk.page().contains("following"));
    let page = desk.keys("<Tab>kk").page();
    assert!(page.contains("not following"), "{page}");
    desk.keys("y");
    let copied = desk.effects();
    assert!(matches!(&copied[..], [Effect::Copy { what, .. }] if what == "the line"), "{copied:?}");
    assert!(!desk.keys("G").page().contains("not following"));
    let zoomed = desk.keys("z").page();
    assert!(!zoomed.contains("HOST ") && zoomed.contains("EADDRINUSE"), "{zoomed}");
}

#[test]
fn keys_that_mean_nothing_now_say_why() {
    let mut desk = desk(&failed());
    assert!(desk.keys("P").page().contains("P is off: the run is not paused."));
    desk.keys("/web-01<Enter>");
    assert!(desk.keys("R").page().contains("R is off: no decision waits on this host."));
    let mut desk = self::desk(&ended());
    for key in ["d", "p", "X", "A", "R", "S", "P"] {
        assert!(desk.keys(key).page().contains(&format!("{key} is off: the run has ended.")), "{key}");
    }
    assert_eq!(desk.effects(), []);
}

#[test]
fn the_whole_list_is_exported_not_only_what_is_seen() {
    let mut desk = desk(&fleet::running(200)).sized((60, 14));
    desk.keys("+E");
    let effects = desk.effects();
    let [Effect::Ask(Request::Export { name, text: Some(text), .. })] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(name, "run-81c2d0.txt");
    assert_eq!(text.lines().filter(|line| line.starts_with("edge-")).count(), 200);
    assert!(text.contains("edge-00056  FAILED restart: exit 1: pm2 restart api"), "{text}");
    desk.keys("-o");
    let effects = desk.effects();
    let [Effect::Plain(text)] = &effects[..] else { panic!("{effects:?}") };
    assert!(text.contains("edge-[00056-00057]"), "{text}");
}

#[test]
fn how_long_it_will_take_is_told_only_when_it_is_known() {
    let mut desk = desk(&fleet::running(2_000)).sized((140, 40));
    let live = |desk: &Desk| left(desk.model.live.as_ref().expect("a run"), desk.model.now);
    assert!(live(&desk).is_some());
    assert!(desk.page().contains("about 38 min left"), "{}", desk.page());
    assert_eq!(about(Duration::from_secs(270)), "about 4:30");
    assert_eq!(about(Duration::from_secs(3_780)), "about 63 min");
    assert_eq!(live(&self::desk(&failed())), None, "it is held");
    assert_eq!(live(&self::desk(&previewed())), None);
    desk.told(&{
        let mut story = fleet::running(2_000);
        let from = story.events.len();
        story.later(1.0).tell(EventKind::RunPaused { reason: "lunch".to_owned(), by: "ana".to_owned() });
        story.events.split_off(from)
    });
    assert_eq!(live(&desk), None, "it is paused");
}

#[test]
fn counts_say_first_what_is_done_then_what_is_wrong() {
    let desk = desk(&failed());
    let fleet = &desk.model.live.as_ref().expect("a run").fleet;
    let words: Vec<String> = counts(fleet).into_iter().map(|(_, text)| text).collect();
    assert_eq!(words, ["3 ok", "1 UNREACHABLE", "1 WAITS FOR YOU", "1 waiting"]);
}

#[test]
fn no_key_of_looking_changes_a_host() {
    let looks = "jkhlgG][zwfsx+-yYoEt<Tab><Shift-Tab><Ctrl-D><Ctrl-U><PgDn><PgUp>nN<Esc>";
    let mut desk = desk(&fleet::running(200));
    desk.keys(looks);
    assert!(desk.effects().iter().all(|effect| !matches!(effect, Effect::Control(_))));
}

#[test]
fn every_size_and_state_can_be_painted() {
    let stories = [previewed(), failed(), ended(), fleet::running(200)];
    for (n, story) in stories.iter().enumerate() {
        for keys in ["", "l", "z", "<Tab>z", "<Tab><Tab>z", "<Tab>wkk", "+G", "-jjl", "x"] {
            let mut desk = desk(story).sized((140, 40));
            desk.keys(keys);
            for width in [40, 60, 79, 80, 119, 120, 300] {
                for height in [8, 14, 19, 20, 23, 24, 30, 100] {
                    desk.ui.size = (width, height);
                    let page = desk.page();
                    assert_eq!(page.lines().count(), usize::from(height), "{n} {keys} {width}x{height}");
                }
            }
        }
    }
}

#[test]
fn in_ascii_nothing_of_ours_is_anything_else() {
    for story in [previewed(), failed(), ended(), fleet::running(200)] {
        for (size, keys) in [((140, 40), "g"), ((80, 24), "ljjl"), ((60, 14), "+"), ((140, 40), "<Tab>z")] {
            let page = desk(&story).sized(size).in_ascii().keys(keys).page();
            assert!(page.is_ascii(), "{page}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_keys_at_any_moment_leave_a_page_with_a_cursor(
        keys in prop::collection::vec(0usize..30, 0..25),
        cut in 0usize..200,
        width in 40u16..200,
        height in 8u16..60,
    ) {
        const KEYS: [&str; 30] = [
            "j", "k", "h", "l", "g", "G", "]", "[", "z", "w", "f", "s", "x", "+", "-", "y", "Y", "o", "E", "<Tab>",
            "<Shift-Tab>", "<Ctrl-D>", "<Ctrl-U>", "<PgDn>", "<PgUp>", "/07<Enter>", "/1<Esc>", "n", "N", "t",
        ];
        let story = fleet::running(60);
        let (before, after) = story.events.split_at(cut.min(story.events.len()).max(3));
        let mut desk = Desk::new(Timestamp::from_millis(START)).sized((width, height));
        desk.ui.screen = Screen::Run;
        desk.told(before);
        let (some, rest) = keys.split_at(keys.len() / 2);
        for key in some {
            desk.keys(KEYS[*key]);
        }
        desk.told(after);
        for key in rest {
            desk.keys(KEYS[*key]);
        }
        prop_assert_eq!(desk.page().lines().count(), usize::from(height));
        prop_assert!(!names(&desk).is_empty() || desk.page().contains("between two steps"));
    }
}

#[test]
fn steering_keys_are_offered_only_where_they_mean_something() {
    let mut desk = desk(&failed());
    let keys = |desk: &mut Desk| desk.page().lines().last().expect("a row").to_owned();
    assert!(keys(&mut desk).starts_with("d decide  p pause"), "{}", keys(&mut desk));
    assert!(!keys(&mut desk).contains("P go on"));
    assert!(off(&desk.ui, &desk.model, Action::Retry).is_none());
    assert!(!keys(&mut self::desk(&ended())).contains("abort"));
}

#[test]
fn without_a_run_the_screen_and_its_keys_say_so() {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.ui.screen = Screen::Run;
    assert!(desk.page().contains("No run is shown."));
    for key in ["]", "p", "A", "y", "E"] {
        assert!(desk.keys(key).page().contains(&format!("{key} is off: no run is shown.")), "{key}");
    }
}

#[test]
fn what_hosts_have_in_common_is_told_once_and_what_only_one_says_apart() {
    let page = desk(&fleet::running(2_000)).page();
    assert_eq!(page.matches("EADDRINUSE").count(), 1, "{page}");
    assert!(page.contains("same output on 2 hosts, numbers masked"), "{page}");
    assert!(page.contains("only on edge-00957:\n   + warning: pm2 in-memory version 5.2.0"), "{page}");
}

#[test]
fn events_are_scrolled_in_their_pane_and_keys_go_to_one_pane_only() {
    let mut desk = desk(&failed()).sized((140, 40));
    desk.keys("<Tab><Tab>jj");
    assert_eq!(names(&desk), ["web-04"], "the list has not moved");
    let page = desk.page();
    assert!(!page.contains("web-04  FAILED restart: exit 1"), "{page}");
    desk.keys("<Tab>j");
    assert_eq!(names(&desk), ["web-06"]);
    desk.keys("l").keys("j");
    assert_eq!(names(&desk), ["web-06"], "where nothing unfolds l goes to the next pane");
    // where there is no room for a pane any more the keys come back to the list
    desk.ui.size = (60, 14);
    desk.page();
    desk.keys("k");
    assert_eq!(names(&desk), ["web-04"]);
}

#[test]
fn what_could_not_be_closed_is_the_worst_mark_of_its_column() {
    let mut story = failed();
    story.tell(EventKind::ObligationFailed {
        host: host("web-04"),
        key: "kill-switch http://127.0.0.1:3000/api/status#enabled".to_owned(),
        finding: runbook::model::finding::Finding::new("not-closed", "no answer"),
    });
    let row = cursor_row(&mut desk(&story));
    assert_eq!(row.chars().nth(35), Some('⊠'), "{row}");
}
