//! Commands that went wrong before, wherever they stand.

use std::ops::Range;

use crate::load::diagnostic::Diagnostic;
use crate::load::lint::Script;
use crate::load::lint::sh::{Command, Joint};

/// What pm2 does to apps; its list is to be saved afterwards.
const PM2_CHANGES: &[&str] = &[
    "start",
    "stop",
    "restart",
    "reload",
    "gracefulReload",
    "delete",
    "del",
    "scale",
    "startOrRestart",
    "startOrReload",
    "startOrGracefulReload",
];
/// What asks whether a service is up.
const ASKING: &[&str] = &["curl", "wget", "http", "nc", "ss", "lsof", "netstat", "pm2", "systemctl", "docker", "pgrep", "ps"];

/// Warns of the commands of one script.
pub(super) fn warn(script: &Script<'_>, found: &mut Vec<Diagnostic>) {
    for command in &script.commands {
        if let Some(at) = broad_kill(command) {
            let message = "this ends processes by what they are called or by what they use, also those of others";
            let help = "end one pid that a check has named: kind = \"free-port\" with its guards, or kind = \"pm2\" for an app";
            found.push(script.warning("W301", &at, message).help(help));
        }
        if command.program() == "pm2" {
            pm2(script, command, found);
        }
        for word in command.args() {
            local(script, command, &word.text, &word.at, found);
        }
    }
    unsaved(script, found);
    sleeps(script, found);
}

/// The place of what ends more than one process that was looked at.
pub(super) fn broad_kill(command: &Command) -> Option<Range<usize>> {
    match command.program() {
        // a file with a pid in it names one process
        "pkill" => (!command.has_flag('F') && !command.has("--pidfile")).then(|| command.at()),
        "killall" | "killall5" | "skill" | "slay" => Some(command.at()),
        "fuser" if command.has_flag('k') || command.has("--kill") => Some(command.at()),
        "kill" if !asks_only(command) => {
            let found_by = ["pgrep", "pidof", "lsof", "fuser", "ps", "ss", "netstat", "awk"];
            let by_search = |runs: &[String]| runs.iter().any(|program| found_by.contains(&program.as_str()));
            let searched = command.args().iter().any(|word| by_search(&word.runs));
            // the first argument can be a signal: `kill -1 PID`
            let everyone = command.args().iter().skip(1).any(|word| word.text == "-1");
            (command.by_xargs || searched || everyone).then(|| command.at())
        }
        _ => None,
    }
}

/// `kill -0` and `kill -l` end nothing.
pub(super) fn asks_only(command: &Command) -> bool {
    command.args().first().is_some_and(|word| matches!(word.text.as_str(), "-0" | "-l" | "-L"))
        || command.args().windows(2).any(|pair| pair[0].text == "-s" && pair[1].text == "0")
}

/// What pm2 is told to do, and to what.
pub(super) fn pm2_verb(command: &Command) -> (Option<&str>, Vec<&str>) {
    let mut args = command.args().iter().map(|word| word.text.as_str());
    let mut plain = Vec::new();
    while let Some(arg) = args.next() {
        match arg {
            "--namespace" | "--name" | "-n" | "--cwd" | "--only" | "--lines" | "-i" | "--signal" | "--env" => drop(args.next()),
            _ if arg.starts_with('-') => {}
            _ => plain.push(arg),
        }
    }
    let verb = plain.first().copied();
    plain.drain(..plain.len().min(1));
    (verb, plain)
}

fn pm2(script: &Script<'_>, command: &Command, found: &mut Vec<Diagnostic>) {
    let (verb, targets) = pm2_verb(command);
    let verb = verb.unwrap_or("");
    let at = command.at();
    let option = |name: &str| command.args().iter().find(|word| word.text == name || word.text.starts_with(&format!("{name}=")));
    if matches!(verb, "save" | "dump")
        && let Some(force) = option("--force").or_else(|| option("-f"))
    {
        let message = "this saves an empty list over a good one where no app runs";
        found.push(
            script.warning("W302", &force.at, message).help("leave it out, or use kind = \"pm2\", which saves and compares"),
        );
    }
    let many = |target: &str| target == "all" || target.starts_with('/');
    if matches!(verb, "stop" | "restart" | "reload" | "gracefulReload" | "delete" | "del" | "flush" | "reset" | "scale") {
        if targets.iter().any(|target| many(target)) {
            let message = "this touches every app of this PM2, also those of others";
            found.push(script.warning("W303", &at, message).help("name the app: kind = \"pm2\" with app = \"…\""));
        } else if targets.is_empty() && !command.by_xargs {
            let message = format!("`pm2 {verb}` names no app");
            found.push(script.warning("W303", &at, message).help("name the app: kind = \"pm2\" with app = \"…\""));
        }
    } else if matches!(verb, "kill" | "update") {
        let message = format!("`pm2 {verb}` ends the daemon and with it every app, also those of others");
        found.push(script.warning("W303", &at, message).help("name the app: kind = \"pm2\" with app = \"…\""));
    }
    if verb != "start"
        && let Some(namespace) = option("--namespace")
    {
        let message = "outside `pm2 start` this does not scope: `restart all --namespace X` moves every app into X";
        found.push(script.warning("W304", &namespace.at, message).help("use kind = \"pm2\" with namespace = \"…\""));
    }
}

fn unsaved(script: &Script<'_>, found: &mut Vec<Diagnostic>) {
    let told = |command: &&Command, verbs: &[&str]| {
        command.program() == "pm2" && pm2_verb(command).0.is_some_and(|verb| verbs.contains(&verb))
    };
    let saved = script.commands.iter().any(|command| told(&command, &["save", "dump"]));
    if let (Some(change), false) = (script.commands.iter().find(|command| told(command, PM2_CHANGES)), saved || script.only_looks)
    {
        let message = "what PM2 runs then is not what it starts after a reboot";
        let help = "end with `pm2 save`, or use kind = \"pm2\", which saves and compares";
        found.push(script.warning("W307", &change.at(), message).help(help));
    }
}

/// A time is no proof: what is waited for may come later, or have failed at once.
fn sleeps(script: &Script<'_>, found: &mut Vec<Diagnostic>) {
    let outer: Vec<&Command> = script.commands.iter().filter(|command| command.depth == 0).collect();
    for (at, command) in outer.iter().enumerate() {
        let gates = match outer.get(at + 1) {
            None => true,
            Some(next) => next.joint != Joint::Pipe && ASKING.contains(&next.program()),
        };
        if command.program() == "sleep" && !command.looped && gates {
            let message = "a time that passes proves nothing: what is waited for may need longer, or have failed at once";
            let help =
                "leave it out and add a [[verify]]: it is looked at until it holds, with stable_for for as long as it must";
            found.push(script.warning("W310", &command.at(), message).help(help));
        }
    }
}

/// A name that resolves to two addresses, one of which may be somebody else's.
fn local(script: &Script<'_>, command: &Command, text: &str, at: &Range<usize>, found: &mut Vec<Diagnostic>) {
    if matches!(command.program(), "echo" | "printf" | "logger") {
        return;
    }
    let bare = matches!(command.program(), "curl" | "wget") && super::texts::is_local(text);
    if bare || super::texts::localhost(text).is_some() {
        let written = script.text.get(at.clone()).unwrap_or("");
        let place = written.find("localhost").map_or(at.clone(), |n| at.start + n..at.start + n + "localhost".len());
        found.push(script.warning("W306", &place, super::texts::LOCALHOST).help(super::texts::NUMBERS));
    }
}

/// A switch that one script turns off and none turns on again.
pub(super) fn toggles(scripts: &[Script<'_>], found: &mut Vec<Diagnostic>) {
    for script in scripts {
        let calls = script.commands.iter().filter(|command| matches!(command.program(), "curl" | "wget" | "http"));
        for (name, at) in
            calls.flat_map(|command| command.args()).filter_map(|word| Some((turned(&word.text, "false")?, &word.at)))
        {
            let on = |other: &Script<'_>| {
                other.commands.iter().flat_map(|command| command.args()).any(|word| turned(&word.text, "true") == Some(name))
            };
            if !scripts.iter().any(on) {
                let message = format!("`{name}` is turned off here, and no script turns it on again");
                let help = "use kind = \"kill-switch\": the value read before is put back on every way out of the run";
                found.push(script.warning("W309", at, message).help(help));
            }
        }
    }
}

/// The switch that a request gives this value: `enabled=false`, `"enabled": false`.
fn turned<'t>(text: &'t str, value: &str) -> Option<&'t str> {
    const NAMES: [&str; 6] = ["enabled", "enable", "active", "switch", "toggle", "flag"];
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find(value).map(|n| from + n) {
        from = at + value.len();
        let ends = text.get(from..)?.chars().next().is_none_or(|c| !c.is_ascii_alphanumeric());
        let before = text.get(..at)?.trim_end();
        let Some(before) = before.strip_suffix(['=', ':']) else { continue };
        let before = before.trim_end().trim_end_matches(['"', '\'']);
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).map_or(0, |n| n + 1);
        let name = before.get(start..)?;
        if ends && NAMES.iter().any(|known| name.to_ascii_lowercase().ends_with(known)) {
            return Some(name);
        }
    }
    None
}
