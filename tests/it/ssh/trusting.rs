//! Who a host is: what is said of keys that are not to be trusted, of files that cannot be relied on, and of certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use runbook::engine::world::World;
use runbook::model::finding::Finding;
use runbook::model::host::Host;

use crate::harness::asyncssh::Peer;
use crate::harness::sshd::{Sshd, fleet, host, keygen};
use crate::ssh::class;

async fn fault(host: &Host) -> Finding {
    fleet().connect(host).await.err().expect("a fault").finding
}

/// `SHA256:…`, as OpenSSH says it.
fn fingerprint(sshd: &Sshd, key: &str) -> String {
    fs::write(sshd.path("one"), key).expect("written");
    let output = Command::new("ssh-keygen").arg("-lf").arg(sshd.path("one")).output().expect("ssh-keygen");
    let text = String::from_utf8(output.stdout).expect("utf-8");
    text.split(' ').nth(1).expect("a fingerprint").to_owned()
}

#[tokio::test]
async fn an_unknown_key_is_told_with_the_line_that_would_record_it() {
    let sshd = Sshd::start();
    sshd.record("elsewhere nonsense");
    let own = sshd.host_key("ed25519");
    let fault = fault(&sshd.host()).await;
    assert_eq!(fault.code, "host-key-unknown");
    assert!(fault.summary.contains(&format!("ssh-ed25519 {}", fingerprint(&sshd, &own))), "{}", fault.summary);
    let line = format!("[127.0.0.1]:{} {own}", sshd.port);
    assert_eq!(fault.evidence[0], format!("the line would be: {line}"));
    let kh = sshd.path("known_hosts");
    assert_eq!(fault.evidence[1], format!("not read: {}:1: its key is not of the type it says", kh.display()));
    assert!(fault.hint.is_some_and(|hint| hint.contains("console") && hint.contains("known_hosts")));
    sshd.record(&line);
    assert_eq!(class(&sshd).await, "connected");
}

#[tokio::test]
async fn a_changed_key_is_told_with_both_fingerprints_and_the_place() {
    let sshd = Sshd::start();
    let (own, name) = (sshd.host_key("ed25519"), format!("[127.0.0.1]:{}", sshd.port));
    let rsa = keygen(&sshd.path("rsa"), &["-t", "rsa", "-b", "2048", "-N", ""]);
    let other = keygen(&sshd.path("other"), &[]);
    // a key of another type than the recorded one has changed as well
    for recorded in [other, rsa] {
        sshd.record(&format!("# mine\n{name} {recorded}"));
        let fault = fault(&sshd.host()).await;
        assert_eq!(fault.code, "host-key-changed");
        let kind = recorded.split(' ').next().expect("a type");
        let place = format!("{}:2 {kind} {}", sshd.path("known_hosts").display(), fingerprint(&sshd, &recorded));
        assert_eq!(fault.evidence[0], format!("expected at {place}"));
        assert!(fault.evidence[1].starts_with("offered "), "{:?}", fault.evidence);
        if kind == "ssh-ed25519" {
            assert_eq!(fault.evidence[1], format!("offered ssh-ed25519 {}", fingerprint(&sshd, &own)));
        }
        let hint = fault.hint.expect("a hint");
        assert!(hint.contains("machine-in-the-middle") && hint.contains("re-created instance"), "{hint}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_however_it_is_written() {
    let sshd = Sshd::start();
    let (own, name) = (sshd.host_key("ed25519"), format!("[127.0.0.1]:{}", sshd.port));
    let plain = format!("{name} {own}");
    sshd.record(&format!("{name} {own}"));
    let hashing = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(sshd.path("known_hosts")).output();
    assert!(hashing.expect("ssh-keygen").status.success());
    let hashed = fs::read_to_string(sshd.path("known_hosts")).expect("read");
    for revoked in [plain.as_str(), hashed.trim(), &format!("* {own}"), &format!("!x,127.* {own}"), &format!("[127*:* {own}")] {
        for known_hosts in [format!("{plain}\n@revoked {revoked}"), format!("@revoked\t{revoked}\n{plain}")] {
            sshd.record(&known_hosts);
            assert_eq!(class(&sshd).await, "host-key-revoked", "{known_hosts}");
        }
    }
    // one that cannot be read may be about this host
    sshd.record(&format!("{plain}\n@revoked |1|bad|bad {own}"));
    assert_eq!(class(&sshd).await, "known-hosts");
}

#[tokio::test]
async fn files_that_cannot_be_relied_on_are_refused_by_name() {
    let sshd = Sshd::start();
    let path = sshd.path("known_hosts");
    let good = fs::read_to_string(&path).expect("read");
    let shown = path.display().to_string();
    let refused = async |why: &str| {
        let fault = fault(&sshd.host()).await;
        assert_eq!(fault.code, "known-hosts", "{}", fault.summary);
        assert!(fault.summary.contains(&shown) && fault.summary.contains(why), "{}", fault.summary);
    };
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("a mode");
    refused("every user can write to it (mode 0666)").await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).expect("a mode");
    assert_eq!(class(&sshd).await, "connected");

    fs::write(&path, format!("{good}# one\n127.* ssh-ed25519 AAAA\n")).expect("written");
    refused(":3: its key is not of the type it says").await;
    fs::write(&path, format!("{good}elsewhere ssh-ed25519 AAAA\n")).expect("written");
    assert_eq!(class(&sshd).await, "connected");

    let large = format!("{good}{}", "# nothing at all\n".repeat(1_000_000));
    fs::write(&path, large).expect("written");
    refused("it is larger than 16384 KiB").await;
    fs::remove_file(&path).expect("removed");
    refused("there is no such file").await;
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).expect("a pipe");
    refused("it is no regular file").await;
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("a directory");
    refused("it is a directory").await;
}

/// An sshd that shows a certificate for a key of its own, by an authority of its own.
struct Certified {
    sshd: Sshd,
    keys: tempfile::TempDir,
}

impl Certified {
    /// `arguments` are those of `ssh-keygen -s`, which signs.
    fn start(kind: &[&str], arguments: &[&str]) -> Self {
        let keys = tempfile::tempdir().expect("a directory");
        let at = |name: &str| keys.path().join(name);
        keygen(&at("authority"), &[]);
        keygen(&at("certified"), kind);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-I", "test"]).args(arguments).arg("-s").arg(at("authority")).arg(at("certified.pub"));
        assert!(command.status().expect("ssh-keygen").success(), "{arguments:?}");
        let (key, cert) = (at("certified"), at("certified-cert.pub"));
        let sshd = Sshd::with(&format!("HostKey {}\nHostCertificate {}", key.display(), cert.display()));
        sshd.record(&format!("@cert-authority * {}", public(&at("authority.pub"))));
        Self { sshd, keys }
    }

    fn key(&self, name: &str) -> String {
        public(&self.keys.path().join(name).with_extension("pub"))
    }
}

fn public(path: &std::path::Path) -> String {
    fs::read_to_string(path).expect("a public key").trim().to_owned()
}

#[tokio::test]
async fn a_certificate_of_a_recorded_authority_is_trusted() {
    for kind in [&[][..], &["-t", "rsa", "-b", "2048", "-N", ""], &["-t", "ecdsa", "-b", "384", "-N", ""]] {
        let certified = Certified::start(kind, &["-h", "-n", "127.0.0.1,web", "-V", "-1h:+1h"]);
        let (_session, connected) = fleet().connect(&certified.sshd.host()).await.map_err(|f| f.finding).expect("trusted");
        assert!(connected.key_type.ends_with("-cert-v01@openssh.com"), "{}", connected.key_type);
        let mut alias = certified.sshd.host();
        alias.host_key_alias = Some("web".to_owned());
        assert!(fleet().connect(&alias).await.is_ok());
        alias.host_key_alias = Some("web-2".to_owned());
        assert_eq!(fault(&alias).await.code, "host-cert-principal");
    }
}

#[tokio::test]
async fn a_certificate_that_fails_a_check_is_refused_by_its_name() {
    for (arguments, want) in [
        (&["-h", "-n", "127.0.0.1", "-V", "-2h:-1h"][..], "host-cert-expired"),
        (&["-h", "-n", "127.0.0.1", "-V", "+1h:+2h"], "host-cert-not-yet"),
        (&["-h", "-n", "10.0.0.1,*", "-V", "-1h:+1h"], "host-cert-principal"),
        (&["-h", "-V", "-1h:+1h"], "host-cert-principal"),
    ] {
        let certified = Certified::start(&[], arguments);
        let fault = fault(&certified.sshd.host()).await;
        assert_eq!(fault.code, want, "{arguments:?}: {}", fault.summary);
        assert!(fault.evidence.iter().any(|line| line.starts_with("valid from ") && line.ends_with(" UTC")), "{fault:?}");
        assert!(fault.evidence.iter().any(|line| line.starts_with("the clock here says ")), "{fault:?}");
        // what is recorded by itself needs no certificate
        let sshd = &certified.sshd;
        sshd.record(&format!("@cert-authority * {}\n127.0.0.1 {}", certified.key("authority"), certified.key("certified")));
        assert_eq!(class(sshd).await, "connected");
    }
}

#[tokio::test]
async fn an_authority_speaks_only_for_its_hosts_and_not_when_it_is_revoked() {
    let certified = Certified::start(&[], &["-h", "-n", "127.0.0.1", "-V", "-1h:+1h"]);
    let (sshd, by, own) = (&certified.sshd, certified.key("authority"), certified.key("certified"));
    let other = keygen(&sshd.path("other"), &[]);
    for (known_hosts, want) in [
        (format!("@cert-authority 127.0.0.1 {by}"), "connected"),
        (format!("@cert-authority * {other}"), "host-cert-authority"),
        (format!("@cert-authority * {other}\n127.0.0.1 {own}"), "connected"),
        (format!("@cert-authority 10.* {by}"), "host-key-unknown"),
        (format!("@cert-authority * {by}\n@revoked * {by}"), "host-key-revoked"),
        (format!("@cert-authority * {by}\n@revoked * {own}"), "host-key-revoked"),
        (format!("@cert-authority * {other}\n[127.0.0.1]:{} {other}", sshd.port), "host-key-changed"),
        // an authority is no host
        (format!("127.0.0.1 {by}"), "host-key-unknown"),
        // the key of a host is no authority
        (format!("@cert-authority * {own}"), "host-cert-authority"),
    ] {
        sshd.record(&known_hosts);
        assert_eq!(class(sshd).await, want, "{known_hosts}");
    }
}

#[tokio::test]
async fn where_only_an_authority_is_recorded_a_plain_key_is_not_enough() {
    let sshd = Sshd::start();
    sshd.record(&format!("@cert-authority * {}", keygen(&sshd.path("authority"), &[])));
    let fault = fault(&sshd.host()).await;
    assert_eq!(fault.code, "host-key-unknown");
    assert!(fault.summary.contains("shows no certificate"), "{}", fault.summary);
}

#[tokio::test]
async fn the_key_must_be_one_for_the_algorithm_that_was_agreed_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    keygen(&at("user"), &[]);
    let ed25519 = keygen(&at("ed25519"), &[]);
    let p256 = keygen(&at("p256"), &["-t", "ecdsa", "-b", "256", "-N", ""]);
    let p384 = keygen(&at("p384"), &["-t", "ecdsa", "-b", "384", "-N", ""]);
    let rsa = keygen(&at("rsa"), &["-t", "rsa", "-b", "2048", "-N", ""]);
    let shown = async |habit: &str, names: &[&str], recorded: &[&String]| {
        let keys: Vec<PathBuf> = names.iter().map(|name| at(name)).collect();
        let peer = Peer::start(habit, &keys);
        let lines: String = recorded.iter().map(|key| format!("[127.0.0.1]:{} {key}\n", peer.port)).collect();
        fs::write(at("known_hosts"), lines).expect("written");
        fault(&host(peer.port, &at("user"), &at("known_hosts"))).await
    };
    // each of the keys is recorded and would be trusted by itself
    for (names, recorded) in [(["ed25519", "p256"], [&ed25519, &p256]), (["p256", "p384"], [&p256, &p384])] {
        let fault = shown("shows-another", &names, &recorded).await;
        assert_eq!(fault.code, "host-key-algorithm", "{}", fault.summary);
        assert!(fault.summary.contains("agreed on"), "{}", fault.summary);
    }
    let fault = shown("signs-otherwise", &["rsa"], &[&rsa]).await;
    assert_eq!(fault.code, "host-key-algorithm", "{}", fault.summary);
    // and without the lie it is not the key that is refused
    assert_eq!(shown("none", &["ed25519"], &[&ed25519]).await.code, "auth-denied");
}
