//! Whether a process that PM2 seems to have lost may be ended: everything that can be told from a look.

use crate::model::finding::Finding;
use crate::model::step::Unreadable;
use crate::read::holder::Holder;
use crate::read::pm2::Pm2App;
use crate::read::pm2_daemon::DaemonState;
use crate::read::proc::{Proc, clean};
use crate::steps::free_port::{FreePort, once};
use crate::steps::pm2_look::Seen;

/// A process that may be ended: what names it, and what it was started through.
#[derive(Debug)]
pub(crate) struct Lost<'a> {
    pub(crate) pid: u32,
    /// In ticks after boot.
    pub(crate) start: u64,
    pub(crate) cwd: &'a str,
    /// PM2_HOME and pm_id as its environment has them.
    pub(crate) home: &'a str,
    pub(crate) pm_id: &'a str,
    /// Its lost ancestors, nearest first.
    pub(crate) wrappers: Vec<&'a Proc>,
}

/// The process, or the guard that does not hold.
pub(crate) fn lost<'a>(step: &FreePort, seen: &'a Seen, holder: &Holder) -> Result<Result<Lost<'a>, Finding>, Unreadable> {
    let who = clean(&holder.shown());
    let Some(proc) = holder.pid.and_then(|pid| seen.view.procs.get(pid)).filter(|proc| proc.pid > 1) else {
        return Err(Unreadable::new(format!("{who} is not in the process table")));
    };
    let (Some(home), Some(pm_id)) = (proc.env.get("PM2_HOME"), proc.env.get("pm_id")) else {
        return Err(Unreadable::new(format!("{who} does not tell which PM2 started it")));
    };
    let apps = match listed(seen)? {
        Ok(apps) => apps,
        Err(finding) => return Ok(Err(finding)),
    };
    let no = |word: &str, line: String, hint: &str| Ok(Err(Finding::new(word, line).hint(hint)));
    if proc.uid != Some(seen.view.uid) {
        let user = proc.uid.map_or_else(|| "a user who may not be seen".to_owned(), |uid| format!("user {uid}"));
        let line = format!("{who} is a process of {user}; we are {} ({})", seen.view.user, seen.view.uid);
        return no("not-ours", line, "log in as its user");
    }
    let cwd = match in_place(step, seen, proc) {
        Ok(cwd) => cwd,
        Err(finding) => return Ok(Err(finding)),
    };
    if let Some(line) = tied(seen, apps, proc) {
        return no("not-lost", format!("{who} {line}"), "end it by hand if it is to go");
    }
    match wrappers(seen, proc) {
        Ok(wrappers) => Ok(Ok(Lost { pid: proc.pid, start: proc.start, cwd, home, pm_id, wrappers })),
        Err(line) => no("not-lost", format!("{who}, once {}, {line}", once(holder)), "end it by hand if it is to go"),
    }
}

/// PM2's entries; none where there is no daemon that could have any.
fn listed(seen: &Seen) -> Result<Result<&[Pm2App], Finding>, Unreadable> {
    let (state, line) = seen.daemon.clone()?;
    Ok(match (state, seen.apps.as_deref()) {
        (DaemonState::Alive, Some(apps)) => Ok(apps),
        (DaemonState::None, None) => Ok(&[]),
        _ => {
            let mut finding = Finding::new("no-list", format!("PM2 does not tell which processes it has: {line}"));
            finding.hint = state.hint().map(str::to_owned);
            Err(finding)
        }
    })
}

/// Its directory, where that is the one that PM2 started it in, or one that the step allows.
fn in_place<'a>(step: &FreePort, seen: &Seen, proc: &'a Proc) -> Result<&'a str, Finding> {
    let who = format!("pid {} ({})", proc.pid, clean(proc.shown()));
    let told = proc.env.get("pm_cwd").map(|dir| seen.view.absolute(dir));
    let Some(cwd) = proc.cwd.as_deref() else {
        let line = format!("{who} runs in /, or in a directory that may not be seen");
        return Err(Finding::new("elsewhere", line).hint("end it by hand if it is to go"));
    };
    // The kernel says so of a directory that was removed or replaced under it, as a deploy does.
    let dir = cwd.strip_suffix(" (deleted)").unwrap_or(cwd);
    let below = |above: &str| dir == above || dir.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'));
    if told.as_deref() == Some(dir) || step.cwd.as_deref().is_some_and(|allowed| below(&seen.view.absolute(allowed))) {
        return Ok(cwd);
    }
    let told = told.map_or_else(|| "elsewhere".to_owned(), |dir| format!("in {}", clean(&dir)));
    let line = format!("{who} runs in {}, and PM2 started it {told}", clean(cwd));
    Err(Finding::new("elsewhere", line).hint("add cwd = \"…\": a directory that it may run in or below"))
}

/// What ties it to something that PM2 still has.
fn tied(seen: &Seen, apps: &[Pm2App], proc: &Proc) -> Option<String> {
    let procs = &seen.view.procs;
    let is_above = |pid: u32| procs.chain(pid).iter().any(|up| up.pid == proc.pid);
    if let Some(app) = apps.iter().find(|app| app.pid.is_some_and(is_above)) {
        return Some(format!("has entry {} of PM2 below it", clean(&app.title())));
    }
    if let Some(daemon) = seen.view.daemons.iter().flatten().find(|daemon| is_above(daemon.pid)) {
        return Some(format!("has the PM2 daemon {} below it", daemon.pid));
    }
    // A helper that an app has detached looks just like a lost process, but is younger than the app.
    let parent = apps.iter().filter(|app| came_from(app, proc)).find(|app| {
        let its = app.pid.and_then(|pid| procs.get(pid)).filter(|its| its.is_alive());
        its.is_some_and(|its| its.start <= proc.start)
    })?;
    Some(format!("began after entry {} did, which it came from: it may be a helper of it", clean(&parent.title())))
}

fn came_from(app: &Pm2App, proc: &Proc) -> bool {
    match (&app.unique_id, proc.env.get("unique_id")) {
        (Some(its), Some(own)) => its == own,
        _ => proc.env.get("name") == Some(&app.name) && proc.env.get("pm_id").is_some_and(|id| *id == app.pm_id.to_string()),
    }
}

/// What it was started through: all of it must have been lost together with it, up to process 1 or the user's own systemd.
fn wrappers<'a>(seen: &'a Seen, proc: &'a Proc) -> Result<Vec<&'a Proc>, String> {
    let mut wrappers = Vec::new();
    for up in seen.view.procs.chain(proc.pid).into_iter().skip(1) {
        let reaper = up.ppid == 1 && up.comm == "systemd" && up.uid == proc.uid;
        if up.pid == 1 || reaper {
            return Ok(wrappers);
        }
        let same = ["PM2_HOME", "pm_id", "unique_id"].iter().all(|key| up.env.get(*key) == proc.env.get(*key));
        if up.uid != proc.uid || !same {
            return Err(format!("runs under pid {} ({}), which PM2 did not start with it", up.pid, clean(up.shown())));
        }
        wrappers.push(up);
    }
    Err("has ancestors that cannot all be seen".to_owned())
}
