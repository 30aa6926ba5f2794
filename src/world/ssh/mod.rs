//! SSH by one library, which nothing outside of this module names: known hosts, keys, one connection and one open
//! shell a host.

mod auth;
mod batch;
mod client;
pub(crate) mod connect;
mod facts;
mod keys;
pub mod known_hosts;
pub(crate) mod link;
pub(crate) mod script;
pub mod session;
mod shell;
pub(crate) mod split;
pub(crate) mod trust;
pub(crate) mod wire;

pub(crate) use crate::world::ssh::auth::Identities;
