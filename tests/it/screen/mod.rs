//! The screens as pure functions: a model and keys in, a page out.

mod basics;
pub mod page;
mod run;
pub mod story;
