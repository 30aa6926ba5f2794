//! What a preview came to, host by host and folded: what would happen in words, which plans are the most dangerous, what
//! would be done on how many hosts, who is left out.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::model::hostset;
use crate::model::id::{HostName, StepId};
use crate::model::outcome::Outcome;
use crate::state::run::{HostState, Preview, RunState};
use crate::state::words;

/// Before the words of a step that runs once a run, on every host but the one where it runs.
const ELSEWHERE: &str = "once, on ";

/// What the plan of a group of hosts comes to, the most dangerous first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stands {
    /// Something would be lost for good.
    Destroys,
    /// Something would be changed.
    Changes,
    /// Nothing is known to be changed, and something may be.
    MayChange,
    /// A step says no: nothing is changed there.
    SaysNo,
    /// It cannot be reached: it has no plan.
    Unreachable,
    /// Nothing is to be changed.
    Nothing,
}

/// A group of equal previews.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded {
    /// Its place in [`RunState::groups`].
    pub group: usize,
    /// What it comes to.
    pub stands: Stands,
    /// How many hosts it has.
    pub hosts: usize,
    /// Its hosts as one set, whole.
    pub names: String,
}

/// A change that would be made, and on how many hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Would {
    /// The step.
    pub step: StepId,
    /// What it would do.
    pub what: String,
    /// On how many hosts.
    pub hosts: usize,
    /// The first of them.
    pub first: HostName,
    /// Whether something would be lost for good.
    pub destroys: bool,
}

/// A complete preview, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Foreseen {
    /// The groups, the most dangerous first; of equally dangerous ones the larger first.
    pub groups: Vec<Folded>,
    /// The changes; what cannot be undone first, then in the order of the steps.
    pub would: Vec<Would>,
    /// Hosts that cannot be reached.
    pub unreachable: Vec<HostName>,
    /// Hosts on which a step says no.
    pub refused: Vec<HostName>,
    /// On how many hosts nothing is to be changed.
    pub untouched: usize,
    /// Steps that are not the same on all groups, or that would change something or say no somewhere.
    pub telling: Vec<StepId>,
}

impl Foreseen {
    /// Folds a preview. Costs what the groups have, not what the hosts have.
    pub fn of(run: &RunState) -> Self {
        let mut all = Self::default();
        let mut would: BTreeMap<(bool, u32, String), Would> = BTreeMap::new();
        let mut telling: BTreeMap<u32, StepId> = BTreeMap::new();
        for (at, group) in run.groups.iter().enumerate() {
            let Some((first, host)) = group.hosts.first().and_then(|name| Some((name, run.hosts.get(name)?))) else { continue };
            let (stands, hosts) = (stands(run, host), group.hosts.len());
            all.groups.push(Folded { group: at, stands, hosts, names: hostset::fold(&group.hosts) });
            match stands {
                Stands::Unreachable => all.unreachable.extend(group.hosts.iter().cloned()),
                Stands::SaysNo => all.refused.extend(group.hosts.iter().cloned()),
                Stands::Nothing => all.untouched += hosts,
                Stands::Destroys | Stands::Changes | Stands::MayChange => {}
            }
            for (step, preview) in previews(run, host) {
                if preview.outcome == Outcome::WouldChange || !preview.outcome.is_fine() {
                    telling.entry(step.n).or_insert_with(|| step.id.clone());
                }
                let counts = preview.outcome == Outcome::WouldChange && stands < Stands::SaysNo;
                if !counts || preview.effects.is_empty() && preview.summary.starts_with(ELSEWHERE) {
                    continue;
                }
                let what = if preview.effects.is_empty() { preview.summary.clone() } else { preview.effects.join(", ") };
                let entry = would.entry((!preview.destroys, step.n, what.clone())).or_insert_with(|| Would {
                    step: step.id.clone(),
                    what,
                    hosts: 0,
                    first: first.clone(),
                    destroys: preview.destroys,
                });
                entry.hosts += hosts;
            }
        }
        all.groups.sort_by_key(|folded| (folded.stands, Reverse(folded.hosts), folded.group));
        all.would = would.into_values().collect();
        all.telling = telling.into_values().collect();
        all
    }

    /// On how many hosts a step would change something.
    pub fn hosts_of(&self, step: &StepId) -> usize {
        self.would.iter().filter(|would| would.step == *step).map(|would| would.hosts).sum()
    }
}

fn previews<'s>(
    run: &'s RunState,
    host: &'s HostState,
) -> impl Iterator<Item = (&'s crate::model::event::PlannedStep, &'s Preview)> {
    run.steps.iter().filter_map(|step| Some((step, host.preview.get(&step.id)?)))
}

/// What the plan of a host comes to.
pub fn stands(run: &RunState, host: &HostState) -> Stands {
    if host.unreachable.is_some() {
        return Stands::Unreachable;
    }
    if stopped(run, host).is_some() {
        return Stands::SaysNo;
    }
    let any = |which: fn(&Preview) -> bool| host.preview.values().any(which);
    match () {
        () if any(|preview| preview.outcome == Outcome::WouldChange && preview.destroys) => Stands::Destroys,
        () if any(|preview| preview.outcome == Outcome::WouldChange) => Stands::Changes,
        () if any(|preview| preview.outcome == Outcome::NotKnown) => Stands::MayChange,
        () => Stands::Nothing,
    }
}

/// The step that says no on a host, where one does.
pub fn stopped<'s>(run: &'s RunState, host: &'s HostState) -> Option<(&'s StepId, &'s Preview)> {
    previews(run, host).find(|(_, preview)| !preview.outcome.is_fine()).map(|(step, preview)| (&step.id, preview))
}

/// What would happen on a host, what cannot be undone first; or why nothing would.
pub fn effects(state: &RunState, name: &HostName) -> Vec<String> {
    let Some(host) = state.hosts.get(name) else { return Vec::new() };
    if let Some(finding) = &host.unreachable {
        return vec![format!("unreachable: {}", finding.summary)];
    }
    if let Some((step, preview)) = stopped(state, host) {
        return vec![format!("{} at {}: {}", preview.outcome, words::step(state, step), preview.summary)];
    }
    let mut would: Vec<_> = previews(state, host).filter(|(_, preview)| preview.outcome == Outcome::WouldChange).collect();
    would.sort_by_key(|(_, preview)| !preview.destroys);
    let mut all = Vec::new();
    for (step, preview) in would {
        let mark = if preview.destroys { "DESTROYS: " } else { "" };
        if preview.effects.is_empty() {
            all.push(format!("{mark}{}: {}", step.id, preview.summary));
        }
        // the claim is about the step as a whole
        let marks = [mark].into_iter().chain(std::iter::repeat(""));
        all.extend(preview.effects.iter().zip(marks).map(|(effect, mark)| format!("{mark}{effect}")));
    }
    if all.is_empty() {
        all.push("nothing to change".to_owned());
    }
    all
}
