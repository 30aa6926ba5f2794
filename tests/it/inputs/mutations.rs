//! One slip in a file that is fine: it is told, or it means something else; it is never as if the line were not there.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::Index;
use proptest::test_runner::{TestCaseError, TestRunner};
use runbook::load::{inventory, runbook as loader, source};

/// A file of the project: where it is and what stands in it.
#[derive(Debug, Clone)]
struct Fine {
    path: PathBuf,
    lines: Vec<String>,
    /// The lines that are `key = …` or a header, outside of texts that go over several lines.
    keys: Vec<usize>,
}

/// What becomes of one line.
#[derive(Debug, Clone)]
enum Slip {
    /// Its key has one letter more.
    Added(Index, char),
    /// Its key has one letter less.
    Left(Index),
    /// Two letters of its key change places.
    Swapped(Index),
    /// It is there twice.
    Twice,
}

fn fine() -> Vec<Fine> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = source::list(&root.join("runbooks")).expect("the shipped runbooks");
    paths.push(root.join("inventory.toml"));
    paths
        .into_iter()
        .map(|path| {
            let lines: Vec<String> = fs::read_to_string(&path).expect("read").lines().map(str::to_owned).collect();
            let mut inside = false;
            let mut keys = Vec::new();
            for (at, line) in lines.iter().enumerate() {
                if !inside && key(line).is_some() {
                    keys.push(at);
                }
                let signs = line.matches("\"\"\"").count() + line.matches("'''").count();
                inside ^= signs % 2 == 1;
            }
            Fine { path, lines, keys }
        })
        .collect()
}

/// Where the key of a line stands in it.
fn key(line: &str) -> Option<std::ops::Range<usize>> {
    let from = line.len() - line.trim_start_matches(['[', ' ']).len();
    let end = line[from..].find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).map(|n| from + n)?;
    let after = line[end..].trim_start();
    (end > from && (after.starts_with('=') || (line.starts_with('[') && after.starts_with(']')))).then_some(from..end)
}

/// What a file comes to, as text; none where it is refused.
fn meaning(path: &Path, lines: &[String]) -> Option<String> {
    let source = source::decode(path, (lines.join("\n") + "\n").into_bytes()).ok()?;
    if path.ends_with("inventory.toml") {
        let mut inventory = inventory::from_source(&source, None).ok()?;
        inventory.sha256.clear();
        return Some(format!("{inventory:?}"));
    }
    let mut runbook = loader::from_source(&source, runbook::steps::KINDS).0.ok()?;
    runbook.sha256.clear();
    Some(format!("{runbook:?}"))
}

fn slipped(line: &str, slip: &Slip) -> Option<String> {
    let at = key(line)?;
    let mut letters: Vec<char> = line[at.clone()].chars().collect();
    let before = letters.clone();
    match slip {
        Slip::Added(index, c) => letters.insert(index.index(letters.len() + 1), *c),
        Slip::Left(index) => drop(letters.remove(index.index(letters.len()))),
        Slip::Swapped(index) if letters.len() > 1 => {
            let first = index.index(letters.len() - 1);
            letters.swap(first, first + 1);
        }
        Slip::Swapped(_) | Slip::Twice => return None,
    }
    let key: String = letters.iter().collect();
    (letters != before).then(|| format!("{}{key}{}", &line[..at.start], &line[at.end..]))
}

#[test]
fn no_slip_is_as_if_the_line_were_not_there() {
    let files = fine();
    for file in &files {
        assert!(meaning(&file.path, &file.lines).is_some(), "{} is not fine", file.path.display());
        assert!(file.keys.len() > 10, "{} has no keys", file.path.display());
    }
    let slip = prop_oneof![
        (any::<Index>(), proptest::char::range('a', 'z')).prop_map(|(at, c)| Slip::Added(at, c)),
        any::<Index>().prop_map(Slip::Left),
        any::<Index>().prop_map(Slip::Swapped),
        Just(Slip::Twice),
    ];
    let cases = (proptest::sample::select(files), any::<Index>(), slip);
    // always the same slips, so that a failure is one for everybody
    TestRunner::deterministic()
        .run(&cases, |(file, index, slip)| {
            let at = file.keys[index.index(file.keys.len())];
            let (mut with, mut without) = (file.lines.clone(), file.lines.clone());
            without.remove(at);
            match slipped(&file.lines[at], &slip) {
                Some(line) => with[at] = line,
                None => with.insert(at, file.lines[at].clone()),
            }
            let Some(meant) = meaning(&file.path, &with) else { return Ok(()) };
            let ignored = meaning(&file.path, &without).is_some_and(|without| without == meant);
            let twice = matches!(slip, Slip::Twice) && !file.lines[at].starts_with("[[");
            if ignored || twice {
                let place = format!("{}:{}", file.path.display(), at + 1);
                return Err(TestCaseError::fail(format!("{place}: `{}` is taken silently", with[at])));
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
