//! SSH by one library, which nothing outside of this module names: known hosts, keys, one connection and one open
//! shell a host.

mod agent;
mod auth;
mod batch;
mod client;
pub(crate) mod connect;
mod distrust;
mod facts;
mod hostcert;
mod keys;
pub mod known_hosts;
pub(crate) mod link;
mod plain_file;
pub(crate) mod script;
pub mod session;
mod shell;
mod split;
pub(crate) mod trust;
mod wire;

pub(crate) use crate::world::ssh::auth::Identities;
pub use crate::world::ssh::auth::KeyFault;
