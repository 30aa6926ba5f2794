//! Files with known host keys.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runbook::world::ssh::known_hosts::{HostFile, Known, LookupName, Trust};

const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOpKbGxJmXIuaOPI7BJRnyJ4jxnUJzVv5OLnFrvXJG8A",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAQ6nMWpFwQs0y1Ux8oLe7N3bYpN8Qm2RrPqzqkPj0wX",
];

fn blob(key: &str) -> Vec<u8> {
    let (_, text) = key.split_once(' ').expect("two words");
    STANDARD.decode(text).expect("base64")
}

fn judged(contents: &[&[u8]], name: &LookupName, key: &str) -> Trust {
    let files = contents.iter().map(|content| Arc::new(HostFile::parse(Path::new("kh"), content)));
    Known::lookup(&files.collect::<Vec<_>>(), name).judge(&blob(key))
}

/// What a key is worth, without the places.
fn word(trust: &Trust) -> &'static str {
    match trust {
        Trust::Trusted => "trusted",
        Trust::Revoked { .. } => "revoked",
        Trust::Changed { .. } => "changed",
        Trust::OnlyAuthority { .. } => "authority",
        Trust::Certificate(_) => "certificate",
        Trust::Unknown => "unknown",
    }
}

fn contains(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}

/// A key is trusted only where it stands in the file; a revoked one never; lines that cannot be read change nothing.
pub(super) fn known_hosts(content: &[u8]) {
    let _ = judgements(content);
}

/// The same; what the keys are worth there, in words.
pub fn judgements(content: &[u8]) -> Vec<&'static str> {
    let mut words = Vec::new();
    let names = [
        LookupName::new("web-04", 22, None),
        LookupName::new("10.0.0.4", 2222, None),
        LookupName::new("10.0.0.4", 22, Some("web-04")),
    ];
    let lines = content.split(|byte| *byte == b'\n').count();
    let file = HostFile::parse(Path::new("kh"), content);
    for entry in file.entries("web-04").into_iter().chain(file.entries("[10.0.0.4]:2222")) {
        assert!((1..=lines).contains(&entry.line), "line {} of {lines}", entry.line);
        assert_eq!(entry.place, format!("kh:{}", entry.line));
    }
    for (name, key) in names.iter().flat_map(|name| KEYS.map(|key| (name, key))) {
        let trust = judged(&[content], name, key);
        words.push(word(&trust));
        let recorded = key.split_once(' ').is_some_and(|(_, text)| contains(content, text.trim_end_matches('=').as_bytes()));
        assert!(recorded || !matches!(trust, Trust::Trusted | Trust::Revoked { .. }), "{trust:?} and it is not recorded");

        let revoked = [content, b"\n@revoked * ", key.as_bytes()].concat();
        assert_eq!(word(&judged(&[&revoked], name, key)), "revoked");
        let noise = [b"# a comment\nweb-04 ssh-future AAAA\n\xff\xfe\0\n".as_slice(), content].concat();
        assert_eq!(word(&judged(&[&noise], name, key)), word(&trust), "unreadable lines changed the answer");
        let half = content.iter().take(content.len() / 2).rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let (first, second) = content.split_at(half);
        assert_eq!(word(&judged(&[first, second], name, key)), word(&trust), "two files are not as one");
    }
    words
}
