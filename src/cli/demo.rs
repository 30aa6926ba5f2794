//! `runbook demo`: the main job on a fresh machine. Fleet up, fault in, preview, run, proof, timeline, fleet down.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli::failure::Failure;
use crate::cli::run;
use crate::cli::settings::Settings;
use crate::cli::timeline;
use crate::model::hostset::fold;
use crate::model::id::HostName;
use crate::model::outcome::Outcome;
use crate::model::sim::PREFIX;
use crate::model::visible::visible;
use crate::report::signs::Signs;
use crate::report::sink;
use crate::state::run::{HostState, RunState, UnitState};

/// The fault that is put in and the runbook that takes it out have the same name.
const INCIDENT: &str = "restart-loop";

/// Arguments of `runbook demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many hosts the practice fleet has
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(1..=30))]
    pub hosts: u16,
    /// On simulated hosts: where no practice fleet can be, and nothing but this program is needed
    #[arg(long, conflicts_with_all = ["keep", "dir", "network", "pm2"])]
    pub sim: bool,
    /// Leave the fleet up afterwards
    #[arg(long)]
    pub keep: bool,
    /// Where the practice fleet lives
    #[arg(long, value_name = "DIR", default_value = ".lab")]
    pub dir: PathBuf,
    /// The second octet of the fleet's addresses, so that several labs run side by side
    #[arg(long, value_name = "N", hide = true, value_parser = clap::value_parser!(u8).range(1..=254))]
    pub network: Option<u8>,
    /// A folder with PM2 that several labs share
    #[arg(long, value_name = "DIR", hide = true)]
    pub pm2: Option<PathBuf>,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    if args.sim {
        return simulated(args, settings);
    }
    let begun = Instant::now();
    let lab = Lab { dir: &args.dir };
    let played = play(args, settings, &lab);
    let down = if args.keep { Ok(()) } else { lab.run(&["down"]) };
    let code = played?;
    down?;
    let fate =
        if args.keep { "the fleet stays up: runbook lab status, runbook lab down" } else { "nothing is left of the fleet" };
    say(&format!("done in {}; {fate}", seconds(begun.elapsed())));
    Ok(code)
}

fn play(args: &Args, settings: &Settings, lab: &Lab<'_>) -> Result<u8, Failure> {
    let hosts = args.hosts.to_string();
    say(&format!("1/6 a practice fleet of {hosts}: real sshd, real PM2, a namespace each"));
    lab.up(args)?;
    say("2/6 the incident: a second PM2 app fights for port 3000 on every host");
    lab.run(&["fault", INCIDENT])?;
    let settings = settings.of_fleet(args.dir.join("inventory.toml"), args.dir.join("state"));
    say(&format!("3/6 preview: runbook run {INCIDENT} --hosts all --dry-run"));
    let looked = run::execute(&job(true, args.hosts), &settings)?;
    if looked.code != 0 {
        // what cannot be previewed is not run
        return Ok(looked.code);
    }
    say(&format!("4/6 the run: runbook run {INCIDENT} --hosts all --confirm '{INCIDENT} {hosts}'"));
    let ran = run::execute(&job(false, args.hosts), &settings)?;
    if let Some(state) = &ran.state {
        say("5/6 what was measured");
        measured(state, ("", settings.signs));
    }
    say(&format!("6/6 the timeline: runbook timeline {}", ran.run));
    timeline::run(&timeline::Args { run: ran.run.to_string(), host: None, export: None }, &settings)?;
    Ok(ran.code)
}

/// The same run on simulated hosts; every line of this command says so.
fn simulated(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let (mut settings, hosts) = (settings.clone(), args.hosts);
    let fleet = format!("{PREFIX}{hosts}?incident={INCIDENT}&speed=max");
    settings.inventory = PathBuf::from(&fleet);
    say(&format!(
        "SIM 1/4 {hosts} simulated hosts, {fleet}: nothing is contacted, time jumps; on each a second app fights for a port"
    ));
    say(&format!("SIM 2/4 preview: runbook -i '{fleet}' run {INCIDENT} --hosts all --dry-run"));
    let looked = run::execute(&job(true, hosts), &settings)?;
    if looked.code != 0 {
        return Ok(looked.code);
    }
    say(&format!("SIM 3/4 the run: runbook -i '{fleet}' run {INCIDENT} --hosts all --confirm '{INCIDENT} {hosts}'"));
    let ran = run::execute(&job(false, hosts), &settings)?;
    if let Some(state) = &ran.state {
        say("SIM 4/4 what was simulated");
        measured(state, ("SIM ", settings.signs));
    }
    say(&format!("SIM done; the timeline: runbook timeline {}", ran.run));
    Ok(ran.code)
}

fn job(dry_run: bool, hosts: u16) -> run::Args {
    run::Args {
        name: INCIDENT.to_owned(),
        hosts: "all".to_owned(),
        dry_run,
        yes: true,
        confirm: Some(format!("{INCIDENT} {hosts}")),
        forks: 50,
        expect_hosts: Some(usize::from(hosts)),
        ticket: Some("demo".to_owned()),
        ..run::Args::default()
    }
}

fn say(line: &str) {
    told(Signs::default(), &format!("\n=== {line}"));
}

fn told(signs: Signs, line: &str) {
    // whoever closed standard output has read enough
    let _ = sink::screen(signs).write_all(format!("{line}\n").as_bytes());
}

fn seconds(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

struct Lab<'a> {
    dir: &'a Path,
}

impl Lab<'_> {
    fn up(&self, args: &Args) -> Result<(), Failure> {
        let mut command = self.command(&["up", "--hosts", &args.hosts.to_string()])?;
        if let Some(network) = args.network {
            command.args(["--network", &network.to_string()]);
        }
        if let Some(pm2) = &args.pm2 {
            command.arg("--pm2").arg(pm2);
        }
        done("up", &mut command)
    }

    fn run(&self, what: &[&str]) -> Result<(), Failure> {
        done(&what.join(" "), &mut self.command(what)?)
    }

    fn command(&self, what: &[&str]) -> Result<Command, Failure> {
        let own =
            std::env::current_exe().map_err(|error| Failure::new(70, format!("this program cannot find itself: {error}")))?;
        let mut command = Command::new(own);
        command.arg("lab").args(what).arg("--dir").arg(self.dir);
        Ok(command)
    }
}

fn done(what: &str, command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| Failure::new(70, format!("the lab could not be started: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(1, format!("`runbook lab {what}` failed: {status}")).hint("runbook lab status"))
}

/// Per host: the loop before, what was changed, the proof after. Read from the run's own record.
fn measured(state: &RunState, (mark, signs): (&str, Signs)) {
    for host in &state.order {
        let Some(of) = state.hosts.get(host) else { continue };
        told(signs, &format!("{mark}{host}"));
        let line = |what, of, step, tell: Tell| line((mark, signs), what, of, step, tell);
        line("before", of, "loop", |unit| unit.first_note.as_ref().map(|note| note.summary.clone()));
        for (step, unit) in &of.units {
            if unit.outcome == Some(Outcome::Changed) {
                told(signs, &format!("{mark}  changed  {step}: {}", visible(&unit.effects.join("; "))));
            }
        }
        for step in ["one-process", "held", "answers", "still-fine"] {
            line("after", of, step, |unit| {
                let outcome = unit.outcome?;
                unit.note.as_ref().map(|note| format!("{outcome}: {}", note.summary))
            });
        }
    }
    let fine: Vec<HostName> = state.hosts.iter().filter(|(_, of)| proven(of)).map(|(name, _)| name.clone()).collect();
    if !fine.is_empty() {
        told(signs, &format!("{mark}proven on {} ({} of {})", fold(&fine), fine.len(), state.hosts.len()));
    }
}

/// What a unit tells, where it tells it.
type Tell = fn(&UnitState) -> Option<String>;

fn line((mark, signs): (&str, Signs), what: &str, of: &HostState, step: &str, tell: Tell) {
    let unit = of.units.iter().find(|(id, _)| id.as_str() == step).map(|(_, unit)| unit);
    if let Some(text) = unit.and_then(tell) {
        told(signs, &format!("{mark}  {what:8} {step}: {}", visible(&text)));
    }
}

fn proven(of: &HostState) -> bool {
    let held = |step: &str| of.units.iter().any(|(id, unit)| id.as_str() == step && unit.outcome == Some(Outcome::Ok));
    ["one-process", "held", "answers", "still-fine"].iter().all(|step| held(step))
}
