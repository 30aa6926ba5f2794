//! What went wrong before the login, as classes with words: what peers that are no SSH servers, that shed connections or
//! that break the protocol did, and what to type next.

use std::fmt::Write as _;
use std::time::Duration;

use russh::Error;

use crate::model::finding::Finding;
use crate::model::visible::{Newline, clip, visible_bytes};
use crate::world::ssh::client::{Ending, Learned, broken, is_end};
use crate::world::ssh::greeting::Unfit;
use crate::world::ssh::retry::Fault;
use crate::world::ssh::wire::Gauge;

/// How much of what a peer said is shown on one line, in columns.
const SAID: usize = 64;
/// How much of what came in first is shown as numbers, in bytes.
const HEX: usize = 64;
/// How much of a list of algorithms is shown, in columns.
const LIST: usize = 400;
/// How much of a server's text before the login is shown, in columns.
const BANNER: usize = 1024;

/// A deadline has passed.
pub(crate) fn late(code: &str, summary: &str, limit: Duration) -> Finding {
    Finding::new(code, format!("{summary} in {limit:?}"))
}

fn said(bytes: &[u8], columns: usize) -> String {
    clip(&visible_bytes(bytes.trim_ascii(), Newline::Fold), columns).into_owned()
}

/// Something is answered that tells what there is instead: its first bytes are shown, and to the byte.
fn shown_whole(finding: Finding, hello: &[u8]) -> Finding {
    if hello.is_empty() {
        return finding;
    }
    let mut numbers = String::new();
    for byte in hello.iter().take(HEX) {
        // writing to a String cannot fail
        let _ = write!(numbers, " {byte:02x}");
    }
    finding.evidence(format!("it began with `{}`", said(hello, SAID))).evidence(format!("first bytes:{numbers}"))
}

/// The deadline passed before the server's identification.
pub(crate) fn no_banner(gauge: &Gauge, limit: Duration) -> Fault {
    let hello = gauge.hello();
    let hint = "check `port` in the inventory, and sshd on the host: it accepts connections and then says nothing";
    if hello.is_empty() {
        return late("banner-timeout", "the server sent no SSH banner", limit).hint(hint).into();
    }
    let summary = format!("the server sent {} bytes and no whole SSH banner", gauge.received());
    Fault::dripping(shown_whole(late("banner-timeout", &summary, limit), &hello).hint(hint))
}

/// The deadline passed before keys were agreed on and checked.
pub(crate) fn no_keys(gauge: &Gauge, limit: Duration) -> Fault {
    let (bytes, silence) = (gauge.received(), gauge.silence().unwrap_or(limit));
    // a peer that was heard of in the second half of the time is slow; one that was not is cut off
    if silence < limit / 2 {
        let summary = format!("the key exchange was not done, at {bytes} bytes,");
        let finding = late("kex-timeout", &summary, limit).hint("the server, or the way to it, is far too slow");
        return Fault::dripping(finding);
    }
    let finding = late("kex-timeout", &format!("the key exchange stalled after {bytes} bytes: it was not done"), limit);
    let hint = "small packets pass and large ones do not? check the MTU on the way (ping -M do -s 1472), and sshd on the host";
    finding.hint(hint).into()
}

/// The connection failed before the server's identification was accepted.
pub(crate) fn no_ssh(error: &Error, gauge: &Gauge, denied: Option<&str>) -> Finding {
    let hello = gauge.hello();
    let text = said(&hello, SAID);
    let port = "check `port` in the inventory: something else answers there";
    if text.contains("MaxStartups") {
        return throttled(format!("sshd is shedding connections: `{text}`"));
    }
    if text.contains("Not allowed at this time") {
        return penalised(format!("sshd penalises this address: `{text}`"), denied);
    }
    match gauge.unfit() {
        Some(Unfit::Version(line)) => {
            let summary = format!("the server speaks `{}`, not SSH 2", said(line, SAID));
            return shown_whole(Finding::new("protocol-version", summary).hint("update the ssh server of this host"), &hello);
        }
        Some(Unfit::NotSsh(why)) => {
            let finding = Finding::new("not-ssh", format!("not an SSH server: {why}; it began with `{text}`"));
            return shown_whole(finding.hint(port), &hello);
        }
        None => {}
    }
    match (is_end(error), hello.is_empty(), denied) {
        (true, true, Some(_)) => penalised("sshd closed the connection before its banner".to_owned(), denied),
        (true, true, None) => throttled("the connection was closed before the SSH banner".to_owned()),
        (true, false, _) => {
            shown_whole(Finding::new("not-ssh", format!("not an SSH server: it said `{text}` and hung up")).hint(port), &hello)
        }
        (false, _, _) => strange(error, &hello),
    }
}

fn throttled(summary: String) -> Finding {
    let hint = "sshd sheds connections (MaxStartups) or penalises this address: use a smaller --forks, or try later";
    Finding::new("throttled", summary).hint(hint)
}

fn penalised(summary: String, denied: Option<&str>) -> Finding {
    let finding = Finding::new("penalised", summary)
        .hint("it may last ten minutes: stop trying, check the key, then try again (sshd_config: PerSourcePenalties)");
    match denied {
        Some(denied) => finding.evidence(format!("the earlier failure in this run: {denied}")),
        None => finding.evidence("no login failed in this run: the failures were earlier ones, from this address"),
    }
}

fn strange(error: &Error, hello: &[u8]) -> Finding {
    let ending = if matches!(error, Error::Join(_)) { Ending::Panicked } else { Ending::Broken };
    let text = if ending == Ending::Panicked { "it stopped with a panic".to_owned() } else { words(error) };
    shown_whole(broken(ending, &text), hello)
}

fn words(error: &Error) -> String {
    said(error.to_string().to_lowercase().as_bytes(), 300)
}

/// The connection failed between the server's identification and checked keys.
pub(crate) fn exchange_failed(error: &Error, gauge: &Gauge, learned: &Learned) -> Finding {
    if let (Error::Kex, Some(agreed)) = (error, learned.agreed()) {
        let summary =
            format!("the server does not know the strict key exchange, and offers nothing better than {}", agreed.cipher);
        return Finding::new("no-strict-kex", summary)
            .evidence("a third party could leave packets out of the beginning unseen (Terrapin, CVE-2023-48795)")
            .hint("update the ssh server of this host, or let it offer aes256-gcm@openssh.com");
    }
    match error {
        Error::NoCommonAlgo { kind, ours, theirs } => no_common(&format!("{kind:?}").to_lowercase(), ours, theirs),
        _ if learned.ending() == Some(Ending::Crowded) => {
            throttled(format!("sshd is shedding connections: {}", learned.ended().unwrap_or_default()))
        }
        // the library calls it an end when it gives up on what came in
        error if is_end(error) && !gauge.ended() && learned.ended().is_none() => strange(error, &gauge.hello()),
        error if is_end(error) => {
            let summary = format!("the connection was lost during the key exchange, after {} bytes", gauge.received());
            let finding = Finding::new("kex-lost", summary).hint("look at sshd's log on the host: did it crash, or drop us?");
            match learned.ended() {
                Some(why) => finding.evidence(why),
                None => finding,
            }
        }
        other => strange(other, &gauge.hello()),
    }
}

fn no_common(kind: &str, ours: &[String], theirs: &[String]) -> Finding {
    let (what, option) = match kind {
        "kex" => ("key exchange", "KexAlgorithms"),
        "key" => ("host key", "HostKeyAlgorithms, or a HostKey of another type"),
        "cipher" => ("cipher", "Ciphers"),
        "mac" => ("MAC", "MACs"),
        _ => ("compression", "Compression"),
    };
    let list = |names: &[String]| match names {
        [] => "nothing".to_owned(),
        names => said(names.join(",").as_bytes(), LIST),
    };
    Finding::new("algo-mismatch", format!("no {what} algorithm is common to both sides: the server offers none of ours"))
        .evidence(format!("we offer: {}", list(ours)))
        .evidence(format!("the server offers: {}", list(theirs)))
        .evidence(format!("missing at the server: {}", list(ours)))
        .hint(format!("let sshd on the host offer one of ours ({option} in sshd_config); weaker ones are never used"))
}

/// The login did not succeed, and the connection may have ended on the way.
pub(crate) fn login_failed(finding: Finding, learned: &Learned) -> Finding {
    let ended = learned.ended().unwrap_or_default();
    match learned.ending() {
        Some(ending @ (Ending::Broken | Ending::Panicked)) => broken(ending, ended),
        _ => with_banner(finding, &learned.banner()),
    }
}

/// What the server printed before the login may explain why there is none.
fn with_banner(finding: Finding, banner: &str) -> Finding {
    match said(banner.as_bytes(), BANNER) {
        text if text.is_empty() => finding,
        text => finding.evidence(format!("the server's banner: {text}")),
    }
}
