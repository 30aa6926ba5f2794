//! What a peer may do between a name and a login: every fault has its class, is tried again as often as that makes sense,
//! and leaves neither a socket nor a task behind.

use std::fs;
use std::path::Path;
use std::time::Duration;

use runbook::engine::world::{Connected, Session, World};
use runbook::model::finding::Finding;
use runbook::model::host::Host;
use runbook::model::id::HostName;
use runbook::world::Fleet;
use runbook::world::timeouts::Timeouts;
use russh::{Preferred, cipher, kex, mac};

use crate::harness::endpoint::{Endpoint, Ill};
use crate::harness::server::{Server, Vice};
use crate::harness::sshd::{Sshd, fleet_with, host, keygen, timeouts};

/// Keys of nobody, and no known hosts.
pub(super) struct Nobody(tempfile::TempDir);

impl Nobody {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        keygen(&dir.path().join("user"), &[]);
        fs::write(dir.path().join("known_hosts"), "").expect("written");
        Self(dir)
    }

    pub(super) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn at(&self, port: u16) -> Host {
        host(port, &self.path("user"), &self.path("known_hosts"))
    }
}

/// The same host by another name.
pub(super) fn named(host: &Host, name: &str) -> Host {
    Host { name: HostName::parse(name).expect("a name"), ..host.clone() }
}

/// Every deadline is short.
pub(super) fn short() -> Timeouts {
    Timeouts {
        tcp: Duration::from_secs(1),
        banner: Duration::from_secs(1),
        key_exchange: Duration::from_secs(2),
        retry_pause: Duration::from_millis(20),
        ..timeouts()
    }
}

/// Quick to try again, and otherwise as patient as ever.
fn patient() -> Fleet {
    fleet_with(Timeouts { retry_pause: Duration::from_millis(20), ..timeouts() })
}

pub(super) async fn fault(fleet: &Fleet, host: &Host) -> Finding {
    match fleet.connect(host).await {
        Ok(_) => panic!("connected to {}:{}", host.address, host.port),
        Err(fault) => fault.finding,
    }
}

/// How many sockets of this process are connected, or on their way, to that port.
fn sockets(port: u16) -> usize {
    let remote = format!(":{port:04X}");
    let table = fs::read_to_string("/proc/self/net/tcp").expect("a table");
    let of_port: Vec<String> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row[2].ends_with(&remote))
        .map(|row| format!("socket:[{}]", row[9]))
        .collect();
    let open = fs::read_dir("/proc/self/fd").expect("a directory").flatten();
    let links = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.filter(|link| of_port.iter().any(|socket| Path::new(socket) == link)).count()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Connects, and then waits until what was there before is all there is.
async fn leaves_nothing(endpoint: &Endpoint, connect: impl Future<Output = Finding>) -> Finding {
    let before = (sockets(endpoint.port), tasks());
    let finding = connect.await;
    for _ in 0..500 {
        if (sockets(endpoint.port), tasks()) == before {
            return finding;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("before {before:?}, after {:?}: {finding:?}", (sockets(endpoint.port), tasks()));
}

async fn has_its_class(ills: &[Ill]) {
    let nobody = Nobody::new();
    for ill in ills {
        let endpoint = Endpoint::start(*ill);
        let fleet = fleet_with(short());
        let finding = leaves_nothing(&endpoint, fault(&fleet, &nobody.at(endpoint.port))).await;
        let (class, times) = ill.class();
        assert_eq!(finding.code, class, "{ill:?}: {finding:?}");
        assert!(finding.hint.is_some(), "{ill:?}: nothing to type next: {finding:?}");
        let told = finding.summary.ends_with(&format!("(tried {times} times)"));
        assert_eq!(told, times > 1, "{ill:?}: {finding:?}");
        if !matches!(ill, Ill::Refuses | Ill::Blackhole) {
            assert_eq!(endpoint.accepted(), times, "{ill:?}");
        }
        let text = format!("{} {:?} {}", finding.summary, finding.hint, finding.evidence.join(" "));
        assert!(!text.chars().any(char::is_control), "{ill:?}: {text}");
        assert!(text.len() < 2500, "{ill:?}: {} bytes", text.len());
    }
}

#[tokio::test]
async fn a_port_that_does_not_answer_has_its_class_and_leaves_nothing_behind() {
    has_its_class(&[Ill::Refuses, Ill::Blackhole, Ill::Mute, Ill::HangsUp]).await;
}

#[tokio::test]
async fn what_is_no_ssh_server_has_its_class_and_leaves_nothing_behind() {
    let ills =
        [Ill::Http, Ill::Tls, Ill::Garbage, Ill::EndlessText, Ill::DripsBanner, Ill::Sheds, Ill::Penalises, Ill::OldVersion];
    has_its_class(&ills).await;
}

#[tokio::test]
async fn a_key_exchange_that_fails_has_its_class_and_leaves_nothing_behind() {
    let ills = [
        Ill::DripsKex,
        Ill::NoCommonAlgorithm,
        Ill::DiesInKex,
        Ill::LeavesInKex,
        Ill::StallsInKex,
        Ill::EndlessPackets,
        Ill::OversizedPacket,
        Ill::UndersizedPacket,
        Ill::RandomPackets,
        Ill::MalformedPacket,
        Ill::BadPoint,
    ];
    has_its_class(&ills).await;
}

#[tokio::test]
async fn an_address_without_a_route_is_tried_twice() {
    let nobody = Nobody::new();
    let mut host = nobody.at(22);
    // no kernel connects a TCP socket to it
    host.address = "255.255.255.255".to_owned();
    let finding = fault(&fleet_with(short()), &host).await;
    assert_eq!(finding.code, "no-route");
    assert!(finding.summary.contains("unreachable") && finding.summary.ends_with("(tried 2 times)"), "{}", finding.summary);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told_and_not_tried_as_another() {
    let nobody = Nobody::new();
    let mut nowhere = nobody.at(22);
    nowhere.address = "no-such-host.invalid".to_owned();
    let finding = fault(&fleet_with(short()), &nowhere).await;
    // which one depends on whether this machine has a resolver at all
    assert!(["dns", "dns-failed", "dns-timeout"].contains(&finding.code.as_str()), "{finding:?}");
    assert!(finding.summary.contains("`no-such-host.invalid`") && finding.hint.is_some(), "{finding:?}");
}

#[tokio::test]
async fn what_answers_instead_of_ssh_is_shown_as_text_and_to_the_byte() {
    let nobody = Nobody::new();
    let http = Endpoint::start(Ill::Http);
    let finding = fault(&patient(), &nobody.at(http.port)).await;
    assert!(finding.summary.contains("it speaks HTTP") && finding.summary.contains("`HTTP/1.1 400"), "{}", finding.summary);
    assert!(finding.evidence.iter().any(|line| line.starts_with("first bytes: 48 54 54 50 2f 31")), "{:?}", finding.evidence);
    let old = Endpoint::start(Ill::OldVersion);
    let finding = fault(&patient(), &nobody.at(old.port)).await;
    assert_eq!(finding.summary, "the server speaks `SSH-1.5-1.2.27`, not SSH 2");
    let garbage = Endpoint::start(Ill::Garbage);
    let finding = fault(&patient(), &nobody.at(garbage.port)).await;
    let numbers = finding.evidence.iter().find(|line| line.starts_with("first bytes:")).expect("numbers");
    assert_eq!(numbers.split_whitespace().count(), 2 + 64);
}

#[tokio::test]
async fn both_lists_of_algorithms_are_shown_and_the_side_that_lacks_them() {
    let nobody = Nobody::new();
    let endpoint = Endpoint::start(Ill::NoCommonAlgorithm);
    let finding = fault(&patient(), &nobody.at(endpoint.port)).await;
    assert!(finding.summary.contains("no key exchange algorithm") && finding.summary.contains("the server offers none of ours"));
    let line = |start: &str| finding.evidence.iter().find(|line| line.starts_with(start)).expect("a line").clone();
    assert!(line("we offer: ").contains("curve25519-sha256"));
    assert_eq!(line("the server offers: "), "the server offers: diffie-hellman-group1-sha1");
    assert!(line("missing at the server: ").contains("curve25519-sha256"));
    assert!(!line("we offer: ").contains("sha1"), "weak algorithms are never used: {finding:?}");
}

#[tokio::test]
async fn a_stalled_key_exchange_tells_after_how_many_bytes_and_what_it_may_be() {
    let nobody = Nobody::new();
    let endpoint = Endpoint::start(Ill::StallsInKex);
    let finding = fault(&fleet_with(short()), &nobody.at(endpoint.port)).await;
    let bytes: String = finding.summary.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    assert!(bytes.parse::<u32>().expect("a number") > 100, "{}", finding.summary);
    assert!(finding.hint.as_deref().is_some_and(|hint| hint.contains("MTU")), "{finding:?}");
}

#[tokio::test]
async fn text_before_the_banner_is_allowed_up_to_fifty_lines() {
    let sshd = Sshd::start();
    let port = sshd.port;
    for (lines, connects) in [(50, true), (51, false)] {
        let wordy = Endpoint::serving(move |talk| {
            talk.say("\x1b[1mAuthorised use only. \u{202e}\r\n".repeat(lines).as_bytes());
            talk.forward(port);
        });
        sshd.record(&format!("[127.0.0.1]:{} {}", wordy.port, sshd.host_key("ed25519")));
        let mut host = sshd.host();
        host.port = wordy.port;
        let result = patient().connect(&host).await;
        assert_eq!(result.as_ref().err().map(|fault| fault.finding.code.as_str()), (!connects).then_some("not-ssh"));
        if let Ok((session, _)) = result {
            session.close().await;
        }
    }
}

#[tokio::test]
async fn a_server_that_dies_in_the_login_is_not_asked_again() {
    let server = Server::start(Vice::DiesInLogin).await;
    let nobody = Nobody::new();
    fs::write(nobody.path("known_hosts"), format!("[127.0.0.1]:{} {}\n", server.port, server.host_key)).expect("written");
    let finding = fault(&patient(), &nobody.at(server.port)).await;
    assert_eq!(finding.code, "auth-lost", "{finding:?}");
    assert!(!finding.summary.contains("tried"), "{finding:?}");
}

/// A server of these suites, with the strict key exchange or without.
async fn agreed(ciphers: &'static [cipher::Name], strict: bool) -> Result<Connected, Finding> {
    let mut kexes = vec![kex::CURVE25519];
    if strict {
        kexes.push(kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER);
    }
    let preferred =
        Preferred { kex: kexes.into(), cipher: ciphers.into(), mac: vec![mac::HMAC_SHA256_ETM].into(), ..Preferred::default() };
    let server = Server::agreeing(Vice::None, preferred).await;
    let nobody = Nobody::new();
    fs::write(nobody.path("known_hosts"), format!("[127.0.0.1]:{} {}\n", server.port, server.host_key)).expect("written");
    match patient().connect(&nobody.at(server.port)).await {
        Ok((session, connected)) => {
            session.close().await;
            Ok(connected)
        }
        Err(fault) => Err(fault.finding),
    }
}

#[tokio::test]
async fn without_a_strict_key_exchange_only_suites_that_do_not_need_it_are_used() {
    let both = agreed(&[cipher::CHACHA20_POLY1305, cipher::AES_256_GCM], false).await.expect("connects");
    let algorithms = both.algorithms.expect("told");
    assert_eq!((algorithms.cipher.as_str(), algorithms.mac, algorithms.strict_kex), ("aes256-gcm@openssh.com", None, false));
    let broken = agreed(&[cipher::CHACHA20_POLY1305], false).await.expect_err("refused");
    assert_eq!(broken.code, "no-strict-kex", "{broken:?}");
    assert!(broken.evidence.iter().any(|line| line.contains("CVE-2023-48795")) && broken.hint.is_some());
    let strict = agreed(&[cipher::CHACHA20_POLY1305], true).await.expect("connects").algorithms.expect("told");
    assert_eq!((strict.cipher.as_str(), strict.strict_kex), ("chacha20-poly1305@openssh.com", true));
    let counter = agreed(&[cipher::AES_256_CTR], false).await.expect("connects").algorithms.expect("told");
    assert_eq!(counter.mac.as_deref(), Some("hmac-sha2-256-etm@openssh.com"));
}

#[tokio::test]
async fn a_real_sshd_agrees_on_a_strict_key_exchange_and_never_on_compression() {
    let sshd = Sshd::with("Compression yes");
    let (session, connected) = patient().connect(&sshd.host()).await.expect("connects");
    let algorithms = connected.algorithms.expect("told");
    assert!(algorithms.strict_kex, "{algorithms:?}");
    assert_eq!(algorithms.cipher, "aes256-gcm@openssh.com");
    session.close().await;
    // what we offer is what can be agreed on
    let endpoint = Endpoint::start(Ill::DiesInKex);
    let _ = fault(&patient(), &Nobody::new().at(endpoint.port)).await;
    let heard = String::from_utf8_lossy(&endpoint.heard()).into_owned();
    assert!(heard.contains("curve25519-sha256") && heard.contains("none"), "{heard}");
    assert!(!heard.contains("zlib"), "{heard}");
}

#[tokio::test]
async fn what_a_server_prints_before_the_login_is_bounded_and_only_shown_where_it_failed() {
    let nobody = Nobody::new();
    let text = nobody.path("banner");
    fs::write(&text, "\x1b]0;owned\x07\u{202e}go away ".repeat(8000)).expect("written");
    let sshd = Sshd::with(&format!("Banner {}", text.display()));
    let (session, _) = patient().connect(&sshd.host()).await.expect("connects");
    session.close().await;
    let mut stranger = sshd.host();
    stranger.identity = Some(nobody.path("user"));
    let finding = fault(&patient(), &stranger).await;
    assert_eq!(finding.code, "auth-denied", "{finding:?}");
    let banner = finding.evidence.iter().find(|line| line.starts_with("the server's banner: ")).expect("the banner");
    assert!(banner.contains("\\x1b]0;owned\\x07\\u{202e}go away"), "{banner}");
    assert!(banner.len() < 1100 && !banner.chars().any(char::is_control), "{} bytes", banner.len());
}

#[tokio::test]
async fn a_refused_first_channel_has_its_class_and_opens_no_second_connection() {
    let sshd = Sshd::with("MaxSessions 0");
    let finding = fault(&patient(), &sshd.host()).await;
    assert_eq!(finding.code, "channel-refused", "{finding:?}");
    assert_eq!(sshd.log().matches("Accepted publickey").count(), 1);
}

#[tokio::test]
async fn a_name_with_several_addresses_is_reached_by_the_one_that_answers() {
    let sshd = Sshd::start();
    sshd.record(&format!("[localhost]:{} {}", sshd.port, sshd.host_key("ed25519")));
    let mut host = sshd.host();
    // it listens on the one of IPv4 only
    host.address = "localhost".to_owned();
    let fleet = patient();
    for _ in 0..2 {
        let (session, _) = fleet.connect(&host).await.expect("connects");
        session.close().await;
    }
}
