//! `pm2`: brings one app of PM2 into a state, by explicit ids, with everything else left as it was.
//!
//! A change never names what varies by itself (status, counters, pids of a loop): it is compared with a second look.

pub(crate) mod act;
mod replace;
mod verb;

use std::sync::Arc;

use serde_json::Value;

use crate::model::fields::Fields;
use crate::model::finding::Finding;
use crate::model::op::{Op, Pm2Method, Reply, Shell};
use crate::model::outcome::Risk;
use crate::model::step::{Acted, Change, Evidence, Note, Step, Target, Unreadable, Verdict};
use crate::model::visible::literal;
use crate::read::holder::Holder;
use crate::read::pm2::{Pm2App, Status};
use crate::read::pm2_daemon::DaemonState;
use crate::read::pm2_host::Dump;
use crate::read::proc::{Proc, clean};
use crate::steps::pm2::act::{
    Start, Verb, before, by_id, disturbed, guard, replaced, start, targets, unmistakable, unsaved, with_replies,
};
use crate::steps::pm2_look::{Seen, Wanted, describe, holder_hint, pm2_home, probes, same_dir};
use crate::steps::rivals::{family, port_of};
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// What saving does, as an effect.
pub(crate) const SAVED: &str = "save pm2's list; the former one is kept in dump.pm2.before-runbook";

pub(crate) const RELEASE: &str = "case $START_CWD in \"~\") c=$HOME ;; \"~/\"*) c=$HOME/${START_CWD#??} ;; *) c=$START_CWD ;; esac
case $CONFIG in \"~/\"*) f=$HOME/${CONFIG#??} ;; /*) f=$CONFIG ;; *) f=$c/$CONFIG ;; esac
if [ -d \"$c\" ] && [ -x \"$c\" ] && [ -r \"$f\" ]; then echo ready; elif [ -d \"$c\" ] && [ -x \"$c\" ]; then echo no-config; else echo no-cwd; fi";

/// The kind.
pub(crate) const KIND: Kind = Kind {
    name: "pm2",
    class: Class::Action,
    risk: Risk::Restarts,
    scopes: ON_HOSTS,
    acts_as: false,
    runs: true,
    touches: Touches::Processes,
    title: "an app of PM2 in a state",
    about: "`no-duplicates`: the wanted app holds the port; entries that were told the same port, or run the same script in the \
            same directory, and do not hold it are deleted by id. Of itself it never deletes the holder, nor an entry that was told \
            another port or listens on one, nor one that shares only the directory. With `replace_holder`, and one other entry of \
            this PM2 as the holder, that is stopped, the wanted entry is restarted, and once that listens the other one is deleted: \
            the service is away from the stop until then. Where it does not listen within 60 s it is stopped, and the old one, not \
            deleted yet, is restarted. Workers of a cluster, several holders and an entry that was told another port are never \
            replaced. `running`: a stopped or errored entry is \
            restarted by id, an app that PM2 does not have is started with `pm2 start CONFIG --only NAME`. dump.pm2 is first \
            copied to dump.pm2.before-runbook; pm2 save follows and is compared with the live list. Afterwards the holder must \
            have the same process, and every other app that was steady the same pid and namespace. `stopped`, `absent`, `restarted` \
            and `reloaded` do so to the entries of that name, by id. Starting a stopped entry and stopping one can be undone; \
            a deleted entry is to be started anew by hand. Never `all`, never --update-env.",
    verdicts: &[
        ("clean", "no entry fights with the app"),
        ("duplicates", "entries fight with the app, or are not gone yet"),
        ("running", "the app runs, and listens where a port is given"),
        ("stopped", "PM2 has stopped it, or says so"),
        ("errored", "PM2 has given it up"),
        ("no-process", "PM2 says online, and there is no process"),
        ("starting", "it is on its way"),
        ("not-listening", "it runs and does not listen on its port"),
        ("absent", "PM2 has no such entry"),
        ("present", "PM2 has the entry that should be absent"),
        ("due", "it has not been restarted by this step yet"),
        ("restarted", "it runs in a process that started after the step began"),
        ("not-saved", "dump.pm2 is not what PM2 has"),
        ("missing-cwd", "refused: the app's directory or script is missing or may not be read"),
        ("drifted", "refused: the entry is not what it was when it was looked at"),
        ("holder-changed", "failed: the port is not held by the same process as before"),
        ("neighbour-changed", "failed: an entry that was not meant is not as it was"),
        ("odd-name", "refused: a name that pm2 would take for an id, an option or a list"),
        ("none", "refused: no PM2 daemon answers for this PM2_HOME"),
        ("lost-socket", "refused: the daemon lives and its socket is gone"),
        ("replaced", "the wanted app has taken the port over, and the entry that held it is deleted"),
        ("put-back", "failed: the wanted app did not listen, and the entry that held the port is started again"),
        ("wrong-holder", "another app of this PM2 holds the port: refused, or its place is taken with `replace_holder`"),
        ("orphan", "refused: a process that PM2 has lost holds the port"),
        ("other-daemon", "refused: an app of another PM2 holds the port"),
        ("foreign", "refused: a process that PM2 never started holds the port"),
        ("hidden", "refused: the holder of the port may not be seen"),
    ],
    keys: &[
        Key { name: "ensure", required: true, about: "no-duplicates, running, stopped, absent, restarted or reloaded" },
        Key { name: "app", required: true, about: "the app's name in PM2" },
        Key { name: "namespace", required: false, about: "its namespace; default: any" },
        Key { name: "cwd", required: false, about: "its directory; default: any" },
        Key { name: "port", required: false, about: "the port it should hold; default: the one it was told" },
        Key { name: "start", required: false, about: "{ config, only }: how to start it where PM2 has no entry; needs `cwd`" },
        Key { name: "save", required: false, about: "pm2 save after the change; default: true" },
        Key {
            name: "replace_holder",
            required: false,
            about: "with no-duplicates: the wanted app takes the port from the one other entry that holds it; default: false",
        },
        Key { name: "pm2_home", required: false, about: "PM2_HOME; default: host.vars.pm2_home, else ~/.pm2 of the acting user" },
    ],
    parse,
};

fn parse(mut fields: Fields<'_>) -> Parsed {
    const WORDS: [&str; 6] = ["no-duplicates", "running", "stopped", "absent", "restarted", "reloaded"];
    let ensure = fields.word("ensure", &WORDS);
    let app = fields.need_string("app");
    let namespace = fields.string("namespace");
    let cwd = fields.string("cwd");
    let port = fields.port("port");
    let only = fields.table("start", |start| start.need_string("config").zip(start.need_string("only")));
    let save = fields.bool("save").unwrap_or(true);
    let replace = fields.bool("replace_holder").unwrap_or(false);
    let home = pm2_home(&mut fields);
    if fields.value("ensure").is_none() {
        fields.error("ensure", "`ensure` is missing", Some("add ensure = \"running\"".to_owned()));
    }
    if replace && ensure.is_some_and(|ensure| ensure != "no-duplicates") {
        let hint = "ensure = \"no-duplicates\", or take it out";
        fields.error("replace_holder", "`replace_holder = true` belongs to `no-duplicates`", Some(hint.to_owned()));
    }
    if app.as_ref().is_some_and(|app| !is_plain(app)) {
        fields.error("app", "`app` begins with a dash or contains a comma or a control character", None);
    }
    if let Some((config, only)) = &only {
        if Some(only) != app.as_ref() {
            fields.error("start", "`start.only` must be the app itself", Some("write only = the name in `app`".to_owned()));
        }
        if cwd.is_none() {
            fields.error("start", format!("`start` needs `cwd`: where {} lies", literal(config)), None);
        }
    }
    let start = only.zip(cwd.clone()).map(|((config, only), cwd)| Start { cwd, config, only, namespace: namespace.clone() });
    let step = app.zip(ensure).map(|(app, ensure)| {
        let ensure = match ensure {
            "no-duplicates" => Ensure::NoDuplicates,
            "stopped" => Ensure::Done(Verb::Stop),
            "absent" => Ensure::Done(Verb::Delete),
            "restarted" => Ensure::Done(Verb::Restart),
            "reloaded" => Ensure::Done(Verb::Reload),
            _ => Ensure::Running,
        };
        Arc::new(Pm2 { ensure, wanted: Wanted { app, namespace, cwd }, port, start, save, replace, home }) as Arc<dyn Step>
    });
    fields.finish(step)
}

/// Whether a name can be given to pm2 as it stands: it could read a leading dash as an option and a comma as a list.
fn is_plain(name: &str) -> bool {
    !name.starts_with('-') && !name.chars().any(|c| c == ',' || c.is_control())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ensure {
    NoDuplicates,
    Running,
    /// The entries are to be stopped, deleted, restarted or reloaded, by id.
    Done(Verb),
}

#[derive(Debug)]
pub(crate) struct Pm2 {
    ensure: Ensure,
    wanted: Wanted,
    pub(crate) port: Option<u16>,
    start: Option<Start>,
    pub(crate) save: bool,
    /// Whether the wanted app may take the port from another entry.
    pub(crate) replace: bool,
    pub(crate) home: String,
}

impl Step for Pm2 {
    fn probes(&self, _: &Target) -> Vec<Op> {
        let mut ops = probes(&self.home, Pm2Method::Processes);
        if let Some(start) = self.start.as_ref().filter(|_| self.ensure == Ensure::Running) {
            let look = Shell::look("directory and config of the app", RELEASE);
            ops.push(Op::Shell(look.env("START_CWD", start.cwd.as_str()).env("CONFIG", start.config.as_str())));
        }
        ops
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        if let Some(finding) = evidence.acted.and_then(guard) {
            return Ok(Verdict::Refuse(finding));
        }
        let look = evidence.last()?;
        let seen = Seen::read(look)?;
        let (state, line) = seen.daemon.clone()?;
        let Some(apps) = seen.apps.as_deref().filter(|_| state == DaemonState::Alive) else {
            let mut finding = Finding::new(if state == DaemonState::Alive { "none" } else { state.word() }, line);
            finding.hint = state.hint().map(str::to_owned);
            return Ok(Verdict::Refuse(finding));
        };
        let port = port_of(&seen, apps, &self.wanted, self.port);
        let holders = port.map(|port| seen.holders(port)).transpose()?.unwrap_or_default();
        let place = Place { step: self, seen: &seen, apps, port, holders: &holders };
        let verdict = match (self.ensure, evidence.acted) {
            (Ensure::NoDuplicates, None) => place.duplicates(),
            (Ensure::NoDuplicates, Some(acted)) => match replaced(acted) {
                Some(exit) => place.after_replace(evidence, acted, exit),
                None => place.after_delete(evidence, acted),
            },
            (Ensure::Done(verb), None) => place.verb(verb),
            (Ensure::Done(verb), Some(acted)) => place.after_verb(verb, evidence, acted),
            (Ensure::Running, None) => place.running(look.replies.get(2)),
            (Ensure::Running, Some(acted)) => place.after_start(evidence, acted),
        };
        verdict.map(|verdict| unmistakable(verdict, apps))
    }

    fn recheck(&self) -> bool {
        true
    }
}

/// One look at the app and its port.
pub(crate) struct Place<'a> {
    pub(crate) step: &'a Pm2,
    pub(crate) seen: &'a Seen,
    pub(crate) apps: &'a [Pm2App],
    pub(crate) port: Option<u16>,
    pub(crate) holders: &'a [Holder],
}

impl Place<'_> {
    pub(crate) fn wanted(&self) -> Vec<&Pm2App> {
        self.apps.iter().filter(|app| self.step.wanted.is(app, &self.seen.view)).collect()
    }

    pub(crate) fn name(&self) -> String {
        clean(&self.step.wanted.app)
    }

    /// The first holder of the port who is not the wanted app.
    pub(crate) fn stranger(&self) -> Result<Option<Finding>, Unreadable> {
        let Some(port) = self.port else { return Ok(None) };
        let wanted = self.wanted();
        for holder in self.holders {
            let is_wanted = |name: &str, space: &str| wanted.iter().any(|app| app.name == name && app.namespace == space);
            let (word, line) = describe(holder, is_wanted)?;
            if word != "owned" {
                let mut finding = Finding::new(word, format!(":{port} is held by {line}, not by {}", self.name()));
                finding.hint = holder_hint(word).map(str::to_owned);
                return Ok(Some(finding));
            }
        }
        Ok(None)
    }

    fn duplicates(&self) -> Result<Verdict, Unreadable> {
        if let Some(finding) = self.stranger()? {
            let replace = self.step.replace && finding.code == "wrong-holder";
            return Ok(if replace { self.replace(finding) } else { Verdict::Refuse(finding) });
        }
        let family = family(self.seen, self.apps, &self.step.wanted, self.port, self.holders, None);
        let losers: Vec<(&Pm2App, &str)> = family
            .rivals
            .iter()
            .filter(|(app, _)| !self.holders.iter().any(|holder| holder.is_app(app.pm_id)))
            .map(|(app, why)| (*app, why.as_str()))
            .collect();
        if losers.is_empty() {
            return Ok(self.no_rivals(family.wanted.len() > family.expected));
        }
        let Some((port, holder)) = self.port.zip(self.holders.first()) else {
            let what = self.port.map_or_else(
                || "no port is known to tell the right one by".to_owned(),
                |port| format!(":{port} is held by nobody"),
            );
            let finding = Finding::new(
                "free",
                format!("{} entries fight for the place of {}, and {what}", losers.len() + family.wanted.len(), self.name()),
            )
            .hint("start the right one first, or give `port`");
            return Ok(Verdict::Refuse(finding));
        };
        if let Some((app, _)) = losers.iter().find(|(app, _)| !is_plain(&app.name)) {
            let finding =
                Finding::new("odd-name", format!("entry {} has a name that cannot be given to pm2", clean(&app.title())));
            return Ok(Verdict::Refuse(finding.hint(format!("delete it by hand: pm2 delete {}", app.pm_id))));
        }
        let effects =
            losers.iter().map(|(app, why)| format!("delete pm2 entry {} ({why}, does not hold :{port})", clean(&app.title())));
        let mut effects: Vec<String> = effects.collect();
        if self.step.save {
            effects.push(SAVED.to_owned());
        }
        let names: Vec<String> = losers.iter().map(|(app, _)| clean(&app.title())).collect();
        let why = Note::new(
            "duplicates",
            format!("{} holds :{port} ({}); in its place too: {}", self.name(), holder.shown(), names.join(", ")),
        )
        .value("losers", losers.iter().map(|(app, _)| app.pm_id).collect::<Vec<_>>())
        .value("unique_ids", losers.iter().map(|(app, _)| Value::from(app.unique_id.clone())).collect::<Vec<_>>())
        .value(
            "holder",
            self.holders.iter().map(|holder| Value::from(vec![holder.pid.map(u64::from), holder.start])).collect::<Vec<_>>(),
        );
        let apps: Vec<&Pm2App> = losers.iter().map(|(app, _)| *app).collect();
        let ops = by_id(&self.step.home, Verb::Delete, &apps, self.step.save);
        Ok(Verdict::Change(Box::new(Change { why, effects, destroys: true, ops, undo: Vec::new(), obligation: None })))
    }

    fn no_rivals(&self, too_many: bool) -> Verdict {
        if too_many {
            let finding = Finding::new(
                "free",
                format!(
                    "{} has more entries than it should, and none of them tells by holding a port which to keep",
                    self.name()
                ),
            );
            return Verdict::Refuse(finding.hint("delete the wrong one by hand, by its id"));
        }
        let note = Note::new("clean", format!("no entry fights with {}", self.name()));
        Verdict::Holds(match self.ghosts() {
            ghosts if ghosts.is_empty() => note,
            ghosts => note
                .hint(format!("dump.pm2 still has {}: run pm2 save, or it comes back at the next resurrect", ghosts.join(", "))),
        })
    }

    /// Saved apps in the wanted app's place that PM2 does not have now.
    fn ghosts(&self) -> Vec<String> {
        let Dump::Apps(saved) = &self.seen.view.dump else { return Vec::new() };
        let wanted = self.wanted();
        let same = |one: &Option<String>, other: &Option<String>| {
            one.as_deref().zip(other.as_deref()).is_some_and(|(one, other)| same_dir(&self.seen.view, one, other))
        };
        saved
            .iter()
            .filter(|app| !self.apps.iter().any(|live| live.name == app.name))
            .filter(|app| wanted.iter().any(|own| same(&own.cwd, &app.cwd) && same(&own.script, &app.script)))
            .map(|app| clean(&app.name))
            .collect()
    }

    /// What must be true after every change: the others as they were, the list saved.
    pub(crate) fn after(
        &self,
        evidence: &Evidence<'_>,
        acted: &Acted,
        meant: impl Fn(&Pm2App) -> bool,
    ) -> Result<Option<Verdict>, Unreadable> {
        let (first, last) = before(evidence, acted)?;
        if let Some(line) = disturbed(&first, &last, self.seen, meant) {
            return Ok(Some(Verdict::Refuse(with_replies(Finding::new("neighbour-changed", line), acted))));
        }
        match unsaved(self.seen).filter(|_| self.step.save) {
            Some(line) => {
                Ok(Some(Verdict::NotYet(Note::new("not-saved", line).hint("run pm2 save once PM2 lists what it should"))))
            }
            None => Ok(None),
        }
    }

    fn after_delete(&self, evidence: &Evidence<'_>, acted: &Acted) -> Result<Verdict, Unreadable> {
        let gone = targets(acted);
        let is_target = |app: &Pm2App| gone.iter().any(|(id, name)| *id == app.pm_id && *name == app.name);
        let (_, last) = before(evidence, acted)?;
        let names = |holders: &[Holder]| holders.iter().map(|holder| (holder.pid, holder.start)).collect::<Vec<_>>();
        let held = self.port.map(|port| last.holders(port)).transpose()?.unwrap_or_default();
        if names(&held) != names(self.holders) {
            let now = self.holders.first().map_or_else(|| "nobody".to_owned(), Holder::shown);
            let finding = Finding::new(
                "holder-changed",
                format!(
                    "the port is held by {now} and was held by {}",
                    held.first().map_or_else(|| "nobody".to_owned(), Holder::shown)
                ),
            );
            return Ok(Verdict::Refuse(with_replies(finding, acted)));
        }
        if let Some(app) = self.apps.iter().find(|app| is_target(app)) {
            let note = Note::new("duplicates", format!("entry {} is still there", clean(&app.title())));
            let said = with_replies(Finding::new("", ""), acted).evidence;
            return Ok(Verdict::NotYet(Note { evidence: said, ..note }));
        }
        if let Some(verdict) = self.after(evidence, acted, is_target)? {
            return Ok(verdict);
        }
        let deleted: Vec<String> = gone.iter().map(|(id, name)| format!("{id} {}", clean(name))).collect();
        let holder = self.holders.first().map_or_else(|| "nobody".to_owned(), Holder::shown);
        let mut note =
            Note::new("clean", format!("deleted {}; {} still holds its port, {holder}", deleted.join(", "), self.name()));
        if let Some(pid) = self.holders.first().and_then(|holder| holder.pid) {
            note = note.value("pid", pid);
        }
        Ok(Verdict::Holds(note))
    }

    /// Whether the app runs: the note is `running` only if all of it does.
    pub(crate) fn state(&self, wanted: &[&Pm2App]) -> Note {
        for app in wanted {
            let title = clean(&app.title());
            let (word, line) = match (&app.status, app.pid) {
                (Status::Online, Some(pid)) if self.seen.view.procs.get(pid).is_some_and(Proc::is_alive) => continue,
                (Status::Online, _) => ("no-process", format!("PM2 says {title} is online, and it has no process")),
                (Status::Stopped, None) => ("stopped", format!("{title} is stopped")),
                (Status::Errored, _) => ("errored", format!("PM2 has given {title} up")),
                // `stopped` with a process is a moment between two restarts.
                (status, _) => ("starting", format!("{title} is {status}")),
            };
            return Note::new(word, line);
        }
        let pids: Vec<String> = wanted.iter().filter_map(|app| app.pid).map(|pid| pid.to_string()).collect();
        match self.step.port {
            Some(port) if self.holders.is_empty() => Note::new(
                "not-listening",
                format!("{} (pid {}) runs and does not listen on :{port}", self.name(), pids.join(" ")),
            ),
            Some(port) => Note::new("running", format!("{} (pid {}) runs and holds :{port}", self.name(), pids.join(" "))),
            None => Note::new("running", format!("{} (pid {}) runs", self.name(), pids.join(" "))),
        }
    }

    fn running(&self, release: Option<&Reply>) -> Result<Verdict, Unreadable> {
        if self.step.port.is_some()
            && let Some(finding) = self.stranger()?
        {
            return Ok(Verdict::Refuse(finding));
        }
        let wanted = self.wanted();
        if wanted.is_empty() {
            return self.absent(release);
        }
        let note = self.state(&wanted);
        match note.word.as_str() {
            "running" => Ok(Verdict::Holds(note)),
            "stopped" | "errored" | "no-process" => Ok(Verdict::Change(Box::new(self.restart(&wanted)))),
            _ => Ok(Verdict::NotYet(note)),
        }
    }

    fn restart(&self, wanted: &[&Pm2App]) -> Change {
        let down: Vec<&Pm2App> = wanted
            .iter()
            .copied()
            .filter(|app| !matches!(self.state(&[app]).word.as_str(), "running" | "not-listening" | "starting"))
            .collect();
        let mut effects: Vec<String> = down.iter().map(|app| format!("restart pm2 entry {}", clean(&app.title()))).collect();
        if self.step.save {
            effects.push(SAVED.to_owned());
        }
        let stopped: Vec<&Pm2App> = down.iter().copied().filter(|app| app.status == Status::Stopped).collect();
        Change {
            why: self.state(wanted),
            effects,
            destroys: false,
            ops: by_id(&self.step.home, Verb::Restart, &down, self.step.save),
            undo: by_id(&self.step.home, Verb::Stop, &stopped, self.step.save),
            obligation: None,
        }
    }

    fn absent(&self, release: Option<&Reply>) -> Result<Verdict, Unreadable> {
        // `start` would restart an entry of that name, or move it here from its own namespace.
        if let Some(app) = self.apps.iter().find(|app| app.name == self.step.wanted.app) {
            let place = format!("namespace {}, directory {}", app.namespace, app.cwd.as_deref().unwrap_or("?"));
            let finding = Finding::new("other-place", clean(&format!("entry {} is in {place}", app.title())));
            return Ok(Verdict::Refuse(finding.hint("an app of that name runs elsewhere; starting this one would move it")));
        }
        let Some(start_with) = &self.step.start else {
            let finding = Finding::new("absent", format!("PM2 has no entry {}", self.name()));
            return Ok(Verdict::Refuse(finding.hint("add start = { config, only } and cwd")));
        };
        let said = match release {
            Some(Reply::Shell(shell)) if shell.exit.is_success() => shell.stdout.text().map(str::trim),
            _ => None,
        };
        match said {
            Some("ready") => {}
            Some("no-cwd") => {
                let line = format!("{} is missing or may not be entered", clean(&start_with.cwd));
                return Ok(Verdict::Refuse(Finding::new("missing-cwd", line).hint("deploy the release first")));
            }
            Some("no-config") => {
                let line = format!("{} is missing in {} or may not be read", clean(&start_with.config), clean(&start_with.cwd));
                return Ok(Verdict::Refuse(Finding::new("missing-config", line)));
            }
            _ => return Err(Unreadable::new("the look at the app's directory cannot be read")),
        }
        let mut effects = vec![format!("start {} from {} in {}", self.name(), clean(&start_with.config), clean(&start_with.cwd))];
        if self.step.save {
            effects.push(SAVED.to_owned());
        }
        Ok(Verdict::Change(Box::new(Change {
            why: Note::new("absent", format!("PM2 has no entry {}", self.name())),
            effects,
            destroys: false,
            ops: vec![start(&self.step.home, start_with, self.step.save)],
            undo: Vec::new(),
            obligation: None,
        })))
    }

    fn after_start(&self, evidence: &Evidence<'_>, acted: &Acted) -> Result<Verdict, Unreadable> {
        let wanted = self.wanted();
        if let Some(finding) = self.stranger()?.filter(|_| self.step.port.is_some()) {
            return Ok(Verdict::Refuse(with_replies(finding, acted)));
        }
        let note = if wanted.is_empty() {
            Note::new("absent", format!("PM2 still has no entry {}", self.name()))
        } else {
            self.state(&wanted)
        };
        match note.word.as_str() {
            "running" => {}
            "errored" => return Ok(Verdict::Refuse(with_replies(Finding::from(note).hint("its error log tells why"), acted))),
            _ => {
                let said = with_replies(Finding::new("", ""), acted).evidence;
                return Ok(Verdict::NotYet(Note { evidence: said, ..note }));
            }
        }
        let meant = |app: &Pm2App| app.name == self.step.wanted.app;
        Ok(self.after(evidence, acted, meant)?.unwrap_or(Verdict::Holds(note)))
    }
}
