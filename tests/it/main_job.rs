//! The main job from outside, on the real practice fleet: a restart loop is repaired while clients are served, nothing
//! is done twice, a dry run touches nothing, and what a killed run left open is put back.
#![cfg(target_os = "linux")]

mod again;
mod demo;
mod dry_run;
mod ends;
mod left_open;
mod poller;
mod port;
mod repair;
mod runs;
mod service;
mod snapshot;
mod terminal;
