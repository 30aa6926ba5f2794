//! A run for a log: a UTC stamp and one line an event of importance, no escape byte at all, a sign of life now and then.

use std::io::{self, Write};

use crate::engine::report::Reporter;
use crate::model::event::{Event, EventKind, PlannedStep};
use crate::model::finding::Finding;
use crate::model::id::HostName;
use crate::model::outcome::HostOutcome;
use crate::model::time::Timestamp;
use crate::model::visible::{clip, visible};
use crate::report::end;
use crate::report::limit::{Limit, Told};
use crate::report::preview::{self, Numbers};
use crate::state::run::RunState;
use crate::state::summary;
use crate::state::words;

/// Up to so many hosts each one gets its lines; above, only batches and problems do.
const SMALL_FLEET: usize = 20;
/// The most columns of a set of hosts.
const HOSTS: usize = 200;
/// The most columns of what a host showed.
const MESSAGE: usize = 160;
/// The most groups of hosts, causes and open items that are told one by one.
const SHOWN: usize = 20;

/// Tells a run to a log.
#[derive(Debug)]
pub struct Lines<W> {
    out: W,
    verbose: u8,
    state: RunState,
    closing: Option<(String, Option<Timestamp>)>,
    checked: bool,
    limit: Limit,
}

impl<W: Write + Send> Lines<W> {
    /// Tells it to `out`; `verbose` 1 adds the steps.
    pub fn new(out: W, verbose: u8) -> Self {
        Self { out, verbose, state: RunState::default(), closing: None, checked: false, limit: Limit::default() }
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

    fn line(&mut self, at: Timestamp, word: &str, rest: &str) -> io::Result<()> {
        let sim = words::sim(self.state.sim);
        writeln!(self.out, "{}", format!("{} {sim}{word:<8} {}", at.seconds(), visible(rest)).trim_end())
    }

    fn is_small(&self) -> bool {
        self.state.hosts.len() <= SMALL_FLEET || self.verbose > 0
    }

    /// A problem of a host; one that many have is told of some.
    fn problem(&mut self, at: Timestamp, word: &str, rest: &str, cause: &str) -> io::Result<()> {
        let told = if self.is_small() { Told::First } else { self.limit.tell(cause) };
        if told == Told::Not {
            return Ok(());
        }
        self.line(at, word, rest)?;
        told.and_then().map_or(Ok(()), |text| self.line(at, "", text))
    }

    fn tell(&mut self, event: &Event) -> io::Result<()> {
        use EventKind as E;
        let at = event.ts;
        match &event.kind {
            // who is up is told once all have answered
            E::PreviewStep { .. } => Ok(()),
            E::PlanSummary { .. } => self.planned(event),
            E::ConfirmAsked { phrase, why } => {
                let phrase = phrase.as_ref().map_or_else(String::new, |phrase| format!(" (\"{phrase}\")"));
                self.line(at, "ask", &format!("{why}{phrase}"))
            }
            E::ConfirmGiven { by, via } => self.line(at, "confirm", &format!("by {by} via {via}")),
            E::ConfirmDeclined { reason } => self.line(at, "DECLINED", reason),
            E::BatchStarted { n, of, canary, hosts } => {
                self.checking(at)?;
                if *n == 1 {
                    self.line(at, "run", &format!("{} started", event.run))?;
                }
                let canary = if *canary { " canary" } else { "" };
                self.line(at, "batch", &format!("{n}/{of} {}{canary}", words::hosts(hosts, HOSTS)))
            }
            E::BatchFinished { n, hosts } => self.line(at, "batch", &format!("{n} ended: {}", counts(hosts.iter()))),
            E::SoakStarted { for_ms, hosts } => {
                let text = format!("{} for {}", words::count(hosts.len(), "host"), words::took(words::millis(*for_ms)));
                self.line(at, "watch", &text)
            }
            E::DecisionAsked { question, options, .. } => self.line(at, "ask", &format!("{question} [{}]", options.join("/"))),
            E::DecisionMade { .. } => match self.state.decided.last().map(words::decided) {
                Some(text) => self.line(at, "decided", &text),
                None => Ok(()),
            },
            E::RunPaused { reason, by } => self.line(at, "PAUSED", &format!("{reason} ({by})")),
            E::RunResumed { by } => self.line(at, "resumed", &format!("by {by}")),
            E::Note { by, text } => self.line(at, "note", &format!("{by}: {text}")),
            E::Heartbeat { running } => self.still(at, running),
            E::RunStopping { reason, by } => self.line(at, "stop", &format!("{reason} ({by})")),
            E::RunAborting { reason, by } => self.line(at, "ABORT", &format!("{reason} ({by})")),
            E::RunFinished { .. } => {
                self.checking(at)?;
                self.finished(event)
            }
            _ => self.tell_host(event),
        }
    }

    fn tell_host(&mut self, event: &Event) -> io::Result<()> {
        use EventKind as E;
        let at = event.ts;
        match &event.kind {
            E::HostReach { host, state, finding } if state == "down" => {
                let why = finding.as_ref().map_or("no reason known", |f| f.summary.as_str());
                let cause = finding.as_ref().map_or_else(String::new, |finding| summary::fold_key(None, finding, host));
                self.problem(at, "UNREACH", &format!("{host} {why}"), &cause)
            }
            E::HostLost { host, class, message } => {
                self.problem(at, "LOST", &format!("{host} {class}: {message}"), &format!("lost {class}"))
            }
            E::HostExcluded { host, by } => self.line(at, "EXCLUDED", &format!("{host} by {by}")),
            E::ObligationOpened { host, obligation, .. } if self.is_small() => {
                let text = format!("{host} {} {}->{}", obligation.title, obligation.was, obligation.set);
                self.line(at, "open", &text)
            }
            E::ObligationClosed { host, how, summary, .. } if self.is_small() => {
                let (title, since) = self.closing.take().unwrap_or_default();
                let open = since.map_or_else(String::new, |since| format!(" after {}", words::clock(at.since(since))));
                self.line(at, "close", &format!("{host} {title} {how}: {summary}{open}"))
            }
            E::ObligationFailed { host, key, finding } => {
                let (title, _) = words::open_title(&self.state, host, key);
                let cause = format!("open {}", summary::fold_key(None, finding, host));
                self.problem(at, "OPEN", &format!("{host} {title} could not be closed: {}", finding.summary), &cause)
            }
            E::StepFinished { host, step, outcome, exit_code, finding, duration_ms, .. } => {
                // of a large fleet the line of the host says it
                if (outcome.is_fine() || !self.is_small()) && self.verbose == 0 {
                    return Ok(());
                }
                let exit = exit_code.map_or_else(String::new, |code| format!(" exit={code}"));
                let why = finding.as_ref().map_or_else(String::new, |f| format!(" \"{}\"", f.summary));
                let took = words::took(words::millis(*duration_ms)).replace(' ', "");
                let word = if outcome.is_fine() { outcome.word().to_owned() } else { outcome.word().to_uppercase() };
                let text = format!("{host} {}{exit} {took}{why}", words::step(&self.state, step));
                self.line(at, &word, &text)
            }
            E::HostFinished { host, outcome, changed, finding, duration_ms } => {
                let took = words::clock(words::millis(*duration_ms));
                self.host_finished(at, host, *outcome, *changed, finding.as_ref(), &took)
            }
            _ => Ok(()),
        }
    }

    fn host_finished(
        &mut self,
        at: Timestamp,
        host: &HostName,
        outcome: HostOutcome,
        changed: bool,
        finding: Option<&Finding>,
        took: &str,
    ) -> io::Result<()> {
        let fine = outcome == HostOutcome::Ok;
        if fine && !self.is_small() {
            return Ok(());
        }
        let changed = if changed { " changed" } else { "" };
        let cause = self.state.hosts.get(host).and_then(|of| summary::cause(&self.state, of));
        let key = cause.map_or_else(|| outcome.word().to_owned(), |(step, finding)| summary::fold_key(step, finding, host));
        let step = cause.and_then(|(step, _)| step).filter(|_| !self.is_small());
        let step = step.map_or_else(String::new, |step| format!(" {}", words::step(&self.state, step)));
        let why = match finding {
            Some(finding) if outcome != HostOutcome::Ok => format!(" \"{}\"", finding.summary),
            _ => String::new(),
        };
        let (word, text) = (one_word(words::verb(outcome)), format!("{host}{step}{changed} {took}{why}"));
        if fine { self.line(at, &word, &text) } else { self.problem(at, &word, &text, &key) }
    }

    fn checking(&mut self, at: Timestamp) -> io::Result<()> {
        if std::mem::replace(&mut self.checked, true) {
            return Ok(());
        }
        let hosts = &self.state.hosts;
        let up = hosts.values().filter(|host| host.facts.is_some()).count();
        let down = hosts.values().filter(|host| host.unreachable.is_some()).count();
        // a read-only run starts its batches before it has heard of any host
        let heard = if up + down == 0 { String::new() } else { format!("; {up} up {down} down") };
        let text = format!("{} {}{heard}", self.state.selector, words::count(hosts.len(), "host"));
        self.line(at, "check", &text)
    }

    fn planned(&mut self, event: &Event) -> io::Result<()> {
        let EventKind::PlanSummary { change_hosts, unreachable_hosts, refused_hosts, changes, destroy, at_worst, basis, groups } =
            &event.kind
        else {
            return Ok(());
        };
        self.checking(event.ts)?;
        let (change_hosts, unreachable_hosts, refused_hosts) = (*change_hosts, *unreachable_hosts, *refused_hosts);
        let numbers = Numbers {
            change_hosts,
            unreachable_hosts,
            refused_hosts,
            changes: *changes,
            destroy: *destroy,
            at_worst: *at_worst,
            basis,
        };
        let basis: Vec<String> = basis.iter().map(|(word, n)| format!("{}={n}", word.replace([' ', ','], "-"))).collect();
        self.line(event.ts, "preview", &format!("{}; {}", preview::plan_line(&numbers), basis.join(" ")))?;
        for group in groups.iter().take(SHOWN) {
            let Some(first) = group.hosts.first() else { continue };
            let text = format!("{} {}", words::hosts(&group.hosts, HOSTS), preview::in_short(&self.state, first));
            self.line(event.ts, "plan", &text)?;
            if self.state.dry_run {
                self.steps(event.ts, &group.hosts, first)?;
            }
        }
        self.and_more(event.ts, "plan", groups.len(), "more group")
    }

    fn and_more(&mut self, at: Timestamp, word: &str, of: usize, noun: &str) -> io::Result<()> {
        match of.saturating_sub(SHOWN) {
            0 => Ok(()),
            more => self.line(at, word, &format!("and {}", words::count(more, noun))),
        }
    }

    /// What a dry run was asked for: each step, with what its line rests on.
    fn steps(&mut self, at: Timestamp, hosts: &[HostName], first: &HostName) -> io::Result<()> {
        let Some(host) = self.state.hosts.get(first) else { return Ok(()) };
        let tell = |step: &PlannedStep| {
            let seen = host.preview.get(&step.id)?;
            let what = if seen.effects.is_empty() { seen.summary.clone() } else { seen.effects.join("; ") };
            let lost = if seen.destroys { " CANNOT be undone" } else { "" };
            let place = format!("{} {} {}", words::hosts(hosts, HOSTS), step.n, step.id);
            Some(format!("{place} {}{lost} ({}) \"{what}\"", seen.outcome, seen.basis.word()))
        };
        let lines: Vec<String> = self.state.steps.iter().filter_map(tell).collect();
        lines.iter().try_for_each(|line| self.line(at, "step", line))
    }

    /// What has been running for longest; without anything that runs, how many hosts are done.
    fn still(&mut self, at: Timestamp, said: &[String]) -> io::Result<()> {
        let running = words::running(&self.state, at);
        let mut text: Vec<String> = running.iter().take(3).cloned().collect();
        if running.len() > 3 {
            text.push(format!("and {} more", running.len() - 3));
        }
        if text.is_empty() {
            text.extend(said.iter().take(3).cloned());
        }
        if text.is_empty() {
            let done = self.state.hosts.values().filter(|host| host.outcome.is_some()).count();
            text.push(format!("{done} of {} done", words::count(self.state.hosts.len(), "host")));
        }
        self.line(at, "still", &text.join(", "))
    }

    fn finished(&mut self, event: &Event) -> io::Result<()> {
        let EventKind::RunFinished { state, exit_code, hosts, changed, open, failures, next, duration_ms } = &event.kind else {
            return Ok(());
        };
        let at = event.ts;
        for failure in failures.iter().take(SHOWN) {
            let step = failure.step.as_ref().map_or_else(String::new, |id| format!(" {}", words::step(&self.state, id)));
            let host = failure.hosts.first().and_then(|name| self.state.hosts.get(name));
            let outcome = host.map_or(HostOutcome::Failed, |host| summary::outcome(host, self.state.dry_run));
            let many = words::count(failure.hosts.len(), "host");
            let hosts = words::hosts(&failure.hosts, HOSTS);
            let first = failure.first.as_ref().filter(|first| **first != failure.message);
            let first = first.map_or_else(String::new, |first| format!(" first \"{}\"", clip(first, MESSAGE)));
            let text = format!("{} {many} {hosts}{step} \"{}\"{first}", outcome.word(), failure.message);
            self.line(at, "cause", &text)?;
        }
        self.and_more(at, "cause", failures.len(), "more cause")?;
        for item in open.iter().take(SHOWN) {
            self.line(at, "OPEN", &end::open_item(item))?;
        }
        self.and_more(at, "OPEN", open.len(), "more item")?;
        let took = words::clock(words::millis(*duration_ms));
        let counts = counts(hosts.iter());
        let text = format!("run {} {took} {counts} changed={changed} open={} exit={exit_code}", event.run, open.len());
        self.line(at, &one_word(end::state_verb(*state)), &text)?;
        for command in next {
            self.line(at, "next", command)?;
        }
        Ok(())
    }
}

/// The record's length and head, said at a moment of a run that was simulated or not: to be noted elsewhere.
pub fn record(out: &mut dyn Write, (at, sim): (Timestamp, bool), events: u64, head: &str) -> io::Result<()> {
    let text = format!("{events} events, head {}", clip(head, 64));
    writeln!(out, "{} {}{:<8} {}", at.seconds(), words::sim(sim), "record", visible(&text))
}

/// Logs are cut at spaces.
fn one_word(verb: &str) -> String {
    verb.replace(' ', "-")
}

fn counts<'a>(hosts: impl Iterator<Item = (&'a HostOutcome, &'a usize)>) -> String {
    hosts.filter(|(_, n)| **n > 0).map(|(outcome, n)| format!("{}={n}", outcome.word())).collect::<Vec<_>>().join(" ")
}

impl<W: Write + Send> Reporter for Lines<W> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        if let EventKind::ObligationClosed { host, key, .. } = &event.kind {
            self.closing = Some(words::open_title(&self.state, host, key));
        }
        self.state.apply(event);
        self.tell(event)?;
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
