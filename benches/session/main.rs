//! The real program on a real terminal, with a run on a simulated fleet: how long a key takes to the screen, what the screen
//! costs beside the same run without one, and what it costs when nothing happens.
//! `cargo bench --bench session -- [--hosts 2000] [--seconds 30]`
//!
//! 50 hosts at a time take steps of a quarter of a second that print half a kilobyte each: 100 KB and some 2,000 events a
//! second. The load is the same with and without a screen, so that the ratio of the two is worth reading on a machine that
//! is not quiet.

mod pty;

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::pty::Session;

/// Keys that move the cursor.
const KEYS: [&str; 4] = ["j", "k", "]", "["];
/// The kernel's clock ticks a second.
const TICKS: f64 = 100.0;
/// How many steps end a second at most: 50 hosts at a time, a quarter of a second each.
const STEPS: f64 = 200.0;
/// How long the run is let alone before it is measured.
const WARM: Duration = Duration::from_secs(3);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.iter().any(|argument| argument == "--test") {
        // `cargo test --benches` only wants to know that it starts
        return;
    }
    let value = |name: &str, default: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).map_or_else(|| default.to_owned(), String::clone)
    };
    let hosts: usize = value("--hosts", "2000").parse().expect("a number of hosts");
    let time = Duration::from_secs(value("--seconds", "30").parse().expect("a number of seconds"));
    let dir = tempfile::tempdir().expect("a directory");
    // fewer hosts take more steps, so that the run is long enough to be measured
    let steps = (time.as_secs_f64() * 2.0 + 15.0) * STEPS / hosts as f64;
    runbook(dir.path(), steps.ceil().max(1.0) as usize);
    let without = headless(dir.path(), hosts, time);
    let with = on_screen(dir.path(), hosts, time);
    say("with a screen : without", format!("{:.2}", with / without));
}

fn runbook(dir: &Path, steps: usize) {
    std::fs::create_dir(dir.join("runbooks")).expect("a directory");
    let mut text = String::from("name = \"noisy\"\ntitle = \"noisy\"\n[rollout]\nbatches = [\"100%\"]\nmax_failures = 100000\n");
    for n in 0..steps {
        text.push_str(&format!("[[step]]\nid = \"print-{n}\"\nkind = \"exec\"\nrun = \"true\"\non_failure = \"stop-host\"\n"));
    }
    std::fs::write(dir.join("runbooks/noisy.toml"), text).expect("written");
}

/// The program; a command prints for five seconds, in a fleet where time passes twenty times as fast as here.
fn program(dir: &Path, hosts: usize) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.current_dir(dir).env("HOME", dir).env("LANG", "C.UTF-8").env("RUNBOOK_STATE_DIR", dir.join("state"));
    for name in ["SSH_CONNECTION", "SSH_TTY", "TMUX", "STY", "NO_COLOR", "NO_MOTION", "XDG_CONFIG_HOME", "LC_ALL"] {
        command.env_remove(name);
    }
    command.args(["-i", &format!("sim:{hosts}?rate=4&speed=20&slow=30%&fail=exit:1%")]);
    command
}

/// The same run without a screen: the share of a core.
fn headless(dir: &Path, hosts: usize, time: Duration) -> f64 {
    let mut command = program(dir, hosts);
    command.args(["run", "noisy", "--hosts", "all", "-f", "50", "--with-output", "-o", "quiet"]);
    command.arg(format!("--confirm=noisy {hosts}"));
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    // the preview goes before
    thread::sleep(WARM + preview(hosts));
    let share = share(child.id(), time);
    assert!(child.try_wait().expect("it can be waited for").is_none(), "it runs for as long as it is measured");
    child.kill().expect("it ends");
    child.wait().expect("it ends");
    say("without a screen: share of a core", percent(share));
    share
}

/// How long looking at so many hosts takes at most.
fn preview(hosts: usize) -> Duration {
    Duration::from_secs_f64(hosts as f64 / 400.0)
}

/// The run on a screen, then keys, then nothing: the share of a core of the run.
fn on_screen(dir: &Path, hosts: usize, time: Duration) -> f64 {
    let session = Session::start(program(dir, hosts));
    session.until("noisy");
    idle(&session, "runbook picker");
    session.press("\r");
    session.until("HOST / GROUP");
    idle(&session, "host picker");
    session.press("a");
    session.until(&format!("{hosts} of {hosts} selected"));
    session.press("\r");
    session.until("confirm");
    session.press("\r");
    session.until("press Enter");
    // the question takes no key right after it has come
    thread::sleep(Duration::from_millis(600));
    session.press(&format!("noisy {hosts}\r"));
    session.until("batch 1");
    thread::sleep(WARM);
    let before = frames(&session);
    let alone = share(session.pid(), time);
    let drawn = frames(&session) - before;
    say("with a screen: share of a core", percent(alone));
    say("frames a second", format!("{:.1}", drawn as f64 / time.as_secs_f64()));
    // a row a host, so that each key moves the cursor
    session.press("+");
    session.press("\u{4}\u{4}");
    thread::sleep(Duration::from_millis(500));
    keys(&session, time);
    session.until("exit code");
    thread::sleep(Duration::from_secs(2));
    idle(&session, "ended run");
    alone
}

fn frames(session: &Session) -> usize {
    session.seen().frames.len()
}

/// Presses keys at random moments: from the key to the end of the next frame.
fn keys(session: &Session, time: Duration) {
    let before = cpu(session.pid());
    let (began, first) = (Instant::now(), frames(session));
    let mut pressed = Vec::new();
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    while began.elapsed() < time {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        let wait = 40 + chance % 160;
        thread::sleep(Duration::from_millis(wait));
        let key = KEYS[usize::try_from(chance >> 40).unwrap_or(0) % KEYS.len()];
        pressed.push(session.press(key));
    }
    thread::sleep(Duration::from_millis(500));
    let took = began.elapsed().as_secs_f64();
    let frames = session.seen().frames.clone();
    let late = |at: &Instant| frames.iter().find(|frame| *frame > at).map(|frame| (*frame - *at).as_secs_f64() * 1e3);
    let mut times: Vec<f64> = pressed.iter().filter_map(late).collect();
    times.sort_by(f64::total_cmp);
    let part = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or(f64::NAN);
    let words = format!("{:.1} median, {:.1} p95, {:.1} max", part(50), part(95), part(100));
    say("key to screen, ms", format!("{words}; {} keys", pressed.len()));
    say("frames a second, with keys", format!("{:.1}", (frames.len() - first) as f64 / took));
    say("share of a core, with keys", percent((cpu(session.pid()) - before) / took));
}

/// What is drawn and used while nobody does anything.
fn idle(session: &Session, what: &str) {
    const IDLE: Duration = Duration::from_secs(20);
    thread::sleep(Duration::from_secs(1));
    let before = session.seen().bytes;
    let share = share(session.pid(), IDLE);
    let bytes = session.seen().bytes - before;
    say(&format!("idle, {what}"), format!("{bytes} bytes, {} of a core", percent(share)));
}

/// The share of a core that a process uses during this time.
fn share(pid: u32, time: Duration) -> f64 {
    let (began, before) = (Instant::now(), cpu(pid));
    thread::sleep(time);
    (cpu(pid) - before) / began.elapsed().as_secs_f64()
}

/// The processor time of a process so far, in seconds.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).expect("a number of ticks");
    // utime and stime, counted from the state
    (ticks(11) + ticks(12)) / TICKS
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn say(what: &str, value: impl std::fmt::Display) {
    println!("{what:36} {value}");
}
