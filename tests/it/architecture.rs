//! The sources are held to the house's rules: layers, purity, no globs, no exits, constant shell text, pm2 in one place.

mod rules;
mod shell;
mod source;

use std::path::{Path, PathBuf};

use self::rules::check;
use self::source::Source;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn find(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.expect("an entry of a folder").path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_sources_follow_the_rules() {
    let mut paths = Vec::new();
    for dir in ["src", "tests/it", "fuzz/src"] {
        find(&root().join(dir), &mut paths);
    }
    paths.sort();
    assert!(paths.iter().any(|path| path.ends_with("src/model/step.rs")), "the sources are not found");
    let sources: Vec<Source> = paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let short = path.strip_prefix(root()).expect("it lies under the root");
            Source::new(&short.display().to_string(), &text)
        })
        .collect();
    let read = |path: &str| std::fs::read_to_string(root().join(path)).ok();
    let faults: Vec<String> = check(&sources, &read).iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

/// The faults of one file.
fn faults(path: &str, text: &str) -> Vec<String> {
    let read = |path: &str| (path == "src/steps/look.sh").then(|| "uptime\npm2 save\n".to_owned());
    check(&[Source::new(path, text)], &read).iter().map(ToString::to_string).collect()
}

const NONE: [&str; 0] = [];

#[test]
fn imports_go_downward_only() {
    assert_eq!(faults("src/engine/lane.rs", "use crate::steps::kind;\nuse crate::engine::log::Log;"), NONE);
    assert_eq!(
        faults("src/model/op.rs", "\nuse crate::engine::log::Log;"),
        ["src/model/op.rs:2: `model` (layer 0) names `engine` (layer 4): imports go downward only"]
    );
    assert_eq!(
        faults("src/steps/http.rs", "fn f() -> crate::plan::Plan { x }"),
        ["src/steps/http.rs:1: `steps` (layer 2) names `plan` (layer 2): imports go downward only"]
    );
    assert_eq!(
        faults("src/report/plain.rs", "#[cfg(test)]\nmod tests { use crate::journal::Journal; }"),
        ["src/report/plain.rs:2: `report` (layer 5) names `journal` (layer 5): imports go downward only"]
    );
    assert_eq!(
        faults("src/report/plain.rs", "use crate::{cli, model};"),
        ["src/report/plain.rs:1: `crate::{…}` hides what is imported: name the module"]
    );
    assert_eq!(faults("src/misc/mod.rs", "fn f() {}"), ["src/misc/mod.rs:1: the module `misc` has no layer"]);
    assert_eq!(faults("src/model/op.rs", "// use crate::engine::x;\nconst A: &str = \"crate::engine\";"), NONE);
}

#[test]
fn super_stays_in_the_module() {
    let what = "`super` climbs out of the module: name what is meant from `crate` on";
    assert_eq!(faults("src/model/mod.rs", "use super::engine::Log;"), [format!("src/model/mod.rs:1: {what}")]);
    assert_eq!(faults("src/model/op.rs", "use super::super::engine::Log;"), [format!("src/model/op.rs:1: {what}")]);
    assert_eq!(faults("src/model/op.rs", "use super::time::millis;\nmod a { use super::super::time::millis; }"), NONE);
}

#[test]
fn the_lower_layers_are_pure() {
    let text = "use tokio::sync::mpsc;\nuse std::{fmt, fs, net::{IpAddr, env}};\nfn f() { let t = Instant::now(); }\n\
                fn g() { std::env::var(x); println!(\"\"); }\nfn h() { io::stdout(); }";
    let got: Vec<String> = faults("src/plan/build.rs", text);
    let want = [
        "src/plan/build.rs:1: `plan` is pure and names `tokio`",
        "src/plan/build.rs:2: `plan` is pure and names `std::fs`",
        "src/plan/build.rs:2: `plan` is pure and names `std::net`",
        "src/plan/build.rs:3: `plan` is pure and reads the clock (`Instant::now`)",
        "src/plan/build.rs:4: `plan` is pure and names `std::env`",
        "src/plan/build.rs:4: `plan` is pure and prints (`println!`)",
        "src/plan/build.rs:5: `plan` is pure and names a standard stream",
    ];
    assert_eq!(got, want);
    assert_eq!(faults("src/load/source.rs", "use std::fs;"), NONE);
    assert_eq!(faults("src/load/source.rs", "use std::env;"), ["src/load/source.rs:1: `load` is pure and names `std::env`"]);
    assert_eq!(faults("src/load/runbook.rs", "use std::fs;"), ["src/load/runbook.rs:1: `load` is pure and names `std::fs`"]);
    assert_eq!(faults("src/load/runbook.rs", "#[cfg(test)]\nmod tests { fn f() { std::fs::read(x); } }"), NONE);
    assert!(faults("src/world/ssh.rs", text).iter().all(|fault| !fault.contains("is pure")));
}

#[test]
fn the_engine_knows_its_world_by_traits_only() {
    let what = "src/engine/lane.rs:1: the engine names";
    assert_eq!(faults("src/engine/lane.rs", "use russh::client;"), [format!("{what} `russh`")]);
    assert_eq!(faults("src/engine/lane.rs", "use rusqlite::Connection;"), [format!("{what} `rusqlite`")]);
    assert_eq!(faults("src/engine/lane.rs", "use ratatui::Frame;"), [format!("{what} `ratatui`")]);
}

#[test]
fn no_import_is_a_glob() {
    let what = "a glob import: name what is used (`use super::*` in tests only)";
    assert_eq!(faults("src/cli/run.rs", "use super::*;"), [format!("src/cli/run.rs:1: {what}")]);
    assert_eq!(faults("src/cli/run.rs", "use crate::*;"), [format!("src/cli/run.rs:1: {what}")]);
    assert_eq!(faults("src/cli/run.rs", "\nuse clap::{Args, builder::*};"), [format!("src/cli/run.rs:2: {what}")]);
    let tests = "#[cfg(test)]\nmod tests {\n use super::*;\n use proptest::prelude::*;\n use crate::model::*;\n}";
    assert_eq!(faults("src/cli/run.rs", tests), [format!("src/cli/run.rs:5: {what}")]);
}

#[test]
fn no_code_ends_the_process() {
    let what = "return the exit code to `main`";
    assert_eq!(faults("src/main.rs", "fn main() { std::process::exit(1) }"), [format!("src/main.rs:1: `process::exit`: {what}")]);
    assert_eq!(
        faults("src/cli/run.rs", "use std::process::{Command, exit};"),
        [format!("src/cli/run.rs:1: `process::exit`: {what}")]
    );
    assert_eq!(faults("src/main.rs", "fn main() -> std::process::ExitCode { x }"), NONE);
}

#[test]
fn what_is_printed_passes_the_sink() {
    let what = "beside the sink: write to `report::sink`";
    let text = "fn f() { println!(\"\"); }\nfn g() { std::io::stderr().lock(); }\nfn h() { io::stdout().is_terminal(); error.stderr(); }";
    let want = [format!("src/cli/run.rs:1: `println` {what}"), format!("src/cli/run.rs:2: `stderr` {what}")];
    assert_eq!(faults("src/cli/run.rs", text), want);
    assert_eq!(faults("src/report/sink.rs", text), NONE);
}

#[test]
fn shell_text_is_constant() {
    let fine = "const LOOK: &str = \"uptime\";\nfn f() { Shell::look(\"up\", LOOK).env(\"a\", b); Shell::change(\"x\", concat!(\"a\", \"b\")); }";
    assert_eq!(faults("src/steps/port.rs", fine), NONE);
    let look = "src/steps/port.rs:1: `Shell::look` takes a literal or a constant; values go in with `.env(…)`";
    for text in [
        "fn f(text: &'static str) { Shell::look(\"up\", text) }",
        "fn f() { Shell::look(\"up\", format!(\"ss {port}\").leak()) }",
        "fn f() { Shell::look(label, \"uptime\") }",
        "fn f() { let make = Shell::look; }",
        "fn f() { Shell::look(\"up\", if x { A } else { B }) }",
    ] {
        assert_eq!(faults("src/steps/port.rs", text), [look], "{text}");
    }
    let lost = "src/steps/port.rs:1: the text of this `Shell` is not found: is it a `const` of this crate?";
    assert_eq!(faults("src/steps/port.rs", "fn f() { Shell::look(\"up\", LOOK) }"), [lost]);
    let authored =
        "`Shell::authored` only where an author's text is meant: src/steps/exec.rs, src/steps/require.rs, src/cli/exec.rs";
    let text = "fn f() { Shell::authored(a, b, true) }";
    assert_eq!(faults("src/steps/port.rs", text), [format!("src/steps/port.rs:1: {authored}")]);
    assert_eq!(faults("src/steps/exec.rs", text), NONE);
}

#[test]
fn pm2_is_run_in_one_place() {
    let text = "const SAVE: &str = \"\\\n    set -e\n    timeout 20 pm2 save\n\";\nfn f() { Shell::change(\"save\", SAVE) }";
    let what = "a pm2 command outside `steps/pm2`:";
    assert_eq!(faults("src/steps/port.rs", text), [format!("src/steps/port.rs:5: {what} timeout 20 pm2 save")]);
    assert_eq!(faults("src/steps/pm2.rs", text), NONE);
    assert_eq!(faults("src/lab/pm2.rs", text), NONE);
    let included = "fn f() { Shell::look(\"x\", include_str!(\"look.sh\")) }";
    assert_eq!(faults("src/steps/port.rs", included), [format!("src/steps/port.rs:1: {what} pm2 save")]);
    let started = "fn f() { Command::new(\"/usr/bin/pm2\"); }";
    assert_eq!(faults("src/world/ssh.rs", started), ["src/world/ssh.rs:1: pm2 is started here"]);
    assert_eq!(faults("src/lab/pm2.rs", started), NONE);
    assert_eq!(faults("src/steps/port.rs", "//! `pm2 save` is not run\nconst HINT: &str = \"pm2 save\";"), NONE);
}

#[test]
fn a_constant_is_found_in_the_file_that_is_named() {
    let sources = [
        Source::new("src/steps/a.rs", "const LOOK: &str = \"uptime\";"),
        Source::new("src/steps/b.rs", "const LOOK: &str = \"pm2 jlist\";"),
        Source::new("src/steps/port.rs", "fn f() { Shell::look(\"x\", a::LOOK); }\nfn g() { Shell::look(\"x\", b::LOOK); }"),
    ];
    let got: Vec<String> = check(&sources, &|_| None).iter().map(ToString::to_string).collect();
    assert_eq!(got, ["src/steps/port.rs:2: a pm2 command outside `steps/pm2`: pm2 jlist"]);
}

#[test]
fn no_file_is_a_book() {
    assert_eq!(faults("tests/it/x.rs", &"\n".repeat(700)), NONE);
    assert_eq!(faults("tests/it/x.rs", &"\n".repeat(701)), ["tests/it/x.rs:701: 701 lines: a file has at most 700"]);
}

#[test]
fn texts_comments_and_tests_are_told_apart() {
    let text = r####"
/* a /* nested */ use crate::engine::x; */
const A: &str = r#"crate::engine "quoted" "#;
const B: char = '"';
const C: &[u8] = b"crate::engine";
fn f<'a>(x: &'a str) -> char { '\'' }
#[cfg(not(test))]
use crate::cli::run;
#[cfg(test)]
fn g() { std::fs::read("x"); }
fn h() { std::fs::read("x"); }
"####;
    assert_eq!(
        faults("src/model/op.rs", text),
        [
            "src/model/op.rs:8: `model` (layer 0) names `cli` (layer 6): imports go downward only",
            "src/model/op.rs:11: `model` is pure and names `std::fs`",
        ]
    );
}
