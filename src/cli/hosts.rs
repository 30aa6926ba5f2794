//! `runbook hosts`: the inventory, as far as a selector names it.

use crate::cli::failure::Failure;
use crate::cli::fleet::{self, Choice, Narrow, SELECTORS};
use crate::cli::output::{counted, print, table};
use crate::cli::probe;
use crate::cli::settings::Settings;
use crate::model::host::Host;
use crate::model::hostset::fold;
use crate::model::id::HostName;

/// What a probe does, and where connecting gets its settings from.
const CONNECTING: &str = "\
--probe connects to every host as a run would, with the same keys and the same check of the host's key, asks what it says of \
itself, and leaves; nothing is changed and nothing is recorded. LATENCY is one round trip through its open shell. SKEW is how \
far its clock is ahead of this machine's, and how far off that may be. It exits with 3 where a host could not be reached.

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

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let hosts = fleet::chosen(settings, Choice::new(&args.selector, &args.narrow))?.hosts();
    if args.probe {
        return probe::run(hosts, &args.probing, settings);
    }
    let rows: Vec<Vec<String>> = hosts.iter().map(row).collect();
    print(&table(&["HOST", "ADDRESS", "PORT", "USER", "GROUPS", "TAGS"], &rows, settings.stdout_terminal))?;
    if settings.stdout_terminal {
        let names: Vec<HostName> = hosts.iter().map(|host| host.name.clone()).collect();
        print(&format!("{}: {}\n", counted(hosts.len(), "host"), fold(&names)))?;
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
