//! Judging a case: the step is read by its kind, fed with what was seen, and asked.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use runbook::model::fields::Context;
use runbook::model::host::{Facts, Host};
use runbook::model::id::HostName;
use runbook::model::op::{Answer, Captured, Exit, HttpAnswer, HttpReply, Pm2Reply, Reply, ShellReply};
use runbook::model::plan::Section;
use runbook::model::step::{Acted, Change, Evidence, Look, Note, Step, Target, Unreadable, Verdict};
use runbook::model::time::Timestamp;
use serde_json::{Map, Value};

use super::file::{self, Case};

/// What a case came to.
#[derive(Debug, PartialEq)]
pub(super) struct Got {
    pub(super) verdict: String,
    pub(super) word: Option<String>,
    pub(super) summary: String,
    pub(super) effects: Vec<String>,
    pub(super) values: Map<String, Value>,
}

/// Judges a case; an error says why it is none.
pub(super) fn judge(case: &Case, root: &Path) -> Result<Got, String> {
    if case.about.trim().is_empty() {
        return Err("`about` is empty".to_owned());
    }
    let step = parse(case)?;
    let target = target(&case.facts);
    let mut looks = Vec::new();
    for (index, look) in case.look.iter().enumerate() {
        let probes = if looks.is_empty() { step.probes(&target) } else { step.probes_again(&target, &looks) };
        if let Some(op) = probes.iter().find(|op| op.mutates()) {
            return Err(format!("a probe changes something: {}", op.label()));
        }
        let answers = matches!(look.replies.as_slice(), [reply] if reply.to == "answer");
        if answers {
            asked(&*step, &target, &looks)?;
        } else if look.replies.len() != probes.len() {
            return Err(format!("look {} has {} replies to {} probes", index + 1, look.replies.len(), probes.len()));
        }
        looks.push(Look { at: at(look.at_ms), replies: replies(&look.replies, root)? });
    }
    if looks.is_empty() {
        return Err("there is no [[look]]".to_owned());
    }
    let acted = match case.acted.as_slice() {
        [] => None,
        [acted] => Some(act(acted, &*step, &target, &looks, root)?),
        _ => return Err("there is more than one [[acted]]".to_owned()),
    };
    let seen = Evidence { target: &target, looks: &looks, acted: acted.as_ref() };
    let verdict = step.judge(&seen);
    if verdict != step.judge(&seen) {
        return Err("the same evidence is judged differently the second time".to_owned());
    }
    if let Ok(Verdict::Change(change)) = &verdict {
        check_change(change)?;
    }
    Ok(got(verdict))
}

fn parse(case: &Case) -> Result<std::sync::Arc<dyn Step>, String> {
    let section = match case.section.name.as_str() {
        "precheck" => Section::Precheck,
        "step" => Section::Step,
        "verify" => Section::Verify,
        "close" => Section::Close,
        other => return Err(format!("there is no section `{other}`")),
    };
    let none = BTreeMap::new();
    let context = Context { vars: &case.vars, host_vars: &none, section };
    let parsed = runbook::steps::instantiate(&case.kind, &case.step, context);
    let errors = match parsed.ok_or_else(|| format!("there is no kind `{}`", case.kind))? {
        Ok(step) => return Ok(step),
        Err(errors) => errors,
    };
    let lines: Vec<String> = errors.iter().map(|e| format!("[step] {}: {}", e.path.join("."), e.message)).collect();
    Err(lines.join("\n"))
}

fn target(facts: &file::Facts) -> Target {
    let host = Host {
        name: HostName::parse("proxy-1").expect("a host name"),
        address: "10.0.1.11".to_owned(),
        port: 22,
        user: facts.user.clone(),
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
        user: facts.user.clone(),
        uid: facts.uid,
        home: facts.home.clone(),
        hostname: "proxy-1".to_owned(),
        boot_id: None,
        machine_id: None,
        instance_id: None,
        skew_ms: 0,
        skew_err_ms: 1,
    };
    Target { host, facts }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_795_243_677_000 + millis)
}

/// An answer follows a question only.
fn asked(step: &dyn Step, target: &Target, looks: &[Look]) -> Result<(), String> {
    if looks.is_empty() {
        return Err("there is no look before the answer".to_owned());
    }
    match step.judge(&Evidence { target, looks, acted: None }) {
        Ok(Verdict::Ask(_)) => Ok(()),
        other => Err(format!("the looks before the answer lead to no question: {:?}", got(other))),
    }
}

/// What was done: the change that the looks before it led to.
fn act(acted: &file::Acted, step: &dyn Step, target: &Target, looks: &[Look], root: &Path) -> Result<Acted, String> {
    let before = looks.get(..acted.looks_before).filter(|looks| !looks.is_empty());
    let before = before.ok_or_else(|| format!("there are no {} looks before the change", acted.looks_before))?;
    if looks.len() == before.len() {
        return Err("there is no look after the change".to_owned());
    }
    let change = match step.judge(&Evidence { target, looks: before, acted: None }) {
        Ok(Verdict::Change(change)) => *change,
        other => return Err(format!("the looks before [[acted]] lead to no change: {:?}", got(other))),
    };
    check_change(&change)?;
    if change.ops.len() != acted.replies.len() {
        return Err(format!("[[acted]] has {} replies to {} ops", acted.replies.len(), change.ops.len()));
    }
    let replies = replies(&acted.replies, root)?;
    let begun = before.last().map(|look| look.at);
    let at = acted.at_ms.map(at).or(begun).ok_or("no look before the change")?;
    Ok(Acted { change, replies, looks_before: acted.looks_before, at })
}

fn check_change(change: &Change) -> Result<(), String> {
    if change.effects.is_empty() || change.effects.iter().any(|line| line.trim().is_empty() || line.contains('\n')) {
        return Err(format!("a change must say its effects, a line each: {:?}", change.effects));
    }
    if !change.ops.iter().any(runbook::model::op::Op::mutates) {
        return Err("the change changes nothing: a dry run would perform it".to_owned());
    }
    Ok(())
}

fn got(verdict: Result<Verdict, Unreadable>) -> Got {
    let got = |verdict: &str, word: Option<String>, summary: String| Got {
        verdict: verdict.to_owned(),
        word,
        summary,
        effects: Vec::new(),
        values: Map::new(),
    };
    let noted = |verdict: &str, note: Note| Got {
        values: note.values.into_iter().collect(),
        ..got(verdict, Some(note.word), note.summary)
    };
    match verdict {
        Ok(Verdict::Holds(note)) => noted("holds", note),
        Ok(Verdict::NotYet(note)) => noted("not-yet", note),
        Ok(Verdict::Again { after }) => got("again", None, format!("again after {} ms", after.as_millis())),
        Ok(Verdict::Change(change)) => Got { effects: change.effects, ..noted("change", change.why) },
        Ok(Verdict::Refuse(finding)) => got("refuse", Some(finding.code), finding.summary),
        Ok(Verdict::Ask(question)) => got("ask", None, question.text),
        Err(unreadable) => got("unreadable", None, unreadable.what),
    }
}

fn replies(all: &[file::Reply], root: &Path) -> Result<Vec<Reply>, String> {
    all.iter().map(|reply| Keys { reply: reply.clone(), root }.read()).collect()
}

/// Takes a reply apart key by key; what is left over does not belong to it.
struct Keys<'a> {
    reply: file::Reply,
    root: &'a Path,
}

impl Keys<'_> {
    fn read(mut self) -> Result<Reply, String> {
        let reply = match self.reply.to.as_str() {
            "shell" => Reply::Shell(ShellReply {
                exit: Exit::Code { code: self.need(|r| r.exit.take(), "exit")? },
                stdout: Captured::whole(self.content()?),
                stderr: Captured::whole(self.reply.stderr.take().unwrap_or_default()),
                took: self.took(),
            }),
            "pm2" => {
                let value =
                    serde_json::from_slice(&self.content()?).map_err(|error| format!("reply to pm2: no JSON: {error}"))?;
                Reply::Pm2(Pm2Reply::Answer { value })
            }
            "pm2-fault" => Reply::Pm2(Pm2Reply::Fault {
                class: self.need(|r| r.class.take(), "class")?,
                message: self.need(|r| r.message.take(), "message")?,
            }),
            "http" => Reply::Http(HttpReply::Answer(HttpAnswer {
                status: self.need(|r| r.status.take(), "status")?,
                headers: self.reply.headers.take().unwrap_or_default().into_iter().collect(),
                body: self.reply.body.take().unwrap_or_default().into_bytes(),
                took: self.took(),
            })),
            "http-fault" => Reply::Http(HttpReply::Fault {
                class: self.need(|r| r.class.take(), "class")?,
                message: self.need(|r| r.message.take(), "message")?,
                sent: self.need(|r| r.sent.take(), "sent")?,
            }),
            "answer" => Reply::Answer(Answer {
                yes: self.need(|r| r.yes.take(), "yes")?,
                by: self.need(|r| r.by.take(), "by")?,
                via: self.need(|r| r.via.take(), "via")?,
            }),
            other => return Err(format!("there is no reply to `{other}`")),
        };
        match self.left_over() {
            None => Ok(reply),
            Some(key) => Err(format!("reply to {}: `{key}` does not belong to it", self.reply.to)),
        }
    }

    fn need<T>(&mut self, take: impl FnOnce(&mut file::Reply) -> Option<T>, key: &str) -> Result<T, String> {
        take(&mut self.reply).ok_or_else(|| format!("reply to {}: `{key}` is missing", self.reply.to))
    }

    fn took(&mut self) -> Duration {
        Duration::from_millis(self.reply.took_ms.take().unwrap_or(5))
    }

    fn content(&mut self) -> Result<Vec<u8>, String> {
        match (self.reply.file.take(), self.reply.text.take()) {
            (Some(file), None) => std::fs::read(self.root.join(&file)).map_err(|error| format!("{file}: {error}")),
            (None, Some(text)) => Ok(text.into_bytes()),
            (None, None) if self.reply.to == "shell" => Ok(Vec::new()),
            _ => Err(format!("reply to {}: give either `file` or `text`", self.reply.to)),
        }
    }

    fn left_over(&self) -> Option<&'static str> {
        let r = &self.reply;
        let keys = [
            ("file", r.file.is_some()),
            ("text", r.text.is_some()),
            ("exit", r.exit.is_some()),
            ("stderr", r.stderr.is_some()),
            ("class", r.class.is_some()),
            ("message", r.message.is_some()),
            ("sent", r.sent.is_some()),
            ("status", r.status.is_some()),
            ("body", r.body.is_some()),
            ("headers", r.headers.is_some()),
            ("took_ms", r.took_ms.is_some()),
            ("yes", r.yes.is_some()),
            ("by", r.by.is_some()),
            ("via", r.via.is_some()),
        ];
        keys.into_iter().find(|(_, there)| *there).map(|(key, _)| key)
    }
}
