//! Why a host is not ok, and at which step: from its end, its units, or its preview.

use std::borrow::Cow;

use crate::model::finding::Finding;
use crate::model::id::{HostName, StepId};
use crate::state::run::{HostState, RunState};
use crate::state::summary;

/// Why a host is not ok.
pub(super) struct Cause<'s> {
    name: &'s HostName,
    /// At which step, where at one.
    pub(super) step: Option<&'s StepId>,
    /// In words.
    pub(super) finding: Cow<'s, Finding>,
}

impl Cause<'_> {
    /// What equal causes have in common.
    pub(super) fn key(&self) -> String {
        let known = self.finding.fold_key.clone();
        known.unwrap_or_else(|| summary::fold_key(self.step, &self.finding, self.name))
    }
}

/// Why a host is not ok, where that is known.
pub(super) fn cause<'s>(name: &'s HostName, run: &'s RunState, host: &'s HostState) -> Option<Cause<'s>> {
    if let Some((step, finding)) = summary::cause(run, host) {
        return Some(Cause { name, step, finding: Cow::Borrowed(finding) });
    }
    let (step, finding) = summary::preview_cause(run, host)?;
    Some(Cause { name, step: Some(step), finding: Cow::Owned(finding) })
}
