//! Batches, gates and the budget, played through the real engine: every way in which small fleets can fail, and many in
//! which larger ones can, against the rules written down a second time.

use std::collections::{BTreeMap, BTreeSet};

use runbook::model::event::{Event, EventKind};
use runbook::model::op::Exit;
use runbook::model::outcome::HostOutcome;
use runbook::model::plan::{BatchSize, Section};
use runbook::plan::batches::cut;
use runbook::state::run::RunState;
use serde_json::json;

use crate::harness::script::{Run, code, unit};
use crate::harness::world::Machine;

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

/// What becomes of a host once it has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Well,
    Fails,
    Refuses,
    Vanishes,
    Doubtful,
}

impl Fate {
    fn outcome(self) -> HostOutcome {
        match self {
            Fate::Well => HostOutcome::Ok,
            Fate::Fails => HostOutcome::Failed,
            Fate::Refuses => HostOutcome::Refused,
            Fate::Vanishes => HostOutcome::Unreachable,
            Fate::Doubtful => HostOutcome::Unknown,
        }
    }

    fn machine(self) -> Machine {
        let machine = Machine::default();
        match self {
            Fate::Well => machine,
            Fate::Fails => machine.ending("work", &[Exit::Code { code: 1 }]),
            // well in the preview
            Fate::Refuses => machine.ending("fit", &[Exit::Code { code: 0 }, Exit::Code { code: 1 }]),
            Fate::Vanishes => Machine { reachable: false, ..machine },
            Fate::Doubtful => machine.ending("work", &[Exit::Unknown { why: "no-status".to_owned() }]),
        }
    }
}

struct Case {
    fates: Vec<Fate>,
    batches: Vec<Vec<usize>>,
    max_failures: usize,
    max_out: Option<usize>,
}

impl Case {
    fn run(&self) -> Run {
        let machines = NAMES.into_iter().zip(self.fates.iter().map(|fate| fate.machine()));
        let steps = vec![
            unit(1, "fit", Section::Precheck, "require", json!({ "run": "fit" })),
            unit(2, "work", Section::Step, "exec", json!({ "run": "work" })),
            unit(3, "proof", Section::Verify, "require", json!({ "run": "proof" })),
        ];
        let mut run = Run::new(machines.collect(), steps);
        run.plan.batches.clone_from(&self.batches);
        run.plan.rollout.max_failures = BatchSize::Count(self.max_failures);
        run.plan.rollout.max_out = self.max_out.map(BatchSize::Count);
        run
    }

    /// The rules of the contract, without a budget: who gets a turn, and what becomes of them.
    fn expected(&self) -> Vec<Option<HostOutcome>> {
        let mut ends = vec![None; self.fates.len()];
        for (n, batch) in self.batches.iter().enumerate() {
            for host in batch {
                ends[*host] = Some(self.fates[*host].outcome());
            }
            let is = |what: &[HostOutcome]| ends.iter().flatten().filter(|end| what.contains(end)).count();
            let canary_fine = n > 0 || batch.iter().all(|host| ends[*host] == Some(HostOutcome::Ok));
            let failed = is(&[HostOutcome::Failed, HostOutcome::Unreachable, HostOutcome::Unknown]);
            if !canary_fine || failed >= self.max_failures || is(&[HostOutcome::Unknown]) > 0 {
                break;
            }
        }
        ends
    }
}

async fn check(case: &Case) -> RunState {
    let run = case.run();
    let state = run.ends().await;
    let label = format!("{:?} in {:?}, at most {} fail, {:?} out", case.fates, case.batches, case.max_failures, case.max_out);
    let got: Vec<_> = NAMES.iter().take(case.fates.len()).map(|name| outcome(&state, name)).collect();
    if case.max_out.is_none() {
        assert_eq!(got, case.expected(), "{label}");
    }
    let events = run.world.events();
    obeys(case, &events, &label);
    untouched_after_its_end(&events, &run.world.touched(), &label);
    state
}

fn outcome(state: &RunState, name: &str) -> Option<HostOutcome> {
    state.hosts.iter().find(|(host, _)| host.as_str() == name).and_then(|(_, host)| host.outcome)
}

/// What must be true of every record, whatever happened.
fn obeys(case: &Case, events: &[Event], label: &str) {
    let batch_of = |name: &str| {
        let index = NAMES.iter().position(|known| *known == name).expect("a known host");
        case.batches.iter().position(|batch| batch.contains(&index)).expect("every host is in a batch")
    };
    let mut begun = 0;
    let mut out: BTreeSet<String> = BTreeSet::new();
    let mut answered: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut refused: BTreeSet<String> = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::BatchStarted { n, .. } => begun = *n,
            EventKind::StepFinished { host, step, outcome, .. } if step.as_str() == "fit" => {
                answered.entry(batch_of(host.as_str())).or_default().insert(host.to_string());
                if !outcome.is_fine() {
                    refused.insert(host.to_string());
                }
            }
            EventKind::HostFinished { host, outcome, changed, .. } => {
                answered.entry(batch_of(host.as_str())).or_default().insert(host.to_string());
                if *outcome == HostOutcome::Ok || !*changed {
                    out.remove(host.as_str());
                }
            }
            EventKind::StepIntent { host, .. } => {
                let batch = batch_of(host.as_str());
                assert_eq!(batch + 1, begun, "{label}: {host} was changed out of its batch");
                let all = case.batches[batch].len();
                let heard = answered.get(&batch).map_or(0, BTreeSet::len);
                assert_eq!(heard, all, "{label}: {host} was changed before its batch had answered");
                assert!(!refused.contains(host.as_str()), "{label}: {host} was changed though its pre-check refused");
                out.insert(host.to_string());
                assert!(case.max_out.is_none_or(|most| out.len() <= most), "{label}: {out:?} are out at a time");
            }
            _ => {}
        }
    }
    assert!(matches!(events.last().map(|event| &event.kind), Some(EventKind::RunFinished { .. })), "{label}");
}

/// A host whose lane was stopped is not even looked at again.
fn untouched_after_its_end(events: &[Event], touched: &[(String, usize)], label: &str) {
    for (at, event) in events.iter().enumerate() {
        let EventKind::HostFinished { host, outcome, .. } = &event.kind else { continue };
        if *outcome != HostOutcome::Ok {
            let later = touched.iter().filter(|(name, durable)| name == host.as_str() && *durable > at).count();
            assert_eq!(later, 0, "{label}: {host} ended {outcome} and was touched again");
        }
    }
}

fn sizes() -> [Vec<BatchSize>; 5] {
    use BatchSize::{Count, Percent};
    [
        vec![Count(1), Percent(50), Percent(100)],
        vec![Percent(100)],
        vec![Count(1)],
        vec![Count(2), Count(3)],
        vec![Count(1), Percent(25)],
    ]
}

/// Fates by the digits of a number.
fn fates(total: usize, mut number: usize, kinds: &[Fate]) -> Vec<Fate> {
    (0..total)
        .map(|_| {
            let fate = kinds[number % kinds.len()];
            number /= kinds.len();
            fate
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_way_in_which_up_to_six_hosts_can_fail() {
    for total in 1..=6 {
        for number in 0..(1 << total) {
            for (n, sizes) in sizes().iter().enumerate() {
                // each list of sizes with a bound of its own
                let max_failures = 1 + (n + number) % 3;
                let fates = fates(total, number, &[Fate::Well, Fate::Fails]);
                check(&Case { fates, batches: cut(sizes, total), max_failures, max_out: None }).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_mixture_of_four_hosts() {
    let kinds = [Fate::Well, Fate::Fails, Fate::Refuses, Fate::Vanishes, Fate::Doubtful];
    for number in 0..5_usize.pow(4) {
        let sizes = &sizes()[number % 5];
        let max_failures = 1 + number % 2;
        check(&Case { fates: fates(4, number, &kinds), batches: cut(sizes, 4), max_failures, max_out: None }).await;
    }
}

#[tokio::test(start_paused = true)]
async fn up_to_twelve_hosts_with_one_or_two_in_trouble() {
    let kinds = [Fate::Fails, Fate::Refuses, Fate::Vanishes, Fate::Doubtful];
    for total in 7..=12 {
        for (n, sizes) in sizes().iter().enumerate() {
            for first in 0..total {
                let second = (first * 5 + n + 3) % total;
                let mut fates = vec![Fate::Well; total];
                fates[first] = kinds[(first + n) % 4];
                fates[second] = kinds[(second + total) % 4];
                check(&Case { fates, batches: cut(sizes, total), max_failures: 1 + first % 3, max_out: None }).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_hosts_are_out_than_may_be() {
    for total in [1, 2, 3, 5, 8, 12] {
        for most in 1..=total.min(4) {
            for number in 0..(1_usize << total.min(6)) {
                let fates = fates(total, number, &[Fate::Well, Fate::Fails]);
                let failing = fates.iter().filter(|fate| **fate == Fate::Fails).count();
                let batches = vec![(0..total).collect()];
                let case = Case { fates, batches, max_failures: total + 1, max_out: Some(most) };
                let state = check(&case).await;
                let worked = state.hosts.values().filter(|host| host.changed).count();
                // what is broken stays out: the others get their turn as long as there is room
                let enough =
                    worked == total || state.hosts.values().filter(|h| h.outcome == Some(HostOutcome::Failed)).count() == most;
                assert!(enough, "{worked} of {total} worked with {failing} failing and {most} allowed out");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_no_turn_says_why() {
    let case = Case {
        fates: vec![Fate::Fails, Fate::Well, Fate::Well],
        batches: vec![vec![0, 1, 2]],
        max_failures: 3,
        max_out: Some(1),
    };
    let run = case.run();
    let state = run.ends().await;
    let finding = |name: &str| {
        let host = state.hosts.iter().find(|(host, _)| host.as_str() == name).map(|(_, host)| host);
        host.and_then(|host| host.finding.clone()).map(|finding| finding.summary)
    };
    let waited: Vec<_> = ["b", "c"].iter().filter_map(|name| finding(name)).collect();
    // whoever came before `a` was brought back; whoever came after it was not let out
    assert!(waited.iter().all(|why| why == "max_out = 1 is reached by what failed in this run: a"), "{waited:?}");
    assert_eq!(code(&state), 1);
}
