//! The session without a command as a person has it: the real program in a terminal, keys in, the screen out.

mod bytes;
mod deciding;
mod flow;
mod folder;
mod lab;
mod person;
mod resize;
mod secrets;
mod states;
mod steering;
mod stopping;
mod tmux;
mod without;
