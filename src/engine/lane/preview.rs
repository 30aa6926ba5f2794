//! What would be done on one host: every unit is looked at, nothing is changed.

use std::collections::BTreeMap;

use crate::engine::converge::{Attempt, Mode, converge};
use crate::engine::lane::{Lane, skipped};
use crate::engine::link::RunContext;
use crate::engine::shared::Turn;
use crate::engine::unit::{Unit, UnitEnd};
use crate::engine::world::World;
use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::outcome::{HostOutcome, Outcome};
use crate::model::step::{Basis, Note};
use crate::model::when::Truth;
use crate::steps::{Class, Touches};

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
    /// Looks at everything and says what would be done; changes nothing.
    pub async fn preview(&mut self, ctx: &RunContext<W>) -> LanePreview {
        let mut preview = LanePreview::default();
        drop(ctx.go(&self.host.name).await);
        if ctx.orders.excluded.has(&self.host.name) {
            self.held = Some("it was left out".to_owned());
            preview.outcome = Some(HostOutcome::Cancelled);
            return preview;
        }
        if let Err(finding) = self.link.connect(ctx).await {
            return self.not_reached(finding);
        }
        let mut blocked: Option<String> = None;
        for index in 0..self.units.len() {
            drop(ctx.go(&self.host.name).await);
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
            self.keep(&self.units[index].clone(), &end);
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
        self.captured.clear();
        ctx.shared.left(&self.host.name);
        preview
    }

    /// The preview of a host that cannot be reached, or is not who it should be: nothing is going to be changed there.
    fn not_reached(&mut self, finding: Finding) -> LanePreview {
        let signature = format!("unreachable {}", finding.code);
        self.held = Some(format!("it could not be reached when the run was confirmed ({})", finding.code));
        self.unreachable = Some(finding);
        LanePreview { signature, outcome: Some(HostOutcome::Unreachable), ..LanePreview::default() }
    }

    /// Lets go of a host that was looked at and must not be worked on.
    pub async fn leave(&mut self, finding: Finding) -> LanePreview {
        self.link.close().await;
        self.not_reached(finding)
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
        let ready = match self.ready(&unit) {
            Ok(ready) => ready.into_owned(),
            Err(finding) => return not_known(finding.summary),
        };
        let end = self.look(ctx, &ready).await;
        if unit.class == Class::Action
            && self.awaits(unit.touches)
            && end.outcome == Outcome::Refused
            && end.unreachable.is_none()
            && end.finding.as_ref().is_none_or(|finding| finding.code != "unreadable")
        {
            // what cannot be read stays a no: no change makes it readable
            let why = end.finding.map_or_else(|| "it would be refused now".to_owned(), |finding| finding.summary);
            return not_known(format!("{why}; a change before it may make that another thing"));
        }
        if unit.class == Class::Check && waits_for && end.outcome == Outcome::Failed && end.unreachable.is_none() {
            // it stands behind a change, so that its "no" of today says nothing about the run
            return not_known("is not so now; a change before it has not happened".to_owned());
        }
        (end, unit.step.basis())
    }

    /// Whether an action before this would or might change the host.
    fn awaits_change(&self) -> bool {
        self.pending(|_| true)
    }

    /// Whether one would or might change what an action of that kind is about.
    fn awaits(&self, touches: Touches) -> bool {
        self.pending(|unit| unit.touches.reaches(touches))
    }

    fn pending(&self, which: impl Fn(&Unit) -> bool) -> bool {
        self.units.iter().filter(|unit| unit.class == Class::Action && which(unit)).any(|unit| {
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
            // what runs once is counted where it runs
            Outcome::WouldChange if end.done_by.is_none() => preview.changes += 1,
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

    /// A dry run ends here: what the preview came to is what becomes of the host.
    pub async fn finish_preview(&mut self, ctx: &RunContext<W>, preview: &LanePreview) {
        self.outcome = preview.outcome.or(Some(HostOutcome::Ok));
        self.finish(ctx).await;
    }

    /// Looks at one unit; where it runs once a run, one lane looks for all.
    async fn look(&mut self, ctx: &RunContext<W>, unit: &Unit) -> UnitEnd {
        let (step, host) = (&unit.spec.step, &self.host.name);
        if unit.spec.scope.is_shared() {
            let turn = tokio::select! {
                turn = ctx.shared.turn(step, host) => turn,
                () = ctx.orders.stop.cancelled() => Turn::Never(host.clone()),
                () = ctx.lost.cancelled() => Turn::Never(host.clone()),
            };
            match turn {
                Turn::Mine => {}
                Turn::Theirs(leader, end) => return end.shared(leader),
                Turn::Never(_) => return UnitEnd::plain(Outcome::NotKnown, Some(Note::new("not-known", "it was not looked at"))),
            }
        }
        let end = converge(ctx, &mut self.link, unit, Mode::Preview, Attempt::first()).await;
        if unit.spec.scope.is_shared() {
            ctx.shared.done(&unit.spec.step, &self.host.name, end.clone());
        }
        end
    }
}
