//! Reads small files that people name: only regular ones, only up to a bound, and never waiting for one to be written.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadFault {
    #[error("there is no such file")]
    Missing,
    #[error("{0}")]
    Refused(String),
}

/// The bytes of a regular file, and what is known of it.
pub(crate) fn read(path: &Path, max: u64) -> Result<(Vec<u8>, Metadata), ReadFault> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => ReadFault::Missing,
        _ => ReadFault::Refused(error.to_string().to_lowercase()),
    };
    // a pipe would be waited for until somebody writes to it
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty()).map_err(|error| failed(error.into()))?);
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        let what = if about.is_dir() { "it is a directory" } else { "it is no regular file" };
        return Err(ReadFault::Refused(what.to_owned()));
    }
    let mut content = Vec::new();
    file.take(max + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > max {
        return Err(ReadFault::Refused(format!("it is larger than {} KiB", max / 1024)));
    }
    Ok((content, about))
}
