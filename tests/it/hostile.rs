//! Nothing that a host or a file says reaches a terminal, a pipe, a file or a log as anything but text, in any output mode.
//! The bytes themselves are in the journal alone.

mod files;
mod hosts;

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::harness::hostile::{FAKE, hostile, long};
use crate::harness::scan::Lines;
use crate::harness::sshd::Sshd;

/// The user who starts it, and a part of the path of its record.
const EVIL_NAME: &str = "st\x1b]0;owned\x07\u{202e}\u{9b}2J";

/// A command that fails on what it says, after a check that tells it.
const WORK: &str = r#"
name  = "work"
title = "runs what a host says"
[vars]
what = { type = "string", default = "x" }
[rollout]
batches = ["100%"]
[[precheck]]
id = "tell"
kind = "require"
run = "grep -a -v -e C1 -e UTF8 -e END -e NUL HOSTILE"
[precheck.capture]
first = { from = "stdout:line:1" }
[[step]]
id = "work"
kind = "exec"
run = "echo \"$what\"; cat HOSTILE; cat HOSTILE >&2; exit 3"
"#;

/// A host that means ill, and a folder to work on it from.
struct Place {
    sshd: Sshd,
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let tools = tempfile::tempdir().unwrap();
        let tools = tools.keep();
        let tool = |name: &str, text: &str| {
            std::fs::write(tools.join(name), text).unwrap();
            std::fs::set_permissions(tools.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        // controls in these answers are refused by name; what turns and hides text is not
        tool("uname", "#!/bin/sh\nprintf 'Linux EVIL-HOST\u{202e}x\u{200b} x86_64\\n'\n");
        tool("id", "#!/bin/sh\n/usr/bin/id \"$@\" | sed 's/(\\([a-z]*\\))/(\\1\u{202e})/'\n");
        // a banner that is no UTF-8 ends the connection
        let banner = String::from_utf8_lossy(&hostile()).into_owned();
        std::fs::write(tools.join("banner"), banner).unwrap();
        let path = tools.display();
        let sshd = Sshd::with(&format!("SetEnv PATH={path}:/usr/bin:/bin:/usr/sbin:/sbin\nBanner {path}/banner"));
        std::fs::rename(&tools, sshd.path("tools")).unwrap();
        std::os::unix::fs::symlink(sshd.path("tools"), &tools).unwrap();
        let place = Self { sshd, dir: tempfile::tempdir().unwrap() };
        place.write("home/x", "");
        place.write("hostile", hostile());
        place.write("long", long());
        place.book("work", WORK);
        place.write("inventory.toml", place.host("web-1"));
        place
    }

    fn host(&self, name: &str) -> String {
        let (host, user, known) = (self.sshd.host(), self.sshd.path("user"), self.sshd.path("known_hosts"));
        let (who, port) = (host.user, host.port);
        format!(
            "[hosts.{name}]\naddress = \"127.0.0.1\"\nuser = {who:?}\nport = {port}\nidentity = {user:?}\nknown_hosts = [{known:?}]\n"
        )
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path(EVIL_NAME)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
    }

    fn book(&self, name: &str, text: &str) {
        let hostile = self.path("hostile");
        self.write(&format!("runbooks/{name}.toml"), text.replace("HOSTILE", hostile.to_str().unwrap()));
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command.args(args).env_clear().current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path("home")).env("LANG", "C.UTF-8");
        command.env("USER", format!("EVIL-USER{EVIL_NAME}")).env("RUNBOOK_LOG", "debug").env("RUNBOOK_STATE_DIR", self.state());
        command.env("TERM", "xterm-256color");
        command
    }

    /// On pipes: nothing but what is allowed comes out of it.
    fn piped(&self, args: &[&str], allowed: Lines) -> Told {
        let Output { status, stdout, stderr } = self.command(args).output().unwrap();
        assert_clean(args, allowed, &stdout);
        assert_clean(args, Lines { tabs: false, ..allowed }, &stderr);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Told { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// On a terminal of 80 columns: everything it shows.
    fn on_terminal(&self, args: &[&str], allowed: Lines) -> Told {
        let (ours, theirs) = terminal();
        let mut command = self.command(args);
        let end = || Stdio::from(theirs.try_clone().unwrap());
        // with nobody to ask
        let mut child = command.stdout(end()).stderr(end()).spawn().unwrap();
        drop((command, theirs));
        let mut raw = Vec::new();
        let mut ours = ours;
        let mut part = [0; 8192];
        // a terminal that nobody has open any more fails to be read
        while let Ok(count @ 1..) = ours.read(&mut part) {
            raw.extend_from_slice(&part[..count]);
        }
        let code = child.wait().unwrap().code();
        assert_clean(args, allowed, &raw);
        let out = String::from_utf8(raw).unwrap();
        for row in out.split(['\r', '\n']) {
            let plain = uncolored(row);
            let copied = ["next runbook ", "runbook ", "try: runbook "].iter().any(|start| plain.trim_start().starts_with(start));
            let told = row.starts_with('{') || args.contains(&"--export");
            assert!(
                copied || told || runbook::model::visible::width(&plain) <= 80,
                "{args:?}: a row that the terminal breaks: {row:?}"
            );
        }
        Told { code, out, err: String::new() }
    }

    fn last(&self) -> String {
        self.piped(&["history", "-o", "quiet"], Lines::PLAIN).out.lines().next().unwrap().to_owned()
    }
}

/// What a command said.
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

fn assert_clean(args: &[&str], allowed: Lines, raw: &[u8]) {
    let foreign = allowed.foreign(raw);
    assert!(foreign.is_empty(), "{args:?}: {} of them: {:#?}", foreign.len(), &foreign[..foreign.len().min(10)]);
    let text = String::from_utf8_lossy(raw);
    let fake = text.split(['\r', '\n']).find(|line| uncolored(line).starts_with(FAKE.trim_end()));
    assert_eq!(fake, None, "{args:?}: a line of a host stands where ours do");
}

fn uncolored(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    first
        + &parts.map(|part| part.split_once(|c: char| c.is_ascii_alphabetic()).map_or(part, |(_, text)| text)).collect::<String>()
}

fn terminal() -> (File, File) {
    let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
    let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
    let theirs = OpenOptions::new().read(true).write(true).custom_flags(flags).open(name).unwrap();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&theirs, size).unwrap();
    (ours.into(), theirs)
}

/// Says this to everybody who connects, at once or once they have said something.
fn says(bytes: Vec<u8>, listens: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let _ = tcp.set_read_timeout(Some(Duration::from_millis(500)));
            if listens {
                let _ = tcp.read(&mut [0; 4096]);
            }
            let _ = tcp.write_all(&bytes);
            let _ = tcp.read(&mut [0; 4096]);
        }
    });
    port
}

fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

fn log_of(state: &Path) -> String {
    let raw = std::fs::read(state.join("runbook.log")).unwrap();
    assert_clean(&["runbook.log"], Lines::PLAIN, &raw);
    String::from_utf8(raw).unwrap()
}
