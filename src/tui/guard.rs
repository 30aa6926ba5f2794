//! A process that gives the terminal back when this one is killed, and does nothing else.
//!
//! It is the same program, started as `runbook screen-guard` in a process group of its own. It remembers how the terminal
//! is set, says `r`, and waits at a pipe: `k` says that all is well, an end without it that its parent was killed.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use rustix::event::{PollFd, PollFlags};
use rustix::termios::{OptionalActions, QueueSelector, tcflush, tcgetattr, tcsetattr};

use crate::tui::terminal::modes::LEAVE;
use crate::tui::terminal::tty::{at_last, is_raw, wait};

/// The hidden command of the program.
pub const COMMAND: &str = "screen-guard";
/// How long the guard may take to be ready.
const READY: Duration = Duration::from_secs(2);
/// How long it may take to end.
const ENDING: Duration = Duration::from_secs(1);
const SAID_READY: u8 = b'r';
const ALL_IS_WELL: u8 = b'k';
const KILLED: &str = "runbook was killed; `runbook history` says what is left open\n";

/// The guard, as its parent knows it.
#[derive(Debug)]
pub struct Guard {
    child: Child,
    line: ChildStdin,
}

impl Guard {
    /// Starts `program` as the guard of this terminal, before its settings are changed. It waits two seconds for the guard
    /// to be ready; one that is not is ended.
    pub fn start(program: &Path, tty: BorrowedFd<'_>) -> io::Result<Self> {
        let mut child = Command::new(program)
            .arg(COMMAND)
            // it needs nothing of it, and secrets may be in it
            .env_clear()
            // a signal to our group is not meant for it
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(tty.try_clone_to_owned()?)
            .spawn()?;
        let ready = child.stdout.take().is_some_and(|mut said| {
            let mut byte = [0];
            let heard = wait(&mut [PollFd::from_borrowed_fd(said.as_fd(), PollFlags::IN)], Some(READY));
            heard.is_ok_and(|heard| heard) && said.read(&mut byte).is_ok_and(|count| count == 1) && byte == [SAID_READY]
        });
        match child.stdin.take() {
            Some(line) if ready => Ok(Self { child, line }),
            _ => {
                end(&mut child);
                Err(io::Error::other("the guard of the screen did not start"))
            }
        }
    }

    /// Tells it that the terminal is given back, and waits until it has ended: a second at most, then it is killed.
    pub fn dismiss(self) {
        let Self { mut child, mut line } = self;
        // where it has ended already, nobody listens
        let _ = line.write_all(&[ALL_IS_WELL]);
        drop(line);
        let from = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && from.elapsed() < ENDING {
            std::thread::sleep(Duration::from_millis(2));
        }
        end(&mut child);
    }
}

/// Ends it if it has not ended; either way nothing of it stays.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// What the guard does. Its standard input is the pipe, its standard output where it says that it is ready, its standard
/// error the terminal.
pub fn watch() -> io::Result<()> {
    block_signals()?;
    rename();
    // no file system is kept busy by it
    std::env::set_current_dir("/")?;
    let (pipe, tty) = (io::stdin(), io::stderr());
    let before = tcgetattr(&tty)?;
    let mut said = io::stdout();
    said.write_all(&[SAID_READY])?;
    said.flush()?;
    if all_is_well(pipe.as_fd(), tty.as_fd())? {
        return Ok(());
    }
    at_last(tty.as_fd(), LEAVE)?;
    // a shell that has the terminal by now has set it as it wants it
    if is_raw(&tcgetattr(&tty)?) {
        tcsetattr(&tty, OptionalActions::Now, &before)?;
        tcflush(&tty, QueueSelector::IFlush)?;
    }
    at_last(tty.as_fd(), KILLED.as_bytes())
}

/// Waits until the parent ends, in whichever way, or the terminal does.
fn all_is_well(pipe: BorrowedFd<'_>, tty: BorrowedFd<'_>) -> io::Result<bool> {
    loop {
        let mut fds = [PollFd::from_borrowed_fd(pipe, PollFlags::IN), PollFd::from_borrowed_fd(tty, PollFlags::empty())];
        wait(&mut fds, None)?;
        let [heard, gone] = fds.map(|fd| fd.revents());
        if !gone.is_empty() {
            return Ok(true);
        }
        let mut byte = [0];
        if !heard.is_empty() {
            match rustix::io::read(pipe, &mut byte) {
                Ok(0) => return Ok(false),
                Ok(_) if byte == [ALL_IS_WELL] => return Ok(true),
                _ => {}
            }
        }
    }
}

/// Only the pipe ends it. SIGTTOU would stop it when it sets the terminal from the background.
fn block_signals() -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in
        [Signal::SIGTTOU, Signal::SIGTTIN, Signal::SIGTSTP, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM]
    {
        signals.add(signal);
    }
    Ok(signals.thread_block()?)
}

/// `killall -9 runbook` goes by this name.
fn rename() {
    #[cfg(target_os = "linux")]
    {
        // it does its work under any name
        let _ = rustix::thread::set_name(c"screen-guard");
    }
}
