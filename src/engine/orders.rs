//! What was asked of a running run: confirmed, declined, stop, cancel.

use std::collections::BTreeMap;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::engine::dispatch::Recorder;
use crate::model::control::Control;
use crate::model::event::EventKind;
use crate::model::op;

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
    /// The answers to what steps asked, by question.
    pub said: watch::Receiver<BTreeMap<String, op::Answer>>,
}

impl Orders {
    fn new(answer: watch::Receiver<Answer>, said: watch::Receiver<BTreeMap<String, op::Answer>>) -> Self {
        let asked = CancellationToken::new();
        Self { stop: asked.child_token(), asked, cancel: CancellationToken::new(), answer, said }
    }

    /// Orders that nobody gives: for what must not be ended.
    pub fn none() -> Self {
        let (_, answer) = watch::channel(Answer::Waiting);
        let (_, said) = watch::channel(BTreeMap::new());
        Self::new(answer, said)
    }
}

/// Listens to `control` until its senders are gone; every order is an event with who gave it.
pub fn listen(mut control: mpsc::Receiver<Control>, recorder: Recorder) -> (Orders, tokio::task::JoinHandle<()>) {
    let (say, answer) = watch::channel(Answer::Waiting);
    let (tell, said) = watch::channel(BTreeMap::new());
    let orders = Orders::new(answer, said);
    let given = orders.clone();
    let task = tokio::spawn(async move {
        while let Some(order) = control.recv().await {
            // an order counts even when the record is lost: stopping must always be possible
            match order {
                Control::Confirm { by, via } => {
                    say.send_replace(Answer::Given { by, via });
                }
                Control::Decline { reason } => {
                    say.send_replace(Answer::Declined(reason));
                }
                Control::Answer { id, yes, by } => tell.send_modify(|said| {
                    let answer = op::Answer { yes, by, via: "tty".to_owned() };
                    said.entry(id).or_insert(answer);
                }),
                Control::Stop { by } if !given.asked.is_cancelled() => {
                    given.asked.cancel();
                    decline(&say, &by);
                    let _ = recorder.note(EventKind::RunStopping { reason: "as asked".to_owned(), by }).await;
                }
                Control::Stop { .. } => {}
                Control::Cancel { by } => {
                    given.asked.cancel();
                    decline(&say, &by);
                    if !given.cancel.is_cancelled() {
                        given.cancel.cancel();
                        let _ = recorder.note(EventKind::RunAborting { reason: "as asked again".to_owned(), by }).await;
                    }
                }
            }
        }
    });
    (orders, task)
}

/// Who stops a run that waits to be confirmed does not confirm it.
fn decline(say: &watch::Sender<Answer>, by: &str) {
    say.send_if_modified(|answer| {
        let waiting = *answer == Answer::Waiting;
        if waiting {
            *answer = Answer::Declined(format!("stopped by {by}"));
        }
        waiting
    });
}
