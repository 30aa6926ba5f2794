//! The process table of a host as `/proc` and `ps` tell it: parents, owners, start times, and of the environment only
//! what PM2 wrote into it.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::step::Unreadable;

/// One process.
#[derive(Debug, Clone, PartialEq)]
pub struct Proc {
    /// Its id.
    pub pid: u32,
    /// Its parent.
    pub ppid: u32,
    /// Its user, where the host tells.
    pub uid: Option<u32>,
    /// One letter: `S`, `T` stopped, `Z` zombie, and so on.
    pub state: char,
    /// Ticks after boot; with the pid this names a process for ever.
    pub start: u64,
    /// Its short name, at most 15 bytes.
    pub comm: String,
    /// Its command and first plain word, where the host tells.
    pub command: Option<String>,
    /// Its working directory, where we may see it.
    pub cwd: Option<String>,
    /// What PM2 wrote into its environment, where we may see it.
    pub env: BTreeMap<String, String>,
}

impl Proc {
    /// Whether it can still do anything.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Whether it is stopped by a signal or a tracer.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// The best name for people.
    pub fn shown(&self) -> &str {
        self.command.as_deref().unwrap_or(&self.comm)
    }
}

/// All processes that can be seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProcTable {
    all: BTreeMap<u32, Proc>,
}

impl ProcTable {
    /// Reads `PID PPID UID STATE START COMM` lines.
    pub fn parse(lines: &[&str]) -> Result<Self, Unreadable> {
        let mut all = BTreeMap::new();
        for line in lines {
            let proc = parse_line(line)
                .ok_or_else(|| Unreadable::new(format!("a line of the process table reads `{}`", clean(line))))?;
            all.insert(proc.pid, proc);
        }
        if all.is_empty() {
            return Err(Unreadable::new("the process table is empty"));
        }
        Ok(Self { all })
    }

    /// Takes in `PID COMMAND…` lines.
    pub fn add_commands(&mut self, lines: &[&str]) -> Result<(), Unreadable> {
        self.add(lines, |proc, text| {
            proc.command.get_or_insert_with(|| clean(text));
        })
    }

    /// Takes in `PID DIRECTORY` lines.
    pub fn add_cwds(&mut self, lines: &[&str]) -> Result<(), Unreadable> {
        self.add(lines, |proc, text| proc.cwd = Some(text.to_owned()))
    }

    /// Takes in `PID KEY=VALUE` lines.
    pub fn add_env(&mut self, lines: &[&str]) -> Result<(), Unreadable> {
        self.add(lines, |proc, text| {
            if let Some((key, value)) = text.split_once('=') {
                proc.env.insert(key.to_owned(), value.to_owned());
            }
        })
    }

    fn add(&mut self, lines: &[&str], mut put: impl FnMut(&mut Proc, &str)) -> Result<(), Unreadable> {
        for line in lines {
            let read = line.split_once(' ').and_then(|(pid, text)| Some((pid.parse::<u32>().ok()?, text)));
            let (pid, text) = read.ok_or_else(|| Unreadable::new(format!("a line about a process reads `{}`", clean(line))))?;
            // The lists are taken one after the other: a process may have gone or come in between.
            if let Some(proc) = self.all.get_mut(&pid) {
                put(proc, text);
            }
        }
        Ok(())
    }

    /// The process of that id.
    pub fn get(&self, pid: u32) -> Option<&Proc> {
        self.all.get(&pid)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Proc> {
        self.all.values()
    }

    /// The process and its ancestors, nearest first. Ends at the first one that cannot be seen, and at a circle.
    pub fn chain(&self, pid: u32) -> Vec<&Proc> {
        let mut chain = Vec::new();
        let mut met = BTreeSet::new();
        let mut next = pid;
        while let Some(proc) = self.all.get(&next) {
            if !met.insert(next) {
                break;
            }
            chain.push(proc);
            next = proc.ppid;
        }
        chain
    }
}

fn parse_line(line: &str) -> Option<Proc> {
    let mut parts = line.splitn(6, ' ');
    let pid = parts.next()?.parse().ok()?;
    let ppid = parts.next()?.parse().ok()?;
    let uid = match parts.next()? {
        "?" => None,
        uid => Some(uid.parse().ok()?),
    };
    let mut state = parts.next()?.chars();
    let (state, None) = (state.next()?, state.next()) else { return None };
    let start = parts.next()?.parse().ok()?;
    let comm = clean(parts.next().unwrap_or_default());
    Some(Proc { pid, ppid, uid, state, start, comm, command: None, cwd: None, env: BTreeMap::new() })
}

/// Text of a host without control characters, at most 500 characters.
pub fn clean(text: &str) -> String {
    text.chars().take(500).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::ProcTable;

    #[test]
    fn a_chain_ends_at_a_circle_and_at_the_unseen() {
        let lines =
            ["1 0 0 S 5 init", "7 1 1000 S 50 sh", "9 7 1000 R 60 a ) R 1 b", "20 21 ? S 1 x", "21 20 ? S 1 y", "30 4 ? S 1 z"];
        let table = ProcTable::parse(&lines).expect("readable");
        let pids = |pid| table.chain(pid).iter().map(|p| p.pid).collect::<Vec<_>>();
        assert_eq!(pids(9), [9, 7, 1]);
        assert_eq!(pids(20), [20, 21]);
        assert_eq!(pids(30), [30]);
        assert_eq!(table.get(9).map(|p| p.comm.as_str()), Some("a ) R 1 b"));
        assert!(ProcTable::parse(&["1 0 0 S"]).is_err());
        assert!(ProcTable::parse(&[]).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9 a-zS?=\\n]{0,200}", odd in ".*") {
            let lines: Vec<&str> = text.lines().chain(odd.lines()).collect();
            let _ = ProcTable::parse(&lines);
            let mut table = ProcTable::parse(&["1 0 0 S 5 init"]).expect("readable");
            let _ = table.add_commands(&lines);
            let _ = table.add_cwds(&lines);
            let _ = table.add_env(&lines);
        }
    }
}
