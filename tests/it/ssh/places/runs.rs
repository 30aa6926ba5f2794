//! Whole runs on odd hosts: the outcome is never `ok` or `changed`, and its finding is the host's reason.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::place::{Odd, Place};

/// The end of the step called `work`: outcome, code of the finding, and all it says.
fn ended(place: &Place, user: &str, step: &str) -> (i32, String, String, String) {
    let host = place.host(user);
    let inventory = format!(
        "[defaults]\nuser = \"{user}\"\nport = {}\nidentity = \"user\"\nknown_hosts = [\"known_hosts\"]\n[hosts.p-1]\naddress = \"127.0.0.1\"\n",
        host.port
    );
    fs::write(place.path("inventory.toml"), inventory).expect("written");
    fs::create_dir_all(place.path("runbooks")).expect("a directory");
    let book =
        format!("name = \"work\"\ntitle = \"Work\"\nabout = \"Works.\"\n\n[[step]]\nid = \"work\"\nkind = \"exec\"\n{step}\n");
    fs::write(place.path("runbooks/work.toml"), book).expect("written");
    let out = Command::new(env!("CARGO_BIN_EXE_runbook"))
        .args(["run", "work", "--hosts", "all", "--yes", "-o", "json", "-i"])
        .arg(place.path("inventory.toml"))
        .arg("--runbooks")
        .arg(place.path("runbooks"))
        .arg("--state-dir")
        .arg(place.path("state"))
        .env("HOME", place.path(""))
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null())
        .output()
        .expect("runbook runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let end = lines.iter().find(|line| line["type"] == "step.finished" && line["step"] == "work");
    let end = end.unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&out.stderr)));
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (out.status.code().expect("it ended"), word(&end["outcome"]), word(&end["finding"]["code"]), end["finding"].to_string())
}

#[test]
fn a_change_for_which_sudo_wants_a_password_is_refused_with_its_words() {
    let rules = "printf 'root ALL=(ALL) ALL\\n' >\"$DIR/sudoers\"; chmod 440 \"$DIR/sudoers\"; mount --bind \"$DIR/sudoers\" /etc/sudoers";
    let place = Odd::default().before(rules).start();
    let ran = place.path("app/ran");
    let step = format!("run = \"touch {}\"\nbecome = \"root\"", ran.display());
    let (exit, outcome, code, finding) = ended(&place, "app", &step);
    assert_eq!((outcome.as_str(), code.as_str(), exit), ("refused", "become-refused", 6), "{finding}");
    assert!(finding.contains("a password is required") && finding.contains("sudo -n -u USER true"), "{finding}");
    assert!(!ran.exists());
}

#[test]
fn a_change_that_fills_the_disk_has_failed() {
    let disk = "mkdir \"$DIR/disk\"; mount -t tmpfs -o size=64k none \"$DIR/disk\"";
    let place = Odd::default().before(disk).start();
    let step = format!("run = \"head -c 1000000 /dev/zero >{}/new\"", place.path("disk").display());
    let (exit, outcome, code, finding) = ended(&place, "root", &step);
    assert_eq!((outcome.as_str(), code.as_str(), exit), ("failed", "exit", 1), "{finding}");
    assert!(finding.contains("No space left on device"), "{finding}");
}
