//! What a session is started on: a folder with runbooks, a record and a home of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use runbook::journal::store::Journal;
use runbook::model::event::Event;
use serde_json::Value;
use tempfile::TempDir;

use super::person::{End, Session};
use crate::harness::sshd::Sshd;

/// One command a host, one host after the other, and a proof; what fails is asked about.
pub(super) const WORK: &str = r#"
name  = "work"
title = "runs a command, host by host"
[rollout]
batches = ["1"]
max_failures = 100
[[step]]
id = "work"
kind = "exec"
run = "work"
on_failure = "ask"
[[verify]]
id = "proof"
kind = "require"
run = "proof"
"#;

pub(super) struct Folder {
    dir: TempDir,
}

impl Folder {
    /// With one runbook, `work`.
    pub(super) fn new(work: &str) -> Self {
        let folder = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["runbooks", "home"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        folder.write("runbooks/work.toml", work);
        folder
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// An inventory with these servers as `web-1` and so on.
    pub(super) fn inventory(&self, servers: &[&Sshd]) {
        let host = |(at, sshd): (usize, &&Sshd)| {
            let (host, user, known) = (sshd.host(), sshd.path("user"), sshd.path("known_hosts"));
            format!(
                "[hosts.web-{}]\naddress = \"127.0.0.1\"\nuser = {:?}\nport = {}\nidentity = {user:?}\nknown_hosts = [{known:?}]\n",
                at + 1,
                host.user,
                host.port
            )
        };
        self.write("inventory.toml", servers.iter().enumerate().map(host).collect::<String>());
    }

    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.path().join(name).display().to_string();
        let own = [
            ("PATH", std::env::var("PATH").unwrap()),
            ("HOME", at("home")),
            ("XDG_STATE_HOME", at("home/state")),
            ("XDG_CONFIG_HOME", at("home/config")),
            ("XDG_CACHE_HOME", at("home/cache")),
            ("XDG_RUNTIME_DIR", at("home")),
            ("RUNBOOK_STATE_DIR", at("state")),
            ("RUNBOOK_RUNBOOKS", at("runbooks")),
            ("TERM", "xterm-256color".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("USER", "kai".to_owned()),
            ("SHELL", "/bin/sh".to_owned()),
        ];
        own.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// The session on these hosts.
    pub(super) fn session(&self, hosts: &str, size: (u16, u16)) -> Session {
        self.session_with(&["-i", hosts], size, &[])
    }

    pub(super) fn session_with(&self, args: &[&str], size: (u16, u16), env: &[(&str, &str)]) -> Session {
        let own = self.environment();
        let all: Vec<(&str, &str)> =
            own.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(env.iter().copied()).collect();
        Session::spawn(Path::new(env!("CARGO_BIN_EXE_runbook")), args, size, self.path(), &all)
    }

    /// The program in this folder, without a terminal.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command.args(args).env_clear().envs(self.environment()).current_dir(self.path()).stdin(Stdio::null());
        command
    }

    pub(super) fn told(&self, args: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        assert!(status.success(), "{args:?}: {status}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// What a command tells as one JSON value.
    pub(super) fn json(&self, args: &[&str]) -> Value {
        let text = self.told(&[args, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"))
    }

    fn journal(&self) -> Journal {
        Journal::open(&self.path().join("state")).unwrap()
    }

    /// The newest run.
    pub(super) fn run(&self) -> String {
        self.journal().runs(1).unwrap()[0].run.to_string()
    }

    /// The events of the newest run.
    pub(super) fn events(&self) -> Vec<Event> {
        let journal = self.journal();
        journal.events(&journal.runs(1).unwrap()[0].run).unwrap()
    }

    /// The newest run's events of that type.
    pub(super) fn of(&self, kind: &str) -> Vec<Value> {
        let all = self.events().into_iter().map(|event| serde_json::to_value(event).unwrap());
        all.filter(|event| event["type"] == kind).collect()
    }
}

/// Chooses the only runbook and every host, waits for the plan, types what is asked for, and is on the run's screen.
pub(super) fn begin(session: &Session) {
    preview(session);
    confirm(session);
}

/// Up to the plan, which waits to be confirmed.
pub(super) fn preview(session: &Session) {
    session.shows("› work ");
    choose_all(session);
}

/// From the runbook under the cursor to its plan on every host.
pub(super) fn choose_all(session: &Session) {
    session.keys("<Enter>");
    session.shows("No host is selected");
    session.keys("a");
    session.hides("No host is selected");
    session.keys("<Enter>");
    session.shows("Enter confirm");
}

/// Types the phrase as it stands on the screen.
pub(super) fn confirm(session: &Session) {
    open_question(session);
    let phrase = phrase(session);
    session.keys(&phrase);
    session.shows(&format!("> {phrase}"));
    session.keys("<Enter>");
    session.hides("and press Enter");
}

pub(super) fn open_question(session: &Session) {
    session.keys("<Enter>");
    session.shows("and press Enter");
    listens();
}

/// What has just opened takes no keys for 0.4 s, and a second Ctrl-C means nothing for 0.5 s: that is time by itself,
/// nothing on the screen tells when it is over.
pub(super) fn listens() {
    std::thread::sleep(std::time::Duration::from_millis(600));
}

/// What is to be typed, read from the screen.
pub(super) fn phrase(session: &Session) -> String {
    let lines = session.shows("and press Enter");
    let line = lines.iter().find(|line| line.contains("and press Enter")).unwrap();
    let (_, after) = line.split_once("Type ").unwrap();
    after.split_once("and press Enter").unwrap().0.trim().to_owned()
}

/// Opens the waiting decision.
pub(super) fn open_decision(session: &Session) {
    session.shows("WAITING FOR YOU");
    session.keys("d");
    session.shows("letter picks, Enter does it");
    listens();
}

/// Leaves out whatever fails, and goes on at every gate, until the run has ended.
pub(super) fn answer_all(session: &Session) {
    let is_open = |lines: &[String]| lines.last().is_some_and(|line| line.contains("letter picks, Enter does it"));
    let ended = |lines: &[String]| lines[0].starts_with("DONE ");
    loop {
        let lines = session.until("an end or a question", |lines| {
            ended(lines) || ["WAITING", "WAIT"].iter().any(|word| lines[1].contains(&format!("{word} FOR YOU")))
        });
        if ended(&lines) {
            return;
        }
        session.keys("d");
        // what was answered a moment ago may still have stood there
        let lines = session.until("a question or the end", |lines| {
            is_open(lines) || ended(lines) || lines.iter().any(|line| line.contains("d is off"))
        });
        if !is_open(&lines) {
            continue;
        }
        listens();
        let letter = if lines.iter().any(|line| line.starts_with("  X  exclude")) { "X" } else { "P" };
        session.keys(letter);
        let chosen = |lines: &[String]| lines.iter().any(|line| line.starts_with(&format!("› {letter}  ")));
        let lines = session.until("the choice", |lines| chosen(lines) || !is_open(lines));
        if chosen(&lines) {
            session.keys("<Enter>");
            session.until("the panel's end", |lines| !is_open(lines));
        }
    }
}

/// Waits for the end of the run, and leaves.
pub(super) fn quit(session: Session) -> End {
    session.keys("4");
    session.shows("DONE ");
    session.keys("1");
    session.shows("READY ");
    session.keys("q");
    session.end()
}
