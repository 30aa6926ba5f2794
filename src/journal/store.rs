//! Opening the journal, creating runs, and handing out the writer.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::engine::log::LogError;
use crate::journal::chain::{self, Hash};
use crate::journal::lock::{LockError, RunLock};
use crate::journal::place::{self, PlaceError};
use crate::journal::schema;
use crate::journal::writer::{Appender, Tail, Writer};
use crate::model::event::{Event, EventKind};
use crate::model::id::RunId;
use crate::model::time::Timestamp;

/// How long another process may keep the file to itself.
const BUSY: Duration = Duration::from_secs(5);

/// The record of all runs.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    path: PathBuf,
    remote: bool,
    pub(super) reader: Connection,
}

/// A run to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'a> {
    /// Its id, from [`Journal::new_run_id`].
    pub run: &'a RunId,
    /// When it began.
    pub started: Timestamp,
    /// The runbook's name.
    pub runbook: &'a str,
    /// The selector as typed.
    pub selector: &'a str,
    /// The plan as JSON.
    pub plan: &'a str,
}

/// The journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Its directory or file is not as it must be.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// Somebody else writes this run.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A newer program wrote it.
    #[error("{} needs a newer runbook: its schema is {found}, this one knows {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It is some other program's file.
    #[error("{} is not a journal of this program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// SQLite could not read or write it.
    #[error("{}: {source}", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// An event could not be appended.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The writer's thread could not be started.
    #[error("the journal's writer could not be started: {0}")]
    Thread(std::io::Error),
    /// A row does not read.
    #[error("event {seq} of run {run} does not read: {why}")]
    Row {
        /// The run.
        run: String,
        /// The row.
        seq: i64,
        /// Why.
        why: String,
    },
    /// No run has this id.
    #[error("there is no run `{0}`")]
    NoRun(String),
    /// Several runs begin so.
    #[error("`{prefix}` could be {}", runs.join(", "))]
    Ambiguous {
        /// As typed.
        prefix: String,
        /// Those it could be.
        runs: Vec<String>,
    },
    /// No random bytes were to be had.
    #[error("no random bytes for a run id: {0}")]
    Random(getrandom::Error),
}

impl Journal {
    /// Opens the journal in `dir`, making both where they are not there.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        let dir = place::directory(dir)?;
        let path = dir.join("journal.db");
        place::database(&path)?;
        let (version, application) = header(&path)?;
        check(&path, version, application)?;
        let remote = place::is_remote(&dir);
        let mut connection = open_to_write(&path, remote)?;
        let sql = |source| JournalError::Sql { path: path.clone(), source };
        // the header may be older than what its log says
        let (version, application) = identity(&connection).map_err(sql)?;
        check(&path, version, application)?;
        if version < schema::VERSION {
            schema::migrate(&mut connection).map_err(sql)?;
        }
        let reader = open_to_read(&path).map_err(sql)?;
        Ok(Self { dir, path, remote, reader })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn sql(&self, source: rusqlite::Error) -> JournalError {
        JournalError::Sql { path: self.path.clone(), source }
    }

    /// An id that no run has.
    pub fn new_run_id(&self) -> Result<RunId, JournalError> {
        for attempt in 0_usize.. {
            // six digits are enough for people; more only when those are taken
            let mut bytes = [0_u8; 8];
            getrandom::fill(&mut bytes).map_err(JournalError::Random)?;
            let digits = 6 + 2 * (attempt / 8).min(5);
            let text: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            let Ok(run) = RunId::parse(&text[..digits]) else { continue };
            if !self.exists(&run)? {
                return Ok(run);
            }
        }
        Err(JournalError::NoRun(String::new()))
    }

    /// Who is writing this run now, if somebody is: `pid 4711`.
    pub fn holder(&self, run: &RunId) -> Option<String> {
        RunLock::holder(&self.dir, run)
    }

    /// Whether there is such a run.
    pub fn exists(&self, run: &RunId) -> Result<bool, JournalError> {
        let query = "SELECT 1 FROM runs WHERE run = ?1";
        let found = self.reader.query_row(query, [run.as_str()], |_| Ok(())).optional();
        Ok(found.map_err(|e| self.sql(e))?.is_some())
    }

    /// Records a new run with its plan and returns its writer.
    pub fn create_run(&self, new: &NewRun<'_>) -> Result<Writer, JournalError> {
        let lock = RunLock::take(&self.dir, new.run)?;
        let connection = open_to_write(&self.path, self.remote)?;
        connection
            .execute(
                "INSERT INTO runs (run, started, runbook, selector, plan) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![new.run.as_str(), new.started.as_millis(), new.runbook, new.selector, new.plan],
            )
            .map_err(|e| self.sql(e))?;
        let hash = chain::genesis(new.run.as_str(), new.started.as_millis(), new.runbook, new.selector, new.plan);
        Writer::start(connection, new.run.clone(), Tail { seq: 0, hash }, lock).map_err(JournalError::Thread)
    }

    /// The writer of a run that was recorded before: it goes on where the record ends.
    pub fn writer(&self, run: &RunId) -> Result<Writer, JournalError> {
        let (connection, tail, lock) = self.resume(run)?;
        Writer::start(connection, run.clone(), tail, lock).map_err(JournalError::Thread)
    }

    /// Appends to a run that was recorded before, such as a note to one that ended.
    pub fn append_after(&self, run: &RunId, at: Timestamp, kinds: Vec<EventKind>) -> Result<Vec<Event>, JournalError> {
        let (connection, tail, _lock) = self.resume(run)?;
        let first = u64::try_from(tail.seq).unwrap_or(0) + 1;
        let numbered = kinds.into_iter().zip(first..);
        let events: Vec<Event> = numbered.map(|(kind, seq)| Event { seq, ts: at, run: run.clone(), kind }).collect();
        Appender { connection, run: run.clone(), tail }.append(events.iter())?;
        Ok(events)
    }

    fn resume(&self, run: &RunId) -> Result<(Connection, Tail, RunLock), JournalError> {
        let lock = RunLock::take(&self.dir, run)?;
        let mut connection = open_to_write(&self.path, self.remote)?;
        let tail = self.tail(&mut connection, run)?;
        Ok((connection, tail, lock))
    }

    fn tail(&self, connection: &mut Connection, run: &RunId) -> Result<Tail, JournalError> {
        let sql = |error| self.sql(error);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred).map_err(sql)?;
        let genesis: Option<Hash> = transaction
            .query_row("SELECT started, runbook, selector, plan FROM runs WHERE run = ?1", [run.as_str()], |row| {
                let (runbook, selector, plan): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(chain::genesis(run.as_str(), row.get(0)?, &runbook, &selector, &plan))
            })
            .optional()
            .map_err(sql)?;
        let genesis = genesis.ok_or_else(|| JournalError::NoRun(run.to_string()))?;
        let last = transaction
            .query_row("SELECT seq, hash FROM events WHERE run = ?1 ORDER BY seq DESC LIMIT 1", [run.as_str()], |row| {
                Ok(Tail { seq: row.get(0)?, hash: row.get(1)? })
            })
            .optional()
            .map_err(sql)?;
        Ok(last.unwrap_or(Tail { seq: 0, hash: genesis }))
    }
}

fn check(path: &Path, version: u32, application: u32) -> Result<(), JournalError> {
    let path = path.to_owned();
    match (version, application) {
        // a file that was made and never got its tables
        (0, 0) => Ok(()),
        (_, application) if application != schema::APPLICATION_ID => Err(JournalError::Foreign { path }),
        (version, _) if version > schema::VERSION => Err(JournalError::Newer { path, found: version, known: schema::VERSION }),
        _ => Ok(()),
    }
}

/// Version and application id; a file with tables and without either is somebody else's.
fn identity(connection: &Connection) -> rusqlite::Result<(u32, u32)> {
    // all of one moment: another process may be making the tables
    let connection = connection.unchecked_transaction()?;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get(0));
    let (version, application): (u32, u32) = (number("user_version")?, number("application_id")?);
    let tables: u32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((if tables > 0 { version.max(1) } else { version }, application))
}

/// Version and application id as the file itself has them, read in a way that touches nothing beside or in it.
fn header(path: &Path) -> Result<(u32, u32), JournalError> {
    let read = || -> rusqlite::Result<(u32, u32)> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(immutable(path), flags)?;
        identity(&connection)
    };
    let garbled =
        |error: &rusqlite::Error| matches!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt));
    let begun = Instant::now();
    loop {
        match read() {
            // read without a lock, a file that another process is just writing looks like none
            Err(error) if garbled(&error) && begun.elapsed() < SETTLING => std::thread::sleep(Duration::from_millis(20)),
            Err(error) if garbled(&error) => return Err(place::not_a_journal(path).into()),
            read => return read.map_err(|source| JournalError::Sql { path: path.to_owned(), source }),
        }
    }
}

/// How long a file may look garbled before it counts as none of ours.
const SETTLING: Duration = Duration::from_millis(500);

/// The file as a URI that says that it does not change: no locks, no log.
fn immutable(path: &Path) -> OsString {
    let mut uri = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(*byte),
            _ if byte.is_ascii_alphanumeric() => uri.push(*byte),
            _ => uri.extend(format!("%{byte:02X}").bytes()),
        }
    }
    uri.extend(b"?immutable=1");
    OsString::from_vec(uri)
}

fn open_to_write(path: &Path, remote: bool) -> Result<Connection, JournalError> {
    let begun = Instant::now();
    loop {
        match set_up(path, remote) {
            // while another process makes or leaves the write-ahead log, SQLite does not wait by itself
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && begun.elapsed() < BUSY => {
                std::thread::sleep(Duration::from_millis(10));
            }
            result => return result.map_err(|source| JournalError::Sql { path: path.to_owned(), source }),
        }
    }
}

fn set_up(path: &Path, remote: bool) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let wanted = if remote { "TRUNCATE" } else { "WAL" };
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", wanted, |row| row.get(0))?;
    if !remote && mode != "wal" {
        // without shared memory: slower, as safe
        connection.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))?;
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NOFOLLOW | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}
