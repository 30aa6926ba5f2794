//! The runbook picker, what is wrong with a file, and help.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use runbook::load::diagnostic::Diagnostics;
use runbook::load::inventory::from_source as read_inventory;
use runbook::load::runbook::from_source;
use runbook::load::source::decode;
use runbook::model::id::RunId;
use runbook::model::inventory::Inventory;
use runbook::model::outcome::{HostOutcome, RunState};
use runbook::model::time::Timestamp;
use runbook::steps::KINDS;
use runbook::tui::action::{Effect, Request};
use runbook::tui::draw::draw;
use runbook::tui::keymap::{Keymap, TABLE};
use runbook::tui::model::{Book, Broken, Problem, Ran, Shelf};
use runbook::tui::screen::runbooks;
use runbook::tui::screen::{self};
use runbook::tui::ui::{Screen, Shown};

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, previewed};

const DAY: u64 = 86_400;

fn now() -> Timestamp {
    Timestamp::from_millis(START)
}

fn ran(run: &str, runbook: &str, seconds_ago: u64, by: &str, hosts: &[(HostOutcome, usize)]) -> Ran {
    let ok = hosts.iter().all(|(outcome, _)| *outcome == HostOutcome::Ok);
    Ran {
        run: RunId::parse(run).expect("a run id"),
        started: Timestamp::from_millis(START - 1000 * i64::try_from(seconds_ago).expect("it fits")),
        runbook: runbook.to_owned(),
        selector: "@web".to_owned(),
        by: by.to_owned(),
        dry_run: false,
        sim: false,
        unconfirmed: false,
        planned: Some(hosts.iter().map(|(_, n)| n).sum()),
        running: false,
        state: Some(if ok { RunState::Ok } else { RunState::Failed }),
        hosts: hosts.iter().copied().collect(),
        why: None,
        took: Some(Duration::from_secs(552)),
        open: Vec::new(),
        sha256: None,
    }
}

/// A runbook as it is read from its text.
fn book(name: &str, text: &str, last: Option<Ran>, typical: Option<u64>) -> Book {
    let path = PathBuf::from(format!("runbooks/{name}.toml"));
    let source = decode(&path, text.as_bytes().to_vec()).expect("a text");
    let (is, warnings) = from_source(&source, KINDS);
    Book {
        name: name.to_owned(),
        path: path.clone(),
        is: is.map(Box::new).map_err(|found| broken(&path, &found)),
        warnings: warnings.lines().lines().map(str::to_owned).collect(),
        last,
        typical: typical.map(Duration::from_secs),
    }
}

fn broken(path: &Path, found: &Diagnostics) -> Broken {
    let problem = |n: usize| {
        let one = Diagnostics { list: found.list[n..=n].to_vec(), more: 0, ..found.clone() };
        let place = one.place(one.list[0].span.as_ref().map_or(0, |span| span.start));
        Problem { line: place.line, column: place.column, text: one.drawn(false) }
    };
    let errors = found.list.len();
    Broken { path: path.to_owned(), problems: (0..errors).map(problem).collect(), errors, warnings: 0 }
}

const DISK: &str = "name = \"clear-disk\"\ntitle = \"Remove old releases\"\nrisk = \"destructive\"\n\
    [vars]\napp = { type = \"string\" }\nkeep = { type = \"int\", default = 3 }\n\
    [[step]]\nid = \"remove\"\nkind = \"exec\"\nrun = \"rm -rf releases\"\nunless = \"test ! -d releases\"\n\
    [[verify]]\nid = \"up\"\nkind = \"port\"\nport = 3000\n";

const FAILOVER: &str = "name = \"failover-db\"\ntitle = \"Fail the database over\"\n\n[[step]]\nid = \"promote\"\nkind = \"exek\"\n\
    run = \"true\"\n\n[[step]]\nid = \"verify\"\nkind = \"exec\"\nrum = \"psql -tc 'select 1'\"\n";

fn shelf() -> Shelf {
    let failed = [(HostOutcome::Ok, 5), (HostOutcome::Failed, 1)];
    let mut last = ran("5c01e8", "restart-loop", 2 * DAY + 60, "kai", &failed);
    last.why = Some("restart on web-04: exit 1: EADDRINUSE :3000".to_owned());
    let mut undone = ran("0d77c4", "restart-loop", 11 * DAY, "ana", &[(HostOutcome::RolledBack, 2), (HostOutcome::Ok, 10)]);
    undone.selector = "@api".to_owned();
    let mut dry = ran("39f2aa", "restart-loop", 6 * DAY, "ana", &[(HostOutcome::Ok, 6)]);
    (dry.dry_run, dry.took) = (true, Some(Duration::from_secs(4)));
    let looked = ran("41bb07", "precheck", 3 * 3600, "ana", &[(HostOutcome::Ok, 6)]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks");
    let text = |name: &str| std::fs::read_to_string(root.join(format!("{name}.toml"))).expect("it is shipped");
    let books = vec![
        book("precheck", &text("precheck"), Some(looked.clone()), Some(21)),
        book("restart-loop", &text("restart-loop"), Some(last.clone()), Some(108)),
        book("kill-switch", &text("kill-switch"), None, None),
        book("clear-disk", DISK, None, None),
        book("failover-db", FAILOVER, None, None),
    ];
    Shelf {
        read: Some(now()),
        books,
        inventory: Some(Ok(inventory())),
        inventory_name: "inventory.toml".to_owned(),
        run_flags: " -i 'my hosts.toml'".to_owned(),
        runs: vec![looked, last, dry, undone],
        runs_recorded: 4,
        ..Shelf::default()
    }
}

fn inventory() -> Inventory {
    let text = "[defaults]\nuser = \"deploy\"\n[hosts.web-01]\n[hosts.web-02]\n[groups.web]\nhosts = [\"web-*\"]\n";
    let source = decode(Path::new("inventory.toml"), text.as_bytes().to_vec()).expect("a text");
    read_inventory(&source, None).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn bad_inventory() -> Broken {
    let text = "error[E201]: `adress` is no key here\n   ╭▸ inventory.toml:14:1\n   │\n14 │ adress = \"10.0.0.1\"\n   │ ━━━━━━\n   │\n   ╰ help: did you mean `address`?";
    let problem = Problem { line: 14, column: 1, text: text.to_owned() };
    Broken { path: PathBuf::from("inventory.toml"), problems: vec![problem], errors: 1, warnings: 0 }
}

fn desk() -> Desk {
    let mut desk = Desk::new(now());
    desk.model.shelf = shelf();
    desk
}

/// The page in all sizes and with both sets of glyphs.
fn pages(name: &str, make: impl Fn() -> Desk, keys: &str) {
    for (width, height) in SIZES {
        for ascii in [false, true] {
            let desk = make().sized((width, height));
            let mut desk = if ascii { desk.in_ascii() } else { desk };
            let page = desk.keys(keys).page();
            assert!(!ascii || page.is_ascii(), "{name}: {page}");
            let set = if ascii { "ascii" } else { "unicode" };
            insta::assert_snapshot!(format!("{name}-{width}x{height}-{set}"), page);
        }
    }
}

#[test]
fn the_picker_in_all_sizes() {
    pages("picker", desk, "j");
}

#[test]
fn the_panes_of_the_picker() {
    pages("picker-steps", desk, "j<Tab>");
    pages("picker-runs", desk, "j<Tab><Tab>");
    let mut desk = desk().sized((80, 24));
    insta::assert_snapshot!("picker-broken", desk.keys("G").page());
    insta::assert_snapshot!("picker-needs", desk.keys("k").page());
    insta::assert_snapshot!("picker-styles", crate::screen::books::desk().keys("j").styled());
}

#[test]
fn the_cursor_stays_with_its_runbook_while_the_order_changes() {
    let mut desk = desk();
    assert!(desk.keys("j").page().contains("› restart-loop"));
    assert!(desk.keys("s").page().contains("by name"));
    assert!(desk.page().contains("› restart-loop"));
    let page = desk.keys("s").page();
    let first = page.lines().nth(3).expect("a row");
    assert!(first.starts_with("  clear-disk"), "the highest risk is first: {first}");
    assert!(desk.page().contains("› restart-loop"));
    desk.model.shelf.books.reverse();
    assert!(desk.keys("s").page().contains("› restart-loop"));
}

#[test]
fn what_is_typed_after_a_slash_narrows_the_list_and_esc_shows_all_again() {
    let mut desk = desk();
    let page = desk.keys("/pm2 loop").page();
    assert!(page.contains("› restart-loop") && !page.contains("clear-disk"), "{page}");
    assert!(desk.keys("<Enter>").page().contains("1 of 5 runbooks match `pm2 loop`"), "{}", desk.page());
    let page = desk.keys("/zzz").page();
    assert!(page.contains("No runbook matches `zzz`."), "{page}");
    assert!(desk.keys("<Esc>").page().contains("clear-disk"));
    assert!(desk.keys("n").page().contains("n is off: nothing is searched for"));
}

#[test]
fn enter_chooses_a_good_one_and_opens_the_problems_of_a_broken_one() {
    let mut desk = desk();
    desk.keys("j<Enter>");
    assert_eq!((&desk.ui.screen, desk.ui.runbooks.chosen.as_deref()), (&Screen::Hosts, Some("restart-loop")));
    desk.keys("<Esc>G<Enter>");
    assert_eq!(desk.ui.screen, Screen::Diagnostics("failover-db".to_owned()));
    assert_eq!(desk.ui.runbooks.chosen.as_deref(), Some("restart-loop"), "a broken one cannot be chosen");
    assert_eq!(desk.effects(), []);
}

#[test]
fn brackets_go_to_broken_runbooks() {
    let mut desk = desk();
    assert!(desk.keys("]").page().contains("› failover-db"));
    desk.model.shelf.books[0].is = Err(bad_inventory());
    assert!(desk.keys("]").page().contains("› precheck"));
    assert!(desk.keys("[").page().contains("› failover-db"));
    let mut desk = crate::screen::books::desk();
    desk.model.shelf.books.retain(|book| book.is.is_ok());
    assert!(desk.keys("]").page().contains("] is off: no runbook is broken."));
}

#[test]
fn keys_that_ask_for_something() {
    let mut desk = desk();
    assert_eq!(desk.keys("r").effects(), [Effect::Ask(Request::Reload)]);
    let copy = |what: &str, text: &str| [Effect::Copy { what: what.to_owned(), text: text.to_owned() }];
    assert_eq!(desk.keys("jy").effects(), copy("the name", "restart-loop"));
    assert_eq!(desk.keys("Y").effects(), copy("the command line", "runbook show restart-loop -i 'my hosts.toml'"));
    let edit = |path: &str, line: usize| [Effect::Edit { path: PathBuf::from(path), line }];
    assert_eq!(desk.keys("e").effects(), edit("runbooks/restart-loop.toml", 1));
    assert_eq!(desk.keys("Ge").effects(), edit("runbooks/failover-db.toml", 6));
    let plain = desk.keys("o").effects();
    assert!(matches!(&plain[..], [Effect::Plain(text)] if text.contains("failover-db") && text.contains("restart-loop")));
}

#[test]
fn a_run_of_a_runbook_opens_its_timeline() {
    let mut desk = desk().sized((140, 40));
    desk.keys("j<Tab><Tab>j<Enter>");
    let run = RunId::parse("39f2aa").expect("a run id");
    assert_eq!(desk.effects(), [Effect::Ask(Request::Open(run.clone()))]);
    assert_eq!((&desk.ui.screen, &desk.ui.shown), (&Screen::Timeline, &Shown::Recorded(run)));
}

#[test]
fn variables_are_checked_kept_and_forgotten_with_another_runbook() {
    let mut desk = desk();
    desk.keys("jjj");
    let set = |desk: &mut Desk, name: &str, value: &str| runbooks::set(&mut desk.ui, &desk.model, name, value);
    assert_eq!(runbooks::missing(&desk.ui, &desk.model), [""; 0], "none is chosen");
    assert_eq!(set(&mut desk, "kep", "1"), Err("clear-disk has no variable `kep`; did you mean `keep`?".to_owned()));
    assert_eq!(set(&mut desk, "zzz", "1"), Err("clear-disk has no variable `zzz`; it has: app, keep".to_owned()));
    assert_eq!(set(&mut desk, "keep", "x"), Err("keep: `x` is not a whole number".to_owned()));
    assert_eq!(set(&mut desk, "keep", "4"), Ok(()));
    assert_eq!(desk.ui.runbooks.chosen.as_deref(), Some("clear-disk"));
    assert_eq!(runbooks::missing(&desk.ui, &desk.model), ["app"]);
    assert!(desk.page().contains("clear-disk needs :set app=VALUE"), "{}", desk.page());
    assert!(desk.page().contains("keep=4 (set)"), "{}", desk.page());
    assert_eq!(set(&mut desk, "app", "api"), Ok(()));
    assert_eq!(set(&mut desk, "app", "web"), Ok(()));
    assert_eq!(runbooks::missing(&desk.ui, &desk.model), [""; 0]);
    desk.keys("<Enter>");
    let own = [("keep", "4"), ("app", "web")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(desk.ui.runbooks.set, own, "Enter on the same one keeps them");
    desk.keys("<Esc>kk<Enter>");
    assert_eq!(desk.ui.runbooks.set, [], "another one has its own");
    desk.keys("1G");
    assert_eq!(set(&mut desk, "app", "x"), Err("failover-db is broken: its variables cannot be read".to_owned()));
}

#[test]
fn what_the_inventory_sets_is_not_missing() {
    let mut desk = desk();
    desk.keys("jjj<Enter>");
    assert_eq!(runbooks::missing(&desk.ui, &desk.model), ["app"]);
    let mut with_app = inventory();
    with_app.default_vars.insert("app".to_owned(), "api".into());
    desk.model.shelf.inventory = Some(Ok(with_app));
    assert_eq!(runbooks::missing(&desk.ui, &desk.model), [""; 0]);
}

#[test]
fn what_is_missing_is_said_with_what_to_do_next() {
    let mut desk = desk();
    desk.model.shelf = Shelf::default();
    assert!(desk.page().contains("Reading runbooks, inventory and record."), "{}", desk.page());
    assert!(desk.keys("<Enter>").page().contains("Enter is off: runbooks are being read."));
    desk.model.shelf = Shelf { read: Some(now()), ..Shelf::default() };
    assert!(desk.page().contains("There are no runbooks here."), "{}", desk.page());
    assert!(desk.keys("e").page().contains("e is off: there is no runbook under the cursor."));
    desk.model.shelf = Shelf { inventory: Some(Err(bad_inventory())), ..shelf() };
    let page = desk.keys("g").page();
    assert!(page.contains("The inventory inventory.toml:14:1 cannot be used: 1 error; 2 shows them."), "{page}");
    assert_eq!(desk.keys("2").ui.screen, Screen::Diagnostics(String::new()));
    assert_eq!(desk.keys("1<Enter>").ui.screen, Screen::Diagnostics(String::new()));
}

#[test]
fn the_problems_of_a_file_in_all_sizes() {
    pages("problems", desk, "G<Enter>");
    let inventory = || {
        let mut desk = desk();
        desk.model.shelf.inventory = Some(Err(bad_inventory()));
        desk
    };
    pages("problems-inventory", inventory, "2");
    insta::assert_snapshot!("problems-styles", desk().keys("G<Enter>").styled());
}

#[test]
fn problems_are_gone_through_edited_and_copied() {
    let mut desk = desk().sized((80, 14));
    desk.keys("G<Enter>");
    let edit = |line: usize| [Effect::Edit { path: PathBuf::from("runbooks/failover-db.toml"), line }];
    assert_eq!(desk.keys("e").effects(), edit(6));
    assert_eq!(desk.keys("je").effects(), edit(9));
    assert!(desk.page().contains("> error") || desk.page().contains("› error"), "{}", desk.page());
    assert_eq!(desk.keys("]]]e").effects(), edit(12), "it stops at the last one");
    assert_eq!(desk.keys("ge").effects(), edit(6));
    assert_eq!(desk.keys("Ge[e").effects()[1..], edit(9));
    let copied = desk.keys("y").effects();
    let Some(Broken { problems, .. }) = desk.model.shelf.books[4].is.clone().err() else { panic!("it is broken") };
    assert!(matches!(&copied[..], [Effect::Copy { text, .. }] if *text == problems[1].text.trim_end()));
    assert!(matches!(&desk.keys("o").effects()[..], [Effect::Plain(text)] if text.contains(problems[0].text.trim_end())));
    assert_eq!(desk.keys("r").effects(), [Effect::Ask(Request::Reload)]);
    assert!(desk.keys("/").page().contains("/ is off: nothing is searched here"));
}

#[test]
fn a_file_that_becomes_good_is_said_to_be() {
    let mut desk = desk();
    desk.keys("G<Enter>");
    let good = desk.model.shelf.books[0].is.clone();
    desk.model.shelf.books[4].is = good;
    let warnings = std::mem::take(&mut desk.model.shelf.books[4].warnings);
    let page = desk.page();
    assert!(page.contains("failover-db can be used now: nothing is wrong with it."), "{page}");
    assert!(page.contains("It can be used; Esc goes back."), "{page}");
    desk.model.shelf.books[4].warnings = warnings;
    assert!(desk.page().contains("failover-db can be used now: 1 warning."), "{}", desk.page());
    assert!(desk.keys("e").page().contains("e is off: nothing is wrong here."));
    desk.model.shelf.books.pop();
    assert!(desk.page().contains("There is no failover-db any more."), "{}", desk.page());
    assert_eq!(desk.keys("<Esc>").ui.screen, Screen::Runbooks);
}

#[test]
fn help_in_all_sizes() {
    let live = || {
        let mut desk = desk();
        desk.told(&previewed().events);
        desk
    };
    pages("help-run", live, "4?");
    pages("help-runbooks", desk, "?");
    pages("help-marks", desk, "?<Tab>");
    insta::assert_snapshot!("help-styles", desk().keys("?search").styled());
}

#[test]
fn help_lists_every_key_of_the_table_once_and_as_the_user_has_moved_it() {
    let own = BTreeMap::from([("pause".to_owned(), vec!["(".to_owned()])]);
    let mut desk = desk().sized((200, 60));
    desk.ui.keys = Keymap::with(&own).expect("it is fine");
    let page = desk.keys("?").page();
    for row in TABLE {
        assert!(page.contains(&desk.ui.keys.shown(row.action).join(" ")), "{}: {page}", row.name);
    }
    assert!(page.lines().any(|line| line.contains("  (  ") && line.contains("pause: no new step starts")), "{page}");
    assert!(!page.contains("  p  "), "{page}");
}

#[test]
fn every_printable_key_narrows_help_down_and_the_reason_of_a_dimmed_key_is_said() {
    let mut desk = desk();
    let page = desk.keys("?abort").page();
    assert!(page.contains("abort the run") && !page.contains("half a page"), "{page}");
    assert!(page.contains("A has no meaning on this screen."), "{page}");
    assert!(desk.keys("q?").page().contains("No key or command does `abortq?`."));
    let page = desk.keys("<Ctrl-U>X").page();
    assert!(page.contains("› X"), "a key by itself is found first: {page}");
    assert_eq!(desk.effects(), []);
    desk.keys("<Esc>");
    assert!(desk.ui.panel.is_none());
}

#[test]
fn help_that_does_not_fit_has_pages() {
    let mut desk = desk().sized((60, 14));
    assert!(desk.keys("?").page().contains("page 1 of "), "{}", desk.page());
    assert!(desk.keys("<PgDn>").page().contains("page 2 of "), "{}", desk.page());
    let page = desk.keys("<End>").page();
    let (at, of) = page.split_once("page ").and_then(|(_, rest)| rest.split_once(" of ")).expect("a page");
    assert!(of.starts_with(at), "{page}");
    assert!(desk.keys("<Home>").page().contains("page 1 of "));
}

#[test]
fn no_size_breaks_these_screens() {
    for keys in ["j", "j<Tab>", "j<Tab><Tab>", "jz<Tab><Tab><Tab>", "jjj", "G", "/zz<Enter>", "G<Enter>G", "?", "?<Tab>", "?x"] {
        for ascii in [false, true] {
            let desk = desk();
            let mut desk = if ascii { desk.in_ascii() } else { desk };
            desk.keys(keys);
            for width in [1, 20, 39, 40, 41, 59, 60, 61, 79, 80, 81, 100, 119, 120, 121, 140, 200, 300] {
                for height in [1, 7, 8, 9, 10, 12, 14, 20, 23, 24, 25, 30, 40, 60, 100] {
                    desk.ui.size = (width, height);
                    screen::settle(&mut desk.ui, &desk.model);
                    let area = Rect { x: 0, y: 0, width, height };
                    // what is painted outside the area would panic
                    draw(&mut Buffer::empty(area), area, &desk.model, &desk.ui);
                }
            }
        }
    }
}
