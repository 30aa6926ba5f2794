//! The last notable events of a run as short lines, for a pane that tells what has just happened.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;

use crate::model::event::{Event, EventKind};
use crate::model::finding::Finding;
use crate::model::id::{HostName, StepId};
use crate::model::outcome::HostOutcome;
use crate::model::time::Timestamp;
use crate::model::visible::visible;
use crate::state::class::{Class, of_outcome, of_unit_outcome};
use crate::state::run::RunState;
use crate::state::timeline::Mark;
use crate::state::words;

/// The most lines that are kept.
pub const LINES: usize = 500;
/// How much room the hosts of a batch get.
const HOSTS: usize = 40;

/// The last notable events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trail {
    lines: VecDeque<TrailLine>,
    dropped: usize,
    /// What is open: its title and since when; the fold has forgotten it by the time it is told that it was closed.
    open: BTreeMap<(HostName, String), (String, Timestamp)>,
}

/// One notable event.
#[derive(Debug, Clone, PartialEq)]
pub struct TrailLine {
    /// When.
    pub at: Timestamp,
    /// Where, if on a host.
    pub host: Option<HostName>,
    /// What, on one clean line.
    pub text: String,
    /// What it makes of the host or the run; none: nothing.
    pub class: Option<Class>,
    /// Whether something was opened or closed by it.
    pub mark: Option<Mark>,
}

impl Trail {
    /// The lines, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &TrailLine> + ExactSizeIterator {
        self.lines.iter()
    }

    /// How many older lines are gone.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Takes one more event in, right after `run` has.
    pub fn apply(&mut self, event: &Event, run: &RunState) {
        let told = if event.kind.host().is_some() { self.of_host(event, run) } else { of_run(event, run) };
        if let Some((text, class, mark)) = told {
            if self.lines.len() == LINES {
                self.lines.pop_front();
                self.dropped += 1;
            }
            let asked = match &event.kind {
                EventKind::DecisionAsked { step: Some(_), hosts, finding: None, .. } if hosts.len() == 1 => hosts.first(),
                _ => None,
            };
            let host = event.kind.host().or(asked).cloned();
            self.lines.push_back(TrailLine { at: event.ts, host, text: visible(&text).into_owned(), class, mark });
        }
    }

    fn of_host(&mut self, event: &Event, run: &RunState) -> Option<Told> {
        use EventKind as E;
        match &event.kind {
            E::HostReach { state, finding, .. } if state == "down" => {
                let why = finding.as_ref().map_or("no reason known", |f| f.summary.as_str());
                Some((why.to_owned(), Some(Class::Unreachable), None))
            }
            E::HostLost { class, message, .. } => {
                Some((format!("connection lost ({class}): {message}"), Some(Class::Unreachable), None))
            }
            E::ObligationOpened { host, obligation, .. } => {
                let (title, was, set) = (&obligation.title, value(&obligation.was), value(&obligation.set));
                self.open.entry((host.clone(), obligation.key.clone())).or_insert((title.clone(), event.ts));
                Some((format!("{title} {was} → {set}"), None, Some(Mark::Open)))
            }
            E::ObligationClosed { host, key, how, summary } => {
                let open = self.open.remove(&(host.clone(), key.clone()));
                let (title, since) = open.unwrap_or_else(|| (key.clone(), event.ts));
                Some((format!("{title} {how}: {summary}"), None, Some(Mark::Closed(event.ts.since(since)))))
            }
            E::ObligationFailed { host, key, finding } => {
                let title = self.open.get(&(host.clone(), key.clone())).map_or(key, |(title, _)| title);
                let text = format!("{title} could not be closed: {}", finding.summary);
                Some((text, Some(Class::RollbackFailed), Some(Mark::Open)))
            }
            E::StepFinished { .. } => step_finished(event, run),
            E::RollbackStarted { steps, .. } => {
                let text = format!("rolling back {}", words::count(steps.len(), "step"));
                Some((text, Some(Class::RollingBack), None))
            }
            E::RollbackFinished { outcome, .. } => {
                Some((words::verb(*outcome).to_owned(), Some(of_outcome(*outcome, None)), None))
            }
            E::HostFinished { host, outcome, finding, .. } => host_finished(host, *outcome, finding.as_ref(), run),
            _ => None,
        }
    }
}

/// What a line says, what it makes of the host or run, and whether something was opened or closed.
type Told = (String, Option<Class>, Option<Mark>);

fn of_run(event: &Event, run: &RunState) -> Option<Told> {
    use EventKind as E;
    let plain = |text: String| Some((text, None, None));
    let stands = |text: String, class: Class| Some((text, Some(class), None));
    match &event.kind {
        E::RunPlanned { runbook, hosts, dry_run, .. } => {
            let what = if *dry_run { "dry run of" } else { "planned" };
            plain(format!("{what} {} on {}", runbook.name, words::count(hosts.len(), "host")))
        }
        E::ConfirmGiven { by, .. } => plain(format!("confirmed by {by}")),
        E::ConfirmDeclined { reason } => stands(format!("declined: {reason}"), Class::Cancelled),
        E::BatchStarted { n, canary, hosts, .. } => {
            let canary = if *canary { ", canary" } else { "" };
            let names: Vec<&str> = hosts.iter().map(HostName::as_str).collect();
            let few = names.join(" ");
            let named = if few.len() <= HOSTS { few } else { words::count(hosts.len(), "host") };
            plain(format!("batch {n} started{canary}: {named}"))
        }
        E::BatchFinished { n, hosts } => plain(format!("batch {n} done: {}", words::tally(hosts))),
        E::SoakStarted { for_ms, hosts } => {
            let time = words::took(words::millis(*for_ms));
            plain(format!("watching {} for {time}", words::count(hosts.len(), "host")))
        }
        // a failure names its host and step itself
        E::DecisionAsked { question, finding: Some(_), .. } => stands(format!("waits for you: {question}"), Class::Held),
        E::DecisionAsked { step, question, .. } => {
            let at = step.as_ref().map_or_else(String::new, |step| format!("{step}: "));
            stands(format!("{at}{question}"), Class::Held)
        }
        E::DecisionMade { .. } => plain(format!("decided {}", words::decided(run.decided.last()?))),
        E::RunPaused { reason, by } => stands(format!("paused by {by}: {reason}"), Class::Held),
        E::RunResumed { by } => plain(format!("resumed by {by}")),
        E::RunStopping { reason, by } => stands(format!("stopping ({by}): {reason}"), Class::Cancelled),
        E::RunAborting { reason, by } => stands(format!("aborting ({by}): {reason}"), Class::Cancelled),
        E::Note { by, text } => plain(format!("note by {by}: {text}")),
        E::RunFinished { state, exit_code, .. } => {
            let class = if *exit_code == 0 { Class::Ok } else { Class::Failed };
            stands(format!("run ended: {state}, exit {exit_code}"), class)
        }
        _ => None,
    }
}

fn step_finished(event: &Event, run: &RunState) -> Option<Told> {
    let EventKind::StepFinished { host, step, outcome, changed, finding, effects, .. } = &event.kind else { return None };
    if !outcome.is_fine() {
        let class = of_unit_outcome(*outcome, finding.as_ref());
        let why = finding.as_ref().map_or("no reason known", |f| f.summary.as_str());
        return Some((format!("{} {step}: {why}", class.word()), Some(class), None));
    }
    // what was opened by it has a line of its own
    let told = |step: &StepId| run.hosts.get(host).is_some_and(|host| host.open.values().any(|open| open.step == *step));
    if !*changed || told(step) {
        return None;
    }
    let what = if effects.is_empty() { format!("{step}: changed") } else { effects.join("; ") };
    Some((what, Some(Class::Changed), None))
}

/// The end of a host is notable where nothing before it has said why.
fn host_finished(name: &HostName, outcome: HostOutcome, finding: Option<&Finding>, run: &RunState) -> Option<Told> {
    if matches!(outcome, HostOutcome::Ok | HostOutcome::NotStarted | HostOutcome::RolledBack | HostOutcome::RollbackFailed) {
        return None;
    }
    let host = run.hosts.get(name)?;
    let findings = host.units.values().filter_map(|unit| unit.finding.as_ref()).chain(&host.unreachable);
    if finding.is_some_and(|said| findings.into_iter().any(|found| found.says_as(said))) {
        return None;
    }
    let class = of_outcome(outcome, finding);
    let why = finding.map_or_else(String::new, |finding| format!(": {}", finding.summary));
    Some((format!("{}{why}", class.word()), Some(class), None))
}

/// A value as a person says it: a switch is on or off.
fn value(value: &Value) -> String {
    match value {
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LINES, Trail};
    use crate::model::event::{Event, EventKind};
    use crate::model::finding::Finding;
    use crate::model::id::HostName;
    use crate::model::outcome::{HostOutcome, Outcome};
    use crate::model::time::Timestamp;
    use crate::state::class::Class;
    use crate::state::generated::{host, owed, plan_of, runs, step};
    use crate::state::run::RunState;
    use crate::state::timeline::Mark;
    use proptest::prelude::*;

    fn told(kinds: Vec<EventKind>) -> Trail {
        let mut events = plan_of(3);
        for (n, kind) in (2u32..).zip(kinds) {
            let (seq, ts, run) = (n.into(), Timestamp::from_millis(i64::from(n) * 1_000), events[0].run.clone());
            events.push(Event { seq, ts, run, kind });
        }
        let (mut run, mut trail) = (RunState::default(), Trail::default());
        for event in &events {
            run.apply(event);
            trail.apply(event, &run);
        }
        trail
    }

    fn texts(trail: &Trail) -> Vec<(Option<&str>, &str)> {
        trail.lines().skip(1).map(|line| (line.host.as_ref().map(HostName::as_str), line.text.as_str())).collect()
    }

    fn finished(outcome: Outcome, finding: Option<Finding>, effects: &[&str]) -> EventKind {
        EventKind::StepFinished {
            host: host(1),
            step: step(2),
            attempt: 1,
            outcome,
            changed: outcome == Outcome::Changed,
            exit_code: None,
            note: None,
            finding,
            effects: effects.iter().map(|effect| (*effect).to_owned()).collect(),
            duration_ms: 1,
        }
    }

    #[test]
    fn what_went_wrong_is_told_once_with_its_step() {
        let why = Finding::new("exit", "exit 1");
        let ended = |outcome, finding| EventKind::HostFinished { host: host(1), outcome, changed: true, finding, duration_ms: 1 };
        let trail = told(vec![
            EventKind::BatchStarted { n: 1, of: 2, canary: true, hosts: vec![host(0), host(1)] },
            finished(Outcome::Ok, None, &[]),
            finished(Outcome::Failed, Some(why.clone()), &[]),
            ended(HostOutcome::Failed, Some(why)),
        ]);
        assert_eq!(texts(&trail), [(None, "batch 1 started, canary: web-00 web-01"), (Some("web-01"), "FAILED restart: exit 1")]);
        assert_eq!(trail.lines().last().and_then(|line| line.class), Some(Class::Failed));
        let other = told(vec![ended(HostOutcome::Refused, Some(Finding::new("identity-changed", "another machine")))]);
        assert_eq!(texts(&other), [(Some("web-01"), "REFUSED: another machine")], "nothing before has said so");
    }

    #[test]
    fn a_switch_is_told_as_opened_and_closed_and_its_change_not_again() {
        let trail = told(vec![
            EventKind::ObligationOpened { host: host(1), step: step(2), obligation: owed(0) },
            finished(Outcome::Changed, None, &["turn it off"]),
            EventKind::ObligationClosed {
                host: host(1),
                key: "switch 0".to_owned(),
                how: "restored".to_owned(),
                summary: "is on\u{202e}".to_owned(),
            },
            finished(Outcome::Changed, None, &["killed pid 18422", "killed pid 7"]),
        ]);
        let wanted = ["kill switch on → off", "kill switch restored: is on\\u{202e}", "killed pid 18422; killed pid 7"];
        assert_eq!(texts(&trail).iter().map(|(_, text)| *text).collect::<Vec<_>>(), wanted);
        let marks: Vec<_> = trail.lines().skip(1).map(|line| line.mark).collect();
        assert_eq!(marks, [Some(Mark::Open), Some(Mark::Closed(Duration::from_secs(2))), None]);
    }

    #[test]
    fn a_question_names_the_host_where_it_is_about_one() {
        let ask = |step, hosts| EventKind::DecisionAsked {
            id: "q".to_owned(),
            step,
            hosts,
            question: "restart it?".to_owned(),
            options: Vec::new(),
            finding: None,
        };
        let trail = told(vec![ask(Some(step(2)), vec![host(1)]), ask(None, vec![host(2)])]);
        assert_eq!(texts(&trail), [(Some("web-01"), "restart: restart it?"), (None, "restart it?")]);
    }

    #[test]
    fn the_hosts_of_a_large_batch_are_counted() {
        let trail = told(vec![EventKind::BatchStarted { n: 7, of: 9, canary: false, hosts: (0..50).map(host).collect() }]);
        assert_eq!(texts(&trail), [(None, "batch 7 started: 50 hosts")]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let note = |n: usize| EventKind::Note { by: "me".to_owned(), text: n.to_string() };
        let trail = told((0..LINES + 20).map(note).collect());
        assert_eq!((trail.lines().len(), trail.dropped()), (LINES, 21));
        assert_eq!(trail.lines().last().map(|line| line.text.clone()), Some(format!("note by me: {}", LINES + 19)));
    }

    proptest! {
        #[test]
        fn every_line_is_one_clean_line_and_times_follow_the_record(events in runs()) {
            let (mut run, mut trail) = (RunState::default(), Trail::default());
            for event in &events {
                run.apply(event);
                trail.apply(event, &run);
            }
            prop_assert!(trail.lines().map(|line| line.at).is_sorted());
            prop_assert!(trail.lines().all(|line| !line.text.is_empty() && !line.text.contains('\n')));
            let open: usize = run.hosts.values().map(|host| host.open.len()).sum();
            prop_assert_eq!(trail.open.len(), open, "what is closed is forgotten");
        }
    }
}
