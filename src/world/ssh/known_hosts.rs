//! Known host keys: which lines of which files speak of a host, and what follows for the key it shows.
//!
//! Reads files as OpenSSH does (markers, hashed names, wildcards, negation, ports) and is never laxer: a revoked key is
//! refused whatever else is recorded, another type of key than the recorded ones counts as changed, and a line that
//! speaks of a host but cannot be read is a reason to refuse that host. No input or output here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::key::parse_public_key;
use russh::keys::{Certificate, PublicKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// How many lines that cannot be read are told where they do not matter.
const MAX_PASSED: usize = 3;

/// The lines of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFile {
    /// Where it was read from.
    pub path: PathBuf,
    lines: Vec<Line>,
    broken: Vec<Broken>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    number: usize,
    marker: Marker,
    names: Names,
    key: RecordedKey,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Broken {
    number: usize,
    why: &'static str,
    speaks: Speaks,
}

/// Whom a line speaks of that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Speaks {
    /// Its names can be read.
    Of(Names),
    /// They cannot, and it may revoke a key: nobody can be sure not to be meant.
    OfEverybody,
    /// They cannot, and all that is lost is a reason to trust.
    OfNobody,
}

/// What a line is.
enum Parsed {
    Line(Line),
    Broken(Broken),
    /// A comment, nothing at all, or a key of a type that is not known here.
    Nothing,
}

/// What the first word of a line says of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// A host's own key.
    Plain,
    /// A key that signs host certificates.
    Authority,
    /// A key that must never be accepted.
    Revoked,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    Patterns(Vec<Pattern>),
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    negated: bool,
    glob: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct RecordedKey {
    kind: String,
    blob: Vec<u8>,
}

/// One line that speaks of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `FILE:LINE`.
    pub place: String,
    /// The number of the line in its file.
    pub line: usize,
    /// What the line says of its key.
    pub marker: Marker,
    /// The type of the key, such as `ssh-ed25519`.
    pub kind: String,
    blob: Vec<u8>,
}

impl Entry {
    /// `FILE:LINE TYPE SHA256:…`.
    fn told(&self) -> String {
        format!("{} {} {}", self.place, self.kind, fingerprint(&self.blob))
    }
}

/// `SHA256:…` of a key in its wire form.
pub(crate) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// The names a host's key is looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupName {
    primary: String,
    without_port: Option<String>,
}

/// Everything the files say of one host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    entries: Vec<Entry>,
    without_port: Vec<Entry>,
    /// What a certificate must name.
    principal: String,
    /// `FILE:LINE: why` of lines that speak of the host and cannot be read.
    broken: Vec<String>,
    /// The same of lines that speak of others, or of nobody knows whom; not all of many.
    passed: Vec<String>,
}

/// What follows for the key a host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The key is recorded.
    Trusted,
    /// A line revokes the key.
    Revoked {
        /// `FILE:LINE`.
        place: String,
    },
    /// Other keys are recorded.
    Changed {
        /// The recorded ones: `FILE:LINE TYPE SHA256:…`.
        recorded: Vec<String>,
    },
    /// The host shows a certificate that proves nothing.
    Certificate(CertFault),
    /// Only an authority is recorded, and the host shows no certificate.
    OnlyAuthority {
        /// `FILE:LINE`.
        place: String,
    },
    /// Nothing is recorded.
    Unknown,
}

/// Why a certificate of a host proves nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertFault {
    /// The class of the fault, such as `host-cert-expired`.
    pub code: &'static str,
    /// One line: which check failed.
    pub why: String,
    /// Lines that show it.
    pub evidence: Vec<String>,
}

impl HostFile {
    /// Reads the content of a file.
    pub fn parse(path: &Path, content: &[u8]) -> Self {
        let mut file = Self { path: path.to_owned(), lines: Vec::new(), broken: Vec::new() };
        for (index, line) in content.split(|b| *b == b'\n').enumerate() {
            match parse_line(index + 1, line) {
                Parsed::Line(line) => file.lines.push(line),
                Parsed::Broken(broken) => file.broken.push(broken),
                Parsed::Nothing => {}
            }
        }
        file
    }

    /// `FILE:LINE: why` of the lines that cannot be read: those that may speak of one of `names`, and the others.
    fn broken(&self, names: &[&str]) -> (Vec<String>, Vec<String>) {
        let (of, rest): (Vec<_>, Vec<_>) = self.broken.iter().partition(|line| names.iter().any(|name| line.speaks.is_of(name)));
        let told = |line: &Broken| format!("{}:{}: {}", self.path.display(), line.number, line.why);
        (of.into_iter().map(told).collect(), rest.into_iter().take(MAX_PASSED).map(told).collect())
    }

    /// The first of the lines that cannot be read, and how many there are.
    pub(crate) fn first_broken(&self) -> Option<(String, usize)> {
        let first = self.broken.first()?;
        Some((format!("{}:{}: {}", self.path.display(), first.number, first.why), self.broken.len()))
    }

    /// The lines that speak of `name`, which is an address, `[address]:port` or an alias.
    pub fn entries(&self, name: &str) -> Vec<Entry> {
        let matching = self.lines.iter().filter(|line| line.names.matches(name));
        matching
            .map(|line| Entry {
                place: format!("{}:{}", self.path.display(), line.number),
                line: line.number,
                marker: line.marker,
                kind: line.key.kind.clone(),
                blob: line.key.blob.clone(),
            })
            .collect()
    }
}

impl LookupName {
    /// An alias stands alone; a port that is not 22 is part of the name, and the bare address is a second chance.
    pub fn new(address: &str, port: u16, alias: Option<&str>) -> Self {
        let address = address.to_ascii_lowercase();
        match (alias, port) {
            (Some(alias), _) => Self { primary: alias.to_owned(), without_port: None },
            (None, 22) => Self { primary: address, without_port: None },
            (None, port) => Self { primary: format!("[{address}]:{port}"), without_port: Some(address) },
        }
    }

    /// The name that a line for this host should carry.
    pub fn as_str(&self) -> &str {
        &self.primary
    }

    /// The name that a certificate must carry: an alias, or the address without its port.
    fn principal(&self) -> &str {
        self.without_port.as_deref().unwrap_or(&self.primary)
    }
}

impl Known {
    /// Looks a host up in all files.
    pub fn lookup(files: &[Arc<HostFile>], name: &LookupName) -> Self {
        let find = |name: &str| files.iter().flat_map(|file| file.entries(name)).collect();
        let names: Vec<&str> = [Some(name.primary.as_str()), name.without_port.as_deref()].into_iter().flatten().collect();
        let (broken, passed): (Vec<_>, Vec<_>) = files.iter().map(|file| file.broken(&names)).unzip();
        Self {
            entries: find(&name.primary),
            without_port: name.without_port.as_deref().map(find).unwrap_or_default(),
            principal: name.principal().to_owned(),
            broken: broken.concat(),
            passed: passed.concat(),
        }
    }

    /// `FILE:LINE: why` of the lines that speak of the host and cannot be read; with any of them it is not to be trusted.
    pub fn broken(&self) -> &[String] {
        &self.broken
    }

    /// The same of lines that speak of others, or of nobody knows whom; not all of many.
    pub fn passed(&self) -> &[String] {
        &self.passed
    }

    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    fn all(&self, marker: Marker) -> impl Iterator<Item = &Entry> {
        self.entries.iter().chain(&self.without_port).filter(move |entry| entry.marker == marker)
    }

    /// Whether some line says who signs for the host.
    pub fn has_authority(&self) -> bool {
        self.all(Marker::Authority).next().is_some()
    }

    /// The authorities: `FILE:LINE TYPE SHA256:…`.
    pub(crate) fn authorities(&self) -> Vec<String> {
        self.all(Marker::Authority).map(Entry::told).collect()
    }

    /// Whether a key in its wire form is recorded as an authority for the host.
    pub(crate) fn is_authority(&self, blob: &[u8]) -> bool {
        self.all(Marker::Authority).any(|entry| entry.blob == blob)
    }

    /// Where a key in its wire form is revoked.
    pub(crate) fn revoked(&self, blob: &[u8]) -> Option<&str> {
        self.all(Marker::Revoked).find(|entry| entry.blob == blob).map(|entry| entry.place.as_str())
    }

    /// The types of the recorded keys, which are asked for first.
    pub fn kinds(&self) -> Vec<&str> {
        // as OpenSSH does: what is recorded for the bare address decides nothing before a key is shown
        let mut kinds: Vec<&str> = Vec::new();
        for entry in self.entries.iter().filter(|e| e.marker == Marker::Plain) {
            if !kinds.contains(&entry.kind.as_str()) {
                kinds.push(&entry.kind);
            }
        }
        kinds
    }

    /// What follows for a key in its wire form.
    pub fn judge(&self, blob: &[u8]) -> Trust {
        if let Some(place) = self.revoked(blob) {
            return Trust::Revoked { place: place.to_owned() };
        }
        let plain: Vec<&Entry> = self.entries.iter().filter(|e| e.marker == Marker::Plain).collect();
        if plain.iter().any(|e| e.blob == blob) {
            return Trust::Trusted;
        }
        if !plain.is_empty() {
            return Trust::Changed { recorded: plain.into_iter().map(Entry::told).collect() };
        }
        // a line for the bare address may vouch for a key, but says nothing against one: another port, another sshd
        if self.without_port.iter().any(|e| e.marker == Marker::Plain && e.blob == blob) {
            return Trust::Trusted;
        }
        match self.all(Marker::Authority).next() {
            Some(entry) => Trust::OnlyAuthority { place: entry.place.clone() },
            None => Trust::Unknown,
        }
    }
}

impl Speaks {
    fn is_of(&self, name: &str) -> bool {
        match self {
            Self::Of(names) => names.matches(name),
            Self::OfEverybody => true,
            Self::OfNobody => false,
        }
    }
}

impl Names {
    fn parse(text: &[u8]) -> Option<Self> {
        if text.first() != Some(&b'|') {
            let patterns = text.split(|b| *b == b',').map(|word| match word.strip_prefix(b"!") {
                Some(rest) => Pattern { negated: true, glob: rest.to_ascii_lowercase() },
                None => Pattern { negated: false, glob: word.to_ascii_lowercase() },
            });
            return Some(Self::Patterns(patterns.collect()));
        }
        let mut parts = text.strip_prefix(b"|1|")?.split(|b| *b == b'|');
        let salt = STANDARD.decode(parts.next()?).ok().filter(|salt| salt.len() == 20)?;
        let hash = STANDARD.decode(parts.next()?).ok().filter(|hash| hash.len() == 20)?;
        parts.next().is_none().then_some(Self::Hashed { salt, hash })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => {
                let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else { return false };
                mac.update(name.as_bytes());
                mac.verify_slice(hash).is_ok()
            }
            Self::Patterns(patterns) => {
                let name = name.to_ascii_lowercase();
                let mut matched = false;
                for pattern in patterns.iter().filter(|p| glob(&p.glob, name.as_bytes())) {
                    if pattern.negated {
                        return false;
                    }
                    matched = true;
                }
                matched
            }
        }
    }
}

/// `*` is any run of bytes, `?` any byte; linear in the product of the lengths, whatever the pattern.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after, at)) => {
                    retry = Some((after, at + 1));
                    (p, t) = (after, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

fn blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| blank(b)).count()..]
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(blank).unwrap_or(text.len());
    (&text[..end], skip_blanks(&text[end..]))
}

fn parse_line(number: usize, line: &[u8]) -> Parsed {
    // OpenSSH reads lines as C strings
    let line = line.split(|b| *b == 0).next().unwrap_or_default();
    let mut rest = skip_blanks(line.strip_suffix(b"\r").unwrap_or(line));
    if rest.is_empty() || rest[0] == b'#' {
        return Parsed::Nothing;
    }
    let broken = |why, speaks| Parsed::Broken(Broken { number, why, speaks });
    let mut marker = Marker::Plain;
    if rest[0] == b'@' {
        let (mark, after) = word(rest);
        (marker, rest) = match mark {
            b"@cert-authority" => (Marker::Authority, after),
            b"@revoked" => (Marker::Revoked, after),
            _ => {
                let names = Names::parse(word(after).0);
                return broken("its marker is not known", names.map_or(Speaks::OfNobody, Speaks::Of));
            }
        };
    }
    let nobody = if marker == Marker::Revoked { Speaks::OfEverybody } else { Speaks::OfNobody };
    if rest.is_empty() || rest[0] == b'@' {
        return broken("it names no host", nobody);
    }
    let (names, rest) = word(rest);
    let Some(names) = Names::parse(names) else { return broken("its name cannot be read", nobody) };
    let (kind, rest) = word(rest);
    let (encoded, _comment) = word(rest);
    match parse_key(kind, encoded, marker) {
        Ok(Some(key)) => Parsed::Line(Line { number, marker, names, key }),
        Ok(None) => Parsed::Nothing,
        Err(why) => broken(why, Speaks::Of(names)),
    }
}

/// The key of a line; none where it is well-formed and of a type that no host can show to us.
fn parse_key(kind: &[u8], encoded: &[u8], marker: Marker) -> Result<Option<RecordedKey>, &'static str> {
    const KINDS: [&str; 8] = [
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "ssh-rsa",
        "ssh-dss",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    ];
    if kind.is_empty() {
        return Err("it has no key");
    }
    // keys of SSH 1 were numbers
    if kind.iter().all(u8::is_ascii_digit) && !encoded.is_empty() && encoded.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    let Ok(blob) = STANDARD.decode(encoded) else { return Err("its key is no base64") };
    let inner = blob.split_first_chunk::<4>().and_then(|(length, rest)| {
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        rest.get(..length)
    });
    if inner != Some(kind) {
        return Err("its key is not of the type it says");
    }
    let Some(known) = KINDS.into_iter().find(|known| known.as_bytes() == kind) else {
        let certificate = kind.strip_suffix(b"-cert-v01@openssh.com").is_some();
        return if certificate { certified(kind, blob, marker).map(Some) } else { Ok(None) };
    };
    // a DSA key cannot be read here, but a host that is known by one must still count as known
    let whole = |blob: &[u8]| parse_public_key(blob).ok()?.to_bytes().ok();
    if known != "ssh-dss" && whole(&blob).as_ref() != Some(&blob) {
        return Err("its key is damaged");
    }
    Ok(Some(RecordedKey { kind: known.to_owned(), blob }))
}

/// To revoke a certificate is to revoke the key in it. Elsewhere it is a key that no host shows.
fn certified(kind: &[u8], blob: Vec<u8>, marker: Marker) -> Result<RecordedKey, &'static str> {
    const DAMAGED: &str = "its certificate is damaged";
    if marker != Marker::Revoked {
        return Ok(RecordedKey { kind: String::from_utf8_lossy(kind).into_owned(), blob });
    }
    let cert = Certificate::from_bytes(&blob).map_err(|_| DAMAGED)?;
    let key = PublicKey::from(cert.public_key().clone());
    let blob = key.to_bytes().map_err(|_| DAMAGED)?;
    Ok(RecordedKey { kind: key.algorithm().as_str().to_owned(), blob })
}

#[cfg(test)]
mod tests;
