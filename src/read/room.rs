//! What a host has left: memory, swap, load, and space and inodes for paths. A part that the host does not tell is an error only
//! for whoever needs it.

use std::collections::BTreeMap;

use crate::model::op::{Op, Reply, Shell};
use crate::model::step::Unreadable;
use crate::read::answer::line;
use crate::read::script::output;

pub(crate) const SCRIPT: &str = include_str!("room.sh");
const WHAT: &str = "the look at memory and disks";
const SECTIONS: [&str; 6] = ["@memory", "@limit", "@load", "@oom", "@disk", "@end"];
/// A limit that is as large as all addresses is none.
const NO_LIMIT: u64 = 1 << 60;

/// The look, with these paths.
pub fn probe(paths: &[&str]) -> Op {
    Op::Shell(Shell::look("memory and disks", SCRIPT).env("ROOM_PATHS", paths.join("\n")))
}

/// What a host has left. Sizes are bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    memory: BTreeMap<String, u64>,
    limits: Result<Option<u64>, Unreadable>,
    load: Option<f64>,
    /// How many processors it has, where it tells.
    pub cpus: Option<u64>,
    /// How many processes were ended for want of memory since it was started, where it tells.
    pub oom_kills: Option<u64>,
    /// The paths, in the order that was asked for.
    pub disks: Vec<Disk>,
}

/// Where the room of a path lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Disk {
    /// The path.
    pub path: String,
    /// Whether it is there and may be seen.
    pub there: bool,
    space: Option<[u64; 3]>,
    inodes: Option<[u64; 3]>,
}

/// How much is free, of how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Free {
    /// What is free for everybody.
    pub free: u64,
    /// What is free and what is used.
    pub total: u64,
}

impl Room {
    /// Reads the reply to [`probe`].
    pub fn read(reply: &Reply) -> Result<Self, Unreadable> {
        Self::parse(&String::from_utf8_lossy(&output(reply, WHAT)?))
    }

    /// Reads the text that the look printed.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let [memory, limits, load, oom, disks] = sections(text)?;
        let number = |lines: &[&str], tag: &str| {
            lines.iter().find_map(|line| line.strip_prefix(tag)).and_then(|rest| rest.trim().parse::<u64>().ok())
        };
        Ok(Room {
            memory: memory.iter().map(|line| parse_memory(line)).collect::<Result<_, _>>()?,
            limits: lowest(&limits),
            load: load
                .iter()
                .find(|line| !line.starts_with("cpus"))
                .and_then(|line| line.split(' ').next()?.parse::<f64>().ok())
                .filter(|load| load.is_finite() && *load >= 0.0),
            cpus: number(&load, "cpus ").filter(|cpus| *cpus > 0),
            oom_kills: number(&oom, "oom_kill "),
            disks: parse_disks(&disks)?,
        })
    }

    fn meminfo(&self, name: &str) -> Result<u64, Unreadable> {
        let told = self.memory.get(name).copied();
        told.ok_or_else(|| Unreadable::new(format!("the host does not tell {name}")).hint("it is read from /proc/meminfo"))
    }

    /// The memory that can be had: what the host has available, or what a limit of the session's group leaves, if that is
    /// less; and whether it is the limit.
    pub fn memory(&self) -> Result<(u64, bool), Unreadable> {
        let available = self.meminfo("MemAvailable")?;
        let left = self.limits.clone()?;
        Ok(left.filter(|left| *left < available).map_or((available, false), |left| (left, true)))
    }

    /// The swap in use.
    pub fn swap_used(&self) -> Result<u64, Unreadable> {
        let (total, free) = (self.meminfo("SwapTotal")?, self.meminfo("SwapFree")?);
        total.checked_sub(free).ok_or_else(|| Unreadable::new("the host tells of more free swap than it has"))
    }

    /// The load of the last minute.
    pub fn load(&self) -> Result<f64, Unreadable> {
        self.load.ok_or_else(|| Unreadable::new("the host does not tell its load").hint("it is read from /proc/loadavg"))
    }
}

impl Disk {
    /// The space that is free for everybody, in bytes.
    pub fn space(&self) -> Result<Free, Unreadable> {
        let [total, used, free] = self.numbers(self.space, "space")?;
        if total == 0 {
            return Err(Unreadable::new(format!("{} lies on a file system without space of its own", line(&self.path, 200))));
        }
        let bytes = |blocks: u64| blocks.saturating_mul(1024);
        Ok(Free { free: bytes(free), total: bytes(used.saturating_add(free)) })
    }

    /// The inodes that are free; none where the file system makes them as they are needed.
    pub fn inodes(&self) -> Result<Option<Free>, Unreadable> {
        let [total, used, free] = self.numbers(self.inodes, "inodes")?;
        Ok((total > 0).then(|| Free { free, total: used.saturating_add(free) }))
    }

    fn numbers(&self, numbers: Option<[u64; 3]>, what: &str) -> Result<[u64; 3], Unreadable> {
        let path = line(&self.path, 200);
        if !self.there {
            let hint = "look as root where it may not be seen: become = \"root\"";
            return Err(Unreadable::new(format!("{path} is not there, so nobody knows its {what}")).hint(hint));
        }
        numbers.ok_or_else(|| Unreadable::new(format!("`df` does not tell the {what} of {path}")))
    }
}

/// The lines of each section; every marker must be there, in order.
fn sections(text: &str) -> Result<[Vec<&str>; 5], Unreadable> {
    let mut found: [Vec<&str>; 5] = Default::default();
    let mut next = 0;
    for line in text.split_terminator('\n') {
        if SECTIONS.get(next) == Some(&line) {
            next += 1;
        } else if let Some(section) = next.checked_sub(1).and_then(|n| found.get_mut(n)) {
            section.push(line);
        } else {
            return Err(Unreadable::new(format!("{WHAT} has a stray line")));
        }
    }
    if next == SECTIONS.len() && text.ends_with('\n') {
        return Ok(found);
    }
    Err(Unreadable::new(format!("{WHAT} was cut short")))
}

fn garbled(text: &str) -> Unreadable {
    Unreadable::new(format!("{WHAT} reads `{}`", line(text, 80)))
}

/// `MemTotal:  24684092 kB`.
fn parse_memory(text: &str) -> Result<(String, u64), Unreadable> {
    let (name, rest) = text.split_once(':').ok_or_else(|| garbled(text))?;
    let number = rest.trim().strip_suffix(" kB").and_then(|number| number.parse::<u64>().ok());
    let bytes = number.and_then(|number| number.checked_mul(1024)).ok_or_else(|| garbled(text))?;
    Ok((name.to_owned(), bytes))
}

/// What the tightest of `LIMIT USED CACHE` leaves. Files that are only cached can be dropped, so they count as free.
fn lowest(lines: &[&str]) -> Result<Option<u64>, Unreadable> {
    let mut lowest: Option<u64> = None;
    for text in lines {
        let [limit, used, cache] = text.split(' ').collect::<Vec<_>>()[..] else { return Err(garbled(text)) };
        if limit == "max" || limit.parse::<u64>().is_ok_and(|limit| limit >= NO_LIMIT) {
            continue;
        }
        let (Ok(limit), Ok(used)) = (limit.parse::<u64>(), used.parse::<u64>()) else { return Err(garbled(text)) };
        // without it less is taken for free than there is, which is the safe side
        let cache = cache.parse::<u64>().unwrap_or_default().min(used);
        let left = limit.saturating_sub(used - cache);
        lowest = Some(lowest.map_or(left, |least| least.min(left)));
    }
    Ok(lowest)
}

fn parse_disks(lines: &[&str]) -> Result<Vec<Disk>, Unreadable> {
    let mut disks: Vec<Disk> = Vec::new();
    for text in lines {
        if let Some(path) = text.strip_prefix("path ") {
            disks.push(Disk { path: path.to_owned(), there: true, space: None, inodes: None });
            continue;
        }
        let disk = disks.last_mut().ok_or_else(|| garbled(text))?;
        match text.split_once(' ').unwrap_or((text, "")) {
            ("gone", "") => disk.there = false,
            ("space", row) => disk.space = parse_df(row),
            ("inodes", row) => disk.inodes = parse_df(row),
            _ => return Err(garbled(text)),
        }
    }
    Ok(disks)
}

/// Total, used and free of a row of `df`. The name of a device may have blanks in it, so its end is found by what follows.
fn parse_df(row: &str) -> Option<[u64; 3]> {
    let words: Vec<&str> = row.split_whitespace().collect();
    words.windows(5).find_map(|window| {
        let [total, used, free, part, mount] = window else { return None };
        let is_part = *part == "-" || part.strip_suffix('%').is_some_and(|number| number.parse::<u64>().is_ok());
        let numbers = [total.parse().ok()?, used.parse().ok()?, free.parse().ok()?];
        (is_part && mount.starts_with('/')).then_some(numbers)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Free, Room};

    const LOOK: &str = include_str!("../../tests/cases/samples/room.probe");

    #[test]
    fn a_real_look_is_read() {
        let room = Room::parse(LOOK).expect("readable");
        assert_eq!(room.memory(), Ok((22_974_820 * 1024, false)));
        assert_eq!((room.swap_used(), room.load(), room.cpus, room.oom_kills), (Ok(0), Ok(3.54), Some(2), Some(0)));
        let [root, shm, none, proc] = room.disks.as_slice() else { panic!("four paths: {:?}", room.disks) };
        let free = 67_889_636 * 1024;
        assert_eq!(root.space(), Ok(Free { free, total: free + 27_396_252 * 1024 }));
        assert_eq!(root.inodes(), Ok(Some(Free { free: 16_304_005, total: 16_777_216 })));
        assert!(proc.space().is_err() && proc.inodes() == Ok(None), "a file system without room");
        assert!(none.space().is_err() && none.inodes().is_err(), "no such path");
        assert_eq!(shm.space().map(|free| free.free), Ok(24_684_092 * 1024));
    }

    #[test]
    fn the_tightest_limit_above_the_session_counts() {
        let with =
            |limits: &str| Room::parse(&LOOK.replace("@limit\n", &format!("@limit\n{limits}\n"))).expect("readable").memory();
        assert_eq!(with("max 5 5\n1000000 600000 100000\n9223372036854771712 1 1"), Ok((500_000, true)));
        assert_eq!(with("1000 5000 0"), Ok((0, true)));
        assert_eq!(with("1000 500 ?"), Ok((500, true)));
        assert!(with("1000 ? 5").is_err() && with("lots 1 1").is_err());
    }

    #[test]
    fn what_the_host_does_not_tell_is_not_guessed() {
        let old = Room::parse(&LOOK.replace("MemAvailable", "MemFree")).expect("readable");
        assert_eq!(old.memory().expect_err("not told").what, "the host does not tell MemAvailable");
        let bare = Room::parse(
            "@memory\n@limit\n@load\ncpus \n@oom\n@disk\npath /a b\nspace \ninodes //nas/my share 9 4 5 45% /a b \n@end\n",
        );
        let bare = bare.expect("readable");
        assert!(bare.memory().is_err() && bare.swap_used().is_err() && bare.load().is_err());
        assert_eq!((bare.cpus, bare.oom_kills), (None, None));
        assert!(bare.disks[0].space().is_err());
        assert_eq!(bare.disks[0].inodes(), Ok(Some(Free { free: 5, total: 9 })));
        for at in 0..LOOK.len() {
            assert!(Room::parse(&LOOK[..at]).is_err(), "cut at {at}");
        }
    }

    proptest! {
        #[test]
        fn any_output_is_read_or_refused(text in any::<String>(), at in 0usize..800, with in "[ -~\\n]{0,30}") {
            let _ = Room::parse(&text);
            let (front, back) = LOOK.split_at(at.min(LOOK.len()));
            if let Ok(room) = Room::parse(&format!("{front}{with}{back}")) {
                let _ = (room.memory(), room.swap_used(), room.load());
                let _: Vec<_> = room.disks.iter().map(|disk| (disk.space(), disk.inodes())).collect();
            }
        }
    }
}
