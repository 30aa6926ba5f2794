//! `runbook hosts`: the inventory, as far as a selector names it.

use crate::cli::failure::Failure;
use crate::cli::fleet;
use crate::cli::output::{counted, print, table};
use crate::cli::settings::Settings;
use crate::model::host::Host;
use crate::model::hostset::fold;
use crate::model::id::HostName;

/// Arguments of `runbook hosts`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which hosts: names, globs, sets web[01-06], @group, tag:NAME, joined by , & and !
    #[arg(value_name = "SEL", default_value = "all")]
    selector: String,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let (_, hosts) = fleet::resolved(settings, &args.selector)?;
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
