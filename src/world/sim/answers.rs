//! Which script a simulated host answers with what: a row of a table for each. A script of this program without a row
//! is said to have no answer, so that what was looked for is unreadable and never made up.

use std::time::Duration;

use crate::model::op::{Captured, Exit, Op, Reply, Shell, ShellReply};
use crate::model::sim::Cause;
use crate::read::{file, logs as log_files, pm2_host, room};
use crate::steps::{free_port, pm2};
use crate::world::sim::changes;
use crate::world::sim::files;
use crate::world::sim::logs;
use crate::world::sim::looks;
use crate::world::sim::machine::Machine;
use crate::world::sim::service;

/// How a script ends, what it prints, and what it takes besides the way there and back.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) exit: Exit,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    pub(crate) takes: Duration,
}

impl Printed {
    /// Status 0.
    pub(crate) fn out(text: impl Into<Vec<u8>>) -> Self {
        Self { exit: Exit::Code { code: 0 }, out: text.into(), err: Vec::new(), takes: Duration::ZERO }
    }

    /// Another status.
    pub(crate) fn failed(code: u32, err: &str) -> Self {
        Self { exit: Exit::Code { code }, err: err.as_bytes().to_vec(), ..Self::out("") }
    }

    /// Takes so long.
    pub(crate) fn after(self, takes: Duration) -> Self {
        Self { takes, ..self }
    }
}

/// What answers a script: the host, the script with its values, the host's clock in milliseconds.
type Answer = fn(&mut Machine, &Shell, i64) -> Printed;

/// Scripts of this program by their text, with what answers them.
const ANSWERS: [(&str, Answer); 8] = [
    (pm2_host::SCRIPT, looks::host),
    (pm2::RELEASE, looks::release),
    (log_files::SCRIPT, logs::ends),
    (file::SCRIPT, files::path),
    (room::SCRIPT, files::room),
    (pm2::act::SCRIPT, changes::pm2),
    (free_port::SCRIPT, changes::free_port),
    // what the latency is measured with
    (":", |_, _, _| Printed::out("")),
];

/// How long a command that prints goes on for.
const PRINTS_FOR: u32 = 5;
/// How much of the beginning and of the end of an output is kept.
const KEPT: usize = 256 * 1024;

/// Performs an op on a host at a moment of its clock: the reply, and what it takes besides the way there and back.
pub(crate) fn perform(machine: &mut Machine, op: &Op, now: i64, rate: u32) -> (Reply, Duration) {
    match op {
        Op::Http(call) => (Reply::Http(service::answer(machine, call)), Duration::ZERO),
        Op::Pm2(call) => (Reply::Pm2(looks::daemon(machine, call, now)), Duration::ZERO),
        Op::Shell(script) => {
            let known = ANSWERS.iter().find(|(text, _)| *text == script.text()).map(|(_, answer)| answer);
            let printed = match known {
                Some(answer) => answer(machine, script, now),
                None if script.is_authored() => changes::authored(machine, script, now),
                None => Printed::failed(127, &format!("sim: no answer for {}\n", script.label)),
            };
            let lines = script.is_authored() && rate > 0 && !matches!(machine.fail, Some(Cause::Timeout));
            let (stdout, prints) = match lines {
                true => (many_lines(&machine.name, rate), Duration::from_secs(u64::from(PRINTS_FOR))),
                false => (Captured::whole(printed.out), Duration::ZERO),
            };
            let takes = printed.takes + prints;
            let reply =
                ShellReply { exit: printed.exit, stdout, stderr: Captured::whole(printed.err), took: machine.round() + takes };
            (Reply::Shell(reply), takes)
        }
    }
}

/// What a command has printed that prints so many lines a second: lines of equal length, so that what is in the middle
/// need not be made to be counted.
fn many_lines(name: &str, rate: u32) -> Captured {
    let line = |n: u32| format!("SIM {name} line {n:07}\n");
    let count = rate.saturating_mul(PRINTS_FOR);
    let length = line(1).len();
    let fit = u32::try_from(KEPT / length).unwrap_or(u32::MAX);
    let text = |range: std::ops::RangeInclusive<u32>| range.map(line).collect::<String>().into_bytes();
    let head = text(1..=count.min(fit));
    let tail = if count > fit { text((count - fit).max(fit) + 1..=count) } else { Vec::new() };
    Captured { head, tail, total: u64::from(count) * length as u64, ..Captured::default() }
}

#[cfg(test)]
mod tests {
    use super::many_lines;

    #[test]
    fn every_line_is_counted_and_the_ends_are_kept() {
        let short = many_lines("sim-1", 2);
        assert_eq!((short.total, short.is_cut()), (10 * 23, false));
        assert!(short.text().expect("whole").ends_with("SIM sim-1 line 0000010\n"));
        let long = many_lines("sim-1", 100_000);
        assert_eq!(long.total, 500_000 * 23);
        assert!(long.tail.ends_with(b"line 0500000\n") && long.is_cut());
        let over = many_lines("sim-1", 3_000);
        let kept = (over.head.len() + over.tail.len()) as u64;
        assert_eq!((over.total, kept), (15_000 * 23, 15_000 * 23), "nothing twice where both ends meet");
    }
}
