//! Hosts as odd as hosts are: other shells, missing tools, full disks. What a look tells there is what is true, or that
//! it cannot be read, with the reason; nothing is ever half done.

mod clock;
mod disk;
mod logins;
mod ports;
mod runs;
mod sudo;
mod tools;

use std::collections::BTreeMap;
use std::sync::Arc;

use runbook::engine::world::Connected;
use runbook::model::fields::Context;
use runbook::model::host::Host;
use runbook::model::op::{Exit, Op, Shell};
use runbook::model::plan::Section;
use runbook::model::step::{Evidence, Look, Step, Target, Unreadable, Verdict};
use runbook::model::time::Timestamp;
use runbook::steps::instantiate;
use runbook::world::ssh::session::SshSession;
use serde_json::Value;

use crate::harness::place::Place;
use crate::harness::sshd::fleet;
use crate::ssh::{perform, shell};

/// A session with what a look needs to know of its host.
struct Visit {
    session: SshSession,
    target: Target,
}

/// What a script came to: its end, and what it printed on both outputs.
type Said = (Exit, String, String);

impl Visit {
    async fn to(place: &Place, user: &str) -> Self {
        let (session, Connected { facts, .. }) = place.join_as(&fleet(), user).await;
        let host: Host = place.host(user);
        Self { session, target: Target { host, facts } }
    }

    /// Looks once as the kind does, and tells the verdict in a line.
    async fn look(&mut self, kind: &str, fields: &Value) -> String {
        self.look_as(kind, fields, None).await
    }

    async fn look_as(&mut self, kind: &str, fields: &Value, user: Option<&str>) -> String {
        let step = step(kind, fields);
        let mut ops = step.probes(&self.target);
        for op in &mut ops {
            op.equip(user, &[]);
        }
        let replies = perform(&mut self.session, &ops).await;
        let looks = [Look { at: Timestamp::from_millis(1_795_243_677_000), replies }];
        told(step.judge(&Evidence { target: &self.target, looks: &looks, acted: None }))
    }

    async fn run(&mut self, text: &str) -> Said {
        self.run_as(text, None).await
    }

    async fn run_as(&mut self, text: &str, user: Option<&str>) -> Said {
        let mut op = Op::Shell(Shell::authored("script".to_owned(), text.to_owned(), true));
        op.equip(user, &[]);
        self.op(op).await
    }

    async fn op(&mut self, op: Op) -> Said {
        let replies = perform(&mut self.session, &[op]).await;
        let reply = shell(&replies[0]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (reply.exit.clone(), text(&reply.stdout.head), text(&reply.stderr.head))
    }
}

fn step(kind: &str, fields: &Value) -> Arc<dyn Step> {
    let none = BTreeMap::new();
    let context = Context { vars: &none, host_vars: &none, section: Section::Precheck };
    let parsed = instantiate(kind, fields.as_object().expect("a table"), context).expect("the kind is known");
    parsed.unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// The verdict in a line: its word and summary.
fn told(verdict: Result<Verdict, Unreadable>) -> String {
    match verdict {
        Ok(Verdict::Holds(note)) => format!("holds {}: {}", note.word, note.summary),
        Ok(Verdict::NotYet(note)) => format!("not-yet {}: {}", note.word, note.summary),
        Ok(Verdict::Refuse(finding)) => format!("refuse {}: {}", finding.code, finding.summary),
        Ok(Verdict::Again { .. }) => "again".to_owned(),
        Ok(Verdict::Change(change)) => format!("change {}", change.why.word),
        Ok(Verdict::Ask(_)) => "ask".to_owned(),
        Err(unreadable) => format!("unreadable: {}", unreadable.what),
    }
}

fn code(code: u32) -> Exit {
    Exit::Code { code }
}
