//! Files into the model: inventory and runbooks, every error positioned, all of them at once.

pub mod diagnostic;
pub mod document;
pub mod inventory;
pub mod kinds;
mod lint;
pub mod runbook;
pub mod source;
mod step;
mod vars;
