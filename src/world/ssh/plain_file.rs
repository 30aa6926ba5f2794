//! Reads small files that people name: only regular ones, only up to a bound, and never waiting for one to be written.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::model::finding::Finding;

/// How long a file system may take.
const PATIENCE: Duration = Duration::from_secs(10);

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

/// Reads on a thread of its own: a file system that does not answer is not waited for. `what` is many, in words.
pub(crate) async fn aside<T: Send + 'static>(what: &str, read: impl FnOnce() -> T + Send + 'static) -> Result<T, Finding> {
    match timeout(PATIENCE, spawn_blocking(read)).await {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(Finding::new("internal", format!("reading {what} failed: {error}"))),
        Err(_) => Err(Finding::new("files-timeout", format!("{what} were not read in {PATIENCE:?}"))
            .hint("a file system of this machine does not answer: is the home directory on one that is lost?")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::aside;

    #[tokio::test]
    async fn a_file_system_that_does_not_answer_is_not_waited_for() {
        let (answer, never) = channel::<()>();
        // the clock is stopped only here: a thread that is busy holds it
        let (read, ()) = tokio::join!(aside("the keys", move || never.recv().is_ok()), async {
            tokio::time::pause();
            tokio::task::yield_now().await;
            tokio::time::advance(std::time::Duration::from_secs(11)).await;
        });
        assert_eq!(read.map_err(|finding| finding.summary), Err("the keys were not read in 10s".to_owned()));
        drop(answer);
        assert!(aside("the keys", || 7).await.is_ok_and(|read| read == 7));
    }
}
