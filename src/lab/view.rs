//! What a host sees of the file system: a small root of its own, the machine's `/usr` read-only, its home from disk.
//! Built by the host's first process in its own mount namespace; nothing of it ever shows in the machine's mounts.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use rustix::process::{chdir, pivot_root};

use crate::lab::error::{Doing, LabError};
use crate::lab::facts::name;
use crate::lab::files::put;
use crate::lab::keys::HOST_KEY;
use crate::lab::label::source;
use crate::lab::order::{FleetSpec, HostSpec};

/// PATH on a host, for login shells and others.
pub(crate) const PATH: &str = "/opt/pm2/bin:/opt/node/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
app:x:1001:1001:app:/home/app:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
";
const GROUP: &str = "root:x:0:\ntty:x:5:\napp:x:1001:\nnogroup:x:65534:\n";
// `*` is no password; `!` would lock the account for keys too
const SHADOW: &str =
    "root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\napp:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n";
const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n";
const SSHD_CONFIG: &str = "Port 22
AddressFamily inet
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile /run/sshd.pid
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile .ssh/authorized_keys
PermitRootLogin no
UseDNS no
PrintMotd no
MaxStartups 100:30:200
AcceptEnv LANG LC_* RUNBOOK_*
Subsystem sftp internal-sftp
";
const COPIED: [&str; 10] = [
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "bash.bashrc",
    "login.defs",
    "shells",
    "services",
    "protocols",
    "localtime",
];

/// Builds it and moves in. Afterwards the machine's file system is out of reach.
pub(crate) fn build(spec: &HostSpec) -> Result<(), LabError> {
    let fleet = &spec.fleet;
    let name = name(spec.number);
    let root = fleet.dir.join("mnt").join(&name);
    make(&root)?;
    tmpfs(&root, &source(&fleet.id, Some(&name)), "size=256m,mode=755")?;
    for dir in
        ["usr", "etc", "proc", "sys", "dev", "tmp", "run", "home", "opt/pm2", "opt/node", "var/tmp", "var/log", "root", "old"]
    {
        make(&root.join(dir))?;
    }
    programs(&root, fleet)?;
    let home = fleet.dir.join("hosts").join(&name).join("home");
    mount_bind(&home, root.join("home")).doing(|| format!("bind {}", home.display()))?;
    etc(&root, spec)?;
    kernel(&root)?;
    devices(&root)?;
    chdir(&root).doing(|| "enter the new root".to_owned())?;
    pivot_root(".", "old").doing(|| "change the root".to_owned())?;
    unmount("/old", UnmountFlags::DETACH).doing(|| "leave the old root".to_owned())?;
    fs::remove_dir("/old").doing(|| "remove the old root's place".to_owned())?;
    chdir("/").doing(|| "enter the root".to_owned())?;
    own_boot_id()
}

fn programs(root: &Path, fleet: &FleetSpec) -> Result<(), LabError> {
    read_only(Path::new("/usr"), &root.join("usr"))?;
    // the machine's own layout: links where /usr is merged, folders where it is not
    for dir in ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix"] {
        let (from, to) = (Path::new("/").join(dir), root.join(dir));
        if let Ok(link) = fs::read_link(&from) {
            symlink(&link, &to).doing(|| format!("link {}", to.display()))?;
        } else if from.is_dir() {
            make(&to)?;
            read_only(&from, &to)?;
        }
    }
    read_only(&fleet.tools.pm2, &root.join("opt/pm2"))?;
    match &fleet.tools.node {
        Some(prefix) => read_only(prefix, &root.join("opt/node")),
        None => Ok(()),
    }
}

fn etc(root: &Path, spec: &HostSpec) -> Result<(), LabError> {
    let etc = root.join("etc");
    for file in COPIED {
        copy(&Path::new("/etc").join(file), &etc.join(file))?;
    }
    let own = name(spec.number);
    let mut hosts = String::from("127.0.0.1 localhost\n");
    for number in 1..=spec.hosts.max(spec.number) {
        let _ = writeln!(hosts, "{} {}", spec.fleet.network.inside(number), name(number));
    }
    put(&etc.join("passwd"), PASSWD, 0o644)?;
    put(&etc.join("group"), GROUP, 0o644)?;
    put(&etc.join("shadow"), SHADOW, 0o600)?;
    put(&etc.join("nsswitch.conf"), NSSWITCH, 0o644)?;
    put(&etc.join("resolv.conf"), "", 0o644)?;
    put(&etc.join("hosts"), &hosts, 0o644)?;
    put(&etc.join("hostname"), &format!("{own}\n"), 0o644)?;
    put(&etc.join("machine-id"), &format!("{:0<28}{:04x}\n", spec.fleet.id, spec.number), 0o444)?;
    put(&etc.join("profile"), &format!("export PATH={PATH}\nexport LANG=C.UTF-8\n"), 0o644)?;
    symlink("../proc/self/mounts", etc.join("mtab")).doing(|| "link /etc/mtab".to_owned())?;
    symlink("../usr/lib/os-release", etc.join("os-release")).doing(|| "link /etc/os-release".to_owned())?;
    put(&etc.join("ssh/sshd_config"), &format!("{SSHD_CONFIG}SetEnv PATH={PATH} LANG=C.UTF-8\n"), 0o644)?;
    let kept = spec.fleet.dir.join("hosts").join(&own).join(HOST_KEY);
    let key = fs::read_to_string(&kept).doing(|| format!("read {}", kept.display()))?;
    put(&etc.join("ssh").join(HOST_KEY), &key, 0o600)
}

fn kernel(root: &Path) -> Result<(), LabError> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", root.join("proc"), "proc", flags, None).doing(|| "mount /proc".to_owned())?;
    mount("sysfs", root.join("sys"), "sysfs", flags | MountFlags::RDONLY, None).doing(|| "mount /sys".to_owned())?;
    tmpfs(&root.join("run"), "run", "size=8m,mode=755")?;
    let sshd = root.join("run/sshd");
    make(&sshd)?;
    fs::set_permissions(&sshd, fs::Permissions::from_mode(0o755)).doing(|| "set the mode of /run/sshd".to_owned())?;
    tmpfs(&root.join("tmp"), "tmp", "size=256m,mode=1777")?;
    fs::set_permissions(root.join("var/tmp"), fs::Permissions::from_mode(0o1777)).doing(|| "open /var/tmp".to_owned())
}

fn devices(root: &Path) -> Result<(), LabError> {
    let dev = root.join("dev");
    tmpfs(&dev, "dev", "size=64k,mode=755")?;
    for node in ["null", "zero", "full", "random", "urandom", "tty"] {
        let (from, to) = (Path::new("/dev").join(node), dev.join(node));
        fs::write(&to, "").doing(|| format!("make {}", to.display()))?;
        mount_bind(&from, &to).doing(|| format!("bind {}", from.display()))?;
    }
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, dev.join(link)).doing(|| format!("link /dev/{link}"))?;
    }
    make(&dev.join("pts"))?;
    make(&dev.join("shm"))?;
    let data = text("newinstance,ptmxmode=0666,mode=0620,gid=5")?;
    mount("devpts", dev.join("pts"), "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, data.as_c_str())
        .doing(|| "mount /dev/pts".to_owned())?;
    tmpfs(&dev.join("shm"), "shm", "size=16m,mode=1777")
}

/// A boot id of its own, new at each start, so that a reboot can be seen as on a real machine.
fn own_boot_id() -> Result<(), LabError> {
    let doing = || "give the host its boot id".to_owned();
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").doing(doing)?;
    put(Path::new("/run/boot_id"), &id, 0o444)?;
    mount_bind("/run/boot_id", "/proc/sys/kernel/random/boot_id").doing(doing)
}

/// A bind that cannot be written through: in two steps, because the kernel ignores the flag in the first.
fn read_only(from: &Path, to: &Path) -> Result<(), LabError> {
    mount_bind(from, to).doing(|| format!("bind {}", from.display()))?;
    mount_remount(to, MountFlags::BIND | MountFlags::RDONLY, "").doing(|| format!("make {} read-only", to.display()))
}

fn tmpfs(at: &Path, label: &str, options: &str) -> Result<(), LabError> {
    mount(label, at, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, text(options)?.as_c_str())
        .doing(|| format!("mount {}", at.display()))
}

/// Marks a mount namespace as the lab's.
pub(crate) fn mark(at: &Path, id: &str) -> Result<(), LabError> {
    tmpfs(at, &source(id, None), "size=1m,mode=755")
}

fn text(options: &str) -> Result<CString, LabError> {
    CString::new(options).map_err(std::io::Error::from).doing(|| format!("write mount options {options}"))
}

fn make(dir: &Path) -> Result<(), LabError> {
    fs::create_dir_all(dir).doing(|| format!("make {}", dir.display()))
}

/// Copies what is there; links stay links.
fn copy(from: &Path, to: &Path) -> Result<(), LabError> {
    let doing = || format!("copy {}", from.display());
    let Ok(found) = fs::symlink_metadata(from) else { return Ok(()) };
    if found.is_symlink() {
        return symlink(fs::read_link(from).doing(doing)?, to).doing(doing);
    }
    if found.is_dir() {
        make(to)?;
        for entry in fs::read_dir(from).doing(doing)? {
            let entry = entry.doing(doing)?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    fs::copy(from, to).doing(doing)?;
    Ok(())
}
