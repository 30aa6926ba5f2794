//! The screen of one host.

use std::path::Path;

use proptest::prelude::*;
use runbook::load::inventory::from_source;
use runbook::load::source::decode;
use runbook::model::event::{Event, EventKind};
use runbook::model::finding::Finding;
use runbook::model::id::HostName;
use runbook::model::outcome::{HostOutcome, Outcome, RunState};
use runbook::model::step::Note;
use runbook::model::time::Timestamp;
use runbook::tui::action::Effect;
use runbook::tui::ui::Screen;

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, Story, failed, host, hosts, previewed, step, tally};

fn desk(story: &Story, name: &str) -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.told(&story.events);
    desk.ui.screen = Screen::Run;
    desk.ui.go(Screen::Host(host(name)));
    desk.page();
    desk
}

/// The host that is shown.
fn shown(desk: &Desk) -> &str {
    match &desk.ui.screen {
        Screen::Host(name) => name.as_str(),
        other => panic!("{other:?}"),
    }
}

/// The row of the steps with the cursor's mark.
fn step_row(desk: &mut Desk) -> String {
    let page = desk.page();
    let row = page.lines().skip(3).find(|line| line.starts_with('›')).unwrap_or_else(|| panic!("no cursor:\n{page}"));
    row.to_owned()
}

/// The row of the log's title at 80x24.
fn title(desk: &mut Desk) -> String {
    let page = desk.page();
    page.lines().find(|line| line.starts_with("── ")).unwrap_or_else(|| panic!("no title:\n{page}")).to_owned()
}

/// What is said in the last line but one.
fn said(desk: &mut Desk) -> String {
    let page = desk.page();
    page.lines().rev().nth(1).expect("a row").to_owned()
}

fn copied(desk: &mut Desk) -> String {
    match desk.effects().as_slice() {
        [Effect::Copy { text, .. }] => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn rest(story: &mut Story, from: usize) -> Vec<Event> {
    story.events.split_off(from)
}

/// web-01 is at its fourth step.
fn running() -> Story {
    let all = hosts();
    let name = &all[0];
    let mut story = previewed();
    story.later(20.0).confirmed().batch(1, 4, &all[..1]);
    story.started(name, "precheck").later(3.0).finished(name, "precheck", Outcome::Ok, "load 1.2, disk 61%");
    story.started(name, "port-conflict").later(1.0).finished(name, "port-conflict", Outcome::Already, ":3000 is held by api");
    story.started(name, "switch-off").intent(name, "switch-off", "set enabled to false (now true)").opened(name);
    story.later(1.0).finished(name, "switch-off", Outcome::Changed, "set enabled to false (now true)");
    story.started(name, "restart").intent(name, "restart", "restart api (id 3)").later(2.0);
    story.output(name, "restart", "[PM2] Applying action restartProcessId on app [api](ids: [ 3 ])\n");
    story.later(4.0);
    story
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
        note: Some("ticket 8841".to_owned()),
    });
    story.tell(EventKind::ObligationFailed {
        host: host("web-04"),
        key: "kill-switch http://127.0.0.1:3000/api/status#enabled".to_owned(),
        finding: Finding::new("not-closed", "no answer on 127.0.0.1:3000").hint("runbook close 7f3a9c"),
    });
    story.host_ended(&all[3], HostOutcome::Failed, 39).host_ended(&all[4], HostOutcome::Unreachable, 39).later(1.0);
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
        open: Vec::new(),
        failures: Vec::new(),
        next: Vec::new(),
        duration_ms: 193_000,
    });
    story
}

/// web-01 prints so much that its first lines are not kept.
fn chatty() -> Story {
    let mut story = running();
    for n in 0..600 {
        story.output(&host("web-01"), "restart", &format!("line {n} of what it prints and prints\n"));
    }
    story
}

/// A page of each size with both sets of marks.
fn in_all_sizes(state: &str, story: &Story, name: &str) {
    for size in SIZES {
        let page = |set: &str| format!("{state}_{}x{}{set}", size.0, size.1);
        insta::assert_snapshot!(page(""), desk(story, name).sized(size).page());
        insta::assert_snapshot!(page("_ascii"), desk(story, name).sized(size).in_ascii().page());
    }
}

#[test]
fn a_host_that_waits_for_a_decision_in_all_sizes() {
    in_all_sizes("failed", &failed(), "web-04");
}

#[test]
fn a_host_that_is_at_work_in_all_sizes() {
    in_all_sizes("running", &running(), "web-01");
}

#[test]
fn before_the_first_batch_the_preview_of_the_host_is_shown() {
    in_all_sizes("previewed", &previewed(), "web-04");
}

#[test]
fn when_the_run_has_ended_what_is_left_open_is_said() {
    in_all_sizes("ended", &ended(), "web-04");
    insta::assert_snapshot!("ended_well_140x40", desk(&ended(), "web-01").sized((140, 40)).page());
    insta::assert_snapshot!("unreachable_80x24", desk(&ended(), "web-05").page());
}

#[test]
fn what_needs_a_person_is_seen_by_its_style() {
    insta::assert_snapshot!("failed_styles", desk(&failed(), "web-04").styled());
}

#[test]
fn the_output_of_a_small_screen_is_shown_with_tab() {
    insta::assert_snapshot!("output_60x14", desk(&failed(), "web-04").sized((60, 14)).keys("<Tab>").page());
    insta::assert_snapshot!("steps_zoomed_80x24", desk(&failed(), "web-04").keys("z").page());
    insta::assert_snapshot!("search_140x40", desk(&failed(), "web-04").sized((140, 40)).keys("+/eaddr<Enter>").page());
}

#[test]
fn the_cursor_goes_with_the_running_step_until_it_is_moved() {
    let story = running();
    let mut desk = desk(&story, "web-01");
    assert!(step_row(&mut desk).contains("restart"), "{}", desk.page());
    let goes_on = |story: &mut Story, from: &str, to: &str| {
        let before = story.events.len();
        story.finished(&host("web-01"), from, Outcome::Changed, "restart api").started(&host("web-01"), to);
        rest(story, before)
    };
    let mut story = running();
    desk.told(&goes_on(&mut story, "restart", "one-process"));
    assert!(step_row(&mut desk).contains("one-process"), "{}", desk.page());
    desk.keys("k");
    assert!(step_row(&mut desk).contains("restart"));
    desk.told(&goes_on(&mut story, "one-process", "answers"));
    assert!(step_row(&mut desk).contains("restart"), "it was moved and stays");
}

#[test]
fn who_reads_a_line_keeps_it_while_steps_go_on() {
    let mut story = running();
    let mut desk = desk(&story, "web-01");
    desk.keys("<Tab>k");
    let before = story.events.len();
    story.finished(&host("web-01"), "restart", Outcome::Changed, "restart api").started(&host("web-01"), "one-process");
    desk.told(&rest(&mut story, before));
    assert!(title(&mut desk).starts_with("── 4 restart ") && title(&mut desk).contains("line 2 of"), "{}", title(&mut desk));
    desk.keys("G");
    assert!(title(&mut desk).starts_with("── 5 one-process "), "{}", title(&mut desk));
}

#[test]
fn steps_that_are_open_closed_or_not_begun_say_so() {
    let page = desk(&failed(), "web-04").page();
    let row = |name: &str| page.lines().find(|line| line.contains(&format!(" {name} "))).unwrap_or_else(|| panic!("{page}"));
    assert!(row("switch-off").contains("OPEN"));
    assert!(row("close switch-off").contains("always runs"));
    assert!(row("answers").contains("∙ waiting"));
    assert!(row("port-conflict").contains("end pid 18422") && row("port-conflict").ends_with("yes"));
    let page = desk(&failed(), "web-01").page();
    let row = page.lines().find(|line| line.contains("close switch-off")).unwrap_or_else(|| panic!("{page}"));
    assert!(row.contains("∆ put back"), "{row}");
    let page = desk(&ended(), "web-04").page();
    assert!(page.contains("⊠ NOT CLOSED: no answer on 127.0.0.1:3000"), "{page}");
}

#[test]
fn another_attempt_says_which_it_is() {
    let mut story = failed();
    let name = host("web-04");
    story.tell(EventKind::DecisionMade {
        id: "failed:web-04:restart:1".to_owned(),
        option: "retry".to_owned(),
        by: "ana".to_owned(),
        via: "tty".to_owned(),
        note: None,
    });
    story.tell(EventKind::StepStarted { host: name, step: step("restart"), attempt: 2 });
    let mut desk = desk(&story, "web-04");
    assert!(step_row(&mut desk).contains("attempt 2"), "{}", desk.page());
    assert!(desk.page().contains("» attempt 2"), "the lines of both attempts are there: {}", desk.page());
    assert!(desk.keys("<Tab>g").page().contains("» started"));
}

#[test]
fn tab_and_enter_move_between_steps_and_output() {
    let mut desk = desk(&failed(), "web-04");
    desk.keys("k");
    assert!(step_row(&mut desk).contains("switch-off"));
    assert!(title(&mut desk).starts_with("── 3 switch-off ─"), "{}", title(&mut desk));
    desk.keys("<Tab>k");
    assert!(step_row(&mut desk).contains("switch-off"), "the keys go to the output");
    assert!(title(&mut desk).contains("line 5 of 6, not following"), "{}", title(&mut desk));
    desk.keys("<Shift-Tab>j");
    assert!(step_row(&mut desk).contains("restart"));
    desk.keys("<Enter>k");
    assert!(title(&mut desk).contains("not following"));
}

#[test]
fn scrolling_up_stops_following_and_the_end_follows_again() {
    let mut desk = desk(&running(), "web-01");
    assert!(title(&mut desk).contains("3 lines, following"), "{}", title(&mut desk));
    desk.keys("<Tab>k");
    assert!(title(&mut desk).contains("line 2 of 3, not following"), "{}", title(&mut desk));
    let more = |desk: &mut Desk, text: &str| {
        let mut story = running();
        let from = story.events.len();
        story.output(&host("web-01"), "restart", text);
        desk.told(&rest(&mut story, from));
    };
    more(&mut desk, "one more\n");
    assert!(title(&mut desk).contains("line 2 of 4, not following"), "{}", title(&mut desk));
    desk.keys("G");
    assert!(title(&mut desk).contains("4 lines, following"), "{}", title(&mut desk));
    more(&mut desk, "two more\n");
    assert!(desk.page().contains("two more"));
    desk.keys("f");
    assert!(title(&mut desk).contains("line 5 of 5, not following"), "{}", title(&mut desk));
    desk.keys("f");
    assert!(title(&mut desk).contains("5 lines, following"), "{}", title(&mut desk));
    desk.keys("g");
    assert!(title(&mut desk).contains("line 1 of 5, not following"), "{}", title(&mut desk));
}

#[test]
fn the_log_of_what_has_ended_does_not_claim_to_follow() {
    let mut desk = desk(&ended(), "web-04");
    assert!(!title(&mut desk).contains("following"), "{}", title(&mut desk));
}

#[test]
fn a_search_says_which_of_how_many_and_goes_round() {
    let mut desk = desk(&failed(), "web-04");
    desk.keys("/EADDR");
    assert!(title(&mut desk).contains("4 restart, \"EADDR\" 1 of 2"), "{}", title(&mut desk));
    desk.keys("<Enter>");
    desk.keys("y");
    assert!(copied(&mut desk).starts_with("Error: listen EADDRINUSE"));
    for (key, at) in [("n", 2), ("n", 1), ("N", 2), ("N", 1)] {
        desk.keys(key);
        assert!(title(&mut desk).contains(&format!("{at} of 2")), "{key}: {}", title(&mut desk));
    }
}

#[test]
fn esc_takes_a_search_back() {
    let mut desk = desk(&failed(), "web-04");
    let before = title(&mut desk);
    desk.keys("/EADDR<Esc>");
    assert_eq!(title(&mut desk), before);
    assert!(desk.keys("n").page().contains("n is off: nothing was looked for; / does."));
}

#[test]
fn a_search_says_where_it_has_not_looked() {
    let mut desk = desk(&failed(), "web-04");
    desk.keys("k/eaddr<Enter>");
    assert!(
        said(&mut desk).contains("\"eaddr\" is in no line of this step, but in 2 others; + shows all."),
        "{}",
        said(&mut desk)
    );
    desk.keys("+n");
    assert!(title(&mut desk).contains("all steps, \"eaddr\" 1 of 2"), "{}", title(&mut desk));
    desk.keys("/nowhere<Enter>");
    assert!(said(&mut desk).contains("\"nowhere\" is in no line here."), "{}", said(&mut desk));
    let mut desk = self::desk(&chatty(), "web-01");
    desk.keys("/Applying<Enter>");
    assert!(said(&mut desk).contains("older bytes are not kept: runbook show"), "{}", said(&mut desk));
}

#[test]
fn lines_that_are_gone_are_counted_and_the_command_that_has_them_is_named() {
    let mut desk = desk(&chatty(), "web-01").sized((140, 40));
    let page = desk.page();
    assert!(page.contains("older bytes gone"), "{page}");
    assert!(page.contains("older bytes are gone; runbook show 7f3a9c web-01 restart has them."), "{page}");
    desk.keys("<Tab>o");
    let effects = desk.effects();
    let [Effect::Plain(text)] = &effects[..] else { panic!("{effects:?}") };
    assert!(text.starts_with('(') && text.contains("older lines are gone)\n"), "{text}");
    assert!(text.ends_with("line 599 of what it prints and prints\n"));
}

#[test]
fn the_cursor_stays_with_its_line_while_older_ones_go() {
    let mut story = chatty();
    let before = story.events.len();
    for n in 600..700 {
        story.output(&host("web-01"), "restart", &format!("line {n} of what it prints and prints\n"));
    }
    let more = rest(&mut story, before);
    let mut desk = desk(&story, "web-01");
    desk.keys("<Tab>kkkkky");
    assert_eq!(copied(&mut desk), "line 594 of what it prints and prints");
    desk.told(&more);
    desk.keys("y");
    assert_eq!(copied(&mut desk), "line 594 of what it prints and prints");
}

#[test]
fn thresholds_leave_out_what_commands_print_and_then_all_but_problems() {
    let mut desk = desk(&failed(), "web-04").sized((80, 40));
    assert!(desk.page().contains("[PM2] Applying action"));
    assert!(desk.keys(",").page().contains(", is off: all lines are shown already."));
    let page = desk.keys(".").page();
    assert!(!page.contains("[PM2] Applying action") && page.contains("[looping] api restarts"), "{page}");
    let page = desk.keys(".").page();
    assert!(title(&mut desk).contains("4 restart, only problems"));
    assert!(!page.contains("[looping]") && page.contains("» failed, exit 1") && page.contains("hint: ss -ltnp"), "{page}");
    assert!(page.contains("│ Error: listen EADDRINUSE"), "{page}");
    assert!(desk.keys(".").page().contains(". is off: only problems are shown already."));
    assert!(desk.keys(",,").page().contains("[PM2] Applying action"));
}

#[test]
fn the_lines_of_all_steps_are_shown_with_their_numbers() {
    let mut desk = desk(&failed(), "web-04").sized((80, 60));
    assert!(desk.keys("-").page().contains("- is off: only the lines of this step are shown already."));
    let page = desk.keys("+").page();
    assert!(title(&mut desk).contains("all steps"), "{page}");
    assert!(page.contains(" 1 » started") && page.contains(" 4 » started"), "{page}");
    assert!(desk.keys("+").page().contains("+ is off: the lines of all steps are shown already."));
    assert!(!desk.keys("-").page().contains(" 1 » started"));
}

#[test]
fn what_is_copied_is_the_line_the_step_or_the_command() {
    let mut desk = desk(&failed(), "web-04");
    desk.model.shelf.record_flags = " --state-dir /srv/rb".to_owned();
    desk.keys("y");
    assert_eq!(copied(&mut desk), "restart  FAILED: exit 1: pm2 restart api  0:03");
    desk.keys("Y");
    assert_eq!(copied(&mut desk), "runbook show 7f3a9c web-04 restart --state-dir /srv/rb");
    desk.keys("<Tab>y");
    assert_eq!(copied(&mut desk), "hint: ss -ltnp 'sport = :3000'");
    desk.keys("o");
    let effects = desk.effects();
    let [Effect::Plain(text)] = &effects[..] else { panic!("{effects:?}") };
    assert!(text.contains("Z  [PM2] Applying action") && text.lines().count() > 8, "{text}");
}

#[test]
fn long_lines_are_wrapped_or_cut() {
    let mut story = failed();
    story.output(&host("web-04"), "restart", &format!("{} the end of it\n", "long ".repeat(30)));
    let mut desk = desk(&story, "web-04");
    desk.keys("<Tab>");
    assert!(!desk.page().contains("the end of it"));
    assert!(desk.keys("w").page().contains("the end of it"));
    assert!(!desk.keys("w").page().contains("the end of it"));
}

#[test]
fn a_pane_takes_the_whole_screen() {
    let mut desk = desk(&failed(), "web-04");
    assert!(desk.page().contains("  #") && desk.page().contains("── 4 restart"));
    let page = desk.keys("z").page();
    assert!(page.contains("── step 4 restart") && !page.contains("following"), "{page}");
    let page = desk.keys("<Tab>").page();
    assert!(!page.contains("precheck") && page.contains("lines, following"), "{page}");
    assert!(desk.keys("z").page().contains("precheck"));
}

#[test]
fn h_and_l_go_through_the_hosts_as_they_are_listed_and_esc_goes_back_to_the_run() {
    let mut desk = desk(&failed(), "web-04");
    assert!(desk.keys("h").page().contains("web-05"));
    assert_eq!(shown(&desk), "web-05");
    assert!(desk.keys("h").page().contains("This is the first host of the list."));
    desk.keys("ll");
    assert_eq!(shown(&desk), "web-06");
    desk.keys("<Esc>");
    assert_eq!(desk.ui.screen, Screen::Run);
}

#[test]
fn brackets_go_to_the_next_problem_of_the_host_then_to_the_next_host_that_has_one() {
    let mut desk = desk(&failed(), "web-04");
    desk.keys("g]");
    assert!(step_row(&mut desk).contains("restart"), "{}", desk.page());
    assert_eq!(shown(&desk), "web-04");
    desk.keys("]");
    assert_eq!(shown(&desk), "web-05");
    desk.keys("[");
    assert_eq!(shown(&desk), "web-04");
    assert!(step_row(&mut desk).contains("restart"));
    assert!(self::desk(&running(), "web-01").keys("]").page().contains("restart-loop › Run 7f3a9c › web-05"));
}

#[test]
fn a_step_that_was_asked_for_by_name_is_gone_to() {
    let mut desk = desk(&failed(), "web-04");
    desk.keys(":step 2<Enter>");
    assert!(step_row(&mut desk).contains("port-conflict"), "{}", desk.page());
    assert_eq!(desk.ui.host.wants, None);
    desk.keys("j");
    assert!(step_row(&mut desk).contains("switch-off"), "it was gone to once");
}

#[test]
fn a_host_that_the_run_does_not_have_is_said() {
    let mut desk = desk(&failed(), "db-9");
    assert!(desk.page().contains("db-9 is no host of run 7f3a9c, which is shown now."), "{}", desk.page());
    assert_eq!(desk.keys("yYo]<Tab>z").effects(), []);
    desk.keys("l");
    assert_eq!(shown(&desk), "web-05");
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.ui.screen = Screen::Host(host("web-01"));
    assert!(desk.page().contains("No run is shown."));
    desk.keys("hljkG/x<Enter>");
}

#[test]
fn what_has_a_meaning_now_is_named_first_and_the_rest_says_why_not() {
    let keys = |desk: &mut Desk| desk.page().lines().last().expect("a row").to_owned();
    let mut held = desk(&failed(), "web-04").sized((140, 40));
    assert!(keys(&mut held).starts_with("d decide  R retry  S skip  X exclude  Tab output"), "{}", keys(&mut held));
    let mut running = desk(&running(), "web-01");
    assert!(!keys(&mut running).contains("retry") && keys(&mut running).contains("p pause"), "{}", keys(&mut running));
    assert!(running.keys("R").page().contains("R is off: no decision waits on this host."));
    assert!(running.keys("E").page().contains("E has no meaning on this screen."));
    assert!(desk(&ended(), "web-04").keys("d").page().contains("d is off: the run has ended."));
}

#[test]
fn no_key_of_looking_changes_a_host() {
    let mut desk = desk(&failed(), "web-04");
    desk.keys("jkgG][zwf+-,.yYot<Tab><Shift-Tab><Ctrl-D><Ctrl-U><PgDn><PgUp>/a<Enter>nNhl<Enter>");
    assert!(desk.effects().iter().all(|effect| matches!(effect, Effect::Copy { .. } | Effect::Plain(_))));
}

#[test]
fn what_a_host_prints_is_text_only() {
    let mut story = running();
    story.output(&host("web-01"), "restart", "a\x1b[31mb\u{202e}c\x07\td\n");
    story.judged(&host("web-01"), "restart", Note::new("x", "evil \x1b]52;c;AAAA\x07"));
    for size in SIZES {
        let page = desk(&story, "web-01").sized(size).keys("<Tab>").page();
        assert!(!page.contains(['\x1b', '\u{202e}', '\x07']), "{page}");
        assert!(page.contains("\\x1b[31mb"), "{page}");
    }
}

#[test]
fn a_clock_that_is_off_and_a_counter_that_moves_are_seen() {
    let page = desk(&failed(), "web-04").page();
    assert!(page.contains("1187 → 1191 (+4)"), "{page}");
    assert!(page.contains("clock +2.31 s ±0.02"), "{page}");
}

fn stories() -> [(Story, HostName); 7] {
    let at = |story: Story, name: &str| (story, host(name));
    [
        at(previewed(), "web-04"),
        at(previewed(), "web-05"),
        at(running(), "web-01"),
        at(failed(), "web-04"),
        at(failed(), "web-06"),
        at(ended(), "web-04"),
        at(chatty(), "web-01"),
    ]
}

#[test]
fn every_size_and_state_can_be_painted() {
    for (n, (story, name)) in stories().iter().enumerate() {
        for keys in ["", "<Tab>k", "z", "<Tab>z", "+wkk", "/a<Enter>n", "..", "G"] {
            let mut desk = desk(story, name.as_str()).sized((140, 40));
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
    for (story, name) in stories() {
        for (size, keys) in [((140, 40), "g"), ((80, 24), "+/a<Enter>"), ((60, 14), "<Tab>"), ((80, 24), "z")] {
            let page = desk(&story, name.as_str()).sized(size).in_ascii().keys(keys).page();
            assert!(page.is_ascii(), "{page}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_keys_at_any_moment_leave_a_page(
        keys in prop::collection::vec(0usize..32, 0..25),
        cut in 3usize..200,
        width in 40u16..200,
        height in 8u16..60,
    ) {
        const KEYS: [&str; 32] = [
            "j", "k", "h", "l", "g", "G", "]", "[", "z", "w", "f", ",", ".", "+", "-", "y", "Y", "o", "E", "<Tab>",
            "<Shift-Tab>", "<Ctrl-D>", "<Ctrl-U>", "<PgDn>", "<PgUp>", "/a<Enter>", "/1<Esc>", "n", "N", "t", "<Enter>",
            ":step 4<Enter>",
        ];
        let story = ended();
        let (before, after) = story.events.split_at(cut.min(story.events.len()));
        let mut desk = Desk::new(Timestamp::from_millis(START)).sized((width, height));
        desk.told(before);
        desk.ui.screen = Screen::Host(host("web-04"));
        let (some, rest) = keys.split_at(keys.len() / 2);
        for key in some {
            desk.keys(KEYS[*key]);
        }
        desk.told(after);
        for key in rest {
            desk.keys(KEYS[*key]);
        }
        prop_assert_eq!(desk.page().lines().count(), usize::from(height));
        let cursors = desk.page().lines().skip(3).filter(|line| line.starts_with('›')).count();
        prop_assert!(cursors <= 2, "{}", desk.page());
    }
}

#[test]
fn a_connection_that_was_lost_is_told_at_the_step_and_closing_at_the_close() {
    let mut story = running();
    let name = host("web-01");
    story.tell(EventKind::HostLost { host: name.clone(), class: "timeout".to_owned(), message: "no answer".to_owned() });
    story.closed(&name);
    let mut desk = desk(&story, "web-01");
    let page = desk.page();
    assert!(page.contains("» connection lost (timeout): no answer") && !page.contains("closed, restored"), "{page}");
    let page = desk.keys("G").page();
    assert!(step_row(&mut desk).contains("close switch-off"), "{page}");
    assert!(page.contains("closed, restored") && !page.contains("connection lost"), "{page}");
}

#[test]
fn help_lists_the_commands_and_finds_them() {
    let mut desk = desk(&failed(), "web-04").sized((140, 50));
    let page = desk.keys("?").page();
    assert!(page.contains("Commands, typed after :") && page.contains(":why"), "{page}");
    let page = desk.keys("colours").page();
    assert!(page.contains(":theme default|high-contrast|mono: the colours."), "{page}");
}

#[test]
fn what_the_inventory_says_of_a_host_stands_with_its_facts() {
    let text = "[defaults]\nuser = \"deploy\"\n[hosts.web-04]\naddress = \"10.0.0.4\"\ntags = [\"az-a\"]\n\
                [groups.web]\nhosts = [\"web-*\"]\nprotected = true\n";
    let source = decode(Path::new("inventory.toml"), text.to_owned().into_bytes()).expect("it is text");
    let inventory = from_source(&source, Some(Path::new("/home/ana"))).unwrap_or_else(|found| panic!("{found}"));
    let mut desk = desk(&failed(), "web-04").sized((140, 40));
    desk.model.shelf.inventory = Some(Ok(inventory));
    let page = desk.page();
    assert!(page.contains(" address    deploy@10.0.0.4:22"), "{page}");
    assert!(page.contains(" groups     web (protected)") && page.contains(" tags       az-a"), "{page}");
    assert!(page.lines().next().is_some_and(|head| head.contains("PROTECTED 1 host")), "{page}");
}

#[test]
fn the_last_of_two_steps_that_began_at_once_is_the_later_one() {
    let mut desk = desk(&ended(), "web-01");
    assert!(step_row(&mut desk).contains("answers"), "{}", desk.page());
}
