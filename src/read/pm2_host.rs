//! One look at a host for everything PM2's tools would tell, without running them: processes, listening sockets, and
//! what lies in PM2_HOME. The script is sent as it stands; its sections are read here.
//!
//! A part that the host cannot tell is an error only for whoever needs it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::model::op::{Exit, Op, Reply, Shell};
use crate::model::step::Unreadable;
use crate::read::proc::{Proc, ProcTable, clean};
use crate::read::script::{BECOME_REFUSED, SUDO_HINT, failed, sudo_said};
use crate::read::sockets::{Listener, parse_proc_net, parse_ss};

pub(crate) const SCRIPT: &str = include_str!("pm2_host.sh");
const SECTIONS: [&str; 10] = ["@head", "@ps", "@args", "@cwd", "@env", "@sock", "@file", "@dump", "@cli", "@end"];

/// The look, for a PM2_HOME; `~/` is the acting user's home.
pub fn probe(pm2_home: &str) -> Op {
    Op::Shell(Shell::look("processes, sockets and PM2_HOME", SCRIPT).env("PM2_HOME_DIR", pm2_home))
}

/// What a host looks like around one PM2_HOME.
#[derive(Debug, Clone, PartialEq)]
pub struct HostView {
    /// The acting user's id.
    pub uid: u32,
    /// The acting user's name, where it has one.
    pub user: String,
    /// PM2_HOME, absolute as far as it was given so.
    pub home: String,
    /// PM2_HOME with links resolved, where it exists and may be entered.
    pub real: Option<String>,
    /// The acting user's home: what `~/` stands for.
    pub base: String,
    /// How long the host is up, in seconds, and its clock ticks in a second, where it tells.
    pub uptime: Option<(f64, f64)>,
    /// How many closed connections the host remembers (TIME_WAIT) on a local port; only where they are a hundred or more.
    pub waiting: BTreeMap<u16, u64>,
    /// Processes.
    pub procs: ProcTable,
    /// Listening TCP sockets, or why they cannot be told.
    pub listeners: Result<Vec<Listener>, Unreadable>,
    /// God daemons, or why they cannot be told: ours first.
    pub daemons: Result<Vec<Daemon>, Unreadable>,
    /// Whether PM2_HOME is there and may be entered.
    pub dir: Dir,
    /// `rpc.sock`.
    pub socket: RpcSocket,
    /// The list that PM2 would start from.
    pub dump: Dump,
    /// The `pm2` that would be run: its path and version.
    pub cli: Option<(String, Option<String>)>,
}

/// Whether a directory is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dir {
    /// It is, and may be entered.
    Ok,
    /// It is not.
    Missing,
    /// It may not be entered.
    Denied,
}

/// A PM2 daemon, known by its title.
#[derive(Debug, Clone, PartialEq)]
pub struct Daemon {
    /// Its process.
    pub pid: u32,
    /// When that started, in ticks after boot.
    pub start: u64,
    /// Its user, where the host tells.
    pub uid: Option<u32>,
    /// The version in its title.
    pub version: String,
    /// The PM2_HOME in its title.
    pub home: String,
    /// Whether it is stopped by a signal: it then answers nothing and restarts nothing.
    pub stopped: bool,
    /// Whether it is the one of this PM2_HOME.
    pub ours: bool,
}

/// What is known of `rpc.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcSocket {
    /// Type, mode and owner, where it is there.
    pub file: Option<(String, u32)>,
    /// Whether we may connect.
    pub writable: bool,
    /// How many sockets listen under its path; none where the host does not tell.
    pub listening: Option<usize>,
}

/// What is known of `dump.pm2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dump {
    /// There is none.
    Missing,
    /// It may not be read.
    Denied,
    /// It is torn, too long or no list.
    Broken,
    /// The apps in it.
    Apps(Vec<DumpApp>),
}

/// One app of `dump.pm2`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DumpApp {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its directory.
    pub cwd: Option<String>,
    /// Its script.
    pub script: Option<String>,
}

impl HostView {
    /// Reads the reply to [`probe`].
    pub fn read(reply: &Reply) -> Result<Self, Unreadable> {
        let Reply::Shell(shell) = reply else {
            return Err(Unreadable::new("the look at the processes was answered by something else"));
        };
        match &shell.exit {
            Exit::Code { code: 0 } => {}
            Exit::Code { code } => return Err(failed("the look at the processes", *code, &shell.stderr)),
            Exit::Signal { name } => return Err(Unreadable::new(format!("the look at the processes was ended by SIG{name}"))),
            Exit::TimedOut => return Err(Unreadable::new("the look at the processes took too long")),
            Exit::NotStarted { why } if why == BECOME_REFUSED => {
                let what = format!("the look at the processes was not started: {}", sudo_said(&shell.stderr));
                return Err(Unreadable::new(what).hint(SUDO_HINT));
            }
            Exit::Unknown { why } | Exit::NotStarted { why } => {
                return Err(Unreadable::new(format!("the look at the processes has no end: {}", clean(why))));
            }
        }
        if shell.stdout.is_cut() {
            return Err(Unreadable::new(format!(
                "the look at the processes is too long to be read: {} bytes",
                shell.stdout.total
            )));
        }
        // One process with bytes that are no UTF-8 in its name must not hide all the others.
        Self::parse(&String::from_utf8_lossy(&shell.stdout.head))
    }

    /// Reads the text that the look printed.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let [head, ps, args, cwd, env, sock, file, dump, cli] = sections(text)?;
        let mut procs = ProcTable::parse(&ps)?;
        procs.add_cwds(&cwd)?;
        procs.add_env(&env)?;
        let titles = match args.as_slice() {
            [line] if line.starts_with("!missing") => Err(missing(line)),
            lines => procs.add_commands(lines),
        };
        let home = need(&head, "home ")?.to_owned();
        let real = need(&head, "real ")?;
        let real = Some(real.to_owned()).filter(|real| !real.is_empty());
        let daemons = titles.map(|()| daemons(&procs, &home, real.as_deref()));
        let (dir, socket) = parse_files(&file)?;
        Ok(Self {
            uid: need(&head, "uid ")?.parse().map_err(|_| Unreadable::new("the acting user's id is no number"))?,
            user: clean(need(&head, "user ")?),
            base: need(&head, "base ")?.to_owned(),
            listeners: parse_sockets(&sock)?,
            dump: parse_dump(&dump)?,
            cli: field(&cli, "path ").map(|path| (clean(path), field(&cli, "version ").filter(|v| !v.is_empty()).map(clean))),
            uptime: uptime(&head),
            waiting: waiting(&head),
            home,
            real,
            procs,
            daemons,
            dir,
            socket,
        })
    }

    /// The God daemons of this PM2_HOME.
    pub fn ours(&self) -> Result<Vec<&Daemon>, Unreadable> {
        Ok(self.daemons.as_ref().map_err(Clone::clone)?.iter().filter(|daemon| daemon.ours).collect())
    }

    /// How long a process that started at this tick has lived, by the host's own clock.
    pub fn age(&self, start: u64) -> Option<Duration> {
        let (uptime, hz) = self.uptime?;
        Duration::try_from_secs_f64(uptime - start as f64 / hz).ok()
    }

    /// Whether `home` names this PM2_HOME.
    pub fn is_home(&self, home: &str) -> bool {
        is_home(&self.home, self.real.as_deref(), home)
    }

    /// A path of a runbook as the host has it: `~/` is the acting user's home, no slash at the end.
    pub fn absolute(&self, path: &str) -> String {
        let path = match path.strip_prefix('~') {
            Some("") => self.base.clone(),
            Some(rest) if rest.starts_with('/') => format!("{}{rest}", self.base.trim_end_matches('/')),
            _ => path.to_owned(),
        };
        let cut = path.trim_end_matches('/');
        if cut.is_empty() { path } else { cut.to_owned() }
    }
}

fn missing(line: &str) -> Unreadable {
    let what = line.trim_start_matches("!missing").trim();
    Unreadable::new(format!("the host has no {}", clean(what))).hint("install procps and iproute2 on it")
}

fn field<'t>(lines: &[&'t str], tag: &str) -> Option<&'t str> {
    lines.iter().find_map(|line| line.strip_prefix(tag))
}

fn uptime(head: &[&str]) -> Option<(f64, f64)> {
    let number = |tag| field(head, tag).and_then(|text| text.parse::<f64>().ok()).filter(|n| n.is_finite() && *n > 0.0);
    number("uptime ").zip(number("hz "))
}

/// A line that tells no port and number is left out: nothing is ever decided by them.
fn waiting(head: &[&str]) -> BTreeMap<u16, u64> {
    let told = head.iter().filter_map(|line| line.strip_prefix("time-wait ")?.split_once(' '));
    told.filter_map(|(port, count)| Some((port.parse().ok()?, count.parse().ok()?))).collect()
}

fn need<'t>(lines: &[&'t str], tag: &str) -> Result<&'t str, Unreadable> {
    field(lines, tag).ok_or_else(|| Unreadable::new(format!("the look at the processes does not tell `{}`", tag.trim())))
}

/// The lines of each section. Every marker must be there once and in order: a look that was cut short is no look.
fn sections(text: &str) -> Result<[Vec<&str>; 9], Unreadable> {
    let mut found: [Vec<&str>; 9] = Default::default();
    let mut next = 0;
    for line in text.lines() {
        if SECTIONS.get(next) == Some(&line) {
            next += 1;
        } else if line.starts_with('@') {
            return Err(Unreadable::new(format!("the look at the processes has a stray `{}`", clean(line))));
        } else if let Some(section) = next.checked_sub(1).and_then(|n| found.get_mut(n)) {
            section.push(line);
        }
        // What stands before the first marker is noise of the login shell; nothing may follow the last.
        if next == SECTIONS.len() && line != "@end" {
            return Err(Unreadable::new("the look at the processes goes on after its end"));
        }
    }
    if next == SECTIONS.len() {
        return Ok(found);
    }
    Err(Unreadable::new(format!("the look at the processes was cut short before `{}`", SECTIONS[next])))
}

fn is_home(home: &str, real: Option<&str>, other: &str) -> bool {
    let other = other.trim_end_matches('/');
    other == home.trim_end_matches('/') || real.is_some_and(|real| other == real.trim_end_matches('/'))
}

fn daemons(procs: &ProcTable, home: &str, real: Option<&str>) -> Vec<Daemon> {
    let mut found: Vec<Daemon> =
        procs.iter().filter(|proc| proc.is_alive()).filter_map(|proc| daemon(proc, home, real)).collect();
    found.sort_by_key(|daemon| (!daemon.ours, daemon.start));
    found
}

fn daemon(proc: &Proc, home: &str, real: Option<&str>) -> Option<Daemon> {
    let title = proc.command.as_deref()?.strip_prefix("PM2 v")?;
    let (version, rest) = title.split_once(": God Daemon (")?;
    let its_home = rest.trim_end().strip_suffix(')')?;
    Some(Daemon {
        pid: proc.pid,
        start: proc.start,
        uid: proc.uid,
        version: version.to_owned(),
        home: its_home.to_owned(),
        stopped: proc.is_stopped(),
        ours: is_home(home, real, its_home),
    })
}

fn parse_sockets(lines: &[&str]) -> Result<Result<Vec<Listener>, Unreadable>, Unreadable> {
    match lines.split_first() {
        Some((&"!ss", rest)) => parse_ss(rest).map(Ok),
        Some((&"!proc", rest)) => parse_proc_net(rest).map(Ok),
        Some((line, [])) if line.starts_with("!missing") => Ok(Err(missing(line))),
        _ => Err(Unreadable::new("the list of listening sockets has no beginning")),
    }
}

fn parse_files(lines: &[&str]) -> Result<(Dir, RpcSocket), Unreadable> {
    let dir = match need(lines, "dir ")? {
        "ok" => Dir::Ok,
        "missing" => Dir::Missing,
        "denied" => Dir::Denied,
        other => return Err(Unreadable::new(format!("PM2_HOME is `{}`", clean(other)))),
    };
    let file = match field(lines, "rpc.sock ") {
        None => None,
        Some(text) => {
            let mut words = text.split(' ');
            let mode = words.next().filter(|mode| mode.len() == 10);
            let uid = words.next().and_then(|uid| uid.parse().ok());
            let read = mode.map(str::to_owned).zip(uid);
            Some(read.ok_or_else(|| Unreadable::new(format!("rpc.sock reads `{}`", clean(text))))?)
        }
    };
    let listening = if lines.iter().any(|line| line.starts_with("!missing")) {
        None
    } else {
        Some(lines.iter().filter(|line| line.starts_with("listen ")).count())
    };
    Ok((dir, RpcSocket { file, writable: lines.contains(&"rpc.writable"), listening }))
}

fn parse_dump(lines: &[&str]) -> Result<Dump, Unreadable> {
    let Some((last, body)) = lines.split_last() else { return Err(Unreadable::new("the look at dump.pm2 is empty")) };
    match *last {
        "!missing" => return Ok(Dump::Missing),
        "!denied" => return Ok(Dump::Denied),
        "!broken" => return Ok(Dump::Broken),
        "!whole" => {}
        other => return Err(Unreadable::new(format!("the look at dump.pm2 ends with `{}`", clean(other)))),
    }
    let mut apps = Vec::new();
    let mut app = DumpApp::default();
    for line in body {
        if *line == "app" {
            if app.name.is_empty() {
                return Ok(Dump::Broken);
            }
            apps.push(std::mem::take(&mut app));
            continue;
        }
        let Some((key, Ok(Value::String(value)))) = line.split_once(' ').map(|(key, json)| (key, serde_json::from_str(json)))
        else {
            return Ok(Dump::Broken);
        };
        match key {
            "name" => app.name = value,
            "namespace" => app.namespace = Some(value),
            "pm_cwd" => app.cwd = Some(value),
            "pm_exec_path" => app.script = Some(value),
            _ => return Ok(Dump::Broken),
        }
    }
    Ok(Dump::Apps(apps))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Dump, HostView};

    const HEALTHY: &str = include_str!("../../tests/cases/samples/healthy.probe");

    #[test]
    fn a_real_look_is_read() {
        let view = HostView::parse(HEALTHY).expect("readable");
        assert_eq!((view.uid, view.user.as_str(), view.home.as_str()), (1000, "app", "/home/app/.pm2"));
        let daemons = view.ours().expect("titles are told");
        assert_eq!(daemons.iter().map(|d| (d.version.as_str(), d.stopped)).collect::<Vec<_>>(), [("7.0.4", false)]);
        let listeners = view.listeners.as_ref().expect("told");
        let mut shown: Vec<String> = listeners.iter().map(|l| l.shown()).collect();
        shown.sort();
        assert_eq!(shown, ["*:3000", "*:3001"]);
        let Dump::Apps(saved) = &view.dump else { panic!("whole") };
        assert_eq!(saved.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["proxy-service", "backend"]);
        assert_eq!(view.socket.listening, Some(1));
        let ages: Vec<u64> = view.procs.iter().filter_map(|p| view.age(p.start)).map(|age| age.as_secs()).collect();
        assert_eq!(ages.iter().max(), Some(&2), "seconds, by the host's clock");
        assert_eq!(view.absolute("~/proxy-service/"), "/home/app/proxy-service");
    }

    #[test]
    fn a_look_that_was_cut_anywhere_is_no_look() {
        for (at, _) in HEALTHY.char_indices().step_by(7) {
            if HEALTHY.len() - at > 1 {
                assert!(HostView::parse(&HEALTHY[..at]).is_err(), "cut at {at}");
            }
        }
        assert!(HostView::parse(&format!("{HEALTHY}more\n")).is_err());
        assert!(HostView::parse(&HEALTHY.replace("@cwd", "@cwd\n@ps")).is_err());
        assert!(HostView::parse(&format!("Welcome!\n{HEALTHY}")).is_ok(), "noise before it");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), at in 0usize..4000, with in "[ -~\\n@!]{0,30}") {
            let _ = HostView::parse(&text);
            let at = at.min(HEALTHY.len());
            if HEALTHY.is_char_boundary(at) {
                let (front, back) = HEALTHY.split_at(at);
                let _ = HostView::parse(&format!("{front}{with}{back}"));
            }
        }
    }
}
