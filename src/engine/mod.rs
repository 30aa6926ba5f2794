//! Running a plan: one loop, one event, one owner of the run's state. It names no SSH library, no database, no screen.

pub mod log;
pub mod report;
pub mod world;
