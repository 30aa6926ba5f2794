//! Diagnostics of runbook itself, for debugging runbook: a file beside the journal, never the screen.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Mutex;

use rustix::fs::OFlags;
use tracing_subscriber::EnvFilter;

use crate::cli::settings::Settings;
use crate::journal::place;
use crate::world::secrets::sink::Clean;

/// A larger file makes room for a new one first; one former file is kept.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Starts writing warnings, or what `RUNBOOK_LOG` asks for (such as `debug`), to `runbook.log` in the state directory.
/// Where that cannot be had there is no log; the journal has its own, stricter rules.
pub fn start(settings: &Settings) {
    let Some(file) = file(&settings.state_dir) else { return };
    let asked = std::env::var("RUNBOOK_LOG").unwrap_or_else(|_| "warn".to_owned());
    let filter = EnvFilter::try_new(&asked).unwrap_or_else(|_| EnvFilter::new("warn"));
    // at finer levels the SSH library writes down what it signs
    let filter = match "russh=warn".parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Mutex::new(Clean::new(file)));
    // a second start in one process keeps the first log
    let _ = log.try_init();
}

fn file(state_dir: &Path) -> Option<File> {
    let dir = place::directory(state_dir).ok()?;
    let path = dir.join("runbook.log");
    if size(&path).ok()? > MAX_BYTES {
        fs::rename(&path, dir.join("runbook.log.1")).ok()?;
    }
    let file = place::file(&path).ok()?;
    // several runs may write at the same time: each line goes to the end
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND).ok()?;
    Some(file)
}

fn size(path: &Path) -> io::Result<u64> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(meta.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}
