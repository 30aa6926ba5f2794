//! The closing block: the state, the numbers, failures folded by cause, what is open, what to type next. Sixteen lines at
//! most, whatever the size of the fleet.

use std::io::{self, Write};

use crate::model::event::{Event, EventKind, Failure, OpenItem};
use crate::model::finding::Finding;
use crate::model::id::HostName;
use crate::model::outcome::{HostOutcome, RunState as EndState};
use crate::model::visible::clip;
use crate::report::paint::{Paint, Tone};
use crate::state::run::RunState;
use crate::state::summary;
use crate::state::words;

/// The most lines of the block, the empty one before it counted.
const LINES: usize = 16;
/// The most causes that are listed by somebody who is told nothing else.
const CAUSES: usize = 6;
/// The most open items that are listed.
const OPEN: usize = 3;
/// The most commands that are listed.
const NEXT: usize = 4;
/// The most columns of a set of hosts.
const HOSTS: usize = 40;
/// The most columns of a message.
const MESSAGE: usize = 160;

/// Writes the closing block of a run whose last event is `finished`.
pub fn block(out: &mut dyn Write, paint: Paint, state: &RunState, finished: &Event) -> io::Result<()> {
    let EventKind::RunFinished { open, failures, next, .. } = &finished.kind else { return Ok(()) };
    let waiting: Vec<_> = state.order.iter().filter(|name| !state.dry_run && not_started(state, name)).cloned().collect();
    let others = 2 + usize::from(!waiting.is_empty()) + open.len().min(OPEN + 1) + next.len().min(NEXT);
    writeln!(out)?;
    head(out, paint, state, finished)?;
    causes(out, paint, state, failures, LINES.saturating_sub(others))?;
    if !waiting.is_empty() {
        let line = format!("{}  {}", words::count(waiting.len(), "host"), words::hosts(&waiting, HOSTS));
        paint.line(out, "not started", Tone::Dim, &line)?;
    }
    still_open(out, paint, open)?;
    next_commands(out, paint, next)
}

/// Only what went wrong and what is open, and then the closing line.
pub fn short(out: &mut dyn Write, paint: Paint, state: &RunState, finished: &Event) -> io::Result<()> {
    let EventKind::RunFinished { open, failures, .. } = &finished.kind else { return Ok(()) };
    causes(out, paint, state, failures, 2 * CAUSES)?;
    still_open(out, paint, open)?;
    head(out, paint, state, finished)
}

/// Says of something that it could not be closed.
pub fn not_closed(
    out: &mut dyn Write,
    paint: Paint,
    state: &RunState,
    (host, key): (&HostName, &str),
    finding: &Finding,
) -> io::Result<()> {
    let (title, _) = words::open_title(state, host, key);
    let sim = words::sim(state.sim);
    paint.line(out, "STILL OPEN", Tone::Warn, &format!("{sim}{host}  {title} could not be closed: {}", finding.summary))
}

fn head(out: &mut dyn Write, paint: Paint, state: &RunState, finished: &Event) -> io::Result<()> {
    let EventKind::RunFinished { state: end, hosts, changed, open, duration_ms, .. } = &finished.kind else { return Ok(()) };
    let left = if open.is_empty() { "nothing left open".to_owned() } else { format!("OPEN {}", open.len()) };
    let took = words::clock(words::millis(*duration_ms));
    let (run, tally, sim) = (&finished.run, words::tally(hosts), words::sim(state.sim));
    let head = match (state.dry_run, *changed) {
        (true, 0) => format!("{sim}dry run {run}  {took}   {tally}   nothing was changed"),
        _ => format!("{sim}run {run}  {took}   {tally}   {changed} changed   {left}"),
    };
    paint.line(out, state_verb(*end), state_tone(*end), &head)
}

/// The commands to type next, one a line.
pub fn next_commands(out: &mut dyn Write, paint: Paint, next: &[String]) -> io::Result<()> {
    for (i, command) in next.iter().take(NEXT).enumerate() {
        match i {
            0 => paint.line(out, "next", Tone::Strong, command)?,
            _ => paint.under(out, command)?,
        }
    }
    Ok(())
}

/// The record's length and head, to be noted elsewhere: against it a record that was cut short is found out.
pub fn record(out: &mut dyn Write, paint: Paint, events: u64, head: &str) -> io::Result<()> {
    paint.line(out, "record", Tone::Dim, &format!("{events} events, head {}", clip(head, 64)))
}

/// In at most so many lines: as many causes as there is room for, and with the room that is left what the first host of
/// the first ones showed.
fn causes(out: &mut dyn Write, paint: Paint, state: &RunState, failures: &[Failure], room: usize) -> io::Result<()> {
    let shown = if failures.len() <= room { failures.len() } else { room.saturating_sub(1) };
    let mut left = room.saturating_sub(shown + usize::from(shown < failures.len()));
    for failure in failures.iter().take(shown) {
        let host = failure.hosts.first().and_then(|name| state.hosts.get(name));
        let outcome = host.map_or(HostOutcome::Failed, |host| summary::outcome(host, state.dry_run));
        let step = failure.step.as_ref().map_or_else(String::new, |id| format!("{}   ", words::step(state, id)));
        let many = words::count(failure.hosts.len(), "host");
        let hosts = words::hosts(&failure.hosts, HOSTS);
        let line = format!("{many}  {hosts}   {step}{}", clip(&failure.message, MESSAGE));
        paint.line(out, words::outcome(outcome), Tone::of(outcome), &line)?;
        if let Some(first) = failure.first.as_ref().filter(|first| left > 0 && **first != failure.message) {
            left -= 1;
            paint.under(out, &format!("first  {}", clip(first, MESSAGE)))?;
        }
    }
    let more = failures.len().saturating_sub(shown);
    if more > 0 {
        let hosts: usize = failures.iter().skip(shown).map(|f| f.hosts.len()).sum();
        paint.under(out, &format!("and {} on {}", words::count(more, "more cause"), words::count(hosts, "host")))?;
    }
    Ok(())
}

fn still_open(out: &mut dyn Write, paint: Paint, open: &[OpenItem]) -> io::Result<()> {
    for item in open.iter().take(OPEN) {
        paint.line(out, "OPEN", Tone::Warn, &open_item(item))?;
    }
    let more = open.len().saturating_sub(OPEN);
    if more > 0 {
        paint.under(out, &format!("and {more} more left open"))?;
    }
    Ok(())
}

/// `web-04  kill switch enabled, since 03:17:22Z`.
pub fn open_item(item: &OpenItem) -> String {
    format!("{}  {}, since {} {}Z", item.host, item.title, item.since.date(), item.since.clock())
}

fn not_started(state: &RunState, name: &HostName) -> bool {
    state.hosts.get(name).is_some_and(|host| summary::outcome(host, state.dry_run) == HostOutcome::NotStarted)
}

/// How a run ended, as the verb of a line.
pub fn state_verb(state: EndState) -> &'static str {
    match state {
        EndState::Ok => "ok",
        EndState::Failed => "FAILED",
        EndState::Unreachable => "UNREACHABLE",
        EndState::Aborted => "ABORTED",
        EndState::Pending => "pending",
        EndState::Refused => "REFUSED",
        EndState::LeftOpen => "LEFT OPEN",
        EndState::Unknown => "UNKNOWN",
        EndState::RecordLost => "RECORD LOST",
        EndState::Internal => "INTERNAL",
    }
}

fn state_tone(state: EndState) -> Tone {
    match state {
        EndState::Ok | EndState::Pending => Tone::Strong,
        EndState::Unreachable => Tone::Far,
        EndState::Aborted | EndState::Refused | EndState::LeftOpen => Tone::Warn,
        EndState::Failed | EndState::Unknown | EndState::RecordLost | EndState::Internal => Tone::Bad,
    }
}
