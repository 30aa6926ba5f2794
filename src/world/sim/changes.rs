//! What changes on a simulated host: the script that asks PM2, with its guards and its words.

use std::time::Duration;

use crate::model::op::{Exit, Shell};
use crate::model::sim::Cause;
use crate::world::sim::answers::Printed;
use crate::world::sim::looks::is_config;
use crate::world::sim::machine::{Machine, PM2_HOME, Run, SERVICE_DIR};

/// What one command of PM2 takes.
const COMMAND: Duration = Duration::from_millis(600);

/// One entry deleted, restarted, reloaded or stopped, or one app started; then the list saved.
pub(crate) fn pm2(machine: &mut Machine, script: &Shell, now: i64) -> Printed {
    let of = |name: &str| script.env.get(name).map_or("", String::as_str);
    let verb = of("VERB");
    if Machine::path(of("PM2_HOME_DIR")) != PM2_HOME {
        return refused(93, &format!("there is no {}", of("PM2_HOME_DIR")));
    }
    let id = of("APP_ID").parse::<u32>().ok();
    let named = machine.entries.iter().any(|entry| Some(entry.id) == id && entry.name == of("APP_NAME"));
    match verb {
        "delete" | "restart" | "reload" | "stop" if !named => {
            return refused(94, &format!("entry {} is not {} any more", of("APP_ID"), of("APP_NAME")));
        }
        "start" if Machine::path(of("START_CWD")) != SERVICE_DIR => {
            return refused(91, &format!("the directory {} is missing or may not be entered", of("START_CWD")));
        }
        "start" if !is_config(&Machine::path(of("CONFIG"))) => {
            return refused(91, &format!("{} is missing in {} or may not be read", of("CONFIG"), of("START_CWD")));
        }
        "delete" | "restart" | "reload" | "stop" | "start" => {}
        _ => return refused(90, "no such verb"),
    }
    if let Some(failed) = broken(machine.fail, script, &format!("pm2 {verb} ended with status 1")) {
        return failed;
    }
    match (verb, id) {
        ("start", _) => {
            machine.add_service(of("APP_NAME"), now);
        }
        ("delete", Some(id)) => machine.entries.retain(|entry| entry.id != id),
        (_, Some(id)) => {
            for entry in machine.entries.iter_mut().filter(|entry| entry.id == id) {
                // what a loop has counted stays counted
                entry.restarts = entry.at(now).restarts + u64::from(verb != "stop");
                entry.run = Run::Stopped;
            }
            if verb != "stop" {
                machine.start(id, now);
            }
        }
        (_, None) => {}
    }
    let done = format!("[PM2] Applying action {verb} on app [{}]\n[PM2] [{}] \u{2713}\n", of("APP_ID"), of("APP_NAME"));
    if of("SAVE") != "yes" {
        return Printed::out(done).after(COMMAND * 2);
    }
    if machine.fail == Some(Cause::Disk) {
        let err = "Error: ENOSPC: no space left on device, write\nrunbook: pm2 save ended with status 1\n";
        return Printed { out: done.into_bytes(), ..Printed::failed(96, err) }.after(COMMAND * 3);
    }
    machine.saved = machine.entries.clone();
    Printed::out(format!("{done}[PM2] Saving current process list...\n[PM2] Successfully saved in {PM2_HOME}/dump.pm2\n"))
        .after(COMMAND * 3)
}

fn refused(code: u32, line: &str) -> Printed {
    Printed::failed(code, &format!("runbook: {line}\n"))
}

/// How a change fails on a host where changes do; a full disk is met only where something is written.
fn broken(cause: Option<Cause>, script: &Shell, end: &str) -> Option<Printed> {
    match cause? {
        Cause::Eaddrinuse => {
            let err = format!("Error: listen EADDRINUSE: address already in use {PM2_HOME}/rpc.sock\nrunbook: {end}\n");
            Some(Printed::failed(1, &err).after(COMMAND))
        }
        Cause::Exit => Some(Printed::failed(1, &format!("[PM2][ERROR] Process failed\nrunbook: {end}\n")).after(COMMAND)),
        Cause::Timeout => Some(late(script)),
        Cause::Disk => None,
    }
}

/// A command that somebody wrote: it does nothing and says so, or fails by the host's cause.
pub(crate) fn authored(machine: &mut Machine, script: &Shell, _: i64) -> Printed {
    match machine.fail {
        None => Printed::out("SIM\n"),
        Some(Cause::Eaddrinuse) => Printed::failed(1, "SIM Error: listen EADDRINUSE: address already in use :::3000\n"),
        Some(Cause::Disk) => Printed::failed(1, "SIM sh: write error: No space left on device\n"),
        Some(Cause::Exit) => Printed::failed(7, "SIM ended with status 7\n"),
        Some(Cause::Timeout) => late(script),
    }
}

fn late(script: &Shell) -> Printed {
    Printed { exit: Exit::TimedOut, ..Printed::out("") }.after(script.timeout)
}
