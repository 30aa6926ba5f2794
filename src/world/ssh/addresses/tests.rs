use std::cell::RefCell;
use std::future::pending;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Book, Pace, by_turns, dial};

const PACE: Pace = Pace { limit: Duration::from_secs(5), stagger: Duration::from_millis(250) };
const LIMIT: Duration = Duration::from_secs(5);

fn v4(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 22))
}

fn v6(last: u16) -> SocketAddr {
    SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 22))
}

#[tokio::test(start_paused = true)]
async fn a_dead_first_address_costs_a_quarter_of_a_second() {
    let began = Instant::now();
    let list = [v6(1), v4(1)];
    let winner = dial(&list, PACE, async |address| match address {
        address if address == v4(1) => Ok("v4"),
        _ => pending().await,
    });
    assert_eq!(winner.await, Ok(("v4", v4(1))));
    assert_eq!(began.elapsed(), PACE.stagger);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_fails_makes_room_for_the_next_at_once() {
    let began = Instant::now();
    let tried = RefCell::new(Vec::new());
    let list = [v6(1), v6(2), v4(1)];
    let winner = dial(&list, PACE, async |address| {
        tried.borrow_mut().push(address);
        if address == v4(1) { Ok(()) } else { Err(Error::from(ErrorKind::NetworkUnreachable)) }
    });
    assert_eq!(winner.await, Ok(((), v4(1))));
    assert_eq!((began.elapsed(), tried.into_inner()), (Duration::ZERO, vec![v6(1), v6(2), v4(1)]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_address_still_wins_over_a_slower_second() {
    let list = [v6(1), v4(1)];
    let winner = dial(&list, PACE, async |address| {
        sleep(if address == v6(1) { Duration::from_secs(1) } else { Duration::from_secs(3) }).await;
        Ok::<_, Error>(address)
    });
    assert_eq!(winner.await, Ok((v6(1), v6(1))));
}

#[tokio::test(start_paused = true)]
async fn all_addresses_together_have_one_limit_and_every_one_is_told() {
    let began = Instant::now();
    let list = [v6(1), v4(1), v4(2)];
    let fault = dial::<(), _>(&list, PACE, async |address| match address {
        address if address == v6(1) => Err(Error::from(ErrorKind::NetworkUnreachable)),
        _ => pending().await,
    });
    let fault = fault.await.expect_err("all are dead");
    assert_eq!(began.elapsed(), PACE.limit);
    assert_eq!((fault.code.as_str(), fault.evidence.len()), ("connect-timeout", 3));
    let list = [v6(1), v4(1)];
    let answer = dial::<(), _>(&list, PACE, async |address| match address {
        address if address == v4(1) => Err(Error::from(ErrorKind::ConnectionRefused)),
        _ => pending().await,
    });
    assert_eq!(answer.await.expect_err("dead").code, "refused", "an answer says more than silence");
}

#[test]
fn families_are_tried_by_turns_and_not_without_bound() {
    assert_eq!(by_turns(vec![v6(1), v6(2), v6(3), v4(1)]), vec![v6(1), v4(1), v6(2), v6(3)]);
    assert_eq!(by_turns(vec![v4(1), v4(2), v6(1)]), vec![v4(1), v6(1), v4(2)]);
    assert_eq!(by_turns((0..1000).map(v6).collect()).len(), 16);
}

#[tokio::test]
async fn a_name_is_asked_for_once_and_stands_for_what_was_used() {
    let book = Book::default();
    let of = ("web", 22);
    let first = book.addresses(of, LIMIT, async || Ok(vec![v4(1), v4(2)])).await;
    assert_eq!(first, Ok(vec![v4(1), v4(2)]));
    // the answer changes: nobody asks
    let again = book.addresses(of, LIMIT, async || Ok(vec![v4(9)])).await;
    assert_eq!(again, Ok(vec![v4(1), v4(2)]));
    book.used(of, v4(2));
    assert_eq!(book.addresses(of, LIMIT, async || Ok(vec![v4(9)])).await, Ok(vec![v4(2)]));
    assert_eq!(book.addresses(("web", 23), LIMIT, async || Ok(vec![v4(9)])).await, Ok(vec![v4(9)]));
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_fails_is_told_from_a_name_that_does_not_exist_and_asked_again() {
    let book = Book::default();
    let of = ("web", 22);
    for (said, code) in [
        ("failed to lookup address information: Name or service not known", "dns"),
        ("failed to lookup address information: Temporary failure in name resolution", "dns-failed"),
        ("failed to lookup address information: Try again", "dns-failed"),
    ] {
        let finding = book.addresses(of, LIMIT, async || Err(Error::other(said))).await.expect_err("a fault");
        assert_eq!((finding.code.as_str(), finding.hint.is_some()), (code, true), "{said}");
    }
    let finding = book.addresses(of, LIMIT, pending).await.expect_err("a fault");
    assert_eq!(finding.code, "dns-timeout");
    assert_eq!(book.addresses(of, LIMIT, async || Ok(Vec::new())).await.expect_err("a fault").code, "dns");
    assert_eq!(book.addresses(of, LIMIT, async || Ok(vec![v4(1)])).await, Ok(vec![v4(1)]));
}
