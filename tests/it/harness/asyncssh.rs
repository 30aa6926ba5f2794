//! A server of asyncssh, for what neither OpenSSH nor the library in this process can be made to do; it ends with the
//! value.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running server.
pub(crate) struct Peer {
    pub(crate) port: u16,
    child: Child,
}

impl Peer {
    /// Starts one with that habit and those host keys.
    pub(crate) fn start(habit: &str, host_keys: &[PathBuf]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(root.join("target/tools/python/bin/python"))
            .arg(root.join("tests/it/harness/asyncssh_peer.py"))
            .arg(habit)
            .args(host_keys)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a python with asyncssh in target/tools/python, as .ci/run makes it");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("read");
        Self { port: line.trim().parse().expect("a port"), child }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
