//! What tests share: fleets of sshd, labs, exact output.

pub mod world;
pub(crate) mod server;
pub(crate) mod sshd;
