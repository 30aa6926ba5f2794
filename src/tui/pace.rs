//! When to draw: at once after a key, else at most twenty times a second, four times over a link that is slow; never when
//! nothing happened.

use std::time::{Duration, Instant};

/// Between two frames.
const EVERY: Duration = Duration::from_millis(50);
/// Between two frames over a slow link.
const SLOWLY: Duration = Duration::from_millis(250);
/// A frame that took longer to be written went over a slow link.
const SLOW: Duration = Duration::from_millis(30);

/// What has happened since the last frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Nothing.
    No,
    /// Something, to be drawn when it is time.
    Soon,
    /// A person waits for it.
    Now,
}

/// When to draw.
#[derive(Debug)]
pub struct Pace {
    remote: bool,
    due: Due,
    drawn: Option<Instant>,
    every: Duration,
}

impl Pace {
    /// Nothing was drawn yet, so the first frame is due. `remote`: the terminal is at the other end of an SSH connection.
    pub fn new(remote: bool) -> Self {
        Self { remote, due: Due::Now, drawn: None, every: EVERY }
    }

    /// A key was pressed, or the terminal changed.
    pub fn at_once(&mut self) {
        self.due = Due::Now;
    }

    /// Something happened that can wait for its frame.
    pub fn soon(&mut self) {
        self.due = self.due.max(Due::Soon);
    }

    /// How long until the next frame is to be drawn; none where nothing happened.
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        match (self.due, self.drawn) {
            (Due::No, _) => None,
            (Due::Now, _) | (Due::Soon, None) => Some(Duration::ZERO),
            (Due::Soon, Some(drawn)) => Some(self.every.saturating_sub(now.duration_since(drawn))),
        }
    }

    /// A frame was drawn; the one before took `flush` to be written.
    pub fn drawn(&mut self, now: Instant, flush: Duration) {
        self.due = Due::No;
        self.drawn = Some(now);
        self.every = if self.remote && flush > SLOW { SLOWLY } else { EVERY };
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{EVERY, Pace, SLOWLY};

    #[test]
    fn nothing_is_drawn_when_nothing_happened() {
        let now = Instant::now();
        let mut pace = Pace::new(false);
        assert_eq!(pace.wait(now), Some(Duration::ZERO), "the first frame");
        pace.drawn(now, Duration::ZERO);
        assert_eq!(pace.wait(now + Duration::from_secs(3600)), None);
    }

    #[test]
    fn a_key_is_drawn_at_once_and_events_wait_for_their_frame() {
        let now = Instant::now();
        let mut pace = Pace::new(false);
        pace.drawn(now, Duration::ZERO);
        pace.soon();
        let later = now + Duration::from_millis(20);
        assert_eq!(pace.wait(later), Some(EVERY - Duration::from_millis(20)));
        pace.at_once();
        pace.soon();
        assert_eq!(pace.wait(later), Some(Duration::ZERO));
    }

    #[test]
    fn a_slow_link_gets_fewer_frames_and_a_slow_disk_of_ours_does_not() {
        let now = Instant::now();
        for (remote, flush, every) in [(true, 31, SLOWLY), (true, 30, EVERY), (false, 500, EVERY)] {
            let mut pace = Pace::new(remote);
            pace.drawn(now, Duration::from_millis(flush));
            pace.soon();
            assert_eq!(pace.wait(now), Some(every), "{remote} {flush}");
        }
    }
}
