//! The story of a run: what was seen and done on one axis, key moments, phases against their budgets, counters over time.

mod evidence;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::model::event::{Event, EventKind, PlannedStep};
use crate::model::id::{HostName, StepId};
use crate::model::outcome::{HostOutcome, Outcome};
use crate::model::plan::{Phase, Section};
use crate::model::runbook::opt_millis;
use crate::model::step::{Note, Obligation};
use crate::model::time::{Timestamp, millis};
use crate::state::run::RunState;

/// A run as a story.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Timeline {
    /// What durations count from: the confirmation, else the plan.
    pub start: Option<Timestamp>,
    /// In the order of the record.
    pub entries: Vec<Entry>,
    /// Key moments, in order.
    pub moments: Vec<Moment>,
    /// Phases in their order.
    pub phases: Vec<PhaseTime>,
    /// Restart counters.
    pub counters: Vec<Counter>,
}

/// One line of the story.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// How long after the start; none before it.
    #[serde(rename = "since_start_ms", serialize_with = "opt_millis::serialize")]
    #[schemars(with = "Option<u64>")]
    pub since_start: Option<Duration>,
    /// Where, if on a host.
    pub host: Option<HostName>,
    /// Who says so or did it.
    pub who: Source,
    /// What.
    pub text: String,
    /// Whether something was opened or closed by it.
    pub mark: Option<Mark>,
    /// Whether a person should look.
    pub bad: bool,
    /// The step that it is about, if it is; for screens.
    #[serde(skip)]
    pub step: Option<StepId>,
    /// Lines that show it, as they came; for screens.
    #[serde(skip)]
    pub evidence: Vec<String>,
}

/// Who says so or did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A person.
    You,
    /// This program.
    Run,
    /// PM2, as seen.
    Pm2,
    /// An HTTP answer.
    Http,
    /// Who holds a port.
    Port,
    /// A load balancer.
    Alb,
    /// A log.
    Log,
    /// Anything else that was looked at on a host.
    Host,
    /// The connection.
    Ssh,
}

impl Source {
    /// The word of the timeline's column.
    pub fn word(self) -> &'static str {
        match self {
            Source::You => "you",
            Source::Run => "run",
            Source::Pm2 => "pm2",
            Source::Http => "http",
            Source::Port => "port",
            Source::Alb => "alb",
            Source::Log => "log",
            Source::Host => "host",
            Source::Ssh => "ssh",
        }
    }

    fn of_kind(kind: &str) -> Self {
        match kind {
            "single-process" | "pm2" | "pm2-daemon" | "pm2-scope" => Source::Pm2,
            "http" | "kill-switch" => Source::Http,
            "port" | "free-port" => Source::Port,
            "target" | "target-health" => Source::Alb,
            "log-scan" => Source::Log,
            _ => Source::Host,
        }
    }
}

/// Something was opened that must be closed, or was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// From here on something is open.
    Open,
    /// Closed after this long.
    Closed(
        #[serde(with = "millis")]
        #[schemars(with = "u64")]
        Duration,
    ),
}

/// A moment that post-mortems ask for.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Moment {
    /// `detected`, `contained`, `fixed`, `verified`, `closed` or `ended`.
    pub name: &'static str,
    /// When.
    pub at: Timestamp,
    /// How long after the start; none before it.
    #[serde(rename = "after_ms", serialize_with = "opt_millis::serialize")]
    #[schemars(with = "Option<u64>")]
    pub after: Option<Duration>,
}

/// A phase against its budget. Hosts go through a phase at different times, so the slowest host is measured.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PhaseTime {
    /// Its name.
    pub name: String,
    /// How long it should take.
    #[serde(rename = "budget_ms", serialize_with = "opt_millis::serialize")]
    #[schemars(with = "Option<u64>")]
    pub budget: Option<Duration>,
    /// How long the slowest host took; none where no host came so far.
    #[serde(rename = "took_ms", serialize_with = "opt_millis::serialize")]
    #[schemars(with = "Option<u64>")]
    pub took: Option<Duration>,
    /// That host.
    pub host: Option<HostName>,
    /// Whether that is more than the budget.
    pub over: bool,
}

/// A restart counter over time.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Counter {
    /// The host.
    pub host: HostName,
    /// The app.
    pub app: String,
    /// When it was read, and what it said.
    pub points: Vec<(Timestamp, u64)>,
}

impl Counter {
    /// Since when it has not moved, if the last two readings are equal.
    pub fn flat_since(&self) -> Option<Timestamp> {
        let (_, last) = self.points.last()?;
        let still: Vec<_> = self.points.iter().rev().take_while(|(_, value)| value == last).collect();
        if still.len() < 2 { None } else { still.last().map(|(at, _)| *at) }
    }
}

/// Tells the story of `events`.
pub fn timeline(events: &[Event]) -> Timeline {
    let mut teller = Teller::default();
    for event in events {
        teller.take(event);
    }
    teller.end(events)
}

#[derive(Debug, Default)]
struct Teller {
    run: RunState,
    steps: BTreeMap<StepId, PlannedStep>,
    phrase: Option<String>,
    entries: Vec<Entry>,
    said: BTreeMap<(HostName, StepId), (String, String)>,
    reached: BTreeMap<&'static str, Timestamp>,
    counters: BTreeMap<(HostName, String), Vec<(Timestamp, u64)>>,
    spans: BTreeMap<(String, HostName), (Timestamp, Timestamp)>,
    confirmed: Option<Timestamp>,
    contains: BTreeSet<(HostName, StepId)>,
}

impl Teller {
    fn say(&mut self, event: &Event, who: Source, text: impl Into<String>) -> &mut Entry {
        self.entries.push(Entry {
            at: event.ts,
            since_start: None,
            host: event.kind.host().cloned(),
            who,
            text: text.into(),
            mark: None,
            bad: false,
            step: evidence::step(&event.kind).cloned(),
            evidence: evidence::lines(&event.kind),
        });
        let last = self.entries.len() - 1;
        &mut self.entries[last]
    }

    fn take(&mut self, event: &Event) {
        use EventKind as E;
        match &event.kind {
            E::RunPlanned { steps, dry_run, runbook, hosts, .. } => {
                self.steps = steps.iter().map(|step| (step.id.clone(), step.clone())).collect();
                let what = if *dry_run { "dry run of" } else { "planned" };
                self.say(event, Source::Run, format!("{what} {} on {}", runbook.name, count(hosts.len())));
            }
            E::ConfirmAsked { phrase, .. } => self.phrase.clone_from(phrase),
            E::ConfirmGiven { by, via } => {
                self.confirmed = Some(event.ts);
                let phrase = self.phrase.take().map_or_else(String::new, |phrase| format!(" \"{phrase}\""));
                self.say(event, Source::You, format!("confirmed{phrase} by {by} ({via})"));
            }
            E::ConfirmDeclined { reason } => self.say(event, Source::You, format!("declined: {reason}")).bad = true,
            E::BatchStarted { n, of, canary, hosts } => {
                let canary = if *canary { ", canary" } else { "" };
                self.say(event, Source::Run, format!("batch {n} of {of} started: {}{canary}", count(hosts.len())));
            }
            E::DecisionMade { id, option, by, note, .. } => {
                let asked = self.run.waiting.iter().find(|asked| asked.id == *id);
                let about = asked.map_or_else(String::new, |asked| format!(": {}", asked.question));
                let note = note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
                self.say(event, Source::You, format!("{option} by {by}{note}{about}"));
            }
            E::RunPaused { reason, by } => {
                self.say(event, Source::Run, format!("paused ({by}): {reason}"));
            }
            E::RunResumed { by } => {
                self.say(event, Source::Run, format!("resumed by {by}"));
            }
            E::HostExcluded { by, .. } => {
                self.say(event, Source::You, format!("excluded by {by}"));
            }
            E::Note { by, text } => {
                self.say(event, Source::You, format!("note by {by}: {text}"));
            }
            E::RunStopping { reason, by } => self.say(event, Source::Run, format!("stopping ({by}): {reason}")).bad = true,
            E::RunAborting { reason, by } => self.say(event, Source::Run, format!("aborting ({by}): {reason}")).bad = true,
            E::SoakStarted { for_ms, hosts } => {
                self.say(event, Source::Run, format!("watching {} for {} s", count(hosts.len()), for_ms / 1000));
            }
            E::RunFinished { state, exit_code, .. } => {
                self.reached.insert("ended", event.ts);
                self.say(event, Source::Run, format!("run ended: {state}, exit {exit_code}")).bad = *exit_code != 0;
            }
            _ => self.take_host(event),
        }
        self.run.apply(event);
    }

    fn take_host(&mut self, event: &Event) {
        use EventKind as E;
        match &event.kind {
            E::HostReach { state, finding, .. } if state == "down" => {
                let why = finding.as_ref().map_or("no reason known", |f| f.summary.as_str());
                self.say(event, Source::Ssh, format!("unreachable: {why}")).bad = true;
            }
            E::HostLost { class, message, .. } => {
                self.say(event, Source::Ssh, format!("connection lost ({class}): {message}")).bad = true;
            }
            E::PreviewStep { word: Some(word), host, step, summary, .. } => {
                self.judged(event, host, step, &Note::new(word, summary.clone()));
            }
            E::StepStarted { host, step, .. } => self.in_phase(event.ts, host, step),
            E::StepJudged { host, step, note, .. } => self.judged(event, host, step, note),
            E::ObligationOpened { host, step, obligation } => {
                // a switch that must go back contains the incident, it does not fix it
                self.contains.insert((host.clone(), step.clone()));
                let Obligation { title, was, set, .. } = obligation;
                self.say(event, Source::Run, format!("{title} {was} → {set}")).mark = Some(Mark::Open);
            }
            E::ObligationClosed { host, key, how, summary } => {
                self.reached.insert("closed", event.ts);
                let open = self.run.hosts.get(host).and_then(|h| h.open.get(key));
                let since = open.map_or(Duration::ZERO, |open| event.ts.since(open.since));
                let title = open.map_or_else(|| key.clone(), |open| open.obligation.title.clone());
                self.say(event, Source::Run, format!("{title} {how}: {summary}")).mark = Some(Mark::Closed(since));
            }
            E::ObligationFailed { host, key, finding } => {
                let open = self.run.hosts.get(host).and_then(|h| h.open.get(key));
                let title = open.map_or_else(|| key.clone(), |open| open.obligation.title.clone());
                let entry = self.say(event, Source::Run, format!("{title} could not be closed: {}", finding.summary));
                entry.mark = Some(Mark::Open);
                entry.bad = true;
            }
            E::StepFinished { .. } => self.step_finished(event),
            E::HostFinished { outcome, changed, .. } => {
                let changed = if *changed { ", changed" } else { "" };
                self.say(event, Source::Run, format!("{outcome}{changed}")).bad = *outcome != HostOutcome::Ok;
            }
            _ => {}
        }
    }

    fn judged(&mut self, event: &Event, host: &HostName, step: &StepId, note: &Note) {
        if is_trouble(&note.word) {
            self.reached.entry("detected").or_insert(event.ts);
        }
        for (app, value) in restarts(note) {
            let points = self.counters.entry((host.clone(), app.unwrap_or_else(|| step.to_string()))).or_default();
            points.push((event.ts, value));
        }
        // a wait says the same thing many times; the story tells it once
        let said = self.said.get(&(host.clone(), step.clone()));
        if note.word != "not-known" && said.is_none_or(|(word, _)| *word != note.word) {
            self.tell(event, host, step, note);
        }
    }

    fn tell(&mut self, event: &Event, host: &HostName, step: &StepId, note: &Note) {
        let kind = self.steps.get(step).map_or("", |step| step.kind.as_str());
        let text = format!("{} [{}] {}", self.titled(step), note.word, note.summary);
        self.say(event, Source::of_kind(kind), text).bad = is_trouble(&note.word);
        self.said.insert((host.clone(), step.clone()), (note.word.clone(), note.summary.clone()));
    }

    fn step_finished(&mut self, event: &Event) {
        let EventKind::StepFinished { host, step, outcome, changed, note, finding, effects, .. } = &event.kind else {
            return;
        };
        self.in_phase(event.ts, host, step);
        let title = self.titled(step);
        if *changed && outcome.is_fine() {
            let what = if effects.is_empty() { "changed".to_owned() } else { effects.join("; ") };
            self.say(event, Source::Run, format!("{title}: {what}"));
        }
        if !outcome.is_fine() {
            let why = finding.as_ref().map_or("no reason known", |f| f.summary.as_str());
            self.say(event, Source::Run, format!("{title} {}: {why}", outcome.word().to_uppercase())).bad = true;
        }
        if outcome.is_fine() && *changed {
            // a switch that was asked to move and is stuck contains nothing: only one that was seen to have moved does
            if self.contains.contains(&(host.clone(), step.clone())) {
                self.reached.entry("contained").or_insert(event.ts);
            } else {
                self.reached.insert("fixed", event.ts);
            }
        }
        let is_verify = |s: &PlannedStep| matches!(s.section, Section::Verify | Section::VerifyAfterClose);
        if *outcome == Outcome::Ok && self.steps.get(step).is_some_and(is_verify) {
            // what a wait was ended by is the proof, also where its word was said when it began
            if let Some(note) = note
                && self.said.get(&(host.clone(), step.clone())).is_none_or(|(_, summary)| *summary != note.summary)
            {
                self.tell(event, host, step, note);
            }
            self.reached.insert("verified", event.ts);
        }
    }

    fn in_phase(&mut self, at: Timestamp, host: &HostName, step: &StepId) {
        let Some(phase) = self.steps.get(step).and_then(|step| step.phase.clone()) else { return };
        let span = self.spans.entry((phase, host.clone())).or_insert((at, at));
        span.1 = at;
    }

    fn titled(&self, step: &StepId) -> String {
        self.steps.get(step).map_or_else(|| step.to_string(), |planned| format!("{} {step}", planned.n))
    }

    fn end(mut self, events: &[Event]) -> Timeline {
        let start = self.confirmed.or_else(|| events.first().map(|event| event.ts));
        let after = |at: Timestamp| start.filter(|start| *start <= at).map(|start| at.since(start));
        for entry in &mut self.entries {
            entry.since_start = after(entry.at);
        }
        if !self.run.open().is_empty() {
            self.reached.remove("closed");
        }
        if !self.went_well() {
            self.reached.remove("fixed");
            self.reached.remove("verified");
        }
        let mut moments: Vec<Moment> =
            self.reached.iter().map(|(name, at)| Moment { name, at: *at, after: after(*at) }).collect();
        moments.sort_by_key(|moment| moment.at);
        let counters = self.counters.into_iter();
        let counters = counters.map(|((host, app), points)| Counter { host, app, points }).collect();
        let phases = phases(&self.run, &self.spans);
        Timeline { start, entries: self.entries, moments, phases, counters }
    }

    /// Whether no host is known to be in trouble still.
    fn went_well(&self) -> bool {
        self.run.hosts.values().all(|host| match host.outcome {
            Some(outcome) => {
                matches!(outcome, HostOutcome::Ok | HostOutcome::Refused | HostOutcome::Unreachable | HostOutcome::NotStarted)
            }
            None => host.units.values().all(|unit| unit.outcome.is_none_or(Outcome::is_fine)),
        })
    }
}

fn phases(run: &RunState, spans: &BTreeMap<(String, HostName), (Timestamp, Timestamp)>) -> Vec<PhaseTime> {
    let slowest = |name: &str| {
        let of_phase = spans.iter().filter(|((phase, _), _)| phase == name);
        of_phase.map(|((_, host), (from, to))| (to.since(*from), host)).max_by_key(|(took, _)| *took)
    };
    let time = |phase: &Phase| {
        let (took, host) = slowest(&phase.name).unzip();
        let over = took.zip(phase.budget).is_some_and(|(took, budget)| took > budget);
        PhaseTime { name: phase.name.clone(), budget: phase.budget, took, host: host.cloned(), over }
    };
    run.phases.iter().map(time).collect()
}

fn count(hosts: usize) -> String {
    if hosts == 1 { "1 host".to_owned() } else { format!("{hosts} hosts") }
}

/// The words by which kinds say that something is wrong.
fn is_trouble(word: &str) -> bool {
    const TROUBLE: &[&str] = &[
        "looping",
        "backing-off",
        "errored",
        "duplicates",
        "several-daemons",
        "disagrees",
        "absent",
        "wrong-holder",
        "orphan",
        "other-daemon",
        "foreign",
        "hidden",
        "none",
        "stopped",
        "lost-socket",
        "several",
        "not-ours",
        "unhealthy",
        "found",
        "failed",
        "refused",
        "unreadable",
    ];
    TROUBLE.contains(&word)
}

/// Restart counters among the values of a note: `restarts` itself, or in a list of entries with a name each, which say
/// `restarts`, or `before` and `after` where two samples were taken.
pub(super) fn restarts(note: &Note) -> Vec<(Option<String>, u64)> {
    let name = |value: &Value| value.get("name").or_else(|| value.get("app")).and_then(Value::as_str).map(str::to_owned);
    let own = note.values.get("restarts").and_then(Value::as_u64);
    let app = ["app", "name"].iter().find_map(|key| note.values.get(*key)).and_then(Value::as_str).map(str::to_owned);
    let lists = note.values.values().filter_map(Value::as_array).flatten();
    let listed = lists.flat_map(|entry| {
        let counts = ["restarts", "before", "after"].map(|key| entry.get(key).and_then(Value::as_u64));
        counts.into_iter().flatten().map(|count| (name(entry), count)).collect::<Vec<_>>()
    });
    own.map(|value| (app, value)).into_iter().chain(listed).collect()
}
