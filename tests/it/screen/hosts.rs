//! The host picker.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runbook::load::inventory::from_source;
use runbook::load::source::decode;
use runbook::model::id::{HostName, RunId};
use runbook::model::inventory::Inventory;
use runbook::model::outcome::HostOutcome;
use runbook::model::time::Timestamp;
use runbook::tui::action::{Effect, Order, Request};
use runbook::tui::model::{Broken, Last, Model, Problem, Reach};
use runbook::tui::screen::hosts;
use runbook::tui::ui::{Screen, Shown};

use crate::screen::page::{Desk, SIZES};
use crate::screen::story::{START, failed, host};

/// 2026-11-21T03:12:31Z
const NOW: i64 = START - 29_000;

fn inventory(text: &str) -> Inventory {
    let source = decode(Path::new("inventory.toml"), format!("[defaults]\nuser = \"deploy\"\n{text}").into_bytes());
    match source.and_then(|source| from_source(&source, Some(Path::new("/home/ana")))) {
        Ok(inventory) => inventory,
        Err(found) => panic!("{found}"),
    }
}

fn machines(text: &mut String, name: &str, digits: usize, tags: &[&str], count: usize) {
    for n in 1..=count {
        let tags: Vec<String> = (0..tags.len().min(1)).map(|_| format!("\"{}\"", tags[(n - 1) % tags.len()])).collect();
        writeln!(text, "[hosts.{name}-{n:0digits$}]\ntags = [{}]", tags.join(", ")).expect("a string takes it");
    }
}

/// 2000 hosts: web (8, protected), api (12), worker (24), edge (1956).
fn fleet() -> Inventory {
    let mut text = String::new();
    machines(&mut text, "web", 2, &["az-a", "az-b", "az-c"], 8);
    machines(&mut text, "api", 2, &["az-a", "az-b"], 12);
    machines(&mut text, "worker", 2, &[], 24);
    machines(&mut text, "edge", 4, &["pop"], 1956);
    text.push_str("[groups.web]\nhosts = [\"web-*\"]\nprotected = true\n");
    for group in ["api", "worker", "edge"] {
        writeln!(text, "[groups.{group}]\nhosts = [\"{group}-*\"]").expect("a string takes it");
    }
    inventory(&text)
}

fn names(list: &str) -> Vec<HostName> {
    list.split(' ').map(host).collect()
}

fn up(model: &mut Model, name: &str, ms: u64, ago: u64) {
    let at = Timestamp::from_millis(model.now.as_millis() - 1000 * ago as i64);
    model.reach.insert(host(name), Reach::Up { took: Duration::from_millis(ms), at });
}

fn down(model: &mut Model, name: &str, class: &str, why: &str) {
    model.reach.insert(host(name), Reach::Down { class: class.to_owned(), why: why.to_owned(), at: model.now });
}

fn bare(inventory: Inventory) -> Desk {
    let mut desk = Desk::new(Timestamp::from_millis(NOW));
    desk.model.shelf.inventory = Some(Ok(inventory));
    desk.model.shelf.inventory_name = "inventory.toml".to_owned();
    desk.model.shelf.read = Some(Timestamp::from_millis(NOW));
    desk.keys("2");
    desk.effects();
    desk
}

/// The night of the mock-up: restart-loop is chosen, web was probed and web-05 is down.
fn desk() -> Desk {
    let mut desk = bare(fleet());
    desk.ui.runbooks.chosen = Some("restart-loop".to_owned());
    let model = &mut desk.model;
    for (n, ms) in [(1, 12), (2, 11), (3, 14), (4, 13), (6, 12), (7, 15), (8, 12)] {
        up(model, &format!("web-{n:02}"), ms, if n == 7 { 200 } else { 10 });
    }
    down(model, "web-05", "connect-timeout", "connect timeout after 2.0 s");
    for n in 1..=12 {
        up(model, &format!("api-{n:02}"), 9, 5);
    }
    for n in 1..=6 {
        let outcome = if n == 4 { HostOutcome::Failed } else { HostOutcome::Ok };
        let run = RunId::parse("5c01e8").expect("a run id");
        let at = Timestamp::from_millis(NOW - 2 * 86_400_000 - 1000);
        model.shelf.last.insert(host(&format!("web-{n:02}")), Last { at, run, outcome });
    }
    desk
}

/// Six of web are selected, the other groups but edge are folded.
fn six() -> Desk {
    let mut desk = desk();
    let wanted = names("web-01 web-02 web-03 web-04 web-05 web-06");
    hosts::select(&mut desk.ui, &desk.model, &wanted);
    desk.keys("G").keys("-").keys("g").keys("lj");
    desk
}

fn selected(desk: &Desk) -> String {
    desk.model.selector_of(&hosts::selection(&desk.ui))
}

fn row(desk: &mut Desk, part: &str) -> String {
    let page = desk.page();
    let found = page.lines().skip(2).find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no row has `{part}`:\n{page}")).to_owned()
}

#[test]
fn the_page_at_all_sizes() {
    for size in SIZES {
        let mut desk = six().sized(size);
        insta::assert_snapshot!(format!("hosts_{}x{}", size.0, size.1), desk.page());
        let mut desk = desk.in_ascii();
        insta::assert_snapshot!(format!("hosts_{}x{}_ascii", size.0, size.1), desk.page());
    }
}

#[test]
fn the_page_with_styles() {
    let mut desk = six();
    down(&mut desk.model, "web-02", "host-key-changed", "the host key SHA256:x is not the recorded one");
    insta::assert_snapshot!(desk.styled());
}

#[test]
fn nothing_selected_and_a_filter_with_hidden_hosts() {
    insta::assert_snapshot!("hosts_nothing_selected", desk().page());
    let mut desk = six().sized((140, 40));
    desk.keys("/tag:az-a & !edge-*<Enter>");
    insta::assert_snapshot!("hosts_filtered", desk.page());
}

#[test]
fn large_groups_start_folded_and_keys_fold_them() {
    let mut desk = bare(fleet()).sized((80, 70));
    assert!(desk.page().contains("worker-24") && !desk.page().contains("edge-0001"));
    assert!(row(&mut desk, "edge (1956)").contains("collapsed"));
    desk.keys("Gl");
    assert!(desk.page().contains("edge-0010"));
    desk.keys("jjjh");
    assert!(!desk.page().contains("edge-0001"));
    assert!(row(&mut desk, "edge (1956)").starts_with('›'), "folding goes to the group");
    desk.keys("-");
    assert!(!desk.page().contains("web-01"));
    desk.keys("+g");
    assert!(desk.page().contains("web-01"));
}

#[test]
fn space_marks_a_host_or_what_the_filter_shows_of_a_group() {
    let mut desk = desk();
    desk.keys("j<Space>");
    assert_eq!(selected(&desk), "web-01");
    assert!(row(&mut desk, "web (8)").contains("[~]"));
    desk.keys("k<Space>");
    assert_eq!(selected(&desk), "@web");
    assert!(row(&mut desk, "web (8)").contains("[x]"));
    desk.keys("/tag:az-a<Enter>g<Space>");
    assert_eq!(selected(&desk), "web-[02-03,05-06,08]", "only those that are shown were unmarked");
    assert!(desk.page().contains("5 hidden"), "{}", desk.page());
    desk.keys("u");
    assert_eq!(selected(&desk), "@web");
}

#[test]
fn all_invert_range_and_undo() {
    let mut desk = desk();
    desk.keys("a");
    assert_eq!(selected(&desk), "all");
    desk.keys("a");
    assert!(desk.page().contains("selected already"));
    desk.keys("/@web | @api<Enter>i");
    assert_eq!(selected(&desk), "@worker,@edge");
    desk.keys("uu");
    assert_eq!(selected(&desk), "");
    desk.keys("u");
    assert!(desk.page().contains("no marking to take back"));
    desk.keys("gjjv").keys("jj");
    assert!(desk.page().contains("marks from web-02 to the cursor"), "{}", desk.page());
    desk.keys("v");
    assert_eq!(selected(&desk), "web-[02-04]");
    desk.keys("X");
    assert_eq!((selected(&desk).as_str(), desk.effects()), ("web-[02-03]", vec![]));
    assert!(desk.page().contains("web-04 is not selected any more. Nothing was done to it."));
    desk.keys("X");
    assert!(desk.page().contains("web-04 is not selected."));
}

#[test]
fn a_range_over_a_folded_group_takes_its_hosts() {
    let mut desk = desk();
    desk.keys("-gvjv");
    assert_eq!(selected(&desk), "@web,@api");
}

#[test]
fn the_filter_is_the_grammar_of_hosts_or_plain_text() {
    let shown = |text: &str| {
        let mut desk = desk();
        desk.keys(&format!("/{text}<Enter>a"));
        selected(&desk)
    };
    for (text, want) in [
        ("web-[01-03]", "web-[01-03]"),
        ("@api & tag:az-a", "api-[01,03,05,07,09,11]"),
        ("web", "@web"),
        ("WEB-0", "@web"),
        ("web-03", "web-03"),
        ("az-c", "web-[03,06]"),
        ("wb3", "web-03"),
        ("down", "web-05"),
        ("up & @web", "web-[01-04,06-08]"),
        ("", "all"),
    ] {
        assert_eq!(shown(text), want, "{text}");
    }
}

#[test]
fn a_filter_that_cannot_be_read_says_where_and_why_and_keeps_what_was_shown() {
    let mut desk = desk();
    desk.keys("/@web<Enter>");
    desk.keys("/@web & @wbe<Enter>");
    let page = desk.page();
    assert!(page.contains("filter: column 8: no group `wbe` in the inventory; did you mean `@web`?"), "{page}");
    assert!(page.contains("web-08") && !page.contains("api-01"), "{page}");
    desk.keys("/nosuchthing<Enter>");
    assert!(desk.page().contains("`nosuchthing` stands in no name, group or tag"));
    desk.keys("/(<Enter>");
    assert!(desk.page().contains("filter: column 2: expected a host"), "{}", desk.page());
    desk.keys("/<Esc>");
    assert!(desk.page().contains("api-01"));
    let mut unknown = bare(fleet());
    unknown.keys("/@web & up<Enter>");
    assert!(unknown.page().contains("column 8: no host is known to be up"), "{}", unknown.page());
}

#[test]
fn up_and_down_follow_what_is_known() {
    let mut desk = desk();
    desk.keys("/down<Enter>");
    assert!(desk.page().contains("web-05") && !desk.page().contains("web-06"));
    down(&mut desk.model, "web-06", "refused", "connection refused");
    assert!(desk.page().contains("web-06"));
}

#[test]
fn what_only_the_record_knows_is_asked_on_enter() {
    let mut desk = desk();
    let text = "failed:5c01e8";
    desk.keys(&format!("/{text}"));
    assert_eq!(desk.effects(), []);
    desk.keys("<Enter>");
    assert_eq!(desk.effects(), [Effect::Ask(Request::Select(text.to_owned()))]);
    assert!(desk.page().contains("the record is being read") && desk.page().contains("api-01"));
    hosts::selected(&mut desk.ui, &desk.model, "failed:last", Ok(names("api-01")));
    assert!(desk.page().contains("web-01"), "an answer to another question changes nothing");
    hosts::selected(&mut desk.ui, &desk.model, text, Ok(names("web-04")));
    desk.keys("a");
    assert_eq!(selected(&desk), "web-04");
    desk.keys("/failed:77aa<Enter>");
    hosts::selected(&mut desk.ui, &desk.model, "failed:77aa", Err("no run begins with `77aa`".to_owned()));
    assert!(desk.page().contains("filter: no run begins with `77aa`"));
    assert!(desk.page().contains("web-04") && !desk.page().contains("web-01"), "{}", desk.page());
}

#[test]
fn enter_starts_the_preview_of_the_chosen_runbook() {
    let mut desk = six();
    desk.ui.runbooks.set = vec![("port".to_owned(), "3000".to_owned())];
    desk.keys("<Enter>");
    let order = Order { runbook: "restart-loop".to_owned(), hosts: "web-[01-06]".to_owned(), set: desk.ui.runbooks.set.clone() };
    assert_eq!(desk.effects(), [Effect::Ask(Request::Start(order))]);
    assert_eq!((&desk.ui.screen, &desk.ui.shown), (&Screen::Preview, &Shown::Live));
}

#[test]
fn enter_says_what_is_missing() {
    let mut desk = desk();
    desk.keys("j<Enter>");
    assert!(desk.page().contains("no host is selected: Space marks one, a all shown"), "{}", desk.page());
    assert_eq!(selected(&desk), "");
    desk.ui.runbooks.chosen = None;
    desk.keys("<Space><Enter>");
    assert!(desk.page().contains("no runbook is chosen: 1 lists them"));
    desk.told(&failed().events);
    desk.ui.runbooks.chosen = Some("restart-loop".to_owned());
    desk.keys("<Enter>");
    assert!(desk.page().contains("must end before another one begins"), "{}", desk.page());
    assert_eq!((desk.effects(), &desk.ui.screen), (vec![], &Screen::Hosts));
}

#[test]
fn copies_the_name_the_group_and_the_command_line() {
    let mut desk = six();
    desk.model.shelf.run_flags = " -i 'my hosts.toml'".to_owned();
    desk.ui.runbooks.set = vec![("note".to_owned(), "a b".to_owned())];
    desk.keys("ykyY");
    let copied: Vec<String> = desk
        .effects()
        .into_iter()
        .filter_map(|effect| if let Effect::Copy { text, .. } = effect { Some(text) } else { None })
        .collect();
    let command = "runbook run restart-loop --hosts 'web-[01-06]' --set 'note=a b' -i 'my hosts.toml'";
    assert_eq!(copied, ["web-01", "@web", command]);
}

fn probed(desk: &mut Desk) -> Vec<String> {
    match desk.effects().as_slice() {
        [Effect::Ask(Request::Probe(hosts))] => hosts.iter().map(ToString::to_string).collect(),
        other => panic!("no probe: {other:?}"),
    }
}

#[test]
fn opening_asks_the_hosts_on_the_screen_of_which_nothing_is_known() {
    let mut desk = bare(fleet());
    desk.keys("12");
    let asked = probed(&mut desk);
    assert_eq!((asked.first().map(String::as_str), asked.len()), (Some("web-01"), 12));
    for name in asked {
        desk.model.reach.insert(host(&name), Reach::Asked);
    }
    desk.keys("12");
    assert_eq!(desk.effects(), []);
    let mut sim = bare(fleet());
    sim.model.sim = true;
    sim.keys("12r");
    assert_eq!(sim.effects(), []);
    assert!(sim.page().contains("r is off: the hosts are simulated") && row(&mut sim, "web-01").contains("simulated"));
}

#[test]
fn a_probe_asks_the_hosts_on_the_screen_first_and_not_too_many() {
    let mut desk = bare(fleet());
    desk.keys("Glr");
    let asked = probed(&mut desk);
    assert_eq!(asked.len(), 256);
    assert!(desk.page().contains("256 hosts are asked"), "{}", desk.page());
    let shown: Vec<&String> = asked.iter().filter(|name| desk.ui.size.1 > 0 && name.starts_with("worker")).collect();
    assert!(!shown.is_empty() && asked[0].starts_with("worker"), "{asked:?}");
    for name in &asked {
        up(&mut desk.model, name, 10, 0);
    }
    desk.keys("r");
    let again = probed(&mut desk);
    let new = again.iter().filter(|name| !asked.contains(name)).count();
    assert!(new > 200, "the next ones are asked: {new}");
}

#[test]
fn a_probe_keeps_to_the_filter() {
    let mut desk = bare(fleet());
    desk.keys("/@api<Enter>r");
    assert_eq!(probed(&mut desk).len(), 12);
}

#[test]
fn several_hosts_that_do_not_answer_are_named_in_one_line() {
    let mut desk = six();
    down(&mut desk.model, "web-02", "refused", "connection refused");
    down(&mut desk.model, "web-08", "refused", "connection refused");
    assert!(desk.page().contains("! no answer: web-[02,05]. X removes a host here."), "only selected ones: {}", desk.page());
    desk.model.sim = true;
    desk.keys("jX");
    assert!(!desk.page().contains("no answer"), "nobody asked a simulated host");
}

#[test]
fn a_changed_host_key_is_no_host_that_is_down() {
    let mut desk = six();
    down(&mut desk.model, "web-02", "host-key-changed", "the host key SHA256:x is not the recorded one");
    assert!(row(&mut desk, "web-02").contains("HOST KEY CHANGED"));
    assert!(row(&mut desk, "web (8)").contains("1 KEY!"));
    assert!(!row(&mut desk, "web-02").contains("DOWN"));
}

#[test]
fn never_is_said_only_where_all_runs_were_read() {
    let mut desk = desk();
    assert!(row(&mut desk, "web-07").contains("never"));
    desk.model.shelf.runs_recorded = 900;
    assert!(!row(&mut desk, "web-07").contains("never"));
}

#[test]
fn the_selection_stays_with_the_names_when_the_inventory_is_read_again() {
    let mut desk = desk();
    desk.keys("/@web<Enter>a");
    let mut text = String::new();
    machines(&mut text, "db", 1, &[], 1);
    machines(&mut text, "web", 2, &[], 6);
    desk.model.shelf.inventory = Some(Ok(inventory(&text)));
    desk.page();
    assert_eq!(selected(&desk), "web-[01-06]");
    let page = desk.page();
    assert!(page.contains("2 selected hosts are not in the inventory any more."), "{page}");
    assert!(page.contains("ungrouped (7)") && page.contains("db-1"), "{page}");
}

#[test]
fn a_host_of_several_groups_stands_under_the_first() {
    let mut text = String::new();
    machines(&mut text, "web", 1, &[], 3);
    text.push_str("[groups.web]\nhosts = [\"web-*\"]\n[groups.prod]\nhosts = [\"@web\"]\nprotected = true\n");
    let mut desk = bare(inventory(&text));
    let page = desk.page();
    assert_eq!(page.matches("web-1").count(), 1, "{page}");
    let prod = row(&mut desk, "prod (3)");
    assert!(prod.contains("PROTECTED") && prod.contains("listed above"), "{prod}");
    desk.keys("G<Space>");
    assert_eq!(selected(&desk), "all");
    assert!(desk.page().contains("all PROTECTED, 0 hidden"));
}

#[test]
fn a_wrong_inventory_is_said_and_enter_opens_what_is_wrong() {
    let mut desk = bare(fleet());
    let problem = Problem { line: 3, column: 1, text: "error: `adress` is no key here\n --> inventory.toml:3:1".to_owned() };
    let path = PathBuf::from("inventory.toml");
    desk.model.shelf.inventory = Some(Err(Broken { path, problems: vec![problem], errors: 1, warnings: 0 }));
    insta::assert_snapshot!("hosts_broken_inventory", desk.page());
    desk.keys("<Space>");
    assert!(desk.page().contains("there is no inventory"));
    desk.keys("<Enter>");
    assert_eq!(desk.ui.screen, Screen::Diagnostics(String::new()));
}

#[test]
fn problems_are_gone_to() {
    let mut desk = desk();
    desk.keys("g]");
    assert!(row(&mut desk, "web-04").starts_with('›'));
    desk.keys("]");
    assert!(row(&mut desk, "web-05").starts_with('›'));
    desk.keys("]");
    assert!(desk.page().contains("No problem below."));
    desk.keys("[");
    assert!(row(&mut desk, "web-04").starts_with('›'));
}

#[test]
fn a_key_never_hits_the_host_that_has_just_come_under_the_cursor() {
    let mut desk = desk();
    down(&mut desk.model, "web-06", "refused", "connection refused");
    desk.keys("/down<Enter>gj");
    up(&mut desk.model, "web-05", 12, 0);
    desk.keys("<Space>");
    assert_eq!(selected(&desk), "", "web-05 was meant");
    assert!(desk.page().contains("The list has just changed"));
    desk.keys("<Space>");
    assert_eq!(selected(&desk), "web-06");
}

#[test]
fn every_size_is_painted_within_its_columns() {
    let mut open = six();
    open.told(&failed().events);
    let mut filtered = six();
    filtered.keys("/@web & !web-01<Enter>j");
    let mut long = bare(inventory(&format!("[hosts.{}]\naddress = \"10.0.0.1\"\n", "x".repeat(63))));
    long.keys("j<Space>");
    let mut broken = bare(fleet());
    broken.model.shelf.inventory = Some(Err(Broken::default()));
    let mut zoomed = six();
    zoomed.keys("z");
    let mut all = six();
    all.keys("a");
    for desk in [open, filtered, long, broken, zoomed, all, Desk::new(Timestamp::from_millis(NOW))] {
        let mut desk = desk;
        desk.ui.screen = Screen::Hosts;
        for theme in [desk.ui.theme, runbook::tui::theme::Theme::ASCII] {
            desk.ui.theme = theme;
            for width in (40..=300).step_by(13).chain([72, 79, 80, 119, 120]) {
                for height in [8, 9, 14, 23, 24, 29, 30, 40, 100] {
                    desk.ui.size = (width, height);
                    let page = desk.page();
                    assert_eq!(page.lines().count(), usize::from(height));
                    assert!(!theme.ascii || page.is_ascii(), "{width}x{height}\n{page}");
                }
            }
        }
    }
}
