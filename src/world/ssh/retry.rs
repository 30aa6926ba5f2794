//! Which faults on the way to a host are tried again, how often and after which pause. Only what happens before anything
//! could have been executed is ever tried again.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::finding::Finding;
use crate::world::timeouts::Timeouts;

/// A try that failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    pub(crate) finding: Finding,
    /// The peer was talking when it was given up: trying again would only take as long again.
    dripping: bool,
}

impl From<Finding> for Fault {
    fn from(finding: Finding) -> Self {
        Self { finding, dripping: false }
    }
}

impl Fault {
    /// A deadline passed while the peer still sent something now and then.
    pub(crate) fn dripping(finding: Finding) -> Self {
        Self { finding, dripping: true }
    }

    /// How often it is tried again.
    fn again(&self) -> u32 {
        match self.finding.code.as_str() {
            "throttled" => 4,
            "refused" => 2,
            "connect-timeout" | "no-route" | "dns-failed" | "dns-timeout" | "kex-lost" => 1,
            "banner-timeout" | "kex-timeout" if !self.dripping => 1,
            // what is wrong stays wrong, and a login that failed is never repeated
            _ => 0,
        }
    }
}

/// The tries to reach one host.
#[derive(Debug)]
pub(crate) struct Tries {
    deadline: Instant,
    done: u32,
    pause: Duration,
    longest: Duration,
    last: Option<Finding>,
}

impl Tries {
    pub(crate) fn new(timeouts: &Timeouts) -> Self {
        let deadline = Instant::now() + timeouts.connect;
        Self { deadline, done: 0, pause: timeouts.retry_pause, longest: timeouts.longest_pause, last: None }
    }

    /// When no further try is made and the one that is on its way is given up.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether none was made yet.
    pub(crate) fn is_first(&self) -> bool {
        self.done == 0
    }

    /// Waiting for others does not count.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.deadline += time;
    }

    /// The pause before the next try after this fault, or what the tries came to.
    pub(crate) fn failed(&mut self, fault: Fault) -> Result<Duration, Finding> {
        self.done += 1;
        if self.done > fault.again() {
            return Err(self.told(fault.finding));
        }
        let most = self.pause.saturating_mul(1 << (self.done - 1).min(16)).min(self.longest);
        let pause = jittered(most);
        if Instant::now() + pause >= self.deadline {
            return Err(self.told(fault.finding));
        }
        self.last = Some(fault.finding);
        Ok(pause)
    }

    /// The time is over in the middle of a try: what the one before it came to tells more than that.
    pub(crate) fn cut(&self, limit: Duration) -> Fault {
        match &self.last {
            Some(finding) => Fault { finding: finding.clone(), dripping: true },
            None => Finding::new("connect-timeout", format!("there was no login in {limit:?}"))
                .hint("check `address` in the inventory, and sshd on the host")
                .into(),
        }
    }

    fn told(&self, mut finding: Finding) -> Finding {
        if self.done > 1 {
            finding.summary.push_str(&format!(" (tried {} times)", self.done));
        }
        finding
    }
}

/// A random part of it, so that hosts that failed together do not come back together.
fn jittered(most: Duration) -> Duration {
    // without randomness the whole pause is right as well
    let share = getrandom::u32().map_or(1.0, |number| f64::from(number) / f64::from(u32::MAX));
    most.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Fault, Tries};
    use crate::model::finding::Finding;
    use crate::world::timeouts::Timeouts;

    fn fault(code: &str) -> Fault {
        Fault::from(Finding::new(code, "it failed"))
    }

    /// How often a fault that stays is met, and what is told in the end.
    fn met(fault: &Fault) -> (u32, String) {
        let mut tries = Tries::new(&Timeouts::default());
        let mut count = 1;
        loop {
            match tries.failed(fault.clone()) {
                Ok(_) => count += 1,
                Err(finding) => return (count, finding.summary),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_class_is_tried_as_often_as_it_makes_sense() {
        for (code, times) in [
            ("throttled", 5),
            ("refused", 3),
            ("connect-timeout", 2),
            ("no-route", 2),
            ("dns-failed", 2),
            ("dns-timeout", 2),
            ("banner-timeout", 2),
            ("kex-timeout", 2),
            ("kex-lost", 2),
            ("dns", 1),
            ("not-ssh", 1),
            ("protocol-version", 1),
            ("penalised", 1),
            ("algo-mismatch", 1),
            ("no-strict-kex", 1),
            ("protocol-error", 1),
            ("client-panic", 1),
            ("host-key-changed", 1),
            ("auth-denied", 1),
            ("auth-lost", 1),
            ("auth-timeout", 1),
        ] {
            let told = if times == 1 { "it failed".to_owned() } else { format!("it failed (tried {times} times)") };
            assert_eq!(met(&fault(code)), (times, told), "{code}");
        }
        for code in ["banner-timeout", "kex-timeout"] {
            assert_eq!(met(&Fault::dripping(Finding::new(code, "it failed"))).0, 1, "{code}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_at_random_below_a_bound_that_doubles() {
        let mut drawn = Vec::new();
        for _ in 0..50 {
            let mut tries = Tries::new(&Timeouts::default());
            for most in [500, 1000, 2000, 4000] {
                let pause = tries.failed(fault("throttled")).expect("tried again");
                assert!(pause <= Duration::from_millis(most), "{pause:?}");
                drawn.push(pause);
            }
        }
        drawn.sort();
        drawn.dedup();
        assert!(drawn.len() > 100, "they are not drawn at random");
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_begins_after_the_budget() {
        let mut tries = Tries::new(&Timeouts { connect: Duration::from_secs(3), ..Timeouts::default() });
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!(tries.failed(fault("refused")).is_err());
        let mut waiting = Tries::new(&Timeouts { connect: Duration::from_secs(3), ..Timeouts::default() });
        tokio::time::advance(Duration::from_secs(60)).await;
        waiting.waited(Duration::from_secs(60));
        assert!(waiting.failed(fault("refused")).is_ok(), "waiting for a turn does not count");
    }
}
