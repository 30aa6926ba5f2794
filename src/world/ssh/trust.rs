//! Reads known_hosts files, each once for the whole fleet.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::finding::Finding;
use crate::model::host::Host;
use crate::world::ssh::known_hosts::{HostFile, Known, LookupName};
use crate::world::ssh::plain_file::{self, ReadFault};

const MAX_FILE: u64 = 16 * 1024 * 1024;

/// What is known of a host cannot be relied on, so it is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrustError {
    /// A file cannot be used.
    File { path: PathBuf, why: String, hint: Hint },
    /// Lines that speak of the host cannot be read: `FILE:LINE: why`.
    Lines(Vec<String>),
}

/// What to do about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    Name,
    Mode,
}

impl TrustError {
    /// In words.
    pub(crate) fn finding(&self) -> Finding {
        match self {
            Self::File { path, why, hint } => {
                let path = path.display();
                let summary = format!("the file with known host keys `{path}` cannot be used: {why}");
                Finding::new("known-hosts", summary).hint(match hint {
                    Hint::Name => "name a readable file with `known_hosts` in the inventory".to_owned(),
                    Hint::Mode => format!("read what it says, then chmod o-w {path}"),
                })
            }
            Self::Lines(lines) => {
                let first = lines.first().map_or("", String::as_str);
                let summary = format!("a line with known host keys speaks of this host and cannot be read: {first}");
                let finding = Finding::new("known-hosts", summary).hint("correct the line, or remove it");
                lines.iter().skip(1).take(5).fold(finding, |finding, line| finding.evidence(line.as_str()))
            }
        }
    }
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
                None if named => {
                    return Err(TrustError::File { path, why: ReadFault::Missing.to_string(), hint: Hint::Name });
                }
                None => {}
            }
        }
        let name = LookupName::new(&host.address, host.port, host.host_key_alias.as_deref());
        let known = Known::lookup(&files, &name);
        match known.broken() {
            [] => Ok((name, known)),
            lines => Err(TrustError::Lines(lines.to_vec())),
        }
    }

    fn file(&self, path: &Path) -> Read {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.entry(path.to_owned()).or_insert_with(|| read_file(path)).clone()
    }
}

fn read_file(path: &Path) -> Read {
    let bad = |why: String, hint| TrustError::File { path: path.to_owned(), why, hint };
    let (content, about) = match plain_file::read(path, MAX_FILE) {
        Ok(read) => read,
        Err(ReadFault::Missing) => return Ok(None),
        Err(fault) => return Err(bad(fault.to_string(), Hint::Name)),
    };
    if about.mode() & 0o002 != 0 {
        return Err(bad(format!("every user can write to it (mode {:04o})", about.mode() & 0o7777), Hint::Mode));
    }
    let file = HostFile::parse(path, &content);
    if let Some((first, count)) = file.first_broken() {
        tracing::warn!(count, %first, "lines with known host keys cannot be read");
    }
    Ok(Some(Arc::new(file)))
}

/// `~/` is the home of the user who runs this program.
pub(crate) fn expand(path: &Path, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
