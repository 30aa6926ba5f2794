//! Hosts without the tools that looks use: the same is told by other means, or it is unreadable and the tool is named.

use std::fs;
use std::os::unix::fs::symlink;

use runbook::engine::world::{Session, World};
use serde_json::{Value, json};

use super::Visit;
use crate::harness::place::Odd;
use crate::harness::sshd::fleet;

/// Every tool that a look runs, and some that it could.
const TOOLS: [&str; 29] = [
    "ss", "lsof", "pm2", "flock", "setsid", "timeout", "ps", "awk", "grep", "sed", "cut", "sudo", "node", "stat", "readlink",
    "getconf", "nproc", "head", "tail", "tr", "cat", "ls", "dd", "df", "fold", "getent", "netstat", "sort", "pgrep",
];

/// Looks of every kind, and whether what is behind the verdict's word changes all the time.
fn looks(port: u16) -> Vec<(&'static str, Value, bool)> {
    vec![
        ("port", json!({ "port": port }), false),
        ("port", json!({ "port": 1 }), false),
        ("file", json!({ "path": "~/app.log", "type": "file", "owner": "root", "mode": "0644", "readable_by": "app" }), false),
        ("file", json!({ "path": "~/link", "target": "app.log", "max_age": "1d" }), false),
        ("resources", json!({ "memory_free": "1B", "disk_free": { "~": "1B" }, "inodes_free": 0, "load_max": 100_000 }), true),
        ("log-scan", json!({ "file": "~/app.log", "pattern": "EADDRINUSE" }), false),
        ("pm2-daemon", json!({}), false),
        ("single-process", json!({ "app": "api", "port": port }), false),
    ]
}

fn tidy(line: &str, dir: &str, moves: bool) -> String {
    let line = line.replace(dir, "");
    if moves && !line.starts_with("unreadable") { line.split(':').next().unwrap_or_default().to_owned() } else { line }
}

async fn all(visit: &mut Visit, port: u16, dir: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, fields, moves) in looks(port) {
        lines.push(tidy(&visit.look(kind, &fields).await, dir, moves));
    }
    lines
}

fn filled(odd: Odd) -> Odd {
    odd.home("app.log", "one\nEADDRINUSE\n").before("ln -s app.log \"$DIR/home/link\"; chmod 755 \"$DIR/home\"")
}

#[tokio::test]
async fn a_missing_tool_is_named_or_not_needed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let before = "mkdir \"$DIR/tools\"; for d in /usr/sbin /usr/bin /sbin /bin; do ln -s \"$d\"/* \"$DIR/tools\" 2>/dev/null || true; done";
    let place = filled(Odd::default()).before(before).env("PATH", "$DIR/tools").start();
    let dir = place.path("").display().to_string();
    let mut visit = Visit::to(&place, "root").await;
    let base = all(&mut visit, port, &dir).await;
    assert!(base[0].starts_with("not-yet foreign") && base[1].starts_with("holds free"), "{base:#?}");
    assert!(base.iter().all(|line| !line.starts_with("unreadable")), "{base:#?}");
    let mut wrong = Vec::new();
    for tool in TOOLS {
        let path = place.path("tools").join(tool);
        let was = fs::read_link(&path).ok();
        let _ = fs::remove_file(&path);
        for (line, base) in all(&mut visit, port, &dir).await.iter().zip(&base) {
            let named = line.starts_with("unreadable") && line.contains(tool);
            // without its tool a sort of look may not say as much, but never another verdict
            let same = line == base || line.split(':').next() == base.split(':').next();
            if !(named || same) {
                wrong.push(format!("without {tool}: {line}\n    instead of {base}"));
            }
        }
        if let Some(was) = was {
            symlink(was, path).expect("linked");
        }
    }
    visit.session.close().await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_host_without_the_tools_for_facts_says_which() {
    let before = "mkdir \"$DIR/tools\"; ln -s /usr/bin/* \"$DIR/tools\"";
    let place = Odd::default().before(before).env("PATH", "$DIR/tools").start();
    for (tool, named) in [("uname", "system"), ("id", "user"), ("date", "clock")] {
        let path = place.path("tools").join(tool);
        let was = fs::read_link(&path).expect("a link");
        fs::remove_file(&path).expect("removed");
        let fault = fleet().connect(&place.host("root")).await.err().expect("no session").finding;
        assert_eq!(
            (fault.code.as_str(), fault.summary.as_str()),
            ("unreadable", format!("the host does not say its {named}").as_str())
        );
        assert!(fault.hint.is_some_and(|hint| hint.contains(tool)));
        symlink(was, path).expect("linked");
    }
    let place = Odd::default().env("PATH", "").start();
    let fault = fleet().connect(&place.host("root")).await.err().expect("no session").finding;
    assert_eq!(fault.code, "unreadable", "an empty PATH: {fault:?}");
}

#[tokio::test]
async fn busybox_tells_what_the_usual_tools_tell() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let before = "mkdir \"$DIR/bb\"; /bin/busybox --install -s \"$DIR/bb\"";
    let mut told = Vec::new();
    for odd in [Odd::default(), Odd::default().before(before).env("PATH", "$DIR/bb").sh("/bin/busybox").shell("$DIR/bin/ash")] {
        let place = filled(odd).start();
        let dir = place.path("").display().to_string();
        let mut visit = Visit::to(&place, "root").await;
        told.push(all(&mut visit, port, &dir).await);
        visit.session.close().await;
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn a_port_whose_holder_may_not_be_seen_is_hidden_and_never_free() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let no_ss = "mkdir \"$DIR/tools\"; ln -s /usr/bin/* \"$DIR/tools\"; rm \"$DIR/tools/ss\"";
    for (name, odd) in [
        ("usual", Odd::default()),
        ("without ss", Odd::default().before(no_ss).env("PATH", "$DIR/tools")),
        ("hidepid", Odd::default().before("mount -t proc -o hidepid=2 proc /proc")),
        (
            "hidepid without ss",
            Odd::default().before(no_ss).env("PATH", "$DIR/tools").before("mount -t proc -o hidepid=2 proc /proc"),
        ),
        ("only one's own processes", Odd::default().before("mount -t proc -o hidepid=ptraceable proc /proc")),
    ] {
        let place = odd.start();
        let mut visit = Visit::to(&place, "app").await;
        let line = visit.look("port", &json!({ "port": port })).await;
        assert!(line.starts_with("not-yet hidden:"), "{name}: {line}");
        let line = visit.look("single-process", &json!({ "app": "api", "port": port })).await;
        assert!(!line.starts_with("holds") && !line.contains("free"), "{name}: {line}");
        visit.session.close().await;
    }
}

#[tokio::test]
async fn a_host_without_proc_says_so_and_finds_nothing_free() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let place = filled(Odd::default()).before("mount -t tmpfs none /proc").start();
    let dir = place.path("").display().to_string();
    let mut visit = Visit::to(&place, "root").await;
    for (look, line) in looks(port).iter().zip(all(&mut visit, port, &dir).await) {
        let needs = !matches!(look.0, "log-scan" | "file");
        assert_eq!(line.starts_with("unreadable"), needs, "{look:?}: {line}");
    }
    let (exit, out, _) = visit.run("echo on; exit 3").await;
    assert_eq!((exit, out.as_str()), (super::code(3), "on\n"));
    visit.session.close().await;
}
