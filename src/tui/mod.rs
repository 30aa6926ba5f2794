//! The full-screen session: what is on the screen is a pure function of what happened and of where the person is.
//!
//! Input goes in by [`update::update`], which changes the [`ui::Ui`] and says what is to be done; events of the live run and what
//! was read go into the [`model::Model`]; [`draw::draw`] paints both. It speaks to the engine in events and orders only.

pub mod action;
pub mod attention;
pub mod clipboard;
pub mod command;
pub mod crash;
pub mod draw;
pub mod guard;
pub mod input;
pub mod interrupts;
pub mod keymap;
pub mod list;
pub mod model;
pub mod pace;
mod private;
pub mod screen;
pub mod session;
pub mod steer;
pub mod terminal;
pub mod theme;
pub mod ui;
pub mod update;
pub mod view;
pub mod withhold;
