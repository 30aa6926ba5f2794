//! What the run would do, and the question whether to go on.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use runbook::model::control::Control;
use runbook::model::event::{Event, EventKind};
use runbook::model::host::Host;
use runbook::model::id::HostName;
use runbook::model::inventory::{Group, Inventory};
use runbook::model::outcome::{Outcome, Risk, RunState};
use runbook::model::runbook::{Runbook, StepDecl};
use runbook::model::step::Basis;
use runbook::model::time::Timestamp;
use runbook::tui::action::{Effect, Order, Request};
use runbook::tui::input::{Input, Key};
use runbook::tui::model::{Book, Opened, Watched};
use runbook::tui::ui::{Panel, Screen, Shown};
use serde_json::json;

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, STEPS, Story, failed, host, hosts, previewed};

fn inventory(protected: bool) -> Inventory {
    let names: Vec<HostName> = (1..=8).map(|n| host(&format!("web-{n:02}"))).collect();
    let of = |name: &HostName| -> Host {
        let value = json!({"name": name, "address": "192.0.2.1", "port": 22, "user": "deploy", "protected": protected});
        serde_json::from_value(value).expect("a host")
    };
    Inventory {
        hosts: names.iter().map(of).collect(),
        groups: vec![Group { name: "web".to_owned(), hosts: names, protected, vars: BTreeMap::new() }],
        default_vars: BTreeMap::new(),
        own_vars: BTreeMap::new(),
        targets: BTreeMap::new(),
        target_groups: BTreeMap::new(),
        path: PathBuf::from("inventory.toml"),
        sha256: String::new(),
    }
}

/// The runbook of the story; the switch is closed as `close` says.
fn book(close: &str) -> Book {
    let step = |(id, kind, section): &(&str, &str, runbook::model::plan::Section)| -> StepDecl {
        let mut fields = json!({});
        if *kind == "kill-switch" {
            fields["close"] = json!(close);
        }
        let value = json!({"id": id, "section": section, "kind": kind, "observe": false, "optional": false, "timeout": null,
            "scope": "each-host", "secrets": [], "tags": [], "fields": fields});
        serde_json::from_value(value).expect("a step")
    };
    let runbook = Runbook {
        name: runbook::model::id::RunbookName::parse("restart-loop").expect("a name"),
        title: "Stop a PM2 restart loop".to_owned(),
        about: String::new(),
        risk: Risk::Restarts,
        tags: Vec::new(),
        docs: None,
        vars: Vec::new(),
        rollout: runbook::model::plan::Rollout::default(),
        phases: Vec::new(),
        steps: STEPS.iter().map(step).collect(),
        secrets: BTreeMap::new(),
        signatures: Vec::new(),
        path: PathBuf::from("runbooks/restart-loop.toml"),
        sha256: "9be1f02c".repeat(8),
    };
    let typical = Some(Duration::from_secs(430));
    let (name, path) = ("restart-loop".to_owned(), PathBuf::from("runbooks/restart-loop.toml"));
    Book { name, path, is: Ok(Box::new(runbook)), warnings: Vec::new(), last: None, typical }
}

/// Nothing is told yet; the person looks at the preview.
fn empty() -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(START));
    desk.model.shelf.inventory = Some(Ok(inventory(true)));
    desk.model.shelf.books = vec![book("always")];
    desk.model.shelf.run_flags = " --inventory fleet.toml".to_owned();
    let set = vec![("app".to_owned(), "api server".to_owned())];
    desk.model.order = Some(Order { runbook: "restart-loop".to_owned(), hosts: "web-[01-06]".to_owned(), set });
    desk.ui.screen = Screen::Preview;
    desk.ui.back = vec![Screen::Runbooks, Screen::Hosts];
    desk
}

fn told(events: &[Event]) -> Desk {
    let mut desk = empty();
    desk.told(events);
    desk.wait(Duration::from_secs(8));
    desk.keys("");
    desk.page();
    desk
}

/// The preview of the incident waits to be confirmed; it is eight seconds old.
fn desk() -> Desk {
    told(&previewed().events)
}

fn looks(name: &str, make: impl Fn() -> Desk, script: &str) {
    for size in SIZES {
        for ascii in [false, true] {
            let mut desk = make().sized(size);
            if ascii {
                desk = desk.in_ascii();
            }
            desk.keys(script);
            let glyphs = if ascii { "ascii" } else { "unicode" };
            insta::assert_snapshot!(format!("{name}_{}x{}_{glyphs}", size.0, size.1), desk.page());
        }
    }
}

/// Four of six have answered, one cannot be reached.
fn looking() -> Desk {
    let events = previewed().events;
    let until = events.iter().position(|event| event.kind.host() == Some(&host("web-06"))).expect("web-06 answers");
    let rest = events.iter().filter(|event| event.seq as usize <= until && event.kind.host() != Some(&host("web-02")));
    told(&rest.cloned().collect::<Vec<_>>())
}

fn ended(mut story: Story, state: RunState) -> Story {
    story.tell(EventKind::RunFinished {
        state,
        exit_code: state.code(),
        hosts: BTreeMap::new(),
        changed: 0,
        open: Vec::new(),
        failures: Vec::new(),
        next: Vec::new(),
        duration_ms: 1,
    });
    story
}

/// A preview that finds nothing to change; `down`: nobody answers.
fn nothing(down: bool) -> Story {
    let all = hosts();
    let mut story = Story::new("5d21aa");
    story.planned(&all, &[6]).later(1.0);
    for name in &all {
        match down {
            true => story.down(name, "timeout", "connect timeout after 2.0 s"),
            false => story.connected(name, 0).preview(name, "switch-off", Outcome::Already, Basis::Seen, "enabled is false"),
        };
    }
    story.summary(&[&all]);
    if let Some(EventKind::PlanSummary { change_hosts, unreachable_hosts, changes, destroy, .. }) =
        story.events.last_mut().map(|event| &mut event.kind)
    {
        (*change_hosts, *unreachable_hosts, *changes, *destroy) = (0, if down { 6 } else { 0 }, 0, 0);
    }
    story
}

#[test]
fn the_plan_is_folded_with_the_most_dangerous_first() {
    looks("preview", desk, "");
}

#[test]
fn the_question_names_what_it_is_about() {
    looks("confirm", desk, "<Enter>restart-loop ");
}

#[test]
fn while_it_looks_the_screen_says_who_has_not_answered() {
    looks("looking", looking, "");
}

#[test]
fn the_plan_and_the_question_have_their_tones() {
    insta::assert_snapshot!(desk().sized((80, 24)).styled());
    let mut desk = desk().sized((80, 24));
    desk.keys("<Enter>restart-loop 5<Enter>");
    insta::assert_snapshot!(desk.styled());
}

#[test]
fn zoomed_the_plan_has_the_whole_screen_and_scrolls() {
    let mut desk = desk().sized((60, 14));
    let page = desk.keys("z").page();
    assert!(page.contains(" 2 port-conflict  DESTROYS, no undo") && page.contains("lines more"), "{page}");
    assert!(!page.contains("3+ switch-off"), "{page}");
    let page = desk.keys("G").page();
    assert!(page.contains("3+ switch-off") && !page.contains("lines more"), "{page}");
    assert!(desk.keys("z").page().contains("web-[01-03"));
}

#[test]
fn a_group_unfolds_to_its_hosts_and_the_cursor_stays_with_what_it_is_on() {
    let mut desk = desk();
    let page = desk.keys("]l").page();
    assert!(page.contains("› web-[01-03,06] (4)"), "{page}");
    assert!(["web-01 ", "web-02 ", "web-03 ", "web-06 "].iter().all(|name| page.contains(&format!("    {name}"))), "{page}");
    let page = desk.keys("jj").page();
    assert!(page.contains("›   web-02") && page.contains("── web-02 (1 host)"), "{page}");
    let page = desk.keys("h").page();
    assert!(page.contains("› web-[01-03,06] (4)") && !page.contains("    web-02"), "{page}");
    desk = desk.sized((80, 40));
    assert!(desk.keys("+").page().contains("    web-06"));
    assert!(!desk.keys("-").page().contains("    web-06"));
}

#[test]
fn the_difference_shows_only_what_is_not_as_in_the_largest_other_plan() {
    let page = desk().keys("<Tab>").page();
    assert!(page.contains("- as on web-01, + as here"), "{page}");
    assert!(page.contains("- already: :3000 is held by api") && page.contains("+ end pid 18422"), "{page}");
    assert!(!page.contains("load 1.2"), "{page}");
    assert!(desk().keys("<Tab><Tab>").page().contains("load 1.2"));
}

#[test]
fn brackets_go_from_plan_to_plan_and_say_where_there_is_none() {
    let mut desk = desk();
    assert!(desk.keys("]]").page().contains("› web-05"));
    assert!(desk.page().contains("web-05 is unreachable: there is no plan"));
    assert!(desk.keys("]").page().contains("There is no further plan."));
    assert!(desk.keys("[[").page().contains("› web-04"));
}

#[test]
fn a_text_is_found_in_the_plans() {
    let mut desk = desk();
    assert!(desk.keys("G/old.js<Enter>").page().contains("› web-04"));
    assert!(desk.keys("/HELD BY API<Enter>").page().contains("› web-[01-03,06]"));
    assert!(desk.keys("n").page().contains("› web-[01-03,06]"));
    assert!(desk.keys("/nobody<Enter>").page().contains("`nobody` stands in no plan."));
}

#[test]
fn a_text_that_only_one_host_of_a_plan_has_is_found_on_that_host() {
    let mut events = previewed().events;
    for event in &mut events {
        if let EventKind::PreviewStep { host, step, summary, .. } = &mut event.kind
            && host.as_str() == "web-03"
            && step.as_str() == "precheck"
        {
            *summary = "load 9.9, disk 61%".to_owned();
        }
    }
    let mut desk = told(&events);
    assert!(desk.keys("+g/load 9.9<Enter>").page().contains("›   web-03"), "{}", desk.page());
    assert!(
        desk.keys("-/load 9.9<Enter>").page().contains("`load 9.9` stands in no plan."),
        "its group is told by its first host"
    );
    assert!(desk.keys("+g/WEB-06<Enter>n").page().contains("›   web-06"), "{}", desk.page());
}

#[test]
fn enter_says_why_there_is_nothing_to_confirm_yet() {
    let mut desk = looking();
    let page = desk.keys("<Enter>").page();
    assert!(page.contains("The plan is not complete yet: 2 hosts have not answered."), "{page}");
    assert!(desk.ui.panel.is_none());
}

#[test]
fn only_the_exact_phrase_starts_the_run() {
    for wrong in ["", "restart-loop 6 ", " restart-loop 6", "restart-loop 5", "Restart-loop 6", "y", "restart-loop  6"] {
        let mut desk = desk();
        desk.keys(&format!("<Enter>{wrong}<Enter>"));
        assert_eq!(desk.effects(), [], "{wrong}");
        assert_eq!(desk.ui.screen, Screen::Preview, "{wrong}");
        assert!(desk.page().contains(&format!("> {wrong}")), "what was typed stays: {}", desk.page());
    }
    let mut desk = desk();
    desk.keys("<Enter>restart-loop 5<Enter>");
    assert!(desk.page().contains("the number differs: it is 6, and 5 is typed"), "{}", desk.page());
    desk.keys("<Backspace>6<Enter>");
    assert_eq!(desk.effects(), [Effect::Control(Control::Confirm { by: "ana".to_owned(), via: "tty".to_owned() })]);
    assert_eq!((&desk.ui.screen, desk.ui.panel.is_none()), (&Screen::Run, true));
}

#[test]
fn where_no_phrase_is_asked_y_is_typed() {
    let mut story = previewed();
    story.events.pop();
    story.asked(None);
    let mut desk = told(&story.events);
    let page = desk.keys("<Enter>").page();
    assert!(page.contains("Type y and press Enter."), "{page}");
    assert_eq!(desk.keys("<Enter>").effects(), []);
    assert_eq!(desk.keys("y<Enter>").effects().len(), 1);
}

#[test]
fn the_question_takes_no_paste_and_no_key_that_was_meant_for_the_screen() {
    let mut desk = desk();
    desk.keys("<Enter>");
    for c in "restart-loop 6".chars() {
        // at once: the panel has only just opened
        desk.input(Input::Key(Key::Char(c)));
    }
    desk.input(Input::Paste("restart-loop 6\n".to_owned()));
    assert!(desk.page().contains("A paste is not accepted here"), "{}", desk.page());
    assert_eq!(desk.keys("<Enter>").effects(), []);
    assert!(desk.page().contains("nothing is typed yet"), "{}", desk.page());
    desk.keys("<Esc>");
    assert_eq!((desk.effects(), desk.ui.panel.is_none(), &desk.ui.screen), (Vec::new(), true, &Screen::Preview));
}

#[test]
fn a_question_that_was_taken_back_confirms_nothing() {
    let mut desk = desk();
    desk.keys("<Enter>restart-loop 6");
    let mut story = previewed();
    story.tell(EventKind::ConfirmDeclined { reason: "stopped by ana".to_owned() });
    desk.told(&story.events[story.events.len() - 1..]);
    assert_eq!(desk.keys("<Enter>").effects(), []);
    assert_eq!(desk.ui.screen, Screen::Preview);
}

#[test]
fn esc_stops_a_run_that_waits_to_be_confirmed_and_never_one_that_was() {
    let mut story = previewed();
    let mut desk = told(&story.events);
    desk.keys("<Esc>");
    assert_eq!(desk.effects(), [Effect::Control(Control::Stop { by: "ana".to_owned() })]);
    story.tell(EventKind::ConfirmGiven { by: "ana".to_owned(), via: "tty".to_owned() });
    let mut desk = told(&story.events);
    desk.keys("<Esc>");
    assert_eq!(desk.effects(), []);
}

#[test]
fn an_old_plan_says_so_first_and_in_yellow() {
    let mut desk = desk();
    desk.wait(Duration::from_secs(661));
    let page = desk.keys("<Enter>").styled();
    let row = page.lines().find(|row| row.contains("yellow") && row.contains("each host is checked again before it changes"));
    assert!(row.is_some_and(|row| row.contains("11:09")), "{page}");
}

fn start(hosts: &str) -> Effect {
    let set = vec![("app".to_owned(), "api server".to_owned())];
    Effect::Ask(Request::Start(Order { runbook: "restart-loop".to_owned(), hosts: hosts.to_owned(), set }))
}

#[test]
fn the_host_under_the_cursor_is_left_out_and_the_others_are_looked_at_again() {
    let mut desk = desk();
    let effects = desk.keys("X").effects();
    let declined = Effect::Control(Control::Decline { reason: "host dropped by ana".to_owned() });
    assert_eq!(effects, [declined, start("web-[01-03,05-06]")]);
    assert!(desk.page().contains("web-04 left out; 5 hosts are looked at again."), "{}", desk.page());
    // once is enough: the next one begins when this one has ended
    assert_eq!(desk.keys("X").effects(), []);
    assert_eq!(desk.keys("r").effects(), []);
}

#[test]
fn one_host_of_a_group_can_be_left_out_and_never_the_last_one() {
    assert_eq!(desk().keys("]ljjX").effects().last(), Some(&start("web-[01,03-06]")));
    let mut desk = told(&nothing(false).events);
    assert_eq!(desk.keys("X").effects(), []);
    assert!(desk.page().contains("No host would be left"), "{}", desk.page());
}

#[test]
fn the_same_hosts_are_looked_at_again() {
    let effects = desk().keys("r").effects();
    let declined = Effect::Control(Control::Decline { reason: "checked again by ana".to_owned() });
    assert_eq!(effects, [declined, start("web-[01-06]")]);
    // who still looks hears a stop alone
    let effects = looking().keys("r").effects();
    assert_eq!(effects, [Effect::Control(Control::Stop { by: "ana".to_owned() }), start("web-[01-06]")]);
    // a run that has ended is not ended again
    let effects = told(&ended(previewed(), RunState::Aborted).events).keys("r").effects();
    assert_eq!(effects, [start("web-[01-06]")]);
}

#[test]
fn what_is_only_being_planned_cannot_be_looked_at_again_saved_or_shown() {
    let mut desk = empty();
    desk.model.live = Some(Watched::default());
    for (key, why) in [("r", "r is off: the run is being planned."), ("E", "E is off: there is no plan yet.")] {
        assert_eq!(desk.keys(key).effects(), []);
        assert!(desk.page().contains(why), "{}", desk.page());
    }
    assert_eq!(desk.keys("oyYX").effects(), []);
}

#[test]
fn the_plan_can_be_saved_shown_plain_and_copied() {
    let mut desk = desk();
    let effects = desk.keys("Eo").effects();
    let [Effect::Ask(Request::Export { name, text: Some(text), run }), Effect::Plain(plain)] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!((name.as_str(), run.as_ref().map(ToString::to_string)), ("plan-7f3a9c.txt", Some("7f3a9c".to_owned())));
    assert_eq!(text, plain);
    insta::assert_snapshot!(text);
    let copied = |effects: Vec<Effect>| match effects.as_slice() {
        [Effect::Copy { text, .. }] => text.clone(),
        other => panic!("{other:?}"),
    };
    let line = "runbook run restart-loop --hosts 'web-[01-06]' --set 'app=api server' --inventory fleet.toml --dry-run";
    assert_eq!(copied(desk.keys("Y").effects()), line);
    let line = "web-[01-03,06]: set enabled to false (now true), restart api (id 3)";
    assert_eq!(copied(desk.keys("]y").effects()), line);
}

#[test]
fn when_the_run_goes_on_so_does_the_screen_and_the_plan_can_still_be_looked_at() {
    let mut desk = desk();
    let story = failed();
    desk.told(&story.events[previewed().events.len()..]);
    desk.page();
    assert_eq!(desk.ui.screen, Screen::Run);
    let page = desk.keys("3").page();
    assert_eq!(desk.ui.screen, Screen::Preview);
    assert!(page.contains("This is what was foreseen before the run"), "{page}");
    assert_eq!(desk.keys("Xr").effects(), []);
    assert_eq!(desk.ui.screen, Screen::Preview);
}

#[test]
fn a_runbook_that_only_looks_has_no_preview() {
    let mut story = Story::new("5d21aa");
    story.planned(&hosts(), &[6]).batch(1, 1, &hosts());
    let mut desk = told(&story.events);
    assert!(desk.page().contains("This runbook only looks: there is no preview."), "{}", desk.page());
    assert_eq!(desk.ui.screen, Screen::Run);
    assert!(!desk.ui.back.contains(&Screen::Preview));
}

#[test]
fn a_screen_does_not_change_under_what_is_being_typed() {
    let mut desk = desk();
    desk.keys("/api");
    desk.told(&failed().events[previewed().events.len()..]);
    desk.page();
    assert_eq!(desk.ui.screen, Screen::Preview);
    desk.keys("<Enter>");
    assert_eq!(desk.ui.screen, Screen::Run);
}

#[test]
fn where_nothing_is_to_be_changed_or_can_be_it_is_said() {
    let mut desk = told(&nothing(false).events);
    let page = desk.page();
    assert!(page.contains("Nothing is to be changed") && page.contains("nothing to change"), "{page}");
    assert_eq!(desk.keys("<Enter>").effects(), []);
    assert_eq!(desk.ui.screen, Screen::Run);
    let page = told(&nothing(true).events).page();
    assert!(page.contains("No host can be changed: nothing is asked, the run ends by itself."), "{page}");
    assert!(page.contains("Nothing is to be changed, 6 unreachable."), "{page}");
}

#[test]
fn the_plan_says_when_what_it_opens_is_closed_only_where_that_is_known() {
    for (books, words) in [
        (vec![book("always")], "comes back even if you abort"),
        (vec![book("when-verified")], "comes back once verified, else stays open"),
        (vec![book("never")], "is not put back by this run"),
        (Vec::new(), "the runbook says when it comes back"),
    ] {
        let mut desk = desk().sized((140, 40));
        desk.model.shelf.books = books;
        assert!(desk.page().contains(words), "{}", desk.page());
        assert!(desk.keys("<Enter>").page().contains(words), "{words}");
    }
    // a runbook that was edited since says nothing of the plan
    let mut desk = desk().sized((140, 40));
    if let Ok(runbook) = &mut desk.model.shelf.books[0].is {
        runbook.sha256 = "0".repeat(64);
    }
    assert!(desk.page().contains("the runbook says when it comes back"), "{}", desk.page());
}

#[test]
fn a_record_is_only_looked_at() {
    let story = ended(previewed(), RunState::Aborted);
    let mut desk = empty();
    let run = story.events[0].run.clone();
    let timeline = runbook::state::timeline::timeline(&story.events);
    desk.model.opened = Some(Opened { run: run.clone(), watched: Watched::of(&story.events), timeline });
    desk.ui.shown = Shown::Recorded(run);
    let page = desk.page();
    assert!(page.contains("This is what was foreseen; nothing is looked at again.") && page.contains("seen at 03:1"), "{page}");
    assert_eq!(desk.keys("Xr").effects(), []);
    assert!(desk.page().contains("r is off: this is the record of run 7f3a9c."), "{}", desk.page());
    desk.keys("<Enter>");
    assert!(desk.ui.panel.is_none() && desk.page().contains("nothing can be confirmed"), "{}", desk.page());
}

#[test]
fn what_a_host_says_is_text_only() {
    let all = hosts();
    let mut story = Story::new("5d21aa");
    story.planned(&all, &[6]);
    for name in &all {
        story.connected(name, 0);
        story.preview(name, "restart", Outcome::WouldChange, Basis::Seen, "end pid 1 \x1b[2J\r\u{202e}gnihton");
    }
    story.summary(&[&all]).asked(Some("restart-loop 6"));
    let mut desk = told(&story.events);
    let effects = desk.keys("o").effects();
    let [Effect::Plain(text)] = effects.as_slice() else { panic!("{effects:?}") };
    for page in [text.clone(), desk.page(), desk.keys("<Enter>").page()] {
        assert!(!page.contains(['\x1b', '\r', '\u{202e}']), "{page}");
    }
}

/// Two hundred hosts, each with a plan of its own, and more steps than there are columns.
fn large() -> Story {
    let all: Vec<HostName> = (1..=200).map(|n| host(&format!("node-{n:03}"))).collect();
    let mut story = Story::new("81c2d0");
    story.planned(&all, &[1, 99, 100]);
    if let Some(EventKind::RunPlanned { steps, .. }) = story.events.last_mut().map(|event| &mut event.kind) {
        let last = steps[5].clone();
        steps.extend((7..=40).map(|n| {
            let id = runbook::model::id::StepId::parse(&format!("more-{n}")).expect("an id");
            runbook::model::event::PlannedStep { n, id, ..last.clone() }
        }));
    }
    for (n, name) in all.iter().enumerate() {
        story.connected(name, 0);
        let what = if n == 150 { "end pid 7".to_owned() } else { format!("restart app {n}") };
        story.preview(name, "restart", Outcome::WouldChange, Basis::Declared, &what);
    }
    let groups: Vec<&[HostName]> = all.chunks(1).collect();
    story.summary(&groups).asked(Some("restart-loop 200"));
    story
}

#[test]
fn in_a_large_fleet_the_dangerous_plan_is_first_and_columns_without_room_are_counted() {
    let mut desk = told(&large().events);
    let page = desk.page();
    assert!(page.contains("› node-151 (1)") && page.contains("DESTROYS: end pid 7"), "{page}");
    let heads = page.lines().find(|row| row.contains("WHAT WOULD HAPPEN")).unwrap_or_default();
    // 40 steps and one close; eight columns, of which the last counts
    assert!(heads.contains("res ") && heads.contains("3+ ") && heads.contains("+34 "), "{heads}");
    assert!(desk.keys("G").page().contains("› node-200"));
    assert!(desk.keys("g<Enter>").page().contains("and 196 changes more"), "{}", desk.page());
}

#[test]
fn every_size_is_painted_in_every_state_and_ascii_stays_ascii() {
    let widths = [40, 41, 59, 60, 79, 80, 81, 100, 119, 120, 140, 220, 300];
    let heights = (8..=26).chain([40, 100]);
    let sizes: Vec<(u16, u16)> = heights.flat_map(|height| widths.map(|width| (width, height))).collect();
    let states: [(Story, &str); 9] = [
        (previewed(), ""),
        (previewed(), "]lj<Tab>"),
        (previewed(), "z"),
        (previewed(), "<Enter>restart<Enter>"),
        (large(), "G"),
        (large(), "<Enter>"),
        (nothing(false), "/enabled<Enter>"),
        (nothing(true), "l"),
        (ended(previewed(), RunState::Aborted), ""),
    ];
    for (story, script) in &states {
        for ascii in [false, true] {
            let mut desk = told(&story.events);
            if ascii {
                desk = desk.in_ascii();
            }
            desk.keys(script);
            for size in &sizes {
                desk.ui.size = *size;
                let page = desk.page();
                assert!(!ascii || page.is_ascii(), "{size:?} {script}\n{page}");
                let asks = matches!(desk.ui.panel, Some(Panel::Confirm(_)));
                assert!(!asks || page.contains("restart-loop "), "the phrase is always there: {size:?}\n{page}");
            }
        }
    }
}

#[test]
fn a_preview_of_which_nothing_is_known_yet_is_painted_too() {
    let mut desk = empty();
    assert!(desk.page().lines().count() == 24);
    desk.keys("jklh]n<Tab>zyEoXr<Enter>");
    assert!(desk.ui.panel.is_none());
}
