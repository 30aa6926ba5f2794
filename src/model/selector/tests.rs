use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof, proptest};

use super::{Became, Fleet, Recorded, RunAtom, Selector};
use crate::model::hostset::fold;
use crate::model::id::{HostName, RunId};
use crate::model::outcome::HostOutcome;

const HOSTS: [&str; 6] = ["web-01", "web-02", "web-03", "web-10", "db1", "bastion"];

fn names(list: &[&str]) -> BTreeSet<HostName> {
    list.iter().map(|name| HostName::parse(name).expect("a name")).collect()
}

fn recorded() -> Recorded {
    let atom = |became, run: &str| RunAtom { became, run: run.to_owned() };
    BTreeMap::from([
        (atom(Became::Failed, "7f3a9c"), names(&["web-02", "db1", "gone-1"])),
        (atom(Became::Failed, "last"), names(&[])),
        (atom(Became::Changed, "7f3a"), names(&["web-01", "web-02"])),
        (atom(Became::Unreachable, "7f3a9c"), names(&["gone-1", "gone-2"])),
    ])
}

fn choose(text: &str) -> Result<Vec<&'static str>, String> {
    let (a, b, none) = (["az-a".to_owned()], ["az-b".to_owned()], []);
    let tags: [&[String]; 6] = [&a, &b, &a, &b, &none, &none];
    let recorded = recorded();
    let mut fleet = Fleet::new(HOSTS.into_iter().zip(tags).collect()).recorded(&recorded);
    for (name, hosts) in [("web", vec![0, 1, 2, 3]), ("empty", vec![]), ("dbs", vec![4])] {
        fleet.group(name, hosts);
    }
    let chosen = Selector::parse(text).and_then(|s| s.select(&fleet));
    chosen.map(|found| found.into_iter().map(|i| HOSTS[i]).collect()).map_err(|e| {
        let hint = e.hint.as_ref().map_or(String::new(), |h| format!(" ({h})"));
        format!("{}: {}{hint}", e.column(text), e.message)
    })
}

/// The same where no host at all is no error.
fn set(text: &str) -> Vec<&'static str> {
    match choose(text) {
        Err(error) if error.contains("no host is selected") => Vec::new(),
        chosen => chosen.unwrap_or_else(|error| panic!("{text}: {error}")),
    }
}

#[test]
fn selectors_name_hosts_in_file_order() {
    let all = HOSTS.to_vec();
    let table: [(&str, &[&str]); 24] = [
        ("all", &all),
        (" all ", &all),
        ("db1,web-01", &["web-01", "db1"]),
        ("db1|web-01", &["web-01", "db1"]),
        ("web-*", &["web-01", "web-02", "web-03", "web-10"]),
        ("web-0?", &["web-01", "web-02", "web-03"]),
        ("web-[01-03,10]", &["web-01", "web-02", "web-03", "web-10"]),
        ("web-[01-02],db[1]", &["web-01", "web-02", "db1"]),
        ("web-*[1-2]", &["web-01", "web-02"]),
        ("@web & tag:az-a", &["web-01", "web-03"]),
        ("@web&!web-01", &["web-02", "web-03", "web-10"]),
        ("!@web", &["db1", "bastion"]),
        ("!(@web,db1)", &["bastion"]),
        ("db1,web-01&tag:az-b,bastion", &["db1", "bastion"]),
        ("(db1,web-01)&tag:az-a", &["web-01"]),
        ("!!db1", &["db1"]),
        ("failed:7f3a9c", &["web-02", "db1"]),
        ("failed:7f3a9c & @web", &["web-02"]),
        ("@web & !failed:7f3a9c", &["web-01", "web-03", "web-10"]),
        ("failed:7f3a9c,changed:7f3a", &["web-01", "web-02", "db1"]),
        ("pick:6", &all),
        ("pick:100%", &all),
        ("db1 & pick:1%", &["db1"]),
        ("@web & !pick:4,db1", &["db1"]),
    ];
    for (text, want) in table {
        assert_eq!(choose(text), Ok(want.to_vec()), "{text}");
    }
}

#[test]
fn what_is_empty_unknown_or_wrong_is_an_error_with_its_place() {
    let table = [
        ("", "1: the selector is empty (write `all` for every host)"),
        ("  ", "1: the selector is empty (write `all` for every host)"),
        ("web-9", "1: no host `web-9` in the inventory (did you mean `web-01` or `web-02` or `web-03`?)"),
        ("db1,web", "5: no host `web` in the inventory (there is a group of that name: `@web`)"),
        ("az-a", "1: no host `az-a` in the inventory (there is a tag of that name: `tag:az-a`)"),
        ("@wbe", "1: no group `wbe` in the inventory (did you mean `@web`?)"),
        ("tag:az-c", "1: no tag `az-c` in the inventory (did you mean `tag:az-a` or `tag:az-b`?)"),
        ("@empty", "1: group `empty` has no hosts"),
        ("mail-*", "1: none of 6 hosts matches this"),
        ("all&!mail-*", "6: none of 6 hosts matches this"),
        ("db1&@web", "1: no host is selected: 0 of 6"),
        ("!all", "1: no host is selected: 0 of 6"),
        ("web-[01-04]", "1: no host `web-04` in the inventory (did you mean `web-01` or `web-02` or `web-03`?)"),
        ("db1,,db1", "5: expected a host, @group or tag:NAME, not `,`"),
        ("db1,", "5: expected a host, @group or tag:NAME after this"),
        ("(db1", "1: this `(` is not closed"),
        ("db1)", "4: unexpected `)` (join names with `,` (either), `&` (both) or `!` (not))"),
        ("db1 db1", "5: unexpected `d` (join names with `,` (either), `&` (both) or `!` (not))"),
        ("web[1", "1: this `[` is not closed (a set is written web[01-06,09])"),
        ("web[]", "1: `` is neither a number nor a range of numbers (a set is written web[01-06,09])"),
        ("web[3-1]", "1: `3-1` runs backwards (a set is written web[01-06,09])"),
        ("web[01-6]", "1: `01-6` is padded on one side only (a set is written web[01-06,09])"),
        ("web[1-99999]", "1: this set has more than 10000 members (a set is written web[01-06,09])"),
        ("db1,failed:last", "5: no host failed in run `last`"),
        ("unreachable:7f3a9c", "1: of the 2 hosts of which run `7f3a9c` says this none is in the inventory"),
        ("changed:beef", "1: `changed:beef` needs the record of runs, and it is not read here"),
        (
            "failed:7f3",
            "1: `failed:` needs the id of a run, at least four of its first digits, or `last` (runbook history lists the runs)",
        ),
        (
            "failed:7F3A9C",
            "1: `failed:` needs the id of a run, at least four of its first digits, or `last` (runbook history lists the runs)",
        ),
        ("unreached:7f3a9c", "1: `unreached:` is no kind of selection (did you mean `unreachable:`?)"),
        ("db1,pick:0", "5: nothing is picked by 0 (write pick:3 or pick:10%)"),
        ("pick:101%", "1: 101% is more than all (write pick:3 or pick:10%)"),
        ("pick:", "1: `pick:` needs a number of hosts or a percentage (write pick:3 or pick:10%)"),
        ("pick:+1", "1: `pick:` needs a number of hosts or a percentage (write pick:3 or pick:10%)"),
        ("pick:7", "1: `pick:7` asks for more hosts than there are to pick from: 6"),
        ("@web & pick:5", "8: `pick:5` asks for more hosts than there are to pick from: 4"),
        ("@web & db1 & pick:1%", "14: `pick:1%` asks for more hosts than there are to pick from: 0"),
        ("@", "1: `@` needs the name of a group"),
        (
            "10.0.0.1:22",
            "1: `10.0.0.1:` is no kind of selection (hosts are named by name, glob, set, @group or tag:NAME, never by address)",
        ),
        ("10.0.0.1", "1: no host `10.0.0.1` in the inventory"),
    ];
    for (text, want) in table {
        assert_eq!(choose(text), Err(want.to_owned()), "{text}");
    }
    assert_eq!(choose(&"(".repeat(10_000)), Err("65: nested deeper than 64".to_owned()));
    assert_eq!(choose(&"!".repeat(10_000)), Err("65: nested deeper than 64".to_owned()));
}

#[test]
fn globs_and_sets_end() {
    let names: Vec<String> = (0..1_000).map(|n| format!("w{n}")).collect();
    let hosts = || names.iter().map(|name| (name.as_str(), [].as_slice())).collect();
    let set = vec!["w[0-999]"; 501].join(",");
    let error = Selector::parse(&set).and_then(|s| s.select(&Fleet::new(hosts()))).expect_err("too much");
    assert_eq!(
        (error.at.start, error.message.as_str()),
        (9 * 500, "the globs and sets up to here are compared with more than 500000 names",)
    );
    let globs = vec!["w*"; 100].join(",");
    assert_eq!(Selector::parse(&globs).and_then(|s| s.select(&Fleet::new(hosts()))).map(|found| found.len()), Ok(1_000));
}

#[test]
fn a_pick_chooses_from_what_its_chain_leaves_wherever_it_stands() {
    let two = set("@web & pick:2");
    assert_eq!(two.len(), 2);
    assert!(two.iter().all(|host| host.starts_with("web")));
    assert_eq!(set("pick:2 & @web"), two);
    assert_eq!(set("(@web) & (pick:2)"), two, "as --hosts @web -l pick:2");
    assert_eq!(set("@web & pick:50%"), two);
    assert_eq!(set("@web & pick:74%"), two, "rounded down");
    assert_eq!(set("@web & pick:1%").len(), 1, "at least one");
    let rest: Vec<&str> = set("@web").into_iter().filter(|host| !two.contains(host)).collect();
    assert_eq!(set("@web & !pick:2"), rest, "the others of the same choice");
    let three = set("@web & pick:3");
    assert!(two.iter().all(|host| three.contains(host)), "a smaller pick is part of a larger one");
    assert_eq!(set("@web & pick:2 & tag:az-a"), ["web-01", "web-03"], "every other term comes first");
    assert_eq!(set("db1, @web & pick:2").len(), 3);
}

#[test]
fn picks_stay_the_same_from_one_version_to_the_next() {
    // a run that was previewed by one build and is started by the next must mean the same hosts
    // `printf %s NAME | sha256sum | sort` says the same: web-02, web-01, db1, bastion, web-10, web-03
    assert_eq!((set("pick:1"), set("pick:3")), (vec!["web-02"], vec!["web-01", "web-02", "db1"]));
    assert_eq!(set("!(web-01,web-02) & pick:2"), ["db1", "bastion"]);
}

#[test]
fn outcomes_have_one_atom_each_and_ok_and_refused_have_none() {
    let found = |outcome: HostOutcome| {
        let holds = Became::ALL.into_iter().filter(|became| became.holds(outcome, false));
        holds.map(Became::word).collect::<Vec<_>>().join(" ")
    };
    let table: Vec<(&str, String)> = HostOutcome::ALL.iter().map(|outcome| (outcome.word(), found(*outcome))).collect();
    let want = [
        ("ok", ""),
        ("failed", "failed"),
        ("unknown", "failed"),
        ("refused", ""),
        ("unreachable", "unreachable"),
        ("rolled-back", "failed"),
        ("rollback-failed", "failed"),
        ("cancelled", "failed"),
        ("not-started", "not-started"),
    ];
    assert_eq!(table, want.map(|(outcome, atom)| (outcome, atom.to_owned())));
    assert!(Became::Changed.holds(HostOutcome::Failed, true) && Became::Changed.holds(HostOutcome::Ok, true));
}

#[test]
fn runs_are_pinned_by_the_ids_that_were_found() {
    let selector = Selector::parse("e|failed:last & !changed:7f3a,unreachable:beef").expect("reads");
    let id = |text: &str| RunId::parse(text).expect("an id");
    let found = BTreeMap::from([("last".to_owned(), id("5c01e8")), ("7f3a".to_owned(), id("7f3a9c"))]);
    assert_eq!(selector.pinned(&found), "e|failed:5c01e8 & !changed:7f3a9c,unreachable:beef");
    assert_eq!(selector.text(), "e|failed:last & !changed:7f3a,unreachable:beef");
}

/// Expressions over this fleet in which nothing is an error.
fn expressions() -> impl Strategy<Value = String> {
    let atom = ["all", "web-01", "db1", "@web", "tag:az-a", "web-[01-02]", "*1", "failed:7f3a9c", "changed:7f3a"];
    let leaf = prop::sample::select(atom.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|x| format!("!({x})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) & ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) , ({b})")),
            (inner.clone(), prop_oneof![Just("&"), Just("|")], inner).prop_map(|(a, sign, b)| format!("({a}){sign}!({b})")),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        if let Err(error) = Selector::parse(&text) {
            let _ = error.column(&text);
            proptest::prop_assert!(text.get(error.at).is_some(), "the place is a part of the text");
        }
    }

    #[test]
    fn any_text_of_its_signs_is_read_or_refused(text in "[a-c0-3\\[\\]\\-,|&!() *?@:%é]{0,40}") {
        let _ = choose(&text);
    }

    #[test]
    fn any_atoms_are_read_or_refused(text in "((failed|changed|pick|tag|all|last)?[:,&! (){%]?(pick:|failed:)?[0-9a-f]{0,7}%?){0,6}") {
        let _ = choose(&text);
    }

    #[test]
    fn not_is_distributed_over_both(a in expressions(), b in expressions()) {
        proptest::prop_assert_eq!(set(&format!("!(({a}) & ({b}))")), set(&format!("!({a}) , !({b})")));
        proptest::prop_assert_eq!(set(&format!("!(({a}) , ({b}))")), set(&format!("!({a}) & !({b})")));
    }

    #[test]
    fn not_alone_is_all_and_not(a in expressions()) {
        proptest::prop_assert_eq!(set(&format!("!({a})")), set(&format!("all & !({a})")));
        proptest::prop_assert_eq!(set(&format!("!!({a})")), set(&a));
    }

    #[test]
    fn not_binds_tighter_than_both_and_both_than_either(a in expressions(), b in expressions(), c in expressions()) {
        proptest::prop_assert_eq!(set(&format!("({a}),({b})&({c})")), set(&format!("({a}),(({b})&({c}))")));
        proptest::prop_assert_eq!(set(&format!("({a})&({b})|({c})")), set(&format!("(({a})&({b}))|({c})")));
        proptest::prop_assert_eq!(set(&format!("!({a})&({b})")), set(&format!("(!({a}))&({b})")));
    }

    #[test]
    fn a_pick_is_so_many_of_what_is_left(a in expressions(), count in 1usize..=6) {
        let left = set(&a);
        let picked = choose(&format!("({a}) & pick:{count}"));
        match picked {
            Ok(picked) => {
                proptest::prop_assert_eq!(picked.len(), count);
                proptest::prop_assert!(picked.iter().all(|host| left.contains(host)));
                let rest = set(&format!("({a}) & !pick:{count}"));
                proptest::prop_assert_eq!(rest.len() + count, left.len());
                proptest::prop_assert!(rest.iter().all(|host| !picked.contains(host)));
            }
            Err(_) => proptest::prop_assert!(left.len() < count),
        }
    }

    #[test]
    fn printed_run_atoms_are_read_back(became in prop::sample::select(Became::ALL.to_vec()), run in "[0-9a-f]{4,32}|last") {
        let atom = RunAtom { became, run };
        let read = Selector::parse(&atom.to_string()).expect("what was printed is read");
        proptest::prop_assert_eq!(read.run_atoms(), vec![(&atom, 0..atom.to_string().len())]);
    }

    #[test]
    fn folded_names_select_the_same_hosts(
        names in prop::collection::btree_set("([a-b]{1,2}|x-)[0-1]{0,3}[0-9]{0,2}(-[a-b]?[0-9]{0,2})?", 1..40),
        extra in prop::collection::vec("[a-b]{1,2}[0-9]{1,3}", 0..10),
        from in 0usize..40,
    ) {
        let mut order: Vec<HostName> = names.iter().map(|n| HostName::parse(n).expect("a name")).collect();
        let half = from % order.len();
        order.rotate_left(half);
        let folded = fold(&order);
        let mut hosts: Vec<(&str, &[String])> = Vec::new();
        for name in order.iter().map(HostName::as_str).chain(extra.iter().map(String::as_str)) {
            if !hosts.iter().any(|(n, _)| *n == name) {
                hosts.push((name, &[]));
            }
        }
        let chosen = Selector::parse(&folded).and_then(|s| s.select(&Fleet::new(hosts))).expect("what was folded is read");
        proptest::prop_assert_eq!(chosen, (0..order.len()).collect::<Vec<_>>(), "{}", folded);
    }
}
