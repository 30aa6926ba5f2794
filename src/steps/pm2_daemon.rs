//! `pm2-daemon`: whether PM2's daemon is there and answers. Starts nothing: a pm2 command would.

use std::sync::Arc;

use serde_json::Value;

use crate::model::fields::Fields;
use crate::model::op::{Op, Pm2Method, Pm2Reply};
use crate::model::outcome::Risk;
use crate::model::step::{Evidence, Note, Step, Target, Unreadable, Verdict};
use crate::read::pm2_daemon::{DaemonState, assess};
use crate::read::proc::clean;
use crate::steps::pm2_look::{pm2_home, probes, replies};
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

/// The kind.
pub(crate) const KIND: Kind = Kind {
    name: "pm2-daemon",
    class: Class::Check,
    risk: Risk::ReadOnly,
    scopes: ON_HOSTS,
    acts_as: false,
    runs: true,
    touches: Touches::Nothing,
    title: "PM2's daemon is alive and answers",
    about: "Takes the daemon's process, its rpc.sock and its answer together. No pm2 command is run: each of them would start a \
            daemon where none answers. Holds when exactly one daemon of this PM2_HOME answers.",
    verdicts: &[
        ("alive", "one daemon, and it answers"),
        ("none", "no daemon"),
        ("stopped", "the daemon is stopped by a signal, or takes the call and does not answer"),
        ("lost-socket", "the daemon lives, and its socket file is gone or leads nowhere"),
        ("several", "more than one daemon for this PM2_HOME"),
        ("not-ours", "daemon or socket belong to another user"),
        ("other-version", "it answers, and is not of the version asked for"),
    ],
    keys: &[
        Key { name: "pm2_home", required: false, about: "PM2_HOME; default: host.vars.pm2_home, else ~/.pm2 of the acting user" },
        Key { name: "version", required: false, about: "the daemon's version, or its beginning: 7, 7.0, 7.0.4" },
    ],
    parse,
};

fn parse(mut fields: Fields<'_>) -> Parsed {
    let home = pm2_home(&mut fields);
    let version = fields.string("version");
    fields.finish(Some(Arc::new(Pm2Daemon { home, version }) as Arc<dyn Step>))
}

#[derive(Debug)]
struct Pm2Daemon {
    home: String,
    version: Option<String>,
}

impl Step for Pm2Daemon {
    fn probes(&self, _: &Target) -> Vec<Op> {
        probes(&self.home, Pm2Method::Version)
    }

    fn judge(&self, seen: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        let (view, answer) = replies(seen.last()?)?;
        let answered = match answer {
            Pm2Reply::Answer { value: Value::String(version) } => Some(clean(version)),
            Pm2Reply::Answer { .. } => return Err(Unreadable::new("the daemon's version is no text")),
            Pm2Reply::Fault { .. } => None,
        };
        let (state, line) = assess(&view, answer)?;
        let mut note = Note::new(state.word(), line);
        note.hint = state.hint().map(str::to_owned);
        let daemons = view.ours()?;
        for daemon in &daemons {
            note = note.evidence(format!(
                "pid {} PM2 v{}: God Daemon ({})",
                daemon.pid,
                clean(&daemon.version),
                clean(&daemon.home)
            ));
        }
        if let [daemon] = daemons.as_slice() {
            note = note.value("pid", daemon.pid);
        }
        if let Some((path, version)) = &view.cli {
            note = note.value("cli", path.as_str());
            if let Some(version) = version {
                note = note.value("cli_version", version.as_str());
            }
        }
        let Some(version) = answered.filter(|_| state == DaemonState::Alive) else { return Ok(Verdict::NotYet(note)) };
        note = note.value("version", version.as_str());
        match &self.version {
            Some(want) if !is_version(&version, want) => {
                note.word = "other-version".to_owned();
                note.summary = format!("the daemon is PM2 {version}, not {want}");
                Ok(Verdict::NotYet(
                    note.hint("pm2 update restarts the daemon with the version of its CLI, and every app with it"),
                ))
            }
            _ => Ok(Verdict::Holds(note)),
        }
    }
}

/// Whether `version` is `want` or begins with it at a full part: `7.0` fits `7.0.4`, not `7.01.0`.
fn is_version(version: &str, want: &str) -> bool {
    version.strip_prefix(want).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || want.ends_with('.'))
}
