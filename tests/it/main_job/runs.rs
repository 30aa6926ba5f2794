//! Runs of the program under test on a lab.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::harness::lab::Lab;

/// What makes a run short: the service must be quiet for less long, and all hosts are one batch.
pub(super) const SHORT: [&str; 4] = ["--set", "quiet=4s", "--batch", "100%"];

/// The shipped runbook with shorter waits at its end, where a variable does not reach: for tests of something else.
pub(super) fn impatient(lab: &Lab) -> PathBuf {
    let mut text = fs::read_to_string(shipped().join("restart-loop.toml")).unwrap();
    for (long, short) in [("\nsoak         = \"10s\"\n", "\nsoak = \"1s\"\n"), ("stable_for = \"10s\"", "stable_for = \"3s\"")] {
        assert_eq!(text.matches(long).count(), 1, "{long}");
        text = text.replace(long, short);
    }
    let dir = lab.dir().join("runbooks");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("restart-loop.toml"), text).unwrap();
    dir
}

/// The runbooks that are shipped.
pub(super) fn shipped() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("runbooks")
}

/// `runbook run restart-loop` with shorter waits on these hosts; whoever is to confirm says so.
pub(super) fn repair(lab: &Lab, hosts: &str, more: &[&str]) -> Command {
    let mut command = lab.runbook(&["run", "restart-loop", "--hosts", hosts]);
    command.args(SHORT).args(more).arg("--runbooks").arg(impatient(lab));
    command
}

pub(super) fn stdout(out: &Output) -> String {
    String::from_utf8(out.stdout.clone()).unwrap()
}

pub(super) fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

/// It ended with this code; else everything it said is shown.
pub(super) fn assert_exit(out: &Output, code: i32) {
    assert_eq!(out.status.code(), Some(code), "{}\n{}", stdout(out), stderr(out));
}

/// The words that its lines begin with after the time, each once, in order of appearance.
pub(super) fn words(log: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for line in log.lines() {
        if let Some(word) = line.split(' ').nth(1).filter(|_| line.as_bytes().get(19) == Some(&b'Z'))
            // said every half minute, however long it takes
            && word != "still"
            && !words.contains(&word)
        {
            words.push(word);
        }
    }
    words
}

/// The line `… run ID …=… exit=…` that ends a run's log, from `run` on, without id and time.
pub(super) fn end_line(log: &str) -> String {
    let line = log.lines().find(|line| line.contains(" run ") && line.contains(" exit=")).unwrap_or_else(|| panic!("{log}"));
    line.split(' ').filter(|word| !word.is_empty()).skip(5).collect::<Vec<_>>().join(" ")
}

/// The id of the newest run in the lab's journal.
pub(super) fn newest(lab: &Lab) -> String {
    let history = lab.runbook(&["history", "-n", "1"]).output().unwrap();
    stdout(&history).lines().nth(1).and_then(|line| line.split('\t').next()).expect("a run").to_owned()
}

/// A run that is watched while it runs. It is killed when it is dropped.
pub(super) struct Running {
    pub(super) child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    seen: String,
}

impl Running {
    pub(super) fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    /// The same; what it says to the operator goes there.
    pub(super) fn start_with(command: &mut Command, stderr: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, seen: String::new() }
    }

    /// Waits for a line that has all of these in it.
    pub(super) fn wait_for(&mut self, parts: &[&str]) {
        loop {
            let Some(Ok(line)) = self.lines.next() else { panic!("no line with {parts:?}: {}", self.seen) };
            self.seen.push_str(&line);
            self.seen.push('\n');
            if parts.iter().all(|part| line.contains(part)) {
                return;
            }
        }
    }

    /// Reads to the end; no line may have this in it.
    pub(super) fn never(&mut self, part: &str) {
        while let Some(Ok(line)) = self.lines.next() {
            self.seen.push_str(&line);
            self.seen.push('\n');
            assert!(!line.contains(part), "{}", self.seen);
        }
    }

    pub(super) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Reads to its end: its exit code and all of its output.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        for line in self.lines.by_ref() {
            self.seen.push_str(&line.unwrap());
            self.seen.push('\n');
        }
        let status = self.child.wait().unwrap();
        (status.code(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // both say no where it has ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
