//! From a name to a logged-in connection: who is trusted, what is offered, how each phase fails.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use runbook::engine::world::{Session, World};
use runbook::world::timeouts::Timeouts;
use runbook::world::{Fleet, FleetOptions};

use crate::harness::agent::Agent;
use crate::harness::sshd::{Sshd, fleet, fleet_with, keygen, timeouts};
use crate::ssh::{class, join};

#[tokio::test]
async fn a_connection_tells_who_answers() {
    let sshd = Sshd::start();
    let (session, connected) = join(&sshd).await;
    let uname = |flag: &str| {
        let output = Command::new("uname").arg(flag).output().expect("uname");
        String::from_utf8(output.stdout).expect("utf-8").trim().to_owned()
    };
    assert_eq!(connected.key_type, "ssh-ed25519");
    assert_eq!(connected.facts.os, uname("-s"));
    assert_eq!(connected.facts.arch, uname("-m"));
    assert_eq!(connected.facts.hostname, uname("-n"));
    assert_eq!(connected.facts.uid, rustix::process::getuid().as_raw());
    assert!(connected.facts.home.starts_with('/'));
    // it is this very machine: the skew is nothing, give or take half the round trip and a rounded millisecond
    assert!(connected.facts.skew_ms.unsigned_abs() <= connected.facts.skew_err_ms + 2, "{:?}", connected.facts);
    assert_eq!(session.lost(), None);
    session.close().await;
}

#[tokio::test]
async fn host_keys_are_strict() {
    let sshd = Sshd::start();
    let name = format!("[127.0.0.1]:{}", sshd.port);
    let (own, other) = (sshd.host_key("ed25519"), keygen(&sshd.path("other"), &[]));
    let rsa = keygen(&sshd.path("rsa"), &["-t", "rsa", "-b", "2048", "-N", ""]);
    for (known_hosts, want) in [
        (format!("{name} {own}"), "connected"),
        (format!("127.0.0.1 {own}"), "connected"),
        (format!("{name} {}", sshd.host_key("ecdsa")), "connected"),
        (String::new(), "host-key-unknown"),
        (format!("127.0.0.1 {other}"), "host-key-unknown"),
        (format!("@cert-authority * {other}"), "host-key-unknown"),
        (format!("{name} {other}"), "host-key-changed"),
        (format!("{name} {rsa}"), "host-key-changed"),
        (format!("{name} {own}\n@revoked * {own}"), "host-key-revoked"),
    ] {
        sshd.record(&known_hosts);
        assert_eq!(class(&sshd).await, want, "{known_hosts}");
    }
    fs::remove_file(sshd.path("known_hosts")).expect("removed");
    assert_eq!(class(&sshd).await, "known-hosts");
    fs::create_dir(sshd.path("known_hosts")).expect("a directory");
    assert_eq!(class(&sshd).await, "known-hosts");
}

#[tokio::test]
async fn an_alias_is_looked_up_instead_of_the_address() {
    let sshd = Sshd::start();
    sshd.record(&format!("i-0a1 {}", sshd.host_key("ed25519")));
    let mut host = sshd.host();
    assert_eq!(fleet().connect(&host).await.err().map(|f| f.finding.code), Some("host-key-unknown".to_owned()));
    host.host_key_alias = Some("i-0a1".to_owned());
    assert!(fleet().connect(&host).await.is_ok());
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_named() {
    let sshd = Sshd::start();
    keygen(&sshd.path("locked"), &["-t", "ed25519", "-N", "secret"]);
    keygen(&sshd.path("stranger"), &[]);
    fs::copy(sshd.path("user"), sshd.path("open")).expect("copied");
    fs::set_permissions(sshd.path("open"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("a mode");
    fs::write(sshd.path("garbage"), "no key").expect("written");
    fs::set_permissions(sshd.path("garbage"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
    for (name, want) in [
        ("locked", "key-encrypted"),
        ("open", "key-mode"),
        ("garbage", "key-unreadable"),
        ("nothing", "key-missing"),
        ("stranger", "auth-denied"),
    ] {
        let mut host = sshd.host();
        host.identity = Some(sshd.path(name));
        assert_eq!(fleet().connect(&host).await.err().map(|f| f.finding.code), Some(want.to_owned()), "{name}");
    }
    let mut host = sshd.host();
    host.identity = None;
    assert_eq!(fleet().connect(&host).await.err().map(|f| f.finding.code), Some("no-key".to_owned()));
}

pub(super) fn fleet_of_agent(socket: &Path) -> Fleet {
    let timeouts = Timeouts { agent: Duration::from_secs(2), ..timeouts() };
    let agent = Some(socket.to_owned());
    Fleet::new(FleetOptions { timeouts, handshakes: 50, home: None, agent, system_known_hosts: Vec::new() })
}

#[tokio::test]
async fn the_agent_signs_with_what_it_holds() {
    let sshd = Sshd::start();
    let socket = sshd.path("agent");
    let _agent = Agent::start(&socket);
    let added = Command::new("ssh-add").arg("-q").arg(sshd.path("user")).env("SSH_AUTH_SOCK", &socket).status();
    assert!(added.expect("ssh-add").success());
    let locking = ["-q", "-p", "-P", "", "-N", "secret", "-f"];
    let locked = Command::new("ssh-keygen").args(locking).arg(sshd.path("user")).status();
    assert!(locked.expect("ssh-keygen").success());
    let named = fleet_of_agent(&socket).connect(&sshd.host()).await;
    assert!(named.is_ok(), "{:?}", named.err());
    let mut any = sshd.host();
    any.identity = None;
    let any = fleet_of_agent(&socket).connect(&any).await;
    assert!(any.is_ok(), "{:?}", any.err());
    assert_eq!(class(&sshd).await, "key-encrypted");
}

#[tokio::test]
async fn an_agent_that_hangs_costs_a_moment_once() {
    let sshd = Sshd::start();
    let socket = sshd.path("agent");
    let _mute = UnixListener::bind(&socket).expect("a socket");
    let fleet = fleet_of_agent(&socket);
    assert!(fleet.connect(&sshd.host()).await.is_ok());
    let again = Instant::now();
    assert!(fleet.connect(&sshd.host()).await.is_ok());
    assert!(again.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn no_more_than_three_keys_are_offered() {
    let sshd = Sshd::start();
    let socket = sshd.path("agent");
    let _agent = Agent::start(&socket);
    for name in ["a", "b", "c", "user"] {
        if name != "user" {
            keygen(&sshd.path(name), &[]);
        }
        let added = Command::new("ssh-add").arg("-q").arg(sshd.path(name)).env("SSH_AUTH_SOCK", &socket).status();
        assert!(added.expect("ssh-add").success());
    }
    let mut host = sshd.host();
    host.identity = None;
    let fault = fleet_of_agent(&socket).connect(&host).await.err().expect("a fault").finding;
    assert_eq!((fault.code.as_str(), fault.evidence.len()), ("auth-denied", 3));
    assert!(fault.summary.ends_with("it accepts: publickey"), "{}", fault.summary);
}

#[tokio::test]
async fn rsa_keys_sign_with_sha_2() {
    let sshd = Sshd::start();
    let public = keygen(&sshd.path("rsa"), &["-t", "rsa", "-b", "2048", "-N", ""]);
    fs::write(sshd.path("authorized_keys"), public + "\n").expect("written");
    let mut host = sshd.host();
    host.identity = Some(sshd.path("rsa"));
    let joined = fleet().connect(&host).await;
    assert!(joined.is_ok(), "{:?}", joined.err());
}

#[tokio::test]
async fn what_is_no_shell_is_said_to_be_none() {
    for (command, want, said) in [
        ("echo This is a menu", "forced-command", "This is a menu"),
        ("echo not available; exit 1", "no-shell", "not available"),
        ("bash -r -c \"$SSH_ORIGINAL_COMMAND\"", "no-shell", "restricted"),
    ] {
        let sshd = Sshd::with(&format!("ForceCommand {command}"));
        let fault = fleet().connect(&sshd.host()).await.err().expect("a fault").finding;
        assert_eq!(fault.code, want, "{command}");
        assert!(fault.summary.contains(said), "{}", fault.summary);
    }
    // one echoes what it is sent, which must prove nothing; the other says nothing, which proves nothing either
    for (command, want) in [("cat", "forced-command"), ("cat >/dev/null", "shell-timeout")] {
        let sshd = Sshd::with(&format!("ForceCommand {command}"));
        let fleet = fleet_with(Timeouts { shell: Duration::from_secs(1), ..timeouts() });
        let code = fleet.connect(&sshd.host()).await.err().map(|fault| fault.finding.code);
        assert_eq!(code.as_deref(), Some(want), "{command}");
    }
}
