//! Known host keys: which lines of which files speak of a host, and what follows for the key it shows.
//!
//! Reads files as OpenSSH does (markers, hashed names, wildcards, negation, ports, malformed lines skipped) and is
//! never laxer: a revoked key is refused whatever else is recorded, and another type of key than the recorded ones
//! counts as changed. No input or output here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::key::parse_public_key;
use sha1::Sha1;

/// The lines of one file that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFile {
    /// Where it was read from.
    pub path: PathBuf,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    number: usize,
    marker: Marker,
    names: Names,
    key: RecordedKey,
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
        /// The recorded ones: `FILE:LINE (type)`.
        recorded: Vec<String>,
    },
    /// Only an authority is recorded, and the host shows no certificate we could check.
    OnlyAuthority {
        /// `FILE:LINE`.
        place: String,
    },
    /// Nothing is recorded.
    Unknown,
}

impl HostFile {
    /// Reads the content of a file. Lines that cannot be used are left out, as OpenSSH does.
    pub fn parse(path: &Path, content: &[u8]) -> Self {
        let lines = content.split(|b| *b == b'\n').enumerate();
        let lines = lines.filter_map(|(index, line)| parse_line(index + 1, line)).collect();
        Self { path: path.to_owned(), lines }
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
}

impl Known {
    /// Looks a host up in all files.
    pub fn lookup(files: &[Arc<HostFile>], name: &LookupName) -> Self {
        let find = |name: &str| files.iter().flat_map(|file| file.entries(name)).collect();
        Self { entries: find(&name.primary), without_port: name.without_port.as_deref().map(find).unwrap_or_default() }
    }

    /// The types of the recorded keys, which are asked for first.
    pub fn kinds(&self) -> Vec<&str> {
        let plain = |entries: &'_ [Entry]| entries.iter().any(|e| e.marker == Marker::Plain);
        let entries = if plain(&self.entries) { &self.entries } else { &self.without_port };
        let mut kinds: Vec<&str> = Vec::new();
        for entry in entries.iter().filter(|e| e.marker == Marker::Plain) {
            if !kinds.contains(&entry.kind.as_str()) {
                kinds.push(&entry.kind);
            }
        }
        kinds
    }

    /// What follows for a key in its wire form.
    pub fn judge(&self, blob: &[u8]) -> Trust {
        let all = || self.entries.iter().chain(&self.without_port);
        if let Some(entry) = all().find(|e| e.marker == Marker::Revoked && e.blob == blob) {
            return Trust::Revoked { place: entry.place.clone() };
        }
        let plain: Vec<&Entry> = self.entries.iter().filter(|e| e.marker == Marker::Plain).collect();
        if plain.iter().any(|e| e.blob == blob) {
            return Trust::Trusted;
        }
        if !plain.is_empty() {
            let recorded = plain.iter().map(|e| format!("{} ({})", e.place, e.kind)).collect();
            return Trust::Changed { recorded };
        }
        // a line for the bare address may vouch for a key, but says nothing against one: another port, another sshd
        if self.without_port.iter().any(|e| e.marker == Marker::Plain && e.blob == blob) {
            return Trust::Trusted;
        }
        match all().find(|e| e.marker == Marker::Authority) {
            Some(entry) => Trust::OnlyAuthority { place: entry.place.clone() },
            None => Trust::Unknown,
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

fn parse_line(number: usize, line: &[u8]) -> Option<Line> {
    // OpenSSH reads lines as C strings
    let line = line.split(|b| *b == 0).next()?;
    let mut rest = skip_blanks(line.strip_suffix(b"\r").unwrap_or(line));
    if rest.is_empty() || rest[0] == b'#' {
        return None;
    }
    let mut marker = Marker::Plain;
    if rest[0] == b'@' {
        let (mark, after) = word(rest);
        marker = match mark {
            b"@cert-authority" => Marker::Authority,
            b"@revoked" => Marker::Revoked,
            _ => return None,
        };
        rest = after;
        if rest.first() == Some(&b'@') {
            return None;
        }
    }
    let (names, rest) = word(rest);
    let names = Names::parse(names)?;
    let (kind, rest) = word(rest);
    let (encoded, _comment) = word(rest);
    let key = parse_key(kind, encoded)?;
    Some(Line { number, marker, names, key })
}

fn parse_key(kind: &[u8], encoded: &[u8]) -> Option<RecordedKey> {
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
    let kind = KINDS.into_iter().find(|known| known.as_bytes() == kind)?;
    let blob = STANDARD.decode(encoded).ok()?;
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let inner = rest.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    if inner != kind.as_bytes() {
        return None;
    }
    // a DSA key cannot be read here, but a host that is known by one must still count as known
    if kind != "ssh-dss" && parse_public_key(&blob).ok()?.to_bytes().ok()? != blob {
        return None;
    }
    Some(RecordedKey { kind: kind.to_owned(), blob })
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::{HostFile, Known, LookupName, Trust, glob};

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILagOJFgwaMNhBWQINinKOXmqS4Gh5NgxgriXwdOoINJ";
    const EC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMxBTpMIGvo7CnordO7wP0QQRqpBwUjOLl4eMhfucfE1sjTYyK5wmTl1UqoSDS1PtRVTBdl+0+9pquFb46U7fwg=";

    fn blob(key: &str) -> Vec<u8> {
        STANDARD.decode(key.split(' ').nth(1).expect("two words")).expect("base64")
    }

    fn judge(content: &str, name: (&str, u16, Option<&str>), key: &str) -> Trust {
        let file = Arc::new(HostFile::parse(Path::new("kh"), content.as_bytes()));
        Known::lookup(&[file], &LookupName::new(name.0, name.1, name.2)).judge(&blob(key))
    }

    fn changed(places: &[&str]) -> Trust {
        Trust::Changed { recorded: places.iter().map(|p| (*p).to_owned()).collect() }
    }

    #[test]
    fn a_key_is_trusted_where_a_line_records_it() {
        let h = ("h", 22, None);
        for content in [
            format!("h {A}"),
            format!("h {A} a comment with blanks"),
            format!("h {A}\r\n"),
            format!("\t h\t\t{}\n", A.replace(' ', "\t \t")),
            format!("x,h,y {A}"),
            format!("H {A}"),
            format!("h* {A}"),
            format!("? {A}"),
            format!("h {B}\nh {A}"),
            format!("h nonsense\nh ssh-future AAAA\n@strange h {B}\nh\nh ssh-ed25519\n\u{fffd} x\nh {A}"),
            format!("# h {B}\nh {A}"),
            format!("h {EC}\nh {A}"),
        ] {
            assert_eq!(judge(&content, h, A), Trust::Trusted, "{content}");
        }
    }

    #[test]
    fn other_keys_and_other_types_are_changes() {
        let h = ("h", 22, None);
        assert_eq!(judge(&format!("h {B}"), h, A), changed(&["kh:1 (ssh-ed25519)"]));
        assert_eq!(judge(&format!("# c\n# d\nh {EC}"), h, A), changed(&["kh:3 (ecdsa-sha2-nistp256)"]));
    }

    #[test]
    fn negation_and_strange_lines_leave_a_host_unknown() {
        let h = ("h", 22, None);
        for content in [
            String::new(),
            format!("*,!h {A}"),
            format!("!h,* {A}"),
            format!("!x {A}"),
            format!("g {A}"),
            format!("[h]:22 {A}"),
            format!("h ssh-rsa {}", A.split(' ').nth(1).expect("two words")),
            format!("h {A}x"),
            format!("@revoked @revoked h {A}"),
            format!("h\0 {A}"),
            format!("|1|AAAA|AAAA {A}"),
        ] {
            assert_eq!(judge(&content, h, A), Trust::Unknown, "{content}");
        }
    }

    #[test]
    fn a_revoked_key_is_refused_whatever_else_is_recorded() {
        for (content, place) in [
            (format!("h {A}\n@revoked h {A}"), "kh:2"),
            (format!("@revoked * {A}\nh {A}"), "kh:1"),
            (format!("@revoked\th {A}\nh {A}"), "kh:1"),
        ] {
            assert_eq!(judge(&content, ("h", 22, None), A), Trust::Revoked { place: place.to_owned() }, "{content}");
        }
        let other = format!("@revoked * {B}\nh {A}");
        assert_eq!(judge(&other, ("h", 22, None), A), Trust::Trusted);
        let bare = format!("@revoked h {A}\n[h]:2222 {A}");
        assert_eq!(judge(&bare, ("h", 2222, None), A), Trust::Revoked { place: "kh:1".to_owned() });
    }

    #[test]
    fn ports_and_aliases_are_part_of_the_name() {
        assert_eq!(judge(&format!("[h]:2222 {A}"), ("h", 2222, None), A), Trust::Trusted);
        assert_eq!(judge(&format!("h {A}"), ("h", 2222, None), A), Trust::Trusted);
        assert_eq!(judge(&format!("h {B}"), ("h", 2222, None), A), Trust::Unknown);
        assert_eq!(judge(&format!("h {A}\n[h]:2222 {B}"), ("h", 2222, None), A), changed(&["kh:2 (ssh-ed25519)"]));
        assert_eq!(judge(&format!("[h]:2222 {A}"), ("h", 22, None), A), Trust::Unknown);
        assert_eq!(judge(&format!("web {A}"), ("10.0.0.1", 2222, Some("web")), A), Trust::Trusted);
        assert_eq!(judge(&format!("10.0.0.1 {A}"), ("10.0.0.1", 22, Some("web")), A), Trust::Unknown);
        assert_eq!(judge(&format!("[::1]:2222 {A}"), ("::1", 2222, None), A), Trust::Trusted);
    }

    #[test]
    fn an_authority_alone_is_not_yet_enough() {
        let content = format!("@cert-authority * {B}");
        assert_eq!(judge(&content, ("h", 22, None), A), Trust::OnlyAuthority { place: "kh:1".to_owned() });
        assert_eq!(judge(&format!("{content}\nh {A}"), ("h", 22, None), A), Trust::Trusted);
    }

    #[test]
    fn recorded_types_are_known_before_connecting() {
        let file = Arc::new(HostFile::parse(Path::new("kh"), format!("h {EC}\nh {A}\n@revoked h {B}").as_bytes()));
        let known = Known::lookup(&[file], &LookupName::new("H", 22, None));
        assert_eq!(known.kinds(), ["ecdsa-sha2-nistp256", "ssh-ed25519"]);
    }

    #[test]
    fn globs_do_not_explode() {
        assert!(glob(b"*a*b?c*", b"xxaxxbxc"));
        assert!(!glob(b"a*b", b"a"));
        assert!(glob(b"**", b""));
        assert!(!glob(&b"*a".repeat(200), &[b'a'; 199]));
    }
}
