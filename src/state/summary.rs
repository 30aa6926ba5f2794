//! How a run ended, in numbers: the state that decides, failures folded by cause, what is open, what to type next.

use std::collections::BTreeMap;

use crate::model::event::{Failure, OpenItem};
use crate::model::finding::Finding;
use crate::model::hostset;
use crate::model::id::{HostName, RunId, StepId};
use crate::model::outcome::{HostOutcome, Outcome, RunState as EndState};
use crate::state::run::{HostState, RunState};

/// The most of a message that takes part in folding.
const KEY_CHARS: usize = 200;

/// A longer set of hosts is not worth typing.
const LONGEST: usize = 200;

/// What a run came to; the fields of `run.finished`.
#[derive(Debug, Clone, PartialEq)]
pub struct Conclusion {
    /// The state that decides.
    pub state: EndState,
    /// Its exit code.
    pub exit_code: u8,
    /// Hosts by outcome.
    pub hosts: BTreeMap<HostOutcome, usize>,
    /// Hosts on which something was changed.
    pub changed: usize,
    /// What is left open, oldest first.
    pub open: Vec<OpenItem>,
    /// Failures folded by cause, the worst and the most frequent first.
    pub failures: Vec<Failure>,
    /// Commands to type next.
    pub next: Vec<String>,
}

/// What must stand in a command that is typed next, so that it means the same fleet, files and record; as words, not
/// quoted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flags {
    /// In a command about the record.
    pub record: Vec<String>,
    /// In a further run.
    pub run: Vec<String>,
}

impl Flags {
    /// A command about the record, as a shell takes it.
    pub fn of_record(&self, command: &str) -> String {
        self.record.iter().fold(command.to_owned(), |line, word| format!("{line} {}", quoted(word)))
    }

    /// A further run, as a shell takes it.
    pub fn of_run(&self, command: &str) -> String {
        self.run.iter().fold(command.to_owned(), |line, word| format!("{line} {}", quoted(word)))
    }
}

/// What the run came to. `extra` is what only the engine knows: [`EndState::Aborted`] when somebody declined or stopped
/// it, [`EndState::RecordLost`], [`EndState::Pending`] when a dry run was asked to tell changes by its exit code. `flags`
/// are repeated in the commands to type next.
pub fn conclude(state: &RunState, extra: &[EndState], flags: &Flags) -> Conclusion {
    let hosts = tally(state);
    let open = state.open();
    let mut states = extra.to_vec();
    states.extend(hosts.keys().filter_map(|outcome| end_state(*outcome)));
    if !open.is_empty() {
        states.push(EndState::LeftOpen);
    }
    if state.hosts.values().any(|host| host.units.values().any(|unit| unit.intent && unit.outcome.is_none())) {
        states.push(EndState::Unknown);
    }
    let untouched = [HostOutcome::NotStarted, HostOutcome::Cancelled].iter().any(|outcome| hosts.contains_key(outcome));
    if untouched && states.is_empty() {
        // nothing went wrong and yet not every host had its turn: somebody or something stopped it
        states.push(EndState::Aborted);
    }
    let end = EndState::worst(states);
    let failures = failures(state);
    let next = next(state, end, &failures, !open.is_empty(), flags);
    Conclusion { state: end, exit_code: end.code(), hosts, changed: state.changed_hosts(), open, failures, next }
}

/// Whether a dry run found anything that a run would change.
pub fn pending(state: &RunState) -> bool {
    state.hosts.values().any(|host| host.preview.values().any(|p| p.outcome == Outcome::WouldChange))
}

/// Hosts by outcome. Where a host's lane did not end by an event, what is known of it decides.
pub fn tally(state: &RunState) -> BTreeMap<HostOutcome, usize> {
    let mut tally = BTreeMap::new();
    for host in state.hosts.values() {
        *tally.entry(outcome(host, state.dry_run)).or_default() += 1;
    }
    tally
}

/// What became of a host, also where its lane did not end by an event.
pub fn outcome(host: &HostState, dry_run: bool) -> HostOutcome {
    if let Some(outcome) = host.outcome {
        return outcome;
    }
    if host.units.values().any(|unit| unit.intent && unit.outcome.is_none()) {
        return HostOutcome::Unknown;
    }
    if host.unreachable.is_some() {
        return HostOutcome::Unreachable;
    }
    let previewed = |wanted: Outcome| host.preview.values().any(|p| p.outcome == wanted);
    match () {
        () if host.units.values().any(|unit| unit.started.is_some()) => HostOutcome::Cancelled,
        () if previewed(Outcome::Unknown) => HostOutcome::Unknown,
        () if previewed(Outcome::Failed) => HostOutcome::Failed,
        () if previewed(Outcome::Refused) => HostOutcome::Refused,
        () if dry_run && !host.preview.is_empty() => HostOutcome::Ok,
        () => HostOutcome::NotStarted,
    }
}

/// What a host adds to the states of its run; none where it says nothing.
pub(super) fn end_state(outcome: HostOutcome) -> Option<EndState> {
    match outcome {
        // why these two never ended is told by what stopped them
        HostOutcome::Ok | HostOutcome::NotStarted | HostOutcome::Cancelled => None,
        HostOutcome::Failed | HostOutcome::RolledBack => Some(EndState::Failed),
        HostOutcome::Unknown => Some(EndState::Unknown),
        HostOutcome::Refused => Some(EndState::Refused),
        HostOutcome::Unreachable => Some(EndState::Unreachable),
        HostOutcome::RollbackFailed => Some(EndState::LeftOpen),
    }
}

/// How bad an outcome is: what needs somebody comes first.
pub fn severity(outcome: HostOutcome) -> u8 {
    match outcome {
        HostOutcome::RollbackFailed => 0,
        HostOutcome::Unknown => 1,
        HostOutcome::Failed => 2,
        HostOutcome::RolledBack => 3,
        HostOutcome::Refused => 4,
        HostOutcome::Unreachable => 5,
        HostOutcome::Cancelled => 6,
        HostOutcome::NotStarted => 7,
        HostOutcome::Ok => 8,
    }
}

/// Why a host is not ok, and at which step.
pub fn cause<'s>(state: &'s RunState, host: &'s HostState) -> Option<(Option<&'s StepId>, &'s Finding)> {
    let of_step = |step: &'s StepId| {
        let unit = host.units.get(step)?;
        let finding = unit.finding.as_ref()?;
        unit.outcome.is_some_and(|o| !o.is_fine()).then_some((step, finding))
    };
    let at = state.steps.iter().filter_map(|step| of_step(&step.id));
    let mut at: Vec<_> = at.collect();
    if let Some(said) = &host.finding {
        // the unit whose finding the host took over, where there is one
        at.retain(|(_, finding)| finding.says_as(said));
        return Some((at.first().map(|(step, _)| *step), said));
    }
    match (at.first(), &host.unreachable) {
        (Some((step, finding)), _) => Some((Some(*step), *finding)),
        (None, Some(finding)) => Some((None, finding)),
        (None, None) => None,
    }
}

/// What equal failures have in common: step, code and words without their numbers and without the host's own name. Where
/// the words are those of an exit status they say nothing of the cause: the status stays as it is, and the line that is
/// shown of the output takes part.
pub fn fold_key(step: Option<&StepId>, finding: &Finding, host: &HostName) -> String {
    let masked = |text: &str| normalise(&text.replace(host.as_str(), "<host>"));
    let words = match (exit_status(&finding.summary), finding.evidence.first()) {
        (None, _) => masked(&finding.summary),
        (Some((status, rest)), None) => format!("{status}{}", masked(rest)),
        (Some((status, rest)), Some(line)) => format!("{status}{}|{}", masked(rest), masked(line)),
    };
    format!("{}|{}|{words}", step.map_or("-", StepId::as_str), finding.code)
}

/// `exit 7: npm ci` in two: the status, and what follows.
fn exit_status(summary: &str) -> Option<(&str, &str)> {
    let number = summary.strip_prefix("exit ")?;
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| summary.split_at(summary.len() - number.len() + digits))
}

/// The finding with its key on it, as it stands in an event; a key that it has already stays.
#[must_use]
pub fn keyed(mut finding: Finding, step: Option<&StepId>, host: &HostName) -> Finding {
    if finding.fold_key.is_none() {
        finding.fold_key = Some(fold_key(step, &finding, host));
    }
    finding
}

fn normalise(text: &str) -> String {
    let mut out = String::new();
    let mut in_number = false;
    for c in text.chars().take(KEY_CHARS) {
        let digit = c.is_ascii_digit();
        if digit && !in_number {
            out.push_str("<n>");
        } else if !digit {
            out.push(c);
        }
        in_number = digit;
    }
    out
}

/// Where no host at all has a route the hosts are not the cause: that is told once.
fn no_network(state: &RunState) -> Option<Failure> {
    let faults = || state.order.iter().filter_map(|name| state.hosts.get(name)?.unreachable.as_ref());
    let all = state.order.len();
    if all < 2 || faults().filter(|finding| finding.code == "no-route").count() < all {
        return None;
    }
    Some(Failure {
        fold_key: "-|no-network".to_owned(),
        step: None,
        hosts: state.order.clone(),
        message: format!("this machine has no network: none of {all} hosts has a route; check its interfaces, VPN and routes"),
        first: faults().next().map(|finding| finding.summary.clone()),
    })
}

fn failures(state: &RunState) -> Vec<Failure> {
    if let Some(failure) = no_network(state) {
        return vec![failure];
    }
    let mut folded: BTreeMap<(u8, String), Failure> = BTreeMap::new();
    for name in &state.order {
        let Some(host) = state.hosts.get(name) else { continue };
        let outcome = outcome(host, state.dry_run);
        if matches!(outcome, HostOutcome::Ok | HostOutcome::NotStarted) {
            continue;
        }
        let previewed = preview_cause(state, host);
        let (step, finding) = match (cause(state, host), &previewed) {
            (Some((step, finding)), _) => (step, finding),
            (None, Some((step, finding))) => (Some(*step), finding),
            (None, None) => continue,
        };
        let fold_key = finding.fold_key.clone().unwrap_or_else(|| fold_key(step, finding, name));
        folded
            .entry((severity(outcome), fold_key.clone()))
            .or_insert_with(|| Failure {
                fold_key,
                step: step.cloned(),
                hosts: Vec::new(),
                message: finding.summary.clone(),
                first: finding.evidence.first().cloned(),
            })
            .hosts
            .push(name.clone());
    }
    let mut failures: Vec<((u8, String), Failure)> = folded.into_iter().collect();
    failures.sort_by(|a, b| (a.0.0, b.1.hosts.len()).cmp(&(b.0.0, a.1.hosts.len())));
    failures.into_iter().map(|(_, failure)| failure).collect()
}

/// Why a preview stopped at a host.
pub(super) fn preview_cause<'s>(state: &'s RunState, host: &'s HostState) -> Option<(&'s StepId, Finding)> {
    let steps = state.steps.iter().filter_map(|step| Some((&step.id, host.preview.get(&step.id)?)));
    let (step, preview) = steps.into_iter().find(|(_, preview)| !preview.outcome.is_fine())?;
    Some((step, Finding::new(preview.outcome.word(), preview.summary.clone())))
}

/// Commands to type next; only such as exist.
fn next(state: &RunState, end: EndState, failures: &[Failure], open: bool, flags: &Flags) -> Vec<String> {
    let Some(run) = &state.run else { return Vec::new() };
    let mut next = Vec::new();
    if open {
        next.push(flags.of_record(&format!("runbook close {run}")));
    }
    if let Some((failure, host)) = failures.first().and_then(|failure| Some((failure, failure.hosts.first()?))) {
        let step = failure.step.as_ref().map_or_else(String::new, |step| format!(" {step}"));
        next.push(flags.of_record(&format!("runbook show {run} {host}{step}")));
    }
    let Some(runbook) = &state.runbook else { return next };
    if state.dry_run {
        if pending(state) {
            next.push(flags.of_run(&format!("runbook run {} --hosts {}", runbook.name, quoted(&state.selector))));
        }
        return next;
    }
    if let Some(hosts) = left(state, run).filter(|_| end != EndState::Ok) {
        next.push(flags.of_run(&format!("runbook run {} --hosts {} --dry-run", runbook.name, quoted(&hosts))));
    }
    next.push(flags.of_record(&format!("runbook timeline {run}")));
    next
}

/// The hosts that are worth another try, as a selector of this run's record; what a guard refused is named, where that is
/// short.
fn left(state: &RunState, run: &RunId) -> Option<String> {
    use HostOutcome as H;
    let mut by: BTreeMap<&str, Vec<HostName>> = BTreeMap::new();
    for name in &state.order {
        let Some(host) = state.hosts.get(name) else { continue };
        let atom = match outcome(host, state.dry_run) {
            H::Ok => continue,
            H::Failed | H::Unknown | H::RolledBack | H::RollbackFailed | H::Cancelled => "failed",
            H::Unreachable => "unreachable",
            H::NotStarted => "not-started",
            H::Refused => "refused",
        };
        by.entry(atom).or_default().push(name.clone());
    }
    let atoms = ["failed", "unreachable", "not-started"].into_iter().filter(|atom| by.contains_key(atom));
    let mut terms: Vec<String> = atoms.map(|atom| format!("{atom}:{run}")).collect();
    let refused = by.get("refused").map(|hosts| hostset::fold(hosts));
    terms.extend(refused.filter(|set| set.len() <= LONGEST));
    (!terms.is_empty()).then(|| terms.join(","))
}

/// A word as a shell takes it.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::{fold_key, normalise, quoted};
    use crate::model::finding::Finding;
    use crate::model::id::HostName;

    #[test]
    fn commands_that_end_by_other_words_or_another_status_fail_for_another_cause() {
        let key = |host: &str, summary: &str, line: &str| {
            let finding = Finding::new("exit", summary).evidence(line);
            fold_key(None, &finding, &HostName::parse(host).expect("a name"))
        };
        let full = key("web-1", "exit 1: npm ci", "web-1: 0 bytes left on /dev/xvda1");
        assert_eq!(full, "-|exit|exit 1: npm ci|<host>: <n> bytes left on /dev/xvda<n>");
        assert_eq!(key("web-2", "exit 1: npm ci", "web-2: 12 bytes left on /dev/xvda2"), full);
        assert_ne!(key("web-1", "exit 7: npm ci", "web-1: 0 bytes left on /dev/xvda1"), full);
        assert_ne!(key("web-1", "exit 1: npm ci", "npm: not found"), full);
        assert_eq!(key("web-1", "web-1 exit 1", "anything"), "-|exit|<host> exit <n>");
    }

    #[test]
    fn numbers_do_not_tell_failures_apart() {
        assert_eq!(normalise("pid 18422 holds :3000, 0x1f"), "pid <n> holds :<n>, <n>x<n>f");
    }

    #[test]
    fn selectors_survive_a_shell() {
        assert_eq!(quoted("@web"), "@web");
        assert_eq!(quoted("web-[01-03] & !x"), "'web-[01-03] & !x'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
