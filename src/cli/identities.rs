//! Keys that cannot be used are found before anything is contacted.

use crate::cli::failure::Failure;
use crate::cli::output::counted;
use crate::model::host::Host;
use crate::model::visible::visible;
use crate::world::any::AnyFleet;

/// How many hosts are named for one key.
const NAMED: usize = 5;

/// Refuses hosts whose keys cannot be used, all of them at once, each key told once. The agent may be asked.
pub(super) async fn check(world: &AnyFleet, hosts: &[Host]) -> Result<(), Failure> {
    let faults = world.check_identities(hosts).await;
    if faults.is_empty() {
        return Ok(());
    }
    let without: usize = faults.iter().map(|fault| fault.hosts.len()).sum();
    let failure = Failure::invalid(format!(
        "{} cannot be logged in to with the keys here; nothing was contacted",
        counted(without, "host")
    ));
    Err(faults.into_iter().fold(failure, |failure, fault| {
        let names: Vec<&str> = fault.hosts.iter().take(NAMED).map(|host| host.as_str()).collect();
        let more = fault.hosts.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let failure =
            failure.detail(format!("{}: {} [{}]{more}", fault.finding.code, visible(&fault.finding.summary), names.join(", ")));
        let failure = fault.finding.evidence.iter().fold(failure, |failure, line| failure.detail(format!("  {}", visible(line))));
        fault.finding.hint.into_iter().fold(failure, |failure, hint| failure.hint(visible(&hint)))
    }))
}
