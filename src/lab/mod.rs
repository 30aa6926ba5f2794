//! The practice fleet: real sshd, real PM2, a namespace per host.
