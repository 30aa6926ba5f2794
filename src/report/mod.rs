//! Runs told in words: on a terminal, on a pipe, as a table of what would change, as a story afterwards.
//!
//! Every reporter keeps its own fold of the events and writes to whatever it was given; everything that came from a host
//! passes the one sanitiser on its way out. Meaning is never carried by colour alone.

pub mod end;
pub mod human;
pub mod json;
pub mod limit;
pub mod lines;
pub mod live;
pub mod markdown;
pub mod paint;
pub mod preview;
pub mod quiet;
pub mod signs;
pub mod sink;
pub mod timeline;
mod wrap;
