//! What a host says of itself, read with distrust.

use crate::model::host::Facts;

/// When the question was sent and when the answer came, in milliseconds of our clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) sent: i64,
    pub(crate) answered: i64,
}

/// An answer that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the host does not say its {0}")]
pub(crate) struct Unreadable(&'static str);

const MAX_FIELD: usize = 1024;

/// Reads the answer to the question for facts.
pub(crate) fn read(answer: &[u8], asked: Asked) -> Result<Facts, Unreadable> {
    let text = std::str::from_utf8(answer).map_err(|_| Unreadable("facts in UTF-8"))?;
    let fields: Vec<&str> = text.split('\0').map(str::trim).collect();
    let [system, id, home, boot, machine, instance, clock, ""] = fields[..] else { return Err(Unreadable("facts")) };
    if fields.iter().any(|field| field.len() > MAX_FIELD || field.chars().any(char::is_control)) {
        return Err(Unreadable("facts in plain words"));
    }
    let (os, rest) = system.split_once(' ').ok_or(Unreadable("system"))?;
    let (hostname, arch) = rest.trim().rsplit_once(' ').ok_or(Unreadable("system"))?;
    let (uid, user) = user(id).ok_or(Unreadable("user"))?;
    if !home.starts_with('/') {
        return Err(Unreadable("home directory"));
    }
    let (skew_ms, skew_err_ms) = skew(clock, asked).ok_or(Unreadable("clock"))?;
    Ok(Facts {
        os: os.to_owned(),
        arch: arch.to_owned(),
        user,
        uid,
        home: home.to_owned(),
        hostname: hostname.trim().to_owned(),
        boot_id: (!boot.is_empty()).then(|| boot.to_owned()),
        machine_id: (!machine.is_empty()).then(|| machine.to_owned()),
        instance_id: (!instance.is_empty()).then(|| instance.to_owned()),
        skew_ms,
        skew_err_ms,
    })
}

/// From `uid=0(root) gid=0(root) …`; a user without a name is called by its number.
fn user(id: &str) -> Option<(u32, String)> {
    let first = id.split_whitespace().next()?.strip_prefix("uid=")?;
    match first.split_once('(') {
        None => Some((first.parse().ok()?, first.to_owned())),
        Some((uid, name)) => Some((uid.parse().ok()?, name.strip_suffix(')')?.to_owned())),
    }
}

/// From seconds and nanoseconds in one number, or from seconds alone where `%N` is not known.
fn skew(clock: &str, asked: Asked) -> Option<(i64, u64)> {
    let digits = clock.bytes().take_while(u8::is_ascii_digit).count();
    let number: i64 = clock.get(..digits)?.parse().ok()?;
    let (there, coarse) = if digits > 12 { (number / 1_000_000, 0) } else { (number.checked_mul(1000)?.checked_add(500)?, 500) };
    let round_trip = asked.answered.checked_sub(asked.sent)?;
    let here = asked.sent.checked_add(round_trip / 2)?;
    Some((there.checked_sub(here)?, u64::try_from(round_trip).ok()?.div_ceil(2) + coarse))
}

#[cfg(test)]
mod tests {
    use super::{Asked, Unreadable, read};
    use crate::model::host::Facts;

    const ASKED: Asked = Asked { sent: 1_795_243_677_000, answered: 1_795_243_677_041 };

    #[test]
    fn facts_are_read() {
        let answer =
            b"Linux web-1 x86_64\0uid=1000(ec2-user) gid=1000(ec2-user)\0/home/ec2-user\0b-1\0\0i-0a1\x001795243679045123456\0";
        let want = Facts {
            os: "Linux".to_owned(),
            arch: "x86_64".to_owned(),
            user: "ec2-user".to_owned(),
            uid: 1000,
            home: "/home/ec2-user".to_owned(),
            hostname: "web-1".to_owned(),
            boot_id: Some("b-1".to_owned()),
            machine_id: None,
            instance_id: Some("i-0a1".to_owned()),
            skew_ms: 2025,
            skew_err_ms: 21,
        };
        assert_eq!(read(answer, ASKED), Ok(want));
    }

    #[test]
    fn a_clock_without_fractions_is_known_less_well() {
        let answer = b"Darwin m arm64\0uid=501 gid=20\0/u\0\0\0\x001795243677N\0";
        let facts = read(answer, ASKED).expect("readable");
        assert_eq!((facts.user.as_str(), facts.uid, facts.skew_ms, facts.skew_err_ms), ("501", 501, 480, 521));
    }

    #[test]
    fn what_does_not_parse_is_unreadable() {
        for (answer, what) in [
            (&b""[..], "facts"),
            (b"Linux\0uid=0(root)\0/root\0\0\0\x001\0", "system"),
            (b"Linux h x\0uid=root\0/root\0\0\0\x001\0", "user"),
            (b"Linux h x\0uid=0(root)\0root\0\0\0\x001\0", "home directory"),
            (b"Linux h x\0uid=0(root)\0/root\0\0\0\0now\0", "clock"),
            (b"Linux h x\0uid=0(root)\0/ro\x1bot\0\0\0\x001\0", "facts in plain words"),
            (b"\xff", "facts in UTF-8"),
        ] {
            assert_eq!(read(answer, ASKED), Err(Unreadable(what)));
        }
    }
}
