//! Ctrl-C as a contract: stop, cancel, leave. One press that arrives twice counts once, and none counts before the person
//! could read what it would do.

use std::time::{Duration, Instant};

/// A press within this time of the last one is the same, delivered twice.
const DEBOUNCE: Duration = Duration::from_millis(500);

/// What a press means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Press {
    /// Start nothing new.
    Stop,
    /// End what runs.
    Cancel,
    /// Leave at once.
    Leave,
    /// The press before, once more.
    Same,
}

/// The presses so far.
#[derive(Debug, Default)]
pub struct Interrupts {
    count: u8,
    last: Option<Instant>,
    /// When what the last one did was on the screen.
    shown: Option<Instant>,
}

impl Interrupts {
    /// One more press.
    pub fn press(&mut self, now: Instant) -> Press {
        if let Some(last) = self.last
            && (now.duration_since(last) < DEBOUNCE || self.shown.is_none())
        {
            return Press::Same;
        }
        (self.last, self.shown) = (Some(now), None);
        self.count = self.count.saturating_add(1);
        match self.count {
            1 => Press::Stop,
            2 => Press::Cancel,
            _ => Press::Leave,
        }
    }

    /// A frame was drawn: what the last press did can be read.
    pub fn shown(&mut self, now: Instant) {
        self.shown.get_or_insert(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Interrupts, Press};

    #[test]
    fn a_press_counts_only_half_a_second_later_and_after_its_message_was_drawn() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut presses = Interrupts::default();
        assert_eq!(presses.press(at(0)), Press::Stop);
        assert_eq!(presses.press(at(900)), Press::Same, "nothing was drawn since");
        presses.shown(at(950));
        assert_eq!(presses.press(at(1000)), Press::Cancel);
        presses.shown(at(1010));
        assert_eq!(presses.press(at(1400)), Press::Same, "the same press again");
        assert_eq!(presses.press(at(1600)), Press::Leave);
    }
}
