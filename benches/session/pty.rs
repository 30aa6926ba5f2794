//! A terminal that is made here, and a session on it: keys in, frames out, with the time of each.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const COLUMNS: u16 = 140;
const ROWS: u16 = 40;
/// After a frame.
const FRAME_END: &[u8] = b"\x1b[?2026l";
/// Nothing that is waited for takes this long.
const LONG: Duration = Duration::from_secs(300);

/// A session on a terminal of its own.
pub(crate) struct Session {
    ours: File,
    child: Child,
    seen: Arc<Mutex<Seen>>,
}

/// What came from it.
pub(crate) struct Seen {
    screen: vt100::Parser,
    /// The end of the last bytes: a mark may be cut in two.
    tail: Vec<u8>,
    /// How many bytes there were.
    pub(crate) bytes: usize,
    /// When each frame was whole.
    pub(crate) frames: Vec<Instant>,
}

impl Session {
    /// Starts the command on a terminal of 140x40.
    pub(crate) fn start(mut command: Command) -> Self {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&ours).expect("a terminal");
        unlockpt(&ours).expect("a terminal");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let name = ptsname(&ours, Vec::new()).expect("its name");
        let theirs = rustix::fs::open(name, flags, Mode::empty()).expect("its other end");
        tcsetwinsize(&ours, Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 }).expect("a size");
        let end = || theirs.try_clone().expect("its other end");
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("it starts");
        let ours = File::from(ours);
        let [rows, columns] = [ROWS, COLUMNS].map(|n| NonZeroU16::new(n).expect("some"));
        let screen = vt100::Parser::new(rows, columns, 0);
        let seen = Arc::new(Mutex::new(Seen { screen, tail: Vec::new(), bytes: 0, frames: Vec::new() }));
        let (from, to) = (ours.try_clone().expect("a terminal"), Arc::clone(&seen));
        thread::spawn(move || look(from, &to));
        Self { ours, child, seen }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Presses keys; when.
    pub(crate) fn press(&self, keys: &str) -> Instant {
        let at = Instant::now();
        (&self.ours).write_all(keys.as_bytes()).expect("keys are taken");
        at
    }

    /// Waits until a text stands on the screen.
    pub(crate) fn until(&self, text: &str) {
        let began = Instant::now();
        while !self.text().contains(text) {
            assert!(began.elapsed() < LONG, "waited in vain for `{text}`:\n{}", self.text());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn text(&self) -> String {
        self.seen().screen.screen().contents()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // it is ours, and nothing of it is worth keeping
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn look(mut from: File, to: &Mutex<Seen>) {
    let mut bytes = [0; 65536];
    while let Ok(count) = from.read(&mut bytes) {
        let now = Instant::now();
        let more = &bytes[..count];
        if more.is_empty() {
            return;
        }
        let mut seen = to.lock().unwrap_or_else(PoisonError::into_inner);
        seen.bytes += more.len();
        seen.tail.extend(more);
        let ends = seen.tail.windows(FRAME_END.len()).filter(|window| *window == FRAME_END).count();
        seen.frames.extend(std::iter::repeat_n(now, ends));
        let kept = seen.tail.len().min(FRAME_END.len() - 1);
        let gone = seen.tail.len() - kept;
        seen.tail.drain(..gone);
        seen.screen.process(more);
    }
}
