//! Commands that change something where only looking is meant: in checks, in `unless`, in what is remembered.

use std::ops::Range;

use crate::load::diagnostic::Diagnostic;
use crate::load::lint::Script;
use crate::load::lint::commands::{asks_only, broad_kill, pm2_verb};
use crate::load::lint::sh::Command;

/// Programs that do nothing else.
const CHANGING: &[&str] = &[
    "rm", "rmdir", "mv", "cp", "ln", "chmod", "chown", "chgrp", "mkdir", "touch", "truncate", "install", "rsync", "scp",
    "unlink", "shred", "mount", "umount", "reboot", "shutdown", "halt", "poweroff", "useradd", "usermod", "userdel", "swapon",
    "swapoff",
];
/// Programs that change something by these verbs.
const VERBS: &[(&str, &[&str])] = &[
    (
        "systemctl",
        &[
            "start",
            "stop",
            "restart",
            "try-restart",
            "reload",
            "reload-or-restart",
            "enable",
            "disable",
            "mask",
            "unmask",
            "kill",
            "isolate",
            "daemon-reload",
            "daemon-reexec",
            "reset-failed",
            "set-property",
        ],
    ),
    (
        "git",
        &[
            "checkout",
            "switch",
            "restore",
            "pull",
            "fetch",
            "reset",
            "clean",
            "merge",
            "rebase",
            "commit",
            "push",
            "revert",
            "cherry-pick",
            "clone",
            "apply",
            "am",
            "add",
            "gc",
        ],
    ),
    ("npm", NODE),
    ("pnpm", NODE),
    ("yarn", NODE),
    ("docker", CONTAINER),
    ("podman", CONTAINER),
    ("docker-compose", CONTAINER),
    ("apt", PACKAGES),
    ("apt-get", PACKAGES),
    ("yum", PACKAGES),
    ("dnf", PACKAGES),
    ("apk", PACKAGES),
    ("kubectl", &["apply", "create", "delete", "scale", "patch", "edit", "drain", "cordon", "uncordon", "replace"]),
];
const NODE: &[&str] =
    &["ci", "install", "i", "add", "update", "upgrade", "uninstall", "remove", "prune", "rebuild", "link", "publish"];
const CONTAINER: &[&str] =
    &["restart", "rm", "rmi", "stop", "start", "kill", "run", "pull", "push", "build", "create", "up", "down", "prune", "update"];
const PACKAGES: &[&str] = &["install", "remove", "purge", "update", "upgrade", "autoremove", "add", "del", "erase"];
/// Options that take a value and stand before the verb.
const BEFORE_VERB: &[&str] =
    &["-C", "-c", "--git-dir", "--work-tree", "--prefix", "-H", "--host", "--context", "-n", "--namespace", "-f"];

/// Warns of one script that is only meant to look.
pub(super) fn warn(script: &Script<'_>, found: &mut Vec<Diagnostic>) {
    for command in &script.commands {
        if command.program() == "pm2" {
            pm2(script, command, found);
        } else if let Some((what, at)) = change(command)
            // that is told already
            && broad_kill(command).is_none()
        {
            let message = format!("`{what}` changes something, and a look is taken in every dry run and may be taken many times");
            found.push(script.warning("W311", &at, message).help(help(script)));
        }
        for output in command.outputs.iter().filter(|word| !is_sink(&word.text)) {
            let message = "this writes a file, and a look is taken in every dry run and may be taken many times";
            found.push(script.warning("W311", &output.at, message).help(help(script)));
        }
    }
}

fn help(script: &Script<'_>) -> &'static str {
    match script.key {
        "unless" | "remember" => "ask something that changes nothing; what changes belongs into `run`",
        _ => "move it to a [[step]] with kind = \"exec\"",
    }
}

/// Every command of pm2 starts a daemon where none answers; some do more.
fn pm2(script: &Script<'_>, command: &Command, found: &mut Vec<Diagnostic>) {
    let (verb, _) = pm2_verb(command);
    let Some(verb) = verb else { return };
    let message = format!("`pm2 {verb}` starts a daemon where none answers: it is no look");
    let help = "kind = \"single-process\", \"pm2-daemon\" and \"port\" look without the command line of pm2";
    found.push(script.warning("W311", &command.at(), message).help(help));
}

/// What changes something, in a few words, and where it stands.
fn change(command: &Command) -> Option<(String, Range<usize>)> {
    let program = command.program();
    let whole = |what: &str| Some((what.to_owned(), command.at()));
    if CHANGING.contains(&program) {
        return whole(program);
    }
    if let Some((_, verbs)) = VERBS.iter().find(|(name, _)| *name == program) {
        let plain = plain_args(command);
        // `docker compose up`, `docker image prune`
        let verb = plain.iter().take(2).find(|word| verbs.contains(word))?;
        return whole(&format!("{program} {verb}"));
    }
    match program {
        "kill" if !asks_only(command) => whole("kill"),
        "service" => {
            let verb = command.args().get(1)?.text.as_str();
            if matches!(verb, "start" | "stop" | "restart" | "reload") { whole(&format!("service {verb}")) } else { None }
        }
        "sed" | "perl" if command.has_flag('i') || command.args().iter().any(|word| word.text.starts_with("--in-place")) => {
            whole(&format!("{program} -i"))
        }
        "tee" => command.args().iter().any(|word| !word.text.starts_with('-') && !is_sink(&word.text)).then(|| whole("tee"))?,
        "dd" => {
            command.args().iter().any(|word| word.text.starts_with("of=") && !is_sink(&word.text[3..])).then(|| whole("dd"))?
        }
        "find" => finds(command).map(|what| (what, command.at())),
        "curl" => curl(command).map(|what| (what, command.at())),
        "wget" => {
            let method = command.args().iter().find_map(|word| word.text.strip_prefix("--method="));
            let posts = command.args().iter().any(|word| word.text.starts_with("--post-"));
            let method = method.filter(|method| !matches!(*method, "GET" | "HEAD")).or(posts.then_some("POST"))?;
            whole(&format!("wget {method}"))
        }
        "crontab" if !command.has("-l") => whole("crontab"),
        _ => None,
    }
}

/// The arguments that are no options, nor the values of those that stand before a verb.
fn plain_args(command: &Command) -> Vec<&str> {
    let mut plain = Vec::new();
    let mut args = command.args().iter().map(|word| word.text.as_str());
    while let Some(arg) = args.next() {
        match arg {
            _ if BEFORE_VERB.contains(&arg) => drop(args.next()),
            _ if arg.starts_with('-') => {}
            _ => plain.push(arg),
        }
    }
    plain
}

fn finds(command: &Command) -> Option<String> {
    if command.has("-delete") {
        return Some("find -delete".to_owned());
    }
    let run = command.args().windows(2).find(|pair| matches!(pair[0].text.as_str(), "-exec" | "-execdir" | "-ok"))?;
    let program = run[1].text.rsplit('/').next()?;
    (CHANGING.contains(&program) || program == "kill").then(|| format!("find -exec {program}"))
}

/// A request that is no GET and no HEAD.
fn curl(command: &Command) -> Option<String> {
    let (mut method, mut body, mut get) = (None, false, false);
    let mut args = command.args().iter().map(|word| word.text.as_str());
    while let Some(arg) = args.next() {
        match arg {
            "--request" => method = args.next(),
            "--get" | "--head" => get = true,
            "--json" | "--form" | "--upload-file" => body = true,
            _ if arg.starts_with("--data") => body = true,
            _ if arg.starts_with("--request=") => method = arg.split_once('=').map(|(_, method)| method),
            _ if arg.starts_with('-') && !arg.starts_with("--") => {
                for (at, flag) in arg.char_indices().skip(1) {
                    let rest = arg.get(at + flag.len_utf8()..).unwrap_or("");
                    match flag {
                        'X' => {
                            method = if rest.is_empty() { args.next() } else { Some(rest) };
                            break;
                        }
                        'G' | 'I' => get = true,
                        'd' | 'F' | 'T' => {
                            body = true;
                            break;
                        }
                        'A' | 'b' | 'c' | 'C' | 'D' | 'e' | 'E' | 'H' | 'K' | 'm' | 'o' | 'P' | 'Q' | 'r' | 't' | 'u' | 'U'
                        | 'w' | 'x' | 'y' | 'Y' | 'z' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    match method {
        Some(method) => (!matches!(method.to_ascii_uppercase().as_str(), "GET" | "HEAD")).then(|| format!("curl -X {method}")),
        None => (body && !get).then(|| "curl with a body".to_owned()),
    }
}

/// Where output goes without changing anything.
fn is_sink(file: &str) -> bool {
    matches!(file, "/dev/null" | "/dev/stdout" | "/dev/stderr" | "/dev/tty" | "") || file.starts_with("/dev/fd/")
}
