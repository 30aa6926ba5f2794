//! A run for somebody who only wants to know what went wrong: the causes of failures, what is open, the closing line.

use std::io::{self, Write};

use crate::engine::report::Reporter;
use crate::model::event::{Event, EventKind};
use crate::report::end;
use crate::report::paint::Paint;
use crate::state::run::RunState;

/// Says nothing until the end, and then only what a person has to look at.
#[derive(Debug)]
pub struct Quiet<W> {
    out: W,
    paint: Paint,
    state: RunState,
}

impl<W: Write + Send> Quiet<W> {
    /// Tells it to `out`.
    pub fn new(out: W, paint: Paint) -> Self {
        Self { out, paint, state: RunState::default() }
    }

    /// Told of a run that was begun by another process: what it has done so far is known.
    #[must_use]
    pub fn knowing(self, state: RunState) -> Self {
        Self { state, ..self }
    }

    /// What it was writing to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write + Send> Reporter for Quiet<W> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        self.state.apply(event);
        match &event.kind {
            // where a run is closed later there is no closing line that would tell it
            EventKind::ObligationFailed { host, key, finding } => {
                let mut line = Vec::new();
                end::not_closed(&mut line, self.paint, &self.state, (host, key), finding)?;
                self.out.write_all(&line)?;
                self.out.flush()
            }
            EventKind::RunFinished { .. } => {
                let mut lines = Vec::new();
                end::short(&mut lines, self.paint, &self.state, event)?;
                self.out.write_all(&lines)?;
                self.out.flush()
            }
            _ => Ok(()),
        }
    }
}
