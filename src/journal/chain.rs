//! The hash chain over the rows of one run: each row's hash covers the row before it, the first covers the run's plan.
//!
//! It finds any edit and any row taken out of the middle. That rows were cut off the end shows only against a head that
//! was noted elsewhere, which is why the head is printed when a run ends.

use sha2::{Digest, Sha256};

/// The hash of one row.
pub type Hash = [u8; 32];

/// A row as it is hashed.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The run.
    pub run: &'a str,
    /// From 1.
    pub seq: i64,
    /// Milliseconds since 1970.
    pub ts: i64,
    /// The event's type.
    pub kind: &'a str,
    /// The event as JSON.
    pub body: &'a str,
}

/// What the first row of a run is chained to: the run and its plan as they were stored.
pub fn genesis(run: &str, started: i64, runbook: &str, selector: &str, plan: &str) -> Hash {
    let mut hash = Sha256::new();
    hash.update(b"runbook journal 1\n");
    for part in [run, &started.to_string(), runbook, selector, plan] {
        // lengths first, so that no two different rows read the same
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// The hash of `row` after the row with the hash `prev`.
pub fn next(prev: &Hash, row: &Row<'_>) -> Hash {
    let mut hash = Sha256::new();
    hash.update(prev);
    hash.update(row.seq.to_be_bytes());
    hash.update(row.ts.to_be_bytes());
    for part in [row.run, row.kind, row.body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// A hash as people compare it.
pub fn hex(hash: &Hash) -> String {
    use std::fmt::Write;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // writing to a String cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{Row, genesis, hex, next};

    #[test]
    fn every_column_is_covered() {
        let first = genesis("7f3a9c", 1, "restart-loop", "all", "{}");
        let row = Row { run: "7f3a9c", seq: 1, ts: 5, kind: "note", body: "{}" };
        let hash = next(&first, &row);
        assert_ne!(hash, next(&hash, &row));
        for other in [
            Row { run: "7f3a9d", ..row },
            Row { seq: 2, ..row },
            Row { ts: 6, ..row },
            Row { kind: "notes", ..row },
            Row { body: "{} ", ..row },
            Row { kind: "not", body: "e{}", ..row },
        ] {
            assert_ne!(hash, next(&first, &other), "{other:?}");
        }
        assert_ne!(first, genesis("7f3a9c", 1, "restart-loopa", "ll", "{}"));
        assert_eq!(hex(&[0xab; 32]).len(), 64);
    }
}
