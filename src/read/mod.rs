//! Outputs of well-known tools into structures, or a reason why not. Pure: text in, data out.

pub mod holder;
pub mod pm2;
pub mod pm2_daemon;
pub mod pm2_host;
pub mod proc;
pub mod sockets;
