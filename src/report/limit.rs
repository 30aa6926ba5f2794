//! How often a problem is told when it happens: what a thousand hosts have in common is told of some of them, and counted
//! at the end.

use std::collections::BTreeMap;

/// The most hosts of which one cause is told.
const OF_ONE_CAUSE: usize = 20;
/// The most problems that are told.
const IN_ALL: usize = 200;

/// What is done with a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It is the first of its cause: told with its evidence.
    First,
    /// It is told in a line.
    Again,
    /// It is told in a line, and that further ones of its cause are not.
    Last,
    /// It is told in a line, and that nothing more is.
    LastOfAll,
    /// It is only counted.
    Not,
}

/// What was told so far.
#[derive(Debug, Clone, Default)]
pub struct Limit {
    by_cause: BTreeMap<String, usize>,
    all: usize,
}

impl Limit {
    /// Takes a problem with this cause in.
    pub fn tell(&mut self, cause: &str) -> Told {
        if self.all == IN_ALL {
            return Told::Not;
        }
        let told = self.by_cause.entry(cause.to_owned()).or_default();
        if *told == OF_ONE_CAUSE {
            return Told::Not;
        }
        *told += 1;
        self.all += 1;
        match *told {
            _ if self.all == IN_ALL => Told::LastOfAll,
            1 => Told::First,
            OF_ONE_CAUSE => Told::Last,
            _ => Told::Again,
        }
    }
}

impl Told {
    /// What is said after the last line.
    pub fn and_then(self) -> Option<&'static str> {
        match self {
            Told::First | Told::Again | Told::Not => None,
            Told::Last => Some("… further hosts with this cause are counted at the end"),
            Told::LastOfAll => Some("… further problems are counted at the end"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{IN_ALL, Limit, OF_ONE_CAUSE, Told};

    #[test]
    fn what_many_hosts_have_in_common_is_told_of_some() {
        let mut limit = Limit::default();
        let told: Vec<Told> = (0..1000).map(|_| limit.tell("a")).collect();
        assert_eq!((told[0], told[1], told[OF_ONE_CAUSE - 1]), (Told::First, Told::Again, Told::Last));
        assert!(told[OF_ONE_CAUSE..].iter().all(|told| *told == Told::Not));
        let told: Vec<Told> = (0..1000).map(|n| limit.tell(&n.to_string())).collect();
        let rest = IN_ALL - OF_ONE_CAUSE;
        assert!(told[..rest - 1].iter().all(|told| *told == Told::First));
        assert_eq!((told[rest - 1], told[rest]), (Told::LastOfAll, Told::Not));
    }
}
