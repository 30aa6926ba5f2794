//! What the person at the terminal can see and do while a run is under way.

use std::io::{self, Write};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use crate::cli::operator::desk::{self, Desk};
use crate::engine::report::Reporter;
use crate::model::control::Control;
use crate::model::event::{Event, EventKind};
use crate::model::time::Timestamp;
use crate::model::visible::visible;
use crate::report::signs::Signs;
use crate::report::sink;
use crate::state::run::RunState;
use crate::state::words;

/// What is known of a run so far. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Known {
    run: Arc<Mutex<RunState>>,
    signs: Signs,
}

impl Known {
    /// Nothing yet; what is told of it goes to somebody who can take these signs.
    pub fn new(signs: Signs) -> Self {
        Self { run: Arc::default(), signs }
    }

    /// Writes on standard error, in one piece: other lines are written beside it.
    pub(super) fn say(&self, text: &str) -> io::Result<()> {
        sink::err(self.signs, false).write_all(text.as_bytes())
    }

    pub(super) fn state(&self) -> MutexGuard<'_, RunState> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what is running now, on standard error.
    pub fn tell_running(&self) {
        let running = words::running(&self.state(), now());
        let mut text = String::new();
        for line in &running {
            text.push_str(&format!("     Running {}\n", visible(line)));
        }
        if running.is_empty() {
            text.push_str("     Running nothing\n");
        }
        // a closed output is no failure of the run
        let _ = self.say(&text);
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    Timestamp::from_millis(i64::try_from(since).unwrap_or(i64::MAX))
}

/// Keeps what is known up to date, and wakes who asks the person at the terminal, where there is one.
#[derive(Debug)]
pub struct Console {
    known: Known,
    desk: Option<SyncSender<desk::Message>>,
}

impl Console {
    /// With nobody to ask.
    pub fn new(known: Known) -> Self {
        Self { known, desk: None }
    }

    /// With somebody at the terminal, whose orders go to `to` as those of `by`; `plan`: whether the plan is to be confirmed
    /// there, else a flag has done that.
    #[must_use]
    pub fn asking(self, by: String, plan: bool, to: mpsc::Sender<Control>) -> Self {
        let desk = Desk::open(self.known.clone(), by, plan, to);
        Self { desk: Some(desk), ..self }
    }
}

impl Reporter for Console {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        use EventKind as E;
        self.known.state().apply(event);
        let asks_or_answers = matches!(
            event.kind,
            E::ConfirmAsked { .. }
                | E::ConfirmGiven { .. }
                | E::ConfirmDeclined { .. }
                | E::DecisionAsked { .. }
                | E::DecisionMade { .. }
                | E::StepFinished { .. }
                | E::HostFinished { .. }
                | E::RunStopping { .. }
                | E::RunAborting { .. }
                | E::RunFinished { .. }
        );
        if let (true, Some(desk)) = (asks_or_answers, &self.desk) {
            // one that is full is awake
            let _ = desk.try_send(desk::Message::News);
        }
        Ok(())
    }
}
