//! One fleet of real sshd on loopback, two clients: this program, and a bare russh client that does nothing but connect,
//! log in, execute and print. `cargo bench --bench fleet -- [--hosts 50,200] [--rounds 3]`
//!
//! The machine is noisy, so the two take turns within one run and only their ratio is worth reading. All hosts are one
//! sshd, reached on a loopback address a host; it and everything else ends with the run.

mod bare;
mod measure;
mod sshd;

use std::path::Path;
use std::process::Command;

use crate::measure::{Cost, measured, median};
use crate::sshd::Sshd;

/// Steps of the runbook that cannot be fused: each changes something.
const STEPS: usize = 10;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "bare") {
        return bare::main(&arguments[1..]);
    }
    if arguments.iter().any(|argument| argument == "--test") {
        // `cargo test --benches` only wants to know that it starts
        return;
    }
    let value = |name: &str, default: &str| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).map_or_else(|| default.to_owned(), String::clone)
    };
    let sizes: Vec<usize> = value("--hosts", "10,50,200").split(',').map(|n| n.parse().expect("a number of hosts")).collect();
    let rounds: usize = value("--rounds", "3").parse().expect("a number of rounds");
    let sshd = Sshd::start();
    println!("{:28} {:>5}  {:>9} {:>9} {:>8}  ratio to bare russh: wall, cpu", "", "hosts", "wall s", "cpu s", "peak MB");
    for hosts in sizes {
        one_command(&sshd, hosts, rounds);
        ten_steps(&sshd, hosts, rounds);
    }
}

fn one_command(sshd: &Sshd, hosts: usize, rounds: usize) {
    let dir = sshd.fleet(hosts);
    let ours = || {
        let mut command = ours(dir.path());
        command.args(["exec", "all", "-f", "50", "--", "true"]);
        command
    };
    side_by_side("one command", hosts, rounds, || bare(sshd, hosts, 1), ours);
}

fn ten_steps(sshd: &Sshd, hosts: usize, rounds: usize) {
    let dir = sshd.fleet(hosts);
    std::fs::create_dir(dir.path().join("runbooks")).expect("a directory");
    let mut text = String::from("name = \"ten-steps\"\ntitle = \"ten steps\"\n[rollout]\nbatches = [\"100%\"]\n");
    for n in 0..STEPS {
        text.push_str(&format!("[[step]]\nid = \"step-{n}\"\nkind = \"exec\"\nrun = \"true\"\n"));
    }
    std::fs::write(dir.path().join("runbooks/ten-steps.toml"), text).expect("written");
    let ours = || {
        let mut command = ours(dir.path());
        command.args(["run", "ten-steps", "--hosts", "all", "-f", "50"]);
        command.arg(format!("--confirm=ten-steps {hosts}"));
        command
    };
    side_by_side("ten changing steps, journal", hosts, rounds, || bare(sshd, hosts, STEPS), ours);
}

fn ours(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.current_dir(dir).env_remove("SSH_AUTH_SOCK").env("RUNBOOK_STATE_DIR", dir.join("state"));
    command
}

fn bare(sshd: &Sshd, hosts: usize, commands: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("bare").arg(sshd.port().to_string()).arg(sshd.path("user")).arg(sshd.path("known_hosts"));
    command.args([hosts.to_string(), commands.to_string()]);
    command
}

/// Both take turns; what is told is the median of each.
fn side_by_side(label: &str, hosts: usize, rounds: usize, bare: impl Fn() -> Command, ours: impl Fn() -> Command) {
    let mut costs: [Vec<Cost>; 2] = Default::default();
    for _ in 0..rounds.max(1) {
        costs[0].push(measured(bare()));
        costs[1].push(measured(ours()));
    }
    let [bare, ours] = costs.map(|costs| median(&costs));
    println!("{:28} {hosts:>5}  {:>9.3} {:>9.2} {:>8.1}", format!("{label}: bare"), bare.wall, bare.cpu, bare.peak);
    let (wall, cpu) = (ours.wall / bare.wall, ours.cpu / bare.cpu.max(0.01));
    println!("{:28} {hosts:>5}  {:>9.3} {:>9.2} {:>8.1}  {wall:.2}x, {cpu:.1}x", "  runbook", ours.wall, ours.cpu, ours.peak);
}
