//! The person at the terminal: answers what is asked, one question at a time, and between questions gives short orders.

use std::collections::BTreeSet;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::mpsc;

use crate::cli::operator::console::Known;
use crate::cli::operator::decide::Choices;
use crate::cli::operator::{forget_typed, is_yes, keyboard, prompt};
use crate::model::control::Control;
use crate::model::time::Timestamp;
use crate::model::visible::visible;
use crate::state::run::{RunState, Waiting};

/// How many lines and wake-ups may wait.
const QUEUE: usize = 64;

/// What is told to a desk.
#[derive(Debug)]
pub(super) enum Message {
    /// Something may have been asked or answered.
    News,
    /// A line was typed.
    Line(String),
    /// Nothing more is typed for now.
    End,
}

/// What is being asked.
#[derive(Debug, Clone, PartialEq)]
enum Asked {
    /// Whether the plan is confirmed: the phrase, where one must be typed.
    Plan(Option<String>),
    /// A question of a step or a gate.
    YesOrNo(Waiting),
    /// What is to be done about a failure.
    Failure(Waiting),
}

impl Asked {
    /// What tells it from any other of a run: a step may ask the same again.
    fn id(&self) -> Id {
        match self {
            Asked::Plan(_) => plan(),
            Asked::YesOrNo(asked) | Asked::Failure(asked) => id(asked),
        }
    }
}

/// A question by its id, and since when it is asked.
type Id = (String, Timestamp);

fn id(asked: &Waiting) -> Id {
    (asked.id.clone(), asked.since)
}

/// The question whether the plan is confirmed; no step and no gate is called so.
fn plan() -> Id {
    (String::new(), Timestamp::from_millis(0))
}

/// Who asks the person at the terminal.
pub(super) struct Desk {
    known: Known,
    by: String,
    plan: bool,
    to: mpsc::Sender<Control>,
    from: Receiver<Message>,
    /// The question that is on the screen.
    open: Option<Asked>,
    /// Those that were answered here.
    answered: BTreeSet<Id>,
}

impl Desk {
    /// Opens one on a thread of its own, with the reader of standard input.
    pub(super) fn open(known: Known, by: String, plan: bool, to: mpsc::Sender<Control>) -> SyncSender<Message> {
        let (tell, from) = sync_channel(QUEUE);
        keyboard::read(tell.clone());
        let mut desk = Self { known, by, plan, to, from, open: None, answered: BTreeSet::new() };
        thread::spawn(move || {
            while let Ok(message) = desk.from.recv() {
                // a closed terminal takes no questions, and the run knows it by its hang-up
                let told = match message {
                    Message::News => Ok(()),
                    Message::Line(line) => desk.line(&line),
                    Message::End => desk.end(),
                };
                if told.and_then(|()| desk.next()).is_err() {
                    return;
                }
            }
        });
        tell
    }

    /// Puts the oldest open question on the screen, where it is not there yet.
    fn next(&mut self) -> io::Result<()> {
        let next = self.oldest();
        if next.as_ref().map(Asked::id) == self.open.as_ref().map(Asked::id) {
            return Ok(());
        }
        if self.open.take().is_some_and(|open| !self.answered.contains(&open.id())) {
            self.known.say("\n             not asked any more\n")?;
        }
        let Some(next) = next else { return Ok(()) };
        // what was typed before it is no answer to it
        forget_typed();
        let mut news = false;
        while let Ok(message) = self.from.try_recv() {
            news |= matches!(message, Message::News);
        }
        let text = match &next {
            Asked::Plan(phrase) => prompt(phrase.as_deref()),
            Asked::YesOrNo(asked) => format!("      Decide {} [y/N] ", visible(&asked.question)),
            Asked::Failure(asked) => Choices::of(&self.known.state(), asked).text(),
        };
        self.known.say(&text)?;
        self.open = Some(next);
        // it may be over already
        if news { self.next() } else { Ok(()) }
    }

    fn oldest(&self) -> Option<Asked> {
        let state = self.known.state();
        if self.plan && confirms(&state) && !self.answered.contains(&plan()) {
            return Some(Asked::Plan(state.asked.as_ref()?.phrase.clone()));
        }
        let asked = state.waiting.iter().find(|asked| !self.answered.contains(&id(asked)))?.clone();
        let plain = asked.options.iter().any(|option| option == "yes");
        Some(if plain { Asked::YesOrNo(asked) } else { Asked::Failure(asked) })
    }

    /// A line answers what is open; else it is an order.
    fn line(&mut self, line: &str) -> io::Result<()> {
        // a question that nobody waits for any more has no answer
        let open = self.open.clone().filter(|open| self.oldest().as_ref().map(Asked::id) == Some(open.id()));
        match open {
            None if self.open.is_some() => Ok(()),
            None => self.order(line),
            Some(Asked::Plan(phrase)) => {
                self.confirm(is_yes(phrase.as_deref(), line));
                Ok(())
            }
            Some(Asked::YesOrNo(asked)) => {
                self.answer(&asked, if is_yes(None, line) { "yes" } else { "no" });
                Ok(())
            }
            Some(Asked::Failure(asked)) => {
                let choices = Choices::of(&self.known.state(), &asked);
                match choices.picked(line) {
                    Some(option) => {
                        self.answer(&asked, option);
                        Ok(())
                    }
                    None if line == "l" => self.known.say(&format!("{}{}", choices.log(), choices.ask())),
                    None => self.known.say(&choices.ask()),
                }
            }
        }
    }

    /// Nobody types any more: nothing is confirmed, and what is held is not held for ever.
    fn end(&mut self) -> io::Result<()> {
        match self.open.clone() {
            None => {}
            Some(Asked::Plan(_)) => self.confirm(false),
            Some(Asked::YesOrNo(asked)) => self.answer(&asked, "no"),
            Some(Asked::Failure(asked)) => self.answer(&asked, "abort"),
        }
        Ok(())
    }

    fn order(&self, line: &str) -> io::Result<()> {
        match line {
            "p" => self.send(Control::Pause { by: self.by.clone() }),
            "P" => self.send(Control::Resume { by: self.by.clone() }),
            "t" => self.known.tell_running(),
            "" => {}
            _ => return self.known.say("             p pauses, P goes on, t tells what is running, Ctrl-C stops\n"),
        }
        Ok(())
    }

    fn confirm(&mut self, yes: bool) {
        self.answered.insert(plan());
        self.send(if yes {
            Control::Confirm { by: self.by.clone(), via: "tty".to_owned() }
        } else {
            Control::Decline { reason: "not confirmed".to_owned() }
        });
    }

    fn answer(&mut self, asked: &Waiting, option: &str) {
        self.answered.insert(id(asked));
        self.send(Control::Answer { id: asked.id.clone(), option: option.to_owned(), by: self.by.clone(), note: None });
    }

    /// An answer that is lost is waited for for ever: it waits for its place.
    fn send(&self, order: Control) {
        // the engine may have ended meanwhile; then nobody needs it
        let _ = self.to.blocking_send(order);
    }
}

fn confirms(state: &RunState) -> bool {
    let answered = state.confirmed.is_some() || state.declined.is_some() || state.finished.is_some();
    state.asked.is_some() && !answered
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::mpsc::sync_channel;

    use tokio::sync::mpsc;

    use super::{Asked, Desk};
    use crate::cli::operator::console::Known;
    use crate::model::event::{Event, EventKind};
    use crate::model::id::{RunId, StepId};
    use crate::model::time::Timestamp;

    #[test]
    fn a_question_that_is_asked_again_later_is_put_again() {
        let known = Known::default();
        let mut at = 0;
        let mut tell = |kind: EventKind| {
            at += 1;
            let run = RunId::parse("abcdef").expect("a run id");
            known.state().apply(&Event { seq: at, ts: Timestamp::from_millis(at.cast_signed()), run, kind });
        };
        let step = StepId::parse("sure").expect("a step id");
        let asked = || EventKind::DecisionAsked {
            id: "sure".to_owned(),
            step: Some(step.clone()),
            hosts: Vec::new(),
            question: "sure?".to_owned(),
            options: vec!["yes".to_owned(), "no".to_owned()],
            finding: None,
        };
        let (to, mut orders) = mpsc::channel(8);
        let (_, from) = sync_channel(1);
        let (by, answered) = ("kai".to_owned(), BTreeSet::new());
        let mut desk = Desk { known: known.clone(), by, plan: false, to, from, open: None, answered };
        for _ in 0..2 {
            tell(asked());
            let Some(Asked::YesOrNo(waiting)) = desk.oldest() else { panic!("it is not asked") };
            desk.answer(&waiting, "yes");
            assert!(orders.try_recv().is_ok());
            assert!(desk.oldest().is_none(), "once is enough");
            let (option, by, via) = ("yes".to_owned(), "kai".to_owned(), "tty".to_owned());
            tell(EventKind::DecisionMade { id: "sure".to_owned(), option, by, via, note: None });
        }
    }
}
