//! What lines mean, one by one.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use proptest::prelude::*;

use super::{HostFile, Known, LookupName, Trust, fingerprint, glob};

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILagOJFgwaMNhBWQINinKOXmqS4Gh5NgxgriXwdOoINJ";
// a type that is not known here, well-formed
const FUTURE: &str = "ssh-future AAAACnNzaC1mdXR1cmUAAAAEAQIDBA==";
const EC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMxBTpMIGvo7CnordO7wP0QQRqpBwUjOLl4eMhfucfE1sjTYyK5wmTl1UqoSDS1PtRVTBdl+0+9pquFb46U7fwg=";

fn blob(key: &str) -> Vec<u8> {
    STANDARD.decode(key.split(' ').nth(1).expect("two words")).expect("base64")
}

fn judge(content: &str, name: (&str, u16, Option<&str>), key: &str) -> Trust {
    let file = Arc::new(HostFile::parse(Path::new("kh"), content.as_bytes()));
    Known::lookup(&[file], &LookupName::new(name.0, name.1, name.2)).judge(&blob(key))
}

/// As a place is told with what is recorded there.
fn told(place: &str, key: &str) -> String {
    format!("{place} {} {}", key.split(' ').next().expect("a word"), fingerprint(&blob(key)))
}

fn broken(content: &str, name: (&str, u16, Option<&str>)) -> Vec<String> {
    let file = Arc::new(HostFile::parse(Path::new("kh"), content.as_bytes()));
    Known::lookup(&[file], &LookupName::new(name.0, name.1, name.2)).broken().to_vec()
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
        format!("h {FUTURE}\n@revoked * {FUTURE}\nh 1024 35 123456\nh {A}"),
        format!("g nonsense\n@strange g {B}\ng\n\u{fffd} x\n|1|AAAA|AAAA {B}\n@\nh {A}"),
        format!("# h {B}\nh {A}"),
        format!("h {EC}\nh {A}"),
    ] {
        assert_eq!(judge(&content, h, A), Trust::Trusted, "{content}");
    }
}

#[test]
fn other_keys_and_other_types_are_changes() {
    let h = ("h", 22, None);
    assert_eq!(judge(&format!("h {B}"), h, A), changed(&[&told("kh:1", B)]));
    assert_eq!(judge(&format!("# c\n# d\nh {EC}"), h, A), changed(&[&told("kh:3", EC)]));
}

#[test]
fn negation_and_other_names_leave_a_host_unknown() {
    let h = ("h", 22, None);
    for content in [
        String::new(),
        format!("*,!h {A}"),
        format!("!h,* {A}"),
        format!("!x {A}"),
        format!("g {A}"),
        format!("[h]:22 {A}"),
        format!("h {FUTURE}"),
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
    assert_eq!(judge(&format!("h {A}\n[h]:2222 {B}"), ("h", 2222, None), A), changed(&[&told("kh:2", B)]));
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

#[test]
fn a_line_that_speaks_of_a_host_and_cannot_be_read_is_told() {
    let h = ("h", 22, None);
    let key = A.split(' ').nth(1).expect("two words");
    for (line, why) in [
        ("h".to_owned(), "it has no key"),
        ("h ssh-ed25519".to_owned(), "its key is not of the type it says"),
        ("* nonsense".to_owned(), "its key is not of the type it says"),
        (format!("h {A}x"), "its key is no base64"),
        (format!("h {}", &A[..A.len() - 8]), "its key is damaged"),
        (format!("h {A}AAAA"), "its key is damaged"),
        (format!("h ssh-rsa {key}"), "its key is not of the type it says"),
        (format!("h ssh-ed25518 {key}"), "its key is not of the type it says"),
        (format!("@revoke h {A}"), "its marker is not known"),
        (format!("@REVOKED h {A}"), "its marker is not known"),
        ("@revoked h".to_owned(), "it has no key"),
        // nobody can be sure not to be meant
        ("@revoked".to_owned(), "it names no host"),
        (format!("@revoked @revoked g {A}"), "it names no host"),
        (format!("@revoked |1|AAAA|AAAA {A}"), "its name cannot be read"),
        (format!("h\0 {A}"), "it has no key"),
    ] {
        assert_eq!(broken(&format!("# one\n{line}\nh {A}"), h), [format!("kh:2: {why}")], "{line}");
        assert_eq!(broken(&format!("# one\n{line}\nh {A}"), ("h", 2222, None)).len(), 1, "{line}");
    }
    for line in [format!("g {A}x"), "|1|AAAA|AAAA x".to_owned(), "@cert-authority".to_owned(), format!("*,!h {A}x")] {
        let file = Arc::new(HostFile::parse(Path::new("kh"), line.as_bytes()));
        let known = Known::lookup(&[file], &LookupName::new("h", 22, None));
        assert_eq!((known.broken().len(), known.passed().len()), (0, 1), "{line}");
    }
}

#[test]
fn to_revoke_a_certificate_is_to_revoke_its_key() {
    let cert = include_str!("a-cert.pub").trim();
    let key = include_str!("a.pub").trim();
    let revoked = judge(&format!("@revoked * {cert}\nh {key}"), ("h", 22, None), key);
    assert_eq!(revoked, Trust::Revoked { place: "kh:1".to_owned() });
    let recorded = judge(&format!("[h]:2222 {cert}\nh {key}"), ("h", 2222, None), key);
    assert!(matches!(recorded, Trust::Changed { .. }), "{recorded:?}");
}

/// Bytes as they may stand in a file: any, or words of the language in any order.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let words =
        ["@revoked", "@cert-authority", "@", "h", "*", "!h", ",", "|1|", "|", " ", "\t", "\n", "\r\n", "\0", "#", A, B, EC];
    let words = prop::sample::select(words.map(|word| word.as_bytes().to_vec()).to_vec());
    let pieces = prop_oneof![words, prop::collection::vec(any::<u8>(), 0..12)];
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_can_be_read_and_are_judged(content in content(), port in prop::sample::select(vec![22u16, 2222])) {
        let file = Arc::new(HostFile::parse(Path::new("kh"), &content));
        prop_assert!(file.lines.len() + file.broken.len() <= content.iter().filter(|b| **b == b'\n').count() + 1);
        let known = Known::lookup(&[Arc::clone(&file)], &LookupName::new("h", port, None));
        for key in [A, B, EC] {
            let revoked = known.revoked(&blob(key)).is_some();
            prop_assert_eq!(matches!(known.judge(&blob(key)), Trust::Revoked { .. }), revoked);
        }
    }

    #[test]
    fn a_line_means_the_same_wherever_it_stands(content in content()) {
        // what one line costs and says does not depend on the others: twice the file is twice the lines
        let mut twice = content.clone();
        twice.push(b'\n');
        let once = HostFile::parse(Path::new("kh"), &twice);
        twice.extend(&content);
        let both = HostFile::parse(Path::new("kh"), &twice);
        prop_assert_eq!(both.lines.len(), 2 * once.lines.len());
        prop_assert_eq!(both.broken.len(), 2 * once.broken.len());
    }
}
