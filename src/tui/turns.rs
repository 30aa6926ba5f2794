//! One run at a time: the next one is asked for when the end of the one before was told. Two at once would be told as one.

use crate::tui::action::Order;

/// How far the run of a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Run {
    /// There is none, or its end was told.
    #[default]
    None,
    /// It was asked for.
    Asked,
    /// It has begun, and its end was not told yet; its last event may have been.
    Begun,
}

/// The run of a session, and the one that is wanted after it.
#[derive(Debug, Default)]
pub struct Turns {
    run: Run,
    next: Option<Order>,
}

impl Turns {
    /// Takes the wish for a run; whether it was taken. While one is being begun there is nothing to be ended for another.
    pub fn want(&mut self, order: Order) -> bool {
        let taken = self.run != Run::Asked;
        if taken {
            self.next = Some(order);
        }
        taken
    }

    /// What is to be asked for now.
    pub fn take(&mut self) -> Option<Order> {
        let order = if self.run == Run::None { self.next.take() } else { None };
        if order.is_some() {
            self.run = Run::Asked;
        }
        order
    }

    /// The run that was asked for has begun.
    pub fn begun(&mut self) {
        self.run = Run::Begun;
    }

    /// The run has ended, or could not be begun.
    pub fn over(&mut self) {
        self.run = Run::None;
    }

    /// Nothing is wanted any more.
    pub fn forget(&mut self) {
        self.next = None;
    }
}

#[cfg(test)]
mod tests {
    use super::Turns;
    use crate::tui::action::Order;

    fn order(hosts: &str) -> Order {
        Order { runbook: "restart-loop".to_owned(), hosts: hosts.to_owned(), set: Vec::new() }
    }

    #[test]
    fn the_next_run_is_asked_for_only_when_the_end_of_the_one_before_was_told() {
        let mut turns = Turns::default();
        assert!(turns.want(order("web-1")));
        assert_eq!(turns.take(), Some(order("web-1")));
        turns.begun();
        // its last event may have come: it is not over before that is told
        assert!(turns.want(order("web-2")) && turns.want(order("web-3")));
        assert_eq!(turns.take(), None);
        turns.over();
        assert_eq!(turns.take(), Some(order("web-3")));
        assert_eq!(turns.take(), None);
    }

    #[test]
    fn a_key_pressed_twice_begins_one_run_and_leaves_none_for_later() {
        let mut turns = Turns::default();
        assert!(turns.want(order("web-1")) && turns.take().is_some());
        assert!(!turns.want(order("web-1")));
        turns.begun();
        turns.over();
        assert_eq!(turns.take(), None);
    }

    #[test]
    fn what_is_forgotten_is_not_begun() {
        let mut turns = Turns::default();
        assert!(turns.want(order("web-1")));
        turns.forget();
        assert_eq!(turns.take(), None);
    }
}
