//! The practice fleet: real sshd, real PM2, a set of namespaces per host.
//!
//! Three processes of one binary. `lab up` is short; it leaves a *supervisor*, the first process of an outer process and
//! mount namespace, which owns a network namespace with a bridge; per host an *init* is the first process of namespaces
//! of its own. When the supervisor ends the kernel ends everything else, so there is no half of a lab to clean up.
//! Where namespaces are refused, the loopback form runs one sshd per host as the current user.
#![cfg(target_os = "linux")]

pub mod down;
pub mod error;
pub mod fault;
pub mod form;
pub mod init;
pub mod status;
pub mod supervisor;
pub mod up;

mod facts;
mod files;
mod health;
mod inside;
mod keys;
mod label;
mod loopback;
mod order;
mod place;
mod programs;
mod relay;
mod view;
