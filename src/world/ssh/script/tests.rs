use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::{DEFINE, END, HELLO, Unsendable, at_home, call};
use crate::model::op::Shell;

/// What can be `/bin/sh` on a host, as far as it is installed here.
fn shells() -> Vec<&'static [&'static str]> {
    let all: [&[&str]; 7] =
        [&["sh"], &["dash"], &["bash", "--posix"], &["busybox", "sh"], &["ksh"], &["mksh"], &["zsh", "--emulate", "sh"]];
    let here = |shell: &&[&str]| Command::new(shell[0]).args(&shell[1..]).args(["-c", ":"]).status().is_ok_and(|s| s.success());
    let found: Vec<_> = all.into_iter().filter(here).collect();
    assert!(found.len() > 1, "{found:?}");
    found
}

fn start(shell: &[&str]) -> Command {
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]);
    command
}

/// A process group of its own that runs this text and has said so.
fn group(text: &str) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", text]).process_group(0).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    child
}

/// What the script that ends a group says of this one.
fn end(shell: &[&str], group: u32, watch: bool) -> String {
    let mut command = start(shell);
    command.args(["-c", END]).env("RB_GROUP", group.to_string()).env("RB_WATCH", if watch { "1" } else { "" });
    let output = command.output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell:?}");
    String::from_utf8(output.stdout).expect("utf-8")
}

/// In all of them at the same time: most of it is waiting.
fn in_every_shell(test: impl Fn(&[&str]) + Sync) {
    thread::scope(|scope| {
        for shell in shells() {
            scope.spawn(|| test(shell));
        }
    });
}

#[test]
fn a_group_is_ended_and_seen_to_be_gone_in_every_shell() {
    in_every_shell(|shell| {
        for (text, want) in [
            ("echo ready; sleep 60", "gone TERM\n"),
            ("sleep 61 & sleep 62 & echo ready; wait", "gone TERM\n"),
            ("trap '' TERM; sleep 60 & echo ready; wait", "gone KILL\n"),
            // its leader gone, the kernel wakes what was stopped
            ("sleep 60 & kill -STOP $!; echo ready; wait", "gone TERM\n"),
            ("trap '' TERM HUP; sleep 60 & kill -STOP $!; echo ready; wait", "gone KILL\n"),
        ] {
            // nobody waits for it until the end: what is left of it is a zombie, and that is gone
            let mut child = group(text);
            assert_eq!(end(shell, child.id(), false), want, "{shell:?}: {text}");
            assert_eq!(end(shell, child.id(), false), "gone\n", "{shell:?}: it is gone already");
            assert_eq!(end(shell, child.id(), true), "gone\n", "{shell:?}: whoever looks sees so");
            child.wait().expect("ended");
        }
    });
}

#[test]
fn whoever_only_looks_ends_nothing() {
    in_every_shell(|shell| {
        let mut child = group("echo ready; sleep 60");
        assert_eq!(end(shell, child.id(), true), "alive\n", "{shell:?}");
        assert!(child.try_wait().expect("known").is_none());
        assert_eq!(end(shell, child.id(), false), "gone TERM\n", "{shell:?}");
        child.wait().expect("ended");
    });
}

/// Both streams of a shell that was given these calls.
fn said(shell: &[&str], text: &str) -> (String, String) {
    let mut command = start(shell);
    command.arg("-s").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let (mut out, mut err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    let (mut a, mut b) = (String::new(), String::new());
    out.read_to_string(&mut a).expect("utf-8");
    err.read_to_string(&mut b).expect("utf-8");
    child.wait().expect("ended");
    (a, b)
}

#[test]
fn markers_say_the_status_and_what_is_held_in_every_shell() {
    let both = |word: &str| {
        let text = format!("\nn begin\n\nn end {word}\n");
        (text.clone(), text)
    };
    let change = |text: &'static str| call("n", &Shell::change("x", text), "/").expect("it can be sent");
    in_every_shell(|shell| {
        let says = |text: &str| said(shell, &[DEFINE, text].concat());
        assert_eq!(says(&change("exit 7")), both("7"), "{shell:?}");
        assert_eq!(says(&change(":")), both("0"), "{shell:?}");
        let held = cfg!(target_os = "linux").then_some("+").unwrap_or_default();
        assert_eq!(says(&change("sleep 0.5 & exit 3")), both(&format!("3{held}")), "{shell:?}");
        assert_eq!(says(&change("sleep 0.5 >/dev/null 2>&1 & exit 3")), both("3"), "{shell:?}");
        let (out, err) = says(&change("sleep 0.5 2>/dev/null & :"));
        assert_eq!((out, err), (format!("\nn begin\n\nn end 0{held}\n"), both("0").1), "{shell:?}");
        let look = call("n", &Shell::look("x", "sleep 0.5 & :"), "/").expect("it can be sent");
        assert_eq!(says(&look), both("0"), "{shell:?}: of what only looks nothing is asked");
        let lost = call("n", &Shell::change("x", ":").cwd(Some("/no/such".to_owned())), "/").expect("it can be sent");
        assert!(says(&lost).0.ends_with("\nn end cwd\n"), "{shell:?}");
        let (out, _) = says(&call("n", &Shell::look("hello", HELLO), "/").expect("it can be sent"));
        assert_eq!(out.lines().nth(2).map(|line| line.split(' ').count()), Some(2), "{shell:?}: {out}");
    });
}

#[test]
fn words_are_quoted_and_names_are_checked() {
    let script = Shell::look("x", "echo 'a'").env("V", "it's\n$x").cwd(Some("~/a b".to_owned()));
    assert_eq!(call("n", &script, "/h/"), Ok("__rb 'n' '/h/a b' 'echo '\\''a'\\''' 'V=it'\\''s\n$x'\n".to_owned()));
    assert_eq!(call("n", &Shell::look("x", "a\0b"), ""), Err(Unsendable::Nul));
    assert_eq!(call("n", &Shell::look("x", "a").env("A", "\0"), ""), Err(Unsendable::Nul));
    assert_eq!(call("n", &Shell::look("x", "a").env("A B", "c"), ""), Err(Unsendable::Name));
    assert_eq!(call("n", &Shell::look("x", "a").env("", "c"), ""), Err(Unsendable::Name));
}

#[test]
fn only_ones_own_home_is_expanded() {
    assert_eq!(at_home("~", "/h"), "/h");
    assert_eq!(at_home("~/x", "/h"), "/h/x");
    assert_eq!(at_home("~bob/x", "/h"), "~bob/x");
    assert_eq!(at_home("/~/x", "/h"), "/~/x");
}
