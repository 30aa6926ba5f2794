//! Variables that hold secrets: no program that the screen starts gets them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokio::process::Command;

static NAMES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// From now on no program gets these variables.
pub fn add(names: impl IntoIterator<Item = String>) {
    NAMES.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
}

/// Keeps them from a program.
pub(super) fn from(command: &mut Command) {
    for name in NAMES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        command.env_remove(name);
    }
}
