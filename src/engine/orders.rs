//! What was asked of a running run: confirmed, declined, paused, hosts left out, stop, cancel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::engine::ask::{Questions, Said};
use crate::engine::brake::Brake;
use crate::engine::dispatch::Recorder;
use crate::engine::excluded::Excluded;
use crate::model::control::Control;
use crate::model::event::EventKind;
use crate::model::id::HostName;

/// The answer to the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nobody has answered yet.
    Waiting,
    /// Confirmed, by whom and how.
    Given {
        /// Who.
        by: String,
        /// `tty` or `flag`.
        via: String,
    },
    /// Declined, and why.
    Declined(String),
}

/// What was ordered so far; cheap to clone, read by every lane.
#[derive(Debug, Clone)]
pub struct Orders {
    /// An operator asked to stop; [`Orders::stop`] follows from it.
    pub asked: CancellationToken,
    /// Start nothing new but closes: as asked, or because a step stops the run.
    pub stop: CancellationToken,
    /// End what runs on the hosts.
    pub cancel: CancellationToken,
    /// The answer to the plan.
    pub answer: watch::Receiver<Answer>,
    /// What waits for a person.
    pub questions: Arc<Questions>,
    /// Whether anything new may start for now.
    pub brake: Arc<Brake>,
    /// Who was left out.
    pub excluded: Arc<Excluded>,
    /// Whether the record says already who stopped the run.
    told: Arc<AtomicBool>,
}

impl Orders {
    fn new(answer: watch::Receiver<Answer>, hosts: Vec<HostName>) -> Self {
        let asked = CancellationToken::new();
        Self {
            stop: asked.child_token(),
            asked,
            cancel: CancellationToken::new(),
            answer,
            questions: Arc::default(),
            brake: Arc::default(),
            excluded: Arc::new(Excluded::of(hosts)),
            told: Arc::default(),
        }
    }

    /// Orders that nobody gives: for what must not be ended.
    pub fn none() -> Self {
        let (_, answer) = watch::channel(Answer::Waiting);
        Self::new(answer, Vec::new())
    }

    /// Somebody stops the run; the record says by whom it was first.
    pub async fn stop_by(&self, by: String, recorder: &Recorder) {
        self.asked.cancel();
        if !self.told.swap(true, Ordering::SeqCst) {
            // an order counts even when the record is lost
            let _ = recorder.note(EventKind::RunStopping { reason: "as asked".to_owned(), by }).await;
        }
    }
}

/// Listens to `control` until its senders are gone; every order is an event with who gave it. `hosts` are those of the
/// run: no other can be left out.
pub fn listen(
    mut control: mpsc::Receiver<Control>,
    recorder: Recorder,
    hosts: Vec<HostName>,
) -> (Orders, tokio::task::JoinHandle<()>) {
    let (say, answer) = watch::channel(Answer::Waiting);
    let orders = Orders::new(answer, hosts);
    let listener = Listener { given: orders.clone(), say, recorder };
    let task = tokio::spawn(async move {
        while let Some(order) = control.recv().await {
            listener.take(order).await;
        }
    });
    (orders, task)
}

struct Listener {
    given: Orders,
    say: watch::Sender<Answer>,
    recorder: Recorder,
}

impl Listener {
    /// An order counts even when the record is lost: stopping must always be possible.
    async fn take(&self, order: Control) {
        let given = &self.given;
        match order {
            Control::Confirm { by, via } => self.answer(Answer::Given { by, via }),
            Control::Decline { reason } => self.answer(Answer::Declined(reason)),
            Control::Answer { id, option, by, note } => {
                let note = note.filter(|note| !note.trim().is_empty());
                given.questions.answer(&id, Said { option, by, via: "tty".to_owned(), note });
            }
            Control::Pause { .. } | Control::Resume { .. } if given.stop.is_cancelled() => {}
            Control::Pause { by } => {
                let paused = EventKind::RunPaused { reason: "as asked".to_owned(), by };
                given.brake.set(true, &self.recorder, paused).await;
            }
            Control::Resume { by } => given.brake.set(false, &self.recorder, EventKind::RunResumed { by }).await,
            Control::Exclude { hosts, by } => {
                for host in hosts {
                    if given.excluded.take(&host, &by) {
                        let _ = self.recorder.note(EventKind::HostExcluded { host, by: by.clone() }).await;
                    }
                }
            }
            Control::Note { by, text } if !text.trim().is_empty() => {
                let _ = self.recorder.note(EventKind::Note { by, text }).await;
            }
            Control::Note { .. } => {}
            Control::Stop { by } => {
                given.asked.cancel();
                self.answer(Answer::Declined(format!("stopped by {by}")));
                given.stop_by(by, &self.recorder).await;
            }
            Control::Cancel { by } => {
                given.asked.cancel();
                self.answer(Answer::Declined(format!("stopped by {by}")));
                if !given.cancel.is_cancelled() {
                    given.cancel.cancel();
                    let _ = self.recorder.note(EventKind::RunAborting { reason: "as asked again".to_owned(), by }).await;
                }
            }
        }
    }

    /// The first answer counts: who stops a run or declines it has not confirmed it, whatever comes after. Stopping it also
    /// counts after it was confirmed, by itself.
    fn answer(&self, said: Answer) {
        self.say.send_if_modified(|answer| {
            let waiting = *answer == Answer::Waiting;
            if waiting {
                *answer = said;
            }
            waiting
        });
    }
}
