//! Secrets: asked for once when a fleet is first contacted, kept in memory for the run, sent on standard input alone, and
//! taken out of everything that comes back.

mod forms;
mod redact;
pub mod sink;
mod source;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, join_all};
use serde_json::Value;
use zeroize::Zeroize;

use crate::engine::world::Connected;
use crate::model::finding::Finding;
use crate::model::op::{Exit, HttpReply, Op, Pm2Reply, Reply, Shell};
use crate::model::plan::SecretSource;
use crate::read::logs;
use crate::world::secrets::redact::Redactor;
use crate::world::secrets::source::Secret;

/// The secrets of a run.
#[derive(Default)]
pub(crate) struct Secrets {
    sources: BTreeMap<String, SecretSource>,
    home: Option<PathBuf>,
    asked: Mutex<Option<Asking>>,
    known: Arc<OnceLock<Known>>,
}

/// Asking for all of them; it goes on when nobody waits for it any more.
type Asking = Shared<BoxFuture<'static, ()>>;

/// What there is to know of them: each value, or why it cannot be had.
struct Known {
    values: BTreeMap<String, Result<Arc<Secret>, String>>,
    redactor: Redactor,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("sources", &self.sources).finish_non_exhaustive()
    }
}

/// A script with the values of its secrets in its environment. They are wiped when it has been sent; it has no words of
/// its own.
pub(crate) struct Equipped {
    script: Shell,
}

impl Deref for Equipped {
    type Target = Shell;

    fn deref(&self) -> &Shell {
        &self.script
    }
}

impl Drop for Equipped {
    fn drop(&mut self) {
        for name in &self.script.secrets {
            if let Some(value) = self.script.env.get_mut(name) {
                value.zeroize();
            }
        }
    }
}

impl Secrets {
    /// Nothing is asked for yet. `home` is what `~/` in the name of a file stands for.
    pub(crate) fn new(sources: BTreeMap<String, SecretSource>, home: Option<PathBuf>) -> Self {
        Self { sources, home, ..Self::default() }
    }

    /// Asks for every value, once for all hosts, before anything is contacted: what is seen there before a value is used
    /// may hold it already. What cannot be had is told to the step that needs it.
    pub(crate) async fn ask(&self) {
        if self.sources.is_empty() || self.known.get().is_some() {
            return;
        }
        let asking = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.get_or_insert_with(|| self.asking()).clone()
        };
        asking.await;
    }

    fn asking(&self) -> Asking {
        let (sources, home, known) = (self.sources.clone(), self.home.clone(), Arc::clone(&self.known));
        let all = async move {
            harden();
            let withheld: Vec<String> = sources.values().filter_map(variable).collect();
            let each = sources.iter().map(async |(name, source)| {
                (name.clone(), source::value(source, home.as_deref(), &withheld).await.map(Arc::new))
            });
            let values: BTreeMap<String, Result<Arc<Secret>, String>> = join_all(each).await.into_iter().collect();
            let had = || values.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_ref().ok()?)));
            sink::hide(had());
            let redactor = Redactor::new(had().map(|(name, value)| (name, value.reveal())));
            let _ = known.set(Known { values, redactor });
        };
        // a host that is given up does not end it
        tokio::spawn(all).map(drop).boxed().shared()
    }

    /// The script with the values of its secrets in its environment; an error says which secret cannot be had, and why,
    /// without the value.
    pub(crate) fn equip(&self, script: &Shell) -> Result<Equipped, String> {
        let mut equipped = Equipped { script: script.clone() };
        for name in &script.secrets {
            let known = self.known.get().and_then(|known| known.values.get(name));
            let value = match known {
                None => Err("the runbook does not say where it is"),
                Some(value) => value.as_ref().map_err(String::as_str),
            };
            let value = value.map_err(|why| format!("no-secret: secret `{name}`: {why}"))?;
            equipped.script.env.insert(name.clone(), value.reveal().to_owned());
        }
        Ok(equipped)
    }

    fn redactor(&self) -> Option<&Redactor> {
        self.known.get().map(|known| &known.redactor).filter(|redactor| !redactor.is_empty())
    }

    /// Takes every value out of what came back for an op.
    pub(crate) fn redact(&self, op: &Op, reply: &mut Reply) {
        let Some(redactor) = self.redactor() else { return };
        match reply {
            Reply::Shell(reply) => {
                match &mut reply.exit {
                    Exit::Signal { name: words } | Exit::Unknown { why: words } | Exit::NotStarted { why: words } => {
                        redactor.text(words);
                    }
                    Exit::Code { .. } | Exit::TimedOut => {}
                }
                for captured in [&mut reply.stdout, &mut reply.stderr] {
                    if op.is_authored() {
                        redactor.output(captured);
                    } else {
                        redactor.evidence(captured, logs::stretches);
                    }
                }
            }
            Reply::Http(HttpReply::Answer(answer)) => {
                answer.body = redactor.marked(&answer.body).into_owned();
                for (name, value) in &mut answer.headers {
                    redactor.text(name);
                    redactor.text(value);
                }
            }
            Reply::Http(HttpReply::Fault { message, .. }) | Reply::Pm2(Pm2Reply::Fault { message, .. }) => redactor.text(message),
            Reply::Pm2(Pm2Reply::Answer { value }) => texts(value, redactor),
            Reply::Answer(_) => {}
        }
    }

    /// Takes every value out of what a host says of itself.
    pub(crate) fn redact_connected(&self, connected: &mut Connected) {
        let Some(redactor) = self.redactor() else { return };
        let facts = &mut connected.facts;
        let words = [&mut facts.os, &mut facts.arch, &mut facts.user, &mut facts.home, &mut facts.hostname];
        let ids = [&mut facts.boot_id, &mut facts.machine_id, &mut facts.instance_id].into_iter().flatten();
        words.into_iter().chain(ids).for_each(|text| redactor.text(text));
    }

    /// Takes every value out of the words for a fault.
    pub(crate) fn redact_finding(&self, finding: &mut Finding) {
        let Some(redactor) = self.redactor() else { return };
        redactor.text(&mut finding.summary);
        finding.evidence.iter_mut().chain(&mut finding.hint).for_each(|text| redactor.text(text));
    }

    /// Takes every value out of a text.
    pub(crate) fn redact_text(&self, text: &mut String) {
        if let Some(redactor) = self.redactor() {
            redactor.text(text);
        }
    }
}

/// The variable that a secret stands in.
fn variable(source: &SecretSource) -> Option<String> {
    if let SecretSource::Env(name) = source { Some(name.clone()) } else { None }
}

/// From now on there are values in this process: only root looks into it, and it leaves no image of its memory, to whatever
/// program the kernel would hand that.
fn harden() {
    #[cfg(target_os = "linux")]
    {
        // where it cannot be had the values are as safe as everything else of this user
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
}

fn texts(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => redactor.text(text),
        Value::Array(list) => list.iter_mut().for_each(|value| texts(value, redactor)),
        Value::Object(fields) => {
            let marked = |name: &String| matches!(redactor.marked(name.as_bytes()), std::borrow::Cow::Owned(_));
            let names: Vec<String> = fields.keys().filter(|name| marked(name)).cloned().collect();
            for mut name in names {
                if let Some(value) = fields.remove(&name) {
                    redactor.text(&mut name);
                    fields.insert(name, value);
                }
            }
            fields.values_mut().for_each(|value| texts(value, redactor));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
