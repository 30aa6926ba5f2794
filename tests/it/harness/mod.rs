//! What tests share: fleets of sshd, labs, exact output.

pub(crate) mod bytes;
#[cfg(target_os = "linux")]
pub(crate) mod lab;
#[cfg(target_os = "linux")]
pub(crate) mod place;
pub mod script;
pub(crate) mod server;
pub(crate) mod sshd;
pub mod world;
