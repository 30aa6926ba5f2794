//! Commands that the author of a runbook wrote: what `require` and `exec` have in common. The text is sent as it was
//! written; the variables of the runbook stand in its environment.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::fields::{Context, Fields};
use crate::model::op::{Captured, Exit, ShellReply};
use crate::model::step::Unreadable;
use crate::model::vars::shadows;
use crate::model::visible::text_of;
use crate::read::answer::line;
use crate::read::script::{BECOME_REFUSED, SUDO_HINT, sudo_said};

/// The environment for a command: every variable of the runbook under its own name. Lists are one entry a line.
pub fn environment(context: Context<'_>) -> Result<BTreeMap<String, String>, String> {
    let mut env = BTreeMap::new();
    for (name, value) in context.vars {
        if shadows(name) {
            return Err(format!("the variable `{name}` would take the place of an environment variable that programs obey"));
        }
        if let Some(text) = plain(value).map_err(|what| format!("the variable `{name}` {what}"))? {
            env.insert(name.clone(), text);
        }
    }
    Ok(env)
}

/// A value as the text of an environment variable; none for what is not there.
pub(in crate::steps) fn plain(value: &Value) -> Result<Option<String>, &'static str> {
    let text = match value {
        Value::Null => return Ok(None),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::String(s) => s.clone(),
        Value::Array(list) => {
            let entries = list.iter().map(plain).collect::<Result<Vec<_>, _>>()?;
            entries.into_iter().flatten().collect::<Vec<_>>().join("\n")
        }
        Value::Object(_) => return Err("is a table: no environment variable can hold it"),
    };
    if text.contains('\0') { Err("contains a NUL byte: no environment variable can hold it") } else { Ok(Some(text)) }
}

/// Reads the environment for the command at `key`, noting what is wrong with it there.
pub fn read_environment(fields: &mut Fields<'_>, key: &str) -> Option<BTreeMap<String, String>> {
    match environment(fields.context) {
        Ok(env) => Some(env),
        Err(message) => {
            fields.error(key, message, Some("give it another name under [vars]".to_owned()));
            None
        }
    }
}

/// A command in a few words: its first line that says something, and how many follow.
pub fn title(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let first = line(lines.next().unwrap_or("nothing"), 100);
    match lines.count() {
        0 => first,
        1 => format!("{first} (and 1 more line)"),
        more => format!("{first} (and {more} more lines)"),
    }
}

/// The last lines of an output, for people.
pub fn last_lines(output: &Captured, most: usize) -> Vec<String> {
    let end = if output.tail.is_empty() { &output.head } else { &output.tail };
    let text = text_of(end);
    let mut lines: Vec<String> = text.lines().rev().filter(|l| !l.trim().is_empty()).take(most).map(|l| line(l, 300)).collect();
    lines.reverse();
    lines
}

/// What a command left behind, where it was seen.
pub fn still_open(reply: &ShellReply) -> Option<String> {
    let which = match (reply.stdout.held, reply.stderr.held) {
        (false, false) => return None,
        (true, false) => "standard output",
        (false, true) => "standard error",
        (true, true) => "standard output and standard error",
    };
    Some(format!("a process that it started still runs and holds its {which}"))
}

/// The status of a command that looked. Where it did not come to one, or the shell could not run it at all, nothing
/// was seen.
pub fn looked(reply: &ShellReply, wanted: u32) -> Result<u32, Unreadable> {
    let code = match &reply.exit {
        Exit::Code { code } => *code,
        Exit::Signal { name } => return Err(Unreadable::new(format!("the command was ended by SIG{name}"))),
        Exit::TimedOut => {
            let hint = "a look may take 10s: make the command faster, or end it by itself";
            return Err(Unreadable::new("the command took too long and was ended").hint(hint));
        }
        Exit::Unknown { why } => {
            return Err(Unreadable::new(format!("no status of the command was received ({})", line(why, 80))));
        }
        Exit::NotStarted { why } if why == BECOME_REFUSED => {
            let what = format!("the command was not started: {}", sudo_said(&reply.stderr));
            return Err(Unreadable::new(what).hint(SUDO_HINT));
        }
        Exit::NotStarted { why } => return Err(Unreadable::new(format!("the command was not started ({})", line(why, 300)))),
    };
    // `command -v x` says nothing and returns 127 in some shells: that is an answer. A shell that cannot find or run
    // what it was told says so on standard error.
    let complaint = last_lines(&reply.stderr, 1);
    if let (126 | 127, Some(complaint)) = (code, complaint.first())
        && code != wanted
    {
        let meaning = meaning(code).unwrap_or_default();
        return Err(Unreadable::new(format!("exit {code}, {meaning}: {complaint}")).hint(PATH_HINT));
    }
    Ok(code)
}

/// What helps where a command is not found.
pub const PATH_HINT: &str = "a command without a login has a short PATH: name the program by its full path";

/// What a shell means by a status, where it means something.
pub fn meaning(code: u32) -> Option<String> {
    match code {
        124 => Some("what `timeout` returns for a command that took too long".to_owned()),
        126 => Some("found but cannot be run".to_owned()),
        127 => Some("command not found".to_owned()),
        129..=192 => Some(match code - 128 {
            1 => "ended by SIGHUP".to_owned(),
            2 => "ended by SIGINT".to_owned(),
            3 => "ended by SIGQUIT".to_owned(),
            6 => "ended by SIGABRT".to_owned(),
            9 => "ended by SIGKILL, often by the kernel for lack of memory".to_owned(),
            11 => "ended by SIGSEGV".to_owned(),
            13 => "ended by SIGPIPE".to_owned(),
            15 => "ended by SIGTERM".to_owned(),
            signal => format!("ended by signal {signal}"),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::json;

    use super::{environment, last_lines, looked, title};
    use crate::model::fields::Context;
    use crate::model::op::{Captured, Exit, ShellReply};
    use crate::model::plan::Section;

    fn reply(exit: Exit, stderr: &str) -> ShellReply {
        ShellReply { exit, stdout: Captured::default(), stderr: Captured::whole(stderr), took: Duration::from_millis(2) }
    }

    #[test]
    fn variables_are_the_environment_and_none_takes_the_place_of_another() {
        let vars = BTreeMap::from([
            ("app".to_owned(), json!("a'b $(x)")),
            ("port".to_owned(), json!(3000)),
            ("on".to_owned(), json!(true)),
            ("list".to_owned(), json!(["a", "b"])),
        ]);
        let none = BTreeMap::new();
        let context = |vars| Context { vars, host_vars: &none, section: Section::Step };
        let got = environment(context(&vars)).expect("they are fine");
        let pairs: Vec<(&str, &str)> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [("app", "a'b $(x)"), ("list", "a\nb"), ("on", "true"), ("port", "3000")]);
        let bad = BTreeMap::from([("LD_PRELOAD".to_owned(), json!("x"))]);
        let message = "the variable `LD_PRELOAD` would take the place of an environment variable that programs obey";
        assert_eq!(environment(context(&bad)), Err(message.to_owned()));
        let nul = BTreeMap::from([("x".to_owned(), json!("a\u{0}b"))]);
        assert!(environment(context(&nul)).is_err());
    }

    #[test]
    fn a_command_is_named_by_its_first_line() {
        assert_eq!(title("\n# build\nnpm ci\n"), "npm ci");
        assert_eq!(title("cd /srv\nnpm ci\nnpm run build\n"), "cd /srv (and 2 more lines)");
        assert_eq!(title("# nothing but words"), "nothing");
    }

    #[test]
    fn the_end_of_an_output_is_what_is_shown() {
        let cut = Captured {
            head: b"one\ntwo".to_vec(),
            tail: b"e\nlast but one\n\nlast\x1b[0m\n".to_vec(),
            total: 9000,
            ..Captured::default()
        };
        assert_eq!(last_lines(&cut, 2), ["last but one", "last\\x1b[0m"]);
        assert_eq!(last_lines(&Captured::whole("only\n"), 5), ["only"]);
    }

    #[test]
    fn a_look_that_came_to_no_status_saw_nothing() {
        let code = |code| Exit::Code { code };
        assert_eq!(looked(&reply(code(1), "no"), 0), Ok(1));
        assert_eq!(looked(&reply(code(127), ""), 0), Ok(127), "`command -v missing` in dash");
        assert_eq!(looked(&reply(code(127), "sh: 1: gti: not found"), 127), Ok(127));
        let what = |exit, stderr| looked(&reply(exit, stderr), 0).expect_err("nothing was seen").what;
        assert_eq!(what(code(127), "sh: 1: gti: not found"), "exit 127, command not found: sh: 1: gti: not found");
        assert_eq!(what(Exit::Signal { name: "KILL".into() }, ""), "the command was ended by SIGKILL");
        assert_eq!(what(Exit::TimedOut, ""), "the command took too long and was ended");
        let lost = Exit::Unknown { why: "connection-lost".into() };
        assert_eq!(what(lost, ""), "no status of the command was received (connection-lost)");
    }
}
