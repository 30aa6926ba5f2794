//! Logging in: what is offered and refused, agents that misbehave, servers that want more than a key, and keys that are
//! found to be of no use before anything is contacted.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use runbook::engine::world::World;
use runbook::model::finding::Finding;
use runbook::model::host::Host;
use runbook::model::id::HostName;
use runbook::world::timeouts::Timeouts;
use runbook::world::{Fleet, FleetOptions};

use crate::harness::agent::{Agent, False, Habit, add};
use crate::harness::asyncssh::Peer;
use crate::harness::sshd::{Sshd, fleet, fleet_with, host, keygen, timeouts};

async fn fault_of(fleet: &Fleet, host: &Host) -> Finding {
    fleet.connect(host).await.err().expect("a fault").finding
}

/// A fleet that waits for its agent for a moment only.
fn with_agent(socket: &Path) -> Fleet {
    let short = Timeouts { agent: Duration::from_secs(1), touch: Duration::from_secs(1), ..timeouts() };
    with_agent_and(socket, short)
}

fn with_agent_and(socket: &Path, timeouts: Timeouts) -> Fleet {
    let agent = Some(socket.to_owned());
    Fleet::new(FleetOptions { timeouts, handshakes: 50, home: None, agent, system_known_hosts: Vec::new() })
}

fn keyless(sshd: &Sshd) -> Host {
    Host { identity: None, ..sshd.host() }
}

fn user_key(sshd: &Sshd) -> String {
    fs::read_to_string(sshd.path("user.pub")).expect("a key").trim().to_owned()
}

#[tokio::test]
async fn a_host_that_refused_the_key_is_not_tried_again_in_the_run() {
    let sshd = Sshd::with("LogLevel VERBOSE");
    keygen(&sshd.path("stranger"), &[]);
    let stranger = Host { identity: Some(sshd.path("stranger")), ..sshd.host() };
    let fleet = fleet();
    let first = fault_of(&fleet, &stranger).await;
    assert_eq!(first.code, "auth-denied");
    assert!(first.summary.ends_with("it accepts: publickey"), "{}", first.summary);
    assert!(first.evidence[0].starts_with("offered ssh-ed25519 SHA256:"), "{:?}", first.evidence);
    let connections = || sshd.log().matches("Connection from ").count();
    let before = connections();
    // not even with another key: whoever shuts us out does it for the address
    let again = fault_of(&fleet, &sshd.host()).await;
    assert_eq!(again.code, "auth-denied");
    assert!(again.summary.starts_with("not tried again in this run: "), "{}", again.summary);
    assert_eq!(connections(), before);
    let other = Host { name: HostName::parse("web-2").expect("a name"), ..sshd.host() };
    assert!(fleet.connect(&other).await.is_ok());
}

#[tokio::test]
async fn too_many_keys_are_named_as_such() {
    let sshd = Sshd::with("MaxAuthTries 2");
    let socket = sshd.path("agent");
    let _agent = Agent::start(&socket);
    for name in ["a", "b", "c"] {
        keygen(&sshd.path(name), &[]);
        add(&socket, &sshd.path(name));
    }
    let fault = fault_of(&with_agent(&socket), &keyless(&sshd)).await;
    assert_eq!(fault.code, "auth-too-many", "{fault:?}");
    assert!(fault.hint.as_ref().is_some_and(|hint| hint.contains("`identity`")), "{fault:?}");
    // the one key of a host that names it is the only one that is offered
    add(&socket, &sshd.path("user"));
    assert!(with_agent(&socket).connect(&sshd.host()).await.is_ok());
}

#[tokio::test]
async fn an_agent_that_is_of_no_use_is_named_where_its_keys_are_missed() {
    let sshd = Sshd::start();
    let key = user_key(&sshd);
    for (name, habit, code, said) in [
        ("mute", Some(Habit::MuteAtList), "no-key", "it did not answer in 1s (agent-timeout)"),
        ("large", Some(Habit::Announces(256 * 1024 + 1)), "no-key", "it announced an answer of 262145 bytes (agent-garbage)"),
        ("huge", Some(Habit::Announces(u32::MAX)), "no-key", "an answer of 4294967295 bytes (agent-garbage)"),
        ("none", Some(Habit::Announces(0)), "no-key", "its answer cannot be read (agent-garbage)"),
        ("garbage", Some(Habit::Garbage), "no-key", "its answer cannot be read (agent-garbage)"),
        ("half", Some(Habit::HangsUp), "no-key", "it hung up in the middle (agent-closed)"),
        ("strange", Some(Habit::StrangeKeys), "no-key", "none of a kind that can be used"),
        ("untouched", Some(Habit::MuteAtSign), "agent-timeout", "it did not sign in 1s"),
        ("refuses", Some(Habit::RefusesToSign), "agent-refused", "it does not sign with this key"),
        ("otherwise", Some(Habit::SignsOtherwise), "agent-garbage", "its answer cannot be read"),
        ("missing", None, "no-key", "(agent-missing)"),
        ("dead", None, "no-key", "(agent-dead)"),
    ] {
        let socket = sshd.path(name);
        let _agent = habit.map(|habit| False::start(&socket, habit, &key));
        if name == "dead" {
            drop(UnixListener::bind(&socket).expect("a socket"));
        }
        let fault = fault_of(&with_agent(&socket), &keyless(&sshd)).await;
        assert_eq!(fault.code, code, "{name}: {fault:?}");
        let all = format!("{} {}", fault.summary, fault.evidence.join(" "));
        assert!(all.contains(said), "{name}: {all}");
        // the key file that a host names needs no agent
        let named = with_agent(&socket).connect(&sshd.host()).await;
        assert!(named.is_ok(), "{name}: {:?}", named.err());
    }
}

#[tokio::test]
async fn a_locked_agent_holds_nothing() {
    let sshd = Sshd::start();
    let socket = sshd.path("agent");
    let _agent = Agent::start(&socket);
    add(&socket, &sshd.path("user"));
    // ssh-add asks for the passphrase on a terminal, or by this program
    let ask = sshd.path("ask");
    fs::write(&ask, "#!/bin/sh\necho secret\n").expect("written");
    fs::set_permissions(&ask, fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut lock = Command::new("ssh-add");
    lock.arg("-x").env("SSH_AUTH_SOCK", &socket).env("SSH_ASKPASS", &ask).env("SSH_ASKPASS_REQUIRE", "force");
    let locked = lock.stdin(Stdio::null()).output().expect("ssh-add");
    assert!(locked.status.success(), "{}", String::from_utf8_lossy(&locked.stderr));
    let fault = fault_of(&with_agent(&socket), &keyless(&sshd)).await;
    assert_eq!((fault.code.as_str(), fault.summary.contains("holds none, or is locked")), ("no-key", true), "{fault:?}");
    assert!(with_agent(&socket).connect(&sshd.host()).await.is_ok());
}

#[tokio::test]
async fn the_time_a_touch_takes_is_not_the_servers() {
    let sshd = Sshd::start();
    let (real, socket) = (sshd.path("real"), sshd.path("agent"));
    let _agent = Agent::start(&real);
    add(&real, &sshd.path("user"));
    let _slow = False::start(&socket, Habit::Slow(real, Duration::from_secs(3)), &user_key(&sshd));
    let limits = Timeouts { auth: Duration::from_secs(2), ..timeouts() };
    let joined = with_agent_and(&socket, limits).connect(&keyless(&sshd)).await;
    assert!(joined.is_ok(), "{:?}", joined.err());
}

#[tokio::test]
async fn what_wants_more_than_a_key_is_never_asked_for() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    keygen(&at("user"), &[]);
    let key = keygen(&at("host"), &[]);
    for (habit, code, said) in [
        ("password", "auth-interaction", "it wants: password"),
        ("one-time", "auth-interaction", "it wants: keyboard-interactive"),
        ("partial", "auth-interaction", "the key is accepted, but the server wants more: "),
        ("change", "auth-interaction", "it wants: password"),
        ("mute", "auth-timeout", "did not finish authentication in 1s"),
        ("cut", "auth-lost", "the connection was lost during authentication"),
    ] {
        let peer = Peer::start(habit, &[at("host")]);
        fs::write(at("known_hosts"), format!("[127.0.0.1]:{} {key}\n", peer.port)).expect("written");
        let limit = if habit == "mute" { 1 } else { 15 };
        let fleet = fleet_with(Timeouts { auth: Duration::from_secs(limit), ..timeouts() });
        let target = host(peer.port, &at("user"), &at("known_hosts"));
        let fault = fault_of(&fleet, &target).await;
        assert_eq!(fault.code, code, "{habit}: {fault:?}");
        assert!(fault.summary.contains(said), "{habit}: {}", fault.summary);
        let again = fault_of(&fleet, &target).await;
        assert_eq!(again.code, code, "{habit}");
        assert_eq!(again.summary.starts_with("not tried again"), code == "auth-interaction", "{habit}: {}", again.summary);
    }
}

#[tokio::test]
async fn a_real_server_that_wants_a_second_factor_is_named() {
    let sshd = Sshd::with("AuthenticationMethods publickey,publickey");
    let fault = fault_of(&fleet(), &sshd.host()).await;
    assert_eq!(fault.code, "auth-interaction", "{fault:?}");
    assert!(fault.summary.ends_with("wants more: publickey"), "{}", fault.summary);
}

#[tokio::test]
async fn a_command_that_is_forced_on_a_key_is_named() {
    let sshd = Sshd::start();
    let key = user_key(&sshd);
    // the last is what sshd itself does where a password has expired
    for (command, want) in [
        ("echo a menu", "forced-command"),
        ("cat", "forced-command"),
        ("exit 1", "no-shell"),
        ("echo Password change required but no TTY available. >&2; exit 1", "no-shell"),
    ] {
        fs::write(sshd.path("authorized_keys"), format!("command=\"{command}\" {key}\n")).expect("written");
        let fault = fault_of(&fleet_with(Timeouts { shell: Duration::from_secs(2), ..timeouts() }), &sshd.host()).await;
        assert_eq!(fault.code, want, "{command}: {fault:?}");
    }
}

/// The hosts `good-1` and one for each of `keys`, all at a port where nothing must be contacted.
fn inventory(dir: &Path, port: u16, keys: &[(&str, &str)]) {
    let mut text = format!("[defaults]\nuser = \"app\"\nport = {port}\nknown_hosts = [\"known_hosts\"]\n");
    for (n, (name, key)) in (1..).zip(keys) {
        let key = if key.is_empty() { String::new() } else { format!("identity = \"{key}\"\n") };
        text.push_str(&format!("[hosts.{name}]\naddress = \"127.0.0.{n}\"\n{key}"));
    }
    fs::write(dir.join("inventory.toml"), text).expect("written");
    fs::write(dir.join("known_hosts"), "").expect("written");
}

fn runbook(dir: &Path, agent: Option<&Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runbook"));
    command.arg("-i").arg(dir.join("inventory.toml")).args(arguments).current_dir(dir).env("HOME", dir);
    command.env_remove("SSH_AUTH_SOCK").stdin(Stdio::null());
    if let Some(agent) = agent {
        command.env("SSH_AUTH_SOCK", agent);
    }
    command.output().expect("runbook runs")
}

#[tokio::test]
async fn keys_of_no_use_are_found_before_anything_is_contacted() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let trap = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    trap.set_nonblocking(true).expect("a mode");
    let public = keygen(&at("locked"), &["-t", "ed25519", "-N", "secret"]);
    keygen(&at("open"), &[]);
    fs::set_permissions(at("open"), fs::Permissions::from_mode(0o644)).expect("a mode");
    fs::write(at("old"), "-----BEGIN DSA PRIVATE KEY-----\nMIIB\n-----END DSA PRIVATE KEY-----\n").expect("written");
    fs::set_permissions(at("old"), fs::Permissions::from_mode(0o600)).expect("a mode");
    fs::write(at("public"), &public).expect("written");
    fs::set_permissions(at("public"), fs::Permissions::from_mode(0o600)).expect("a mode");
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), rustix::fs::Mode::RUSR).expect("a pipe");
    let keys = [
        ("a-1", "locked"),
        ("a-2", "locked"),
        ("b", "open"),
        ("c", "old"),
        ("d", "public"),
        ("e", "pipe"),
        ("f", "nothing"),
        ("g", ""),
    ];
    inventory(dir.path(), trap.local_addr().expect("an address").port(), &keys);
    fs::create_dir(at("runbooks")).expect("a directory");
    let book = "name = \"look\"\ntitle = \"looks\"\n[[step]]\nid = \"look\"\nkind = \"require\"\nrun = \"true\"\n";
    fs::write(at("runbooks/look.toml"), book).expect("written");
    for arguments in [&["exec", "all", "--", "true"][..], &["hosts", "--probe"], &["run", "look", "--hosts", "all", "--yes"]] {
        let output = runbook(dir.path(), None, arguments);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(
            stderr.starts_with("error: 8 hosts cannot be logged in to with the keys here; nothing was contacted\n"),
            "{stderr}"
        );
        for said in [
            &format!("key-encrypted: the key file `{}` cannot be used: it is encrypted [a-1, a-2]", at("locked").display()),
            "key-mode: ",
            "key-type: ",
            "it is a public key [d]",
            "it is no regular file [e]",
            "there is no such file [f]",
            "no-key: there is no key to offer: no agent is named by SSH_AUTH_SOCK [g]",
            &format!("try: ssh-add {}", at("locked").display()),
        ] {
            assert!(stderr.contains(said), "{arguments:?}, {said}: {stderr}");
        }
        assert!(trap.accept().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "it was contacted");
    }
    // what the agent holds may be encrypted, or be a public key alone
    let socket = at("agent");
    let _holds = False::start(&socket, Habit::RefusesToSign, &public);
    let held = with_agent(&socket);
    let target = |name: &str| Host { identity: Some(at(name)), ..host(22, &at(name), &at("known_hosts")) };
    assert_eq!(held.check_identities(&[target("locked"), target("public")]).await, []);
    let faults = held.check_identities(&[target("open")]).await;
    assert_eq!(faults.iter().map(|fault| fault.finding.code.as_str()).collect::<Vec<_>>(), ["key-mode"]);
}
