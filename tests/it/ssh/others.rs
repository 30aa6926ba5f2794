//! Scripts as another user, and with secrets in their environment.

use std::collections::BTreeMap;

use runbook::engine::world::World;
use runbook::model::op::{Exit, Op, Shell};
use runbook::model::plan::SecretSource;
use runbook::world::ssh::session::SshSession;

use crate::harness::sshd::{Sshd, fleet};
use crate::ssh::{join, perform, shell};

fn script(text: &str, user: Option<&str>, secrets: &[&str]) -> Op {
    let mut op = Op::Shell(Shell::authored("script".to_owned(), text.to_owned(), false));
    let secrets: Vec<String> = secrets.iter().map(|name| (*name).to_owned()).collect();
    op.equip(user, &secrets);
    op
}

async fn said(session: &mut SshSession, op: Op) -> (Exit, String, String) {
    let reply = shell(&perform(session, &[op]).await[0]).clone();
    let text = |captured: &runbook::model::op::Captured| captured.text().expect("whole text").to_owned();
    (reply.exit.clone(), text(&reply.stdout), text(&reply.stderr))
}

#[tokio::test]
async fn a_script_runs_as_another_user_with_its_values_and_status() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let code = |code| Exit::Code { code };
    let (exit, out, _) = said(&mut session, script("id -un; exit 7", Some("nobody"), &[])).await;
    assert_eq!((exit, out.as_str()), (code(7), "nobody\n"));
    let Op::Shell(mut odd) = script("printf '%s|' \"$V\" \"$PWD\" \"$#\"; cat; exit 255", Some("nobody"), &[]) else {
        unreachable!()
    };
    odd.env = BTreeMap::from([("V".to_owned(), "it's\n$x `y` \\".to_owned())]);
    odd.cwd = Some("/tmp".to_owned());
    let (exit, out, _) = said(&mut session, Op::Shell(odd)).await;
    assert_eq!((exit, out.as_str()), (code(255), "it's\n$x `y` \\|/tmp|0|"));
    // nothing of it stays behind in the shell that goes on
    let (exit, out, _) = said(&mut session, script("id -u; echo \"${V-unset}\"", None, &[])).await;
    assert_eq!((exit, out.lines().last()), (code(0), Some("unset")));
}

#[tokio::test]
async fn a_user_that_cannot_be_become_runs_nothing() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let (exit, out, err) = said(&mut session, script("echo ran", Some("no-such-user"), &[])).await;
    assert_eq!((exit, out.as_str()), (Exit::NotStarted { why: "become-refused".to_owned() }, ""));
    assert!(err.contains("no-such-user"), "{err}");
    let (exit, _, _) = said(&mut session, script("true", None, &[])).await;
    assert_eq!(exit, Exit::Code { code: 0 });
}

#[tokio::test]
async fn a_missing_directory_runs_nothing_as_another_user() {
    let sshd = Sshd::start();
    let (mut session, _) = join(&sshd).await;
    let Op::Shell(mut lost) = script("echo ran", Some("nobody"), &[]) else { unreachable!() };
    lost.cwd = Some("/no/such/directory".to_owned());
    let (exit, out, _) = said(&mut session, Op::Shell(lost)).await;
    assert_eq!((exit, out.as_str()), (Exit::Code { code: 126 }, ""));
}

#[tokio::test]
async fn a_secret_reaches_the_script_and_no_output() {
    let sshd = Sshd::start();
    let command = ["printf", "hunter2-ü"].map(str::to_owned).to_vec();
    let sources = BTreeMap::from([("token".to_owned(), SecretSource::Command(command))]);
    let fleet = fleet().with_secrets(sources);
    let (mut session, _) = fleet.connect(&sshd.host()).await.expect("connects");
    for user in [None, Some("nobody")] {
        let text = "printf '%s' \"$token\" | wc -c; echo \"a $token b\"; echo \"$token\" >&2; ps -ef | grep -c 'hunter[2]'";
        let (exit, out, err) = said(&mut session, script(text, user, &["token"])).await;
        let got: Vec<&str> = out.split_whitespace().collect();
        assert_eq!(got, ["10", "a", "[secret:token]", "b", "0"], "{user:?}: {exit:?}");
        assert_eq!(err, "[secret:token]\n");
        // a script that does not name it does not get it
        let (_, out, _) = said(&mut session, script("echo \"${token-none}\"", user, &[])).await;
        assert_eq!(out, "none\n");
    }
    let (exit, _, _) = said(&mut session, script("true", None, &["other"])).await;
    let why = "no-secret: secret `other`: the runbook does not say where it is".to_owned();
    assert_eq!(exit, Exit::NotStarted { why });
}
