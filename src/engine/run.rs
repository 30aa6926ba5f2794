//! A run from its plan to its end: preview, confirmation, batch after batch, soak, conclusion.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::engine::ask::{Heard, Question, yes_or_no};
use crate::engine::budget::Budget;
use crate::engine::close::close_recorded;
use crate::engine::dispatch::{Dispatch, Recorder, Start};
use crate::engine::lane::{Lane, LanePreview, Made};
use crate::engine::link::{Asking, RunContext};
use crate::engine::log::{Log, LogError};
use crate::engine::orders::{Answer, listen};
use crate::engine::report::Reporter;
use crate::engine::world::World;
use crate::model::control::Control;
use crate::model::event::{EventKind, PlannedStep, PreviewGroup, SCHEMA};
use crate::model::finding::Finding;
use crate::model::id::{HostName, RunId, StepId};
use crate::model::outcome::{HostOutcome, Risk, RunState as EndState};
use crate::model::plan::{Confirmation, Plan, Section};
use crate::model::step::ClosePolicy;
use crate::plan::batches::at_worst;
use crate::state::run::RunState;
use crate::state::summary::{Flags, conclude};

/// How often finished hosts are looked at while they soak.
const SOAK_POLL: Duration = Duration::from_secs(5);

/// How long somebody has to answer at a gate.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How often a run says that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Everything a run needs.
pub struct Setup<W: World, L: Log> {
    /// The run.
    pub run: RunId,
    /// What is to be done.
    pub plan: Arc<Plan>,
    /// Only say what would be done.
    pub dry_run: bool,
    /// Whether a dry run that finds changes to make ends as pending.
    pub pending: bool,
    /// Who started it.
    pub by: String,
    /// The ticket, where given.
    pub ticket: Option<String>,
    /// How many hosts are worked on at a time.
    pub forks: usize,
    /// The command line, without the program.
    pub argv: Vec<String>,
    /// Whether the hosts are simulated.
    pub sim: bool,
    /// Whether what commands print is told as it comes.
    pub with_output: bool,
    /// Who answers what steps ask.
    pub asking: Asking,
    /// Where it happens.
    pub world: Arc<W>,
    /// The record.
    pub log: L,
    /// Orders.
    pub control: mpsc::Receiver<Control>,
    /// What is repeated in the commands to type next.
    pub flags: Flags,
    /// Who is told.
    pub reporters: Vec<Box<dyn Reporter>>,
}

/// runbook could not do its job; what happened on hosts is never an error but in the state.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The record was lost.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The plan does not fit this program.
    #[error("the plan cannot be run: {}", .0.summary)]
    Plan(Finding),
    /// A task of this program panicked.
    #[error("a part of this program failed; what it did until then is in the journal")]
    Bug,
}

/// Runs a plan to its end. Errors leave a record that ends where it was lost.
pub async fn run<W: World, L: Log>(setup: Setup<W, L>) -> Result<RunState, EngineError> {
    let mut made = Made::default();
    let lanes = setup.plan.lanes.iter().map(|lane| Lane::new(&setup.plan, lane, &mut made));
    let lanes: Vec<Lane<W>> = lanes.collect::<Result<_, _>>().map_err(EngineError::Plan)?;
    let lost = CancellationToken::new();
    let clock = Arc::clone(&setup.world);
    let dispatch = Dispatch::start(Start {
        run: setup.run.clone(),
        state: RunState::default(),
        log: setup.log,
        reporters: setup.reporters,
        now: Arc::new(move || clock.now()),
        lost: lost.clone(),
    });
    let (orders, listener) = listen(setup.control, dispatch.recorder.clone(), setup.plan.hosts());
    let asking = Arc::new(setup.asking);
    let budget = Arc::new(Budget::new(setup.plan.rollout.max_out.map(|out| out.of(setup.plan.lanes.len()))));
    let (recorder, shared) = (dispatch.recorder.clone(), Arc::default());
    let (world, with_output, deaf) = (setup.world, setup.with_output, dispatch.deaf.clone());
    let machines = (setup.plan.risk != Risk::ReadOnly).then(Arc::default);
    let ctx = RunContext { world, recorder, orders, asking, budget, shared, machines, with_output, lost, deaf };
    let heart = tokio::spawn(beat(dispatch.recorder.clone()));
    let mut driver = Driver {
        ctx,
        plan: setup.plan,
        forks: setup.forks.max(1),
        lanes: lanes.into_iter().map(Some).collect(),
        ended: Vec::new(),
        flags: setup.flags,
    };
    let start = EventKind::StreamStart {
        schema: SCHEMA.to_owned(),
        tool: concat!("runbook ", env!("CARGO_PKG_VERSION")).to_owned(),
        argv: setup.argv,
        sim: setup.sim,
    };
    let announced = match driver.ctx.recorder.note(start).await {
        Ok(()) => announce(&driver.ctx.recorder, &driver.plan, setup.dry_run, setup.by, setup.ticket).await,
        Err(lost) => Err(lost),
    };
    let result = match announced {
        Ok(()) => driver.drive(setup.dry_run, setup.pending).await,
        Err(error) => Err(error.into()),
    };
    let recorded = driver.conclude(&result).await;
    drop(driver);
    for task in [listener, heart] {
        task.abort();
        // its clone of the recorder must be gone before the dispatcher can end
        let _ = task.await;
    }
    let state = dispatch.finish().await.ok_or(EngineError::Bug)?;
    match result {
        // a run whose end is not in the record has none
        Err(EngineError::Bug) | Ok(()) => recorded.map(|()| state).map_err(EngineError::Log),
        Err(error) => Err(error),
    }
}

/// Says once in a while that the run is alive, and what it is at.
async fn beat(recorder: Recorder) {
    loop {
        tokio::time::sleep(HEARTBEAT).await;
        let Ok(running) = recorder.running().await else { return };
        if recorder.note(EventKind::Heartbeat { running }).await.is_err() {
            return;
        }
    }
}

async fn announce(recorder: &Recorder, plan: &Plan, dry_run: bool, by: String, ticket: Option<String>) -> Result<(), LogError> {
    let names = |batch: &Vec<usize>| batch.iter().filter_map(|i| plan.lanes.get(*i)).map(|lane| lane.host.name.clone()).collect();
    let step = |spec: &crate::model::plan::UnitSpec| PlannedStep {
        n: spec.n,
        id: spec.step.clone(),
        kind: spec.kind.clone(),
        section: spec.section,
        phase: spec.phase.clone(),
    };
    let mut steps: Vec<PlannedStep> = plan.units.iter().map(step).collect();
    steps.sort_by_key(|step| step.n);
    steps.dedup_by_key(|step| step.n);
    recorder
        .commit(EventKind::RunPlanned {
            runbook: plan.runbook.clone(),
            digest: plan.digest.clone(),
            selector: plan.selector.clone(),
            hosts: plan.hosts(),
            batches: plan.batches.iter().map(names).collect(),
            steps,
            phases: plan.phases.clone(),
            risk: plan.risk,
            max_failures: plan.rollout.max_failures.of(plan.lanes.len()),
            max_out: plan.rollout.max_out.map(|out| out.of(plan.lanes.len())),
            dry_run,
            by,
            ticket,
        })
        .await
}

struct Driver<W: World> {
    ctx: RunContext<W>,
    plan: Arc<Plan>,
    forks: usize,
    /// A lane is away while a task works on it.
    lanes: Vec<Option<Lane<W>>>,
    /// States that are true besides what the hosts tell.
    ended: Vec<EndState>,
    /// What is repeated in the commands to type next.
    flags: Flags,
}

impl<W: World> Driver<W> {
    async fn drive(&mut self, dry_run: bool, pending: bool) -> Result<(), EngineError> {
        let only_looks = self.plan.risk == Risk::ReadOnly;
        if only_looks && !dry_run {
            // looking twice at what nothing is going to change would tell nothing new
            return self.batches().await;
        }
        let previews = self.preview().await?;
        if dry_run {
            self.end_preview(&previews).await?;
            if pending && previews.values().any(|p| p.changes > 0) {
                self.ended.push(EndState::Pending);
            }
            if self.ctx.is_stopping() {
                self.ended.push(EndState::Aborted);
            }
            return Ok(());
        }
        if !self.confirmed().await? {
            self.ended.push(EndState::Aborted);
            return Ok(());
        }
        self.batches().await
    }

    /// Works on some lanes side by side, at most so many as there are forks; a lane comes back when its work is done. One
    /// that waits for a person keeps its place among the forks: with few of them the others may have to wait for the answer.
    async fn each<R, F, Fut>(&mut self, which: &[usize], work: F) -> Result<BTreeMap<usize, R>, EngineError>
    where
        R: Send + 'static,
        F: Fn(Lane<W>, RunContext<W>) -> Fut,
        Fut: Future<Output = (Lane<W>, R)> + Send + 'static,
    {
        // a task is made when its turn comes: the state of thousands that only wait would be most of the memory
        let mut tasks = JoinSet::new();
        let mut names = HashMap::new();
        let mut rest = which.iter().copied();
        let mut results = BTreeMap::new();
        let mut bug = false;
        loop {
            while tasks.len() < self.forks {
                let Some(index) = rest.next() else { break };
                let Some(lane) = self.lanes.get_mut(index).and_then(Option::take) else { continue };
                let name = lane.name().clone();
                let work = Box::pin(work(lane, self.ctx.clone()));
                let task = tasks.spawn(async move { (index, work.await) });
                names.insert(task.id(), name);
            }
            let Some(joined) = tasks.join_next_with_id().await else { break };
            let joined = joined.map(|(id, done)| {
                names.remove(&id);
                done
            });
            match joined {
                Ok((index, (lane, result))) => {
                    self.lanes[index] = Some(lane);
                    results.insert(index, result);
                }
                Err(error) => {
                    tracing::error!(%error, "a lane failed inside");
                    if let Some(name) = names.get(&error.id()) {
                        // nobody waits for a lane that is gone
                        self.ctx.shared.left(name);
                        self.ctx.budget.lose(name);
                    }
                    bug = true;
                }
            }
        }
        if bug {
            self.ended.push(EndState::Internal);
            return Err(EngineError::Bug);
        }
        Ok(results)
    }

    async fn preview(&mut self) -> Result<BTreeMap<usize, LanePreview>, EngineError> {
        let all: Vec<usize> = (0..self.lanes.len()).collect();
        // what the lanes share in the preview says nothing about the run
        let run = std::mem::take(&mut self.ctx.shared);
        let previews = self
            .each(&all, move |mut lane, ctx| async move {
                let preview = lane.preview(&ctx).await;
                (lane, preview)
            })
            .await;
        self.ctx.shared = run;
        let mut previews = previews?;
        self.hold_twins(&mut previews).await?;
        let mut groups: BTreeMap<&str, Vec<HostName>> = BTreeMap::new();
        let mut basis = BTreeMap::new();
        for (index, preview) in &previews {
            if let Some(Some(lane)) = self.lanes.get(*index) {
                groups.entry(&preview.signature).or_default().push(lane.name().clone());
            }
            for (word, n) in &preview.basis {
                *basis.entry(word.clone()).or_default() += n;
            }
        }
        let count = |what: HostOutcome| previews.values().filter(|p| p.outcome == Some(what)).count();
        let summary = EventKind::PlanSummary {
            change_hosts: previews.values().filter(|p| p.changes > 0).count(),
            unreachable_hosts: count(HostOutcome::Unreachable),
            refused_hosts: count(HostOutcome::Refused),
            changes: previews.values().map(|p| p.changes).sum(),
            at_worst: at_worst(&self.plan.batches, &self.plan.rollout),
            destroy: previews.values().map(|p| p.destroys).sum(),
            basis,
            groups: groups
                .into_iter()
                .enumerate()
                .map(|(n, (_, hosts))| PreviewGroup { hosts, signature: format!("g{}", n + 1) })
                .collect(),
        };
        self.ctx.recorder.note(summary).await?;
        Ok(previews)
    }

    /// A machine that answered under two names is left to the first of them in run order.
    async fn hold_twins(&mut self, previews: &mut BTreeMap<usize, LanePreview>) -> Result<(), EngineError> {
        let Some(machines) = &self.ctx.machines else { return Ok(()) };
        let order: Vec<&HostName> =
            self.plan.batches.iter().flatten().filter_map(|i| self.plan.lanes.get(*i)).map(|lane| &lane.host.name).collect();
        let twins = machines.settle(&order);
        for (index, preview) in previews {
            let Some(Some(lane)) = self.lanes.get_mut(*index) else { continue };
            let Some(finding) = twins.get(lane.name()) else { continue };
            let (host, state) = (lane.name().clone(), "down".to_owned());
            self.ctx.recorder.note(EventKind::HostReach { host, state, finding: Some(finding.clone()) }).await?;
            *preview = lane.leave(finding.clone()).await;
        }
        Ok(())
    }

    async fn end_preview(&mut self, previews: &BTreeMap<usize, LanePreview>) -> Result<(), EngineError> {
        for (index, preview) in previews {
            if let Some(Some(lane)) = self.lanes.get_mut(*index) {
                lane.finish_preview(&self.ctx, preview).await;
            }
        }
        Ok(())
    }

    /// Asks, where something would or might be changed. Where nothing would, nothing may be: the lanes see to that.
    async fn confirmed(&mut self) -> Result<bool, EngineError> {
        // what runs once is counted on one host, and may be done on another
        let takes_part = |lane: &&Lane<W>| !self.ctx.orders.excluded.has(lane.name());
        let might_change = self.lanes.iter().flatten().filter(takes_part).any(Lane::may_change);
        if self.ctx.is_stopping() {
            return Ok(false);
        }
        if !might_change {
            return Ok(true);
        }
        let (phrase, why) = match &self.plan.confirmation {
            Confirmation::None => return Ok(true),
            Confirmation::Yes => (None, "it changes something".to_owned()),
            Confirmation::Phrase { phrase, why } => (Some(phrase.clone()), why.clone()),
        };
        self.ctx.recorder.note(EventKind::ConfirmAsked { phrase, why }).await?;
        let mut answers = self.ctx.orders.answer.clone();
        let answer = tokio::select! {
            biased;
            answer = answers.wait_for(|answer| *answer != Answer::Waiting) => match answer {
                Ok(answer) => answer.clone(),
                Err(_) => Answer::Declined("nobody is left to answer".to_owned()),
            },
            () = self.ctx.lost.cancelled() => Answer::Declined("the record is lost".to_owned()),
            () = self.ctx.deaf.cancelled() => Answer::Declined("the output does not keep up: nobody can be asked".to_owned()),
        };
        match answer {
            Answer::Given { by, via } => {
                self.ctx.recorder.commit(EventKind::ConfirmGiven { by, via }).await?;
                Ok(true)
            }
            Answer::Declined(reason) => {
                self.ctx.recorder.note(EventKind::ConfirmDeclined { reason }).await?;
                Ok(false)
            }
            Answer::Waiting => Ok(false),
        }
    }

    async fn batches(&mut self) -> Result<(), EngineError> {
        let batches = self.plan.batches.clone();
        for (n, batch) in batches.iter().enumerate() {
            drop(self.ctx.go_all().await);
            if self.ctx.is_stopping() {
                break;
            }
            self.batch(n, batches.len(), batch).await?;
            self.soak(batch).await?;
            self.finish_batch(n, batch).await?;
            if n + 1 < batches.len()
                && !self.ctx.is_stopping()
                && let Some(reason) = self.gate(n == 0, batch)
                && !self.goes_on(n, reason.clone()).await?
            {
                self.ctx.recorder.note(EventKind::RunStopping { reason, by: "gate".to_owned() }).await?;
                break;
            }
        }
        // a step that stops the run is a failure, not an operator's wish
        if self.ctx.orders.asked.is_cancelled() {
            self.ended.push(EndState::Aborted);
        }
        Ok(())
    }

    async fn batch(&mut self, n: usize, of: usize, batch: &[usize]) -> Result<(), EngineError> {
        let hosts = batch.iter().filter_map(|i| self.plan.lanes.get(*i)).map(|lane| lane.host.name.clone()).collect();
        let started = EventKind::BatchStarted { n: n + 1, of, canary: n == 0 && of > 1, hosts };
        let pass = self.ctx.go_all().await;
        self.ctx.recorder.note(started).await?;
        drop(pass);
        let looks = self.plan.units.iter().filter(|unit| unit.scope.is_shared() && unit.section != Section::Step);
        self.ctx.shared.forget(looks.map(|unit| &unit.step));
        // no host of a batch is changed before all of it have answered
        let passed = self
            .each(batch, |mut lane, ctx| async move {
                let passed = lane.prechecks(&ctx).await;
                if !passed {
                    lane.finish(&ctx).await;
                }
                (lane, passed)
            })
            .await?;
        let mut go: Vec<usize> = passed.into_iter().filter(|(_, passed)| *passed).map(|(index, _)| index).collect();
        go.sort_unstable();
        self.lead(&go).await;
        self.each(&go, |mut lane, ctx| async move {
            lane.work(&ctx).await;
            (lane, ())
        })
        .await?;
        Ok(())
    }

    /// The first host of the batch that may be changed does what is done once a run. It has its turn to be out of service before the others:
    /// they would wait for it in their turns.
    async fn lead(&mut self, go: &[usize]) {
        // pre-checks are over, and who leads them is who comes to them first
        let shared = self.plan.units.iter().filter(|unit| unit.scope.is_shared() && unit.section != Section::Precheck);
        let shared: Vec<&StepId> = shared.map(|unit| &unit.step).collect();
        let may = |index: &&usize| self.lanes.get(**index).and_then(Option::as_ref).is_some_and(Lane::may_change);
        let lane = |index: &usize| self.plan.lanes.get(*index);
        let takes_part = |index: &&usize| lane(index).is_some_and(|lane| !self.ctx.orders.excluded.has(&lane.host.name));
        let leader = go.iter().filter(takes_part).find(may).or(go.first());
        let Some(lane) = leader.and_then(lane) else { return };
        if !shared.is_empty() {
            self.ctx.shared.lead(&lane.host.name, shared.into_iter());
            // no host is being worked on between two batches, so there is nothing to wait for; its lane says why not
            let _ = self.ctx.budget.take(&lane.host.name).await;
        }
    }

    /// What pauses asks, and stops where no one can be asked.
    async fn goes_on(&mut self, n: usize, reason: String) -> Result<bool, EngineError> {
        if !self.ctx.asking.can_ask {
            return Ok(false);
        }
        // no step can be called so: the answer to one is none to the gate
        let id = format!("batch:{}", n + 1);
        let hosts = self.plan.batches.iter().skip(n + 1).flatten();
        let hosts = hosts.filter_map(|i| self.plan.lanes.get(*i)).map(|lane| lane.host.name.clone());
        let hosts: Vec<HostName> = hosts.filter(|host| !self.ctx.orders.excluded.has(host)).collect();
        if hosts.is_empty() {
            return Ok(true);
        }
        let recorder = &self.ctx.recorder;
        recorder.note(EventKind::RunPaused { reason: reason.clone(), by: "gate".to_owned() }).await?;
        let more = if hosts.len() == 1 { "1 more host".to_owned() } else { format!("{} more hosts", hosts.len()) };
        let text = format!("{reason}; go on with {more}?");
        let question = Question { id, step: None, hosts, text, options: yes_or_no(), finding: None };
        let Heard::Said(said) = self.ctx.ask(question, self.ctx.world.sleep(PATIENCE)).await else { return Ok(false) };
        let yes = said.option == "yes";
        // a person's own pause goes on until a person ends it
        if yes && !self.ctx.orders.brake.is_on().await {
            recorder.note(EventKind::RunResumed { by: said.by }).await?;
        }
        Ok(yes)
    }

    /// Every verification of every host that has finished so far is looked at again for a while.
    async fn soak(&mut self, batch: &[usize]) -> Result<(), EngineError> {
        let soak = self.plan.rollout.soak;
        let any_ok = batch.iter().any(|i| self.outcome(*i) == Some(HostOutcome::Ok));
        let any_verify = self.plan.units.iter().any(|unit| unit.section.word() == "verify");
        if soak.is_zero() || self.ctx.is_stopping() || !any_ok || !any_verify {
            return Ok(());
        }
        let done: Vec<usize> = (0..self.lanes.len()).filter(|i| self.outcome(*i) == Some(HostOutcome::Ok)).collect();
        let hosts = done.iter().filter_map(|i| self.plan.lanes.get(*i)).map(|lane| lane.host.name.clone()).collect();
        let for_ms = u64::try_from(soak.as_millis()).unwrap_or(u64::MAX);
        self.ctx.recorder.note(EventKind::SoakStarted { for_ms, hosts }).await?;
        let until = self.ctx.world.now().plus(soak);
        loop {
            self.each(&done, |mut lane, ctx| async move {
                let still = lane.watch(&ctx).await;
                (lane, still)
            })
            .await?;
            let left = until.since(self.ctx.world.now());
            if left.is_zero() || self.ctx.is_stopping() {
                return Ok(());
            }
            tokio::select! {
                () = self.ctx.world.sleep(left.min(SOAK_POLL)) => {}
                () = self.ctx.orders.stop.cancelled() => {}
            }
        }
    }

    async fn finish_batch(&mut self, n: usize, batch: &[usize]) -> Result<(), EngineError> {
        let mut hosts: BTreeMap<HostOutcome, usize> = BTreeMap::new();
        for index in batch {
            *hosts.entry(self.outcome(*index).unwrap_or(HostOutcome::NotStarted)).or_default() += 1;
        }
        self.ctx.recorder.note(EventKind::BatchFinished { n: n + 1, hosts }).await?;
        Ok(())
    }

    fn outcome(&self, index: usize) -> Option<HostOutcome> {
        self.lanes.get(index)?.as_ref()?.outcome()
    }

    /// Whether a host's end is one that nobody has decided about yet.
    fn is_undecided(&self, index: usize) -> bool {
        self.lanes.get(index).and_then(Option::as_ref).is_none_or(|lane| !lane.is_decided())
    }

    /// Why no further batch may start, if so. Whom a person has left out does not count as failed.
    fn gate(&self, canary: bool, batch: &[usize]) -> Option<String> {
        let of = |index: &usize| self.outcome(*index);
        if canary && !batch.iter().all(|i| of(i) == Some(HostOutcome::Ok)) {
            return Some("the canary did not end ok".to_owned());
        }
        let all = || (0..self.lanes.len()).filter_map(|i| self.outcome(i));
        if all().any(|outcome| outcome == HostOutcome::Unknown) {
            return Some("an outcome is unknown".to_owned());
        }
        let counted = |o: &HostOutcome| matches!(o, HostOutcome::Failed | HostOutcome::Unreachable | HostOutcome::Unknown);
        let undecided = (0..self.lanes.len()).filter(|i| self.is_undecided(*i)).filter_map(|i| self.outcome(i));
        let failed = undecided.filter(counted).count();
        let most = self.plan.rollout.max_failures.of(self.lanes.len());
        (failed >= most).then(|| format!("{failed} of at most {} hosts failed", most.saturating_sub(1)))
    }

    async fn conclude(&mut self, result: &Result<(), EngineError>) -> Result<(), LogError> {
        self.close_for_the_lost().await?;
        for lane in self.lanes.iter_mut().flatten() {
            // whose turn never came, and never will
            if lane.outcome().is_none() && self.ctx.orders.excluded.has(lane.name()) {
                lane.finish(&self.ctx).await;
            }
        }
        for lane in self.lanes.iter_mut().flatten() {
            lane.disconnect().await;
        }
        if let Err(error) = result {
            tracing::error!(%error, "the run could not go on");
        }
        let state = self.ctx.recorder.state().await?;
        let end = conclude(&state, &self.ended, &self.flags);
        let took = state.started.zip(state.last).map(|(from, _)| self.ctx.world.now().since(from));
        let finished = EventKind::RunFinished {
            state: end.state,
            exit_code: end.exit_code,
            hosts: end.hosts,
            changed: end.changed,
            open: end.open,
            failures: end.failures,
            next: end.next,
            duration_ms: took.map_or(0, |took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        };
        // else the next event would be applied to a copy
        drop(state);
        self.ctx.recorder.commit(finished).await
    }

    /// Closes what lanes owed that failed inside: they are gone, and the record alone knows it.
    async fn close_for_the_lost(&mut self) -> Result<(), LogError> {
        if self.lanes.iter().all(Option::is_some) {
            return Ok(());
        }
        let state = self.ctx.recorder.state().await?;
        let gone = self.lanes.iter().zip(&self.plan.lanes).filter(|(lane, _)| lane.is_none()).map(|(_, planned)| &planned.host);
        for host in gone {
            let Some(left) = state.hosts.get(&host.name) else { continue };
            close_recorded(&self.ctx, host, left, |obligation| obligation.close == ClosePolicy::Always).await;
        }
        Ok(())
    }
}
