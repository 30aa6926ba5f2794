//! The loop around the screens: input, events and answers in; frames, orders and requests out. One task; it waits for
//! nothing but these.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::model::control::Control;
use crate::model::event::{Event, EventKind};
use crate::model::id::RunId;
use crate::model::time::Timestamp;
use crate::model::visible::visible_lines;
use crate::tui::action::{Effect, Order, Request};
use crate::tui::attention::Attention;
use crate::tui::clipboard::Copied;
use crate::tui::crash;
use crate::tui::draw::draw;
use crate::tui::input::Input;
use crate::tui::interrupts::{Interrupts, Press};
use crate::tui::model::{Model, Reach, Reply, Watched};
use crate::tui::pace::Pace;
use crate::tui::screen::{self, message, timeline};
use crate::tui::terminal::{FromTerminal, Terminal};
use crate::tui::ui::{Panel, Screen, Shown, Ui};
use crate::tui::update::{opened, update};
use crate::tui::view::now;

/// The most events that are folded before the keyboard is looked at again.
const GROUP: usize = 512;
/// How often the clock of a live run is drawn.
const CLOCK: Duration = Duration::from_secs(1);
/// The same where motion is not wanted.
const STILL: Duration = Duration::from_secs(10);
/// The most copies that are under way at a time.
const COPIES: usize = 8;

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

/// The one run that may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// There is none.
    None,
    /// It was asked for and has not begun.
    Asked,
    /// It has begun, and its end has not been told.
    Begun,
}

/// The signals that mean what Ctrl-C means.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    /// What would end the process if nobody took it: a run at a terminal tells by it what is running, and this screen shows
    /// it all the time.
    _tell: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (hangup, tell) = (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?);
        Ok(Self { interrupt, terminate, hangup, _tell: tell })
    }

    /// The next one, with the exit code of who leaves by it.
    async fn next(&mut self) -> (&'static str, u8) {
        tokio::select! {
            _ = self.interrupt.recv() => ("SIGINT", 130),
            _ = self.terminate.recv() => ("SIGTERM", 143),
            _ = self.hangup.recv() => ("SIGHUP", 143),
        }
    }

    /// The same while another program has the terminal: a SIGINT is meant for it.
    async fn ending(&mut self) -> (&'static str, u8) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", 143),
            _ = self.hangup.recv() => ("SIGHUP", 143),
        }
    }

    /// A SIGINT that came until now was meant for another program.
    fn forget_interrupts(&mut self) {
        while self.interrupt.recv().now_or_never().flatten().is_some() {}
    }
}

struct Session<D> {
    parts: Parts<D>,
    signals: Signals,
    task: Task,
    /// Copies under way, each with what it is.
    copies: JoinSet<(String, Copied)>,
    pace: Pace,
    interrupts: Interrupts,
    attention: Attention,
    /// A run to be begun when the one before has ended.
    next: Option<Order>,
    /// The process is to be suspended when nothing runs any more.
    suspending: bool,
    /// The session is to be left when the run has ended.
    leaving: bool,
    /// A story is being read.
    reading: bool,
    /// The exit code of who leaves for a reason of their own; none: that of the run.
    code: Option<u8>,
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
        signals: Signals::listen()?,
        task: Task::None,
        copies: JoinSet::new(),
        pace,
        interrupts: Interrupts::default(),
        attention: Attention::default(),
        next: None,
        suspending: false,
        leaving: false,
        reading: false,
        code: None,
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
        let mut told = Vec::with_capacity(GROUP);
        loop {
            if let Some(end) = self.end.take() {
                return Ok(end);
            }
            if std::mem::take(&mut self.came_back) {
                self.signals.forget_interrupts();
            }
            self.frame();
            let wait = self.next_frame();
            let parts = &mut self.parts;
            tokio::select! {
                biased;
                input = parts.input.recv(), if !self.lost => match input {
                    Some(FromTerminal::Input(input)) => self.typed(input).await?,
                    Some(FromTerminal::Resized) => self.redraw(),
                    Some(FromTerminal::Lost) | None => self.lose(),
                },
                (by, code) = self.signals.next() => {
                    // who sends it need not be at this screen, and it may be gone
                    self.interrupts.shown(Instant::now());
                    self.interrupt(by, code);
                }
                Some(copied) = self.copies.join_next() => self.copied(copied.ok()),
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
    fn frame(&mut self) {
        let now = Instant::now();
        if self.lost || !self.parts.terminal.is_free() || self.pace.wait(now) != Some(Duration::ZERO) {
            return;
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
            return self.lose();
        }
        terminal.title(&format!("runbook: {}", now::sentence(model, ui)));
        self.interrupts.shown(now);
        self.pace.drawn(now, self.parts.terminal.flush_took());
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
        if let Some(live) = parts.model.live.as_ref().filter(|live| live.is_live()) {
            self.attention.keep(&live.run.waiting);
            if let Some(call) = self.attention.tick((parts.clock)(), parts.ui.focused) {
                parts.terminal.bell();
                parts.terminal.notify(&call.text);
            }
            // a story that is followed is read again, one reading at a time
            if let Some(run) = timeline::stale(&parts.model, &parts.ui).filter(|_| !self.reading) {
                self.reading = true;
                parts.desk.ask(Request::Open(run));
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

    /// A terminal that cannot even say its size is gone: the run ends in order, it is not cut off.
    fn redraw(&mut self) {
        self.pace.at_once();
        if self.parts.terminal.clear().is_err() {
            self.lose();
        }
    }

    /// The terminal is gone: the run is asked to stop, and the session ends when it has.
    fn lose(&mut self) {
        if std::mem::replace(&mut self.lost, true) {
            return;
        }
        tracing::warn!("the terminal is gone");
        (self.next, self.suspending) = (None, false);
        if self.task == Task::None {
            self.end = Some(End { code: 143, left_live: false });
        } else {
            self.leaving = true;
            self.parts.desk.order(Control::Stop { by: "the terminal is gone".to_owned() });
        }
    }

    /// Leaves: at once where no run is under way, else when it has ended; a second time at once in any case.
    fn quit(&mut self, code: u8) {
        let under_way = self.task != Task::None;
        if !under_way || self.leaving {
            self.end = Some(End { code, left_live: under_way });
            return;
        }
        self.next = None;
        (self.leaving, self.code) = (true, Some(code));
        let Parts { model, ui, desk, .. } = &mut self.parts;
        desk.order(Control::Stop { by: model.operator.clone() });
        ui.say(model, "Leaving: the run is stopped first. Once more leaves at once.");
    }

    /// Ctrl-C, or a signal that means the same.
    fn interrupt(&mut self, by: &str, code: u8) {
        self.pace.at_once();
        if !self.parts.model.is_live() {
            return self.quit(code);
        }
        (self.next, self.suspending) = (None, false);
        let Parts { model, ui, desk, .. } = &mut self.parts;
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
                model.count_protected();
                if first {
                    screen::settle(ui, model);
                    return self.follow(opened(&self.parts.ui, &self.parts.model)).await;
                }
            }
            Reply::Reach(host, reach) => drop(model.reach.insert(host, reach)),
            Reply::Selected { text, hosts } => screen::hosts::selected(ui, model, &text, hosts),
            Reply::Said(text) => {
                self.reading = false;
                ui.say(model, text);
            }
            Reply::Opened(mut opened) => {
                self.reading = false;
                opened.watched.protected = model.protected(&opened.watched.run.order);
                model.opened = Some(*opened);
            }
            Reply::Compared(both) => model.compared = Some(both),
            Reply::Started(run) => self.begun(run),
            Reply::NotStarted(_) if self.leaving => {
                self.end = Some(End { code: self.code.unwrap_or(143), left_live: false });
            }
            Reply::NotStarted(lines) => {
                self.task = Task::None;
                ui.go(Screen::Hosts);
                screen::settle(ui, model);
                let title = "The run was not begun".to_owned();
                ui.open(model, Panel::Message(message::State { title, lines, top: 0 }));
            }
            Reply::Behind => {
                if let Some(live) = &mut model.live {
                    live.behind = true;
                }
            }
            Reply::Ended(ended) => return self.ended(ended).await,
        }
        Ok(())
    }

    /// A run begins: from here on everything is about it.
    fn begun(&mut self, run: RunId) {
        let Session { parts: Parts { model, ui, desk, .. }, interrupts, attention, task, .. } = self;
        begun(run, model, ui);
        (*interrupts, *attention, *task) = (Interrupts::default(), Attention::default(), Task::Begun);
        // from here on the history has one more
        desk.ask(Request::Reload);
    }

    fn begin(&mut self, order: Order) {
        self.task = Task::Asked;
        self.parts.desk.ask(Request::Start(order));
    }

    /// The live run has ended; nothing of it comes any more.
    async fn ended(&mut self, ended: Result<u8, String>) -> io::Result<()> {
        self.task = Task::None;
        // what it told before its end may not have been taken in yet
        while let Ok(event) = self.parts.events.try_recv() {
            self.fold(&event);
        }
        let code = *ended.as_ref().unwrap_or(&70);
        let Parts { model, ui, desk, .. } = &mut self.parts;
        // what was said of the run while it was live is not so any more: Ctrl-C quits now
        ui.said = None;
        if let Some(live) = model.live.as_mut().filter(|live| live.is_live()) {
            // the record says how far it came; the run is not live any more whatever its last event was
            live.abandon();
            if let (Ok(_), Some(run)) = (&ended, live.run.run.clone()) {
                ui.say(model, format!("The run has ended, exit {code}; this is its record."));
                ui.shown = Shown::Recorded(run.clone());
                desk.ask(Request::Open(run));
            }
        }
        if let Err(why) = ended {
            ui.say(model, format!("The run ended by a fault of this program: {why}"));
        }
        desk.ask(Request::Reload);
        if self.lost || self.leaving {
            self.end = Some(End { code: self.code.unwrap_or(code), left_live: false });
        } else if let Some(order) = self.next.take() {
            self.begin(order);
        } else if self.suspending {
            return self.suspend().await;
        }
        Ok(())
    }

    /// Takes in an event of the live run; rings where somebody should look.
    fn fold(&mut self, event: &Event) {
        let Parts { model, ui, terminal, .. } = &mut self.parts;
        model.tell(event);
        if let Some(call) = self.attention.take(event, ui.focused) {
            terminal.bell();
            terminal.notify(&call.text);
        }
    }

    async fn told(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        for event in events.drain(..) {
            self.fold(&event);
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

    async fn follow(&mut self, effects: Vec<Effect>) -> io::Result<()> {
        for effect in effects {
            match effect {
                Effect::Control(order) => {
                    // who goes on does not want to go to the shell any more
                    self.suspending &= !matches!(order, Control::Resume { .. });
                    self.parts.desk.order(order);
                }
                Effect::Ask(Request::Start(order)) => self.start(order),
                Effect::Ask(request) => {
                    if let Request::Probe(hosts) = &request {
                        hosts.iter().for_each(|host| drop(self.parts.model.reach.insert(host.clone(), Reach::Asked)));
                    }
                    self.parts.desk.ask(request);
                }
                Effect::Copy { text, what } => {
                    if self.copies.len() < COPIES {
                        let copying = self.parts.terminal.copying(text, self.parts.state_dir.clone());
                        self.copies.spawn(async move { (what, copying.await) });
                    }
                }
                // the sink of its kind: whoever made it
                Effect::Plain(text) => self.away(Away::Plain(visible_lines(&text).into_owned())).await?,
                Effect::Edit { path, line } => {
                    self.away(Away::Edit(path, line)).await?;
                    self.parts.desk.ask(Request::Reload);
                }
                Effect::Mouse(on) => self.parts.terminal.mouse(on),
                Effect::Redraw => self.redraw(),
                Effect::Suspend => self.asked_to_suspend().await?,
                Effect::Interrupt => self.interrupt("Ctrl-C", 130),
                // it may have ended since it was asked about
                Effect::StopAndLeave if self.task == Task::None => self.quit(0),
                Effect::StopAndLeave => {
                    (self.leaving, self.suspending) = (true, false);
                    let by = self.parts.model.operator.clone();
                    self.parts.desk.order(Control::Stop { by });
                }
                Effect::Quit(code) => self.quit(code),
            }
        }
        Ok(())
    }

    /// Begins a run, one at a time: orders, answers and events are always about the one.
    fn start(&mut self, order: Order) {
        match self.task {
            // one that was pressed twice is wanted once
            Task::Asked => self.parts.ui.say(&self.parts.model, "A run is being begun already."),
            // a preview that was declined ends first
            Task::Begun => {
                self.parts.model.order = Some(order.clone());
                self.next = Some(order);
            }
            Task::None => {
                self.parts.model.order = Some(order.clone());
                self.begin(order);
            }
        }
    }

    fn copied(&mut self, copied: Option<(String, Copied)>) {
        let Some((what, copied)) = copied else { return };
        let said = self.parts.terminal.copied(&copied);
        self.parts.ui.say(&self.parts.model, format!("{what}: {said}"));
        self.pace.soon();
    }

    /// Whether nothing runs on any host, so that no deadline passes while the process is stopped.
    fn is_quiet(&self) -> bool {
        let live = self.parts.model.live.as_ref().filter(|live| live.is_live());
        live.is_none_or(|live| live.waits_to_be_confirmed() || live.is_past_preview() && live.run.at_work() == 0)
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
        let mut ended_by = None;
        let came_back = {
            let Session { parts, interrupts, attention, task, signals, end, .. } = self;
            let Parts { terminal, events, replies, model, ui, desk, .. } = parts;
            let work = async {
                match &away {
                    Away::Plain(text) => terminal.plain(text).await,
                    Away::Edit(path, line) => terminal.edit(path, *line).await,
                }
            };
            tokio::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    done = &mut work => break done,
                    (by, code) = signals.ending() => {
                        interrupts.shown(Instant::now());
                        match (model.is_live(), interrupts.press(Instant::now())) {
                            (false, _) => ended_by = Some(code),
                            (true, Press::Stop) => desk.order(Control::Stop { by: by.to_owned() }),
                            (true, Press::Cancel) => desk.order(Control::Cancel { by: by.to_owned() }),
                            (true, Press::Leave) => {
                                *end = Some(End { code, left_live: true });
                                break Ok(());
                            }
                            (true, Press::Same) => {}
                        }
                    }
                    Some(reply) = replies.recv() => match reply {
                        // what it tells from here on is about this one
                        Reply::Started(run) => {
                            begun(run, model, ui);
                            (*interrupts, *attention, *task) = (Interrupts::default(), Attention::default(), Task::Begun);
                        }
                        reply => later.push(reply),
                    },
                    n = events.recv_many(&mut told, GROUP), if !events.is_closed() || !events.is_empty() => {
                        if n > 0 {
                            for event in told.drain(..) {
                                model.tell(&event);
                                // they look elsewhere, and are not to be rung for: it is only remembered what waits
                                let _ = attention.take(&event, true);
                            }
                        }
                    }
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
        if let Some(code) = ended_by {
            self.quit(code);
        }
        if let Err(error) = came_back {
            self.parts.ui.say(&self.parts.model, error.to_string());
        }
        Ok(())
    }
}

/// From here on everything that is shown and typed is about this run: what was open about another one is not any more.
fn begun(run: RunId, model: &mut Model, ui: &mut Ui) {
    crash::of_run(Some(run.as_str()));
    model.live = Some(Watched::begun(run));
    ui.shown = Shown::Live;
    (ui.preview, ui.run) = Default::default();
    ui.panel.take_if(|panel| panel.acts());
}

enum Away {
    Plain(String),
    Edit(PathBuf, usize),
}
