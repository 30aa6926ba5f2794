//! A run's story as Markdown: a post-mortem's timeline to hand in.

use std::io::{self, Write};

use crate::model::visible::visible;
use crate::report::timeline::{counter_line, offset};
use crate::state::run::RunState;
use crate::state::summary::{self, Conclusion, Flags};
use crate::state::timeline::{Mark, Timeline};
use crate::state::words;

/// Writes the story.
pub fn render(out: &mut dyn Write, state: &RunState, timeline: &Timeline, head: Option<&(u64, String)>) -> io::Result<()> {
    let run = state.run.as_ref().map_or("?", |run| run.as_str());
    let runbook = state.runbook.as_ref().map_or("?", |book| book.name.as_str());
    let sim = words::sim(state.sim);
    writeln!(out, "# {sim}Run {run}: {} on {}\n", text(runbook), text(&state.selector))?;
    if state.sim {
        writeln!(out, "- **SIM**: {}", words::SIMULATED)?;
    }
    let Conclusion { hosts, open, failures, .. } = summary::conclude(state, &[], &Flags::default());
    let end = state.finished.as_ref().map_or_else(|| "not finished".to_owned(), |f| format!("{}, exit {}", f.state, f.exit_code));
    writeln!(out, "- Result: {end}; {}", words::tally(&hosts))?;
    if !state.by.is_empty() {
        writeln!(out, "- Started by {}", text(&state.by))?;
    }
    if let Some(ticket) = &state.ticket {
        writeln!(out, "- Ticket: {}", text(ticket))?;
    }
    match open.len() {
        0 => writeln!(out, "- Nothing is left open")?,
        n => writeln!(out, "- **{n} left open**: `runbook close {run}`")?,
    }
    if let Some((events, head)) = head {
        writeln!(out, "- Record: {events} events, head `{head}`")?;
    }
    writeln!(out, "\n## Key moments\n\n| moment | time (UTC) | after |\n|---|---|---|")?;
    for moment in &timeline.moments {
        writeln!(out, "| {} | {} | {} |", moment.name, moment.at, offset(moment.after))?;
    }
    if !timeline.phases.is_empty() {
        writeln!(out, "\n## Phases\n\n| phase | budget | took (slowest host) | host |\n|---|---|---|---|")?;
        for phase in &timeline.phases {
            let over = if phase.over { " **over**" } else { "" };
            let host = phase.host.as_ref().map_or("-", |host| host.as_str());
            writeln!(out, "| {} | {} | {}{over} | {host} |", text(&phase.name), offset(phase.budget), offset(phase.took))?;
        }
    }
    if !failures.is_empty() {
        writeln!(out, "\n## What did not work\n\n| hosts | step | what was seen |\n|---|---|---|")?;
        for failure in &failures {
            let step = failure.step.as_ref().map_or("-", |step| step.as_str());
            writeln!(out, "| {} | {step} | {} |", words::hosts(&failure.hosts, 200), text(&failure.message))?;
        }
    }
    writeln!(out, "\n## Timeline\n\n| time (UTC) | +T | host | who | what |\n|---|---|---|---|---|")?;
    for entry in &timeline.entries {
        let host = entry.host.as_ref().map_or("-", |host| host.as_str());
        let mark = match entry.mark {
            None => String::new(),
            Some(Mark::Open) => " **OPEN**".to_owned(),
            Some(Mark::Closed(after)) => format!(" **CLOSED** {}", words::clock(after)),
        };
        let what = text(&entry.text);
        writeln!(out, "| {} | {} | {host} | {} | {what}{mark} |", entry.at, offset(entry.since_start), entry.who.word())?;
    }
    if !timeline.counters.is_empty() {
        writeln!(out, "\n## Restart counters\n")?;
        for counter in &timeline.counters {
            writeln!(out, "- {}", text(&counter_line(counter)))?;
        }
    }
    Ok(())
}

/// Text that stays text in Markdown: what came from a host can neither make a link nor leave its cell.
pub(crate) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in visible(raw).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '!' | '~' => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn hosts_cannot_write_markdown() {
        assert_eq!(text("![x](http://evil) | <b>\x1b"), "\\!\\[x\\](http://evil) \\| &lt;b&gt;\\\\x1b");
    }
}
