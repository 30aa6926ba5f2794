//! Which machine answered under which name: no machine is changed under two names in one run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::engine::world::Connected;
use crate::model::finding::Finding;
use crate::model::id::HostName;

/// What tells one machine and user from another. Containers share the boot of their machine, cloned images its id and its
/// keys: only all of them together are one machine.
type Identity = [String; 5];

/// The machines of a run, by who was first to answer as them.
#[derive(Debug, Default)]
pub struct Machines {
    met: Mutex<HashMap<Identity, HostName>>,
}

impl Machines {
    /// Notes which machine answers under a name; an error if it already answers under another one. A machine that does
    /// not tell its boot cannot be told from others and passes.
    pub fn meet(&self, name: &HostName, connected: &Connected) -> Result<(), Finding> {
        let facts = &connected.facts;
        let Some(boot) = facts.boot_id.clone() else { return Ok(()) };
        let machine = facts.machine_id.clone().unwrap_or_default();
        let identity = [connected.fingerprint.clone(), boot, machine, facts.hostname.clone(), facts.user.clone()];
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let first = met.entry(identity).or_insert_with(|| name.clone());
        if first == name {
            return Ok(());
        }
        let summary = format!("this is the same machine as `{first}`: the same host key, boot, machine id, host name and user");
        Err(Finding::new("same-machine", summary)
            .hint("remove one of the two names from the inventory, or leave it out with --exclude"))
    }
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
        Connected { key_type: "ssh-ed25519".to_owned(), fingerprint: fingerprint.to_owned(), facts, took: Duration::ZERO }
    }

    #[test]
    fn a_machine_has_one_name_in_a_run() {
        let machines = Machines::default();
        let meet = |name: &str, connected: Connected| {
            machines.meet(&HostName::parse(name).expect("a name"), &connected).map_err(|finding| finding.code)
        };
        assert_eq!(meet("web-1", connected("k", Some("b"), "app")), Ok(()));
        // met again after its connection was lost
        assert_eq!(meet("web-1", connected("k", Some("b"), "app")), Ok(()));
        assert_eq!(meet("web-2", connected("k", Some("b"), "app")), Err("same-machine".to_owned()));
        // another user's processes, a clone of the image, a container with a key of its own, a host that does not tell
        assert_eq!(meet("web-3", connected("k", Some("b"), "other")), Ok(()));
        assert_eq!(meet("web-4", connected("k", Some("b2"), "app")), Ok(()));
        assert_eq!(meet("web-5", connected("k2", Some("b"), "app")), Ok(()));
        assert_eq!(meet("web-6", connected("k", None, "app")), Ok(()));
        assert_eq!(meet("web-7", connected("k", None, "app")), Ok(()));
    }
}
