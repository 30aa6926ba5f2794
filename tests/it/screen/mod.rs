//! The screens as pure functions: a model and keys in, a page out.

mod basics;
mod books;
mod decide;
mod history;
mod host;
mod hosts;
mod open;
pub mod page;
mod preview;
mod run;
pub mod story;
mod timeline;
