//! Listening TCP sockets with their owners, from `ss -Hltnpe` or from `/proc/net/tcp{,6}` and `/proc/PID/fd`.
//!
//! Only listeners are read: TIME_WAIT and clients are no conflict. Without root the owners of other users' sockets are
//! not told; such a listener has no pids and is hidden, not absent.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::BTreeMap;

use crate::model::step::Unreadable;
use crate::read::proc::clean;

/// One listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address it listens on, as shown: `*`, `0.0.0.0`, `::`, `127.0.0.1`.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// The processes that have it; empty where we may not see them.
    pub pids: Vec<u32>,
    /// The user who made it, where the host tells.
    pub uid: Option<u32>,
    /// The kernel's number of it, where the host tells: two sockets on one port are told apart by this.
    pub inode: Option<u64>,
}

impl Listener {
    /// `*:3000`, `[::1]:3000`.
    pub fn shown(&self) -> String {
        if self.address.contains(':') {
            format!("[{}]:{}", self.address, self.port)
        } else {
            format!("{}:{}", self.address, self.port)
        }
    }
}

fn bad(line: &str) -> Unreadable {
    Unreadable::new(format!("a line about listening sockets reads `{}`", clean(line)))
}

/// Reads the lines of `ss -Hltnpe`.
pub fn parse_ss(lines: &[&str]) -> Result<Vec<Listener>, Unreadable> {
    lines.iter().map(|line| parse_ss_line(line).ok_or_else(|| bad(line))).collect()
}

fn parse_ss_line(line: &str) -> Option<Listener> {
    let mut words = line.split_ascii_whitespace();
    if words.next()? != "LISTEN" {
        return None;
    }
    let (_queued, _backlog, local, peer) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let (address, port) = local.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let address = address.trim_start_matches('[').replace(']', "");
    // Everything after the peer: names of processes stand there and may hold any character, so it is read by place.
    let after = peer.as_ptr() as usize - line.as_ptr() as usize + peer.len();
    let (pids, rest) = parse_users(line.get(after..)?.trim_start())?;
    let uid = tagged(rest, "uid:").map(|uid| uid.parse().ok());
    let uid = match uid {
        // `ss` leaves out the uid of root.
        None => Some(0),
        Some(uid) => Some(uid?),
    };
    let inode = tagged(rest, "ino:").and_then(|ino| ino.parse().ok());
    Some(Listener { address, port, pids, uid, inode })
}

fn tagged<'t>(rest: &'t str, tag: &str) -> Option<&'t str> {
    rest.split_ascii_whitespace().find_map(|word| word.strip_prefix(tag))
}

/// `users:(("NAME",pid=1,fd=2),("NAME",pid=3,fd=4))` and what follows. A name has at most 15 bytes, so the separator
/// after it is the last one that begins within 15 bytes: a name that contains one cannot name another process.
fn parse_users(text: &str) -> Option<(Vec<u32>, &str)> {
    const SEPARATOR: &[u8] = b"\",pid=";
    let Some(mut rest) = text.strip_prefix("users:(") else { return Some((Vec::new(), text)) };
    let mut pids = Vec::new();
    loop {
        rest = rest.strip_prefix("(\"")?;
        let at = (0..=15).rev().find(|at| rest.as_bytes().get(*at..).is_some_and(|tail| tail.starts_with(SEPARATOR)))?;
        rest = rest.get(at + SEPARATOR.len()..)?;
        let (pid, after) = rest.split_once(",fd=")?;
        let pid = pid.parse().ok()?;
        if !pids.contains(&pid) {
            pids.push(pid);
        }
        let (fd, after) = after.split_once(')')?;
        fd.parse::<u32>().ok()?;
        if let Some(end) = after.strip_prefix(')') {
            return Some((pids, end));
        }
        rest = after.strip_prefix(',')?;
    }
}

/// Reads `tcp LOCAL UID INODE` lines of `/proc/net/tcp{,6}` and `fd PID INODE` lines of `/proc/PID/fd`.
pub fn parse_proc_net(lines: &[&str]) -> Result<Vec<Listener>, Unreadable> {
    let mut listeners = Vec::new();
    let mut owners: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for line in lines {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["tcp", local, uid, inode] => listeners.push(parse_proc_line(local, uid, inode).ok_or_else(|| bad(line))?),
            ["fd", pid, inode] => {
                let (pid, inode) = pid.parse().ok().zip(inode.parse().ok()).ok_or_else(|| bad(line))?;
                let pids = owners.entry(inode).or_default();
                if !pids.contains(&pid) {
                    pids.push(pid);
                }
            }
            _ => return Err(bad(line)),
        }
    }
    for listener in &mut listeners {
        if let Some(pids) = listener.inode.and_then(|inode| owners.get(&inode)) {
            listener.pids.clone_from(pids);
        }
    }
    Ok(listeners)
}

fn parse_proc_line(local: &str, uid: &str, inode: &str) -> Option<Listener> {
    let (address, port) = local.split_once(':')?;
    if !address.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let word = |n: usize| address.get(n * 8..n * 8 + 8).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    // The kernel prints each 32-bit word in the host's order: little-endian on every machine this meets.
    let address = match address.len() {
        8 => Ipv4Addr::from(word(0)?.swap_bytes()).to_string(),
        32 => {
            let mut bytes = [0u8; 16];
            for n in 0..4 {
                bytes[n * 4..n * 4 + 4].copy_from_slice(&word(n)?.to_le_bytes());
            }
            Ipv6Addr::from(bytes).to_string()
        }
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Listener { address, port, pids: Vec::new(), uid: Some(uid.parse().ok()?), inode: Some(inode.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{parse_proc_net, parse_ss};

    #[test]
    fn names_with_spaces_slashes_parens_and_lies_are_read_by_place() {
        let lines = [
            r#"LISTEN 0      511    *:3001 *:* users:(("node /home/app/",pid=56,fd=20)) uid:1000 ino:45610 sk:4 cgroup:/ v6only:0 <->"#,
            r#"LISTEN 0 511 127.0.0.1:80 0.0.0.0:* users:(("PM2 v7.0.4: God",pid=9,fd=3),("a(b) c",pid=8,fd=3)) ino:7 sk:1 <->"#,
            r#"LISTEN 0 128 [::1]:22 [::]:*  ino:8 sk:2 v6only:1 <->"#,
            r#"LISTEN 0 128 127.0.0.53%lo:53 0.0.0.0:* uid:101 ino:9 sk:2 <->"#,
            r#"LISTEN 0 1 0.0.0.0:9 0.0.0.0:* users:(("",pid=1,fd=3)",pid=77,fd=4)) uid:5 ino:1 sk:1"#,
            r#"LISTEN 0 1 0.0.0.0:9 0.0.0.0:* users:(("",pid=1,fd=3),("",pid=2,fd=3)) uid:5 ino:1 sk:1"#,
        ];
        let got = parse_ss(&lines).expect("readable");
        let short: Vec<_> = got.iter().map(|l| (l.shown(), l.pids.clone(), l.uid, l.inode)).collect();
        let want = [
            ("*:3001".to_owned(), vec![56], Some(1000), Some(45610)),
            ("127.0.0.1:80".to_owned(), vec![9, 8], Some(0), Some(7)),
            ("[::1]:22".to_owned(), vec![], Some(0), Some(8)),
            ("127.0.0.53%lo:53".to_owned(), vec![], Some(101), Some(9)),
            ("0.0.0.0:9".to_owned(), vec![77], Some(5), Some(1)),
            ("0.0.0.0:9".to_owned(), vec![1, 2], Some(5), Some(1)),
        ];
        assert_eq!(short, want);
        for line in ["ESTAB 0 0 a:1 b:2", "LISTEN 0 1 nope x", r#"LISTEN 0 1 *:9 *:* users:(("x",pid=q,fd=1)) "#, "LISTEN"] {
            assert!(parse_ss(&[line]).is_err(), "{line}");
        }
    }

    #[test]
    fn the_kernels_own_table_is_read_without_tools() {
        let lines = [
            "tcp 0100007F:0BB8 1000 111",
            "tcp 00000000000000000000000000000000:0BB9 0 112",
            "tcp 00000000000000000000000001000000:0BBA 0 113",
            "fd 40 111",
            "fd 41 111",
            "fd 40 111",
        ];
        let got = parse_proc_net(&lines).expect("readable");
        let short: Vec<_> = got.iter().map(|l| (l.shown(), l.pids.clone(), l.uid)).collect();
        let want = [
            ("127.0.0.1:3000".to_owned(), vec![40, 41], Some(1000)),
            ("[::]:3001".to_owned(), vec![], Some(0)),
            ("[::1]:3002".to_owned(), vec![], Some(0)),
        ];
        assert_eq!(short, want);
        for line in ["tcp 01:0BB8 0 1", "tcp ÄÖ00000:0BB8 0 1", "udp x", "fd x 1", ""] {
            assert!(parse_proc_net(&[line]).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(odd in ".*", tail in "[\"(),pid=fd0-9äuid:ino ]{0,60}") {
            let _ = parse_ss(&[&odd]);
            let _ = parse_ss(&[&format!("LISTEN 0 1 *:9 *:* users:({tail}")]);
            let _ = parse_proc_net(&[&odd, &format!("tcp {tail} 0 1")]);
        }
    }
}
