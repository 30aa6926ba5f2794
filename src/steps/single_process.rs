//! `single-process`: exactly the expected processes of an app, and nobody who fights with them.
//!
//! PM2's entry, the listening socket and the process table must agree, and the restart counters are read twice: an entry
//! that is `online` in every sample may have died in between each time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::model::fields::Fields;
use crate::model::op::{Op, Pm2Method};
use crate::model::outcome::Risk;
use crate::model::plan::Section;
use crate::model::step::{Evidence, Look, Note, Step, Target, Unreadable, Verdict};
use crate::read::holder::{Holder, Owner};
use crate::read::pm2::{Pm2App, Status};
use crate::read::pm2_daemon::DaemonState;
use crate::read::proc::{Proc, clean};
use crate::steps::pm2_look::{Seen, Wanted, describe, pm2_home, probes, same_dir};
use crate::steps::rivals::{Family, family, port_of};
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// Two samples of a counter are at least this far apart.
const APART: Duration = Duration::from_millis(2_000);
/// How long to wait for the second one.
const AGAIN: Duration = Duration::from_millis(2_500);

/// The kind.
pub(crate) const KIND: Kind = Kind {
    name: "single-process",
    class: Class::Check,
    risk: Risk::ReadOnly,
    scopes: ON_HOSTS,
    acts_as: false,
    runs: true,
    touches: Touches::Nothing,
    title: "exactly the expected processes of an app",
    about: "PM2's entry, the listening socket and the process table must agree; restart counters are sampled twice, at least 2 s \
            apart. Of several verdicts that are true the first in this order is given: several-daemons, absent, looping, \
            backing-off, duplicates, errored, disagrees, single. So a duplicate that loops beside a healthy app is `looping`, and \
            the summary names both. An entry that was told another port, or listens on one, is never a duplicate; one that \
            shares only the directory counts for `looping`, not for `duplicates`. With `stable_for` the pids, the counters, the \
            listener and the set of entries must not change for so long; each disturbance starts it again.",
    verdicts: &[
        ("single", "the expected processes and no other; with `stable_for`, perhaps not for long enough yet"),
        ("looping", "a counter of the app or of a rival has grown between two samples"),
        ("backing-off", "PM2 waits before it starts the app or a rival again"),
        ("errored", "PM2 has given the app up"),
        ("duplicates", "another entry, or a process that PM2 does not know, is in the app's place"),
        ("several-daemons", "more than one daemon for this PM2_HOME"),
        ("disagrees", "PM2's entry, the socket and the process table do not agree"),
        ("absent", "PM2 has no such entry, or there is no daemon"),
    ],
    keys: &[
        Key { name: "app", required: true, about: "the app's name in PM2" },
        Key { name: "namespace", required: false, about: "its namespace; default: any" },
        Key { name: "cwd", required: false, about: "its directory; default: any" },
        Key { name: "instances", required: false, about: "how many entries; default: as many as PM2 was asked for" },
        Key { name: "port", required: false, about: "the port it must listen on" },
        Key { name: "stable_for", required: false, about: "for how long nothing may change; not in a pre-check" },
        Key { name: "pm2_home", required: false, about: "PM2_HOME; default: host.vars.pm2_home, else ~/.pm2 of the acting user" },
    ],
    parse,
};

fn parse(mut fields: Fields<'_>) -> Parsed {
    let app = fields.need_string("app");
    let namespace = fields.string("namespace");
    let cwd = fields.string("cwd");
    let instances = fields.number("instances", 1, 1024).and_then(|n| usize::try_from(n).ok());
    let port = fields.port("port");
    let stable_for = fields.duration("stable_for");
    let home = pm2_home(&mut fields);
    if stable_for.is_some() && fields.context.section == Section::Precheck {
        fields.error("stable_for", "a pre-check does not wait", Some("use stable_for in [[verify]]".to_owned()));
    }
    let step = app.map(|app| {
        let wanted = Wanted { app, namespace, cwd };
        Arc::new(SingleProcess { wanted, instances, port, stable_for, home }) as Arc<dyn Step>
    });
    fields.finish(step)
}

#[derive(Debug)]
struct SingleProcess {
    wanted: Wanted,
    instances: Option<usize>,
    port: Option<u16>,
    stable_for: Option<Duration>,
    home: String,
}

impl Step for SingleProcess {
    fn patience(&self) -> Duration {
        self.stable_for.unwrap_or_default()
    }

    fn probes(&self, _: &Target) -> Vec<Op> {
        probes(&self.home, Pm2Method::Processes)
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let seen = Seen::read(evidence.last()?)?;
        let (state, line) = seen.daemon.clone()?;
        let hint = |note: Note| Note { hint: state.hint().map(str::to_owned), ..note };
        match state {
            DaemonState::Several => return Ok(Verdict::NotYet(hint(Note::new("several-daemons", line)))),
            DaemonState::None => return Ok(Verdict::NotYet(hint(Note::new("absent", line)))),
            DaemonState::Alive => {}
            DaemonState::Stopped | DaemonState::LostSocket | DaemonState::NotOurs => {
                return Err(Unreadable {
                    what: format!("PM2's list cannot be had: {line}"),
                    hint: state.hint().map(str::to_owned),
                });
            }
        }
        let apps = seen.apps.as_deref().ok_or_else(|| Unreadable::new("PM2's list was not asked for"))?;
        let port = port_of(&seen, apps, &self.wanted, self.port);
        let holders = port.map(|port| seen.holders(port)).transpose()?.unwrap_or_default();
        let family = family(&seen, apps, &self.wanted, port, &holders, self.instances);
        if family.wanted.is_empty() {
            return Ok(Verdict::NotYet(self.absent(apps, &family, &holders)?));
        }
        let earlier = match earlier(evidence.looks) {
            Ok(earlier) => earlier,
            Err(after) => return Ok(Verdict::Again { after }),
        };
        let picture =
            Picture { step: self, seen: &seen, family: &family, holders: &holders, loops: loops(&earlier, &seen, &family) };
        let note = picture.note(&earlier)?;
        if note.word != "single" {
            return Ok(Verdict::NotYet(note));
        }
        Ok(match self.stable_for {
            None => Verdict::Holds(note),
            Some(want) => self.steady(evidence.looks, &seen, note, want),
        })
    }
}

/// The newest readable look that is old enough to be a second sample; else how long to wait for one.
fn earlier(looks: &[Look]) -> Result<Seen, Duration> {
    let Some((last, before)) = looks.split_last() else { return Err(AGAIN) };
    let readable = before.iter().rev().filter_map(|look| Seen::read(look).ok()).filter(|seen| seen.apps.is_some());
    let mut waited = Duration::ZERO;
    for seen in readable {
        waited = last.at.since(seen.at);
        if waited >= APART {
            return Ok(seen);
        }
    }
    Err(AGAIN.saturating_sub(waited).max(Duration::from_millis(500)))
}

/// An entry whose counter has grown.
#[derive(Debug)]
struct Loop<'a> {
    app: &'a Pm2App,
    before: u64,
    over: Duration,
}

impl Loop<'_> {
    fn line(&self) -> String {
        let tenths = self.over.as_millis().div_ceil(100);
        format!("{}: {} -> {} in {}.{} s", clean(&self.app.name), self.before, self.app.restarts, tenths / 10, tenths % 10)
    }
}

/// Entries of the family whose counters have grown since the earlier sample.
fn loops<'a>(earlier: &Seen, seen: &Seen, family: &Family<'a>) -> Vec<Loop<'a>> {
    let old = earlier.apps.as_deref().unwrap_or_default();
    let over = seen.at.since(earlier.at);
    members(family)
        .filter_map(|app| {
            let before =
                old.iter().find(|o| o.pm_id == app.pm_id && o.name == app.name && o.unique_id == app.unique_id)?.restarts;
            (app.restarts > before).then_some(Loop { app, before, over })
        })
        .collect()
}

fn members<'a, 'f>(family: &'f Family<'a>) -> impl Iterator<Item = &'a Pm2App> + use<'a, 'f> {
    let rivals = family.rivals.iter().map(|(app, _)| *app);
    family.wanted.iter().copied().chain(rivals).chain(family.neighbours.iter().copied())
}

impl SingleProcess {
    fn absent(&self, apps: &[Pm2App], family: &Family<'_>, holders: &[Holder]) -> Result<Note, Unreadable> {
        let mut line = format!("PM2 has no entry {}", clean(&self.wanted.app));
        if let Some(namespace) = &self.wanted.namespace {
            line.push_str(&format!(" in namespace {}", clean(namespace)));
        }
        if let Some((port, holder)) = family.port.zip(holders.first()) {
            line.push_str(&format!("; :{port} is held by {}", describe(holder, |_, _| false)?.1));
        }
        let same: Vec<String> = apps
            .iter()
            .filter(|app| app.name == self.wanted.app)
            .map(|app| {
                format!("{} is in namespace {}, directory {}", app.title(), app.namespace, app.cwd.as_deref().unwrap_or("?"))
            })
            .collect();
        let mut note = Note::new("absent", line);
        for line in same {
            note = note.evidence(clean(&line));
        }
        Ok(note)
    }

    /// Holds once nothing has changed for long enough over consecutive looks.
    fn steady(&self, looks: &[Look], seen: &Seen, note: Note, want: Duration) -> Verdict {
        let Some(now) = self.still(seen) else { return Verdict::NotYet(note) };
        let mut since = seen.at;
        for look in looks.iter().rev().skip(1) {
            // A look that cannot be read tells nothing; counters and start times on both sides of it do.
            let Ok(then) = Seen::read(look) else { continue };
            if self.still(&then).as_ref() != Some(&now) {
                break;
            }
            since = then.at;
        }
        let steady = seen.at.since(since);
        let note = note.value("steady_ms", u64::try_from(steady.as_millis()).unwrap_or(u64::MAX));
        if steady >= want {
            let summary = format!("steady for {} s: {}", steady.as_secs(), note.summary);
            return Verdict::Holds(Note { summary, ..note });
        }
        let summary = format!("steady for {} s of {} s: {}", steady.as_secs(), want.as_secs_f64(), note.summary);
        Verdict::NotYet(Note { summary, ..note })
    }

    /// What may not change while the app is watched.
    fn still(&self, seen: &Seen) -> Option<Value> {
        let apps = seen.apps.as_deref()?;
        let port = port_of(seen, apps, &self.wanted, self.port);
        let holders = port.map(|port| seen.holders(port)).transpose().ok()?.unwrap_or_default();
        let wanted: Vec<Value> = apps
            .iter()
            .filter(|app| self.wanted.is(app, &seen.view))
            .map(|app| json!([app.pm_id, app.pid, app.restarts, app.up_since, app.unique_id, app.status.to_string()]))
            .collect();
        let all: BTreeSet<(u32, &str, &str)> =
            apps.iter().map(|app| (app.pm_id, app.name.as_str(), app.namespace.as_str())).collect();
        let sockets: Vec<_> = holders.iter().map(|holder| (holder.pid, holder.start, &holder.sockets)).collect();
        Some(json!([wanted, all, sockets]))
    }
}

/// One look together with what it is compared with.
struct Picture<'a> {
    step: &'a SingleProcess,
    seen: &'a Seen,
    family: &'a Family<'a>,
    holders: &'a [Holder],
    loops: Vec<Loop<'a>>,
}

impl Picture<'_> {
    fn note(&self, earlier: &Seen) -> Result<Note, Unreadable> {
        let rivals = self.rivals();
        let problems = self.problems()?;
        let family = self.family;
        let waiting = members(family).find(|app| app.status == Status::WaitingRestart);
        let errored = family.wanted.iter().find(|app| app.status == Status::Errored);
        let (word, summary) = if !self.loops.is_empty() {
            let lines: Vec<String> = self.loops.iter().map(Loop::line).collect();
            ("looping", format!("{}; {}", lines.join(", "), self.own_line(&problems)?))
        } else if let Some(app) = waiting {
            ("backing-off", format!("PM2 waits before it starts {} again; {}", clean(&app.title()), self.own_line(&problems)?))
        } else if !rivals.is_empty() {
            ("duplicates", format!("{}; {}", rivals.join(", "), self.own_line(&problems)?))
        } else if let Some(app) = errored {
            ("errored", format!("PM2 has given {} up after {} restarts{}", clean(&app.title()), app.restarts, self.held_line()?))
        } else if !problems.is_empty() {
            ("disagrees", problems.join("; "))
        } else {
            ("single", self.own_line(&problems)?)
        };
        let mut note = Note::new(word, summary);
        note.hint = hint(word).map(str::to_owned);
        Ok(self.values(note, earlier))
    }

    fn values(&self, mut note: Note, earlier: &Seen) -> Note {
        if let Some(app) = self.family.wanted.first() {
            note = note
                .value("app", app.name.as_str())
                .value("pm_id", app.pm_id)
                .value("restarts", app.restarts)
                .value("status", app.status.to_string());
            if let Some(pid) = app.pid {
                note = note.value("pid", pid);
            }
            let old = earlier.apps.iter().flatten().find(|old| old.pm_id == app.pm_id && old.name == app.name);
            if let Some(old) = old {
                note = note.value("restarts_before", old.restarts);
            }
        }
        note = note.value("entries", self.family.wanted.len());
        let loops: Vec<Value> = self
            .loops
            .iter()
            .map(|l| {
                let ms = u64::try_from(l.over.as_millis()).unwrap_or(u64::MAX);
                json!({"name": clean(&l.app.name), "pm_id": l.app.pm_id, "before": l.before, "after": l.app.restarts, "ms": ms})
            })
            .collect();
        if !loops.is_empty() {
            note = note.value("loops", loops);
        }
        for line in self.loops.iter().map(Loop::line) {
            note = note.evidence(line);
        }
        for app in members(self.family) {
            let pid = app.pid.map_or_else(|| "none".to_owned(), |pid| pid.to_string());
            note = note.evidence(clean(&format!("{} {} pid {pid} restarts {}", app.title(), app.status, app.restarts)));
        }
        note
    }

    /// Everything in the app's place that should not be there, in words.
    fn rivals(&self) -> Vec<String> {
        let family = self.family;
        let mut lines: Vec<String> =
            family.rivals.iter().map(|(app, why)| format!("duplicate {} ({}, {why})", clean(&app.title()), app.status)).collect();
        if family.wanted.len() > family.expected {
            lines.push(format!(
                "{} entries {} instead of {}",
                family.wanted.len(),
                clean(&self.step.wanted.app),
                family.expected
            ));
        }
        for proc in self.strays() {
            lines.push(format!("pid {} ({}) runs beside PM2", proc.pid, proc.shown()));
        }
        lines
    }

    /// Processes of the app that are not in the tree of any entry: those that PM2 has lost, and those started by hand.
    fn strays(&self) -> Vec<&Proc> {
        let procs = &self.seen.view.procs;
        let mut found: Vec<&Proc> = procs.iter().filter(|proc| proc.is_alive() && self.is_stray(proc)).collect();
        let pids: BTreeSet<u32> = found.iter().map(|proc| proc.pid).collect();
        found.retain(|proc| !pids.contains(&proc.ppid));
        found
    }

    fn is_stray(&self, proc: &Proc) -> bool {
        let view = &self.seen.view;
        let lost = proc.env.contains_key("pm_id")
            && proc.env.get("name") == Some(&self.step.wanted.app)
            && proc.env.get("PM2_HOME").is_some_and(|home| view.is_home(home));
        if !lost && !self.runs_script(proc) {
            return false;
        }
        // Under any daemon it is PM2's: an entry that was started after PM2 was asked is not lost.
        let daemons = view.daemons.as_deref().unwrap_or_default();
        !view.procs.chain(proc.pid).iter().any(|up| daemons.iter().any(|daemon| daemon.pid == up.pid))
    }

    fn runs_script(&self, proc: &Proc) -> bool {
        let Some((runner, script)) = proc.command.as_deref().and_then(|command| command.split_once(' ')) else { return false };
        let runner = runner.rsplit('/').next().unwrap_or(runner);
        if !matches!(runner, "node" | "nodejs" | "bun" | "deno") || script.is_empty() {
            return false;
        }
        let full = match (script.starts_with('/'), &proc.cwd) {
            (true, _) => script.to_owned(),
            (false, Some(cwd)) => format!("{}/{script}", cwd.trim_end_matches('/')),
            (false, None) => return false,
        };
        self.family.wanted.iter().filter_map(|app| app.script.as_deref()).any(|its| same_dir(&self.seen.view, its, &full))
    }

    /// Where entry, socket and process table do not agree.
    fn problems(&self) -> Result<Vec<String>, Unreadable> {
        let mut lines = Vec::new();
        for app in &self.family.wanted {
            let title = clean(&app.title());
            match (&app.status, app.pid) {
                (Status::Online, Some(pid)) if self.seen.view.procs.get(pid).is_some_and(Proc::is_alive) => {}
                (Status::Online, Some(pid)) => lines.push(format!("PM2 says {title} is online, and its pid {pid} does not live")),
                (Status::Online, None) => lines.push(format!("PM2 says {title} is online, and it has no process")),
                (status, _) => lines.push(format!("PM2 says {title} is {status}")),
            }
        }
        if self.family.wanted.len() < self.family.expected {
            lines.push(format!("{} of {} entries", self.family.wanted.len(), self.family.expected));
        }
        let Some(port) = self.step.port else { return Ok(lines) };
        if self.holders.is_empty() {
            lines.push(format!("nobody listens on :{port}"));
        }
        for holder in self.holders {
            let (word, line) = describe(holder, |name, namespace| self.is_wanted(name, namespace))?;
            if word != "owned" {
                lines.push(format!(":{port} is held by {line}"));
            }
        }
        Ok(lines)
    }

    fn is_wanted(&self, name: &str, namespace: &str) -> bool {
        self.family.wanted.iter().any(|app| app.name == name && app.namespace == namespace)
    }

    /// The app itself in one clause.
    fn own_line(&self, problems: &[String]) -> Result<String, Unreadable> {
        if !problems.is_empty() {
            return Ok(problems.join("; "));
        }
        let pids: Vec<String> = self.family.wanted.iter().filter_map(|app| app.pid).map(|pid| pid.to_string()).collect();
        let name = clean(&self.step.wanted.app);
        let restarts: u64 = self.family.wanted.iter().map(|app| app.restarts).sum();
        let Some(port) = self.step.port else {
            return Ok(format!("{name} (pid {}) is online, {restarts} restarts", pids.join(" ")));
        };
        let mut who = vec![format!("pid {}", pids.join(" "))];
        who.extend(self.seen.ways(port, self.holders)?.into_iter().map(str::to_owned));
        Ok(format!("{name} ({}) holds :{port}, {restarts} restarts", who.join(", ")))
    }

    /// Who holds the port instead, where somebody does.
    fn held_line(&self) -> Result<String, Unreadable> {
        match self
            .family
            .port
            .zip(self.holders.iter().find(|holder| !matches!(&holder.owner, Owner::Apps(apps) if apps.is_empty())))
        {
            Some((port, holder)) => Ok(format!("; :{port} is held by {}", describe(holder, |_, _| false)?.1)),
            None => Ok(String::new()),
        }
    }
}

fn hint(word: &str) -> Option<&'static str> {
    match word {
        "looping" | "duplicates" => {
            Some("kind = \"pm2\" with ensure = \"no-duplicates\" deletes the entries that do not hold the port")
        }
        "errored" => Some("its error log tells why; kind = \"pm2\" with ensure = \"running\" starts it again"),
        "backing-off" => Some("its error log tells why it ends"),
        "disagrees" => Some("kind = \"port\" tells who holds the port"),
        _ => None,
    }
}
