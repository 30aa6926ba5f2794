//! Bystanders of a run.

use std::io;

use crate::model::event::Event;

/// Something that is told every event after it was recorded. It keeps its own fold. One that fails is detached and the
/// run goes on.
pub trait Reporter: Send {
    /// An event happened.
    fn on(&mut self, event: &Event) -> io::Result<()>;

    /// Nothing happened for a moment; a live display may redraw.
    fn tick(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The last event was told.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
