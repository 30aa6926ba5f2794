//! `runbook history`: the runs that were recorded, newest first, and what is still open.

use std::io::{self, Write};

use crate::cli::failure::Failure;
use crate::cli::open;
use crate::cli::settings::Settings;
use crate::journal::query::RunRow;
use crate::journal::store::Journal;
use crate::model::event::EventKind;
use crate::model::outcome::RunState as EndState;
use crate::model::visible::{clip, pad, visible, width};
use crate::report::paint::{Paint, Tone};
use crate::report::words;

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

/// Does it.
pub fn run(args: &Args, settings: &Settings) -> Result<u8, Failure> {
    let journal = open::journal(settings)?;
    let rows = journal.runs(args.limit).map_err(open::failed)?;
    let cells: Vec<[String; 8]> = rows.iter().map(|row| cells(&journal, row)).collect();
    let mut out = Vec::new();
    let paint = Paint { color: settings.color };
    if cells.is_empty() {
        let note = format!("no run is recorded in {}", journal.path().display());
        print(io::stderr().lock(), format!("{}\n", visible(&note)).as_bytes());
    } else if settings.stdout_terminal {
        aligned(&mut out, paint, &cells);
    } else {
        separated(&mut out, &cells);
    }
    print(io::stdout().lock(), &out);
    let mut left = Vec::new();
    open::warn_open(&journal, settings, &mut left)?;
    print(io::stderr().lock(), &left);
    Ok(0)
}

/// Writes all of it; whoever closed the pipe (`| head`) has read enough.
pub(super) fn print(mut to: impl Write, bytes: &[u8]) {
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}

fn cells(journal: &Journal, row: &RunRow) -> [String; 8] {
    let by = match row.planned.as_ref().map(|event| &event.kind) {
        Some(EventKind::RunPlanned { by, .. }) => by.clone(),
        _ => "-".to_owned(),
    };
    let (hosts, dry) = match row.planned.as_ref().map(|event| &event.kind) {
        Some(EventKind::RunPlanned { hosts, dry_run, .. }) => (format!("{} ({})", row.selector, hosts.len()), *dry_run),
        _ => (row.selector.clone(), false),
    };
    let (result, took) = result(journal, row);
    let result = if dry { format!("dry run: {result}") } else { result };
    let when = format!("{} {}", row.started.date(), &row.started.clock()[..5]);
    let open = if row.open.is_empty() { "-".to_owned() } else { row.open.len().to_string() };
    let all = [row.run.to_string(), when, by, row.runbook.clone(), hosts, result, took, open];
    all.map(|cell| visible(&cell).into_owned())
}

fn result(journal: &Journal, row: &RunRow) -> (String, String) {
    match row.finished.as_ref().map(|event| &event.kind) {
        Some(EventKind::RunFinished { state, hosts, duration_ms, .. }) => {
            let tally = words::tally(hosts).replace("  ", " ");
            let result = if *state == EndState::Ok { tally } else { format!("{state}: {tally}") };
            (result, words::clock(words::millis(*duration_ms)))
        }
        _ if journal.holder(&row.run).is_some() => ("running".to_owned(), "-".to_owned()),
        _ => ("NOT FINISHED".to_owned(), "-".to_owned()),
    }
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
