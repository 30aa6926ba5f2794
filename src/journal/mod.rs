//! The record: one SQLite file, one writer, rows chained by hashes, an intent durable before its change is sent.
//!
//! Knows files and SQL; knows nothing of SSH, screens or words for people. Whoever reads opens a connection of its own
//! that cannot write.

pub mod chain;
pub mod lock;
pub mod place;
pub mod query;
pub mod schema;
pub mod store;
pub mod writer;
