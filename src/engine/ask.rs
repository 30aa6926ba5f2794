//! Questions to a person: asked once, answered by the first answer that was offered.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::engine::link::RunContext;
use crate::engine::world::World;
use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::id::{HostName, StepId};

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// One of the options.
    pub option: String,
    /// Who.
    pub by: String,
    /// `tty` or `flag`.
    pub via: String,
    /// Why.
    pub note: Option<String>,
}

/// By id: what is offered, and who waits for it.
type Open = BTreeMap<String, (Vec<String>, oneshot::Sender<Said>)>;

/// The questions that are open now.
#[derive(Debug, Default)]
pub struct Questions {
    open: Mutex<Open>,
}

impl Questions {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on it can be answered: to be called before anybody is told.
    fn ask(&self, id: &str, options: &[String]) -> oneshot::Receiver<Said> {
        let (to, from) = oneshot::channel();
        let mut open = self.open();
        // who asked these waits no more
        open.retain(|_, (_, asker)| !asker.is_closed());
        open.insert(id.to_owned(), (options.to_vec(), to));
        from
    }

    /// Answers one; what is not open or not offered is ignored.
    pub fn answer(&self, id: &str, said: Said) {
        let mut open = self.open();
        let offered = open.get(id).is_some_and(|(options, _)| options.contains(&said.option));
        if offered && let Some((_, asker)) = open.remove(id) {
            // who asked may have been ended meanwhile
            let _ = asker.send(said);
        }
    }
}

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// Names it within the run.
    pub id: String,
    /// The step that it is about; none: the gate.
    pub step: Option<StepId>,
    /// The hosts that it is about.
    pub hosts: Vec<HostName>,
    /// In words.
    pub text: String,
    /// What can be said.
    pub options: Vec<String>,
    /// Why it is asked.
    pub finding: Option<Finding>,
}

/// How a question ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// By an answer; the record has it.
    Said(Said),
    /// The run is stopping, or its record is lost.
    Stopped,
    /// Nobody is told of anything any more.
    Deaf,
    /// What was to end it has come.
    Over,
}

/// The options of a plain question.
pub fn yes_or_no() -> Vec<String> {
    vec!["yes".to_owned(), "no".to_owned()]
}

impl<W: World> RunContext<W> {
    /// Asks, and waits for an answer, or for `over`.
    pub async fn ask(&self, question: Question, over: impl Future<Output = ()>) -> Heard {
        let Question { id, step, hosts, text: question, options, finding } = question;
        let answer = self.orders.questions.ask(&id, &options);
        let asked = EventKind::DecisionAsked { id: id.clone(), step, hosts, question, options, finding };
        // the record's own failure ends the wait
        let _ = self.recorder.note(asked).await;
        let said = tokio::select! {
            biased;
            Ok(said) = answer => said,
            () = self.orders.stop.cancelled() => return Heard::Stopped,
            () = self.lost.cancelled() => return Heard::Stopped,
            () = self.deaf.cancelled() => return Heard::Deaf,
            () = over => return Heard::Over,
        };
        self.decided(id, &said).await;
        Heard::Said(said)
    }

    /// Records what was decided.
    pub async fn decided(&self, id: String, said: &Said) {
        let Said { option, by, via, note } = said.clone();
        let _ = self.recorder.commit(EventKind::DecisionMade { id, option, by, via, note }).await;
    }
}
