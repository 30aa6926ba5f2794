//! Private keys in files, each read once for the whole fleet. An encrypted key is recognised, never decrypted here.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::keys::ssh_key::PublicKey;
use russh::keys::{Error as KeyError, PrivateKey, decode_secret_key};

use crate::world::ssh::plain_file::{self, ReadFault};
use crate::world::ssh::trust::expand;

const MAX_FILE: u64 = 64 * 1024;

/// Why a key file cannot be used to sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyProblem {
    #[error("there is no such file")]
    Missing,
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("other users can read it (mode {0:04o})")]
    Mode(u32),
    #[error("it is encrypted")]
    Encrypted,
    #[error("it is of the type {0}, which cannot be used")]
    Kind(&'static str),
    #[error("it holds no private key that can be read: {0}")]
    NoKey(String),
}

impl KeyProblem {
    /// The class of the fault.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Missing => "key-missing",
            Self::Unreadable(_) | Self::NoKey(_) => "key-unreadable",
            Self::Mode(_) => "key-mode",
            Self::Encrypted => "key-encrypted",
            Self::Kind(_) => "key-type",
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self, path: &Path) -> String {
        let path = path.display();
        match self {
            Self::Mode(_) => format!("chmod 600 {path}"),
            Self::Encrypted => format!("ssh-add {path}"),
            Self::Kind(_) => "ssh-keygen -t ed25519, and record its public key in authorized_keys on the hosts".to_owned(),
            _ => format!("ls -l {path}"),
        }
    }
}

/// A key file: what is public of it, and the private key or why there is none.
#[derive(Debug, Clone)]
pub(crate) struct KeyFile {
    pub(crate) path: PathBuf,
    pub(crate) public: Option<PublicKey>,
    pub(crate) secret: Result<Arc<PrivateKey>, KeyProblem>,
}

/// The key files read so far.
#[derive(Debug)]
pub(crate) struct KeyRing {
    home: Option<PathBuf>,
    read: Mutex<HashMap<PathBuf, Arc<KeyFile>>>,
}

impl KeyRing {
    pub(crate) fn new(home: Option<PathBuf>) -> Self {
        Self { home, read: Mutex::default() }
    }

    /// A key file. Reads it the first time: call it where blocking is allowed.
    pub(crate) fn file(&self, path: &Path) -> Arc<KeyFile> {
        let path = expand(path, self.home.as_deref());
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(read.entry(path.clone()).or_insert_with(|| Arc::new(load(path))))
    }

    /// The files OpenSSH would try that are there.
    pub(crate) fn defaults(&self) -> Vec<Arc<KeyFile>> {
        let Some(home) = &self.home else { return Vec::new() };
        let names = ["id_ed25519", "id_ecdsa", "id_rsa"];
        let files = names.into_iter().map(|name| self.file(&home.join(".ssh").join(name)));
        files.filter(|file| file.secret != Err(KeyProblem::Missing)).collect()
    }
}

fn load(path: PathBuf) -> KeyFile {
    let sibling = || {
        let mut name = path.clone().into_os_string();
        name.push(".pub");
        public_of(&read(Path::new(&name)).ok()?.0)
    };
    let (text, mode) = match read(&path) {
        Ok(read) => read,
        Err(problem) => return KeyFile { public: sibling(), secret: Err(problem), path },
    };
    if let Some(public) = public_of(&text) {
        let secret = Err(KeyProblem::NoKey("it is a public key".to_owned()));
        return KeyFile { path, public: Some(public), secret };
    }
    // the OpenSSH format shows its public half even when the private one is encrypted
    let public = PrivateKey::from_openssh(&text).ok().map(|key| key.public_key().clone());
    let secret = match (mode, decode_secret_key(&text, None)) {
        (Some(mode), _) => Err(KeyProblem::Mode(mode)),
        (None, _) if is_dsa(&text) => Err(KeyProblem::Kind("ssh-dss")),
        (None, Ok(key)) => Ok(Arc::new(key)),
        (None, Err(KeyError::KeyIsEncrypted)) => Err(KeyProblem::Encrypted),
        (None, Err(error)) if text.contains("ENCRYPTED") => {
            tracing::debug!(%error, "a key that says it is encrypted");
            Err(KeyProblem::Encrypted)
        }
        (None, Err(error)) => Err(KeyProblem::NoKey(error.to_string())),
    };
    let public = public.or_else(|| secret.as_ref().ok().map(|key| key.public_key().clone())).or_else(sibling);
    KeyFile { path, public, secret }
}

/// DSA is gone from servers and from the library; its files are recognised to be named.
fn is_dsa(text: &str) -> bool {
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    let inside = || STANDARD.decode(&body).is_ok_and(|inside| inside.windows(7).any(|part| part == b"ssh-dss"));
    text.contains("BEGIN DSA PRIVATE KEY") || inside()
}

fn public_of(text: &str) -> Option<PublicKey> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    PublicKey::from_openssh(line).ok()
}

/// The text of a file, and its mode where others may read what is ours.
fn read(path: &Path) -> Result<(String, Option<u32>), KeyProblem> {
    let (content, about) = plain_file::read(path, MAX_FILE).map_err(|fault| match fault {
        ReadFault::Missing => KeyProblem::Missing,
        ReadFault::Refused(why) => KeyProblem::Unreadable(why),
    })?;
    let text = String::from_utf8(content).map_err(|_| KeyProblem::NoKey("it is no text".to_owned()))?;
    let ours = about.uid() == rustix::process::getuid().as_raw();
    let open = ours && about.mode() & 0o077 != 0;
    Ok((text, open.then_some(about.mode() & 0o7777)))
}
