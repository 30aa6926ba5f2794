//! What tests share: fleets of sshd, labs, exact output.

pub(crate) mod hostile;
#[cfg(target_os = "linux")]
pub(crate) mod lab;
pub(crate) mod scan;
pub mod script;
pub(crate) mod server;
pub(crate) mod sshd;
pub mod world;
