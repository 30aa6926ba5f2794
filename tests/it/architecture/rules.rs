//! The rules, each a function from a file to its faults.

use super::shell::pm2_lines;
use super::source::{Kind, Source};

/// A place that breaks a rule.
pub(super) struct Fault {
    path: String,
    line: usize,
    what: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Modules with their layers.
const LAYERS: [(&str, u8); 15] = [
    ("model", 0),
    ("read", 1),
    ("state", 1),
    ("steps", 2),
    ("plan", 2),
    ("load", 3),
    ("engine", 4),
    ("world", 5),
    ("journal", 5),
    ("report", 5),
    ("tui", 5),
    ("tui", 5),
    ("lab", 5),
    ("cli", 6),
    ("fuzzing", 7),
];
/// Up to this layer code is pure.
const PURE: u8 = 3;
/// The one file of a pure layer that may read files.
const READS_FILES: &str = "src/load/source.rs";
const IMPURE_STD: [&str; 5] = ["fs", "net", "env", "process", "thread"];
const OUTSIDE: [&str; 12] = [
    "tokio",
    "tokio_util",
    "futures_util",
    "hyper",
    "hyper_util",
    "russh",
    "rusqlite",
    "ratatui",
    "crossterm",
    "indicatif",
    "rustix",
    "getrandom",
];
const NOT_IN_ENGINE: [&str; 4] = ["russh", "ratatui", "crossterm", "rusqlite"];
const CLOCKS: [&str; 4] = ["Instant", "SystemTime", "Timestamp", "Zoned"];
const PRINTING: [&str; 5] = ["println", "eprintln", "print", "eprint", "dbg"];
/// Where text of a runbook's author or of an operator becomes a command.
const AUTHORED: [&str; 3] = ["src/steps/exec.rs", "src/steps/require.rs", "src/cli/exec.rs"];
/// Who may write to standard output and standard error: the sinks, and those whose reader is a program of ours.
const OUTPUTS: [&str; 7] = [
    "src/report/sink.rs",
    "src/report/live.rs",
    // JSON is escaped where it is made
    "src/cli/settings.rs",
    "src/tui/terminal/tty.rs",
    "src/tui/guard.rs",
    "src/lab/supervisor.rs",
    "src/lab/init.rs",
];
const MOST_LINES: usize = 700;

/// Everything that is wrong with these files. `read` reads a file that one of them includes.
pub(super) fn check(sources: &[Source], read: &dyn Fn(&str) -> Option<String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in sources {
        size(source, &mut faults);
        if source.path.starts_with("src/") {
            layers(source, &mut faults);
            climbing(source, &mut faults);
            purity(source, &mut faults);
            engine(source, &mut faults);
            globs(source, &mut faults);
            exits(source, &mut faults);
            outputs(source, &mut faults);
            shell_texts(source, sources, read, &mut faults);
            started_pm2(source, &mut faults);
        }
    }
    faults
}

fn fault(source: &Source, at: usize, what: impl Into<String>) -> Fault {
    let line = source.tokens.get(at).map_or(0, |t| t.line);
    Fault { path: source.path.clone(), line, what: what.into() }
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn size(source: &Source, faults: &mut Vec<Fault>) {
    if source.lines > MOST_LINES {
        let what = format!("{} lines: a file has at most {MOST_LINES}", source.lines);
        faults.push(Fault { path: source.path.clone(), line: source.lines, what });
    }
}

/// Imports go downward only, and modules of one layer do not see each other.
fn layers(source: &Source, faults: &mut Vec<Fault>) {
    let Some(own) = source.module() else { return };
    let Some(own_layer) = layer(own) else {
        faults.push(fault(source, 0, format!("the module `{own}` has no layer")));
        return;
    };
    for at in 0..source.tokens.len() {
        if !source.is(at, &["crate", "::"]) {
            continue;
        }
        match source.mark_or_word(at + 2) {
            Some("{") => faults.push(fault(source, at, "`crate::{…}` hides what is imported: name the module")),
            Some(other) if other != own => match layer(other) {
                None if other == "*" => {}
                None => faults.push(fault(source, at, format!("the module `{other}` has no layer"))),
                Some(its) if its < own_layer => {}
                Some(its) => {
                    let what = format!("`{own}` (layer {own_layer}) names `{other}` (layer {its}): imports go downward only");
                    faults.push(fault(source, at, what));
                }
            },
            _ => {}
        }
    }
}

/// `super` does not climb out of the module of the layer.
fn climbing(source: &Source, faults: &mut Vec<Fault>) {
    if source.module().is_none() {
        return;
    }
    let below = source.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
    for at in 0..source.tokens.len() {
        let first = source.is(at, &["super"]) && !(at >= 2 && source.is(at - 2, &["super", "::"]));
        if !first {
            continue;
        }
        let supers = (0..).take_while(|n| source.is(at + 2 * n, &["super"]) && source.is(at + 2 * n + 1, &["::"])).count();
        if supers >= below + source.tokens[at].mods {
            faults.push(fault(source, at, "`super` climbs out of the module: name what is meant from `crate` on"));
        }
    }
}

/// The lower layers know no runtime, no files, no network, no clock, no screen.
fn purity(source: &Source, faults: &mut Vec<Fault>) {
    let Some(own) = source.module().filter(|own| layer(own).is_some_and(|n| n <= PURE)) else { return };
    for (at, token) in source.tokens.iter().enumerate() {
        if token.test || token.kind != Kind::Word {
            continue;
        }
        let word = token.text.as_str();
        let next = source.mark_or_word(at + 1);
        if OUTSIDE.contains(&word) && next == Some("::") && !(word == "rustix" && source.path == READS_FILES) {
            faults.push(fault(source, at, format!("`{own}` is pure and names `{word}`")));
        }
        if word == "std" && next == Some("::") {
            let named = named_after(source, at + 2);
            for part in named.iter().filter(|part| IMPURE_STD.contains(&part.as_str())) {
                if !(part == "fs" && source.path == READS_FILES) {
                    faults.push(fault(source, at, format!("`{own}` is pure and names `std::{part}`")));
                }
            }
        }
        if CLOCKS.contains(&word) && source.is(at + 1, &["::", "now"]) {
            faults.push(fault(source, at, format!("`{own}` is pure and reads the clock (`{word}::now`)")));
        }
        if PRINTING.contains(&word) && next == Some("!") {
            faults.push(fault(source, at, format!("`{own}` is pure and prints (`{word}!`)")));
        }
        if word == "io" && next == Some("::") && matches!(source.mark_or_word(at + 2), Some("stdout" | "stderr" | "stdin")) {
            faults.push(fault(source, at, format!("`{own}` is pure and names a standard stream")));
        }
    }
}

/// The word at `at`, or the first words of the group that begins there.
fn named_after(source: &Source, at: usize) -> Vec<String> {
    if source.mark_or_word(at) != Some("{") {
        return source.mark_or_word(at).map(str::to_owned).into_iter().collect();
    }
    let mut depth = 0;
    let mut named = Vec::new();
    for n in at..=source.closing(at) {
        match source.mark_or_word(n) {
            Some("{") => depth += 1,
            Some("}") => depth -= 1,
            Some(word) if depth == 1 && matches!(source.mark_or_word(n - 1), Some("{" | ",")) => named.push(word.to_owned()),
            _ => {}
        }
    }
    named
}

/// The engine knows its world by traits only.
fn engine(source: &Source, faults: &mut Vec<Fault>) {
    if source.module() != Some("engine") {
        return;
    }
    for (at, token) in source.tokens.iter().enumerate() {
        if token.kind == Kind::Word && NOT_IN_ENGINE.contains(&token.text.as_str()) {
            faults.push(fault(source, at, format!("the engine names `{}`", token.text)));
        }
    }
}

/// What a file uses can be read from its first lines: no globs but `use super::*` in tests.
fn globs(source: &Source, faults: &mut Vec<Fault>) {
    for at in 0..source.tokens.len() {
        if !source.is(at, &["use"]) || source.is(at + 1, &["<"]) {
            continue;
        }
        let end = (at..source.tokens.len()).find(|n| source.is(*n, &[";"])).unwrap_or(source.tokens.len());
        if !(at..end).any(|n| source.is(n, &["*"])) {
            continue;
        }
        let (test, first) = (source.tokens[at].test, source.mark_or_word(at + 1));
        let fine = test && (source.is(at + 1, &["super", "::", "*", ";"]) || !matches!(first, Some("crate" | "super" | "self")));
        if !fine {
            faults.push(fault(source, at, "a glob import: name what is used (`use super::*` in tests only)"));
        }
    }
}

/// A process ends by returning from `main`: whatever is open is closed on the way.
fn exits(source: &Source, faults: &mut Vec<Fault>) {
    for at in 0..source.tokens.len() {
        if source.is(at, &["process", "::"]) {
            for word in named_after(source, at + 2).iter().filter(|word| matches!(word.as_str(), "exit" | "abort")) {
                faults.push(fault(source, at, format!("`process::{word}`: return the exit code to `main`")));
            }
        }
    }
}

/// What is written to a terminal passes a sink.
fn outputs(source: &Source, faults: &mut Vec<Fault>) {
    let pure = source.module().and_then(layer).is_some_and(|n| n <= PURE);
    if pure || OUTPUTS.contains(&source.path.as_str()) {
        return;
    }
    for (at, token) in source.tokens.iter().enumerate().filter(|(_, token)| !token.test && token.kind == Kind::Word) {
        let word = token.text.as_str();
        let asked = source.is(at + 1, &["(", ")", ".", "is_terminal"]);
        let stream = matches!(word, "stdout" | "stderr") && at > 1 && source.is(at - 2, &["io", "::"]) && !asked;
        if stream || (PRINTING.contains(&word) && source.mark_or_word(at + 1) == Some("!")) {
            faults.push(fault(source, at, format!("`{word}` beside the sink: write to `report::sink`")));
        }
    }
}

/// Shell text is constant, and no text but that of `steps/pm2.rs` runs pm2: every pm2 command, even one that only looks,
/// starts a daemon where none answers.
fn shell_texts(source: &Source, all: &[Source], read: &dyn Fn(&str) -> Option<String>, faults: &mut Vec<Fault>) {
    for at in 0..source.tokens.len() {
        if source.tokens[at].test || !source.is(at, &["Shell", "::"]) {
            continue;
        }
        let Some(maker @ ("look" | "change" | "authored")) = source.mark_or_word(at + 2) else { continue };
        if maker == "authored" {
            if !AUTHORED.contains(&source.path.as_str()) {
                let what = format!("`Shell::authored` only where an author's text is meant: {}", AUTHORED.join(", "));
                faults.push(fault(source, at, what));
            }
            continue;
        }
        let constant = format!("`Shell::{maker}` takes a literal or a constant; values go in with `.env(…)`");
        let arguments = if source.is(at + 3, &["("]) { arguments(source, at + 3) } else { Vec::new() };
        let [_, text] = arguments.as_slice() else {
            faults.push(fault(source, at, constant));
            continue;
        };
        if arguments.iter().any(|argument| !is_constant(source, argument)) {
            faults.push(fault(source, at, constant));
            continue;
        }
        match value(source, text, all, read) {
            None => faults.push(fault(source, at, "the text of this `Shell` is not found: is it a `const` of this crate?")),
            Some(text) => {
                let lines = if may_run_pm2(&source.path) { Vec::new() } else { pm2_lines(&text) };
                for line in lines {
                    let shown = text.lines().nth(line).unwrap_or_default().trim();
                    faults.push(fault(source, at, format!("a pm2 command outside `steps/pm2`: {shown}")));
                }
            }
        }
    }
}

fn may_run_pm2(path: &str) -> bool {
    matches!(path, "src/steps/pm2.rs" | "src/steps/revive_daemon.rs")
        || path.starts_with("src/steps/pm2/")
        || path.starts_with("src/lab/")
}

/// The arguments of a call, as ranges of tokens.
fn arguments(source: &Source, open: usize) -> Vec<std::ops::Range<usize>> {
    let close = source.closing(open);
    let mut arguments = Vec::new();
    let mut from = open + 1;
    let mut at = from;
    while at < close {
        match source.mark_or_word(at) {
            Some("(" | "[" | "{") => at = source.closing(at),
            Some(",") => {
                arguments.push(from..at);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if from < close {
        arguments.push(from..close);
    }
    arguments
}

/// A literal, `concat!(…)` or `include_str!(…)` of literals, or a path that ends in a name all in capitals.
fn is_constant(source: &Source, range: &std::ops::Range<usize>) -> bool {
    let tokens = &source.tokens[range.clone()];
    let Some(last) = tokens.last() else { return false };
    if tokens.len() == 1 && last.kind == Kind::Text {
        return true;
    }
    if matches!(tokens[0].text.as_str(), "concat" | "include_str") && tokens.get(1).is_some_and(|t| t.text == "!") {
        return tokens[2..].iter().all(|t| t.kind == Kind::Text || matches!(t.text.as_str(), "(" | ")" | ","));
    }
    let capitals = last.kind == Kind::Word && last.text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    capitals && tokens.iter().all(|t| t.kind == Kind::Word || t.text == "::")
}

/// The text that a constant expression comes to.
fn value(
    source: &Source,
    range: &std::ops::Range<usize>,
    all: &[Source],
    read: &dyn Fn(&str) -> Option<String>,
) -> Option<String> {
    let tokens = &source.tokens[range.clone()];
    if tokens.iter().any(|t| t.kind == Kind::Text) {
        let joined: String = tokens.iter().filter(|t| t.kind == Kind::Text).map(|t| t.text.as_str()).collect();
        if !tokens.iter().any(|t| t.text == "include_str") {
            return Some(joined);
        }
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        return read(&format!("{folder}/{joined}"));
    }
    let name = &tokens.last()?.text;
    // `probe::LOOK` is the one of probe.rs, should there be several
    let module = tokens.len().checked_sub(3).map(|n| tokens[n].text.as_str());
    let meant = |file: &&Source| {
        module.is_some_and(|m| file.path.ends_with(&format!("/{m}.rs")) || file.path.ends_with(&format!("/{m}/mod.rs")))
    };
    let own = module.is_none().then_some(source);
    own.into_iter().chain(all.iter().filter(meant)).chain(all).find_map(|file| {
        let at = (0..file.tokens.len())
            .find(|n| matches!(file.mark_or_word(*n), Some("const" | "static")) && file.is(n + 1, &[name.as_str(), ":"]))?;
        let from = (at..file.tokens.len()).find(|n| file.is(*n, &["="]))? + 1;
        let to = (from..file.tokens.len()).find(|n| file.is(*n, &[";"]))?;
        // a constant may name another one
        value(file, &(from..to), all, read)
    })
}

/// Nothing but the practice fleet starts pm2 here.
fn started_pm2(source: &Source, faults: &mut Vec<Fault>) {
    for at in 0..source.tokens.len() {
        let program = source.tokens.get(at + 4).filter(|t| t.kind == Kind::Text).map(|t| t.text.as_str());
        let is_pm2 = program.is_some_and(|p| p.rsplit('/').next() == Some("pm2"));
        if is_pm2 && source.is(at, &["Command", "::", "new", "("]) && !source.path.starts_with("src/lab/") {
            faults.push(fault(source, at, "pm2 is started here"));
        }
    }
}
