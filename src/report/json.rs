//! A run for a program: the recorded events as they are, one JSON object a line, each written as soon as it is recorded.

use std::io::{self, Write};

use crate::engine::report::Reporter;
use crate::model::event::Event;

/// Tells a run to a program.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
}

impl<W: Write + Send> Json<W> {
    /// Tells it to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// What it was writing to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

impl<W: Write + Send> Reporter for Json<W> {
    fn on(&mut self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        // one write a line, so that no reader sees half of one
        self.out.write_all(&line)?;
        self.out.flush()
    }
}
