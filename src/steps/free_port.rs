//! `free-port`: ends the one process that PM2 has lost and that holds a TCP port; nothing else, whoever holds it.
//!
//! What it decides here is decided again by its script on the host, right before each signal: a pid may be somebody else's
//! by then, its start time may not.

mod guard;

use std::sync::Arc;
use std::time::Duration;

use crate::model::fields::Fields;
use crate::model::finding::Finding;
use crate::model::op::{Exit, Op, Pm2Method, Reply, Shell};
use crate::model::outcome::Risk;
use crate::model::step::{Acted, Change, Evidence, Note, Step, Target, Unreadable, Verdict};
use crate::model::visible::text_of;
use crate::read::holder::{Holder, Owner};
use crate::read::proc::{Proc, clean};
use crate::steps::free_port::guard::{Lost, lost};
use crate::steps::pm2_look::{Seen, describe, holder_hint, note_holder, pm2_home, probes};
use crate::steps::{Class, Key, Kind, ON_HOSTS, Parsed, Touches};

pub(crate) const SCRIPT: &str = include_str!("free_port/act.sh");
/// What the script takes beside waiting for the process: its looks, and the end after SIGKILL.
const AROUND: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(300);

/// The kind.
pub(crate) const KIND: Kind = Kind {
    name: "free-port",
    class: Class::Action,
    risk: Risk::Restarts,
    scopes: ON_HOSTS,
    acts_as: false,
    runs: true,
    touches: Touches::Processes,
    title: "the lost process that holds a port is ended",
    about: "\
Looks at: who listens on `port`, on every address; PM2's list; processes with their parents, users, directories and start times, \
and what PM2 wrote into their environment.
Follows: nobody, or only the app in `keep`, listens: it holds already. One process listens that this PM2 started and has lost: it \
is ended. Anything else is refused, and so is a lost process for which one guard does not hold.
The guards: it is named by pid and start time; it is the acting user's own (root's only where root is logged in); it runs where PM2 \
started it, or under `cwd`; no PM2 daemon and no entry is above it or below it; it did not begin after the live process of the entry \
that it came from, as a detached child of that app would; all above it, up to process 1, was lost with it; PM2 has told its list, or \
has no daemon at all. All of it is looked at once more right before. The script then looks for itself before each signal, at pid, \
start time, user, directory, ancestors and daemons, and at more: the same network and process namespace, another session than its \
own, the listening sockets by inode, nobody else's among them.
Would change: `signal`, then up to `grace` for it to end, the guards again, SIGKILL, and a look that the port is free. A process that \
has closed the port and still finishes its work gets no SIGKILL. Only the process that listens is ended: what PM2 started it \
through (`npm start` and its `sh`) is left to end with it, and where that starts it again the step fails as `taken`. Several processes \
are never ended, not even those of one SO_REUSEPORT set or of a server that forks.
Undone: never. PM2 does not have the process, so nothing can start it again as it was.",
    verdicts: &[
        ("free", "nobody listens on the port"),
        ("kept", "only the app in `keep` listens on it"),
        ("freed", "the lost process let go of it, and nobody or only the app in `keep` listens"),
        ("orphan", "a process that this PM2 started and has lost holds it, or still does"),
        ("wrong-holder", "refused: another app of this PM2 holds it"),
        ("other-daemon", "refused: an app of another PM2 holds it"),
        ("foreign", "refused: a process that PM2 did not start holds it"),
        ("hidden", "refused: the holder may not be seen"),
        ("several", "refused: more than one process listens on it"),
        ("not-ours", "refused: the lost process is another user's, or of another namespace, or this session's own"),
        ("elsewhere", "refused: the lost process does not run where PM2 started it"),
        ("not-lost", "refused: PM2 may still have the process, or something runs above or below it that is not to be touched"),
        ("no-list", "refused: PM2 has a daemon, and it does not tell which processes it has"),
        ("no-tools", "refused: the host lacks what the guards need"),
        ("drifted", "refused: the process is not what it was when it was looked at"),
        ("taken", "failed: the process is ended, and somebody else listens now"),
    ],
    keys: &[
        Key { name: "port", required: true, about: "the port" },
        Key { name: "keep", required: true, about: "{ pm2 = \"app\", namespace? }: the app that may hold the port, and is never ended" },
        Key { name: "signal", required: false, about: "TERM or INT, the first signal; default: TERM" },
        Key { name: "grace", required: false, about: "how long it may take to end before SIGKILL, at most 5m; default: 10s" },
        Key {
            name: "cwd",
            required: false,
            about: "a directory that it may run in or below, as releases behind a link; default: only the one PM2 started it in",
        },
        Key { name: "pm2_home", required: false, about: "PM2_HOME; default: host.vars.pm2_home, else ~/.pm2 of the acting user" },
    ],
    parse,
};

fn parse(mut fields: Fields<'_>) -> Parsed {
    let port = fields.need_port("port");
    if fields.value("keep").is_none() {
        let hint = "keep = { pm2 = \"proxy-service\" }: the app that should have the port";
        fields.error("keep", "`keep` is missing", Some(hint.to_owned()));
    }
    let keep = fields.table("keep", |keep| {
        let app = keep.need_string("pm2");
        let namespace = keep.string("namespace");
        app.map(|app| Keep { app, namespace })
    });
    let signal = fields.word("signal", &["TERM", "INT"]).unwrap_or("TERM");
    let grace = fields.duration("grace").unwrap_or(Duration::from_secs(10));
    if grace > LONGEST {
        fields.error("grace", "`grace` is longer than 5m", None);
    }
    let cwd = fields.string("cwd");
    if cwd.as_ref().is_some_and(|cwd| cwd.trim_end_matches('/').is_empty() || !(cwd.starts_with('/') || cwd.starts_with("~/"))) {
        fields.error("cwd", "`cwd` must be a directory below `/` or `~/`", None);
    }
    let home = pm2_home(&mut fields);
    let step = port.zip(keep).map(|(port, keep)| Arc::new(FreePort { port, keep, signal, grace, cwd, home }) as Arc<dyn Step>);
    fields.finish(step)
}

/// The app that may have the port.
#[derive(Debug)]
struct Keep {
    app: String,
    namespace: Option<String>,
}

#[derive(Debug)]
pub(crate) struct FreePort {
    port: u16,
    keep: Keep,
    signal: &'static str,
    grace: Duration,
    pub(crate) cwd: Option<String>,
    home: String,
}

impl Step for FreePort {
    fn probes(&self, _: &Target) -> Vec<Op> {
        probes(&self.home, Pm2Method::Processes)
    }

    fn judge(&self, evidence: &Evidence<'_>) -> Result<Verdict, Unreadable> {
        if let Some(finding) = evidence.acted.and_then(refused) {
            return Ok(Verdict::Refuse(finding));
        }
        let seen = Seen::read(evidence.last()?)?;
        let holders = seen.holders(self.port)?;
        let mut told = Vec::new();
        for holder in &holders {
            told.push(describe(holder, |name, namespace| self.is_kept(name, namespace))?);
        }
        let lines: Vec<&str> = told.iter().map(|(_, line)| line.as_str()).collect();
        let lines = lines.join(", and by ");
        let kept = told.iter().all(|(word, _)| *word == "owned");
        if let Some(acted) = evidence.acted {
            return Ok(self.after(acted, &seen, &holders, if kept { Ok(&lines) } else { Err(&lines) }));
        }
        let (word, holder) = match (told.as_slice(), holders.as_slice()) {
            ([], _) => return Ok(Verdict::Holds(Note::new("free", format!(":{} is free", self.port)))),
            (_, [first, ..]) if kept => {
                let note = Note::new("kept", format!(":{} is held by {lines}", self.port));
                return Ok(Verdict::Holds(note_holder(note, first)));
            }
            ([(word, _)], [holder]) => (*word, holder),
            _ => {
                let summary = format!(":{} is held by {} processes: {lines}", self.port, told.len());
                let hint = "one is ended only where it is the only one: end by hand what does not belong there";
                return Ok(Verdict::Refuse(Finding::new("several", summary).hint(hint)));
            }
        };
        if word != "orphan" {
            let mut finding = Finding::new(word, format!(":{} is held by {lines}", self.port));
            finding.hint = hint(word).map(str::to_owned);
            return Ok(Verdict::Refuse(finding));
        }
        let note = note_holder(Note::new("orphan", format!(":{} is held by {lines}", self.port)), holder);
        match lost(self, &seen, holder)? {
            Ok(lost) => Ok(Verdict::Change(Box::new(self.end(&seen, holder, &lost, note)))),
            Err(finding) => Ok(Verdict::Refuse(finding)),
        }
    }

    fn recheck(&self) -> bool {
        true
    }
}

impl FreePort {
    fn is_kept(&self, name: &str, namespace: &str) -> bool {
        name == self.keep.app && self.keep.namespace.as_ref().is_none_or(|want| want == namespace)
    }

    fn end(&self, seen: &Seen, holder: &Holder, lost: &Lost<'_>, why: Note) -> Change {
        let command = clean(&holder.command);
        let dir = clean(&short(&seen.view.base, lost.cwd));
        let first = format!("end pid {} ({command}, in {dir}, not in PM2, holds :{})", lost.pid, self.port);
        let mut effects = vec![format!("{first}: {}, {}, KILL", self.signal, shown(self.grace))];
        effects.extend(lost.wrappers.iter().map(|proc| left_alone(proc)));
        effects.push(format!("pid {} cannot be started again as it was: PM2 does not have it", lost.pid));
        let shell = Shell::change("end the lost process that holds the port", SCRIPT).timeout(self.grace + AROUND).guarding();
        let shell = shell
            .env("TARGET_PID", lost.pid.to_string())
            .env("TARGET_START", lost.start.to_string())
            .env("TARGET_CWD", lost.cwd)
            .env("TARGET_PM2_HOME", lost.home)
            .env("TARGET_PM_ID", lost.pm_id)
            .env("LISTEN_PORT", self.port.to_string())
            .env("SIGNAL", self.signal)
            .env("GRACE", (self.grace.as_millis() / 10).to_string());
        Change { why, effects, destroys: true, ops: vec![Op::Shell(shell)], undo: Vec::new(), obligation: None }
    }

    /// The port decides; `held` is who holds it, an error where somebody else than the kept app does.
    fn after(&self, acted: &Acted, seen: &Seen, holders: &[Holder], held: Result<&str, &str>) -> Verdict {
        let Some((pid, start)) = target(acted) else {
            return Verdict::Refuse(Finding::new("drifted", "what was ended is not recorded"));
        };
        let said = stderr(acted);
        if holders.iter().any(|holder| holder.pid == Some(pid) && holder.start == Some(start)) {
            let mut note = Note::new("orphan", format!("pid {pid} still holds :{}", self.port));
            note.evidence = said;
            return Verdict::NotYet(note);
        }
        let lives = seen.view.procs.get(pid).is_some_and(|proc| proc.start == start && proc.is_alive());
        let done = match (lives, signal(acted)) {
            (true, _) => format!("pid {pid} let go of :{} and finishes its work", self.port),
            (false, Some(signal)) => format!("pid {pid} ended by {signal}"),
            (false, None) => format!("pid {pid} has ended"),
        };
        match held {
            Ok(lines) => {
                let now = if holders.is_empty() { "is free".to_owned() } else { format!("is held by {lines}") };
                Verdict::Holds(Note::new("freed", format!("{done}; :{} {now}", self.port)).value("ended", pid))
            }
            Err(lines) => {
                let mut finding = Finding::new("taken", format!("{done}; :{} is now held by {lines}", self.port));
                finding.evidence = said;
                Verdict::Refuse(finding.hint("something starts it again, or was waiting for the port: look at who started it"))
            }
        }
    }
}

/// What the script's own guards said no to, before it sent a signal.
fn refused(acted: &Acted) -> Option<Finding> {
    let [Reply::Shell(shell), ..] = acted.replies.as_slice() else { return None };
    let Exit::Code { code } = &shell.exit else { return None };
    let (word, line) = match code {
        90 | 92 => ("no-tools", "the host lacks what the guards need"),
        91 => ("drifted", "the process is no longer the one that was looked at"),
        93 => ("not-ours", "the process is not one of this user, place and namespace, or is part of this session"),
        94 => ("not-lost", "PM2 may still have the process"),
        95 => ("drifted", "the process does not hold the port alone any more"),
        _ => return None,
    };
    let mut finding = Finding::new(word, format!("{line}: not signalled"));
    finding.evidence = stderr(acted);
    Some(finding.hint("look again with --dry-run"))
}

fn stderr(acted: &Acted) -> Vec<String> {
    let [Reply::Shell(shell), ..] = acted.replies.as_slice() else { return Vec::new() };
    let text = text_of(&shell.stderr.head);
    text.lines().filter(|line| !line.trim().is_empty()).take(3).map(clean).collect()
}

/// The signal that ended it, as the script says.
fn signal(acted: &Acted) -> Option<&'static str> {
    let [Reply::Shell(shell), ..] = acted.replies.as_slice() else { return None };
    let said = shell.stdout.text()?.trim().strip_prefix("ended ")?;
    ["TERM", "INT", "KILL"].into_iter().find(|signal| *signal == said)
}

fn target(acted: &Acted) -> Option<(u32, u64)> {
    let [Op::Shell(shell)] = acted.change.ops.as_slice() else { return None };
    let pid = shell.env.get("TARGET_PID")?.parse().ok()?;
    Some((pid, shell.env.get("TARGET_START")?.parse().ok()?))
}

fn hint(word: &str) -> Option<&'static str> {
    match word {
        "wrong-holder" => Some("it is in PM2: kind = \"pm2\" with replace_holder = true puts another app in its place"),
        _ => holder_hint(word),
    }
}

fn left_alone(proc: &Proc) -> String {
    format!("leave pid {} ({}), which started it, to end with it", proc.pid, clean(proc.shown()))
}

/// A directory below the acting user's home as people write it.
fn short(base: &str, dir: &str) -> String {
    match dir.strip_prefix(base.trim_end_matches('/')) {
        Some(rest) if rest.starts_with('/') && base.len() > 1 => format!("~{rest}"),
        _ => dir.to_owned(),
    }
}

fn shown(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{} ms", time.as_millis()) }
}

/// The name that a lost process was started under.
fn once(holder: &Holder) -> String {
    match &holder.owner {
        Owner::Orphan { name } => clean(name),
        _ => "?".to_owned(),
    }
}
