//! What a script of this program printed, or why it cannot be taken for an answer.

use crate::model::op::{Captured, Exit, Reply};
use crate::model::step::Unreadable;
use crate::model::visible::text_of;
use crate::read::answer::line;

/// Why a script was not started that was to run as another user: `sudo` said no, wanted a password, or is not there.
pub const BECOME_REFUSED: &str = "become-refused";
/// The status of a script of this program that misses a tool.
const LACKS: u32 = 92;
/// What helps where another user cannot be become.
pub const SUDO_HINT: &str = "`sudo -n -u USER true` must work there for the user who logs in: NOPASSWD for it, no requiretty";

/// What `sudo` had against it, in its own words.
pub fn sudo_said(stderr: &Captured) -> String {
    let text = text_of(&stderr.head);
    let last = text.lines().rev().map(str::trim).find(|said| !said.is_empty());
    match last {
        Some(said) => format!("sudo did not let it run as the other user: {}", line(said, 200)),
        None => "sudo did not let it run as the other user".to_owned(),
    }
}

/// That a script ended with a status that says that it did not look to the end, and what it said of it.
pub fn failed(what: &str, code: u32, stderr: &Captured) -> Unreadable {
    let said = line(&text_of(&stderr.head), 120);
    let colon = if said.is_empty() { "" } else { ": " };
    let unreadable = Unreadable::new(format!("{what} ended with status {code}{colon}{said}"));
    if code == LACKS { unreadable.hint("install it there: a look without it would tell less than there is") } else { unreadable }
}

/// Everything the script printed, if it came to its end. `what` names it in words: `the look at the log files`.
pub fn output(reply: &Reply, what: &str) -> Result<Vec<u8>, Unreadable> {
    let Reply::Shell(shell) = reply else { return Err(Unreadable::new(format!("{what} was answered by something else"))) };
    match &shell.exit {
        Exit::Code { code: 0 } => {}
        Exit::Code { code } => return Err(failed(what, *code, &shell.stderr)),
        Exit::Signal { name } => return Err(Unreadable::new(format!("{what} was ended by SIG{}", line(name, 20)))),
        Exit::TimedOut => {
            let hint = "a file system that does not answer, such as a lost NFS mount, holds it up";
            return Err(Unreadable::new(format!("{what} took too long and was ended")).hint(hint));
        }
        Exit::NotStarted { why } if why == BECOME_REFUSED => {
            return Err(Unreadable::new(format!("{what} was not started: {}", sudo_said(&shell.stderr))).hint(SUDO_HINT));
        }
        Exit::Unknown { why } | Exit::NotStarted { why } => {
            return Err(Unreadable::new(format!("{what} has no end ({})", line(why, 80))));
        }
    }
    if shell.stdout.is_cut() {
        return Err(Unreadable::new(format!("{what} is too long to be read: {} bytes", shell.stdout.total)));
    }
    // a long output is kept in two pieces even where nothing between them is missing
    Ok([shell.stdout.head.as_slice(), shell.stdout.tail.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::output;
    use crate::model::op::{Captured, Exit, Reply, ShellReply};

    fn reply(exit: Exit, stdout: Captured) -> Reply {
        Reply::Shell(ShellReply { exit, stdout, stderr: Captured::whole("no\nspace"), took: Duration::ZERO })
    }

    #[test]
    fn only_a_whole_output_of_a_script_that_ended_well_is_one() {
        let two = Captured { head: b"ab".to_vec(), tail: b"cd".to_vec(), total: 4, ..Captured::default() };
        assert_eq!(output(&reply(Exit::Code { code: 0 }, two.clone()), "the look"), Ok(b"abcd".to_vec()));
        let told = |exit, stdout| output(&reply(exit, stdout), "the look").expect_err("no output").what;
        assert_eq!(
            told(Exit::Code { code: 0 }, Captured { total: 5, ..two.clone() }),
            "the look is too long to be read: 5 bytes"
        );
        assert_eq!(told(Exit::Code { code: 2 }, two.clone()), "the look ended with status 2: no space");
        assert_eq!(told(Exit::Signal { name: "KILL".to_owned() }, two.clone()), "the look was ended by SIGKILL");
        assert_eq!(told(Exit::TimedOut, two.clone()), "the look took too long and was ended");
        let refused = Exit::NotStarted { why: "become-refused".to_owned() };
        assert_eq!(told(refused, two), "the look was not started: sudo did not let it run as the other user: space");
    }
}
