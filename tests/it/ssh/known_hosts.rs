//! Files with known host keys, against `ssh-keygen -F`.

use std::fs;
use std::path::Path;
use std::process::Command;

use runbook::world::ssh::known_hosts::{HostFile, Marker};

use crate::harness::sshd::keygen;

/// Which lines speak of a name, as `ssh-keygen -F` sees them.
fn keygen_find(path: &Path, name: &str) -> Vec<(usize, Marker)> {
    let output = Command::new("ssh-keygen").args(["-l", "-F", name, "-f"]).arg(path).output().expect("ssh-keygen");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = text.lines().filter_map(|line| line.strip_prefix("# Host ")?.split_once(" found: line "));
    found
        .map(|(_, rest)| {
            let (number, mark) = rest.split_once(' ').unwrap_or((rest, ""));
            let marker = match mark.trim() {
                "CA" => Marker::Authority,
                "REVOKED" => Marker::Revoked,
                _ => Marker::Plain,
            };
            (number.parse().expect("a number"), marker)
        })
        .collect()
}

#[test]
fn known_hosts_are_read_as_openssh_reads_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let keys = [
        keygen(&dir.path().join("a"), &[]),
        keygen(&dir.path().join("b"), &["-t", "ecdsa", "-N", ""]),
        keygen(&dir.path().join("c"), &["-t", "rsa", "-b", "2048", "-N", ""]),
        "ssh-ed25519 AAAA".to_owned(),
        "ssh-future AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ".to_owned(),
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ".to_owned(),
        String::new(),
    ];
    let names = ["web", "web.example.org", "WEB", "10.0.0.1", "[web]:2222", "[10.0.0.1]:2222", "::1", "x"];
    let patterns = [
        "web",
        "Web",
        "w*",
        "*",
        "?eb",
        "*,!web",
        "!web,*",
        "web,10.0.0.1",
        "10.0.0.*",
        "[web]:2222",
        "[*]:2222",
        "*.example.org",
        "!*",
        "",
        ",",
        "|1|bad|bad",
        "x,,web",
        "web,",
        "HASHED",
    ];
    let before =
        ["", " ", "\t", "# ", "@revoked ", "@cert-authority ", "@revoked  ", "@strange ", "@revoked @revoked ", "@", "\\"];
    let gaps = [" ", "\t", "  ", " \t ", ""];
    let after = ["", " comment", " a comment", "\r", "\t", " # x", "="];
    // hashed by OpenSSH itself
    let plain = dir.path().join("plain");
    fs::write(&plain, format!("web {}\n", keys[0])).expect("written");
    let hashing = Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&plain).output().expect("ssh-keygen");
    assert!(hashing.status.success());
    let hashed = fs::read_to_string(&plain).expect("read").split(' ').next().expect("a name").to_owned();

    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut pick = |count: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % count as u64).expect("small")
    };
    let path = dir.path().join("known_hosts");
    for round in 0..60 {
        let mut content = String::new();
        for _ in 0..30 {
            let pattern = patterns[pick(patterns.len())].replace("HASHED", &hashed);
            let (front, key) = (before[pick(before.len())], &keys[pick(keys.len())]);
            let gap = if pick(4) == 0 { gaps[pick(gaps.len())] } else { " " };
            content.push_str(&format!("{front}{pattern}{gap}{}{}\n", key.replacen(' ', gap, 1), after[pick(after.len())]));
        }
        fs::write(&path, &content).expect("written");
        let file = HostFile::parse(&path, content.as_bytes());
        for name in names {
            let ours: Vec<(usize, Marker)> = file.entries(name).iter().map(|e| (e.line, e.marker)).collect();
            assert_eq!(ours, keygen_find(&path, name), "round {round}, {name}, in\n{content}");
        }
    }
}
