//! What lies where on a simulated host, and what its disks and memory have left.

use std::fmt::Write as _;

use crate::model::op::Shell;
use crate::model::sim::Cause;
use crate::world::sim::answers::Printed;
use crate::world::sim::logs;
use crate::world::sim::machine::{HOME, Machine, PM2_HOME, SERVICE_CONFIG, SERVICE_DIR, UID};

/// Directories, with mode and owner; one that is not here is not there.
const DIRS: [(&str, u32, u32); 7] = [
    ("/", 0o755, 0),
    ("/home", 0o755, 0),
    (HOME, 0o755, UID),
    (SERVICE_DIR, 0o755, UID),
    ("/home/app/backend", 0o755, UID),
    (PM2_HOME, 0o755, UID),
    ("/home/app/.pm2/logs", 0o755, UID),
];
/// Users that the host knows.
const USERS: [(&str, u32); 2] = [("app", UID), ("root", 0)];
/// Kilobytes of the disk, and how many of them are free.
const DISK: u64 = 20_465_580;
const FREE: u64 = 11_893_412;
/// What a full disk has left.
const FULL: u64 = 4_096;

/// The host's clock in seconds, counted from its boot: how old a file is then depends on no fraction of a second.
fn seconds(machine: &Machine, now: i64) -> i64 {
    machine.boot / 1000 + now.saturating_sub(machine.boot) / 1000
}

/// What lies at a path: its mode with its kind, owner, size in bytes, and when it was changed, in seconds since 1970.
struct Node {
    mode: u32,
    uid: u32,
    size: u64,
    changed: i64,
}

impl Node {
    fn at(machine: &Machine, path: &str, now: i64) -> Option<Self> {
        let born = machine.boot / 1000;
        if let Some((_, mode, uid)) = DIRS.iter().find(|(dir, ..)| *dir == path) {
            return Some(Self { mode: 0o040_000 | mode, uid: *uid, size: 4_096, changed: born });
        }
        let file = |size, changed| Some(Self { mode: 0o100_644, uid: UID, size, changed });
        if path.rsplit_once('/').is_some_and(|(dir, name)| dir == SERVICE_DIR && [SERVICE_CONFIG, "server.js"].contains(&name)) {
            return file(1_204, born);
        }
        match path.strip_prefix(PM2_HOME) {
            Some("/rpc.sock") => Some(Self { mode: 0o140_775, uid: UID, size: 0, changed: born }),
            Some("/dump.pm2") => file(18_211, born),
            _ => file(logs::size(machine, path, now)?, seconds(machine, now)),
        }
    }

    fn told(&self) -> String {
        format!("{:x} {} {} {} {}", self.mode, self.uid, self.uid, self.size, self.changed)
    }

    fn owner(&self) -> &'static str {
        USERS.iter().find(|(_, uid)| *uid == self.uid).map_or("UNKNOWN", |(name, _)| name)
    }

    /// What the acting user may do.
    fn can(&self) -> String {
        let bits = if self.uid == UID { self.mode >> 6 } else { self.mode };
        [('x', 1), ('w', 2), ('r', 4)].iter().filter(|(_, bit)| bits & bit != 0).map(|(letter, _)| letter).collect()
    }
}

/// One path, every directory on the way to it, and the users that are asked about.
pub(crate) fn path(machine: &mut Machine, script: &Shell, now: i64) -> Printed {
    let of = |name: &str| script.env.get(name).map_or("", String::as_str);
    let path = Machine::path(of("FILE_PATH"));
    let path = if path.is_empty() { "/".to_owned() } else { path };
    let mut out = format!("path {path}\0home {HOME}\0me {UID}\0now {}\0", seconds(machine, now));
    // writing to a String cannot fail
    let _ = write_path(&mut out, machine, &path, of("FILE_USERS"), now);
    Printed::out(out)
}

fn write_path(out: &mut String, machine: &Machine, path: &str, users: &str, now: i64) -> std::fmt::Result {
    for user in users.lines() {
        match USERS.iter().find(|(name, uid)| *name == user || uid.to_string() == user) {
            Some((_, uid)) => write!(out, "user {uid}:{uid}:{user}\0")?,
            None => write!(out, "nobody {user}\0")?,
        }
    }
    let own = Node::at(machine, path, now);
    match &own {
        Some(node) => write!(out, "self {}\0owner {}\0group {}\0", node.told(), node.owner(), node.owner())?,
        None => write!(out, "none \0")?,
    }
    let mut real = String::new();
    for part in std::iter::once("").chain(path.split('/').filter(|part| !part.is_empty())) {
        if !part.is_empty() {
            real = format!("{real}/{part}");
        }
        let shown = if real.is_empty() { "/" } else { &real };
        let Some(node) = Node::at(machine, shown, now) else { break };
        if node.mode & 0o170_000 == 0o040_000 {
            write!(out, "dir {} {real}/\0", node.told())?;
        }
    }
    let real = if real.is_empty() { "/" } else { &real };
    match own {
        None => write!(out, "state gone\0real {real}\0")?,
        Some(node) => {
            write!(out, "state there\0real {real}\0leads {}\0", node.told())?;
            write!(out, "leads-owner {}\0leads-group {}\0can {}\0mount rw\0", node.owner(), node.owner(), node.can())?;
        }
    }
    write!(out, "end \0")
}

/// Memory, load, and space and inodes of paths.
pub(crate) fn room(machine: &mut Machine, script: &Shell, now: i64) -> Printed {
    let mut out = String::from(
        "@memory\nMemTotal:        4005888 kB\nMemAvailable:    2711520 kB\nSwapTotal:             0 kB\n\
         SwapFree:              0 kB\n@limit\nmax 212340736 98304000\n@load\n0.31 0.24 0.19 1/142 20377\ncpus 2\n@oom\n\
         oom_kill 0\n@disk\n",
    );
    let free = if machine.fail == Some(Cause::Disk) { FULL } else { FREE };
    let used = DISK - free;
    let percent = (used * 100).div_ceil(DISK);
    for path in script.env.get("ROOM_PATHS").map_or("", String::as_str).lines() {
        let path = Machine::path(path);
        let path = if path.is_empty() { "/" } else { &path };
        // writing to a String cannot fail
        let _ = writeln!(out, "path {path}");
        let _ = match Node::at(machine, path, now) {
            None => writeln!(out, "gone"),
            Some(_) => write!(
                out,
                "space /dev/nvme0n1p1 {DISK} {used} {free} {percent}% / \ninodes /dev/nvme0n1p1 1310720 188414 1122306 15% / \n"
            ),
        };
    }
    out.push_str("@end\n");
    Printed::out(out)
}
