//! The thread that reads: it waits for the terminal and for word of its own end, and for nothing else.

use std::collections::VecDeque;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::FromTerminal;
use super::tty::{Tty, wait};
use crate::tui::input::Decoder;

/// After how long the session is asked again to take what it had no room for.
const AGAIN: Duration = Duration::from_millis(20);

/// What the reader hears besides the terminal.
#[derive(Debug)]
pub(super) struct Line {
    wakes: PipeReader,
    wake: PipeWriter,
    stops: AtomicBool,
    is_lost: AtomicBool,
}

impl Line {
    pub(super) fn new() -> io::Result<Self> {
        let (wakes, wake) = io::pipe()?;
        Ok(Self { wakes, wake, stops: AtomicBool::new(false), is_lost: AtomicBool::new(false) })
    }

    /// The terminal takes no more bytes.
    pub(super) fn lost(&self) {
        self.is_lost.store(true, Ordering::SeqCst);
        self.ring();
    }

    fn stop(&self) {
        self.stops.store(true, Ordering::SeqCst);
        self.ring();
    }

    fn ring(&self) {
        // a byte for the wait: what it means stands in the flags
        let _ = (&self.wake).write(b"!");
    }
}

/// The thread.
#[derive(Debug)]
pub(super) struct Reader {
    line: Arc<Line>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Starts it. `settle` is how long the rest of a cut-off key is waited for.
    pub(super) fn start(tty: Arc<Tty>, line: Arc<Line>, out: Sender<FromTerminal>, settle: Duration) -> io::Result<Self> {
        let its = Reading {
            tty,
            line: Arc::clone(&line),
            out,
            settle,
            decoder: Decoder::default(),
            waiting: VecDeque::new(),
            over: false,
        };
        let thread = std::thread::Builder::new().name("screen-reader".to_owned()).spawn(move || its.run())?;
        Ok(Self { line, thread: Some(thread) })
    }

    /// Ends it: from now on it takes nothing from the terminal.
    pub(super) fn end(mut self) {
        self.line.stop();
        if let Some(thread) = self.thread.take() {
            // it waits for nothing but the terminal and this; it cannot have panicked
            let _ = thread.join();
        }
    }
}

struct Reading {
    tty: Arc<Tty>,
    line: Arc<Line>,
    out: Sender<FromTerminal>,
    settle: Duration,
    decoder: Decoder,
    /// What the session had no room for; nothing is read while there is any.
    waiting: VecDeque<FromTerminal>,
    /// The terminal is lost, and told to be.
    over: bool,
}

impl Reading {
    fn run(mut self) {
        while !self.line.stops.load(Ordering::SeqCst) {
            if self.line.is_lost.load(Ordering::SeqCst) {
                self.lost();
            }
            if !self.hand_over() || (self.over && self.waiting.is_empty()) {
                return;
            }
            if self.look().is_err() {
                self.lost();
            }
        }
    }

    /// Whether there is still somebody to hand anything to.
    fn hand_over(&mut self) -> bool {
        while let Some(next) = self.waiting.pop_front() {
            match self.out.try_send(next) {
                Ok(()) => {}
                Err(TrySendError::Full(next)) => {
                    self.waiting.push_front(next);
                    return true;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        true
    }

    /// Waits for the next thing, and takes it.
    fn look(&mut self) -> io::Result<()> {
        let full = !self.waiting.is_empty();
        let most = match (full, self.decoder.waits_for_more()) {
            (true, _) => Some(AGAIN),
            (false, true) => Some(self.settle),
            (false, false) => None,
        };
        let mut fds = [
            PollFd::from_borrowed_fd(self.line.wakes.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.tty.input(), PollFlags::IN),
        ];
        // while the session has no room, only the wake-up is waited for
        let count = if full { 1 } else { 2 };
        if !wait(&mut fds[..count], most)? {
            let settled = if full { Vec::new() } else { self.decoder.settle() };
            self.waiting.extend(settled.into_iter().map(FromTerminal::Input));
            return Ok(());
        }
        let [woken, tty] = fds.map(|fd| fd.revents());
        if !woken.is_empty() {
            let _ = (&self.line.wakes).read(&mut [0; 64])?;
        }
        if full || tty.is_empty() {
            return Ok(());
        }
        self.read(!tty.contains(PollFlags::IN))
    }

    /// Reads once. `gone` says that there can be nothing more.
    fn read(&mut self, gone: bool) -> io::Result<()> {
        let mut bytes = [0; 4096];
        match rustix::io::read(self.tty.input(), &mut bytes) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(Errno::AGAIN | Errno::INTR) if !gone => Ok(()),
            Err(error) => Err(error.into()),
            Ok(count) => {
                let inputs = self.decoder.feed(&bytes[..count]);
                self.waiting.extend(inputs.into_iter().map(FromTerminal::Input));
                Ok(())
            }
        }
    }

    fn lost(&mut self) {
        self.line.is_lost.store(true, Ordering::SeqCst);
        if !self.over {
            self.over = true;
            self.waiting.push_back(FromTerminal::Lost);
        }
    }
}
