//! Many connections to one address, and addresses and hosts that are left alone for the rest of a run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runbook::engine::world::{Session, World};
use runbook::world::timeouts::Timeouts;
use tokio::task::JoinSet;

use crate::harness::endpoint::{Endpoint, Ill};
use crate::harness::sshd::{Sshd, fleet_with, timeouts};
use crate::ssh::connecting::{Nobody, fault, named, short};

#[tokio::test]
async fn a_server_that_sheds_connections_is_tried_again_until_it_has_room() {
    let sshd = Sshd::start();
    let port = sshd.port;
    let crowded = Endpoint::serving(move |talk| match talk.nth {
        0 => {}
        1 => talk.say(b"Exceeded MaxStartups\r\n"),
        _ => talk.forward(port),
    });
    sshd.record(&format!("[127.0.0.1]:{} {}", crowded.port, sshd.host_key("ed25519")));
    let mut host = sshd.host();
    host.port = crowded.port;
    let fleet = fleet_with(Timeouts { retry_pause: Duration::from_millis(20), ..timeouts() });
    let (session, _) = fleet.connect(&host).await.expect("connects");
    session.close().await;
    assert_eq!(crowded.accepted(), 3);
}

#[tokio::test]
async fn a_real_sshd_at_its_limit_is_throttled_and_reached_once_it_has_room() {
    let sshd = Sshd::with("MaxStartups 2:100:2");
    let greeted = || {
        let mut tcp = TcpStream::connect(("127.0.0.1", sshd.port)).expect("connects");
        let mut word = [0; 4];
        tcp.read_exact(&mut word).expect("an answer");
        (word == *b"SSH-").then_some(tcp)
    };
    // one that was let in a moment ago may still count
    let mut held = Vec::new();
    for _ in 0..200 {
        held.extend(greeted());
        if held.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let fleet = fleet_with(short());
    let finding = fault(&fleet, &sshd.host()).await;
    assert_eq!(finding.code, "throttled", "{finding:?}");
    assert!(finding.summary.contains("Exceeded MaxStartups") && finding.summary.ends_with("(tried 5 times)"), "{finding:?}");
    drop(held);
    let fleet = fleet_with(Timeouts { retry_pause: Duration::from_secs(1), ..timeouts() });
    let (session, _) = fleet.connect(&sshd.host()).await.expect("connects");
    session.close().await;
}

#[tokio::test]
async fn no_more_than_eight_shake_hands_with_one_address_at_a_time() {
    let nobody = Nobody::new();
    let patient = Timeouts { banner: Duration::from_secs(60), ..timeouts() };
    for (fleet, most) in [(fleet_with(patient.clone()), 8), (fleet_with(patient.clone()).with_handshakes_per_address(2), 2)] {
        let (endpoint, fleet) = (Endpoint::start(Ill::Mute), Arc::new(fleet));
        let mut all = JoinSet::new();
        for n in 0..20 {
            let (fleet, host) = (Arc::clone(&fleet), named(&nobody.at(endpoint.port), &format!("web-{n}")));
            all.spawn(async move { fault(&fleet, &host).await });
        }
        for _ in 0..1000 {
            if endpoint.accepted() == most {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // nobody of them is answered: whoever else comes now comes without a turn
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(endpoint.accepted(), most);
        all.shutdown().await;
    }
}

#[tokio::test]
async fn an_address_that_penalises_us_is_left_alone_for_the_rest_of_the_run() {
    let nobody = Nobody::new();
    let endpoint = Endpoint::start(Ill::Penalises);
    let fleet = fleet_with(short());
    let first = fault(&fleet, &nobody.at(endpoint.port)).await;
    let second = fault(&fleet, &named(&nobody.at(endpoint.port), "web-2")).await;
    assert_eq!((first.code.as_str(), second.code.as_str()), ("penalised", "penalised"));
    assert!(second.summary.starts_with("not tried: "), "{}", second.summary);
    assert_eq!(endpoint.accepted(), 1);
    // another address is another matter
    let other = Endpoint::start(Ill::OldVersion);
    assert_eq!(fault(&fleet, &nobody.at(other.port)).await.code, "protocol-version");
}

#[tokio::test]
async fn a_penalty_names_the_login_that_failed_before_and_a_failed_login_is_not_repeated() {
    let sshd = Sshd::start();
    let (port, nobody) = (sshd.port, Nobody::new());
    let strict = Endpoint::serving(move |talk| {
        if talk.nth == 0 {
            talk.forward(port);
        }
    });
    sshd.record(&format!("[127.0.0.1]:{} {}", strict.port, sshd.host_key("ed25519")));
    let mut host = sshd.host();
    host.port = strict.port;
    host.identity = Some(nobody.path("user"));
    let fleet = fleet_with(short());
    assert_eq!(fault(&fleet, &host).await.code, "auth-denied");
    let again = fault(&fleet, &host).await;
    assert_eq!(again.code, "auth-denied");
    assert!(again.summary.starts_with("not tried again in this run: "), "{}", again.summary);
    assert_eq!(strict.accepted(), 1);
    let other = fault(&fleet, &named(&host, "web-2")).await;
    assert_eq!(other.code, "penalised", "{other:?}");
    assert!(other.evidence.iter().any(|line| line.contains("web-1: the server refused the key")), "{other:?}");
}

#[tokio::test]
async fn a_host_that_breaks_the_protocol_is_left_alone_and_nobody_else_notices() {
    let nobody = Nobody::new();
    let endpoint = Endpoint::start(Ill::RandomPackets);
    let sshd = Sshd::start();
    let fleet = fleet_with(short());
    let bad = nobody.at(endpoint.port);
    let (first, good) = tokio::join!(fault(&fleet, &bad), async { fleet.connect(&named(&sshd.host(), "good")).await });
    let (session, _) = good.expect("connects");
    session.close().await;
    let second = fault(&fleet, &bad).await;
    assert_eq!((first.code.as_str(), second.code.as_str()), ("protocol-error", "protocol-error"));
    assert!(second.summary.starts_with("not tried again in this run: "), "{}", second.summary);
    assert_eq!(endpoint.accepted(), 1);
}

#[tokio::test]
async fn a_host_that_breaks_the_protocol_in_the_middle_of_a_session_is_left_alone_too() {
    let sshd = Sshd::start();
    let (port, now) = (sshd.port, Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&now);
    let endpoint = Endpoint::serving(move |talk| {
        let (mut side, flag) = (talk.handle(), Arc::clone(&flag));
        std::thread::spawn(move || {
            for _ in 0..2000 {
                if flag.load(Ordering::SeqCst) {
                    let _ = side.write_all(&[0x5a; 4096]);
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        talk.forward(port);
    });
    sshd.record(&format!("[127.0.0.1]:{} {}", endpoint.port, sshd.host_key("ed25519")));
    let mut host = sshd.host();
    host.port = endpoint.port;
    let fleet = fleet_with(short());
    let (session, _) = fleet.connect(&host).await.expect("connects");
    now.store(true, Ordering::SeqCst);
    let mut lost = None;
    for _ in 0..1000 {
        lost = session.lost();
        if lost.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(lost.map(|(class, _)| class).as_deref(), Some("protocol-error"));
    let again = fault(&fleet, &host).await;
    assert_eq!(again.code, "protocol-error", "{again:?}");
    assert_eq!(endpoint.accepted(), 1);
}
