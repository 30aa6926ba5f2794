//! The lab's folder: where things lie in it, one writer at a time, files replaced whole.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::lab::error::{Doing, LabError};

const LOCK_WAIT: Duration = Duration::from_secs(120);

/// The lab's folder and its label.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    dir: PathBuf,
    id: String,
}

impl Place {
    /// Names the folder; it need not be there. The label follows from its path, so that what is left of a lab is found
    /// when the folder itself is gone.
    pub(crate) fn new(dir: &Path) -> Result<Self, LabError> {
        let absolute = std::path::absolute(dir).doing(|| format!("name {}", dir.display()))?;
        let dir = match (absolute.canonicalize(), absolute.parent(), absolute.file_name()) {
            (Ok(real), _, _) => real,
            (Err(_), Some(parent), Some(name)) => parent.canonicalize().map_or(absolute.clone(), |real| real.join(name)),
            (Err(_), _, _) => absolute.clone(),
        };
        let digest = Sha256::digest(dir.as_os_str().as_encoded_bytes());
        let id = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { dir, id })
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The label.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Something in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A host's part of the folder.
    pub(crate) fn host(&self, name: &str) -> PathBuf {
        self.dir.join("hosts").join(name)
    }

    /// Makes the folder with what is always in it.
    pub(crate) fn make(&self) -> Result<(), LabError> {
        for part in ["", "hosts", "log", "mnt", "state"] {
            let path = self.dir.join(part);
            fs::create_dir_all(&path).doing(|| format!("make {}", path.display()))?;
        }
        // the journal of the fleet's runs lies there, and is refused where others may read it
        let state = self.path("state");
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).doing(|| format!("close {}", state.display()))
    }

    /// One `up`, `down` or `fault` at a time. The lock goes with the process, however it ends.
    pub(crate) fn lock(&self) -> Result<File, LabError> {
        lock_file(&self.path("lock"))
    }

    /// Replaces a file whole.
    pub(crate) fn write(&self, name: &str, contents: &[u8], mode: u32) -> Result<(), LabError> {
        replace(&self.path(name), contents, mode)
    }

    /// Replaces a JSON file whole.
    pub(crate) fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), LabError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| LabError::Unreadable { what: name.to_owned(), why: error.to_string() })?;
        self.write(name, format!("{text}\n").as_bytes(), 0o644)
    }

    /// Reads a JSON file, if it is there.
    pub(crate) fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, LabError> {
        let path = self.path(name);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(LabError::Io { doing: format!("read {}", path.display()), source }),
        };
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| LabError::Unreadable { what: path.display().to_string(), why: error.to_string() })
    }
}

/// Takes a lock, waiting for the one who holds it.
pub(crate) fn lock_file(path: &Path) -> Result<File, LabError> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .doing(|| format!("open the lock {}", path.display()))?;
    let late = Instant::now() + LOCK_WAIT;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < late => std::thread::sleep(Duration::from_millis(50)),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(LabError::Late { what: format!("the wait for {}", path.display()), seconds: LOCK_WAIT.as_secs() });
            }
            Err(error) => return Err(LabError::Io { doing: format!("lock {}", path.display()), source: error.into() }),
        }
    }
}

/// Replaces a file whole, by rename.
pub(crate) fn replace(path: &Path, contents: &[u8], mode: u32) -> Result<(), LabError> {
    let mut name = path.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(format!(".new-{}", std::process::id()));
    let new = path.with_file_name(name);
    let doing = || format!("write {}", path.display());
    // a file of the same name may be left from a killed process that had our number
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().create_new(true).write(true).mode(mode).open(&new).doing(doing)?;
    file.write_all(contents).doing(doing)?;
    drop(file);
    fs::rename(&new, path).doing(doing)
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn the_label_follows_from_the_path_and_outlives_the_folder() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("lab");
        let before = Place::new(&dir).unwrap();
        before.make().unwrap();
        let there = Place::new(&dir).unwrap();
        assert_eq!(before.id(), there.id());
        assert_eq!(there.id().len(), 10);
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(Place::new(&dir).unwrap().id(), there.id());
        assert_ne!(Place::new(&temp.path().join("other")).unwrap().id(), there.id());
    }
}
