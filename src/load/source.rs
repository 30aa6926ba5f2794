//! Reading files, and the only place that does: regular files of a bounded size, as text.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::load::diagnostic::{Diagnostic, Diagnostics};
use crate::load::document::{Node, written_part};
use crate::model::grammar::{code_point, is_seen};

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
    /// The user it belongs to, where that is neither root nor the one who reads it.
    pub foreign: Option<u32>,
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
    let refused = |found: Box<Diagnostic>| Diagnostics::new(path, Arc::from(""), vec![*found]);
    let (bytes, foreign) = bytes(path).map_err(refused)?;
    decode(path, bytes).map(|source| Source { foreign, ..source })
}

/// Reads a file that a file in `root` names: a link out of that directory is not followed.
pub fn read_below(root: &Path, path: &Path) -> Result<Source, Diagnostics> {
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    // what cannot be resolved is told by reading it
    if let (Ok(real), Ok(inside)) = (fs::canonicalize(path), fs::canonicalize(root))
        && !real.starts_with(&inside)
    {
        let message = format!("cannot read {}: it leads out of {}, to {}", path.display(), root.display(), real.display());
        let found = Diagnostic::error("E101", message).help("put the file itself there");
        return Err(Diagnostics::new(path, Arc::from(""), vec![found]));
    }
    read(path)
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
    // some editors begin a file so; it says nothing
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    if let Some(at) = text.find('\0') {
        return Err(refuse(&text, at..at + 1, "the file contains a NUL byte".to_owned()));
    }
    let unseen = unseen(&text);
    if !unseen.is_empty() {
        return Err(Diagnostics::new(path, text.into(), unseen));
    }
    Ok(Source { path: path.to_owned(), text: text.into(), sha256, base: 0, foreign: None })
}

/// Characters that no reader of the file would see, wherever they stand: what is read must be what is done.
fn unseen(text: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut before = ' ';
    for (at, c) in text.char_indices().filter(|(_, c)| !c.is_ascii()) {
        // how a sign is drawn is said after it: as text or in colours
        let draws = matches!(c, '\u{fe0e}' | '\u{fe0f}') && !before.is_ascii();
        if !is_seen(c) && !draws {
            let message = format!("a character that cannot be read stands here: {}", code_point(c));
            let found_here = Diagnostic::error("E102", message).at(at..at + c.len_utf8(), "here");
            found.push(found_here.help(format!("take it out; where a value needs it, write \"\\U{:08x}\"", u32::from(c))));
        }
        before = c;
    }
    found
}

/// The bytes of a file, and whose it is where it is neither ours nor root's.
fn bytes(path: &Path) -> Result<(Vec<u8>, Option<u32>), Box<Diagnostic>> {
    let refused = |why: &str| Box::new(Diagnostic::error("E101", format!("cannot read {}: {why}", path.display())));
    let failed = |error: io::Error| refused(&reason(&error));
    check_name(path).map_err(|why| refused(&why))?;
    let regular = |kind: fs::FileType| match kind.is_file() {
        true => Ok(()),
        false => Err(refused(if kind.is_dir() { "it is a directory" } else { "it is no regular file" })),
    };
    // to open what is no file may already do something
    regular(fs::metadata(path).map_err(failed)?.file_type())?;
    let file = open(path).map_err(failed)?;
    // what was opened need not be what was looked at before
    let is = file.metadata().map_err(failed)?;
    regular(is.file_type())?;
    if is.mode() & 0o002 != 0 {
        let why = format!("everybody on this machine can write to it (mode {:04o})", is.mode() & 0o7777);
        return Err(Box::new(refused(&why).help(format!("chmod o-w {}", path.display()))));
    }
    let mut bytes = Vec::new();
    (&file).take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refused(&format!("it is larger than {} KiB", MAX_BYTES / 1024)));
    }
    // half of what somebody is writing may be a whole file of another meaning; what the kernel makes up has no length
    if bytes.len() as u64 != is.len() {
        let why =
            format!("it says that it has {} bytes, and {} were read: it is no file, or is being written", is.len(), bytes.len());
        return Err(refused(&why));
    }
    let ours = [0, rustix::process::geteuid().as_raw()];
    Ok((bytes, Some(is.uid()).filter(|uid| !ours.contains(uid))))
}

/// A name that can be told to a person, and typed.
fn check_name(path: &Path) -> Result<(), String> {
    let Some(name) = path.to_str() else { return Err("its name is not UTF-8".to_owned()) };
    match name.chars().find(|c| !is_seen(*c)) {
        Some(c) => Err(format!("its name has a character that cannot be read: {}", code_point(c))),
        None => Ok(()),
    }
}

/// Warns of a file that belongs to somebody else.
pub(super) fn foreign(source: &Source) -> Option<Diagnostic> {
    let owner = source.foreign?;
    let message = format!("{} belongs to the user with id {owner}, who can change what it says", source.path.display());
    Some(Diagnostic::warning("W101", message).help("use a copy of your own, unless this user may decide what you run"))
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
