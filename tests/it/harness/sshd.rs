//! A real OpenSSH server on a free loopback port, with keys and files of its own; it ends with the value.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use runbook::model::host::Host;
use runbook::model::id::HostName;
use runbook::world::timeouts::Timeouts;
use runbook::world::{Fleet, FleetOptions};

/// A running sshd.
pub(crate) struct Sshd {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) port: u16,
    child: Child,
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("utf-8")
}

/// Makes a key pair and returns the line of its public key, without the comment.
pub(crate) fn keygen(path: &Path, arguments: &[&str]) -> String {
    let mut all = vec!["-q", "-C", "", "-f", path.to_str().expect("utf-8")];
    all.extend(if arguments.is_empty() { &["-t", "ed25519", "-N", ""] } else { arguments });
    run("ssh-keygen", &all);
    public(path)
}

fn public(path: &Path) -> String {
    fs::read_to_string(path.with_extension("pub")).expect("a public key").trim().to_owned()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// Deadlines that a busy machine keeps as well; a test that waits for one shortens that one.
pub(crate) fn timeouts() -> Timeouts {
    Timeouts { banner: Duration::from_secs(10), ..Timeouts::default() }
}

/// A world that knows nothing of the user who runs the tests.
pub(crate) fn fleet() -> Fleet {
    fleet_with(timeouts())
}

pub(crate) fn fleet_with(timeouts: Timeouts) -> Fleet {
    Fleet::new(FleetOptions { timeouts, handshakes: 50, home: None, agent: None, system_known_hosts: Vec::new() })
}

impl Sshd {
    pub(crate) fn start() -> Self {
        Self::with("")
    }

    /// Starts it with further lines of configuration.
    pub(crate) fn with(extra: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        keygen(&at("host_ed25519"), &[]);
        keygen(&at("host_ecdsa"), &["-t", "ecdsa", "-N", ""]);
        let user = keygen(&at("user"), &[]);
        fs::write(at("authorized_keys"), user + "\n").expect("written");
        if run("id", &["-u"]).trim() == "0" {
            // where sshd separates privileges; packages create it at boot, containers have no boot
            fs::create_dir_all("/run/sshd").expect("a directory");
            fs::set_permissions("/run/sshd", fs::Permissions::from_mode(0o755)).expect("a mode");
        }
        for _ in 0..5 {
            if let Some((port, child)) = launch(dir.path(), extra) {
                let sshd = Self { dir, port, child };
                sshd.record(&format!("[127.0.0.1]:{port} {}", sshd.host_key("ed25519")));
                return sshd;
            }
        }
        panic!("sshd does not start: {}", fs::read_to_string(dir.path().join("log")).unwrap_or_default());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The public key of that type.
    pub(crate) fn host_key(&self, kind: &str) -> String {
        public(&self.path(&format!("host_{kind}")))
    }

    /// Records its key for every address that it listens on: hosts of one inventory have one each.
    pub(crate) fn record_everywhere(&self) {
        self.record(&format!("[127.0.0.*]:{} {}", self.port, self.host_key("ed25519")));
    }

    /// Replaces what is known of hosts.
    pub(crate) fn record(&self, known_hosts: &str) {
        fs::write(self.path("known_hosts"), format!("{known_hosts}\n")).expect("written");
    }

    /// The host as an inventory would name it.
    pub(crate) fn host(&self) -> Host {
        host(self.port, &self.path("user"), &self.path("known_hosts"))
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }
}

/// A host on loopback.
pub(crate) fn host(port: u16, identity: &Path, known_hosts: &Path) -> Host {
    Host {
        name: HostName::parse("web-1").expect("a name"),
        address: "127.0.0.1".to_owned(),
        port,
        user: run("id", &["-un"]).trim().to_owned(),
        identity: Some(identity.to_owned()),
        known_hosts: vec![known_hosts.to_owned()],
        host_key_alias: None,
        instance_id: None,
        tags: Vec::new(),
        groups: Vec::new(),
        protected: false,
        vars: std::collections::BTreeMap::new(),
    }
}

fn launch(dir: &Path, extra: &str) -> Option<(u16, Child)> {
    let port = free_port();
    let at = |name: &str| dir.join(name).display().to_string();
    let config = format!(
        "ListenAddress 127.0.0.1:{port}\nListenAddress 127.0.0.2:{port}\nListenAddress 127.0.0.3:{port}\nHostKey {}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
         StrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 200:30:300\nPrintMotd no\n{extra}\n",
        at("host_ed25519"),
        at("host_ecdsa"),
        at("authorized_keys"),
    );
    fs::write(dir.join("sshd_config"), config).expect("written");
    let log = fs::File::create(dir.join("log")).expect("a file");
    let program = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
    let mut child = Command::new(program.expect("openssh-server is installed"))
        .args(["-D", "-e", "-f", &at("sshd_config")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()
        .expect("sshd runs");
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until && child.try_wait().is_ok_and(|ended| ended.is_none()) {
        if greets(port) {
            return Some((port, child));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn greets(port: u16) -> bool {
    let Ok(mut tcp) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    tcp.set_read_timeout(Some(Duration::from_secs(2))).expect("a timeout");
    let mut banner = [0; 4];
    let greeted = tcp.read_exact(&mut banner).is_ok() && &banner == b"SSH-";
    // a word of goodbye keeps the server from waiting for ours
    let _ = tcp.write_all(b"bye\r\n");
    greeted
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
