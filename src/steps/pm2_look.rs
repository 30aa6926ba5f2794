//! What the PM2 kinds look at, all of them the same: one script for processes, sockets and PM2_HOME, and PM2's own list.

use crate::model::fields::Fields;
use crate::model::op::{Op, Pm2Call, Pm2Method, Pm2Reply, Reply};
use crate::model::step::{Look, Note, Unreadable};
use crate::model::time::Timestamp;
use crate::read::holder::{Holder, Owner, holders, is_shared};
use crate::read::pm2::{Pm2App, parse_apps};
use crate::read::pm2_daemon::{DaemonState, assess};
use crate::read::pm2_host::{HostView, probe};
use crate::read::proc::clean;

/// What lets several sockets listen on one address and port.
pub(crate) const SHARED: &str = "SO_REUSEPORT";

/// Which apps of PM2 a step is about.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) app: String,
    pub(crate) namespace: Option<String>,
    pub(crate) cwd: Option<String>,
}

impl Wanted {
    /// Whether the entry is meant by name, namespace and directory.
    pub(crate) fn is(&self, app: &Pm2App, view: &HostView) -> bool {
        app.name == self.app
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == app.namespace)
            && self.cwd.as_ref().is_none_or(|cwd| app.cwd.as_deref().is_some_and(|its| same_dir(view, cwd, its)))
    }
}

/// Whether two paths name the same directory, as far as their text tells.
pub(crate) fn same_dir(view: &HostView, one: &str, other: &str) -> bool {
    view.absolute(one) == view.absolute(other)
}

/// PM2_HOME of a step; a line break in it would forge the answers of the look.
pub(crate) fn pm2_home(fields: &mut Fields<'_>) -> String {
    let home = fields.pm2_home();
    if home.chars().any(char::is_control) {
        fields.error("pm2_home", "`pm2_home` contains a control character", None);
    }
    home
}

/// The looks: the host first, then the daemon.
pub(crate) fn probes(home: &str, method: Pm2Method) -> Vec<Op> {
    let timeout = std::time::Duration::from_secs(5);
    vec![probe(home), Op::Pm2(Pm2Call { home: home.to_owned(), method, timeout })]
}

/// One look, read.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) at: Timestamp,
    pub(crate) view: HostView,
    /// The daemon's state with a line, or why it cannot be told.
    pub(crate) daemon: Result<(DaemonState, String), Unreadable>,
    /// PM2's list, where its daemon answered.
    pub(crate) apps: Option<Vec<Pm2App>>,
}

impl Seen {
    /// Reads a look made of [`probes`] with [`Pm2Method::Processes`].
    pub(crate) fn read(look: &Look) -> Result<Self, Unreadable> {
        let (view, answer) = replies(look)?;
        let apps = match answer {
            Pm2Reply::Answer { value } => Some(parse_apps(value)?),
            Pm2Reply::Fault { .. } => None,
        };
        let daemon = assess(&view, answer);
        Ok(Self { at: look.at, view, daemon, apps })
    }

    /// Who holds the port.
    pub(crate) fn holders(&self, port: u16) -> Result<Vec<Holder>, Unreadable> {
        holders(port, &self.view, self.apps.as_deref())
    }

    /// By what names the right ones hold the port where not one process alone does, each once.
    pub(crate) fn ways(&self, port: u16, holders: &[Holder]) -> Result<Vec<&'static str>, Unreadable> {
        let mut names: Vec<&str> = holders.iter().filter_map(|holder| holder.way.name()).collect();
        names.sort_unstable();
        names.dedup();
        if is_shared(port, &self.view)? {
            names.push(SHARED);
        }
        Ok(names)
    }
}

/// The two replies of a look: the host as read, and what the daemon answered.
pub(crate) fn replies(look: &Look) -> Result<(HostView, &Pm2Reply), Unreadable> {
    match look.replies.as_slice() {
        [host, Reply::Pm2(answer), ..] => Ok((HostView::read(host)?, answer)),
        _ => Err(Unreadable::new("the look at PM2 lacks a reply")),
    }
}

/// Whose a holder is, in words and as a verdict word; `wanted` says which apps are the right ones.
pub(crate) fn describe(holder: &Holder, is_wanted: impl Fn(&str, &str) -> bool) -> Result<(&'static str, String), Unreadable> {
    let who = holder.shown();
    Ok(match &holder.owner {
        Owner::Apps(apps) if apps.is_empty() => {
            return Err(Unreadable::new(format!("{who} holds it for an app that the daemon does not tell")));
        }
        Owner::Apps(apps) => {
            let names: Vec<String> = apps.iter().map(|app| clean(&app.name)).collect();
            let mut distinct = names.clone();
            distinct.dedup();
            let word = if apps.iter().all(|app| is_wanted(&app.name, &app.namespace)) { "owned" } else { "wrong-holder" };
            let ids: Vec<String> = apps.iter().map(|app| app.pm_id.to_string()).collect();
            (word, format!("{} (id {}, {})", distinct.join(" and "), ids.join(" "), holder.told()))
        }
        Owner::Orphan { name } => ("orphan", format!("{who}, once {} of this PM2 and lost by it", clean(name))),
        Owner::OtherDaemon { home, name } => {
            let name = name.as_deref().map_or_else(|| "an app".to_owned(), clean);
            ("other-daemon", format!("{name} of the PM2 in {} ({who})", clean(home)))
        }
        Owner::Foreign => ("foreign", format!("{who}, not started by PM2")),
        Owner::Hidden => {
            let user = holder.uid.map_or_else(|| "another user".to_owned(), |uid| format!("user {uid}"));
            ("hidden", format!("a process of {user} that may not be seen"))
        }
    })
}

/// What to do about a port that is held by the wrong one.
pub(crate) fn holder_hint(word: &str) -> Option<&'static str> {
    match word {
        "wrong-holder" => Some("replace_holder = true would delete the holder; look at both with: pm2 describe ID"),
        "orphan" => Some("end it with kind = \"free-port\"; its guards apply"),
        "other-daemon" => Some("decide which one is wanted, and act through that PM2_HOME and its user"),
        "foreign" => Some("ask its owner; nothing here ends a process that PM2 did not start"),
        "hidden" => Some("look as root or as its user: become = \"root\""),
        _ => None,
    }
}

/// A holder as evidence and values of a note.
pub(crate) fn note_holder(note: Note, holder: &Holder) -> Note {
    let mut note = note.value("sockets", holder.sockets.clone());
    if let Some(pid) = holder.pid {
        note = note.value("pid", pid).value("command", clean(&holder.command));
    }
    if let Some(start) = holder.start {
        note = note.value("start", start);
    }
    if let Some(cwd) = &holder.cwd {
        note = note.value("cwd", clean(cwd));
    }
    if let Some(uid) = holder.uid {
        note = note.value("uid", uid);
    }
    note.evidence(format!("{} {}", holder.sockets.join(" "), holder.shown()))
}
