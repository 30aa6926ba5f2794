//! A terminal that is made here, and a session that is started on it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use rustix::time::Timespec;

use runbook::tui::terminal::modes::{ENTER, LEAVE};

/// Nothing here takes this long, on any machine.
const LONG: Duration = Duration::from_secs(40);

pub(super) struct Pty {
    ours: Arc<File>,
    /// Open for as long as the test looks at the settings.
    theirs: Option<OwnedFd>,
    before: String,
    seen: Arc<Mutex<Vec<u8>>>,
    /// The screen is not looked at.
    stalled: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Pty {
    pub(super) fn open() -> Self {
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        // it must not become the terminal of the tests
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let theirs = rustix::fs::open(ptsname(&ours, Vec::new()).unwrap(), flags, Mode::empty()).unwrap();
        let mut pty = Self {
            ours: Arc::new(ours.into()),
            before: settings(&theirs),
            theirs: Some(theirs),
            seen: Arc::default(),
            stalled: Arc::default(),
            ends: Arc::default(),
            reader: None,
        };
        pty.resize(80, 24);
        let (ours, seen) = (Arc::clone(&pty.ours), Arc::clone(&pty.seen));
        let (stalled, ends) = (Arc::clone(&pty.stalled), Arc::clone(&pty.ends));
        pty.reader = Some(std::thread::spawn(move || look(&ours, &seen, &stalled, &ends)));
        pty
    }

    pub(super) fn end(&self) -> OwnedFd {
        self.theirs.as_ref().unwrap().try_clone().unwrap()
    }

    pub(super) fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&*self.ours, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    pub(super) fn send(&self, bytes: impl AsRef<[u8]>) {
        (&*self.ours).write_all(bytes.as_ref()).unwrap();
    }

    pub(super) fn seen(&self) -> Vec<u8> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen()).into_owned()
    }

    pub(super) fn stall(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::SeqCst);
    }

    /// Whether the terminal is set as it was at first.
    pub(super) fn is_as_before(&self) -> bool {
        settings(self.theirs.as_ref().unwrap()) == self.before
    }

    pub(super) fn settings(&self) -> String {
        settings(self.theirs.as_ref().unwrap())
    }

    /// What a person sees.
    pub(super) fn screen(&self, columns: u16, rows: u16) -> vt100::Parser {
        self.screen_since(0, columns, rows)
    }

    /// What a person would see who knows nothing of the first bytes.
    pub(super) fn screen_since(&self, first: usize, columns: u16, rows: u16) -> vt100::Parser {
        let mut parser = vt100::Parser::new(NonZeroU16::new(rows).unwrap(), NonZeroU16::new(columns).unwrap(), 0);
        parser.process(&self.seen()[first..]);
        parser
    }

    /// Nothing of a screen is left: modes, title, cursor, settings.
    pub(super) fn assert_given_back(&self) {
        eventually("the screen is left", || count(&self.seen(), LEAVE) >= count(&self.seen(), ENTER));
        eventually("the terminal is set as before", || self.is_as_before());
        let parser = self.screen(80, 24);
        let screen = parser.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let text = self.text();
        for mode in ["25", "1000", "1004", "1006", "1007", "1049", "2004", "2026"] {
            let (on, off) = (format!("\x1b[?{mode}h"), format!("\x1b[?{mode}l"));
            let last = if mode == "25" { text.rfind(&on) > text.rfind(&off) } else { text.rfind(&off) > text.rfind(&on) };
            assert!(last, "{mode} is as it was");
        }
        let [put, taken] = ["\x1b[22;0t", "\x1b[23;0t"].map(|sign| text.matches(sign).count());
        assert_eq!(put, taken, "every title that was put aside came back");
        assert!(text.contains("\x1b[0 q") && text.contains("\x1b[0m"));
    }

    /// No process has the terminal open any more.
    pub(super) fn assert_nobody_is_left(&mut self) {
        self.theirs = None;
        let reader = self.reader.take().unwrap();
        eventually("nobody holds the terminal", || reader.is_finished());
        reader.join().unwrap();
    }

    /// The terminal's other end is closed, as when its window is.
    pub(super) fn hang_up(mut self) {
        self.close();
    }

    fn close(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.close();
    }
}

fn settings(theirs: impl AsFd) -> String {
    format!("{:?}", tcgetattr(theirs).unwrap())
}

fn look(ours: &File, seen: &Mutex<Vec<u8>>, stalled: &AtomicBool, ends: &AtomicBool) {
    let mut bytes = [0; 65536];
    while !ends.load(Ordering::SeqCst) {
        if stalled.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        let most = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        if poll(&mut [PollFd::new(ours, PollFlags::IN)], Some(&most)).is_ok_and(|count| count > 0) {
            match (&*ours).read(&mut bytes) {
                Ok(count) if count > 0 => seen.lock().unwrap().extend(&bytes[..count]),
                _ => return,
            }
        }
    }
}

pub(super) fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}

/// Waits until it is so.
pub(super) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let from = Instant::now();
    while !is_so() {
        assert!(from.elapsed() < LONG, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A session in a process of its own.
pub(super) struct Session {
    pub(super) pty: Option<Pty>,
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
}

impl Session {
    /// Starts the role of this name; its working directory is `dir`.
    pub(super) fn start(dir: &Path, environment: &[(&str, &str)]) -> Self {
        let pty = Pty::open();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["screen_terminal::role::role_keeps_a_screen_up", "--exact", "--ignored", "--nocapture"]);
        Self::spawn(pty, command, dir, environment)
    }

    /// The same, and it never hears that the terminal was hung up: `trap '' HUP` of the shell that started it.
    pub(super) fn start_deaf(dir: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
        command.args(["screen_terminal::role::role_keeps_a_screen_up", "--exact", "--ignored", "--nocapture"]);
        Self::spawn(Pty::open(), command, dir, &[])
    }

    fn spawn(pty: Pty, mut command: Command, dir: &Path, environment: &[(&str, &str)]) -> Self {
        for name in ["SSH_CONNECTION", "SSH_TTY", "TMUX", "STY", "PAGER", "VISUAL", "EDITOR", "RUST_BACKTRACE", "NO_COLOR"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color").envs(environment.iter().copied()).current_dir(dir);
        let mut child = command.stdin(pty.end()).stdout(pty.end()).stderr(Stdio::piped()).spawn().unwrap();
        // the command keeps its ends of the terminal
        drop(command);
        let stderr = child.stderr.take().unwrap();
        let (out, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if out.send(line).is_err() {
                    return;
                }
            }
        });
        let mut session = Self { pty: Some(pty), child, said, heard: Vec::new() };
        session.hears("drawn");
        eventually("the first frame is on the screen", || session.pty().text().ends_with("\x1b[?2026l"));
        session
    }

    pub(super) fn pty(&self) -> &Pty {
        self.pty.as_ref().unwrap()
    }

    /// Waits for a line that begins so, and returns the rest of it.
    pub(super) fn hears(&mut self, start: &str) -> String {
        let from = Instant::now();
        loop {
            let line = self.said.recv_timeout(LONG.saturating_sub(from.elapsed()));
            let Ok(line) = line else { panic!("never said {start:?}, but {:#?}", self.heard) };
            self.heard.push(line.clone());
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim().to_owned();
            }
        }
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The letter that `ps` shows for its state.
    pub(super) fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    }

    /// Waits until it has ended; whether it ended well.
    pub(super) fn ends(&mut self) -> bool {
        let from = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(from.elapsed() < LONG, "it does not end; it said {:#?}", self.heard);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // one that was stopped is ended by this too
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
