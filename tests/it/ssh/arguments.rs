//! Values of any bytes but NUL arrive byte for byte, whatever the login shell and whatever `/bin/sh` is, and nothing in
//! them is ever executed. Texts of runbooks and inventories are UTF-8, so any bytes are those of any such text.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use runbook::engine::world::Session;
use runbook::model::op::{Exit, Op, Shell};
use runbook::model::plan::SecretSource;
use runbook::world::ssh::session::SshSession;

use crate::harness::bytes::{attempts, difference, long, values};
use crate::harness::place::{Odd, mode};
use crate::harness::sshd::fleet;
use crate::ssh::{perform, shell};

/// Every login shell, in front of the usual `/bin/sh`.
const LOGINS: [&str; 8] = [
    "/usr/bin/fish",
    "/usr/bin/tcsh",
    "/usr/bin/zsh",
    "/usr/bin/mksh",
    "/usr/bin/ksh",
    "/bin/bash",
    "$DIR/bin/dash",
    "$DIR/bin/ash",
];

/// What may stand at `/bin/sh`.
pub(crate) const SHELLS: [&str; 5] = ["/bin/dash", "/bin/bash", "/bin/busybox", "/usr/bin/mksh", "/usr/bin/ksh"];

/// A file that would be made if a value were executed; short, so that it does not fill a script.
fn canary(dir: &Path) -> PathBuf {
    dir.join("canary")
}

/// What a child of the script has in its environment, to the byte.
async fn environment(session: &mut SshSession, user: Option<&str>, sent: &[(String, String)]) -> BTreeMap<String, Vec<u8>> {
    let mut look = Shell::authored("environment".to_owned(), "exec cat /proc/self/environ".to_owned(), false);
    look.env = sent.iter().cloned().collect();
    let mut op = Op::Shell(look);
    op.equip(user, &[]);
    let replies = perform(session, &[op]).await;
    let reply = shell(&replies[0]);
    let said = String::from_utf8_lossy(&reply.stderr.head).into_owned();
    assert_eq!(reply.exit, Exit::Code { code: 0 }, "{said}");
    let all = [reply.stdout.head.as_slice(), &reply.stdout.tail].concat();
    assert_eq!(all.len() as u64, reply.stdout.total);
    let pair = |entry: &[u8]| {
        let at = entry.iter().position(|byte| *byte == b'=')?;
        Some((String::from_utf8_lossy(&entry[..at]).into_owned(), entry[at + 1..].to_vec()))
    };
    all.split(|byte| *byte == 0).filter_map(pair).collect()
}

/// Names for values, in parts that a script can hold.
fn batches(values: Vec<String>) -> Vec<Vec<(String, String)>> {
    let mut all: Vec<Vec<(String, String)>> = vec![Vec::new()];
    let mut size = 0;
    for (n, value) in values.into_iter().enumerate() {
        if size + value.len() > 120_000 || all.last().is_some_and(|batch| batch.len() > 800) {
            all.push(Vec::new());
            size = 0;
        }
        size += value.len() + 16;
        all.last_mut().expect("one").push((format!("V{n}"), value));
    }
    all
}

async fn arrive(session: &mut SshSession, user: Option<&str>, values: Vec<String>, place: &str) {
    for batch in batches(values) {
        let got = environment(session, user, &batch).await;
        for (name, value) in &batch {
            let got = got.get(name).unwrap_or_else(|| panic!("{place}: {:?} is not there", &value[..value.len().min(40)]));
            assert!(got == value.as_bytes(), "{place}: {name}: {}", difference(got, value.as_bytes()));
        }
    }
}

#[tokio::test]
async fn values_arrive_to_the_byte_under_every_login_shell() {
    for login in LOGINS {
        let place = Odd::default().shell(login).start();
        let canary = canary(&place.path(""));
        let (mut session, _) = place.join().await;
        arrive(&mut session, None, values(&canary.display().to_string()), login).await;
        arrive(&mut session, None, long(), login).await;
        assert!(!canary.exists(), "{login}: a value was executed");
        session.close().await;
    }
}

#[tokio::test]
async fn values_arrive_to_the_byte_whatever_bin_sh_is() {
    for sh in SHELLS {
        let place = Odd::default().sh(sh).start();
        let canary = canary(&place.path(""));
        let (mut session, _) = place.join().await;
        arrive(&mut session, None, values(&canary.display().to_string()), sh).await;
        arrive(&mut session, None, long(), sh).await;
        // the shell itself sees what its children see
        let seen = Shell::look("shell", "printf '%s|' \"$A\" \"$B\"").env("A", "a\n\n").env("B", "\\'$(id)\u{1}\u{7f}é");
        let replies = perform(&mut session, &[Op::Shell(seen)]).await;
        assert_eq!(shell(&replies[0]).stdout.text(), Some("a\n\n|\\'$(id)\u{1}\u{7f}é|"), "{sh}");
        assert!(!canary.exists(), "{sh}: a value was executed");
        session.close().await;
    }
}

#[tokio::test]
async fn values_arrive_to_the_byte_as_another_user() {
    for sh in SHELLS {
        let place = Odd::default().sh(sh).start();
        let canary = canary(&place.path(""));
        let (mut session, _) = place.join().await;
        arrive(&mut session, Some("app"), values(&canary.display().to_string()), sh).await;
        // in dozens of pieces through the pipe
        arrive(&mut session, Some("app"), vec!["it's\n".repeat(20_000)], sh).await;
        assert!(!canary.exists(), "{sh}: a value was executed");
        session.close().await;
    }
}

#[tokio::test]
async fn a_value_that_is_too_long_for_any_program_is_a_failure_and_never_a_success() {
    for sh in SHELLS {
        let place = Odd::default().sh(sh).start();
        let (mut session, _) = place.join().await;
        for user in [None, Some("app")] {
            let ran = place.path("ran");
            let long = Shell::authored("long".to_owned(), "id >/dev/null || exit 9; echo ran".to_owned(), true)
                .env("V", "'".repeat(200_000));
            let mut op = Op::Shell(long);
            op.equip(user, &[]);
            let replies = perform(&mut session, &[op]).await;
            let reply = shell(&replies[0]);
            assert!(!ran.exists());
            assert!(matches!(reply.exit, Exit::Code { code: 1.. }), "{sh} {user:?}: {reply:?}");
            assert_eq!(reply.stdout.text(), Some(""), "{sh} {user:?}");
        }
        session.close().await;
    }
}

#[tokio::test]
async fn directories_of_any_name_are_entered() {
    for sh in SHELLS {
        let place = Odd::default().sh(sh).start();
        let root = place.path("odd");
        fs::create_dir(&root).expect("a directory");
        mode(&root, 0o755);
        let canary = place.path("home").join("canary");
        // a name has no slash and at most 255 bytes; `touch canary` is made in the home directory, if anywhere
        let fit = |name: &String| !name.is_empty() && !name.contains('/') && name.len() < 200 && name != "." && name != "..";
        let mut names: Vec<String> = (1..=0x7f_u8).map(|byte| char::from(byte).to_string()).collect();
        names.extend(attempts("canary"));
        names.retain(fit);
        names.sort();
        names.dedup();
        let mut ops = Vec::new();
        for name in &names {
            fs::create_dir(root.join(name)).expect("a directory");
            let cwd = root.join(name).to_str().expect("utf-8").to_owned();
            // becoming another user takes its time
            let odd = name.contains("touch") || [" ", "\n", "'", "-", "~"].contains(&name.as_str());
            for user in [None, odd.then_some("app")] {
                // the kernel's word for it: a shell could be wrong in the same way twice
                let look = Shell::authored("cwd".to_owned(), "readlink -n /proc/self/cwd; printf x".to_owned(), false);
                let mut op = Op::Shell(look.cwd(Some(cwd.clone())));
                op.equip(user, &[]);
                ops.push((name, op));
            }
        }
        let (mut session, _) = place.join().await;
        let sent: Vec<Op> = ops.iter().map(|(_, op)| op.clone()).collect();
        let replies = perform(&mut session, &sent).await;
        for ((name, _), reply) in ops.iter().zip(&replies) {
            let want = format!("{}x", fs::canonicalize(&root).expect("a path").join(name).display());
            let got = &shell(reply).stdout.head;
            assert!(got == want.as_bytes(), "{sh}: {name:?}: {}", difference(got, want.as_bytes()));
        }
        assert!(!canary.exists(), "{sh}: a name was executed");
        session.close().await;
    }
}

#[tokio::test]
async fn secrets_of_any_bytes_arrive_and_none_is_shown() {
    for sh in SHELLS {
        let place = Odd::default().sh(sh).start();
        let canary = canary(&place.path(""));
        // a secret has at least eight bytes, and the line break at its end is its file's
        let secrets: Vec<String> =
            attempts(&canary.display().to_string()).iter().map(|value| format!("{value}<secret>")).collect();
        let mut sources = BTreeMap::new();
        for (n, secret) in secrets.iter().enumerate() {
            let path = place.path(&format!("secret-{n}"));
            fs::write(&path, format!("{secret}\n")).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
            sources.insert(format!("s{n}"), SecretSource::File(path));
        }
        let (mut session, _) = place.join_as(&fleet().with_secrets(sources), "root").await;
        for user in [None, Some("app")] {
            let names: Vec<String> = (0..secrets.len()).map(|n| format!("s{n}")).collect();
            // as numbers they are not told from other text, and pass
            let text = "for n in $(seq 0 $LAST); do eval \"printf %s \\\"\\$s$n\\\"\" | od -An -v -tu1 | tr -s ' \\n' ' '; echo; done; echo \"x$s0\"";
            let look = Shell::authored("secrets".to_owned(), text.to_owned(), false).env("LAST", (secrets.len() - 1).to_string());
            let mut op = Op::Shell(look);
            op.equip(user, &names);
            let replies = perform(&mut session, &[op]).await;
            let said = shell(&replies[0]).stdout.text().expect("text").to_owned();
            let lines: Vec<&str> = said.lines().collect();
            assert_eq!(lines.len(), secrets.len() + 1, "{sh} {user:?}");
            for (line, secret) in lines.iter().zip(&secrets) {
                let want: Vec<String> = secret.bytes().map(|byte| byte.to_string()).collect();
                let got: Vec<&str> = line.split_whitespace().collect();
                assert_eq!(got, want, "{sh} {user:?}: {secret:?}");
            }
            assert_eq!(lines.last(), Some(&"x[secret:s0]"), "{sh} {user:?}");
        }
        assert!(!canary.exists(), "{sh}: a secret was executed");
        session.close().await;
    }
}
