//! The programs a host needs: sshd, node, PM2. Found on this machine, or installed where that can be done.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::lab::error::{Doing, LabError};
use crate::lab::order::Tools;
use crate::lab::place::{Place, lock_file};

const PM2_PACKAGE: &str = include_str!("../../lab/pm2/package.json");
const PM2_LOCK: &str = include_str!("../../lab/pm2/package-lock.json");
const PM2_VERSION: &str = "7.0.4";
const OLDEST_NODE: u32 = 20;

/// Finds or installs everything. `say` hears of what takes time.
pub(crate) fn prepare(place: &Place, shared_pm2: Option<&Path>, say: &mut dyn FnMut(&str)) -> Result<Tools, LabError> {
    require("ssh-keygen", "it makes the lab's keys", "apt-get install openssh-client")?;
    let sshd = sshd(say)?;
    let node = node(place, say)?;
    let pm2 = shared_pm2.map_or_else(|| place.path("pm2"), Path::to_path_buf);
    install_pm2(&pm2, &node, say)?;
    let pm2 = pm2.canonicalize().doing(|| format!("find {}", pm2.display()))?;
    let prefix = node.parent().and_then(Path::parent).filter(|prefix| !prefix.starts_with("/usr")).map(Path::to_path_buf);
    Ok(Tools { sshd, node: prefix, pm2 })
}

/// A program in PATH or where the system keeps its own.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];
    env::split_paths(&path)
        .chain(system.iter().map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}

/// The same, when there is no doing without.
pub(crate) fn require(program: &str, wanted: &'static str, hint: &'static str) -> Result<PathBuf, LabError> {
    find(program).ok_or_else(|| LabError::Missing { program: program.to_owned(), wanted, hint })
}

fn sshd(say: &mut dyn FnMut(&str)) -> Result<PathBuf, LabError> {
    if let Some(sshd) = find("sshd") {
        return Ok(sshd);
    }
    if rustix::process::geteuid().is_root() && find("apt-get").is_some() {
        say("openssh-server is missing: installing it with apt-get");
        let mut apt = Command::new("apt-get");
        apt.args(["install", "-y", "--no-install-recommends", "openssh-server"]).env("DEBIAN_FRONTEND", "noninteractive");
        run(apt, "apt-get install openssh-server")?;
    }
    require("sshd", "each host of the lab runs it", "apt-get install openssh-server")
}

/// Node, not older than PM2 and the service want it; resolved to the file itself.
fn node(place: &Place, say: &mut dyn FnMut(&str)) -> Result<PathBuf, LabError> {
    let own = place.path("node/node_modules/node/bin/node");
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    for candidate in find("node").into_iter().map(real).chain([own.clone()]) {
        if node_version(&candidate).is_some_and(|major| major >= OLDEST_NODE) {
            return Ok(candidate);
        }
    }
    require("npm", "there is no node 20 or newer, and npm would fetch one", "install Node 20 or newer from nodejs.org")?;
    say("node 20 is missing: installing it into the lab's folder with npm");
    let dir = place.path("node");
    fs::create_dir_all(&dir).doing(|| format!("make {}", dir.display()))?;
    let mut npm = tied("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&dir).arg("node@20");
    run(npm, "npm install node@20")?;
    match node_version(&own) {
        Some(major) if major >= OLDEST_NODE => Ok(own),
        _ => Err(LabError::Missing {
            program: "node".to_owned(),
            wanted: "version 20 or newer runs PM2 and the sample service",
            hint: "install Node 20 or newer from nodejs.org",
        }),
    }
}

fn node_version(node: &Path) -> Option<u32> {
    let out = Command::new(node).arg("--version").stdin(Stdio::null()).output().ok()?;
    String::from_utf8(out.stdout).ok()?.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// PM2 in a folder, whole or not at all: it is made beside and moved.
fn install_pm2(dir: &Path, node: &Path, say: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    if has_pm2(dir) {
        return Ok(());
    }
    let parent = dir.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).doing(|| format!("make {}", parent.display()))?;
    let _lock = lock_file(&dir.with_extension("lock"))?;
    if has_pm2(dir) {
        return Ok(());
    }
    require("npm", "it installs PM2 for the lab's hosts", "install Node 20 or newer with npm from nodejs.org")?;
    say(&format!("installing pm2 {PM2_VERSION} into {}", dir.display()));
    let new = dir.with_extension("new");
    for old in [new.as_path(), dir] {
        if old.exists() {
            fs::remove_dir_all(old).doing(|| format!("remove {}", old.display()))?;
        }
    }
    let doing = || format!("make {}", new.display());
    fs::create_dir_all(new.join("bin")).doing(doing)?;
    fs::write(new.join("package.json"), PM2_PACKAGE).doing(doing)?;
    fs::write(new.join("package-lock.json"), PM2_LOCK).doing(doing)?;
    let mut npm = tied("npm");
    npm.args(["ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&new);
    if let Some(bin) = node.parent() {
        let path = env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(bin.to_path_buf()).chain(env::split_paths(&path));
        npm.env("PATH", env::join_paths(all).unwrap_or(path.clone()));
    }
    run(npm, "npm ci for pm2")?;
    symlink("../node_modules/pm2/bin/pm2", new.join("bin/pm2")).doing(doing)?;
    fs::rename(&new, dir).doing(|| format!("move PM2 to {}", dir.display()))
}

fn has_pm2(dir: &Path) -> bool {
    let version = |text: String| {
        let package: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(package.get("version")?.as_str()? == PM2_VERSION)
    };
    dir.join("bin/pm2").exists()
        && fs::read_to_string(dir.join("node_modules/pm2/package.json")).ok().and_then(version) == Some(true)
}

/// A program that ends when we do, however we end.
fn tied(program: &str) -> Command {
    if find("setpriv").is_none() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

fn run(mut command: Command, doing: &str) -> Result<(), LabError> {
    let out = command.stdin(Stdio::null()).output().doing(|| format!("run {doing}"))?;
    if out.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&out.stderr);
    let mut last: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    last.reverse();
    Err(LabError::Program { doing: doing.to_owned(), said: last.join("; ") })
}
