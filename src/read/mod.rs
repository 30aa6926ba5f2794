//! Outputs of well-known tools and answers of services, from text into structures or into [`Unreadable`].
//!
//! [`Unreadable`]: crate::model::step::Unreadable

pub mod access;
pub mod answer;
pub mod file;
pub mod holder;
pub mod logs;
pub mod pm2;
pub mod pm2_daemon;
pub mod pm2_host;
pub mod pm2_project;
pub mod proc;
pub mod room;
pub mod script;
pub mod signature;
pub mod size;
pub mod sockets;
pub mod url;
