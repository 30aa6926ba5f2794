//! Hosts as odd as hosts are.
