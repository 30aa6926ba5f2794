//! A recorded run, and a host of it, as the record tells.

use std::collections::BTreeMap;
use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::event::{Failure, OpenItem, PlannedStep};
use crate::model::finding::Finding;
use crate::model::host::Facts;
use crate::model::id::{HostName, RunId, StepId};
use crate::model::outcome::{HostOutcome, Outcome, RunState as EndState};
use crate::model::time::Timestamp;
use crate::model::visible::{clip, pad, visible, width};
use crate::report::end;
use crate::report::paint::{Paint, Tone};
use crate::state::run::{HostState, RunState};
use crate::state::summary::{self, Flags, conclude};
use crate::state::words;

/// The most columns of a set of hosts and of a line that a host showed.
const COLUMNS: usize = 160;
/// The most causes and hosts that are listed one by one.
const LISTED: usize = 20;

/// What `runbook show RUN --output json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ShownRun {
    /// The run.
    pub run: RunId,
    /// The runbook's name; none where the run was not planned to its end.
    pub runbook: Option<String>,
    /// The selector as typed.
    pub selector: String,
    /// Who started it.
    pub by: String,
    /// The ticket, where given.
    pub ticket: Option<String>,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// Whether its hosts were simulated.
    pub sim: bool,
    /// When it was planned.
    pub started: Option<Timestamp>,
    /// When its last event happened.
    pub last: Option<Timestamp>,
    /// How it ended; none where it did not.
    pub state: Option<EndState>,
    /// Its exit code, where it ended.
    pub exit_code: Option<u8>,
    /// Hosts by outcome.
    pub hosts: BTreeMap<HostOutcome, Vec<HostName>>,
    /// Hosts on which something was changed.
    pub changed: usize,
    /// Failures folded by cause, the worst and the most frequent first.
    pub failures: Vec<Failure>,
    /// What is open now.
    pub open: Vec<OpenItem>,
}

/// What `runbook show RUN HOST --output json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ShownHost {
    /// The run.
    pub run: RunId,
    /// The host.
    pub host: HostName,
    /// Whether it was simulated.
    pub sim: bool,
    /// What became of it.
    pub outcome: HostOutcome,
    /// Whether something was changed on it.
    pub changed: bool,
    /// What it said of itself; none where it was not reached.
    pub facts: Option<Facts>,
    /// Why it is not ok.
    pub finding: Option<Finding>,
    /// What is open on it now: title and since when.
    pub open: Vec<OpenItem>,
    /// Its steps, as far as it came.
    pub steps: Vec<ShownStep>,
}

/// A step on a host in short.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ShownStep {
    /// From 1.
    pub n: u32,
    /// Its id.
    pub id: StepId,
    /// Its kind.
    pub kind: String,
    /// Whether the host came so far.
    pub reached: bool,
    /// What became of it; in a dry run what would become of it; none where it did not end.
    pub outcome: Option<Outcome>,
    /// Whether a change was sent.
    pub changed: bool,
    /// One line: what was seen.
    pub summary: Option<String>,
    /// What was done or would be done.
    pub effects: Vec<String>,
    /// Why, where it is not fine.
    pub finding: Option<Finding>,
    /// How long it took, where it ended.
    pub took_ms: Option<u64>,
}

impl ShownRun {
    /// Of a replayed run.
    pub fn of(run: &RunId, state: &RunState) -> Self {
        let mut hosts: BTreeMap<HostOutcome, Vec<HostName>> = BTreeMap::new();
        for name in &state.order {
            if let Some(host) = state.hosts.get(name) {
                hosts.entry(summary::outcome(host, state.dry_run)).or_default().push(name.clone());
            }
        }
        Self {
            run: run.clone(),
            runbook: state.runbook.as_ref().map(|book| book.name.to_string()),
            selector: state.selector.clone(),
            by: state.by.clone(),
            ticket: state.ticket.clone(),
            dry_run: state.dry_run,
            sim: state.sim,
            started: state.started,
            last: state.last,
            state: state.finished.as_ref().map(|finished| finished.state),
            exit_code: state.finished.as_ref().map(|finished| finished.exit_code),
            hosts,
            changed: state.changed_hosts(),
            failures: conclude(state, &[], &Flags::default()).failures,
            open: state.open(),
        }
    }
}

impl ShownHost {
    /// Of a host of a replayed run.
    pub fn of(run: &RunId, state: &RunState, name: &HostName, of: &HostState) -> Self {
        Self {
            run: run.clone(),
            host: name.clone(),
            sim: state.sim,
            outcome: summary::outcome(of, state.dry_run),
            changed: of.changed,
            facts: of.facts.clone(),
            finding: summary::cause(state, of).map(|(_, finding)| finding.clone()),
            open: state.open().into_iter().filter(|item| item.host == *name).collect(),
            steps: state.steps.iter().filter_map(|step| ShownStep::of(step, of, state.dry_run)).collect(),
        }
    }
}

impl ShownStep {
    fn of(planned: &PlannedStep, host: &HostState, dry_run: bool) -> Option<Self> {
        let (n, id, kind) = (planned.n, planned.id.clone(), planned.kind.clone());
        if let Some(unit) = host.units.get(&planned.id) {
            let took = unit.started.zip(unit.finished).map(|(from, to)| to.since(from));
            return Some(Self {
                n,
                id,
                kind,
                reached: true,
                outcome: unit.outcome,
                changed: unit.changed,
                summary: unit.note.as_ref().map(|note| note.summary.clone()),
                effects: unit.effects.clone(),
                finding: unit.finding.clone(),
                took_ms: took.and_then(|took| u64::try_from(took.as_millis()).ok()),
            });
        }
        let preview = host.preview.get(&planned.id)?;
        Some(Self {
            n,
            id,
            kind,
            reached: dry_run,
            outcome: dry_run.then_some(preview.outcome),
            changed: false,
            summary: dry_run.then(|| preview.summary.clone()),
            effects: if dry_run { preview.effects.clone() } else { Vec::new() },
            finding: None,
            took_ms: None,
        })
    }
}

/// A run: how it stands, its hosts by outcome, its failures, what is open.
pub(super) fn tell_run(out: &mut dyn Write, paint: Paint, state: &RunState, shown: &ShownRun, flags: &Flags) -> io::Result<()> {
    let dry = if shown.dry_run { "  dry run" } else { "" };
    let ticket = shown.ticket.as_ref().map_or_else(String::new, |ticket| format!("  {ticket}"));
    let runbook = shown.runbook.as_deref().unwrap_or("?");
    let sim = words::sim(shown.sim);
    let head = format!("{sim}run {}  {runbook}  {}  by {}{ticket}{dry}", shown.run, shown.selector, shown.by);
    writeln!(out, "{}", paint.word(&head, Tone::Strong))?;
    let when = |at: Option<Timestamp>| at.map_or_else(|| "?".to_owned(), Timestamp::seconds);
    let end = match (shown.state, shown.exit_code) {
        (Some(state), Some(code)) => format!("{}, exit {code}", end::state_verb(state)),
        _ => "NOT FINISHED".to_owned(),
    };
    writeln!(out, "{} to {}  {end}, {} changed", when(shown.started), when(shown.last), words::count(shown.changed, "host"))?;
    for (outcome, hosts) in &shown.hosts {
        let line = format!("{}  {}", words::count(hosts.len(), "host"), words::hosts(hosts, COLUMNS));
        paint.line(out, words::outcome(*outcome), Tone::of(*outcome), &line)?;
    }
    for failure in shown.failures.iter().take(LISTED) {
        let step = failure.step.as_ref().map_or_else(String::new, |id| format!("{}   ", words::step(state, id)));
        let hosts = format!("{}  {}", words::count(failure.hosts.len(), "host"), words::hosts(&failure.hosts, 60));
        paint.line(out, "cause", Tone::Bad, &format!("{hosts}   {step}{}", clip(&failure.message, COLUMNS)))?;
        if let Some(first) = &failure.first {
            paint.under(out, &format!("first  {}", clip(first, COLUMNS)))?;
        }
    }
    let more = shown.failures.len().saturating_sub(LISTED);
    if more > 0 {
        paint.under(out, &format!("and {}", words::count(more, "more cause")))?;
    }
    for item in shown.open.iter().take(LISTED) {
        paint.line(out, "OPEN", Tone::Warn, &end::open_item(item))?;
    }
    let first = shown.failures.first().and_then(|failure| failure.hosts.first()).or(state.order.first());
    let mut next: Vec<String> = Vec::new();
    if !shown.open.is_empty() {
        next.push(flags.of_record(&format!("runbook close {}", shown.run)));
    }
    next.extend(first.map(|host| flags.of_record(&format!("runbook show {} {host}", shown.run))));
    next.push(flags.of_record(&format!("runbook timeline {}", shown.run)));
    end::next_commands(out, paint, &next)
}

/// A host: what it is, what became of it, its steps.
pub(super) fn tell_host(out: &mut dyn Write, paint: Paint, shown: &ShownHost, flags: &Flags) -> io::Result<()> {
    let changed = if shown.changed { "changed" } else { "nothing was changed" };
    let sim = words::sim(shown.sim);
    let head = format!("{sim}run {}  host {}  {}, {changed}", shown.run, shown.host, words::verb(shown.outcome));
    writeln!(out, "{}", paint.word(&head, Tone::Strong))?;
    if let Some(facts) = &shown.facts {
        let text = format!(
            "it says that it is {} on {} {}, as {}; its clock is {} ms ahead",
            facts.hostname, facts.os, facts.arch, facts.user, facts.skew_ms
        );
        writeln!(out, "{}", visible(&text))?;
    }
    let ids = shown.steps.iter().map(|step| width(step.id.as_str())).max().unwrap_or(0);
    for step in &shown.steps {
        let (word, tone) = match step.outcome {
            Some(outcome) if outcome.is_fine() => (outcome.word(), Tone::Plain),
            Some(outcome) => (outcome.word(), Tone::Bad),
            None if step.reached => ("NOT ENDED", Tone::Bad),
            None => ("not reached", Tone::Dim),
        };
        let took = step.took_ms.map_or_else(String::new, |ms| words::took(words::millis(ms)));
        let line = format!("{:>2} {}  {took:>6}  {}", step.n, pad(step.id.as_str(), ids), step.summary.as_deref().unwrap_or(""));
        paint.line(out, word, tone, &clip(&line, COLUMNS))?;
        for effect in &step.effects {
            paint.under(out, &format!("   + {effect}"))?;
        }
        if let Some(finding) = &step.finding {
            let said = step.summary.as_ref() == Some(&finding.summary);
            if said { tell_proof(out, paint, finding)? } else { tell_finding(out, paint, finding)? }
        }
    }
    if let (Some(finding), true) = (&shown.finding, shown.steps.iter().all(|step| step.finding.is_none())) {
        paint.line(out, "why", Tone::Bad, &format!("{}: {}", finding.code, finding.summary))?;
        tell_proof(out, paint, finding)?;
    }
    for item in &shown.open {
        paint.line(out, "OPEN", Tone::Warn, &end::open_item(item))?;
    }
    let reached = || shown.steps.iter().filter(|step| step.reached);
    let worst = reached().find(|step| !step.outcome.is_some_and(Outcome::is_fine)).or(reached().next_back());
    let next = worst.map(|step| flags.of_record(&format!("runbook show {} {} {}", shown.run, shown.host, step.id)));
    end::next_commands(out, paint, next.as_slice())
}

/// What shows a finding, and what to do about it.
pub(super) fn tell_finding(out: &mut dyn Write, paint: Paint, finding: &Finding) -> io::Result<()> {
    paint.under(out, &format!("   {}: {}", finding.code, finding.summary))?;
    tell_proof(out, paint, finding)
}

fn tell_proof(out: &mut dyn Write, paint: Paint, finding: &Finding) -> io::Result<()> {
    for line in &finding.evidence {
        paint.under(out, &format!("   | {}", clip(line, COLUMNS)))?;
    }
    finding.hint.as_ref().map_or(Ok(()), |hint| paint.under(out, &format!("   try: {hint}")))
}
