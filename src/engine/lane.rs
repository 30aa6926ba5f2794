//! One host: its units in order, what came of them, what is open on it.

mod names;
mod preview;
mod watch;

pub use crate::engine::lane::preview::LanePreview;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::engine::close;
use crate::engine::converge::{Attempt, Mode, converge};
use crate::engine::link::{Link, RunContext};
use crate::engine::log::LogError;
use crate::engine::shared::Turn;
use crate::engine::unit::{Unit, UnitEnd};
use crate::engine::world::World;
use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::id::{HostName, StepId};
use crate::model::outcome::{HostOutcome, Outcome};
use crate::model::plan::{self, Backoff, OnFailure, Plan, Section, UnitSpec};
use crate::model::runbook::{Vars, captured};
use crate::model::step::{ClosePolicy, Note, Obligation};
use crate::model::template::fill;
use crate::model::time::Timestamp;
use crate::model::when::Truth;
use crate::state::summary::keyed;
use crate::steps::Class;

/// A pre-check's answer is good for this long.
const FRESH: Duration = Duration::from_secs(60);
/// The longest pause that a growing delay comes to.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

/// A host at work.
pub struct Lane<W: World> {
    host: Host,
    vars: BTreeMap<String, Value>,
    link: Link<W>,
    units: Vec<Arc<Unit>>,
    /// Actions that the preview showed as what may be done; nothing else is.
    foreseen: BTreeSet<StepId>,
    /// Why nothing may be changed here, whatever the steps say.
    held: Option<String>,
    ends: BTreeMap<StepId, UnitEnd>,
    opened: Vec<Obligation>,
    unreachable: Option<Finding>,
    prechecked: Option<Timestamp>,
    started: Option<Timestamp>,
    /// When the attempt at work began.
    begun: Option<Timestamp>,
    /// What earlier steps captured from the output of their commands.
    captured: BTreeMap<String, Value>,
    /// Why it may not be changed now.
    denied: Option<Finding>,
    stopped: bool,
    outcome: Option<HostOutcome>,
}

impl<W: World> Lane<W> {
    /// Makes a planned lane ready; the error means that plan and program do not fit together.
    pub fn new(plan: &Plan, lane: &plan::Lane, made: &mut Made) -> Result<Self, Finding> {
        let specs = lane.units.iter().filter_map(|index| Some((*index, plan.units.get(*index)?)));
        let specs: Vec<(usize, &UnitSpec)> = specs.collect();
        let units = specs.iter().map(|(index, spec)| made.unit(*index, spec, &specs, lane)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            host: lane.host.clone(),
            vars: lane.vars.clone(),
            link: Link::new(lane.host.clone()),
            units,
            foreseen: BTreeSet::new(),
            held: Some("it was not previewed".to_owned()),
            ends: BTreeMap::new(),
            opened: Vec::new(),
            unreachable: None,
            prechecked: None,
            started: None,
            begun: None,
            captured: BTreeMap::new(),
            denied: None,
            stopped: false,
            outcome: None,
        })
    }

    /// The host's name.
    pub fn name(&self) -> &HostName {
        &self.host.name
    }

    /// What became of the host, once its lane has ended.
    pub fn outcome(&self) -> Option<HostOutcome> {
        self.outcome
    }

    /// Whether the preview left anything to do here that might change something.
    pub fn may_change(&self) -> bool {
        let may = |unit: &Arc<Unit>| unit.class == Class::Action && self.foreseen.contains(&unit.spec.step);
        self.held.is_none() && self.units.iter().any(may)
    }

    /// Connects and runs the pre-checks; whether the host may be worked on.
    pub async fn prechecks(&mut self, ctx: &RunContext<W>) -> bool {
        self.started.get_or_insert(ctx.world.now());
        self.unreachable = None;
        if let Err(finding) = self.link.connect(ctx).await {
            self.unreachable = Some(finding);
            return false;
        }
        self.section(ctx, Section::Precheck).await;
        self.prechecked = Some(ctx.world.now());
        !self.stopped
    }

    /// Steps, verification, closes, verification after the closes. Ends the lane.
    pub async fn work(&mut self, ctx: &RunContext<W>) {
        if !self.may_go_out(ctx).await {
            return self.finish(ctx).await;
        }
        if self.is_stale(ctx) && !self.prechecks(ctx).await {
            return self.finish(ctx).await;
        }
        self.steps(ctx).await;
        self.section(ctx, Section::Verify).await;
        self.close(ctx).await;
        self.section(ctx, Section::VerifyAfterClose).await;
        self.finish(ctx).await;
    }

    /// Waits until one more host may be out of service. Where nothing is going to be changed nothing goes out.
    async fn may_go_out(&mut self, ctx: &RunContext<W>) -> bool {
        if !self.may_change() {
            return true;
        }
        let taken = tokio::select! {
            taken = ctx.budget.take(&self.host.name) => taken,
            () = ctx.orders.stop.cancelled() => Err(Finding::new("stopped", "stopped before anything was changed")),
            () = ctx.lost.cancelled() => Err(Finding::new("record-lost", "the record is lost; nothing was changed")),
        };
        let Err(finding) = taken else { return true };
        self.stopped = true;
        self.outcome = Some(if ctx.is_stopping() { HostOutcome::Cancelled } else { HostOutcome::Refused });
        self.denied = Some(finding);
        false
    }

    /// Whether the pre-checks are too long ago to be acted upon.
    fn is_stale(&self, ctx: &RunContext<W>) -> bool {
        self.prechecked.is_none_or(|at| ctx.world.now().since(at) > FRESH)
    }

    /// The steps. What was waited for or asked before the first change may have taken long: then the pre-checks are asked
    /// again. After it they are about a host that is not as it was.
    async fn steps(&mut self, ctx: &RunContext<W>) {
        for index in 0..self.units.len() {
            if !self.is_next(ctx, index, Section::Step) {
                continue;
            }
            let changed = self.ends.values().any(|end| end.changed);
            if self.units[index].class == Class::Action && !changed && self.is_stale(ctx) && !self.prechecks(ctx).await {
                self.stopped = true;
                return;
            }
            self.unit(ctx, index).await;
        }
    }

    async fn section(&mut self, ctx: &RunContext<W>, section: Section) {
        for index in 0..self.units.len() {
            if self.is_next(ctx, index, section) {
                self.unit(ctx, index).await;
            }
        }
    }

    /// Whether a unit is of this section and may start.
    fn is_next(&mut self, ctx: &RunContext<W>, index: usize, section: Section) -> bool {
        if self.stopped || self.units[index].spec.section != section {
            return false;
        }
        if ctx.is_stopping() {
            self.stopped = true;
            self.outcome.get_or_insert(HostOutcome::Cancelled);
        }
        !self.stopped
    }

    async fn unit(&mut self, ctx: &RunContext<W>, index: usize) {
        let unit = Arc::clone(&self.units[index]);
        self.begun = Some(ctx.world.now());
        let mut attempt = 1;
        let mut changed = false;
        let (mut end, mine) = self.first_attempt(ctx, &unit).await;
        loop {
            changed |= end.changed;
            end.changed = changed;
            if let Some(opened) = end.opened.take()
                && !self.opened.iter().any(|owed| owed.key == opened.key)
            {
                self.opened.push(opened);
            }
            let recorded = self.tell_end(ctx, &unit, attempt, &end).await;
            self.stopped |= recorded.is_err();
            let Some(pause) = self.pause_before_retry(ctx, &unit, &end, attempt) else { break };
            tokio::select! {
                () = ctx.world.sleep(pause) => {}
                () = ctx.orders.stop.cancelled() => break,
                () = ctx.lost.cancelled() => break,
            }
            attempt += 1;
            self.begun = Some(ctx.world.now());
            self.tell_start(ctx, &unit, attempt).await;
            end = self.attempt(ctx, &unit, attempt).await;
        }
        if mine {
            ctx.shared.done(&unit.spec.step, &self.host.name, end.clone());
        }
        if let (Some(finding), false) = (end.unreachable.take(), unit.spec.optional) {
            self.unreachable = Some(finding);
        }
        if !end.outcome.is_fine() {
            self.failed(ctx, &unit, &end).await;
        }
        self.keep(&unit, &end);
        self.ends.insert(unit.spec.step.clone(), end);
    }

    /// The first attempt; and whether other lanes wait for what it comes to.
    async fn first_attempt(&mut self, ctx: &RunContext<W>, unit: &Unit) -> (UnitEnd, bool) {
        let (step, host) = (&unit.spec.step, &self.host.name);
        let shared = unit.spec.scope.is_shared();
        match self.condition(unit) {
            Truth::Known(true) => {}
            Truth::Known(false) => {
                ctx.shared.pass(step, host);
                self.tell_start(ctx, unit, 1).await;
                return (skipped(unit), false);
            }
            Truth::NotKnown(name) => {
                ctx.shared.pass(step, host);
                self.tell_start(ctx, unit, 1).await;
                let finding = Finding::new("condition", format!("the condition cannot be judged: {name} is not known"));
                return (UnitEnd::no(Outcome::Refused, finding), false);
            }
        }
        let turn = if shared {
            tokio::select! {
                turn = ctx.shared.turn(step, host) => turn,
                () = ctx.orders.stop.cancelled() => Turn::Never(host.clone()),
                () = ctx.lost.cancelled() => Turn::Never(host.clone()),
            }
        } else {
            Turn::Mine
        };
        self.tell_start(ctx, unit, 1).await;
        match turn {
            Turn::Mine => (self.attempt(ctx, unit, 1).await, shared),
            Turn::Theirs(leader, end) => (end.shared(leader), false),
            Turn::Never(leader) if leader == self.host.name => {
                (UnitEnd::no(Outcome::Cancelled, Finding::new("stopped", "stopped before this was done")), false)
            }
            Turn::Never(leader) => {
                let finding = Finding::new("once", format!("it runs once, on {leader}, whose lane ended before"));
                (UnitEnd::no(Outcome::Refused, finding), false)
            }
        }
    }

    async fn attempt(&mut self, ctx: &RunContext<W>, unit: &Unit, n: u32) -> UnitEnd {
        let mode = self.mode(unit);
        match self.ready(unit) {
            Ok(unit) => converge(ctx, &mut self.link, &unit, mode, Attempt { n, owed: &self.opened }).await,
            Err(finding) => UnitEnd::no(Outcome::Refused, finding),
        }
    }

    /// How long to wait before a known failure is tried again, if it is. What is unknown or was refused by a guard of a
    /// change never is.
    fn pause_before_retry(&self, ctx: &RunContext<W>, unit: &Unit, end: &UnitEnd, attempt: u32) -> Option<Duration> {
        let retry = unit.spec.retry.filter(|retry| attempt <= retry.times)?;
        let known = match end.outcome {
            Outcome::Failed => true,
            Outcome::Refused => unit.class == Class::Check,
            _ => false,
        };
        let again = known && end.unreachable.is_none() && end.done_by.is_none() && !self.stopped && !ctx.is_stopping();
        again.then(|| match retry.backoff {
            Backoff::Fixed => retry.delay,
            Backoff::Double => retry.delay.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_BACKOFF.max(retry.delay)),
        })
    }

    async fn tell_start(&self, ctx: &RunContext<W>, unit: &Unit, attempt: u32) {
        let started = EventKind::StepStarted { host: self.host.name.clone(), step: unit.spec.step.clone(), attempt };
        // the record's own failure stops the run elsewhere
        let _ = ctx.recorder.note(started).await;
    }

    async fn tell_end(&mut self, ctx: &RunContext<W>, unit: &Unit, attempt: u32, end: &UnitEnd) -> Result<(), LogError> {
        let begun = self.begun.unwrap_or_else(|| ctx.world.now());
        let finding = end.finding.clone().map(|finding| keyed(finding, Some(&unit.spec.step), &self.host.name));
        let finished = EventKind::StepFinished {
            host: self.host.name.clone(),
            step: unit.spec.step.clone(),
            attempt,
            outcome: end.outcome,
            changed: end.changed,
            exit_code: end.exit_code,
            note: end.note.clone(),
            finding,
            effects: end.effects.clone(),
            duration_ms: u64::try_from(ctx.world.now().since(begun).as_millis()).unwrap_or(u64::MAX),
        };
        ctx.recorder.commit(finished).await
    }

    /// A change is made only where the preview said that it might be.
    fn mode(&self, unit: &Unit) -> Mode {
        match &self.held {
            Some(why) => Mode::Hold(why.clone()),
            None if self.foreseen.contains(&unit.spec.step) => Mode::Act,
            None => Mode::Hold("the preview saw no need for this".to_owned()),
        }
    }

    async fn failed(&mut self, ctx: &RunContext<W>, unit: &Unit, end: &UnitEnd) {
        let harmless = unit.spec.optional && end.outcome != Outcome::Unknown && end.outcome != Outcome::Cancelled;
        if harmless {
            return;
        }
        match unit.spec.on_failure {
            OnFailure::Continue if end.outcome == Outcome::Failed => {}
            OnFailure::StopRun => {
                self.stopped = true;
                ctx.orders.stop.cancel();
                let reason = format!("`{}` failed on {}", unit.spec.step, self.host.name);
                let _ = ctx.recorder.note(EventKind::RunStopping { reason, by: "on_failure".to_owned() }).await;
            }
            OnFailure::Continue | OnFailure::StopHost => self.stopped = true,
        }
    }

    /// Closes what is open and is to be closed by now, newest first.
    async fn close(&mut self, ctx: &RunContext<W>) {
        let verified = !self.stopped && self.worst() == HostOutcome::Ok;
        let due = |obligation: &Obligation| match obligation.close {
            ClosePolicy::Always => true,
            ClosePolicy::WhenVerified => verified,
            ClosePolicy::Never => false,
        };
        while let Some(at) = self.opened.iter().rposition(due) {
            let obligation = self.opened.remove(at);
            let closed = close::close(ctx, &mut self.link, &obligation).await;
            if !closed && self.outcome.is_none() {
                self.outcome = Some(HostOutcome::Failed);
            }
        }
    }

    fn worst(&self) -> HostOutcome {
        let required = self.units.iter().filter(|unit| !unit.spec.optional);
        let ends: Vec<&UnitEnd> = required.filter_map(|unit| self.ends.get(&unit.spec.step)).collect();
        let any = |outcome: Outcome| self.ends.values().any(|end| end.outcome == outcome);
        let changed = self.ends.values().any(|end| end.changed);
        let has = |outcome: Outcome| ends.iter().any(|end| end.outcome == outcome);
        if any(Outcome::Unknown) {
            HostOutcome::Unknown
        } else if self.unreachable.is_some() && !changed {
            HostOutcome::Unreachable
        } else if has(Outcome::Failed) || (has(Outcome::Refused) && changed) || self.unreachable.is_some() {
            HostOutcome::Failed
        } else if has(Outcome::Refused) {
            HostOutcome::Refused
        } else if any(Outcome::Cancelled) {
            // also where it was optional: what comes after it did not run
            HostOutcome::Cancelled
        } else {
            HostOutcome::Ok
        }
    }

    /// Says what became of the host.
    pub async fn finish(&mut self, ctx: &RunContext<W>) {
        let worst = self.worst();
        let outcome = match self.outcome {
            Some(before) if worst == HostOutcome::Ok => before,
            _ => worst,
        };
        self.outcome = Some(outcome);
        let of_unit = |unit: &Arc<Unit>| {
            let finding = self.ends.get(&unit.spec.step)?.finding.clone()?;
            Some(keyed(finding, Some(&unit.spec.step), &self.host.name))
        };
        let of_units = || self.units.iter().find_map(of_unit);
        let why = || self.unreachable.clone().or_else(|| self.denied.clone()).or_else(of_units);
        let finding = if outcome == HostOutcome::Ok { None } else { why() };
        let finding = finding.map(|finding| keyed(finding, None, &self.host.name));
        let changed = self.ends.values().any(|end| end.changed);
        if changed && outcome != HostOutcome::Ok {
            ctx.budget.lose(&self.host.name);
        } else {
            ctx.budget.bring_back(&self.host.name);
        }
        ctx.shared.left(&self.host.name);
        let begun = self.started.unwrap_or_else(|| ctx.world.now());
        let event = EventKind::HostFinished {
            host: self.host.name.clone(),
            outcome,
            changed,
            finding,
            duration_ms: u64::try_from(ctx.world.now().since(begun).as_millis()).unwrap_or(u64::MAX),
        };
        let _ = ctx.recorder.note(event).await;
    }

    /// Ends the connection in order.
    pub async fn disconnect(&mut self) {
        self.link.close().await;
    }
}

/// Units that were made: hosts with the same variables share them.
#[derive(Debug, Default)]
pub struct Made {
    units: HashMap<usize, (Vars, Vars, Arc<Unit>)>,
}

impl Made {
    fn unit(
        &mut self,
        index: usize,
        spec: &UnitSpec,
        all: &[(usize, &UnitSpec)],
        lane: &plan::Lane,
    ) -> Result<Arc<Unit>, Finding> {
        if let Some((vars, own, unit)) = self.units.get(&index)
            && *vars == lane.vars
            && *own == lane.host.vars
        {
            return Ok(Arc::clone(unit));
        }
        let unit = Arc::new(unit_of(spec, all, lane)?);
        self.units.insert(index, (lane.vars.clone(), lane.host.vars.clone(), Arc::clone(&unit)));
        Ok(unit)
    }
}

/// The unit of a spec. What it has yet to learn from earlier steps is stood in for by a value of its type.
fn unit_of(spec: &UnitSpec, all: &[(usize, &UnitSpec)], lane: &plan::Lane) -> Result<Unit, Finding> {
    if !spec.late {
        return Unit::new(spec, &lane.vars, &lane.host.vars);
    }
    let lookup = |name: &str| {
        let (id, value) = name.strip_prefix("steps.")?.split_once('.')?;
        let from = all.iter().map(|(_, spec)| spec).find(|spec| spec.step.as_str() == id)?;
        captured(&from.fields).into_iter().find(|(captured, _)| captured == value).map(|(_, ty)| ty.stand_in())
    };
    let fields = fill(&spec.fields, &lookup, &[])
        .map_err(|errors| Finding::new("plan", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))?;
    let stood_in = Unit::new(&UnitSpec { fields, ..spec.clone() }, &lane.vars, &lane.host.vars)?;
    Ok(Unit { spec: spec.clone(), ..stood_in })
}

fn skipped(unit: &Unit) -> UnitEnd {
    let condition = unit.spec.when.as_deref().unwrap_or("its condition");
    UnitEnd::plain(Outcome::Skipped, Some(Note::new("skipped", format!("not so: {condition}"))))
}
