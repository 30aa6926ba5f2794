//! A unit that did not end well where a person is asked what now: the lane waits, the others go on.

use crate::engine::ask::{Heard, Question, Said};
use crate::engine::lane::{Lane, Tries, is_harmless};
use crate::engine::link::RunContext;
use crate::engine::unit::{Unit, UnitEnd};
use crate::engine::world::World;
use crate::model::outcome::Outcome;
use crate::model::plan::{OnFailure, Section};
use crate::state::summary::keyed;

/// What a person decided about a unit that did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// Another attempt.
    Retry,
    /// The lane goes on with the next unit.
    Skip,
    /// The lane ends here.
    Exclude,
    /// The run stops; by whom.
    Abort(String),
}

const RETRY: &str = "retry";
const SKIP: &str = "skip";
const EXCLUDE: &str = "exclude";
const ABORT: &str = "abort";

impl<W: World> Lane<W> {
    /// Asks what now, where the runbook wants it and somebody can be asked. Not bounded: nothing follows from silence. None:
    /// nobody has decided.
    pub(super) async fn decide(&self, ctx: &RunContext<W>, unit: &Unit, end: &UnitEnd, tries: &Tries) -> Option<Choice> {
        if !self.asks(ctx, unit, end, tries) {
            return None;
        }
        let (spec, host) = (&unit.spec, &self.host.name);
        let id = format!("failed:{host}:{}:{}", spec.step, tries.n);
        let finding = end.finding.clone().map(|finding| keyed(finding, Some(&spec.step), host));
        let why = finding.as_ref().map_or_else(String::new, |finding| format!(": {}", finding.summary));
        let question = Question {
            id: id.clone(),
            step: Some(spec.step.clone()),
            hosts: vec![host.clone()],
            text: format!("{host} {} at {} {}{why}", end.outcome, spec.n, spec.step),
            options: options(end.outcome).iter().map(|option| (*option).to_owned()).collect(),
            finding,
        };
        match ctx.ask(question, ctx.orders.excluded.taken(host)).await {
            Heard::Said(said) => Some(match said.option.as_str() {
                RETRY => Choice::Retry,
                SKIP => Choice::Skip,
                ABORT => Choice::Abort(said.by),
                _ => Choice::Exclude,
            }),
            Heard::Over => {
                let by = ctx.orders.excluded.by(host)?;
                ctx.decided(id, &Said { option: EXCLUDE.to_owned(), by, via: "tty".to_owned(), note: None }).await;
                Some(Choice::Exclude)
            }
            Heard::Stopped | Heard::Deaf => None,
        }
    }

    fn asks(&self, ctx: &RunContext<W>, unit: &Unit, end: &UnitEnd, tries: &Tries) -> bool {
        let bad = matches!(end.outcome, Outcome::Failed | Outcome::Refused | Outcome::Unknown) && !is_harmless(unit, end);
        let asks = unit.spec.on_failure == OnFailure::Ask && unit.spec.section != Section::Precheck && ctx.asking.can_ask;
        // what runs once is decided about where it runs
        let here = tries.mine || !unit.spec.scope.is_shared();
        bad && asks && here && !self.stopped && !ctx.is_over(&self.host.name)
    }
}

/// What can be done: what is not known to be over is neither done again nor left behind.
fn options(outcome: Outcome) -> &'static [&'static str] {
    if outcome == Outcome::Unknown { &[EXCLUDE, ABORT] } else { &[RETRY, SKIP, EXCLUDE, ABORT] }
}
