//! `docs/faults.md`: every fault has its row, every row a test that is there and words that the program says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

struct Row {
    id: String,
    /// Empty where nothing is told.
    words: Vec<String>,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn document() -> String {
    fs::read_to_string(root().join("docs/faults.md")).expect("the document")
}

fn code(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows, in the order of the document.
fn rows() -> Vec<Row> {
    let text = document();
    let id = Regex::new("^[CEI][0-9]{2}$").expect("a pattern");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = cells.map(|line| line.split(" | ").map(str::trim).collect::<Vec<_>>());
    let rows = cells.filter(|cells| id.is_match(cells[0]));
    rows.map(|cells| {
        assert_eq!(cells.len(), 5, "{}: id, fault, word, what follows, tests", cells[0]);
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{}: a cell is empty", cells[0]);
        let words = code(cells[2]);
        assert_eq!(words.is_empty(), cells[2] == "none", "{}: words, or `none` where nothing is told", cells[0]);
        Row { id: cells[0].to_owned(), words, tests: code(cells[4]) }
    })
    .collect()
}

/// The sources below a folder by the paths of their modules.
fn modules(dir: &str) -> BTreeMap<String, String> {
    fn read(dir: &Path, prefix: &str, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let module = if prefix.is_empty() { name.clone() } else { format!("{prefix}::{name}") };
            if path.is_dir() {
                read(&path, &module, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = if name == "mod" { prefix.to_owned() } else { module };
                found.insert(module, fs::read_to_string(&path).expect("utf-8"));
            }
        }
    }
    let mut found = BTreeMap::new();
    read(&root().join(dir), "", &mut found);
    found
}

/// Every test by the path that a test runner prints: functions that are marked as tests, and those that `hold!` makes.
fn tests() -> BTreeSet<String> {
    let marked =
        Regex::new(r"#\[(?:tokio::)?test\b[^\n]*\]\n(?:\s*(?:#\[|//)[^\n]*\n)*\s*(?:async )?fn (\w+)\(").expect("a pattern");
    let made = Regex::new(r#"(?m)^    (\w+): "[a-z-]+", [0-9]+;$"#).expect("a pattern");
    let inside = Regex::new(r"(?m)^mod tests \{$").expect("a pattern");
    let mut found = BTreeSet::new();
    for dir in ["tests/it", "src"] {
        for (module, text) in modules(dir) {
            let place = if inside.is_match(&text) { format!("{module}::tests") } else { module.clone() };
            let names = marked.captures_iter(&text).map(|found| found[1].to_owned());
            found.extend(names.map(|name| format!("{place}::{name}")));
            if module == "fuzz" {
                let names = made.captures_iter(&text).map(|found| found[1].to_owned());
                found.extend(names.map(|name| format!("{module}::{name}")));
            }
        }
    }
    found
}

#[test]
fn every_fault_has_a_row() {
    let ids = |letter: char, last: usize| (1..=last).map(move |n| format!("{letter}{n:02}"));
    let want: Vec<String> = ids('C', 33).chain(ids('E', 37)).chain(ids('I', 19)).collect();
    let have: Vec<String> = rows().into_iter().map(|row| row.id).collect();
    assert_eq!(have, want);
}

#[test]
fn every_row_has_a_test_that_is_there() {
    let there = tests();
    for Row { id, tests, .. } in rows() {
        assert!(!tests.is_empty(), "{id} has no test");
        let missing: Vec<_> = tests.iter().filter(|test| !there.contains(*test)).collect();
        assert!(missing.is_empty(), "{id}: there are no tests {missing:?}");
    }
}

#[test]
fn every_test_that_is_named_is_there() {
    let path = Regex::new(r"`(\w+(?:::\w+)+)`").expect("a pattern");
    let (text, there) = (document(), tests());
    let modules: BTreeSet<String> = modules("src").into_keys().collect();
    let named = path.captures_iter(&text).map(|found| found[1].to_owned());
    let missing: Vec<String> = named.filter(|name| !there.contains(name) && !modules.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Codes stand between quotes in the sources; other words are a part of what is said. What only a test says does not count.
#[test]
fn every_word_of_a_row_is_said_by_the_program() {
    let program = modules("src").into_iter().filter(|(module, _)| !module.ends_with("::tests"));
    let sources: String =
        program.map(|(_, text)| text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("").to_owned()).collect();
    let whole = Regex::new("^([a-z][a-z0-9-]*|[EW][0-9]{3})$").expect("a pattern");
    for Row { id, words, .. } in rows() {
        for word in words {
            let said = if whole.is_match(&word) { sources.contains(&format!("\"{word}\"")) } else { sources.contains(&word) };
            assert!(said, "{id}: nothing says `{word}`");
        }
    }
}
