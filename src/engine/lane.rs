//! One host: its units in order, what came of them, what is open on it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::engine::close;
use crate::engine::converge::{Mode, converge};
use crate::engine::link::{Link, RunContext};
use crate::engine::unit::{Unit, UnitEnd};
use crate::engine::world::World;
use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::id::{HostName, StepId};
use crate::model::outcome::{HostOutcome, Outcome};
use crate::model::plan::{self, OnFailure, Plan, Section};
use crate::model::step::{Basis, ClosePolicy, Note, Obligation};
use crate::model::time::Timestamp;
use crate::model::when::{Lookup, Truth};
use crate::steps::Class;

/// A pre-check's answer is good for this long.
const FRESH: Duration = Duration::from_secs(60);

/// A host at work.
pub struct Lane<W: World> {
    host: Host,
    vars: BTreeMap<String, Value>,
    link: Link<W>,
    units: Vec<Unit>,
    /// Actions that the preview showed as what may be done; nothing else is.
    foreseen: BTreeSet<StepId>,
    /// Why nothing may be changed here, whatever the steps say.
    held: Option<String>,
    ends: BTreeMap<StepId, UnitEnd>,
    opened: Vec<Obligation>,
    unreachable: Option<Finding>,
    prechecked: Option<Timestamp>,
    started: Option<Timestamp>,
    stopped: bool,
    outcome: Option<HostOutcome>,
}

/// What a lane's preview came to.
#[derive(Debug, Clone, Default)]
pub struct LanePreview {
    /// Units that would change something.
    pub changes: usize,
    /// Of these, those that cannot be undone.
    pub destroys: usize,
    /// Actions of which it is not known.
    pub not_known: usize,
    /// Claims by what they rest on.
    pub basis: BTreeMap<String, usize>,
    /// What makes two previews equal.
    pub signature: String,
    /// How the host stands, where it is not fine.
    pub outcome: Option<HostOutcome>,
}

impl<W: World> Lane<W> {
    /// Makes a planned lane ready; the error means that plan and program do not fit together.
    pub fn new(plan: &Plan, lane: &plan::Lane) -> Result<Self, Finding> {
        let specs = lane.units.iter().filter_map(|index| plan.units.get(*index));
        let units = specs.map(|spec| Unit::new(spec, &lane.vars, &lane.host.vars)).collect::<Result<Vec<_>, _>>()?;
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

    /// Looks at everything and says what would be done; changes nothing.
    pub async fn preview(&mut self, ctx: &RunContext<W>) -> LanePreview {
        let mut preview = LanePreview::default();
        if let Err(finding) = self.link.connect(ctx).await {
            preview.signature = format!("unreachable {}", finding.code);
            self.held = Some(format!("it could not be reached when the run was confirmed ({})", finding.code));
            self.unreachable = Some(finding);
            preview.outcome = Some(HostOutcome::Unreachable);
            return preview;
        }
        let mut blocked: Option<String> = None;
        for index in 0..self.units.len() {
            let (mut end, basis) = self.preview_unit(ctx, index, blocked.as_deref()).await;
            let unit = &self.units[index];
            if unit.spec.optional && !end.outcome.is_fine() {
                end.finding =
                    end.finding.map(|finding| Finding { summary: format!("{} (optional)", finding.summary), ..finding });
            } else if !end.outcome.is_fine() && blocked.is_none() && !ctx.is_stopping() {
                blocked = Some(format!("`{}` says no", unit.spec.step));
                preview.outcome = Some(match (&end.unreachable, end.outcome) {
                    (Some(_), _) => HostOutcome::Unreachable,
                    (None, Outcome::Refused) => HostOutcome::Refused,
                    (None, _) => HostOutcome::Failed,
                });
                self.unreachable = end.unreachable.take();
            }
            if ctx.is_stopping() {
                preview.outcome = Some(HostOutcome::Cancelled);
                break;
            }
            self.tell_preview(ctx, index, &end, basis, &mut preview).await;
            if end.outcome == Outcome::WouldChange && blocked.is_none() && end.destroys {
                preview.destroys += 1;
            }
        }
        self.held = blocked.map(|why| format!("in the preview {why}"));
        if preview.outcome.is_some() {
            // a host that said no is left out: nothing of what it would have come to is done, or counted
            (preview.changes, preview.destroys, preview.not_known) = (0, 0, 0);
        }
        // the run itself looks again; nothing seen here stands for that
        self.ends.clear();
        preview
    }

    async fn preview_unit(&mut self, ctx: &RunContext<W>, index: usize, blocked: Option<&str>) -> (UnitEnd, Basis) {
        let unit = self.units[index].clone();
        let not_known = |why: String| (UnitEnd::plain(Outcome::NotKnown, Some(Note::new("not-known", why))), Basis::NotKnown);
        if let Some(why) = blocked {
            return not_known(why.to_owned());
        }
        match self.condition(&unit) {
            Truth::Known(true) => {}
            Truth::Known(false) => return (skipped(&unit), Basis::Seen),
            Truth::NotKnown(name) => return not_known(format!("depends on {name}")),
        }
        let waits_for = self.awaits_change();
        if unit.polls() && waits_for {
            return not_known("needs a change that has not happened".to_owned());
        }
        let end = converge(ctx, &mut self.link, &unit, Mode::Preview).await;
        if unit.class == Class::Check && waits_for && end.outcome == Outcome::Failed && end.unreachable.is_none() {
            // it stands behind a change, so that its "no" of today says nothing about the run
            return not_known("is not so now; a change before it has not happened".to_owned());
        }
        (end, unit.step.basis())
    }

    /// Whether an action before this would or might change the host.
    fn awaits_change(&self) -> bool {
        self.units.iter().filter(|unit| unit.class == Class::Action).any(|unit| {
            let outcome = self.ends.get(&unit.spec.step).map(|end| end.outcome);
            matches!(outcome, Some(Outcome::WouldChange | Outcome::NotKnown))
        })
    }

    async fn tell_preview(&mut self, ctx: &RunContext<W>, index: usize, end: &UnitEnd, basis: Basis, preview: &mut LanePreview) {
        let unit = &self.units[index];
        let summary = match (&end.finding, &end.note) {
            (Some(finding), _) => finding.summary.clone(),
            (None, Some(note)) => note.summary.clone(),
            (None, None) => String::new(),
        };
        match end.outcome {
            Outcome::WouldChange => preview.changes += 1,
            Outcome::NotKnown if unit.class == Class::Action && preview.outcome.is_none() => preview.not_known += 1,
            _ => {}
        }
        *preview.basis.entry(basis.word().to_owned()).or_default() += 1;
        let word = end.note.as_ref().map(|note| note.word.clone());
        let effects = end.effects.join("; ");
        preview.signature.push_str(&format!("{}={}:{}:{effects}\n", unit.spec.step, end.outcome, word.as_deref().unwrap_or("-")));
        let event = EventKind::PreviewStep {
            host: self.host.name.clone(),
            step: unit.spec.step.clone(),
            outcome: end.outcome,
            basis,
            word,
            summary,
            effects: end.effects.clone(),
            destroys: end.destroys,
        };
        let _ = ctx.recorder.note(event).await;
        // what holds now may not hold any more after the changes before it: then it is brought back
        let shown = matches!(end.outcome, Outcome::WouldChange | Outcome::NotKnown);
        if shown || (end.outcome == Outcome::Already && self.awaits_change()) {
            self.foreseen.insert(unit.spec.step.clone());
        }
        self.ends.insert(unit.spec.step.clone(), end.clone());
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
        let stale = self.prechecked.is_none_or(|at| ctx.world.now().since(at) > FRESH);
        if stale && !self.prechecks(ctx).await {
            return self.finish(ctx).await;
        }
        self.section(ctx, Section::Step).await;
        self.section(ctx, Section::Verify).await;
        self.close(ctx).await;
        self.section(ctx, Section::VerifyAfterClose).await;
        self.finish(ctx).await;
    }

    async fn section(&mut self, ctx: &RunContext<W>, section: Section) {
        for index in 0..self.units.len() {
            if self.stopped || self.units[index].spec.section != section {
                continue;
            }
            if ctx.is_stopping() {
                self.stopped = true;
                self.outcome.get_or_insert(HostOutcome::Cancelled);
                return;
            }
            self.unit(ctx, index).await;
        }
    }

    async fn unit(&mut self, ctx: &RunContext<W>, index: usize) {
        let unit = self.units[index].clone();
        let step = unit.spec.step.clone();
        let begun = ctx.world.now();
        let started = EventKind::StepStarted { host: self.host.name.clone(), step: step.clone(), attempt: 1 };
        let _ = ctx.recorder.note(started).await;
        let mode = self.mode(&unit);
        let mut end = match self.condition(&unit) {
            Truth::Known(true) => converge(ctx, &mut self.link, &unit, mode).await,
            Truth::Known(false) => skipped(&unit),
            Truth::NotKnown(name) => {
                let finding = Finding::new("condition", format!("the condition cannot be judged: {name} is not known"));
                UnitEnd::no(Outcome::Refused, finding)
            }
        };
        self.opened.extend(end.opened.take());
        if let (Some(finding), false) = (end.unreachable.take(), unit.spec.optional) {
            self.unreachable = Some(finding);
        }
        let finished = EventKind::StepFinished {
            host: self.host.name.clone(),
            step: step.clone(),
            attempt: 1,
            outcome: end.outcome,
            changed: end.changed,
            exit_code: end.exit_code,
            note: end.note.clone(),
            finding: end.finding.clone(),
            effects: end.effects.clone(),
            duration_ms: u64::try_from(ctx.world.now().since(begun).as_millis()).unwrap_or(u64::MAX),
        };
        let recorded = ctx.recorder.commit(finished).await;
        if !end.outcome.is_fine() {
            self.failed(ctx, &unit, &end).await;
        }
        self.stopped |= recorded.is_err();
        self.ends.insert(step, end);
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

    fn condition(&self, unit: &Unit) -> Truth {
        match &unit.when {
            None => Truth::Known(true),
            // an answer that cannot be had is not known, and says why
            Some(when) => when.judge(&|path| self.lookup(path)).unwrap_or_else(|error| Truth::NotKnown(error.message)),
        }
    }

    fn lookup(&self, path: &[&str]) -> Lookup {
        let text = |text: &str| Lookup::Value(Value::String(text.to_owned()));
        let list = |list: &[String]| Lookup::Value(Value::from(list.to_vec()));
        match path {
            ["host", "name"] => text(self.host.name.as_str()),
            ["host", "user"] => text(&self.host.user),
            ["host", "address"] => text(&self.host.address),
            ["host", "tags"] => list(&self.host.tags),
            ["host", "groups"] => list(&self.host.groups),
            ["host", "vars", name] => self.host.vars.get(*name).cloned().map_or(Lookup::Absent, Lookup::Value),
            ["facts", name] => match (self.link.target(), *name) {
                (Some(target), "os") => text(&target.facts.os),
                (Some(target), "arch") => text(&target.facts.arch),
                (Some(target), "user") => text(&target.facts.user),
                (Some(_), _) => Lookup::Absent,
                (None, _) => Lookup::NotKnown,
            },
            ["steps", step, what] => self.lookup_step(step, what),
            [name] => self.vars.get(*name).cloned().map_or(Lookup::Absent, Lookup::Value),
            _ => Lookup::Absent,
        }
    }

    fn lookup_step(&self, step: &str, what: &str) -> Lookup {
        let Some((_, end)) = self.ends.iter().find(|(id, _)| id.as_str() == step) else { return Lookup::NotKnown };
        if matches!(end.outcome, Outcome::NotKnown | Outcome::WouldWait)
            || (what == "outcome" && end.outcome == Outcome::WouldChange)
        {
            return Lookup::NotKnown;
        }
        match (what, &end.note) {
            ("outcome", _) => Lookup::Value(Value::String(end.outcome.word().to_owned())),
            ("verdict", Some(note)) => Lookup::Value(Value::String(note.word.clone())),
            (name, Some(note)) => note.values.get(name).cloned().map_or(Lookup::Absent, Lookup::Value),
            (_, None) => Lookup::NotKnown,
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
        let of_units = || self.units.iter().filter_map(|unit| self.ends.get(&unit.spec.step)).find_map(|end| end.finding.clone());
        let finding = if outcome == HostOutcome::Ok { None } else { self.unreachable.clone().or_else(of_units) };
        let begun = self.started.unwrap_or_else(|| ctx.world.now());
        let event = EventKind::HostFinished {
            host: self.host.name.clone(),
            outcome,
            changed: self.ends.values().any(|end| end.changed),
            finding,
            duration_ms: u64::try_from(ctx.world.now().since(begun).as_millis()).unwrap_or(u64::MAX),
        };
        let _ = ctx.recorder.note(event).await;
    }

    /// A dry run ends here: what the preview came to is what becomes of the host.
    pub async fn finish_preview(&mut self, ctx: &RunContext<W>, preview: &LanePreview) {
        self.outcome = preview.outcome.or(Some(HostOutcome::Ok));
        self.finish(ctx).await;
    }

    /// One more look at every verification of a finished host; whether all still hold.
    pub async fn watch(&mut self, ctx: &RunContext<W>) -> bool {
        if self.outcome != Some(HostOutcome::Ok) {
            return true;
        }
        for index in 0..self.units.len() {
            let unit = self.units[index].clone();
            let held = self.ends.get(&unit.spec.step).filter(|end| end.outcome == Outcome::Ok).and_then(|end| end.note.clone());
            let (true, Some(held)) = (unit.polls(), held) else { continue };
            let end = converge(ctx, &mut self.link, &unit, Mode::Preview).await;
            // what must hold for a time has only just been looked at again: its word says whether it still does, if it
            // is still about the same process
            let still = end.outcome == Outcome::Ok || end.note.as_ref().is_some_and(|note| is_still(&held, note));
            if still || end.outcome == Outcome::Cancelled {
                continue;
            }
            let seen = end.finding.or_else(|| end.note.clone().map(Finding::from));
            let finding = seen.unwrap_or_else(|| Finding::new("soak", "it does not hold any more"));
            let failed = UnitEnd { finding: Some(finding.clone()), ..UnitEnd::plain(Outcome::Failed, end.note) };
            let event = EventKind::StepFinished {
                host: self.host.name.clone(),
                step: unit.spec.step.clone(),
                attempt: 1,
                outcome: Outcome::Failed,
                changed: false,
                exit_code: None,
                note: failed.note.clone(),
                finding: Some(finding),
                effects: Vec::new(),
                duration_ms: 0,
            };
            let _ = ctx.recorder.note(event).await;
            self.ends.insert(unit.spec.step.clone(), failed);
            self.finish(ctx).await;
            return false;
        }
        true
    }

    /// Ends the connection in order.
    pub async fn disconnect(&mut self) {
        self.link.close().await;
    }
}

/// Whether a look says what an earlier one said, of the same processes: a restart between two looks is no rest.
fn is_still(held: &Note, now: &Note) -> bool {
    let same = |name: &str| held.values.get(name) == now.values.get(name);
    held.word == now.word && ["pm_id", "pid", "restarts"].iter().all(|name| same(name))
}

fn skipped(unit: &Unit) -> UnitEnd {
    let condition = unit.spec.when.as_deref().unwrap_or("its condition");
    UnitEnd::plain(Outcome::Skipped, Some(Note::new("skipped", format!("not so: {condition}"))))
}

#[cfg(test)]
mod tests {
    use super::is_still;
    use crate::model::step::Note;

    #[test]
    fn a_restart_between_two_looks_is_no_rest() {
        let note = |pid: u32, restarts: u32| Note::new("single", "x").value("pid", pid).value("restarts", restarts);
        assert!(is_still(&note(7, 3), &note(7, 3).value("steady_ms", 9)));
        assert!(!is_still(&note(7, 3), &note(8, 4)));
        assert!(!is_still(&note(7, 3), &note(7, 4)), "it came and went");
        assert!(!is_still(&Note::new("single", "x"), &Note::new("looping", "x")));
    }
}
