//! What tests share: fleets of sshd, labs, exact output.

pub(crate) mod agent;
pub(crate) mod asyncssh;
#[cfg(target_os = "linux")]
pub(crate) mod lab;
pub mod script;
pub(crate) mod server;
pub(crate) mod sshd;
pub mod world;
