//! Closing an obligation: the same loop, on the unit that was recorded when it was opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::engine::converge::{Attempt, Mode, converge};
use crate::engine::dispatch::{Dispatch, Start};
use crate::engine::link::{Link, RunContext};
use crate::engine::log::Log;
use crate::engine::report::Reporter;
use crate::engine::unit::{Unit, UnitEnd};
use crate::engine::world::World;
use crate::model::event::EventKind;
use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::model::id::{HostName, RunId};
use crate::model::outcome::Outcome;
use crate::model::step::Obligation;
use crate::state::run::{HostState, RunState};

/// The finding code of a closer that sees a value which is neither ours nor the former one.
pub const THEIRS: &str = "theirs";

/// How an obligation is closed whose change was never sent.
const UNSENT: &str = "not-sent";

/// Restores what `obligation` recorded, unless somebody else has changed it since; whether it is closed now. Orders to
/// stop do not end it: leaving something open is what they must not do.
pub async fn close<W: World>(ctx: &RunContext<W>, link: &mut Link<W>, obligation: &Obligation) -> bool {
    let host = link.name().clone();
    let end = match Unit::new(&obligation.closer, &BTreeMap::new(), &BTreeMap::new()) {
        Ok(unit) => converge(&ctx.for_closing(), link, &unit, Mode::Act, Attempt::first()).await,
        Err(finding) => UnitEnd::no(Outcome::Failed, finding),
    };
    let key = obligation.key.clone();
    let line = end.note.as_ref().map(|note| note.summary.clone());
    let closed = |how: &str, summary: String| EventKind::ObligationClosed {
        host: host.clone(),
        key: key.clone(),
        how: how.to_owned(),
        summary,
    };
    let event = match (end.outcome, end.finding) {
        (Outcome::Changed, _) => {
            closed("restored", line.unwrap_or_else(|| format!("{} is {} again", obligation.title, obligation.was)))
        }
        (Outcome::Already, _) => {
            closed("already", line.unwrap_or_else(|| format!("{} was {} already", obligation.title, obligation.was)))
        }
        (_, Some(finding)) if finding.code == THEIRS => closed(THEIRS, finding.summary),
        (_, finding) => {
            let finding = finding.unwrap_or_else(|| Finding::new("not-closed", "it could not be closed"));
            EventKind::ObligationFailed { host: host.clone(), key: key.clone(), finding }
        }
    };
    let done = matches!(event, EventKind::ObligationClosed { .. });
    ctx.recorder.commit(event).await.is_ok() && done
}

/// Closes what the record says is open on a host, newest first, where `due` says so. What was never sent is not touched.
pub async fn close_recorded<W: World>(ctx: &RunContext<W>, host: &Host, state: &HostState, due: impl Fn(&Obligation) -> bool) {
    let mut open: Vec<_> = state.open.values().filter(|open| due(&open.obligation)).collect();
    open.sort_by_key(|open| std::cmp::Reverse(open.seq));
    let mut link = Link::again(host.clone(), state.facts.as_ref());
    for owed in open {
        // the intent is recorded before the bytes leave, and taken back where a guard said no
        if state.units.get(&owed.step).is_some_and(|unit| unit.changed) {
            close(ctx, &mut link, &owed.obligation).await;
        } else {
            // where it cannot be recorded it stays open
            let _ = ctx.recorder.commit(unsent(&host.name, &owed.obligation)).await;
        }
    }
    link.close().await;
}

/// Closed without a touch: nothing was sent, so nothing was opened, and putting back would undo what somebody else did.
pub(super) fn unsent(host: &HostName, obligation: &Obligation) -> EventKind {
    EventKind::ObligationClosed {
        host: host.clone(),
        key: obligation.key.clone(),
        how: UNSENT.to_owned(),
        summary: format!("{} was not touched: nothing was sent", obligation.title),
    }
}

/// A run that ended with something open.
pub struct LeftOpen<W: World, L: Log> {
    /// The run.
    pub run: RunId,
    /// Its state as recorded.
    pub state: RunState,
    /// Its hosts as planned.
    pub hosts: Vec<Host>,
    /// Where they are.
    pub world: Arc<W>,
    /// The record, to which this is appended.
    pub log: L,
    /// Who is told.
    pub reporters: Vec<Box<dyn Reporter>>,
}

/// Closes everything that a run left open, newest first on each host, one host after the other; the state after it.
/// `None` when a part of this program failed.
pub async fn close_all<W: World, L: Log>(left: LeftOpen<W, L>) -> Option<RunState> {
    let open =
        |host: Host| left.state.hosts.get(&host.name).filter(|state| !state.open.is_empty()).cloned().map(|state| (host, state));
    let due: Vec<(Host, HostState)> = left.hosts.into_iter().filter_map(open).collect();
    let lost = CancellationToken::new();
    let clock = Arc::clone(&left.world);
    let dispatch = Dispatch::start(Start {
        run: left.run,
        state: left.state,
        log: left.log,
        reporters: left.reporters,
        now: Arc::new(move || clock.now()),
        lost: lost.clone(),
    });
    let ctx = RunContext::alone(left.world, dispatch.recorder.clone(), lost);
    for (host, state) in due {
        close_recorded(&ctx, &host, &state, |_| true).await;
    }
    drop(ctx);
    dispatch.finish().await
}
