//! Who writes a run: one process at a time, by an advisory lock that the kernel releases when its holder dies.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FlockOperation;

use crate::journal::place::{self, PlaceError};
use crate::model::id::RunId;

/// How often a held lock is looked at again, ten milliseconds apart.
const PATIENCE: u32 = 5;

/// Held as long as this value lives.
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    _file: File,
}

/// A run cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("run {run} is being written by another process ({holder})")]
    Held {
        /// The run.
        run: RunId,
        /// Who: `pid 4711`.
        holder: String,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
}

impl RunLock {
    /// Who holds the lock of a run, if somebody does.
    pub fn holder(dir: &Path, run: &RunId) -> Option<String> {
        let mut file = File::open(dir.join("locks").join(format!("{run}.lock"))).ok()?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => Some(holder(&mut file)),
            _ => None,
        }
    }

    /// Takes the lock of a run; where somebody else writes it, that is said at once.
    pub fn take(dir: &Path, run: &RunId) -> Result<Self, LockError> {
        let locks = place::directory(&dir.join("locks"))?;
        let path = locks.join(format!("{run}.lock"));
        let mut looks = 0;
        loop {
            let mut file = place::file(&path)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::INTR) => continue,
                // whoever only asks who holds it has it for an instant
                Err(rustix::io::Errno::WOULDBLOCK) if looks < PATIENCE => {
                    looks += 1;
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(LockError::Held { run: run.clone(), holder: holder(&mut file) });
                }
                Err(error) => return Err(PlaceError::Io { path, source: error.into() }.into()),
            }
            // its last holder may have removed the name between our open and our lock
            if !is_still(&file, &path) {
                continue;
            }
            let note = format!("pid {}\n", std::process::id());
            let noted = file.set_len(0).and_then(|()| file.write_all(note.as_bytes()));
            noted.map_err(|source| PlaceError::Io { path: path.clone(), source })?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // while it is still held; a file that stays behind does no harm
        let _ = std::fs::remove_file(&self.path);
    }
}

fn is_still(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(ours), Ok(named)) => ours.ino() == named.ino() && ours.dev() == named.dev(),
        _ => false,
    }
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(64).read_to_string(&mut text));
    match read {
        Ok(_) if text.starts_with("pid ") => text.trim().to_owned(),
        _ => "it has not said which".to_owned(),
    }
}
