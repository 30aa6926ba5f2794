//! A finished host while it soaks: does everything that was verified still hold?

use crate::engine::converge::{Attempt, Mode, converge};
use crate::engine::lane::Lane;
use crate::engine::link::RunContext;
use crate::engine::unit::{Unit, UnitEnd};
use crate::engine::world::World;
use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::outcome::{HostOutcome, Outcome};
use crate::model::plan::Section;
use crate::model::step::Note;
use crate::state::summary::keyed;
use crate::steps::Class;

impl<W: World> Lane<W> {
    /// One more look at every verification of a finished host; whether all still hold.
    pub async fn watch(&mut self, ctx: &RunContext<W>) -> bool {
        if self.outcome != Some(HostOutcome::Ok) {
            return true;
        }
        for index in 0..self.units.len() {
            let unit = self.units[index].clone();
            let held = self.ends.get(&unit.spec.step).filter(|end| end.outcome == Outcome::Ok).and_then(|end| end.note.clone());
            // a wait that is over says nothing of how it is now, and an answer is not given twice
            let verifies = matches!(unit.spec.section, Section::Verify | Section::VerifyAfterClose) && unit.class == Class::Check;
            let (true, Some(held)) = (verifies, held) else { continue };
            let end = self.look_again(ctx, &unit).await;
            // what must hold for a time has only just been looked at again: its word says whether it still does, if it
            // is still about the same process
            let still = end.outcome == Outcome::Ok || end.note.as_ref().is_some_and(|note| is_still(&held, note));
            if still || end.outcome == Outcome::Cancelled {
                continue;
            }
            let seen = end.finding.or_else(|| end.note.clone().map(Finding::from));
            let finding = seen.unwrap_or_else(|| Finding::new("soak", "it does not hold any more"));
            let finding = keyed(finding, Some(&unit.spec.step), &self.host.name);
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

    async fn look_again(&mut self, ctx: &RunContext<W>, unit: &Unit) -> UnitEnd {
        match self.ready(unit) {
            Ok(unit) => converge(ctx, &mut self.link, &unit, Mode::Preview, Attempt::first()).await,
            Err(finding) => UnitEnd::no(Outcome::Failed, finding),
        }
    }
}

/// Whether a look says what an earlier one said, of the same processes: a restart between two looks is no rest.
fn is_still(held: &Note, now: &Note) -> bool {
    let same = |name: &str| held.values.get(name) == now.values.get(name);
    held.word == now.word && ["pm_id", "pid", "restarts"].iter().all(|name| same(name))
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
