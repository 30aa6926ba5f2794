//! What lies on a host's disk before it starts: the home of the user app with the sample service and the key that may
//! log in; and the inventory that names the hosts.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::lab::error::{Doing, LabError};
use crate::lab::facts::{APP_UID, Network, SSH_PORT, name};
use crate::lab::keys::{IDENTITY, KNOWN_HOSTS, public};
use crate::lab::place::{Place, replace};

const SERVICE: [(&str, &str); 4] = [
    ("server.js", include_str!("../../lab/service/server.js")),
    ("ecosystem.config.js", include_str!("../../lab/service/ecosystem.config.js")),
    ("package.json", include_str!("../../lab/service/package.json")),
    ("build/BUILD_ID", include_str!("../../lab/service/build/BUILD_ID")),
];

/// A fresh home for a host: nothing of an earlier lab's incident is left in it.
pub(crate) fn fresh_home(place: &Place, number: u16, owner: Option<u32>) -> Result<(), LabError> {
    let host = place.host(&name(number));
    let home = host.join("home");
    if home.exists() {
        fs::remove_dir_all(&home).doing(|| format!("remove {}", home.display()))?;
    }
    let app = home.join("app");
    let service = app.join("proxy-service");
    for (file, text) in SERVICE {
        put(&service.join(file), text, 0o644)?;
    }
    let key = public(&place.path(IDENTITY))?;
    put(&app.join(".ssh/authorized_keys"), &key, 0o600)?;
    mode(&app.join(".ssh"), 0o700)?;
    mode(&app, 0o750)?;
    if let Some(owner) = owner {
        give(&app, owner)?;
    }
    Ok(())
}

/// The home of the user app of a host, on this machine's disk.
pub(crate) fn app_home(place: &Place, number: u16) -> std::path::PathBuf {
    place.host(&name(number)).join("home/app")
}

/// The user id of the app on hosts with namespaces of their own.
pub(crate) fn app_owner() -> Option<u32> {
    Some(APP_UID)
}

/// Writes the inventory into the lab's folder; its paths are relative to the file.
pub(crate) fn write_inventory(place: &Place, network: Network, hosts: u16, user: &str) -> Result<(), LabError> {
    place.write("inventory.toml", inventory(network, hosts, user, "").as_bytes(), 0o644)
}

/// The inventory of a lab whose folder is `folder` as seen from the file: empty, or with its slash.
pub(crate) fn inventory(network: Network, hosts: u16, user: &str, folder: &str) -> String {
    let mut text = String::from("# The practice fleet of `runbook lab up`.\n\n[defaults]\n");
    let _ = writeln!(text, "user = \"{user}\"");
    let _ = writeln!(text, "port = {SSH_PORT}");
    let _ = writeln!(text, "identity = \"{folder}{IDENTITY}\"");
    let _ = writeln!(text, "known_hosts = [\"{folder}{KNOWN_HOSTS}\"]");
    for number in 1..=hosts {
        let zone = ["az-a", "az-b", "az-c"][usize::from((number - 1) % 3)];
        let _ = write!(text, "\n[hosts.{}]\naddress = \"{}\"\ntags = [\"{zone}\"]\n", name(number), network.outside(number));
    }
    text.push_str("\n[groups.proxy]\nhosts = [\"proxy-*\"]\n");
    text
}

/// Writes a file with its folders.
pub(crate) fn put(path: &Path, text: &str, bits: u32) -> Result<(), LabError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).doing(|| format!("make {}", parent.display()))?;
    }
    replace(path, text.as_bytes(), bits)?;
    mode(path, bits)
}

fn mode(path: &Path, bits: u32) -> Result<(), LabError> {
    fs::set_permissions(path, fs::Permissions::from_mode(bits)).doing(|| format!("set the mode of {}", path.display()))
}

fn give(path: &Path, owner: u32) -> Result<(), LabError> {
    chown(path, Some(owner), Some(owner)).doing(|| format!("give {} to user {owner}", path.display()))?;
    if path.is_dir() {
        for entry in fs::read_dir(path).doing(|| format!("list {}", path.display()))? {
            give(&entry.doing(|| format!("list {}", path.display()))?.path(), owner)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::inventory;
    use crate::lab::facts::Network;

    #[test]
    fn the_committed_inventory_is_the_default_labs() {
        let committed = include_str!("../../inventory.toml");
        assert_eq!(committed, inventory(Network(77), 6, "app", ".lab/"));
    }
}
