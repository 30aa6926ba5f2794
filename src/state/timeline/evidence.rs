//! What shows that an event says the truth: lines as they were seen, what to do about it, how it was done.

use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::id::StepId;
use crate::model::step::Note;

/// The most lines that are kept of one event.
const LINES: usize = 20;

/// The step that an event is about.
pub(super) fn step(kind: &EventKind) -> Option<&StepId> {
    use EventKind as E;
    match kind {
        E::PreviewStep { step, .. }
        | E::StepJudged { step, .. }
        | E::StepFinished { step, .. }
        | E::ObligationOpened { step, .. } => Some(step),
        _ => None,
    }
}

/// The lines that show it, as they came.
pub(super) fn lines(kind: &EventKind) -> Vec<String> {
    use EventKind as E;
    let mut lines: Vec<String> = match kind {
        E::StepJudged { note, .. } => of_note(note).collect(),
        E::StepFinished { note, finding, effects, .. } => {
            let found = finding.iter().flat_map(of_finding);
            found.chain(effects.iter().cloned()).chain(note.iter().flat_map(of_note)).collect()
        }
        E::HostReach { finding, .. } | E::HostFinished { finding, .. } => finding.iter().flat_map(of_finding).collect(),
        E::ObligationFailed { finding, .. } => of_finding(finding).collect(),
        E::PreviewStep { effects, .. } => effects.clone(),
        E::BatchStarted { hosts, .. } => vec![crate::model::hostset::fold(hosts)],
        _ => Vec::new(),
    };
    let mut seen = std::collections::BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines.truncate(LINES);
    lines
}

fn of_finding(finding: &Finding) -> impl Iterator<Item = String> + use<'_> {
    let hint = finding.hint.iter().map(|hint| format!("next: {hint}"));
    finding.evidence.iter().cloned().chain(hint)
}

fn of_note(note: &Note) -> impl Iterator<Item = String> + use<'_> {
    let hint = note.hint.iter().map(|hint| format!("next: {hint}"));
    note.evidence.iter().cloned().chain(hint)
}
