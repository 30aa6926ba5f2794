//! The screens as pure functions: a model and keys in, a page out.

mod basics;
pub mod page;
pub mod story;
mod timeline;
