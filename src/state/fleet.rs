//! The hosts of a run as a screen lists, folds and counts them, kept up to date by each event: what is drawn costs as much
//! as there are rows on the screen, not as much as there are hosts. A host is known by its place in run order, from 0.

mod cause;
mod times;
mod worst;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use crate::model::event::{Event, EventKind};
use crate::model::id::{HostName, StepId};
use crate::model::time::Timestamp;
use crate::model::visible::visible;
use crate::state::class::{Class, of_host};
use crate::state::fleet::cause::cause;
use crate::state::fleet::times::{Pace, Times};
use crate::state::fleet::worst::Worst;
use crate::state::places::Places;
use crate::state::run::{HostState, RunState};

/// The hosts of a run, indexed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fleet {
    names: Vec<HostName>,
    places: HashMap<HostName, usize>,
    steps: HashMap<StepId, u32>,
    worst: Worst,
    counts: Counts,
    listed: Vec<Places>,
    groups: BTreeMap<GroupKey, Places>,
    by_size: BTreeSet<(usize, Reverse<usize>, GroupKey)>,
    running: BTreeMap<u32, BTreeSet<(Timestamp, usize)>>,
    longest: BTreeSet<(Timestamp, usize)>,
    open: BTreeMap<(Timestamp, u64), (usize, String)>,
    opened: BTreeMap<(usize, String), (Timestamp, u64)>,
    times: Times,
    pace: Pace,
    batch_of: Vec<Option<usize>>,
    batches: Vec<Counts>,
    hosts: Vec<Indexed>,
    decided: usize,
}

/// How many hosts stand as what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts([usize; Class::COUNT]);

impl Counts {
    /// How many stand as `class`.
    pub fn of(&self, class: Class) -> usize {
        self.0[class as usize]
    }

    /// How many are counted.
    pub fn all(&self) -> usize {
        self.0.iter().sum()
    }

    /// How many did not end well.
    pub fn problems(&self) -> usize {
        Class::ALL.into_iter().filter(|class| class.is_problem()).map(|class| self.of(class)).sum()
    }

    /// How many are being worked on; those that wait for a person are not.
    pub fn working(&self) -> usize {
        let working = |class: &Class| class.is_active() && *class != Class::Held;
        Class::ALL.into_iter().filter(working).map(|class| self.of(class)).sum()
    }

    /// The classes that some host stands as, with how many, in the order of a list of hosts.
    pub fn listed(&self) -> impl Iterator<Item = (Class, usize)> + '_ {
        Class::LISTED.into_iter().map(|class| (class, self.of(class))).filter(|(_, hosts)| *hosts > 0)
    }
}

/// What the hosts of one folded row have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// What they stand as; those that try again are counted with those that run.
    pub class: Class,
    /// The number of the step, where they stand at one: the one that went wrong, or the one that asks.
    pub step: Option<u32>,
    /// What their findings have in common, as [`fold_key`](crate::state::summary::fold_key) says; empty where nothing is
    /// wrong.
    pub cause: Arc<str>,
}

/// A folded row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow<'f> {
    /// What its hosts have in common.
    pub key: &'f GroupKey,
    /// How many hosts it has.
    pub hosts: usize,
    /// The place of its first host.
    pub first: usize,
}

/// A host on which a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunningHost {
    /// Its place.
    pub place: usize,
    /// The number of the step.
    pub step: u32,
    /// Since when.
    pub since: Timestamp,
}

/// Something that is open on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOn<'f> {
    /// The host's place.
    pub place: usize,
    /// The obligation's key.
    pub key: &'f str,
    /// Since when.
    pub since: Timestamp,
}

/// What of a host the index holds elsewhere, so that it can be taken out again.
#[derive(Debug, Clone, PartialEq)]
struct Indexed {
    group: GroupKey,
    running: Option<(u32, Timestamp)>,
    took: Option<Duration>,
    ended: Option<Timestamp>,
    /// The steps that ask here, one entry for each question.
    asks: Vec<StepId>,
}

impl Indexed {
    fn waiting() -> Self {
        let group = GroupKey { class: Class::Waiting, step: None, cause: Arc::from("") };
        Self { group, running: None, took: None, ended: None, asks: Vec::new() }
    }
}

/// Taking events in.
impl Fleet {
    /// The index of a run as it stands.
    pub fn of(run: &RunState) -> Self {
        let hosts = run.order.len();
        let mut fleet = Self {
            names: run.order.clone(),
            places: run.order.iter().cloned().enumerate().map(|(place, name)| (name, place)).collect(),
            steps: run.steps.iter().map(|step| (step.id.clone(), step.n)).collect(),
            worst: Worst::new(hosts, Class::Waiting),
            listed: vec![Places::default(); Class::COUNT],
            batch_of: vec![None; hosts],
            batches: vec![Counts::default(); run.batches.len()],
            hosts: vec![Indexed::waiting(); hosts],
            decided: run.decided.len(),
            ..Self::default()
        };
        for asked in &run.waiting {
            fleet.asked(asked.step.as_ref(), &asked.hosts, true);
        }
        for (batch, names) in run.batches.iter().enumerate() {
            for name in names {
                if let Some(place) = fleet.places.get(name) {
                    fleet.batch_of[*place] = Some(batch);
                }
            }
        }
        for place in 0..hosts {
            fleet.enter(place, Class::Waiting, Indexed::waiting().group);
            fleet.update(place, run);
            let state = run.hosts.get(&run.order[place]);
            for (key, open) in state.into_iter().flat_map(|state| &state.open) {
                fleet.opened(place, key, (open.since, open.seq));
            }
        }
        fleet
    }

    /// Takes one more event in, right after `run` has.
    pub fn apply(&mut self, event: &Event, run: &RunState) {
        use EventKind as E;
        match &event.kind {
            E::RunPlanned { .. } => *self = Self::of(run),
            E::BatchStarted { hosts, .. } => self.look_at(hosts, run),
            E::DecisionAsked { step, hosts, .. } => {
                self.asked(step.as_ref(), hosts, true);
                self.look_at(step.as_ref().map_or(&[], |_| hosts), run);
            }
            E::DecisionMade { .. } => {
                let decided = run.decided.get(self.decided..).unwrap_or_default();
                self.decided = run.decided.len();
                for asked in decided.iter().map(|decided| &decided.asked) {
                    self.asked(asked.step.as_ref(), &asked.hosts, false);
                    self.look_at(asked.step.as_ref().map_or(&[], |_| &asked.hosts), run);
                }
            }
            E::RunFinished { .. } => {
                let active = Class::ALL.into_iter().filter(|class| class.is_active());
                let active: Vec<usize> =
                    active.filter_map(|class| self.listed.get(class as usize)).flat_map(|p| p.from(0)).collect();
                for place in active {
                    self.update(place, run);
                }
            }
            E::ObligationOpened { host, obligation, .. } => self.open_or_close(host, &obligation.key, run),
            E::ObligationClosed { host, key, .. } => self.open_or_close(host, key, run),
            // what is seen and printed on the way changes nothing here
            E::StepSeen { .. }
            | E::StepJudged { .. }
            | E::StepOutput { .. }
            | E::HostLost { .. }
            | E::ObligationFailed { .. } => {}
            kind => {
                let Some(place) = kind.host().and_then(|name| self.place(name)) else { return };
                match kind {
                    E::StepFinished { step, .. } => self.hosts[place].asks.retain(|asks| asks != step),
                    E::HostFinished { .. } => self.hosts[place].asks.clear(),
                    _ => {}
                }
                self.update(place, run);
            }
        }
    }

    fn look_at(&mut self, names: &[HostName], run: &RunState) {
        for name in names {
            if let Some(place) = self.place(name) {
                self.update(place, run);
            }
        }
    }

    /// A step asks about hosts, or asks no more. The gate between two batches holds the run and none of its hosts.
    fn asked(&mut self, step: Option<&StepId>, names: &[HostName], asks: bool) {
        let Some(step) = step else { return };
        for name in names {
            let Some(host) = self.places.get(name).and_then(|place| self.hosts.get_mut(*place)) else { continue };
            if asks {
                host.asks.push(step.clone());
            } else if let Some(at) = host.asks.iter().position(|other| other == step) {
                host.asks.swap_remove(at);
            }
        }
    }

    fn open_or_close(&mut self, name: &HostName, key: &str, run: &RunState) {
        let Some(place) = self.place(name) else { return };
        let now = run.hosts.get(name).and_then(|host| host.open.get(key)).map(|open| (open.since, open.seq));
        let before = self.opened.get(&(place, key.to_owned())).copied();
        match (before, now) {
            (None, Some(now)) => self.opened(place, key, now),
            (Some(before), None) => {
                self.opened.remove(&(place, key.to_owned()));
                self.open.remove(&before);
            }
            _ => {}
        }
    }

    fn opened(&mut self, place: usize, key: &str, since: (Timestamp, u64)) {
        self.open.insert(since, (place, key.to_owned()));
        self.opened.insert((place, key.to_owned()), since);
    }

    /// Brings what is known of one host up to date.
    fn update(&mut self, place: usize, run: &RunState) {
        let Some(name) = self.names.get(place) else { return };
        let Some(host) = run.hosts.get(name) else { return };
        let asks = &self.hosts[place].asks;
        let held = host.running.as_ref().map_or(!asks.is_empty(), |(step, _)| asks.contains(step));
        let class = of_host(run, host, held);
        let group = self.group(class, name, run, host);
        let before = self.worst.get(place);
        if before != class || self.hosts[place].group != group {
            self.leave(place, before);
            self.enter(place, class, group);
        }
        self.time(place, class, host);
    }

    fn group(&self, class: Class, name: &HostName, run: &RunState, host: &HostState) -> GroupKey {
        let number = |step: &StepId| self.steps.get(step).copied();
        let at_step = host.running.as_ref().and_then(|(step, _)| number(step));
        let (step, cause) = match class {
            // those that have failed in the same way are decided about together
            Class::Held if at_step.is_some() => (at_step, Arc::from("")),
            class if class == Class::Held || class.is_problem() => {
                cause(name, run, host).map_or((None, Arc::from("")), |found| {
                    let key = found.key();
                    (found.step.and_then(number), Arc::from(key))
                })
            }
            _ => (None, Arc::from("")),
        };
        let class = if class == Class::Retrying { Class::Running } else { class };
        GroupKey { class, step, cause }
    }

    fn leave(&mut self, place: usize, class: Class) {
        self.counts.0[class as usize] -= 1;
        self.listed[class as usize].remove(place);
        if let Some(batch) = self.batch_of[place] {
            self.batches[batch].0[class as usize] -= 1;
        }
        let key = self.hosts[place].group.clone();
        self.resize(&key, |places| {
            places.remove(place);
        });
    }

    fn enter(&mut self, place: usize, class: Class, group: GroupKey) {
        self.worst.set(place, class);
        self.counts.0[class as usize] += 1;
        self.listed[class as usize].add(place);
        if let Some(batch) = self.batch_of[place] {
            self.batches[batch].0[class as usize] += 1;
        }
        self.resize(&group, |places| {
            places.add(place);
        });
        self.hosts[place].group = group;
    }

    fn resize(&mut self, key: &GroupKey, change: impl FnOnce(&mut Places)) {
        let rank = Class::LISTED.iter().position(|class| *class == key.class).unwrap_or(Class::COUNT);
        let places = self.groups.entry(key.clone()).or_default();
        self.by_size.remove(&(rank, Reverse(places.len()), key.clone()));
        change(places);
        match places.len() {
            0 => {
                self.groups.remove(key);
            }
            size => {
                self.by_size.insert((rank, Reverse(size), key.clone()));
            }
        }
    }

    /// What runs, since when, and how long finished hosts took.
    fn time(&mut self, place: usize, class: Class, host: &HostState) {
        let runs = host.running.as_ref().filter(|_| matches!(class, Class::Running | Class::Retrying));
        let running = runs.and_then(|(step, since)| Some((*self.steps.get(step)?, *since)));
        let ended = host.finished.filter(|_| host.started.is_some());
        let took = ended.zip(host.started).filter(|_| class == Class::Ok).map(|(ended, started)| ended.since(started));
        let before = &mut self.hosts[place];
        if before.running != running {
            if let Some((step, since)) = before.running.take() {
                self.longest.remove(&(since, place));
                let left = self.running.get_mut(&step).map(|hosts| {
                    hosts.remove(&(since, place));
                    hosts.len()
                });
                if left == Some(0) {
                    self.running.remove(&step);
                }
            }
            if let Some((step, since)) = running {
                self.longest.insert((since, place));
                self.running.entry(step).or_default().insert((since, place));
            }
            before.running = running;
        }
        if before.took != took {
            self.times.replace(before.took, took);
            before.took = took;
        }
        if before.ended != ended {
            self.pace.replace(before.ended, ended);
            before.ended = ended;
        }
    }
}

/// What is asked by screens.
impl Fleet {
    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none: nothing is planned yet.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of the host at a place.
    pub fn name(&self, place: usize) -> Option<&HostName> {
        self.names.get(place)
    }

    /// The place of a host.
    pub fn place(&self, name: &HostName) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// What each host stands as, in run order.
    pub fn classes(&self) -> &[Class] {
        self.worst.all()
    }

    /// How many hosts stand as what.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// How many hosts of a batch stand as what; batches count from 1.
    pub fn batch(&self, n: usize) -> Option<&Counts> {
        self.batches.get(n.checked_sub(1)?)
    }

    /// The batch of a host, from 1.
    pub fn batch_of(&self, place: usize) -> Option<usize> {
        self.batch_of.get(place).copied().flatten().map(|batch| batch + 1)
    }

    /// The places of hosts in the order of a list: problems, what waits for a person, connecting, running, waiting, done;
    /// hosts of one class in run order.
    pub fn rows(&self, from: usize, count: usize) -> Vec<usize> {
        let mut skip = from;
        let mut rows = Vec::with_capacity(count.min(self.len()));
        for places in Class::LISTED.into_iter().filter_map(|class| self.listed.get(class as usize)) {
            if skip >= places.len() {
                skip -= places.len();
                continue;
            }
            rows.extend(places.from(skip).take(count - rows.len()));
            skip = 0;
            if rows.len() == count {
                break;
            }
        }
        rows
    }

    /// The row of a host in that list.
    pub fn row_of(&self, place: usize) -> Option<usize> {
        let class = *self.classes().get(place)?;
        let above = Class::LISTED.into_iter().take_while(|other| *other != class).map(|class| self.counts.of(class));
        Some(above.sum::<usize>() + self.listed.get(class as usize)?.before(place))
    }

    /// How many rows at the top of that list need a person: problems, and what waits for an answer.
    pub fn needy(&self) -> usize {
        self.counts.problems() + self.counts.of(Class::Held)
    }

    /// The next host that needs a person, after the one at `after`, and after the last one the first again.
    pub fn next_problem(&self, after: Option<usize>) -> Option<usize> {
        let row = after.and_then(|place| self.row_of(place)).filter(|row| row + 1 < self.needy()).map_or(0, |row| row + 1);
        self.needy_row(row)
    }

    /// The one before, and before the first one the last.
    pub fn previous_problem(&self, before: Option<usize>) -> Option<usize> {
        let row = before.and_then(|place| self.row_of(place)).filter(|row| (1..=self.needy()).contains(row));
        self.needy_row(row.unwrap_or(self.needy()).checked_sub(1)?)
    }

    fn needy_row(&self, row: usize) -> Option<usize> {
        if row < self.needy() { self.rows(row, 1).first().copied() } else { None }
    }

    /// How many folded rows there are.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Folded rows, in the order of the list; of one class the largest first.
    pub fn group_rows(&self, from: usize, count: usize) -> Vec<GroupRow<'_>> {
        let rows = self.by_size.iter().skip(from).take(count);
        rows.filter_map(|(_, size, key)| Some(GroupRow { key, hosts: size.0, first: self.groups.get(key)?.first()? })).collect()
    }

    /// The folded row of a host.
    pub fn group_of(&self, place: usize) -> Option<&GroupKey> {
        self.hosts.get(place).map(|host| &host.group)
    }

    /// The places of the hosts of a folded row, in run order.
    pub fn hosts_of(&self, key: &GroupKey, from: usize, count: usize) -> Vec<usize> {
        self.groups.get(key).map_or_else(Vec::new, |places| places.from(from).take(count).collect())
    }

    /// How many hosts a folded row has.
    pub fn size_of(&self, key: &GroupKey) -> usize {
        self.groups.get(key).map_or(0, Places::len)
    }

    /// How many hosts of a folded row come before a place.
    pub fn before_in(&self, key: &GroupKey, place: usize) -> usize {
        self.groups.get(key).map_or(0, |places| places.before(place))
    }

    /// Why a host is not ok, on one clean line.
    pub fn words(&self, run: &RunState, place: usize) -> Option<String> {
        let name = self.name(place)?;
        cause(name, run, run.hosts.get(name)?).map(|cause| visible(&cause.finding.summary).into_owned())
    }

    /// How many hosts run each step, by its number; steps that none runs are left out. Hosts between two steps are in none.
    pub fn running(&self) -> impl Iterator<Item = (u32, usize)> + '_ {
        self.running.iter().map(|(step, hosts)| (*step, hosts.len()))
    }

    /// The hosts whose step has been running longest, of one step or of all.
    pub fn longest(&self, step: Option<u32>, count: usize) -> Vec<RunningHost> {
        let all = match step {
            Some(step) => self.running.get(&step),
            None => Some(&self.longest),
        };
        let longest = all.into_iter().flatten().take(count);
        let told = |(since, place): &(Timestamp, usize)| {
            let (step, _) = self.hosts.get(*place)?.running?;
            Some(RunningHost { place: *place, step, since: *since })
        };
        longest.filter_map(told).collect()
    }

    /// What is open, oldest first.
    pub fn open(&self) -> impl ExactSizeIterator<Item = OpenOn<'_>> {
        self.open.iter().map(|((since, _), (place, key))| OpenOn { place: *place, key, since: *since })
    }

    /// How long hosts that ended well took, so that `percent` of them took no longer; off by 2 % at most.
    pub fn took(&self, percent: u8) -> Option<Duration> {
        self.times.quantile(percent)
    }

    /// How many hosts ended in each of the last `minutes` minutes (at most an hour), the one of `now` last. Hosts whose
    /// turn never came do not count.
    pub fn finishes(&self, now: Timestamp, minutes: usize) -> Vec<u64> {
        self.pace.last(now, minutes)
    }

    /// The whole fleet on one line: the worst class of each of at most `columns` equal parts.
    pub fn strip(&self, columns: usize) -> Vec<Class> {
        let (hosts, columns) = (self.len(), columns.min(self.len()));
        let part = |column: usize| self.worst.between(column * hosts / columns, (column + 1) * hosts / columns);
        (0..columns).filter_map(part).collect()
    }
}

#[cfg(test)]
mod tests;
