//! One host: its units in order, what came of them, what is open on it.

mod held;
mod names;
mod preview;
mod watch;

pub use crate::engine::lane::preview::LanePreview;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::engine::brake::Pass;
use crate::engine::close;
use crate::engine::converge::{Attempt, Mode, converge};
use crate::engine::lane::held::Choice;
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
    /// A person has decided that it ends here.
    decided: bool,
    outcome: Option<HostOutcome>,
}

/// What was done about one unit so far.
#[derive(Debug, Default)]
struct Tries {
    /// How many attempts there were.
    n: u32,
    /// Whether any of them has sent a change.
    changed: bool,
    /// Whether other lanes wait for what it comes to.
    mine: bool,
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
            decided: false,
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

    /// Whether a person has decided that it ends as it does.
    pub fn is_decided(&self) -> bool {
        self.decided
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
        drop(ctx.go(&self.host.name).await);
        if self.is_over(ctx) {
            return false;
        }
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
        if self.is_over(ctx) || !self.may_go_out(ctx).await {
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
            () = ctx.orders.excluded.taken(&self.host.name) => Err(Finding::new("excluded", "left out before anything was changed")),
        };
        let Err(finding) = taken else { return true };
        self.stopped = true;
        self.outcome = Some(if ctx.is_over(&self.host.name) { HostOutcome::Cancelled } else { HostOutcome::Refused });
        self.denied = Some(finding);
        false
    }

    /// Whether the pre-checks are too long ago to be acted upon.
    fn is_stale(&self, ctx: &RunContext<W>) -> bool {
        self.prechecked.is_none_or(|at| ctx.world.now().since(at) > FRESH)
    }

    /// The steps. What was waited for, asked or paused before the first change may have taken long: then the pre-checks are
    /// asked again. After it they are about a host that is not as it was.
    async fn steps(&mut self, ctx: &RunContext<W>) {
        for index in 0..self.units.len() {
            let mut tries = Tries::default();
            while let Some(pass) = self.next(ctx, index, Section::Step).await {
                let changed = tries.changed || self.ends.values().any(|end| end.changed);
                if self.units[index].class == Class::Action && !changed && self.is_stale(ctx) {
                    drop(pass);
                    if !self.prechecks(ctx).await {
                        self.stopped = true;
                        return;
                    }
                } else if !self.unit(ctx, index, pass, &mut tries).await {
                    break;
                }
            }
        }
    }

    async fn section(&mut self, ctx: &RunContext<W>, section: Section) {
        for index in 0..self.units.len() {
            let mut tries = Tries::default();
            while let Some(pass) = self.next(ctx, index, section).await {
                if !self.unit(ctx, index, pass, &mut tries).await {
                    break;
                }
            }
        }
    }

    /// The leave to start a unit, where it is of this section and anything may still start here.
    async fn next<'c>(&mut self, ctx: &'c RunContext<W>, index: usize, section: Section) -> Option<Pass<'c>> {
        if self.stopped || self.units[index].spec.section != section {
            return None;
        }
        let pass = ctx.go(&self.host.name).await;
        (!self.is_over(ctx)).then_some(pass)
    }

    /// Whether nothing more may start here; then the lane has been stopped from outside.
    fn is_over(&mut self, ctx: &RunContext<W>) -> bool {
        let over = ctx.is_over(&self.host.name);
        if over {
            self.stopped = true;
            self.outcome.get_or_insert(HostOutcome::Cancelled);
        }
        over
    }

    /// A unit, as often as its runbook says that it is tried; whether a person wants it once more.
    async fn unit(&mut self, ctx: &RunContext<W>, index: usize, pass: Pass<'_>, tries: &mut Tries) -> bool {
        let unit = Arc::clone(&self.units[index]);
        let mut end = if tries.n == 0 {
            self.begun = Some(ctx.world.now());
            let (end, mine) = self.first_attempt(ctx, &unit, pass).await;
            (tries.n, tries.mine) = (1, mine);
            end
        } else {
            // what ended the last attempt is over
            self.unreachable = None;
            self.further_attempt(ctx, &unit, pass, tries).await
        };
        loop {
            tries.changed |= end.changed;
            end.changed = tries.changed;
            if let Some(opened) = end.opened.take()
                && !self.opened.iter().any(|owed| owed.key == opened.key)
            {
                self.opened.push(opened);
            }
            let recorded = self.tell_end(ctx, &unit, tries.n, &end).await;
            self.stopped |= recorded.is_err();
            let Some(pause) = self.pause_before_retry(ctx, &unit, &end, tries.n) else { break };
            tokio::select! {
                () = ctx.world.sleep(pause) => {}
                () = ctx.orders.stop.cancelled() => break,
                () = ctx.lost.cancelled() => break,
                () = ctx.orders.excluded.taken(&self.host.name) => break,
            }
            let pass = ctx.go(&self.host.name).await;
            if ctx.is_over(&self.host.name) {
                break;
            }
            end = self.further_attempt(ctx, &unit, pass, tries).await;
        }
        self.settle(ctx, &unit, end, tries).await
    }

    /// What a unit came to, and what is to be done about it; whether a person wants it once more.
    async fn settle(&mut self, ctx: &RunContext<W>, unit: &Unit, mut end: UnitEnd, tries: &Tries) -> bool {
        if let (Some(finding), false) = (end.unreachable.take(), unit.spec.optional) {
            self.unreachable = Some(finding);
        }
        let choice = self.decide(ctx, unit, &end, tries).await;
        end.waived |= choice == Some(Choice::Skip);
        self.keep(unit, &end);
        self.ends.insert(unit.spec.step.clone(), end.clone());
        if choice == Some(Choice::Retry) {
            return true;
        }
        if tries.mine {
            ctx.shared.done(&unit.spec.step, &self.host.name, end.clone());
        }
        if !end.outcome.is_fine() {
            self.failed(ctx, unit, &end, choice).await;
        }
        false
    }

    /// The first attempt; and whether other lanes wait for what it comes to.
    async fn first_attempt(&mut self, ctx: &RunContext<W>, unit: &Unit, pass: Pass<'_>) -> (UnitEnd, bool) {
        let (step, host) = (&unit.spec.step, &self.host.name);
        let shared = unit.spec.scope.is_shared();
        match self.condition(unit) {
            Truth::Known(true) => {}
            Truth::Known(false) => {
                ctx.shared.pass(step, host);
                self.tell_start(ctx, unit, 1, pass).await;
                return (skipped(unit), false);
            }
            Truth::NotKnown(name) => {
                ctx.shared.pass(step, host);
                self.tell_start(ctx, unit, 1, pass).await;
                let finding = Finding::new("condition", format!("the condition cannot be judged: {name} is not known"));
                return (UnitEnd::no(Outcome::Refused, finding), false);
            }
        }
        let (turn, pass) = if shared { self.turn(ctx, step, pass).await } else { (Turn::Mine, pass) };
        self.tell_start(ctx, unit, 1, pass).await;
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

    /// Waits for what this lane is to do about a step that runs once.
    async fn turn<'c>(&self, ctx: &'c RunContext<W>, step: &StepId, pass: Pass<'_>) -> (Turn, Pass<'c>) {
        // a pause can begin while it waits
        drop(pass);
        let host = &self.host.name;
        let turn = tokio::select! {
            turn = ctx.shared.turn(step, host) => turn,
            () = ctx.orders.stop.cancelled() => Turn::Never(host.clone()),
            () = ctx.lost.cancelled() => Turn::Never(host.clone()),
            () = ctx.orders.excluded.taken(host) => Turn::Never(host.clone()),
        };
        let pass = ctx.go(host).await;
        match turn {
            Turn::Mine if ctx.is_over(host) => (Turn::Never(host.clone()), pass),
            turn => (turn, pass),
        }
    }

    async fn further_attempt(&mut self, ctx: &RunContext<W>, unit: &Unit, pass: Pass<'_>, tries: &mut Tries) -> UnitEnd {
        tries.n += 1;
        self.begun = Some(ctx.world.now());
        self.tell_start(ctx, unit, tries.n, pass).await;
        self.attempt(ctx, unit, tries.n).await
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

    /// Records that it starts, before a pause can begin.
    async fn tell_start(&self, ctx: &RunContext<W>, unit: &Unit, attempt: u32, _pass: Pass<'_>) {
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

    async fn failed(&mut self, ctx: &RunContext<W>, unit: &Unit, end: &UnitEnd, choice: Option<Choice>) {
        if is_harmless(unit, end) || end.waived {
            return;
        }
        match (unit.spec.on_failure, choice) {
            (_, Some(Choice::Abort(by))) => {
                self.stopped = true;
                ctx.orders.stop_by(by, &ctx.recorder).await;
            }
            (_, Some(_)) => (self.stopped, self.decided) = (true, true),
            (OnFailure::Continue, None) if end.outcome == Outcome::Failed => {}
            (OnFailure::StopRun, None) => {
                self.stopped = true;
                ctx.orders.stop.cancel();
                let reason = format!("`{}` failed on {}", unit.spec.step, self.host.name);
                let _ = ctx.recorder.note(EventKind::RunStopping { reason, by: "on_failure".to_owned() }).await;
            }
            // also where somebody would be asked, and nobody can be
            (OnFailure::Continue | OnFailure::StopHost | OnFailure::Ask, None) => self.stopped = true,
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
        let excluded = ctx.orders.excluded.end(&self.host.name);
        self.decided |= excluded.is_some();
        let outcome = match self.outcome {
            Some(before) if worst == HostOutcome::Ok => before,
            None if worst == HostOutcome::Ok && excluded.is_some() => HostOutcome::Cancelled,
            _ => worst,
        };
        self.outcome = Some(outcome);
        let of_unit = |unit: &Arc<Unit>| {
            let finding = self.ends.get(&unit.spec.step)?.finding.clone()?;
            Some(keyed(finding, Some(&unit.spec.step), &self.host.name))
        };
        let of_units = || self.units.iter().find_map(of_unit);
        let left_out = || {
            let by = excluded.as_ref().filter(|_| outcome == HostOutcome::Cancelled)?;
            Some(Finding::new("excluded", format!("excluded by {by}")))
        };
        let why = || left_out().or_else(|| self.unreachable.clone()).or_else(|| self.denied.clone()).or_else(of_units);
        let finding = if outcome == HostOutcome::Ok { None } else { why() };
        let finding = finding.map(|finding| keyed(finding, None, &self.host.name));
        let changed = self.ends.values().any(|end| end.changed);
        if changed && outcome != HostOutcome::Ok {
            ctx.budget.lose(&self.host.name);
        } else {
            ctx.budget.bring_back(&self.host.name);
        }
        if self.decided {
            ctx.shared.hand_on(&self.host.name);
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

/// Whether a unit that did not end well is let off.
fn is_harmless(unit: &Unit, end: &UnitEnd) -> bool {
    unit.spec.optional && end.outcome != Outcome::Unknown && end.outcome != Outcome::Cancelled
}

fn skipped(unit: &Unit) -> UnitEnd {
    let condition = unit.spec.when.as_deref().unwrap_or("its condition");
    UnitEnd::plain(Outcome::Skipped, Some(Note::new("skipped", format!("not so: {condition}"))))
}
