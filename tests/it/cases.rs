//! Golden cases: `tests/cases/**/*.toml` says what a step is, what was seen, and what must follow. Every kind has one for
//! each of its words, and one that cannot be read.

mod file;
mod judge;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use runbook::steps::{KINDS, Kind};

use self::file::Case;
use self::judge::{Got, judge};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn find(dir: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    for entry in entries {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|e| e == "toml") {
            found.push(path);
        }
    }
}

/// Every case: where it stands, and its text.
fn all() -> Vec<(String, String)> {
    let root = root();
    let mut paths = Vec::new();
    find(&root, &mut paths);
    paths.sort();
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = |path: &PathBuf| path.strip_prefix(&root).expect("it lies under the root").display().to_string();
    paths.iter().map(|path| (name(path), text(path))).collect()
}

/// Judges a case and compares.
fn check(text: &str) -> Result<(Case, Got), String> {
    let case: Case = toml::from_str(text).map_err(|error| format!("no case: {error}"))?;
    let got = judge(&case, &root())?;
    let kind = runbook::steps::kind(&case.kind).ok_or("no such kind")?;
    if let Some(word) = &got.word
        && !has_word(kind, word)
    {
        return Err(format!("the word `{word}` is not in the list of kind {} ({})", case.kind, got.summary));
    }
    let wrong = |what: &str, got: &dyn std::fmt::Debug, want: &dyn std::fmt::Debug, got_summary: &str| {
        Err(format!("{what} is {got:?}, expected {want:?}\n    seen: {got_summary}"))
    };
    if got.verdict != case.expect.verdict {
        return wrong("the verdict", &got.verdict, &case.expect.verdict, &got.summary);
    }
    if got.word != case.expect.word {
        return wrong("the word", &got.word, &case.expect.word, &got.summary);
    }
    if let Some(summary) = case.expect.summary.as_ref().filter(|summary| **summary != got.summary) {
        return wrong("the summary", &got.summary, summary, &got.summary);
    }
    if let Some(effects) = case.expect.effects.as_ref().filter(|effects| **effects != got.effects) {
        return wrong("the list of effects", &got.effects, effects, &got.summary);
    }
    if let Some(values) = case.expect.values.as_ref().filter(|values| **values != got.values) {
        return wrong("what is kept", &got.values, values, &got.summary);
    }
    Ok((case, got))
}

fn has_word(kind: &Kind, word: &str) -> bool {
    kind.verdicts.iter().any(|(known, _)| *known == word)
}

/// Which words of which kinds have no case, and which kinds none that cannot be read. A kind that this version does not
/// run comes to nothing at all.
fn missing(kinds: &[&Kind], seen: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut missing = Vec::new();
    for kind in kinds.iter().filter(|kind| kind.runs) {
        let has = |word: &str| seen.get(kind.name).is_some_and(|words| words.contains(word));
        let words = kind.verdicts.iter().map(|(word, _)| *word);
        missing.extend(words.filter(|word| !has(word)).map(|word| format!("{}: no case comes to `{word}`", kind.name)));
        if !has("unreadable") {
            missing.push(format!("{}: no case is unreadable", kind.name));
        }
    }
    missing
}

#[test]
fn every_case_comes_to_what_it_says_and_every_word_has_a_case() {
    let cases = all();
    let mut faults = Vec::new();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, text) in &cases {
        match check(text) {
            Ok((case, got)) => {
                seen.entry(case.kind).or_default().insert(got.word.unwrap_or(got.verdict));
            }
            Err(fault) => faults.push(format!("{name}: {fault}")),
        }
    }
    faults.extend(missing(KINDS, &seen));
    assert!(faults.is_empty(), "{} cases, {} faults:\n{}", cases.len(), faults.len(), faults.join("\n"));
}

const GOOD: &str = r#"
about = "a service answers"
kind = "http"
[step]
url = "http://127.0.0.1:3000/"
[[look]]
at_ms = 0
replies = [{ to = "http", status = 200, body = "", took_ms = 3 }]
[expect]
verdict = "holds"
word = "answers"
summary = "200 in 3 ms"
"#;

/// The error of the good case with one text replaced.
fn fault(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "nothing to replace: {from}");
    match check(&GOOD.replace(from, to)) {
        Ok((_, got)) => panic!("it passes: {got:?}"),
        Err(fault) => fault,
    }
}

#[test]
fn a_case_that_is_wrong_fails() {
    assert!(check(GOOD).is_ok(), "{:?}", check(GOOD).err());
    let seen = "\n    seen: 200 in 3 ms";
    assert_eq!(fault("\"holds\"", "\"refuse\""), format!("the verdict is \"holds\", expected \"refuse\"{seen}"));
    assert_eq!(fault("\"answers\"", "\"slow\""), format!("the word is Some(\"answers\"), expected Some(\"slow\"){seen}"));
    assert_eq!(fault("in 3 ms\"", "in 4 ms\""), format!("the summary is \"200 in 3 ms\", expected \"200 in 4 ms\"{seen}"));
    assert_eq!(fault("[expect]", "[expect]\neffects = [\"x\"]"), format!("the list of effects is [], expected [\"x\"]{seen}"));
    assert_eq!(fault("\"http\"\n", "\"htp\"\n"), "there is no kind `htp`");
    assert_eq!(fault("replies = [", "replies = [{ to = \"http\", status = 200 }, "), "look 1 has 2 replies to 1 probes");
    assert_eq!(fault("url =", "urls = 1\nurl ="), "[step] urls: `urls` is no key here");
    assert_eq!(fault("took_ms = 3", "exit = 0"), "reply to http: `exit` does not belong to it");
    assert_eq!(fault("to = \"http\",", "to = \"pm3\","), "there is no reply to `pm3`");
    assert_eq!(
        fault("[expect]", "[expect]\nvalues = { pid = 7 }"),
        format!("what is kept is {{\"status\": Number(200), \"took_ms\": Number(3)}}, expected {{\"pid\": Number(7)}}{seen}")
    );
    let look = "[[look]]\nat_ms = 9\nreplies = [{ to = \"answer\", yes = true, by = \"kai\", via = \"tty\" }]\n[expect]";
    assert!(fault("[expect]", look).starts_with("the looks before the answer lead to no question: "));
    assert!(fault("[expect]", "[expects]").starts_with("no case: "));
    assert!(fault("at_ms = 0", "at_ms = 0\nat = 3").starts_with("no case: "));
}

#[test]
fn a_word_without_a_case_is_missed() {
    let seen = BTreeMap::from([("require".to_owned(), BTreeSet::from(["holds".to_owned(), "unreadable".to_owned()]))]);
    let kinds: Vec<&Kind> = KINDS.iter().copied().filter(|kind| kind.name == "require").collect();
    let words = ["wrong-exit", "wrong-output", "capture"].map(|word| format!("require: no case comes to `{word}`"));
    assert_eq!(missing(&kinds, &seen), words);
    assert!(missing(&kinds, &BTreeMap::new()).contains(&"require: no case is unreadable".to_owned()));
}

#[test]
fn a_kind_that_is_not_run_needs_no_case() {
    let kinds: Vec<&Kind> = KINDS.iter().copied().filter(|kind| !kind.runs).collect();
    assert_eq!(missing(&kinds, &BTreeMap::new()), Vec::<String>::new());
    // where there is none any more, this rule and its test have had their time
    assert_eq!(kinds.iter().map(|kind| kind.name).collect::<Vec<_>>(), ["target-health", "target"]);
}
