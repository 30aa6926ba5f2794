//! SSH against a real sshd, and against servers that misbehave: no status is ever made up.

#[cfg(target_os = "linux")]
mod arguments;
mod calls;
mod connecting;
mod crowding;
mod differential;
mod identity;
mod joining;
mod known_hosts;
mod logging_in;
mod losing;
mod others;
mod outputs;
#[cfg(target_os = "linux")]
mod places;
mod scripts;
mod statuses;
mod trusting;

use std::time::Duration;

use runbook::engine::world::{Connected, Session, World};
use runbook::model::op::{HttpCall, HttpFrom, HttpMethod, Op, Reply, Shell, ShellReply};
use runbook::world::ssh::session::SshSession;
use tokio_util::sync::CancellationToken;

use crate::harness::sshd::{Sshd, fleet};

async fn join(sshd: &Sshd) -> (SshSession, Connected) {
    match fleet().connect(&sshd.host()).await {
        Ok(joined) => joined,
        Err(fault) => panic!("{fault:?}\n{}", sshd.log()),
    }
}

/// The class of the fault that connecting comes to.
async fn class(sshd: &Sshd) -> String {
    match fleet().connect(&sshd.host()).await {
        Ok(_) => "connected".to_owned(),
        Err(fault) => fault.finding.code,
    }
}

async fn perform(session: &mut SshSession, ops: &[Op]) -> Vec<Reply> {
    session.perform(ops, &CancellationToken::new()).await
}

fn look(text: &str) -> Op {
    Op::Shell(Shell::authored("look".to_owned(), text.to_owned(), false))
}

fn shell(reply: &Reply) -> &ShellReply {
    match reply {
        Reply::Shell(reply) => reply,
        other => panic!("no reply of a shell: {other:?}"),
    }
}

fn http(url: &str) -> Op {
    let timeout = Duration::from_secs(5);
    Op::Http(HttpCall { from: HttpFrom::Host, method: HttpMethod::Get, url: url.to_owned(), timeout })
}
