//! What state a PM2 daemon is in: its process, its socket and its answer taken together. None of them alone tells.

use crate::model::op::Pm2Reply;
use crate::model::step::Unreadable;
use crate::read::pm2_host::{Dir, HostView};
use crate::read::proc::clean;

/// The state of the daemon of one PM2_HOME.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DaemonState {
    /// One daemon, and it answers.
    Alive,
    /// No daemon.
    None,
    /// One daemon that is stopped by a signal or answers nothing.
    Stopped,
    /// One daemon whose socket file is gone or leads nowhere: pm2 would start a second one.
    LostSocket,
    /// More than one daemon for this PM2_HOME.
    Several,
    /// The daemon or its socket belongs to another user.
    NotOurs,
}

impl DaemonState {
    /// The verdict word.
    pub fn word(self) -> &'static str {
        match self {
            DaemonState::Alive => "alive",
            DaemonState::None => "none",
            DaemonState::Stopped => "stopped",
            DaemonState::LostSocket => "lost-socket",
            DaemonState::Several => "several",
            DaemonState::NotOurs => "not-ours",
        }
    }

    /// What to do about it, where it is not good.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            DaemonState::Alive => None,
            DaemonState::None => Some("start it as its own user: pm2 resurrect"),
            DaemonState::Stopped => {
                Some("if it was stopped by a signal, kill -CONT its pid lets it go on; pm2 itself would hang")
            }
            DaemonState::LostSocket => Some(
                "run no pm2 command: it would start a second daemon; kill -TERM of the daemon saves its list, then pm2 resurrect",
            ),
            DaemonState::Several => Some("end the older one with kill -TERM, then restart the errored apps in the newer one"),
            DaemonState::NotOurs => Some("act as the user who owns it, or set pm2_home"),
        }
    }
}

/// The state with a line that says what was seen. The order of the questions is the order of what matters most.
pub fn assess(view: &HostView, answer: &Pm2Reply) -> Result<(DaemonState, String), Unreadable> {
    let ours = view.ours()?;
    let home = clean(&view.home);
    if let [first, rest @ ..] = ours.as_slice()
        && !rest.is_empty()
    {
        let pids: Vec<String> = rest.iter().map(|d| d.pid.to_string()).collect();
        let line = format!("{} daemons for {home}: pid {} and {}", ours.len(), first.pid, pids.join(", "));
        return Ok((DaemonState::Several, line));
    }
    let one = ours.first();
    if let Some(daemon) = one.filter(|daemon| daemon.stopped) {
        return Ok((DaemonState::Stopped, format!("the daemon, pid {}, is stopped by a signal", daemon.pid)));
    }
    let (class, message) = match answer {
        Pm2Reply::Answer { .. } => {
            let line = match one {
                Some(daemon) => format!("PM2 {}, pid {}, answers", clean(&daemon.version), daemon.pid),
                None => "a daemon answers; its process has another title".to_owned(),
            };
            return Ok((DaemonState::Alive, line));
        }
        Pm2Reply::Fault { class, message } => (class.as_str(), clean(message)),
    };
    let foreign =
        one.and_then(|daemon| daemon.uid).or(view.socket.file.as_ref().map(|(_, uid)| *uid)).filter(|uid| *uid != view.uid);
    match (class, one) {
        ("no-reply", Some(daemon)) => {
            Ok((DaemonState::Stopped, format!("the daemon, pid {}, takes the call and does not answer", daemon.pid)))
        }
        ("no-reply", None) => Ok((DaemonState::Stopped, "something takes the call and does not answer".to_owned())),
        ("no-connect", _) if foreign.is_some() && !view.socket.writable => {
            let uid = foreign.map(|uid| uid.to_string()).unwrap_or_else(|| "?".to_owned());
            Ok((DaemonState::NotOurs, format!("{home} belongs to user {uid}; we are {} ({})", view.user, view.uid)))
        }
        ("no-connect", _) if view.dir == Dir::Denied => {
            Ok((DaemonState::NotOurs, format!("{home} may not be entered by {}", view.user)))
        }
        ("no-connect", Some(daemon)) if view.socket.file.is_none() => {
            Ok((DaemonState::LostSocket, format!("the daemon, pid {}, lives, and its rpc.sock is gone", daemon.pid)))
        }
        ("no-connect", Some(daemon)) => {
            Ok((DaemonState::LostSocket, format!("the daemon, pid {}, lives, and its rpc.sock leads nowhere", daemon.pid)))
        }
        ("no-connect", None) if view.socket.file.is_some() => {
            Ok((DaemonState::None, format!("no daemon; a stale rpc.sock lies in {home}")))
        }
        ("no-connect", None) => Ok((DaemonState::None, format!("no daemon for {home}"))),
        ("forbidden", _) => Err(Unreadable::new(format!("the daemon cannot be asked: {message}"))
            .hint("its sshd must allow streamlocal forwarding: AllowStreamLocalForwarding yes")),
        _ => Err(Unreadable::new(format!("the daemon cannot be asked: {}: {message}", clean(class)))),
    }
}
