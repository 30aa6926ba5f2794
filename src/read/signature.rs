//! Lines of logs folded into signatures: what changes from one occurrence to the next is replaced by a placeholder, so that
//! a thousand lines of one fault are one signature with a count.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::read::answer::line;

/// The most signatures that are told apart; what comes later is counted together.
const MAX_KINDS: usize = 500;
/// The most characters of a line that are looked at.
const MAX_LINE: usize = 300;

// The order matters: a time is also digits, an id is also hex.
static CHANGES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x)
        (?P<time> \d{4}-\d\d-\d\d (?:[T\x20]\d\d:\d\d (?: :\d\d (?:[.,]\d+)? )? (?:Z|[+-]\d\d:?\d\d)? )?
                | \b\d\d:\d\d:\d\d (?:[.,]\d+)? )
      | (?P<uuid> \b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b )
      | (?P<hex> \b0x[0-9a-fA-F]+\b | \b[0-9a-fA-F]{8,}\b )
      | (?P<n> \d+ )",
    )
    .ok()
});

/// The line with times, ids, hex and numbers replaced, on one line, bounded and harmless.
pub fn signature(text: &str) -> String {
    let text = line(text, MAX_LINE);
    let Some(changes) = CHANGES.as_ref() else { return text };
    let shown = changes.replace_all(&text, |found: &Captures<'_>| {
        let whole = found.get(0).map_or("", |m| m.as_str());
        if found.name("time").is_some() {
            "<time>".to_owned()
        } else if found.name("uuid").is_some() {
            "<uuid>".to_owned()
        } else if found.name("hex").is_none() || whole.bytes().all(|b| b.is_ascii_digit()) {
            "<n>".to_owned()
        } else if whole.bytes().any(|b| b.is_ascii_digit()) {
            "<hex>".to_owned()
        } else {
            // `deadbeef` may be one, `defaced` and `feedback` are words
            whole.to_owned()
        }
    });
    shown.into_owned()
}

/// Signatures with how often each was met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signatures {
    counts: BTreeMap<String, u64>,
    others: u64,
}

impl Signatures {
    /// Takes in a line.
    pub fn add(&mut self, text: &str) {
        self.put(signature(text), 1);
    }

    /// Takes in what was counted elsewhere.
    pub fn merge(&mut self, other: Signatures) {
        other.counts.into_iter().for_each(|(signature, count)| self.put(signature, count));
        self.others += other.others;
    }

    fn put(&mut self, signature: String, times: u64) {
        if let Some(count) = self.counts.get_mut(&signature) {
            *count += times;
        } else if self.counts.len() < MAX_KINDS {
            self.counts.insert(signature, times);
        } else {
            self.others += times;
        }
    }

    /// The most frequent ones, and how many lines the rest of them stand for.
    pub fn top(&self, most: usize) -> (Vec<(&str, u64)>, u64) {
        let mut all: Vec<(&str, u64)> = self.counts.iter().map(|(text, count)| (text.as_str(), *count)).collect();
        // of equals the first by name: the same evidence is told in the same order
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let rest = all.iter().skip(most).map(|(_, count)| count).sum::<u64>() + self.others;
        all.truncate(most);
        (all, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{MAX_KINDS, Signatures, signature};

    #[test]
    fn what_changes_is_replaced_and_words_stay() {
        let cases = [
            (
                "Error: listen EADDRINUSE: address already in use :::3000",
                "Error: listen EADDRINUSE: address already in use :::<n>",
            ),
            ("2026-11-21T06:47:57.045Z pid=812 down", "<time> pid=<n> down"),
            ("[21/Nov/2026:06:47:57 +0000]", "[<n>/Nov/<n>:<time> +<n>]"),
            ("2026-11-21 06:47:57,045 x", "<time> x"),
            ("id 7f76e636-d9b0-42b6-81c9-82ff73f7a574 gone", "id <uuid> gone"),
            ("at 0xdeadBEEF sha 1f76e636d9b042b6", "at <hex> sha <hex>"),
            ("feedback deadbeef defaced", "feedback deadbeef defaced"),
            ("/srv/app-12/releases/20261121064757/x.js:10:5", "/srv/app-<n>/releases/<n>/x.js:<n>:<n>"),
            ("a\u{1b}[31mred", "a\\x<n>b[<n>mred"),
        ];
        for (text, want) in cases {
            assert_eq!(signature(text), want, "{text}");
        }
    }

    #[test]
    fn lines_are_folded_and_their_kinds_are_bounded() {
        let mut all = Signatures::default();
        for n in 0..5 {
            all.add(&format!("port {n}"));
        }
        all.add("other");
        assert_eq!(all.top(1), (vec![("port <n>", 5)], 1));
        let letters: Vec<String> = ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| format!("{a}{b} x"))).collect();
        let mut many = Signatures::default();
        letters.iter().for_each(|text| many.add(text));
        let (top, rest) = many.top(MAX_KINDS);
        assert_eq!((top.len(), rest), (MAX_KINDS, (letters.len() - MAX_KINDS) as u64));
    }

    proptest! {
        #[test]
        fn any_line_has_one_bounded_harmless_signature(text in ".*", odd in "\\PC{0,400}") {
            for text in [text, odd] {
                let shown = signature(&text);
                assert!(!shown.chars().any(char::is_control), "{shown:?}");
                assert!(shown.chars().count() <= 6 * 301, "{}", shown.len());
            }
        }
    }
}
