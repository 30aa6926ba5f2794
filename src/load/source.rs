//! Reading files, and the only place that does: regular files of a bounded size, as text.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::load::diagnostic::{Diagnostic, Diagnostics};
use crate::load::document::{Node, written_part};

/// The largest file that is read.
pub const MAX_BYTES: u64 = 1 << 20;
/// The most entries of a directory that are looked at.
const MAX_ENTRIES: usize = 10_000;

/// A file as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its text.
    pub text: Arc<str>,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// The number of its first byte: where several files are read together, one number names a place in all of them.
    pub base: usize,
}

impl Source {
    /// The number after its last byte.
    pub fn end(&self) -> usize {
        self.base + self.text.len()
    }

    /// The place of a part of a text value: exact where the text is written as it is, else the whole value.
    pub fn inside(&self, node: &Node, part: &Range<usize>) -> Range<usize> {
        let local = node.span.start.saturating_sub(self.base)..node.span.end.saturating_sub(self.base);
        let Some(written) = self.text.get(local) else { return node.span.clone() };
        written_part(written, node, part)
    }
}

/// SHA-256 over the texts of files that are used together, in hex: the file's own where it is one.
pub fn digest(sources: &[&Source]) -> String {
    if let [only] = sources {
        return only.sha256.clone();
    }
    let mut hash = Sha256::new();
    for source in sources {
        // no text contains a NUL, so none can be taken for two
        hash.update(source.text.as_bytes());
        hash.update([0]);
    }
    format!("{:x}", hash.finalize())
}

/// Reads a file by its path: [`read`], or files of a test.
pub type Reader<'r> = &'r dyn Fn(&Path) -> Result<Source, Diagnostics>;

/// Reads a file.
pub fn read(path: &Path) -> Result<Source, Diagnostics> {
    let bytes = bytes(path).map_err(|message| {
        let found = Diagnostic::error("E101", message);
        Diagnostics::new(path, Arc::from(""), vec![found])
    })?;
    decode(path, bytes)
}

/// Takes bytes for the text of a file.
pub fn decode(path: &Path, bytes: Vec<u8>) -> Result<Source, Diagnostics> {
    let sha256 = format!("{:x}", Sha256::digest(&bytes));
    let refuse = |text: &str, at: Range<usize>, message: String| {
        let found = Diagnostic::error("E102", message).at(at, "here");
        Diagnostics::new(path, Arc::from(text), vec![found])
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bad = error.as_bytes().get(at).copied().map_or(String::new(), |b| format!(" 0x{b:02x}"));
            // what comes before the first bad byte is the same in the lossy text, so the place holds
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            return Err(refuse(&text, at..at + char::REPLACEMENT_CHARACTER.len_utf8(), format!("the byte{bad} is not UTF-8")));
        }
    };
    match text.find('\0') {
        Some(at) => Err(refuse(&text, at..at + 1, "the file contains a NUL byte".to_owned())),
        None => Ok(Source { path: path.to_owned(), text: text.into(), sha256, base: 0 }),
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let irregular = |kind: fs::FileType| {
        let what = if kind.is_dir() { "a directory" } else { "no regular file" };
        format!("cannot read {}: it is {what}", path.display())
    };
    let failed = |error: io::Error| format!("cannot read {}: {}", path.display(), reason(&error));
    let kind = fs::metadata(path).map_err(failed)?.file_type();
    if !kind.is_file() {
        return Err(irregular(kind));
    }
    let file = open(path).map_err(failed)?;
    // what was opened need not be what was looked at before
    let kind = file.metadata().map_err(failed)?.file_type();
    if !kind.is_file() {
        return Err(irregular(kind));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("cannot read {}: it is larger than {} KiB", path.display(), MAX_BYTES / 1024));
    }
    Ok(bytes)
}

/// Without blocking, so that a pipe put in the file's place cannot hang us.
fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotADirectory => "a part of the path is no directory".to_owned(),
        _ => error.to_string(),
    }
}

/// The `.toml` files of a directory, sorted by name.
pub fn list(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error: io::Error| format!("cannot read the directory {}: {}", dir.display(), reason(&error));
    let mut found = Vec::new();
    for (count, entry) in fs::read_dir(dir).map_err(failed)?.enumerate() {
        if count == MAX_ENTRIES {
            return Err(format!("the directory {} has more than {MAX_ENTRIES} entries", dir.display()));
        }
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|ext| ext == "toml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
