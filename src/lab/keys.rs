//! Keys: one for the user, one per host, made once and kept; the known hosts that follow from them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lab::error::{Doing, LabError};
use crate::lab::facts::{Network, SSH_PORT, name};
use crate::lab::place::Place;

/// The user's key in the lab's folder.
pub(crate) const IDENTITY: &str = "id_ed25519";
/// The hosts' keys as a client keeps them.
pub(crate) const KNOWN_HOSTS: &str = "known_hosts";
/// A host's key in its part of the folder.
pub(crate) const HOST_KEY: &str = "ssh_host_ed25519_key";

/// Makes what is missing for hosts 1 to `hosts`, and writes the known hosts.
pub(crate) fn prepare(place: &Place, network: Network, hosts: u16) -> Result<(), LabError> {
    make(&place.path(IDENTITY), "runbook lab")?;
    let mut known = String::new();
    for number in 1..=hosts {
        let name = name(number);
        let dir = place.host(&name);
        fs::create_dir_all(&dir).doing(|| format!("make {}", dir.display()))?;
        let key = dir.join(HOST_KEY);
        make(&key, &name)?;
        // known_hosts wants type and key; the comment stays here
        let public = public(&key)?;
        let mut words = public.split_ascii_whitespace();
        let (Some(kind), Some(data)) = (words.next(), words.next()) else {
            return Err(LabError::Unreadable { what: format!("{}.pub", key.display()), why: "not a public key".to_owned() });
        };
        let _ = writeln!(known, "[{}]:{SSH_PORT} {kind} {data}", network.outside(number));
    }
    place.write(KNOWN_HOSTS, known.as_bytes(), 0o644)
}

/// The public half of a key.
pub(crate) fn public(key: &Path) -> Result<String, LabError> {
    let path = key.with_extension("pub");
    fs::read_to_string(&path).doing(|| format!("read {}", path.display()))
}

fn make(key: &Path, comment: &str) -> Result<(), LabError> {
    if key.exists() && key.with_extension("pub").exists() {
        return Ok(());
    }
    // made beside and moved: an interrupted run leaves no half of a pair that looks whole
    let new = key.with_extension("new");
    for path in [new.clone(), new.with_extension("new.pub")] {
        let _ = fs::remove_file(path);
    }
    let out = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"])
        .arg(&new)
        .stdin(Stdio::null())
        .output()
        .doing(|| "run ssh-keygen".to_owned())?;
    if !out.status.success() {
        let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        return Err(LabError::Program { doing: format!("making the key {}", key.display()), said });
    }
    let doing = || format!("keep the key {}", key.display());
    fs::rename(new.with_extension("new.pub"), key.with_extension("pub")).doing(doing)?;
    fs::rename(&new, key).doing(doing)
}
