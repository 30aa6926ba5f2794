//! Everything that a host shows of itself: each file with its times and its sum, each process with its start, each
//! listener. Taken over a login of the test's own, which is left out.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::harness::lab::Lab;

/// Nothing in it writes, and none of it asks PM2.
const SCRIPT: &str = r#"
export LC_ALL=C
echo "session $(ps -o ppid= -p $PPID)"
places='/home/app /tmp /run /var/tmp'
find $places -printf 'file %p %y mode=%m owner=%U:%G size=%s inode=%i mtime=%T@ ctime=%C@ to=%l\n'
find $places -type f -exec sha256sum {} + | sed 's/^\([0-9a-f]*\)  \(.*\)/file \2 sha256=\1/'
ps -eo pid=,ppid=,user:16=,args= | while read -r pid rest; do
  # one that has ended since is ps itself, or of a login that ends
  stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
  set -- ${stat##*) }
  echo "process $pid ${20} $rest"
done
ss -Hltnp | sed 's/^/listener /'
"#;

/// A process of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// When it started, in ticks since the boot.
    pub(super) start: u64,
    pub(super) parent: u32,
    pub(super) user: String,
    pub(super) command: String,
}

/// A host at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) files: BTreeSet<String>,
    pub(super) processes: BTreeSet<Process>,
    pub(super) listeners: BTreeSet<String>,
}

impl Snapshot {
    /// Takes one once every login but our own has ended.
    pub(super) fn take(lab: &Lab, host: &str) -> Self {
        let late = Instant::now() + Duration::from_secs(10);
        loop {
            let taken = parse(&lab.told(host, SCRIPT));
            let Some(login) = taken.processes.iter().find(|process| process.command.starts_with("sshd: app")) else {
                return taken;
            };
            assert!(Instant::now() < late, "a login on {host} does not end: {login:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The PM2 daemons.
    pub(super) fn daemons(&self) -> Vec<u32> {
        self.processes.iter().filter(|process| process.command.starts_with("PM2 v")).map(|process| process.pid).collect()
    }

    /// The same without these files and what is told of them.
    pub(super) fn without_files(mut self, paths: &[&str]) -> Self {
        let one_of = |line: &String| line.split(' ').nth(1).is_some_and(|path| paths.contains(&path));
        self.files.retain(|line| !one_of(line));
        self
    }

    /// The same without what a PM2 daemon has started, but for one process.
    pub(super) fn without_apps_but(mut self, kept: u32) -> Self {
        let daemons = self.daemons();
        self.processes.retain(|process| process.pid == kept || !daemons.contains(&process.parent));
        self
    }
}

fn parse(text: &str) -> Snapshot {
    let mut snapshot = Snapshot { files: BTreeSet::new(), processes: BTreeSet::new(), listeners: BTreeSet::new() };
    let mut session = 0;
    for line in text.lines() {
        let (what, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        match what {
            "session" => session = rest.trim().parse().unwrap(),
            "file" => drop(snapshot.files.insert(line.to_owned())),
            "listener" => drop(snapshot.listeners.insert(listener(rest))),
            "process" => drop(snapshot.processes.insert(process(rest))),
            _ => panic!("{line}"),
        }
    }
    assert_ne!(session, 0, "{text}");
    forget(&mut snapshot.processes, session);
    snapshot
}

/// Without how many clients wait in its queue just now.
fn listener(line: &str) -> String {
    let words = line.split_whitespace().enumerate().filter(|(at, _)| *at != 1);
    words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

fn process(line: &str) -> Process {
    let mut words = line.split_whitespace();
    let mut next = || words.next().unwrap_or_else(|| panic!("{line}"));
    let (pid, start) = (next().parse().unwrap(), next().parse().unwrap());
    let (parent, user) = (next().parse().unwrap(), next().to_owned());
    Process { pid, start, parent, user, command: words.collect::<Vec<_>>().join(" ") }
}

/// Takes away a process and all that descend from it.
fn forget(processes: &mut BTreeSet<Process>, pid: u32) {
    processes.retain(|process| process.pid != pid);
    let children: Vec<u32> = processes.iter().filter(|process| process.parent == pid).map(|process| process.pid).collect();
    for child in children {
        forget(processes, child);
    }
}
