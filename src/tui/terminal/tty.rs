//! The terminal itself: bytes in and out that can be waited for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use ratatui::layout::Size;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, QueueSelector, Termios, isatty, tcflush, tcgetattr, tcgetwinsize, tcsetattr, ttyname,
};
use rustix::time::Timespec;

/// How long one wait for a terminal that takes nothing lasts before the writer looks whether it shall go on.
const PATIENCE: Duration = Duration::from_millis(100);
/// What is written at once: a terminal that takes a little at a time is noticed.
const PIECE: usize = 16 * 1024;

/// Standard input and output, opened a second time so that they can be non-blocking without the shell's being so.
#[derive(Debug)]
pub(crate) struct Tty {
    read: OwnedFd,
    write: OwnedFd,
}

impl Tty {
    /// The terminal of this process.
    pub(super) fn open() -> io::Result<Self> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        if !isatty(&stdin) || !isatty(&stdout) {
            return Err(io::Error::other("the screen needs a terminal; try `runbook run NAME`"));
        }
        Ok(Self { read: second(stdin.as_fd())?, write: second(stdout.as_fd())? })
    }

    /// Where input comes from.
    pub(super) fn input(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    /// Where output goes.
    pub(crate) fn output(&self) -> BorrowedFd<'_> {
        self.write.as_fd()
    }

    /// The size; 80x24 where the terminal does not know its own.
    pub(super) fn size(&self) -> io::Result<Size> {
        let size = tcgetwinsize(&self.write)?;
        let or = |told: u16, usual: u16| if told == 0 { usual } else { told };
        Ok(Size::new(or(size.ws_col, 80), or(size.ws_row, 24)))
    }

    /// How it is set.
    pub(super) fn settings(&self) -> io::Result<Termios> {
        Ok(tcgetattr(&self.read)?)
    }

    /// Sets it, at once: a terminal that takes no bytes is not waited for.
    pub(super) fn set(&self, settings: &Termios) -> io::Result<()> {
        Ok(tcsetattr(&self.read, OptionalActions::Now, settings)?)
    }

    /// Every key by itself, nothing echoed, nothing translated.
    pub(super) fn set_raw(&self) -> io::Result<()> {
        let mut raw = self.settings()?;
        raw.make_raw();
        self.set(&raw)
    }

    /// Forgets what was typed and not read.
    pub(super) fn forget_input(&self) {
        // a terminal that is gone has nothing to forget
        let _ = tcflush(&self.read, QueueSelector::IFlush);
    }

    /// Writes all of it, unless it takes longer than `most`.
    pub(super) fn write_within(&self, bytes: &[u8], most: Duration) -> io::Result<()> {
        let from = Instant::now();
        write(self.output(), bytes, || from.elapsed() < most)
    }

    /// Writes all of it even to a terminal that took nothing for long: what is queued before it is thrown away.
    pub(super) fn write_at_last(&self, bytes: &[u8]) -> io::Result<()> {
        at_last(self.output(), bytes)
    }
}

/// Whether nobody has set it to anything since it was raw.
pub(crate) fn is_raw(settings: &Termios) -> bool {
    !settings.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
}

/// Writes all of it within a second, or throws away what the terminal did not take and tries once more.
pub(crate) fn at_last(tty: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<()> {
    let from = Instant::now();
    match write(tty, bytes, || from.elapsed() < Duration::from_secs(1)) {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
        done => return done,
    }
    tcflush(tty, QueueSelector::OFlush)?;
    let again = Instant::now();
    write(tty, bytes, || again.elapsed() < Duration::from_millis(300))
}

/// Writes all of it, for as long as `goes_on` says so: it is asked whenever the terminal took nothing for a while.
pub(super) fn write(tty: BorrowedFd<'_>, bytes: &[u8], goes_on: impl Fn() -> bool) -> io::Result<()> {
    let mut left = bytes;
    while !left.is_empty() {
        let ready = wait(&mut [PollFd::from_borrowed_fd(tty, PollFlags::OUT)], Some(PATIENCE))?;
        if !ready {
            if goes_on() {
                continue;
            }
            return Err(io::ErrorKind::TimedOut.into());
        }
        match rustix::io::write(tty, &left[..left.len().min(PIECE)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => left = &left[count..],
            // there is room, but too little for anything: it is asked again, in a while
            Err(Errno::AGAIN) => {
                std::thread::sleep(Duration::from_millis(5));
                if !goes_on() {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits until something is ready, at most so long; whether something is.
pub(crate) fn wait(fds: &mut [PollFd<'_>], most: Option<Duration>) -> io::Result<bool> {
    let most = most.map(|most| Timespec { tv_sec: most.as_secs().cast_signed(), tv_nsec: most.subsec_nanos().into() });
    loop {
        match poll(fds, most.as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The same terminal, opened once more; where its name leads elsewhere (another mount namespace), the one we have.
fn second(tty: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let opened = ttyname(tty, Vec::new()).and_then(|name| {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(name, flags, Mode::empty())
    });
    if let Ok(opened) = opened
        && rustix::fs::fstat(&opened)?.st_rdev == rustix::fs::fstat(tty)?.st_rdev
    {
        return Ok(opened);
    }
    tty.try_clone_to_owned()
}
