//! A run's story as a table on a terminal or a pipe.

use std::io::{self, Write};
use std::time::Duration;

use crate::model::hostset::fold;
use crate::model::id::HostName;
use crate::model::time::Timestamp;
use crate::model::visible::{pad, visible, width};
use crate::report::paint::{Paint, Tone};
use crate::state::run::RunState;
use crate::state::timeline::{Counter, Entry, Mark, Moment, PhaseTime, Timeline};
use crate::state::told::{SAME_TIME, Told, told};
use crate::state::words;

/// The most columns of a sparkline.
const SPARK: usize = 20;
/// The most columns of the hosts; longer sets push their line to the right.
const PLACE: usize = 24;

/// Writes the story; of one host only, where one is named.
pub fn render(
    out: &mut dyn Write,
    paint: Paint,
    state: &RunState,
    timeline: &Timeline,
    only: Option<&HostName>,
) -> io::Result<()> {
    heading(out, paint, state)?;
    let shown = |entry: &Entry| only.is_none() || entry.host.is_none() || entry.host.as_ref() == only;
    let lines: Vec<Line<'_>> =
        told(&timeline.entries, SAME_TIME, shown).iter().map(|told| Line::of(&timeline.entries, told)).collect();
    let hosts = lines.iter().map(|line| width(&line.place())).max().unwrap_or(1).min(PLACE);
    let mut day = state.started.map(Timestamp::date);
    for line in &lines {
        if day.as_ref().is_some_and(|day| *day != line.entry.at.date()) {
            day = Some(line.entry.at.date());
            writeln!(out, "{}", line.entry.at.date())?;
        }
        row(out, paint, line, hosts)?;
    }
    for counter in timeline.counters.iter().filter(|counter| only.is_none_or(|host| counter.host == *host)) {
        writeln!(out, "{}", visible(&counter_line(counter)))?;
    }
    phases(out, paint, &timeline.phases)?;
    if !timeline.moments.is_empty() {
        let when = |m: &Moment| m.after.map_or_else(|| format!("{}Z", m.at.clock()), |after| format!("+{}", words::clock(after)));
        let moment = |m: &Moment| format!("{} {}", m.name, when(m));
        writeln!(out, "{}", timeline.moments.iter().map(moment).collect::<Vec<_>>().join("   "))?;
    }
    for item in state.open() {
        let (open, sim) = (paint.word("OPEN", Tone::Warn), words::sim(state.sim));
        writeln!(
            out,
            "{open} {sim}{}  {}, since {} {}Z",
            item.host,
            visible(&item.title),
            item.since.date(),
            item.since.clock()
        )?;
    }
    Ok(())
}

/// Entries that say the same of several hosts at the same time.
struct Line<'e> {
    entry: &'e Entry,
    hosts: Vec<HostName>,
}

impl<'e> Line<'e> {
    fn of(entries: &'e [Entry], told: &Told) -> Self {
        let hosts = told.all.iter().filter_map(|place| entries[*place].host.clone()).collect();
        Self { entry: &entries[told.first], hosts }
    }

    fn place(&self) -> String {
        if self.hosts.is_empty() { "-".to_owned() } else { fold(&self.hosts) }
    }
}

fn heading(out: &mut dyn Write, paint: Paint, state: &RunState) -> io::Result<()> {
    let run = state.run.as_ref().map_or("?", |run| run.as_str());
    let runbook = state.runbook.as_ref().map_or("?", |book| book.name.as_str());
    let date = state.started.map_or_else(String::new, Timestamp::date);
    let by = if state.by.is_empty() { String::new() } else { format!("  by {}", state.by) };
    let ticket = state.ticket.as_ref().map_or_else(String::new, |ticket| format!("  {ticket}"));
    let dry = if state.dry_run { "  dry run" } else { "" };
    let sim = words::sim(state.sim);
    let text = format!("{sim}run {run}  {runbook}  {}  {date}{by}{ticket}{dry}  times UTC", state.selector);
    writeln!(out, "{}", paint.word(&text, Tone::Strong))
}

fn row(out: &mut dyn Write, paint: Paint, line: &Line<'_>, hosts: usize) -> io::Result<()> {
    let (entry, host) = (line.entry, pad(&line.place(), hosts));
    let since = offset(entry.since_start);
    let text = visible(&entry.text);
    let text = if entry.bad { paint.word(&text, Tone::Bad) } else { text.into_owned() };
    let mark = match entry.mark {
        None => String::new(),
        Some(Mark::Open) => format!("  {}", paint.word("OPEN", Tone::Warn)),
        Some(Mark::Closed(open)) => format!("  {} {}", paint.word("CLOSED", Tone::Strong), words::clock(open)),
    };
    let line = format!("{}  {since:<7}  {host}  {:<4}  {text}{mark}", entry.at.clock(), entry.who.word());
    writeln!(out, "{}", line.trim_end())
}

/// `1:49`; `-` before the start.
pub fn offset(after: Option<Duration>) -> String {
    after.map_or_else(|| "-".to_owned(), words::clock)
}

fn phases(out: &mut dyn Write, paint: Paint, phases: &[PhaseTime]) -> io::Result<()> {
    if phases.is_empty() {
        return Ok(());
    }
    let names = phases.iter().map(|phase| width(&phase.name)).max().unwrap_or(0).max(5);
    writeln!(out, "{}  BUDGET  TOOK     SLOWEST", pad("PHASE", names))?;
    for phase in phases {
        let budget = phase.budget.map_or_else(|| "-".to_owned(), words::clock);
        let took = phase.took.map_or_else(|| "-".to_owned(), words::clock);
        let host = phase.host.as_ref().map_or("-", |host| host.as_str());
        let over = if phase.over { format!("  {}", paint.word("OVER", Tone::Warn)) } else { String::new() };
        writeln!(out, "{}  {budget:<6}  {took:<7}  {host}{over}", pad(&visible(&phase.name), names))?;
    }
    Ok(())
}

/// `restarts web-04 api  ▁▂▃█  1146 → 1191, flat since 03:21:20`.
pub fn counter_line(counter: &Counter) -> String {
    let values: Vec<u64> = counter.points.iter().map(|(_, value)| *value).collect();
    let (first, last) = (values.first().copied().unwrap_or(0), values.last().copied().unwrap_or(0));
    let flat = counter.flat_since().map_or_else(String::new, |at| format!(", flat since {}", at.clock()));
    let moved = if first == last { format!("{last}") } else { format!("{first} → {last}") };
    format!("restarts {} {}  {}  {moved}{flat}", counter.host, counter.app, spark(&values))
}

fn spark(values: &[u64]) -> String {
    const MARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (low, high) = (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0));
    let span = (high - low).max(1);
    let last = &values[values.len().saturating_sub(SPARK)..];
    // at most seven eighths of the span per mark, in wide arithmetic: counters are whatever a host says
    let level = |value: u64| usize::try_from(u128::from(value - low) * 7 / u128::from(span)).unwrap_or(7).min(7);
    last.iter().map(|value| MARKS[level(*value)]).collect()
}

#[cfg(test)]
mod tests {
    use super::spark;

    #[test]
    fn counters_draw_whatever_they_say() {
        assert_eq!(spark(&[]), "");
        assert_eq!(spark(&[5, 5]), "▁▁");
        assert_eq!(spark(&[0, 7, u64::MAX]), "▁▁█");
    }
}
