//! Equal results of several hosts shown once, under a set of their names. Pure; what hosts printed is escaped and
//! always stands behind a mark, so that it can never pass for words of this program.

use std::fmt::Write;

use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::hostset::fold;
use crate::model::id::HostName;
use crate::model::op::{Captured, Exit, ShellReply};
use crate::model::outcome::RunState;
use crate::model::visible::{Newline, visible, visible_bytes};
use crate::state::summary::fold_key;

/// Why a host could not be reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Down {
    /// Class, words and what to do next.
    pub finding: Finding,
    /// What hosts have in common that are down for the same reason.
    cause: String,
}

impl Down {
    /// From what connecting to `host` came to.
    pub fn new(host: &Host, finding: Finding) -> Self {
        let without = Finding::new(&finding.code, finding.summary.replace(&host.address, "<address>"));
        let cause = fold_key(None, &without, &host.name);
        Self { finding, cause }
    }

    /// What shows it and what to do about it, a line each.
    fn body(&self) -> String {
        let mut out = String::new();
        for line in &self.finding.evidence {
            let _ = writeln!(out, "  {}", visible(line));
        }
        if let Some(hint) = &self.finding.hint {
            let _ = writeln!(out, "  try: {}", visible(hint));
        }
        out
    }
}

/// A reason and the hosts that are down for it.
type Cause<'d> = (&'d Down, Vec<HostName>, bool);

/// Hosts that could not be reached, folded by cause in the order in which each first appears. The words are those of the
/// first of them, and say so where the others' differ.
pub fn causes<'d>(down: impl IntoIterator<Item = (&'d HostName, &'d Down)>) -> String {
    let mut causes: Vec<Cause<'d>> = Vec::new();
    for (host, down) in down {
        match causes.iter_mut().find(|(first, ..)| first.cause == down.cause) {
            Some((first, hosts, same)) => {
                *same &= first.finding == down.finding;
                hosts.push(host.clone());
            }
            None => causes.push((down, vec![host.clone()], true)),
        }
    }
    let mut out = String::new();
    for (down, hosts, same) in causes {
        let Finding { code, summary, .. } = &down.finding;
        let example = if same { "" } else { "for example " };
        let summary = visible(summary);
        let _ = write!(out, "{}: unreachable, {code}: {example}{summary}\n{}", named(&hosts), down.body());
    }
    out
}

/// `web-[01-03] (3)`.
fn named(hosts: &[HostName]) -> String {
    let count = if hosts.len() > 1 { format!(" ({})", hosts.len()) } else { String::new() };
    format!("{}{count}", fold(hosts))
}

/// What a command came to on one host.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It was sent, or nearly.
    Reply(ShellReply),
    /// The host could not be reached.
    Unreachable(Down),
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
                Exit::NotStarted { why } if why == "connection-lost" || why == "protocol-error" => RunState::Unreachable,
                Exit::NotStarted { .. } => RunState::Failed,
            },
        }
    }

    /// What makes two answers the same to a reader, everything but how long it took: a title and the lines below it.
    fn words(reply: &ShellReply) -> (String, String) {
        let mut body = String::new();
        lines(&mut body, '|', &reply.stdout);
        lines(&mut body, '!', &reply.stderr);
        (Self::title(reply), body)
    }

    fn title(reply: &ShellReply) -> String {
        match &reply.exit {
            Exit::Code { code: 0 } => "ok".to_owned(),
            Exit::Code { code } => format!("failed, exit {code}{}", meaning(*code)),
            Exit::Signal { name } => format!("failed, ended by SIG{}", visible(name)),
            Exit::TimedOut => "failed, timed out; it was ended on the host and is gone".to_owned(),
            Exit::Unknown { why } if why == "two-statuses" || why == "two-answers" => {
                format!("unknown, {}: what came back contradicts itself and is not believed", visible(why))
            }
            Exit::Unknown { why } => format!("unknown, {}: no exit status came back, it may still be running", visible(why)),
            Exit::NotStarted { why } => format!("not started, {}", visible(why)),
        }
    }

    /// Why it is not ok, in the words of its title.
    pub fn finding(&self) -> Option<Finding> {
        let reply = match self {
            Answer::Unreachable(down) => return Some(down.finding.clone()),
            Answer::Reply(reply) => reply,
        };
        let code = match &reply.exit {
            Exit::Code { code: 0 } => return None,
            Exit::Code { .. } => "exit",
            Exit::Signal { .. } => "signal",
            Exit::TimedOut => "timeout",
            Exit::Unknown { why } | Exit::NotStarted { why } => why,
        };
        Some(Finding::new(code, Self::title(reply)))
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

/// All answers, those that are equal shown once: the good ones first, then what needs a reader, then who was not reached.
pub fn render(answers: &[(HostName, Answer)]) -> String {
    let mut groups: Vec<(RunState, (String, String), Vec<HostName>)> = Vec::new();
    let mut down = Vec::new();
    for (host, answer) in answers {
        let words = match answer {
            Answer::Unreachable(why) => {
                down.push((host, why));
                continue;
            }
            Answer::Reply(reply) => Answer::words(reply),
        };
        match groups.iter_mut().find(|group| group.1 == words) {
            Some(group) => group.2.push(host.clone()),
            None => groups.push((answer.state(), words, vec![host.clone()])),
        }
    }
    groups.sort_by_key(|group| group.0 != RunState::Ok);
    let mut out = String::new();
    for (_, (title, body), hosts) in groups {
        let _ = write!(out, "{}: {title}\n{body}", named(&hosts));
    }
    out + &causes(down)
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
        let _ = writeln!(out, "  … {} of {} bytes left out …", captured.left_out(), captured.total);
        return lines(out, mark, &Captured::whole(captured.tail.as_slice()));
    }
    if !captured.tail.is_empty() {
        lines(out, mark, &Captured::whole(captured.tail.as_slice()));
    }
}

/// One line of a host's output as text that can only be read.
fn escaped(line: &[u8]) -> String {
    visible_bytes(line.strip_suffix(b"\r").unwrap_or(line), Newline::Keep)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{Answer, Down, render, tally};
    use crate::load::inventory::from_source;
    use crate::load::source::decode;
    use crate::model::finding::Finding;
    use crate::model::id::HostName;
    use crate::model::op::{Captured, Exit, ShellReply};

    fn name(text: &str) -> HostName {
        HostName::parse(text).expect("a name")
    }

    fn down(name: &str, address: &str, finding: Finding) -> (HostName, Answer) {
        let text = format!("[defaults]\nuser = \"u\"\n[hosts.{name}]\naddress = \"{address}\"\n");
        let source = decode(Path::new("inventory.toml"), text.into_bytes()).expect("text");
        let inventory = from_source(&source, None).expect("an inventory");
        (inventory.hosts[0].name.clone(), Answer::Unreachable(Down::new(&inventory.hosts[0], finding)))
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
            down("p-4", "10.0.0.4", Finding::new("refused", "connection refused").hint("look there")),
            (name("p-5"), reply(Exit::Unknown { why: "no-status".to_owned() }, b"", b"", 4)),
        ];
        let want = "\
p-[1,3] (2): ok
  | one
  | two\\x1b[2J
p-2: failed, exit 7
  | \\xff
  ! no      way
p-5: unknown, no-status: no exit status came back, it may still be running
p-4: unreachable, refused: connection refused
  try: look there
";
        assert_eq!(render(&answers), want);
        assert_eq!(tally(&answers), "2 ok, 1 failed, 1 unreachable, 1 unknown");
    }

    #[test]
    fn unreachable_hosts_are_folded_by_cause() {
        let refused = |address: &str| Finding::new("refused", format!("{address}:22: connection refused")).hint("is it running?");
        let answers = [
            down("p-1", "10.0.0.1", refused("10.0.0.1")),
            down("q", "q.example.net", Finding::new("dns", "`q.example.net` cannot be resolved")),
            down("p-2", "fe80::2", refused("[fe80::2]")),
            down("r", "r.example.net", Finding::new("dns", "`r.example.net` cannot be resolved\x1b[2J")),
            down("p-3", "10.0.0.3", refused("10.0.0.3")),
            down("s", "10.0.0.9", Finding::new("host-key-unknown", "the host key ssh-ed25519 SHA256:abc is not recorded")),
            down("t", "10.0.0.9", Finding::new("host-key-unknown", "the host key ssh-ed25519 SHA256:xyz is not recorded")),
        ];
        let want = "\
p-[1,3] (2): unreachable, refused: for example 10.0.0.1:22: connection refused
  try: is it running?
q: unreachable, dns: `q.example.net` cannot be resolved
p-2: unreachable, refused: [fe80::2]:22: connection refused
  try: is it running?
r: unreachable, dns: `r.example.net` cannot be resolved\\x1b[2J
s: unreachable, host-key-unknown: the host key ssh-ed25519 SHA256:abc is not recorded
t: unreachable, host-key-unknown: the host key ssh-ed25519 SHA256:xyz is not recorded
";
        assert_eq!(render(&answers), want);
    }

    #[test]
    fn what_is_left_out_is_said() {
        let stdout = Captured { head: b"a\n".to_vec(), tail: b"z\n".to_vec(), total: 10, ..Captured::default() };
        let reply = ShellReply { exit: Exit::Code { code: 0 }, stdout, stderr: Captured::default(), took: Duration::ZERO };
        let want = "p: ok\n  | a\n  … 6 of 10 bytes left out …\n  | z\n";
        assert_eq!(render(&[(name("p"), Answer::Reply(reply))]), want);
    }
}
