//! What a simulated host answers to the looks of this program, in the very formats of the real tools.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::model::op::{Pm2Call, Pm2Method, Pm2Reply, Shell};
use crate::model::visible::literal;
use crate::read::pm2_project::project;
use crate::world::sim::answers::Printed;
use crate::world::sim::machine::{
    DAEMON, Entry, HOME, Machine, ORPHAN_SINCE, PM2_HOME, PM2_VERSION, SERVICE_CONFIG, SERVICE_DIR, UID,
};

/// Processes, sockets and PM2_HOME.
pub(crate) fn host(machine: &mut Machine, script: &Shell, now: i64) -> Printed {
    let home = Machine::path(script.env.get("PM2_HOME_DIR").map_or("", String::as_str));
    let mut text = String::with_capacity(3_000);
    // writing to a String cannot fail
    let _ = write_host(&mut text, machine, &home, now);
    Printed::out(text)
}

fn write_host(out: &mut String, machine: &Machine, home: &str, now: i64) -> std::fmt::Result {
    let ours = home == PM2_HOME;
    let up = now.saturating_sub(machine.boot);
    writeln!(out, "@head\nuid {UID}\nuser app\nhome {home}\nreal {}\nbase {HOME}", if ours { home } else { "" })?;
    writeln!(out, "uptime {}.{:02}\nhz 100\n@ps\n1 0 0 S 1 systemd", up / 1000, up % 1000 / 10)?;
    let processes = processes(machine, now);
    writeln!(out, "{DAEMON} 1 {UID} S {} PM2 v{PM2_VERSION}: God", 1_900)?;
    for of in &processes {
        let ticks = of.since.saturating_sub(machine.boot) / 10;
        writeln!(out, "{} {} {UID} S {ticks} node /home/app/", of.pid, of.parent)?;
    }
    writeln!(out, "@args\n1 /sbin/init\n{DAEMON} PM2 v{PM2_VERSION}: God Daemon ({PM2_HOME})")?;
    for of in &processes {
        writeln!(out, "{} node {}", of.pid, of.entry.script)?;
    }
    writeln!(out, "@cwd\n{DAEMON} {HOME}")?;
    for of in &processes {
        writeln!(out, "{} {}", of.pid, of.entry.cwd)?;
    }
    writeln!(out, "@env\n{DAEMON} PM2_HOME={PM2_HOME}")?;
    for of in &processes {
        write_env(out, of)?;
    }
    writeln!(out, "@sock\n!ss")?;
    for of in machine.listening() {
        let (pid, port) = (of.pid, of.port);
        writeln!(
            out,
            "LISTEN 0      511    *:{port} *:* users:((\"node /home/app/\",pid={pid},fd=20)) uid:{UID} ino:{} sk:1e cgroup:/ v6only:0 <->",
            90_000 + pid
        )?;
    }
    if ours {
        writeln!(out, "@file\ndir ok\nrpc.sock srwxrwxr-x {UID} {UID}\npm2.pid -rw-r--r-- {UID} {UID}")?;
        writeln!(out, "dump.pm2 -rw-r--r-- {UID} {UID}\nrpc.writable\npid {DAEMON}\nlisten 93349\n@dump")?;
        for entry in &machine.saved {
            let Entry { name, script, cwd, .. } = entry;
            let name = json!(name);
            writeln!(out, "name {name}\nnamespace \"default\"\npm_exec_path \"{script}\"\npm_cwd \"{cwd}\"\napp")?;
        }
        writeln!(out, "!whole")?;
    } else {
        writeln!(out, "@file\ndir missing\npid \n@dump\n!missing")?;
    }
    writeln!(out, "@cli\npath /usr/bin/pm2\nversion {PM2_VERSION}\n@end")
}

struct Process<'a> {
    pid: u32,
    parent: u32,
    since: i64,
    restarts: u64,
    entry: &'a Entry,
}

/// Everything that PM2 has started, also what it has lost.
fn processes(machine: &Machine, now: i64) -> Vec<Process<'_>> {
    let of = |entry| {
        let at = Entry::at(entry, now);
        Some(Process { pid: at.pid?, parent: DAEMON, since: at.since, restarts: at.restarts, entry })
    };
    let lost = machine.orphan.iter().map(|(pid, entry)| Process {
        pid: *pid,
        parent: 1,
        since: machine.boot + ORPHAN_SINCE,
        restarts: 0,
        entry,
    });
    machine.entries.iter().filter_map(of).chain(lost).collect()
}

fn write_env(out: &mut String, of: &Process<'_>) -> std::fmt::Result {
    let Process { pid, restarts, entry, .. } = of;
    writeln!(out, "{pid} name={}\n{pid} namespace=default\n{pid} pm_exec_path={}", entry.name, entry.script)?;
    writeln!(out, "{pid} pm_cwd={}\n{pid} exec_mode=fork_mode\n{pid} PORT={}", entry.cwd, entry.port)?;
    writeln!(out, "{pid} PM2_HOME={PM2_HOME}\n{pid} unique_id={}\n{pid} pm_id={}", entry.unique_id(), entry.id)?;
    writeln!(out, "{pid} restart_time={restarts}")
}

/// Whether the directory and the config of an app are there.
pub(crate) fn release(_: &mut Machine, script: &Shell, _: i64) -> Printed {
    let of = |name: &str| Machine::path(script.env.get(name).map_or("", String::as_str));
    let config = of("CONFIG");
    Printed::out(match (of("START_CWD") == SERVICE_DIR, is_config(&config)) {
        (false, _) => "no-cwd\n",
        (true, false) => "no-config\n",
        (true, true) => "ready\n",
    })
}

/// Whether a path as seen from the service's directory is its file for PM2.
pub(crate) fn is_config(path: &str) -> bool {
    let path = path.strip_prefix(SERVICE_DIR).map_or(path, |rest| rest.trim_start_matches('/'));
    path.trim_start_matches("./") == SERVICE_CONFIG
}

/// What PM2's daemon answers.
pub(crate) fn daemon(machine: &Machine, call: &Pm2Call, now: i64) -> Pm2Reply {
    let home = Machine::path(&call.home);
    if home != PM2_HOME {
        let message = format!("nothing answers at `{}/rpc.sock`", literal(&home));
        return Pm2Reply::Fault { class: "no-connect".to_owned(), message };
    }
    let value = match call.method {
        Pm2Method::Version => json!(PM2_VERSION),
        // what is known of it is chosen in one place, also here
        Pm2Method::Processes => project(&machine.entries.iter().map(|entry| listed(entry, now)).collect::<Vec<Value>>().into()),
    };
    Pm2Reply::Answer { value }
}

fn listed(entry: &Entry, now: i64) -> Value {
    let at = entry.at(now);
    let (name, log) = (&entry.name, &entry.log);
    let mut env = json!({
        "namespace": "default",
        "status": at.status,
        "restart_time": at.restarts,
        "unstable_restarts": 0,
        "pm_uptime": at.since,
        "created_at": entry.created,
        "exec_mode": "fork_mode",
        "instances": 1,
        "pm_cwd": entry.cwd,
        "pm_exec_path": entry.script,
        "version": "1.4.2",
        "unique_id": entry.unique_id(),
        "username": "app",
        "PORT": entry.port.to_string(),
        "pm_out_log_path": format!("{PM2_HOME}/logs/{log}-out.log"),
        "pm_err_log_path": format!("{PM2_HOME}/logs/{log}-error.log"),
        "autorestart": true,
        "node_version": "20.20.2",
    });
    if at.restarts > 0 {
        env["exit_code"] = json!(1);
    }
    json!({ "pid": at.pid.unwrap_or_default(), "name": name, "pm_id": entry.id, "monit": { "memory": 52_211_712 }, "pm2_env": env })
}
