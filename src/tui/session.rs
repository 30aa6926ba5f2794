//! The loop around the screens: input, events and answers in; frames, orders and requests out. One task; it waits for
//! nothing but these.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::model::control::Control;
use crate::model::event::{Event, EventKind};
use crate::model::time::Timestamp;
use crate::tui::action::{Effect, Request};
use crate::tui::attention::{Attention, Call};
use crate::tui::draw::draw;
use crate::tui::input::Input;
use crate::tui::interrupts::{Interrupts, Press};
use crate::tui::model::{Model, Reach, Reply, Watched};
use crate::tui::pace::Pace;
use crate::tui::screen::{self, message};
use crate::tui::terminal::{FromTerminal, Terminal};
use crate::tui::turns::Turns;
use crate::tui::ui::{Panel, Screen, Shown, Ui};
use crate::tui::update::{opened, update};
use crate::tui::view::now;

/// The most events that are folded before the keyboard is looked at again.
const GROUP: usize = 512;
/// How often the clock of a live run is drawn.
const CLOCK: Duration = Duration::from_secs(1);
/// The same where motion is not wanted.
const STILL: Duration = Duration::from_secs(10);

/// Does what the session asks for. Nothing here waits: answers come as [`Reply`].
pub trait Desk: Send {
    /// Reads or begins something.
    fn ask(&mut self, request: Request);
    /// Hands an order to the live run; without one it does nothing.
    fn order(&mut self, control: Control);
}

/// What a session is made of.
pub struct Parts<D> {
    /// The screen, up.
    pub terminal: Terminal,
    /// What comes from it.
    pub input: mpsc::Receiver<FromTerminal>,
    /// Who does what is asked.
    pub desk: D,
    /// Its answers.
    pub replies: mpsc::Receiver<Reply>,
    /// The events of the live run.
    pub events: mpsc::Receiver<Event>,
    /// What is shown.
    pub model: Model,
    /// Where the person is.
    pub ui: Ui,
    /// The clock on the wall.
    pub clock: fn() -> Timestamp,
    /// Where copies and crash reports go.
    pub state_dir: PathBuf,
    /// Whether the clock of a live run may tick every second.
    pub motion: bool,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The exit code that it was left with; 0 where somebody just quit.
    pub code: u8,
    /// Whether a live run was left as it was.
    pub left_live: bool,
}

struct Session<D> {
    parts: Parts<D>,
    pace: Pace,
    interrupts: Interrupts,
    attention: Attention,
    turns: Turns,
    /// The process is to be suspended when nothing runs any more.
    suspending: bool,
    /// The session is to be left when the run has ended.
    leaving: bool,
    /// The pager or the editor was left: a Ctrl-C that was meant for it is none of ours.
    came_back: bool,
    /// The terminal is gone.
    lost: bool,
    end: Option<End>,
}

/// Runs until the person leaves, or the terminal is gone and the run has ended in order.
pub async fn run<D: Desk>(mut parts: Parts<D>) -> io::Result<End> {
    parts.desk.ask(Request::Reload);
    let pace = Pace::new(parts.terminal.is_remote());
    let mut session = Session {
        parts,
        pace,
        interrupts: Interrupts::default(),
        attention: Attention::default(),
        turns: Turns::default(),
        suspending: false,
        leaving: false,
        came_back: false,
        lost: false,
        end: None,
    };
    let ended = session.serve().await;
    // what is left of the terminal is given back whatever happened
    let left = session.parts.terminal.leave();
    match ended {
        Ok(end) if session.lost => Ok(end),
        Ok(end) => left.map(|()| end),
        Err(error) => Err(error),
    }
}

impl<D: Desk> Session<D> {
    async fn serve(&mut self) -> io::Result<End> {
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut terminated = signal(SignalKind::terminate())?;
        let mut hung_up = signal(SignalKind::hangup())?;
        let mut told = Vec::with_capacity(GROUP);
        loop {
            if let Some(end) = self.end.take() {
                return Ok(end);
            }
            if std::mem::take(&mut self.came_back) {
                while interrupted.recv().now_or_never().flatten().is_some() {}
            }
            self.frame()?;
            let wait = self.next_frame();
            let parts = &mut self.parts;
            tokio::select! {
                biased;
                input = parts.input.recv(), if !self.lost => match input {
                    Some(FromTerminal::Input(input)) => self.typed(input).await?,
                    Some(FromTerminal::Resized) => self.redraw()?,
                    Some(FromTerminal::Lost) | None => self.lose(),
                },
                Some(()) = interrupted.recv() => self.interrupt("SIGINT", 130),
                Some(()) = terminated.recv() => self.interrupt("SIGTERM", 143),
                Some(()) = hung_up.recv() => self.interrupt("SIGHUP", 143),
                Some(reply) = parts.replies.recv() => self.answered(reply).await?,
                n = parts.events.recv_many(&mut told, GROUP) => {
                    if n == 0 {
                        // the desk is gone, and with it everything that a session is about
                        return Ok(End { code: 70, left_live: false });
                    }
                    self.told(&mut told).await?;
                }
                () = parts.terminal.freed(), if !self.lost && !parts.terminal.is_free() => {}
                () = tokio::time::sleep(wait) => self.tick(),
            }
        }
    }

    /// Draws, if something happened, it is time, and the terminal has taken the last frame.
    fn frame(&mut self) -> io::Result<()> {
        let now = Instant::now();
        if self.lost || !self.parts.terminal.is_free() || self.pace.wait(now) != Some(Duration::ZERO) {
            return Ok(());
        }
        let Parts { terminal, model, ui, clock, .. } = &mut self.parts;
        model.now = clock();
        screen::settle(ui, model);
        let drawn = terminal.draw(|frame| {
            let area = frame.area();
            ui.size = (area.width, area.height);
            screen::settle(ui, model);
            draw(frame.buffer_mut(), area, model, ui);
        });
        if drawn.is_err() {
            self.lose();
            return Ok(());
        }
        terminal.title(&format!("runbook: {}", now::sentence(model, ui)));
        self.interrupts.shown(now);
        self.pace.drawn(now, self.parts.terminal.flush_took());
        Ok(())
    }

    /// How long to sleep if nothing happens: until the next frame, or until the clock is to tick.
    fn next_frame(&self) -> Duration {
        let clock = if self.parts.motion { CLOCK } else { STILL };
        let idle = match self.parts.model.is_live() {
            true => clock,
            false if matches!(self.parts.ui.screen, Screen::Diagnostics(_)) => CLOCK,
            // nothing to draw and nothing to look at: a key or an answer ends the wait
            false => Duration::from_secs(3600),
        };
        let due = self.pace.wait(Instant::now()).filter(|_| !self.lost && self.parts.terminal.is_free());
        due.map_or(idle, |due| due.min(idle))
    }

    fn tick(&mut self) {
        let parts = &mut self.parts;
        if parts.model.is_live() {
            if let Some(call) = self.attention.tick((parts.clock)(), parts.ui.focused) {
                self.call(&call);
            }
            self.pace.soon();
        } else if matches!(parts.ui.screen, Screen::Diagnostics(_)) {
            parts.desk.ask(Request::ReloadIfChanged);
        }
    }

    async fn typed(&mut self, input: Input) -> io::Result<()> {
        let Parts { model, ui, clock, .. } = &mut self.parts;
        model.now = clock();
        let effects = update(ui, model, input);
        self.pace.at_once();
        self.follow(effects).await
    }

    fn redraw(&mut self) -> io::Result<()> {
        self.pace.at_once();
        self.parts.terminal.clear()
    }

    /// The terminal is gone: the run is asked to stop, and the session ends when it has.
    fn lose(&mut self) {
        if std::mem::replace(&mut self.lost, true) {
            return;
        }
        tracing::warn!("the terminal is gone");
        self.turns.forget();
        if self.parts.model.is_live() {
            self.parts.desk.order(Control::Stop { by: "the terminal is gone".to_owned() });
        } else {
            self.end = Some(End { code: 143, left_live: false });
        }
    }

    /// Ctrl-C, or a signal that means the same.
    fn interrupt(&mut self, by: &str, code: u8) {
        let Parts { model, ui, desk, .. } = &mut self.parts;
        self.pace.at_once();
        if !model.is_live() {
            self.end = Some(End { code, left_live: false });
            return;
        }
        self.turns.forget();
        match self.interrupts.press(Instant::now()) {
            Press::Stop => {
                ui.say(model, "Stopping: nothing new starts. Ctrl-C again ends running steps on their hosts.");
                desk.order(Control::Stop { by: by.to_owned() });
            }
            Press::Cancel => {
                ui.say(model, "Aborting: running steps are ended on their hosts. Ctrl-C again leaves at once.");
                desk.order(Control::Cancel { by: by.to_owned() });
            }
            Press::Leave => self.end = Some(End { code, left_live: true }),
            Press::Same => {}
        }
    }

    async fn answered(&mut self, reply: Reply) -> io::Result<()> {
        let Parts { model, ui, .. } = &mut self.parts;
        self.pace.soon();
        match reply {
            Reply::Shelf(shelf) => {
                let first = model.shelf.read.is_none();
                model.shelf = *shelf;
                if first {
                    screen::settle(ui, model);
                    return self.follow(opened(&self.parts.ui, &self.parts.model)).await;
                }
            }
            Reply::Reach(host, reach) => drop(model.reach.insert(host, reach)),
            Reply::Selected { text, hosts } => screen::hosts::selected(ui, model, &text, hosts),
            Reply::Said(text) => ui.say(model, text),
            Reply::Opened(opened) => model.opened = Some(*opened),
            Reply::Compared(both) => model.compared = Some(both),
            Reply::Started(run) => {
                self.turns.begun();
                crate::tui::crash::of_run(Some(run.as_str()));
                self.interrupts = Interrupts::default();
                self.attention = Attention::default();
                model.live = Some(Watched::default());
                ui.shown = Shown::Live;
                (ui.preview, ui.run) = Default::default();
                // from here on the history has one more
                self.parts.desk.ask(Request::Reload);
            }
            Reply::NotStarted(lines) => {
                self.turns.over();
                self.turns.forget();
                ui.go(Screen::Hosts);
                screen::settle(ui, model);
                let title = "The run was not begun".to_owned();
                ui.open(model, Panel::Message(message::State { title, lines, top: 0 }));
            }
            Reply::Ended(ended) => return self.ended(ended).await,
        }
        Ok(())
    }

    /// The live run has ended; nothing of it comes any more.
    async fn ended(&mut self, ended: Result<u8, String>) -> io::Result<()> {
        self.turns.over();
        let Parts { model, ui, desk, .. } = &mut self.parts;
        let code = match &ended {
            Ok(code) => *code,
            Err(_) => 70,
        };
        // what was said of the run while it was live is not so any more: Ctrl-C quits now
        ui.said = None;
        if let Err(why) = ended {
            // the record says how far it came; the run is not live any more whatever its last event was
            ui.say(model, format!("The run ended by a fault of this program: {why}"));
            if let Some(live) = &mut model.live {
                live.broken_off = true;
            }
        }
        desk.ask(Request::Reload);
        if self.lost || self.leaving {
            self.end = Some(End { code, left_live: false });
        } else if let Some(order) = self.turns.take() {
            desk.ask(Request::Start(order));
        } else if self.suspending {
            return self.suspend().await;
        }
        Ok(())
    }

    async fn told(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let Parts { model, ui, terminal, .. } = &mut self.parts;
        for event in events.drain(..) {
            model.tell(&event);
            if let Some(call) = self.attention.take(&event, ui.focused) {
                terminal.bell();
                terminal.notify(&call.text);
            }
            if matches!(event.kind, EventKind::DecisionAsked { .. } | EventKind::ConfirmAsked { .. }) {
                self.pace.at_once();
            }
        }
        self.pace.soon();
        if self.suspending && self.is_quiet() {
            return self.suspend().await;
        }
        Ok(())
    }

    fn call(&self, call: &Call) {
        self.parts.terminal.bell();
        self.parts.terminal.notify(&call.text);
    }

    async fn follow(&mut self, effects: Vec<Effect>) -> io::Result<()> {
        for effect in effects {
            match effect {
                Effect::Control(order) => self.parts.desk.order(order),
                Effect::Ask(Request::Start(order)) => {
                    if self.turns.want(order.clone()) {
                        self.parts.model.order = Some(order);
                    }
                    if let Some(order) = self.turns.take() {
                        self.parts.desk.ask(Request::Start(order));
                    }
                }
                Effect::Ask(request) => {
                    if let Request::Probe(hosts) = &request {
                        hosts.iter().for_each(|host| drop(self.parts.model.reach.insert(host.clone(), Reach::Asked)));
                    }
                    self.parts.desk.ask(request);
                }
                Effect::Copy { text, what } => {
                    let said = self.parts.terminal.copy(&text, &self.parts.state_dir).await;
                    self.parts.ui.say(&self.parts.model, format!("{what}: {said}"));
                }
                Effect::Plain(text) => self.away(Away::Plain(text)).await?,
                Effect::Edit { path, line } => {
                    self.away(Away::Edit(path, line)).await?;
                    self.parts.desk.ask(Request::Reload);
                }
                Effect::Mouse(on) => self.parts.terminal.mouse(on),
                Effect::Redraw => self.redraw()?,
                Effect::Suspend => self.asked_to_suspend().await?,
                Effect::Interrupt => self.interrupt("Ctrl-C", 130),
                Effect::StopAndLeave => {
                    self.leaving = true;
                    let by = self.parts.model.operator.clone();
                    self.parts.desk.order(Control::Stop { by });
                }
                Effect::Quit(code) => self.end = Some(End { code, left_live: false }),
            }
        }
        Ok(())
    }

    /// Whether nothing runs on any host, so that no deadline passes while the process is stopped.
    fn is_quiet(&self) -> bool {
        let live = self.parts.model.live.as_ref().filter(|live| live.is_live());
        live.is_none_or(|live| live.is_past_preview() && live.fleet.running().all(|(_, hosts)| hosts == 0))
    }

    /// Ctrl-Z: the run is paused first, and what runs ends before the process stops; a second one does not wait for it.
    async fn asked_to_suspend(&mut self) -> io::Result<()> {
        if self.is_quiet() || std::mem::replace(&mut self.suspending, true) {
            return self.suspend().await;
        }
        let Parts { model, ui, desk, .. } = &mut self.parts;
        desk.order(Control::Pause { by: model.operator.clone() });
        ui.say(model, "Pausing: running steps end, then the shell has the terminal. Ctrl-Z again goes there at once.");
        Ok(())
    }

    async fn suspend(&mut self) -> io::Result<()> {
        self.suspending = false;
        let live = self.parts.model.is_live();
        if live {
            self.parts.desk.order(Control::Pause { by: self.parts.model.operator.clone() });
        }
        let said = if live { "the run is paused; fg comes back, P goes on" } else { "fg comes back" };
        let stopped = self.parts.terminal.suspend(&format!("runbook: {said}")).await;
        if stopped.is_err() || !self.parts.terminal.is_up() {
            self.lose();
        }
        self.pace.at_once();
        Ok(())
    }

    /// In the pager or the editor; what happens meanwhile is taken in all the same.
    async fn away(&mut self, away: Away) -> io::Result<()> {
        let mut told = Vec::with_capacity(GROUP);
        let mut later = Vec::new();
        let came_back = {
            let Parts { terminal, events, replies, model, .. } = &mut self.parts;
            let work = async {
                match &away {
                    Away::Plain(text) => terminal.plain(text).await,
                    Away::Edit(path, line) => terminal.edit(path, *line).await,
                }
            };
            tokio::pin!(work);
            loop {
                tokio::select! {
                    done = &mut work => break done,
                    n = events.recv_many(&mut told, GROUP), if !events.is_closed() || !events.is_empty() => {
                        if n > 0 {
                            told.drain(..).for_each(|event| model.tell(&event));
                        }
                    }
                    Some(reply) = replies.recv() => later.push(reply),
                }
            }
        };
        self.pace.at_once();
        self.came_back = true;
        if !self.parts.terminal.is_up() {
            self.lose();
        }
        for reply in later {
            Box::pin(self.answered(reply)).await?;
        }
        if let Err(error) = came_back {
            self.parts.ui.say(&self.parts.model, error.to_string());
        }
        Ok(())
    }
}

enum Away {
    Plain(String),
    Edit(PathBuf, usize),
}
