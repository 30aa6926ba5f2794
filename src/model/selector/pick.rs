//! `pick:3`, `pick:10%`: some hosts of those that are left, always the same ones of the same hosts, so that what was
//! previewed is what runs.

use std::fmt;

use sha2::{Digest, Sha256};

/// How many hosts are picked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// So many.
    Count(usize),
    /// So many of a hundred, rounded down, at least one.
    Percent(usize),
}

impl Pick {
    /// Reads what stands after `pick:`; what is wrong with it is said in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<usize>().ok().filter(|_| plain)
        };
        match text.strip_suffix('%').map_or((number(text), false), |digits| (number(digits), true)) {
            (Some(0), _) => Err("nothing is picked by 0".to_owned()),
            (Some(percent), true) if percent > 100 => Err(format!("{percent}% is more than all")),
            (Some(percent), true) => Ok(Pick::Percent(percent)),
            (Some(count), false) => Ok(Pick::Count(count)),
            (None, _) => Err("`pick:` needs a number of hosts or a percentage".to_owned()),
        }
    }

    /// How many of `count` hosts; none where there are not so many.
    pub(super) fn of(self, count: usize) -> Option<usize> {
        let wanted = match self {
            Pick::Count(wanted) => wanted,
            Pick::Percent(percent) => (count.saturating_mul(percent) / 100).max(1),
        };
        (wanted <= count).then_some(wanted)
    }

    /// Picks of hosts by place and name; `None` where there are not so many.
    pub(super) fn from(self, hosts: &[(usize, &str)]) -> Option<Vec<usize>> {
        let wanted = self.of(hosts.len())?;
        // by a hash of the name: neighbours in a rack or a zone are not picked together, and one host more in the inventory
        // moves the choice by one at most
        let mut order: Vec<([u8; 32], &str, usize)> =
            hosts.iter().map(|(at, name)| (Sha256::digest(name.as_bytes()).into(), *name, *at)).collect();
        order.sort();
        Some(order.into_iter().take(wanted).map(|(_, _, at)| at).collect())
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pick::Count(count) => write!(f, "pick:{count}"),
            Pick::Percent(percent) => write!(f, "pick:{percent}%"),
        }
    }
}
