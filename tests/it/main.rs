//! Everything that is tested from outside, in one binary.

#![allow(unreachable_pub)]

mod architecture;
mod bad_input;
mod cases;
mod checks;
mod control;
mod documents;
mod engine;
mod exec;
mod exit_codes;
mod faults;
mod free_port;
mod fuzz;
mod harness;
mod holds;
#[cfg(target_os = "linux")]
mod hostile;
#[cfg(target_os = "linux")]
mod hostile_fleet;
mod hosts;
mod inputs;
mod journal;
mod json;
mod lab;
mod language;
mod load;
mod main_job;
mod pm2_cases;
mod questions;
mod report;
mod rollout;
mod screen;
#[cfg(target_os = "linux")]
mod screen_terminal;
#[cfg(target_os = "linux")]
mod secrets;
#[cfg(target_os = "linux")]
mod session;
mod show;
mod sim;
mod ssh;
mod waits;
