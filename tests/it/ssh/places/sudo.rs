//! `sudo` in every mood: what it refuses is refused within seconds with its own words, and nothing has run.

use std::time::Instant;

use runbook::engine::world::Session;
use runbook::model::op::Exit;
use serde_json::json;

use super::{Visit, code};
use crate::harness::place::Odd;

/// A host on which `sudo` has these rules.
fn rules(text: &str) -> Odd {
    let before = format!(
        "printf '%s\\n' 'root ALL=(ALL) ALL' {} >\"$DIR/sudoers\"; chmod 440 \"$DIR/sudoers\"; mount --bind \"$DIR/sudoers\" /etc/sudoers\n\
         mkdir \"$DIR/sudoers.d\"; mount --bind \"$DIR/sudoers.d\" /etc/sudoers.d",
        text.lines().map(|line| format!("'{line}' ")).collect::<String>()
    );
    Odd::default().before(&before)
}

/// A host with a `sudo` of its own.
fn fake(text: &str) -> Odd {
    let before =
        format!("mkdir \"$DIR/fake\"; printf '%s\\n' '#!/bin/dash' '{text}' >\"$DIR/fake/sudo\"; chmod 755 \"$DIR/fake/sudo\"");
    Odd::default().before(&before).env("PATH", "$DIR/fake:/usr/bin:/bin").env("HERE", "$DIR")
}

#[tokio::test]
async fn what_sudo_refuses_has_not_run_and_says_why() {
    let no_sudo = "mkdir \"$DIR/tools\"; ln -s /usr/bin/* \"$DIR/tools\"; rm \"$DIR/tools/sudo\"";
    for (name, odd, words) in [
        ("a password", rules("app ALL=(ALL) ALL"), "a password is required"),
        ("not in sudoers", rules(""), "a password is required"),
        ("another user", rules("app ALL=(nobody) NOPASSWD: ALL"), "a password is required"),
        ("a lecture", rules("Defaults lecture=always\napp ALL=(ALL) ALL"), "a password is required"),
        ("a terminal", rules("Defaults requiretty\napp ALL=(ALL) NOPASSWD: ALL"), "must have a tty"),
        ("broken rules", rules("app ALL=(((("), "a password is required"),
        ("no sudo", Odd::default().before(no_sudo).env("PATH", "$DIR/tools"), "not found"),
        ("asks a terminal", fake("read -r x </dev/tty"), "/dev/tty"),
        ("says nothing", fake("exit 1"), ""),
    ] {
        let place = odd.start();
        let mut visit = Visit::to(&place, "app").await;
        let ran = place.path("app").join("ran");
        let (exit, out, err) = visit.run_as(&format!("touch {}", ran.display()), Some("root")).await;
        assert_eq!((exit, out.as_str()), (Exit::NotStarted { why: "become-refused".to_owned() }, ""), "{name}: {err}");
        assert!(err.contains(words), "{name}: {err}");
        // a look is unreadable in the same words, whoever wrote it
        for (kind, fields) in
            [("require", json!({ "run": "true" })), ("file", json!({ "path": "/etc" })), ("port", json!({ "port": 1 }))]
        {
            let line = visit.look_as(kind, &fields, Some("root")).await;
            assert!(
                line.starts_with("unreadable: ") && line.contains("sudo did not let it run") && line.contains(words),
                "{name}: {line}"
            );
        }
        assert!(!ran.exists(), "{name}");
        // the shell goes on
        assert_eq!(visit.run("exit 4").await.0, code(4), "{name}");
        visit.session.close().await;
    }
}

#[tokio::test]
async fn a_sudo_that_hangs_is_not_waited_for() {
    let place = fake("echo $$ >>\"$HERE/app/pids\"; exec sleep 120").start();
    let mut visit = Visit::to(&place, "app").await;
    let begun = Instant::now();
    let (exit, _, err) = visit.run_as("touch \"$HERE/app/ran\"", Some("root")).await;
    assert_eq!(exit, Exit::NotStarted { why: "become-refused".to_owned() });
    assert!(err.contains("sudo did not answer within 5 s"), "{err}");
    assert!(begun.elapsed().as_secs() < 60, "it was waited for");
    assert_eq!(visit.run("kill $(cat \"$HERE/app/pids\"); exit 4").await.0, code(4));
    assert!(!place.path("app").join("ran").exists());
    visit.session.close().await;
}

#[tokio::test]
async fn a_sudo_that_changes_its_mind_is_a_failure_and_its_lecture_no_output() {
    let twice = "if [ -e \"$HERE/app/asked\" ]; then echo \"sudo: no more\" >&2; exit 1; fi; touch \"$HERE/app/asked\"";
    let place = fake(twice).start();
    let mut visit = Visit::to(&place, "app").await;
    let (exit, out, err) = visit.run_as("touch \"$HERE/app/ran\"", Some("root")).await;
    assert_eq!((exit, out.as_str()), (code(1), ""), "never a success");
    assert!(err.contains("no more") && !place.path("app").join("ran").exists(), "{err}");
    visit.session.close().await;

    let place = rules("Defaults lecture=always\napp ALL=(nobody) NOPASSWD: ALL").start();
    let mut visit = Visit::to(&place, "app").await;
    let (exit, out, _) = visit.run_as("id -un; exit 7", Some("nobody")).await;
    assert_eq!((exit, out.as_str()), (code(7), "nobody\n"));
    visit.session.close().await;
}
