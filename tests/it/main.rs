//! Everything that is tested from outside, in one binary.

#![allow(unreachable_pub)]

mod architecture;
mod cases;
mod engine;
mod exec;
mod exit_codes;
mod harness;
mod journal;
mod json;
mod lab;
mod load;
mod main_job;
mod pm2_cases;
mod report;
mod rollout;
mod ssh;
