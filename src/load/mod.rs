//! Files into the model: inventory and runbooks, every error positioned, all of them at once.

mod condition;
pub mod diagnostic;
pub mod document;
mod fields;
mod groups;
pub mod inventory;
pub mod kinds;
mod lint;
mod manner;
mod rollout;
pub mod runbook;
mod secrets;
pub mod source;
mod step;
mod vars;
