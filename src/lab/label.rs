//! Finding and ending what belongs to a lab, by its label and never by a program's name.
//!
//! A process belongs to a lab if it lives in a mount namespace that holds a mount whose source is the label, if its
//! environment carries the label, or if it is an sshd whose configuration is named by it (sshd writes its title over
//! its environment). None of it needs a state file, and a zombie has none of it.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::lab::error::LabError;

/// The environment variable that carries the label.
pub(crate) const VARIABLE: &str = "RUNBOOK_LAB";

/// A process with the label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Labelled {
    /// Its number on this machine.
    pub(crate) pid: i32,
    /// When it started, in ticks since the boot: with the number it names the process for good.
    pub(crate) start: u64,
    /// The host it lives in; none for the supervisor and its like.
    pub(crate) host: Option<String>,
    /// Whether it is the first process of its namespace.
    pub(crate) first: bool,
}

/// The mount source that marks the lab, or a host of it.
pub(crate) fn source(id: &str, host: Option<&str>) -> String {
    host.map_or_else(|| format!("runbook-lab-{id}"), |host| format!("runbook-lab-{id}-{host}"))
}

/// Every process with the label, ourselves left out.
pub(crate) fn find(id: &str) -> Vec<Labelled> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| *pid != own)
        .filter_map(|pid| labelled(id, pid))
        .collect()
}

fn labelled(id: &str, pid: i32) -> Option<Labelled> {
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    let mut found = mounts.lines().find_map(|line| mount_label(id, line));
    if found.is_none() && is_sshd_of(id, pid) {
        found = Some(None);
    }
    if found.is_none() {
        found = environment(pid)?.contains(&format!("{VARIABLE}={id}")).then_some(None);
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(Labelled { pid, start: start_time(pid)?, host: found?, first: namespace_pids(&status).last() == Some(&1) })
}

/// The name of an sshd's configuration in the form without namespaces.
pub(crate) fn sshd_config(id: &str) -> String {
    format!("sshd_config.{}", source(id, None))
}

fn is_sshd_of(id: &str, pid: i32) -> bool {
    let Ok(title) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let title = String::from_utf8_lossy(&title).replace('\0', " ");
    let mut words = title.split(' ');
    words.any(|word| word == "sshd:" || word.ends_with("/sshd"))
        && words.any(|word| word.ends_with(&format!("/{}", sshd_config(id))))
}

/// `Some(host)` when the line is a mount of the lab.
fn mount_label(id: &str, line: &str) -> Option<Option<String>> {
    let rest = line.split_once(" - tmpfs ")?.1.strip_prefix(&source(id, None))?;
    if rest.starts_with(' ') {
        return Some(None);
    }
    rest.strip_prefix('-')?.split_once(' ').map(|(host, _)| Some(host.to_owned()))
}

/// A process's numbers, the outermost namespace first.
pub(crate) fn namespace_pids(status: &str) -> Vec<i32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or("");
    line.split_ascii_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// When a process started; none if it is gone or a zombie.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name may hold spaces and parentheses: everything counts from its last one
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Ends every process with the label and waits until they are gone; returns how many there were.
pub(crate) fn end_all(id: &str, limit: Duration) -> Result<usize, LabError> {
    end_found(id, limit, || find(id))
}

/// The same for those with the label whose words - arguments and environment - are as wanted.
pub(crate) fn end_some(id: &str, limit: Duration, wanted: impl Fn(&[String]) -> bool) -> Result<usize, LabError> {
    end_found(id, limit, || {
        let mut found = find(id);
        found.retain(|process| words(process.pid).is_some_and(|words| wanted(&words)));
        found
    })
}

fn environment(pid: i32) -> Option<Vec<String>> {
    let text = fs::read(format!("/proc/{pid}/environ")).ok()?;
    Some(text.split(|byte| *byte == 0).map(|entry| String::from_utf8_lossy(entry).into_owned()).collect())
}

fn words(pid: i32) -> Option<Vec<String>> {
    let title = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = environment(pid)?;
    words.extend(title.split(|byte| matches!(byte, 0 | b' ')).map(|word| String::from_utf8_lossy(word).into_owned()));
    Some(words)
}

fn end_found(id: &str, limit: Duration, look: impl Fn() -> Vec<Labelled>) -> Result<usize, LabError> {
    let late = Instant::now() + limit;
    let mut ended = 0;
    loop {
        let found = look();
        if found.is_empty() {
            return Ok(ended);
        }
        if Instant::now() >= late {
            let pids: Vec<String> = found.iter().map(|process| process.pid.to_string()).collect();
            return Err(LabError::Late { what: format!("ending process {}", pids.join(", ")), seconds: limit.as_secs() });
        }
        // the handle first, the label again after it: a number that was given to somebody else is not hit
        let handles: Vec<OwnedFd> = found.iter().filter_map(|process| handle(id, process)).collect();
        ended += handles.len();
        for handle in &handles {
            // already gone is as good
            let _ = pidfd_send_signal(handle, Signal::KILL);
        }
        for handle in &handles {
            wait_for_end(handle, late);
        }
    }
}

fn handle(id: &str, process: &Labelled) -> Option<OwnedFd> {
    let handle = pidfd_open(Pid::from_raw(process.pid)?, PidfdFlags::empty()).ok()?;
    (labelled(id, process.pid)?.start == process.start).then_some(handle)
}

fn wait_for_end(handle: &OwnedFd, late: Instant) {
    let left = late.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).ok();
    // an interrupted wait is made up for by the next look at what is left
    let _ = poll(&mut [PollFd::from_borrowed_fd(handle.as_fd(), PollFlags::IN)], timeout.as_ref());
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::{VARIABLE, end_all, find, mount_label, namespace_pids, start_time};

    #[test]
    fn a_mount_names_the_lab_and_the_host() {
        let line = |source: &str| format!("90 80 0:44 / / rw,relatime - tmpfs {source} rw,size=16384k,mode=755");
        assert_eq!(mount_label("ab12", &line("runbook-lab-ab12")), Some(None));
        assert_eq!(mount_label("ab12", &line("runbook-lab-ab12-proxy-1")), Some(Some("proxy-1".to_owned())));
        assert_eq!(mount_label("ab12", &line("runbook-lab-ab123")), None);
        assert_eq!(mount_label("ab12", &line("tmpfs")), None);
    }

    #[test]
    fn numbers_come_outermost_first() {
        assert_eq!(namespace_pids("Name:\tx\nNSpid:\t4100\t17\t1\nThreads:\t1\n"), [4100, 17, 1]);
        assert_eq!(namespace_pids("Name:\tx\n"), Vec::<i32>::new());
    }

    #[test]
    fn the_label_in_the_environment_is_found_and_ended_and_nothing_else_is() {
        let mut marked = Command::new("sleep").arg("60").env(VARIABLE, "unit-test-1").stdin(Stdio::null()).spawn().unwrap();
        let mut other = Command::new("sleep").arg("60").env(VARIABLE, "unit-test-12").stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(marked.id()).unwrap();
        // between fork and exec the child still has our own environment
        while find("unit-test-1").is_empty() || find("unit-test-12").is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(
            find("unit-test-1").iter().map(|p| (p.pid, p.host.clone(), p.first)).collect::<Vec<_>>(),
            [(pid, None, false)]
        );
        assert_eq!(end_all("unit-test-1", Duration::from_secs(5)).unwrap(), 1);
        assert_eq!(start_time(pid), None, "a zombie counts as gone");
        assert_eq!(other.try_wait().unwrap(), None);
        other.kill().unwrap();
        other.wait().unwrap();
        marked.wait().unwrap();
    }
}
