//! A session in which a host says the values of secrets in every encoding: no byte of them reaches the terminal, and no
//! program that the screen starts has the variable.

use std::fs;

use super::folder::{Folder, quit};
use crate::harness::sshd::Sshd;
use crate::secrets::forms;

const VALUE: &str = "session-pä55 w'o\"rd/+&<x>-%7-Zq";

const BOOK: &str = r#"
name  = "work"
title = "a host says a value"
[secrets]
pw = { env = "RB_SHOWN" }
[[precheck]]
id = "say"
kind = "require"
secrets = ["pw"]
run = "cat LEAK; cat LEAK >&2; echo $pw; exit 1"
"#;

#[test]
fn no_form_of_a_value_reaches_the_terminal_and_no_program_of_the_screen_has_the_variable() {
    let sshd = Sshd::start();
    let leak = sshd.path("leak");
    let all: Vec<u8> = forms::of(VALUE).into_iter().flat_map(|form| [form, b"\n".to_vec()].concat()).collect();
    fs::write(&leak, all).unwrap();
    let folder = Folder::new(&BOOK.replace("LEAK", leak.to_str().unwrap()));
    folder.inventory(&[&sshd]);
    let editor = folder.write("editor", "#!/bin/sh\nenv >\"${0%/*}/edited\"\n");
    let editor = format!("sh {}", editor.display());
    let session = folder.session_with(&["-i", "inventory.toml"], (140, 40), &[("RB_SHOWN", VALUE), ("EDITOR", &editor)]);
    session.shows("› work ");
    session.keys("e");
    session.until("the editor's end", |lines| {
        folder.path().join("edited").exists() && lines.iter().any(|line| line.contains("› work "))
    });
    let edited = fs::read_to_string(folder.path().join("edited")).unwrap();
    assert!(edited.contains("XDG_STATE_HOME=") && !edited.contains("RB_SHOWN"), "{edited}");
    let guards = guards(session.pid().as_raw_nonzero().get());
    assert!(!guards.is_empty() && guards.iter().all(|environment| environment.is_empty()), "{guards:?}");
    session.keys("<Enter>");
    session.shows("No host is selected");
    session.keys("a");
    session.hides("No host is selected");
    session.keys("<Enter>");
    session.shows("exit code 6");
    for keys in ["j", "<Tab>", "z", "<PageDown>", "G", "w", "z", "<Tab>", "g"] {
        session.keys(keys);
    }
    session.shows("[secret:pw]");
    let end = quit(session);
    assert_eq!(end.code, Some(6), "{}", end.scrollback);
    forms::assert_none(&end.raw, &[VALUE], "the terminal");
}

/// The environments of the guards of that process.
fn guards(parent: i32) -> Vec<Vec<u8>> {
    let is_guard = |dir: &std::path::Path| {
        let line = fs::read(dir.join("cmdline")).unwrap_or_default();
        let stat = fs::read_to_string(dir.join("stat")).unwrap_or_default();
        let own = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) == Some(parent.to_string().as_str());
        own && line.ends_with(b"screen-guard\0")
    };
    let all = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    all.filter(|dir| is_guard(dir)).map(|dir| fs::read(dir.join("environ")).unwrap()).collect()
}
