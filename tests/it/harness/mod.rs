//! What tests share: fleets of sshd, labs, exact output.

pub mod world;
