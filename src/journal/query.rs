//! Reading the record: runs, events, what is open, whether the chain holds. A type of event that a newer program wrote is
//! passed over; a row of a known type that does not read is an error, since what it said may have mattered.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{OptionalExtension, params};

use crate::engine::seen;
use crate::journal::chain::{self, Hash, Row};
use crate::journal::schema::MARKS;
use crate::journal::store::{Journal, JournalError};
use crate::model::event::{Event, EventKind, OpenItem};
use crate::model::id::{HostName, RunId};
use crate::model::outcome::HostOutcome;
use crate::model::plan::Plan;
use crate::model::time::Timestamp;
use crate::model::visible::literal;
use crate::state::run::RunState;

/// A recorded run, without its events.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Its id.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// The runbook's name.
    pub runbook: String,
    /// The selector as typed.
    pub selector: String,
    /// How it began: `run.planned`, where it got so far.
    pub planned: Option<Event>,
    /// How it ended: `run.finished`, where it got so far.
    pub finished: Option<Event>,
    /// What is open now.
    pub open: Vec<OpenItem>,
    /// Whether its hosts were simulated.
    pub sim: bool,
}

/// What is open from a run.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenRun {
    /// The run.
    pub run: RunId,
    /// Its runbook.
    pub runbook: String,
    /// What is open, oldest first.
    pub items: Vec<OpenItem>,
    /// Whether its hosts were simulated.
    pub sim: bool,
}

/// What checking a run's chain came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// How many rows hold.
    pub events: u64,
    /// The hash of the last row that holds, in hex.
    pub head: String,
    /// The first row that does not, if there is one.
    pub broken: Option<u64>,
    /// Whether the run says that it ended.
    pub finished: bool,
}

impl Journal {
    /// All events of a run, in order; of long output as much as was told while it ran.
    pub fn events(&self, run: &RunId) -> Result<Vec<Event>, JournalError> {
        let query = "SELECT seq, ts, body FROM events WHERE run = ?1 ORDER BY seq";
        let mut events = Vec::new();
        self.each(run, query, |mut event| {
            seen::shorten(&mut event.kind);
            seen::shorten_output(&mut event.kind);
            events.push(event);
        })?;
        Ok(events)
    }

    /// All events of a run that are about a host, in order and whole, and those about none.
    pub fn events_of(&self, run: &RunId, host: &HostName) -> Result<Vec<Event>, JournalError> {
        let query = "SELECT seq, ts, body FROM events WHERE run = ?1 ORDER BY seq";
        let mut events = Vec::new();
        self.each(run, query, |event| {
            if event.kind.host().is_none_or(|of| of == host) {
                events.push(event);
            }
        })?;
        Ok(events)
    }

    fn select(&self, run: &RunId, query: &str) -> Result<Vec<Event>, JournalError> {
        let mut events = Vec::new();
        self.each(run, query, |event| events.push(event))?;
        Ok(events)
    }

    fn each(&self, run: &RunId, query: &str, mut take: impl FnMut(Event)) -> Result<(), JournalError> {
        let sql = |error| self.sql(error);
        let mut statement = self.reader.prepare_cached(query).map_err(sql)?;
        let mut rows = statement.query([run.as_str()]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            let (seq, ts): (i64, i64) = (row.get(0).map_err(sql)?, row.get(1).map_err(sql)?);
            let body = row.get_ref(2).and_then(|v| Ok(v.as_str()?)).map_err(sql)?;
            read_event(run, seq, ts, body)?.into_iter().for_each(&mut take);
        }
        Ok(())
    }

    /// What became of each host whose lane ended; of two ends the later one.
    pub fn host_ends(&self, run: &RunId) -> Result<BTreeMap<HostName, HostOutcome>, JournalError> {
        let ends = self.select(run, "SELECT seq, ts, body FROM events WHERE run = ?1 AND type = 'host.finished' ORDER BY seq")?;
        let of = |event: Event| match event.kind {
            EventKind::HostFinished { host, outcome, .. } => Some((host, outcome)),
            _ => None,
        };
        Ok(ends.into_iter().filter_map(of).collect())
    }

    /// Whether an event of this type is in the record of a run.
    pub fn has(&self, run: &RunId, kind: &str) -> Result<bool, JournalError> {
        let query = "SELECT EXISTS (SELECT 1 FROM events WHERE run = ?1 AND type = ?2)";
        self.reader.query_row(query, [run.as_str(), kind], |row| row.get(0)).map_err(|error| self.sql(error))
    }

    fn marks(&self, run: &RunId) -> Result<Vec<Event>, JournalError> {
        self.select(run, &format!("SELECT seq, ts, body FROM events WHERE run = ?1 AND {MARKS} ORDER BY seq"))
    }

    /// The newest runs, newest first.
    pub fn runs(&self, limit: usize) -> Result<Vec<RunRow>, JournalError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let found = self.run_rows("ORDER BY started DESC, run LIMIT ?1", limit)?;
        found.into_iter().map(|(run, started, runbook, selector)| self.with_marks(run, started, runbook, selector)).collect()
    }

    /// The ids of all runs, oldest first.
    pub fn run_ids(&self) -> Result<Vec<RunId>, JournalError> {
        let rows = self.run_rows("ORDER BY started, run LIMIT ?1", i64::MAX)?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    fn run_rows(&self, tail: &str, limit: i64) -> Result<Vec<(RunId, Timestamp, String, String)>, JournalError> {
        let sql = |error| self.sql(error);
        let query = format!("SELECT run, started, runbook, selector FROM runs {tail}");
        let mut statement = self.reader.prepare_cached(&query).map_err(sql)?;
        let mut rows = statement.query(params![limit]).map_err(sql)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(sql)? {
            let id: String = row.get(0).map_err(sql)?;
            let run = RunId::parse(&id).map_err(|e| JournalError::Row { run: id, seq: 0, why: e.to_string() })?;
            let started = Timestamp::from_millis(row.get(1).map_err(sql)?);
            found.push((run, started, row.get(2).map_err(sql)?, row.get(3).map_err(sql)?));
        }
        Ok(found)
    }

    fn with_marks(&self, run: RunId, started: Timestamp, runbook: String, selector: String) -> Result<RunRow, JournalError> {
        let events = self.marks(&run)?;
        let open = RunState::replay(&events).open();
        let planned = events.iter().find(|e| matches!(e.kind, EventKind::RunPlanned { .. })).cloned();
        let finished = events.iter().rev().find(|e| matches!(e.kind, EventKind::RunFinished { .. })).cloned();
        // how a run began is its first event, which is found by its number
        let first = self.select(&run, "SELECT seq, ts, body FROM events WHERE run = ?1 AND seq = 1")?;
        let sim = RunState::replay(&first).sim;
        Ok(RunRow { run, started, runbook, selector, planned, finished, open, sim })
    }

    /// One run by its id.
    pub fn run(&self, run: &RunId) -> Result<RunRow, JournalError> {
        let query = "SELECT started, runbook, selector FROM runs WHERE run = ?1";
        let found = self
            .reader
            .query_row(query, [run.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()
            .map_err(|e| self.sql(e))?;
        let (started, runbook, selector) = found.ok_or_else(|| JournalError::NoRun(run.to_string()))?;
        self.with_marks(run.clone(), Timestamp::from_millis(started), runbook, selector)
    }

    /// The one run whose id begins so; `last` is the newest.
    pub fn find_run(&self, prefix: &str) -> Result<RunId, JournalError> {
        let missing = || JournalError::NoRun(literal(prefix).into_owned());
        if prefix == "last" {
            return self
                .run_rows("ORDER BY started DESC, run LIMIT ?1", 1)?
                .into_iter()
                .next()
                .map(|row| row.0)
                .ok_or_else(missing);
        }
        if prefix.is_empty() || !prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(missing());
        }
        let sql = |error| self.sql(error);
        // `g` comes right after the last digit of an id
        let query = "SELECT run FROM runs WHERE run >= ?1 AND run < ?1 || 'g' ORDER BY run LIMIT 6";
        let mut statement = self.reader.prepare_cached(query).map_err(sql)?;
        let rows = statement.query_map([prefix], |row| row.get::<_, String>(0)).map_err(sql)?;
        let runs: Vec<String> = rows.collect::<Result<_, _>>().map_err(sql)?;
        let exact = runs.iter().find(|run| *run == prefix);
        match (exact, runs.as_slice()) {
            (Some(run), _) => RunId::parse(run).map_err(|_| missing()),
            (None, [run]) => RunId::parse(run).map_err(|_| missing()),
            (None, []) => Err(missing()),
            (None, _) => Err(JournalError::Ambiguous { prefix: prefix.to_owned(), runs }),
        }
    }

    /// The plan of a run as it was stored: what a close or a resume works from.
    pub fn plan(&self, run: &RunId) -> Result<Plan, JournalError> {
        let query = "SELECT plan FROM runs WHERE run = ?1";
        let text: Option<String> =
            self.reader.query_row(query, [run.as_str()], |row| row.get(0)).optional().map_err(|e| self.sql(e))?;
        let text = text.ok_or_else(|| JournalError::NoRun(run.to_string()))?;
        let unreadable = |error: serde_json::Error| JournalError::Row { run: run.to_string(), seq: 0, why: error.to_string() };
        serde_json::from_str(&text).map_err(unreadable)
    }

    /// Everything that is open, of all runs, oldest run first.
    pub fn open_obligations(&self) -> Result<Vec<OpenRun>, JournalError> {
        let sql = |error| self.sql(error);
        let mut statement = self.reader.prepare_cached("SELECT DISTINCT run FROM opened").map_err(sql)?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).map_err(sql)?;
        let runs: BTreeSet<String> = rows.collect::<Result<_, _>>().map_err(sql)?;
        let mut open = Vec::new();
        for id in runs {
            let run = RunId::parse(&id).map_err(|e| JournalError::Row { run: id, seq: 0, why: e.to_string() })?;
            let row = self.run(&run)?;
            if !row.open.is_empty() {
                open.push((row.started, OpenRun { run: row.run, runbook: row.runbook, items: row.open, sim: row.sim }));
            }
        }
        open.sort_by(|a, b| (a.0, &a.1.run).cmp(&(b.0, &b.1.run)));
        Ok(open.into_iter().map(|(_, run)| run).collect())
    }

    /// Where a run's chain ends: the number of its last row and that row's hash in hex.
    pub fn head(&self, run: &RunId) -> Result<Option<(u64, String)>, JournalError> {
        let query = "SELECT seq, hash FROM events WHERE run = ?1 ORDER BY seq DESC LIMIT 1";
        let last: Option<(i64, Hash)> = self
            .reader
            .query_row(query, [run.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(|e| self.sql(e))?;
        Ok(last.and_then(|(seq, hash)| Some((u64::try_from(seq).ok()?, chain::hex(&hash)))))
    }

    /// Checks every row of a run against the one before it, and the first against the plan.
    pub fn verify(&self, run: &RunId) -> Result<Chain, JournalError> {
        let sql = |error| self.sql(error);
        let query = "SELECT started, runbook, selector, plan FROM runs WHERE run = ?1";
        let genesis: Option<Hash> = self
            .reader
            .query_row(query, [run.as_str()], |row| {
                let (runbook, selector, plan): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
                Ok(chain::genesis(run.as_str(), row.get(0)?, &runbook, &selector, &plan))
            })
            .optional()
            .map_err(sql)?;
        let mut head = genesis.ok_or_else(|| JournalError::NoRun(run.to_string()))?;
        let query = "SELECT seq, ts, type, body, prev, hash FROM events WHERE run = ?1 ORDER BY seq";
        let mut statement = self.reader.prepare_cached(query).map_err(sql)?;
        let mut rows = statement.query([run.as_str()]).map_err(sql)?;
        let mut chain = Chain { events: 0, head: String::new(), broken: None, finished: false };
        while let Some(row) = rows.next().map_err(sql)? {
            let expected = i64::try_from(chain.events).unwrap_or(i64::MAX) + 1;
            let (Some(hash), finished) = check_row(run, expected, &head, row).map_err(sql)? else {
                chain.broken = Some(chain.events + 1);
                break;
            };
            head = hash;
            chain.events += 1;
            chain.finished |= finished;
        }
        chain.head = chain::hex(&head);
        Ok(chain)
    }
}

/// The row's hash, if row and hash are as they must be after `prev`; and whether it is the end of a run.
fn check_row(run: &RunId, expected: i64, prev: &Hash, row: &rusqlite::Row<'_>) -> rusqlite::Result<(Option<Hash>, bool)> {
    let (seq, ts): (i64, i64) = (row.get(0)?, row.get(1)?);
    let (kind, body) = (row.get_ref(2)?.as_str()?, row.get_ref(3)?.as_str()?);
    let (said_prev, said_hash) = (row.get_ref(4)?.as_blob()?, row.get_ref(5)?.as_blob()?);
    let hash = chain::next(prev, &Row { run: run.as_str(), seq, ts, kind, body });
    let holds = seq == expected && said_prev == prev && said_hash == hash;
    Ok((holds.then_some(hash), kind == "run.finished"))
}

fn read_event(run: &RunId, seq: i64, ts: i64, body: &str) -> Result<Option<Event>, JournalError> {
    let wrong = |why: String| JournalError::Row { run: run.to_string(), seq, why };
    match serde_json::from_str::<EventKind>(body) {
        Ok(kind) => {
            let number = u64::try_from(seq).map_err(|e| wrong(e.to_string()))?;
            Ok(Some(Event { seq: number, ts: Timestamp::from_millis(ts), run: run.clone(), kind }))
        }
        Err(error) if is_known(body) => Err(wrong(error.to_string())),
        Err(_) => Ok(None),
    }
}

/// Whether a row is of a type that this program knows, or of none at all: alone, a known tag misses its fields, an unknown
/// one is no variant.
fn is_known(body: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Tag {
        #[serde(rename = "type")]
        kind: String,
    }
    let Ok(tag) = serde_json::from_str::<Tag>(body) else { return true };
    let alone = serde_json::json!({ "type": tag.kind });
    serde_json::from_value::<EventKind>(alone).err().is_none_or(|error| !error.to_string().starts_with("unknown variant"))
}

#[cfg(test)]
mod tests {
    use super::{is_known, read_event};
    use crate::model::id::RunId;

    #[test]
    fn only_unknown_types_are_passed_over() {
        let run = RunId::parse("7f3a9c").unwrap();
        assert!(!is_known(r#"{"type":"host.danced","host":"web-1"}"#));
        assert_eq!(read_event(&run, 1, 0, r#"{"type":"host.danced","host":"web-1"}"#).unwrap(), None);
        assert!(read_event(&run, 1, 0, r#"{"type":"note","by":"ana","text":"x","mood":"new field"}"#).unwrap().is_some());
        for bad in [
            r#"{"type":"note"}"#,
            r#"{"no":"type"}"#,
            "garbage",
            r#"{"type":"step.finished","host":"a","step":"b","attempt":1,"outcome":"new-word"}"#,
        ] {
            assert!(read_event(&run, 1, 0, bad).is_err(), "{bad}");
        }
    }
}
