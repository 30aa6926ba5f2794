//! A fleet SSH runbook executor: declarative runbooks, one engine, one event log, an incident timeline.
//!
//! The layers, each importing only downward (`tests/it/architecture.rs` holds them to it):
//!
//! | layer | modules | knows |
//! |---|---|---|
//! | 7 | `fuzzing` | what the fuzz targets need of the inside; no part of the program |
//! | 6 | `cli` | arguments, exit codes, which parts to plug together |
//! | 5 | `world` `journal` `report` `tui` `lab` | SSH and HTTP; SQLite; words; screens; the practice fleet |
//! | 4 | `engine` | the loop: look, judge, act, look again |
//! | 3 | `load` | files into the model, with positions |
//! | 2 | `steps` `plan` | what each kind looks at and decides; plans |
//! | 1 | `read` `state` | outputs of tools into structures; events into a state |
//! | 0 | `model` | the nouns |

pub mod cli;
pub mod engine;
#[doc(hidden)]
pub mod fuzzing;
pub mod journal;
pub mod lab;
pub mod load;
pub mod model;
pub mod plan;
pub mod read;
pub mod report;
pub mod state;
pub mod steps;
pub mod tui;
pub mod world;
