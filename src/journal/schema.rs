//! The tables, and how an older file becomes today's. A file from a newer program is left as it is.

use rusqlite::{Connection, TransactionBehavior};

/// `RBK1`: this file is a journal of this program.
pub const APPLICATION_ID: u32 = 0x5242_4b31;

/// Today's version.
pub const VERSION: u32 = STEPS.len() as u32;

/// The events by which runs are listed and obligations found, in the words of the partial index below: a query that
/// says the same condition reads that index and nothing else.
pub const MARKS: &str = "type IN ('run.planned','run.finished','obligation.opened','obligation.closed','obligation.failed')";

/// One entry per version, in order; never edited once released.
const STEPS: &[&str] = &["
    CREATE TABLE runs (
        run      TEXT PRIMARY KEY,
        started  INTEGER NOT NULL,
        runbook  TEXT NOT NULL,
        selector TEXT NOT NULL,
        plan     TEXT NOT NULL
    ) STRICT;
    CREATE INDEX runs_started ON runs (started);
    CREATE TABLE events (
        run  TEXT NOT NULL REFERENCES runs (run),
        seq  INTEGER NOT NULL,
        ts   INTEGER NOT NULL,
        type TEXT NOT NULL,
        body TEXT NOT NULL,
        prev BLOB NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (run, seq)
    ) STRICT;
    CREATE INDEX events_marks ON events (run, seq) WHERE
        type IN ('run.planned','run.finished','obligation.opened','obligation.closed','obligation.failed');
    -- where to look for what is open; what is open is told by the events themselves
    CREATE TABLE opened (
        run  TEXT NOT NULL,
        host TEXT NOT NULL,
        key  TEXT NOT NULL,
        PRIMARY KEY (run, host, key)
    ) STRICT, WITHOUT ROWID;
"];

/// The version of an open file.
pub fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the file to today's version, all or nothing. The caller has refused newer ones.
pub fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let have = version(&transaction)?;
    if have < VERSION {
        for step in STEPS.iter().skip(have as usize) {
            transaction.execute_batch(step)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}
