//! `lab down`: ends everything with the lab's label and forgets its state. Keys and PM2 stay for the next time.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::error::LabError;
use crate::lab::label;
use crate::lab::order::{SOCKET, STATE};
use crate::lab::place::Place;
use crate::lab::up::{FAULTS, alive};

const LIMIT: Duration = Duration::from_secs(30);

/// Ends it; what is not there is no error.
pub fn down(dir: &Path, say: &mut dyn FnMut(&str)) -> Result<(), LabError> {
    let begun = Instant::now();
    let place = Place::new(dir)?;
    let _lock = if place.dir().is_dir() { Some(place.lock()?) } else { None };
    let hosts = alive(&place)?.map_or(0, |state| state.hosts.len());
    let ended = label::end_all(place.id(), LIMIT)?;
    for name in [STATE, FAULTS, SOCKET] {
        let _ = std::fs::remove_file(place.path(name));
    }
    if ended == 0 {
        say("the lab was not up");
    } else {
        say(&format!("{hosts} hosts down, {ended} processes ended in {:.2} s", begun.elapsed().as_secs_f64()));
    }
    Ok(())
}
