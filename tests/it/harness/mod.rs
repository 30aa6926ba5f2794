//! What tests share: fleets of sshd, labs, exact output.

pub(crate) mod agent;
pub(crate) mod asyncssh;
pub(crate) mod between;
#[cfg(target_os = "linux")]
pub(crate) mod bytes;
pub(crate) mod endpoint;
pub(crate) mod hostile;
#[cfg(target_os = "linux")]
pub(crate) mod lab;
pub(crate) mod personality;
#[cfg(target_os = "linux")]
pub(crate) mod place;
pub(crate) mod scan;
pub mod script;
pub(crate) mod server;
pub(crate) mod sshd;
pub mod world;
