//! What this program promises, held against the binary itself on simulated fleets: a failed run of thousands is read in a
//! few lines and gone on with by pasting one of them; whatever programs read is as its schema says, however it ends; and
//! nothing is done to a host that refused or has failed.

mod fleet;
mod pasted;
mod stops;
mod streams;
