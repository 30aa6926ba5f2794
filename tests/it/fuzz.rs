//! The fuzz targets, without a fuzzer: over everything that is in `fuzz/corpus`, over what once failed, and over bytes that
//! are made from both. `fuzz/run` is the fuzzer.

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Once;

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert};
use proptest::test_runner::{Config, TestRunner};

use self::targets::{TARGETS, Target, files, known_hosts, read, session, target};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

/// The files of a folder, in the order of their names.
fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
}

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// Whether a target holds for these bytes; a panic in a task of its own, which its runtime swallows, counts as well.
fn is_held(target: Target, bytes: &[u8]) -> bool {
    static COUNTED: Once = Once::new();
    COUNTED.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.with(|count| count.set(count.get() + 1));
            tell(panic);
        }));
    });
    let before = PANICS.get();
    // a panic that is counted is all there is to know of it
    let _ = std::panic::catch_unwind(|| target(bytes));
    PANICS.get() == before
}

#[test]
fn a_panic_in_a_task_is_a_failure_too() {
    let target: Target = |_| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async { drop(tokio::spawn(async { panic!("as expected") }).await) });
    };
    assert!(!is_held(target, b""));
    assert!(is_held(|_| {}, b""));
}

/// The input is named where it fails: what a target says alone does not tell which one it was.
fn run(target: Target, path: &Path, bytes: &[u8]) {
    assert!(is_held(target, bytes), "{}: see above", path.display());
}

/// Every file, then a few inputs in which bytes of the files are changed, left out and put in.
fn holds(name: &str, changed: u32) {
    let target = target(name).expect("a target");
    let mut seeds = inputs(&folder("corpus").join(name));
    assert!(!seeds.is_empty(), "fuzz/corpus/{name} is empty");
    seeds.extend(inputs(&folder("regressions").join(name)));
    for (path, bytes) in &seeds {
        run(target, path, bytes);
    }
    let edit = (any::<proptest::sample::Index>(), 0usize..4, vec(any::<u8>(), 0..4));
    let strategy = (any::<proptest::sample::Index>(), vec(edit, 1..6));
    let config = Config { cases: changed, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&strategy, |(seed, edits)| {
        let (_, mut bytes) = seed.get(&seeds).clone();
        for (place, gone, new) in edits {
            let at = place.index(bytes.len() + 1);
            let end = (at + gone).min(bytes.len());
            bytes.splice(at..end, new);
        }
        prop_assert!(is_held(target, &bytes), "see above; the input: {bytes:?}");
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
}

macro_rules! hold {
    ($($(#[$doc:meta])* $test:ident: $name:literal, $changed:literal;)*) => { $(#[test] fn $test() { holds($name, $changed); })* };
}

hold! {
    any_record_is_told_or_passed_over: "events", 50;
    any_inventory_is_loaded_or_refused_with_its_place: "inventory", 200;
    no_key_is_trusted_that_is_not_recorded: "known-hosts", 200;
    any_selector_condition_and_template_is_read_or_refused: "language", 200;
    however_output_is_cut_its_markers_are_found: "markers", 500;
    a_peer_that_speaks_no_ssh_is_refused_in_time_and_leaves_nothing: "peer", 100;
    no_output_of_a_tool_that_was_cut_short_is_an_answer: "read", 100;
    any_runbook_is_loaded_or_refused_with_its_place: "runbook", 100;
    no_status_is_made_up_whatever_a_server_says_in_whatever_order: "session", 50;
    any_settings_are_read_or_refused: "settings", 200;
    nothing_that_a_host_prints_is_more_than_text: "visible", 200;
}

#[test]
fn every_target_has_its_seeds_and_its_test() {
    let folders = |name: &str| -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(folder(name)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let names: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(folders("corpus"), names);
    assert!(folders("regressions").iter().all(|name| names.contains(name)), "{:?}", folders("regressions"));
    let own = include_str!("fuzz.rs");
    assert!(names.iter().all(|name| own.contains(&format!(": \"{name}\", "))), "a target is not run here");
}

/// Else the property of the target holds because nothing ever succeeds.
#[test]
fn a_server_that_answers_as_a_shell_does_gets_both_statuses() {
    let (_, bytes) = inputs(&folder("corpus/session")).into_iter().find(|(path, _)| path.ends_with("honest")).expect("a seed");
    assert_eq!(session::statuses(&bytes), [Some(0), Some(7)]);
}

#[test]
fn most_runbooks_of_the_repository_become_plans_there() {
    let names = ["kill-switch.toml", "port-conflict.toml", "precheck.toml", "restart-loop.toml"];
    let seeds = inputs(&folder("corpus/runbook"));
    let planned: Vec<&str> = names
        .into_iter()
        .filter(|name| seeds.iter().any(|(path, bytes)| path.ends_with(name) && files::is_planned(bytes)))
        .collect();
    assert_eq!(planned, names);
}

#[test]
fn every_reader_and_every_judgement_of_a_key_is_reached_by_a_seed() {
    let seeds = |name: &str| inputs(&folder("corpus").join(name)).into_iter().map(|(_, bytes)| bytes);
    let read: BTreeSet<&str> = seeds("read").flat_map(|bytes| read::readers(&bytes)).collect();
    assert_eq!(read, BTreeSet::from(["apps", "file", "host", "logs", "proc-net", "processes", "room", "ss"]));
    let judged: BTreeSet<&str> = seeds("known-hosts").flat_map(|bytes| known_hosts::judgements(&bytes)).collect();
    assert_eq!(judged, BTreeSet::from(["authority", "changed", "revoked", "trusted", "unknown"]));
}
