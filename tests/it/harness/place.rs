//! A real OpenSSH server in a mount namespace of its own, so that a host can be made to be as odd as hosts are: another
//! `/bin/sh`, other login shells, a full disk, no `/proc`. Needs root: nothing here is skipped where it cannot be had.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use runbook::engine::world::{Connected, World};
use runbook::model::finding::Finding;
use runbook::model::host::Host;
use runbook::world::Fleet;
use runbook::world::ssh::session::SshSession;

use crate::harness::sshd::{fleet, free_port, host, keygen};

/// What is odd about a host.
#[derive(Debug, Clone, Default)]
pub(crate) struct Odd {
    /// The login shell of every user; default: `/bin/bash`.
    pub(crate) shell: Option<String>,
    /// The program that stands at `/bin/sh`.
    pub(crate) sh: Option<&'static str>,
    /// The environment that the server gives to sessions.
    pub(crate) env: BTreeMap<String, String>,
    /// Shell text that is run in the namespace before the server starts; `$DIR` is the place's directory.
    pub(crate) before: String,
    /// Further lines of the server's configuration.
    pub(crate) config: String,
    /// Files in the home directory: name and text.
    pub(crate) home: Vec<(&'static str, String)>,
}

/// A running server; it ends with the value, and its mounts with it.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    port: u16,
    child: Child,
}

/// A user of every place, besides root.
pub(crate) const APP: u32 = 4242;

impl Odd {
    pub(crate) fn shell(mut self, shell: &str) -> Self {
        self.shell = Some(shell.to_owned());
        self
    }

    pub(crate) fn sh(mut self, sh: &'static str) -> Self {
        self.sh = Some(sh);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn before(mut self, text: &str) -> Self {
        self.before.push_str(text);
        self.before.push('\n');
        self
    }

    pub(crate) fn home(mut self, name: &'static str, text: &str) -> Self {
        self.home.push((name, text.to_owned()));
        self
    }

    pub(crate) fn start(self) -> Place {
        Place::start(&self)
    }
}

impl Place {
    fn start(odd: &Odd) -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test needs root: it mounts things in a namespace of its own");
        let dir = tempfile::tempdir().expect("a directory");
        let at = |name: &str| dir.path().join(name);
        mode(dir.path(), 0o755);
        keygen(&at("host_ed25519"), &[]);
        let user = keygen(&at("user"), &[]);
        fs::write(at("authorized_keys"), user + "\n").expect("written");
        mode(&at("authorized_keys"), 0o644);
        fs::create_dir_all("/run/sshd").expect("a directory");
        fs::create_dir_all(at("bin")).expect("a directory");
        // what is mounted over /bin/sh covers the file that it is a link to
        fs::copy("/bin/dash", at("bin/dash")).expect("copied");
        std::os::unix::fs::symlink("/bin/busybox", at("bin/ash")).expect("linked");
        let (root, app) = (at("home"), at("app"));
        for home in [&root, &app] {
            fs::create_dir_all(home).expect("a directory");
            for (name, text) in &odd.home {
                let path = home.join(name);
                fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
                fs::write(path, text).expect("written");
            }
        }
        run("chown", &["-R", &APP.to_string(), app.to_str().expect("utf-8")]);
        let shell =
            odd.shell.clone().unwrap_or_else(|| "/bin/bash".to_owned()).replace("$DIR", &dir.path().display().to_string());
        fs::write(at("passwd"), passwd(&root, &app, &shell)).expect("written");
        for _ in 0..5 {
            let port = free_port();
            let child = launch(dir.path(), port, odd);
            let answered = answers(child, port);
            assert!(answered.is_some() || log(dir.path()).contains("in use"), "it does not start: {}", log(dir.path()));
            if let Some(child) = answered {
                let known = fs::read_to_string(at("host_ed25519.pub")).expect("a key");
                fs::write(at("known_hosts"), format!("[127.0.0.1]:{port} {known}")).expect("written");
                return Self { dir, port, child };
            }
        }
        panic!("sshd does not start: {}", log(dir.path()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The host, as root or as `app`.
    pub(crate) fn host(&self, user: &str) -> Host {
        Host { user: user.to_owned(), ..host(self.port, &self.path("user"), &self.path("known_hosts")) }
    }

    pub(crate) async fn join(&self) -> (SshSession, Connected) {
        self.join_as(&fleet(), "root").await
    }

    pub(crate) async fn join_as(&self, fleet: &Fleet, user: &str) -> (SshSession, Connected) {
        match fleet.connect(&self.host(user)).await {
            Ok(joined) => joined,
            Err(fault) => panic!("{fault:?}\n{}", self.log()),
        }
    }

    /// Why there is no session.
    pub(crate) async fn refused(&self, fleet: &Fleet) -> Finding {
        match fleet.connect(&self.host("root")).await {
            Ok(_) => panic!("it is connected"),
            Err(fault) => fault.finding,
        }
    }

    pub(crate) fn log(&self) -> String {
        log(self.dir.path())
    }
}

fn log(dir: &Path) -> String {
    fs::read_to_string(dir.join("log")).unwrap_or_default()
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect("it runs");
    assert!(status.success(), "{program} {arguments:?}: {status}");
}

fn passwd(root: &Path, app: &Path, shell: &str) -> String {
    let others = fs::read_to_string("/etc/passwd").expect("users");
    let others: String = others.lines().filter(|line| !line.starts_with("root:")).map(|line| format!("{line}\n")).collect();
    format!("root:*:0:0:root:{}:{shell}\napp:*:{APP}:{APP}::{}:{shell}\n{others}", root.display(), app.display())
}

fn launch(dir: &Path, port: u16, odd: &Odd) -> Child {
    let at = |name: &str| dir.join(name).display().to_string();
    let quoted = |(name, value): (&String, &String)| {
        let value = value.replace("$DIR", &dir.display().to_string());
        format!(" \"{name}={}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    };
    let env: String = odd.env.iter().map(quoted).collect();
    let env = if env.is_empty() { env } else { format!("SetEnv{env}\n") };
    let config = format!(
        "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nMaxStartups 200:30:300\n\
         PrintMotd no\nPrintLastLog no\n{env}{}\n",
        at("host_ed25519"),
        at("authorized_keys"),
        odd.config,
    );
    fs::write(dir.join("sshd_config"), config).expect("written");
    let sh = odd.sh.map(|sh| format!("mount --bind {sh} /bin/sh\n")).unwrap_or_default();
    let text = format!(
        "set -e\nmount --bind \"$DIR/passwd\" /etc/passwd\n{}\n{sh}exec /usr/sbin/sshd -D -e -f \"$DIR/sshd_config\"\n",
        odd.before
    );
    let log = fs::File::create(dir.join("log")).expect("a file");
    Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", &text])
        .env("DIR", dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a file"))
        .stderr(log)
        .process_group(0)
        .spawn()
        .expect("unshare runs")
}

fn answers(mut child: Child, port: u16) -> Option<Child> {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until && child.try_wait().is_ok_and(|ended| ended.is_none()) {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
