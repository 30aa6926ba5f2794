//! The full-screen session: what is typed, what is drawn, and a terminal that is always given back as it was found.

pub mod clipboard;
pub mod crash;
pub mod guard;
pub mod input;
mod private;
pub mod terminal;
