//! What screens are made of: lines of cells, the frame that all share, panels, the sentence that says what is going on.

pub mod cells;
pub mod frame;
pub mod heads;
pub mod moves;
pub mod now;
pub mod panel;
pub mod sides;
pub mod wrap;
