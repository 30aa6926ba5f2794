//! What was asked of a running run: confirmed, declined, stop, cancel.

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::engine::dispatch::Recorder;
use crate::model::control::Control;
use crate::model::event::EventKind;

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
    /// Start nothing new but closes.
    pub stop: CancellationToken,
    /// End what runs on the hosts.
    pub cancel: CancellationToken,
    /// The answer to the plan.
    pub answer: watch::Receiver<Answer>,
}

impl Orders {
    /// Orders that nobody gives: for what must not be ended.
    pub fn none() -> Self {
        let (_, answer) = watch::channel(Answer::Waiting);
        Self { stop: CancellationToken::new(), cancel: CancellationToken::new(), answer }
    }
}

/// Listens to `control` until its senders are gone; every order is an event with who gave it.
pub fn listen(mut control: mpsc::Receiver<Control>, recorder: Recorder) -> (Orders, tokio::task::JoinHandle<()>) {
    let (say, answer) = watch::channel(Answer::Waiting);
    let orders = Orders { stop: CancellationToken::new(), cancel: CancellationToken::new(), answer };
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
                Control::Stop { by } if !given.stop.is_cancelled() => {
                    given.stop.cancel();
                    say.send_if_modified(|answer| {
                        let waiting = *answer == Answer::Waiting;
                        if waiting {
                            *answer = Answer::Declined(format!("stopped by {by}"));
                        }
                        waiting
                    });
                    let _ = recorder.note(EventKind::RunStopping { reason: "as asked".to_owned(), by }).await;
                }
                Control::Stop { .. } => {}
                Control::Cancel { by } => {
                    given.stop.cancel();
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
