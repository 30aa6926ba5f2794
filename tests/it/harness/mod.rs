//! What tests share: fleets of sshd, labs, exact output.

pub mod world;
pub(crate) mod server;
pub(crate) mod sshd;
#[cfg(target_os = "linux")]
pub(crate) mod lab;
