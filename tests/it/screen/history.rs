//! The recorded runs: the list, what is told of one, two compared.

use std::path::Path;
use std::time::Duration;

use runbook::load;
use runbook::model::event::OpenItem;
use runbook::model::id::RunId;
use runbook::model::outcome::{HostOutcome as H, RunState as S};
use runbook::model::time::Timestamp;
use runbook::state::timeline::timeline;
use runbook::tui::action::{Effect, Order, Request};
use runbook::tui::model::{Book, Broken, Opened, Ran, Watched};
use runbook::tui::ui::{Screen, Shown};

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, Story, failed, host, hosts, tally};

const HOUR: i64 = 3_600_000;

fn id(text: &str) -> RunId {
    RunId::parse(text).expect("a run id")
}

fn ran(run: &str, hours: i64, runbook: &str, state: S, hosts: &[(H, usize)]) -> Ran {
    let planned = hosts.iter().map(|(_, n)| n).sum();
    Ran {
        run: id(run),
        started: Timestamp::from_millis(START - hours * HOUR),
        runbook: runbook.to_owned(),
        selector: "@web".to_owned(),
        by: "ana".to_owned(),
        dry_run: false,
        sim: false,
        unconfirmed: false,
        planned: Some(planned),
        running: false,
        state: Some(state),
        hosts: tally(hosts),
        why: None,
        took: Some(Duration::from_secs(552)),
        open: Vec::new(),
        sha256: Some("9be1f02c".repeat(8)),
    }
}

fn left_open() -> OpenItem {
    let since = Timestamp::from_millis(START - 49 * HOUR);
    OpenItem { host: host("web-02"), key: "k".to_owned(), title: "kill switch enabled".to_owned(), since }
}

fn runs() -> Vec<Ran> {
    let why = Some("exit 1: pm2 restart api".to_owned());
    let mixed = [(H::Ok, 3), (H::Failed, 1), (H::Unreachable, 1), (H::NotStarted, 1)];
    vec![
        Ran { why: why.clone(), selector: "web-[01-06]".to_owned(), ..ran("7f3a9c", 0, "restart-loop", S::Failed, &mixed) },
        Ran { dry_run: true, took: Some(Duration::from_secs(4)), ..ran("39f2aa", 1, "restart-loop", S::Ok, &[(H::Ok, 6)]) },
        Ran { unconfirmed: true, ..ran("39f2ab", 2, "restart-loop", S::Aborted, &[(H::NotStarted, 6)]) },
        Ran {
            open: vec![left_open()],
            by: "kai".to_owned(),
            ..ran("5c01e8", 49, "restart-loop", S::LeftOpen, &[(H::Ok, 5), (H::Failed, 1)])
        },
        ran("a90d11", 50, "triage", S::Ok, &[(H::Ok, 6)]),
        ran("41bb07", 130, "restart-loop", S::Ok, &[(H::Ok, 6)]),
        Ran {
            by: "ci".to_owned(),
            selector: "all".to_owned(),
            ..ran("c3f004", 500, "rotate-certs", S::Aborted, &[(H::Ok, 12), (H::NotStarted, 202)])
        },
        Ran { state: None, hosts: tally(&[]), took: None, ..ran("0d77c4", 520, "restart-loop", S::Ok, &[(H::Ok, 12)]) },
        Ran { selector: "api".to_owned(), ..ran("0d77c5", 530, "restart-loop", S::Failed, &[(H::Ok, 10), (H::RolledBack, 2)]) },
    ]
}

fn book(name: &str) -> Book {
    let mut book = load::runbook::load(Path::new("runbooks/restart-loop.toml")).expect("it loads");
    book.sha256 = "9be1f02c".repeat(8);
    Book {
        name: name.to_owned(),
        path: book.path.clone(),
        is: Ok(Box::new(book)),
        warnings: Vec::new(),
        last: None,
        typical: None,
    }
}

fn desk() -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(START + HOUR));
    desk.model.shelf.read = Some(Timestamp::from_millis(START));
    desk.model.shelf.runs = runs();
    desk.model.shelf.runs_recorded = 57;
    desk.model.shelf.books = vec![book("restart-loop")];
    desk.keys("6");
    desk
}

fn row(page: &str, text: &str) -> String {
    page.lines().find(|row| row.contains(text)).unwrap_or_else(|| panic!("{text} is not in\n{page}")).to_owned()
}

fn under_cursor(page: &str) -> String {
    page.lines().skip(2).find(|row| row.starts_with('›')).unwrap_or_else(|| panic!("no cursor in\n{page}")).to_owned()
}

/// The second of two runs: web-04 failed for another reason and the restart took longer.
fn pair() -> Box<(Watched, Watched)> {
    let all = hosts();
    let run = |run: &str, seconds: f64, ends: [H; 2]| {
        let mut story = Story::new(run);
        story.planned(&all[..2], &[2]).later(1.0).confirmed().batch(1, 1, &all[..2]);
        for (name, end) in all.iter().zip(ends) {
            story.started(name, "precheck").later(0.1).finished(name, "precheck", runbook::model::outcome::Outcome::Ok, "fine");
            story.started(name, "restart").later(seconds);
            story.finished(name, "restart", runbook::model::outcome::Outcome::Changed, "restart api");
            if end == H::Failed {
                let failed = runbook::model::outcome::Outcome::Failed;
                story.started(name, "answers").later(1.0).finished(name, "answers", failed, "503 ten times in a row");
            }
            story.host_ended(name, end, 9);
        }
        Watched::of(&story.events)
    };
    Box::new((run("41bb07", 2.0, [H::Ok, H::Ok]), run("7f3a9c", 6.5, [H::Ok, H::Failed])))
}

#[test]
fn it_looks_like_this() {
    for (columns, rows) in SIZES {
        insta::assert_snapshot!(format!("history-{columns}x{rows}"), desk().sized((columns, rows)).page());
        insta::assert_snapshot!(format!("history-{columns}x{rows}-ascii"), desk().sized((columns, rows)).in_ascii().page());
    }
    insta::assert_snapshot!("history-styles", desk().keys("j<Space>jj").styled());
    insta::assert_snapshot!("history-left-open-140x40", desk().sized((140, 40)).keys("jjj").page());
    let mut desk = desk();
    desk.keys("<Space>jjjjj<Space>=");
    desk.model.compared = Some(pair());
    insta::assert_snapshot!("history-compared", desk.page());
}

#[test]
fn a_run_opens_on_its_timeline_and_the_live_one_as_the_live_one() {
    let mut desk = desk();
    assert_eq!(desk.keys("j<Enter>").effects(), [Effect::Ask(Request::Open(id("39f2aa")))]);
    assert_eq!((&desk.ui.screen, &desk.ui.shown), (&Screen::Timeline, &Shown::Recorded(id("39f2aa"))));
    desk.keys("<Esc>");
    assert_eq!(desk.ui.screen, Screen::History);
    desk.told(&failed().events);
    desk.keys("k").effects();
    assert_eq!(desk.keys("<Enter>").effects(), [Effect::Ask(Request::Open(id("7f3a9c")))]);
    assert_eq!((&desk.ui.screen, &desk.ui.shown), (&Screen::Timeline, &Shown::Live));
}

#[test]
fn retry_previews_exactly_the_hosts_that_are_left() {
    let mut desk = desk();
    let order = |hosts: &str| Order { runbook: "restart-loop".to_owned(), hosts: hosts.to_owned(), set: Vec::new() };
    let hosts = "failed:7f3a9c,unreachable:7f3a9c,not-started:7f3a9c";
    assert_eq!(desk.keys("R").effects(), [Effect::Ask(Request::Start(order(hosts)))]);
    assert_eq!((&desk.ui.screen, &desk.ui.shown), (&Screen::Preview, &Shown::Live));
    let mut desk = self::desk();
    assert_eq!(desk.keys("GR").effects(), [Effect::Ask(Request::Start(order("failed:0d77c5")))], "those rolled back failed too");
}

#[test]
fn retry_is_off_with_a_reason_where_it_has_no_meaning() {
    let off = |desk: &mut Desk, keys: &str| {
        let page = desk.keys(keys).page();
        assert_eq!(desk.effects(), [], "{page}");
        row(&page, "R is off: ").trim().to_owned()
    };
    assert_eq!(off(&mut desk(), "jR"), "R is off: nothing was tried in this run, it only looked.");
    assert_eq!(off(&mut desk(), "jjR"), "R is off: nothing was tried in this run, it only looked.");
    assert_eq!(off(&mut desk(), "jjjjjR"), "R is off: all hosts of this run were ok.");
    assert_eq!(off(&mut desk(), "jjjjjjR"), "R is off: there is no runbook rotate-certs here any more.");
    assert_eq!(off(&mut desk(), "jjjjjjjR"), "R is off: the end of this run is not recorded.");
    let mut broken = desk();
    broken.model.shelf.books[0].is = Err(Broken::default());
    assert_eq!(off(&mut broken, "R"), "R is off: runbook restart-loop cannot be used as it is.");
    let mut sim = desk();
    sim.model.shelf.runs[0].sim = true;
    assert_eq!(off(&mut sim, "R"), "R is off: the hosts of this run were simulated, those here are real.");
    let mut refused = desk();
    refused.model.shelf.runs[0].hosts = tally(&[(H::Ok, 5), (H::Refused, 1)]);
    assert_eq!(off(&mut refused, "R"), "R is off: a guard refused the hosts that are left: look at them first.");
    let mut live = desk();
    live.told(&failed().events);
    assert_eq!(off(&mut live, "R"), "R is off: a run is under way.");
}

#[test]
fn two_marked_runs_are_compared_the_older_one_first() {
    let mut desk = desk();
    assert!(desk.keys("=").page().contains("= is off: mark two runs with Space first."));
    assert!(desk.keys("<Space>").page().contains("1 marked"));
    assert!(desk.keys("jjjjj<Space>").page().contains("2 marked: = compares them"));
    assert!(desk.keys("j<Space>").page().contains("Two runs are marked already"));
    assert_eq!(desk.keys("=").effects(), [Effect::Ask(Request::Compare(id("41bb07"), id("7f3a9c")))]);
    assert!(desk.page().contains("reading the two records"));
    let mut other = pair();
    other.0.run.run = Some(id("a90d11"));
    desk.model.compared = Some(other);
    assert!(desk.page().contains("reading the two records"), "other runs are not these");
    desk.model.compared = Some(pair());
    let page = desk.page();
    assert!(page.contains("another result: 1 of the 2 hosts in both"), "{page}");
    assert!(page.contains("web-02: was ok, is failed"), "{page}");
    assert!(page.contains("errors: 1 new, 0 gone"), "{page}");
    assert!(page.contains("4 restart: 6.5 s, was 2.0 s"), "{page}");
    assert!(!page.contains("1 precheck:"), "{page}");
    assert!(desk.keys("R").page().contains("R is off: two runs are compared."));
    assert!(desk.keys("<Esc>").page().contains("WHEN (UTC)"));
    assert_eq!(desk.ui.screen, Screen::History);
    // marks stay, and are taken off one by one or all at once
    assert!(desk.page().contains("2 marked"));
    assert!(!desk.keys("u").page().contains("marked"));
}

#[test]
fn the_list_narrows_by_any_column_and_sorts_problems_first() {
    let mut desk = desk();
    let page = desk.keys("/rotate").page();
    assert!(page.contains("c3f004") && !page.contains("5c01e8"), "{page}");
    assert!(desk.keys("<Enter>").page().contains("1 of 57 runs with \"rotate\""), "{}", desk.page());
    assert!(desk.keys("<Esc>").page().contains("9 of 57 runs, newest first"), "Esc takes the filter away first");
    assert_eq!(desk.ui.screen, Screen::History);
    assert!(desk.keys("/left open<Enter>").page().contains("1 of 57"));
    assert!(desk.keys("<Esc>/nothing like this").page().contains("No run has \"nothing like this\" in any column."));
    desk.keys("<Esc>");
    let order = |page: &str| -> Vec<String> {
        page.lines().skip(3).take(9).filter_map(|row| row.get(..).map(|r| r.chars().skip(2).take(6).collect())).collect()
    };
    desk.keys("ss");
    assert!(desk.page().contains("problems first"), "{}", desk.page());
    assert_eq!(order(&desk.keys("g").page())[..5], ["7f3a9c", "5c01e8", "c3f004", "0d77c4", "0d77c5"]);
    assert!(desk.keys("s").page().contains("newest first"));
}

#[test]
fn the_next_problem_is_the_next_run_that_did_not_end_ok_or_has_something_open() {
    let mut desk = desk();
    let mut at = |keys: &str| under_cursor(&desk.keys(keys).page()).chars().skip(2).take(6).collect::<String>();
    assert_eq!(["]", "]", "]", "]", "]", "["].map(&mut at), ["5c01e8", "c3f004", "0d77c4", "0d77c5", "7f3a9c", "0d77c5"]);
}

#[test]
fn a_record_that_was_read_tells_names() {
    let mut desk = desk();
    assert!(desk.page().contains("3 ok  1 failed  1 unreachable  1 not started"), "{}", desk.page());
    let events = failed().events;
    desk.model.opened = Some(Opened { run: id("7f3a9c"), watched: Watched::of(&events), timeline: timeline(&events) });
    let page = desk.page();
    assert!(row(&page, "changed ").contains("web-[01-04]"), "{page}");
    assert!(row(&page, "not started").contains("web-06"), "{page}");
    assert!(!desk.keys("j").page().contains("web-[01-04]"), "that is another run");
}

#[test]
fn the_runbook_is_unchanged_changed_or_gone() {
    let mut desk = desk();
    assert!(desk.page().contains("restart-loop 9be1f02c, unchanged since"), "{}", desk.page());
    desk.model.shelf.runs[0].sha256 = Some("77".repeat(32));
    assert!(desk.page().contains("restart-loop 77777777, CHANGED since"));
    desk.model.shelf.books.clear();
    assert!(desk.page().contains("is not here any more"));
}

#[test]
fn it_leaves_as_an_id_a_command_a_file() {
    let mut desk = desk();
    desk.model.shelf.record_flags = " --state-dir /tmp/x".to_owned();
    let copied = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Copy { text, .. }] => text.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(copied(desk.keys("y").effects()), "7f3a9c");
    assert_eq!(copied(desk.keys("Y").effects()), "runbook timeline 7f3a9c --state-dir /tmp/x");
    let [Effect::Ask(Request::Export { name, text: Some(text), run: None })] = &desk.keys("E").effects()[..] else {
        panic!("an export")
    };
    assert_eq!(name, "history.txt");
    assert_eq!(text.lines().count(), 10);
    assert!(text.contains("2026-11-21T03:13:00Z") && text.contains("1 of 6 failed"), "{text}");
    assert_eq!(desk.keys("r").effects(), [Effect::Ask(Request::Reload)]);
    desk.model.shelf.runs.clear();
    assert_eq!(copied(desk.keys("Y").effects()), "runbook history --state-dir /tmp/x");
    assert!(desk.page().contains("No run is recorded yet."));
    assert!(desk.keys("<Enter>").page().contains("Enter is off: no run is shown."));
}

#[test]
fn every_size_paints() {
    let mut strange = desk();
    strange.model.shelf.runs[0].runbook = "漢字\u{1b}[31m漢字漢字漢字漢字".to_owned();
    strange.model.shelf.runs[0].why = Some("\u{202e}x".repeat(400));
    let mut compared = desk();
    compared.keys("<Space>jjjjj<Space>=");
    compared.model.compared = Some(pair());
    let empty = Desk::new(Timestamp::from_millis(START));
    for mut desk in [desk(), desk().in_ascii(), strange, compared, empty] {
        desk.ui.screen = Screen::History;
        for columns in (40..=300).step_by(7) {
            for rows in [8, 9, 10, 14, 23, 24, 40, 100] {
                desk.ui.size = (columns, rows);
                let page = desk.page();
                assert!(page.lines().all(|row| row.chars().count() <= usize::from(columns)), "{page}");
            }
        }
    }
}
