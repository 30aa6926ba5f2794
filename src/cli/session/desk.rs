//! Does what the session asks for: reads files and the record away from its task, begins runs, and answers.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::cli::failure::Failure;
use crate::cli::fleet::{self, Choice};
use crate::cli::identities;
use crate::cli::note;
use crate::cli::open;
use crate::cli::run;
use crate::cli::session::export;
use crate::cli::session::reach;
use crate::cli::session::shelf::{self, Seen};
use crate::cli::settings::Settings;
use crate::engine;
use crate::engine::link::Asking;
use crate::engine::report::Reporter;
use crate::engine::run::{EngineError, Setup};
use crate::engine::seen;
use crate::journal::store::Journal;
use crate::journal::writer::Writer;
use crate::model::control::Control;
use crate::model::event::{Event, EventKind};
use crate::model::host::Host;
use crate::model::id::{HostName, RunId};
use crate::model::plan::Plan;
use crate::model::time::Timestamp;
use crate::state::timeline::{Timeline, timeline};
use crate::tui::action::{Order, Request};
use crate::tui::model::{Opened, Reply, Watched};
use crate::tui::session::Desk;
use crate::world::any::AnyFleet;

/// How many hosts are asked at the same time whether they answer.
const PROBES: usize = 64;
/// How many hosts are worked on at a time.
const FORKS: usize = 50;
/// How many orders may wait for the engine: one answer for each host of a large fleet that failed for the same reason.
const ORDERS: usize = 16_384;

/// The run of the session, shared with whoever must end it when the screen is gone.
#[derive(Debug, Clone, Default)]
pub struct LiveRun(Arc<Mutex<Option<Running>>>);

#[derive(Debug)]
struct Running {
    orders: mpsc::Sender<Control>,
    task: JoinHandle<()>,
}

impl LiveRun {
    /// Hands it an order; without a run it does nothing.
    pub fn order(&self, control: Control) {
        if let Some(running) = self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            hand(&running.orders, control);
        }
    }

    /// Takes the task of the run, to wait for its end.
    pub fn take(&self) -> Option<JoinHandle<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().map(|running| running.task)
    }

    fn set(&self, running: Running) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
    }
}

/// Hands an order to the engine; where it has not taken the last ones yet the order waits for its place, it is not lost.
fn hand(orders: &mpsc::Sender<Control>, control: Control) {
    match orders.try_send(control) {
        Ok(()) => {}
        Err(TrySendError::Full(control)) => {
            let orders = orders.clone();
            tokio::spawn(async move { orders.send(control).await.is_ok() });
        }
        // a run that has ended needs no more of them
        Err(TrySendError::Closed(_)) => tracing::warn!("an order came to nobody"),
    }
}

/// The runs that a session has begun, in order.
pub type Begun = Arc<Mutex<Vec<RunId>>>;

/// Does what is asked, in tasks of its own.
pub struct Bench {
    settings: Arc<Settings>,
    to: mpsc::Sender<Reply>,
    events: mpsc::Sender<Event>,
    live: LiveRun,
    begun: Begun,
    seen: Arc<Mutex<Seen>>,
    clock: fn() -> Timestamp,
}

impl Bench {
    /// Answers go to `to`, the events of the live run to `events`.
    pub fn new(settings: Settings, to: mpsc::Sender<Reply>, events: mpsc::Sender<Event>, clock: fn() -> Timestamp) -> Self {
        // the screen asks, wherever standard error goes
        let settings = Arc::new(Settings { can_ask: true, ..settings });
        Self { settings, to, events, live: LiveRun::default(), begun: Begun::default(), seen: Arc::default(), clock }
    }

    /// The live run, for whoever must end it.
    pub fn live(&self) -> LiveRun {
        self.live.clone()
    }

    /// The runs that were begun.
    pub fn begun(&self) -> Begun {
        Arc::clone(&self.begun)
    }

    /// Reads something in a thread of its own and answers.
    fn read(&self, work: impl FnOnce(&Settings) -> Option<Reply> + Send + 'static) {
        let (settings, to) = (Arc::clone(&self.settings), self.to.clone());
        tokio::spawn(async move {
            let read = spawn_blocking(move || work(&settings)).await;
            match read {
                Ok(Some(reply)) => drop(to.send(reply).await),
                Ok(None) => {}
                Err(_) => drop(to.send(Reply::Said("a part of this program failed; see its crash report".to_owned())).await),
            }
        });
    }

    fn reload(&self, always: bool) {
        let (seen, clock) = (Arc::clone(&self.seen), self.clock);
        self.read(move |settings| {
            let known = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if !always && !shelf::has_changed(&known) {
                return None;
            }
            let (shelf, now) = shelf::read(settings, clock());
            *seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
            Some(Reply::Shelf(Box::new(shelf)))
        });
    }

    fn probe(&self, hosts: Vec<HostName>) {
        let (settings, to, clock) = (Arc::clone(&self.settings), self.to.clone(), self.clock);
        tokio::spawn(async move {
            let Ok(Ok(inventory)) = spawn_blocking(move || fleet::inventory(&settings)).await else { return };
            let asked: Vec<Host> = hosts.iter().filter_map(|name| inventory.host(name)).cloned().collect();
            let answers = stream::iter(asked).map(|host| async move {
                let found = reach::ask(&host, clock).await;
                (host.name, found)
            });
            let mut answers = answers.buffer_unordered(PROBES);
            while let Some((name, found)) = answers.next().await {
                if to.send(Reply::Reach(name, found)).await.is_err() {
                    return;
                }
            }
        });
    }

    fn start(&self, order: Order) {
        let (settings, to, events) = (Arc::clone(&self.settings), self.to.clone(), self.events.clone());
        let (orders, control) = mpsc::channel(ORDERS);
        let begun = Arc::clone(&self.begun);
        let task = tokio::spawn(async move {
            let args = arguments(&order);
            let planning = (Arc::clone(&settings), args.clone());
            let planned = spawn_blocking(move || prepared(&planning.1, &planning.0)).await;
            let (planned, run, log) = match planned {
                Ok(Ok(planned)) => planned,
                Ok(Err(failure)) => return drop(to.send(Reply::NotStarted(lines(&failure))).await),
                Err(_) => return drop(to.send(Reply::NotStarted(vec!["a part of this program failed".to_owned()])).await),
            };
            begun.lock().unwrap_or_else(PoisonError::into_inner).push(run.clone());
            if to.send(Reply::Started(run.clone())).await.is_err() {
                return;
            }
            let screen = ToScreen { events, to: to.clone(), ended: false };
            // whatever fails inside, its end is told
            let ended = tokio::spawn(go(Job { args, settings, planned, run, log, control, screen })).await;
            let ended = ended.unwrap_or_else(|_| Err("it failed inside; see its crash report".to_owned()));
            let _ = to.send(Reply::Ended(ended)).await;
        });
        self.live.set(Running { orders, task });
    }
}

impl Desk for Bench {
    fn ask(&mut self, request: Request) {
        match request {
            Request::Reload => self.reload(true),
            Request::ReloadIfChanged => self.reload(false),
            Request::Probe(hosts) => self.probe(hosts),
            Request::Select(text) => self.read(move |settings| {
                let choice = Choice { hosts: &text, limit: None, exclude: None };
                let hosts = fleet::chosen_quietly(settings, choice);
                let hosts = hosts.map(|chosen| chosen.names).map_err(|failure| failure.message);
                Some(Reply::Selected { text: text.clone(), hosts })
            }),
            Request::Start(order) => self.start(order),
            Request::Open(run) => self.read(move |settings| Some(opened(settings, run))),
            Request::Compare(one, other) => self.read(move |settings| Some(compared(settings, &one, &other))),
            Request::Export { name, text, run } => self.read(move |settings| {
                let said = export::write(settings, &name, text.as_deref(), run.as_ref());
                Some(Reply::Said(said.unwrap_or_else(|failure| failure.message)))
            }),
            Request::Note { run, text } => self.read(move |settings| {
                let noted = note::add(settings, run.as_str(), &text);
                Some(Reply::Said(noted.map_or_else(|failure| failure.message, |run| format!("noted in run {run}"))))
            }),
        }
    }

    fn order(&mut self, control: Control) {
        self.live.order(control);
    }
}

fn arguments(order: &Order) -> run::Args {
    let set = order.set.iter().map(|(name, value)| format!("{name}={value}")).collect();
    run::Args {
        name: order.runbook.clone(),
        hosts: order.hosts.clone(),
        set,
        forks: FORKS,
        with_output: true,
        ..run::Args::default()
    }
}

/// Plans a run and begins its record; nothing is contacted.
fn prepared(args: &run::Args, settings: &Settings) -> Result<(Planned, RunId, Writer), Failure> {
    let chosen = fleet::chosen_quietly(settings, run::choice(args))?;
    let plan = run::plan(args, settings, chosen)?;
    let world = fleet::world(settings, plan.secrets.clone())?;
    Handle::current().block_on(identities::check(&world, &run::hosts_of(&plan)))?;
    let journal = open::journal(settings)?;
    let (run, log) = run::record(&journal, &plan)?;
    Ok((Planned { plan, world }, run, log))
}

/// A plan and where it happens.
struct Planned {
    plan: Plan,
    world: AnyFleet,
}

struct Job {
    args: run::Args,
    settings: Arc<Settings>,
    planned: Planned,
    run: RunId,
    log: Writer,
    control: mpsc::Receiver<Control>,
    screen: ToScreen,
}

/// Runs it to its end: the exit code, or what of this program failed.
async fn go(job: Job) -> Result<u8, String> {
    let Job { args, settings, planned: Planned { plan, world }, run, log, control, screen } = job;
    let by = note::who();
    let setup = Setup {
        run,
        plan: Arc::new(plan),
        dry_run: false,
        pending: false,
        by: by.clone(),
        ticket: None,
        forks: args.forks,
        argv: std::env::args().skip(1).collect(),
        sim: fleet::is_sim(&settings),
        with_output: args.with_output,
        asking: Asking { by, can_ask: true, ..Asking::default() },
        world: Arc::new(world),
        log,
        control,
        flags: run::again(&args, &settings),
        reporters: vec![Box::new(screen)],
    };
    match engine::run::run(setup).await {
        Ok(state) => Ok(state.finished.map_or(70, |finished| finished.exit_code)),
        Err(error @ EngineError::Log(_)) => Err(format!("{error}; nothing new was started after that")),
        Err(error) => Err(error.to_string()),
    }
}

/// Hands events to the screen. It waits where the screen is behind: the dispatcher has a queue of its own for that. What
/// was looked at is shown by what it came to; the replies themselves are in the record, and would be most of the queue.
struct ToScreen {
    events: mpsc::Sender<Event>,
    to: mpsc::Sender<Reply>,
    /// Whether the end of the run was told.
    ended: bool,
}

impl Reporter for ToScreen {
    fn on(&mut self, event: &Event) -> std::io::Result<()> {
        if matches!(event.kind, EventKind::StepSeen { .. }) {
            return Ok(());
        }
        let gone = |_| std::io::Error::new(std::io::ErrorKind::BrokenPipe, "the screen is gone");
        self.ended |= matches!(event.kind, EventKind::RunFinished { .. });
        let mut event = event.clone();
        // a screen keeps less than that of a host
        seen::shorten_output(&mut event.kind);
        self.events.blocking_send(event).map_err(gone)
    }

    /// Nothing more is told: where the run has not ended the screen was too far behind.
    fn finish(&mut self) -> std::io::Result<()> {
        if !self.ended {
            // a screen that is gone needs no word
            let _ = self.to.blocking_send(Reply::Behind);
        }
        Ok(())
    }
}

fn lines(failure: &Failure) -> Vec<String> {
    failure.to_string().lines().map(str::to_owned).collect()
}

fn opened(settings: &Settings, run: RunId) -> Reply {
    let read = open::journal(settings).and_then(|journal| recorded(&journal, &run));
    match read {
        Ok((watched, timeline)) => Reply::Opened(Box::new(Opened { watched, timeline, run })),
        Err(failure) => Reply::Said(failure.message),
    }
}

fn compared(settings: &Settings, one: &RunId, other: &RunId) -> Reply {
    let both = open::journal(settings).and_then(|journal| Ok((recorded(&journal, one)?.0, recorded(&journal, other)?.0)));
    match both {
        Ok(both) => Reply::Compared(Box::new(both)),
        Err(failure) => Reply::Said(failure.message),
    }
}

/// A recorded run. One that was killed has no end in its record, and is none that runs.
fn recorded(journal: &Journal, run: &RunId) -> Result<(Watched, Timeline), Failure> {
    // asked first: one that ends meanwhile has its end in what is read after
    let runs = journal.holder(run).is_some();
    let events = journal.events(run).map_err(open::failed)?;
    let mut watched = Watched::of(&events);
    if !runs && !watched.run.is_over() {
        watched.abandon();
    }
    Ok((watched, timeline(&events)))
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::{ToScreen, hand};
    use crate::engine::report::Reporter;
    use crate::model::control::Control;
    use crate::tui::model::Reply;

    #[tokio::test]
    async fn no_order_is_lost_where_the_engine_has_not_taken_the_last_ones() {
        let (orders, mut engine) = mpsc::channel(1);
        for n in 0..3 {
            hand(&orders, Control::Stop { by: n.to_string() });
        }
        let mut taken = Vec::new();
        for _ in 0..3 {
            let Some(Control::Stop { by }) = engine.recv().await else { panic!("a stop was lost") };
            taken.push(by);
        }
        taken.sort();
        assert_eq!(taken, ["0", "1", "2"]);
    }

    #[test]
    fn a_screen_that_was_not_told_the_end_is_told_that_it_fell_behind() {
        for (ended, told) in [(false, true), (true, false)] {
            let ((events, _from), (to, mut replies)) = (mpsc::channel(1), mpsc::channel(1));
            ToScreen { events, to, ended }.finish().expect("the screen is there");
            assert_eq!(matches!(replies.try_recv(), Ok(Reply::Behind)), told);
        }
    }
}
