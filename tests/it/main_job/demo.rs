//! `runbook demo`, as it is shipped: it breaks a fleet, repairs it, prints what it measured, and leaves nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use regex::Regex;

use crate::harness::lab::{Network, assert_nothing_left, lab_command};
use crate::main_job::runs::{assert_exit, shipped, stderr, stdout};

/// What is printed of each host; the numbers are free, but for those that must be equal.
const MEASURED: &str = r"proxy-H
  before   loop: proxy-server: (?<from>\d+) -> (?<to>\d+) in \d+\.\d s; proxy-service \(pid (?<pid>\d+)\) holds :3000, 0 restarts
  changed  duplicates: delete pm2 entry 1 proxy-server \(told port 3000 too, does not hold :3000\); save pm2's list; the former one is kept in dump\.pm2\.before-runbook
  changed  switch-off: set enabled to false \(now true\)
  after    one-process: ok: steady for (?<steady>\d+) s: proxy-service \(pid (?<one>\d+)\) holds :3000, 0 restarts
  after    held: ok: :3000 is held by proxy-service \(id 0, pid (?<held>\d+) \(node /home/app/proxy-service/server\.js\)\)
  after    answers: ok: 200, 3 times in a row, in at most \d+ ms
  after    still-fine: ok: steady for (?<still>\d+) s: proxy-service \(pid (?<fine>\d+)\) holds :3000, 0 restarts
";

/// The story, host by host or told once for both: each of these lines for each host, in this order.
const STORY: [&str; 13] = [
    r"pm2   4 loop \[looping\] proxy-server: \d+ -> \d+ in \d+\.\d s; proxy-service \(pid \d+\) holds :3000, 0 restarts",
    r"port  6 owner \[owned\] :3000 is held by proxy-service .*",
    r"run   kill switch enabled true → false  OPEN",
    r"run   5 switch-off: set enabled to false \(now true\)",
    r"pm2   9 duplicates \[clean\] deleted 1 proxy-server; proxy-service still holds its port, pid \d+ .*",
    r"run   9 duplicates: delete pm2 entry 1 proxy-server .*",
    r"pm2   11 one-process \[single\] steady for \d+ s: proxy-service \(pid \d+\) holds :3000, 0 restarts",
    r"port  12 held \[owned\] :3000 is held by proxy-service .*",
    r"http  13 answers \[answers\] 200, 3 times in a row, in at most \d+ ms",
    r"log   14 silent \[quiet\] no new line of \d+ \w+ written to 2 files in \d+\.\d s matches `EADDRINUSE`",
    r"run   kill switch enabled restored: enabled is true \(3 equal reads\)  CLOSED \d+:\d\d",
    r"pm2   15 still-fine \[single\] steady for \d+ s: proxy-service \(pid \d+\) holds :3000, 0 restarts",
    r"run   ok, changed",
];

fn demo(dir: &Path, network: u8) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.args(["demo", "--hosts", "2", "--network", &network.to_string(), "--dir"]).arg(dir);
    command.arg("--pm2").arg(Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("lab-cache").join("pm2"));
    command.arg("--runbooks").arg(shipped());
    for variable in ["RUNBOOK_INVENTORY", "RUNBOOK_RUNBOOKS", "RUNBOOK_STATE_DIR", "CLICOLOR_FORCE", "SSH_AUTH_SOCK"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// What a demo that broke has left is not left to the machine.
struct Swept<'a>(&'a Path);

impl Drop for Swept<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = lab_command(self.0, &["down"]).output();
        }
    }
}

/// The acts by their titles, and what was printed in each.
fn acts(told: &str) -> Vec<(&str, &str)> {
    told.split("\n=== ").skip(1).map(|act| act.split_once('\n').unwrap_or((act, ""))).collect()
}

fn assert_measured(measured: &str) {
    let mut rest = measured;
    for host in ["1", "2"] {
        let pattern = Regex::new(&format!("^{}", MEASURED.replace("proxy-H", &format!("proxy-{host}")))).unwrap();
        let found = pattern.captures(rest).unwrap_or_else(|| panic!("{rest}\nis not\n{pattern}"));
        let number = |name: &str| found[name].parse::<u32>().unwrap();
        assert!(number("to") > number("from"), "the counter stood: {measured}");
        assert_eq!([number("one"), number("held"), number("fine")], [number("pid"); 3], "another process: {measured}");
        assert!(number("steady") >= 20 && number("still") >= 10, "{measured}");
        rest = &rest[found[0].len()..];
    }
    assert_eq!(rest, "proven on proxy-[1-2] (2 of 2)\n");
}

fn assert_story(timeline: &str) {
    for host in ["proxy-1", "proxy-2"] {
        let mut lines = timeline.lines();
        for line in STORY {
            let pattern = Regex::new(&format!(r"^\d\d:\d\d:\d\d  (?:\d+:\d\d|-) +(?:{host}|proxy-\[1-2\]) +{line}$")).unwrap();
            assert!(lines.any(|line| pattern.is_match(line)), "{pattern}\nis not next in\n{timeline}");
        }
    }
    let moments = r"^detected \d\d:\d\d:\d\dZ   contained \+\d+:\d\d   fixed \+\d+:\d\d   closed \+\d+:\d\d   verified \+\d+:\d\d   ended \+\d+:\d\d$";
    let moments = Regex::new(moments).unwrap();
    assert_eq!(timeline.lines().filter(|line| moments.is_match(line)).count(), 1, "{timeline}");
}

#[test]
fn the_demo_breaks_a_fleet_repairs_it_proves_it_and_leaves_nothing() {
    let network = Network::take();
    let temp = tempfile::Builder::new().prefix("runbook-lab-test-").tempdir().unwrap();
    let _swept = Swept(temp.path());
    let out = demo(temp.path(), network.number).output().unwrap();
    assert_exit(&out, 0);
    assert_eq!(stderr(&out), "");
    let told = stdout(&out);
    let acts = acts(&told);
    let run = acts.get(5).and_then(|(title, _)| title.strip_prefix("6/6 the timeline: runbook timeline ")).unwrap_or("?");
    let titles: Vec<&str> = acts.iter().map(|(title, _)| *title).take(6).collect();
    let want = [
        "1/6 a practice fleet of 2: real sshd, real PM2, a namespace each",
        "2/6 the incident: a second PM2 app fights for port 3000 on every host",
        "3/6 preview: runbook run restart-loop --hosts all --dry-run",
        "4/6 the run: runbook run restart-loop --hosts all --confirm 'restart-loop 2'",
        "5/6 what was measured",
        &format!("6/6 the timeline: runbook timeline {run}"),
    ];
    assert_eq!(titles, want);
    assert_eq!(acts[1].1, "proxy-1: proxy-server fails and is restarted\nproxy-2: proxy-server fails and is restarted\n");
    assert!(acts[2].1.contains(" ok=2 changed=0 open=0 exit=0\n"), "{told}");
    assert!(acts[3].1.contains(" ok=2 changed=2 open=0 exit=0\n"), "{told}");
    assert_measured(acts[4].1);
    assert_story(acts[5].1);
    assert!(Regex::new(r"^done in \d+:\d\d; nothing is left of the fleet$").unwrap().is_match(acts[6].0), "{told}");
    assert_eq!(acts.len(), 7);

    assert_nothing_left(temp.path());
    // the record of the run is what stays, with the keys
    assert!(fs::read_dir(temp.path().join("state")).unwrap().count() > 0);
}
