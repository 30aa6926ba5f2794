//! The machine behind a name: the instance that the inventory means, and no machine under two names.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::sshd::Sshd;

/// As what the host passes for an instance of a cloud: the file that cloud-init leaves, in a mount namespace of its own.
fn instance(id: &str) -> Sshd {
    let put =
        format!("mount -t tmpfs none /var/lib && mkdir -p /var/lib/cloud/data && echo {id} >/var/lib/cloud/data/instance-id");
    Sshd::with(&format!("ForceCommand unshare -m sh -c '{put} && eval \"$SSH_ORIGINAL_COMMAND\"'"))
}

fn entry(name: &str, sshd: &Sshd, more: &str) -> String {
    let at = |file: &str| sshd.path(file).display().to_string();
    format!(
        "[hosts.{name}]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\nidentity = \"{}\"\nknown_hosts = [\"{}\"]\n{more}\n",
        sshd.port,
        sshd.host().user,
        at("user"),
        at("known_hosts"),
    )
}

/// Runs a change on all hosts.
fn run(dir: &Path, inventory: &str) -> Output {
    fs::create_dir_all(dir.join("runbooks")).expect("a directory");
    fs::write(dir.join("inventory.toml"), inventory).expect("written");
    let book = "name = \"touch\"\ntitle = \"Touch\"\nabout = \"A mark\"\nrisk = \"destructive\"\n[[step]]\nid = \"touch\"\nkind = \"exec\"\nrun = \"echo x >>$MARK\"\n\
                [vars]\nMARK = { type = \"path\", default = \"~/none\" }\n";
    fs::write(dir.join("runbooks/touch.toml"), book).expect("written");
    let (hosts, mark) = (inventory.matches("[hosts.").count(), format!("MARK={}", dir.join("mark").display()));
    runbook(dir, &["run", "touch", "--hosts", "all", "-o", "json", "--confirm", &format!("touch {hosts}"), "--set", &mark])
}

fn runbook(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(words).current_dir(dir).env("RUNBOOK_STATE_DIR", dir.join("state")).output().expect("runbook")
}

/// The codes of the hosts that were not worked on, and the exit code.
fn codes(output: &Output) -> (Vec<String>, Option<i32>) {
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("an event"));
    let ends = events.filter(|event| event["type"] == "host.finished");
    let codes = ends.filter_map(|event| event["finding"]["code"].as_str().map(str::to_owned)).collect();
    (codes, output.status.code())
}

fn marks(dir: &Path) -> usize {
    fs::read_to_string(dir.join("mark")).map_or(0, |text| text.lines().count())
}

#[test]
fn an_instance_that_is_not_the_one_meant_is_not_touched() {
    for (id, want, code, exit) in [
        ("i-0abc", "i-0abc", None, 0),
        ("i-0def", "i-0abc", Some("identity-mismatch"), 3),
        ("", "i-0abc", Some("identity-unreadable"), 3),
    ] {
        let (sshd, dir) = (instance(id), tempfile::tempdir().expect("a directory"));
        let output = run(dir.path(), &entry("web-1", &sshd, &format!("instance_id = \"{want}\"")));
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(codes(&output), (code.map(str::to_owned).into_iter().collect(), Some(exit)), "{said}");
        assert_eq!(marks(dir.path()), usize::from(exit == 0), "{said}");
        let mark = dir.path().join("mark").display().to_string();
        for words in [&["exec", "all", "--", "touch", &format!("{mark}-2")][..], &["hosts", "--probe"]] {
            let output = runbook(dir.path(), words);
            assert_eq!(output.status.code(), Some(exit), "{}", String::from_utf8_lossy(&output.stdout));
        }
        assert_eq!(Path::new(&format!("{mark}-2")).exists(), exit == 0);
    }
}

#[test]
fn a_machine_with_two_names_is_changed_under_one() {
    let (sshd, dir) = (Sshd::start(), tempfile::tempdir().expect("a directory"));
    fs::write(sshd.path("known_hosts"), format!("* {}\n", sshd.host_key("ed25519"))).expect("written");
    let second = entry("web-2", &sshd, "").replace("127.0.0.1", "localhost");
    let output = run(dir.path(), &(entry("web-1", &sshd, "") + &second));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(codes(&output), (vec!["same-machine".to_owned()], Some(3)), "{said}");
    assert_eq!(marks(dir.path()), 1, "{said}");
}
