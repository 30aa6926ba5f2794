//! A person at a terminal: types keys, looks at the screen. The terminal is made here, the program in it is the real one.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::time::Timespec;

/// Nothing here takes this long, on any machine.
pub(super) const LONG: Duration = Duration::from_secs(60);
/// Before a frame, and after it: what lies between is not looked at until it is whole.
const FRAME: &[u8] = b"\x1b[?2026h";
const FRAME_END: &[u8] = b"\x1b[?2026l";

/// What has come out so far.
struct Seen {
    raw: Vec<u8>,
    /// How much of it the screen has taken: whole frames.
    taken: usize,
    screen: vt100::Parser,
    /// Nothing more comes.
    over: bool,
}

impl Seen {
    fn take(&mut self) {
        let whole = whole(&self.raw[self.taken..]);
        self.screen.process(&self.raw[self.taken..self.taken + whole]);
        self.taken += whole;
    }

    fn lines(&self) -> Vec<String> {
        let screen = self.screen.screen();
        let (_, columns) = screen.size();
        screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect()
    }
}

/// How many of these bytes are whole frames, or between frames.
fn whole(bytes: &[u8]) -> usize {
    let last = |sign: &[u8]| bytes.windows(sign.len()).rposition(|window| window == sign);
    match (last(FRAME), last(FRAME_END)) {
        (Some(begun), ended) if ended.is_none_or(|ended| ended < begun) => begun,
        _ => {
            // what may be the beginning of a frame's mark is kept back as well
            let cut = bytes.iter().rposition(|byte| *byte == 0x1b).filter(|at| FRAME.starts_with(&bytes[*at..]));
            cut.unwrap_or(bytes.len())
        }
    }
}

type Shared = Arc<(Mutex<Seen>, Condvar)>;

/// The terminal with the program in it.
pub(super) struct Session {
    ours: Option<Arc<File>>,
    child: Child,
    seen: Shared,
    reader: Option<JoinHandle<()>>,
}

/// How a session ended.
pub(super) struct End {
    pub(super) code: Option<i32>,
    /// Everything that the program wrote to the terminal.
    pub(super) raw: Vec<u8>,
    /// What stands in the terminal after the screen was left.
    pub(super) scrollback: String,
}

fn size_of(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Session {
    /// Starts a command on a terminal of so many columns and rows, which becomes its controlling one, with this
    /// environment and no other.
    pub(super) fn spawn(program: &Path, args: &[&str], size: (u16, u16), dir: &Path, env: &[(&str, &str)]) -> Self {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        tcsetwinsize(&ours, size_of(size.0, size.1)).unwrap();
        // it must not become the terminal of the tests
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(ptsname(&ours, Vec::new()).unwrap(), flags, Mode::empty()).unwrap();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program).args(args).env_clear().envs(env.iter().copied()).current_dir(dir);
        let end = || theirs.try_clone().unwrap();
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("util-linux is installed");
        drop(command);
        let rows = |n: u16| NonZeroU16::new(n).unwrap();
        let screen = vt100::Parser::new(rows(size.1), rows(size.0), 0);
        let seen: Shared = Arc::new((Mutex::new(Seen { raw: Vec::new(), taken: 0, screen, over: false }), Condvar::new()));
        let ours: Arc<File> = Arc::new(ours.into());
        let (from, to) = (Arc::downgrade(&ours), Arc::clone(&seen));
        let reader = Some(std::thread::spawn(move || {
            // the terminal is closed when the session lets go of it
            while let Some(ours) = from.upgrade() {
                if !look(&ours, &to) {
                    break;
                }
            }
            if let Ok(mut seen) = to.0.lock() {
                seen.over = true;
            }
            to.1.notify_all();
        }));
        Self { ours: Some(ours), child, seen, reader }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap()
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Types, key by key: names stand in angle brackets, `<Enter>`, `<C-c>`.
    pub(super) fn keys(&self, keys: &str) {
        for key in split(keys) {
            self.send(&key);
        }
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        let ours = self.ours.as_ref().expect("the terminal is there");
        (&**ours).write_all(bytes).unwrap();
    }

    /// As a terminal hands over what was pasted.
    pub(super) fn paste(&self, text: &str) {
        self.send(format!("\x1b[200~{text}\x1b[201~").as_bytes());
    }

    pub(super) fn resize(&self, columns: u16, rows: u16) {
        {
            let mut seen = self.seen();
            seen.screen.screen_mut().set_size(NonZeroU16::new(rows).unwrap(), NonZeroU16::new(columns).unwrap());
        }
        tcsetwinsize(&**self.ours.as_ref().unwrap(), size_of(columns, rows)).unwrap();
    }

    /// The rows of the screen, as text.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen().lines()
    }

    pub(super) fn page(&self) -> String {
        self.lines().join("\n")
    }

    /// Waits until the screen is so, and returns its rows.
    pub(super) fn until(&self, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        self.within(LONG, what, is_so)
    }

    pub(super) fn within(&self, within: Duration, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let late = Instant::now() + within;
        let mut seen = self.seen();
        loop {
            let lines = seen.lines();
            if is_so(&lines) {
                return lines;
            }
            let left = late.saturating_duration_since(Instant::now());
            assert!(!seen.over, "the program has left its terminal; waited for {what}:\n{}", lines.join("\n"));
            assert!(!left.is_zero(), "waited in vain for {what}:\n{}", lines.join("\n"));
            seen = self.seen.1.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// Waits until these words stand in one row of the screen.
    pub(super) fn shows(&self, words: &str) -> Vec<String> {
        self.until(&format!("{words:?}"), |lines| lines.iter().any(|line| line.contains(words)))
    }

    /// Waits until these words stand nowhere.
    pub(super) fn hides(&self, words: &str) -> Vec<String> {
        self.until(&format!("no {words:?}"), |lines| !lines.iter().any(|line| line.contains(words)))
    }

    /// Closes the terminal, as when its window is closed.
    pub(super) fn hang_up(&mut self) {
        self.ours = None;
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Waits until the program has ended by itself.
    pub(super) fn ends(&mut self) -> Option<i32> {
        let late = Instant::now() + LONG;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < late, "it does not end:\n{}", self.page());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end and for the last byte.
    pub(super) fn end(mut self) -> End {
        let code = self.ends();
        let mut seen = self.seen();
        let late = Instant::now() + LONG;
        while !seen.over {
            assert!(Instant::now() < late, "somebody keeps the terminal open");
            seen = self.seen.1.wait_timeout(seen, LONG).unwrap().0;
        }
        let raw = std::mem::take(&mut seen.raw);
        drop(seen);
        End { code, scrollback: scrollback(&raw), raw }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.ours = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// Reads once what there is, if anything; whether there may be more.
fn look(mut ours: &File, to: &(Mutex<Seen>, Condvar)) -> bool {
    let most = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
    if poll(&mut [PollFd::new(&ours.as_fd(), PollFlags::IN)], Some(&most)).is_ok_and(|count| count == 0) {
        return true;
    }
    let mut bytes = [0; 65536];
    match ours.read(&mut bytes) {
        Ok(count) if count > 0 => {
            // a test that has failed looks no more
            let Ok(mut seen) = to.0.lock() else { return false };
            seen.raw.extend(&bytes[..count]);
            seen.take();
            to.1.notify_all();
            true
        }
        _ => false,
    }
}

/// What a terminal shows of what came after its alternate screen was left.
fn scrollback(raw: &[u8]) -> String {
    let left = b"\x1b[?1049l";
    let from = raw.windows(left.len()).rposition(|window| window == left).map_or(0, |at| at + left.len());
    let mut after = vt100::Parser::new(NonZeroU16::new(300).unwrap(), NonZeroU16::new(300).unwrap(), 0);
    after.process(&raw[from..]);
    after.screen().contents()
}

/// The bytes of each key.
fn split(keys: &str) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = keys;
    while let Some(first) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (bytes, after) = match named {
            Some((name, after)) => (named_key(name), after),
            None => (first.to_string().into_bytes(), &rest[first.len_utf8()..]),
        };
        out.push(bytes);
        rest = after;
    }
    out
}

fn named_key(name: &str) -> Vec<u8> {
    let bytes: &[u8] = match name {
        "Enter" => b"\r",
        "Esc" => b"\x1b",
        "Tab" => b"\t",
        "Space" => b" ",
        "Backspace" => b"\x7f",
        "Up" => b"\x1b[A",
        "Down" => b"\x1b[B",
        "PageDown" => b"\x1b[6~",
        _ => match name.strip_prefix("C-").map(str::as_bytes) {
            Some([letter]) => return vec![letter & 0x1f],
            _ => panic!("<{name}> is no key"),
        },
    };
    bytes.to_vec()
}
