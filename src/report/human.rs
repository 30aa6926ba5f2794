//! A run as a person follows it: final lines that are only ever added to, with a verb in the first twelve columns.

use std::io::{self, Write};
use std::time::Duration;

use crate::engine::report::Reporter;
use crate::model::event::{Event, EventKind};
use crate::model::finding::Finding;
use crate::model::id::{HostName, StepId};
use crate::model::outcome::HostOutcome;
use crate::model::time::Timestamp;
use crate::model::visible::{pad, width};
use crate::report::end;
use crate::report::limit::{Limit, Told};
use crate::report::live::Live;
use crate::report::paint::{Paint, Tone};
use crate::report::preview::{self, Numbers};
use crate::report::signs::Signs;
use crate::state::run::RunState;
use crate::state::summary;
use crate::state::words;

/// Up to so many hosts each one gets its line; above, only those with a problem do.
const SMALL_FLEET: usize = 20;
/// The most lines of evidence shown with a failure.
const EVIDENCE: usize = 3;

/// How much is told, and how.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether colours are used.
    pub color: bool,
    /// 0 to 2.
    pub verbose: u8,
    /// The columns of the terminal, where there is one.
    pub columns: Option<usize>,
    /// Whether two live lines are drawn on standard error.
    pub live: bool,
    /// Whether a line says now and then that it still works.
    pub still: bool,
    /// What the reader of the live lines can take.
    pub signs: Signs,
}

/// Tells a run to a person.
#[derive(Debug)]
pub struct Human<W> {
    out: W,
    paint: Paint,
    options: Options,
    state: RunState,
    live: Option<Live>,
    checked: bool,
    started: bool,
    said_sim: bool,
    closing: Option<(String, Option<Timestamp>)>,
    names: usize,
    limit: Limit,
}

impl<W: Write + Send> Human<W> {
    /// Tells it to `out`.
    pub fn new(out: W, options: Options) -> Self {
        let live = options.live.then(|| Live::new(options.columns.unwrap_or(80), options.signs));
        let paint = Paint { color: options.color };
        Self {
            out,
            paint,
            options,
            state: RunState::default(),
            live,
            checked: false,
            started: false,
            said_sim: false,
            closing: None,
            names: 11,
            limit: Limit::default(),
        }
    }

    /// Told of a run that was begun by another process: what it has done so far is known.
    #[must_use]
    pub fn knowing(self, state: RunState) -> Self {
        Self { state, ..self }
    }

    /// What it was writing to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn is_small(&self) -> bool {
        self.state.hosts.len() <= SMALL_FLEET || self.options.verbose > 0
    }

    /// No live lines while somebody is asked: what they type must stay readable.
    fn set_live(&mut self, event: &EventKind) -> io::Result<()> {
        match event {
            EventKind::ConfirmAsked { .. } | EventKind::DecisionAsked { .. } => {
                self.live.take().map_or(Ok(()), |mut live| live.clear())
            }
            // another lane may ask beside it
            _ if self.live.is_some() || !self.options.live || !self.state.waiting.is_empty() => Ok(()),
            EventKind::ConfirmGiven { .. }
            | EventKind::DecisionMade { .. }
            | EventKind::StepFinished { .. }
            | EventKind::HostFinished { .. }
            | EventKind::RunStopping { .. }
                if self.state.asked.is_none() || self.state.confirmed.is_some() =>
            {
                self.live = Some(Live::new(self.options.columns.unwrap_or(80), self.options.signs));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What is done with a problem: everything is told of a small fleet.
    fn told(&mut self, cause: &str) -> Told {
        if self.is_small() { Told::First } else { self.limit.tell(cause) }
    }

    /// A problem of a host, with what shows it where it is the first of its cause.
    fn problem(
        &mut self,
        to: &mut Vec<u8>,
        (verb, tone): (&str, Tone),
        host: &HostName,
        text: &str,
        (cause, finding): (&str, Option<&Finding>),
    ) -> io::Result<()> {
        let told = self.told(cause);
        if told == Told::Not {
            return Ok(());
        }
        self.host_line(to, verb, tone, host, text)?;
        if let (Told::First, Some(finding)) = (told, finding) {
            self.show(to, finding)?;
        }
        told.and_then().map_or(Ok(()), |text| self.paint.under(to, text))
    }

    fn line(&self, to: &mut Vec<u8>, verb: &str, tone: Tone, rest: &str) -> io::Result<()> {
        self.paint.line(to, verb, tone, rest)
    }

    fn host_line(&self, to: &mut Vec<u8>, verb: &str, tone: Tone, host: &HostName, rest: &str) -> io::Result<()> {
        self.line(to, verb, tone, &format!("{}  {rest}", pad(host.as_str(), self.names)))
    }

    /// The lines of one event, which the fold has taken in already.
    fn tell(&mut self, event: &Event, to: &mut Vec<u8>) -> io::Result<()> {
        use EventKind as E;
        match &event.kind {
            E::RunPlanned { hosts, .. } => {
                self.names = hosts.iter().map(|host| width(host.as_str())).max().unwrap_or(0).clamp(11, 28);
                Ok(())
            }
            E::Heartbeat { .. } if self.options.still => self.still(to),
            E::HostConnected { .. } | E::Heartbeat { .. } | E::StepStarted { .. } => Ok(()),
            E::StepSeen { .. } | E::StepIntent { .. } | E::BatchFinished { .. } => Ok(()),
            // who is up is told once all have answered
            E::PreviewStep { .. } => Ok(()),
            E::PlanSummary { .. } => self.planned(event, to),
            E::ConfirmAsked { why, .. } => self.line(to, "Confirm", Tone::Strong, &format!("asked for: {why}")),
            E::ConfirmGiven { by, via } => self.line(to, "Confirmed", Tone::Strong, &format!("by {by} ({via})")),
            E::ConfirmDeclined { reason } => self.line(to, "Declined", Tone::Warn, reason),
            E::BatchStarted { n, of, canary, hosts } => {
                self.checking(event.ts, to)?;
                if !std::mem::replace(&mut self.started, true) {
                    let text = format!("run {} {}Z", event.run, event.ts.clock());
                    self.line(to, "Started", Tone::Strong, &text)?;
                }
                let canary = if *canary { " (canary)" } else { "" };
                self.line(to, "Batch", Tone::Strong, &format!("{n}/{of} {}{canary}", words::hosts(hosts, 60)))
            }
            E::SoakStarted { for_ms, hosts } => {
                let text = format!("{} for {}", words::count(hosts.len(), "host"), words::took(words::millis(*for_ms)));
                self.line(to, "Watching", Tone::Strong, &text)
            }
            E::DecisionMade { .. } => self.decided(to),
            E::RunPaused { reason, by } => self.line(to, "Paused", Tone::Warn, &format!("{reason} ({by}); nothing new starts")),
            E::RunResumed { by } => self.line(to, "Resumed", Tone::Strong, &format!("by {by}")),
            E::Note { by, text } => self.line(to, "Note", Tone::Plain, &format!("{by}: {text}")),
            E::RunStopping { reason, by } => {
                let text = format!("{reason} ({by}); nothing new starts, running steps end, what is open is closed");
                self.line(to, "Stopping", Tone::Warn, &text)
            }
            E::RunAborting { reason, by } => {
                let text = format!("{reason} ({by}); running steps are ended on their hosts, what is open is closed");
                self.line(to, "Aborting", Tone::Warn, &text)
            }
            E::RunFinished { .. } => {
                self.checking(event.ts, to)?;
                end::block(to, self.paint, &self.state, event)
            }
            _ => self.tell_host(event, to),
        }
    }

    fn tell_host(&mut self, event: &Event, to: &mut Vec<u8>) -> io::Result<()> {
        use EventKind as E;
        match &event.kind {
            E::HostReach { host, state, finding } if state == "down" => {
                let why = finding.as_ref().map_or("no reason known", |f| f.summary.as_str());
                let cause = finding.as_ref().map_or_else(String::new, |finding| summary::fold_key(None, finding, host));
                self.problem(to, ("UNREACHABLE", Tone::Far), host, why, (&cause, None))
            }
            E::HostLost { host, class, message } => {
                let text = format!("connection lost ({class}): {message}");
                self.problem(to, ("LOST", Tone::Far), host, &text, (&format!("lost {class}"), None))
            }
            E::HostExcluded { host, by } => self.host_line(to, "Excluded", Tone::Warn, host, &format!("by {by}")),
            E::StepJudged { host, step, note, .. } if self.options.verbose > 1 => {
                let text = format!("{}: {} - {}", words::step(&self.state, step), note.word, note.summary);
                self.host_line(to, "seen", Tone::Dim, host, &text)
            }
            E::ObligationOpened { host, obligation, .. } if self.is_small() => {
                let text = format!("{} {} → {}", obligation.title, obligation.was, obligation.set);
                self.host_line(to, "Open", Tone::Warn, host, &text)
            }
            E::ObligationClosed { host, how, summary, .. } if self.is_small() => {
                let (title, since) = self.closing.take().unwrap_or_default();
                let open = since.map_or_else(String::new, |since| format!(" (open {})", words::clock(event.ts.since(since))));
                self.host_line(to, "Closed", Tone::Strong, host, &format!("{title} {how}: {summary}{open}"))
            }
            E::ObligationFailed { host, key, finding } => {
                let (title, _) = words::open_title(&self.state, host, key);
                let text = format!("{title} could not be closed: {}", finding.summary);
                let cause = format!("open {}", summary::fold_key(None, finding, host));
                self.problem(to, ("STILL OPEN", Tone::Warn), host, &text, (&cause, Some(finding)))
            }
            E::StepFinished { host, step, outcome, changed, effects, duration_ms, .. } if self.options.verbose > 0 => {
                let did = if *changed && !effects.is_empty() { format!(": {}", effects.join("; ")) } else { String::new() };
                let took = words::took(words::millis(*duration_ms));
                let text = format!("{}  {took}{did}", words::step(&self.state, step));
                self.host_line(to, outcome.word(), Tone::Plain, host, &text)
            }
            E::HostFinished { host, outcome, changed, finding, duration_ms } => {
                let took = words::millis(*duration_ms);
                self.host_finished(to, host, *outcome, *changed, finding.as_ref(), took)
            }
            _ => Ok(()),
        }
    }

    /// A sign of life for somebody who hears what is written.
    fn still(&self, to: &mut Vec<u8>) -> io::Result<()> {
        let done: Vec<HostOutcome> = self.state.hosts.values().filter_map(|host| host.outcome).collect();
        let running = self.state.hosts.values().filter(|host| host.running.is_some()).count();
        let failed = done.iter().filter(|outcome| **outcome != HostOutcome::Ok).count();
        let fine = done.len() - failed;
        writeln!(to, "still working: {running} running, {failed} failed, {fine} ok of {}", self.state.hosts.len())
    }

    fn decided(&self, to: &mut Vec<u8>) -> io::Result<()> {
        let Some(text) = self.state.decided.last().map(words::decided) else { return Ok(()) };
        self.line(to, "Decided", Tone::Strong, &text)
    }

    /// Once all hosts have answered: how many, and how long it took.
    fn checking(&mut self, now: Timestamp, to: &mut Vec<u8>) -> io::Result<()> {
        if std::mem::replace(&mut self.checked, true) {
            return Ok(());
        }
        let hosts = &self.state.hosts;
        let down: Vec<HostName> =
            self.state.order.iter().filter(|name| hosts.get(*name).is_some_and(|h| h.unreachable.is_some())).cloned().collect();
        let up = hosts.values().filter(|host| host.facts.is_some()).count();
        let down = if down.is_empty() { String::new() } else { format!(", {} down", words::hosts(&down, 40)) };
        let took = words::took(self.state.started.map_or(Duration::ZERO, |start| now.since(start)));
        let all = words::count(hosts.len(), "host");
        // a read-only run starts its batches before it has heard of any host
        let heard = if up == 0 && down.is_empty() { String::new() } else { format!("; {up} up{down} ({took})") };
        self.line(to, "Checking", Tone::Strong, &format!("{}: {all}{heard}", self.state.selector))
    }

    fn planned(&mut self, event: &Event, to: &mut Vec<u8>) -> io::Result<()> {
        let EventKind::PlanSummary { change_hosts, unreachable_hosts, refused_hosts, changes, destroy, at_worst, basis, .. } =
            &event.kind
        else {
            return Ok(());
        };
        self.checking(event.ts, to)?;
        let numbers = Numbers {
            change_hosts: *change_hosts,
            unreachable_hosts: *unreachable_hosts,
            refused_hosts: *refused_hosts,
            changes: *changes,
            destroy: *destroy,
            at_worst: *at_worst,
            basis,
        };
        let took = words::took(self.state.started.map_or(Duration::ZERO, |start| event.ts.since(start)));
        let sim = words::sim(self.state.sim);
        if self.state.dry_run {
            self.line(to, "Dry run", Tone::Strong, &format!("{sim}read-only checks only; nothing was changed ({took})"))?;
            return preview::table(to, self.paint, &self.state, &numbers);
        }
        self.line(to, "Preview", Tone::Strong, &format!("{sim}{} ({took})", preview::plan_line(&numbers)))?;
        preview::short(to, self.paint, &self.state)
    }

    fn host_finished(
        &mut self,
        to: &mut Vec<u8>,
        host: &HostName,
        outcome: HostOutcome,
        changed: bool,
        finding: Option<&Finding>,
        took: Duration,
    ) -> io::Result<()> {
        // the table of a dry run has said already what would be done on a host that is fine
        if outcome == HostOutcome::Ok && (self.state.dry_run || !self.is_small()) {
            return Ok(());
        }
        let cause = self.state.hosts.get(host).and_then(|h| summary::cause(&self.state, h));
        let cause: Option<(Option<StepId>, Finding)> = match (cause, finding) {
            (Some((step, finding)), _) => Some((step.cloned(), finding.clone())),
            (None, finding) => finding.map(|finding| (None, finding.clone())),
        };
        let text = match &cause {
            _ if outcome == HostOutcome::Ok => (if changed { "changed" } else { "nothing was changed" }).to_owned(),
            Some((Some(step), finding)) => format!("step {}: {}", words::step(&self.state, step), finding.summary),
            Some((None, finding)) => finding.summary.clone(),
            None => String::new(),
        };
        let text = format!("{:>5}  {text}", words::clock(took));
        let verb = (words::verb(outcome), Tone::of(outcome));
        if outcome == HostOutcome::Ok {
            return self.host_line(to, verb.0, verb.1, host, &text);
        }
        let key = cause.as_ref().map(|(step, finding)| summary::fold_key(step.as_ref(), finding, host));
        let key = key.unwrap_or_else(|| outcome.word().to_owned());
        self.problem(to, verb, host, &text, (&key, cause.as_ref().map(|(_, finding)| finding)))
    }

    /// Evidence and hint of a finding.
    fn show(&self, to: &mut Vec<u8>, finding: &Finding) -> io::Result<()> {
        for line in finding.evidence.iter().take(EVIDENCE) {
            self.paint.under(to, &format!("| {line}"))?;
        }
        let more = finding.evidence.len().saturating_sub(EVIDENCE);
        if more > 0 {
            self.paint.under(to, &format!("| {}", words::count(more, "more line")))?;
        }
        match &finding.hint {
            Some(hint) => self.paint.under(to, &format!("try: {hint}")),
            None => Ok(()),
        }
    }
}

impl<W: Write + Send> Reporter for Human<W> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        if let EventKind::ObligationClosed { host, key, .. } = &event.kind {
            self.closing = Some(words::open_title(&self.state, host, key));
        }
        self.state.apply(event);
        let mut lines = Vec::new();
        if self.state.sim && !std::mem::replace(&mut self.said_sim, true) {
            self.line(&mut lines, "SIM", Tone::Warn, words::SIMULATED)?;
        }
        self.tell(event, &mut lines)?;
        if !lines.is_empty() {
            let out = &mut self.out;
            // one write for all lines of an event, so that no line is torn
            let mut write = || out.write_all(&lines).and_then(|()| out.flush());
            match &self.live {
                Some(live) => live.suspend(write)?,
                None => write()?,
            }
        }
        self.set_live(&event.kind)?;
        self.tick()
    }

    fn tick(&mut self) -> io::Result<()> {
        match &mut self.live {
            Some(live) if self.state.finished.is_none() => live.draw(&self.state),
            _ => {}
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(mut live) = self.live.take() {
            live.clear()?;
        }
        self.out.flush()
    }
}
