//! Outputs of well-known tools into structures, or a reason why not. Pure: text in, data out.

pub mod pm2_project;
