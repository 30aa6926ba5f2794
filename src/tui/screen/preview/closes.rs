//! When what a step opens is closed again, as far as it is known: from the runbook, where it is the one that was planned.

use crate::model::event::PlannedStep;
use crate::model::plan::Section;
use crate::model::step::ClosePolicy;
use crate::state::run::RunState;
use crate::steps::{self, Touches};
use crate::tui::model::Model;

/// Whether a step opens something that must be closed.
pub(crate) fn opens(step: &PlannedStep) -> bool {
    let kind = steps::kind(&step.kind);
    step.section == Section::Step && kind.is_some_and(|kind| matches!(kind.touches, Touches::Switch | Touches::Target))
}

/// When it is closed; none where that is not known here.
pub(crate) fn policy(model: &Model, run: &RunState, step: &PlannedStep) -> Option<ClosePolicy> {
    let planned = run.runbook.as_ref()?;
    let book = model.book(planned.name.as_str())?.is.as_ref().ok().filter(|book| book.sha256 == planned.sha256)?;
    let declared = book.steps.iter().find(|declared| declared.id == step.id)?;
    let default = if steps::kind(&step.kind)?.touches == Touches::Switch { "always" } else { "when-verified" };
    let word = declared.fields.get("close").map_or(Some(default), |word| word.as_str())?;
    match word {
        "always" => Some(ClosePolicy::Always),
        "when-verified" => Some(ClosePolicy::WhenVerified),
        "never" => Some(ClosePolicy::Never),
        _ => None,
    }
}

/// When it is closed, in words.
pub(crate) fn words(policy: Option<ClosePolicy>) -> &'static str {
    match policy {
        Some(ClosePolicy::Always) => "comes back even if you abort",
        Some(ClosePolicy::WhenVerified) => "comes back once verified, else stays open",
        Some(ClosePolicy::Never) => "is not put back by this run",
        None => "the runbook says when it comes back",
    }
}
