//! The screens as pure functions: a model and keys in, a page out.

mod basics;
mod history;
mod open;
pub mod page;
pub mod story;
mod timeline;
