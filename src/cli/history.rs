//! `runbook history`: the runs that were recorded, newest first, and what is still open.

use std::collections::BTreeMap;
use std::io::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::args::Form;
use crate::cli::failure::Failure;
use crate::cli::open;
use crate::cli::output;
use crate::cli::settings::Settings;
use crate::journal::query::RunRow;
use crate::journal::store::Journal;
use crate::model::event::{EventKind, OpenItem};
use crate::model::id::RunId;
use crate::model::outcome::{HostOutcome, RunState as EndState};
use crate::model::time::Timestamp;
use crate::model::visible::{clip, pad, visible, width};
use crate::report::paint::{Paint, Tone};
use crate::state::words;

/// The names of the columns; stable.
const COLUMNS: [&str; 8] = ["RUN", "WHEN (UTC)", "BY", "RUNBOOK", "HOSTS", "RESULT", "TOOK", "OPEN"];
/// The most columns of the terminal that one cell takes.
const CELL: usize = 32;

/// Arguments of `runbook history`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// At most so many runs
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
}

/// A line of `runbook history --output json`: a recorded run.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Ran {
    /// Its id.
    pub run: RunId,
    /// When it began.
    pub started: Timestamp,
    /// The runbook's name.
    pub runbook: String,
    /// The selector as typed.
    pub selector: String,
    /// Who started it; `-` where it was not planned to its end.
    pub by: String,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// Whether its hosts were simulated.
    pub sim: bool,
    /// How many hosts it was for; none where it was not planned to its end.
    pub planned: Option<usize>,
    /// Whether a process works on it now.
    pub running: bool,
    /// How it ended; none where it did not.
    pub state: Option<EndState>,
    /// Its exit code, where it ended.
    pub exit_code: Option<u8>,
    /// Hosts by outcome, where it ended.
    pub hosts: Option<BTreeMap<HostOutcome, usize>>,
    /// How long it took, where it ended.
    pub duration_ms: Option<u64>,
    /// What is open now.
    pub open: Vec<OpenItem>,
}

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let journal = open::journal(settings)?;
    let runs = journal.runs(args.limit).map_err(open::failed)?;
    let runs: Vec<Ran> = runs.iter().map(|row| ran(&journal, row)).collect();
    let mut out = Vec::new();
    let paint = Paint { color: settings.color };
    match settings.output {
        Form::Json => runs.iter().try_for_each(output::json)?,
        Form::Quiet => runs.iter().for_each(|ran| out.extend(format!("{}\n", ran.run).bytes())),
        Form::Human if runs.is_empty() => {
            let note = format!("no run is recorded in {}", journal.path().display());
            print(settings.err(), format!("{}\n", visible(&note)).as_bytes());
        }
        Form::Human => {
            let cells: Vec<[String; 8]> = runs.iter().map(cells).collect();
            if settings.stdout_terminal { aligned(&mut out, paint, &cells) } else { separated(&mut out, &cells) }
        }
    }
    print(settings.out(), &out);
    let mut left = Vec::new();
    open::warn_open(&journal, settings, &mut left)?;
    print(settings.err(), &left);
    Ok(0)
}

/// Writes all of it; whoever closed the pipe (`| head`) has read enough.
pub(super) fn print(mut to: impl Write, bytes: &[u8]) {
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}

/// A recorded run in short.
pub(super) fn ran(journal: &Journal, row: &RunRow) -> Ran {
    let mut ran = Ran {
        run: row.run.clone(),
        started: row.started,
        runbook: row.runbook.clone(),
        selector: row.selector.clone(),
        by: "-".to_owned(),
        dry_run: false,
        sim: row.sim,
        planned: None,
        running: row.finished.is_none() && journal.holder(&row.run).is_some(),
        state: None,
        exit_code: None,
        hosts: None,
        duration_ms: None,
        open: row.open.clone(),
    };
    if let Some(EventKind::RunPlanned { by, hosts, dry_run, .. }) = row.planned.as_ref().map(|event| &event.kind) {
        (ran.by, ran.planned, ran.dry_run) = (by.clone(), Some(hosts.len()), *dry_run);
    }
    if let Some(EventKind::RunFinished { state, exit_code, hosts, duration_ms, .. }) = row.finished.as_ref().map(|e| &e.kind) {
        (ran.state, ran.exit_code) = (Some(*state), Some(*exit_code));
        (ran.hosts, ran.duration_ms) = (Some(hosts.clone()), Some(*duration_ms));
    }
    ran
}

impl Ran {
    /// `2026-11-21 03:13`, in UTC.
    pub fn when(&self) -> String {
        format!("{} {}", self.started.date(), &self.started.clock()[..5])
    }

    /// `failed: 5 ok 1 failed`, behind `SIM` where the hosts were simulated.
    pub fn result(&self) -> String {
        let result = match (&self.hosts, self.state) {
            (Some(hosts), Some(EndState::Ok)) => words::tally(hosts).replace("  ", " "),
            (Some(hosts), Some(state)) => format!("{state}: {}", words::tally(hosts).replace("  ", " ")),
            _ if self.running => "running".to_owned(),
            _ => "NOT FINISHED".to_owned(),
        };
        let dry = if self.dry_run { "dry run: " } else { "" };
        format!("{}{dry}{result}", words::sim(self.sim))
    }
}

fn cells(ran: &Ran) -> [String; 8] {
    let hosts = ran.planned.map_or_else(|| ran.selector.clone(), |n| format!("{} ({n})", ran.selector));
    let took = ran.duration_ms.map_or_else(|| "-".to_owned(), |ms| words::clock(words::millis(ms)));
    let open = if ran.open.is_empty() { "-".to_owned() } else { ran.open.len().to_string() };
    let all = [ran.run.to_string(), ran.when(), ran.by.clone(), ran.runbook.clone(), hosts, ran.result(), took, open];
    all.map(|cell| visible(&cell).into_owned())
}

fn aligned(out: &mut Vec<u8>, paint: Paint, rows: &[[String; 8]]) {
    let cell = |text: &String| clip(text, CELL).into_owned();
    let rows: Vec<[String; 8]> = rows.iter().map(|row| row.each_ref().map(cell)).collect();
    let wide = |i: usize| rows.iter().map(|row| width(&row[i])).chain([COLUMNS[i].len()]).max().unwrap_or(0);
    let columns: Vec<usize> = (0..COLUMNS.len()).map(wide).collect();
    let line = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&columns).map(|(cell, columns)| pad(cell, *columns)).collect();
        padded.join("  ").trim_end().to_owned()
    };
    out.extend(format!("{}\n", paint.word(&line(COLUMNS.to_vec()), Tone::Strong)).bytes());
    for row in &rows {
        out.extend(format!("{}\n", line(row.iter().map(String::as_str).collect())).bytes());
    }
}

fn separated(out: &mut Vec<u8>, rows: &[[String; 8]]) {
    out.extend(format!("{}\n", COLUMNS.join("\t")).bytes());
    for row in rows {
        out.extend(format!("{}\n", row.join("\t")).bytes());
    }
}
