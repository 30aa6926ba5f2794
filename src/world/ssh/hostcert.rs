//! Host certificates: whether an authority that is recorded for a host says that this key is the host's, now.
//!
//! The rules are OpenSSH's, and stricter in one: a certificate that names no host proves nothing, for every machine that
//! has one could be every other.

use std::borrow::Cow;

use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};

use crate::model::time::Timestamp;
use crate::model::visible::{literal, shown};
use crate::world::ssh::known_hosts::{CertFault, Known, Trust, fingerprint};

/// What follows for a certificate that a host shows.
pub(crate) fn judge(known: &Known, cert: &Certificate, now: Timestamp) -> Trust {
    let (Some(key), Some(authority)) = (blob(cert.public_key()), blob(cert.signature_key())) else {
        return Trust::Certificate(fault("host-cert-type", "the certificate holds a key that cannot be written down"));
    };
    // to revoke an authority is to revoke all that it signed
    if let Some(place) = known.revoked(&key).or_else(|| known.revoked(&authority)) {
        return Trust::Revoked { place: place.to_owned() };
    }
    match (known.is_authority(&authority), known.judge(&key)) {
        // recorded by itself, whoever signed it
        (_, Trust::Trusted) => Trust::Trusted,
        (false, changed @ Trust::Changed { .. }) => changed,
        (false, _) => Trust::Certificate(stranger(known, cert, &authority)),
        (true, _) => match check(cert, known.principal(), now) {
            Ok(()) => Trust::Trusted,
            Err(fault) => Trust::Certificate(CertFault { evidence: told(cert, &authority, now), ..fault }),
        },
    }
}

fn blob(key: &KeyData) -> Option<Vec<u8>> {
    PublicKey::from(key.clone()).to_bytes().ok()
}

fn fault(code: &'static str, why: impl Into<String>) -> CertFault {
    CertFault { code, why: why.into(), evidence: Vec::new() }
}

/// Signed by somebody who is not recorded.
fn stranger(known: &Known, cert: &Certificate, authority: &[u8]) -> CertFault {
    let why = format!("it is signed by {}, which is not recorded as an authority for this host", fingerprint(authority));
    let recorded = known.authorities().into_iter().map(|place| format!("@cert-authority at {place}"));
    let evidence = [format!("the certificate is `{}`", shown(cert.key_id().as_bytes(), 100))];
    CertFault { evidence: evidence.into_iter().chain(recorded).collect(), ..fault("host-cert-authority", why) }
}

/// What a certificate says of itself, in the order in which a person checks it.
fn told(cert: &Certificate, authority: &[u8], now: Timestamp) -> Vec<String> {
    let names = cert.valid_principals().join(",");
    let names = if names.is_empty() { Cow::Borrowed("nobody") } else { Cow::Owned(shown(names.as_bytes(), 200)) };
    vec![
        format!("the certificate `{}`, serial {}, is for {names}", shown(cert.key_id().as_bytes(), 100), cert.serial()),
        format!("valid from {} to {}", moment(cert.valid_after()), moment(cert.valid_before())),
        format!("the clock here says {}", moment(seconds(now))),
        format!("signed by {} {}", cert.signature_key().algorithm().as_str(), fingerprint(authority)),
    ]
}

fn check(cert: &Certificate, principal: &str, now: Timestamp) -> Result<(), CertFault> {
    if cert.signature().algorithm() == (Algorithm::Rsa { hash: None }) {
        return Err(fault("host-cert-authority", "it is signed with SHA-1"));
    }
    if !cert.cert_type().is_host() {
        return Err(fault("host-cert-type", "it is the certificate of a user, not of a host"));
    }
    let now = seconds(now);
    if now < cert.valid_after() {
        return Err(fault("host-cert-not-yet", format!("it is not valid before {}", moment(cert.valid_after()))));
    }
    if now >= cert.valid_before() {
        return Err(fault("host-cert-expired", format!("it expired on {}", moment(cert.valid_before()))));
    }
    let names = cert.valid_principals();
    if names.is_empty() {
        return Err(fault("host-cert-principal", "it names no host, so that any machine that has one could be any other"));
    }
    if !names.iter().any(|name| name == principal) {
        return Err(fault("host-cert-principal", format!("it is not for `{}`", literal(principal))));
    }
    if let Some(option) = cert.critical_options().keys().next() {
        let option = shown(option.as_bytes(), 100);
        let why = format!("it has the critical option `{option}`, which no host certificate may have");
        return Err(fault("host-cert-type", why));
    }
    // the library checks time and authority once more, and the signature
    let authority = cert.signature_key().fingerprint(HashAlg::Sha256);
    cert.validate_at(now, [&authority]).map_err(|_| fault("host-cert-authority", "its signature is wrong"))
}

/// Seconds since 1970; a clock that stands before that is as good as none.
fn seconds(now: Timestamp) -> u64 {
    u64::try_from(now.as_millis() / 1000).unwrap_or(0)
}

fn moment(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "forever".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use russh::keys::ssh_key::certificate::{Builder, CertType};
    use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
    use russh::keys::{Certificate, PrivateKey};

    use super::judge;
    use crate::model::time::Timestamp;
    use crate::world::ssh::known_hosts::{HostFile, Known, LookupName, Trust};

    const FROM: u64 = 1_767_225_600;
    const TO: u64 = FROM + 3600;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&[seed; 32])), "").expect("a key")
    }

    fn line(key: &PrivateKey) -> String {
        key.public_key().to_openssh().expect("a key")
    }

    /// A certificate of key 1 by key 2, from FROM to TO.
    fn cert(kind: CertType, change: impl FnOnce(&mut Builder)) -> Certificate {
        let mut builder = Builder::new([1; 16], key(1).public_key().clone(), FROM, TO).expect("a builder");
        builder.cert_type(kind).and_then(|builder| builder.key_id("h 7")).expect("a certificate");
        change(&mut builder);
        builder.sign(&key(2)).expect("signed")
    }

    fn named(name: &str) -> Certificate {
        cert(CertType::Host, |builder| {
            builder.valid_principal(name).expect("a name");
        })
    }

    fn trust(cert: &Certificate, known_hosts: &str, at: u64) -> Trust {
        let file = Arc::new(HostFile::parse(Path::new("kh"), known_hosts.as_bytes()));
        let now = Timestamp::from_millis(i64::try_from(at).expect("small") * 1000);
        judge(&Known::lookup(&[file], &LookupName::new("h", 2222, None)), cert, now)
    }

    fn class(cert: &Certificate, known_hosts: &str, at: u64) -> &'static str {
        match trust(cert, known_hosts, at) {
            Trust::Trusted => "trusted",
            Trust::Certificate(fault) => fault.code,
            Trust::Revoked { .. } => "revoked",
            Trust::Changed { .. } => "changed",
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_certificate_is_judged_by_each_of_its_parts() {
        let by = format!("@cert-authority * {}", line(&key(2)));
        let good = named("h");
        assert_eq!(class(&good, &by, FROM), "trusted");
        assert_eq!(class(&good, &by, FROM - 1), "host-cert-not-yet");
        assert_eq!(class(&good, &by, TO - 1), "trusted");
        assert_eq!(class(&good, &by, TO), "host-cert-expired");
        for name in ["g", "*", "H", "[h]:2222", "h.", "h,g"] {
            assert_eq!(class(&named(name), &by, FROM), "host-cert-principal", "{name}");
        }
        let anybody = cert(CertType::Host, |builder| {
            builder.all_principals_valid().expect("no names");
        });
        assert_eq!(class(&anybody, &by, FROM), "host-cert-principal");
        let user = cert(CertType::User, |builder| {
            builder.valid_principal("h").expect("a name");
        });
        assert_eq!(class(&user, &by, FROM), "host-cert-type");
        let option = cert(CertType::Host, |builder| {
            builder.valid_principal("h").and_then(|builder| builder.critical_option("force-command", "x")).expect("an option");
        });
        assert_eq!(class(&option, &by, FROM), "host-cert-type");
    }

    #[test]
    fn a_signature_that_is_not_the_authoritys_proves_nothing() {
        let by = format!("@cert-authority * {}", line(&key(2)));
        let mut forged = named("h").to_bytes().expect("bytes");
        let last = forged.len() - 1;
        forged[last] ^= 1;
        let forged = Certificate::from_bytes(&forged).expect("still a certificate");
        assert_eq!(class(&forged, &by, FROM), "host-cert-authority");
        assert_eq!(class(&named("h"), &format!("@cert-authority * {}", line(&key(3))), FROM), "host-cert-authority");
        assert_eq!(class(&named("h"), &format!("@cert-authority g {}", line(&key(2))), FROM), "host-cert-authority");
    }

    #[test]
    fn what_is_revoked_or_recorded_comes_first() {
        let (by, own) = (format!("@cert-authority * {}", line(&key(2))), line(&key(1)));
        assert_eq!(class(&named("h"), &format!("{by}\n@revoked * {own}"), FROM), "revoked");
        assert_eq!(class(&named("h"), &format!("{by}\n@revoked * {}", line(&key(2))), FROM), "revoked");
        // its own key is recorded: no authority is needed
        assert_eq!(class(&named("g"), &format!("[h]:2222 {own}"), TO), "trusted");
        assert_eq!(class(&named("h"), &format!("@cert-authority g {own}\n[h]:2222 {}", line(&key(3))), FROM), "changed");
    }

    #[test]
    fn a_refusal_tells_the_time_of_the_certificate_and_ours() {
        let Trust::Certificate(fault) = trust(&named("h"), &format!("@cert-authority * {}", line(&key(2))), TO + 60) else {
            panic!("it is refused")
        };
        assert_eq!(fault.why, "it expired on 2026-01-01 01:00:00 UTC");
        assert_eq!(fault.evidence[1], "valid from 2026-01-01 00:00:00 UTC to 2026-01-01 01:00:00 UTC");
        assert_eq!(fault.evidence[2], "the clock here says 2026-01-01 01:01:00 UTC");
    }
}
