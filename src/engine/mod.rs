//! Running a plan: one loop, one event, one owner of the run's state. It names no SSH library, no database, no screen.
//!
//! [`run::run`] previews, asks and works through the batches; [`lane`] is one host; [`converge`] is the loop that every
//! check, wait, change, verification and close goes through; [`dispatch`] numbers, records, folds and tells each event.

pub mod ask;
pub mod brake;
pub mod budget;
pub mod close;
pub mod converge;
pub mod dispatch;
pub mod excluded;
pub mod lane;
pub mod link;
pub mod log;
pub mod machines;
pub mod orders;
pub mod report;
pub mod run;
pub mod seen;
pub mod shared;
pub mod unit;
pub mod world;
