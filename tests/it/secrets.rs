//! Secrets: they reach the command that is declared to get them, and nothing else on either side.

mod declared;
pub(crate) mod forms;
mod kept;
mod lists;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::harness::sshd::Sshd;

/// A host, and a place with an inventory and runbooks.
struct Bench {
    sshd: Sshd,
    env: Vec<(String, String)>,
}

impl Bench {
    fn new(sshd: Sshd) -> Self {
        let host = sshd.host();
        let inventory = format!(
            "[defaults]\nuser = \"{}\"\nport = {}\nidentity = \"user\"\nknown_hosts = [\"known_hosts\"]\n\
             [hosts.web-1]\naddress = \"127.0.0.1\"\n[hosts.web-2]\naddress = \"127.0.0.2\"\n",
            host.user, host.port
        );
        sshd.record_everywhere();
        fs::write(sshd.path("inventory.toml"), inventory).expect("written");
        fs::create_dir(sshd.path("runbooks")).expect("a directory");
        fs::create_dir(sshd.path("tmp")).expect("a directory");
        Self { sshd, env: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.sshd.path(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file that is ours alone.
    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("written");
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).expect("a mode");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
        command.args(["-i", &self.shown("inventory.toml"), "--runbooks", &self.shown("runbooks")]).args(arguments);
        command.env("HOME", self.sshd.dir.path()).env("XDG_STATE_HOME", self.path("state")).env("TMPDIR", self.path("tmp"));
        command.env("RUNBOOK_LOG", "trace").env_remove("SSH_AUTH_SOCK").env_remove("RUNBOOK_STATE_DIR");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("runbook runs")
    }
}

fn both(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
