//! From a name to a TCP connection: a name is resolved once, all its addresses are tried side by side, and what was
//! reached once is what is reached again.

use std::collections::HashMap;
use std::future::Future;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep_until, timeout};

use crate::model::finding::Finding;
use crate::model::visible::visible;

/// The most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// What the names of a run stand for. A name is asked for once: an answer that changes during a run must never lead to
/// another machine than the one that was looked at, so after the first login only the address that was used then is
/// tried again.
#[derive(Debug, Default)]
pub(crate) struct Book {
    names: Mutex<HashMap<(String, u16), Arc<Entry>>>,
}

#[derive(Debug, Default)]
struct Entry {
    found: OnceCell<Vec<SocketAddr>>,
    used: OnceLock<SocketAddr>,
}

impl Book {
    fn entry(&self, name: &str, port: u16) -> Arc<Entry> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(names.entry((name.to_owned(), port)).or_default())
    }

    /// The addresses to try, asked for by `resolve` unless they are known.
    pub(crate) async fn addresses<F>(
        &self,
        (name, port): (&str, u16),
        limit: Duration,
        resolve: impl FnOnce() -> F,
    ) -> Result<Vec<SocketAddr>, Finding>
    where
        F: Future<Output = Result<Vec<SocketAddr>, Error>>,
    {
        let entry = self.entry(name, port);
        if let Some(used) = entry.used.get() {
            return Ok(vec![*used]);
        }
        let asked = async { timeout(limit, resolve()).await };
        let found =
            entry.found.get_or_try_init(|| async {
                match asked.await {
                    Err(_) => Err(Finding::new("dns-timeout", format!("`{}` was not resolved in {limit:?}", visible(name)))
                        .hint("check the resolver of this machine, or name an IP address in the inventory")),
                    Ok(Err(error)) => Err(unresolved(name, &error)),
                    Ok(Ok(found)) if found.is_empty() => Err(Finding::new("dns", format!("`{}` has no address", visible(name)))
                        .hint("check `address` in the inventory")),
                    Ok(Ok(found)) => Ok(by_turns(found)),
                }
            });
        found.await.cloned()
    }

    /// From now on this is what the name stands for.
    pub(crate) fn used(&self, (name, port): (&str, u16), address: SocketAddr) {
        // the first login decides
        let _ = self.entry(name, port).used.set(address);
    }
}

fn unresolved(name: &str, error: &Error) -> Finding {
    let text = error.to_string();
    let name = visible(name);
    // what getaddrinfo says of a resolver that fails for the moment, by glibc and the BSDs, and by musl
    let passing = ["emporary failure", "ry again"].iter().any(|words| text.contains(words));
    match passing {
        true => Finding::new("dns-failed", format!("`{name}` cannot be resolved now: {}", visible(&text)))
            .hint("check the resolver of this machine, or name an IP address in the inventory"),
        false => Finding::new("dns", format!("`{name}` cannot be resolved: {}", visible(&text)))
            .hint("check `address` in the inventory"),
    }
}

/// The families by turns, each in the order of the answer, so that a family that is dead costs one pause.
fn by_turns(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v4 = found.first().is_some_and(SocketAddr::is_ipv4);
    let (mut first, mut second): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    first.reverse();
    second.reverse();
    let mut all = Vec::new();
    while all.len() < MAX_ADDRESSES {
        let before = all.len();
        all.extend(first.pop());
        all.extend(second.pop());
        if all.len() == before {
            break;
        }
    }
    all
}

/// How the addresses of one name are tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// How long all of them have together.
    pub(crate) limit: Duration,
    /// How long one is waited for before the next is tried beside it.
    pub(crate) stagger: Duration,
}

/// The first connection that is made; the tries that are slower are dropped.
pub(crate) async fn dial<T, F>(
    addresses: &[SocketAddr],
    pace: Pace,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(T, SocketAddr), Finding>
where
    F: Future<Output = Result<T, Error>>,
{
    let deadline = Instant::now() + pace.limit;
    let one = |address: SocketAddr| {
        let connecting = connect(address);
        async move { (address, connecting.await) }
    };
    let mut waiting = addresses.iter().copied();
    let mut trying = FuturesUnordered::new();
    let mut faults = Vec::new();
    trying.extend(waiting.next().map(one));
    let mut next_at = Instant::now() + pace.stagger;
    while !trying.is_empty() {
        tokio::select! {
            Some((address, result)) = trying.next() => match result {
                Ok(stream) => return Ok((stream, address)),
                Err(error) => {
                    faults.push(refused(address, &error));
                    trying.extend(waiting.next().map(one));
                    next_at = Instant::now() + pace.stagger;
                }
            },
            () = sleep_until(next_at), if waiting.len() > 0 => {
                trying.extend(waiting.next().map(one));
                next_at = Instant::now() + pace.stagger;
            }
            () = sleep_until(deadline) => {
                let open = addresses.iter().filter(|address| !told(&faults, **address));
                let late: Vec<_> = open.map(|address| silent(*address, pace.limit)).collect();
                faults.extend(late);
                break;
            }
        }
    }
    Err(together(faults))
}

fn told(faults: &[(SocketAddr, Finding)], address: SocketAddr) -> bool {
    faults.iter().any(|(of, _)| *of == address)
}

fn silent(address: SocketAddr, limit: Duration) -> (SocketAddr, Finding) {
    let finding = Finding::new("connect-timeout", format!("{address} did not answer in {limit:?}"));
    (address, finding.hint("check `address` in the inventory and firewalls on the way"))
}

fn refused(address: SocketAddr, error: &Error) -> (SocketAddr, Finding) {
    let (code, hint) = match error.kind() {
        ErrorKind::ConnectionRefused => ("refused", "is sshd running there, on this port?"),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            ("no-route", "check the network of this machine and `address` in the inventory")
        }
        ErrorKind::TimedOut => ("connect-timeout", "check `address` in the inventory and firewalls on the way"),
        _ => ("connect-failed", "check `address` and `port` in the inventory"),
    };
    (address, Finding::new(code, format!("{address}: {error}").to_lowercase()).hint(hint))
}

/// One finding for all addresses: the one that tells the most, with the others as evidence.
fn together(faults: Vec<(SocketAddr, Finding)>) -> Finding {
    // an answer says more than silence, and silence more than a family that this machine does not have
    let telling = |finding: &Finding| match finding.code.as_str() {
        "refused" => 0,
        "connect-failed" => 1,
        "connect-timeout" => 2,
        _ => 3,
    };
    let many = faults.len() > 1;
    let lines: Vec<String> = faults.iter().map(|(_, finding)| finding.summary.clone()).collect();
    let Some((_, finding)) = faults.into_iter().min_by_key(|(_, finding)| telling(finding)) else {
        return Finding::new("dns", "there is no address to connect to").hint("check `address` in the inventory");
    };
    match many {
        true => lines.into_iter().fold(finding, Finding::evidence),
        false => finding,
    }
}

#[cfg(test)]
mod tests;
