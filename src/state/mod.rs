//! Events folded into a state: the live screen, history, summaries and the timeline all use this one fold.

pub mod busy;
pub mod choices;
pub mod class;
pub mod fleet;
pub mod foreseen;
#[cfg(test)]
mod generated;
pub mod log;
pub mod looked;
pub mod places;
pub mod run;
pub mod series;
pub mod summary;
pub mod timeline;
pub mod told;
pub mod trail;
pub mod words;
