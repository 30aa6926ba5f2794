//! The session that the tests start: every key makes the terminal do one thing, and all that happens is said on standard
//! error.

use std::path::Path;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::Position;
use ratatui::widgets::Paragraph;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;

use runbook::tui::crash;
use runbook::tui::input::{Input, Key};
use runbook::tui::terminal::{FromTerminal, Options, Terminal};

#[test]
#[ignore = "a role that another test starts: a session that does what its keys say"]
fn role_keeps_a_screen_up() {
    // one that is started by hand has a terminal already
    if rustix::process::setsid().is_ok() {
        rustix::process::ioctl_tiocsctty(std::io::stdin()).unwrap();
    }
    let guard = std::env::var_os("SCREEN_GUARD").unwrap_or_else(|| env!("CARGO_BIN_EXE_runbook").into());
    let options = Options { guard: Some(guard.into()), ssh: false, notifies: true, titled: true };
    let options = Options { ssh: Options::from_env().ssh, ..options };
    crash::install(Path::new("state"), |text| text);
    crash::of_run(Some("7f3a9c"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let (terminal, from) = Terminal::enter(options).unwrap();
        let term = signal(SignalKind::terminate()).unwrap();
        let mut role = Role { terminal, frames: 0, storm: false };
        role.draw().await;
        role.run(from, term).await;
        role.terminal.leave().unwrap_or_else(|error| eprintln!("not left: {error}"));
        role.terminal.leave().unwrap();
        eprintln!("left");
    });
}

struct Role {
    terminal: Terminal,
    frames: u32,
    storm: bool,
}

impl Role {
    async fn run(&mut self, mut from: Receiver<FromTerminal>, mut term: Signal) {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        loop {
            tokio::select! {
                next = from.recv() => match next.unwrap() {
                    FromTerminal::Input(Input::Key(Key::Char('q'))) => return,
                    FromTerminal::Input(input) => {
                        eprintln!("input {input:?}");
                        self.on(&input).await;
                    }
                    FromTerminal::Resized => {
                        eprintln!("resized");
                        self.terminal.clear().unwrap();
                        self.draw().await;
                    }
                    FromTerminal::Lost => return lost(from).await,
                },
                _ = term.recv() => return,
                _ = ticks.tick(), if self.storm => self.tick(),
            }
        }
    }

    async fn on(&mut self, input: &Input) {
        let Input::Key(Key::Char(key)) = input else { return };
        match key {
            'd' => {
                self.frames += 1;
                self.draw().await;
            }
            'n' => self.draw().await,
            'c' => {
                self.terminal.clear().unwrap();
                self.draw().await;
            }
            'p' => self.terminal.draw(|_| panic!("cannot draw\x1b[2J")).unwrap(),
            'k' => {
                let task = tokio::spawn(async { panic!("a task") });
                assert!(task.await.is_err());
                let path = crash::took().unwrap();
                assert_eq!(crash::took(), None);
                eprintln!("crashed {}", path.display());
            }
            's' => self.storm = true,
            't' => self.terminal.title("runbook 7f3a9c\x07\x1b[2J"),
            'b' => {
                self.terminal.bell();
                self.terminal.notify("a decision\x07");
            }
            'm' => self.terminal.mouse(true),
            'M' => self.terminal.mouse(false),
            'y' => {
                let copied = self.terminal.copying("text to copy".to_owned(), "state".into()).await;
                eprintln!("said {}", self.terminal.copied(&copied));
            }
            'z' => {
                let stopped = self.terminal.suspend("stopped: `fg` goes on").await.unwrap();
                eprintln!("stopped for {stopped:?}");
                self.draw().await;
            }
            'l' => {
                self.terminal.plain("plain text\nsecond line").await.unwrap();
                self.draw().await;
            }
            'e' => {
                let edited = self.terminal.edit(Path::new("notes.txt"), 7).await;
                eprintln!("edited {edited:?}");
                self.draw().await;
            }
            _ => {}
        }
    }

    /// Draws when the last frame is written, and waits until this one is.
    async fn draw(&mut self) {
        let frames = self.frames;
        self.free().await;
        if let Err(error) = self.terminal.draw(|frame| quiet(frame, frames)) {
            // word of its loss comes by itself
            return eprintln!("not drawn: {error}");
        }
        self.free().await;
        eprintln!("drawn");
    }

    async fn free(&self) {
        while !self.terminal.is_free() {
            self.terminal.freed().await;
        }
    }

    /// Every tick a frame in which every cell is another, where the terminal took the last one.
    fn tick(&mut self) {
        let free = self.terminal.is_free();
        self.frames += u32::from(free);
        let letter = char::from(b'a' + (self.frames % 26) as u8);
        self.terminal
            .draw(|frame| {
                let line = letter.to_string().repeat(frame.area().width.into());
                let lines = vec![line; frame.area().height.into()].join("\n");
                frame.render_widget(Paragraph::new(lines), frame.area());
            })
            .unwrap();
        eprintln!("{}", if free { "tick" } else { "busy" });
    }
}

fn quiet(frame: &mut Frame<'_>, number: u32) {
    let area = frame.area();
    frame.render_widget(Paragraph::new(format!("frame {number} of {}x{}", area.width, area.height)), area);
    if number == 2 {
        frame.set_cursor_position(Position { x: 3, y: 5 });
    }
}

/// The terminal is gone: what this process takes of the processor from now on is nothing.
async fn lost(mut from: Receiver<FromTerminal>) {
    eprintln!("lost");
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(1)).await;
    eprintln!("took {}", ticks() - before);
    while let Ok(more) = from.try_recv() {
        // the system wakes up those whose terminal it hangs up
        if more != FromTerminal::Resized {
            eprintln!("and {more:?}");
        }
    }
}

/// The processor time of this process, in hundredths of a second.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum()
}
