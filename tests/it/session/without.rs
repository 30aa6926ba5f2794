//! Without a terminal there is no screen: help, and the words that say what to type.

use std::process::Stdio;

use super::folder::{Folder, WORK};

fn refused(code: Option<i32>, said: &str) {
    assert_eq!(code, Some(2), "{said}");
    for words in ["Usage: runbook", "the screen needs a terminal", "runbook run NAME"] {
        assert!(said.contains(words), "{words:?} in {said}");
    }
    assert!(!said.contains('\x1b'), "{said:?}");
}

#[test]
fn without_a_terminal_there_is_help_and_exit_code_2() {
    let folder = Folder::new(WORK);
    let out = folder.command(&[]).output().unwrap();
    refused(out.status.code(), &String::from_utf8(out.stderr).unwrap());
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "");
}

#[test]
fn one_end_that_is_no_terminal_is_enough() {
    for end in ["stdin", "stdout"] {
        let folder = Folder::new(WORK);
        let terminal = crate::main_job::terminal::Terminal::open();
        let mut command = folder.command(&[]);
        match end {
            "stdin" => command.stdin(Stdio::null()).stdout(terminal.end()),
            _ => command.stdin(terminal.end()).stdout(Stdio::piped()),
        };
        let out = command.stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        refused(out.status.code(), &String::from_utf8(out.stderr).unwrap());
    }
}

#[test]
fn a_terminal_that_can_do_nothing_gets_no_screen() {
    for term in ["dumb", ""] {
        let folder = Folder::new(WORK);
        let end = folder.session_with(&[], (80, 24), &[("TERM", term)]).end();
        let said = String::from_utf8(end.raw).unwrap();
        refused(end.code, &said);
    }
}
