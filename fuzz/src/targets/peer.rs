//! A peer that speaks no SSH, or speaks it wrongly: whatever comes before and during the exchange of keys.

use std::time::Duration;

use runbook::fuzzing::converse;
use runbook::model::finding::Finding;
use runbook::world::timeouts::Timeouts;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{Instant, sleep, timeout};

use super::bytes::{Choices, is_odd};

/// The connection is refused with a reason, within its deadlines, and leaves nothing behind.
pub(super) fn peer(bytes: &[u8]) {
    runtime().block_on(async {
        let (ours, theirs) = tokio::io::duplex(8 * 1024);
        let speaking = tokio::spawn(speak(theirs, bytes.to_vec()));
        let (began, timeouts) = (Instant::now(), Timeouts::default());
        let limit = timeouts.banner + timeouts.key_exchange + Duration::from_secs(1);
        let talk = timeout(limit, converse(ours, b"", timeouts, &[])).await;
        let Ok(Err(finding)) = talk else {
            panic!("{} after {:?}", if talk.is_ok() { "a session" } else { "no end" }, began.elapsed())
        };
        can_be_shown(&finding);
        assert_ne!(finding.code, "internal", "{finding:?}");
        speaking.abort();
        nothing_is_left().await;
    });
}

/// Time does not pass here: where everything waits, the next deadline is now.
pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

/// Every task that was started ends by itself.
pub(super) async fn nothing_is_left() {
    let began = Instant::now();
    while Handle::current().metrics().num_alive_tasks() > 0 {
        let left = Handle::current().metrics().num_alive_tasks();
        assert!(began.elapsed() < Duration::from_secs(300), "{left} tasks go on for ever");
        sleep(Duration::from_millis(500)).await;
    }
}

/// No word of the other side reaches the screen as more than text.
pub(super) fn can_be_shown(finding: &Finding) {
    let shown = format!("{} {}", finding.code, finding.summary);
    let texts = finding.evidence.iter().chain(&finding.hint).chain([&shown]);
    for text in texts {
        assert_eq!(text.chars().find(|c| is_odd(*c)), None, "{text:?}");
        assert!(text.len() <= 4096, "{} bytes of text", text.len());
    }
}

/// The first byte says how the others are sent: after a banner, as packets, in which pieces, and what comes after them.
async fn speak(stream: DuplexStream, bytes: Vec<u8>) {
    let mut choices = Choices::new(&bytes);
    let how = choices.byte();
    let piece = [1, 7, 64, 4096][usize::from(how >> 4) % 4];
    let (mut from, mut to) = tokio::io::split(stream);
    let mut drained = Vec::new();
    if how & 1 != 0 {
        let _ = to.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
    }
    if how & 2 != 0 {
        // their key exchange begins once ours has
        let _ = timeout(Duration::from_secs(1), from.read_buf(&mut drained)).await;
    }
    let sent = if how & 4 != 0 { packets(choices) } else { choices.rest().to_vec() };
    for part in sent.chunks(piece) {
        if to.write_all(part).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    if how & 8 != 0 {
        return;
    }
    // silent, but there
    while from.read_buf(&mut drained).await.is_ok_and(|count| count > 0) {
        drained.clear();
    }
}

/// Packets as they are before keys are agreed on: a byte says how long the next one is.
fn packets(mut choices: Choices<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(length) = choices.next() {
        let payload = choices.take(usize::from(length) * 4);
        let short = 8 - (payload.len() + 5) % 8;
        let padding = if short < 4 { short + 8 } else { short };
        let length = u32::try_from(payload.len() + padding + 1).expect("it is short");
        out.extend(length.to_be_bytes());
        out.push(u8::try_from(padding).expect("it is short"));
        out.extend(payload);
        out.extend(std::iter::repeat_n(0, padding));
    }
    out
}
