//! The main job from outside, on the real practice fleet: a restart loop is repaired while clients are served, nothing
//! is done twice, a dry run touches nothing, what a killed run left open is put back, and where nothing is wrong nothing
//! is done.
#![cfg(target_os = "linux")]

mod again;
mod demo;
mod dry_run;
mod ends;
mod left_open;
mod lookalikes;
mod orphan;
mod poller;
mod port;
mod repair;
mod runs;
mod service;
mod snapshot;
mod stuck_switch;
pub(crate) mod terminal;
