//! Equal results of several hosts shown once, under a set of their names. Pure; what hosts printed is escaped and
//! always stands behind a mark, so that it can never pass for words of this program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::model::finding::Finding;
use crate::model::id::HostName;
use crate::model::op::{Captured, Exit, ShellReply};
use crate::model::outcome::RunState;

/// What a command came to on one host.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It was sent, or nearly.
    Reply(ShellReply),
    /// The host could not be reached.
    Unreachable(Finding),
}

impl Answer {
    /// The state of the contract it stands for.
    pub fn state(&self) -> RunState {
        match self {
            Answer::Unreachable(_) => RunState::Unreachable,
            Answer::Reply(reply) => match &reply.exit {
                Exit::Code { code: 0 } => RunState::Ok,
                Exit::Code { .. } | Exit::Signal { .. } | Exit::TimedOut => RunState::Failed,
                Exit::Unknown { .. } => RunState::Unknown,
                Exit::NotStarted { why } if why == "cancelled" => RunState::Aborted,
                Exit::NotStarted { why } if why == "connection-lost" => RunState::Unreachable,
                Exit::NotStarted { .. } => RunState::Failed,
            },
        }
    }

    fn title(&self) -> String {
        let exit = match self {
            Answer::Unreachable(finding) => return format!("unreachable, {}: {}", finding.code, finding.summary),
            Answer::Reply(reply) => &reply.exit,
        };
        match exit {
            Exit::Code { code: 0 } => "ok".to_owned(),
            Exit::Code { code } => format!("failed, exit {code}{}", meaning(*code)),
            Exit::Signal { name } => format!("failed, ended by SIG{name}"),
            Exit::TimedOut => "failed, timed out; it was ended on the host and is gone".to_owned(),
            Exit::Unknown { why } => format!("unknown, {why}: no exit status came back, it may still be running"),
            Exit::NotStarted { why } => format!("not started, {why}"),
        }
    }

    /// What makes two answers the same to a reader: everything but how long it took.
    fn body(&self) -> String {
        let mut out = String::new();
        match self {
            Answer::Reply(reply) => {
                lines(&mut out, '|', &reply.stdout);
                lines(&mut out, '!', &reply.stderr);
            }
            Answer::Unreachable(finding) => {
                for line in &finding.evidence {
                    let _ = writeln!(out, "  {line}");
                }
                if let Some(hint) = &finding.hint {
                    let _ = writeln!(out, "  try: {hint}");
                }
            }
        }
        out
    }
}

fn meaning(code: u32) -> &'static str {
    match code {
        126 => " (found, but it cannot be executed)",
        127 => " (command not found)",
        137 => " (as after SIGKILL)",
        143 => " (as after SIGTERM)",
        _ => "",
    }
}

/// All answers, those that are equal shown once: the good ones first, then what needs a reader.
pub fn render(answers: &[(HostName, Answer)]) -> String {
    let mut groups: Vec<(RunState, String, String, Vec<&HostName>)> = Vec::new();
    for (host, answer) in answers {
        let (title, body) = (answer.title(), answer.body());
        match groups.iter_mut().find(|group| group.1 == title && group.2 == body) {
            Some(group) => group.3.push(host),
            None => groups.push((answer.state(), title, body, vec![host])),
        }
    }
    groups.sort_by_key(|group| group.0 != RunState::Ok);
    let mut out = String::new();
    for (_, title, body, hosts) in groups {
        let count = if hosts.len() > 1 { format!(" ({})", hosts.len()) } else { String::new() };
        let _ = write!(out, "{}{count}: {title}\n{body}", host_set(&hosts));
    }
    out
}

/// How many hosts came to what: `5 ok, 1 failed`.
pub fn tally(answers: &[(HostName, Answer)]) -> String {
    let order = [RunState::Ok, RunState::Failed, RunState::Unreachable, RunState::Unknown, RunState::Aborted];
    let count = |state: RunState| answers.iter().filter(|(_, answer)| answer.state() == state).count();
    let word = |state: RunState| if state == RunState::Aborted { "not started" } else { state.word() };
    let parts = order.into_iter().map(|state| (count(state), word(state))).filter(|(count, _)| *count > 0);
    parts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

fn lines(out: &mut String, mark: char, captured: &Captured) {
    let mut part = |bytes: &[u8]| {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        for line in bytes.split(|b| *b == b'\n') {
            let _ = writeln!(out, "  {mark} {}", escaped(line));
        }
    };
    if captured.head.is_empty() {
        return;
    }
    part(&captured.head);
    if captured.is_cut() {
        let left = captured.total - (captured.head.len() + captured.tail.len()) as u64;
        let _ = writeln!(out, "  … {left} of {} bytes left out …", captured.total);
        return lines(out, mark, &Captured::whole(captured.tail.as_slice()));
    }
    if !captured.tail.is_empty() {
        lines(out, mark, &Captured::whole(captured.tail.as_slice()));
    }
}

/// One line of a host's output without anything a terminal would obey.
fn escaped(line: &[u8]) -> String {
    let mut out = String::with_capacity(line.len());
    for chunk in line.strip_suffix(b"\r").unwrap_or(line).utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => out.push_str("    "),
                // quotes and backslashes are harmless and common
                '\'' | '"' | '\\' => out.push(c),
                c => out.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Names as a set that the selector reads back: `web-[01-03,07],db`.
pub fn host_set(hosts: &[&HostName]) -> String {
    let mut order: Vec<(&str, &str)> = Vec::new();
    let mut families: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for host in hosts {
        let (front, digits, back) = parts(host.as_str());
        if !order.contains(&(front, back)) {
            order.push((front, back));
        }
        families.entry((front, back)).or_default().push(digits);
    }
    let mut names = Vec::new();
    for (front, back) in order {
        for numbers in widths(&families[&(front, back)]) {
            names.push(match numbers {
                Numbers::One(digits) => format!("{front}{digits}{back}"),
                Numbers::Set(text) => format!("{front}[{text}]{back}"),
            });
        }
    }
    names.join(",")
}

enum Numbers<'a> {
    One(&'a str),
    Set(String),
}

/// The last run of digits is what differs between the hosts of a family.
fn parts(name: &str) -> (&str, &str, &str) {
    let Some(end) = name.rfind(|c: char| c.is_ascii_digit()).map(|at| at + 1) else { return (name, "", "") };
    let start = name[..end].rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    (&name[..start], &name[start..end], &name[end..])
}

/// Padded numbers keep their width: `01` and `1` are different hosts.
fn widths<'a>(all: &[&'a str]) -> Vec<Numbers<'a>> {
    let padded = all.iter().any(|digits| digits.len() > 1 && digits.starts_with('0'));
    let mut by_width: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    let mut single = Vec::new();
    for digits in all {
        match digits.parse::<u64>() {
            Ok(number) => drop(by_width.entry(if padded { digits.len() } else { 0 }).or_default().insert(number)),
            Err(_) => single.push(Numbers::One(digits)),
        }
    }
    for (width, numbers) in by_width {
        if let [only] = numbers.iter().copied().collect::<Vec<_>>()[..] {
            let same = all.iter().find(|d| d.parse() == Ok(only) && (width == 0 || d.len() == width));
            single.extend(same.map(|digits| Numbers::One(digits)));
        } else {
            single.push(Numbers::Set(ranges(&numbers, width)));
        }
    }
    single
}

fn ranges(numbers: &BTreeSet<u64>, width: usize) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => runs.push((*number, *number)),
        }
    }
    let text = |(first, last): (u64, u64)| match last - first {
        0 => format!("{first:0width$}"),
        _ => format!("{first:0width$}-{last:0width$}"),
    };
    runs.into_iter().map(text).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Answer, host_set, render, tally};
    use crate::model::finding::Finding;
    use crate::model::id::HostName;
    use crate::model::op::{Captured, Exit, ShellReply};

    fn name(text: &str) -> HostName {
        HostName::parse(text).expect("a name")
    }

    fn set(names: &[&str]) -> String {
        let names: Vec<HostName> = names.iter().map(|text| name(text)).collect();
        host_set(&names.iter().collect::<Vec<_>>())
    }

    #[test]
    fn names_fold_into_sets() {
        assert_eq!(set(&["proxy-1", "proxy-2", "proxy-3", "proxy-12"]), "proxy-[1-3,12]");
        assert_eq!(set(&["web09", "web10", "web01"]), "web[01,09-10]");
        assert_eq!(set(&["web1", "web01"]), "web1,web01");
        assert_eq!(set(&["web-1.eu", "web-2.eu", "db"]), "web-[1-2].eu,db");
        assert_eq!(set(&["db", "db-7"]), "db,db-7");
        assert_eq!(set(&["w18446744073709551616", "w1"]), "w18446744073709551616,w1");
    }

    fn reply(exit: Exit, stdout: &[u8], stderr: &[u8], took: u64) -> Answer {
        let (stdout, stderr) = (Captured::whole(stdout), Captured::whole(stderr));
        Answer::Reply(ShellReply { exit, stdout, stderr, took: Duration::from_millis(took) })
    }

    #[test]
    fn equal_answers_are_shown_once() {
        let ok = |took| reply(Exit::Code { code: 0 }, b"one\ntwo\x1b[2J\n", b"", took);
        let answers = [
            (name("p-1"), ok(1)),
            (name("p-2"), reply(Exit::Code { code: 7 }, b"\xff", b"no\tway\n", 2)),
            (name("p-3"), ok(3)),
            (name("p-4"), Answer::Unreachable(Finding::new("refused", "connection refused").hint("look there"))),
            (name("p-5"), reply(Exit::Unknown { why: "no-status".to_owned() }, b"", b"", 4)),
        ];
        let want = "\
p-[1,3] (2): ok
  | one
  | two\\u{1b}[2J
p-2: failed, exit 7
  | \\xff
  ! no    way
p-4: unreachable, refused: connection refused
  try: look there
p-5: unknown, no-status: no exit status came back, it may still be running
";
        assert_eq!(render(&answers), want);
        assert_eq!(tally(&answers), "2 ok, 1 failed, 1 unreachable, 1 unknown");
    }

    #[test]
    fn what_is_left_out_is_said() {
        let stdout = Captured { head: b"a\n".to_vec(), tail: b"z\n".to_vec(), total: 10 };
        let reply = ShellReply { exit: Exit::Code { code: 0 }, stdout, stderr: Captured::default(), took: Duration::ZERO };
        let want = "p: ok\n  | a\n  … 6 of 10 bytes left out …\n  | z\n";
        assert_eq!(render(&[(name("p"), Answer::Reply(reply))]), want);
    }
}
