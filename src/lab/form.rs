//! Which form of the lab this machine can have: found out by doing it.

use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::lab::programs::find;

pub use crate::lab::order::Form;

/// Which form is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wanted {
    /// Namespaces where they work, loopback elsewhere.
    Auto,
    /// Namespaces or nothing.
    Namespaces,
    /// Loopback.
    Loopback,
}

/// Each line is a step a host needs; the name of the first that fails is the reason.
const TRIAL: &str = "
step='mount a tmpfs'; mount -t tmpfs probe /mnt || { echo \"$step\"; exit 1; }
step='mount /proc'; mkdir /mnt/p && mount -t proc proc /mnt/p || { echo \"$step\"; exit 1; }
step='bind /usr'; mkdir /mnt/u && mount --bind /usr /mnt/u || { echo \"$step\"; exit 1; }
step='make a pair of network devices'; ip link add v0 type veth peer name v1 || { echo \"$step\"; exit 1; }
step='make a bridge'; ip link add b0 type bridge || { echo \"$step\"; exit 1; }
";

/// Why there can be no namespaces here; none if there can.
pub(crate) fn obstacle() -> Option<String> {
    for program in ["unshare", "nsenter", "setpriv", "setsid", "ip", "mount"] {
        if find(program).is_none() {
            return Some(format!("`{program}` is not on this machine (apt-get install util-linux iproute2)"));
        }
    }
    if !rustix::process::geteuid().is_root() {
        return Some("namespaces with more than one user need root".to_owned());
    }
    let out = Command::new("unshare")
        .args(["--fork", "--kill-child", "--pid", "--mount", "--net", "--uts", "--ipc", "--propagation", "private", "--"])
        .args(["/bin/sh", "-c", TRIAL])
        .stdin(Stdio::null())
        .output();
    match out {
        Ok(out) if out.status.success() => None,
        Ok(out) => {
            let step = String::from_utf8_lossy(&out.stdout).trim().to_owned();
            let why = String::from_utf8_lossy(&out.stderr).trim().replace('\n', "; ");
            Some(if step.is_empty() { why } else { format!("cannot {step}: {why}") })
        }
        Err(error) => Some(format!("cannot run unshare: {error}")),
    }
}
