//! Who holds a port, told by walking up from the listening process: an app of this daemon, a process that PM2 has lost,
//! an app of another daemon, something else, or somebody we may not see.
//!
//! In cluster mode the daemon itself has the listener, and with `npm start` a grandchild of the app has it: both hold it
//! rightfully.

use crate::model::step::Unreadable;
use crate::read::pm2::Pm2App;
use crate::read::pm2_host::HostView;
use crate::read::proc::Proc;
use crate::read::sockets::Listener;

/// A process that listens on a port, or a listener whose process cannot be seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    /// Its process.
    pub pid: Option<u32>,
    /// When that started, in ticks after boot.
    pub start: Option<u64>,
    /// Its user, where the host tells.
    pub uid: Option<u32>,
    /// Its command.
    pub command: String,
    /// Its directory, where we may see it.
    pub cwd: Option<String>,
    /// What it listens on: `*:3000`.
    pub sockets: Vec<String>,
    /// Whose it is.
    pub owner: Owner,
    /// How its app comes to hold it; `Itself` where it is no app's.
    pub way: Way,
}

/// How an app holds a port: all of these are rightful, and only the first looks so at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// The process of its entry listens.
    Itself,
    /// Cluster mode: the daemon listens for the workers.
    Workers,
    /// A descendant of the entry's process listens.
    Chain {
        /// From the entry's process to the one that listens.
        pids: Vec<u32>,
        /// Whether `npm` is above the one that listens.
        npm: bool,
    },
}

impl Way {
    /// What it is called, where it has a name.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Way::Itself => None,
            Way::Workers => Some("cluster workers"),
            Way::Chain { npm: true, .. } => Some("npm start chain"),
            Way::Chain { npm: false, .. } => Some("wrapper chain"),
        }
    }
}

/// Whose a listener is.
#[derive(Debug, Clone, PartialEq)]
pub enum Owner {
    /// Apps of this daemon; more than one only where cluster workers of several share it.
    Apps(Vec<Managed>),
    /// A process that this PM2 started and has lost.
    Orphan {
        /// The name it was started under.
        name: String,
    },
    /// A process of a daemon with another PM2_HOME.
    OtherDaemon {
        /// That PM2_HOME.
        home: String,
        /// The name of the app there, where we may see it.
        name: Option<String>,
    },
    /// Not PM2's.
    Foreign,
    /// We may not see its process.
    Hidden,
}

/// An app of this daemon, as its list or the environment of its process names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managed {
    /// Its number.
    pub pm_id: u32,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Holder {
    /// `pid 29710 (node /srv/server.js)`, with how it comes to hold it: `…, npm start chain 29702 > 29709 > 29710`.
    pub fn told(&self) -> String {
        let shown = self.shown();
        match (&self.way, self.way.name()) {
            (Way::Workers, Some(name)) => format!("{name} of {shown}"),
            (Way::Chain { pids, .. }, Some(name)) => {
                let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                format!("{shown}, {name} {}", pids.join(" > "))
            }
            _ => shown,
        }
    }

    /// `pid 29710 (node /srv/server.js)`.
    pub fn shown(&self) -> String {
        match self.pid {
            Some(pid) => format!("pid {pid} ({})", self.command),
            None => "a process that may not be seen".to_owned(),
        }
    }

    /// Whether the app with this number holds it.
    pub fn is_app(&self, pm_id: u32) -> bool {
        matches!(&self.owner, Owner::Apps(apps) if apps.iter().any(|app| app.pm_id == pm_id))
    }
}

/// Everyone who listens on the port. `apps` is PM2's list where its daemon answered; else the environments tell.
pub fn holders(port: u16, view: &HostView, apps: Option<&[Pm2App]>) -> Result<Vec<Holder>, Unreadable> {
    let listeners = view.listeners.as_ref().map_err(Clone::clone)?;
    // Without titles a daemon's worker would look foreign: then nothing may be said.
    view.ours()?;
    let mut found: Vec<Holder> = Vec::new();
    for listener in listeners.iter().filter(|listener| listener.port == port) {
        let seen: Vec<&Proc> = listener.pids.iter().filter_map(|pid| view.procs.get(*pid)).collect();
        if seen.is_empty() {
            found.push(hidden(listener));
        }
        for proc in seen {
            if let Some(known) = found.iter_mut().find(|holder| holder.pid == Some(proc.pid)) {
                known.sockets.push(listener.shown());
                continue;
            }
            let (owner, way) = owner(port, proc, view, apps);
            found.push(Holder {
                pid: Some(proc.pid),
                start: Some(proc.start),
                uid: proc.uid,
                command: proc.shown().to_owned(),
                cwd: proc.cwd.clone(),
                sockets: vec![listener.shown()],
                owner,
                way,
            });
        }
    }
    Ok(found)
}

fn hidden(listener: &Listener) -> Holder {
    Holder {
        pid: None,
        start: None,
        uid: listener.uid,
        command: String::new(),
        cwd: None,
        sockets: vec![listener.shown()],
        owner: Owner::Hidden,
        way: Way::Itself,
    }
}

/// Whether sockets of their own listen on one address and port: the kernel lets only SO_REUSEPORT do so. One socket in
/// several processes is no such thing.
pub fn is_shared(port: u16, view: &HostView) -> Result<bool, Unreadable> {
    let listeners = view.listeners.as_ref().map_err(Clone::clone)?;
    let mut known: Vec<(&str, u64)> =
        listeners.iter().filter(|one| one.port == port).filter_map(|one| Some((one.address.as_str(), one.inode?))).collect();
    known.sort_unstable();
    known.dedup();
    Ok(known.windows(2).any(|two| matches!(two, [(one, _), (other, _)] if one == other)))
}

fn owner(port: u16, holder: &Proc, view: &HostView, apps: Option<&[Pm2App]>) -> (Owner, Way) {
    let chain = view.procs.chain(holder.pid);
    let listed = |proc: &Proc| apps.unwrap_or_default().iter().find(|app| app.pid == Some(proc.pid));
    if let Some((at, app)) = chain.iter().enumerate().find_map(|(at, proc)| Some((at, listed(proc)?))) {
        return (Owner::Apps(vec![managed(app)]), way(chain.get(..=at).unwrap_or_default()));
    }
    let daemons = view.daemons.as_deref().unwrap_or_default();
    let above = |(at, proc): (usize, &&Proc)| Some((at, daemons.iter().find(|daemon| daemon.pid == proc.pid)?));
    if let Some((at, daemon)) = chain.iter().enumerate().find_map(above) {
        if !daemon.ours {
            return (Owner::OtherDaemon { home: daemon.home.clone(), name: holder.env.get("name").cloned() }, Way::Itself);
        }
        if daemon.pid == holder.pid {
            return (Owner::Apps(workers(port, daemon.pid, view, apps)), Way::Workers);
        }
        // Ours, and started after PM2 was asked: its environment says which one it is.
        return (Owner::Apps(from_env(holder).into_iter().collect()), way(chain.get(..at).unwrap_or_default()));
    }
    let owner = match holder.env.get("PM2_HOME") {
        Some(home) if holder.env.contains_key("pm_id") && view.is_home(home) => {
            Owner::Orphan { name: holder.env.get("name").cloned().unwrap_or_else(|| "?".to_owned()) }
        }
        _ => Owner::Foreign,
    };
    (owner, Way::Itself)
}

/// How the first of these, nearest first, holds a port for the last.
fn way(chain: &[&Proc]) -> Way {
    match chain {
        [] | [_] => Way::Itself,
        [_, above @ ..] => {
            Way::Chain { pids: chain.iter().rev().map(|proc| proc.pid).collect(), npm: above.iter().any(|proc| is_npm(proc)) }
        }
    }
}

/// npm writes what it does over its command: `npm start`; at first it is the node that runs it.
fn is_npm(proc: &Proc) -> bool {
    let mut words = proc.shown().split(' ');
    let name = |word: Option<&str>| word.and_then(|word| word.rsplit('/').next()).map(str::to_owned);
    match name(words.next()).as_deref() {
        Some("npm") => true,
        Some("node") => matches!(name(words.next()).as_deref(), Some("npm" | "npm-cli.js")),
        _ => false,
    }
}

fn managed(app: &Pm2App) -> Managed {
    Managed { pm_id: app.pm_id, name: app.name.clone(), namespace: app.namespace.clone() }
}

/// An app as the environment of its process names it.
pub fn from_env(proc: &Proc) -> Option<Managed> {
    Some(Managed {
        pm_id: proc.env.get("pm_id")?.parse().ok()?,
        name: proc.env.get("name")?.clone(),
        namespace: proc.env.get("namespace").cloned().unwrap_or_else(|| "default".to_owned()),
    })
}

/// The cluster workers for which the daemon holds the port: those that were told this port; else those told none.
fn workers(port: u16, daemon: u32, view: &HostView, apps: Option<&[Pm2App]>) -> Vec<Managed> {
    let all: Vec<(Managed, Option<u16>)> = match apps {
        Some(apps) => apps.iter().filter(|app| app.cluster && app.pid.is_some()).map(|app| (managed(app), app.port)).collect(),
        None => view
            .procs
            .iter()
            .filter(|proc| proc.ppid == daemon && proc.env.get("exec_mode").is_some_and(|mode| mode.starts_with("cluster")))
            .filter_map(|proc| Some((from_env(proc)?, proc.env.get("PORT").and_then(|port| port.parse().ok()))))
            .collect(),
    };
    let told = |want: Option<u16>| all.iter().filter(|(_, port)| *port == want).map(|(app, _)| app.clone()).collect::<Vec<_>>();
    let exact = told(Some(port));
    if exact.is_empty() { told(None) } else { exact }
}
