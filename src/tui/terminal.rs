//! The terminal while the screen is up: modes, frames, what is typed, and all of it undone at the end.
//!
//! One thread reads, one writes; the session's task waits for neither. A guard process gives the terminal back when this
//! process is killed.

mod canvas;
pub mod modes;
mod programs;
mod reader;
pub(crate) mod tty;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ratatui::Frame;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::Termios;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use self::canvas::Canvas;
use self::modes::{AGAIN, ENTER, LEAVE, MOUSE, NO_MOUSE};
use self::reader::{Line, Reader};
use self::tty::Tty;
use self::writer::Writer;
use crate::model::visible::{clip, visible};
use crate::tui::crash;
use crate::tui::guard::Guard;
use crate::tui::input::Input;

/// The most that waits for the session to take it; the reader takes nothing more until there is room.
const QUEUE: usize = 256;
/// How long the terminal may take for what brings the screen up.
const ENTERING: Duration = Duration::from_secs(1);
/// How long the last frame may take when the screen is left.
const LAST_FRAME: Duration = Duration::from_secs(1);
/// The longest title, in columns.
const MAX_TITLE: usize = 120;

/// What comes from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromTerminal {
    /// Something was typed, pasted, or the focus changed.
    Input(Input),
    /// The size changed, or the process goes on after it was stopped from outside: [`Terminal::clear`], then draw.
    Resized,
    /// The terminal is gone, and nothing more will come. It is told once.
    Lost,
}

/// How the screen is brought up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program that is started as the guard, with `screen-guard`; without it nothing undoes the modes after a `kill -9`.
    pub guard: Option<PathBuf>,
    /// Whether the terminal is at the other end of an SSH connection: the rest of a cut-off key is waited for longer, and a
    /// copy goes through the terminal.
    pub ssh: bool,
    /// Whether the terminal shows what it is told by OSC 9.
    pub notifies: bool,
    /// Whether the terminal has a title.
    pub titled: bool,
}

impl Options {
    /// What the environment says; the guard is this very program.
    pub fn from_env() -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_default();
        let (term, program) = (var("TERM"), var("TERM_PROGRAM"));
        let multiplexed = !var("TMUX").is_empty() || !var("STY").is_empty();
        let known = matches!(program.as_str(), "iTerm.app" | "WezTerm" | "ghostty")
            || matches!(term.as_str(), "xterm-kitty" | "xterm-ghostty" | "foot" | "foot-extra");
        Self {
            guard: std::env::current_exe().ok(),
            ssh: !var("SSH_CONNECTION").is_empty() || !var("SSH_TTY").is_empty(),
            notifies: known && !multiplexed,
            titled: term != "linux",
        }
    }
}

/// The screen, from [`Terminal::enter`] until [`Terminal::leave`] or until it is dropped.
#[derive(Debug)]
pub struct Terminal {
    options: Options,
    tty: Arc<Tty>,
    screen: ratatui::Terminal<Canvas>,
    /// What runs while the screen is up.
    up: Option<Up>,
    out: mpsc::Sender<FromTerminal>,
    signals: JoinHandle<()>,
    /// The process was stopped and goes on: what the modes are is not known.
    stale: Arc<AtomicBool>,
    freed: Arc<Notify>,
    title: Option<String>,
    mouse: bool,
}

#[derive(Debug)]
struct Up {
    before: Termios,
    guard: Option<Guard>,
    threads: Option<(Reader, Writer)>,
}

impl Terminal {
    /// Brings the screen up on standard input and output, which must be a terminal. Call it inside of a tokio runtime; it
    /// waits at most two seconds for the guard and one for the terminal. The receiver must be emptied all the time.
    pub fn enter(options: Options) -> io::Result<(Self, mpsc::Receiver<FromTerminal>)> {
        // whether there are colours is decided by the theme; crossterm's own idea of it would also reset bold
        crossterm::style::force_color_output(true);
        let tty = Arc::new(Tty::open()?);
        let screen = ratatui::Terminal::new(Canvas::new(Arc::clone(&tty)))?;
        let (out, from) = mpsc::channel(QUEUE);
        let stale = Arc::new(AtomicBool::new(false));
        let signals = watch_signals(out.clone(), Arc::clone(&stale))?;
        let freed = Arc::new(Notify::new());
        let mut terminal = Self { options, tty, screen, up: None, out, signals, stale, freed, title: None, mouse: false };
        terminal.come_up()?;
        Ok((terminal, from))
    }

    /// Gives the terminal back as it was found: modes, title, cursor, settings. Keys that were typed and not read are
    /// forgotten, so that none of them becomes a command of the shell. It takes about two seconds where the terminal takes
    /// no bytes; it does nothing when the screen is not up.
    pub fn leave(&mut self) -> io::Result<()> {
        let Some(up) = self.up.take() else { return Ok(()) };
        if let Some((reader, writer)) = up.threads {
            reader.end();
            writer.end(LAST_FRAME);
        }
        let written = self.tty.write_at_last(LEAVE);
        let restored = self.tty.set(&up.before);
        self.tty.forget_input();
        // last: were we killed before, the guard would do it
        if let Some(guard) = up.guard {
            guard.dismiss();
        }
        crash::screen(false);
        written.and(restored)
    }

    /// Draws a frame and hands it over. Where the last one is not written yet ([`Terminal::is_free`]) nothing is drawn, and
    /// where no cell changed nothing is written. It fails once the terminal takes no more bytes.
    pub fn draw(&mut self, paint: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        let Some((_, writer)) = self.up.as_ref().and_then(|up| up.threads.as_ref()) else { return Ok(()) };
        writer.check()?;
        if !writer.is_free() {
            return Ok(());
        }
        self.screen.draw(paint)?;
        if let Some(frame) = self.screen.backend_mut().take() {
            writer.frame(&frame);
        }
        Ok(())
    }

    /// Whether the last frame is written: draw only then.
    pub fn is_free(&self) -> bool {
        self.writer().is_none_or(Writer::is_free)
    }

    /// Comes back when a frame was written, for a session that waits to draw the next one.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// How long the last frame took to be written: on a slow link, draw less often.
    pub fn flush_took(&self) -> Duration {
        self.writer().map_or(Duration::ZERO, Writer::took)
    }

    /// The next frame is drawn from nothing: after [`FromTerminal::Resized`], and on Ctrl-L. It brings the modes back where
    /// the process was stopped from outside.
    pub fn clear(&mut self) -> io::Result<()> {
        if self.up.is_some() && self.stale.swap(false, Ordering::SeqCst) {
            self.tty.set_raw()?;
            self.say(AGAIN);
            self.screen.backend_mut().forget();
            self.say_what_is_kept();
        }
        self.screen.clear()
    }

    /// The title of the window: one line, made readable; the one before comes back at the end.
    pub fn title(&mut self, text: &str) {
        let text = clip(&visible(text), MAX_TITLE).into_owned();
        if self.title.as_ref() != Some(&text) {
            self.title = Some(text);
            self.say_title();
        }
    }

    /// Rings the bell.
    pub fn bell(&self) {
        self.say(b"\x07");
    }

    /// Shows a message outside of the window, where the terminal is known to be able to.
    pub fn notify(&self, text: &str) {
        if self.options.notifies {
            // with a number first it would be another command
            self.say(format!("\x1b]9;runbook: {}\x1b\\", clip(&visible(text), MAX_TITLE)).as_bytes());
        }
    }

    /// Whether clicks are captured; the terminal's own selection does not work while they are.
    pub fn mouse(&mut self, on: bool) {
        self.mouse = on;
        self.say(if on { MOUSE } else { NO_MOUSE });
    }

    /// Whether the terminal is at the other end of an SSH connection.
    pub fn is_remote(&self) -> bool {
        self.options.ssh
    }

    /// Leaves the screen, prints `line` (made readable), and stops the process as Ctrl-Z does; when it goes on, the screen
    /// comes up again. Draw then. How long it was stopped.
    pub async fn suspend(&mut self, line: &str) -> io::Result<Duration> {
        let mut goes_on = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
        self.leave()?;
        self.tty.write_within(format!("{}\r\n", visible(line)).as_bytes(), ENTERING)?;
        let from = Instant::now();
        kill_process(getpid(), Signal::STOP)?;
        // another thread may be the one that stops first. The first process of a container does not stop at all
        let _ = tokio::time::timeout(Duration::from_secs(1), goes_on.recv()).await;
        let stopped = from.elapsed();
        self.come_up()?;
        Ok(stopped)
    }

    /// Leaves the screen, prints `text`, through `$PAGER` where it is set, waits for Enter, and comes back. `text` must be
    /// readable already; line breaks stay. While it waits, a Ctrl-C reaches this process as SIGINT too: it is meant for the
    /// pager, and only ends the wait.
    pub async fn plain(&mut self, text: &str) -> io::Result<()> {
        self.leave()?;
        let shown = programs::show(&self.tty, text).await;
        if shown.is_ok() {
            self.wait_for_enter().await?;
        }
        self.come_up()?;
        shown
    }

    /// Leaves the screen, runs `$VISUAL` or `$EDITOR` with `+LINE PATH`, and comes back. It fails with words where no editor
    /// is set or where it said no. A Ctrl-C reaches this process as SIGINT too.
    pub async fn edit(&mut self, path: &Path, line: usize) -> io::Result<()> {
        let editor = programs::editor()?;
        self.leave()?;
        let edited = programs::edit(&editor, path, line).await;
        self.come_up()?;
        edited
    }

    /// Hands over bytes besides the frames; whether there is room for them.
    pub(super) fn say(&self, bytes: &[u8]) -> bool {
        self.writer().is_some_and(|writer| writer.say(bytes))
    }

    fn writer(&self) -> Option<&Writer> {
        self.up.as_ref()?.threads.as_ref().map(|(_, writer)| writer)
    }

    fn settle(&self) -> Duration {
        Duration::from_millis(if self.options.ssh { 300 } else { 50 })
    }

    /// Brings the screen up, and everything that goes with it; undoes it where that fails.
    fn come_up(&mut self) -> io::Result<()> {
        if self.up.is_some() {
            return Ok(());
        }
        let guard = self.options.guard.as_deref().and_then(|program| Guard::start(program, self.tty.output()).ok());
        let before = match self.tty.settings() {
            Ok(before) => before,
            Err(error) => {
                if let Some(guard) = guard {
                    guard.dismiss();
                }
                return Err(error);
            }
        };
        self.up = Some(Up { before, guard, threads: None });
        crash::screen(true);
        match self.set_up() {
            Ok(threads) => {
                if let Some(up) = &mut self.up {
                    up.threads = Some(threads);
                }
            }
            Err(error) => {
                // that it fails too says nothing new
                let _ = self.leave();
                return Err(error);
            }
        }
        self.stale.store(false, Ordering::SeqCst);
        self.screen.backend_mut().forget();
        self.screen.clear()?;
        self.say_what_is_kept();
        Ok(())
    }

    fn set_up(&self) -> io::Result<(Reader, Writer)> {
        self.tty.set_raw()?;
        self.tty.write_within(ENTER, ENTERING)?;
        let line = Arc::new(Line::new()?);
        let writer = Writer::start(Arc::clone(&self.tty), Arc::clone(&line), Arc::clone(&self.freed))?;
        match Reader::start(Arc::clone(&self.tty), line, self.out.clone(), self.settle()) {
            Ok(reader) => Ok((reader, writer)),
            Err(error) => {
                writer.end(Duration::ZERO);
                Err(error)
            }
        }
    }

    fn say_what_is_kept(&self) {
        self.say_title();
        if self.mouse {
            self.say(MOUSE);
        }
    }

    fn say_title(&self) {
        if let Some(title) = self.title.as_ref().filter(|_| self.options.titled) {
            self.say(format!("\x1b]2;{title}\x1b\\").as_bytes());
        }
    }

    /// Waits for a line, a Ctrl-C, or the end of the terminal.
    async fn wait_for_enter(&self) -> io::Result<()> {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let (out, mut typed) = mpsc::channel(QUEUE);
        let reader = Reader::start(Arc::clone(&self.tty), Arc::new(Line::new()?), out, self.settle())?;
        let a_line = async {
            while let Some(FromTerminal::Input(input)) = typed.recv().await {
                if programs::ends_the_wait(&input) {
                    return;
                }
            }
        };
        tokio::select! {
            () = a_line => {}
            _ = interrupted.recv() => {}
        }
        reader.end();
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // there is nobody left to be told
        let _ = self.leave();
        self.signals.abort();
    }
}

/// Tells of a new size, and of the process going on after it was stopped.
fn watch_signals(out: mpsc::Sender<FromTerminal>, stale: Arc<AtomicBool>) -> io::Result<JoinHandle<()>> {
    let mut sizes = signal(SignalKind::window_change())?;
    let mut goes_on = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    Ok(tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = sizes.recv() => {}
                _ = goes_on.recv() => stale.store(true, Ordering::SeqCst),
            }
            if out.send(FromTerminal::Resized).await.is_err() {
                return;
            }
        }
    }))
}
