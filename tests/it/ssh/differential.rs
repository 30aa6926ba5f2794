//! Files with known host keys against the real `ssh`: what it refuses is refused here, and what is refused here alone is
//! refused for a reason that is written down.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use runbook::engine::world::World;
use runbook::model::host::Host;
use runbook::world::ssh::known_hosts::{HostFile, Known, LookupName};

use crate::harness::sshd::{Sshd, fleet, keygen};

/// How many files are written and judged.
const FILES: usize = 100;
/// How many at the same time.
const WIDTH: usize = 6;

/// Where we are stricter than OpenSSH, and why: `known-hosts` for a line that speaks of the host and cannot be read, which
/// it passes over; `host-key-revoked` for a key that is revoked under the address without its port, which it does not look
/// up where the port has a line of its own.
const STRICTER: [&str; 2] = ["known-hosts", "host-key-revoked"];

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        from[usize::try_from(self.0 % from.len() as u64).expect("small")]
    }
}

/// What files are made of.
struct Words {
    names: Vec<String>,
    keys: Vec<String>,
}

/// The name as OpenSSH hashes it.
fn hashed(dir: &Path, name: &str, key: &str) -> String {
    let path = dir.join("to-hash");
    fs::write(&path, format!("{name} {key}\n")).expect("written");
    let output = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&path).output().expect("ssh-keygen");
    assert!(output.status.success());
    fs::read_to_string(&path).expect("read").split(' ').next().expect("a name").to_owned()
}

fn words(sshd: &Sshd, dir: &Path) -> Words {
    let port = sshd.port;
    let right: Vec<String> = ["ed25519", "ecdsa"].map(|kind| sshd.host_key(kind)).to_vec();
    let own = |name: &str| fs::read_to_string(dir.join(name).with_extension("pub")).expect("a key").trim().to_owned();
    let wrong = [keygen(&dir.join("w1"), &[]), keygen(&dir.join("w2"), &["-t", "ecdsa", "-N", ""]), own("stranger-rsa")];
    let damaged = [right[0][..right[0].len() - 6].to_owned(), "ssh-ed25519 AAAA".to_owned(), "ssh-ed25519 =".to_owned()];
    let future = "ssh-future AAAACnNzaC1mdXR1cmUAAAAEAQIDBA==".to_owned();
    let cert = fs::read_to_string(dir.join("certified-cert.pub")).expect("a certificate").trim().to_owned();
    let keys = [right.clone(), vec![own("rsa"), own("certified"), own("authority"), own("authority")], wrong.to_vec()];
    let mut keys = [keys.concat(), right.clone(), vec![future, cert]].concat();
    keys.push(damaged[sshd.port as usize % damaged.len()].clone());
    let mut names: Vec<String> = [
        "127.0.0.1",
        "localhost",
        "web-1",
        "*",
        "127.*",
        "127.0.0.?",
        "LOCALHOST",
        "*,!127.0.0.1",
        "!localhost,*",
        "elsewhere",
        "elsewhere,127.0.0.1,localhost",
        "web-*",
        "x,,localhost",
        "!web-1",
        "|1|bad|bad",
    ]
    .map(str::to_owned)
    .to_vec();
    for name in ["127.0.0.1", "localhost", "*", "[*]"] {
        names.push(format!("[{}]:{port}", name.trim_matches(['[', ']'])));
    }
    names.push(format!("[127.0.0.1]:{port},[localhost]:{port}"));
    names.push("[127.0.0.1]:22".to_owned());
    names.push("[*]:*".to_owned());
    for name in [format!("[127.0.0.1]:{port}"), format!("[localhost]:{port}"), "127.0.0.1".to_owned(), "web-1".to_owned()] {
        names.push(hashed(dir, &name, &right[0]));
    }
    Words { names, keys }
}

fn file(dice: &mut Dice, words: &Words) -> String {
    let names: Vec<&str> = words.names.iter().map(String::as_str).collect();
    let keys: Vec<&str> = words.keys.iter().map(String::as_str).collect();
    let mut content = String::new();
    let lines = dice.pick(&[&1usize, &2, &3, &5]);
    for _ in 0..*lines {
        let front = dice.pick(&[
            "",
            "",
            "",
            "",
            "",
            "",
            "\t",
            "# ",
            "@revoked ",
            "@revoked\t",
            "@cert-authority ",
            "@cert-authority ",
            "@odd ",
        ]);
        let gap = dice.pick(&[" ", " ", " ", "\t", "  ", " \t"]);
        let end = dice.pick(&["\n", "\n", "\n", "\r\n", " a comment\n", "\t# x\n", "\n\n"]);
        content.push_str(&format!("{front}{}{gap}{}{end}", dice.pick(&names), dice.pick(&keys).replacen(' ', gap, 1)));
    }
    content
}

/// The types of keys that are asked for here, in order: both clients must be shown the same key.
fn asked(host: &Host, known_hosts: &Path) -> String {
    let file = Arc::new(HostFile::parse(known_hosts, &fs::read(known_hosts).expect("read")));
    let name = LookupName::new(&host.address, host.port, host.host_key_alias.as_deref());
    let known = Known::lookup(&[file], &name);
    let ecdsa = ["256", "384", "521"].map(|size| format!("ecdsa-sha2-nistp{size}"));
    let rsa = ["rsa-sha2-512", "rsa-sha2-256"].map(str::to_owned);
    let mut all = [vec!["ssh-ed25519".to_owned()], ecdsa.to_vec(), rsa.to_vec()].concat();
    let kinds = known.kinds();
    all.sort_by_key(|kind| !kinds.contains(&if kind.starts_with("rsa") { "ssh-rsa" } else { kind.as_str() }));
    let certificates: Vec<String> = all.iter().map(|kind| format!("{kind}-cert-v01@openssh.com")).collect();
    let certificates = if known.has_authority() { certificates } else { Vec::new() };
    [certificates, all].concat().join(",")
}

/// Whether the real client gets in, and what it says where not.
async fn real(host: &Host, known_hosts: &Path) -> Result<(), String> {
    let mut command = tokio::process::Command::new("ssh");
    let option = |name: &str, value: &dyn std::fmt::Display| format!("-o{name}={value}");
    command.args(["-F", "none", "-p", &host.port.to_string(), "-l", &host.user]);
    command.arg(option("UserKnownHostsFile", &known_hosts.display())).arg(option("GlobalKnownHostsFile", &"/dev/null"));
    command.arg(option("IdentityFile", &host.identity.as_ref().expect("a key").display())).arg("-oIdentitiesOnly=yes");
    command.args(["-oStrictHostKeyChecking=yes", "-oBatchMode=yes", "-oCheckHostIP=no", "-oAddressFamily=inet"]);
    command.args(["-oUpdateHostKeys=no", "-oIdentityAgent=none"]);
    command.arg(option("HostKeyAlgorithms", &asked(host, known_hosts)));
    if let Some(alias) = &host.host_key_alias {
        command.arg(option("HostKeyAlias", alias));
    }
    command.arg(&host.address).arg("true").stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await.expect("ssh");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(()),
        false if said.contains("Host key verification failed") || said.contains("is revoked") => Err(said),
        false => panic!("ssh failed for another reason: {said}"),
    }
}

struct Case {
    host: Host,
    content: String,
    theirs: Result<(), String>,
    ours: Result<(), String>,
}

async fn judged(host: Host, known_hosts: PathBuf) -> Case {
    let content = fs::read_to_string(&known_hosts).unwrap_or_default();
    let theirs = real(&host, &known_hosts).await;
    let ours = fleet().connect(&host).await.map(|_| ()).map_err(|fault| fault.finding.code);
    Case { host, content, theirs, ours }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_host_key_is_accepted_that_openssh_refuses() {
    let keys = tempfile::tempdir().expect("a directory");
    let at = |name: &str| keys.path().join(name);
    for name in ["rsa", "stranger-rsa"] {
        keygen(&at(name), &["-t", "rsa", "-b", "2048", "-N", ""]);
    }
    for name in ["authority", "certified"] {
        keygen(&at(name), &[]);
    }
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-I", "test", "-h", "-n", "127.0.0.1,web-1", "-V", "-1h:+1h", "-s"]).arg(at("authority"));
    assert!(sign.arg(at("certified.pub")).status().expect("ssh-keygen").success());
    let certificate = format!("HostKey {}\nHostCertificate {}", at("certified").display(), at("certified-cert.pub").display());
    let sshd = Arc::new(Sshd::with(&format!("HostKey {}\n{certificate}\n{}", at("rsa").display(), unpunished())));
    let words = words(&sshd, keys.path());
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let cases: Vec<_> = (0..FILES)
        .map(|index| {
            let path = at(&format!("known_hosts-{index}"));
            fs::write(&path, file(&mut dice, &words)).expect("written");
            let (address, alias) = *dice.pick(&[&("127.0.0.1", None), &("localhost", None), &("127.0.0.1", Some("web-1"))]);
            let host = Host {
                address: address.to_owned(),
                host_key_alias: alias.map(str::to_owned),
                known_hosts: vec![path.clone()],
                ..sshd.host()
            };
            judged(host, path)
        })
        .collect();
    let cases: Vec<Case> = stream::iter(cases).buffer_unordered(WIDTH).collect().await;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for Case { host, content, theirs, ours } in cases {
        let (address, alias) = (&host.address, &host.host_key_alias);
        let told = format!("{address} {alias:?}: ssh {theirs:?}, here {ours:?}, with\n{content}");
        assert!(theirs.is_ok() || ours.is_err(), "ssh refuses it: {told}");
        let word = match (theirs, ours) {
            (Ok(()), Err(code)) => {
                assert!(STRICTER.contains(&code.as_str()), "ssh accepts it: {told}");
                format!("refused here alone: {code}")
            }
            (Ok(()), Ok(())) => "accepted by both".to_owned(),
            (Err(_), ours) => format!("refused by both: {}", ours.expect_err("seen above")),
        };
        *counts.entry(word).or_default() += 1;
    }
    println!("{counts:#?}");
    // a generator that makes only one kind of file proves nothing
    for word in ["accepted by both", "refused by both: host-key-changed", "refused by both: host-key-revoked"] {
        assert!(counts.get(word).is_some_and(|count| *count > 2), "{word}: {counts:?}");
    }
}

/// What newer servers need to not shut out a client that leaves before it logs in, again and again.
fn unpunished() -> &'static str {
    let output = Command::new("ssh").arg("-V").output().expect("ssh");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = said.strip_prefix("OpenSSH_").and_then(|rest| rest.split(['p', ',', ' ']).next()).unwrap_or_default();
    let (major, minor) = version.split_once('.').unwrap_or(("0", "0"));
    let version: (u32, u32) = (major.parse().unwrap_or(0), minor.parse().unwrap_or(0));
    if version >= (9, 8) { "PerSourcePenalties no" } else { "" }
}
