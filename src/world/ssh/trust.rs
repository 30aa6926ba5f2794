//! Reads known_hosts files, each once for the whole fleet.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::host::Host;
use crate::world::ssh::known_hosts::{HostFile, Known, LookupName};

const MAX_FILE: u64 = 16 * 1024 * 1024;

/// A file with known host keys cannot be used, so no host that depends on it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be read: {why}", path.display())]
pub(crate) struct TrustError {
    path: PathBuf,
    why: String,
}

/// A file that was read; none where there is no such file.
type Read = Result<Option<Arc<HostFile>>, TrustError>;

/// The files read so far.
#[derive(Debug)]
pub(crate) struct TrustStore {
    home: Option<PathBuf>,
    defaults: Vec<PathBuf>,
    read: Mutex<HashMap<PathBuf, Read>>,
}

impl TrustStore {
    /// `defaults` are used for hosts that name no files.
    pub(crate) fn new(home: Option<PathBuf>, defaults: Vec<PathBuf>) -> Self {
        Self { home, defaults, read: Mutex::default() }
    }

    /// Everything that is recorded of a host. Reads files: call it where blocking is allowed.
    pub(crate) fn known(&self, host: &Host) -> Result<(LookupName, Known), TrustError> {
        let named = !host.known_hosts.is_empty();
        let paths = if named { &host.known_hosts } else { &self.defaults };
        let mut files = Vec::new();
        for path in paths {
            let path = expand(path, self.home.as_deref());
            match self.file(&path)? {
                Some(file) => files.push(file),
                None if named => return Err(TrustError { path, why: "there is no such file".to_owned() }),
                None => {}
            }
        }
        let name = LookupName::new(&host.address, host.port, host.host_key_alias.as_deref());
        let known = Known::lookup(&files, &name);
        Ok((name, known))
    }

    fn file(&self, path: &Path) -> Read {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.entry(path.to_owned()).or_insert_with(|| read_file(path)).clone()
    }
}

fn read_file(path: &Path) -> Read {
    let bad = |why: String| TrustError { path: path.to_owned(), why };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(bad(error.to_string())),
    };
    let mut content = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut content).map_err(|error| bad(error.to_string()))?;
    if content.len() as u64 > MAX_FILE {
        return Err(bad("it is larger than 16 MiB".to_owned()));
    }
    Ok(Some(Arc::new(HostFile::parse(path, &content))))
}

/// `~/` is the home of the user who runs this program.
pub(crate) fn expand(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
