use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Fleet, GroupKey};
use crate::model::event::{Event, EventKind};
use crate::model::id::HostName;
use crate::model::time::Timestamp;
use crate::state::class::{Class, is_held, of_host};
use crate::state::generated::{host, owed, plan_of, runs, step};
use crate::state::run::RunState;
use crate::state::summary::{self, fold_key};
use proptest::prelude::*;

fn fold(events: &[Event]) -> (RunState, Fleet) {
    let (mut run, mut fleet) = (RunState::default(), Fleet::default());
    for event in events {
        run.apply(event);
        fleet.apply(event, &run);
    }
    (run, fleet)
}

/// What the index must say, found the slow way: by a look at every host.
struct Slow {
    classes: Vec<Class>,
    rows: Vec<usize>,
    groups: BTreeMap<(Class, Option<u32>, String), Vec<usize>>,
    running: BTreeMap<u32, usize>,
    longest: Vec<usize>,
    open: Vec<(Timestamp, u64, usize, String)>,
    took: Vec<Duration>,
    ended: Vec<Timestamp>,
}

fn slow(run: &RunState) -> Slow {
    let host = |place: &usize| &run.hosts[&run.order[*place]];
    let places: Vec<usize> = (0..run.order.len()).collect();
    let class = |place: &usize| of_host(run, host(place), is_held(run, &run.order[*place], host(place)));
    let classes: Vec<Class> = places.iter().map(class).collect();
    let number = |id: &_| run.steps.iter().find(|step| step.id == *id).map(|step| step.n);
    let rank = |place: &usize| Class::LISTED.iter().position(|class| *class == classes[*place]).expect("listed");
    let mut rows = places.clone();
    rows.sort_by_key(|place| (rank(place), *place));
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for place in &places {
        groups.entry(key(run, classes[*place], &run.order[*place])).or_default().push(*place);
    }
    let runs = |place: &&usize| matches!(classes[**place], Class::Running | Class::Retrying);
    let running: Vec<(Timestamp, usize, u32)> = places
        .iter()
        .filter(runs)
        .filter_map(|place| host(place).running.as_ref().map(|(step, since)| (*since, *place, number(step))))
        .filter_map(|(since, place, step)| Some((since, place, step?)))
        .collect();
    let mut per_step = BTreeMap::new();
    running.iter().for_each(|(_, _, step)| *per_step.entry(*step).or_default() += 1);
    let longest: BTreeSet<_> = running.into_iter().collect();
    let open = places.iter().flat_map(|place| host(place).open.iter().map(move |(key, o)| (o.since, o.seq, *place, key.clone())));
    let mut open: Vec<_> = open.collect();
    open.sort();
    let times = places.iter().filter_map(|place| Some((*place, host(place).started?, host(place).finished?)));
    let ended = times.clone().map(|(_, _, to)| to).collect();
    let took = times.filter(|(place, _, _)| classes[*place] == Class::Ok).map(|(_, from, to)| to.since(from)).collect();
    let longest = longest.into_iter().map(|(_, place, _)| place).collect();
    Slow { classes, rows, groups, running: per_step, longest, open, took, ended }
}

fn key(run: &RunState, class: Class, name: &HostName) -> (Class, Option<u32>, String) {
    let host = &run.hosts[name];
    let number = |id: &_| run.steps.iter().find(|step| step.id == *id).map(|step| step.n);
    let folded = if class == Class::Retrying { Class::Running } else { class };
    if class == Class::Held
        && let Some(n) = host.running.as_ref().and_then(|(step, _)| number(step))
    {
        return (folded, Some(n), String::new());
    }
    let found = summary::cause(run, host).map(|(step, finding)| (step, finding.clone()));
    let found = found.or_else(|| summary::preview_cause(run, host).map(|(step, finding)| (Some(step), finding)));
    match found.filter(|_| class.is_problem() || class == Class::Held) {
        Some((step, finding)) => {
            let cause = finding.fold_key.clone().unwrap_or_else(|| fold_key(step, &finding, name));
            (folded, step.and_then(number), cause)
        }
        None => (folded, None, String::new()),
    }
}

fn agrees(run: &RunState, fleet: &Fleet) -> Result<(), TestCaseError> {
    let slow = slow(run);
    prop_assert_eq!(fleet.classes(), &slow.classes[..]);
    prop_assert_eq!(&fleet.rows(0, 100), &slow.rows);
    prop_assert_eq!(fleet.rows(2, 3), slow.rows.iter().copied().skip(2).take(3).collect::<Vec<_>>());
    for (row, place) in slow.rows.iter().enumerate() {
        prop_assert_eq!(fleet.row_of(*place), Some(row));
    }
    let of = |class: Class| slow.classes.iter().filter(|other| **other == class).count();
    for class in Class::ALL {
        prop_assert_eq!(fleet.counts().of(class), of(class));
        for (batch, names) in run.batches.iter().enumerate() {
            let in_batch = names.iter().filter(|name| fleet.place(name).is_some_and(|p| slow.classes[p] == class));
            prop_assert_eq!(fleet.batch(batch + 1).map(|counts| counts.of(class)), Some(in_batch.count()));
        }
    }
    let needy: Vec<usize> =
        slow.rows.iter().copied().filter(|p| slow.classes[*p].is_problem() || slow.classes[*p] == Class::Held).collect();
    let (mut after, mut walked) = (None, Vec::new());
    for _ in &needy {
        after = fleet.next_problem(after);
        walked.extend(after);
    }
    prop_assert_eq!(&walked, &needy);
    prop_assert_eq!(fleet.next_problem(after), needy.first().copied());
    prop_assert_eq!(fleet.previous_problem(needy.first().copied()), needy.last().copied());
    folded_agrees(run, fleet, &slow)
}

fn folded_agrees(run: &RunState, fleet: &Fleet, slow: &Slow) -> Result<(), TestCaseError> {
    let mut groups = BTreeMap::new();
    let rows = fleet.group_rows(0, 100);
    let rank = |class: Class| Class::LISTED.iter().position(|other| *other == class);
    prop_assert!(rows.is_sorted_by_key(|row| (rank(row.key.class), usize::MAX - row.hosts)));
    for row in &rows {
        let hosts = fleet.hosts_of(row.key, 0, 100);
        prop_assert_eq!((row.hosts, row.first), (hosts.len(), hosts[0]));
        prop_assert!(hosts.iter().all(|place| fleet.group_of(*place) == Some(row.key)));
        prop_assert!(row.key.cause.is_empty() || fleet.words(run, row.first).is_some());
        groups.insert((row.key.class, row.key.step, row.key.cause.to_string()), hosts);
    }
    prop_assert_eq!(&groups, &slow.groups);
    prop_assert_eq!(fleet.groups(), slow.groups.len());
    prop_assert_eq!(fleet.running().collect::<BTreeMap<_, _>>(), slow.running.clone());
    prop_assert_eq!(fleet.longest(None, 100).iter().map(|running| running.place).collect::<Vec<_>>(), slow.longest.clone());
    for (step, hosts) in &slow.running {
        prop_assert_eq!(fleet.longest(Some(*step), 100).len(), *hosts);
    }
    let open: Vec<_> = fleet.open().map(|open| (open.since, open.place, open.key.to_owned())).collect();
    prop_assert_eq!(open, slow.open.iter().map(|(since, _, place, key)| (*since, *place, key.clone())).collect::<Vec<_>>());
    let mut took = slow.took.clone();
    took.sort();
    let median = (took.len() * 50).div_ceil(100).checked_sub(1).map(|at| took[at].as_secs_f64());
    let told = fleet.took(50).map(|time| time.as_secs_f64());
    prop_assert_eq!(told.is_some(), median.is_some());
    prop_assert!(told.zip(median).is_none_or(|(told, median)| (told - median).abs() <= median * 0.02 + 0.001));
    let now = run.last.unwrap_or(Timestamp::from_millis(0));
    let minutes = |at: &Timestamp| now.as_millis().div_euclid(60_000) - at.as_millis().div_euclid(60_000);
    let ended = (0..60).rev().map(|ago| slow.ended.iter().filter(|at| minutes(at) == ago).count() as u64);
    prop_assert_eq!(fleet.finishes(now, 60), ended.collect::<Vec<_>>());
    for columns in [1, 3, 7, 100] {
        let (hosts, columns) = (slow.classes.len(), columns.min(slow.classes.len()));
        let part = |column: usize| &slow.classes[column * hosts / columns..(column + 1) * hosts / columns];
        let strip: Vec<Class> = (0..columns).filter_map(|column| part(column).iter().min().copied()).collect();
        prop_assert_eq!(fleet.strip(columns), strip);
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_index_says_what_a_look_at_every_host_says(events in runs()) {
        let (mut run, mut fleet) = (RunState::default(), Fleet::default());
        for event in &events {
            run.apply(event);
            fleet.apply(event, &run);
            agrees(&run, &fleet)?;
        }
        // one that is made at once says the same
        agrees(&run, &Fleet::of(&run))?;
    }
}

fn then(events: &mut Vec<Event>, kind: EventKind) {
    let (seq, run) = (events.len() as u64 + 1, events[0].run.clone());
    events.push(Event { seq, ts: Timestamp::from_millis(2_000_000 + i64::try_from(seq).expect("few") * 1_000), run, kind });
}

#[test]
fn a_gate_between_batches_holds_no_host_and_a_step_that_asks_does() {
    let mut events = plan_of(4);
    let options = vec!["yes".to_owned(), "no".to_owned()];
    let ask = |id: &str, at, hosts: Vec<HostName>| EventKind::DecisionAsked {
        id: id.to_owned(),
        step: at,
        hosts,
        question: "go on?".to_owned(),
        options: options.clone(),
        finding: None,
    };
    then(&mut events, EventKind::BatchStarted { n: 1, of: 2, canary: true, hosts: vec![host(0)] });
    then(&mut events, EventKind::StepStarted { host: host(0), step: step(1), attempt: 1 });
    then(&mut events, ask("batch:2", None, vec![host(2), host(3)]));
    then(&mut events, ask("switch@web-00", Some(step(1)), vec![host(0)]));
    let (run, fleet) = fold(&events);
    assert_eq!(fleet.classes(), [Class::Held, Class::Waiting, Class::Waiting, Class::Waiting]);
    assert_eq!(fleet.group_rows(0, 9)[0].key, &GroupKey { class: Class::Held, step: Some(2), cause: "".into() });
    assert_eq!((fleet.next_problem(None), fleet.running().count(), run.waiting.len()), (Some(0), 0, 2));
}

#[test]
fn what_is_open_is_told_oldest_first_until_it_is_closed() {
    let mut events = plan_of(3);
    for n in [2, 0] {
        then(&mut events, EventKind::ObligationOpened { host: host(n), step: step(1), obligation: owed(0) });
    }
    then(&mut events, EventKind::ObligationOpened { host: host(2), step: step(1), obligation: owed(0) });
    let (_, fleet) = fold(&events);
    assert_eq!(fleet.open().map(|open| open.place).collect::<Vec<_>>(), [2, 0], "opened twice is open once");
    let closed = |host| EventKind::ObligationClosed {
        host,
        key: "switch 0".to_owned(),
        how: "restored".to_owned(),
        summary: "x".to_owned(),
    };
    then(&mut events, closed(host(2)));
    assert_eq!(fold(&events).1.open().map(|open| open.place).collect::<Vec<_>>(), [0]);
}
