//! Files that are none, that others can change, or that lead elsewhere: one loader reads all of them, once.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use runbook::load::{inventory, runbook as loader, source};
use sha2::{Digest, Sha256};

use crate::bad_input::Bench;
use crate::main_job::terminal::Terminal;

#[test]
fn what_is_no_file_on_a_disk_is_not_read() {
    let bench = Bench::new();
    let _listens = UnixListener::bind(bench.path("runbooks/socket.toml")).expect("a socket");
    symlink("/proc/self/status", bench.path("runbooks/proc.toml")).expect("a link");
    let why = [("socket", "it is no regular file"), ("proc", "it says that it has 0 bytes, and ")];
    for (name, why) in why {
        let path = format!("runbooks/{name}.toml");
        let want = format!("{path}: error[E101]: cannot read {path}: {why}");
        bench.bad_runbook(name, &[&want]);
        bench.bad_inventory(&path, &[&want]);
    }
    // a link to a file is the file
    symlink(bench.path("runbooks/good.toml"), bench.path("good.toml")).expect("a link");
    symlink("../good.toml", bench.path("runbooks/link")).expect("a link");
    assert_eq!(bench.run(&["lint", "good.toml"]).code, Some(0));
}

#[test]
fn what_everybody_can_write_is_refused_with_what_to_type() {
    let bench = Bench::new();
    let book = "name = \"uses\"\ntitle = \"t\"\n[[precheck]]\nuse = \"lib/x\"\n";
    fs::create_dir(bench.path("runbooks/lib")).expect("a directory");
    bench.write("runbooks/lib/x.toml", "[[precheck]]\nid = \"a\"\nkind = \"pm2-daemon\"\n");
    bench.write("runbooks/uses.toml", book);
    bench.write("open.toml", fs::read(bench.path("inventory.toml")).expect("read"));
    // a directory in which nobody can take another's file away changes nothing
    fs::set_permissions(bench.dir.path(), fs::Permissions::from_mode(0o1777)).expect("a mode");
    let open = |name: &str| fs::set_permissions(bench.path(name), fs::Permissions::from_mode(0o666)).expect("a mode");
    let why = |path: &str| format!("cannot read {path}: everybody on this machine can write to it (mode 0666); chmod o-w {path}");
    open("runbooks/lib/x.toml");
    bench.bad_runbook("uses", &[&format!("runbooks/uses.toml:4:7: error[E315]: {}", why("runbooks/lib/x.toml"))]);
    open("runbooks/good.toml");
    bench.bad_runbook("good", &[&format!("runbooks/good.toml: error[E101]: {}", why("runbooks/good.toml"))]);
    fs::set_permissions(bench.path("runbooks/good.toml"), fs::Permissions::from_mode(0o664)).expect("a mode");
    open("open.toml");
    bench.bad_inventory("open.toml", &[&format!("open.toml: error[E101]: {}", why("open.toml"))]);
}

#[test]
fn what_belongs_to_somebody_else_is_told_by_lint() {
    if !rustix::process::geteuid().is_root() {
        // only root can give a file away
        return;
    }
    let bench = Bench::new();
    for (file, words) in [("runbooks/good.toml", ["lint", "runbooks/good.toml"]), ("inventory.toml", ["lint", "inventory.toml"])]
    {
        chown(bench.path(file), Some(4_711), None).expect("given away");
        let seen = bench.run(&words);
        let want = format!("{file}: warning[W101]: {file} belongs to the user with id 4711, who can change what it says; ");
        assert!(seen.stdout.starts_with(&want) && seen.stdout.lines().count() == 1, "{}", seen.stdout);
        assert_eq!((seen.code, bench.run(&[&words[..], &["--deny", "warnings"]].concat()).code), (Some(0), Some(2)));
        chown(bench.path(file), Some(0), None).expect("taken back");
    }
}

#[test]
fn names_of_files_that_cannot_be_read_are_refused() {
    let bench = Bench::new();
    let bytes = OsStr::from_bytes(b"n\xff.toml");
    fs::write(bench.dir.path().join(bytes), "").expect("written");
    for refused in [
        source::read(&bench.dir.path().join(bytes)).map(drop),
        inventory::load(&bench.dir.path().join(bytes), None).map(drop),
        loader::load(&bench.dir.path().join(bytes)).map(drop),
    ] {
        let told = refused.expect_err("refused").lines();
        assert!(told.contains("its name is not UTF-8") && !told.contains('\u{ff}'), "{told}");
    }
    let bidi = "runbooks/x\u{202e}y.toml";
    bench.write(bidi, "name = \"x\"\n");
    bench.refused(
        &["run", bidi, "--hosts", "all"],
        &["error: the runbook runbooks/x\\u{202e}y.toml cannot be used: 1 error", "runbooks/x\\u{202e}y.toml: error[E101]: "],
    );
    let seen = bench.run(&["list"]);
    assert!(!seen.stdout.contains('\u{202e}') && !seen.stderr.contains('\u{202e}'), "{}", seen.stdout);
}

#[test]
fn steps_are_taken_from_below_the_runbook_only() {
    let bench = Bench::new();
    bench.write("outside.toml", "[[precheck]]\nid = \"a\"\nkind = \"pm2-daemon\"\n");
    fs::create_dir(bench.path("runbooks/lib")).expect("a directory");
    symlink("../../outside.toml", bench.path("runbooks/lib/link.toml")).expect("a link");
    symlink("../..", bench.path("runbooks/lib/up")).expect("a link");
    symlink("good.toml", bench.path("runbooks/lib/inside.toml")).expect("a link");
    bench.write("runbooks/lib/good.toml", "[[precheck]]\nid = \"a\"\nkind = \"pm2-daemon\"\n");
    let uses = |name: &str| {
        bench.write("runbooks/uses.toml", format!("name = \"uses\"\ntitle = \"t\"\n[[precheck]]\nuse = \"{name}\"\n"))
    };
    for name in ["lib/link", "lib/up/outside"] {
        uses(name);
        let want =
            format!("runbooks/uses.toml:4:7: error[E315]: cannot read runbooks/{name}.toml: it leads out of runbooks, to ");
        bench.bad_runbook("uses", &[&want]);
    }
    for name in ["../outside", "lib/../../outside", "/etc/passwd", "lib//x", "lib/.hidden", "lib/x.toml", "lib/\u{e9}"] {
        uses(name);
        bench.bad_runbook("uses", &[&format!("runbooks/uses.toml:4:7: error[E315]: `{name}` is no name of a group of steps")]);
    }
    uses("lib/inside");
    assert_eq!(bench.run(&["lint", "runbooks/uses.toml"]).code, Some(0), "a link that stays inside leads to a file there");
}

#[test]
fn what_is_hashed_is_what_was_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("x.toml");
    let text = b"\xef\xbb\xbfname = \"x\"\r\ntitle = \"t\"\n[[precheck]]\nid = \"a\"\nkind = \"pm2-daemon\"\n";
    fs::write(&path, text).expect("written");
    let runbook = loader::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(runbook.sha256, format!("{:x}", Sha256::digest(text)));
    fs::write(&path, [text.as_slice(), b"# more\n"].concat()).expect("written");
    assert_ne!(loader::load(&path).expect("loads").sha256, runbook.sha256);
}

#[test]
fn a_file_that_changes_while_a_run_waits_for_its_answer_changes_nothing_of_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("runbooks/work.toml");
    fs::create_dir_all(dir.path().join("runbooks/lib")).expect("a directory");
    let step = |id: &str| format!("[[step]]\nid = \"{id}\"\nkind = \"exec\"\nrun = \"{id}\"\n");
    let book = format!(
        "name = \"work\"\ntitle = \"t\"\n{}[[step]]\nuse = \"lib/more\"\n[[verify]]\nid = \"v\"\nkind = \"require\"\nrun = \"true\"\n",
        step("seen")
    );
    fs::write(&path, &book).expect("written");
    fs::write(dir.path().join("runbooks/lib/more.toml"), step("taken")).expect("written");
    let mut terminal = Terminal::open();
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(["run", "work", "--hosts", "all", "-i", "sim:1?speed=max", "--runbooks", "runbooks", "-o", "json"]);
    command.current_dir(dir.path()).env_clear().env("USER", "kai").env("RUNBOOK_STATE_DIR", dir.path().join("state"));
    let child = command.stdin(terminal.end()).stderr(terminal.end()).stdout(Stdio::piped()).spawn().expect("it starts");
    terminal.read_until("go on? [y/N] ");
    fs::write(&path, book.replace("seen", "swapped")).expect("written");
    fs::write(dir.path().join("runbooks/lib/more.toml"), step("changed")).expect("written");
    terminal.type_line("y");
    let out = child.wait_with_output().expect("it ends");
    let lines = String::from_utf8(out.stdout).expect("UTF-8");
    assert_eq!(out.status.code(), Some(0), "{lines}");
    assert_eq!(did(&lines), ["seen", "taken"]);
    // the record says which texts these were
    let planned = lines.lines().find(|line| line.contains("\"run.planned\"")).expect("a plan");
    let now = loader::load(Path::new(&path)).expect("loads").sha256;
    assert!(!planned.contains(&now), "{planned}");
}

/// The steps that were sent to a host, in order.
fn did(lines: &str) -> Vec<String> {
    let events = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("one object a line"));
    let sent = events.filter(|event| event["type"] == "step.intent");
    sent.filter_map(|event| event["step"].as_str().map(str::to_owned)).collect()
}

#[test]
fn the_users_own_file_is_read_by_the_same_rules() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir_all(dir.path().join("runbook")).expect("a directory");
    let path = dir.path().join("runbook/config.toml");
    let told = || {
        let mut terminal = Terminal::open();
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command.args(["-i", "sim:1"]).env_clear().env("XDG_CONFIG_HOME", dir.path()).env("HOME", dir.path()).env("TERM", "xterm");
        let mut child = command.stdin(terminal.end()).stdout(terminal.end()).stderr(terminal.end()).spawn().expect("it starts");
        let told = terminal.read_until("E10");
        assert_eq!(child.wait().expect("it ends").code(), Some(2));
        told + &terminal.read_until("\n")
    };
    assert!(Command::new("mkfifo").arg(&path).status().expect("mkfifo runs").success());
    assert!(told().contains("config.toml cannot be used: "));
    fs::remove_file(&path).expect("removed");
    symlink("/dev/zero", &path).expect("a link");
    assert!(told().contains("config.toml cannot be used: "));
    fs::remove_file(&path).expect("removed");
    fs::write(&path, "theme = \"mono\u{202e}\"\n").expect("written");
    assert!(told().contains("config.toml cannot be used: "));
}
