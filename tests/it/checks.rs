//! The scripts of the read-only kinds, run by the shells of this machine on real files: what they print is judged, and nothing
//! that could hang is opened.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use runbook::model::fields::Context;
use runbook::model::host::{Facts, Host};
use runbook::model::id::HostName;
use runbook::model::op::{Captured, Exit, Op, Reply, ShellReply};
use runbook::model::plan::Section;
use runbook::model::step::{Evidence, Look, Step, Target, Unreadable, Verdict};
use runbook::model::time::Timestamp;
use runbook::steps::instantiate;
use serde_json::{Value, json};

const SHELLS: [&str; 2] = ["sh", "bash"];

fn target(home: &Path) -> Target {
    let host = Host {
        name: HostName::parse("web-1").expect("a name"),
        address: "127.0.0.1".to_owned(),
        port: 22,
        user: "app".to_owned(),
        identity: None,
        known_hosts: Vec::new(),
        host_key_alias: None,
        instance_id: None,
        tags: Vec::new(),
        groups: Vec::new(),
        protected: false,
        vars: BTreeMap::new(),
    };
    let facts = Facts {
        os: "Linux".to_owned(),
        arch: "x86_64".to_owned(),
        user: "app".to_owned(),
        uid: 1000,
        home: home.display().to_string(),
        hostname: "web-1".to_owned(),
        boot_id: None,
        machine_id: None,
        instance_id: None,
        skew_ms: 0,
        skew_err_ms: 0,
    };
    Target { host, facts }
}

fn step(kind: &str, fields: &Value, section: Section) -> Arc<dyn Step> {
    let none = BTreeMap::new();
    let context = Context { vars: &none, host_vars: &none, section };
    let parsed = instantiate(kind, fields.as_object().expect("a table"), context).expect("the kind is known");
    parsed.unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// Performs a look as the acting user, with its home at `home`.
fn perform(op: &Op, shell: &str, home: &Path) -> Reply {
    let Op::Shell(script) = op else { panic!("only scripts are run here") };
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let mut run = Command::new(shell);
    run.arg("-c").arg(script.text()).env_clear().env("PATH", path).env("HOME", home);
    let out = run.envs(&script.env).stdin(std::process::Stdio::null()).output().expect("a shell");
    let code = u32::try_from(out.status.code().expect("it returned")).expect("a status");
    let (stdout, stderr) = (Captured::whole(out.stdout), Captured::whole(out.stderr));
    Reply::Shell(ShellReply { exit: Exit::Code { code }, stdout, stderr, took: Duration::ZERO })
}

/// What happens between two looks.
type Between<'a> = &'a [&'a dyn Fn()];

/// Looks again and again, with `between` in between, and judges after the last one.
fn looked(step: &dyn Step, shell: &str, home: &Path, between: Between<'_>) -> Result<Verdict, Unreadable> {
    let target = target(home);
    let mut looks = Vec::new();
    for at in 0..=between.len() {
        if let Some(act) = at.checked_sub(1).and_then(|at| between.get(at)) {
            act();
        }
        let ops = if looks.is_empty() { step.probes(&target) } else { step.probes_again(&target, &looks) };
        let replies = ops.iter().map(|op| perform(op, shell, home)).collect();
        let at = i64::try_from(at).expect("few looks");
        looks.push(Look { at: Timestamp::from_millis(1_795_243_677_000 + 6_000 * at), replies });
    }
    step.judge(&Evidence { target: &target, looks: &looks, acted: None })
}

/// The verdict in a line: its word and summary, without the folder.
fn told(verdict: Result<Verdict, Unreadable>, home: &Path) -> String {
    let text = match verdict {
        Ok(Verdict::Holds(note)) => format!("holds {}: {}", note.word, note.summary),
        Ok(Verdict::NotYet(note)) => format!("not-yet {}: {}", note.word, note.summary),
        Ok(Verdict::Refuse(finding)) => format!("refuse {}: {}", finding.code, finding.summary),
        Ok(other) => format!("{other:?}"),
        Err(unreadable) => format!("unreadable: {}", unreadable.what),
    };
    text.replace(&home.display().to_string(), "HOME")
}

fn write(path: &Path, text: &[u8]) {
    fs::write(path, text).expect("written");
}

fn append(path: &Path, text: &[u8]) {
    fs::OpenOptions::new().append(true).open(path).and_then(|mut file| file.write_all(text)).expect("written");
}

#[test]
fn the_end_of_a_long_log_is_read_in_parts_and_what_lies_before_it_is_not() {
    let home = tempfile::tempdir().expect("a folder");
    let log = home.path().join("a b'\\n.log");
    let mut text = "EACCES long ago\n".repeat(10_000).into_bytes();
    text.extend(
        (0..20_000).flat_map(|n| format!("{n:06} a line that says nothing of interest at all, and is 64 long\n").into_bytes()),
    );
    text.extend_from_slice(b"\xff EACCES 1\n\0 EACCES 2");
    write(&log, &text);
    let fields = json!({"file": "~/a b'\\n.log", "pattern": "EACCES \\d", "tail": "1MiB", "max": 1});
    for shell in SHELLS {
        let verdict = looked(&*step("log-scan", &fields, Section::Step), shell, home.path(), &[]);
        let want = "not-yet found: 2 lines in the last 1 MiB of HOME/a b'\\n.log match `EACCES \\d`, 1 may: \\x<n> EACCES <n>";
        assert_eq!(told(verdict, home.path()), want, "{shell}");
    }
}

#[test]
fn only_what_is_written_after_the_first_look_counts() {
    let home = tempfile::tempdir().expect("a folder");
    let log = home.path().join("x.log");
    let fields = json!({"file": "~/x.log", "pattern": "EADDRINUSE", "since": "first-look"});
    let scan = step("log-scan", &fields, Section::Verify);
    let quiet = || append(&log, b"ready\n");
    let again = || append(&log, b"EADDRINUSE :::3000\n");
    let rotate = || {
        fs::rename(&log, home.path().join("x.log.1")).expect("renamed");
        write(&log, b"new\n");
    };
    let still = || {};
    let cut = || write(&log, b"EADDRINUSE again, and longer than all that was there before it was cut\n");
    let remove = || fs::remove_file(&log).expect("removed");
    let cases: [(Between<'_>, &str); 5] = [
        (&[&quiet], "holds quiet: no new line of 6 B written to HOME/x.log in 6.0 s matches `EADDRINUSE`"),
        (
            &[&quiet, &again],
            "refuse found: 1 new line of 25 B written to HOME/x.log in 12.0 s matches `EADDRINUSE`: EADDRINUSE :::<n>",
        ),
        (
            &[&rotate, &still],
            "holds quiet: no new line of 4 B written to HOME/x.log in 12.0 s matches `EADDRINUSE`; \
             HOME/x.log was rotated or cut meanwhile and read from its beginning",
        ),
        (
            &[&cut],
            "refuse found: 1 new line of 71 B written to HOME/x.log in 6.0 s matches `EADDRINUSE`: \
             EADDRINUSE again, and longer than all that was there before it was cut; \
             HOME/x.log was rotated or cut meanwhile and read from its beginning",
        ),
        (&[&remove], "not-yet absent: HOME/x.log does not exist"),
    ];
    for shell in SHELLS {
        for (between, want) in &cases {
            write(&log, b"EADDRINUSE before\n");
            assert_eq!(told(looked(&*scan, shell, home.path(), between), home.path()), *want, "{shell}");
        }
    }
}

#[test]
fn nothing_that_is_no_regular_file_is_opened() {
    let home = tempfile::tempdir().expect("a folder");
    let pipe = home.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    symlink("nowhere", home.path().join("dangling")).expect("a link");
    symlink("pipe", home.path().join("link")).expect("a link");
    for shell in SHELLS {
        for (name, want) in [
            ("pipe", "unreadable: HOME/pipe is no regular file, and nothing else is opened"),
            ("link", "unreadable: HOME/link is no regular file, and nothing else is opened"),
            ("dangling", "unreadable: HOME/dangling is a link that leads nowhere, or where this user may not look"),
            ("none/x", "not-yet absent: HOME/none/x does not exist"),
        ] {
            let fields = json!({"file": format!("~/{name}"), "pattern": "x"});
            let verdict = looked(&*step("log-scan", &fields, Section::Step), shell, home.path(), &[]);
            assert_eq!(told(verdict, home.path()), want, "{shell}");
        }
        let fields = json!({"path": "~/link", "type": "file"});
        let verdict = looked(&*step("file", &fields, Section::Precheck), shell, home.path(), &[]);
        assert_eq!(told(verdict, home.path()), "not-yet wrong-type: HOME/link: it is a fifo, not a file", "{shell}");
    }
}

#[test]
fn paths_with_odd_names_are_followed_through_every_link() {
    let home = tempfile::tempdir().expect("a folder");
    let root = home.path().canonicalize().expect("it is there");
    let odd = "-a b\n'c'\"$(id)`\\n";
    fs::create_dir(root.join(odd)).expect("a folder");
    write(&root.join(odd).join("-f"), b"x");
    fs::set_permissions(root.join(odd).join("-f"), fs::Permissions::from_mode(0o640)).expect("a mode");
    symlink(odd, root.join("one")).expect("a link");
    symlink(root.join("one"), root.join("two\n")).expect("a link");
    symlink("circle", root.join("circle")).expect("a link");
    let me = Command::new("id").arg("-un").output().expect("id").stdout;
    let me = String::from_utf8(me).expect("a name").trim().to_owned();
    let shown = odd.replace('\n', " ");
    for shell in SHELLS {
        for (fields, want) in [
            (
                json!({"path": "~/two\n/-f", "mode": "0640", "readable_by": me, "writable_by": me, "owner": me, "max_age": "1h"}),
                "holds fits",
            ),
            (json!({"path": "~/two\n", "type": "link", "target": format!("~/{odd}")}), "holds fits"),
            (json!({"path": "~/one", "target": odd, "type": "link"}), "holds fits"),
            (json!({"path": "~/one", "target": "x"}), "not-yet wrong-target"),
            (json!({"path": "~/circle"}), "not-yet missing: HOME/circle leads in a circle of links"),
            (
                json!({"path": "~/one/none/x"}),
                &*format!("not-yet missing: HOME/one/none/x does not exist: there is no HOME/{shown}/none"),
            ),
            (
                json!({"path": "~/one/-f", "readable_by": "no-such-user-here"}),
                "unreadable: the host has no user no-such-user-here",
            ),
            (json!({"path": "~/one/-f", "readable_by": "root", "type": "file"}), "holds fits"),
        ] {
            let verdict = told(looked(&*step("file", &fields, Section::Precheck), shell, &root, &[]), &root);
            assert!(verdict.starts_with(want), "{shell} {fields}: {verdict}");
        }
    }
}

#[test]
fn this_machine_tells_what_it_has_left() {
    let home = tempfile::tempdir().expect("a folder");
    let fields = json!({
        "memory_free": "1B", "disk_free": {"/": "1B", "~": "0%"}, "inodes_free": 0, "load_max": 100_000, "swap_max": "1000TiB",
    });
    for shell in SHELLS {
        let verdict = told(looked(&*step("resources", &fields, Section::Precheck), shell, home.path(), &[]), home.path());
        assert!(verdict.starts_with("holds enough: ") && verdict.contains(" free on HOME, "), "{shell}: {verdict}");
    }
    let fields = json!({"memory_free": "1000TiB", "disk_free": {"/": "2000TiB"}});
    let verdict = told(looked(&*step("resources", &fields, Section::Precheck), "sh", home.path(), &[]), home.path());
    assert!(
        verdict.starts_with("not-yet low-") && verdict.contains("1000 TiB wanted") && verdict.contains("2000 TiB wanted"),
        "{verdict}"
    );
    let verdict = looked(&*step("resources", &json!({"disk_free": {"~/none": "1B"}}), Section::Precheck), "sh", home.path(), &[]);
    assert_eq!(told(verdict, home.path()), "unreadable: HOME/none is not there, so nobody knows its space");
}
