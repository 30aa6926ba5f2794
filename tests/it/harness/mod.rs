//! What tests share: fleets of sshd, labs, exact output.

#[cfg(target_os = "linux")]
pub(crate) mod lab;
