//! What changes on a simulated host: the script that asks PM2, with its guards and its words.

use std::time::Duration;

use crate::model::op::{Exit, Shell};
use crate::model::sim::Cause;
use crate::world::sim::answers::Printed;
use crate::world::sim::looks::is_config;
use crate::world::sim::machine::{Machine, ORPHAN_SINCE, PM2_HOME, SERVICE_DIR};

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
    let next = of("NEXT_ID").parse::<u32>().ok();
    let next_named = machine.entries.iter().any(|entry| Some(entry.id) == next && entry.name == of("NEXT_NAME"));
    match verb {
        "delete" | "restart" | "reload" | "stop" | "replace" if !named => {
            return refused(94, &format!("entry {} is not {} any more", of("APP_ID"), of("APP_NAME")));
        }
        "replace" if !next_named => {
            return refused(94, &format!("entry {} is not {} any more", of("NEXT_ID"), of("NEXT_NAME")));
        }
        "start" if Machine::path(of("START_CWD")) != SERVICE_DIR => {
            return refused(91, &format!("the directory {} is missing or may not be entered", of("START_CWD")));
        }
        "start" if !is_config(&Machine::path(of("CONFIG"))) => {
            return refused(91, &format!("{} is missing in {} or may not be read", of("CONFIG"), of("START_CWD")));
        }
        "delete" | "restart" | "reload" | "stop" | "replace" | "start" => {}
        _ => return refused(90, "no such verb"),
    }
    let starts = matches!(verb, "start" | "restart" | "reload" | "replace");
    if let Some(failed) = broken(machine.fail.filter(|cause| starts || *cause != Cause::Eaddrinuse), script, verb) {
        return failed;
    }
    match (verb, id) {
        ("start", _) => {
            machine.add_service(of("APP_NAME"), now);
        }
        (_, Some(id)) => {
            machine.stop(id, now);
            match (verb, next) {
                ("stop", _) => {}
                ("delete", _) => machine.entries.retain(|entry| entry.id != id),
                ("replace", Some(next)) => {
                    machine.stop(next, now);
                    machine.restart(next, now);
                    machine.entries.retain(|entry| entry.id != id);
                }
                _ => machine.restart(id, now),
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

/// How long a process takes to end once it is asked to.
const ENDING: Duration = Duration::from_millis(200);

/// The process that PM2 has lost is ended, under the guards that can fail here.
pub(crate) fn free_port(machine: &mut Machine, script: &Shell, _: i64) -> Printed {
    let of = |name: &str| script.env.get(name).map_or("", String::as_str);
    let pid = of("TARGET_PID");
    let start = (ORPHAN_SINCE / 10).to_string();
    let Some((_, entry)) = machine.orphan.as_ref().filter(|(own, _)| own.to_string() == pid && start == of("TARGET_START"))
    else {
        let why = "is no longer the process that was looked at (start time differs, or it has ended)";
        return refused(91, &format!("pid {pid} {why}"));
    };
    if of("TARGET_CWD") != entry.cwd {
        return refused(93, &format!("pid {pid} is not in {} any more", of("TARGET_CWD")));
    }
    if of("TARGET_PM2_HOME") != PM2_HOME || of("TARGET_PM_ID") != entry.id.to_string() {
        return refused(94, &format!("pid {pid} does not say that PM2 started it"));
    }
    if of("LISTEN_PORT") != entry.port.to_string() {
        return refused(95, &format!("port {} is held by nobody, not by pid {pid} alone", of("LISTEN_PORT")));
    }
    match machine.fail {
        Some(Cause::Timeout) => late(script),
        Some(Cause::Exit) => refused(96, &format!("pid {pid} lives on after SIGKILL, in state D")).after(ENDING),
        // the port comes free; what is started afterwards meets the cause
        None | Some(Cause::Eaddrinuse | Cause::Disk) => {
            machine.orphan = None;
            Printed::out(format!("ended {}\n", of("SIGNAL"))).after(ENDING)
        }
    }
}

fn refused(code: u32, line: &str) -> Printed {
    Printed::failed(code, &format!("runbook: {line}\n"))
}

/// How a change fails on a host where changes do; a full disk is met only where something is written.
fn broken(cause: Option<Cause>, script: &Shell, verb: &str) -> Option<Printed> {
    let end = format!("pm2 {verb} ended with status 1");
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
