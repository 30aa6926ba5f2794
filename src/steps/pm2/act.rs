//! How PM2 is changed: one constant script with its guards, and what is compared afterwards. Exit status 0 of pm2 proves
//! nothing: the entries, every other app's process and the saved list do.

use std::time::Duration;

use crate::model::finding::Finding;
use crate::model::op::{Exit, Op, Reply, Shell};
use crate::model::step::{Acted, Evidence, Unreadable, Verdict};
use crate::model::visible::text_of;
use crate::read::pm2::Pm2App;
use crate::read::pm2_host::Dump;
use crate::read::proc::clean;
use crate::steps::pm2_look::Seen;

pub(crate) const SCRIPT: &str = include_str!("act.sh");

/// What is done to one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Delete,
    Restart,
    Reload,
    Stop,
}

impl Verb {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Verb::Delete => "delete",
            Verb::Restart => "restart",
            Verb::Reload => "reload",
            Verb::Stop => "stop",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Verb::Delete => "pm2 delete by id",
            Verb::Restart => "pm2 restart by id",
            Verb::Reload => "pm2 reload by id",
            Verb::Stop => "pm2 stop by id",
        }
    }
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}

fn script(label: &'static str, home: &str, verb: &str, app: &str) -> Shell {
    let mut shell = Shell::change("pm2", SCRIPT).timeout(Duration::from_secs(90)).guarding();
    shell.label = label.into();
    shell.env("PM2_HOME_DIR", home).env("VERB", verb).env("APP_NAME", app)
}

/// One op per entry, by id; the saved list is copied before the first one and written after the last one.
pub(crate) fn by_id(home: &str, verb: Verb, apps: &[&Pm2App], save: bool) -> Vec<Op> {
    let last = apps.len().saturating_sub(1);
    apps.iter()
        .enumerate()
        .map(|(n, app)| {
            let shell = script(verb.label(), home, verb.word(), &app.name)
                .env("APP_ID", app.pm_id.to_string())
                .env("ENTRY_CWD", app.cwd.clone().unwrap_or_default())
                .env("ENTRY_SCRIPT", app.script.clone().unwrap_or_default())
                .env("BACKUP", yes(n == 0))
                .env("SAVE", yes(save && n == last));
            Op::Shell(shell)
        })
        .collect()
}

/// How an app is started that PM2 does not have.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) cwd: String,
    pub(crate) config: String,
    pub(crate) only: String,
    pub(crate) namespace: Option<String>,
}

/// Starts one app of a config file.
pub(crate) fn start(home: &str, start: &Start, save: bool) -> Op {
    let shell = script("pm2 start --only", home, "start", &start.only)
        .env("START_CWD", start.cwd.as_str())
        .env("CONFIG", start.config.as_str())
        .env("NAMESPACE", start.namespace.as_deref().filter(|namespace| *namespace != "default").unwrap_or_default())
        .env("BACKUP", "yes")
        .env("SAVE", yes(save));
    Op::Shell(shell)
}

/// How long an app that takes a port over may take to listen.
pub(crate) const BOOT: Duration = Duration::from_secs(60);

/// Entries that go before one takes a port over, by id: nothing of it is begun where that one could not start.
pub(crate) fn before_replace(home: &str, rivals: &[&Pm2App], next: &Pm2App) -> Vec<Op> {
    let mut ops = by_id(home, Verb::Delete, rivals, false);
    for op in &mut ops {
        if let Op::Shell(shell) = op {
            *shell = with_next(shell.clone(), next);
        }
    }
    ops
}

/// One entry takes the port of another one over: the old one is stopped, and deleted once the next one listens.
pub(crate) fn replace(home: &str, old: &Pm2App, next: &Pm2App, port: u16, backup: bool, save: bool) -> Op {
    let shell = with_next(script("pm2 stop, restart and delete by id", home, REPLACE, &old.name), next)
        .env("APP_ID", old.pm_id.to_string())
        .env("NEXT_ID", next.pm_id.to_string())
        .env("NEXT_NAME", next.name.as_str())
        .env("NEXT_CLUSTER", yes(next.cluster))
        .env("LISTEN_PORT", port.to_string())
        .env("LISTEN_WAIT", BOOT.as_secs().to_string())
        .env("BACKUP", yes(backup))
        .env("SAVE", yes(save));
    Op::Shell(shell.timeout(BOOT + Duration::from_secs(240)))
}

const REPLACE: &str = "replace";

fn with_next(shell: Shell, next: &Pm2App) -> Shell {
    shell.env("NEXT_CWD", next.cwd.clone().unwrap_or_default()).env("NEXT_SCRIPT", next.script.clone().unwrap_or_default())
}

/// Whether the change was that one entry takes a port over, and how its script ended, where it came to that.
pub(crate) fn replaced(acted: &Acted) -> Option<Option<&Exit>> {
    let at = acted
        .change
        .ops
        .iter()
        .position(|op| matches!(op, Op::Shell(shell) if shell.env.get("VERB").is_some_and(|verb| verb == REPLACE)))?;
    Some(acted.replies.get(at).and_then(|reply| match reply {
        Reply::Shell(shell) => Some(&shell.exit),
        _ => None,
    }))
}

/// What the script's guards said no to, before it did anything.
pub(crate) fn guard(acted: &Acted) -> Option<Finding> {
    acted.replies.iter().find_map(|reply| {
        let Reply::Shell(shell) = reply else { return None };
        let Exit::Code { code } = &shell.exit else { return None };
        let (word, line) = match code {
            90 => ("guard", "the script was given no verb"),
            91 => ("missing-cwd", "the app's directory or script is missing or may not be read"),
            92 => ("no-pm2", "pm2 or timeout cannot be found on the host"),
            93 => ("daemon-changed", "not exactly one daemon that can answer"),
            94 => ("drifted", "the entry is not what it was"),
            95 => ("no-backup", "dump.pm2 could not be backed up"),
            _ => return None,
        };
        Some(with_stderr(Finding::new(word, format!("{line}; pm2 was not asked to change it")), shell.stderr.head.as_slice()))
    })
}

/// Adds what the commands said where they ended badly.
pub(crate) fn with_replies(mut finding: Finding, acted: &Acted) -> Finding {
    for reply in &acted.replies {
        if let Reply::Shell(shell) = reply
            && !shell.exit.is_success()
        {
            finding = with_stderr(finding, &shell.stderr.head);
        }
    }
    finding
}

fn with_stderr(mut finding: Finding, stderr: &[u8]) -> Finding {
    let text = text_of(stderr);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in lines.iter().skip(lines.len().saturating_sub(3)) {
        finding = finding.evidence(clean(line));
    }
    finding
}

/// The ids and names that the change was about.
pub(crate) fn targets(acted: &Acted) -> Vec<(u32, String)> {
    acted.change.ops.iter().filter_map(target).collect()
}

/// pm2 takes a number for a name first, then for a namespace, and only then for an id: where something else goes by that
/// name, the id would be somebody else's order.
pub(crate) fn unmistakable(verdict: Verdict, apps: &[Pm2App]) -> Verdict {
    let Verdict::Change(change) = &verdict else { return verdict };
    let taken = change.ops.iter().flat_map(ids).find_map(|id| {
        let text = id.to_string();
        let named = apps.iter().find(|app| app.name == text || app.namespace == text);
        named.map(|app| (id, format!("{} in {}", app.title(), app.namespace)))
    });
    let Some((id, who)) = taken else { return verdict };
    let who = clean(&who);
    let summary = format!("entry {who} is called {id}, by its name or its namespace: pm2 would take the id {id} for it");
    Verdict::Refuse(Finding::new("odd-name", summary).hint("rename it, or act by hand"))
}

/// Every id that an op gives to pm2.
fn ids(op: &Op) -> Vec<u32> {
    let Op::Shell(shell) = op else { return Vec::new() };
    ["APP_ID", "NEXT_ID"].iter().filter_map(|name| shell.env.get(*name)?.parse().ok()).collect()
}

fn target(op: &Op) -> Option<(u32, String)> {
    match op {
        Op::Shell(shell) => Some((shell.env.get("APP_ID")?.parse().ok()?, shell.env.get("APP_NAME")?.clone())),
        _ => None,
    }
}

/// The last readable look before the change, and the first one.
pub(crate) fn before(evidence: &Evidence<'_>, acted: &Acted) -> Result<(Seen, Seen), Unreadable> {
    let looks = evidence.looks.get(..acted.looks_before).unwrap_or_default();
    let mut read = looks.iter().filter_map(|look| Seen::read(look).ok()).filter(|seen| seen.apps.is_some());
    let first = read.next().ok_or_else(|| Unreadable::new("no look before the change can be read"))?;
    // The only look before the change is its own first and last one.
    let last = looks.iter().rev().filter_map(|look| Seen::read(look).ok()).find(|seen| seen.apps.is_some());
    let last = last.ok_or_else(|| Unreadable::new("no look before the change can be read"))?;
    Ok((first, last))
}

/// A process younger than this may be one of a slow loop that two looks did not catch.
const SETTLED: Duration = Duration::from_secs(10);

/// An app that was not meant and was steady before, and is not the same any more. Steady: the same process in all looks
/// before, and never restarted or settled since.
pub(crate) fn disturbed(first: &Seen, last: &Seen, now: &Seen, meant: impl Fn(&Pm2App) -> bool) -> Option<String> {
    let list = |seen: &'_ Seen| seen.apps.clone().unwrap_or_default();
    let (first, now) = (list(first), list(now));
    let same = |one: &Pm2App, other: &Pm2App| one.pm_id == other.pm_id && one.name == other.name;
    list(last).iter().filter(|app| !meant(app) && app.pid.is_some()).find_map(|app| {
        let proc = app.pid.and_then(|pid| last.view.procs.get(pid));
        let settled = app.restarts == 0 || proc.and_then(|proc| last.view.age(proc.start)).is_some_and(|age| age >= SETTLED);
        let steady = settled && first.iter().any(|old| same(old, app) && old.pid == app.pid && old.restarts == app.restarts);
        let kept = now.iter().any(|new| same(new, app) && new.pid == app.pid && new.namespace == app.namespace);
        (steady && !kept).then(|| format!("{} had pid {} and was not meant", clean(&app.title()), app.pid.unwrap_or_default()))
    })
}

/// Where the saved list differs from what PM2 has now. PM2's own modules are not part of it.
pub(crate) fn unsaved(seen: &Seen) -> Option<String> {
    let Dump::Apps(saved) = &seen.view.dump else { return Some("dump.pm2 is missing or cannot be read".to_owned()) };
    let modules = format!("{}/modules/", seen.view.home.trim_end_matches('/'));
    let apps = seen.apps.as_deref().unwrap_or_default();
    let is_module = |app: &Pm2App| app.script.as_deref().is_some_and(|script| script.starts_with(&modules));
    let mut live: Vec<&str> = apps.iter().filter(|app| !is_module(app)).map(|app| app.name.as_str()).collect();
    let mut names: Vec<&str> = saved.iter().map(|app| app.name.as_str()).collect();
    live.sort_unstable();
    names.sort_unstable();
    (live != names).then(|| clean(&format!("dump.pm2 has {}; PM2 has {}", names.join(" "), live.join(" "))))
}
