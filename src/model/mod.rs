//! The nouns of runbook, and the pure rules that belong to them.
//!
//! Nothing here does input or output, reads a clock or spawns anything; every other layer imports this one.

pub mod control;
pub mod event;
pub mod fields;
pub mod finding;
pub mod grammar;
pub mod host;
pub mod hostset;
pub mod id;
pub mod inventory;
pub mod op;
pub mod outcome;
pub mod own_vars;
mod pattern;
pub mod plan;
pub mod runbook;
pub mod selector;
pub mod sim;
pub mod step;
pub mod template;
pub mod time;
mod token;
pub mod vars;
pub mod visible;
pub mod when;
