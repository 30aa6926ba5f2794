//! When to ring: something waits for the person, or a long run has ended, and they look elsewhere.

use std::time::Duration;

use crate::model::event::{Event, EventKind};
use crate::model::time::Timestamp;
use crate::state::run::Waiting;

/// A shorter run is watched to its end.
const LONG: Duration = Duration::from_secs(30);
/// What waits for a person rings again after this.
const AGAIN: Duration = Duration::from_secs(60);

/// What stops a run by itself, in the words of its events.
const LIMITS: [&str; 2] = ["gate", "on_failure"];

/// A reason to ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// In a few words.
    pub text: String,
}

/// What was rung for.
#[derive(Debug, Default)]
pub struct Attention {
    confirmed: Option<Timestamp>,
    /// What waits, and when it was last rung for.
    waiting: Vec<String>,
    rung: Option<Timestamp>,
}

impl Attention {
    /// Takes in an event; a reason to ring, unless the person is looking.
    pub fn take(&mut self, event: &Event, focused: bool) -> Option<Call> {
        let text = match &event.kind {
            EventKind::ConfirmGiven { .. } => {
                self.confirmed = Some(event.ts);
                return None;
            }
            EventKind::DecisionAsked { id, question, .. } => {
                self.waiting.push(id.clone());
                format!("waits for you: {question}")
            }
            EventKind::DecisionMade { id, .. } => {
                self.waiting.retain(|known| known != id);
                return None;
            }
            EventKind::RunFinished { state, .. } => {
                self.waiting.clear();
                let long = self.confirmed.is_some_and(|from| event.ts.since(from) > LONG);
                if !long {
                    return None;
                }
                format!("run {} ended: {state}", event.run)
            }
            // as many have failed as may: nobody who decided it is there to know it
            EventKind::RunStopping { reason, by } if LIMITS.contains(&by.as_str()) => format!("the run stops: {reason}"),
            _ => return None,
        };
        self.rung = Some(event.ts);
        (!focused).then_some(Call { text })
    }

    /// What does not wait any more, answered or not, is not rung for.
    pub fn keep(&mut self, waiting: &[Waiting]) {
        self.waiting.retain(|id| waiting.iter().any(|asked| asked.id == *id));
    }

    /// Time has passed; a reason to ring again.
    pub fn tick(&mut self, now: Timestamp, focused: bool) -> Option<Call> {
        let due = !self.waiting.is_empty() && self.rung.is_none_or(|rung| now.since(rung) >= AGAIN);
        if !due {
            return None;
        }
        self.rung = Some(now);
        let n = self.waiting.len();
        (!focused).then(|| Call { text: format!("{n} {} for you", if n == 1 { "question waits" } else { "questions wait" }) })
    }
}

#[cfg(test)]
mod tests {
    use super::Attention;
    use crate::model::event::{Event, EventKind};
    use crate::model::id::RunId;
    use crate::model::time::Timestamp;

    fn at(seconds: i64, kind: EventKind) -> Event {
        Event { seq: 1, ts: Timestamp::from_millis(seconds * 1000), run: RunId::parse("7f3a9c").expect("an id"), kind }
    }

    fn asked() -> EventKind {
        let (question, options) = ("go on?".to_owned(), Vec::new());
        EventKind::DecisionAsked { id: "batch:2".to_owned(), step: None, hosts: Vec::new(), question, options, finding: None }
    }

    #[test]
    fn a_run_that_stops_by_itself_rings_and_one_that_was_stopped_does_not() {
        let stops = |by: &str| at(0, EventKind::RunStopping { reason: "2 failed".to_owned(), by: by.to_owned() });
        let rung = |by: &str, focused| Attention::default().take(&stops(by), focused).map(|call| call.text);
        assert_eq!(rung("gate", false), Some("the run stops: 2 failed".to_owned()));
        assert!(rung("on_failure", false).is_some());
        assert_eq!((rung("gate", true), rung("Ctrl-C", false)), (None, None));
    }

    #[test]
    fn a_long_run_rings_at_its_end() {
        use std::collections::BTreeMap;
        let ended = |seconds| {
            let state = crate::model::outcome::RunState::Ok;
            let kind = EventKind::RunFinished {
                state,
                exit_code: 0,
                hosts: BTreeMap::new(),
                changed: 0,
                open: Vec::new(),
                failures: Vec::new(),
                next: Vec::new(),
                duration_ms: 0,
            };
            let mut attention = Attention::default();
            attention.take(&at(0, EventKind::ConfirmGiven { by: "ana".to_owned(), via: "tty".to_owned() }), false);
            attention.take(&at(seconds, kind), false).is_some()
        };
        assert_eq!((ended(30), ended(31)), (false, true));
    }

    #[test]
    fn a_question_rings_each_minute_until_it_is_answered_and_never_for_somebody_who_looks() {
        let mut attention = Attention::default();
        assert_eq!(attention.take(&at(0, asked()), true), None, "they look");
        let mut attention = Attention::default();
        assert!(attention.take(&at(0, asked()), false).is_some());
        let seconds = |s: i64| Timestamp::from_millis(s * 1000);
        assert_eq!(attention.tick(seconds(59), false), None);
        assert!(attention.tick(seconds(60), false).is_some());
        assert_eq!(attention.tick(seconds(61), false), None);
        attention.keep(&[]);
        assert_eq!(attention.tick(seconds(900), false), None, "nobody waits for an answer any more");
    }
}
