//! `runbook hosts`: the inventory, as far as a selector names it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::fleet::{self, Choice, Narrow, SELECTORS};
use crate::cli::output::{counted, json, note_sim, present, print, table};
use crate::cli::probe;
use crate::cli::settings::Settings;
use crate::model::host::Host;
use crate::model::hostset::fold;
use crate::model::id::HostName;
use crate::state::words;

/// What a probe does, and where connecting gets its settings from.
const CONNECTING: &str = "\
--probe connects to every host as a run would, with the same keys and the same check of the host's key, asks what it says of \
itself, and leaves; nothing is changed and nothing is recorded. LATENCY is one round trip through its open shell. SKEW is how \
far its clock is ahead of this machine's, and how far off that may be. It exits with 3 where a host could not be reached; \
with --output quiet only the names of those are printed that could.

Everything about connecting is in the inventory. ~/.ssh/config is not read: where there is one, its Host blocks, ProxyJump, \
User, Port and IdentityFile have no effect here. `jump` in the inventory is refused by name, since there are no jump hosts \
yet. The agent (SSH_AUTH_SOCK), the usual key files and known_hosts in ~/.ssh are used unless the inventory names others.";

/// Arguments of `runbook hosts`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{CONNECTING}\n\n{SELECTORS}"))]
pub struct Args {
    /// Which hosts: names, globs, sets web[01-06], @group, tag:NAME, failed:RUN, joined by , & and !
    #[arg(value_name = "SEL", default_value = "all")]
    selector: String,
    /// What narrows them down
    #[command(flatten)]
    narrow: Narrow,
    /// Connect, and show who is up, their keys, latency, clocks and what they say of themselves
    #[arg(long)]
    probe: bool,
    /// How the hosts are probed
    #[command(flatten)]
    probing: probe::Options,
}

/// A line of `runbook hosts --output json`: a host of the inventory, and what a probe found of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Hosted {
    /// Its name.
    pub host: HostName,
    /// Whether it is simulated.
    pub sim: bool,
    /// Address or DNS name to connect to.
    pub address: String,
    /// TCP port of its sshd.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
    /// The groups it is in, in file order.
    pub groups: Vec<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Whether one of its groups is protected.
    pub protected: bool,
    /// What was found; none without `--probe`.
    pub probe: Option<probe::Found>,
}

impl Hosted {
    /// Of the inventory's host.
    pub fn new(host: &Host, sim: bool, probe: Option<probe::Found>) -> Self {
        Self {
            host: host.name.clone(),
            sim,
            address: host.address.clone(),
            port: host.port,
            user: host.user.clone(),
            groups: host.groups.clone(),
            tags: host.tags.clone(),
            protected: host.protected,
            probe,
        }
    }
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let hosts = fleet::chosen(settings, Choice::new(&args.selector, &args.narrow))?.hosts();
    if args.probe {
        return probe::run(hosts, &args.probing, settings);
    }
    let sim = fleet::is_sim(settings);
    match settings.output {
        Form::Json => {
            hosts.iter().try_for_each(|host| json(&Hosted::new(host, sim, None)))?;
            return Ok(0);
        }
        Form::Quiet => {
            print(&hosts.iter().map(|host| format!("{}\n", host.name)).collect::<String>())?;
            return Ok(0);
        }
        Form::Human => note_sim(sim),
    }
    let rows: Vec<Vec<String>> = hosts.iter().map(row).collect();
    present(settings, &table(&["HOST", "ADDRESS", "PORT", "USER", "GROUPS", "TAGS"], &rows, settings.stdout_terminal))?;
    if settings.stdout_terminal {
        let names: Vec<HostName> = hosts.iter().map(|host| host.name.clone()).collect();
        present(settings, &format!("{}{}: {}\n", words::sim(sim), counted(hosts.len(), "host"), fold(&names)))?;
    }
    Ok(0)
}

fn row(host: &Host) -> Vec<String> {
    let or_dash = |words: &[String]| if words.is_empty() { "-".to_owned() } else { words.join(" ") };
    vec![
        host.name.to_string(),
        host.address.clone(),
        host.port.to_string(),
        host.user.clone(),
        or_dash(&host.groups),
        or_dash(&host.tags),
    ]
}
