//! SSH by one library, which nothing outside of this module names: known hosts, keys, one connection and one open
//! shell a host.

pub(crate) mod addresses;
mod agent;
pub(crate) mod auth;
mod batch;
pub(crate) mod client;
pub(crate) mod connect;
pub(crate) mod crowd;
mod distrust;
mod ending;
mod facts;
mod faults;
mod greeting;
mod hostcert;
mod keys;
pub mod known_hosts;
pub(crate) mod link;
mod plain_file;
mod retry;
pub(crate) mod script;
pub mod session;
mod shell;
pub(crate) mod split;
pub(crate) mod trust;
pub(crate) mod wire;

pub(crate) use crate::world::ssh::auth::Identities;
pub use crate::world::ssh::auth::KeyFault;
