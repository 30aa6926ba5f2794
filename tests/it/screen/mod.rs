//! The screens as pure functions: a model and keys in, a page out.

mod basics;
mod preview;
pub mod page;
pub mod story;
