//! What can be said to a question of a run, and what follows from each answer: computed from the run as it stands.

use crate::model::hostset;
use crate::model::id::HostName;
use crate::model::outcome::RunState as EndState;
use crate::model::step::ClosePolicy;
use crate::state::run::{HostState, RunState, Waiting};
use crate::state::summary::end_state;
use crate::state::words;

/// The columns of a set of hosts.
const HOSTS: usize = 40;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its word, as in `decision.asked`.
    pub option: String,
    /// What is done.
    pub does: String,
    /// What it comes to.
    pub leaves: String,
}

/// The answers to questions that are asked for the same reason. They are about different hosts and offer the same.
pub fn choices(run: &RunState, asked: &[&Waiting]) -> Vec<Choice> {
    let Some(first) = asked.first() else { return Vec::new() };
    let facts = Facts::of(run, asked);
    let offered = first.options.iter().filter(|option| asked.iter().all(|other| other.options.contains(option)));
    offered.map(|option| facts.choice(option)).collect()
}

/// What the consequences are made of.
struct Facts<'s> {
    run: &'s RunState,
    /// The hosts that the questions are about.
    hosts: Vec<HostName>,
    /// Whether it is the gate between two batches that asks.
    gate: bool,
    /// The step, and the one after it.
    step: String,
    next: Option<String>,
    attempt: u32,
    /// What is open on these hosts and is closed when their lanes end.
    closes: String,
    /// Whether something stays open all the same.
    stays_open: bool,
    /// Hosts whose turn has not come.
    waiting: Vec<HostName>,
    why: Option<String>,
}

impl<'s> Facts<'s> {
    fn of(run: &'s RunState, asked: &[&Waiting]) -> Self {
        let id = asked.first().and_then(|asked| asked.step.as_ref());
        let hosts: Vec<HostName> = asked.iter().flat_map(|asked| asked.hosts.iter().cloned()).collect();
        let states = || hosts.iter().filter_map(|name| run.hosts.get(name));
        let open = || states().flat_map(|host| host.open.values()).map(|open| &open.obligation);
        let mut closes: Vec<String> = open()
            .filter(|obligation| obligation.close == ClosePolicy::Always)
            .map(|obligation| format!("{} → {} now", obligation.title, obligation.was))
            .collect();
        let all = closes.len();
        closes.sort();
        closes.dedup();
        let on = if all > 1 { format!(" on {}", words::count(all, "host")) } else { String::new() };
        let unit = |host: &'s HostState| host.units.get(id?);
        let at = run.steps.iter().position(|step| Some(&step.id) == id);
        let waits = |name: &&HostName| {
            run.hosts.get(*name).is_some_and(|host| host.started.is_none() && host.outcome.is_none() && host.excluded.is_none())
        };
        Self {
            run,
            gate: id.is_none(),
            step: id.map_or_else(String::new, |id| words::step(run, id)),
            next: at.and_then(|at| run.steps.get(at + 1)).map(|step| format!("{} {}", step.n, step.id)),
            attempt: hosts
                .iter()
                .filter_map(|name| run.hosts.get(name))
                .filter_map(unit)
                .map(|unit| unit.attempt)
                .max()
                .unwrap_or(1),
            stays_open: open().any(|obligation| obligation.close != ClosePolicy::Always),
            closes: if closes.is_empty() { "nothing is open here".to_owned() } else { format!("{}{on}", closes.join(", ")) },
            waiting: run.order.iter().filter(waits).cloned().collect(),
            why: asked.first().and_then(|asked| asked.finding.as_ref()).map(|finding| finding.summary.clone()),
            hosts,
        }
    }

    fn choice(&self, option: &str) -> Choice {
        let (does, leaves) = match option {
            "retry" => self.retry(),
            "skip" => self.skip(),
            "exclude" => self.exclude(),
            "abort" => self.abort(),
            "yes" if self.gate => {
                (format!("go on with {}", self.set(&self.waiting)), "what has failed stays as it is".to_owned())
            }
            "no" if self.gate => (
                format!("no further batch; untouched: {}", self.set(&self.waiting)),
                format!("the run ends, exit {}", self.exit(EndState::Failed)),
            ),
            "yes" => (format!("{} holds on {}, which goes on", self.step, self.set(&self.hosts)), String::new()),
            "no" => (format!("{} is refused on {}", self.step, self.set(&self.hosts)), self.closes.clone()),
            other => (other.to_owned(), String::new()),
        };
        Choice { option: option.to_owned(), does, leaves }
    }

    fn retry(&self) -> (String, String) {
        let why = self.why.as_ref().map_or_else(String::new, |why| format!("fails again while: {why}"));
        (format!("{} once more on {}, attempt {}", self.step, self.set(&self.hosts), self.attempt + 1), why)
    }

    fn skip(&self) -> (String, String) {
        let host = self.set(&self.hosts);
        let does = match &self.next {
            Some(next) => format!("go on to {next} on {host}; {} stays failed", self.step),
            None => format!("{} stays failed on {host}; nothing comes after it", self.step),
        };
        (does, format!("{host} ends failed, exit {} at best", self.exit(EndState::Failed)))
    }

    fn exclude(&self) -> (String, String) {
        let rest = match self.waiting.is_empty() {
            true => "no host waits".to_owned(),
            false => format!("then the rest of the run ({})", self.set(&self.waiting)),
        };
        (
            format!("end {} here; {}", self.set(&self.hosts), self.closes),
            format!("{rest}; exit {} at best", self.exit(EndState::Failed)),
        )
    }

    fn abort(&self) -> (String, String) {
        let untouched = match self.waiting.is_empty() {
            true => "no host waits".to_owned(),
            false => format!("untouched: {}", self.set(&self.waiting)),
        };
        (format!("the run stops; {}", self.closes), format!("{untouched}; exit {}", self.exit(EndState::Aborted)))
    }

    fn set(&self, hosts: &[HostName]) -> String {
        match hosts {
            [] => "no host".to_owned(),
            [one] => one.to_string(),
            // a set that is long in itself is counted
            many if many.len() > 1_000 => words::count(many.len(), "host"),
            many => {
                let set = words::hosts(many, HOSTS);
                if set == hostset::fold(many) { set } else { words::count(many.len(), "host") }
            }
        }
    }

    /// The exit code that the run ends with if nothing else goes wrong.
    fn exit(&self, state: EndState) -> u8 {
        let mut extra = vec![state];
        if self.stays_open {
            extra.push(EndState::LeftOpen);
        }
        extra.extend(self.run.hosts.values().filter_map(|host| host.outcome).filter_map(end_state));
        EndState::worst(extra).code()
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, choices};
    use crate::model::event::{Event, EventKind};
    use crate::model::finding::Finding;
    use crate::model::outcome::HostOutcome;
    use crate::state::generated::{host, plan_of, step};
    use crate::state::run::{RunState, Waiting};

    fn failed(on: usize) -> EventKind {
        EventKind::DecisionAsked {
            id: format!("failed:{on}"),
            step: Some(step(1)),
            hosts: vec![host(on)],
            question: "failed".to_owned(),
            options: ["retry", "skip", "exclude", "abort"].map(str::to_owned).to_vec(),
            finding: Some(Finding::new("exit", "exit 1: pm2 restart api")),
        }
    }

    fn of(kinds: Vec<EventKind>) -> RunState {
        let mut events: Vec<Event> = plan_of(3);
        for kind in kinds {
            let last = events.last().expect("a plan").clone();
            events.push(Event { seq: last.seq + 1, kind, ..last });
        }
        RunState::replay(&events)
    }

    fn said(choices: &[Choice], option: &str) -> String {
        let choice = choices.iter().find(|choice| choice.option == option).expect("it is offered");
        format!("{} | {}", choice.does, choice.leaves)
    }

    #[test]
    fn consequences_name_the_hosts_and_the_exit_code() {
        let run = of(vec![failed(0), failed(1)]);
        let asked: Vec<&Waiting> = run.waiting.iter().collect();
        let choices = choices(&run, &asked);
        let both = crate::model::hostset::fold(&[host(0), host(1)]);
        assert!(said(&choices, "retry").contains(&format!("on {both}, attempt")), "{choices:?}");
        assert!(said(&choices, "retry").ends_with("fails again while: exit 1: pm2 restart api"));
        assert!(said(&choices, "skip").contains("exit 1 at best"));
        assert!(said(&choices, "abort").ends_with("exit 4"));
    }

    #[test]
    fn what_went_wrong_before_decides_the_exit_code_too() {
        let ended = EventKind::HostFinished {
            host: host(2),
            outcome: HostOutcome::Unknown,
            changed: true,
            finding: None,
            duration_ms: 1,
        };
        let run = of(vec![ended, failed(0)]);
        let asked: Vec<&Waiting> = run.waiting.iter().collect();
        assert!(said(&choices(&run, &asked), "abort").ends_with("exit 8"));
    }
}
