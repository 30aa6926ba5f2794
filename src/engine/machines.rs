//! Which machine answered under which name: no machine is changed under two names in one run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::engine::world::Connected;
use crate::model::finding::Finding;
use crate::model::host::{Facts, Host};
use crate::model::id::HostName;
use crate::model::visible::visible;

/// What tells one machine and user from another. Containers share the boot of their machine, cloned images its id and its
/// keys: only all of them together are one machine.
type Identity = (String, String, Option<String>, String, String);

/// The machines of a run, by the names that they answered under.
#[derive(Debug, Default)]
pub struct Machines {
    met: Mutex<Met>,
}

#[derive(Debug, Default)]
struct Met {
    names: HashMap<Identity, Vec<HostName>>,
    /// Names that are not worked under, once that is settled.
    twins: Option<HashMap<HostName, Finding>>,
}

impl Machines {
    /// Notes which machine answers under a name; an error if it is worked on under another one. A machine that does not
    /// tell its boot cannot be told from others and passes.
    pub fn meet(&self, name: &HostName, connected: &Connected) -> Result<(), Finding> {
        let facts = &connected.facts;
        let Some(boot) = facts.boot_id.clone() else { return Ok(()) };
        let (key, machine) = (connected.fingerprint.clone(), facts.machine_id.clone());
        let identity = (key, boot, machine, facts.hostname.clone(), facts.user.clone());
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let Met { names, twins } = &mut *met;
        let names = names.entry(identity).or_default();
        if !names.contains(name) {
            names.push(name.clone());
        }
        match (twins, names.first()) {
            (Some(twins), Some(first)) if first != name => Err(twins.entry(name.clone()).or_insert_with(|| same(first)).clone()),
            _ => Ok(()),
        }
    }

    /// Once all have been met: of the names of one machine the first in `order` is worked under. The others, and why not.
    pub fn settle(&self, order: &[&HostName]) -> HashMap<HostName, Finding> {
        let place: HashMap<&HostName, usize> = order.iter().enumerate().map(|(place, name)| (*name, place)).collect();
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let mut twins = HashMap::new();
        for names in met.names.values_mut() {
            names.sort_by_key(|name| place.get(name).copied().unwrap_or(usize::MAX));
            if let [first, others @ ..] = names.as_slice() {
                twins.extend(others.iter().map(|other| (other.clone(), same(first))));
            }
        }
        met.twins = Some(twins.clone());
        twins
    }
}

/// Whether the machine behind a name is the one that the inventory means.
pub fn meant(host: &Host, facts: &Facts) -> Result<(), Finding> {
    match (&host.instance_id, &facts.instance_id) {
        (None, _) => Ok(()),
        (Some(want), Some(is)) if want == is => Ok(()),
        (Some(want), Some(is)) => {
            let summary = format!("another machine answers: expected instance {want}, this is {}", visible(is));
            Err(Finding::new("identity-mismatch", summary)
                    .hint("was the instance replaced, or its address given to another one? check `address` and `instance_id` in the inventory"))
        }
        (Some(want), None) => {
            let summary = format!("the host does not say which instance it is; expected {want}");
            Err(Finding::new("identity-unreadable", summary)
                    .hint("it is read from /sys/class/dmi/id/board_asset_tag and /var/lib/cloud/data/instance-id; without them remove `instance_id`"))
        }
    }
}

fn same(first: &HostName) -> Finding {
    let summary = format!("this is the same machine as `{first}`: the same host key, boot, machine id, host name and user");
    Finding::new("same-machine", summary).hint("remove one of the two names from the inventory, or leave it out with --exclude")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Machines;
    use crate::engine::world::Connected;
    use crate::model::host::Facts;
    use crate::model::id::HostName;

    fn connected(fingerprint: &str, boot: Option<&str>, user: &str) -> Connected {
        let facts = Facts {
            os: "Linux".to_owned(),
            arch: "x86_64".to_owned(),
            user: user.to_owned(),
            uid: 1000,
            home: "/home/app".to_owned(),
            hostname: "ip-10-0-0-1".to_owned(),
            boot_id: boot.map(str::to_owned),
            machine_id: Some("m".to_owned()),
            instance_id: None,
            skew_ms: 0,
            skew_err_ms: 1,
        };
        Connected {
            key_type: "ssh-ed25519".to_owned(),
            fingerprint: fingerprint.to_owned(),
            facts,
            algorithms: None,
            took: Duration::ZERO,
        }
    }

    #[test]
    fn a_machine_is_worked_on_under_the_first_of_its_names() {
        let machines = Machines::default();
        let name = |name: &str| HostName::parse(name).expect("a name");
        let meet = |host: &str, connected: Connected| machines.meet(&name(host), &connected).map_err(|finding| finding.code);
        // another user's processes, a clone of the image, a container with a key of its own, hosts that do not tell
        let others = [
            ("k", Some("b"), "other"),
            ("k", Some("b2"), "app"),
            ("k2", Some("b"), "app"),
            ("k", None, "app"),
            ("k", None, "app"),
        ];
        let all = [("k", Some("b"), "app"), ("k", Some("b"), "app")].into_iter().chain(others).collect::<Vec<_>>();
        let order: Vec<HostName> = (1..=all.len()).map(|n| name(&format!("web-{n}"))).collect();
        // who answers first decides nothing
        for (host, (key, boot, user)) in order.iter().zip(&all).rev() {
            assert_eq!(meet(host.as_str(), connected(key, *boot, user)), Ok(()));
        }
        let twins = machines.settle(&order.iter().collect::<Vec<_>>());
        assert_eq!(twins.keys().collect::<Vec<_>>(), [&order[1]]);
        let again = || connected("k", Some("b"), "app");
        assert_eq!(meet("web-1", again()), Ok(()));
        for late in ["web-2", "web-9"] {
            assert_eq!(meet(late, again()), Err("same-machine".to_owned()));
        }
    }
}
