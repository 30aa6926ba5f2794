//! `free-port` against real processes of this machine: what is ended, and that nothing else ever is. The script is the one
//! that hosts are sent, run by `/bin/sh`; the looks are the real ones.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use runbook::model::fields::Context;
use runbook::model::host::{Facts, Host};
use runbook::model::id::HostName;
use runbook::model::op::{Captured, Exit, Op, Pm2Reply, Reply, ShellReply};
use runbook::model::plan::Section;
use runbook::model::step::{Acted, Change, Evidence, Look, Step, Target, Verdict};
use runbook::model::time::Timestamp;
use runbook::steps::instantiate;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::sshd::free_port;

/// Starts a program as PM2 does: in a session of its own, with PM2's variables; `DETACHED=no` leaves it in ours.
const LAUNCH: &str = r"
const { spawn } = require('child_process');
const { PROGRAM, DETACHED, ...env } = process.env;
const c = spawn('/bin/sh', ['-c', PROGRAM], { detached: DETACHED !== 'no', stdio: 'ignore', env });
console.log(c.pid); c.unref(); process.exit(0);
";
/// Listens, then says so; `ON` is what it does on SIGTERM.
const SERVER: &str = r"
const net = require('net'), fs = require('fs');
const s = net.createServer(() => {}).listen(+process.env.PORT, process.env.ADDRESS || '127.0.0.1',
  () => fs.writeFileSync(process.env.READY, String(process.pid)));
if (process.env.ON === 'ignore') process.on('SIGTERM', () => {});
if (process.env.ON === 'close') process.on('SIGTERM', () => { s.close(); setInterval(() => {}, 1000); });
setTimeout(() => process.exit(3), 60000);
";
/// Has the title of a PM2 daemon, and a server below it.
const DAEMON: &str = r"
process.title = 'PM2 v7.0.4: God Daemon (' + process.env.HOME + '/elsewhere)';
require('child_process').spawn(process.execPath, ['server.js'], { detached: true, stdio: 'ignore' });
setTimeout(() => process.exit(3), 60000);
";

/// A PM2_HOME, an app's directory, and every process that was started; they end with it.
struct Place {
    dir: TempDir,
    started: Vec<Server>,
}

/// A process by what names it for ever.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Server {
    pid: u32,
    start: u64,
    port: u16,
}

/// State and start time of a process; none where it has ended.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    let state = fields.first()?.chars().next().filter(|state| !matches!(state, 'Z' | 'X'))?;
    Some((state, fields.get(19)?.parse().ok()?))
}

impl Server {
    fn at(pid: u32, port: u16) -> Self {
        Self { pid, start: stat(pid).expect("it lives").1, port }
    }

    fn lives(&self) -> bool {
        stat(self.pid).is_some_and(|(_, start)| start == self.start)
    }

    /// Polls up to ten seconds.
    fn has_ended(&self) -> bool {
        (0..100).any(|_| {
            !self.lives() || {
                sleep(Duration::from_millis(100));
                false
            }
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for server in self.started.iter().filter(|server| server.lives()) {
            let _ = Command::new("/bin/kill").args(["-KILL", &server.pid.to_string()]).status();
        }
    }
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(dir.path().join(".pm2")).expect("a directory");
        fs::create_dir_all(dir.path().join("app")).expect("a directory");
        let place = Self { dir, started: Vec::new() };
        fs::write(place.app().join("server.js"), SERVER).expect("written");
        fs::write(place.app().join("daemon.js"), DAEMON).expect("written");
        place
    }

    fn home(&self) -> PathBuf {
        self.dir.path().canonicalize().expect("it is there")
    }

    fn app(&self) -> PathBuf {
        self.home().join("app")
    }

    /// Starts a program; the process that listens, once it does.
    fn start(&mut self, program: &str, more: &[(&str, &str)]) -> Server {
        // a port that was free may be taken by another test's connection in the meantime
        let server = (0..5).find_map(|_| self.try_on(free_port(), program, more));
        server.unwrap_or_else(|| panic!("{program} does not listen"))
    }

    fn start_on(&mut self, port: u16, program: &str, more: &[(&str, &str)]) -> Server {
        self.try_on(port, program, more).unwrap_or_else(|| panic!("{program} does not listen on {port}"))
    }

    /// None where it ended before it listened.
    fn try_on(&mut self, port: u16, program: &str, more: &[(&str, &str)]) -> Option<Server> {
        let ready = self.home().join(format!("ready-{}", self.started.len()));
        let app = self.app().display().to_string();
        let pm2 = self.home().join(".pm2").display().to_string();
        let env = [("PM2_HOME", pm2.as_str()), ("pm_id", "4"), ("name", "proxy-service"), ("pm_cwd", &app), ("unique_id", "u-1")];
        let out = Command::new("node")
            .args(["-e", LAUNCH])
            .current_dir(&app)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("PATH"))
            .env("HOME", self.home())
            .env("PROGRAM", program)
            .env("PORT", port.to_string())
            .env("READY", &ready)
            .envs(env)
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("node");
        let launched: u32 = String::from_utf8_lossy(&out.stdout).trim().parse().expect("a pid");
        if stat(launched).is_some() {
            self.started.push(Server::at(launched, port));
        }
        for _ in 0..200 {
            if let Some(pid) = fs::read_to_string(&ready).ok().and_then(|text| text.parse().ok()) {
                let server = Server::at(pid, port);
                self.started.push(server);
                return Some(server);
            }
            stat(launched)?;
            sleep(Duration::from_millis(50));
        }
        panic!("{program} does not listen: {}", String::from_utf8_lossy(&out.stderr));
    }

    fn server(&mut self) -> Server {
        self.start("exec node server.js", &[])
    }

    fn step(&self, port: u16, more: &Value) -> std::sync::Arc<dyn Step> {
        let mut fields = json!({"port": port, "keep": {"pm2": "proxy-service"}, "grace": "500ms"});
        fields.as_object_mut().expect("a table").extend(more.as_object().expect("a table").clone());
        let none = BTreeMap::new();
        let context = Context { vars: &none, host_vars: &none, section: Section::Step };
        instantiate("free-port", fields.as_object().expect("a table"), context).expect("a kind").expect("right fields")
    }

    /// The real look, with no daemon to ask.
    fn look(&self, step: &dyn Step) -> Look {
        let ops = step.probes(&target());
        let host = Reply::Shell(self.run(&ops[0], &[]));
        let fault = Pm2Reply::Fault { class: "no-connect".to_owned(), message: "no socket".to_owned() };
        Look { at: Timestamp::from_millis(0), replies: vec![host, Reply::Pm2(fault)] }
    }

    fn judge(&self, step: &dyn Step) -> Verdict {
        let looks = [self.look(step)];
        step.judge(&Evidence { target: &target(), looks: &looks, acted: None }).expect("readable")
    }

    fn change(&self, step: &dyn Step) -> Change {
        match self.judge(step) {
            Verdict::Change(change) => *change,
            other => panic!("no change: {other:?}"),
        }
    }

    /// Runs a script as a host would, with some of its values replaced.
    fn run(&self, op: &Op, other: &[(&str, &str)]) -> ShellReply {
        run(Command::new("/bin/sh"), op, self.dir.path(), other)
    }

    /// Status and standard error of the script that ends this server, with some of its values replaced.
    fn end(&self, server: Server, other: &[(&str, &str)]) -> (u32, String) {
        let change = self.change(&*self.step(server.port, &json!({})));
        told(&self.run(&change.ops[0], other))
    }
}

fn run(mut shell: Command, op: &Op, home: &Path, other: &[(&str, &str)]) -> ShellReply {
    let Op::Shell(script) = op else { panic!("a script") };
    let out = shell
        .args(["-c", script.text()])
        .env_clear()
        .envs(&script.env)
        .envs(other.iter().copied())
        .env("HOME", home)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .output()
        .expect("a shell");
    let code = u32::try_from(out.status.code().expect("an exit status")).expect("a status");
    let exit = Exit::Code { code };
    ShellReply { exit, stdout: Captured::whole(out.stdout), stderr: Captured::whole(out.stderr), took: Duration::ZERO }
}

fn told(reply: &ShellReply) -> (u32, String) {
    let Exit::Code { code } = reply.exit else { panic!("a status") };
    (code, reply.stderr.text().expect("text").trim().to_owned())
}

fn target() -> Target {
    let host = Host {
        name: HostName::parse("here").expect("a name"),
        address: "127.0.0.1".to_owned(),
        port: 22,
        user: "app".to_owned(),
        identity: None,
        known_hosts: Vec::new(),
        host_key_alias: None,
        instance_id: None,
        tags: Vec::new(),
        groups: Vec::new(),
        protected: false,
        vars: BTreeMap::new(),
    };
    let facts = Facts {
        os: "Linux".to_owned(),
        arch: "x86_64".to_owned(),
        user: "app".to_owned(),
        uid: 1000,
        home: "/home/app".to_owned(),
        hostname: "here".to_owned(),
        boot_id: None,
        machine_id: None,
        instance_id: None,
        skew_ms: 0,
        skew_err_ms: 0,
    };
    Target { host, facts }
}

/// Looks, acts, looks again: the word and the line that it comes to, and the effects that were promised.
fn whole(place: &Place, server: Server) -> (String, String, Vec<String>) {
    let step = place.step(server.port, &json!({}));
    let first = place.look(&*step);
    let target = target();
    let Ok(Verdict::Change(change)) = step.judge(&Evidence { target: &target, looks: std::slice::from_ref(&first), acted: None })
    else {
        panic!("a change")
    };
    assert!(change.destroys && change.undo.is_empty(), "nothing brings it back");
    let again = place.change(&*step);
    assert_eq!(*change, again, "two looks lead to the same change");
    let replies = vec![Reply::Shell(place.run(&change.ops[0], &[]))];
    let effects = change.effects.clone();
    let acted = Acted { change: *change, replies, looks_before: 1, at: Timestamp::from_millis(0) };
    let looks = [first, place.look(&*step)];
    let (word, summary) = match step.judge(&Evidence { target: &target, looks: &looks, acted: Some(&acted) }) {
        Ok(Verdict::Holds(note)) => (note.word, note.summary),
        other => panic!("it does not hold: {other:?}; {:?}", acted.replies),
    };
    (word, summary, effects)
}

#[test]
fn fields_that_make_no_sense_are_refused_by_name() {
    let none = BTreeMap::new();
    let errors = |fields: &Value| {
        let context = Context { vars: &none, host_vars: &none, section: Section::Step };
        let parsed = instantiate("free-port", fields.as_object().expect("a table"), context).expect("a kind");
        let errors = parsed.expect_err("there are errors");
        errors.iter().map(|e| format!("{}: {}", e.path.join("."), e.message)).collect::<Vec<_>>()
    };
    assert_eq!(errors(&json!({})), ["port: `port` is missing", "keep: `keep` is missing"]);
    let bad = json!({"port": 1, "keep": {"app": "a"}, "signal": "KILL", "grace": "6m", "cwd": "/"});
    let want = [
        "keep.pm2: `pm2` is missing",
        "keep.app: `app` is no key here",
        "signal: `signal` cannot be `KILL`",
        "grace: `grace` is longer than 5m",
        "cwd: `cwd` must be a directory below `/` or `~/`",
    ];
    assert_eq!(errors(&bad), want);
}

#[test]
fn only_the_lost_process_ends_and_the_port_is_free() {
    let mut place = Place::new();
    let (lost, neighbour) = (place.server(), place.server());
    let (word, summary, effects) = whole(&place, lost);
    assert_eq!((word.as_str(), summary), ("freed", format!("pid {} ended by TERM; :{} is free", lost.pid, lost.port)));
    let end = format!("end pid {} (node server.js, in ~/app, not in PM2, holds :{}): TERM, 500 ms, KILL", lost.pid, lost.port);
    assert_eq!(effects, [end, format!("pid {} cannot be started again as it was: PM2 does not have it", lost.pid)]);
    assert!(lost.has_ended() && neighbour.lives(), "the one, and not the other");
    assert!(TcpStream::connect(("127.0.0.1", lost.port)).is_err(), "nobody listens");
    let Verdict::Holds(note) = place.judge(&*place.step(lost.port, &json!({}))) else { panic!("it holds") };
    assert_eq!(note.word, "free");
}

#[test]
fn what_ignores_the_signal_is_killed_and_what_has_closed_the_port_may_finish() {
    let mut place = Place::new();
    let deaf = place.start("exec node server.js", &[("ON", "ignore")]);
    assert_eq!(whole(&place, deaf).1, format!("pid {} ended by KILL; :{} is free", deaf.pid, deaf.port));
    assert!(deaf.has_ended());
    let busy = place.start("exec node server.js", &[("ON", "close")]);
    let line = format!("pid {} let go of :{} and finishes its work; :{} is free", busy.pid, busy.port, busy.port);
    assert_eq!(whole(&place, busy).1, line);
    assert!(busy.lives(), "it is in nobody's way");
}

#[test]
fn a_process_that_is_stopped_takes_no_signal_but_the_last() {
    let mut place = Place::new();
    let stopped = place.start("exec node server.js", &[]);
    let sent = Command::new("/bin/kill").args(["-STOP", &stopped.pid.to_string()]).status().expect("kill");
    assert!(sent.success());
    assert_eq!(whole(&place, stopped).1, format!("pid {} ended by KILL; :{} is free", stopped.pid, stopped.port));
    assert!(stopped.has_ended());
}

#[test]
fn a_wrapper_is_left_to_end_with_what_it_started() {
    let mut place = Place::new();
    let lost = place.start("node server.js; true", &[]);
    let wrapper = place.started[0];
    assert_ne!(wrapper.pid, lost.pid);
    let (_, _, effects) = whole(&place, lost);
    assert!(effects[0].starts_with(&format!("end pid {} ", lost.pid)), "{effects:?}");
    assert!(effects[1].starts_with(&format!("leave pid {} (", wrapper.pid)), "{effects:?}");
    assert!(lost.has_ended() && wrapper.has_ended());
}

#[test]
fn another_process_under_the_pid_is_not_touched() {
    let mut place = Place::new();
    let server = place.server();
    let other = (server.start + 1).to_string();
    let (code, said) = place.end(server, &[("TARGET_START", &other)]);
    let want = format!("pid {} is no longer the process that was looked at (start time differs, or it has ended)", server.pid);
    assert_eq!((code, said), (91, format!("runbook: {want}")));
    assert!(server.lives());
    for (name, value) in
        [("TARGET_PID", "1"), ("TARGET_PID", "0"), ("TARGET_PID", "-1"), ("TARGET_PID", ""), ("SIGNAL", "KILL -1")]
    {
        assert_eq!(place.end(server, &[(name, value)]).0, 90, "{name}={value}");
    }
    assert!(server.lives());
}

#[test]
fn every_guard_of_the_script_leaves_everything_alive() {
    let mut place = Place::new();
    let server = place.server();
    let elsewhere = free_port().to_string();
    let told = [
        ("TARGET_CWD", "/", 93, "is not in / any more"),
        ("TARGET_PM2_HOME", "/root/.pm2", 94, "does not say that PM2 started it"),
        ("TARGET_PM_ID", "5", 94, "does not say that PM2 started it"),
        ("LISTEN_PORT", elsewhere.as_str(), 95, "is held by nobody, not by pid"),
    ];
    for (name, value, status, line) in told {
        let (code, said) = place.end(server, &[(name, value)]);
        assert!(code == status && said.contains(line), "{name}={value}: {code} {said}");
    }
    let second = place.start_on(server.port, "exec node server.js", &[("ADDRESS", "127.0.0.2")]);
    let Verdict::Refuse(finding) = place.judge(&*place.step(server.port, &json!({}))) else { panic!("refused") };
    assert_eq!(finding.code, "several");
    assert!(server.lives() && second.lives());
}

#[test]
fn a_second_listener_that_came_after_the_look_stops_the_script() {
    let mut place = Place::new();
    let server = place.server();
    let change = place.change(&*place.step(server.port, &json!({})));
    let second = place.start_on(server.port, "exec node server.js", &[("ADDRESS", "127.0.0.2")]);
    let (code, said) = told(&place.run(&change.ops[0], &[]));
    assert_eq!(code, 95, "{said}");
    assert!(server.lives() && second.lives());
}

#[test]
fn what_a_daemon_has_is_not_lost() {
    let mut place = Place::new();
    let server =
        place.start("exec node daemon.js --room-for-the-title-which-may-not-be-longer-than-this-line-of-arguments-was", &[]);
    let daemon = place.started[0];
    let Verdict::Refuse(finding) = place.judge(&*place.step(server.port, &json!({}))) else { panic!("refused") };
    assert_eq!(finding.code, "other-daemon");
    // the same process, as a look would have named it before the daemon had its title
    let free = place.server();
    let change = place.change(&*place.step(free.port, &json!({})));
    let (pid, start, port) = (server.pid.to_string(), server.start.to_string(), server.port.to_string());
    let values = [("TARGET_PID", pid.as_str()), ("TARGET_START", &start), ("LISTEN_PORT", &port)];
    let (code, said) = told(&place.run(&change.ops[0], &values));
    assert_eq!((code, said), (94, format!("runbook: the PM2 daemon {} has pid {}", daemon.pid, server.pid)));
    assert!(server.lives() && daemon.lives() && free.lives());
}

#[test]
fn what_something_else_holds_on_to_is_not_lost() {
    let mut place = Place::new();
    let server = place.start("env -u pm_id sh -c 'pm_id=4 node server.js; true'", &[]);
    let Verdict::Refuse(finding) = place.judge(&*place.step(server.port, &json!({}))) else { panic!("refused") };
    assert_eq!(finding.code, "not-lost");
    let free = place.server();
    let change = place.change(&*place.step(free.port, &json!({})));
    let (pid, start, port) = (server.pid.to_string(), server.start.to_string(), server.port.to_string());
    let values = [("TARGET_PID", pid.as_str()), ("TARGET_START", &start), ("LISTEN_PORT", &port)];
    let (code, said) = told(&place.run(&change.ops[0], &values));
    assert!(code == 94 && said.ends_with("which PM2 did not start with it"), "{code} {said}");
    assert!(server.lives() && free.lives());
}

#[test]
fn a_process_that_pm2_did_not_start_is_foreign() {
    let mut place = Place::new();
    let server = place.start("unset pm_id; exec node server.js", &[]);
    let Verdict::Refuse(finding) = place.judge(&*place.step(server.port, &json!({}))) else { panic!("refused") };
    assert_eq!(finding.code, "foreign");
    assert!(server.lives());
}

#[test]
fn this_very_session_is_not_touched() {
    let mut place = Place::new();
    let server = place.start("exec node server.js", &[("DETACHED", "no")]);
    let (code, said) = place.end(server, &[]);
    assert_eq!((code, said), (93, format!("runbook: pid {} belongs to this very session", server.pid)));
    assert!(server.lives());
}

#[test]
fn a_directory_that_pm2_did_not_name_must_be_allowed() {
    let mut place = Place::new();
    let release = place.home().join("releases/41");
    fs::create_dir_all(&release).expect("a directory");
    let server = place.start("cd ../releases/41 && exec node ../../app/server.js", &[]);
    let Verdict::Refuse(finding) = place.judge(&*place.step(server.port, &json!({}))) else { panic!("refused") };
    assert_eq!(finding.code, "elsewhere");
    let allowed = place.step(server.port, &json!({"cwd": "~/releases"}));
    fs::remove_dir(&release).expect("a directory that a deploy has removed");
    let change = place.change(&*allowed);
    assert!(change.effects[0].contains("in ~/releases/41 (deleted), not in PM2"), "{:?}", change.effects);
    assert_eq!(told(&place.run(&change.ops[0], &[])), (0, String::new()));
    assert!(server.has_ended());
}

#[test]
fn a_process_of_another_network_is_not_touched() {
    let mut place = Place::new();
    let here = place.server();
    let there = place.start("exec unshare --user --map-current-user --net node server.js", &[("ADDRESS", "0.0.0.0")]);
    let change = place.change(&*place.step(here.port, &json!({})));
    let (pid, start, port) = (there.pid.to_string(), there.start.to_string(), there.port.to_string());
    let values = [("TARGET_PID", pid.as_str()), ("TARGET_START", &start), ("LISTEN_PORT", &port)];
    let (code, said) = told(&place.run(&change.ops[0], &values));
    let line = format!("runbook: pid {} is in another net namespace, or in one that may not be seen", there.pid);
    assert_eq!((code, said), (93, line));
    assert!(here.lives() && there.lives());
}
