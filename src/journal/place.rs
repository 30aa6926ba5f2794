//! Where the journal lies: a directory that is ours alone, a file that is ours alone, nothing reached through a link.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// The journal's directory or file is not as it must be.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It could not be made, opened or looked at.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could be somebody else's.
    #[error("{} {why}", path.display())]
    Unsafe {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: &'static str,
        /// What to type next.
        hint: Option<String>,
    },
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> PlaceError + '_ {
    |source| PlaceError::Io { path: path.to_owned(), source }
}

fn refuse<T>(path: &Path, why: &'static str, hint: Option<String>) -> Result<T, PlaceError> {
    Err(PlaceError::Unsafe { path: path.to_owned(), why, hint })
}

/// Makes or checks a directory that only its owner may enter, and returns its real path.
pub fn directory(path: &Path) -> Result<PathBuf, PlaceError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error(path))?;
        }
        Err(error) => return Err(io_error(path)(error)),
        Ok(_) => {}
    }
    let meta = std::fs::symlink_metadata(path).map_err(io_error(path))?;
    if meta.file_type().is_symlink() {
        return refuse(path, "is a symbolic link", Some("--state-dir with the real directory".to_owned()));
    }
    if !meta.is_dir() {
        return refuse(path, "is not a directory", None);
    }
    check_owner(path, &meta)?;
    std::fs::canonicalize(path).map_err(io_error(path))
}

/// Opens a file that only its owner may read, making it where it is not there.
pub fn file(path: &Path) -> Result<File, PlaceError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let opened = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    let file = match opened {
        Ok(opened) => File::from(opened),
        Err(rustix::io::Errno::LOOP) => return refuse(path, "is a symbolic link", None),
        Err(error) => return Err(io_error(path)(error.into())),
    };
    let meta = file.metadata().map_err(io_error(path))?;
    if !meta.is_file() {
        return refuse(path, "is not a regular file", None);
    }
    check_owner(path, &meta)?;
    Ok(file)
}

/// Makes or checks a database file that only its owner may read. It is never opened here while it could be in use: SQLite's
/// locks belong to the process, and closing any other descriptor of the file would drop them.
pub fn database(path: &Path) -> Result<(), PlaceError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
                // somebody else has just made it
                Ok(_) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(io_error(path)(error.into())),
            }
        }
        Err(error) => return Err(io_error(path)(error)),
        Ok(_) => {}
    }
    let meta = std::fs::symlink_metadata(path).map_err(io_error(path))?;
    if meta.file_type().is_symlink() {
        return refuse(path, "is a symbolic link", None);
    }
    if !meta.is_file() {
        return refuse(path, "is not a regular file", None);
    }
    check_owner(path, &meta)
}

/// The refusal of a file that is something else.
pub fn not_a_journal(path: &Path) -> PlaceError {
    let hint = Some("--state-dir with another directory, and keep this one".to_owned());
    PlaceError::Unsafe { path: path.to_owned(), why: "is not a journal", hint }
}

fn check_owner(path: &Path, meta: &std::fs::Metadata) -> Result<(), PlaceError> {
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return refuse(path, "belongs to somebody else", Some("--state-dir with a directory of your own".to_owned()));
    }
    if meta.mode() & 0o077 != 0 {
        let hint = format!("chmod go= '{}'", path.display());
        return refuse(path, "can be read or written by others", Some(hint));
    }
    Ok(())
}

/// Whether the file system is one over a network, where several machines share no memory and a write-ahead log is not
/// to be had.
pub fn is_remote(path: &Path) -> bool {
    // NFS, SMB, SMB2, CIFS, Ceph, 9P, Lustre, AFS, OCFS2, GFS2
    const REMOTE: &[u64] =
        &[0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x00c3_6400, 0x0102_1997, 0x0bd0_0bd0, 0x6b41_4653, 0x7461_636f, 0x0116_1970];
    rustix::fs::statfs(path).is_ok_and(|fs| {
        // the type is a 32-bit magic number that some platforms sign-extend
        let magic = fs.f_type as u64 & 0xffff_ffff;
        REMOTE.contains(&magic)
    })
}
