//! Which entries of PM2 fight with an app for its place, and which only live beside it.
//!
//! An entry is a rival when it was told the same port, runs the same script in the same place, or is one too many of the
//! same name. One that was told another port, listens on another one, or was stopped, never is. Sharing nothing but the directory
//! makes a neighbour: a worker beside its web process looks just so.

use crate::read::holder::Holder;
use crate::read::pm2::{Pm2App, Status};
use crate::steps::pm2_look::{Seen, Wanted, same_dir};

/// An app with everything that lives in its place.
#[derive(Debug)]
pub(crate) struct Family<'a> {
    /// The entries that are meant.
    pub(crate) wanted: Vec<&'a Pm2App>,
    /// Those that fight with them, and why they are thought to.
    pub(crate) rivals: Vec<(&'a Pm2App, String)>,
    /// Those that share the directory only.
    pub(crate) neighbours: Vec<&'a Pm2App>,
    /// How many entries there should be.
    pub(crate) expected: usize,
    /// The port they are about: as asked for, else as the entries were told.
    pub(crate) port: Option<u16>,
}

/// The port to look at: as asked for, else the one that all wanted entries were told.
pub(crate) fn port_of(seen: &Seen, apps: &[Pm2App], wanted: &Wanted, asked: Option<u16>) -> Option<u16> {
    asked.or_else(|| {
        let mut told = apps.iter().filter(|app| wanted.is(app, &seen.view)).map(|app| app.port);
        let first = told.next()??;
        told.all(|port| port == Some(first)).then_some(first)
    })
}

/// Sorts the entries around a wanted app.
pub(crate) fn family<'a>(
    seen: &Seen,
    apps: &'a [Pm2App],
    wanted: &Wanted,
    port: Option<u16>,
    holders: &[Holder],
    instances: Option<usize>,
) -> Family<'a> {
    let (mut meant, others): (Vec<&Pm2App>, Vec<&Pm2App>) = apps.iter().partition(|app| wanted.is(app, &seen.view));
    let holds = |app: &Pm2App| holders.iter().any(|holder| holder.is_app(app.pm_id));
    let expected = instances.unwrap_or_else(|| expected(&meant));
    let mut rivals = Vec::new();
    let holding = meant.iter().filter(|app| holds(app)).count();
    if meant.len() > expected && holding > 0 && holding <= expected && !meant.iter().any(|app| app.cluster) {
        let (keep, surplus): (Vec<&Pm2App>, Vec<&Pm2App>) = meant.into_iter().partition(|app| holds(app));
        meant = keep;
        rivals.extend(surplus.into_iter().map(|app| (app, "same name".to_owned())));
    }
    let mut neighbours = Vec::new();
    for app in others {
        if is_elsewhere(seen, app, port) {
            continue;
        }
        if app.status == Status::Stopped && app.pid.is_none() {
            // somebody has put it aside on purpose, as in blue and green: it fights with nobody
            neighbours.push(app);
            continue;
        }
        let home = meant.iter().chain(rivals.iter().map(|(app, _)| app)).find(|one| shares_dir(seen, one, app));
        match (port, home) {
            (Some(port), _) if app.port == Some(port) => rivals.push((app, format!("told port {port} too"))),
            (_, Some(one)) if one.script.is_some() && one.script == app.script => rivals.push((app, "same script".to_owned())),
            (_, Some(_)) => neighbours.push(app),
            (_, None) => {}
        }
    }
    Family { wanted: meant, rivals, neighbours, expected, port }
}

fn expected(meant: &[&Pm2App]) -> usize {
    if meant.iter().any(|app| app.cluster) {
        return meant.len();
    }
    let asked = meant.iter().filter_map(|app| app.instances).max().and_then(|n| usize::try_from(n).ok());
    asked.filter(|n| (1..=1024).contains(n)).unwrap_or(1)
}

fn shares_dir(seen: &Seen, one: &Pm2App, other: &Pm2App) -> bool {
    one.cwd.as_deref().zip(other.cwd.as_deref()).is_some_and(|(one, other)| same_dir(&seen.view, one, other))
}

/// Whether the entry is at home on another port, by what it was told or by where it listens.
fn is_elsewhere(seen: &Seen, app: &Pm2App, port: Option<u16>) -> bool {
    if app.port.is_some() && app.port != port {
        return true;
    }
    let (Some(pid), Ok(listeners)) = (app.pid.filter(|_| !app.cluster), &seen.view.listeners) else { return false };
    let mut own = listeners
        .iter()
        .filter(|listener| listener.pids.iter().any(|holder| seen.view.procs.chain(*holder).iter().any(|proc| proc.pid == pid)))
        .peekable();
    own.peek().is_some() && own.all(|listener| Some(listener.port) != port)
}
