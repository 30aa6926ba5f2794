//! The files that people write: runbooks, inventories, settings.

use std::path::{Path, PathBuf};

use runbook::fuzzing::config;
use runbook::load::diagnostic::Diagnostics;
use runbook::load::inventory;
use runbook::load::kinds::KINDS as CHECKED;
use runbook::load::runbook::from_sources;
use runbook::load::source::{Source, decode};
use runbook::model::id::HostName;
use runbook::model::inventory::Inventory;
use runbook::model::plan::Plan;
use runbook::model::runbook::Runbook;
use runbook::model::selector::Selector;
use runbook::model::visible::is_hidden;
use runbook::plan::build::{Request, build};
use runbook::plan::select::Selection;
use runbook::steps::KINDS;

use super::bytes::odd_in_lines;

/// A group of steps that runbooks may take in; every other name has the runbook itself, which takes itself in.
const GROUP: &str = include_str!("../../corpus/runbook/lib-restart.toml");
const FLEET: &str = include_str!("../../corpus/inventory/inventory.toml");

/// Loads or is refused with places that are in it; loaded again it is the same; and a plan of it is the same too.
pub(super) fn runbook(bytes: &[u8]) {
    let _ = is_planned(bytes);
}

/// The same; whether it came to a plan.
pub fn is_planned(bytes: &[u8]) -> bool {
    let path = named(bytes);
    let Some(source) = text(&path, bytes) else { return false };
    let read = |path: &Path| {
        let group = path.ends_with("lib/restart.toml");
        decode(path, if group { GROUP.as_bytes().to_vec() } else { bytes.to_vec() })
    };
    let (loaded, warnings) = from_sources(&source, KINDS, &read);
    told(&warnings);
    let (again, warned) = from_sources(&source, KINDS, &read);
    assert_eq!(warned, warnings);
    match (loaded, again) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            planned(&one)
        }
        (Err(one), Err(other)) => {
            told(&one);
            assert!(!one.list.is_empty(), "it is refused and nobody knows why");
            assert_eq!(one, other);
            false
        }
        _ => panic!("loaded or not, by chance"),
    }
}

/// A runbook must be in the file of its name.
fn named(bytes: &[u8]) -> PathBuf {
    let text = String::from_utf8_lossy(bytes);
    let value =
        |rest: &str| Some(rest.trim_start().strip_prefix('=')?.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned());
    let name = text.split_once("name").and_then(|(_, rest)| value(rest)).unwrap_or_else(|| "x".to_owned());
    let plain: String = name.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-').take(64).collect();
    PathBuf::from(format!("{plain}.toml"))
}

fn text(path: &Path, bytes: &[u8]) -> Option<Source> {
    match decode(path, bytes.to_vec()) {
        Ok(source) => Some(source),
        Err(errors) => {
            told(&errors);
            let odd = |text: &str| text.chars().any(|c| c == '\0' || (!c.is_ascii() && is_hidden(c)));
            assert!(std::str::from_utf8(bytes).map_or(true, odd), "it was text");
            None
        }
    }
}

fn planned(runbook: &Runbook) -> bool {
    let fleet = decode(Path::new("inventory.toml"), FLEET.as_bytes().to_vec()).expect("it is text");
    let fleet = inventory::from_source(&fleet, None).expect("it loads");
    let request = || Request {
        runbook,
        inventory: &fleet,
        hosts: fleet.hosts.iter().map(|host| host.name.clone()).collect(),
        selector: "all".to_owned(),
        sets: Vec::new(),
        batches: None,
        max_failures: None,
        on_failure: None,
        selection: Selection::default(),
    };
    let plan = build(&request(), &CHECKED);
    match &plan {
        Err(errors) => assert!(!errors.is_empty(), "there is no plan and nobody knows why"),
        Ok(plan) => {
            let written = serde_json::to_string(plan).expect("it is recorded as JSON");
            let read: Plan = serde_json::from_str(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
            assert_eq!(read, *plan, "the record has another plan");
        }
    }
    assert_eq!(plan, build(&request(), &CHECKED));
    plan.is_ok()
}

/// Loads or is refused with places that are in it; every host of it is found, and what is written as a selector is read.
pub(super) fn inventory(bytes: &[u8]) {
    let Some(source) = text(Path::new("inventory.toml"), bytes) else { return };
    let home = Some(Path::new("/home/ana"));
    let loaded = inventory::from_source(&source, home);
    assert_eq!(loaded, inventory::from_source(&source, home));
    match loaded {
        Ok(fleet) => written(&fleet),
        Err(errors) => {
            told(&errors);
            assert!(!errors.list.is_empty(), "it is refused and nobody knows why");
        }
    }
}

fn written(fleet: &Inventory) {
    let all: Vec<HostName> = fleet.hosts.iter().map(|host| host.name.clone()).collect();
    let some = [all.clone(), all.iter().step_by(2).cloned().collect(), all.iter().take(3).cloned().collect()];
    for hosts in some.iter().chain(fleet.groups.iter().take(8).map(|group| &group.hosts)).filter(|hosts| !hosts.is_empty()) {
        let text = fleet.selector_of(hosts);
        let selector = Selector::parse(&text).unwrap_or_else(|error| panic!("{text:?} was written: {error}"));
        let mut found = fleet.select(&selector).unwrap_or_else(|error| panic!("{text:?} was written: {error}"));
        let mut wanted = hosts.clone();
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{text:?}");
    }
    for host in &fleet.hosts {
        assert!(fleet.host(&host.name).is_some());
        assert!(!host.address.is_empty() && !host.user.is_empty() && host.port > 0, "{host:?}");
    }
}

/// The user's own settings: read, or refused in words that can be shown.
pub(super) fn settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = config(text);
    assert_eq!(read, config(text));
    if let Err(errors) = read {
        assert!(!errors.is_empty());
        for error in errors {
            assert_eq!(odd_in_lines(&error), None, "{error:?}");
        }
    }
}

/// Every place is in a file, and what is shown holds nothing that a terminal obeys.
fn told(found: &Diagnostics) {
    for diagnostic in &found.list {
        let places = diagnostic.span.iter().chain(diagnostic.labels.iter().map(|(span, _)| span));
        for span in places {
            let page = found.pages.iter().rev().find(|page| page.base <= span.start);
            let page = page.unwrap_or_else(|| panic!("{span:?} is before every file: {diagnostic:?}"));
            let end = page.base + page.text.len();
            assert!(span.start <= span.end && span.end <= end, "{span:?} of {}..{end}: {diagnostic:?}", page.base);
        }
    }
    assert_eq!(odd_in_lines(&found.lines()), None, "{:?}", found.lines());
    assert_eq!(odd_in_lines(&found.drawn(false)), None, "{:?}", found.drawn(false));
    let _ = found.drawn(true);
}
