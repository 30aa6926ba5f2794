//! One sshd of our own, and inventories that call it by many names.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// An sshd on a free loopback port; it ends with the value.
pub(crate) struct Sshd {
    dir: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Sshd {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        for key in ["host", "user"] {
            let path = at(key);
            let path = path.to_str().expect("utf-8");
            run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path]);
        }
        fs::copy(at("user.pub"), at("authorized_keys")).expect("copied");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let key = fs::read_to_string(at("host.pub")).expect("a key");
        fs::write(at("known_hosts"), format!("[127.0.*]:{port} {key}")).expect("written");
        // where sshd separates privileges; packages create it at boot, containers have no boot
        let _ = fs::create_dir_all("/run/sshd");
        let config = format!(
            "ListenAddress 0.0.0.0:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 2000\n\
             MaxSessions 100\nUseDNS no\nPrintMotd no\nLogLevel ERROR\n",
            at("host").display(),
            at("authorized_keys").display(),
        );
        fs::write(at("sshd_config"), config).expect("written");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f"])
            .arg(at("sshd_config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssh-server is installed");
        let sshd = Self { dir, port, child };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "sshd does not start");
            thread::sleep(Duration::from_millis(20));
        }
        sshd
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A directory with an inventory of so many hosts, all of them this sshd.
    pub(crate) fn fleet(&self, hosts: usize) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        let user = run("id", &["-un"]);
        let (key, known) = (self.path("user"), self.path("known_hosts"));
        let mut text = format!(
            "[defaults]\nuser = \"{}\"\nport = {}\nidentity = \"{}\"\nknown_hosts = [\"{}\"]\n",
            user.trim(),
            self.port,
            key.display(),
            known.display()
        );
        for n in 1..=hosts {
            text.push_str(&format!("[hosts.web-{n:04}]\naddress = \"127.0.{}.{}\"\n", n / 250, n % 250 + 1));
        }
        write(&dir.path().join("inventory.toml"), &text);
        dir
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("written");
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("it runs");
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8(output.stdout).expect("utf-8")
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
