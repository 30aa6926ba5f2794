//! Streams of output that are cut at markers.

use runbook::fuzzing::cut;

use super::bytes::Choices;

const NONCES: [&str; 3] = ["a1", "b2", "c3"];

/// However a stream comes, in one piece or in many, what is made of it is the same; and no byte is made up.
pub(super) fn markers(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let sizes: Vec<usize> = (0..choices.byte() % 8).map(|_| usize::from(choices.byte()).max(1)).collect();
    let stream = choices.rest();
    let whole = cut(&[stream], &NONCES);
    let mut parts = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle().take(stream.len()) {
        let (part, after) = rest.split_at((*size).min(rest.len()));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    assert_eq!(cut(&parts, &NONCES), whole, "cut into {sizes:?}");

    let (sections, noise) = whole;
    let total: u64 = sections.iter().map(|(_, captured)| captured.total).sum();
    assert!(total as usize + noise.len() <= stream.len(), "more came out than went in");
    let mut all_ended = true;
    for ((ended, _), nonce) in sections.iter().zip(NONCES) {
        assert!(all_ended || !ended, "a script ended before the one that was sent before it");
        all_ended = *ended;
        let end = format!("\n{nonce} end ");
        assert!(!ended || stream.windows(end.len()).any(|window| window == end.as_bytes()), "{end:?} was never there");
    }
}
