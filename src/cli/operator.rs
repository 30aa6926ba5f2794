//! The person at the keyboard and the signals: both become orders to the engine.

pub mod console;
mod decide;
mod desk;
mod keyboard;

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use crate::cli::operator::console::Known;
use crate::cli::output;
use crate::engine::report::Reporter;
use crate::model::control::Control;
use crate::model::event::{Event, EventKind};
use crate::report::signs::Signs;
use crate::report::sink;

/// A signal within this time of the last one is the same press, delivered twice.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// Who answers when the plan is to be confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// A flag has answered before the start.
    Flag,
    /// The terminal is asked.
    Ask,
}

/// A reporter that is told of a run until its confirmation is answered.
#[derive(Debug)]
pub struct UntilAnswered<R> {
    to: R,
    answered: bool,
}

impl<R: Reporter> UntilAnswered<R> {
    /// Tells `to`.
    pub fn new(to: R) -> Self {
        Self { to, answered: false }
    }
}

impl<R: Reporter> Reporter for UntilAnswered<R> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        // a batch starts unasked where nothing would be changed
        let answers = matches!(
            event.kind,
            EventKind::ConfirmGiven { .. }
                | EventKind::ConfirmDeclined { .. }
                | EventKind::BatchStarted { .. }
                | EventKind::RunFinished { .. }
        );
        self.answered |= answers;
        if self.answered { Ok(()) } else { self.to.on(event) }
    }
}

/// Hands an order to the engine.
pub fn answer(to: &mpsc::Sender<Control>, order: Control) {
    if let Err(TrySendError::Full(order)) = to.try_send(order) {
        // a stop is not lost because other orders wait
        let to = to.clone();
        tokio::spawn(async move { to.send(order).await.is_ok() });
    }
    // the engine may have ended meanwhile; then nobody needs the answer
}

/// Drops what was typed before a question was there to be read: it is no answer to it.
fn forget_typed() {
    // what is no terminal has nobody who types ahead
    let _ = rustix::termios::tcflush(io::stdin(), rustix::termios::QueueSelector::IFlush);
}

/// Asks on the terminal: a phrase that must be typed, or a plain yes. Why it is asked was said before.
pub fn ask(phrase: Option<&str>) -> io::Result<bool> {
    forget_typed();
    sink::err(Signs::default(), false).write_all(prompt(phrase).as_bytes())?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(is_yes(phrase, &line))
}

fn prompt(phrase: Option<&str>) -> String {
    match phrase {
        Some(phrase) => format!("             type \"{phrase}\" to go on: "),
        None => "             go on? [y/N] ".to_owned(),
    }
}

fn is_yes(phrase: Option<&str>, line: &str) -> bool {
    let line = line.trim();
    phrase.map_or_else(|| matches!(line, "y" | "Y" | "yes"), |phrase| line == phrase)
}

/// The signals that were taken, and the way out after the third.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    leave: Arc<Notify>,
    code: Arc<AtomicU8>,
}

impl Signals {
    /// Turns Ctrl-C, SIGTERM and SIGHUP into orders: stop, then cancel, then leave. SIGUSR1 has told what is running.
    pub fn listen(to: mpsc::Sender<Control>, known: Known) -> io::Result<Self> {
        let mut asked = signal(SignalKind::user_defined1())?;
        tokio::spawn(async move {
            while asked.recv().await.is_some() {
                known.tell_running();
            }
        });
        let signals = Self::default();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let taken = signals.clone();
        tokio::spawn(async move {
            let mut last: Option<Instant> = None;
            let mut count = 0;
            loop {
                let (name, code) = tokio::select! {
                    Some(()) = interrupt.recv() => ("Ctrl-C", 130),
                    Some(()) = terminate.recv() => ("SIGTERM", 143),
                    Some(()) = hangup.recv() => ("SIGHUP", 143),
                    else => return,
                };
                if last.is_some_and(|at| at.elapsed() < DEBOUNCE) {
                    continue;
                }
                last = Some(Instant::now());
                count += 1;
                taken.code.store(code, Ordering::SeqCst);
                match count {
                    1 => answer(&to, Control::Stop { by: name.to_owned() }),
                    2 => answer(&to, Control::Cancel { by: name.to_owned() }),
                    _ => {
                        output::say(Signs::default(), &format!("     Leaving by {name}: the hosts are left as they are\n"));
                        taken.leave.notify_one();
                    }
                }
            }
        });
        Ok(signals)
    }

    /// Resolves when the third signal came: the exit code of a process that is leaving.
    pub async fn leave(&self) -> u8 {
        self.leave.notified().await;
        self.code.load(Ordering::SeqCst)
    }
}
